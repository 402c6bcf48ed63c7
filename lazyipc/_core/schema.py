"""Descriptions of shapes: what fingerprints are made from and differences are told by.

A description is plain JSON data: a name for an atom, a list for everything else. Two sides that
describe a command alike read its bytes alike. Knows shapes only; no bytes of messages, no frames.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape

Description = str | list[Any]
"""JSON data that says what travels."""

FINGERPRINT_BYTES = 8
"""Enough that two of a few thousand commands never meet by chance, and one word on the wire."""


class _Context:
    """Where in a description we are: the shapes around, and the enums met so far."""

    def __init__(self) -> None:
        self.above: list[Shape] = []
        self.choices: list[Shape] = []


def describe(shape: Shape) -> Description:
    """The canonical description of a shape.

    >>> describe(shapes.Vector(shapes.Option(shapes.Bool()), list))
    ['vec', ['option', 'bool']]
    """
    return _described(shape, _Context())


def fields_of(structure: shapes.Structure) -> list[Any]:
    """A class's fields as pairs of name and description."""
    return _fields(structure, _Context())


def _described(shape: Shape, context: _Context) -> Description:
    if isinstance(shape, shapes.Reference):
        target = shape.target.shape
        if not isinstance(target, shapes.Choice):
            return ["up", _levels_up(target, context.above)]
        known = [choice is target for choice in context.choices]
        return ["see", known.index(True)] if True in known else _described(target, context)
    if isinstance(shape, shapes.Structure):
        return ["struct", _fields(shape, context)]
    context.above.append(shape)
    described = _inside(shape, context)
    context.above.pop()
    return described


def _inside(shape: Shape, context: _Context) -> Description:
    match shape:
        case Number(name) | shapes.Converted(name):
            return name
        case shapes.Bool():
            return "bool"
        case shapes.Char():
            return "char"
        case shapes.Text():
            return "str"
        case shapes.Blob():
            return "bytes"
        case shapes.Unit():
            return "unit"
        case shapes.Option(item):
            return ["option", _described(item, context)]
        case shapes.Vector(item, _):
            return ["vec", _described(item, context)]
        case shapes.Set(item, _):
            return ["set", _described(item, context)]
        case shapes.Array(item, length, _):
            return ["array", _described(item, context), length]
        case shapes.NumberArray(item, length):
            return ["vec", item.name] if length is None else ["array", item.name, length]
        case shapes.Product(items):
            return ["tuple", [_described(item, context) for item in items]]
        case shapes.Mapping(key, value):
            return ["map", _described(key, context), _described(value, context)]
        case shapes.Enumeration(_, members):
            return ["enum", [member.name for member in members]]
        case shapes.Choice(_, cases):
            context.choices.append(shape)
            return ["choice", [[c.index, c.name, _case(c.shape, context)] for c in cases]]
    raise AssertionError(f"{type(shape).__name__} has no description")


def _fields(structure: shapes.Structure, context: _Context) -> list[Any]:
    context.above.append(structure)
    fields = [[field.name, _described(field.shape, context)] for field in structure.fields]
    context.above.pop()
    return fields


def _case(shape: Shape, context: _Context) -> Description:
    if isinstance(shape, shapes.Structure):
        return _fields(shape, context)
    return _described(shape, context)


def _levels_up(target: Shape, above: list[Shape]) -> int:
    """How many levels out the shape stands that a reference leads to; 1 is the one around it."""
    levels = enumerate(reversed(above), start=1)
    return next(level for level, shape in levels if shape is target)


def canonical(description: Description) -> bytes:
    """The bytes a fingerprint is made from: JSON, ASCII, no white space.

    Source: docs/protocol.md, "Fingerprints".
    """
    return _written(description).encode()


def _written(part: Any) -> str:
    if isinstance(part, list):
        return f"[{','.join(map(_written, part))}]"
    if isinstance(part, str) and part.isidentifier() and part.isascii():
        return f'"{part}"'
    if type(part) is int:
        return str(part)
    # To import `json` takes longer than all else that a fingerprint needs, and most need no more
    # than names, numbers and lists.
    import json

    return json.dumps(part, ensure_ascii=True)


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
    lines = field_lines(name, fields, other["fields"])
    if returns != other["returns"]:
        lines.append(returns_line(name, returns, other["returns"]))
    return (
        "\n".join(lines) or f"{name} is described alike on both sides, yet has another fingerprint"
    )


def field_lines(name: str, ours: list[Any], theirs: list[Any]) -> list[str]:
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


def returns_line(name: str, ours: Description, theirs: Description) -> str:
    here, there = text_of(ours), text_of(theirs)
    if here == there:  # one name, two shapes
        here, there = here + text_of(["struct", ours[2]]), there + text_of(["struct", theirs[2]])
    return f"{name} returns {here} here, {there} there"


def _case_text(description: Description) -> str:
    """What a variant holds: its fields, or one type."""
    is_type = isinstance(description, str) or (description and isinstance(description[0], str))
    return text_of(description if is_type else ["struct", description])


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
            return " | ".join(f"{name} {_case_text(inner)}" for _, name, inner in cases)
        case ["enum", names]:
            return f"enum[{', '.join(names)}]"
        case ["tuple", items]:
            return f"tuple[{', '.join(map(text_of, items))}]"
        case [kind, *items]:
            return f"{kind}[{', '.join(map(text_of, items))}]"
    return str(description)
