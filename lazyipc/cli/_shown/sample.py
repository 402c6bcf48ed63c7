"""A command written out with some values: an example to copy and change.

The values fit their types, and their bounds as far as those are simple. Knows descriptions only.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from lazyipc.cli._shown.form import resolved

if TYPE_CHECKING:
    from lazyipc._core.description.model import CommandInfo, Description

_DEEPEST = 20
"""How deep a sample may nest; a recursive class that must hold another has none."""

_TEXTS = {
    "uuid": "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "ipv4addr": "127.0.0.1",
    "ipv6addr": "::1",
    "path": "/tmp/file",  # noqa: S108 a word of an example
    "char": "a",
}


def fields_of(command: CommandInfo, definitions: dict[str, Any]) -> dict[str, Any]:
    """Values of the fields that may not be left out, by their keys."""
    return {
        field.key: sample(field.schema, definitions)
        for field in command.fields
        if field.is_required
    }


def sample(schema: Any, definitions: dict[str, Any], depth: int = 0) -> Any:
    """A value that a schema takes.

    >>> sample({"type": "integer", "minimum": 3, "wire": "u8"}, {})
    3
    """
    schema = resolved(schema, definitions)
    if "default" in schema:
        return schema["default"]
    if depth > _DEEPEST:
        return None
    for key in ("const", "enum", "anyOf", "oneOf"):
        if key in schema:
            found = schema[key] if key == "const" else next(iter(schema[key]), None)
            return found if key in ("const", "enum") else sample(found, definitions, depth + 1)
    match schema.get("type"):
        case "boolean":
            return True
        case "integer":
            return _number(schema, 1)
        case "number":
            return _number(schema, 0.5)
        case "string":
            text = _TEXTS.get(str(schema.get("wire")), "text")
            return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
        case "array":
            first = schema.get("prefixItems", ())
            made = [sample(item, definitions, depth + 1) for item in first]
            count = max(min(schema.get("minItems", 1), _DEEPEST) - len(made), 0)
            rest = schema.get("items")
            if isinstance(rest, dict) and not first:
                count = max(count, 1) if schema.get("maxItems") != 0 else 0
                made += [sample(rest, definitions, depth + 1)] * count
            return made
        case "object":
            properties = schema.get("properties", {})
            return {
                name: sample(properties[name], definitions, depth + 1)
                for name in schema.get("required", ())
                if name in properties
            }
    return None


def _number(schema: dict[str, Any], wanted: float) -> float:
    """A number within its bounds, near the one wanted."""
    step = schema.get("multipleOf") or (1 if isinstance(wanted, int) else wanted)
    low = schema.get("minimum", -float("inf"))
    if "exclusiveMinimum" in schema:
        low = max(low, schema["exclusiveMinimum"] + step)
    high = schema.get("maximum", float("inf"))
    if "exclusiveMaximum" in schema:
        high = min(high, schema["exclusiveMaximum"] - step)
    found = min(max(wanted, low), high)
    return step if "multipleOf" in schema and low <= step <= high else found


def call_line(command: CommandInfo, description: Description, name: str, program: str = "") -> str:
    """How `lazyipc call` sends it, or an application's own program."""
    words = [program] if program else ["lazyipc", "call", name]
    words.append(command.option_name)
    if command.request is None:
        words[2:2] = [] if program else ["--wire", "framed"]
        return shlex.join(words) + " …" * any(field.is_required for field in command.fields)
    values = fields_of(command, description.definitions)
    for field in command.fields:
        if field.key in values:
            words += [f"--{field.option_name}", *_words(values[field.key], field.wire)]
    return shlex.join(words)


def _words(value: Any, wire: Any) -> list[str]:
    """A value as a word of a command line."""
    match wire, value:
        case "bool", _:
            return []
        case "duration", {"secs": seconds}:
            return [f"{seconds}s"]
        case "systemtime", _:
            return ["2030-01-01T00:00:00Z"]
        case "bytes", _:
            return ["text"]
        case _, str():
            return [value]
        case ["vec" | "set", _], [first, *_] if not isinstance(first, list | dict):
            return _words(first, None)
    return [json.dumps(value, ensure_ascii=False)]


def json_line(command: CommandInfo, description: Description) -> str:
    """Its line of JSON, as any language writes it."""
    fields = fields_of(command, description.definitions)
    value: Any = fields
    if description.is_tagged:
        value = {command.name: fields} if fields or command.fields else command.name
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
