"""The cursor: waiting, bounds, and faults that gather their path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lazyipc._core.cursor import Cursor, Fault, finish, joined
from lazyipc._core.encoding import EMPTY_WEIGHT, FIXED, Encoding
from lazyipc._core.scalars import Number
from lazyipc.errors import DecodeError, MessageTooLarge


def growing(
    data: bytes | bytearray = b"",
    *,
    start: int = 0,
    limit_bytes: int = 100,
    encoding: Encoding = FIXED,
) -> Cursor:
    return Cursor(
        data, start, None, limit_bytes=limit_bytes, elements=10, depth=2, encoding=encoding
    )


def whole(
    data: bytes, *, start: int = 0, encoding: Encoding = FIXED, visits: int | None = None
) -> Cursor:
    size = len(data)
    return Cursor(
        data, start, size, limit_bytes=size, elements=10, depth=2, encoding=encoding, visits=visits
    )


def returned(walk: Iterator[None]) -> object:
    """What a walk over bytes that are all there returns."""
    with pytest.raises(StopIteration) as caught:
        next(walk)
    return caught.value.value


U32, U64, U128, I16 = Number("u32"), Number("u64"), Number("u128"), Number("i16")
VARINT = Encoding(varint=True)
BIG_VARINT = Encoding(varint=True, byte_order="big")


def test_a_walk_waits_until_its_bytes_are_there() -> None:
    received = bytearray(b"\1")
    cursor = growing(received)
    walk = cursor.number(U32)
    next(walk)
    received += b"\2\3"
    next(walk)
    assert cursor.offset == 0
    received += b"\4"
    assert returned(walk) == 0x04030201
    assert cursor.offset == 4


def test_a_varint_is_waited_for_byte_by_byte() -> None:
    received = bytearray()
    cursor = growing(received, encoding=VARINT)
    walk = cursor.number(U64)
    for byte in b"\xfc\1\2\3":
        next(walk)
        received.append(byte)
    next(walk)
    received.append(4)
    assert returned(walk) == 0x04030201
    assert (cursor.offset, cursor.visits) == (5, 2)


def test_numbers_are_little_endian_unless_the_encoding_says_otherwise() -> None:
    big = Encoding(byte_order="big")
    assert returned(whole(b"\7").byte()) == 7
    assert returned(whole(bytes.fromhex("01000080")).number(U32)) == 0x80000001
    assert returned(whole(bytes.fromhex("01000080"), encoding=big).number(U32)) == 0x01000080
    assert returned(whole(bytes.fromhex("0100000000000080")).number(U64)) == 0x8000000000000001
    assert returned(whole(b"\1" + bytes(15)).number(U128)) == 1
    assert returned(whole(b"\1" + bytes(15), encoding=big).number(U128)) == 1 << 120


def test_signed_numbers_are_signed() -> None:
    assert returned(whole(b"\xfe\xff").number(I16)) == -2
    assert returned(whole(b"\3", encoding=VARINT).number(I16)) == -2
    assert returned(whole(b"\xfb\xff\xff", encoding=VARINT).number(I16)) == -(2**15)


def test_varints_follow_the_byte_order() -> None:
    assert returned(whole(b"\xfb\1\2", encoding=VARINT).number(U32)) == 0x0201
    assert returned(whole(b"\xfb\1\2", encoding=BIG_VARINT).number(U32)) == 0x0102


@pytest.mark.parametrize(
    ("data", "number", "reason"),
    [
        (b"\xff", U64, "byte 255 begins no u64"),
        (b"\xfe" + bytes(16), U64, "byte 254 begins no u64"),
        (b"\xfd" + bytes(8), U32, "byte 253 begins no u32"),
        (b"\xfc" + bytes(4), I16, "byte 252 begins no i16"),
        (b"\xfb\xfa\0", U64, "overlong: 250 takes fewer bytes than 3"),
        (b"\xfc\xff\xff\0\0", U64, "overlong: 65535 takes fewer bytes than 5"),
    ],
)
def test_no_varint_is_a_fault_where_it_begins(data: bytes, number: Number, reason: str) -> None:
    cursor = whole(b"\0\0" + data, start=1, encoding=VARINT)
    assert returned(cursor.byte()) == 0
    with pytest.raises(Fault) as caught:
        next(cursor.number(number))
    assert (caught.value.reason, caught.value.offset) == (reason, 1)


@pytest.mark.parametrize("length", range(4))
def test_bytes_that_will_not_come_are_a_fault(length: int) -> None:
    with pytest.raises(Fault, match=f"needs 4 bytes, {length} are left") as caught:
        finish(whole(b"\xff\xff" + bytes(length), start=2).skip(4))
    assert caught.value.offset == 0


def test_a_message_longer_than_its_limit_is_a_fault_before_it_comes() -> None:
    cursor = growing(limit_bytes=8)
    finish_waiting(cursor.skip(8))
    with pytest.raises(Fault) as caught:
        next(cursor.skip(9))
    assert (caught.value.size, caught.value.limit) == (9, 8)


def finish_waiting(walk: Iterator[None]) -> None:
    """See that a walk waits, and is content to."""
    next(walk)


def test_the_limit_counts_from_where_the_message_starts() -> None:
    data = bytes(108)
    cursor = growing(data, start=100, limit_bytes=8)
    assert returned(cursor.skip(8)) is None
    with pytest.raises(Fault) as caught:
        next(cursor.skip(1))
    assert (caught.value.size, caught.value.offset) == (9, 8)


def test_a_count_is_charged_for() -> None:
    cursor = whole((4).to_bytes(8, "little") + (7).to_bytes(8, "little") + bytes(16))
    assert returned(cursor.count(1)) == 4
    assert cursor.elements == 6
    assert returned(whole(b"\0" * 8).count(1)) == 0
    with pytest.raises(Fault) as caught:
        next(cursor.count(1))
    assert (caught.value.size, caught.value.limit) == (11, 10)


def test_a_count_that_cannot_fit_is_a_fault_at_the_count() -> None:
    cursor = whole(b"\xff" + (3).to_bytes(8, "little") + bytes(5), start=1)
    with pytest.raises(Fault, match="3 elements do not fit") as caught:
        next(cursor.count(2))
    assert caught.value.offset == 0


def test_an_element_without_bytes_counts_as_many() -> None:
    cursor = Cursor(b"", 0, 0, limit_bytes=0, elements=10 * EMPTY_WEIGHT, depth=0)
    cursor.charge(7, 0, 0)
    assert cursor.elements == 3 * EMPTY_WEIGHT
    with pytest.raises(Fault, match="number of elements without bytes") as caught:
        cursor.charge(4, 0, 0)
    assert (caught.value.size, caught.value.limit) == (11, 10)
    cursor.charge(3, 0, 0)
    assert cursor.elements == 0


def test_levels_of_nesting_are_counted_and_given_back() -> None:
    cursor = whole(b"")
    cursor.enter()
    cursor.enter()
    with pytest.raises(Fault, match="levels of nesting") as caught:
        cursor.enter()
    assert (caught.value.size, caught.value.limit) == (3, 2)
    cursor.leave()
    cursor.enter()
    assert cursor.depth == 0


def test_room_is_what_neither_leaves_the_message_nor_the_limit() -> None:
    cursor = whole(bytes(5), start=2)
    assert cursor.has_room(3)
    assert not cursor.has_room(4)
    cursor = growing(limit_bytes=4, start=2)
    assert cursor.has_room(4)
    assert not cursor.has_room(5)


def test_a_cursor_that_explains_looks_at_so_many_parts_and_no_more() -> None:
    cursor = whole(bytes(9), visits=2)
    finish(cursor.skip(1))
    finish(cursor.skip(1))
    with pytest.raises(Fault, match="too long to say where") as caught:
        finish(cursor.skip(1))
    assert caught.value.offset == 2


@pytest.mark.parametrize(
    ("step", "path", "whole_path"),
    [
        ("a", "b", "a.b"),
        ("a", "[3]", "a[3]"),
        ("[1]", "b", "[1].b"),
        ("", "b", "b"),
        ("a", "", "a"),
    ],
)
def test_a_position_clings_to_its_step_and_a_name_gets_a_dot(
    step: str, path: str, whole_path: str
) -> None:
    assert joined(step, path) == whole_path


def test_a_fault_gathers_its_path_on_the_way_out() -> None:
    fault = Fault("why", 3).within("a").within("[2]").within("items").within("Variant")
    assert fault.path == "Variant.items[2].a"
    error = fault.as_error()
    assert isinstance(error, DecodeError)
    assert (error.path, error.offset, error.reason) == ("Variant.items[2].a", 3, "why")


def test_a_fault_of_size_is_too_large() -> None:
    error = Fault("bytes", 3, size=9, limit=8).within("a").as_error()
    assert isinstance(error, MessageTooLarge)
    assert (error.what, error.size_bytes, error.limit_bytes) == ("a: bytes", 9, 8)
    assert Fault("bytes", 3, size=9, limit=8).as_error().args[0].startswith("message: bytes")


def test_finish_is_for_bytes_that_are_all_there() -> None:
    with pytest.raises(AssertionError, match="never waits"):
        finish(growing().byte())
