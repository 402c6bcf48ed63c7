"""A reply as people read it: its JSON value, and the schema that says what the value means.

`Sum(c=3)`, not `{"Sum":{"c":3}}`; durations in seconds, times as ISO 8601, bytes as text or hex.
Where a value is not what its schema says, it is shown as JSON. Knows no sockets and no terminal,
only how many columns a line has; what it gives holds nothing that a terminal would obey.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from lazyipc.cli._shown.safe import shown

if TYPE_CHECKING:
    from typing import Any

    Layout = str | tuple[str, list["Layout"], str]
    """Text that goes on one line, or what stands before, between and behind brackets."""

MOST_ITEMS = 200
"""How many items of one sequence or map are shown; what is longer scrolls by unread."""
MOST_HEX_BYTES = 64

_DEPTH = 100
"""Deeper than any reply may be nested; a schema that leads to itself ends here."""
_KINDS = {
    "null": (type(None),), "boolean": (bool,), "integer": (int,), "number": (int, float),
    "string": (str,), "array": (list,), "object": (dict,),
}  # fmt: skip


def form(value: Any, schema: Any, definitions: dict[str, Any], *, width: int = 80) -> str:
    """A reply as text; spread over lines where one is too short. Text alone is shown as it is.

    Args:
        value: what stands behind "Ok".
        schema: the reply's JSON Schema, a command's `response`; None where there is none.
        definitions: the `$defs` of the description.
        width: how many columns a line has.

    >>> point = {"title": "Point", "properties": {"x": {"wire": "u8"}}}
    >>> print(form({"x": 1}, {"$ref": "#/$defs/type.Point"}, {"type.Point": point}))
    Point(x=1)
    """
    if isinstance(value, str):
        layout = _Told(definitions).told(value, schema, 0)
        return shown(value, multiline=True) if layout == _quoted(value) else _flat(layout)
    return "\n".join(_rendered(_Told(definitions).told(value, schema, 0), "", width))


def brief(value: Any, schema: Any, definitions: dict[str, Any]) -> str:
    """The same on one line, with text in quotes: for a default in a table.

    >>> brief("a", {"wire": "str"}, {}), brief({"secs": 90, "nanos": 0}, {"wire": "duration"}, {})
    ('"a"', '90 s')
    """
    return _flat(_Told(definitions).told(value, schema, 0))


def resolved(schema: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema with its reference followed; what stands beside the reference counts first."""
    found = schema if isinstance(schema, dict) else {}
    for _ in range(_DEPTH):
        reference = found.get("$ref")
        if not isinstance(reference, str):
            break
        target = definitions.get(reference.removeprefix("#/$defs/"))
        beside = {key: item for key, item in found.items() if key != "$ref"}
        found = {**target, **beside} if isinstance(target, dict) else beside
    return found


class _Told:
    """Values by their schemas, as layouts."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions

    def told(self, value: Any, schema: Any, depth: int) -> Layout:
        schema = resolved(schema, self._definitions)
        if depth > _DEPTH:
            return _json(value)
        for branch in self._branches(schema):
            if self._is_of(value, branch):
                return self.told(value, branch, depth + 1)
        match value:
            case str():
                if "const" in schema:  # a variant without fields
                    return f"{shown(value)}()"
                return shown(value) if "enum" in schema else _quoted(value)
            case list():
                return self._sequence(value, schema, depth)
            case dict():
                return self._object(value, schema, depth)
        return repr(value) if value is None or isinstance(value, bool) else _json(value)

    def _branches(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        branches = _list(schema.get("anyOf", schema.get("oneOf")))
        return [resolved(branch, self._definitions) for branch in branches]

    def _is_of(self, value: Any, schema: dict[str, Any]) -> bool:
        """Whether a value is of one of several schemas, as far as they differ for what we read."""
        if any(self._is_of(value, branch) for branch in self._branches(schema)):
            return True
        if "enum" in schema or "const" in schema:
            return value in _list(schema.get("enum", [schema.get("const")]))
        kind = schema.get("type")
        if isinstance(kind, str) and type(value) not in _KINDS.get(kind, (type(value),)):
            return False
        properties = schema.get("properties")
        if isinstance(value, dict) and isinstance(properties, dict):
            return value.keys() <= properties.keys() and all(
                name in value for name in schema.get("required", ())
            )
        return kind is not None or isinstance(properties, dict)

    def _sequence(self, value: list[Any], schema: dict[str, Any], depth: int) -> Layout:
        if schema.get("wire") == "bytes" and all(type(n) is int and 0 <= n < 256 for n in value):
            return bytes_text(bytes(value))
        first, rest = _list(schema.get("prefixItems")), schema.get("items")
        items = [
            self.told(item, first[position] if position < len(first) else rest, depth + 1)
            for position, item in enumerate(value[:MOST_ITEMS])
        ]
        return "[", _cut(items, len(value)), "]"

    def _object(self, value: dict[str, Any], schema: dict[str, Any], depth: int) -> Layout:
        match schema.get("wire"), value:
            case "duration", {"secs": int(seconds), "nanos": int(nanos)}:
                return f"{seconds}{_fraction(nanos)} s"
            case "systemtime", {"secs_since_epoch": int(seconds), "nanos_since_epoch": int(nanos)}:
                return _time_text(seconds, nanos)
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            more = schema.get("additionalProperties")
            items = [
                _behind(f"{_quoted(key)}: ", self.told(item, more, depth + 1))
                for key, item in list(value.items())[:MOST_ITEMS]
            ]
            return "{", _cut(items, len(value)), "}"
        title, inner = schema.get("title"), list(value.items())
        if self._is_variant(schema, value):
            (name, content), *_ = inner
            held = resolved(properties[name], self._definitions)
            if isinstance(content, dict) and isinstance(held.get("properties"), dict):
                return self._fields(shown(name), content, held, depth + 1)
            return f"{shown(name)}(", [self.told(content, held, depth + 1)], ")"
        return self._fields(shown(title) if isinstance(title, str) else "", value, schema, depth)

    def _is_variant(self, schema: dict[str, Any], value: dict[str, Any]) -> bool:
        """Whether an object is a variant of a family: its name, and behind that what it holds."""
        names = list(schema["properties"])
        return (
            len(value) == 1
            and list(value) == names
            and schema.get("required") == names
            and "title" not in schema
        )

    def _fields(
        self, name: str, value: dict[str, Any], schema: dict[str, Any], depth: int
    ) -> Layout:
        properties = schema["properties"]
        items = [
            _behind(f"{shown(key)}=", self.told(item, properties.get(key), depth + 1))
            for key, item in value.items()
        ]
        return f"{name}(", items, ")"


def bytes_text(data: bytes) -> str:
    """Bytes as text in quotes, or in hex where they are none.

    >>> bytes_text(b"abc"), bytes_text(b"\\x00\\xff")
    ('"abc"', 'hex:00ff')
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable() and not text.startswith(("hex:", "@")):
        return _quoted(text)
    if len(data) <= MOST_HEX_BYTES:
        return f"hex:{data.hex()}"
    return f"hex:{data[:MOST_HEX_BYTES].hex()}… ({len(data):,} bytes)"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _fraction(nanos: int) -> str:
    return f".{nanos:09}".rstrip("0") if nanos else ""


def _time_text(seconds: int, nanos: int) -> str:
    try:
        moment = time.gmtime(seconds)
    except (OverflowError, ValueError, OSError):  # a year the system has no room for
        return f"{seconds}{_fraction(nanos)} s since 1970"
    return time.strftime("%Y-%m-%dT%H:%M:%S", moment) + _fraction(nanos) + "Z"


def _json(value: Any) -> str:
    try:
        return shown(json.dumps(value, ensure_ascii=False))
    except RecursionError:  # deeper than Python can follow
        return "…"


def _quoted(text: str) -> str:
    return shown(json.dumps(text, ensure_ascii=False))


def _cut(items: list[Layout], count: int) -> list[Layout]:
    """The items shown, and how many are not."""
    left = count - len(items)
    return [*items, f"… {left:,} more"] if left else items


# Lines --------------------------------------------------------------------------------------------


def _behind(text: str, layout: Layout) -> Layout:
    if isinstance(layout, str):
        return text + layout
    before, items, behind = layout
    return text + before, items, behind


def _flat(layout: Layout) -> str:
    if isinstance(layout, str):
        return layout
    before, items, behind = layout
    return before + ", ".join(map(_flat, items)) + behind


def _rendered(layout: Layout, indent: str, width: int) -> list[str]:
    """A layout on one line if it fits, else with what is inside on lines of their own."""
    line = indent + _flat(layout)
    if isinstance(layout, str) or not layout[1] or len(line) < width:
        return [line]
    before, items, behind = layout
    inner = indent + "  "
    if before.endswith("[") and all(isinstance(item, str) for item in items):
        lines = _filled([str(item) for item in items], inner, width)
    else:
        lines = [part for item in items for part in _with_comma(_rendered(item, inner, width))]
    return [indent + before, *lines, indent + behind]


def _with_comma(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1] + ","]


def _filled(items: list[str], indent: str, width: int) -> list[str]:
    """As many items on each line as fit."""
    lines = [indent]
    for item in items:
        if lines[-1] != indent and len(lines[-1]) + len(item) + 1 >= width:
            lines.append(indent)
        lines[-1] += ("" if lines[-1] == indent else " ") + item + ","
    return lines
