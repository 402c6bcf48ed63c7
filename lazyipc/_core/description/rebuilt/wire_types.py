"""What the wire descriptions of types say by themselves: plain types, and what refers to what.

Source: docs/protocol.md, "Fingerprints". Knows no schema, and makes no classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from uuid import UUID

from lazyipc._core import scalars
from lazyipc._core.duration import Duration, SystemTime
from lazyipc._core.marks import Char
from lazyipc._core.scalars import FORMATS

ATOMS: Mapping[str, Any] = {
    **{name: getattr(scalars, name.upper()) for name in FORMATS},
    "bool": bool,
    "char": Char,
    "str": str,
    "bytes": bytes,
    "unit": None,
    "path": Path,
    "uuid": UUID,
    "duration": Duration,
    "systemtime": SystemTime,
    "ipv4addr": IPv4Address,
    "ipv6addr": IPv6Address,
}
"""The type of each description that is but a name."""

ADDRESS = [[0, "V4", "ipv4addr"], [1, "V6", "ipv6addr"]]
"""The one union of what is no class."""


def leads_out(cases: list[Any]) -> bool:
    """Whether a choice cannot be a family: one knows no classes around it, and holds only fields.

    A union may hold what is no class (an address) or a class that it stands in, and what it holds
    may refer to classes around it.
    """
    return any(isinstance(held, str) or _reach(held) > 1 for _, _, held in cases)


def _reach(wire: Any) -> int:
    """How many levels out a description refers to something by `up`; a list of fields is one."""
    match wire:
        case ["up", int(levels)]:
            return levels
        case ["see" | "enum", *_]:
            return 0
        case ["struct", fields]:
            return _reach(fields)
        case ["choice", cases]:
            inner = [_reach(held) for _, _, held in cases]
        case ["tuple", items]:
            inner = [_reach(item) for item in items]
        case [str(), *items]:
            inner = [_reach(item) for item in items]
        case list(fields):
            inner = [_reach(item) for _, item in fields]
        case _:
            return 0
    return max(inner, default=0) - 1
