"""JSON of dict: an object, whose keys are text whatever they are in the dict.

Source: serde_json 1.0, `MapKeySerializer` and `MapKey`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.conversion import IP_ADDRESS
from lazyipc._core.json_form.containers import refuse_collisions
from lazyipc._core.json_form.rule import (
    FORMS,
    Entry,
    EntryKey,
    Form,
    Misfit,
    Read,
    Room,
    Write,
    found,
    reader,
    writer,
)
from lazyipc._core.json_form.standard import is_text
from lazyipc._core.scalars import Number
from lazyipc._core.schema import describe, text_of
from lazyipc._core.shape import Shape
from lazyipc.errors import SchemaError

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,39}")
"""An integer in its one form, of no more digits than 128 bits have."""
_REAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}


def _key_read(shape: Shape) -> Read:
    """Reads the text of a key."""
    if isinstance(shape, Number):
        return _number_key_read(shape)
    if isinstance(shape, shapes.Bool):
        return _bool_key
    if _is_text(shape):
        return reader(shape)
    raise SchemaError(
        f"the keys of a JSON object are text, and {text_of(describe(shape))} has no such form; "
        "use the framed wire, or a list of pairs"
    )


def _is_text(shape: Shape) -> bool:
    plain = isinstance(shape, shapes.Text | shapes.Char | shapes.Enumeration)
    return plain or is_text(shape) or shape is IP_ADDRESS


def _number_key_read(number: Number) -> Read:
    read_number = reader(number)
    form, made = (_REAL, float) if number.is_float else (_INTEGER, int)

    def read(text: Any, room: Room) -> Any:
        if not form.fullmatch(text):
            raise Misfit(f"{found(text)} is no {number.name}")
        return read_number(made(text), room)

    return read


def _bool_key(text: Any, room: Room) -> bool:
    if text not in _BOOLEANS:
        raise Misfit(f'"true" or "false" is wanted, not {found(text)}')
    return _BOOLEANS[text]


def _key_write(shape: Shape) -> Callable[[Any], str]:
    write = writer(shape)
    if isinstance(shape, Number):
        return lambda value: repr(write(value))
    if isinstance(shape, shapes.Bool):
        return lambda value: "true" if value else "false"
    return write


def _mapping_read(shape: shapes.Mapping) -> Read:
    read_key, read_value = _key_read(shape.key), reader(shape.value)
    check = refuse_collisions(shape, shape.key)

    def read(value: Any, room: Room) -> dict[Any, Any]:
        if type(value) is not dict:
            raise Misfit(f"an object is wanted, not {found(value)}")
        room.keys += len(value)
        room.charge(len(value))
        keys, values = [], []
        step: Entry | EntryKey = EntryKey("")
        try:
            for text, item in value.items():
                step = EntryKey(text)
                keys.append(read_key(text, room))
                step = Entry(text)
                values.append(read_value(item, room))
        except Misfit as misfit:
            raise misfit.within(step) from None
        check(keys)
        made = dict(zip(keys, values, strict=True))
        if len(made) < len(value):
            raise Misfit("two of its keys are one, written in two ways")
        return made

    return read


def _mapping_write(shape: shapes.Mapping) -> Write:
    write_key, write_value = _key_write(shape.key), writer(shape.value)

    def write(value: Any) -> dict[str, Any]:
        made = {}
        text = ""
        try:
            for key, item in value.items():
                text = str(key)
                text = write_key(key)
                made[text] = write_value(item)
        except Misfit as misfit:
            raise misfit.within(Entry(text)) from None
        return made

    return write


FORMS[shapes.Mapping] = Form(_mapping_read, _mapping_write)
