"""JSON of sequences of a fixed length, and of numbers in NumPy arrays: an array.

Source: serde's `impl_array.rs` for `[T; N]`.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.json_form.atoms import bytes_of, numbers_read
from lazyipc._core.json_form.containers import items_read, of_length, write_each
from lazyipc._core.json_form.rule import FORMS, Form, Misfit, Read, Room, Write, found, writer
from lazyipc._core.marks import dtype_text

# A fixed number of items -------------------------------------------------------------------------


def _array_read(shape: shapes.Array) -> Read:
    length, kind = shape.length, shape.kind
    read_items = items_read(shape.item)

    def read(value: Any, room: Room) -> Any:
        of_length(value, length)
        if kind is bytes:
            return bytes_of(value, room)
        room.charge(length)
        return kind(read_items(value, room))

    return read


def _array_write(shape: shapes.Array) -> Write:
    return list if shape.kind is bytes else write_each(writer(shape.item))


# numpy.ndarray -----------------------------------------------------------------------------------


def _numpy_read(shape: shapes.NumberArray) -> Read:
    read_items, length = numbers_read(shape.item), shape.length

    def read(value: Any, room: Room) -> Any:
        import numpy

        if length is not None:
            of_length(value, length)
        if type(value) is not list:
            raise Misfit(f"an array is wanted, not {found(value)}")
        return numpy.array(read_items(value, room), dtype=dtype_text(shape.item))

    return read


def _numpy_write(shape: shapes.NumberArray) -> Write:
    write_items = write_each(writer(shape.item))
    return lambda value: write_items(value.tolist())


FORMS[shapes.Array] = Form(_array_read, _array_write)
FORMS[shapes.NumberArray] = Form(_numpy_read, _numpy_write)
