"""Types as people call them: by the names of their classes where a schema has these.

A type's description alone spells out each class to its last field. Knows sound schemas only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from lazyipc._core.description.soundness import REFERENCE
from lazyipc._core.schema import text_of

if TYPE_CHECKING:
    from lazyipc._core.description.model import CommandInfo

MOST_CLASSES = 100
"""How many classes of one command are told of."""


def type_name(schema: dict[str, Any], definitions: dict[str, Any], wire: Any = None) -> str:
    """The type of a value.

    Args:
        wire: its description, where the schema does not have it.

    >>> point = {"title": "Point", "properties": {}}
    >>> items = {"type": "array", "items": {"$ref": "#/$defs/type.Point"}}
    >>> type_name(items, {"type.Point": point})
    'vec[Point]'
    """
    key = _key(schema)
    if key:
        title = definitions[key].get("title")
        if isinstance(title, str):
            return title
        schema = {**definitions[key], **{k: v for k, v in schema.items() if k != "$ref"}}
    known = schema.get("wire", wire)
    inner = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    if len(inner) == 1:
        some = known[1] if isinstance(known, list) and known[0] == "option" else None
        return f"option[{type_name(inner[0], definitions, some)}]"
    if "prefixItems" in schema:
        items = (type_name(item, definitions) for item in schema["prefixItems"])
        return f"tuple[{', '.join(items)}]"
    if isinstance(schema.get("items"), dict) and known != "bytes":
        return _array_name(schema, type_name(schema["items"], definitions), known)
    if isinstance(schema.get("additionalProperties"), dict):
        names = schema.get("propertyNames", {})
        value = type_name(schema["additionalProperties"], definitions)
        return f"map[{type_name(names, definitions)}, {value}]"
    return text_of(known) if known is not None else str(schema.get("type", "any"))


def returned_name(command: CommandInfo, definitions: dict[str, Any]) -> str:
    """What a command returns: the response or the family by its name, or the type of a value."""
    schema = command.response
    if command.returns[0] in ("response", "family") or schema is None:
        return command.returns_text
    # A reply's definition has no name of its own; what it refers to may have one.
    head = _key(schema)
    schema = definitions.get(head, schema) if head.startswith("reply.") else schema
    return type_name(schema, definitions, command.returns)


def _array_name(schema: dict[str, Any], item: str, wire: Any) -> str:
    length = schema.get("minItems")
    is_fixed = length is not None and length == schema.get("maxItems")
    if wire[0] == "array" if isinstance(wire, list) else is_fixed:
        return f"array[{item}, {length}]"
    return f"set[{item}]" if schema.get("uniqueItems") else f"vec[{item}]"


def _key(schema: dict[str, Any]) -> str:
    reference = schema.get("$ref")  # a property may have this name, too
    return reference.removeprefix(REFERENCE) if isinstance(reference, str) else ""


def definitions_in(schema: Any, definitions: dict[str, Any]) -> list[str]:
    """The keys of the definitions that a schema refers to, and that these do, in order."""
    found: dict[str, None] = {}
    left: list[Any] = [schema]
    while left:
        part = left.pop(0)
        if isinstance(part, dict):
            key = _key(part)
            if key in definitions and key not in found:
                found[key] = None
                left.append(definitions[key])
            left.extend(value for name, value in part.items() if name not in ("default", "wire"))
        elif isinstance(part, list):
            left.extend(part)
    return [*found]


def classes_in(schema: Any, definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The classes that a schema names, and those that these name, each once and in order."""
    titled = (definitions[key] for key in definitions_in(schema, definitions))
    return islice((found for found in titled if "title" in found), MOST_CLASSES)
