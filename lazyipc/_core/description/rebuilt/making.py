"""Classes made at run time: models, their fallbacks, enums and families, from names and types.

The names are a server's, and so untrusted: a class gets one that Python can spell, and nothing is
ever run that was sent. Knows pydantic and families; no description.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import keyword
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from lazyipc._core.description.soundness import printable
from lazyipc._core.family import TaggedUnion
from lazyipc._core.record import Value
from lazyipc.errors import SchemaError

MODULE = "lazyipc.discovered"
"""What classes say they are from; there is no such module, as they are from a server."""

LONGEST_NAME = 200
"""Characters of a class's name; who sends longer ones wants to fill screens."""

REQUIRED: Any = dataclasses.MISSING
"""In place of a default: there is none."""


class Part(Value):
    """A field to be.

    Args:
        key: what it is called in JSON; also when the class is called.
        default: what it is where it is left out, or REQUIRED; never changed, but copied.
    """

    name: str
    key: str
    annotation: Any
    doc: str = ""
    default: Any = REQUIRED


class Shown(enum.Enum):
    """Base of enums: shown by name, so that what a server called its members stays text."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{printable(self.name)}"

    __str__ = __repr__


class Struct(BaseModel):
    """Base of the classes that stand inside messages."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        defer_build=True,
        validate_default=True,
        populate_by_name=True,
        protected_namespaces=(),
    )


def class_name(name: str, otherwise: str = "Unnamed") -> str:
    """A name that Python can spell, as near to another as can be.

    >>> class_name("Page[u16]"), class_name("class"), class_name("1 a", "Point")
    ('Page_u16', 'class_', '_1_a')
    """
    made = re.sub(r"\W+", "_", name[:LONGEST_NAME], flags=re.ASCII if name.isascii() else 0)
    made = made.strip("_")
    if made[:1].isdigit():
        made = f"_{made}"
    if keyword.iskeyword(made):
        made = f"{made}_"
    return made if made.isidentifier() else otherwise


def check_field_name(name: str, path: str) -> None:
    """See that Python has room for a field of a name.

    Raises:
        SchemaError: it has none.
    """
    is_spelt = name.isidentifier() and not keyword.iskeyword(name)
    if not is_spelt or (name.startswith("__") and name.endswith("__")):
        raise SchemaError(f"{path}: {name!r} is no name of an attribute in Python")


def check_exact_name(name: str, path: str) -> None:
    """See that a class may be called exactly that, as where its own name is what travels.

    Raises:
        SchemaError: it may not.
    """
    if not (name.isprintable() and len(name) <= LONGEST_NAME):
        raise SchemaError(f"{path}: no class is called that")


def is_name_of_model(name: str) -> bool:
    """Whether a model may have a field of that name."""
    return not (name.startswith("_") or hasattr(Struct, name))


# Classes with fields -----------------------------------------------------------------------------


def body_of(parts: Sequence[Part], doc: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a model.

    Args:
        names: what its fields' forward references mean; may become more until it is used.
    """
    body: dict[str, Any] = {
        "__module__": MODULE,
        "__doc__": printable(doc) or None,
        "__annotations__": {part.name: part.annotation for part in parts},
    }
    for part in parts:
        arguments: dict[str, Any] = {}
        if part.key != part.name:
            arguments["alias"] = part.key
        if part.doc:
            arguments["description"] = printable(part.doc)
        if part.default is not REQUIRED:
            arguments["default"] = part.default
        if arguments:
            body[part.name] = Field(**arguments)
    return body


def model(
    name: str, parts: Sequence[Part], doc: str, names: Mapping[str, Any], base: type = Struct
) -> Any:
    """A model; where a field has a name that models keep for themselves, a dataclass."""
    if not all(is_name_of_model(part.name) for part in parts):
        return _dataclass(name, parts, doc)
    made: Any = type(name, (base,), body_of(parts, doc, names))
    made.__lazyipc_locals__ = names
    return made


def lone_model(
    name: str, parts: Sequence[Part], doc: str, names: Mapping[str, Any], more: Mapping[str, Any]
) -> Any:
    """A model whatever its fields are called, as a command by itself must be one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Field name .* shadows", UserWarning)
        made: Any = type(name, (Struct,), {**body_of(parts, doc, names), **more})
    made.__lazyipc_locals__ = names
    return made


def _dataclass(name: str, parts: Sequence[Part], doc: str) -> Any:
    fields = []
    for part in parts:
        alias = part.key if part.key != part.name else None
        field = Field(alias=alias, description=printable(part.doc))
        annotation: Any = Annotated.__class_getitem__((part.annotation, field))  # type: ignore[attr-defined]
        fields.append((part.name, annotation, _factory(part.default)))
    made = dataclasses.make_dataclass(name, fields, frozen=True, kw_only=True)
    made.__module__ = MODULE
    made.__doc__ = printable(doc)
    made.__pydantic_config__ = ConfigDict(  # type: ignore[attr-defined]
        strict=True, extra="forbid", populate_by_name=True
    )
    return made


def _factory(default: Any) -> Any:
    if default is REQUIRED:
        return dataclasses.field()
    return dataclasses.field(default_factory=lambda: copy.deepcopy(default))


def namedtuple(name: str, parts: Sequence[Part], doc: str) -> Any:
    """A class whose values can be hashed, for keys of maps and items of sets."""
    made: Any = NamedTuple(name, [(part.name, part.annotation) for part in parts])  # type: ignore[misc]
    made.__module__ = MODULE
    made.__doc__ = printable(doc)
    return made


# Enums and families ------------------------------------------------------------------------------


def enumeration(name: str, members: Sequence[str], doc: str, path: str) -> type[enum.Enum]:
    """An Enum of members whose values are their names.

    Raises:
        SchemaError: Python keeps one of the names for itself.
    """
    try:
        made: Any = Shown(name, [(member, member) for member in members], module=MODULE)  # type: ignore[call-arg]
    except (ValueError, TypeError) as error:
        raise SchemaError(f"{path}: {error}") from error
    if [member.name for member in made] != list(members):
        raise SchemaError(f"{path}: Python has no Enum with members of these names")
    made.__doc__ = printable(doc) or None
    return made  # type: ignore[no-any-return]


def root(base: type[TaggedUnion], name: str, doc: str) -> Any:
    """The root of a family."""
    body = {
        "__module__": MODULE,
        "__doc__": printable(doc) or None,
        "model_config": ConfigDict(populate_by_name=True, protected_namespaces=()),
    }
    return type(class_name(name, base.__name__), (base,), body)


def variant(
    of: Any,
    name: str,
    parts: Sequence[Part],
    doc: str,
    names: Mapping[str, Any],
    *,
    index: int | None = None,
    timeout: float | None = None,
    more: Mapping[str, Any] | None = None,
) -> Any:
    """A variant of a family.

    Args:
        more: what else its body has.
    """
    taken = {known.model.__name__ for known in of.__lazyipc_family__.variants}
    spelt = free(class_name(name, "Variant"), taken, {})
    keywords: dict[str, Any] = {"name": name, "index": index, "timeout": timeout}
    made: Any = type(spelt, (of,), {**body_of(parts, doc, names), **(more or {})}, **keywords)
    made.__lazyipc_locals__ = names
    return made


def free(name: str, taken: Collection[str], counts: dict[str, int]) -> str:
    """A name that is not taken yet: itself, or with the next number behind it.

    Args:
        counts: the number that each was last given, so that one that many want is found as soon.
    """
    number = counts.get(name, 0) + 1
    made = name if number == 1 else f"{name}_{number}"
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    counts[name] = number
    return made
