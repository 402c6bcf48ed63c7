"""How many bytes a value always has, where all values of its type have as many.

Source: docs/protocol.md, "Values". Knows shapes only.
"""

from __future__ import annotations

from collections.abc import Iterable

from lazyipc._core import shape as shapes
from lazyipc._core.conversion import UUID_BYTES
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape

COUNT_BYTES = 8
"""A count of items, or a length: a u64."""
INDEX_BYTES = 4
"""A variant's index: a u32."""


def size_of(shape: Shape) -> int | None:
    """The bytes of any value of a shape, or None where they vary.

    >>> size_of(shapes.Product((Number("u16"), shapes.Bool())))
    3
    """
    return _size(shape, ())


def _size(shape: Shape, around: tuple[shapes.Target, ...]) -> int | None:
    match shape:
        case Number():
            return shape.width_bytes
        case shapes.Bool():
            return 1
        case shapes.Unit():
            return 0
        case shapes.Enumeration():
            return INDEX_BYTES
        case shapes.Array(item, length):
            return _times(length, _size(item, around))
        case shapes.NumberArray(item, length):
            return None if length is None else length * item.width_bytes
        case shapes.Product(items):
            return _sum(_size(item, around) for item in items)
        case shapes.Structure(fields=fields):
            return _sum(_size(field.shape, around) for field in fields)
        case shapes.Converted(name="uuid"):
            return COUNT_BYTES + UUID_BYTES
        case shapes.Converted(wire=wire):
            return _size(wire, around)
        case shapes.Choice(cases=cases):
            sizes = {_size(case.shape, around) for case in cases}
            only = sizes.pop() if len(sizes) == 1 else None
            return None if only is None else INDEX_BYTES + only
        case shapes.Reference(target=target):
            # What contains itself ends somewhere, so its sizes vary.
            inside = any(target is outer for outer in around)
            return None if inside else _size(target.shape, (*around, target))
    return None


def _times(count: int, size: int | None) -> int | None:
    if count == 0:
        return 0
    return None if size is None else count * size


def _sum(sizes: Iterable[int | None]) -> int | None:
    total = 0
    for size in sizes:
        if size is None:
            return None
        total += size
    return total
