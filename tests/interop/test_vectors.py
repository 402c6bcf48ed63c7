"""Our codec against what Rust's bincode 1.3.3 wrote: `vectors.txt`, made by `peer vectors`."""

from __future__ import annotations

import math
import subprocess
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any

import pytest
from pydantic import BaseModel

from examples.simple.commands import (
    Add,
    ClientCommand,
    ClientResponse,
    Print,
    PrintAck,
    Push,
    Pushed,
    Sum,
)
from lazyipc import F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, TaggedUnion, bincode

pytestmark = pytest.mark.timeout(330)  # the first test builds the peer

FILE = Path(__file__).parent / "vectors.txt"


class Point(BaseModel):
    """Rust: `struct Point`."""

    x: I32
    y: I32


class Segment(BaseModel):
    """Rust: `struct Segment`."""

    name: str
    start: Point
    end: Point
    weight: F64 | None


class Shape(TaggedUnion):
    """Rust: `enum Shape`."""


class Empty(Shape):
    """Rust: a unit variant."""


class Circle(Shape):
    """Rust: a newtype variant."""

    radius: F64


class Label(Shape):
    """Rust: a tuple variant."""

    size: U8
    text: str


class Rectangle(Shape):
    """Rust: a struct variant."""

    corner: Point
    filled: bool


class Color(Enum):
    """Rust: an enum of unit variants."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Maybe(BaseModel):
    """A struct around an option: Python's own `X | None | None` is one option, Rust's is two."""

    value: U8 | None


def segment(weight: float | None) -> Segment:
    """The segment of the vectors."""
    end = Point(x=2**31 - 1, y=-(2**31))
    return Segment(name="edge", start=Point(x=-1, y=2), end=end, weight=weight)


CASES: dict[str, tuple[Any, object]] = {
    "command_print": (ClientCommand, Print(payload="hello")),
    "command_print_empty": (ClientCommand, Print(payload="")),
    "command_print_900": (ClientCommand, Print(payload="x" * 900)),
    "command_add": (ClientCommand, Add(a=1, b=2)),
    "command_add_extremes": (ClientCommand, Add(a=2**64 - 1, b=0)),
    "command_push": (ClientCommand, Push(x=7)),
    "response_print_ack": (ClientResponse, PrintAck()),
    "response_sum": (ClientResponse, Sum(c=3)),
    "response_pushed": (ClientResponse, Pushed(x=7)),
    "bool_false": (bool, False),
    "bool_true": (bool, True),
    "u8_min": (U8, 0),
    "u8_max": (U8, 2**8 - 1),
    "u16_min": (U16, 0),
    "u16_max": (U16, 2**16 - 1),
    "u32_min": (U32, 0),
    "u32_max": (U32, 2**32 - 1),
    "u64_min": (U64, 0),
    "u64_max": (U64, 2**64 - 1),
    "u64_bytes_in_order": (U64, 0x0102030405060708),
    "i8_min": (I8, -(2**7)),
    "i8_max": (I8, 2**7 - 1),
    "i16_min": (I16, -(2**15)),
    "i16_max": (I16, 2**15 - 1),
    "i32_min": (I32, -(2**31)),
    "i32_max": (I32, 2**31 - 1),
    "i64_min": (I64, -(2**63)),
    "i64_max": (int, 2**63 - 1),
    "i64_minus_one": (int, -1),
    "f32_exact": (F32, 1.5),
    "f32_rounded": (F32, 0.10000000149011612),
    "f32_negative_zero": (F32, -0.0),
    "f32_infinity": (F32, math.inf),
    "f64_rounded": (F64, 0.1),
    "f64_negative_zero": (F64, -0.0),
    "f64_infinity": (F64, math.inf),
    "f64_negative_infinity": (float, -math.inf),
    "f64_smallest_subnormal": (float, 5e-324),
    "f64_max": (float, 1.7976931348623157e308),
    "string_empty": (str, ""),
    "string_ascii": (str, "lazy"),
    "string_two_byte": (str, "naïve"),
    "string_astral": (str, "🦀 and 🐍"),
    "string_nul_inside": (str, "a\0b"),
    "bytes_empty": (bytes, b""),
    "bytes_all_ends": (bytes, bytes([0, 1, 127, 128, 255])),
    "option_u32_none": (U32 | None, None),
    "option_u32_some": (U32 | None, 5),
    "option_string_some": (str | None, "five"),
    "option_option_u8_none": (Maybe | None, None),
    "option_option_u8_some_none": (Maybe | None, Maybe(value=None)),
    "option_option_u8_some_some": (Maybe | None, Maybe(value=7)),
    "vec_u32_empty": (list[U32], []),
    "vec_u32": (tuple[U32, ...], (1, 2, 2**32 - 1)),
    "vec_string": (list[str], ["", "one", "🦀"]),
    "vec_vec_u16": (list[list[U16]], [[1], [], [2, 3]]),
    "vec_unit_3": (list[None], [None, None, None]),
    "vec_tuple_option": (list[tuple[U16, str | None]], [(1, None), (2, "two")]),
    "unit": (NoneType, None),
    "tuple": (tuple[U8, str, bool], (9, "nine", True)),
    "btreemap_empty": (dict[str, U32], {}),
    "btreemap": (dict[str, U32], {"alpha": 1, "beta": 2, "gamma": 3}),
    "hashmap_one": (dict[str, U32], {"only": 1}),
    "struct_nested": (Segment, segment(0.5)),
    "struct_nested_none": (Segment, segment(None)),
    "vec_struct": (list[Point], [Point(x=1, y=2), Point(x=3, y=4)]),
    "enum_unit": (Shape, Empty()),
    "enum_newtype": (Shape, Circle(radius=2.5)),
    "enum_tuple": (Shape, Label(size=3, text="three")),
    "enum_struct": (Shape, Rectangle(corner=Point(x=4, y=5), filled=True)),
    "vec_enum": (list[Shape], [Empty(), Circle(radius=-0.0), Label(size=0, text="")]),
    "vec_unit_enum": (list[Color], [Color.BLUE, Color.RED, Color.GREEN]),
}


def vectors() -> dict[str, bytes]:
    """The checked-in vectors by name; `-` stands for no bytes at all."""
    pairs = (line.split() for line in FILE.read_text().splitlines())
    return {name: bytes.fromhex(digits.strip("-")) for name, digits in pairs}


def test_the_file_is_what_the_program_prints(peer: Path) -> None:
    printed = subprocess.run(
        [peer, "vectors"], capture_output=True, text=True, timeout=10, check=True
    )
    assert printed.stdout == FILE.read_text()


def test_each_vector_has_a_case() -> None:
    assert list(vectors()) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_vector_decodes(name: str) -> None:
    annotation, expected = CASES[name]
    decoded = bincode.decode(vectors()[name], annotation)
    assert decoded == expected
    assert repr(decoded) == repr(expected)  # tells -0.0 from 0.0, True from 1


@pytest.mark.parametrize("name", CASES)
def test_a_value_encodes(name: str) -> None:
    annotation, value = CASES[name]
    assert bincode.encode(value, annotation) == vectors()[name]


@pytest.mark.parametrize("name", CASES)
def test_the_construct_agrees(name: str) -> None:
    annotation, value = CASES[name]
    layout = bincode.construct_for(annotation)
    assert layout.build(value) == vectors()[name]
    assert repr(layout.parse(vectors()[name])) == repr(value)
