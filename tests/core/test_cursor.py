"""The cursor: waiting, bounds, and faults that gather their path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lazyipc._core.cursor import Cursor, Fault, finish
from lazyipc.errors import DecodeError, MessageTooLarge


def growing(data: bytes | bytearray = b"", *, start: int = 0, limit_bytes: int = 100) -> Cursor:
    return Cursor(data, start, None, limit_bytes=limit_bytes, elements=10)


def whole(data: bytes, *, start: int = 0) -> Cursor:
    return Cursor(data, start, len(data), limit_bytes=len(data), elements=10)


def returned(walk: Iterator[None]) -> object:
    """What a walk over bytes that are all there returns."""
    with pytest.raises(StopIteration) as caught:
        next(walk)
    return caught.value.value


def test_a_walk_waits_until_its_bytes_are_there() -> None:
    received = bytearray(b"\1")
    cursor = growing(received)
    walk = cursor.u32()
    next(walk)
    received += b"\2\3"
    next(walk)
    assert cursor.offset == 0
    received += b"\4"
    assert returned(walk) == 0x04030201
    assert cursor.offset == 4


def test_numbers_are_little_endian() -> None:
    assert returned(whole(b"\7").byte()) == 7
    assert returned(whole(bytes.fromhex("01000080")).u32()) == 0x80000001
    assert returned(whole(bytes.fromhex("0100000000000080")).u64()) == 0x8000000000000001


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
    with pytest.raises(Fault) as caught:
        next(cursor.count(1))
    assert (caught.value.size, caught.value.limit) == (11, 10)


def test_a_count_that_cannot_fit_is_a_fault_at_the_count() -> None:
    cursor = whole(b"\xff" + (3).to_bytes(8, "little") + bytes(5), start=1)
    with pytest.raises(Fault, match="3 elements do not fit") as caught:
        next(cursor.count(2))
    assert caught.value.offset == 0


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
