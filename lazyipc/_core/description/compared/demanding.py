"""What a JSON Schema asks of each part of a value beside its type, part by part.

A part is called as the wire's description calls it, which is walked along with the schema. Knows
sound types and schemas only; no descriptions as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from lazyipc._core.description.requirements import requirements_of
from lazyipc._core.description.soundness import REFERENCE
from lazyipc._core.lock.text import content_of
from lazyipc._core.record import Value

T = TypeVar("T")

_AT_LEAST = ("minLength", "minItems", "minProperties")
_AT_MOST = ("maxLength", "maxItems", "maxProperties")
_SAID = (
    *_AT_LEAST,
    *_AT_MOST,
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "pattern",
    "type",
    "default",
    "description",
)
"""What schemas say of a value as a whole."""


class Place(Value):
    """What is asked of the values at one path.

    Args:
        said: what schemas say of them, beside what they say of their parts.
        wire: their type; of an Option that of what it holds.
        key: what the part is called in JSON; empty where its path says that.
        is_required: whether it may be left out.
    """

    said: dict[str, Any]
    wire: Any
    key: str
    is_required: bool

    @property
    def words(self) -> tuple[str, ...]:
        """Its constraints for people."""
        return requirements_of(self.said, self.wire)

    @property
    def default(self) -> str:
        """What it is where it is left out, as JSON; in words where only the server knows."""
        if "default" not in self.said:
            return "what the server makes"
        return json.dumps(self.said["default"], ensure_ascii=False, sort_keys=True)

    @property
    def doc(self) -> str:
        doc: str = self.said.get("description", "")
        return doc


_Part = tuple[str, str, Any, Any, bool]
"""A path, a key, a schema, a type, and whether it is required."""


class Places:
    """Finds the parts of what a description's schemas and types describe.

    A type stands in full where it is first met, so that there are no more parts than it has words;
    and what is looked up in a schema is looked up once, however often that is referred to.

    >>> item = {"type": "integer", "minimum": 3}
    >>> places = Places({}).of({"type": "array", "items": item}, ["vec", "u8"], "Draw.points")
    >>> places["Draw.points[]"].words
    ('≥ 3',)
    """

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._known: dict[tuple[Any, int], Any] = {}

    def of(
        self, schema: Any, wire: Any, path: str, *, key: str = "", is_required: bool = True
    ) -> dict[str, Place]:
        """Each part of what a schema and a type describe, by its path.

        Args:
            key: what the whole is called in JSON, where it is a field.
        """
        found: dict[str, Place] = {}
        left: list[_Part] = [(path, key, schema, wire, is_required)]
        while left:
            where, called, part, type_, required = left.pop()
            layers = self._layers(part)
            while isinstance(type_, list) and type_[0] == "option":
                layers += self._layers(self._once(_some, _told(layers, "anyOf", ())))
                type_ = type_[1]
            said = {word: each[word] for each in reversed(layers) for word in _SAID if word in each}
            found[where] = Place(said, type_, called, required)
            left.extend(self._inside(where, layers, type_))
        return found

    def _once(self, find: Callable[[Any], T], among: Any) -> T:
        """What a function finds in a part of the document."""
        key = find, id(among)
        if key not in self._known:
            self._known[key] = find(among)
        found: T = self._known[key]
        return found

    def _layers(self, schema: Any) -> list[dict[str, Any]]:
        """A schema and those that its references lead to; what the first of them says counts."""
        layers = []
        while isinstance(schema, dict):
            layers.append(schema)
            key = schema.get("$ref", "").removeprefix(REFERENCE)
            schema = self._definitions[key] if "$ref" in schema else None
        return layers

    def _inside(self, path: str, layers: list[dict[str, Any]], type_: Any) -> Iterator[_Part]:
        """The parts right inside."""
        match type_:
            case ["struct", fields]:
                needed = self._once(frozenset, _told(layers, "required", ()))
                keys = _keys([name for name, _ in fields], _told(layers, "properties", {}))
                for name, inner in fields:
                    if name in keys:
                        key, schema = keys[name]
                        yield f"{path}.{name}", key, schema, inner, key in needed
            case ["choice", cases]:
                for _, name, held in cases:
                    yield f"{path}.{name}", "", self._form(layers, name), content_of(held), True
            case "bytes":
                yield f"{path}[]", "", _told(layers, "items", None), "u8", True
            case ["vec" | "set" | "array", inner, *_]:
                yield f"{path}[]", "", _told(layers, "items", None), inner, True
            case ["tuple", items]:
                schemas = _told(layers, "prefixItems", ())
                for position, (schema, inner) in enumerate(zip(schemas, items, strict=False)):
                    yield f"{path}[{position}]", "", schema, inner, True
            case ["map", key, inner]:
                yield f"{path}{{}}", "", _told(layers, "propertyNames", None), key, True
                yield f"{path}[]", "", _told(layers, "additionalProperties", None), inner, True

    def _form(self, layers: list[dict[str, Any]], name: str) -> Any:
        """The schema of what a variant holds."""
        forms = [layer.get("properties", {}) for layer in layers]
        forms += [self._once(_forms, _told(layers, key, ())) for key in ("oneOf", "anyOf")]
        return next((form[name] for form in forms if name in form), None)


def _told(layers: list[dict[str, Any]], key: str, otherwise: Any) -> Any:
    return next((each[key] for each in layers if key in each), otherwise)


def _some(branches: Any) -> Any:
    """The schema of what an Option holds."""
    return next((b for b in branches if isinstance(b, dict) and b.get("type") != "null"), None)


def _forms(branches: Any) -> dict[str, Any]:
    """The schemas of what variants hold, by their names."""
    found: dict[str, Any] = {}
    for form in branches:
        for name, held in form.get("properties", {}).items() if isinstance(form, dict) else ():
            found.setdefault(name, held)
    return found


def _keys(names: list[str], properties: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """The key and the schema of each field of a class.

    A field is called in JSON as everywhere, or has a key of its own; these stand in their order.

    >>> _keys(["a", "class_"], {"a": 1, "class": 2})
    {'a': ('a', 1), 'class_': ('class', 2)}
    """
    if len(names) != len(properties):
        return {}
    known = frozenset(names)
    own = iter([key for key in properties if key not in known])
    keys = [name if name in properties else next(own) for name in names]
    return {name: (key, properties[key]) for name, key in zip(names, keys, strict=True)}


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
