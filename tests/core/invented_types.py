"""Types nobody thought of: containers, classes, families and unions nested at random."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Annotated, Any, ForwardRef, NamedTuple, Optional

import numpy as np
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from lazyipc import U16, Array, TaggedUnion, Vec
from lazyipc._core.family import VARIANT_LIMIT
from tests.core.declared_types import arrays
from tests.core.matrix import CONVERTED, MATRIX, NUMBERS, Row, row
from tests.core.matrix import THOROUGH as THOROUGH

_numbers = itertools.count()
_names = st.sampled_from(["a", "b", "data", "value", "end", "items", "keys", "name", "o", "v1"])

_KEYS = {"u8", "i64", "u128", "bool", "char", "str", "bytes", "enum", "NamedTuple",
         "array of bytes", "UUID", "path", "IPv6", "address"}  # fmt: skip
_keys = st.sampled_from([row for row in MATRIX if row.name in _KEYS])
_leaves = st.sampled_from([
    *NUMBERS,
    *CONVERTED,
    *(row for row in MATRIX if row.name in _KEYS | {
        "None", "model", "family", "dataclass", "strict dataclass", "recursive model",
        "recursive family", "recursive alias"}),
    row("vec[u16]", Annotated[np.ndarray, Vec(U16)], arrays("u2")),
])  # fmt: skip


def _list_of(item: Row) -> Row:
    return row(f"list[{item}]", list[item.annotation], st.lists(item.values, max_size=3))


def _tuple_of(item: Row) -> Row:
    values = st.lists(item.values, max_size=3).map(tuple)
    return row(f"tuple[{item}, ...]", tuple[item.annotation, ...], values)


def _array_of(item: Row, length: int, kind: type) -> Row:
    sequence = list[item.annotation] if kind is list else tuple[item.annotation, ...]  # type: ignore[name-defined]
    values = st.lists(item.values, min_size=length, max_size=length).map(kind)
    return row(f"[{item}; {length}]", Annotated[sequence, Array(length)], values)


def _set_of(item: Row, kind: type) -> Row:
    values = st.sets(item.values, max_size=3).map(kind)
    return row(f"{kind.__name__}[{item}]", kind[item.annotation], values)  # type: ignore[index]


def _option_of(item: Row) -> Row:
    if item.annotation is None or str(item).startswith("option"):
        return item
    return row(f"option[{item}]", Optional[item.annotation], st.none() | item.values)  # noqa: UP045


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
    model = create_model(name, __module__=__name__, **declared)
    return row(_told(name, parts), model, _built(model, parts))


def _recursive_of(parts: dict[str, Row], by_list: bool) -> Row:
    name = f"Recursive{next(_numbers)}"
    inner: Any = ForwardRef(name)
    inner = list[inner] if by_list else Optional[inner]  # noqa: UP045
    declared: dict[str, Any] = {field: (part.annotation, ...) for field, part in parts.items()}
    model = create_model(name, __module__=__name__, more=(inner, ...), **declared)
    leaf: Any = [] if by_list else None
    values = st.recursive(
        st.builds(model, more=st.just(leaf), **_values(parts)),
        lambda smaller: st.builds(
            model, more=st.lists(smaller, max_size=2) if by_list else smaller, **_values(parts)
        ),
        max_leaves=3,
    )
    return row(_told(name, parts), model, values)


def _dataclass_of(parts: dict[str, Row], frozen: bool) -> Row:
    name = f"Dataclass{next(_numbers)}"
    declared = [(field, part.annotation) for field, part in parts.items()]
    made = dataclasses.make_dataclass(name, declared, frozen=frozen, namespace=_HERE)
    return row(_told(name, parts), made, _built(made, parts))


def _namedtuple_of(parts: dict[str, Row]) -> Row:
    name = f"Named{next(_numbers)}"
    made: Any = NamedTuple(name, [(field, part.annotation) for field, part in parts.items()])  # type: ignore[misc]
    return row(_told(name, parts), made, _built(made, parts))


def _family_of(variants: list[dict[str, Row]], pins: list[int], is_recursive: bool) -> Row:
    number = next(_numbers)
    root = type(f"Family{number}", (TaggedUnion,), dict(_HERE))
    values: list[st.SearchStrategy[Any]] = []
    for position, parts in enumerate(variants):
        body = {
            **_HERE,
            "__annotations__": {field: part.annotation for field, part in parts.items()},
        }
        pin = {"index": pins[position]} if pins else {}
        variant: Any = type(f"Variant{number}_{position}", (root,), body, **pin)  # type: ignore[call-overload]
        values.append(_built(variant, parts))
    told = ", ".join(_told("", parts) for parts in variants)
    made = st.one_of(values)
    if is_recursive:
        body = {**_HERE, "__annotations__": {"more": list[root], "last": root | None}}
        pin = {"index": pins[-1]} if pins else {}
        again: Any = type(f"Variant{number}_more", (root,), body, **pin)  # type: ignore[call-overload]
        made = st.recursive(
            made,
            lambda inner: st.builds(
                again, more=st.lists(inner, max_size=2), last=st.none() | inner
            ),
            max_leaves=3,
        )
    return row(f"family[{told}]", root, made)


def _union_of(left: dict[str, Row], right: dict[str, Row], of_dataclass: bool) -> Row:
    first = _dataclass_of(left, frozen=False) if of_dataclass else _model_of(left)
    rows = [first, _model_of(right)]
    annotation = rows[0].annotation | rows[1].annotation
    return row(" | ".join(map(str, rows)), annotation, rows[0].values | rows[1].values)


_HERE = {"__module__": __name__}


def _told(name: str, parts: dict[str, Row]) -> str:
    return f"{name}{{{', '.join(f'{field}: {part}' for field, part in parts.items())}}}"


def _values(parts: dict[str, Row]) -> dict[str, st.SearchStrategy[Any]]:
    return {field: part.values for field, part in parts.items()}


def _built(made: type[BaseModel] | Any, parts: dict[str, Row]) -> st.SearchStrategy[Any]:
    return st.builds(made, **_values(parts))


def _around(items: st.SearchStrategy[Row]) -> st.SearchStrategy[Row]:
    fields = st.dictionaries(_names, items, max_size=4)
    pins = st.just([]) | st.lists(
        st.integers(0, VARIANT_LIMIT - 1), min_size=4, max_size=4, unique=True
    )
    return st.one_of(
        items.map(_list_of),
        items.map(_tuple_of),
        items.map(_option_of),
        st.builds(_array_of, items, st.integers(0, 3), st.sampled_from([list, tuple])),
        st.builds(_set_of, _keys, st.sampled_from([set, frozenset])),
        st.lists(items, max_size=3).map(_product_of),
        st.builds(_dict_of, _keys, items),
        fields.map(_model_of),
        st.builds(_recursive_of, fields, st.booleans()),
        st.builds(_dataclass_of, fields, st.booleans()),
        fields.map(_namedtuple_of),
        st.builds(_family_of, st.lists(fields, min_size=1, max_size=3), pins, st.booleans()),
        st.builds(_union_of, fields, fields, st.booleans()),
    )


invented_rows = st.recursive(_leaves, _around, max_leaves=8)
"""Rows nobody thought of."""
