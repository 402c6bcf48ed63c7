"""What classes and annotations say beside the type: descriptions, demands, defaults, docs.

The shape has what travels; this is the rest of the declaration. Knows no JSON.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from lazyipc._core import shape as shapes
from lazyipc._core.members import alias_value, arguments_of, complete, members_of, substitute

MISSING = dataclasses.MISSING
"""No default is known: there is none, or a function makes it."""

DEMANDS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")
"""What `Field()` and its like may ask of a value, by the names of the attributes that say so."""

_CHANGES = ("strip_whitespace", "to_lower", "to_upper")
"""What a mark may have done to a text before it is held to what is demanded."""


class Notes(NamedTuple):
    """A type without its marks, and what these say.

    Args:
        alias: the innermost alias that it was taken out of, if it was.
    """

    annotation: Any
    description: str
    demands: Mapping[str, Any]
    alias: Any = None


def notes_of(
    annotation: Any, metadata: tuple[Any, ...] = (), demands: Mapping[str, Any] | None = None
) -> Notes:
    """Take a type out of what is around it: Annotated, NewType, aliases.

    Args:
        metadata: marks that stand beside it, as those of a model's field do.
        demands: what is asked of it from further out.

    >>> from typing import Annotated
    >>> from pydantic import Field
    >>> notes_of(Annotated[int, Field(gt=0, description="how many")])
    Notes(annotation=<class 'int'>, description='how many', demands={'gt': 0}, alias=None)
    """
    marks, alias = metadata, None
    while True:
        origin = typing.get_origin(annotation) or annotation
        if origin is typing.Annotated:
            annotation, *inner = typing.get_args(annotation)
            marks = (*inner, *marks)
        elif hasattr(origin, "__supertype__"):
            annotation = origin.__supertype__
        elif type(origin).__name__ == "TypeAliasType":
            alias, value = annotation, alias_value(origin, str(origin))
            annotation = substitute(value, arguments_of(annotation))
        else:
            break
    described = [m.description for m in marks if isinstance(m, FieldInfo) and m.description]
    asked = {**_demands(marks), **(demands or {})}
    return Notes(annotation, text_of(described[-1]) if described else "", asked, alias)


def _demands(marks: typing.Iterable[Any]) -> dict[str, Any]:
    """What marks ask for; of two that ask for the same the later one counts, as for pydantic."""
    found: dict[str, Any] = {}
    for mark in marks:
        if isinstance(mark, FieldInfo):
            found.update(_demands(mark.metadata))
        elif not any(getattr(mark, change, None) for change in _CHANGES):
            asked = ((name, getattr(mark, name, None)) for name in DEMANDS)
            found.update((name, value) for name, value in asked if value is not None)
    return found


class Declared(NamedTuple):
    """A field as its class declares it.

    Args:
        default: what it is where it is left out; MISSING where that is not known beforehand.
    """

    annotation: Any
    metadata: tuple[Any, ...]
    description: str
    has_default: bool
    default: Any


def declared_fields(shape: shapes.Structure) -> Iterator[Declared]:
    """The fields of a class, in the order of its shape's."""
    kind, members = members_of(shape.type, shape.name)
    origin: Any = typing.get_origin(shape.type) or shape.type
    infos: Mapping[str, Any]
    if kind == "model":
        infos = complete(origin).model_fields
    elif kind == "namedtuple":
        infos = origin._field_defaults
    else:
        parts = dataclasses.fields(origin)
        infos = {part.name: part for part in parts} | getattr(origin, "__pydantic_fields__", {})
    for member in members:
        info = infos.get(member.name, MISSING)
        is_made = False
        if isinstance(info, dataclasses.Field):
            is_made, info = info.default_factory is not MISSING, info.default
        if not isinstance(info, FieldInfo):
            has_default = is_made or info is not MISSING
            yield Declared(member.annotation, member.metadata, "", has_default, info)
            continue
        annotation, metadata = member.annotation, member.metadata
        if kind != "model":  # of a model pydantic has put together what is said at either place
            annotation, *inner = _parts_of(annotation)
            metadata = (*info.metadata, *inner)
        has_default = not info.is_required()
        is_known = has_default and info.default_factory is None
        default = info.default if is_known else MISSING
        yield Declared(annotation, metadata, text_of(info.description or ""), has_default, default)


def _parts_of(annotation: Any) -> tuple[Any, ...]:
    """A type and its marks."""
    is_marked = typing.get_origin(annotation) is typing.Annotated
    return typing.get_args(annotation) if is_marked else (annotation,)


def doc_of(thing: Any) -> str:
    """What a class says of itself in words, without what was generated.

    >>> class Plain(typing.NamedTuple):
    ...     x: int
    >>> doc_of(Plain)
    ''
    """
    origin = typing.get_origin(thing) or thing
    generic = getattr(origin, "__pydantic_generic_metadata__", {}).get("origin")
    written = (generic or origin).__dict__.get("__doc__") or ""
    # Of a dataclass or a NamedTuple without one, Python writes how it is called.
    return "" if written.startswith(f"{origin.__name__}(") else text_of(written)


def text_of(text: str) -> str:
    """Text for people as it goes into JSON, which has no halves of surrogate pairs."""
    return inspect.cleandoc(text).encode(errors="backslashreplace").decode()
