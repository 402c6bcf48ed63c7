"""What stands between two peers: it cuts the stream at a byte, delays it, or gives other pieces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from dataclasses import dataclass, field

from lazyipc.rpc import ConnectionKey

SCHEME = "lazyipc-rpc"
"""What a key begins with."""

PIECE_BYTES = 1 << 16


@dataclass
class Course:
    """What happens to what one side writes.

    Args:
        cut_after: cut both directions when so many bytes of this one have passed; None for never.
        piece_bytes: the largest piece that is passed on.
        delay: seconds before each piece.
    """

    cut_after: int | None = None
    piece_bytes: int = PIECE_BYTES
    delay: float = 0.0
    passed: bytearray = field(default_factory=bytearray)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()


@dataclass
class Line:
    """One connection through the proxy."""

    to_server: Course
    to_client: Course
    is_cut: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to cut both directions now; set as well when a course did."""


class Proxy:
    """Listens beside a server and passes on to it; `key` leads a client here.

    Args:
        key: of the server.
        lines: what happens to each connection, in order; those after the last pass as they are.
        name: what tells it from other proxies of the server.
    """

    def __init__(self, key: ConnectionKey, *lines: Line, name: str = "p") -> None:
        self._server = key.path
        self._path = f"{key.path}.{name}"
        self.key = ConnectionKey(f"{SCHEME}:{key.token}:{self._path}")
        self._planned = list(lines)
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines: list[Line] = []

    def plan(self, line: Line) -> Line:
        """What happens to the next connection for which nothing is planned yet."""
        self._planned.append(line)
        return line

    async def __aenter__(self) -> Proxy:
        self._listener = await asyncio.start_unix_server(self._on_client, self._path)
        os.chmod(self._path, 0o600)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._listener.close()
        for line in self.lines:
            line.is_cut.set()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        line = self._planned.pop(0) if self._planned else Line(Course(), Course())
        self.lines.append(line)
        try:
            try:
                theirs, ours = await asyncio.open_unix_connection(self._server)
            except OSError:
                return  # the server is gone, which is told by closing
            try:
                await _carry(line, (reader, writer), (theirs, ours))
            finally:
                await _close(ours)
        finally:
            await _close(writer)
            self._tasks.discard(task)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _carry(line: Line, client: Ends, server: Ends) -> None:
    cut = asyncio.create_task(line.is_cut.wait())
    there = asyncio.create_task(_pass(line.to_server, client[0], server[1]))
    back = asyncio.create_task(_pass(line.to_client, server[0], client[1]))
    try:
        while not (cut.done() or (there.done() and back.done())):
            await asyncio.wait({cut, there, back} - {t for t in (there, back) if t.done()},
                               return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
            if any(task.done() and task.result() for task in (there, back)):
                break
    finally:
        line.is_cut.set()
        for task in (cut, there, back):
            task.cancel()
        await asyncio.gather(cut, there, back, return_exceptions=True)
        for _, writer in (client, server):
            writer.transport.abort()


async def _pass(course: Course, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Carry one direction to its end; whether that was a cut."""
    try:
        while data := await reader.read(course.piece_bytes):
            await course.gate.wait()
            if course.delay:
                await asyncio.sleep(course.delay)
            if course.cut_after is not None:
                data = data[: course.cut_after - len(course.passed)]
            course.passed += data
            writer.write(data)
            await writer.drain()
            if course.cut_after is not None and len(course.passed) >= course.cut_after:
                await asyncio.sleep(0)
                return True
        if writer.can_write_eof():
            writer.write_eof()
    except (ConnectionError, OSError):
        return True
    return False


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def random_course(chance: random.Random) -> Course:
    """Any pieces; a delay for each where they are not many."""
    piece_bytes = chance.choice([37, 64, 1000, 5000, PIECE_BYTES])
    delay = chance.choice([0, 0, 0.0005]) if piece_bytes >= 1000 else 0.0
    return Course(piece_bytes=piece_bytes, delay=delay)
