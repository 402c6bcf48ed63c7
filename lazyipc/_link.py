"""One client connection: requests out, answers in, until a deadline.

Moves bytes between a socket and the client's side of the protocol. When to connect again, and what
a caller is given, is the client's business.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import select
import socket
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from lazyipc._calls import in_ns
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import BARE, FRAMED, Wire
from lazyipc._core.parts import MOST_PIECES, QUEUE_BYTES, Parts, pass_written, views
from lazyipc._io import sockets
from lazyipc._io.sockets import RECEIVE_BYTES, SEND_FLAGS
from lazyipc.errors import (
    DecodeError,
    Disconnected,
    EncodeError,
    HostBusy,
    IpcError,
    RemoteProtocolError,
    ReplyTimeout,
    Started,
)

if TYPE_CHECKING:
    from lazyipc._silence import Silence

BATCH_BYTES = 65536
"""How much of a batch is written at once: enough to save system calls, little enough that the
server is at work while the rest is encoded."""

SPINS_PER_LOOK = 16
"""How often a spinning client asks before it looks at the clock, which costs a fifth of it."""

LONGEST_SLEEP_SECONDS = 1000
"""poll(2) takes an int, and math.inf is none; nobody minds waking four times an hour."""


class Connection(Protocol):
    """A client's side of what is spoken: `ClientConnection`, and those that need no classes."""

    wire: Wire
    wanted_bytes: int

    @property
    def open_count(self) -> int: ...
    @property
    def open_calls(self) -> list[int]: ...
    def request(
        self, call: int, command: Any, deadline_ns: int | None, left_ns: int | None, /
    ) -> bytes | Parts: ...
    def forget(self, call: int, /) -> None: ...
    def receive_data(self, data: bytes, /) -> None: ...
    def space(self) -> memoryview | None: ...
    def received(self, count: int, /) -> None: ...
    def next_event(self) -> Responded | Failed | None: ...
    def receive_end(self) -> Responded | Failed | None: ...


class Link:
    """One connection: writes requests and reads answers until a deadline.

    Whatever leaves the stream in doubt (an interrupt, a request half written) breaks the link, so
    that no later call can take another's answer.

    Args:
        path: the server's.
        connection: what is spoken; its state is this link's alone.
        server_uids: the users the server may run as.
        spin_seconds: how long a call asks again and again for its answer before it sleeps.
    """

    def __init__(
        self,
        path: str,
        connection: Connection,
        server_uids: frozenset[int],
        spin_seconds: float = 0.0,
    ) -> None:
        self._path = path
        self._spin_seconds = spin_seconds
        self.connection = connection
        self._server_uids = server_uids
        self.calls = itertools.count(1)
        self._socket: socket.socket | None = None
        self._readable = select.poll()
        self._started: Started = "no"
        self._sent_count = 0
        """How many of a batch were encoded to be sent."""
        self.is_broken = False
        self.request_bytes = 0
        """How long the last single request was."""

    @property
    def is_connected(self) -> bool:
        return self._socket is not None

    def has_ended(self) -> bool:
        """Whether the server closed the connection, and all is read that it had sent."""
        return self._socket is not None and sockets.has_ended(self._socket)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()

    def connected(self, seconds: float, deadline: float) -> socket.socket:
        """The socket, connected at the last moment: the crate's server drops whom it finds mute."""
        if self._socket is None:
            try:
                self._socket = sockets.connect(self._path, deadline, self._server_uids)
            except ReplyTimeout as error:
                told = self._silence().told(seconds, deadline, "no")
                if isinstance(told, HostBusy):
                    raise told from error
                raise
            self._readable.register(self._socket, select.POLLIN)
        return self._socket

    def call(self, command: Any, seconds: float, deadline: float) -> Responded | Failed:
        """Send one command and wait for its answer."""
        call = next(self.calls)
        connection = self.connection
        self.is_broken = True  # until the stream is known to be whole again
        try:
            data = connection.request(call, command, *in_ns(seconds, deadline))
        except IpcError:
            self.is_broken = False
            raise
        self._started = "no"
        self.request_bytes = len(data)
        connected = self._socket or self.connected(seconds, deadline)
        if monotonic() >= deadline:
            connection.forget(call)
            self.is_broken = False
            raise self.no_reply(seconds, deadline)
        if isinstance(data, Parts):
            self._write_rest(connected, views([data]), seconds, deadline)
        else:
            written = self.write(connected, data)
            if written < len(data):
                self._write_rest(connected, [memoryview(data)[written:]], seconds, deadline)
        is_ready = self._spin(deadline) if self._spin_seconds else False
        # The first sleep is as long as the whole call may be: what writing took is little.
        sleep = milliseconds(seconds)
        poll = self._readable.poll
        while True:
            if is_ready or poll(sleep):
                answer = self.read(connected)
                if answer is not None:
                    break
            is_ready = False
            sleep = milliseconds(deadline - monotonic())
            if not sleep:
                connection.forget(call)
                silence = self._silence()
                if not silence.is_unread:
                    self._started = "unknown"
                    self.is_broken = connection.wire is not FRAMED
                # Else it is closed, and what a closed client asked for is not run; but the crate's
                # server would still read, and run, what was left.
                otherwise: Started = "unknown" if connection.wire is BARE else self._started
                raise silence.told(seconds, deadline, self._started, otherwise)
        self.is_broken = False
        return answer

    def _write_rest(
        self, connected: socket.socket, rest: list[memoryview], seconds: float, deadline: float
    ) -> None:
        """Write what the kernel does not take at once."""
        if sum(map(len, rest)) > QUEUE_BYTES:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE_BYTES)
        while True:
            try:
                written = connected.sendmsg(rest[:MOST_PIECES], (), SEND_FLAGS)
            except BlockingIOError:
                written = 0
            except OSError as error:
                raise self._unwritable(connected, error) from error
            pass_written(rest, written)
            if not rest:
                return
            self._wait(connected, select.POLLOUT, deadline, seconds)

    def _spin(self, deadline: float) -> bool:
        """Ask for a while again and again whether the answer is there: sooner than by sleeping."""
        poll = self._readable.poll
        end = min(monotonic() + self._spin_seconds, deadline)
        while True:
            for _ in range(SPINS_PER_LOOK):
                if poll(0):
                    return True
            if monotonic() >= end:
                return False

    def batch(
        self, commands: Sequence[Any], seconds: float, deadline: float
    ) -> tuple[list[Any], dict[int, IpcError]]:
        """Send many commands, reading while writing, and wait for all answers.

        Returns:
            The responses in order, and the errors by their place in that order.
        """
        first = next(self.calls)
        self.calls = itertools.count(first + len(commands))
        responses: list[Any] = [None] * len(commands)
        failures: dict[int, IpcError] = {}
        self.is_broken = True
        self._started = "no"
        try:
            self._exchange(first, commands, seconds, deadline, responses, failures)
            self.is_broken = False
        except (Disconnected, ReplyTimeout, RemoteProtocolError) as error:
            if self._started == "no":
                raise
            for call in self.connection.open_calls:
                failures[call - first] = error
            for position in range(self._sent_count, len(commands)):
                failures.setdefault(position, error)
        return responses, failures

    def _exchange(
        self,
        first: int,
        commands: Sequence[Any],
        seconds: float,
        deadline: float,
        responses: list[Any],
        failures: dict[int, IpcError],
    ) -> None:
        pieces = self._pieces(first, commands, in_ns(seconds, deadline), failures)
        connected = self.connected(seconds, deadline)
        unsent = memoryview(next(pieces, b""))
        while unsent or self.connection.open_count:
            if unsent:
                written = self.write(connected, unsent)
                if written:
                    self._started = "unknown"
                unsent = unsent[written:] or memoryview(next(pieces, b""))
            events = select.POLLIN | select.POLLOUT if unsent else select.POLLIN
            if monotonic() >= deadline:
                raise self.no_reply(seconds, deadline)
            if self._wait(connected, events, deadline, seconds) & ~select.POLLOUT:
                answer = self.read(connected)
                while answer is not None:
                    if isinstance(answer, Failed):
                        failures[answer.call - first] = answer.error
                    else:
                        responses[answer.call - first] = answer.value
                    answer = self.connection.next_event()

    def _pieces(
        self,
        first: int,
        commands: Sequence[Any],
        times: tuple[int | None, int | None],
        failures: dict[int, IpcError],
    ) -> Iterator[bytes]:
        """The batch's bytes, encoded as they are written; what does not encode has failed."""
        parts: list[bytes] = []
        size = 0
        request = self.connection.request
        self._sent_count = 0
        for call, command in enumerate(commands, first):
            self._sent_count += 1
            try:
                data = request(call, command, *times)
            except EncodeError as error:
                failures[call - first] = error
                continue
            if isinstance(data, Parts):
                yield from (*parts, *data.pieces)
                parts.clear()
                size = 0
                continue
            parts.append(data)
            size += len(data)
            if size >= BATCH_BYTES:
                yield b"".join(parts)
                parts.clear()
                size = 0
        if parts:
            yield b"".join(parts)

    def _wait(self, connected: socket.socket, events: int, deadline: float, seconds: float) -> int:
        """Sleep until one of the events; a hang-up counts as any."""
        poll = select.poll()
        poll.register(connected, events)
        while True:
            ready = poll.poll(milliseconds(deadline - monotonic()))
            if ready:
                return ready[0][1]
            if monotonic() >= deadline:
                raise self.no_reply(seconds, deadline)

    def write(self, connected: socket.socket, data: bytes | memoryview) -> int:
        """Write what the kernel takes now."""
        try:
            return connected.send(data, SEND_FLAGS)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._unwritable(connected, error) from error

    def _unwritable(self, connected: socket.socket, error: OSError) -> Disconnected:
        """A server that ends a connection says why, if it can, before it closes: then that."""
        for data in sockets.rest_of(connected):
            self.connection.receive_data(data)
        while self.connection.next_event() is not None:
            pass
        return self._ended(error)

    def read(self, connected: socket.socket) -> Responded | Failed | None:
        """Read once; the first answer that is whole now, or None."""
        connection = self.connection
        space = connection.space() if connection.wanted_bytes else None
        data = b""
        try:
            if space is None:
                data = connected.recv(RECEIVE_BYTES)
                count = len(data)
            else:
                count = connected.recv_into(space)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._ended(error) from error
        self._started = "unknown"
        if not count:
            try:
                answer = connection.receive_end()
            except DecodeError as error:
                raise self._ended(None) from error
            if answer is None:
                raise self._ended(None)
            return answer
        if space is None:
            connection.receive_data(data)
        else:
            connection.received(count)
        return connection.next_event()

    def no_reply(
        self, seconds: float, deadline: float, started: Started | None = None
    ) -> ReplyTimeout:
        """The time is over: what is known of the server, and of what it was sent."""
        return self._silence().told(seconds, deadline, started or self._started)

    def abandon(self) -> Started:
        """Give up what was sent: the server runs nothing more of it. Whether it may have begun."""
        self.is_broken = True
        if self._socket is None:
            return "no"
        # First, so that what is unread then is read only by a server that sees us gone.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        return "no" if sockets.is_unread(self._socket) else "unknown"

    def _silence(self) -> Silence:
        # Here, because most calls are answered in time.
        from lazyipc._silence import Silence

        return Silence(self._path, self._server_uids, self._socket)

    def _ended(self, error: OSError | None) -> Disconnected:
        """The connection is gone. A reset, or a broken pipe, means our bytes were never read."""
        from lazyipc import _verdict

        number = None if error is None else error.errno
        return _verdict.ended(self._path, self._started, number or errno.ECONNRESET)


def milliseconds(seconds: float) -> int:
    """Seconds for poll(2), rounded up; a long sleep is cut, and its caller sleeps again."""
    if seconds > LONGEST_SLEEP_SECONDS:
        return LONGEST_SLEEP_SECONDS * 1000
    return int(seconds * 1000) + 1 if seconds > 0 else 0
