"""A type as Rust declares it: what `print(construct_for(T))` shows."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lazyipc import F32, F64, I32, U8, U16, U32, Array, Char, Duration, TaggedUnion, Vec
from lazyipc._core import rust
from lazyipc._core.annotation import shape_of
from lazyipc._core.compiled import codec_of
from lazyipc._core.encoding import ENCODINGS, FIXED, Encoding
from lazyipc.bincode import STANDARD, construct_for
from tests.core.declared_types import Color, Figure, Point
from tests.core.matrix import MATRIX, MODERATE, Row

VARINT = Encoding(varint=True)


@dataclass
class Node:
    value: U8
    next: Node | None


class Place(NamedTuple):
    at: Point
    name: str


class Expression(TaggedUnion):
    """An enum that holds itself."""


class Number(Expression):
    value: U8


class Sum(Expression):
    left: Expression
    right: Expression


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (U8, "u8"),
        (int, "i64"),
        (float, "f64"),
        (bool, "bool"),
        (Char, "char"),
        (str, "String"),
        (bytes, "Vec<u8>"),
        (None, "()"),
        (U8 | None, "Option<u8>"),
        (list[str], "Vec<String>"),
        (tuple[str, ...], "Vec<String>"),
        (set[U16], "BTreeSet<u16>"),
        (tuple[U8], "(u8,)"),
        (tuple[U8, str], "(u8, String)"),
        (tuple[()], "()"),
        (Annotated[list[U8], Array(3)], "[u8; 3]"),
        (Annotated[bytes, Array(3)], "[u8; 3]"),
        (Annotated[np.ndarray, Vec(F64)], "Vec<f64>"),
        (Annotated[np.ndarray, Array(3, F32)], "[f32; 3]"),
        (dict[str, list[U8]], "HashMap<String, Vec<u8>>"),
        (Color, "Color"),
        (Point, "Point"),
        (Figure, "Figure"),
        (Path, "PathBuf"),
        (UUID, "Uuid"),
        (Duration, "Duration"),
        (IPv4Address | IPv6Address, "IpAddr"),
    ],
)
def test_a_type_has_its_name_in_rust(annotation: Any, name: str) -> None:
    assert rust.type_name(shape_of(annotation)) == name


def test_a_declaration_says_what_each_field_takes_and_where() -> None:
    assert str(construct_for(Place)).splitlines() == [
        "// bincode, little-endian, fixed-width integers",
        "",
        "struct Place {                          // its fields",
        "    at: Point,                          // at 0: 8 bytes",
        "    name: String,                       // at 8: u64 count of bytes, UTF-8",
        "}",
        "",
        "struct Point {                          // 8 bytes",
        "    x: i32,                             // at 0: 4 bytes",
        "    y: i32,                             // at 4: 4 bytes",
        "}",
    ]


def test_a_field_behind_one_of_any_length_stands_nowhere_in_particular() -> None:
    assert rust.declaration(shape_of(Place), VARINT).splitlines()[3:5] == [
        "    at: Point,                          // at 0: its fields",
        "    name: String,                       // varint u64 count of bytes, UTF-8",
    ]


def test_an_enum_is_declared_with_its_indices() -> None:
    assert str(construct_for(Expression)).splitlines() == [
        "// bincode, little-endian, fixed-width integers",
        "",
        "enum Expression {                       // u32 index, the variant",
        "    Number {                            // index 0",
        "        value: u8,                      // at 4: 1 byte",
        "    },",
        "    Sum {                               // index 1",
        "        left: Box<Expression>,          // at 4: u32 index, the variant",
        "        right: Box<Expression>,         // u32 index, the variant",
        "    },",
        "}",
    ]


def test_a_variant_without_fields_and_one_that_is_pinned() -> None:
    lines = str(construct_for(Figure, STANDARD)).splitlines()
    assert lines[0] == "// bincode, little-endian, varint integers"
    assert "    Dot,                                // index 0" in lines
    assert "    Disc {                              // index 700" in lines
    assert "    ALabel {                            // index 2" in lines
    assert "    RED,                                // index 0" in lines


def test_addresses_are_variants_of_one_value() -> None:
    lines = str(construct_for(IPv4Address | IPv6Address)).splitlines()
    assert lines[-3:] == [
        "    V4(Ipv4Addr),                       // index 0; 4 bytes",
        "    V6(Ipv6Addr),                       // index 1; 16 bytes",
        "}",
    ]


def test_what_has_no_declaration_is_a_type() -> None:
    assert str(construct_for(list[U16])).splitlines()[2:] == [
        "type Vec<u16>                           // u64 count, the items"
    ]


def test_a_class_is_declared_once() -> None:
    class Pair(BaseModel):
        left: Node
        right: Node | None

    text = rust.declaration(shape_of(Pair), FIXED)
    assert text.count("struct Node {") == 1
    assert "left: Node," in text
    assert "right: Option<Node>," in text
    assert "next: Option<Box<Node>>," in text


def test_a_union_has_a_name_of_one_word() -> None:
    assert rust.type_name(shape_of(Point | Node)) == "PointOrNode"


@pytest.mark.parametrize("row", MATRIX, ids=str)
@MODERATE
@given(data=st.data(), encoding=st.sampled_from(ENCODINGS))
def test_the_exact_size_is_what_each_value_takes(
    row: Row, encoding: Encoding, data: st.DataObject
) -> None:
    codec = codec_of(row.annotation, encoding)
    size = rust.exact_size(codec.shape, encoding)
    assert str(rust.declaration(codec.shape, encoding))
    if size is not None:
        assert len(codec.encode(data.draw(row.values))) == size


@pytest.mark.parametrize(
    ("annotation", "fixed", "varint"),
    [
        (U8, "1 byte", "1 byte"),
        (U16, "2 bytes", "varint, 1 to 3 bytes"),
        (U32, "4 bytes", "varint, 1 to 5 bytes"),
        (I32, "4 bytes", "varint, 1 to 5 bytes"),
        (int, "8 bytes", "varint, 1 to 9 bytes"),
        (bool, "1 byte, 0 or 1", "1 byte, 0 or 1"),
        (Char, "1 to 4 bytes, UTF-8", "1 to 4 bytes, UTF-8"),
        (bytes, "u64 count, the bytes", "varint u64 count, the bytes"),
        (None, "no bytes", "no bytes"),
        (Color, "u32 index", "varint u32 index"),
        (UUID, "u64 count, the bytes", "varint u64 count, the bytes"),
        (Duration, "12 bytes", "its fields"),
        (Annotated[list[str], Array(2)], "each item", "each item"),
        (Annotated[list[U16], Array(2)], "4 bytes", "each item"),
        (dict[str, U8], "u64 count, each key and its value",
         "varint u64 count, each key and its value"),
    ],
)  # fmt: skip
def test_what_a_value_takes_is_said_in_words(annotation: Any, fixed: str, varint: str) -> None:
    shape = shape_of(annotation)
    assert (rust.takes(shape, FIXED), rust.takes(shape, VARINT)) == (fixed, varint)
