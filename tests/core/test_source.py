"""The written code: neighbouring numbers in one struct, loops and branches beside them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from lazyipc import U8, U16, Command
from lazyipc._core import layout
from lazyipc._core.shape import shape_of
from lazyipc._core.source import DecodeSource, EncodeSource, Refused
from tests.core.invented_types import Point, Segment


def structs_in(function: Callable[..., Any]) -> int:
    """How many compiled structs a written function uses."""
    owners = (getattr(value, "__self__", None) for value in function.__globals__.values())
    return sum(isinstance(owner, struct.Struct) for owner in owners)


def test_neighbouring_numbers_are_packed_together() -> None:
    source = EncodeSource()
    source.fixed("B", "v[0]")
    source.fixed("H", "v[1]")
    encode = source.finish()
    assert encode((1, 2)) == b"\1\2\0"
    assert structs_in(encode) == 1


def test_blobs_stand_between_numbers() -> None:
    source = EncodeSource()
    source.fixed("B", "v")
    source.blob("b'-'")
    source.fixed("B", "v")
    source.fixed("B", "v")
    encode = source.finish()
    assert encode(7) == b"\7-\7\7"
    assert structs_in(encode) == 2


def test_what_is_spilled_keeps_its_place() -> None:
    source = EncodeSource()
    source.fixed("B", "len(v)")
    source.spill()
    with source.block("for item in v:"):
        source.fixed("B", "item")
        source.spill()
    source.fixed("B", "255")
    assert source.finish()([1, 2]) == b"\2\1\2\xff"


def test_nothing_is_no_bytes() -> None:
    assert EncodeSource().finish()(5) == b""
    assert DecodeSource().finish("None")(b"abc", 1, 1, 9) == (None, 1, 9)


def test_neighbouring_numbers_are_unpacked_together() -> None:
    source = DecodeSource()
    first, second = source.fixed("B"), source.fixed("H")
    decode = source.finish(f"({second}, {first})")
    assert decode(b"-\1\2\0-", 1, 4, 9) == ((2, 1), 4, 9)
    assert structs_in(decode) == 1


def test_a_check_refuses() -> None:
    source = DecodeSource()
    number = source.fixed("B")
    source.flush()
    source.check(f"{number} > 1")
    decode = source.finish(number)
    assert decode(b"\1", 0, 1, 9) == (1, 1, 9)
    with pytest.raises(Refused):
        decode(b"\2", 0, 1, 9)


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
