"""JSON of what has no parts: numbers, bool, Char, str, bytes, None, Enum.

Source: serde_json 1.0 `src/ser.rs` and `src/de.rs`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isfinite
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.json_form.rule import FORMS, Form, Misfit, Read, Room, Write, found
from lazyipc._core.scalars import Number, round_f32

# Numbers ---------------------------------------------------------------------------------------


def number_read(number: Number) -> Read:
    """Reads a number of one kind."""
    return _float_read(number) if number.is_float else _integer_read(number)


def _integer_read(number: Number) -> Read:
    low, high = number.minimum, number.maximum

    def read(value: Any, room: Room) -> int:
        if type(value) is not int:
            wanted = f"{number.name} is wanted, a number without point or exponent"
            raise Misfit(f"{wanted}, not {found(value)}")
        if not low <= value <= high:
            raise Misfit(f"{found(value)} is no {number.name} ({low} to {high})")
        return value

    return read


def _float_read(number: Number) -> Read:
    is_f32 = number.name == "f32"

    def read(value: Any, room: Room) -> float:
        if type(value) is not float and type(value) is not int:
            raise Misfit(f"{number.name} is wanted, a number, not {found(value)}")
        try:
            made = round_f32(float(value)) if is_f32 else float(value)
        except (OverflowError, ValueError):
            made = float("inf")
        if not isfinite(made):
            raise Misfit(f"a number too large for {number.name}")
        return made

    return read


def numbers_read(number: Number) -> Callable[[list[Any], Room], list[Any]]:
    """Reads many numbers: at once if all are in order, else one by one to the one that is not."""
    read = number_read(number)

    def read_all(values: list[Any], room: Room) -> list[Any]:
        if not values:
            return values
        types = set(map(type, values))
        if not number.is_float:
            if types == {int} and min(values) >= number.minimum and max(values) <= number.maximum:
                return values
        elif number.name == "f64" and types == {float} and all(map(isfinite, values)):
            return values
        return read_each(read, values, room)

    return read_all


def read_each(read: Read, values: list[Any], room: Room) -> list[Any]:
    """Read the items of an array; a misfit is told with its position."""
    made: list[Any] = []
    try:
        for value in values:
            made.append(read(value, room))
    except Misfit as misfit:
        raise misfit.within(len(made)) from None
    return made


SMALLEST_NORMAL_F32 = 2.0**-126


def shortest_f32(value: float) -> float:
    """The float of the fewest digits that a 32-bit float is read back from: 0.1, where the value
    is 0.10000000149011612."""
    # Six digits tell all numbers apart but those near zero, which have fewer themselves.
    for digits in range(6 if abs(value) >= SMALLEST_NORMAL_F32 else 1, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", value):
            return short
    return float(f"{value:.9g}")


def _number_write(number: Number) -> Write:
    if not number.is_float:
        return int  # of a bool, too, which equals one
    is_f32 = number.name == "f32"

    def write(value: Any) -> float:
        if not isfinite(value):
            raise Misfit(f"{value} has no form in JSON, which has finite numbers only")
        return shortest_f32(value) if is_f32 else float(value)

    return write


# bool, Char, str, bytes, None --------------------------------------------------------------------


def _bool_read(shape: shapes.Bool) -> Read:
    def read(value: Any, room: Room) -> bool:
        if type(value) is not bool:
            raise Misfit(f"true or false is wanted, not {found(value)}")
        return value

    return read


def _text_read(shape: shapes.Text) -> Read:
    def read(value: Any, room: Room) -> str:
        if type(value) is not str:
            raise Misfit(f"a string is wanted, not {found(value)}")
        return value

    return read


def _char_read(shape: shapes.Char) -> Read:
    def read(value: Any, room: Room) -> str:
        if type(value) is not str or len(value) != 1:
            raise Misfit(f"a string of one character is wanted, not {found(value)}")
        return value

    return read


_read_bytes = numbers_read(Number("u8"))


def bytes_of(value: Any, room: Room) -> bytes:
    """Bytes of an array of numbers."""
    if type(value) is not list:
        raise Misfit(f"bytes are an array of numbers, 0 to 255, not {found(value)}")
    return bytes(_read_bytes(value, room))


def _unit_read(shape: shapes.Unit) -> Read:
    def read(value: Any, room: Room) -> None:
        if value is not None:
            raise Misfit(f"null is wanted, not {found(value)}")

    return read


def _as_it_is(value: Any) -> Any:
    return value


# Enum: the member's name -----------------------------------------------------------------------


def _enumeration_read(shape: shapes.Enumeration) -> Read:
    members = {member.name: member for member in shape.members}

    def read(value: Any, room: Room) -> Any:
        if type(value) is dict and [*value.values()] == [None]:  # serde's other way to write it
            room.keys += 1
            (value,) = value
        member = members.get(value) if type(value) is str else None
        if member is None:
            raise Misfit(no_such(f"a member of {shape.type.__name__}", value, members))
        return member

    return read


def no_such(wanted: str, given: Any, known: Any) -> str:
    """What to tell of a name that is none: the nearest ones, or all if they are few."""
    from difflib import get_close_matches  # takes as long to import as a cold call to encode

    names = list(map(str, known))
    told = f"{wanted} is wanted, not {found(given)}"
    if not names:
        return f"{told}; there are none"
    is_short = type(given) is str and len(given) <= LONGEST_NAME and len(names) <= MOST_COMPARED
    near = get_close_matches(given, names) if is_short else []
    if near:
        told += f"; did you mean {near[0]}?"
    listed = ", ".join(names[:MOST_NAMES])
    more = "" if len(names) <= MOST_NAMES else f" and {len(names) - MOST_NAMES} more"
    return f"{told} There are {listed}{more}" if near else f"{told}; there are {listed}{more}"


MOST_NAMES = 20
"""How many names a message lists."""
MOST_COMPARED, LONGEST_NAME = 200, 100
"""Among how many names a near one is looked for, and of how many characters: a few milliseconds."""


def _enumeration_write(shape: shapes.Enumeration) -> Write:
    return {member: member.name for member in shape.members}.__getitem__


FORMS[Number] = Form(number_read, _number_write)
FORMS[shapes.Bool] = Form(_bool_read, lambda shape: bool)
FORMS[shapes.Char] = Form(_char_read, lambda shape: _as_it_is)
FORMS[shapes.Text] = Form(_text_read, lambda shape: _as_it_is)
FORMS[shapes.Blob] = Form(lambda shape: bytes_of, lambda shape: list)
FORMS[shapes.Unit] = Form(_unit_read, lambda shape: _as_it_is)
FORMS[shapes.Enumeration] = Form(_enumeration_read, _enumeration_write)
