"""A command set with a field of each kind, whose answers tell every field that arrived."""

from __future__ import annotations

import array
import enum
import functools
import uuid
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

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
    Command,
    CommandFailed,
    Duration,
    Response,
    SystemTime,
    TaggedUnion,
    Wire,
)
from lazyipc._core.connection.client import ClientConnection


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Point(BaseModel, frozen=True):
    x: I32
    y: I32


class Circle(BaseModel, frozen=True):
    radius: F64


class Nothing(BaseModel, frozen=True):
    """A model that takes no bytes."""


class Tree(BaseModel, frozen=True):
    """A type inside itself."""

    name: U8
    children: list[Tree]


class Shape(TaggedUnion):
    """A family inside a message."""


class Dot(Shape):
    at: Point


class Group(Shape):
    """A family inside itself."""

    members: list[Shape]


class Answer(Response):
    """What all commands are answered with, so that they can be spoken bare."""


class Heard(Answer):
    """What arrived, in words."""

    words: str


class Ramp(Answer):
    """Bytes of which no two runs are alike, so that one sent twice is seen."""

    payload: bytes


class Order(Command[list["Order"]]):
    """Commands of the scenarios; the context is what ran, in order."""

    def process(self, context: list[Order]) -> Answer:
        context.append(self)
        return Heard(words=repr(self))


class Stop(Order):
    """A command without fields."""


class Number(Order):
    """Neighbours of fixed width."""

    a: U8
    b: U16
    c: U32
    d: U64
    e: U128
    f: I8
    g: I16
    h: I32
    i: I64
    j: I128
    k: F32
    m: F64
    n: bool


class Say(Order):
    text: str
    letter: Char
    blob: bytes
    path: Path


class Gather(Order):
    """Sequences of all sorts."""

    bytes_: list[U8]
    numbers: list[U64]
    texts: list[str]
    keys: set[str]
    table: dict[str, U32]
    pairs: tuple[tuple[U8, bool], ...]
    fixed: Annotated[list[U16], Array(3)]


class Perhaps(Order):
    """What may be missing, or one of several."""

    number: U32 | None
    text: str | None
    either: Point | Circle
    colour: Colour
    address: IPv4Address | IPv6Address


class Nest(Order):
    """What contains itself."""

    tree: Tree
    shape: Shape


class When(Order):
    duration: Duration
    time: SystemTime
    id: uuid.UUID


class Empties(Order):
    """Sequences whose elements take no bytes."""

    units: list[None]
    models: list[Nothing]
    tuples: list[list[tuple[()]]]


class Climb(Order):
    """Ask for a Ramp."""

    size: U64

    def process(self, context: list[Order]) -> Answer:
        context.append(self)
        if self.size > MOST_BYTES:
            raise CommandFailed("nobody climbs so high")
        return ramp(self.size)


MOST_BYTES = 1 << 26
"""A forged Climb must not become the work of an hour."""


@functools.lru_cache(maxsize=1)
def ramp(size: int) -> Ramp:
    """So many bytes, a multiple of 4; made once, so that only what is sent costs memory anew."""
    return Ramp(payload=array.array("I", range(size // 4)).tobytes())


ORDERS: tuple[Order, ...] = (
    Stop(),
    Number(
        a=1, b=2, c=3, d=2**64 - 1, e=2**128 - 1, f=-1, g=-2, h=-3, i=-(2**63), j=-(2**127),
        k=1.5, m=-0.1, n=True,
    ),
    Say(text="größe 🦀", letter="é", blob=b"\xff\x4c\0\n", path=Path("/tmp/x")),
    Gather(
        bytes_=[1, 2, 3], numbers=[2**64 - 1, 0], texts=["", "a", "ö"], keys={"b", "a"},
        table={"one": 1, "two": 2}, pairs=((1, True), (2, False)), fixed=[7, 8, 9],
    ),
    Gather(bytes_=[], numbers=[], texts=[], keys=set(), table={}, pairs=(), fixed=[0, 0, 0]),
    Perhaps(
        number=7, text=None, either=Circle(radius=2.0), colour=Colour.BLUE,
        address=IPv6Address("fe80::1"),
    ),
    Perhaps(
        number=None, text="x", either=Point(x=1, y=-1), colour=Colour.RED,
        address=IPv4Address("127.0.0.1"),
    ),
    Nest(
        tree=Tree(name=1, children=[Tree(name=2, children=[]), Tree(name=3, children=[])]),
        shape=Group(members=[Dot(at=Point(x=5, y=6)), Group(members=[])]),
    ),
    When(
        duration=Duration(3, 999_999_999), time=SystemTime(1_700_000_000, 1),
        id=uuid.UUID(int=2**127 + 5),
    ),
    Empties(units=[None, None], models=[Nothing()], tuples=[[()], []]),
)  # fmt: skip
"""One of each kind and more, of a few dozen bytes each."""


def json_request(order: Order, call: int = 1) -> bytes:
    """A command as a line of JSON, under an id."""
    return ClientConnection(Wire.JSON).request(call, order, None, None)
