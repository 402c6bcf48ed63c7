"""What a JSON Schema says of a type beside its wire description: names, docs, demands, defaults.

A server sends both. The wire description decides what travels; the schema says the rest, and is
passed over where it says nothing. Knows sound schemas only (`soundness`); makes no classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

from lazyipc._core.compiled import codec_of
from lazyipc._core.description.rebuilt.making import REQUIRED
from lazyipc._core.description.soundness import REFERENCE, refuse
from lazyipc._core.json_form import JsonForm, Misfit, Room
from lazyipc._core.json_form.rule import path_of
from lazyipc._core.limits import Limits
from lazyipc._core.record import Value
from lazyipc._core.scalars import FORMATS, Number

Schema = dict[str, Any]

_LONGEST_INT = 2**63 - 1
"""More than any length; pydantic takes no larger one."""
_LARGEST_F32 = 3.4028235677973362e38
"""What still rounds to a 32-bit float: the schema's bound of an f32 is its width's own."""

_BOUNDS = {
    "exclusiveMinimum": "gt",
    "minimum": "ge",
    "exclusiveMaximum": "lt",
    "maximum": "le",
    "multipleOf": "multiple_of",
}
_LENGTHS = {
    "str": ("minLength", "maxLength"),
    "path": (),
    "bytes": ("minItems", "maxItems"),
    "vec": ("minItems", "maxItems"),
    "set": ("minItems", "maxItems"),
    "map": ("minProperties", "maxProperties"),
}
"""What the least and the most length of each kind of type is called."""


class Hints(Value):
    """A schema, and the definitions it refers to.

    Args:
        schema: of the type; empty where nothing is known of it.
        definitions: the document's `$defs`.
    """

    schema: Schema
    definitions: Mapping[str, Any]

    def of(self, schema: Any) -> Hints:
        """The same of another schema."""
        return Hints(schema if isinstance(schema, dict) else {}, self.definitions)

    @property
    def target(self) -> Hints:
        """What a reference leads to, without what stands beside it."""
        return self._followed[0]

    @property
    def label(self) -> str:
        """What tells one type from another of the same fields: its definition's name."""
        return self._followed[1] or json.dumps(self.schema, sort_keys=True)

    @property
    def _followed(self) -> tuple[Hints, str]:
        """The schema at the end of all references, and the last of these."""
        schema, label = self.schema, ""
        for _ in range(len(self.definitions) + 1):
            reference = schema.get("$ref")
            if reference is None:
                break
            label = reference
            schema = self.definitions[reference.removeprefix(REFERENCE)]
        return Hints(schema, self.definitions), label

    @property
    def title(self) -> str:
        title: str = self.target.schema.get("title", "")
        return title

    @property
    def doc(self) -> str:
        """What is said of a type where it is defined."""
        doc: str = self.target.schema.get("description", "")
        return doc

    @property
    def note(self) -> str:
        """What is said of it where it stands."""
        note: str = self.schema.get("description", "")
        return note

    # What is inside ----------------------------------------------------------------------------

    @property
    def some(self) -> Hints:
        """Of what an Option holds."""
        for each in self.schema.get("anyOf", ()):
            if isinstance(each, dict) and each.get("type") != "null":
                return self.of(each)
        return self.of({})

    @property
    def item(self) -> Hints:
        """Of each item of a sequence or a set."""
        return self.of(self.target.schema.get("items"))

    def part(self, position: int) -> Hints:
        """Of one item of a tuple."""
        parts = self.target.schema.get("prefixItems", [])
        return self.of(parts[position] if position < len(parts) else {})

    @property
    def key(self) -> Hints:
        """Of a map's keys. Only a reference is one of their type: else they are told as texts."""
        names = self.target.schema.get("propertyNames")
        return self.of(names if isinstance(names, dict) and "$ref" in names else {})

    @property
    def entry(self) -> Hints:
        """Of what a map holds."""
        return self.of(self.target.schema.get("additionalProperties"))

    def case(self, name: str) -> Hints:
        """Of what a variant holds, behind its name."""
        target = self.target
        forms = [target, *map(target.of, target.schema.get("oneOf", ()))]
        forms += map(target.of, target.schema.get("anyOf", ()))
        for form in forms:
            held = form.target.schema.get("properties", {})
            if name in held and "title" not in form.target.schema:
                of = self.of(held[name])
                return of.some if "anyOf" in of.schema else of
        return self.of({})

    def fields(self, count: int, path: str) -> list[tuple[str | None, Hints]]:
        """Key and schema of each field of a class, in order; no key where nothing is known.

        Raises:
            DecodeError: it is no schema of a class of so many fields.
        """
        if not self.schema:
            return [(None, self)] * count
        properties = self.target.schema.get("properties", {})
        if len(properties) != count:
            refuse(path, f"its JSON Schema has {len(properties)} fields, its wire form {count}")
        return [(key, self.of(schema)) for key, schema in properties.items()]

    # What values are ---------------------------------------------------------------------------

    def default(self, annotation: Any, wire: Any, path: str, *, is_made: bool) -> Any:
        """What a field is where it is left out; REQUIRED where that is not told.

        Args:
            annotation: its type.
            is_made: whether that can be used yet.

        Raises:
            DecodeError: what is told is no value of the type.
        """
        if "default" not in self.schema:
            return REQUIRED
        default = self.schema["default"]
        if default is None and wire[0] == "option":
            return None
        if not is_made:
            return [] if default == [] and wire[0] == "vec" else REQUIRED
        limits = Limits()
        try:
            room = Room(limits.elements, limits.depth)
            return JsonForm(codec_of(annotation)).read(default, room)
        except Misfit as misfit:
            steps = path_of(misfit.steps)
            where = f"{path}.{steps}" if steps else path
            refuse(where, f"its default does not fit: {misfit.reason}")

    # What is asked of values -------------------------------------------------------------------

    def demands(self, wire: Any, path: str) -> dict[str, Any]:
        """What is asked of values beyond their type, as arguments of `Field`.

        Raises:
            DecodeError: the schema is of another type.
        """
        told = self.schema.get("wire", wire)
        if told != wire:
            refuse(path, f"its JSON Schema is of {_short(told)}, its wire form {_short(wire)}")
        kind = wire if isinstance(wire, str) else wire[0]
        if kind in FORMATS:
            return dict(self._bounds(Number(kind), path))
        asked: dict[str, Any] = {}
        for keyword, name in zip(
            _LENGTHS.get(kind, ()), ("min_length", "max_length"), strict=False
        ):
            length = self.schema.get(keyword)
            if length is not None:
                if length > _LONGEST_INT:
                    refuse(path, f"its {keyword} is more than any length")
                asked[name] = length
        pattern = self.schema.get("pattern")
        if kind == "str" and pattern is not None and _is_taken(pattern):
            asked["pattern"] = pattern
        return asked

    def _bounds(self, number: Number, path: str) -> list[tuple[str, Any]]:
        found = []
        for keyword, name in _BOUNDS.items():
            value = self.schema.get(keyword)
            if value is None or _is_own_limit(number, keyword, value):
                continue
            if name == "multiple_of" and not value > 0:
                refuse(path, "its multipleOf is not greater than 0")
            if not number.is_float and value != int(value):
                refuse(path, f"its {keyword} is no integer, and it is {number.name}")
            found.append((name, float(value) if number.is_float else int(value)))
        return found


def _is_taken(pattern: str) -> bool:
    """Whether pydantic's own engine knows a pattern: the server may have another, and checks it.

    One that does not print is left to the server, too: pydantic's errors show it as it is.
    """
    if not pattern.isprintable():
        return False
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return False
    return True


def _is_own_limit(number: Number, keyword: str, value: float) -> bool:
    """Whether a bound says no more than the number's width does."""
    if number.is_float:
        return number.name == "f32" and abs(value) >= _LARGEST_F32
    if keyword == "minimum":
        return value <= number.minimum
    return keyword == "maximum" and value >= number.maximum


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
