"""Finding where a value, or a message, is wrong, once it is known to be refused.

None of this runs while all is well. Knows shapes, their parts and their walks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from lazyipc._core import layout
from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, Fault, finish, joined
from lazyipc._core.encoding import Encoding
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape
from lazyipc._core.source import PartRefused

Location = tuple[int | str, ...]
"""Where pydantic found something: names of fields and positions, outermost first."""


MOST_COMPLAINTS = 1000
"""How many complaints of pydantic are looked at to find the first: it cannot tell one without
making a text of each, at microseconds apiece."""


def first_complaint(error: ValidationError) -> tuple[Location, str]:
    """Place and reason of the first thing pydantic refused."""
    count = error.error_count()
    if count > MOST_COMPLAINTS:
        return (), f"{count} parts of it are refused, too many to tell of one"
    first = error.errors(include_url=False, include_context=False)[0]
    return first["loc"], f"{first['msg']} (got {shown(first['input'])})"


def path_of(loc: Location) -> str:
    """A place as people write it, such as `items[3].a`."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return path.lstrip(".")


SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """A value for a message: short, and whatever its own `__repr__` does."""
    try:
        text = repr(value)
        return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    except Exception as odd:  # noqa: BLE001 a message must not fail for what it tells of
        return f"a {type(value).__name__} whose repr raises {type(odd).__name__}"


def bad_part(
    shape: Shape, value: Any, error: Exception, encoding: Encoding, depth: int
) -> tuple[str, str]:
    """Path and reason of the innermost part of a value that does not encode."""
    encoders: dict[int, Callable[[Any, int], bytes]] = {}
    try:
        if isinstance(shape, shapes.Structure) and shape.kind == "dataclass":
            layout.fields_check(shape)(value)
        for step, part_shape, part in layout.parts_of(shape, value):
            encoder = encoders.get(id(part_shape))
            if encoder is None:
                encoder = encoders[id(part_shape)] = layout.encoder(part_shape, encoding)
            try:
                encoder(part, depth)
            except Exception as inner:  # noqa: BLE001 told as part of the EncodeError
                path, reason = bad_part(part_shape, part, inner, encoding, depth)
                return step + path, reason
    except ValidationError as refused:
        loc, reason = first_complaint(refused)
        path = path_of(loc)
        return path if path.startswith("[") else f".{path}", reason
    except Exception as odd:  # noqa: BLE001 the value's own code may raise anything
        return "", f"{type(value).__name__} given: {_text_of(odd) or shown(odd)}"
    match shape:
        case shapes.Choice(name, cases):
            names = ", ".join(case.name for case in cases)
            return "", f"{type(value).__name__} is none of {name}: {names}"
        case shapes.Enumeration(kind, _):
            return "", f"{shown(value)} is no member of {kind.__name__}"
        case shapes.Bool():
            return "", f"{shown(value)} is no bool"
        case Number() if not shape.is_float:
            return "", f"{shown(value)} is no {shape.name} ({shape.minimum} to {shape.maximum})"
        case shapes.Text() | shapes.Char() if not isinstance(value, str):
            return "", f"{shown(value)} is no str"
    return "", _text_of(error) or f"{shown(value)} does not fit"


def _text_of(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 then its name must do
        return type(error).__name__


def place_of(
    root: Shape, cursor: Cursor, refused: PartRefused | None, loc: Location
) -> tuple[int, str]:
    """Where, in a walkable message, what pydantic found stands: offset and path.

    Args:
        root: what the message is.
        cursor: at its beginning.
        refused: the part that refused by itself, if it was one.
        loc: what pydantic calls the place, within that part or within the whole message.
    """
    path, shape = "", root
    try:
        if refused is not None:
            cursor.seek(refused.shape, refused.start)
            try:
                finish(layout.walk(root, cursor))
            except Fault as found:
                path, shape, cursor.offset = found.path, refused.shape, refused.start
                cursor.depth, cursor.elements = cursor.depth_limit, cursor.element_limit
            cursor.seek(None, 0)
        loc = descend(shape, cursor, loc)
    except Fault:
        pass  # too long to be looked through; this is how far it came
    return cursor.offset - cursor.start, joined(path, path_of(loc))


def descend(shape: Shape, cursor: Cursor, loc: Location) -> Location:
    """Move over a walkable message to where the part at `loc` begins, as far as that leads.

    Returns:
        The place as far as it is true of the message: pydantic counts the elements of a set in an
        order of their own.
    """
    if isinstance(shape, shapes.Set):
        return ()
    if isinstance(shape, shapes.Mapping):  # the bytes alone do not tell where a key is
        return loc
    if not loc and not isinstance(shape, shapes.Option):
        return loc
    start = cursor.offset
    for _, key, part in finish(layout.opened(shape, cursor)):
        if key is None:
            return descend(part, cursor, loc)
        if loc and key == loc[0]:
            return (key, *descend(part, cursor, loc[1:]))
        finish(layout.walk(part, cursor))
    cursor.offset = start
    return loc
