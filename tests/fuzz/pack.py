"""bincode's primitives once more, written from its specification alone, as a second opinion.

Shares no line with lazyipc, so the two cannot be wrong in the same way.

Source: bincode 1.3 `src/config/int.rs`; bincode 2 `docs/spec.md`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MARKED = (
    (0xFFFF, 251, 2),
    (0xFFFF_FFFF, 252, 4),
    ((1 << 64) - 1, 253, 8),
    ((1 << 128) - 1, 254, 16),
)
"""The largest value, the marker before it, and in how many bytes it follows."""


@dataclass(slots=True)
class Packer:
    """Bytes under way."""

    varint: bool
    big: bool
    nodes: Mapping[str, Any]
    """The types that may stand inside themselves, by name."""
    data: bytearray = field(default_factory=bytearray)
    heads: list[int] = field(default_factory=list)
    """Where counts, indices and tags begin: what a forger changes first."""

    def integer(self, value: int, width: int, signed: bool = False) -> None:
        order = "big" if self.big else "little"
        if not self.varint or width == 1:
            self.data += value.to_bytes(width, order, signed=signed)
            return
        if signed:
            value = 2 * value if value >= 0 else -2 * value - 1
        if value < 251:
            self.data.append(value)
            return
        _, marker, size = next(row for row in _MARKED if value <= row[0])
        self.data.append(marker)
        self.data += value.to_bytes(size, order)

    def float(self, value: float, width: int) -> None:
        self.data += struct.pack((">" if self.big else "<") + {4: "f", 8: "d"}[width], value)

    def count(self, value: int) -> None:
        self.heads.append(len(self.data))
        self.integer(value, 8)

    def index(self, value: int) -> None:
        self.heads.append(len(self.data))
        self.integer(value, 4)

    def byte(self, value: int) -> None:
        self.heads.append(len(self.data))
        self.data.append(value)

    def raw(self, data: bytes) -> None:
        self.data += data

    def counted(self, data: bytes) -> None:
        self.count(len(data))
        self.raw(data)
