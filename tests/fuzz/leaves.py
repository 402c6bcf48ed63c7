"""Types without parts: how they are written, drawn, packed and sorted."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np

from lazyipc import Duration, SystemTime
from tests.fuzz.node import Draw, Kind, Node, Writer
from tests.fuzz.pack import Packer

DrawLeaf = Callable[[Draw], Any]
PackLeaf = Callable[[Packer, Any], None]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Leaf(Kind):
    """A type that is one word."""

    def __init__(
        self, text: str, draw: DrawLeaf, pack: PackLeaf, order: Callable[[Any], Any] | None = None
    ) -> None:
        self.text = text
        self._draw = draw
        self._pack = pack
        self._order = order

    def __repr__(self) -> str:
        return self.text

    def write(self, node: Node, writer: Writer) -> str:
        return self.text

    def draw(self, node: Node, draw: Draw) -> Any:
        return self._draw(draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        self._pack(packer, value)

    def order(self, node: Node, value: Any) -> Any:
        return self._order(value) if self._order else value

    def is_plain(self, node: Node) -> bool:
        return True

    def may_be_none(self, node: Node) -> bool:
        return self.text == "None"


# Numbers -----------------------------------------------------------------------------------------


def _integer(text: str, bits: int, signed: bool) -> Leaf:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return Leaf(
        text, lambda draw: draw.integer(low, high), lambda p, v: p.integer(v, bits // 8, signed)
    )


_INF, _NAN = float("inf"), float("nan")
_ODD_F64 = (0.0, -0.0, 1.0, -1.5, _INF, -_INF, _NAN, 5e-324, 1e308, 2.0**63)
_ODD_F32 = (0.0, -0.0, 1.0, -1.5, _INF, -_INF, _NAN, 2.0**-149, 2.0**127)


def draw_f64(draw: Draw) -> float:
    while True:
        bits = struct.pack("<Q", draw.random.getrandbits(64))
        random: float = struct.unpack("<d", bits)[0]
        value = draw.random.choice((*_ODD_F64, random))
        if not draw.in_set or value == value:
            return value


def draw_f32(draw: Draw) -> float:
    while True:
        # Quiet: a signalling NaN does not survive being widened to a Python float.
        bits = struct.pack("<L", draw.random.getrandbits(32) | 0x40_0000)
        random: float = struct.unpack("<f", bits)[0]
        value = draw.random.choice((*_ODD_F32, random))
        if not draw.in_set or value == value:
            return value


F32_LEAF = Leaf("F32", draw_f32, lambda p, v: p.float(v, 4))
F64_LEAVES = [Leaf(text, draw_f64, lambda p, v: p.float(v, 8)) for text in ("F64", "float")]
INTEGERS = [
    *(_integer(f"U{bits}", bits, False) for bits in (8, 16, 32, 64, 128)),
    *(_integer(f"I{bits}", bits, True) for bits in (8, 16, 32, 64, 128)),
    _integer("int", 64, True),
]


# Texts and bytes ---------------------------------------------------------------------------------

_CHARS = ("a", "Z", "\0", "\n", "\x7f", "\x80", "é", "߿", "ࠀ", "퟿", "\ue000", "￿",
          "\U00010000", "\U0010ffff", "'", '"', "\\", "/")  # fmt: skip


def draw_text(draw: Draw) -> str:
    length = draw.random.choice((0, 0, 1, 2, 3, 7))
    if draw.chance(0.03):
        length = draw.random.randrange(240, 300)
    return "".join(draw.random.choice(_CHARS) for _ in range(length))


def _draw_bytes(draw: Draw) -> bytes:
    length = draw.random.choice((0, 0, 1, 2, 3, 7))
    if draw.chance(0.03):
        length = draw.random.randrange(240, 300)
    return draw.random.randbytes(length)


def utf8(text: str) -> bytes:
    return text.encode("utf-8")


CHAR = Leaf("Char", lambda draw: draw.random.choice(_CHARS), lambda p, v: p.raw(utf8(v)), utf8)
TEXT = Leaf("str", draw_text, lambda p, v: p.counted(utf8(v)), utf8)
BLOB = Leaf("bytes", _draw_bytes, lambda p, v: p.counted(v))
NONE = Leaf("None", lambda draw: None, lambda p, v: None, lambda v: 0)
BOOL = Leaf("bool", lambda draw: draw.chance(0.5), lambda p, v: p.byte(int(v)))


# The standard library's --------------------------------------------------------------------------

_PATHS = (
    "", ".", "/", "a", "a/b", "a-b", "a.b/c", "..", "../x", "-a", "/a", "/a/b", "~", "é/ü", "a b",
    ".x",
)  # fmt: skip


def _path_order(path: PurePath) -> list[tuple[int, bytes]]:
    """Rust compares components: the root, then `.`, then `..`, then names by their bytes."""
    parts = path.parts or (".",)
    return [({"/": 1, ".": 2, "..": 3}.get(part, 4), utf8(part)) for part in parts]


def _paths(kind: type[PurePath]) -> Leaf:
    return Leaf(
        kind.__name__,
        lambda draw: kind(draw.random.choice(_PATHS)),
        lambda p, v: p.counted(utf8(str(v))),
        _path_order,
    )


def _draw_uuid(draw: Draw) -> uuid.UUID:
    return uuid.UUID(int=draw.integer(0, (1 << 128) - 1))


def _pack_parts(packer: Packer, seconds: int, nanoseconds: int) -> None:
    packer.integer(seconds, 8)
    packer.integer(nanoseconds, 4)


def _nanoseconds(draw: Draw) -> int:
    return draw.integer(0, 10**9 - 1)


def _pack_delta(packer: Packer, delta: timedelta) -> None:
    microseconds = delta // timedelta(microseconds=1)
    _pack_parts(packer, microseconds // 10**6, microseconds % 10**6 * 1000)


def _draw_delta(draw: Draw) -> timedelta:
    microseconds = draw.random.choice((0, 1, 999_999, draw.random.randrange(10**6)))
    seconds = draw.integer(0, timedelta.max.days * 86400 + 86399)
    return timedelta(0, seconds, microseconds)


def _draw_datetime(draw: Draw) -> datetime:
    last = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)
    microseconds = draw.random.choice((0, 1, 999_999, draw.random.randrange(10**6)))
    when = EPOCH + timedelta(0, draw.integer(0, last), microseconds)
    if draw.chance(0.3):
        zone = timezone(timedelta(minutes=draw.random.randrange(-1439, 1440)))
        try:
            return when.astimezone(zone)
        except OverflowError:  # its year there would be 10000
            return when
    return when


def _pack_ip(packer: Packer, address: IPv4Address | IPv6Address) -> None:
    packer.index(0 if address.version == 4 else 1)
    packer.raw(address.packed)


def _draw_v4(draw: Draw) -> IPv4Address:
    return IPv4Address(draw.integer(0, (1 << 32) - 1))


def _draw_v6(draw: Draw) -> IPv6Address:
    return IPv6Address(draw.integer(0, (1 << 128) - 1))


PATHS = [_paths(kind) for kind in (Path, PurePath, PurePosixPath)]
LIBRARY = [
    *PATHS,
    Leaf("UUID", _draw_uuid, lambda p, v: p.counted(v.bytes), lambda v: v.bytes),
    Leaf(
        "Duration",
        lambda draw: Duration(draw.integer(0, (1 << 64) - 1), _nanoseconds(draw)),
        lambda p, v: _pack_parts(p, v.seconds, v.nanoseconds),
        lambda v: v.total_nanoseconds,
    ),
    Leaf(
        "SystemTime",
        lambda draw: SystemTime(draw.integer(0, (1 << 64) - 1), _nanoseconds(draw)),
        lambda p, v: _pack_parts(p, v.seconds, v.nanoseconds),
        lambda v: v.total_nanoseconds,
    ),
    Leaf("datetime.timedelta", _draw_delta, _pack_delta),
    Leaf("datetime.datetime", _draw_datetime, lambda p, v: _pack_delta(p, v - EPOCH)),
    Leaf("IPv4Address", _draw_v4, lambda p, v: p.raw(v.packed)),
    Leaf("IPv6Address", _draw_v6, lambda p, v: p.raw(v.packed)),
    Leaf(
        "IPv4Address | IPv6Address",
        lambda draw: draw.random.choice((_draw_v4, _draw_v6))(draw),
        _pack_ip,
        lambda v: (v.version, v.packed),
    ),
]

LEAVES = [
    *INTEGERS, F32_LEAF, *F64_LEAVES, BOOL, BOOL, CHAR, TEXT, TEXT, BLOB, NONE, *LIBRARY,
]  # fmt: skip


# bytes of a fixed number, numbers in an array ----------------------------------------------------


class ByteArray(Kind):
    """`[u8; N]` held as bytes; `options` is N."""

    def write(self, node: Node, writer: Writer) -> str:
        return f"Annotated[bytes, Array({node.options})]"

    def draw(self, node: Node, draw: Draw) -> bytes:
        return draw.random.randbytes(node.options)

    def pack(self, node: Node, value: bytes, packer: Packer) -> None:
        packer.raw(value)

    def is_plain(self, node: Node) -> bool:
        return True


DTYPES = {
    "U8": "u1", "U16": "u2", "U32": "u4", "U64": "u8",
    "I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8", "F32": "f4", "F64": "f8",
}  # fmt: skip


class NumPyArray(Kind):
    """Numbers in a `numpy.ndarray`; `options` is which, and how many or None."""

    def write(self, node: Node, writer: Writer) -> str:
        number, length = node.options
        mark = f"Vec({number})" if length is None else f"Array({length}, {number})"
        return f"Annotated[np.ndarray, {mark}]"

    def draw(self, node: Node, draw: Draw) -> Any:
        number, length = node.options
        count = draw.count(node) if length is None else length
        array = np.frombuffer(draw.random.randbytes(count * 8), np.uint64).astype("u8")
        items = array.view("f8") if number == "F64" else array.astype(f"u{DTYPES[number][1]}")
        if number == "F32":  # quiet, as all of them
            items |= 0x40_0000
        items = items.view(DTYPES[number])
        match draw.random.randrange(5):
            case 0:
                return items.astype(items.dtype.newbyteorder())
            case 1:
                return np.repeat(items, 2)[::2]
            case 2:
                return items[::-1]
        return items

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        number, length = node.options
        if length is None:
            packer.count(len(value))
        if number.startswith("F"):
            order = ">" if packer.big else "<"
            packer.raw(value.astype(value.dtype.newbyteorder(order)).tobytes())
            return
        for item in value:
            packer.integer(int(item), int(DTYPES[number][1]), number.startswith("I"))


BYTE_ARRAY = ByteArray()
NUMPY = NumPyArray()


class Enumeration(Kind):
    """An Enum; `options` is its base and the number of its members."""

    def write(self, node: Node, writer: Writer) -> str:
        base, count = node.options
        # Values neither in order nor of the member's position, so that nothing but that fits.
        number = "i * 7919 % 100_003"
        value, first = {
            "Enum": (f"({number}, 'x')", "(0, 'x')"),
            "IntEnum": (number, "0"),
            "StrEnum": (f"f's{{{number}}}'", "'s0'"),
        }[base]
        members = f'{{f"M{{i}}": {value} for i in range({count})}} | {{"ALIAS": {first}}}'
        text = f'{node.name} = enum.{base}("{node.name}", {members})'
        return writer.declare(node.name, node.name, text)

    def draw(self, node: Node, draw: Draw) -> Any:
        members = list(draw.classes[node.name])
        return draw.random.choice((members[0], members[-1], draw.random.choice(members)))

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        packer.index(list(type(value)).index(value))

    def order(self, node: Node, value: Any) -> int:
        return list(type(value)).index(value)

    def is_plain(self, node: Node) -> bool:
        return True


ENUM = Enumeration()
