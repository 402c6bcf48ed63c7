"""The written code: neighbouring numbers in one struct, loops and branches beside them."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import Any

import pytest

from lazyipc import U8, U16, Command
from lazyipc._core import layout
from lazyipc._core.annotation import shape_of
from lazyipc._core.encoding import EMPTY_WEIGHT, ENCODINGS, Encoding
from lazyipc._core.scalars import FORMATS, Number
from lazyipc._core.source import DEEPEST_BLOCK, DecodeSource, EncodeSource, Refused
from tests.core.declared_types import Point, Segment


def structs_in(function: Callable[..., Any]) -> int:
    """How many compiled structs a written function uses."""
    owners = (getattr(value, "__self__", None) for value in function.__globals__.values())
    return sum(isinstance(owner, struct.Struct) for owner in owners)


def test_neighbouring_numbers_are_packed_together() -> None:
    source = EncodeSource()
    source.fixed("B", "v[0]")
    source.fixed("H", "v[1]")
    encode = source.finish()
    assert encode((1, 2), 0) == b"\1\2\0"
    assert structs_in(encode) == 1


def test_blobs_stand_between_numbers() -> None:
    source = EncodeSource()
    source.fixed("B", "v")
    source.blob("b'-'")
    source.fixed("B", "v")
    source.fixed("B", "v")
    encode = source.finish()
    assert encode(7, 0) == b"\7-\7\7"
    assert structs_in(encode) == 2


def test_what_is_spilled_keeps_its_place() -> None:
    source = EncodeSource()
    source.fixed("B", "len(v)")
    source.spill()
    with source.block("for item in v:"):
        source.fixed("B", "item")
        source.spill()
    source.fixed("B", "255")
    assert source.finish()([1, 2], 0) == b"\2\1\2\xff"


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("name", FORMATS)
def test_each_number_is_written_and_read_as_the_encoding_has_it(
    name: str, encoding: Encoding
) -> None:
    number = Number(name)
    writing, reading = EncodeSource(encoding), DecodeSource(encoding)
    writing.number(Number("u8"), "7")
    writing.number(number, "v")
    writing.number(Number("u8"), "9")
    names = [reading.number(part) for part in (Number("u8"), number, Number("u8"))]
    encode, decode = writing.finish(), reading.finish(f"({', '.join(names)})")
    for value in (1.5,) if number.is_float else (0, 1, number.minimum, number.maximum):
        encoded = encode(value, 0)
        assert decode(encoded, 0, len(encoded), 0, 0) == ((7, value, 9), len(encoded), 0)
        if not encoding.is_varint(number):
            assert len(encoded) == 2 + number.width_bytes
            assert structs_in(encode) == structs_in(decode) == 1


def test_big_endian_turns_each_number_round() -> None:
    little, big = EncodeSource(), EncodeSource(Encoding(byte_order="big"))
    for source in (little, big):
        source.number(Number("u16"), "1")
        source.number(Number("u128"), "2")
    assert little.finish()(None, 0) == b"\1\0\2" + bytes(15)
    assert big.finish()(None, 0) == b"\0\1" + bytes(15) + b"\2"


@pytest.mark.parametrize(("smallest", "most"), [(1, 5), (2, 2)])
def test_elements_are_charged_for_before_they_are_read(smallest: int, most: int) -> None:
    """There are nine to be had, and five bytes are left."""
    source = DecodeSource()
    count = source.fixed("B")
    source.flush()
    source.charge(count, smallest)
    decode = source.finish(count)
    assert decode(bytes((most,)), 0, 6, 9, 0) == (most, 1, 9 - most)
    with pytest.raises(Refused):
        decode(bytes((most + 1,)), 0, 6, 9, 0)


def test_an_element_without_bytes_counts_as_many() -> None:
    source = DecodeSource()
    count = source.fixed("B")
    source.flush()
    source.charge(count, 0)
    decode = source.finish(count)
    assert decode(b"\3", 0, 1, 3 * EMPTY_WEIGHT + 7, 0) == (3, 1, 7)
    with pytest.raises(Refused):
        decode(b"\4", 0, 1, 3 * EMPTY_WEIGHT + 7, 0)


def test_what_is_deep_becomes_a_function_of_its_own() -> None:
    source = EncodeSource()
    with contextlib.ExitStack() as blocks:
        for _ in range(DEEPEST_BLOCK - 1):
            blocks.enter_context(source.block("if True:"))
        assert not source.is_deep
        blocks.enter_context(source.block("if True:"))
        assert source.is_deep
        source.line("pass")
    assert source.finish()(None, 0) == b""


def test_nothing_is_no_bytes() -> None:
    assert EncodeSource().finish()(5, 0) == b""
    assert DecodeSource().finish("None")(b"abc", 1, 1, 9, 0) == (None, 1, 9)


def test_neighbouring_numbers_are_unpacked_together() -> None:
    source = DecodeSource()
    first, second = source.fixed("B"), source.fixed("H")
    decode = source.finish(f"({second}, {first})")
    assert decode(b"-\1\2\0-", 1, 4, 9, 0) == ((2, 1), 4, 9)
    assert structs_in(decode) == 1


def test_a_check_refuses() -> None:
    source = DecodeSource()
    number = source.fixed("B")
    source.flush()
    source.check(f"{number} > 1")
    decode = source.finish(number)
    assert decode(b"\1", 0, 1, 9, 0) == (1, 1, 9)
    with pytest.raises(Refused):
        decode(b"\2", 0, 1, 9, 0)


def test_numbers_are_gathered_across_the_borders_of_models() -> None:
    class Ask(Command):
        head: U8
        start: Point
        pair: tuple[U16, Point]
        flag: bool

    shape = shape_of(Ask)
    assert structs_in(layout.encoder(shape)) == 1
    assert structs_in(layout.decoder(shape)) == 1


def test_numbers_before_and_behind_a_text_are_not() -> None:
    assert structs_in(layout.encoder(shape_of(Segment))) > 1


def test_constants_and_names_are_never_the_same_twice() -> None:
    source = DecodeSource()
    names = [source.name(), source.fixed("B"), source.name()]
    constants = [source.constant(1), source.constant(1), source.refused]
    assert len({*names, *constants}) == 6
