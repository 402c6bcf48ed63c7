"""Whether a description that a server sent is one: the kinds of its values, its types and schemas.

A server's text is untrusted: whoever walks a description later shall find what they expect, and no
deeper than they can follow. Knows JSON data only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, NoReturn, TypeVar

from lazyipc.errors import DecodeError

T = TypeVar("T")

DEEPEST_DOCUMENT = 250
"""How deep arrays and objects may stand inside one another: what a walk that calls itself for each
takes of Python's stack, with room for the program around it."""
DEEPEST_TYPE = 128
"""How many types may stand inside one another in one. Of lists in lists this comes first, of
classes the document's own limit, after about eighty."""

_BESIDE_ITEMS: dict[str, int] = {"option": 1, "vec": 1, "set": 1, "map": 2}
"""Descriptions that hold nothing but types, and how many."""

_SCHEMA = frozenset({"items", "additionalProperties", "propertyNames", "contains", "not"})
_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs"})
_TEXTS = frozenset({"title", "description", "pattern", "format", "$ref", "$schema"})
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_COUNTS = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)

FINGERPRINT_DIGITS = 16
_HEX = frozenset("0123456789abcdef")

MOST_VARIANTS = 2304
"""How many commands, or variants of a family, there may be: no more have an index."""
LONGEST_CHAIN = 16
"""How many references may lead to one another. A server writes two or three; where each of many led
to the next, to follow them all would take their square."""
LARGEST_NUMBER = 1.7976931348623157e308
"""The largest float: JSON has integers that are larger, and no timeout or bound is."""
REFERENCE = "#/$defs/"
"""What each reference of a schema begins with."""


def printable(text: str) -> str:
    """A text that does nothing to a terminal but begin lines.

    >>> printable("a\\x1b[31mb\\nc")
    'a\\\\x1b[31mb\\nc'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def refuse(path: str, reason: str) -> NoReturn:
    """Refuse a description, for what stands at a path in it; a server chose either's words."""
    told = printable(f"the server's description: {reason}")
    raise DecodeError(told, offset=0, path=printable(path))


def named(value: Any) -> str:
    """What a JSON value is, for an error's text."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
    return "an object"


def member(of: dict[str, Any], key: str, kind: Callable[[Any, str], T], path: str) -> T:
    """What an object has under a key, if it is of a kind."""
    inner = f"{path}.{key}" if path else key
    if key not in of:
        refuse(path, f'"{key}" is missing')
    return kind(of[key], inner)


def text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        refuse(path, f"a string is wanted, not {named(value)}")
    return value


def name(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        refuse(path, "a name is wanted")
    return value


def fingerprint(value: Any, path: str) -> str:
    if not isinstance(value, str) or len(value) != FINGERPRINT_DIGITS or set(value) - _HEX:
        refuse(path, f"a fingerprint of {FINGERPRINT_DIGITS} hexadecimal digits is wanted")
    return value


def flag(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        refuse(path, f"true or false is wanted, not {named(value)}")
    return value


def integer(value: Any, path: str) -> int:
    if type(value) is not int:
        refuse(path, f"an integer is wanted, not {named(value)}")
    return value


def count(value: Any, path: str) -> int:
    if type(value) is not int or value < 0:
        refuse(path, f"an integer from 0 is wanted, not {named(value)}")
    return value


def number(value: Any, path: str) -> float:
    if type(value) is not int and type(value) is not float:
        refuse(path, f"a number is wanted, not {named(value)}")
    if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        refuse(path, "a number is wanted that a float can hold")
    return value


def array(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        refuse(path, f"an array is wanted, not {named(value)}")
    return value


def variants(value: Any, path: str) -> list[Any]:
    """An array of what has an index each."""
    if len(array(value, path)) > MOST_VARIANTS:
        refuse(path, f"there are {len(value)}, and {MOST_VARIANTS} is the most")
    return array(value, path)


def table(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        refuse(path, f"an object is wanted, not {named(value)}")
    return value


def optional(kind: Callable[[Any, str], T]) -> Callable[[Any, str], T | None]:
    """The kind, or null."""
    return lambda value, path: None if value is None else kind(value, path)


def check_depth(document: Any) -> None:
    """Refuse what nests too deep, or holds what JSON does not have."""
    level = [document]
    for _ in range(DEEPEST_DOCUMENT):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                if not all(type(key) is str for key in value):
                    refuse("", "a key is no string")
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
            elif isinstance(value, float) and not isfinite(value):
                refuse("", f"{value} is no number of JSON")
            elif value is not None and not isinstance(value, str | int | float):
                refuse("", f"{type(value).__name__} is nothing of JSON")
        if not inner:
            return
        level = inner
    refuse("", f"it nests more than {DEEPEST_DOCUMENT} levels deep")


# Types -------------------------------------------------------------------------------------------


def wire_type(value: Any, path: str) -> Any:
    """The description of a type (docs/protocol.md, "Fingerprints")."""
    _check_type(value, path, 1)
    return value


def returned(value: Any, path: str) -> Any:
    """The description of what a command returns."""
    match value:
        case ["response", str(), fields]:
            wire_fields(fields, path)
        case ["family", str()]:
            pass
        case _:
            _check_type(value, path, 1)
    return value


def wire_fields(value: Any, path: str) -> tuple[tuple[str, Any], ...]:
    """The fields of a variant, as pairs of name and type."""
    _check_fields(value, path, 1)
    return tuple((field, type_) for field, type_ in value)


def _check_type(value: Any, path: str, depth: int) -> None:
    if isinstance(value, str) and value:
        return
    if depth > DEEPEST_TYPE:
        refuse(path, f"a type nests more than {DEEPEST_TYPE} levels deep")
    match value:
        case ["struct", fields]:
            _check_fields(fields, path, depth)
        case ["enum", list(names)]:
            for each in names:
                text(each, path)
        case ["tuple", list(items)]:
            for item in items:
                _check_type(item, path, depth + 1)
        case ["array", item, length]:
            count(length, path)
            _check_type(item, path, depth + 1)
        case ["see" | "up", level]:
            count(level, path)
        case ["choice", list(cases)]:
            for case in cases:
                _check_case(case, path, depth + 1)
        case [str(kind), *items] if _BESIDE_ITEMS.get(kind) == len(items):
            for item in items:
                _check_type(item, path, depth + 1)
        case _:
            refuse(path, "no type is described so")


def _check_fields(fields: Any, path: str, depth: int) -> None:
    for field in array(fields, path):
        match field:
            case [str(key), type_]:
                _check_type(type_, f"{path}.{key}" if path else key, depth + 1)
            case _:
                refuse(path, "a field is a pair of name and type")


def _check_case(case: Any, path: str, depth: int) -> None:
    match case:
        case [int(), str(), str()]:
            pass
        case [int(), str(), [str(), *_] as type_]:
            _check_type(type_, path, depth)
        case [int(), str(), fields]:
            _check_fields(fields, path, depth)
        case _:
            refuse(path, "a variant has an index, a name and fields")


# Schemas -----------------------------------------------------------------------------------------


def check_schema(schema: dict[str, Any], definitions: dict[str, Any], path: str) -> None:
    """Refuse a JSON Schema whose keywords are not of their kind, or that refers to nothing."""
    left: list[tuple[Any, str]] = [(schema, path)]
    while left:
        each, where = left.pop()
        if not isinstance(each, bool):
            left.extend(_inside(table(each, where), definitions, where))


def _inside(
    schema: dict[str, Any], definitions: dict[str, Any], path: str
) -> Iterator[tuple[Any, str]]:
    """Check the keywords of one schema; the schemas right inside it."""
    for key, value in schema.items():
        where = f"{path}.{key}"
        if key in _TEXTS:
            text(value, where)
        elif key in _NUMBERS:
            number(value, where)
        elif key in _COUNTS:
            count(value, where)
        elif key == "wire":
            returned(value, where)
        elif key == "required":
            for each in array(value, where):
                text(each, where)
        elif key in ("enum", "examples"):
            array(value, where)
        elif key in _SCHEMA:
            yield value, where
        elif key in _SCHEMAS:
            for index, each in enumerate(array(value, where)):
                yield each, f"{where}[{index}]"
        elif key in _NAMED_SCHEMAS:
            for inner, each in table(value, where).items():
                yield each, f"{where}.{inner}"
        if key == "$ref":
            follow(schema, definitions, path)


def follow(schema: dict[str, Any], definitions: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema that a reference leads to, with what stands beside the reference."""
    beside: dict[str, Any] = {}
    for _ in range(LONGEST_CHAIN + 1):
        beside = {**schema, **beside}
        reference = beside.pop("$ref", None)
        if reference is None:
            return beside
        key = reference.removeprefix(REFERENCE) if isinstance(reference, str) else ""
        if f"{REFERENCE}{key}" != reference or not isinstance(definitions.get(key), dict):
            refuse(f"{path}.$ref", f"it refers to {reference!r}, which is not there")
        schema = definitions[key]
    refuse(f"{path}.$ref", f"it refers to itself, or over more than {LONGEST_CHAIN} steps")
