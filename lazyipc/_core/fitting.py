"""What pydantic must refuse so that all it accepts fits the wire.

Pydantic's schemas are plain dicts; `fit` narrows one: integers to their width, durations to what is
not negative, times to those that are aware and not before the epoch. Lists stop at their first
fault. Knows no shapes and no bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lazyipc._core.scalars import WIDTH, Number, clamp, round_f32

Resolve = Callable[[Any], Any]
"""Finds the schema that a reference, such as a type alias's, stands for."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
"""The last moment that comes back in UTC."""

_NO_SCHEMAS = frozenset({"default", "metadata", "serialization", "expected", "cls", "members"})
"""What a schema holds that looks like one and is none."""

_CONTAINERS = frozenset({"list", "tuple", "set", "frozenset", "dict", "nullable"})
_HELD = ("items_schema", "schema", "keys_schema", "values_schema")
_WITHOUT_DEMANDS = frozenset(
    {"type", "variadic_item_index", "metadata", "strict", "fail_fast", *_HELD}
)
"""Keys of schemas which refuse nothing that the decoder can come up with."""


def fit(schema: Any, resolve: Resolve, seen: set[str] | None = None) -> Any:
    """Narrow a pydantic-core schema, and all in it, to what has a place on the wire.

    What does not fit must fail where the model is built, whatever wider bounds the user gave.

    Args:
        schema: a schema, or what schemas are held in.
        resolve: finds what a reference stands for; that is narrowed in place, but for models, which
            are narrowed where they are declared.
        seen: the references met so far.
    """
    seen = set() if seen is None else seen
    if isinstance(schema, list | tuple):
        return type(schema)(fit(item, resolve, seen) for item in schema)
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if not isinstance(kind, str):  # no schema, but schemas by name: fields, choices
        return {name: fit(value, resolve, seen) for name, value in schema.items()}
    if kind == "definition-ref":
        name = schema["schema_ref"]
        if name not in seen:
            seen.add(name)
            resolved = resolve(schema)
            if resolved.get("type") != "model":
                resolved.update(fit(dict(resolved), resolve, seen))
        return schema
    inner = {
        key: value if key in _NO_SCHEMAS else fit(value, resolve, seen)
        for key, value in schema.items()
    }
    narrow = _NARROWED.get(kind)
    return inner if narrow is None else narrow(inner)


def _narrow_int(schema: dict[str, Any]) -> dict[str, Any]:
    return clamp(schema, Number(schema.get("metadata", {}).get(WIDTH, "i64")))


def _narrow_timedelta(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "ge": max(schema.get("ge", timedelta()), timedelta())}


def _narrow_datetime(schema: dict[str, Any]) -> dict[str, Any]:
    low, high = schema.get("ge", EPOCH), schema.get("le", LAST)
    bounds = {
        # A naive bound cannot be compared with the aware times that are left; pydantic says so.
        "ge": low if low.tzinfo is None else max(low, EPOCH),
        "le": high if high.tzinfo is None else min(high, LAST),
    }
    return {**schema, "tz_constraint": "aware", **bounds}


def _fail_fast(schema: dict[str, Any]) -> dict[str, Any]:
    """Stop at the first item that is refused: pydantic takes microseconds to tell of each."""
    return {**schema, "fail_fast": True}


_NARROWED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "int": _narrow_int,
    "timedelta": _narrow_timedelta,
    "datetime": _narrow_datetime,
    **dict.fromkeys(("list", "tuple", "set", "frozenset", "dict"), _fail_fast),
}


def accepts_all_decoded(schema: Any) -> bool:
    """Whether a narrowed schema refuses and changes nothing that can be decoded for it.

    Then validating what was decoded would cost time and find nothing.
    """
    kind = schema.get("type")
    keys = set(schema) - _WITHOUT_DEMANDS
    if kind == "int":
        number = Number(schema["metadata"][WIDTH])
        return keys == {"ge", "le"} and clamp({}, number).items() <= schema.items()
    if kind == "function-after":
        rounds = schema["function"].get("function") is round_f32
        return rounds and accepts_all_decoded(schema["schema"])
    if kind in ("float", "bool", "str", "bytes", "none"):
        return not keys
    if kind in _CONTAINERS and not keys:
        held = [schema[key] for key in _HELD if key in schema]
        parts = [part for item in held for part in (item if isinstance(item, list) else [item])]
        return all(map(accepts_all_decoded, parts))
    return False
