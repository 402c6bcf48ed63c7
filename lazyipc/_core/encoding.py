"""How integers become bytes: fixed width or varint, little- or big-endian.

Varint: a value below 251 is one byte; else a marker byte, 251 to 254, and the value in 2, 4, 8 or
16 bytes. Signed numbers are zigzagged first: 0, -1, 1, -2 … are 0, 1, 2, 3. Numbers of one byte and
floats are never varints. Knows numbers only; no shapes, no code.

Source: the bincode 2 specification, docs/spec.md "VarintEncoding"; bincode 1 has the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from lazyipc._core.record import Value
from lazyipc._core.scalars import Number

SINGLE_BYTE_MAX = 250
"""The largest varint that is its own byte."""

MARKERS = {251: 2, 252: 4, 253: 8, 254: 16}
"""The first byte of a longer varint, and how many bytes follow it."""


class Encoding(Value, hidden=("number",)):
    """Which of bincode's integer encodings is spoken."""

    varint: bool
    byte_order: Literal["little", "big"]
    number: int
    """Its place in `ENCODINGS`: a codec is found by it, faster than by an Encoding."""

    def __init__(
        self, varint: bool = False, byte_order: Literal["little", "big"] = "little"
    ) -> None:
        super().__init__(varint, byte_order, varint + 2 * (byte_order == "big"))

    @property
    def prefix(self) -> str:
        """The byte order as `struct` writes it."""
        return "<" if self.byte_order == "little" else ">"

    def is_varint(self, number: Number) -> bool:
        """Whether a number of this kind takes as few bytes as its value needs."""
        return self.varint and number.width_bytes > 1 and not number.is_float

    def smallest(self, number: Number) -> int:
        """The fewest bytes a number of this kind takes."""
        return 1 if self.is_varint(number) else number.width_bytes


FIXED = Encoding()
"""What bincode 1's plain functions write, and all wires of lazyipc."""

ENCODINGS = (FIXED, Encoding(True), Encoding(False, "big"), Encoding(True, "big"))
"""All there are."""

COUNT = Number("u64")
"""How many elements or bytes follow."""
INDEX = Number("u32")
"""Which variant follows."""

EMPTY_WEIGHT = 1000
"""As how many elements one counts that takes no bytes: it costs memory and time all the same, which
must stay in proportion to the bytes that ask for it."""

MOST_EMPTY = 1000
"""How many such elements are written: what a message of a million elements has room for."""

_SINGLES = tuple(bytes((value,)) for value in range(SINGLE_BYTE_MAX + 1))


def zigzag(value: int) -> int:
    """A signed number as an unsigned one, small where it is near zero.

    >>> [zigzag(value) for value in (0, -1, 1, -2)]
    [0, 1, 2, 3]
    """
    return value << 1 if value >= 0 else ~(value << 1)


def unzigzag(value: int) -> int:
    """The signed number that `zigzag` made this of."""
    return (value >> 1) ^ -(value & 1)


@lru_cache(maxsize=64)
def varint_writer(number: Number, encoding: Encoding) -> Callable[[int], bytes]:
    """A function from a number to its varint; it raises OverflowError for one out of range."""
    order, low, high, signed = encoding.byte_order, number.minimum, number.maximum, number.is_signed
    sizes = [(1 << (8 * size), bytes((marker,)), size) for marker, size in MARKERS.items()]

    def write(value: int) -> bytes:
        if not low <= value <= high:
            raise OverflowError(f"{value} is not in {low} … {high}")
        if signed:
            value = value << 1 if value >= 0 else ~(value << 1)
        if value <= SINGLE_BYTE_MAX:
            return _SINGLES[value]
        for end, marker, size in sizes:
            if value < end:
                return marker + value.to_bytes(size, order)
        raise AssertionError("no number is wider than sixteen bytes")

    return write


class Overlong(ValueError):
    """A varint in more bytes than its value, or its type, takes."""


_Table = dict[int, tuple[Callable[[Any, int], tuple[int, ...]], int, int]]


def _markers_of(number: Number, encoding: Encoding) -> _Table:
    """For each marker a number may have: what unpacks it, its size, and the least it may say."""

    def unpack_wide(data: Any, offset: int) -> tuple[int, ...]:
        taken = data[offset : offset + 16]
        if len(taken) < 16:
            raise struct.error("16 bytes are needed")
        return (int.from_bytes(taken, encoding.byte_order),)

    unpackers = {
        size: struct.Struct(encoding.prefix + letter).unpack_from
        for size, letter in ((2, "H"), (4, "I"), (8, "Q"))
    }
    return {
        marker: (
            unpackers.get(size, unpack_wide),
            size,
            SINGLE_BYTE_MAX + 1 if size == 2 else 1 << (4 * size),
        )
        for marker, size in MARKERS.items()
        if size <= number.width_bytes
    }


@lru_cache(maxsize=64)
def varint_reader(number: Number, encoding: Encoding) -> Callable[[Any, int, int], tuple[int, int]]:
    """A function that goes on behind a marker: `read(data, offset, marker) -> (value, offset)`.

    The value is not unzigzagged yet. It raises Overlong, or struct.error where bytes are missing.
    """
    markers = _markers_of(number, encoding)

    def read(data: Any, offset: int, marker: int) -> tuple[int, int]:
        known = markers.get(marker)
        if known is None:
            raise Overlong(f"byte {marker} begins no {number.name}")
        unpack, size, least = known
        (value,) = unpack(data, offset)
        if value < least:
            raise Overlong(f"{value} takes fewer bytes than {size + 1}")
        return value, offset + size

    return read


@lru_cache(maxsize=64)
def varints_reader(
    number: Number, encoding: Encoding
) -> Callable[[Any, int, int], tuple[list[int], int]]:
    """A function that reads many: `read(data, offset, count) -> (values, offset)`."""
    markers, signed = _markers_of(number, encoding), number.is_signed

    def read(data: Any, offset: int, count: int) -> tuple[list[int], int]:
        head = bytes(data[offset : offset + count])
        if len(head) == count and max(head, default=0) <= SINGLE_BYTE_MAX:
            values, offset = list(head), offset + count
        else:
            values = []
            for _ in range(count):
                value = data[offset]
                offset += 1
                if value > SINGLE_BYTE_MAX:
                    unpack, size, least = markers[value]
                    (value,) = unpack(data, offset)
                    if value < least:
                        raise Overlong(f"{value} takes fewer bytes than {size + 1}")
                    offset += size
                values.append(value)
        return ([unzigzag(value) for value in values] if signed else values), offset

    return read
