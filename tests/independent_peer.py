"""A peer of lazyipc.rpc, client or server, written from docs/protocol.md alone."""

from __future__ import annotations

import json
import socket
import struct
from hashlib import blake2b
from typing import Any, NamedTuple

HEADER = struct.Struct("<2sBBIQ")  # magic, version, kind, bytes of payload, call
REQUEST, RESPONSE, ERROR, CANCEL, HELLO, NOTIFY, GOODBYE, ACCEPT, FINISHED = (
    *(1, 2, 3, 5, 10, 11, 13, 14, 15),
)
NO_DEADLINE = (bytes(8), 2**64 - 1, 2**64 - 1)  # identity of the clock, instant, time left
ROOM = {"message_bytes": 4096, "calls": 4, "in_bytes": 8192}  # what this peer takes


def fingerprint(description: list[Any]) -> bytes:
    """Name a message or a reply by its description."""
    text = json.dumps(description, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode("ascii"), digest_size=8).digest()


def encode(type_: Any, value: Any) -> bytes:
    """Lay out a value of a described type; the examples need these alone."""
    if isinstance(type_, str):
        return b"" if type_ == "unit" else struct.pack("<Q", value)
    if type_[0] == "enum":
        return struct.pack("<I", type_[1].index(value))
    return struct.pack("<Q", len(value)) + b"".join(encode(type_[1], item) for item in value)


def decode(type_: Any, data: memoryview, at: int) -> tuple[Any, int]:
    """Read the value of a described type that begins there, and return where it ends."""
    if type_ == "unit":
        return None, at
    if type_[0] == "enum":
        return type_[1][int.from_bytes(data[at : at + 4], "little")], at + 4
    number, at = int.from_bytes(data[at : at + 8], "little"), at + 8
    if type_ == "str":
        return str(data[at : at + number], "utf-8"), at + number
    if type_ == "u64":
        return number, at
    items = []
    for _ in range(number):
        item, at = decode(type_[1], data, at)
        items.append(item)
    return items, at


def read(types: list[Any], data: memoryview) -> list[Any]:
    """Read values that must be all of the data."""
    values, at = [], 0
    for type_ in types:
        value, at = decode(type_, data, at)
        values.append(value)
    assert at == len(data), "bytes are left over"
    return values


def types_of(told: list[Any]) -> list[Any]:
    """Return the types in a description of a message or a reply."""
    return [told[1]] if told[0] == "type" else [type_ for _, type_ in told[2]]


class Frame(NamedTuple):
    """What came: of a message or a reply its name and values; of an error its code and texts."""

    kind: int
    call: int
    content: Any = None


class Peer:
    """One side of a connection.

    Args:
        stream: the connected socket.
        messages: the descriptions of what either side may send.
        replies: those of what it may be answered with; left out: any of the messages.
    """

    def __init__(
        self, stream: socket.socket, messages: list[Any], replies: list[Any] | None = None
    ) -> None:
        self.stream, self.incoming = stream, stream.makefile("rb")
        told = [dict(zip(("name", "fields", "returns"), m[1:], strict=False)) for m in messages]
        self.schema = json.dumps({"version": 1, "messages": told})
        self.messages = {fingerprint(told): told for told in messages}
        self.replies = {fingerprint(told): told for told in replies or messages}
        self.theirs: dict[str, Any] = {}
        self.unfinished: dict[int, int] = {}  # our calls, and their bytes of fields
        self.last_call = 0

    def hello(self, **said: Any) -> None:
        """Say what this side takes; a client says the key, too."""
        told = {"version": 1, "schema": self.schema, **ROOM, **said}
        self.write(HELLO, 0, json.dumps(told).encode())

    def join(self, key: str = "", **said: Any) -> None:
        """Shake hands as the client."""
        self.hello(key=key, **said)
        self.theirs = self.next(HELLO).content
        self.next(ACCEPT)
        self.write(ACCEPT, 0)

    def welcome(self, key: str = "", **said: Any) -> None:
        """Shake hands as the server."""
        self.theirs = self.next(HELLO).content
        assert self.theirs.get("key", "") == key
        self.hello(**said)
        self.write(ACCEPT, 0)
        self.next(ACCEPT)

    def begin(self, kind: int, name: str, *values: Any, deadline: Any = NO_DEADLINE) -> int:
        """Send a request or a notification, for which there must be room; return its call."""
        message, fields = self._encode(self.messages, name, values)
        taken = sum(self.unfinished.values()) + len(fields) - (not self.unfinished) * len(fields)
        assert len(self.unfinished) < self.theirs["calls"], "no room for a call"
        assert taken <= self.theirs["in_bytes"], "no room for its bytes"
        self.last_call += 1
        self.unfinished[self.last_call] = len(fields)
        times = struct.pack("<8sQQ", *deadline) if kind == REQUEST else b""
        self.write(kind, self.last_call, message + times + fields)
        return self.last_call

    def respond(self, call: int, name: str, *values: Any) -> None:
        """Answer a request."""
        self.write(RESPONSE, call, b"".join(self._encode(self.replies, name, values)))

    def fail(self, call: int, code: int, *texts: str) -> None:
        """End a call with an error: its kind, a message, and a detail in JSON."""
        strings = [struct.pack("<Q", len(text.encode())) + text.encode() for text in texts]
        self.write(ERROR, call, struct.pack("<I", code) + b"".join(strings))

    def write(self, kind: int, call: int, payload: bytes = b"") -> None:
        """Send any frame."""
        self.stream.sendall(HEADER.pack(b"\xff\x4c", 1, kind, len(payload), call) + payload)

    def next(self, *kinds: int) -> Frame:
        """Wait for the next frame, which must be of one of these kinds, if any are named."""
        magic, version, kind, size, call = HEADER.unpack(self._read(16))
        payload = memoryview(self._read(size))
        assert (magic, version) == (b"\xff\x4c", 1)
        assert not kinds or kind in kinds, (kind, call, bytes(payload))
        content: Any = None
        if kind in (RESPONSE, ERROR, FINISHED) and call:
            del self.unfinished[call]
        if kind == HELLO:
            content = json.loads(bytes(payload))
        elif kind == ERROR:
            texts = read(["str"] * 3, payload[4:])
            content = (int.from_bytes(payload[:4], "little"), *texts[:2], json.loads(texts[2]))
        elif kind in (REQUEST, NOTIFY, RESPONSE):
            told = (self.replies if kind == RESPONSE else self.messages)[bytes(payload[:8])]
            fields = payload[32 if kind == REQUEST else 8 :]
            content = (told[1], *read(types_of(told), fields))
        return Frame(kind, call, content)

    def _encode(self, known: dict[bytes, Any], name: str, values: Any) -> tuple[bytes, bytes]:
        ((named, told),) = [item for item in known.items() if item[1][1] == name]
        return named, b"".join(map(encode, types_of(told), values))

    def _read(self, size: int) -> bytes:
        data = self.incoming.read(size)
        if len(data) < size:
            raise EOFError(f"closed after {len(data)} of {size} bytes")
        return data
