"""JSON of Option, of any number of items, and of tuple[A, B].

Source: serde_json 1.0; serde's `impls.rs`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.json_form.atoms import numbers_read, read_each
from lazyipc._core.json_form.rule import (
    FORMS,
    Form,
    Misfit,
    Read,
    Room,
    Write,
    found,
    reader,
    writer,
)
from lazyipc._core.layout.hashes import hash_check, may_collide
from lazyipc._core.layout.sequences import order_of
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape
from lazyipc._core.source import PartRefused
from lazyipc.errors import SchemaError

# Option: null, or the value ----------------------------------------------------------------------


def _option_read(shape: shapes.Option) -> Read:
    if isinstance(shape.item, shapes.Product) and not shape.item.items:
        raise SchemaError("None and () are both null in JSON; use the framed wire, or a bool")
    read_item = reader(shape.item)

    def read(value: Any, room: Room) -> Any:
        return None if value is None else read_item(value, room)

    return read


def _option_write(shape: shapes.Option) -> Write:
    write_item = writer(shape.item)
    return lambda value: None if value is None else write_item(value)


# Any number of items: an array -------------------------------------------------------------------


def items_read(item: Shape) -> Callable[[list[Any], Room], list[Any]]:
    """Reads the items of an array."""
    if isinstance(item, Number):
        return numbers_read(item)
    read = reader(item)
    return lambda values, room: read_each(read, values, room)


def write_each(write: Write) -> Callable[[Any], list[Any]]:
    """Writes the items of a sequence; a misfit is told with its position."""

    def write_all(values: Any) -> list[Any]:
        made: list[Any] = []
        try:
            for value in values:
                made.append(write(value))
        except Misfit as misfit:
            raise misfit.within(len(made)) from None
        return made

    return write_all


def _vector_read(shape: shapes.Vector) -> Read:
    read_items, kind = items_read(shape.item), shape.kind

    def read(value: Any, room: Room) -> Any:
        if type(value) is not list:
            raise Misfit(f"an array is wanted, not {found(value)}")
        room.charge(len(value))
        return kind(read_items(value, room))

    return read


def _vector_write(shape: shapes.Vector) -> Write:
    return write_each(writer(shape.item))


def refuse_collisions(shape: shapes.Set | shapes.Mapping, item: Shape) -> Callable[[Any], None]:
    """Refuses keys of which too many share a hash, which may have been chosen to stop the host."""
    if not may_collide(item):
        return lambda keys: None
    check = hash_check(shape)

    def refuse(keys: Any) -> None:
        try:
            check(keys, 0)
        except PartRefused as refused:
            raise Misfit(str(refused.error)) from refused

    return refuse


def _set_read(shape: shapes.Set) -> Read:
    read_items, kind = items_read(shape.item), shape.kind
    check = refuse_collisions(shape, shape.item)

    def read(value: Any, room: Room) -> Any:
        if type(value) is not list:
            raise Misfit(f"an array is wanted, not {found(value)}")
        room.charge(len(value))
        items = read_items(value, room)
        check(items)
        return kind(items)

    return read


def _set_write(shape: shapes.Set) -> Write:
    write_items, key = write_each(writer(shape.item)), order_of(shape.item)
    return lambda value: write_items(sorted(value, key=key))


# A fixed number of items ------------------------------------------------------------------------


def of_length(value: Any, length: int) -> None:
    """Refuse what is no array of this length."""
    if type(value) is not list:
        raise Misfit(f"an array of {length} is wanted, not {found(value)}")
    if len(value) != length:
        raise Misfit(f"an array of {length} is wanted, not of {len(value)}")


# tuple[A, B]: an array; of nothing, null ---------------------------------------------------------


def _product_read(shape: shapes.Product) -> Read:
    reads = [reader(item) for item in shape.items]
    read_unit = reader(shapes.Unit())

    def read(value: Any, room: Room) -> tuple[Any, ...]:
        if not reads:
            read_unit(value, room)
            return ()
        of_length(value, len(reads))
        made: list[Any] = []
        try:
            for read_item, item in zip(reads, value, strict=True):
                made.append(read_item(item, room))
        except Misfit as misfit:
            raise misfit.within(len(made)) from None
        return tuple(made)

    return read


def _product_write(shape: shapes.Product) -> Write:
    writes = [writer(item) for item in shape.items]

    def write(value: Any) -> list[Any] | None:
        made: list[Any] = []
        try:
            for write_item, item in zip(writes, value, strict=True):
                made.append(write_item(item))
        except Misfit as misfit:
            raise misfit.within(len(made)) from None
        return made or None

    return write


FORMS[shapes.Option] = Form(_option_read, _option_write)
FORMS[shapes.Vector] = Form(_vector_read, _vector_write)
FORMS[shapes.Set] = Form(_set_read, _set_write)
FORMS[shapes.Product] = Form(_product_read, _product_write)
