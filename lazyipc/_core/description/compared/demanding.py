"""What a JSON Schema asks of each part of a value beside its type, part by part.

Knows sound schemas only; no descriptions as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lazyipc._core.description.requirements import requirements_of
from lazyipc._core.description.soundness import REFERENCE
from lazyipc._core.record import Value

MOST_PLACES = 20_000
"""How many parts of one command's schema are looked at: a schema that leads to the same class by
many ways could have more than anybody's memory holds."""

_AT_LEAST = ("minLength", "minItems", "minProperties")
_AT_MOST = ("maxLength", "maxItems", "maxProperties")


class Place(Value):
    """What is asked of the values at one path.

    Args:
        schema: what stands there, its references followed.
        is_required: whether it may be left out.
    """

    schema: dict[str, Any]
    is_required: bool

    @property
    def words(self) -> tuple[str, ...]:
        """Its constraints for people."""
        return requirements_of(self.schema, self.schema.get("wire"))

    @property
    def default(self) -> str:
        """What it is where it is left out, as JSON; in words where only the server knows."""
        if "default" not in self.schema:
            return "what the server makes"
        return json.dumps(self.schema["default"], ensure_ascii=False, sort_keys=True)

    @property
    def doc(self) -> str:
        doc: str = self.schema.get("description", "")
        return doc


def places_of(
    schema: dict[str, Any], definitions: dict[str, Any], path: str, is_required: bool = True
) -> dict[str, Place]:
    """Each part of what a schema describes, by its path.

    >>> item = {"type": "integer", "minimum": 3}
    >>> places_of({"type": "array", "items": item}, {}, "Draw.points")["Draw.points[]"].words
    ('≥ 3',)
    """
    found: dict[str, Place] = {}
    left: list[tuple[str, Any, bool, tuple[str, ...]]] = [(path, schema, is_required, ())]
    while left and len(found) < MOST_PLACES:
        where, part, required, above = left.pop()
        if not isinstance(part, dict):
            continue
        while REFERENCE in (reference := part.get("$ref", "")):
            key = reference.removeprefix(REFERENCE)
            if key in above:
                break  # it stands within itself, and was looked at there
            above = (*above, key)
            part = {**definitions[key], **{k: v for k, v in part.items() if k != "$ref"}}
        else:
            known = found.get(where)  # an Option's own, or another way to write the same
            found[where] = (
                Place({**part, **known.schema}, required) if known else Place(part, required)
            )
            left.extend((*inner, above) for inner in _inside(where, part, required))
    return found


def _inside(
    path: str, schema: dict[str, Any], is_required: bool
) -> Iterator[tuple[str, Any, bool]]:
    """The parts right inside: their paths, schemas, and whether they may not be left out."""
    for key in ("anyOf", "oneOf"):
        for branch in schema.get(key, ()):
            if isinstance(branch, dict) and branch.get("type") != "null" and "const" not in branch:
                yield path, branch, is_required
    needed = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", inner, name in needed
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield f"{path}[]", schema[key], True
    for position, inner in enumerate(schema.get("prefixItems", ())):
        yield f"{path}[{position}]", inner, True


def is_stricter(schema: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether a schema refuses something that the other takes, as far as constraints go.

    >>> is_stricter({"type": "integer", "minimum": 1}, {"type": "integer", "exclusiveMinimum": 0})
    False
    >>> is_stricter({"multipleOf": 2}, {"multipleOf": 4}), is_stricter({"multipleOf": 4}, {})
    (False, True)
    """
    (low, high), (other_low, other_high) = _bounds(schema), _bounds(other)
    return (
        low > other_low
        or high < other_high
        or any(schema.get(key, 0) > other.get(key, 0) for key in _AT_LEAST)
        or any(key in schema and schema[key] < other.get(key, schema[key] + 1) for key in _AT_MOST)
        or ("pattern" in schema and schema["pattern"] != other.get("pattern"))
        or ("multipleOf" in schema and not _is_multiple(other, schema["multipleOf"]))
    )


def _bounds(schema: dict[str, Any]) -> tuple[tuple[float, int], tuple[float, int]]:
    """The least and the largest value, each with a number that is larger the less is taken."""
    step = 1 if schema.get("type") == "integer" else 0
    lows: list[tuple[float, int]] = [(-float("inf"), 0)]
    highs: list[tuple[float, int]] = [(float("inf"), 0)]
    if "minimum" in schema:
        lows.append((schema["minimum"], 0))
    if "exclusiveMinimum" in schema:
        lows.append((schema["exclusiveMinimum"] + step, 1 - step))
    if "maximum" in schema:
        highs.append((schema["maximum"], 0))
    if "exclusiveMaximum" in schema:
        highs.append((schema["exclusiveMaximum"] - step, step - 1))
    return max(lows), min(highs)


def _is_multiple(schema: dict[str, Any], of: float) -> bool:
    known = schema.get("multipleOf")
    try:
        return known is not None and of != 0 and (known / of).is_integer()
    except OverflowError:  # more than a float holds
        return bool(known == of)
