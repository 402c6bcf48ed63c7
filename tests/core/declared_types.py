"""Types of each kind of shape, declared as users declare them, and strategies for their values."""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypeVar

import numpy as np
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType

from lazyipc import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Array,
    Duration,
    SystemTime,
    TaggedUnion,
    Vec,
)
from lazyipc._core.duration import NANOSECONDS_PER_SECOND, SECONDS_MAX
from lazyipc._core.scalars import round_f32

T = TypeVar("T")

# Enums, models, families ------------------------------------------------------------------------


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    ROSE = "red"  # an alias, which is no member of its own


class Level(enum.IntEnum):
    LOW = 10
    HIGH = 20


class Point(BaseModel):
    x: I32
    y: I32


class Nothing(BaseModel):
    """No fields, so no bytes."""


class Renamed(BaseModel):
    kind: U8 = Field(alias="type")
    items: list[str] = Field(default_factory=list, alias="class")


class ByName(BaseModel):
    """Its alias is for writing only."""

    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)

    kind: U8 = Field(alias="type")


class Figure(TaggedUnion):
    """A family with one pinned index."""


class Dot(Figure):
    pass


class Disc(Figure, index=700):
    center: Point
    radius: F64


class Label(Figure, name="a label"):
    size: U8
    text: str
    color: Color | None


class Segment(BaseModel):
    name: str
    start: Point
    end: Point
    weight: F32 | None
    figure: Figure


class Crate(BaseModel, Generic[T]):
    item: T
    more: list[T]


Celsius = NewType("Celsius", int)


# NamedTuples and dataclasses --------------------------------------------------------------------


class Spot(NamedTuple):
    name: str
    level: U8 = 0


class Route(NamedTuple):
    """Its values can be hashed, so it may be a key."""

    start: Spot
    color: Color | None
    stops: tuple[U16, ...] = ()


@dataclasses.dataclass
class Plain:
    text: str
    number: U16 = 7


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    real: F32
    flags: list[bool] = dataclasses.field(default_factory=list)
    point: Point


@pydantic_dataclass
class Checked:
    number: U8 = Field(alias="type")
    level: Annotated[int, Field(ge=0)] = 3


@pydantic_dataclass(config=ConfigDict(strict=True))
class Strict:
    number: U8
    plain: Plain


@dataclasses.dataclass
class Outer:
    """Each kind of class within a dataclass."""

    plain: Plain
    many: list[Frozen]
    spot: Spot
    figure: Figure | None
    checked: Checked


@dataclasses.dataclass
class Holder(Generic[T]):
    item: T
    pair: tuple[T, T]


class Tour(NamedTuple):
    """A NamedTuple whose values cannot be hashed."""

    legs: list[Plain]
    point: Point


class Vessel(BaseModel):
    """Each kind of class within a model."""

    plain: Plain
    spots: list[Spot]
    checked: dict[str, Checked]


class Load(TaggedUnion):
    """A family whose variants hold them."""


class Bulk(Load):
    plain: Plain
    strict: Strict | None


class Pieces(Load):
    spots: tuple[Spot, ...]
    frozen: list[Frozen]


# NumPy ------------------------------------------------------------------------------------------

NUMPY_NUMBERS: dict[str, Any] = {
    "u1": U8, "u2": U16, "u4": U32, "u8": U64, "i1": I8,
    "i2": I16, "i4": I32, "i8": I64, "f4": F32, "f8": F64,
}  # fmt: skip


class Samples(BaseModel):
    """A vector of each number."""

    u1: Annotated[np.ndarray, Vec(U8)]
    u2: Annotated[np.ndarray, Vec(U16)]
    u4: Annotated[np.ndarray, Vec(U32)]
    u8: Annotated[np.ndarray, Vec(U64)]
    i1: Annotated[np.ndarray, Vec(I8)]
    i2: Annotated[np.ndarray, Vec(I16)]
    i4: Annotated[np.ndarray, Vec(I32)]
    i8: Annotated[np.ndarray, Vec(I64)]
    f4: Annotated[np.ndarray, Vec(F32)]
    f8: Annotated[np.ndarray, Vec(F64)]


class Grid(BaseModel):
    """An array of each number."""

    u1: Annotated[np.ndarray, Array(2, U8)]
    u2: Annotated[np.ndarray, Array(2, U16)]
    u4: Annotated[np.ndarray, Array(2, U32)]
    u8: Annotated[np.ndarray, Array(2, U64)]
    i1: Annotated[np.ndarray, Array(2, I8)]
    i2: Annotated[np.ndarray, Array(2, I16)]
    i4: Annotated[np.ndarray, Array(2, I32)]
    i8: Annotated[np.ndarray, Array(2, I64)]
    f4: Annotated[np.ndarray, Array(2, F32)]
    f8: Annotated[np.ndarray, Array(2, F64)]


# Types inside themselves ------------------------------------------------------------------------


class Tree(BaseModel):
    value: U8
    left: Tree | None
    right: Tree | None


class Menu(BaseModel):
    """Recursion through a list and through a dict."""

    items: list[Menu]
    named: dict[str, Menu]


class Expression(TaggedUnion):
    """A recursive family."""


class Constant(Expression):
    value: I16


class Negated(Expression):
    item: Expression


class Summed(Expression):
    items: list[Expression]
    note: str | None


class Folder(BaseModel):
    """Mutual recursion, with aliases and a default."""

    name: str = Field(alias="class")
    entries: list[Entry] = Field(default_factory=list, alias="in")


class Entry(BaseModel):
    size: U16 = 0
    folder: Folder | None = Field(default=None, alias="from")


@dataclasses.dataclass
class Chain:
    value: U8
    next: Chain | None = None


@dataclasses.dataclass
class Bush(Generic[T]):
    item: T
    rest: list[Bush[T]]


class Knot(NamedTuple):
    value: U8
    rest: list[Knot]


class Script(TaggedUnion):
    """A family and a dataclass that contain one another."""


class Call(Script):
    chain: Chain
    block: Block | None


@dataclasses.dataclass
class Block:
    steps: list[Script]


class Door(TaggedUnion):
    """Two families that contain one another."""


class Open(Door):
    leads_to: Room | None


class Locked(Door):
    key: U8


class Room(TaggedUnion):
    pass


class Hall(Room):
    doors: list[Door]
    back: Door


class Cell(Room):
    pass


Nested = TypeAliasType("Nested", "list[Nested]")
Linked = TypeAliasType("Linked", "tuple[I16, Linked | None]")
Numbers = TypeAliasType("Numbers", list[U16])


# Strategies -------------------------------------------------------------------------------------


def integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    """All of a width, and often those where a varint grows."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    edges = [125, 126, 250, 251, 255, *(1 << power for power in (15, 16, 31, 32, 63, 64, 127))]
    near = [sign * edge + step for edge in edges for step in (-1, 0) for sign in (1, -1)]
    return st.integers(low, high) | st.sampled_from([n for n in near if low <= n <= high])


def floats(width: int) -> st.SearchStrategy[float]:
    if width == 32:
        return st.floats(width=32).map(round_f32)  # which makes a signalling NaN a quiet one
    return st.floats()


def unsigned(bits: int) -> st.SearchStrategy[int]:
    return integers(bits, signed=False)


bytes_ = integers(8, signed=False)
texts = st.text(max_size=6)
chars = st.characters(exclude_categories=["Cs"]) | st.sampled_from(
    "\0a\x7fé\u07ff\uffff🦀\U0010ffff"
)
blobs = st.binary(max_size=6)
points = st.builds(Point, x=integers(32, signed=True), y=integers(32, signed=True))
colors = st.sampled_from(Color)
labels = st.builds(Label, size=bytes_, text=texts, color=st.none() | colors)
discs = st.builds(Disc, center=points, radius=floats(64))
figures: st.SearchStrategy[Figure] = st.one_of(st.builds(Dot), discs, labels)
renamed = st.builds(
    lambda kind, items: Renamed(**{"type": kind, "class": items}),
    bytes_, st.lists(texts, max_size=2),
)  # fmt: skip
segments = st.builds(
    Segment, name=texts, start=points, end=points, weight=st.none() | floats(32), figure=figures
)

seconds = st.integers(0, SECONDS_MAX) | st.integers(0, 2**33)
nanoseconds = st.integers(0, NANOSECONDS_PER_SECOND - 1)
durations = st.builds(Duration, seconds, nanoseconds)
times = st.builds(SystemTime, seconds, nanoseconds)
deltas = st.timedeltas(min_value=timedelta())
moments = st.datetimes(min_value=datetime(1970, 1, 1)).map(
    lambda when: when.replace(tzinfo=UTC, fold=0)
)
paths = st.text(max_size=6).map(Path)
uuids = st.uuids()
ipv4 = st.integers(0, 2**32 - 1).map(IPv4Address)
ipv6 = st.integers(0, 2**128 - 1).map(IPv6Address)

spots = st.builds(Spot, name=texts, level=bytes_)
routes = st.builds(
    Route, start=spots, color=st.none() | colors,
    stops=st.lists(unsigned(16), max_size=2).map(tuple),
)  # fmt: skip
plains = st.builds(Plain, text=texts, number=unsigned(16))
frozens = st.builds(
    Frozen, real=floats(32), flags=st.lists(st.booleans(), max_size=2), point=points
)  # fmt: skip
checked = st.builds(lambda number, level: Checked(type=number, level=level),
                    bytes_, st.integers(0, 2**63 - 1))  # fmt: skip
stricts = st.builds(Strict, number=bytes_, plain=plains)
outers = st.builds(
    Outer, plain=plains, many=st.lists(frozens, max_size=2), spot=spots,
    figure=st.none() | figures, checked=checked,
)  # fmt: skip
vessels = st.builds(
    Vessel, plain=plains, spots=st.lists(spots, max_size=2),
    checked=st.dictionaries(texts, checked, max_size=2),
)  # fmt: skip
loads: st.SearchStrategy[Load] = st.one_of(
    st.builds(Bulk, plain=plains, strict=st.none() | stricts),
    st.builds(Pieces, spots=st.lists(spots, max_size=2).map(tuple),
              frozen=st.lists(frozens, max_size=2)),
)  # fmt: skip
tours = st.builds(Tour, legs=st.lists(plains, max_size=2), point=points)


def quiet(array: Any) -> Any:
    """Without signalling NaNs: a 32-bit one becomes quiet as soon as it is a Python float."""
    if array.dtype != np.float32:
        return array
    bits = array.view(np.uint32)
    return np.where(np.isnan(array), bits | 0x0040_0000, bits).astype(np.uint32).view(np.float32)


def arrays(dtype: str, length: int | None = None) -> st.SearchStrategy[Any]:
    """One-dimensional arrays of any bits at all, but for signalling NaNs."""
    size = np.dtype(dtype).itemsize
    shortest, longest = (0, 4 * size) if length is None else (length * size, length * size)
    many = st.binary(min_size=shortest, max_size=longest)
    return many.map(lambda data: quiet(np.frombuffer(data[: len(data) // size * size], dtype)))


samples = st.builds(Samples, **{name: arrays(name) for name in NUMPY_NUMBERS})
grids = st.builds(Grid, **{name: arrays(name, 2) for name in NUMPY_NUMBERS})

trees: st.SearchStrategy[Tree] = st.deferred(
    lambda: (
        st.builds(Tree, value=bytes_, left=st.none() | trees, right=st.none())
        | st.builds(Tree, value=bytes_, left=st.none(), right=st.none() | trees)
    )
)
menus: st.SearchStrategy[Menu] = st.recursive(
    st.builds(Menu, items=st.just([]), named=st.just({})),
    lambda inner: st.builds(
        Menu, items=st.lists(inner, max_size=2), named=st.dictionaries(texts, inner, max_size=2)
    ),
    max_leaves=4,
)
expressions: st.SearchStrategy[Expression] = st.recursive(
    st.builds(Constant, value=integers(16, signed=True)),
    lambda inner: (
        st.builds(Negated, item=inner)
        | st.builds(Summed, items=st.lists(inner, max_size=3), note=st.none() | texts)
    ),
    max_leaves=5,
)


def _folder(name: str, entries: list[Entry]) -> Folder:
    return Folder(**{"class": name, "in": entries})


folders: st.SearchStrategy[Folder] = st.recursive(
    st.builds(_folder, texts, st.just([])),
    lambda inner: st.builds(
        _folder, texts,
        st.lists(st.builds(lambda size, folder: Entry(**{"size": size, "from": folder}),
                           unsigned(16), st.none() | inner), max_size=2),
    ),
    max_leaves=4,
)  # fmt: skip
chains: st.SearchStrategy[Chain] = st.recursive(
    st.builds(Chain, bytes_), lambda inner: st.builds(Chain, bytes_, inner), max_leaves=5
)
bushes: st.SearchStrategy[Bush[str]] = st.recursive(
    st.builds(Bush, texts, st.just([])),
    lambda inner: st.builds(Bush, texts, st.lists(inner, max_size=2)),
    max_leaves=4,
)
knots: st.SearchStrategy[Knot] = st.recursive(
    st.builds(Knot, bytes_, st.just([])),
    lambda inner: st.builds(Knot, bytes_, st.lists(inner, max_size=2)),
    max_leaves=4,
)
scripts: st.SearchStrategy[Script] = st.recursive(
    st.builds(Call, chain=chains, block=st.none()),
    lambda inner: st.builds(
        Call, chain=chains, block=st.builds(Block, st.lists(inner, max_size=2))
    ),
    max_leaves=3,
)
doors: st.SearchStrategy[Door] = st.recursive(
    st.builds(Open, leads_to=st.none()) | st.builds(Locked, key=bytes_),
    lambda inner: st.builds(
        Open,
        leads_to=st.builds(Cell) | st.builds(Hall, doors=st.lists(inner, max_size=2), back=inner),
    ),
    max_leaves=4,
)
rooms: st.SearchStrategy[Room] = st.builds(Cell) | st.builds(
    Hall, doors=st.lists(doors, max_size=2), back=doors
)
nested: st.SearchStrategy[Any] = st.recursive(
    st.just([]), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
linked: st.SearchStrategy[Any] = st.recursive(
    st.tuples(integers(16, signed=True), st.none()),
    lambda inner: st.tuples(integers(16, signed=True), inner),
    max_leaves=4,
)
