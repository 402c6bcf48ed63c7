"""JSON of types of the standard library: text, or an object of two numbers.

Source: serde's `impls.rs` for human-readable formats; the `uuid` crate's `serde` feature.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.json_form.atoms import number_read
from lazyipc._core.json_form.rule import FORMS, Form, Misfit, Read, Room, Write, found
from lazyipc._core.scalars import Number

_UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_TIMES = {"duration": ("secs", "nanos"), "systemtime": ("secs_since_epoch", "nanos_since_epoch")}
"""The keys of their seconds and nanoseconds."""

_read_u64, _read_u32 = number_read(Number("u64")), number_read(Number("u32"))


def _uuid_bytes(text: str) -> bytes:
    if not _UUID.fullmatch(text):
        raise ValueError("a UUID is 32 hexadecimal digits, 8-4-4-4-12 with hyphens or without")
    return bytes.fromhex(text.replace("-", ""))


def _ipv6_bytes(text: str) -> bytes:
    if "%" in text:
        raise ValueError(f"{found(text)}: a scope has no place on the wire")
    return IPv6Address(text).packed


_TEXTS: dict[str, Callable[[str], Any]] = {
    "path": str,
    "uuid": _uuid_bytes,
    "ipv4addr": lambda text: IPv4Address(text).packed,
    "ipv6addr": _ipv6_bytes,
}
"""From text to what travels in bincode, by what the type is called."""


def is_text(shape: shapes.Shape) -> bool:
    """Whether a converted value's JSON is a string."""
    return isinstance(shape, shapes.Converted) and shape.name in _TEXTS


def _converted_read(shape: shapes.Converted) -> Read:
    if shape.name in _TIMES:
        return _time_read(shape, *_TIMES[shape.name])
    from_text, from_wire = _TEXTS[shape.name], shape.from_wire

    def read(value: Any, room: Room) -> Any:
        if type(value) is not str:
            raise Misfit(f"{shape.rust} is a string, not {found(value)}")
        try:
            return from_wire(from_text(value))
        except AddressValueError as error:
            raise Misfit(f"{found(value)} is no {shape.rust}") from error
        except ValueError as error:
            raise Misfit(str(error)) from error

    return read


def _time_read(shape: shapes.Converted, seconds: str, nanoseconds: str) -> Read:
    keys = {seconds: _read_u64, nanoseconds: _read_u32}

    def read(value: Any, room: Room) -> Any:
        if type(value) is not dict or value.keys() != keys.keys():
            form = f'{{"{seconds}": …, "{nanoseconds}": …}}'
            raise Misfit(f"{shape.rust} is {form}, nothing more or less, not {found(value)}")
        room.keys += 2
        parts = []
        for key, read_part in keys.items():
            try:
                parts.append(read_part(value[key], room))
            except Misfit as misfit:
                raise misfit.within(key) from None
        try:
            return shape.from_wire(tuple(parts))
        except ValueError as error:
            raise Misfit(str(error)) from error

    return read


def _converted_write(shape: shapes.Converted) -> Write:
    if shape.name in _TIMES:
        keys, parts_of = _TIMES[shape.name], shape.to_wire
        return lambda value: dict(zip(keys, parts_of(value), strict=True))
    return str


def address_read(shape: shapes.Choice) -> Read:
    """Reads an address of either kind."""

    def read(value: Any, room: Room) -> Any:
        if type(value) is not str:
            raise Misfit(f"IpAddr is a string, not {found(value)}")
        try:
            return IPv4Address(value) if ":" not in value else IPv6Address(_ipv6_bytes(value))
        except AddressValueError as error:
            raise Misfit(f"{found(value)} is no IpAddr") from error
        except ValueError as error:
            raise Misfit(str(error)) from error

    return read


FORMS[shapes.Converted] = Form(_converted_read, _converted_write)
