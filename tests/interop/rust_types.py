"""Rust's structs and enums as Python declares them; their own declarations: `bytes/src/types.rs`.

Models, dataclasses and NamedTuples take turns, as each is a struct. Docstrings say what is another
thing in Rust than it seems. Families stand for enums; a variant's `name` is Rust's where Python has
given it away.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Generic, NamedTuple, NewType, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from lazyipc import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    Array,
    Char,
    Duration,
    SystemTime,
    TaggedUnion,
)

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


class Point(BaseModel):
    x: I32
    y: I32


class Segment(BaseModel):
    name: str
    start: Point
    end: Point
    weight: float | None


@dataclass
class Marker:
    """Rust: a unit struct."""


Meters = NewType("Meters", float)
"""Rust: a newtype struct, which adds no bytes."""


class Rgb(NamedTuple):
    """Rust: a tuple struct."""

    red: U8
    green: U8
    blue: U8


class Line(NamedTuple):
    """Rust: a tuple struct."""

    start: Point
    end: Point


class Pair(BaseModel, Generic[A, B]):
    first: A
    second: B


@dataclass
class Page(Generic[T]):
    items: list[T]
    next: U64 | None


class Renamed(BaseModel):
    """Rust: other names and defaults, which change no bytes."""

    kind: U8 = Field(alias="type")
    names: list[str] = []


class Skipping(BaseModel):
    """Rust: with a second field that is never written."""

    value: U8


class Version(NamedTuple):
    major: U16
    minor: U16
    label: str | None


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Figure(TaggedUnion):
    """Rust: an enum of all four kinds of variant."""


class Empty(Figure):
    pass


class Circle(Figure):
    radius: F64


class Label(Figure):
    size: U8
    text: str


class Rectangle(Figure):
    corner: Point
    filled: bool


@dataclass
class Everything:
    a_bool: bool
    a_u8: U8
    a_u16: U16
    a_u32: U32
    a_u64: U64
    a_u128: U128
    a_usize: U64
    an_i8: I8
    an_i16: I16
    an_i32: I32
    an_i64: I64
    an_i128: I128
    an_isize: I64
    an_f32: F32
    an_f64: F64
    a_char: Char
    a_string: str
    a_unit: None
    an_option: I16 | None
    a_list: list[U32]
    a_blob: bytes
    a_key: Annotated[bytes, Array(4)]
    a_tuple: tuple[U8, str, bool]
    a_map: dict[str, U16]
    a_set: set[I8]
    a_color: Color
    a_figure: Figure
    a_point: Point
    a_meter: Meters
    a_marker: Marker
    the_end: U8


class Account(BaseModel):
    id: UUID
    home: Path
    created: SystemTime
    idle: Duration | None
    address: IPv4Address | IPv6Address
    gateway: IPv4Address
    peers: list[IPv6Address]
    flags: Annotated[list[bool], Array(3)]


@dataclass(frozen=True)
class Holder:
    """Rust: what is behind Box, Rc and Arc travels as if it were not."""

    boxed: Point
    counted: Point
    shared: str
    text: str


@dataclass
class Limits:
    """Rust: numbers that are never 0."""

    least: Annotated[U8, Field(ge=1)]
    most: Annotated[U128, Field(ge=1)] | None


class Grid(NamedTuple):
    cells: Annotated[list[Annotated[bytes, Array(3)]], Array(2)]
    palette: Annotated[tuple[Rgb, ...], Array(2)]
    digest: Annotated[bytes, Array(16)]


class Inner(NamedTuple):
    values: list[tuple[U8, str] | None]
    by_name: dict[str, list[Point]]


@dataclass
class Middle:
    inner: Inner
    others: tuple[Inner, ...]


class Outer(BaseModel):
    middle: Middle
    last: Middle | None


class Maybe(NamedTuple):
    """What an option inside an option needs: both would be the same None."""

    value: U8 | None


@dataclass
class Reading:
    after: Duration
    samples: list[F32]
    unit: Char


@dataclass
class Node:
    value: U32
    next: Node | None


class Tree(BaseModel):
    value: I16
    children: list[Tree]


class Folder(BaseModel):
    owner: str
    entries: dict[str, Entry]


class Entry(TaggedUnion):
    """Rust: an enum that holds the struct it is held by."""


class Missing(Entry):
    pass


class File(Entry):
    size: U64
    data: bytes


class FolderEntry(Entry, name="Folder"):
    folder: Folder


class Rank(enum.Enum):
    """Rust: discriminants of the user's own, which do not travel: the position does."""

    LAST = 30
    MIDDLE = 20
    FIRST = 10


Many = enum.Enum("Many", [f"V{number:03}" for number in range(260)])
"""Rust: more unit variants than one byte of a varint tells apart."""


class Only(TaggedUnion):
    """Rust: an enum of one variant."""


class Variant(Only):
    value: U16


class Name(TaggedUnion):
    pass


class Anonymous(Name):
    pass


class Numbered(Name):
    number: U32


class Full(Name):
    first: str
    last: str


class Event(TaggedUnion):
    """Rust: an enum that holds other enums, and lists of itself."""


class Quit(Event):
    pass


class Key(Event):
    key: Char
    color: Color


class Draw(Event):
    figure: Figure


class Batch(Event):
    events: list[Event]


class Moved(Event):
    from_: Point = Field(alias="from")
    to: Point | None
    how: Figure


class Hello(BaseModel):
    version: U16
    name: str


@dataclass
class Bye:
    reason: str | None


Message = Hello | Bye
"""Rust: an enum with a newtype variant for each of two structs."""


class Operator(enum.Enum):
    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


class Expr(TaggedUnion):
    """Rust: an enum that holds itself in Box."""


class Number(Expr):
    value: int


class Variable(Expr):
    name: str


class Negated(Expr):
    value: Expr


class Binary(Expr):
    operator: Operator
    left: Expr
    right: Expr


class Call(Expr):
    function: str
    arguments: list[Expr]


class Json(TaggedUnion):
    pass


class Null(Json):
    pass


class Bool(Json):
    value: bool


class Float(Json):
    value: float


class Text(Json):
    value: str


class List(Json):
    items: list[Json]


class Object(Json):
    members: dict[str, Json]


class SocketAddr(TaggedUnion):
    """Rust: std's; what serde does not write of an IPv6 one is flow and scope."""


class V4(SocketAddr):
    address: tuple[IPv4Address, U16]


class V6(SocketAddr):
    address: tuple[IPv6Address, U16]


class NumberOrError(TaggedUnion):
    """Rust: Result<u64, String>."""


class GoodNumber(NumberOrError, name="Ok"):
    value: U64


class BadNumber(NumberOrError, name="Err"):
    error: str


class DoneOrColor(TaggedUnion):
    """Rust: Result<(), Color>."""


class Done(DoneOrColor, name="Ok"):
    pass


class NotDone(DoneOrColor, name="Err"):
    error: Color


class Range(NamedTuple, Generic[T]):
    start: T
    end: T


class Bound(TaggedUnion):
    """Rust: Bound<u16>."""


class Unbounded(Bound):
    pass


class Included(Bound):
    value: U16


class Excluded(Bound):
    value: U16
