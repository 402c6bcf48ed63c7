"""Varints and zigzag, against another way to write and read them, and against literal bytes."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc._core.encoding import (
    ENCODINGS,
    FIXED,
    Encoding,
    Overlong,
    unzigzag,
    varint_reader,
    varint_writer,
    varints_reader,
    zigzag,
)
from lazyipc._core.scalars import FORMATS, Number
from tests.core.declared_types import integers
from tests.core.matrix import THOROUGH

LITTLE, BIG = Encoding(varint=True), Encoding(varint=True, byte_order="big")
VARINTS = [Number(name) for name in FORMATS if name[0] in "ui" and name not in ("u8", "i8")]

each_order = pytest.mark.parametrize("encoding", [LITTLE, BIG], ids=["little", "big"])
each_number = pytest.mark.parametrize("number", VARINTS, ids=lambda number: number.name)


def expected(value: int, number: Number, encoding: Encoding) -> bytes:
    """A varint, written down as the specification describes it."""
    if number.is_signed:
        value = 2 * value if value >= 0 else -2 * value - 1
    for end, marker, size in ((251, b"", 1), (2**16, b"\xfb", 2), (2**32, b"\xfc", 4),
                              (2**64, b"\xfd", 8), (2**128, b"\xfe", 16)):  # fmt: skip
        if value < end:
            return marker + value.to_bytes(size, encoding.byte_order)
    raise AssertionError(value)


def read(data: bytes, number: Number, encoding: Encoding) -> tuple[int, int]:
    """One varint through the reader of many."""
    (value,), end = varints_reader(number, encoding)(data, 0, 1)
    return value, end


# Literal bytes -----------------------------------------------------------------------------------

LITERAL: list[tuple[str, int, str, str]] = [
    ("u16", 0, "00", "00"),
    ("u16", 250, "fa", "fa"),
    ("u16", 251, "fb fb 00", "fb 00 fb"),
    ("u16", 65_535, "fb ff ff", "fb ff ff"),
    ("u32", 251, "fb fb 00", "fb 00 fb"),
    ("u32", 65_536, "fc 00 00 01 00", "fc 00 01 00 00"),
    ("u64", 2**32, "fd 00 00 00 00 01 00 00 00", "fd 00 00 00 01 00 00 00 00"),
    ("u64", 2**64 - 1, "fd" + " ff" * 8, "fd" + " ff" * 8),
    ("u128", 2**64, "fe" + " 00" * 8 + " 01" + " 00" * 7, "fe" + " 00" * 7 + " 01" + " 00" * 8),
    ("u128", 2**128 - 1, "fe" + " ff" * 16, "fe" + " ff" * 16),
    ("i16", -1, "01", "01"),
    ("i16", 125, "fa", "fa"),
    ("i16", -126, "fb fb 00", "fb 00 fb"),
    ("i16", -32_768, "fb ff ff", "fb ff ff"),
    ("i64", 2**63 - 1, "fd fe" + " ff" * 7, "fd" + " ff" * 7 + " fe"),
    ("i128", -(2**127), "fe" + " ff" * 16, "fe" + " ff" * 16),
    ("i128", 2**127 - 1, "fe fe" + " ff" * 15, "fe" + " ff" * 15 + " fe"),
]


@pytest.mark.parametrize(("name", "value", "little", "big"), LITERAL)
def test_a_number_has_its_bytes(name: str, value: int, little: str, big: str) -> None:
    for encoding, text in ((LITTLE, little), (BIG, big)):
        data = bytes.fromhex(text)
        assert varint_writer(Number(name), encoding)(value) == data
        assert read(data, Number(name), encoding) == (value, len(data))


@each_order
@each_number
def test_small_numbers_are_written_and_read(number: Number, encoding: Encoding) -> None:
    write = varint_writer(number, encoding)
    for value in range(max(number.minimum, -700), 700):
        data = write(value)
        assert data == expected(value, number, encoding)
        assert read(data, number, encoding) == (value, len(data))


@each_order
@each_number
def test_numbers_where_a_varint_grows_are_written_and_read(
    number: Number, encoding: Encoding
) -> None:
    write = varint_writer(number, encoding)
    edges = {0, 125, 126, 250, 251, 255, *(1 << power for power in range(7, 129))}
    for edge in edges:
        for value in (edge - 1, edge, edge + 1, -edge - 1, -edge, 1 - edge):
            if not number.minimum <= value <= number.maximum:
                with pytest.raises(OverflowError):
                    write(value)
                continue
            data = write(value)
            assert data == expected(value, number, encoding)
            assert read(data, number, encoding) == (value, len(data))


@THOROUGH
@given(data=st.data(), number=st.sampled_from(VARINTS), encoding=st.sampled_from([LITTLE, BIG]))
def test_any_numbers_are_written_and_read(
    data: st.DataObject, number: Number, encoding: Encoding
) -> None:
    kind = integers(8 * number.width_bytes, signed=number.is_signed)
    values = data.draw(st.lists(kind, max_size=6))
    written = b"".join(map(varint_writer(number, encoding), values))
    assert written == b"".join(expected(value, number, encoding) for value in values)
    for held in (bytes, bytearray, memoryview):
        received = held(b"\xff" + written + b"\xff")
        assert varints_reader(number, encoding)(received, 1, len(values)) == (
            values,
            len(written) + 1,
        )


# What is refused ---------------------------------------------------------------------------------


@each_order
@each_number
@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_more_bytes_than_a_number_needs_are_refused(
    number: Number, encoding: Encoding, size: int
) -> None:
    """The largest that fits fewer bytes, then the smallest that does not."""
    if size > number.width_bytes:
        return
    marker = {2: 251, 4: 252, 8: 253, 16: 254}[size]
    end = 251 if size == 2 else 1 << (4 * size)
    behind = varint_reader(number, encoding)
    for value in {0, 250, end // 2, end - 1}:
        if value < end:
            with pytest.raises(Overlong, match=f"{value} takes fewer bytes than {size + 1}"):
                behind(value.to_bytes(size, encoding.byte_order), 0, marker)
    assert behind(end.to_bytes(size, encoding.byte_order), 0, marker) == (end, size)


@each_order
@each_number
def test_a_marker_too_wide_for_its_type_is_refused(number: Number, encoding: Encoding) -> None:
    behind = varint_reader(number, encoding)
    for marker, size in ((251, 2), (252, 4), (253, 8), (254, 16), (255, 32)):
        if size <= number.width_bytes:
            behind(b"\xff" * size, 0, marker)
        else:
            with pytest.raises(Overlong, match=f"byte {marker} begins no {number.name}"):
                behind(b"\xff" * size, 0, marker)


@each_order
@each_number
def test_a_varint_cut_short_is_refused(number: Number, encoding: Encoding) -> None:
    data = varint_writer(number, encoding)(number.maximum)
    for length in range(len(data)):
        with pytest.raises((IndexError, struct.error)):
            read(data[:length], number, encoding)


@each_order
@each_number
@pytest.mark.parametrize("value", [1.5, "1", None, [1]])
def test_what_is_no_integer_is_not_written(number: Number, encoding: Encoding, value: Any) -> None:
    with pytest.raises(TypeError):
        varint_writer(number, encoding)(value)


# Zigzag and encodings ----------------------------------------------------------------------------


def test_zigzag_takes_turns() -> None:
    assert [zigzag(value) for value in (0, -1, 1, -2, 2)] == [0, 1, 2, 3, 4]
    assert zigzag(-(2**127)) == 2**128 - 1
    assert zigzag(2**127 - 1) == 2**128 - 2


@THOROUGH
@given(value=integers(128, signed=True))
def test_unzigzag_undoes_zigzag(value: int) -> None:
    assert unzigzag(zigzag(value)) == value
    assert zigzag(value) == (2 * value if value >= 0 else -2 * value - 1)


def test_the_encodings_are_told_apart_by_their_number() -> None:
    assert [encoding.number for encoding in ENCODINGS] == [0, 1, 2, 3]
    assert len({(encoding.varint, encoding.byte_order) for encoding in ENCODINGS}) == 4
    assert ENCODINGS[0] is FIXED
    assert (FIXED.varint, FIXED.byte_order) == (False, "little")
    assert [encoding.prefix for encoding in ENCODINGS] == ["<", "<", ">", ">"]


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_and_floats_are_never_varints(name: str) -> None:
    number = Number(name)
    is_varint = name in {"u16", "u32", "u64", "u128", "i16", "i32", "i64", "i128"}
    assert LITTLE.is_varint(number) is BIG.is_varint(number) is is_varint
    assert not FIXED.is_varint(number)
    assert LITTLE.smallest(number) == (1 if is_varint else number.width_bytes)
    assert FIXED.smallest(number) == number.width_bytes
