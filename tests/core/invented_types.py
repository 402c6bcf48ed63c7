"""THE MATRIX: types of each kind of shape with strategies for their values, and invented ones."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, NewType

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from lazyipc import F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, TaggedUnion
from lazyipc._core.family import VARIANT_LIMIT
from lazyipc._core.layout import construct_of
from lazyipc._core.layout.rule import RULES
from lazyipc._core.shape import shape_of

UNHURRIED: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
"""No property fails because the machine has other things to do."""

MODERATE = settings(max_examples=12, **UNHURRIED)
"""For properties that run once for each row of the matrix: two shared cores, under a minute."""
THOROUGH = settings(max_examples=150, **UNHURRIED)
"""For properties that run once."""


# Declared types ----------------------------------------------------------------------------------


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


Celsius = NewType("Celsius", int)


# Strategies --------------------------------------------------------------------------------------


def integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    if signed:
        return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    return st.integers(0, (1 << bits) - 1)


def floats(width: int) -> st.SearchStrategy[float]:
    return st.floats(width=width, allow_nan=False)


texts = st.text(max_size=6)
blobs = st.binary(max_size=6)
points = st.builds(Point, x=integers(32, signed=True), y=integers(32, signed=True))
colors = st.sampled_from(Color)
figures: st.SearchStrategy[Figure] = st.one_of(
    st.builds(Dot),
    st.builds(Disc, center=points, radius=floats(64)),
    st.builds(
        Label, size=integers(8, signed=False), text=texts, color=st.none() | st.sampled_from(Color)
    ),
)


@dataclass(frozen=True)
class Row:
    """One row of the matrix: a type and what its values are."""

    name: str
    annotation: Any
    values: st.SearchStrategy[Any]

    def __str__(self) -> str:
        return self.name


def row(name: str, annotation: Any, values: st.SearchStrategy[Any]) -> Row:
    return Row(name, annotation, values)


NUMBERS = [
    *(
        row(f"u{bits}", kind, integers(bits, signed=False))
        for bits, kind in ((8, U8), (16, U16), (32, U32), (64, U64))
    ),
    *(
        row(f"i{bits}", kind, integers(bits, signed=True))
        for bits, kind in ((8, I8), (16, I16), (32, I32), (64, I64))
    ),
    row("int", int, integers(64, signed=True)),
    row("newtype", Celsius, integers(64, signed=True)),
    row("f32", F32, floats(32)),
    row("f64", F64, floats(64)),
    row("float", float, floats(64)),
]

MATRIX = [
    *NUMBERS,
    row("bool", bool, st.booleans()),
    row("str", str, texts),
    row("bytes", bytes, blobs),
    row("None", None, st.none()),
    row("enum", Color, colors),
    row("int enum", Level, st.sampled_from(Level)),
    row("option of number", U16 | None, st.none() | integers(16, signed=False)),
    row("option of str", str | None, st.none() | texts),
    row("option of list", list[U8] | None, st.none() | st.lists(integers(8, signed=False))),
    row("list of number", list[U16], st.lists(integers(16, signed=False), max_size=5)),
    row("list of float", list[F32], st.lists(floats(32), max_size=4)),
    row("list of bool", list[bool], st.lists(st.booleans(), max_size=5)),
    row("list of str", list[str], st.lists(texts, max_size=4)),
    row("list of None", list[None], st.lists(st.none(), max_size=5)),
    row("list of enum", list[Color], st.lists(colors, max_size=4)),
    row("list of list", list[list[U16]],
        st.lists(st.lists(integers(16, signed=False), max_size=3), max_size=3)),
    row("tuple of number", tuple[I8, ...], st.lists(integers(8, signed=True)).map(tuple)),
    row("tuple of str", tuple[str, ...], st.lists(texts, max_size=3).map(tuple)),
    row("product", tuple[U8, str, bool],
        st.tuples(integers(8, signed=False), texts, st.booleans())),
    row("product of one", tuple[U8], st.tuples(integers(8, signed=False))),
    row("product of none", tuple[()], st.just(())),
    row("list of product", list[tuple[U8, str | None]],
        st.lists(st.tuples(integers(8, signed=False), st.none() | texts), max_size=3)),
    row("dict of str", dict[str, U32],
        st.dictionaries(texts, integers(32, signed=False), max_size=4)),
    row("dict of product", dict[tuple[U8, Color | None], list[str]],
        st.dictionaries(
            st.tuples(integers(8, signed=False), st.none() | colors),
            st.lists(texts, max_size=2), max_size=3)),
    row("dict of model", dict[tuple[U8, ...], Point],
        st.dictionaries(st.lists(integers(8, signed=False), max_size=3).map(tuple), points,
                        max_size=3)),
    row("dict of nothing", dict[None, None], st.dictionaries(st.none(), st.none())),
    row("model", Point, points),
    row("model without fields", Nothing, st.builds(Nothing)),
    row("model with aliases", Renamed,
        st.builds(
            lambda kind, items: Renamed(**{"type": kind, "class": items}),
            integers(8, signed=False), st.lists(texts, max_size=2))),
    row("model of models", Segment,
        st.builds(Segment, name=texts, start=points, end=points,
                  weight=st.none() | floats(32), figure=figures)),
    row("list of model", list[Point], st.lists(points, max_size=3)),
    row("variant", Disc, st.builds(Disc, center=points, radius=floats(64))),
    row("family", Figure, figures),
    row("list of family", list[Figure], st.lists(figures, max_size=3)),
    row("option of family", Figure | None, st.none() | figures),
    row("union", Point | Nothing, points | st.builds(Nothing)),
    row("union of variants", Label | Dot, st.builds(Dot)
        | st.builds(Label, size=st.just(1), text=texts, color=st.none())),
    row("option of union", Nothing | None | Point, st.none() | points | st.builds(Nothing)),
]  # fmt: skip


def kinds_in(shape: Any) -> Iterator[type]:
    """The kinds of shape in a tree; found by its dataclasses, so no kind can be overlooked."""
    if isinstance(shape, tuple):
        for item in shape:
            yield from kinds_in(item)
    elif is_dataclass(shape) and not isinstance(shape, type):
        if type(shape) in RULES:
            yield type(shape)
        for field in fields(shape):
            yield from kinds_in(getattr(shape, field.name))


@cache
def strict_construct(row: Row) -> Any:
    """The construct of a row's type, which also refuses bytes left over."""
    import construct

    made = construct_of(shape_of(row.annotation))
    return construct.Struct("value" / made, construct.Terminated)


# Invented types ----------------------------------------------------------------------------------

_numbers = itertools.count()
_names = st.sampled_from(["a", "b", "data", "value", "end", "items", "keys", "name", "o", "v1"])

_leaves = st.sampled_from([*NUMBERS, *(r for r in MATRIX if r.name in {
    "bool", "str", "bytes", "None", "enum", "model", "family"})])  # fmt: skip
_keys = st.sampled_from([r for r in MATRIX if r.name in {
    "u8", "i64", "bool", "str", "bytes", "enum"}])  # fmt: skip


def _list_of(item: Row) -> Row:
    return row(f"list[{item}]", list[item.annotation], st.lists(item.values, max_size=3))


def _tuple_of(item: Row) -> Row:
    values = st.lists(item.values, max_size=3).map(tuple)
    return row(f"tuple[{item}, ...]", tuple[item.annotation, ...], values)


def _option_of(item: Row) -> Row:
    if item.annotation is None or str(item).startswith("option"):
        return item
    return row(f"option[{item}]", item.annotation | None, st.none() | item.values)


def _product_of(items: list[Row]) -> Row:
    annotation = tuple[tuple(item.annotation for item in items)]  # type: ignore[misc]
    name = f"tuple[{', '.join(map(str, items))}]"
    return row(name, annotation, st.tuples(*(item.values for item in items)))


def _dict_of(key: Row, item: Row) -> Row:
    annotation = dict[key.annotation, item.annotation]  # type: ignore[name-defined]
    values = st.dictionaries(key.values, item.values, max_size=3)
    return row(f"dict[{key}, {item}]", annotation, values)


def _model_of(parts: dict[str, Row]) -> Row:
    name = f"Model{next(_numbers)}"
    declared: dict[str, Any] = {field: (part.annotation, ...) for field, part in parts.items()}
    model = create_model(name, **declared)
    return row(_told(name, parts), model, _built(model, parts))


def _family_of(variants: list[dict[str, Row]], pins: list[int]) -> Row:
    number = next(_numbers)
    root = type(f"Family{number}", (TaggedUnion,), {"__module__": __name__})
    values = []
    for position, parts in enumerate(variants):
        body = {
            "__module__": __name__,
            "__annotations__": {field: part.annotation for field, part in parts.items()},
        }
        pin = {"index": pins[position]} if pins else {}
        variant: Any = type(f"Variant{number}_{position}", (root,), body, **pin)  # type: ignore[call-overload]
        values.append(_built(variant, parts))
    told = ", ".join(_told("", parts) for parts in variants)
    return row(f"family[{told}]", root, st.one_of(values))


def _union_of(left: dict[str, Row], right: dict[str, Row]) -> Row:
    models = [_model_of(left), _model_of(right)]
    values = models[0].values | models[1].values
    return row(" | ".join(map(str, models)), models[0].annotation | models[1].annotation, values)


def _told(name: str, parts: dict[str, Row]) -> str:
    return f"{name}{{{', '.join(f'{field}: {part}' for field, part in parts.items())}}}"


def _built(model: type[BaseModel], parts: dict[str, Row]) -> st.SearchStrategy[Any]:
    return st.builds(model, **{field: part.values for field, part in parts.items()})


def _around(items: st.SearchStrategy[Row]) -> st.SearchStrategy[Row]:
    fields = st.dictionaries(_names, items, max_size=4)
    pins = st.just([]) | st.lists(
        st.integers(0, VARIANT_LIMIT - 1), min_size=3, max_size=3, unique=True
    )
    return st.one_of(
        items.map(_list_of),
        items.map(_tuple_of),
        items.map(_option_of),
        st.lists(items, max_size=3).map(_product_of),
        st.builds(_dict_of, _keys, items),
        fields.map(_model_of),
        st.builds(_family_of, st.lists(fields, min_size=1, max_size=3), pins),
        st.builds(_union_of, fields, fields),
    )


invented_rows = st.recursive(_leaves, _around, max_leaves=8)
"""Rows nobody thought of: containers, models, families and unions nested at random."""
