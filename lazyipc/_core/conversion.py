"""Types of the standard library that travel as something simpler, as serde writes their like.

One line for each: what it is called in descriptions and in Rust, what travels, and the way there
and back. A way raises ValueError where there is none. Knows no bytes.

Source: serde's `impls.rs` for non-human-readable formats; the `uuid` crate's `serde` feature.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from operator import attrgetter
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from uuid import UUID

from lazyipc._core.duration import (
    Duration,
    SystemTime,
    datetime_of,
    duration_parts,
    time_parts,
    timedelta_of,
)
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Array, Blob, Case, Choice, Converted, Product, Shape, Text

UUID_BYTES = 16

_SECONDS_AND_NANOSECONDS = Product((Number("u64"), Number("u32")))


def _parts(value: Duration | SystemTime) -> tuple[int, int]:
    return value.seconds, value.nanoseconds


def _uuid_of(data: bytes) -> UUID:
    if len(data) != UUID_BYTES:
        raise ValueError(f"a UUID is {UUID_BYTES} bytes, not {len(data)}")
    return UUID(bytes=data)


def _text_of_path(path: Any) -> str:
    if not isinstance(path, PurePath):
        raise ValueError(f"a Path is wanted, {type(path).__name__} given")
    return str(path)


def path_order(path: PurePath) -> list[tuple[int, str]]:
    """What Rust sorts paths by: their components, first the root, then `.`, `..`, then names."""
    return [(_COMPONENTS.get(part, len(_COMPONENTS)), part) for part in path.parts or (".",)]


_COMPONENTS = {"/": 0, "//": 0, ".": 1, "..": 2}


def _bytes_of_ipv6(address: IPv6Address) -> bytes:
    if address.scope_id is not None:
        raise ValueError(f"{address}: a scope has no place on the wire")
    return address.packed


def _path(kind: type[PurePath]) -> Converted:
    return Converted("path", "PathBuf", Text(), _text_of_path, kind)


def _bytes(count: int) -> Array:
    return Array(Number("u8"), count, bytes)


def _duration(to_wire: Any, from_wire: Any) -> Converted:
    return Converted("duration", "Duration", _SECONDS_AND_NANOSECONDS, to_wire, from_wire)


def _time(to_wire: Any, from_wire: Any) -> Converted:
    return Converted("systemtime", "SystemTime", _SECONDS_AND_NANOSECONDS, to_wire, from_wire)


_V4 = Converted("ipv4addr", "Ipv4Addr", _bytes(4), attrgetter("packed"), IPv4Address)
_V6 = Converted("ipv6addr", "Ipv6Addr", _bytes(16), _bytes_of_ipv6, IPv6Address)

CONVERTED: dict[object, Shape] = {
    Path: _path(Path),
    PurePath: _path(PurePath),
    PurePosixPath: _path(PurePosixPath),
    type(Path()): _path(Path),
    UUID: Converted("uuid", "Uuid", Blob(), attrgetter("bytes"), _uuid_of),
    Duration: _duration(_parts, lambda parts: Duration(*parts)),
    timedelta: _duration(duration_parts, lambda parts: timedelta_of(*parts)),
    SystemTime: _time(_parts, lambda parts: SystemTime(*parts)),
    datetime: _time(time_parts, lambda parts: datetime_of(*parts)),
    IPv4Address: _V4,
    IPv6Address: _V6,
}
"""The shape of each type; found by the type itself, not by its subclasses."""

ADDRESSES = frozenset({IPv4Address, IPv6Address})
IP_ADDRESS = Choice("IpAddr", (Case(0, "V4", IPv4Address, _V4), Case(1, "V6", IPv6Address, _V6)))
"""Their union, in either order: Rust's IpAddr has the one."""
