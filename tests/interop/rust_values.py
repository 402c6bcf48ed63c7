"""Values of the types of `rust_types.py`, invented: which ones a type has is Rust's to say.

The Python declaration says only what they are made of: a list or a tuple, which class. Widths and
bounds come from Rust's types, so a width declared wrongly in Python is found.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from datetime import UTC, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from pydantic import BaseModel

from lazyipc import Duration, SystemTime, TaggedUnion
from tests.interop.rust_grammar import Body, Rust
from tests.interop.rust_text import EPOCH, Declared, variants_of

POWERS = [2**bits for bits in (7, 8, 15, 16, 31, 32, 63, 64, 127, 128)]
EDGES = [0, 125, 126, 250, 251, *POWERS, *(power - 1 for power in POWERS)]
LONG = 251
"""A count whose varint is more than one byte."""
SMALL = {"u8", "i8", "u16", "u64", "f32", "f64", "bool", "char"}
"""Items that may be so many."""
ROOM = 5
"""How many structs and enums stand inside one another at most."""
SECONDS = 2**63 - 1
"""As far as Rust's SystemTime goes on Linux; a Duration goes twice as far."""

texts = st.text(max_size=6) | st.sampled_from(["", "\0", "\U0010ffff", "🦀" * LONG, "a" * LONG])
names = st.text(max_size=4).map(lambda text: text.replace("/", "_"))
paths = st.lists(names | st.sampled_from(["a", "a-b", ".."]), max_size=3).map(
    lambda parts: Path(*parts)
)
nanoseconds = st.integers(0, 999_999_999) | st.sampled_from([0, 1, 999_999_999])
zones = st.sampled_from([UTC, timezone(timedelta(hours=-9)), timezone(timedelta(minutes=345))])
moments = st.timedeltas(timedelta(), timedelta(days=2_900_000))

LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "f32": st.floats(width=32),
    "f64": st.floats(),
    "char": st.characters(codec="utf-8") | st.sampled_from("\0\x7f\x80\ud7ff\ue000\U0010ffff"),
    "String": texts,
    "PathBuf": paths | paths.map(lambda path: "/" / path),
    "Uuid": st.uuids(),
    "Ipv4Addr": st.integers(0, 2**32 - 1).map(IPv4Address),
    "Ipv6Addr": st.integers(0, 2**128 - 1).map(IPv6Address),
}


def integers(name: str, *, is_zero_taken: bool = True) -> st.SearchStrategy[int]:
    """Any integer of this width, often one where something changes."""
    bits, signed = int(name[1:]), name[0] == "i"
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    edges = [number for edge in EDGES for number in (edge, -edge) if low <= number <= high]
    every = st.integers(low, high) | st.sampled_from(edges)
    return every if is_zero_taken else every.filter(bool)


class Inventor:
    """Makes a strategy of a Rust type and its Python declaration."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._known: dict[tuple[Rust, Any, int], st.SearchStrategy[Any]] = {}

    def values(self, rust: Rust, annotation: Any, room: int = ROOM) -> st.SearchStrategy[Any]:
        """Values of a type.

        Args:
            annotation: what the type is in Python.
            room: how many structs and enums may still stand inside one another. Where there is no
                more, options are None, sequences empty, and enums their first variant.
        """
        python = _bare(annotation)
        if rust.integer is not None:
            return integers(rust.integer, is_zero_taken=not rust.name.startswith("NonZero"))
        if rust.name in LEAVES:
            return LEAVES[rust.name]
        match rust:
            case Rust("Duration"):
                if python is timedelta:
                    return st.timedeltas(min_value=timedelta())
                return st.builds(Duration, integers("u64"), nanoseconds)
            case Rust("SystemTime"):
                if python is SystemTime:
                    return st.builds(SystemTime, st.integers(0, SECONDS), nanoseconds)
                return st.builds(lambda zone, past: (EPOCH + past).astimezone(zone), zones, moments)
            case Rust("IpAddr"):
                return LEAVES["Ipv4Addr"] | LEAVES["Ipv6Addr"]
            case Rust("Option", (item,)):
                return st.none() | self.values(item, _some(python), room) if room else st.none()
            case Rust("()", ()):
                return st.none()
            case Rust("()", items):
                inner = zip(items, typing.get_args(python), strict=True)
                return st.tuples(*(self.values(*pair, room) for pair in inner))
            case Rust("Vec" | "VecDeque" | "LinkedList", (item,)):
                return self._items(item, python, 0, 4, room) if room else st.just(_empty(python))
            case Rust("[]", (item,), length):
                return self._items(item, python, length, length, room)
            case Rust("BTreeSet" | "HashSet", (item,)):
                kind: Any = typing.get_origin(python)
                inner = self.values(item, typing.get_args(python)[0], room)
                return st.sets(inner, max_size=4).map(kind)
            case Rust("BTreeMap" | "HashMap", (key, item)):
                if not room:
                    return st.just({})
                keys, items = typing.get_args(python)
                pairs = self.values(key, keys, room), self.values(item, items, room)
                return st.dictionaries(*pairs, max_size=3)
        if (rust, python, room) not in self._known:
            made = self._declared_values(rust, python, max(room - 1, 0))
            self._known[rust, python, room] = made
        return self._known[rust, python, room]

    def _items(
        self, item: Rust, python: Any, low: int, high: int, room: int
    ) -> st.SearchStrategy[Any]:
        """Lists, and what else a sequence may be in Python."""
        kind = typing.get_origin(python) or python
        inner = typing.get_args(python)[0] if kind in (list, tuple) else int
        items = self.values(item, inner, room)
        lists = st.lists(items, min_size=low, max_size=high)
        if low < high and item.name in SMALL:
            lists = lists | items.map(lambda one: [one] * LONG)
        if kind is np.ndarray:
            dtype = np.dtype(f"{item.name[0]}{int(item.name[1:]) // 8}")
            return lists.map(lambda values: np.array(values, dtype))
        return lists.map(kind)

    def _declared_values(self, rust: Rust, python: Any, room: int) -> st.SearchStrategy[Any]:
        declaration = self._declared.declaration(rust)
        bodies = declaration.bodies
        if not declaration.is_enum:
            if isinstance(python, type) and issubclass(python, (int, float, str)):
                return self.values(bodies[0].fields[0].type, python)  # a newtype only in Rust
            return self._built(bodies[0], python, room)
        if isinstance(python, type) and issubclass(python, enum.Enum):
            return st.sampled_from(python)
        if isinstance(python, type) and issubclass(python, TaggedUnion):
            pairs = list(zip(bodies, variants_of(python), strict=True))
            return st.one_of([self._built(*pair, room) for pair in pairs[: None if room else 1]])
        pairs = list(zip(bodies, typing.get_args(python), strict=True))
        return st.one_of([self.values(body.fields[0].type, type, room) for body, type in pairs])

    def _built(self, body: Body, python: Any, room: int) -> st.SearchStrategy[Any]:
        """Instances of a class that has these fields."""
        fields = _fields(python)
        if body.kind == "named":
            by_name = {field.name: field.type for field in body.fields}
            rust = [by_name[name.rstrip("_")] for name in fields]
        else:  # a variant may leave out a field of no bytes
            rust = [field.type for field in body.fields][: len(fields)]
        parts = zip(fields.values(), rust, strict=True)
        inner = {key: self.values(type, hint, room) for (key, hint), type in parts}
        return st.fixed_dictionaries(inner).map(lambda values: python(**values))


def _bare(annotation: Any) -> Any:
    """A type without its marks and other names."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation


def _empty(python: Any) -> Any:
    """A list, tuple or bytes of nothing; an array is no part of a recursive type."""
    return (typing.get_origin(python) or python)()


def _some(optional: Any) -> Any:
    """What an `X | None` is when it is not None."""
    assert typing.get_origin(optional) in (types.UnionType, typing.Union)
    members = [member for member in typing.get_args(optional) if member is not types.NoneType]
    return typing.Union[tuple(members)]  # noqa: UP007 - of as many as there are


def _fields(python: Any) -> dict[str, tuple[str, Any]]:
    """Each field's name, what the class takes it as, and its type."""
    origin = typing.get_origin(python) or python
    if issubclass(origin, BaseModel):
        origin.model_rebuild()
        fields = origin.model_fields.items()
        return {name: (info.alias or name, info.annotation) for name, info in fields}
    given = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(python), strict=True))
    hints = typing.get_type_hints(origin, include_extras=True)
    if dataclasses.is_dataclass(origin):
        assert [field.name for field in dataclasses.fields(origin)] == list(hints)
    return {name: (name, _filled_in(hint, given)) for name, hint in hints.items()}


def _filled_in(hint: Any, given: dict[Any, Any]) -> Any:
    """A type whose parameters are what they stand for."""
    names = getattr(hint, "__parameters__", ())
    return given.get(hint, hint[tuple(given[name] for name in names)] if names else hint)
