"""What a JSON Schema holds a value to beside its type, in words for people.

Knows sound schemas only (`soundness`); no description as a whole.
"""

from __future__ import annotations

from typing import Any

_COMPARED = {
    "exclusiveMinimum": ">",
    "minimum": "≥",
    "exclusiveMaximum": "<",
    "maximum": "≤",
}
_COUNTED = {
    "minLength": ("at least", "character", "characters"),
    "maxLength": ("at most", "character", "characters"),
    "minItems": ("at least", "item", "items"),
    "maxItems": ("at most", "item", "items"),
    "minProperties": ("at least", "entry", "entries"),
    "maxProperties": ("at most", "entry", "entries"),
}
_TEXTS = ("str", "path")
"""Types whose schemas say no more of a text's form than was asked; of a UUID's they do."""
_SEQUENCES = ("vec", "set", "map")
"""Types whose schemas say no more of a length than was asked; of an array's they do."""
MOST_F32 = 3.4028235677973362e38
"""The largest number that still rounds to one of 32 bits."""


def requirements_of(schema: dict[str, Any], wire: Any) -> tuple[str, ...]:
    """What values are held to; the limits of an integer's width are its type's own.

    Args:
        schema: of the value.
        wire: the type's description.

    >>> requirements_of({"type": "integer", "minimum": 0, "maximum": 99}, "u8")
    ('≤ 99',)
    >>> requirements_of({"items": {"exclusiveMinimum": 0}, "maxItems": 3}, ["vec", "f64"])
    ('at most 3 items', 'each > 0')
    """
    if isinstance(wire, list) and wire[0] == "option":
        schema, wire = _some(schema), wire[1]
    told = [
        f"{sign} {schema[key]}"
        for key, sign in _COMPARED.items()
        if key in schema and schema[key] != _own_limit(wire, key)
    ]
    if "multipleOf" in schema:
        told.append(f"a multiple of {schema['multipleOf']}")
    if wire in (*_TEXTS, "bytes") or (isinstance(wire, list) and wire[0] in _SEQUENCES):
        told += _counts(schema, wire)
    if "pattern" in schema and wire in _TEXTS:
        told.append(f"matching {schema['pattern']}")
    items = schema.get("items")
    item = _item(wire)
    if isinstance(items, dict) and item is not None:
        told += [f"each {each}" for each in requirements_of(items, item)]
    return tuple(told)


def _counts(schema: dict[str, Any], wire: Any) -> list[str]:
    told = []
    for key, (words, one, many) in _COUNTED.items():
        if key in schema:
            count = schema[key]
            what = ("byte", "bytes") if wire == "bytes" else (one, many)
            told.append(f"{words} {count} {what[count != 1]}")
    return told


def _some(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what an Option holds."""
    for each in schema.get("anyOf", ()):
        if isinstance(each, dict) and each.get("type") != "null":
            return each
    return schema


def _item(wire: Any) -> Any:
    """The type of a sequence's items; None of what is no sequence."""
    if wire == "bytes":
        return "u8"
    return wire[1] if isinstance(wire, list) and wire[0] in ("vec", "set", "array") else None


def _own_limit(wire: Any, key: str) -> float | None:
    """The smallest or largest number of a width."""
    if wire == "f32":
        return {"minimum": -MOST_F32, "maximum": MOST_F32}.get(key)
    bits = {"8": 8, "16": 16, "32": 32, "64": 64, "128": 128}
    if not isinstance(wire, str) or wire[:1] not in ("u", "i") or wire[1:] not in bits:
        return None
    size = bits[wire[1:]] - (wire[0] == "i")
    if key == "minimum":
        return 0 if wire[0] == "u" else -(2**size)
    return 2**size - 1 if key == "maximum" else None
