"""THE MATRIX: a row for each way a kind of shape can be declared, and how its values compare."""

from __future__ import annotations

import dataclasses
import enum
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache, reduce
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, get_args
from uuid import UUID

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
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
    Duration,
    SystemTime,
    Vec,
)
from lazyipc._core import layout
from lazyipc._core import shape as shapes
from lazyipc._core.annotation import shape_of
from lazyipc._core.encoding import ENCODINGS, FIXED, Encoding
from lazyipc._core.record import Value
from tests.core import declared_types as declared
from tests.core.declared_types import (
    Block,
    Bush,
    ByName,
    Celsius,
    Chain,
    Checked,
    Color,
    Crate,
    Disc,
    Door,
    Dot,
    Expression,
    Figure,
    Folder,
    Frozen,
    Grid,
    Holder,
    Knot,
    Label,
    Level,
    Linked,
    Load,
    Menu,
    Negated,
    Nested,
    Nothing,
    Numbers,
    Outer,
    Plain,
    Point,
    Renamed,
    Room,
    Route,
    Samples,
    Script,
    Segment,
    Spot,
    Strict,
    Tour,
    Tree,
    Vessel,
    arrays,
    blobs,
    bytes_,
    chars,
    checked,
    colors,
    figures,
    floats,
    integers,
    plains,
    points,
    quiet,
    texts,
    unsigned,
)

UNHURRIED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
"""No property fails because the machine has other things to do."""

MODERATE = settings(max_examples=12, **UNHURRIED)
"""For properties that run once for each row of the matrix: two shared cores, about a minute."""
THOROUGH = settings(max_examples=150, **UNHURRIED)
"""For properties that run once."""

NAMES = {
    FIXED: "legacy",
    Encoding(varint=True): "standard",
    Encoding(byte_order="big"): "big-endian",
    Encoding(varint=True, byte_order="big"): "big-endian varint",
}
"""What the encodings are called."""

encodings = st.sampled_from(ENCODINGS)


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the matrix: a type and what its values are."""

    name: str
    annotation: Any
    values: st.SearchStrategy[Any]

    def __str__(self) -> str:
        return self.name


def row(name: str, annotation: Any, values: st.SearchStrategy[Any]) -> Row:
    return Row(name, annotation, values)


def nest(annotation: Any, depth: int) -> Any:
    return reduce(lambda inner, _: list[inner], range(depth), annotation)


def wrapped(value: Any, depth: int) -> Any:
    return reduce(lambda inner, _: [inner], range(depth), value)


NUMBERS = [
    *(
        row(f"u{bits}", kind, integers(bits, signed=False))
        for bits, kind in ((8, U8), (16, U16), (32, U32), (64, U64), (128, U128))
    ),
    *(
        row(f"i{bits}", kind, integers(bits, signed=True))
        for bits, kind in ((8, I8), (16, I16), (32, I32), (64, I64), (128, I128))
    ),
    row("int", int, integers(64, signed=True)),
    row("newtype", Celsius, integers(64, signed=True)),
    row("f32", F32, floats(32)),
    row("f64", F64, floats(64)),
    row("float", float, floats(64)),
]

ATOMS = [
    row("bool", bool, st.booleans()),
    row("char", Char, chars),
    row("str", str, texts),
    row("bytes", bytes, blobs),
    row("None", None, st.none()),
    row("enum", Color, colors),
    row("int enum", Level, st.sampled_from(Level)),
]

SEQUENCES = [
    row("option of number", U16 | None, st.none() | unsigned(16)),
    row("option of str", str | None, st.none() | texts),
    row("option of list", list[U8] | None, st.none() | st.lists(bytes_)),
    row("list of number", list[U16], st.lists(unsigned(16), max_size=5)),
    row("list of 128 bits", list[I128], st.lists(integers(128, signed=True), max_size=3)),
    row("list of float", list[F32], st.lists(floats(32), max_size=4)),
    row("list of bool", list[bool], st.lists(st.booleans(), max_size=5)),
    row("list of char", list[Char], st.lists(chars, max_size=4)),
    row("list of str", list[str], st.lists(texts, max_size=4)),
    row("list of None", list[None], st.lists(st.none(), max_size=5)),
    row("list of enum", list[Color], st.lists(colors, max_size=4)),
    row("list of list", list[list[U16]], st.lists(st.lists(unsigned(16), max_size=3), max_size=3)),
    row("list twenty deep", nest(U16, 20), unsigned(16).map(lambda n: wrapped(n, 20))),
    row("tuple of number", tuple[I8, ...], st.lists(integers(8, signed=True)).map(tuple)),
    row("tuple of str", tuple[str, ...], st.lists(texts, max_size=3).map(tuple)),
    row("product", tuple[U8, str, bool], st.tuples(bytes_, texts, st.booleans())),
    row("product of one", tuple[U8], st.tuples(bytes_)),
    row("product of none", tuple[()], st.just(())),
    row("list of product", list[tuple[U8, str | None]],
        st.lists(st.tuples(bytes_, st.none() | texts), max_size=3)),
    row("alias of list", Numbers, st.lists(unsigned(16), max_size=3)),
    row("set of number", set[I16], st.sets(integers(16, signed=True), max_size=4)),
    row("set of 128 bits", set[U128], st.sets(unsigned(128), max_size=3)),
    row("frozenset of str", frozenset[str], st.frozensets(texts, max_size=4)),
    row("set of enum", set[Color], st.sets(colors)),
    row("set of tuple", set[tuple[U8, str]], st.sets(st.tuples(bytes_, texts), max_size=3)),
    row("set of option", set[U8 | None], st.sets(st.none() | bytes_, max_size=4)),
    row("set of NamedTuple", set[Spot], st.sets(declared.spots, max_size=3)),
    row("set of NamedTuple of all", set[Route], st.sets(declared.routes, max_size=2)),
    row("set of frozenset", set[frozenset[U8]],
        st.sets(st.frozensets(bytes_, max_size=3), max_size=3)),
    row("set of None", set[None], st.sets(st.none())),
    row("set of path", set[Path], st.sets(declared.paths, max_size=3)),
    row("set of address", set[IPv4Address | IPv6Address],
        st.sets(declared.ipv4 | declared.ipv6, max_size=3)),
    row("dict of str", dict[str, U32], st.dictionaries(texts, unsigned(32), max_size=4)),
    row("dict of product", dict[tuple[U8, Color | None], list[str]],
        st.dictionaries(st.tuples(bytes_, st.none() | colors), st.lists(texts, max_size=2),
                        max_size=3)),
    row("dict of model", dict[tuple[U8, ...], Point],
        st.dictionaries(st.lists(bytes_, max_size=3).map(tuple), points, max_size=3)),
    row("dict of nothing", dict[None, None], st.dictionaries(st.none(), st.none())),
    row("dict of NamedTuple", dict[Spot, set[U8]],
        st.dictionaries(declared.spots, st.sets(bytes_, max_size=3), max_size=2)),
    row("dict of UUID", dict[UUID, timedelta],
        st.dictionaries(declared.uuids, declared.deltas, max_size=2)),
]  # fmt: skip


def repeated(item: st.SearchStrategy[Any], length: int) -> st.SearchStrategy[Any]:
    return st.lists(item, min_size=length, max_size=length)


ARRAYS = [
    row("array of number", Annotated[list[U16], Array(3)], repeated(unsigned(16), 3)),
    row("array of 128 bits", Annotated[list[I128], Array(2)],
        repeated(integers(128, signed=True), 2)),
    row("array of float", Annotated[tuple[F32, ...], Array(2)],
        repeated(floats(32), 2).map(tuple)),
    row("array of str", Annotated[tuple[str, ...], Array(2)], repeated(texts, 2).map(tuple)),
    row("array of bytes", Annotated[bytes, Array(4)], st.binary(min_size=4, max_size=4)),
    row("array of array", Annotated[list[Annotated[list[U16], Array(2)]], Array(3)],
        repeated(repeated(unsigned(16), 2), 3)),
    row("array of model", Annotated[list[Segment], Array(2)], repeated(declared.segments, 2)),
    row("array of family", Annotated[tuple[Figure, ...], Array(1)],
        repeated(figures, 1).map(tuple)),
    row("array of None", Annotated[list[None], Array(5)], st.just([None] * 5)),
    row("array of length 0", Annotated[list[str], Array(0)], st.just([])),
    row("bytes of length 0", Annotated[bytes, Array(0)], st.just(b"")),
    row("option of array", Annotated[bytes, Array(2)] | None,
        st.none() | st.binary(min_size=2, max_size=2)),
    row("list of bytes", list[Annotated[bytes, Array(2)]],
        st.lists(st.binary(min_size=2, max_size=2), max_size=3)),
    row("set of array", set[Annotated[bytes, Array(2)]],
        st.sets(st.binary(min_size=2, max_size=2), max_size=3)),
    row("NumPy vector", Annotated[np.ndarray, Vec(F64)], arrays("f8")),
    row("NumPy vector of u16", Annotated[np.ndarray, Vec(U16)], arrays("u2")),
    row("NumPy vector of i64", Annotated[np.ndarray, Vec(I64)], arrays("i8")),
    row("NumPy array", Annotated[np.ndarray, Array(3, F32)], arrays("f4", 3)),
    row("NumPy array of i32", Annotated[np.ndarray, Array(2, I32)], arrays("i4", 2)),
    row("NumPy array of length 0", Annotated[np.ndarray, Array(0, U8)], arrays("u1", 0)),
    row("list of NumPy vectors", list[Annotated[np.ndarray, Vec(U8)]],
        st.lists(arrays("u1"), max_size=2)),
    row("option of NumPy array", Annotated[np.ndarray, Array(2, I16)] | None,
        st.none() | arrays("i2", 2)),
    row("NumPy vectors of all", Samples, declared.samples),
    row("NumPy arrays of all", Grid, declared.grids),
]  # fmt: skip

CONVERTED = [
    row("path", Path, declared.paths),
    row("UUID", UUID, declared.uuids),
    row("duration", Duration, declared.durations),
    row("timedelta", timedelta, declared.deltas),
    row("system time", SystemTime, declared.times),
    row("datetime", datetime, declared.moments),
    row("IPv4", IPv4Address, declared.ipv4),
    row("IPv6", IPv6Address, declared.ipv6),
    row("address", IPv4Address | IPv6Address, declared.ipv4 | declared.ipv6),
    row("address, written otherwise", IPv6Address | IPv4Address, declared.ipv4 | declared.ipv6),
    row("option of address", IPv4Address | IPv6Address | None,
        st.none() | declared.ipv4 | declared.ipv6),
    row("list of times", list[tuple[Duration, datetime | None]],
        st.lists(st.tuples(declared.durations, st.none() | declared.moments), max_size=2)),
]  # fmt: skip

CLASSES = [
    row("model", Point, points),
    row("model without fields", Nothing, st.builds(Nothing)),
    row("model with aliases", Renamed, declared.renamed),
    row("model read by name", ByName, st.builds(lambda kind: ByName(kind=kind), bytes_)),
    row("model of models", Segment, declared.segments),
    row("list of model", list[Point], st.lists(points, max_size=3)),
    row("generic model", Crate[U8 | None],
        st.builds(Crate[U8 | None], item=st.none() | bytes_, more=st.lists(bytes_, max_size=2))),
    row("variant", Disc, declared.discs),
    row("family", Figure, figures),
    row("list of family", list[Figure], st.lists(figures, max_size=3)),
    row("option of family", Figure | None, st.none() | figures),
    row("union", Point | Nothing, points | st.builds(Nothing)),
    row("union of variants", Label | Dot, st.builds(Dot) | declared.labels),
    row("option of union", Nothing | None | Point, st.none() | points | st.builds(Nothing)),
    row("dataclass", Plain, plains),
    row("frozen dataclass", Frozen, declared.frozens),
    row("pydantic dataclass", Checked, checked),
    row("strict dataclass", Strict, declared.stricts),
    row("dataclass of classes", Outer, declared.outers),
    row("generic dataclass", Holder[str],
        st.builds(Holder, item=texts, pair=st.tuples(texts, texts))),
    row("list of dataclass", list[Plain], st.lists(plains, max_size=3)),
    row("option of dataclass", Frozen | None, st.none() | declared.frozens),
    row("dict of dataclass", dict[str, Checked], st.dictionaries(texts, checked, max_size=2)),
    row("array of dataclass", Annotated[list[Plain], Array(2)], repeated(plains, 2)),
    row("union of dataclasses", Plain | Strict, plains | declared.stricts),
    row("union of dataclass and model", Point | Checked, points | checked),
    row("list of union", list[Plain | Point], st.lists(plains | points, max_size=2)),
    row("NamedTuple", Spot, declared.spots),
    row("NamedTuple of all", Route, declared.routes),
    row("NamedTuple of classes", Tour, declared.tours),
    row("list of NamedTuple", list[Spot], st.lists(declared.spots, max_size=3)),
    row("model of classes", Vessel, declared.vessels),
    row("family of classes", Load, declared.loads),
]  # fmt: skip

RECURSIVE = [
    row("recursive model", Tree, declared.trees),
    row("recursion by list and dict", Menu, declared.menus),
    row("recursive family", Expression, declared.expressions),
    row("variant of a recursive family", Negated,
        st.builds(Negated, item=declared.expressions)),
    row("list of recursive family", list[Expression], st.lists(declared.expressions, max_size=2)),
    row("mutual recursion", Folder, declared.folders),
    row("recursive dataclass", Chain, declared.chains),
    row("generic recursive dataclass", Bush[str], declared.bushes),
    row("list of recursive dataclass", list[Chain], st.lists(declared.chains, max_size=2)),
    row("recursive NamedTuple", Knot, declared.knots),
    row("family and dataclass", Script, declared.scripts),
    row("dataclass and family", Block, st.builds(Block, st.lists(declared.scripts, max_size=2))),
    row("mutual families", Door, declared.doors),
    row("mutual families from the other", Room, declared.rooms),
    row("both of them", tuple[Room, Door], st.tuples(declared.rooms, declared.doors)),
    row("recursive alias", Nested, declared.nested),
    row("recursive alias of a tuple", Linked, declared.linked),
]  # fmt: skip

MATRIX = [*NUMBERS, *ATOMS, *SEQUENCES, *ARRAYS, *CONVERTED, *CLASSES, *RECURSIVE]


# Comparing --------------------------------------------------------------------------------------


def told(value: Any) -> Any:
    """All there is to tell of a value: its types, its bits, its order.

    So -0.0 is not 0.0, True is not 1, and NaN is the same NaN.
    """
    kind = type(value).__qualname__
    match value:
        case float():
            return kind, struct.pack(">d", value).hex()
        case np.ndarray():
            return kind, value.dtype.str, value.shape, quiet(value).tobytes().hex()
        case set() | frozenset():
            return kind, sorted(map(repr, map(told, value)))
        case dict():
            return kind, [(told(key), told(item)) for key, item in value.items()]
        case BaseModel():
            return kind, [(name, told(getattr(value, name))) for name in type(value).model_fields]
        case enum.Enum():
            return kind, value.name
        case tuple() | list():
            return kind, [told(item) for item in value]
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return kind, [(field.name, told(getattr(value, field.name))) for field in fields]
    return kind, repr(value)


def assert_same(left: Any, right: Any) -> None:
    assert told(left) == told(right)


# Kinds of shape ---------------------------------------------------------------------------------


def kinds_in(shape: Any, found: set[type] | None = None) -> set[type]:
    """The kinds of shape in a tree; found by its records, so no kind can be overlooked."""
    found = set() if found is None else found
    if isinstance(shape, tuple):
        for item in shape:
            kinds_in(item, found)
    elif isinstance(shape, Value):
        if type(shape) in get_args(shapes.Shape):
            found.add(type(shape))
        for name in shape.__match_args__:
            if name != "target":
                kinds_in(getattr(shape, name), found)
    return found


def kinds_met(shape: Any, value: Any) -> Iterator[type]:
    """The kinds of shape that one value is made of."""
    yield type(shape)
    for _, part_shape, part in layout.parts_of(shape, value):
        yield from kinds_met(part_shape, part)


@cache
def strict_construct(row: Row, encoding: Encoding = FIXED) -> Any:
    """The construct of a row's type, which also refuses bytes left over."""
    return strict(shape_of(row.annotation), encoding)


def strict(shape: Any, encoding: Encoding) -> Any:
    """The construct of a shape, followed by the end; the value is its `value`."""
    import construct

    return construct.Struct("value" / layout.construct_of(shape, encoding), construct.Terminated)
