"""Frames, the receive buffer, and the two bytes that tell which wire a client speaks.

Source: docs/protocol.md. Knows where a message begins and ends; not what it means.
"""

from __future__ import annotations

import enum
import struct

from lazyipc._core.intake import Intake, Spliced
from lazyipc.errors import MessageTooLarge, RemoteProtocolError

MAGIC = b"\xffL"
VERSION = 1
HEADER = struct.Struct("<2sBBIQ")
"""Magic, version, kind, u32 bytes of payload, u64 call: 16 bytes."""

REQUEST = struct.Struct("<IIQ8s8sQQ")
"""A request's header, its first four bytes as one number, then fingerprint, clock, deadline in ns,
time left in ns: 48 bytes."""

REQUEST_EXTRA_BYTES = REQUEST.size - HEADER.size
"""What a request's payload has before the command's fields."""

RESPONSE = struct.Struct("<IIQ8s")
"""A response's header, likewise, then the fingerprint of its type: 24 bytes."""

TIMES = struct.Struct("<8sQQ")
"""What a request has behind its fingerprint: clock, deadline in ns, time left in ns: 24 bytes."""

UNKNOWN_CLOCK = bytes(8)
"""The identity of a clock that nobody can name; it matches none, not even itself."""

HEADER_BYTES, REQUEST_BYTES, RESPONSE_BYTES = HEADER.size, REQUEST.size, RESPONSE.size
pack_request, unpack_request = REQUEST.pack, REQUEST.unpack_from
pack_response, unpack_response = RESPONSE.pack, RESPONSE.unpack_from
unpack_times = TIMES.unpack_from
"""Looked up once, not for each message."""

VIEW_BYTES = 65536
"""From here on a payload is read through a memoryview, which copies a field once, not twice."""

NEVER_NS = 2**64 - 1
"""A deadline, and a time left, that do not end."""

BARE_SECOND_BYTE_LIMIT = 9
"""A bare message's second byte is below it, because a family has at most 9 × 256 variants."""


TLS = b"\x16\x03"
"""How the hello of a TLS client begins: no line of JSON, but one can tell it why."""


class Wire(enum.Flag):
    """What is spoken on a connection; a server says which it takes.

    BARE: one bincode message each way, no frame, as the Rust crate ipc-server; unchecked.
    FRAMED: everything lazyipc can do, schema-checked.
    JSON: a command and its answer a line, for shells and other languages.

    >>> Wire.BARE in Wire.ALL
    True
    """

    BARE = enum.auto()
    FRAMED = enum.auto()
    JSON = enum.auto()
    ALL = BARE | FRAMED | JSON


BARE, FRAMED, JSON = Wire.BARE, Wire.FRAMED, Wire.JSON
"""An enum's member costs as much to look up as a frame's header to unpack."""

FRAMED_OR_JSON = FRAMED | JSON


class Kind(enum.IntEnum):
    """What a frame is; those that are not spoken yet are reserved."""

    REQUEST = 1
    RESPONSE = 2
    ERROR = 3
    PROGRESS = 4
    CANCEL = 5
    SUBSCRIBE = 6
    EVENT = 7
    GAP = 8
    DESCRIBE = 9
    HELLO = 10
    NOTIFY = 11
    PING = 12
    GOODBYE = 13
    ACCEPT = 14
    FINISHED = 15


def _opening(kind: int) -> int:
    return int.from_bytes(MAGIC + bytes([VERSION, kind]), "little")


REQUEST_OPENING = _opening(Kind.REQUEST)
RESPONSE_OPENING = _opening(Kind.RESPONSE)
NOTIFY_OPENING = _opening(Kind.NOTIFY)
"""Magic, version and kind as one number: one comparison for the frames that come most."""


def tell_wire(start: bytes | bytearray, wires: Wire, *, untagged: bool) -> Wire | None:
    """Which wire a client speaks, from its first two bytes; None while they have not come.

    Args:
        start: what has come so far.
        wires: those the server takes.
        untagged: the command set is one model, whose bare form may begin with anything.

    Raises:
        RemoteProtocolError: the bytes begin none of the server's wires.

    >>> tell_wire(b"\\xffL", Wire.ALL, untagged=False)
    <Wire.FRAMED: 2>
    """
    if wires is BARE:
        return BARE
    if len(start) < 2:
        return None
    if start[:2] == MAGIC:
        if wires is FRAMED or wires is FRAMED_OR_JSON:
            return FRAMED  # to ask a Flag what it holds costs as much as to decode a command
        told = FRAMED
    elif start[1] < BARE_SECOND_BYTE_LIMIT and not (start[:2] == TLS and not wires & BARE):
        if untagged:
            raise RemoteProtocolError(f"no wire begins with the bytes {start[:2].hex(' ')}")
        told = BARE
    elif wires & JSON:
        return JSON
    else:
        raise RemoteProtocolError(f"no wire begins with the bytes {start[:2].hex(' ')}")
    if not told & wires:
        raise RemoteProtocolError(
            f"the client speaks {told.name}, this server {wires.name}; "
            f"see the `wires` argument of IpcServer"
        )
    return told


def frame(kind: int, call: int, payload: bytes) -> bytes:
    """One whole frame."""
    return HEADER.pack(MAGIC, VERSION, kind, len(payload), call) + payload


def read_header(data: bytes | bytearray, start: int, limit_bytes: int) -> tuple[int, int, int]:
    """Kind, bytes of payload and call of a frame whose header is all there.

    Raises:
        RemoteProtocolError: not a frame, or of another version; the stream cannot go on.
        MessageTooLarge: the payload is over the limit.
    """
    magic, version, kind, size, call = HEADER.unpack_from(data, start)
    if magic != MAGIC:
        raise RemoteProtocolError(f"a frame begins with ff 4c, not {magic.hex(' ')}")
    if version != VERSION:
        raise RemoteProtocolError(f"frame version {version}; this side speaks {VERSION}")
    if size > limit_bytes:
        what = "frame payload in bytes (see Limits.message_bytes)"
        raise MessageTooLarge(what, size_bytes=size, limit_bytes=limit_bytes)
    return kind, size, call


class ReceiveBuffer:
    """Bytes received and not yet used: those of `data` from `start` on, and those taken in.

    One piece that holds whole messages is used where it lies; pieces are joined only when a
    message is cut, each byte once. The rest of a large frame is taken in: read into its place.
    """

    __slots__ = ("_intake", "data", "lacking_bytes", "start", "taken_bytes")

    def __init__(self) -> None:
        self.data: bytes | bytearray = b""
        self.start = 0
        self.lacking_bytes = 0
        """How many bytes, at least, the frame lacks that was last asked for; 0 if none began."""
        self._intake: Intake | None = None
        self.taken_bytes = 0
        """How many bytes of the frame under way were taken in, behind those of `data`."""

    def __len__(self) -> int:
        return len(self.data) - self.start + self.taken_bytes

    def append(self, piece: bytes) -> None:
        """Add what was received."""
        if self._intake is not None:  # which nobody reads into any more
            self.data, self.start = self._end_intake(), 0
        data, start = self.data, self.start
        if start == len(data):
            self.data = piece
        elif isinstance(data, bytearray):
            del data[:start]
            data += piece
        else:
            if isinstance(data, Spliced):
                data = data.joined()
            self.data = bytearray(memoryview(data)[start:])
            self.data += piece
        self.start = 0

    @property
    def is_taking_in(self) -> bool:
        """Whether the frame under way is taken in: `space` says where its next bytes belong."""
        return self._intake is not None

    def take_in(self, size: int, border: int) -> None:
        """Take in the frame under way.

        Args:
            size: how many bytes it has; more than have come.
            border: after how many of them the bytes begin that it ends with, which become a value
                as they are; 0 where that is not known.
        """
        with memoryview(self.data) as data, data[self.start :] as begun:
            self._intake = Intake(begun, size, border)
            head = bytes(begun[:REQUEST_BYTES])
            self.taken_bytes = len(begun) - len(head)
        self.data, self.start = head, 0

    def space(self) -> memoryview:
        """Where the next bytes of the frame that is taken in belong."""
        assert self._intake is not None
        return self._intake.space()

    def received(self, count: int) -> None:
        """So many bytes were put there."""
        assert self._intake is not None
        self._intake.received(count)
        self.taken_bytes += count
        if self._intake.is_full:
            self.data, self.start = self._end_intake(), 0

    def _end_intake(self) -> bytes:
        assert self._intake is not None
        taken = self._intake.taken()
        self._intake = None
        self.taken_bytes = 0
        return taken

    def pass_large(self, end: int) -> None:
        """Pass what is before `end`; who used it has it, so no memory is kept for it here."""
        if end == len(self.data):
            self.data, self.start = b"", 0
        else:
            self.start = end

    def take_frame(self, limit_bytes: int) -> tuple[int, int, int, int] | None:
        """Pass one whole frame: its kind, its call, where its payload starts and where it ends.

        None while it is not all there.

        Raises:
            RemoteProtocolError, MessageTooLarge: as `read_header`.
        """
        have = len(self)
        if have < HEADER.size:
            self.lacking_bytes = HEADER.size - have if have else 0
            return None
        kind, size, call = read_header(self.data, self.start, limit_bytes)
        if have < HEADER.size + size:
            self.lacking_bytes = HEADER.size + size - have
            return None
        self.lacking_bytes = 0
        start = self.start + HEADER.size
        self.start = start + size
        return kind, call, start, self.start
