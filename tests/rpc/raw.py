"""A peer that follows no rule it is not told to follow: frames by hand, over asyncio's streams.

It knows the wire from docs/protocol.md: what a hello and an accept are, and the frames behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from lazyipc._core.failure import error_of, read_failure
from lazyipc._core.framing import HEADER, MAGIC, NEVER_NS, VERSION, Kind, frame
from lazyipc._core.messages import MessageSet
from lazyipc.rpc import ConnectionKey
from tests.harness import REQUEST_EXTRA, UNKNOWN_CLOCK
from tests.rpc.loops import settle
from tests.rpc.messages import SECONDS, Note

ACCEPT, FINISHED = 14, 15
MANY = 1 << 30
NOTES = MessageSet(Note)


def hello(to: ConnectionKey | None = None, messages: MessageSet = NOTES, **changes: Any) -> bytes:
    """A right hello, except for what is changed; None takes a member out."""
    members: dict[str, Any] = {
        "version": 1,
        "message_bytes": MANY,
        "calls": 1024,
        "in_bytes": MANY,
        "schema": messages.description,
    }
    if to is not None:
        members["key"] = to.token
    members.update(changes)
    return frame(Kind.HELLO, 0, json.dumps(members).encode())


def accept() -> bytes:
    return frame(ACCEPT, 0, b"")


def request(message: Any, call: int, messages: MessageSet = NOTES) -> bytes:
    """A message that wants a reply, and waits for it without end."""
    entry = messages.entry(type(message))
    extra = REQUEST_EXTRA.pack(entry.fingerprint, UNKNOWN_CLOCK, NEVER_NS, NEVER_NS)
    return frame(Kind.REQUEST, call, extra + entry.codec.encode(message))


def notify(message: Any, call: int, messages: MessageSet = NOTES) -> bytes:
    entry = messages.entry(type(message))
    return frame(Kind.NOTIFY, call, entry.fingerprint + entry.codec.encode(message))


def response(message: Any, call: int, messages: MessageSet = NOTES) -> bytes:
    """Ends a call with a message."""
    fingerprint, body = messages.entry(type(message)).reply.encode(message)
    return frame(Kind.RESPONSE, call, fingerprint + body)


def goodbye() -> bytes:
    return frame(Kind.GOODBYE, 0, b"")


Frame = tuple[int, int, bytes]
"""Kind, call, payload."""


class Raw:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def frame(self) -> Frame | None:
        """The next frame; None where the stream ended, between frames or by a reset."""
        try:
            async with asyncio.timeout(SECONDS):
                head = await self.reader.readexactly(HEADER.size)
                magic, version, kind, size, call = HEADER.unpack(head)
                assert (magic, version) == (MAGIC, VERSION), head
                return kind, call, await self.reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise AssertionError("the stream ended within a frame") from error
            return None
        except ConnectionResetError:
            return None

    async def rest(self) -> list[Frame]:
        """All frames to the end."""
        frames = []
        while (one := await self.frame()) is not None:
            frames.append(one)
        return frames

    async def expect(self, kind: int, call: int = 0) -> bytes:
        """The next frame, which must be this; its payload."""
        one = await self.frame()
        assert one is not None, f"the stream ended in place of frame {kind}"
        assert one[:2] == (kind, call), f"{one[:2]} in place of {kind, call}: {told(one)}"
        return one[2]

    async def shake_hands_as_client(self, key: ConnectionKey, **changes: Any) -> dict[str, Any]:
        """Say hello, take the server's and be taken; what the server's says."""
        self.write(hello(key, **changes))
        theirs: dict[str, Any] = json.loads(await self.expect(Kind.HELLO))
        self.write(accept())
        await self.expect(ACCEPT)
        return theirs

    async def shake_hands_as_server(self, **changes: Any) -> dict[str, Any]:
        """Take the client's hello, answer it, be taken."""
        theirs: dict[str, Any] = json.loads(await self.expect(Kind.HELLO))
        self.write(hello(**changes), accept())
        await self.expect(ACCEPT)
        return theirs

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def abort(self) -> None:
        self.writer.transport.abort()


def told(one: Frame) -> object:
    """What an error's frame says; any other frame as it is."""
    kind, _, payload = one
    return error_of(read_failure(payload, 0, len(payload))) if kind == Kind.ERROR else one


@contextlib.asynccontextmanager
async def raw_client(path: str) -> AsyncIterator[Raw]:
    """Connected to a server."""
    raw = Raw(*await asyncio.open_unix_connection(path, limit=1 << 25))
    try:
        yield raw
    finally:
        await raw.close()


class RawServer:
    """Listens at a path, and hands out who connects; `key` is one to it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.key = ConnectionKey.make(path)
        self._came: asyncio.Queue[Raw] = asyncio.Queue()
        self._all: list[Raw] = []

    async def __aenter__(self) -> RawServer:
        self._listener = await asyncio.start_unix_server(self._take, self.path, limit=1 << 25)
        return self

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = Raw(reader, writer)
        self._all.append(raw)
        self._came.put_nowait(raw)

    async def client(self) -> Raw:
        """The next who connects."""
        return await asyncio.wait_for(self._came.get(), SECONDS)

    async def __aexit__(self, *exc_info: object) -> None:
        await settle()  # asyncio fails where a listener is closed under one who connects
        self._listener.close()
        for raw in self._all:
            await raw.close()
