"""THE MATRIX: each kind of shape, in each encoding, through code, construct, walk and extent."""

from __future__ import annotations

import math
import struct
from typing import Annotated, Any, get_args

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lazyipc import F32, F64, Vec
from lazyipc._core import layout
from lazyipc._core import shape as shapes
from lazyipc._core.annotation import shape_of
from lazyipc._core.codec import DEFAULT_ELEMENTS, MAX_DEPTH, Codec, Extent
from lazyipc._core.compiled import codec_of
from lazyipc._core.cursor import Cursor, Fault, finish
from lazyipc._core.encoding import ENCODINGS, Encoding
from lazyipc._core.layout.rule import any_bytes, smallest_size
from lazyipc.errors import DecodeError, MessageTooLarge
from tests.core.invented_types import invented_rows
from tests.core.matrix import (
    MATRIX,
    MODERATE,
    THOROUGH,
    UNHURRIED,
    Row,
    assert_same,
    encodings,
    kinds_in,
    kinds_met,
    strict,
    strict_construct,
)

LIMIT_BYTES = 1 << 20

each_row = pytest.mark.parametrize("row", MATRIX, ids=str)


# Steps -------------------------------------------------------------------------------------------


def drawn(row: Row, data: st.DataObject) -> tuple[Codec[Any], Any, bytes]:
    """The codec of a row in one of the encodings, one of its values, and that value's bytes."""
    codec = codec_of(row.annotation, data.draw(encodings))
    value = data.draw(row.values)
    return codec, value, codec.encode(value)


def extent_of(codec: Codec[Any], start: bytes | bytearray) -> Extent:
    return codec.extent(start, limit_bytes=LIMIT_BYTES)


def walked_end(codec: Codec[Any], encoded: bytes) -> int | None:
    """Where the walk ends in bytes that are all there; None if it refuses them."""
    cursor = Cursor(
        encoded,
        0,
        len(encoded),
        limit_bytes=len(encoded),
        elements=DEFAULT_ELEMENTS,
        depth=MAX_DEPTH,
        encoding=codec.encoding,
    )
    try:
        finish(layout.walk(codec.shape, cursor))
    except Fault:
        return None
    return cursor.offset


# No hole -----------------------------------------------------------------------------------------


def test_the_matrix_has_no_hole() -> None:
    """Each column runs for each kind of shape in each encoding; told by the values that ran."""
    ran: set[tuple[type, Encoding]] = set()
    for row in MATRIX:
        shape = shape_of(row.annotation)
        for value in some_values(row):
            for encoding in ENCODINGS:
                assert_each_column_agrees(row, encoding, value)
                ran.update((kind, encoding) for kind in kinds_met(shape, value))
    assert ran == {(kind, encoding) for kind in get_args(shapes.Shape) for encoding in ENCODINGS}


def some_values(row: Row) -> list[Any]:
    """A few values of a row, the same each time."""
    values: list[Any] = []

    @settings(max_examples=4, derandomize=True, phases=[Phase.generate], **UNHURRIED)
    @given(value=row.values)
    def draw(value: Any) -> None:
        values.append(value)

    draw()
    return values


def assert_each_column_agrees(row: Row, encoding: Encoding, value: Any) -> None:
    codec = codec_of(row.annotation, encoding)
    encoded = codec.encode(value)
    assert_same(codec.decode(encoded), value)
    construct = strict_construct(row, encoding)
    assert construct.build({"value": value}) == encoded
    assert_same(construct.parse(encoded).value, value)
    assert walked_end(codec, encoded) == len(encoded)
    assert extent_of(codec, encoded).find(encoded) == len(encoded)


def test_each_kind_is_in_the_tree_of_some_row() -> None:
    kinds = set().union(*(kinds_in(shape_of(row.annotation)) for row in MATRIX))
    assert kinds == set(get_args(shapes.Shape))


def test_the_rows_of_the_matrix_have_names_of_their_own() -> None:
    assert len({row.name for row in MATRIX}) == len(MATRIX)


# Round trips -------------------------------------------------------------------------------------


@each_row
@MODERATE
@given(data=st.data(), prefix=st.binary(max_size=9), suffix=st.binary(max_size=9))
def test_a_value_comes_back_alone_and_from_within_other_bytes(
    row: Row, data: st.DataObject, prefix: bytes, suffix: bytes
) -> None:
    codec, value, encoded = drawn(row, data)
    assert_same(codec.decode(encoded), value)
    start, end = len(prefix), len(prefix) + len(encoded)
    for held in (bytes, bytearray, memoryview):
        assert_same(codec.decode(held(prefix + encoded + suffix), start, end), value)


@each_row
@MODERATE
@given(data=st.data())
def test_the_construct_builds_and_parses_the_same(row: Row, data: st.DataObject) -> None:
    codec, value, encoded = drawn(row, data)
    construct = strict_construct(row, codec.encoding)
    assert construct.build({"value": value}) == encoded
    assert_same(construct.parse(encoded).value, value)


@each_row
@MODERATE
@given(data=st.data())
def test_no_value_is_smaller_than_the_smallest_size(row: Row, data: st.DataObject) -> None:
    codec, _, encoded = drawn(row, data)
    assert smallest_size(codec.shape, codec.encoding) <= len(encoded)
    assert any_bytes(codec.shape, codec.encoding) in (None, len(encoded))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize(("annotation", "bits"), [(F32, 32), (F64, 64)])
def test_each_nan_keeps_its_bits(annotation: Any, bits: int, encoding: Encoding) -> None:
    format, quiet = {32: (">f", 0x7FC0_0000), 64: (">d", 0x7FF8 << 48)}[bits]
    for payload in (0, 1, 12345, 1 << (bits - 1)):
        (value,) = struct.unpack(format, (quiet | payload).to_bytes(bits // 8, "big"))
        codec = codec_of(annotation, encoding)
        assert math.isnan(value)
        assert_same(codec.decode(codec.encode(value)), value)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_numpy_keeps_even_signalling_nans(encoding: Encoding) -> None:
    codec = codec_of(Annotated[np.ndarray, Vec(F32)], encoding)
    value = np.array([0x7F80_0001, 0xFFFF_FFFF], np.uint32).view(np.float32)
    assert codec.decode(codec.encode(value)).tobytes() == value.tobytes()


# Where a message ends ----------------------------------------------------------------------------


@each_row
@MODERATE
@given(data=st.data(), behind=st.binary(min_size=1, max_size=20))
def test_the_extent_ends_where_the_message_ends_however_it_is_cut(
    row: Row, data: st.DataObject, behind: bytes
) -> None:
    """It visits each element once: whole, in two pieces, and byte by byte."""
    codec, _, encoded = drawn(row, data)
    whole = extent_of(codec, encoded)
    assert whole.find(encoded) == len(encoded)
    assert extent_of(codec, encoded + behind).find(encoded + behind) == len(encoded)
    received = bytearray()
    growing = extent_of(codec, received)
    for cut in range(len(encoded)):
        extent = extent_of(codec, encoded[:cut])
        assert extent.find(encoded[:cut]) is None
        assert extent.find(encoded) == len(encoded)
        assert extent.cursor.visits == whole.cursor.visits
        assert growing.find(received) is None
        received.append(encoded[cut])
    assert growing.find(received) == len(encoded)
    assert growing.cursor.visits == whole.cursor.visits


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
    """Also where the bytes are all there, but the message is said to end before them."""
    codec, _, encoded = drawn(row, data)
    for length in range(len(encoded)):
        for received in (encoded[:length], encoded):
            with pytest.raises(DecodeError) as caught:
                codec.decode(received, 0, length)
            assert 0 <= caught.value.offset <= length


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
@given(garbage=st.binary(max_size=40), encoding=encodings)
def test_code_construct_and_walk_agree_on_garbage(
    row: Row, garbage: bytes, encoding: Encoding
) -> None:
    assert_agreement(row, codec_of(row.annotation, encoding), garbage)


def assert_agreement(row: Row, codec: Codec[Any], received: bytes) -> None:
    assert_agree(codec, strict_construct(row, codec.encoding), received)


def assert_agree(codec: Codec[Any], construct: Any, received: bytes) -> None:
    try:
        decoded = codec.decode(received)
    except (DecodeError, MessageTooLarge) as error:
        refusal = error
    else:
        assert walked_end(codec, received) == len(received)
        assert_same(construct.parse(received).value, decoded)
        return
    if isinstance(refusal, MessageTooLarge):
        assert walked_end(codec, received) is None
    elif "share one hash" in refusal.reason:
        return  # the others hash nothing, so they need not bound what that costs
    elif walked_end(codec, received) == len(received):
        assert "Input should be" in refusal.reason  # the type's own rules, not its bytes
    if not isinstance(refusal, MessageTooLarge) and not has_empty_elements(codec):
        with pytest.raises(Exception):  # noqa: B017, PT011 whatever construct raises
            construct.parse(received)


def has_empty_elements(codec: Codec[Any]) -> bool:
    """Whether a construct would count to 2^64 where the code has long refused."""

    known: set[int] = set()

    def search(shape: Any) -> bool:
        if isinstance(shape, shapes.Reference):
            shape = shape.target.shape
        if id(shape) in known:
            return False
        known.add(id(shape))
        if isinstance(shape, shapes.Vector | shapes.Set) and smallest_size(shape.item) == 0:
            return True
        if isinstance(shape, shapes.Mapping) and not any(
            map(smallest_size, (shape.key, shape.value))
        ):
            return True
        return any(map(search, shapes.children(shape)))

    return search(codec.shape)


# Types nobody thought of -------------------------------------------------------------------------


@THOROUGH
@given(row=invented_rows, data=st.data())
def test_invented_types_come_back_and_agree_with_their_construct(
    row: Row, data: st.DataObject
) -> None:
    codec, value, encoded = drawn(row, data)
    assert_same(codec.decode(encoded), value)
    construct = strict(codec.shape, codec.encoding)
    assert construct.build({"value": value}) == encoded
    assert_same(construct.parse(encoded).value, value)


@THOROUGH
@given(row=invented_rows, data=st.data(), garbage=st.binary(max_size=30))
def test_invented_types_agree_on_changed_bytes_and_garbage(
    row: Row, data: st.DataObject, garbage: bytes
) -> None:
    codec, _, encoded = drawn(row, data)
    construct = strict(codec.shape, codec.encoding)
    assert_agree(codec, construct, garbage)
    for _ in range(3 if encoded else 0):
        position = data.draw(st.integers(0, len(encoded) - 1))
        changed = bytearray(encoded)
        changed[position] ^= data.draw(st.integers(1, 255))
        assert_agree(codec, construct, bytes(changed))


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
