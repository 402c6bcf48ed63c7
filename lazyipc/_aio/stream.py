"""One connected socket in an event loop: pieces in, few writes out, room that can be awaited.

Knows bytes and the loop, asyncio's or uvloop's. What the bytes mean is its owner's business.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Literal, Self, cast

from lazyipc._aio.news import News
from lazyipc._core.parts import Parts

RECEIVE_BYTES = 1 << 16
"""One read: over a thousand small messages."""

SLICE_BYTES = 1 << 17
"""How much a transport is given at once: before 3.12 asyncio copies what the socket does not take,
which for a large payload costs more than sending it."""

OUT_BYTES = 1 << 18
"""How many unsent bytes make a stream full: a megabyte takes longer to send than to ask again."""


class Stream(asyncio.BufferedProtocol):
    """A connection's bytes.

    Args:
        loop: the event loop it lives in.
        on_data: takes each piece that comes.
        on_end: told once that the stream has ended, with the error that ended it, if any; not
            told where the loop ended first.
        on_eof: told when the other side will send no more, before the stream ends with it.
        on_room: told when a full stream has room again.
        out_bytes: how many unsent bytes make it full.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_data: Callable[[bytes], None],
        on_end: Callable[[OSError | None], None],
        *,
        on_eof: Callable[[], None] | None = None,
        on_room: Callable[[], None] | None = None,
        out_bytes: int = OUT_BYTES,
    ) -> None:
        self._loop = loop
        self._on_data = on_data
        self._on_end = on_end
        self._on_eof = on_eof
        self._on_room = on_room
        self._out_bytes = out_bytes
        self.socket: socket.socket | None = None
        """The socket, once there is one; the loop's to read and write while the stream goes on."""
        self._transport: asyncio.Transport | None = None
        self._space = memoryview(bytearray(RECEIVE_BYTES))
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._slices: deque[memoryview] = deque()
        """What the transport gets when it has room."""
        self._last: Callable[[], None] | None = None
        """What is done with it after these."""
        self._is_corked = False
        self._is_flush_due = False
        self._news = News(loop)
        self.is_full = False
        """So much is unsent that a writer should wait."""
        self.is_closed = False
        """Nothing more can be written."""
        self.has_ended = False
        """Nothing more comes, and the socket is closed."""

    async def adopt(self, connected: socket.socket) -> Self:
        """Take a connected socket into the loop; it is closed with the stream, or on failure."""
        self.socket = connected
        try:
            await self._loop.create_unix_connection(lambda: self, sock=connected)
        except BaseException:
            self.is_closed = self.has_ended = True
            connected.close()
            raise
        if self.is_closed and self._transport is not None:  # while the loop took the socket
            self._transport.abort()
        return self

    def write(self, data: bytes | Parts) -> None:
        """Write at once what the system takes, and the rest when it does."""
        if self._is_corked or self._gathered or self._transport is None:
            self._gather(data)
        elif self.is_closed:
            return
        elif isinstance(data, Parts):
            self._write_large(data.pieces)
        elif self.is_full or len(data) > SLICE_BYTES:
            self._write_large([data])
        else:
            self._transport.write(data)

    def write_soon(self, data: bytes | Parts) -> None:
        """Write at the end of this turn of the loop, together with what others write in it."""
        self._gather(data)
        if not (self._is_flush_due or self._is_corked):
            self._is_flush_due = True
            self._loop.call_soon(self._flush_in_turn)

    def _gather(self, data: bytes | Parts) -> None:
        if self.is_closed:
            return
        if isinstance(data, Parts):
            self._gathered += data.pieces
        else:
            self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes > self._out_bytes:
            self._flush()

    def cork(self) -> None:
        """Gather what is written until `uncork`."""
        self._is_corked = True

    def uncork(self) -> None:
        """Write what was gathered."""
        self._is_corked = False
        self._flush()

    def _flush_in_turn(self) -> None:
        self._is_flush_due = False
        self._flush()

    def _flush(self) -> None:
        gathered, size = self._gathered, self._gathered_bytes
        if not gathered or self._transport is None:
            return
        self._gathered = []
        self._gathered_bytes = 0
        if self.is_closed:
            return
        if self.is_full or size > SLICE_BYTES:
            self._write_large(gathered)
        else:
            # Not `writelines`, of which asyncio forgot up to 3.13.0 that it may fill the buffer.
            self._transport.write(b"".join(gathered))

    def _write_large(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            view = memoryview(piece)
            for start in range(0, len(view), SLICE_BYTES):
                self._slices.append(view[start : start + SLICE_BYTES])
        self._write_slices()

    def _write_slices(self) -> None:
        """Give the transport as much as it takes; once all is gone, what was to follow it."""
        transport = self._transport
        assert transport is not None
        while self._slices and not (self.is_full or transport.is_closing()):
            transport.write(self._slices.popleft())
        if self._last is not None and not self._slices:
            self._last()
            self._last = None

    async def room(self) -> None:
        """Wait until the stream is not full; it has room for ever once it has ended."""
        while self.is_full and not self.has_ended:
            await self._news.wait()

    def close(self) -> None:
        """Write what there is to write, then close."""
        if not self.is_closed:
            self._end_by("close")

    def finish(self) -> None:
        """Write what there is to write, and no more; what comes is taken until the other side ends.

        Who closes at once may take away from the other side what it has not read yet.
        """
        if not self.is_closed:
            self._end_by("write_eof")

    def _end_by(self, step: Literal["close", "write_eof"]) -> None:
        self._is_corked = False
        self._flush()
        self.is_closed = True
        if self._transport is not None and not self._loop.is_closed():
            self._last = getattr(self._transport, step)
            self._write_slices()

    def hang_up(self) -> None:
        """Close as soon as what there is to write is written, without a look at what comes."""
        self.finish()
        if self._transport is not None and not self._loop.is_closed():
            self._last = self._transport.close
            self._write_slices()

    def abort(self) -> None:
        """Close at once; what was not written is lost."""
        self.is_closed = True
        self._drop()
        if self._transport is not None and not self._loop.is_closed():
            self._transport.abort()

    def _drop(self) -> None:
        self._gathered.clear()
        self._slices.clear()
        self._last = None

    def abandon(self) -> None:
        """Close the socket where the loop does nothing any more: it was closed, or we forked."""
        self.is_closed = self.has_ended = True
        if self.socket is not None:
            self.socket.close()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        while not self.has_ended:
            await self._news.wait()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has taken the socket."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's derives from nothing
        self._transport.set_write_buffer_limits(high=self._out_bytes)
        self._flush()  # what was written before

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next piece belongs."""
        # A loop that makes bytes itself makes a quarter of a megabyte for each small message.
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        """A piece came."""
        self._on_data(bytes(self._space[:nbytes]))

    def eof_received(self) -> None:
        """The other side sends no more; the loop closes the socket once all is written."""
        if self._on_eof is not None:
            self._on_eof()

    def pause_writing(self) -> None:
        """So much is unsent that it should wait."""
        self.is_full = True

    def resume_writing(self) -> None:
        """That was sent."""
        self.is_full = False
        self._write_slices()
        if self.is_full:
            return
        self._news.tell()
        if self._on_room is not None:
            self._on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by either side."""
        self.is_closed = self.has_ended = True
        self._drop()
        self._space = memoryview(b"")
        self._news.tell()
        self._on_end(exc if isinstance(exc, OSError) else None)
