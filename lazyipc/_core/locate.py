"""Finding where a value, or a message, is wrong, once it is known to be refused.

None of this runs while all is well. Knows shapes, their parts and their walks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from pydantic import BaseModel, ValidationError

from lazyipc._core import layout
from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, finish, joined
from lazyipc._core.shape import Shape
from lazyipc.errors import DecodeError

COUNT_BYTES = 8
INDEX_BYTES = 4

DecodeVariant = Callable[[type[BaseModel], Any, int, int], object]


Location = tuple[int | str, ...]
"""Where pydantic found something: names of fields and positions, outermost first."""


def first_complaint(error: ValidationError) -> tuple[Location, str]:
    """Place and reason of the first thing pydantic refused."""
    first = error.errors(include_url=False, include_context=False)[0]
    return first["loc"], f"{first['msg']} (got {shown(first['input'])})"


def path_of(loc: Location) -> str:
    """A place as people write it, such as `items[3].a`."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return path.lstrip(".")


def shown(value: object) -> str:
    """A value for a message: short, and whatever its own `__repr__` does."""
    try:
        return f"{value!r:.80}"
    except Exception as odd:  # noqa: BLE001 a message must not fail for what it tells of
        return f"a {type(value).__name__} whose repr raises {type(odd).__name__}"


def bad_part(shape: Shape, value: Any, error: Exception) -> tuple[str, str]:
    """Path and reason of the innermost part of a value that does not encode."""
    try:
        for step, part_shape, part in layout.parts_of(shape, value):
            try:
                layout.encoder(part_shape)(part)
            except Exception as inner:  # noqa: BLE001 told as part of the EncodeError
                path, reason = bad_part(part_shape, part, inner)
                return step + path, reason
    except Exception as odd:  # noqa: BLE001 the value's own code may raise anything
        return "", f"{type(value).__name__} given: {shown(odd)}"
    match shape:
        case shapes.Choice(name, cases):
            names = ", ".join(case.name for case in cases)
            return "", f"{type(value).__name__} is none of {name}: {names}"
        case shapes.Enumeration(kind, _):
            return "", f"{shown(value)} is no member of {kind.__name__}"
        case shapes.Bool():
            return "", f"{shown(value)} is no bool"
    return "", _text_of(error) or f"{shown(value)} does not fit"


def _text_of(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 then its name must do
        return type(error).__name__


def holds_variants(shape: Shape) -> bool:
    """Whether a variant may stand somewhere in a message."""
    match shape:
        case shapes.Choice():
            return True
        case shapes.Structure(_, _, fields):
            return any(holds_variants(field.shape) for field in fields)
        case shapes.Product(items):
            return any(map(holds_variants, items))
        case shapes.Vector(item, _) | shapes.Option(item) | shapes.Mapping(_, item):
            return holds_variants(item)
    return False


def refused_variant(shape: Shape, cursor: Cursor, decode: DecodeVariant) -> DecodeError | None:
    """The error of the first variant, anywhere in a walkable message, that its model refuses.

    A variant is validated by itself, so what pydantic says of it does not know where it stands.

    Args:
        shape: what the bytes are, from the cursor on; the cursor passes them.
        cursor: where to look.
        decode: decodes the fields of one variant, or raises DecodeError.
    """
    match shape:
        case shapes.Choice(_, cases):
            index = int.from_bytes(
                cursor.data[cursor.offset : cursor.offset + INDEX_BYTES], "little"
            )
            start = cursor.offset + INDEX_BYTES
            finish(layout.walk(shape, cursor))
            case = next(case for case in cases if case.index == index)
            try:
                decode(case.shape.model, cursor.data, start, cursor.offset)
            except DecodeError as error:
                return _within(error, case.name, start - cursor.start)
        case shapes.Structure(_, _, fields):
            for field in fields:
                found = refused_variant(field.shape, cursor, decode)
                if found is not None:
                    return _within(found, field.name, 0)
        case shapes.Product(items):
            return _first_within(items, cursor, decode)
        case shapes.Vector(item, _):
            return _first_within(repeat(item, _take_count(cursor)), cursor, decode)
        case shapes.Mapping(key, value):
            for position in range(_take_count(cursor)):
                finish(layout.walk(key, cursor))
                found = refused_variant(value, cursor, decode)
                if found is not None:
                    return _within(found, f"[pair {position}]", 0)
        case shapes.Option(item):
            cursor.offset += 1
            if cursor.data[cursor.offset - 1]:
                return refused_variant(item, cursor, decode)
        case _:
            finish(layout.walk(shape, cursor))
    return None


def _first_within(
    items: Iterable[Shape], cursor: Cursor, decode: DecodeVariant
) -> DecodeError | None:
    for position, item in enumerate(items):
        found = refused_variant(item, cursor, decode)
        if found is not None:
            return _within(found, f"[{position}]", 0)
    return None


def _take_count(cursor: Cursor) -> int:
    cursor.offset += COUNT_BYTES
    return int.from_bytes(cursor.data[cursor.offset - COUNT_BYTES : cursor.offset], "little")


def _within(error: DecodeError, step: str, offset: int) -> DecodeError:
    path = joined(step, error.path)
    return DecodeError(error.reason, offset=error.offset + offset, path=path)


def descend(shape: Shape, cursor: Cursor, loc: Location) -> None:
    """Move over a walkable message to where the part at `loc` begins, as far as that leads."""
    match shape:
        case shapes.Structure(_, _, fields) if loc:
            for field in fields:
                if field.key == loc[0]:
                    return descend(field.shape, cursor, loc[1:])
                finish(layout.walk(field.shape, cursor))
        case shapes.Vector(item, _) if loc and isinstance(loc[0], int):
            cursor.offset += COUNT_BYTES
            for _ in range(loc[0]):
                finish(layout.walk(item, cursor))
            descend(item, cursor, loc[1:])
        case shapes.Product(items) if loc and isinstance(loc[0], int):
            for item in items[: loc[0]]:
                finish(layout.walk(item, cursor))
            descend(items[loc[0]], cursor, loc[1:])
        case shapes.Option(item):
            cursor.offset += 1
            descend(item, cursor, loc)
    return None
