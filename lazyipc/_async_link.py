"""One client connection in an event loop: many calls at once, told apart by their numbers.

Moves bytes between a stream and the client's side of the protocol until each call's deadline. When
to connect again, and what a caller is given, is the client's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import math
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from time import monotonic
from typing import Any

from lazyipc import _verdict
from lazyipc._aio.alarm import Alarm
from lazyipc._aio.connecting import connect
from lazyipc._aio.stream import Stream
from lazyipc._async_calls import Batch, Call, OpenCalls, fail
from lazyipc._calls import in_ns
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import BARE, FRAMED, Wire
from lazyipc._io import sockets
from lazyipc._io.clock import clock_identity
from lazyipc._io.sockets import SEND_FLAGS
from lazyipc._silence import Silence
from lazyipc.errors import (
    DecodeError,
    Disconnected,
    EncodeError,
    HostBusy,
    IpcError,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyTimeout,
    Started,
)


class AsyncLink:
    """One connection, made when it is first used.

    Whatever leaves the stream in doubt ends the link, so that no later call can take another's
    answer; the calls that are open then are told.

    Args:
        path, wire, server_uids: as the client's.
        loop: the event loop it lives in.
        on_end: told when there is no socket any more.
    """

    def __init__(
        self,
        path: str,
        wire: Wire,
        server_uids: frozenset[int],
        loop: asyncio.AbstractEventLoop,
        on_end: Callable[[AsyncLink], None],
    ) -> None:
        self._path = path
        self._wire = wire
        self._server_uids = server_uids
        self.loop = loop
        self._on_end = on_end
        self._connection = ClientConnection(wire, clock=clock_identity())
        self._numbers = itertools.count(1)
        self._calls = OpenCalls(self._connection)
        self._waiting = self._calls.waiting
        self._alarm = Alarm(loop, self._expire)
        self._opening = asyncio.Lock()
        self._socket: socket.socket | None = None
        self._is_readable: Callable[[], object] = bool
        self._stream: Stream | None = None
        self._guard: AsyncGenerator[None, None] | None = None
        self.is_broken = False
        """It carries no further call."""
        self.was_given_up = False
        """That was because all who waited gave up; who had not sent yet is served by another."""
        self._is_closed = False
        self.request_bytes = 0
        """How long the last single request was."""

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._stream is not None and not self.is_broken

    @property
    def is_in_use(self) -> bool:
        """Whether there is a connection, or somebody makes one."""
        return self.is_connected or self._opening.locked()

    def is_usable(self) -> bool:
        """Whether it can take a call, as far as anybody knows.

        Where no call is open the kernel is asked, who knows before the loop does that the server
        has closed; of several requests that met this end, nobody could say later which was read.
        """
        if self._socket is not None and not self._waiting and not self.is_broken:
            self.is_broken = bool(self._is_readable()) and sockets.has_ended(self._socket)
        return not self.is_broken

    # Calls.

    async def begin(self, command: Any, seconds: float, deadline: float) -> Call:
        """Send one command, once there is a connection and room; `Call.answer` is its future.

        Raises:
            Disconnected: the connection ended before anything of it was sent.
            ReplyTimeout: its time was over by then.
            TransportError: there is no server.
            EncodeError, SchemaError: it cannot travel.
        """
        stream = self._stream
        if stream is not None and stream.is_full:
            await self._room(stream, seconds, deadline)
        number = next(self._numbers)
        data = self._connection.request(number, command, *in_ns(seconds, deadline))
        call = Call(number, self.loop.create_future(), seconds, deadline)
        try:
            if self._wire is BARE:
                # One connection for one call: it is closed with it, however that ends.
                call.answer.add_done_callback(lambda answer: self.hang_up())
                await self._begin_alone(call, bytes(data))
                return call
            if stream is None:
                stream = await self._connected(seconds, deadline)
                if stream.is_full:  # others were before us
                    await self._room(stream, seconds, deadline)
                self.is_usable()  # or it has ended already
            self._check_can_send(seconds, deadline)
        except BaseException:
            self._calls.forget(call)
            self._connection.forget(number)
            call.answer.cancel()
            raise
        if self._waiting:  # others may speak in this turn, too
            stream.write_soon(data)
        else:
            stream.write(data)
        self._calls.add(number, call)
        self._alarm.by(deadline)
        return call

    async def _begin_alone(self, call: Call, data: bytes) -> None:
        """Send the one request of a connection.

        The crate's server drops whom it finds mute: it is written before the loop has the socket.
        """
        self.request_bytes = len(data)
        connected = await self._dial(call.seconds, call.deadline)
        try:
            self._check_can_send(call.seconds, call.deadline)
            try:
                written = connected.send(data, SEND_FLAGS)
            except BlockingIOError:
                written = 0
        except OSError as error:
            connected.close()
            if isinstance(error, IpcError):
                raise
            raise self._ended("no", error) from error
        self._calls.add(call.number, call)
        self._alarm.by(call.deadline)
        self._stream = await self._adopt(connected)
        if written < len(data):
            self._stream.write(data[written:])

    async def end_of(self, call: Call) -> Responded | Failed:
        """Wait for the end of a call; who is cancelled gives it up."""
        try:
            return await call.answer
        except BaseException:
            self.give_up(call)
            raise

    async def call(self, command: Any, seconds: float, deadline: float) -> Responded | Failed:
        """Send one command and wait for its answer.

        Raises: as `begin`; Disconnected also where the connection ended later.
        """
        answer = await self.end_of(await self.begin(command, seconds, deadline))
        if isinstance(answer, Failed) and isinstance(answer.error, Disconnected):
            raise answer.error
        return answer

    def give_up(self, waits: Call | Batch) -> None:
        """Nobody waits for this any more, unless it has ended.

        Where nobody else waits either the connection is closed: what a closed client asked for, and
        has not begun, is not run.
        """
        if self._calls.forget(waits) and not self._waiting:
            self.was_given_up = True
            self.hang_up()

    async def batch(
        self, commands: Sequence[Any], seconds: float, deadline: float
    ) -> tuple[list[Any], dict[int, IpcError]]:
        """Send many commands, reading while writing, and wait for all answers.

        Returns:
            The responses in order, and the errors by their place in that order.

        Raises: as `begin`, where nothing was sent.
        """
        first = next(self._numbers)
        self._numbers = itertools.count(first + len(commands))
        batch = Batch(first, len(commands), self.loop.create_future(), seconds, deadline)
        self._alarm.by(deadline)
        try:
            try:
                await self._send_all(commands, batch)
            except (Disconnected, ReplyTimeout) as error:
                if not batch.sent_count:
                    raise
                # What was sent is told by itself, and the rest this.
                for position in range(batch.passed_count, len(commands)):
                    batch.failures[position] = error
            await batch.wait()
        except BaseException:
            self.give_up(batch)
            raise
        return batch.responses, batch.failures

    async def _send_all(self, commands: Sequence[Any], batch: Batch) -> None:
        seconds, deadline = batch.seconds, batch.deadline
        times = in_ns(seconds, deadline)
        stream = self._stream
        for number, command in enumerate(commands, batch.first):
            if stream is not None and stream.is_full:
                await self._room(stream, seconds, deadline)
            try:
                data = self._connection.request(number, command, *times)
            except EncodeError as error:
                batch.failures[number - batch.first] = error
            else:
                try:
                    if stream is None:
                        stream = await self._connected(seconds, deadline)
                    self._check_can_send(seconds, deadline)
                except BaseException:
                    self._connection.forget(number)
                    raise
                stream.write_soon(data)
                batch.sent()
                self._calls.add(number, batch)
            batch.passed_count += 1

    def _check_can_send(self, seconds: float, deadline: float) -> None:
        if monotonic() >= deadline:
            raise self._silence().told(seconds, deadline, "no")
        if self.is_broken:
            raise self._unsent()

    # The connection.

    async def _connected(self, seconds: float, deadline: float) -> Stream:
        """The stream, which the first of those who need it makes."""
        try:
            async with _until(deadline):
                await self._opening.acquire()
        except TimeoutError as error:  # only a server whose queue is full takes so long
            raise self._silence().told(seconds, deadline, "no") from error
        try:
            if self._stream is None and not self.is_broken:
                self._stream = await self._adopt(await self._dial(seconds, deadline))
                if not self.is_broken:
                    self._guard = _ends_with_loop(self)
                    await anext(self._guard)
            if self._stream is None:
                raise self._unsent()
            return self._stream
        finally:
            self._opening.release()

    async def _dial(self, seconds: float, deadline: float) -> socket.socket:
        try:
            return await connect(self._path, deadline, self._server_uids)
        except ReplyTimeout as error:
            told = self._silence().told(seconds, deadline, "no")
            if isinstance(told, HostBusy):
                raise told from error
            raise

    async def _adopt(self, connected: socket.socket) -> Stream:
        self._socket = connected
        self._is_readable = sockets.readiness_of(connected)
        stream = Stream(self.loop, self._take, self._end)
        await stream.adopt(connected)
        if self.is_broken:  # we were closed meanwhile
            stream.abort()
        return stream

    async def _room(self, stream: Stream, seconds: float, deadline: float) -> None:
        """Wait until there is room to write, or no stream any more."""
        try:
            async with _until(deadline):
                while stream.is_full and not stream.is_closed:  # another may have been quicker
                    await stream.room()
        except TimeoutError as error:
            raise self._silence().told(seconds, deadline, "no") from error

    def _take(self, data: bytes) -> None:
        """A piece came."""
        try:
            self._calls.take(data)
        except RemoteProtocolError as error:
            reason = error
            self._calls.fail_all(lambda waits: reason)
            self.hang_up()

    def _end(self, error: OSError | None) -> None:
        """The socket is closed: each open call is told, and whether it may have run."""
        self.is_broken = True
        self._alarm.stop()
        reason: IpcError | None = None
        cause: Exception | None = error
        try:
            if error is None:
                self._calls.take_end()
            elif self._socket is not None:
                # A server that ends a connection says why, if it can, before it closes.
                for data in sockets.rest_of(self._socket):
                    self._calls.take(data)
        except RemoteProtocolError as told:
            if error is None and isinstance(told, DecodeError):
                cause = told
            else:
                reason = told

        def told_to(waits: Call | Batch) -> IpcError:
            if reason is not None:
                return reason
            # A reset, or a broken pipe, means that what was sent last was not read.
            started: Started = "no" if error and self._calls.is_last(waits) else "unknown"
            ended = self._ended(started, error)
            ended.__cause__ = cause
            return ended

        self._calls.fail_all(told_to)
        self._on_end(self)
        if self._guard is not None:
            with contextlib.suppress(StopIteration):
                self._guard.aclose().send(None)  # it awaits nothing, so one step ends it

    def _unsent(self) -> IpcError:
        """What is told to one who had sent nothing when the connection ended."""
        return self._closed() if self._is_closed else self._ended("no", None)

    def _closed(self) -> LocalProtocolError:
        return LocalProtocolError("the client was closed before the answer came")

    def _ended(self, started: Started, error: OSError | None) -> Disconnected:
        number = None if error is None else error.errno
        return _verdict.ended(self._path, started, number or errno.ECONNRESET)

    # Time.

    def _expire(self) -> float | None:
        """End the calls whose time is over; when the next one's is."""
        late = self._calls.take_late(monotonic())
        if late:
            silence = self._silence()
            is_alone = not self._waiting
            if is_alone and (silence.is_unread or self._wire is not FRAMED):
                self.was_given_up = True
                self.hang_up()
            fail(late, lambda waits: self._late(waits, silence, is_alone))
        return self._calls.next_deadline()

    def _late(self, waits: Call | Batch, silence: Silence, is_alone: bool) -> ReplyTimeout:
        """What is told to one whose time is over.

        Args:
            is_alone: nobody else waits, so that the connection is closed with what is unread.
        """
        if not is_alone and self._wire is not FRAMED:
            # A line says how long it may wait from when it is read: it may run yet.
            return _verdict.no_reply(self._path, waits.seconds, "unknown", None, 0)
        is_unread = silence.is_unread and self._calls.is_last(waits)
        started: Started = "no" if is_unread else "unknown"
        # The crate's server would still read, and run, what a closed client left; and one that has
        # a clock of its own, what stands in the queue of an open one.
        is_sure = is_alone and self._wire is not BARE
        return silence.told(
            waits.seconds, waits.deadline, started, started if is_sure else "unknown"
        )

    def _silence(self) -> Silence:
        connected = self._socket
        if connected is not None and connected.fileno() < 0:
            connected = None
        return Silence(self._path, self._server_uids, connected)

    # Ends.

    def hang_up(self) -> None:
        """Close the connection at once; what was not written is lost."""
        self.is_broken = True
        self._alarm.stop()
        if self._stream is not None:
            self._stream.abort()
        else:
            self._on_end(self)

    def close(self) -> None:
        """Hang up, and tell those who wait."""
        self._is_closed = True
        closed = self._closed()
        self._calls.fail_all(lambda waits: closed)
        self.hang_up()

    def abandon(self) -> None:
        """Close the socket where the loop does nothing any more: it was closed, or we forked."""
        self.is_broken = True
        if self._stream is not None:
            self._stream.abandon()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        if self._stream is not None:
            await self._stream.wait_closed()


def _until(deadline: float) -> asyncio.Timeout:
    return asyncio.timeout(None if deadline == math.inf else deadline - monotonic())


async def _ends_with_loop(link: AsyncLink) -> AsyncGenerator[None, None]:
    """Hangs up when the loop ends: `asyncio.run` closes the generators that were begun in it.

    Nothing else tells of a loop's end, and a stream that is open then is never closed.
    """
    try:
        yield
    finally:
        if not link.is_broken:
            link.hang_up()
