"""For tests of locks: families made on the spot, what peers see of them, invented descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from lazyipc import Command, Response, SchemaError
from lazyipc._core import schema
from lazyipc._core.catalog import Catalog, Reply
from lazyipc._core.command import common_response, response_type
from lazyipc._core.compiled import codec_of
from lazyipc._core.family import family_of

Fields = Mapping[str, Any]
Variants = Mapping[str, Fields]
Commands = Mapping[str, tuple[Fields, Any]]

Pins = Mapping[str, int]


def family(
    name: str, variants: Variants, *, base: type = Response, pins: Pins | None = None
) -> Any:
    """A root with variants of these fields, in this order; pins are indices by name."""
    root = type(name, (base,), {"__module__": __name__})
    for variant, fields in variants.items():
        _variant(root, variant, {"__annotations__": dict(fields)}, pins)
    return root


def variant_of(root: Any, name: str) -> Any:
    """The class of a variant."""
    return next(v.model for v in root.__lazyipc_family__.variants if v.name == name)


def command_set(commands: Commands, *, pins: Pins | None = None, name: str = "Orders") -> Any:
    """A root with commands of these fields, which return that, in this order."""
    root = type(name, (Command,), {"__module__": __name__})
    for command, (fields, returned) in commands.items():
        body = {"__annotations__": dict(fields), "process": _returning(returned)}
        _variant(root, command, body, pins)
    return root


def _variant(root: Any, name: str, body: dict[str, Any], pins: Pins | None) -> None:
    # Quoted on the wire, perhaps; the class has a name all the same.
    keywords: dict[str, Any] = {"name": name}
    if pins and name in pins:
        keywords["index"] = pins[name]
    type(name, (root,), {"__module__": __name__, **body}, **keywords)


def _returning(returned: Any) -> Callable[..., Any]:
    def process(self: Any, context: Any) -> Any: ...

    process.__annotations__["return"] = returned
    return process


@dataclass(frozen=True)
class Seen:
    """What peers depend on: fingerprints, indices, and the one reply of the bare wire."""

    commands: set[bytes]
    replies: set[bytes]
    indices: dict[str, int]
    bare: Any


def seen_by_peers(root: Any) -> Seen:
    """What peers of a command set depend on, found without its lock."""
    entries = Catalog(root).by_fingerprint
    returns = [response_type(entry.model) for entry in entries.values()]
    roots = [found for found in map(family_of, returns) if found and found.root in returns]
    models = [variant.model for found in roots for variant in found.variants]
    try:
        bare = schema.describe(codec_of(common_response(returns)).shape)
    except SchemaError:
        bare = None
    return Seen(
        set(entries),
        {schema.fingerprint(Reply(model).description) for model in models},
        {variant.name: variant.index for variant in root.__lazyipc_family__.variants},
        bare,
    )


# Descriptions nobody thought of ------------------------------------------------------------------

names = st.sampled_from(["A", "B", "a b", "größe", "choice", "enum"]) | st.text(max_size=3)


def named(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[Any]]]:
    return st.dictionaries(names, items, max_size=3).map(lambda d: [[k, v] for k, v in d.items()])


def cases_of(held: list[list[Any]]) -> list[Any]:
    return [[index * 3, name, content] for index, (name, content) in enumerate(held)]


descriptions: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["u8", "str", "choice", "enum", "family", "struct", "tuple", "a b"])
    | st.lists(names, unique=True).map(lambda n: ["enum", n]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["vec", "option", "a b"]), inner).map(list),
        st.tuples(st.just("kind"), inner, st.lists(inner.filter(lambda d: type(d) is list))).map(
            list
        ),
        st.tuples(st.just("map"), inner, inner).map(list),
        st.tuples(st.just("array"), inner, st.integers(0, 9)).map(list),
        st.integers(1, 3).map(lambda n: ["up", n]),
        st.lists(inner, max_size=3).map(lambda items: ["tuple", items]),
        named(inner).map(lambda fields: ["struct", fields]),
        named(named(inner) | st.just(["array", "u8", 4]) | st.just("ip")).map(
            lambda held: ["choice", cases_of(held)]
        ),
    ),
    max_leaves=12,
)
