"""A type written as words: `list[U32]`, `option[u8]`, `module:Name`.

An expression is parsed and looked up name by name; it is never run. Both ways of naming are known:
Python's, as in a program, and those that descriptions show. `module:Name` imports that module.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from lazyipc._core import scalars
from lazyipc._core.duration import Duration, SystemTime
from lazyipc._core.marks import Array, Char
from lazyipc._core.nearest import nearest

_NUMBERS = [*(f"{sign}{bits}" for sign in "ui" for bits in (8, 16, 32, 64, 128)), "f32", "f64"]

LONGEST = 10_000
"""Characters of a type: more are no type that anybody wrote."""
MOST_SHOWN = 80
"""How many of them are shown where they are none."""

ATOMS: dict[str, Any] = {
    **{name.upper(): getattr(scalars, name.upper()) for name in _NUMBERS},
    **{name: getattr(scalars, name.upper()) for name in _NUMBERS},
    "Char": Char, "Duration": Duration, "SystemTime": SystemTime,
    "int": int, "float": float, "str": str, "bool": bool, "bytes": bytes,
    "char": Char, "unit": None, "duration": Duration,
    "systemtime": SystemTime, "Path": Path, "path": Path, "UUID": UUID, "uuid": UUID,
    "IPv4Address": IPv4Address, "ipv4addr": IPv4Address,
    "IPv6Address": IPv6Address, "ipv6addr": IPv6Address,
    "timedelta": timedelta, "datetime": datetime,
}  # fmt: skip
"""Types by the names that they may have."""

HOLDERS = (
    "Annotated", "array", "dict", "frozenset", "list", "map", "option", "set", "tuple", "vec",
)  # fmt: skip
"""What stands before square brackets."""


class BadType(ValueError):
    """The words name no type."""


def type_of(text: str) -> Any:
    """The type that words name.

    Raises:
        BadType: they name none.

    >>> type_of("list[int]"), type_of("map[str, option[bool]]")
    (list[int], dict[str, bool | None])
    """
    if len(text) > LONGEST:
        raise BadType(f"a type has at most {LONGEST} characters")
    module, colon, name = text.strip().partition(":")
    if colon and all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        return _imported(module, name)
    try:
        return _made(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        shown = text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"
        raise BadType(f"{shown!r} is no type: {error.msg} at character {error.offset}") from error
    except (RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, BadType):
            raise
        raise BadType(f"a type of {len(text)} characters that cannot be read") from error


def _imported(module: str, name: str) -> Any:
    here = os.getcwd()
    if here not in sys.path:  # where a person's own modules are, as for `python -m`
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise BadType(f"module {module!r} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:  # whatever the person's module does
        told = f"{type(error).__name__}: {error}"
        raise BadType(f"module {module!r} cannot be imported: {told}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise BadType(f"{module} has no {name}{_meant(part, dir(found))}")
        found = getattr(found, part)
    return found


def _made(node: ast.expr) -> Any:
    match node:
        case ast.Constant(None):
            return None
        case ast.Name(name) if name in ATOMS:
            return ATOMS[name]
        case ast.BinOp(left, ast.BitOr(), right):
            return _either(node, _made(left), _made(right))
        case ast.Subscript(ast.Name(name), part) if name in HOLDERS:
            parts = part.elts if isinstance(part, ast.Tuple) else [part]
            return _held(name, parts)
        case ast.Name(name) if name in HOLDERS:
            raise BadType(f"{name} holds something: write {name}[…]")
        case ast.Name(name) | ast.Subscript(ast.Name(name)):
            known = sorted({*ATOMS, *HOLDERS})
            there = (
                f"there are {', '.join(known)}; or module:Name for a class of yours, "
                "or with --of NAME a type of a running server"
            )
            raise BadType(f"no type {name!r}{_meant(name, known)}; {there}")
    raise BadType(f"{ast.unparse(node)!r} is no type")


def _either(node: ast.expr, left: Any, right: Any) -> Any:
    try:
        return left | right
    except TypeError as error:  # neither is a class: None | None
        raise BadType(f"{ast.unparse(node)!r} is no type") from error


def _held(name: str, parts: list[ast.expr]) -> Any:
    match name, parts:
        case "list" | "vec", [item]:
            return list[_made(item)]  # type: ignore[misc]
        case "set", [item]:
            return set[_made(item)]  # type: ignore[misc]
        case "frozenset", [item]:
            return frozenset[_made(item)]  # type: ignore[misc]
        case "option", [item]:
            return _made(item) | None
        case "dict" | "map", [key, value]:
            return dict[_made(key), _made(value)]  # type: ignore[misc]
        case "tuple", [ast.Tuple([])]:
            return tuple[()]
        case "tuple", [item, ast.Constant(value)] if value is Ellipsis:
            return tuple[_made(item), ...]  # type: ignore[misc]
        case "tuple", _:
            return tuple[tuple(map(_made, parts))]  # type: ignore[misc]
        case "array", [item, ast.Constant(int(length))]:
            return Annotated[list[_made(item)], Array(length)]  # type: ignore[misc]
        case "Annotated", [item, ast.Call(ast.Name("Array"), [ast.Constant(int(length))], [])]:
            return Annotated[_made(item), Array(length)]
    told = ", ".join(map(ast.unparse, parts))
    raise BadType(f"{name}[{told}] is no type: {_MEANT.get(name, f'write {name}[X]')}")


_MEANT = {
    "dict": "write dict[K, V]",
    "map": "write map[K, V]",
    "array": "write array[X, 4]",
    "Annotated": "write Annotated[list[X], Array(4)]",
}


def _meant(name: str, known: Any) -> str:
    # A long name is no slip of a short one, such as SetRate of set.
    near = [each for each in nearest(name, known) if 2 * len(each) > len(name)]
    return f"; did you mean {' or '.join(near)}?" if near else ""
