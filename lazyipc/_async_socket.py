"""A client's socket in an event loop, from the first knock at the server to the hang-up.

Knows whether the server is there, and bytes; neither messages nor calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from time import monotonic

from lazyipc import _verdict
from lazyipc._aio.connecting import connect
from lazyipc._aio.stream import Stream
from lazyipc._io import sockets
from lazyipc._silence import Silence
from lazyipc.errors import (
    Disconnected,
    HostBusy,
    IpcError,
    LocalProtocolError,
    ReplyTimeout,
    Started,
)


class AsyncSocket:
    """One socket, connected when it is first needed, and never again.

    Args:
        path: the server's.
        server_uids: the users it may run as.
        loop: the event loop it lives in.
        on_data: takes each piece that comes.
        on_end: told when there is no socket any more, with the error that ended it, if any.
    """

    def __init__(
        self,
        path: str,
        server_uids: frozenset[int],
        loop: asyncio.AbstractEventLoop,
        on_data: Callable[[bytes], None],
        on_end: Callable[[OSError | None], None],
    ) -> None:
        self.path = path
        self._server_uids = server_uids
        self._loop = loop
        self._on_data = on_data
        self._on_end = on_end
        self._connecting = asyncio.Lock()
        self._socket: socket.socket | None = None
        self._is_readable: Callable[[], object] = bool
        self._guard: AsyncGenerator[None, None] | None = None
        self._is_closed = False
        self.stream: Stream | None = None
        """Its bytes; None before it is connected."""
        self.is_broken = False
        """It carries no further call."""

    @property
    def is_connected(self) -> bool:
        """Whether it is connected, as far as the loop knows."""
        return self.stream is not None and not self.is_broken

    @property
    def is_in_use(self) -> bool:
        """Whether it is connected, or somebody connects it."""
        return self.is_connected or self._connecting.locked()

    def look(self) -> None:
        """Ask the kernel, who knows before the loop does, whether the server has closed."""
        if self._socket is not None and not self.is_broken:
            self.is_broken = bool(self._is_readable()) and sockets.has_ended(self._socket)

    # Connecting.

    async def connected(self, seconds: float, deadline: float) -> Stream:
        """Its stream; the first of those who need it connects.

        Raises:
            Disconnected, LocalProtocolError: as `unsent`; it had ended by then.
            ReplyTimeout, TransportError: as `dialled`.
        """
        try:
            async with _until(deadline):
                await self._connecting.acquire()
        except TimeoutError as error:  # only a server whose queue is full takes so long
            raise self.silence().told(seconds, deadline, "no") from error
        try:
            if self.stream is None and not self.is_broken:
                await self.adopt(await self.dialled(seconds, deadline))
                if not self.is_broken:
                    self._guard = _ends_with_loop(self)
                    await anext(self._guard)
            if self.stream is None:
                raise self.unsent()
            return self.stream
        finally:
            self._connecting.release()

    async def dialled(self, seconds: float, deadline: float) -> socket.socket:
        """A connected socket, which the loop does not have yet.

        Raises:
            ReplyTimeout: the server's queue was full until the deadline.
            TransportError: there is no server, or it is another user's.
        """
        try:
            return await connect(self.path, deadline, self._server_uids, lambda: not self.is_broken)
        except ReplyTimeout as error:
            if self.is_broken:  # it was closed meanwhile
                raise self.unsent() from error
            told = self.silence().told(seconds, deadline, "no")
            if isinstance(told, HostBusy):
                raise told from error
            raise

    async def adopt(self, connected: socket.socket) -> Stream:
        """Take a connected socket into the loop."""
        self._socket = connected
        self._is_readable = sockets.readiness_of(connected)
        stream = Stream(self._loop, self._on_data, self._end)
        await stream.adopt(connected)
        if self.is_broken:  # it was hung up meanwhile
            stream.abort()
        self.stream = stream
        return stream

    async def room(self, seconds: float, deadline: float) -> None:
        """Wait until there is room to write, or no stream any more."""
        stream = self.stream
        assert stream is not None
        try:
            async with _until(deadline):
                while stream.is_full and not stream.is_closed:  # another may have been quicker
                    await stream.room()
        except TimeoutError as error:
            raise self.silence().told(seconds, deadline, "no") from error

    # What is told of it.

    def silence(self) -> Silence:
        """The server's silence, as it is known now."""
        connected = self._socket
        if connected is not None and connected.fileno() < 0:
            connected = None
        return Silence(self.path, self._server_uids, connected)

    def unsent(self) -> IpcError:
        """What is told to one who had sent nothing when it ended."""
        return closed() if self._is_closed else self.ended("no", None)

    def ended(self, started: Started, error: OSError | None) -> Disconnected:
        """What is told to one whose command may have been sent when it ended."""
        number = None if error is None else error.errno
        return _verdict.ended(self.path, started, number or errno.ECONNRESET)

    def rest(self) -> Iterator[bytes]:
        """What the server had sent before the connection broke."""
        if self._socket is not None:
            yield from sockets.rest_of(self._socket)

    # Ends.

    def _end(self, error: OSError | None) -> None:
        self.is_broken = True
        self._on_end(error)
        if self._guard is not None:
            with contextlib.suppress(StopIteration):
                self._guard.aclose().send(None)  # it awaits nothing, so one step ends it

    def hang_up(self) -> None:
        """Close it at once; what was not written is lost."""
        self.is_broken = True
        if self.stream is not None:
            self.stream.abort()
        else:
            self._on_end(None)

    def close(self) -> None:
        """Hang up because nobody wants it any more."""
        self._is_closed = True
        self.hang_up()

    def abandon(self) -> None:
        """Close it where the loop does nothing any more: it was closed, or we forked."""
        self.is_broken = True
        if self.stream is not None:
            self.stream.abandon()

    async def wait_closed(self) -> None:
        """Wait until it is closed."""
        if self.stream is not None:
            await self.stream.wait_closed()


def closed() -> LocalProtocolError:
    """What is told to those who wait when the client is closed."""
    return LocalProtocolError("the client was closed before the answer came")


def _until(deadline: float) -> asyncio.Timeout:
    return asyncio.timeout(None if deadline == math.inf else deadline - monotonic())


async def _ends_with_loop(ending: AsyncSocket) -> AsyncGenerator[None, None]:
    """Hangs up when the loop ends: `asyncio.run` closes the generators that were begun in it.

    Nothing else tells of a loop's end, and a stream that is open then is never closed.
    """
    try:
        yield
    finally:
        if not ending.is_broken:
            ending.hang_up()
