"""Descriptions of shapes: what fingerprints are made from and differences are told by.

A description is plain JSON data: a name for an atom, a list for everything else. Two sides that
describe a command alike read its bytes alike. Knows shapes only; no bytes of messages, no frames.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape

Description = str | list[Any]
"""JSON data that says what travels."""

FINGERPRINT_BYTES = 8
"""Enough that two of a few thousand commands never meet by chance, and one word on the wire."""


def describe(shape: Shape) -> Description:
    """The canonical description of a shape.

    >>> describe(shapes.shape_of(list[bool | None]))
    ['vec', ['option', 'bool']]
    """
    match shape:
        case Number(name):
            return name
        case shapes.Bool():
            return "bool"
        case shapes.Text():
            return "str"
        case shapes.Blob():
            return "bytes"
        case shapes.Unit():
            return "unit"
        case shapes.Option(item):
            return ["option", describe(item)]
        case shapes.Vector(item, _):
            return ["vec", describe(item)]
        case shapes.Product(items):
            return ["tuple", [describe(item) for item in items]]
        case shapes.Mapping(key, value):
            return ["map", describe(key), describe(value)]
        case shapes.Enumeration(_, members):
            return ["enum", [member.name for member in members]]
        case shapes.Structure():
            return ["struct", fields_of(shape)]
        case shapes.Choice(_, cases):
            return ["choice", [[c.index, c.name, fields_of(c.shape)] for c in cases]]


def fields_of(structure: shapes.Structure) -> list[Any]:
    """A model's fields as pairs of name and description."""
    return [[field.name, describe(field.shape)] for field in structure.fields]


def canonical(description: Description) -> bytes:
    """The bytes a fingerprint is made from: JSON, ASCII, no white space.

    Source: docs/protocol.md, "Fingerprints".
    """
    return json.dumps(description, ensure_ascii=True, separators=(",", ":")).encode()


def fingerprint(description: Description) -> bytes:
    """Eight bytes of BLAKE2b over the canonical description.

    >>> fingerprint(["type", "u64"]).hex()
    '460b8c992f5f52be'
    """
    return blake2b(canonical(description), digest_size=FINGERPRINT_BYTES).digest()


def difference(ours: list[Any], theirs: dict[str, Any]) -> str:
    """What keeps a server from taking our command, a line for each thing that differs.

    Args:
        ours: the command's description, `["command", name, fields, returns]`.
        theirs: the server's whole description.
    """
    _, name, fields, returns = ours
    commands = {command["name"]: command for command in theirs.get("commands", [])}
    if name not in commands:
        return f"the server has no command {name}; it has {', '.join(sorted(commands)) or 'none'}"
    other = commands[name]
    lines = _field_lines(name, fields, other["fields"])
    if returns != other["returns"]:
        lines.append(_returns_line(name, returns, other["returns"]))
    return (
        "\n".join(lines) or f"{name} is described alike on both sides, yet has another fingerprint"
    )


def _field_lines(name: str, ours: list[Any], theirs: list[Any]) -> list[str]:
    here, there = dict(map(tuple, ours)), dict(map(tuple, theirs))
    lines = []
    for field in [*here, *(field for field in there if field not in here)]:
        if field not in there:
            lines.append(f"{name}.{field}: {text_of(here[field])} here, not there")
        elif field not in here:
            lines.append(f"{name}.{field}: {text_of(there[field])} there, not here")
        elif here[field] != there[field]:
            lines.append(
                f"{name}.{field}: {text_of(here[field])} here, {text_of(there[field])} there"
            )
    if not lines and list(here) != list(there):
        lines.append(
            f"{name}: fields in the order {', '.join(here)} here, {', '.join(there)} there"
        )
    return lines


def _returns_line(name: str, ours: Description, theirs: Description) -> str:
    here, there = text_of(ours), text_of(theirs)
    if here == there:  # one name, two shapes
        here, there = here + text_of(["struct", ours[2]]), there + text_of(["struct", theirs[2]])
    return f"{name} returns {here} here, {there} there"


def text_of(description: Description) -> str:
    """A description as people write types.

    >>> text_of(["vec", ["option", "bool"]])
    'vec[option[bool]]'
    """
    match description:
        case str():
            return description
        case ["response" | "family", str(name), *_]:
            return name
        case ["struct", fields]:
            return "{" + ", ".join(f"{name}: {text_of(item)}" for name, item in fields) + "}"
        case ["choice", cases]:
            return " | ".join(f"{name} {text_of(['struct', fields])}" for _, name, fields in cases)
        case ["enum", names]:
            return f"enum[{', '.join(names)}]"
        case ["tuple", items]:
            return f"tuple[{', '.join(map(text_of, items))}]"
        case [kind, *items]:
            return f"{kind}[{', '.join(map(text_of, items))}]"
    return str(description)
