"""THE MATRIX: every kind of shape through encode, decode, construct, walk and extent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc._core import layout
from lazyipc._core.codec import Codec, Extent, codec_of
from lazyipc._core.cursor import Cursor, Fault, finish
from lazyipc._core.layout.rule import RULES, smallest_size
from lazyipc._core.shape import shape_of
from lazyipc.errors import DecodeError, MessageTooLarge, RemoteProtocolError
from tests.core.invented_types import (
    MATRIX,
    MODERATE,
    THOROUGH,
    Row,
    invented_rows,
    kinds_in,
    strict_construct,
)

LIMIT_BYTES = 1 << 20

each_row = pytest.mark.parametrize("row", MATRIX, ids=str)


# Steps -------------------------------------------------------------------------------------------


def drawn(row: Row, data: st.DataObject) -> tuple[Codec[Any], Any, bytes]:
    """The codec of a row, one of its values, and that value's bytes."""
    codec = codec_of(row.annotation)
    value = data.draw(row.values)
    return codec, value, codec.encode(value)


def extent_of(codec: Codec[Any], start: bytes) -> Extent:
    return codec.extent(start, limit_bytes=LIMIT_BYTES)


def walked_end(codec: Codec[Any], encoded: bytes) -> int | None:
    """Where the walk ends in bytes that are all there; None if it refuses them."""
    cursor = Cursor(encoded, 0, len(encoded), limit_bytes=len(encoded), elements=1000)
    try:
        finish(layout.walk(codec.shape, cursor))
    except Fault:
        return None
    return cursor.offset


def assert_same(left: object, right: object) -> None:
    """Equal, and told alike: -0.0 is not 0.0, True is not 1, NaN is NaN."""
    assert repr(left) == repr(right)
    assert type(left) is type(right)


# Round trips -------------------------------------------------------------------------------------


def test_the_matrix_has_no_hole() -> None:
    covered = {kind for row in MATRIX for kind in kinds_in(shape_of(row.annotation))}
    assert covered == set(RULES)


def test_the_rows_of_the_matrix_have_names_of_their_own() -> None:
    assert len({row.name for row in MATRIX}) == len(MATRIX)


@each_row
@MODERATE
@given(data=st.data())
def test_a_value_comes_back(row: Row, data: st.DataObject) -> None:
    codec, value, encoded = drawn(row, data)
    decoded = codec.decode(encoded)
    assert decoded == value
    assert_same(decoded, value)


@each_row
@MODERATE
@given(data=st.data(), prefix=st.binary(max_size=9), suffix=st.binary(max_size=9))
def test_a_value_comes_back_from_within_other_bytes(
    row: Row, data: st.DataObject, prefix: bytes, suffix: bytes
) -> None:
    codec, value, encoded = drawn(row, data)
    start, end = len(prefix), len(prefix) + len(encoded)
    for held in (bytes, bytearray, memoryview):
        assert_same(codec.decode(held(prefix + encoded + suffix), start, end), value)


@each_row
@MODERATE
@given(data=st.data())
def test_the_construct_builds_and_parses_the_same(row: Row, data: st.DataObject) -> None:
    _, value, encoded = drawn(row, data)
    construct = strict_construct(row)
    assert construct.build({"value": value}) == encoded
    assert_same(construct.parse(encoded).value, value)


@each_row
@MODERATE
@given(data=st.data())
def test_no_value_is_smaller_than_the_smallest_size(row: Row, data: st.DataObject) -> None:
    codec, _, encoded = drawn(row, data)
    assert smallest_size(codec.shape) <= len(encoded)


# Where a message ends ----------------------------------------------------------------------------


@each_row
@MODERATE
@given(data=st.data())
def test_the_extent_ends_where_the_message_ends_however_it_is_cut(
    row: Row, data: st.DataObject
) -> None:
    codec, _, encoded = drawn(row, data)
    whole = extent_of(codec, encoded)
    assert whole.find(encoded) == len(encoded)
    for cut in range(len(encoded)):
        extent = extent_of(codec, encoded[:cut])
        assert extent.find(encoded[:cut]) is None
        assert extent.find(encoded) == len(encoded)
        assert extent.cursor.visits == whole.cursor.visits


@each_row
@MODERATE
@given(data=st.data())
def test_the_extent_visits_each_element_once_byte_by_byte(row: Row, data: st.DataObject) -> None:
    codec, _, encoded = drawn(row, data)
    whole = extent_of(codec, encoded)
    whole.find(encoded)
    received = bytearray()
    extent = extent_of(codec, received)
    for byte in encoded:
        assert extent.find(received) is None
        received.append(byte)
    assert extent.find(received) == len(encoded)
    assert extent.cursor.visits == whole.cursor.visits


@each_row
@MODERATE
@given(data=st.data(), behind=st.binary(min_size=1, max_size=20))
def test_the_extent_does_not_look_behind_the_message(
    row: Row, data: st.DataObject, behind: bytes
) -> None:
    codec, _, encoded = drawn(row, data)
    assert extent_of(codec, encoded + behind).find(encoded + behind) == len(encoded)


@each_row
@MODERATE
@given(data=st.data())
def test_the_extent_takes_what_fills_the_limit_and_nothing_longer(
    row: Row, data: st.DataObject
) -> None:
    codec, _, encoded = drawn(row, data)
    fitting = codec.extent(encoded, limit_bytes=len(encoded))
    assert fitting.find(encoded) == len(encoded)
    if len(encoded) > 1:
        tight = codec.extent(encoded, limit_bytes=len(encoded) - 1)
        with pytest.raises(MessageTooLarge) as caught:
            tight.find(encoded)
        assert caught.value.limit_bytes == len(encoded) - 1 < caught.value.size_bytes


@pytest.mark.parametrize("start", [b"", b"\1"])
def test_where_nothing_may_come_a_byte_is_too_large(start: bytes) -> None:
    with pytest.raises(MessageTooLarge):
        codec_of(bool).extent(start, limit_bytes=0).find(start)


# Bytes that are no value -------------------------------------------------------------------------


@each_row
@MODERATE
@given(data=st.data())
def test_every_truncation_is_refused(row: Row, data: st.DataObject) -> None:
    codec, _, encoded = drawn(row, data)
    for length in range(len(encoded)):
        with pytest.raises(DecodeError) as caught:
            codec.decode(encoded[:length])
        assert 0 <= caught.value.offset <= length


@each_row
@MODERATE
@given(data=st.data())
def test_a_message_that_goes_on_behind_its_end_is_cut_off_there(
    row: Row, data: st.DataObject
) -> None:
    """The bytes are all there, but the message is said to end before them."""
    codec, _, encoded = drawn(row, data)
    for end in range(len(encoded)):
        with pytest.raises(DecodeError):
            codec.decode(encoded, 0, end)


@each_row
@MODERATE
@given(data=st.data(), extra=st.binary(min_size=1, max_size=9))
def test_bytes_left_over_are_refused(row: Row, data: st.DataObject, extra: bytes) -> None:
    codec, _, encoded = drawn(row, data)
    with pytest.raises(DecodeError, match="bytes are left over") as caught:
        codec.decode(encoded + extra)
    assert caught.value.offset == len(encoded)


@each_row
@MODERATE
@given(data=st.data())
def test_code_construct_and_walk_agree_on_changed_bytes(row: Row, data: st.DataObject) -> None:
    codec, _, encoded = drawn(row, data)
    if not encoded:
        return
    for _ in range(4):
        position = data.draw(st.integers(0, len(encoded) - 1))
        changed = bytearray(encoded)
        changed[position] ^= data.draw(st.integers(1, 255))
        assert_agreement(row, codec, bytes(changed))


@each_row
@MODERATE
@given(garbage=st.binary(max_size=40))
def test_code_construct_and_walk_agree_on_garbage(row: Row, garbage: bytes) -> None:
    assert_agreement(row, codec_of(row.annotation), garbage)


def assert_agreement(row: Row, codec: Codec[Any], received: bytes) -> None:
    try:
        decoded = codec.decode(received, elements=1000)
    except MessageTooLarge:
        # No question for the construct, which would count to 2^63 where elements take no bytes.
        assert walked_end(codec, received) is None
    except RemoteProtocolError:
        assert walked_end(codec, received) != len(received)
        with pytest.raises(Exception):  # noqa: B017, PT011 whatever construct raises
            strict_construct(row).parse(received)
    else:
        assert walked_end(codec, received) == len(received)
        assert_same(strict_construct(row).parse(received).value, decoded)


# Types nobody thought of -------------------------------------------------------------------------


@THOROUGH
@given(row=invented_rows, data=st.data())
def test_invented_types_come_back_and_agree_with_their_construct(
    row: Row, data: st.DataObject
) -> None:
    codec, value, encoded = drawn(row, data)
    assert_same(codec.decode(encoded), value)
    construct = layout.construct_of(codec.shape)
    assert construct.build(value) == encoded
    assert_same(construct.parse(encoded), value)


@THOROUGH
@given(row=invented_rows, data=st.data())
def test_invented_types_end_where_they_end(row: Row, data: st.DataObject) -> None:
    codec, _, encoded = drawn(row, data)
    cut = data.draw(st.integers(0, len(encoded)))
    extent = extent_of(codec, encoded[:cut])
    assert extent.find(encoded[:cut]) == (None if cut < len(encoded) else cut)
    assert extent.find(encoded) == len(encoded)
    if encoded:
        with pytest.raises(DecodeError):
            codec.decode(encoded[:-1])
    with pytest.raises(DecodeError, match="1 bytes are left over"):
        codec.decode(encoded + b"\0")
