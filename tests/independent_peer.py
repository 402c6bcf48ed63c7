"""A peer of lazyipc.rpc, client or server, written from docs/protocol.md alone."""

from __future__ import annotations

import json
import socket
import struct
from hashlib import blake2b
from typing import Any, NamedTuple

HEADER = struct.Struct("<2sBBIQ")  # magic, version, kind, bytes of payload, call
REQUEST, RESPONSE, ERROR, CANCEL, HELLO, NOTIFY, GOODBYE = 1, 2, 3, 5, 10, 11, 13
ACCEPT, FINISHED = 14, 15
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


def decode(type_: Any, data: bytes, at: int) -> tuple[Any, int]:
    """Read the value of a described type that begins there, and return where it ends."""
    if type_ == "unit":
        return None, at
    if type_[0] == "enum":
        return type_[1][int.from_bytes(data[at : at + 4], "little")], at + 4
    number, at = int.from_bytes(data[at : at + 8], "little"), at + 8
    if type_ == "str":
        return data[at : at + number].decode(), at + number
    if type_ == "u64":
        return number, at
    return decode_all([type_[1]] * number, data, at)


def decode_all(types: list[Any], data: bytes, at: int = 0) -> tuple[list[Any], int]:
    """Read one value behind the other."""
    values = []
    for type_ in types:
        value, at = decode(type_, data, at)
        values.append(value)
    return values, at


def table(descriptions: list[Any]) -> dict[bytes, tuple[str, list[Any]]]:
    """Return the name and the types of each message or reply, by its fingerprint."""
    types = [told[1:2] if told[0] == "type" else [t for _, t in told[2]] for told in descriptions]
    return {fingerprint(d): (d[1], t) for d, t in zip(descriptions, types, strict=True)}


class Frame(NamedTuple):
    """What came: of a message or a reply its name and values; of an error its code and texts."""

    kind: int
    call: int
    content: Any = None


class Peer:
    """One side of a connection; replies are messages where none are given."""

    def __init__(self, stream: socket.socket, messages: list[Any], replies: Any = None) -> None:
        self.stream, self.incoming = stream, stream.makefile("rb")
        told = [dict(zip(("name", "fields", "returns"), m[1:], strict=False)) for m in messages]
        self.schema = json.dumps({"version": 1, "messages": told})
        self.messages, self.replies = table(messages), table(replies or messages)
        self.theirs: dict[str, Any]  # what the other side's hello says
        self.unfinished: dict[int, int] = {}  # our calls, and their bytes of fields
        self.last_call = 0

    def hello(self, **said: Any) -> None:
        """Say what this side takes; a client says the key, too."""
        said = {"version": 1, **ROOM, "schema": self.schema} | said
        self.write(HELLO, 0, json.dumps(said).encode())

    def join(self, key: str = "", **said: Any) -> None:
        """Shake hands as the client."""
        self.hello(key=key, **said)
        self.theirs = self.next(HELLO).content
        assert self.next(ACCEPT).call == 0
        self.write(ACCEPT, 0)

    def welcome(self, key: str = "", **said: Any) -> None:
        """Shake hands as the server."""
        self.theirs = self.next(HELLO).content
        assert self.theirs.get("key", "") == key
        self.hello(**said)
        self.write(ACCEPT, 0)
        assert self.next(ACCEPT).call == 0

    def begin(self, kind: int, name: str, *values: Any, deadline: Any = NO_DEADLINE) -> int:
        """Send a request or a notification, for which there must be room; return its call."""
        message, fields = self._encode(self.messages, name, values)
        if self.unfinished:  # one alone may always be sent
            assert len(self.unfinished) < self.theirs["calls"], "no room"
            assert sum(self.unfinished.values()) + len(fields) <= self.theirs["in_bytes"], "no room"
        self.last_call += 1
        self.unfinished[self.last_call] = len(fields)
        opening = message + (struct.pack("<8sQQ", *deadline) if kind == REQUEST else b"")
        self.write(kind, self.last_call, opening + fields)
        return self.last_call

    def respond(self, call: int, name: str, *values: Any) -> None:
        """Answer a request."""
        self.write(RESPONSE, call, b"".join(self._encode(self.replies, name, values)))

    def fail(self, call: int, code: int, *texts: str) -> None:
        """End a call with an error: its kind, a message, and a detail in JSON."""
        strings = b"".join(struct.pack("<Q", len(t)) + t for t in map(str.encode, texts))
        self.write(ERROR, call, struct.pack("<I", code) + strings)

    def write(self, kind: int, call: int, payload: bytes = b"") -> None:
        """Send any frame."""
        self.stream.sendall(HEADER.pack(b"\xff\x4c", 1, kind, len(payload), call) + payload)

    def next(self, *kinds: int) -> Frame:
        """Wait for the next frame, which must be of one of these kinds, if any are named."""
        magic, version, kind, size, call = HEADER.unpack(self.incoming.read(16))
        payload = self.incoming.read(size)
        assert (magic, version) == (b"\xff\x4c", 1)
        assert not kinds or kind in kinds, (kind, call, payload)
        content: Any = None
        if kind in (RESPONSE, ERROR, FINISHED) and call:
            del self.unfinished[call]
        if kind == HELLO:
            content = json.loads(payload)
        elif kind == ERROR:
            texts, _ = decode_all(["str"] * 3, payload, 4)
            content = (int.from_bytes(payload[:4], "little"), *texts)
        elif kind in (REQUEST, NOTIFY, RESPONSE):
            name, types = (self.replies if kind == RESPONSE else self.messages)[payload[:8]]
            values, end = decode_all(types, payload, 32 if kind == REQUEST else 8)
            assert end == size == len(payload)
            content = (name, *values)
        return Frame(kind, call, content)

    def _encode(self, known: dict[bytes, Any], name: str, values: Any) -> tuple[bytes, bytes]:
        ((key, types),) = [(key, told[1]) for key, told in known.items() if told[0] == name]
        return key, b"".join(map(encode, types, values))
