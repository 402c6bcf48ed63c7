"""JSON Schema of what has no parts: numbers, text, types of the standard library; keys of maps.

Source: `lazyipc._core.json_form`, whose rules these say over again. Knows no classes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lazyipc._core import shape as shapes
from lazyipc._core.conversion import CONVERTED
from lazyipc._core.description.published.definitions import Schema
from lazyipc._core.duration import NANOSECONDS_PER_SECOND, duration_parts, time_parts
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape

# Numbers -----------------------------------------------------------------------------------------

F32_MAX = 3.4028235677973362e38
"""The largest number that a 32-bit float is made of; the next one rounds to infinity."""


def number(kind: Number) -> Schema:
    """The schema of a number: its width, as far as JSON has one."""
    if kind.name == "f64":
        return {"type": "number"}
    if kind.is_float:
        return {"type": "number", "minimum": -F32_MAX, "maximum": F32_MAX}
    return {"type": "integer", "minimum": kind.minimum, "maximum": kind.maximum}


ATOMS: dict[type, Schema] = {
    shapes.Bool: {"type": "boolean"},
    shapes.Char: {"type": "string", "minLength": 1, "maxLength": 1},
    shapes.Text: {"type": "string"},
    shapes.Blob: {"type": "array", "items": number(Number("u8")) | {"wire": "u8"}},
    shapes.Unit: {"type": "null"},
}
"""What is the same of each shape of a kind."""

# Types of the standard library -------------------------------------------------------------------

_HEX = "[0-9a-fA-F]"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

_TEXTS: dict[str, Schema] = {
    "path": {"type": "string"},
    "uuid": {
        "type": "string",
        "pattern": f"^(?:{_HEX}{{32}}|{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}})$",
    },
    "ipv4addr": {"type": "string", "format": "ipv4", "pattern": rf"^{_OCTET}(?:\.{_OCTET}){{3}}$"},
    "ipv6addr": {"type": "string", "format": "ipv6", "pattern": f"^{_HEX}*:[0-9a-fA-F:.]*$"},
}

ADDRESS: Schema = {"type": "string", "anyOf": [_TEXTS["ipv4addr"], _TEXTS["ipv6addr"]]}
"""An address of either kind."""

_TIMES = {
    "duration": ("secs", "nanos", CONVERTED[timedelta], duration_parts(timedelta.max)[0]),
    "systemtime": (
        "secs_since_epoch",
        "nanos_since_epoch",
        CONVERTED[datetime],
        time_parts(datetime.max.replace(tzinfo=UTC))[0],
    ),
}
"""The keys of seconds and nanoseconds; the shape of the standard library's type, which holds whole
microseconds, and how many seconds it holds."""


def converted(shape: shapes.Converted) -> Schema:
    """The schema of a value that travels as another."""
    if shape.name in _TEXTS:
        return dict(_TEXTS[shape.name])
    seconds, nanoseconds, coarse, most = _TIMES[shape.name]
    of_seconds, of_nanoseconds = number(Number("u64")), number(Number("u32"))
    of_nanoseconds["maximum"] = NANOSECONDS_PER_SECOND - 1
    if shape == coarse:
        of_seconds["maximum"], of_nanoseconds["multipleOf"] = most, 1000
    return {
        "type": "object",
        "properties": {
            seconds: of_seconds | {"wire": "u64"},
            nanoseconds: of_nanoseconds | {"wire": "u32"},
        },
        "required": [seconds, nanoseconds],
        "additionalProperties": False,
    }


# Keys of maps ------------------------------------------------------------------------------------

_REAL = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


def key_schema(shape: Shape, schema: Schema) -> Schema:
    """The schema of a map's key, which is text in JSON, whatever it is in the dict.

    Args:
        shape: the key's.
        schema: that of such a value where it is no key.
    """
    kept: Schema = {name: schema[name] for name in ("description", "wire") if name in schema}
    if isinstance(shape, Number):
        return {"type": "string", "pattern": _digits(shape), **kept}
    if isinstance(shape, shapes.Bool):
        return {"type": "string", "enum": ["true", "false"], **kept}
    return schema


def _digits(kind: Number) -> str:
    """A pattern of integers in their one form, of no more digits than the width has."""
    if kind.is_float:
        return _REAL
    sign, more = "-?" if kind.is_signed else "", len(str(kind.maximum)) - 1
    return f"^(?:0|{sign}[1-9][0-9]{{0,{more}}})$"
