"""`client_send` and `IpcClient`: typed calls over a blocking Unix socket.

One deadline covers connecting, waiting in the server's queue, running and the reply. Knows bytes
and the clock; what the bytes mean is the core's business. No thread, no event loop.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Self, TypeVar, overload

from lazyipc._core.catalog import entry_of
from lazyipc._core.command import Processes
from lazyipc._core.connection import ClientConnection
from lazyipc._core.events import Failed, Requested, Responded
from lazyipc._core.framing import Wire
from lazyipc._io import sockets
from lazyipc._io.clock import clock_identity
from lazyipc._io.fds import abandon_in_child
from lazyipc.errors import (
    Disconnected,
    EncodeError,
    LocalProtocolError,
    ReplyTimeout,
    Started,
)

R = TypeVar("R")

DEFAULT_TIMEOUT = 5.0
"""Seconds a call may take when neither the call nor the command says otherwise."""

RECEIVE_BYTES = 65536
LARGE_RECEIVE_BYTES = 1 << 20
BATCH_BYTES = 65536
"""How much of a batch is written at once: enough to save system calls, little enough that the
server is at work while the rest is encoded."""

BARE_RETRY_BYTES = 1024
"""What the Rust crate's server reads, once; a request up to it was read whole or not at all."""
BARE_QUICK_ATTEMPTS = 16
"""The crate's server drops whom it finds empty-handed, a matter of microseconds; a client that
loses so many races in a row rests a millisecond before each further one, until its deadline."""

LONGEST_SLEEP_MILLISECONDS = 1_000_000
"""poll(2) takes an int; nobody minds waking once in a quarter of an hour."""

SEND_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


def client_send(
    command: Processes[R],
    path: str | os.PathLike[str],
    *,
    timeout: float | None = None,
    wire: Wire = Wire.FRAMED,
    server_uids: Iterable[int] | None = None,
) -> R:
    """Send one command to the server at a path and return its response.

    Args:
        command: the command; the response has the type its `process` declares.
        timeout: seconds for the whole call; None is the command's own, else 5; math.inf: for ever.
        wire: `Wire.BARE` talks to a server made with the Rust crate ipc-server.
        server_uids: the users the server may run as; None is one's own and root.

    Raises:
        ServerNotRunning: nobody listens at the path.
        SocketRefused: the server is another user's; nothing was sent.
        ReplyTimeout: no reply in time; `started` says whether the command ran.
        Disconnected: the server went away; `started` says whether the command ran.
        RemoteError: the command failed over there; CommandFailed where that was expected.
        SchemaMismatch: the server does not have this command in this shape; nothing ran.
        EncodeError, SchemaError: the command cannot travel; nothing was sent.

    >>> from lazyipc import Command
    >>> class Order(Command): "Commands."
    >>> class Ping(Order):
    ...     def process(self, context: object) -> bool: return True
    >>> client_send(Ping(), "/nowhere/app.sock")
    Traceback (most recent call last):
    lazyipc.errors.ServerNotRunning: /nowhere/app.sock: no server is running there ...
    """
    with IpcClient(path, timeout=timeout, wire=wire, server_uids=server_uids) as client:
        return client.send(command)


class IpcClient:
    """A connection that is kept between calls; not to be shared between threads.

    It connects when first used, and again by itself when the connection ended while no call was
    under way (the server was restarted, the process forked).

    Args:
        path: the server's socket.
        timeout: seconds for each call; None is the command's own, else 5; math.inf is for ever.
        wire: `Wire.BARE` talks to a server made with the Rust crate ipc-server, one connection
            for each call.
        server_uids: the users the server may run as; None is one's own and root.

    >>> with IpcClient("/nowhere/app.sock") as client:
    ...     client.is_connected
    False
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float | None = None,
        wire: Wire = Wire.FRAMED,
        server_uids: Iterable[int] | None = None,
    ) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must not be negative, is {timeout}")
        self._path = os.fspath(path)
        self._timeout = timeout
        self._wire = wire
        uids = (os.geteuid(), 0) if server_uids is None else server_uids
        self._server_uids = frozenset(uids)
        self._link: _Link | None = None
        self._is_closed = False
        abandon_in_child(self)

    @property
    def is_connected(self) -> bool:
        """Whether a connection is kept; that a server closed it is noticed by the next call."""
        return self._link is not None

    def close(self) -> None:
        """Close the connection. Calling it twice is fine; a call after it is not."""
        self._is_closed = True
        self._disconnect()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's connection; the next call makes another."""
        self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def send(self, command: Processes[R]) -> R:
        """Send one command and return its response.

        Raises: as `client_send`; LocalProtocolError after `close`.
        """
        seconds = self._seconds_for(command)
        deadline = time.monotonic() + seconds
        answer = self._over_link(lambda link: link.call(command, seconds, deadline), deadline)
        if isinstance(answer, Failed):
            raise answer.error
        value: R = answer.value
        return value

    @overload
    def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: Literal[False] = False
    ) -> list[R]: ...
    @overload
    def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: bool
    ) -> list[R | BaseException]: ...
    def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: bool = False
    ) -> list[Any]:
        """Send many commands, reading replies while writing, and return the responses in order.

        All are sent, whatever becomes of each. One deadline covers them together: the longest of
        theirs.

        Args:
            return_exceptions: put a failed command's error in its place; else the first one is
                raised after all have been answered.

        Raises: as `send`.
        """
        batch = list(commands)
        if not batch:
            return []
        seconds = max(map(self._seconds_for, batch))
        deadline = time.monotonic() + seconds
        answers: Sequence[Responded | Failed]
        if self._wire is Wire.BARE:
            answers = [
                self._over_link(lambda link, c=command: link.call(c, seconds, deadline), deadline)  # type: ignore[misc]
                for command in batch
            ]
        else:
            answers = self._over_link(lambda link: link.batch(batch, seconds, deadline), deadline)
        results: list[Any] = []
        for answer in answers:
            if isinstance(answer, Responded):
                results.append(answer.value)
            elif return_exceptions:
                results.append(answer.error)
            else:
                raise answer.error
        return results

    def _seconds_for(self, command: Any) -> float:
        if self._timeout is not None:
            return self._timeout
        own = entry_of(command.__class__).timeout
        return DEFAULT_TIMEOUT if own is None else own

    def _over_link(self, step: Callable[[_Link], R], deadline: float) -> R:
        """Take a step over the kept connection, or over a new one where that had ended."""
        if self._is_closed:
            raise LocalProtocolError("the client is closed")
        for attempt in itertools.count(1):
            kept = self._link
            link = kept or _Link(self._path, self._wire, self._server_uids)
            self._link = link
            try:
                return step(link)
            except Disconnected as error:
                # Never read by the server, so sending it again cannot run it twice.
                is_bare = self._wire is Wire.BARE
                again = link.request_bytes <= BARE_RETRY_BYTES if is_bare else kept is not None
                if error.started != "no" or not again or time.monotonic() >= deadline:
                    raise
                if attempt > BARE_QUICK_ATTEMPTS:
                    select.poll().poll(1)
            finally:
                if link.is_broken or self._wire is Wire.BARE:
                    self._disconnect()
        raise AssertionError("an endless count ended")

    def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()


class _Link:
    """One connection: writes requests and reads answers until a deadline.

    Whatever leaves the stream in doubt (an interrupt, a request half written) breaks the link, so
    that no later call can take another's answer.
    """

    def __init__(self, path: str, wire: Wire, server_uids: frozenset[int]) -> None:
        self._path = path
        self._connection = ClientConnection(wire, clock=clock_identity())
        self._server_uids = server_uids
        self._calls = itertools.count(1)
        self._socket: socket.socket | None = None
        self._readable = select.poll()
        self._started: Started = "no"
        self.is_broken = False
        self.request_bytes = 0
        """How long the last single request was."""

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _connected(self, deadline: float) -> socket.socket:
        """The socket, connected at the last moment: the crate's server drops whom it finds mute."""
        if self._socket is None:
            self._socket = sockets.connect(self._path, deadline, self._server_uids)
            self._readable.register(self._socket, select.POLLIN)
        return self._socket

    def call(self, command: Any, seconds: float, deadline: float) -> Responded | Failed:
        """Send one command and wait for its answer."""
        call = next(self._calls)
        data = self._connection.send(_requested(call, command, seconds, deadline))
        self.is_broken = True  # until the stream is known to be whole again
        self._started = "no"
        self.request_bytes = len(data)
        connected = self._connected(deadline)
        unsent = memoryview(data)[self._write(connected, data) :]
        while unsent:
            self._wait(connected, select.POLLOUT, deadline, seconds)
            unsent = unsent[self._write(connected, unsent) :]
        answer = None
        while answer is None:
            if self._readable.poll(_milliseconds(deadline - time.monotonic())):
                answer = self._read(connected)
            elif time.monotonic() >= deadline:
                self._connection.forget(call)
                self.is_broken = self._connection.wire is Wire.BARE
                raise _no_reply(self._path, seconds, "unknown")
        self.is_broken = False
        return answer

    def batch(
        self, commands: Sequence[Any], seconds: float, deadline: float
    ) -> list[Responded | Failed]:
        """Send many commands, reading while writing, and wait for all answers."""
        first = next(self._calls)
        self._calls = itertools.count(first + len(commands))
        requests = [
            _requested(call, command, seconds, deadline)
            for call, command in enumerate(commands, first)
        ]
        answers: dict[int, Responded | Failed] = {}
        self.is_broken = True
        self._started = "no"
        pieces = self._pieces(requests, answers)
        connected = self._connected(deadline)
        unsent = memoryview(next(pieces, b""))
        while unsent or self._connection.open_count:
            if unsent:
                written = self._write(connected, unsent)
                if written:
                    self._started = "unknown"
                unsent = unsent[written:] or memoryview(next(pieces, b""))
            events = select.POLLIN | select.POLLOUT if unsent else select.POLLIN
            if self._wait(connected, events, deadline, seconds) & ~select.POLLOUT:
                answer = self._read(connected)
                while answer is not None:
                    answers[answer.call] = answer
                    answer = self._connection.next_event()
        self.is_broken = False
        return [answers[request.call] for request in requests]

    def _pieces(
        self, requests: Sequence[Requested], answers: dict[int, Responded | Failed]
    ) -> Iterator[bytes]:
        """The batch's bytes, encoded as they are written; what does not encode has failed."""
        parts: list[bytes] = []
        size = 0
        for request in requests:
            try:
                data = self._connection.send(request)
            except EncodeError as error:
                answers[request.call] = Failed(request.call, error)
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
            ready = poll.poll(_milliseconds(deadline - time.monotonic()))
            if ready:
                return ready[0][1]
            if time.monotonic() >= deadline:
                raise _no_reply(self._path, seconds, self._started)

    def _write(self, connected: socket.socket, data: bytes | memoryview) -> int:
        """Write what the kernel takes now."""
        try:
            return connected.send(data, SEND_FLAGS)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._read_last_words(connected)
            raise self._ended(error) from error

    def _read_last_words(self, connected: socket.socket) -> None:
        """A server that ends a connection says why, if it can, before it closes."""
        try:
            while data := connected.recv(RECEIVE_BYTES):
                self._connection.receive_data(data)
        except OSError:
            pass  # the first error is the one to tell
        while self._connection.next_event() is not None:
            pass

    def _read(self, connected: socket.socket) -> Responded | Failed | None:
        """Read once; the first answer that is whole now, or None."""
        wanted = self._connection.wanted_bytes
        try:
            data = connected.recv(min(max(wanted, RECEIVE_BYTES), LARGE_RECEIVE_BYTES))
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._ended(error) from error
        if not data:
            answer = self._connection.receive_end()
            if answer is None:
                self._started = "unknown"
                raise self._ended(None)
            return answer
        self._started = "unknown"
        self._connection.receive_data(data)
        return self._connection.next_event()

    def _ended(self, error: OSError | None) -> Disconnected:
        """The connection is gone. A reset, or a broken pipe, means our bytes were never read."""
        told = {
            "no": "the command was not run",
            "unknown": "whether the command ran is not known",
        }[self._started]
        return Disconnected(
            f"{self._path}: the server closed the connection before its reply; {told}",
            path=self._path,
            errno=error.errno if error is not None else errno.ECONNRESET,
            started=self._started,
        )


def _requested(call: int, command: Any, seconds: float, deadline: float) -> Requested:
    if seconds == math.inf:
        return Requested(call, command, None, None)
    return Requested(call, command, int(deadline * 1e9), int(seconds * 1e9))


def _milliseconds(seconds: float) -> int | None:
    """Seconds for poll(2), rounded up; a long sleep is cut, and its caller sleeps again."""
    return (
        min(max(math.ceil(seconds * 1000), 0), LONGEST_SLEEP_MILLISECONDS)
        if seconds < math.inf
        else None
    )


def _no_reply(path: str, seconds: float, started: Started) -> ReplyTimeout:
    told = {"no": "it was not run", "unknown": "whether it ran is not known"}[started]
    return ReplyTimeout(
        f"{path}: no reply within {seconds:g} s; {told}: the server may be busy, or poll too "
        "seldom (see timeout=)",
        started=started,
    )
