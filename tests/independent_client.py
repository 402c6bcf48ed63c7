"""A client of both wires for the demo's commands, written from docs/protocol.md alone."""

from __future__ import annotations

import json
import socket
import struct
from hashlib import blake2b
from typing import Any, NamedTuple


def fingerprint(description: list[Any]) -> bytes:
    """Name a command or a response by its description."""
    text = json.dumps(description, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode("ascii"), digest_size=8).digest()


MAGIC, REQUEST, RESPONSE, ERROR, DESCRIBE = b"\xff\x4c", 1, 2, 3, 9
ANSWERS = RESPONSE, ERROR, DESCRIBE
Deadline = tuple[bytes, int, int]
NO_DEADLINE = (bytes(8), 2**64 - 1, 2**64 - 1)  # identity of the clock, instant, time left
HEADER = struct.Struct("<2sBBIQ")  # magic, version, kind, bytes of payload, call

RESPONSES = {"PrintAck": [], "Sum": [["c", "u64"]], "Pushed": [["x", "u64"]]}
NAMES = {fingerprint(["response", *item]): item[0] for item in RESPONSES.items()}
COMMANDS = {
    "Print": ([["payload", "str"]], "PrintAck"),
    "Add": ([["a", "u64"], ["b", "u64"]], "Sum"),
    "Push": ([["x", "u64"]], "Pushed"),
}
Answer = tuple[str, dict[str, int]]  # a response: its name and its fields


class Command(NamedTuple):
    """A command, in the parts of which either wire makes its message."""

    variant: int
    fingerprint: bytes
    fields: bytes


class Failure(NamedTuple):
    """What an error says."""

    code: int
    kind: str
    message: str
    detail: dict[str, Any]


def command(name: str, *values: int | str) -> Command:
    """Lay out a command of the demo."""
    fields, returns = COMMANDS[name]
    named = fingerprint(["command", name, fields, ["response", returns, RESPONSES[returns]]])
    data = b""
    for value in values:
        text = value.encode() if isinstance(value, str) else b""
        data += struct.pack("<Q", len(text) if isinstance(value, str) else value) + text
    return Command(list(COMMANDS).index(name), named, data)


def read_response(name: str, data: bytes) -> Answer:
    """Read the fields of a response, which must be all of the data."""
    names = [field for field, _ in RESPONSES[name]]
    return name, dict(zip(names, struct.unpack(f"<{len(names)}Q", data), strict=True))


def read_error(payload: bytes) -> Failure:
    """Read a code and three strings."""
    strings, rest = [], payload[4:]
    while rest:
        end = 8 + int.from_bytes(rest[:8], "little")
        strings, rest = [*strings, rest[8:end].decode()], rest[end:]
    return Failure(int.from_bytes(payload[:4], "little"), *strings[:2], json.loads(strings[2]))


def peer_user(stream: socket.socket) -> int:
    """Return the user on the other side, as the kernel recorded it."""
    record = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("=iII", record)[1])  # process, user, group


def connect(path: str) -> socket.socket:
    """Connect to a server that runs as this user or as root."""
    left, right = socket.socketpair()
    with left, right:
        trusted = {peer_user(left), 0}
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.connect(path)
        if peer_user(stream) not in trusted:
            raise PermissionError(f"the server at {path} runs as another user")
    except OSError:
        stream.close()
        raise
    return stream


def receive_exactly(stream: socket.socket, size: int) -> bytes:
    """Wait for so many bytes, in whatever pieces they come."""
    data = b""
    while len(data) < size:
        data += (piece := stream.recv(size - len(data)))
        if not piece:
            raise EOFError(f"closed after {len(data)} of {size} bytes")
    return data


def ask_bare(path: str, asked: Command) -> Answer:
    """Send one command on a connection of its own and wait for its response."""
    with connect(path) as stream:
        stream.sendall(struct.pack("<I", asked.variant) + asked.fields)
        name = list(RESPONSES)[int.from_bytes(receive_exactly(stream, 4), "little")]
        return read_response(name, receive_exactly(stream, 8 * len(RESPONSES[name])))


class Framed:
    """A connection that speaks FRAMED, on which many calls may be under way."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.waiting: set[int] = set()
        self._next_call = 1

    def send(self, *asked: Command | str, deadline: Deadline = NO_DEADLINE) -> list[int]:
        """Send commands, "describe" and "stats" in one piece, and return their calls."""
        calls = list(range(self._next_call, self._next_call + len(asked)))
        frames, times = bytearray(), struct.pack("<8sQQ", *deadline)
        for call, one in zip(calls, asked, strict=True):
            kind = DESCRIBE if isinstance(one, str) else REQUEST
            data = one.encode() if isinstance(one, str) else one.fingerprint + times + one.fields
            frames += HEADER.pack(MAGIC, 1, kind, len(data), call) + data
        self._next_call += len(calls)
        self.waiting.update(calls)
        self.stream.sendall(frames)
        return calls

    def receive(self) -> tuple[int, Any]:
        """Wait for the next answer, or an error of the stream under call 0, and skip the rest."""
        while True:
            magic, version, kind, size, call = HEADER.unpack(receive_exactly(self.stream, 16))
            if (magic, version) != (MAGIC, 1):
                raise ValueError(f"not a frame of version 1: {magic.hex()} {version}")
            payload = receive_exactly(self.stream, size)
            if kind in ANSWERS and (call in self.waiting or (kind, call) == (ERROR, 0)):
                self.waiting.discard(call)
                if kind == RESPONSE:
                    return call, read_response(NAMES[payload[:8]], payload[8:])
                return call, read_error(payload) if kind == ERROR else json.loads(payload)
