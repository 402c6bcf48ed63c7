"""Bytes explained to people: where each part stands, what it is called, what it says.

Nothing here runs while messages travel. Knows shapes and their walks; where a value is refused is
told by the codec.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lazyipc._core import layout
from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, Fault, finish, joined
from lazyipc._core.encoding import COUNT
from lazyipc._core.locate import shown
from lazyipc._core.rust import type_name
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape
from lazyipc._core.source import PartRefused
from lazyipc.errors import IpcError

MOST_ROWS = 1000
"""How many parts are told of: more than anyone reads."""

_HEX_BYTES = 8
_HEADINGS = ("offset", "bytes", "path", "type", "value")


@dataclass(frozen=True, slots=True)
class Row:
    """One part of a message.

    Args:
        offset: where it begins, in bytes.
        size_bytes: how many bytes it takes; of a sequence or an enum, its count or index alone.
        path: which part it is, such as `items[3].a`; empty for the message itself.
        type: what Rust calls it.
        value: what it says.
    """

    offset: int
    size_bytes: int
    path: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What bytes say, part by part; printed, it is a table.

    Args:
        data: the bytes.
        rows: their parts in order, up to where they are refused, and 1,000 at most.
        error: what `decode` raises for them; None where they are a value.
    """

    data: bytes
    rows: tuple[Row, ...]
    error: IpcError | None

    def __str__(self) -> str:
        cells = [_HEADINGS, *(self._cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            f"{offset:>{widths[0]}}  "
            + "  ".join(f"{cell:<{width}}" for cell, width in zip(rest, widths[1:], strict=True))
            for offset, *rest in cells
        ]
        if len(self.rows) == MOST_ROWS:
            lines.append(f"… and so on; these are the first {MOST_ROWS:,} parts")
        if self.error is not None:
            lines.append(f"refused: {self.error}")
        return "\n".join(line.rstrip() for line in lines)

    def _cells(self, row: Row) -> tuple[str, str, str, str, str]:
        taken = self.data[row.offset : row.offset + row.size_bytes]
        text = taken[:_HEX_BYTES].hex(" ") + (" …" if len(taken) > _HEX_BYTES else "")
        return str(row.offset), text, row.path, row.type, row.value


def rows_of(shape: Shape, cursor: Cursor) -> tuple[Row, ...]:
    """The parts of a message, as far as its bytes are in order."""
    told = _Telling(cursor)
    # Where bytes are refused, the codec tells why.
    with contextlib.suppress(Fault, PartRefused, RecursionError, _EnoughError):
        told.tell(shape, "")
    return tuple(told.rows)


class _EnoughError(Exception):
    """All rows there may be are there."""


class _Telling:
    """Rows as they are found."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.rows: list[Row] = []
        self._decoders: dict[int, Callable[..., tuple[Any, int, int]]] = {}

    def tell(self, shape: Shape, path: str) -> None:
        cursor, start = self.cursor, self.cursor.offset
        if _is_leaf(shape):
            finish(layout.walk(shape, cursor))
            self._row(start, path, shape, shown(self._value(shape, start)))
            return
        summary = self._summary(shape)
        parts = finish(layout.opened(shape, cursor))
        if cursor.offset > start:
            if isinstance(shape, shapes.Choice):
                parts = tuple(parts)
                summary = ", ".join(step for step, _, _ in parts)
            self._row(start, path, shape, summary)
        for step, _, part in parts:
            self.tell(part, joined(path, step))

    def _summary(self, shape: Shape) -> str:
        """What the head of a container says; the cursor stays where it is."""
        cursor, start = self.cursor, self.cursor.offset
        if isinstance(shape, shapes.Option):
            tag = finish(cursor.byte())
            cursor.offset = start
            return "Some" if tag else "None"
        if isinstance(shape, shapes.Vector | shapes.Set | shapes.Mapping):
            count = finish(cursor.number(COUNT))
            cursor.offset = start
            return f"{count} {'item' if count == 1 else 'items'}"
        return ""

    def _value(self, shape: Shape, start: int) -> Any:
        cursor = self.cursor
        decode = self._decoders.get(id(shape))
        if decode is None:
            decode = self._decoders[id(shape)] = layout.decoder(shape, cursor.encoding)
        value, _, _ = decode(
            cursor.data, start, cursor.offset, cursor.element_limit, cursor.depth_limit
        )
        return value

    def _row(self, start: int, path: str, shape: Shape, value: str) -> None:
        if len(self.rows) == MOST_ROWS:
            raise _EnoughError
        size = self.cursor.offset - start
        self.rows.append(Row(start, size, path, type_name(shape), value))


def _is_leaf(shape: Shape) -> bool:
    """Whether a shape is told of in one row: it has no parts, or they are but numbers."""
    match shape:
        case shapes.Vector(item) | shapes.Set(item) | shapes.Array(item):
            return isinstance(item, Number)
    return not isinstance(
        shape,
        shapes.Option
        | shapes.Product
        | shapes.Mapping
        | shapes.Structure
        | shapes.Choice
        | shapes.Reference,
    )
