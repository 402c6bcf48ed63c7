"""One client connection in an event loop: many calls at once, told apart by their numbers.

Each ends with its answer, or at its deadline, or with the connection. When to connect again, and
what a caller is given, is the client's business.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from lazyipc._aio.alarm import Alarm
from lazyipc._async_calls import Batch, Call, OpenCalls, fail
from lazyipc._async_failure import Failures
from lazyipc._async_socket import AsyncSocket, closed
from lazyipc._calls import in_ns
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import BARE, FRAMED, Wire
from lazyipc._io.clock import clock_identity
from lazyipc._io.sockets import SEND_FLAGS
from lazyipc.errors import (
    Disconnected,
    EncodeError,
    IpcError,
    RemoteProtocolError,
    ReplyTimeout,
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
        self._wire = wire
        self.loop = loop
        self._on_end = on_end
        self._connection = ClientConnection(wire, clock=clock_identity())
        self._numbers = itertools.count(1)
        self._calls = OpenCalls(self._connection)
        self._waiting = self._calls.waiting
        self._alarm = Alarm(loop, self._expire)
        self._socket = AsyncSocket(path, server_uids, loop, self._take, self._end)
        self._failures = Failures(wire, self._calls, self._socket)
        self.was_given_up = False
        """It ended because all who waited gave up; who had not sent yet is served by another."""
        self.request_bytes = 0
        """How long the last single request was."""

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._socket.is_connected

    @property
    def is_in_use(self) -> bool:
        """Whether there is a connection, or somebody makes one."""
        return self._socket.is_in_use

    def is_usable(self) -> bool:
        """Whether it can take a call, as far as anybody knows.

        Where no call is open the kernel is asked: of several requests that met the end of a
        connection, nobody could say later which was read.
        """
        if not self._waiting:
            self._socket.look()
        return not self._socket.is_broken

    # Calls.

    async def begin(self, command: Any, seconds: float, deadline: float) -> Call:
        """Send one command, once there is a connection and room; `Call.answer` is its future.

        Raises:
            Disconnected: the connection ended before anything of it was sent.
            ReplyTimeout: its time was over by then.
            TransportError: there is no server.
            EncodeError, SchemaError: it cannot travel.
        """
        stream = self._socket.stream
        if stream is not None and stream.is_full:
            await self._socket.room(seconds, deadline)
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
                stream = await self._socket.connected(seconds, deadline)
                if stream.is_full:  # others were before us
                    await self._socket.room(seconds, deadline)
                self.is_usable()  # or it has ended already
            if self._socket.is_broken or monotonic() >= deadline:
                raise self._unsent(seconds, deadline)
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
        if deadline < self._alarm.at:
            self._alarm.by(deadline)
        return call

    async def _begin_alone(self, call: Call, data: bytes) -> None:
        """Send the one request of a connection.

        The crate's server drops whom it finds mute: it is written before the loop has the socket.
        """
        self.request_bytes = len(data)
        connected = await self._socket.dialled(call.seconds, call.deadline)
        try:
            if self._socket.is_broken or monotonic() >= call.deadline:
                raise self._unsent(call.seconds, call.deadline)
            try:
                written = connected.send(data, SEND_FLAGS)
            except BlockingIOError:
                written = 0
        except OSError as error:
            connected.close()
            if isinstance(error, IpcError):
                raise
            raise self._socket.ended("no", error) from error
        self._calls.add(call.number, call)
        self._alarm.by(call.deadline)
        stream = await self._socket.adopt(connected)
        if written < len(data):
            stream.write(data[written:])

    async def call(self, command: Any, seconds: float, deadline: float) -> Responded | Failed:
        """Send one command and wait for its answer; who is cancelled gives it up.

        Raises: as `begin`; Disconnected also where the connection ended later.
        """
        call = await self.begin(command, seconds, deadline)
        try:
            answer = await call.answer
        except BaseException:
            self.give_up(call)
            raise
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
        stream = self._socket.stream
        for number, command in enumerate(commands, batch.first):
            if stream is not None and stream.is_full:
                await self._socket.room(seconds, deadline)
            try:
                data = self._connection.request(number, command, *times)
            except EncodeError as error:
                batch.failures[number - batch.first] = error
            else:
                try:
                    if stream is None:
                        stream = await self._socket.connected(seconds, deadline)
                    if self._socket.is_broken or monotonic() >= deadline:
                        raise self._unsent(seconds, deadline)
                except BaseException:
                    self._connection.forget(number)
                    raise
                stream.write_soon(data)
                batch.sent()
                self._calls.add(number, batch)
            batch.passed_count += 1

    def _unsent(self, seconds: float, deadline: float) -> IpcError:
        """What is told to one who came too late to send."""
        if monotonic() >= deadline:
            return self._socket.silence().told(seconds, deadline, "no")
        return self._socket.unsent()

    # What comes.

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
        self._alarm.stop()
        self._calls.fail_all(self._failures.at_end(error))
        self._on_end(self)

    # Time.

    def _expire(self) -> float | None:
        """End the calls whose time is over; when the next one's is."""
        late = self._calls.take_late(monotonic())
        if late:
            silence = self._socket.silence()
            is_alone = not self._waiting
            if is_alone and (silence.is_unread or self._wire is not FRAMED):
                self.was_given_up = True
                self.hang_up()
            too_late = self._failures.too_late
            fail(late, lambda waits: too_late(waits, silence, is_alone=is_alone))
        return self._calls.next_deadline()

    # Ends.

    def hang_up(self) -> None:
        """Close the connection at once; what was not written is lost."""
        self._alarm.stop()
        self._socket.hang_up()

    def close(self) -> None:
        """Hang up, and tell those who wait."""
        error = closed()
        self._calls.fail_all(lambda waits: error)
        self._alarm.stop()
        self._socket.close()

    def abandon(self) -> None:
        """Close the socket where the loop does nothing any more: it was closed, or we forked."""
        self._socket.abandon()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        await self._socket.wait_closed()
