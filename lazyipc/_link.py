"""One client connection: requests out, answers in, until a deadline.

Moves bytes between a socket and the client's side of the protocol. When to connect again, and what
a caller is given, is the client's business.
"""

from __future__ import annotations

import errno
import itertools
import select
import socket
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from lazyipc._core.connection import ClientConnection
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import BARE, Wire
from lazyipc._io import sockets
from lazyipc._io.clock import clock_identity
from lazyipc.errors import (
    DecodeError,
    Disconnected,
    EncodeError,
    IpcError,
    RemoteProtocolError,
    ReplyTimeout,
    Started,
)

BATCH_BYTES = 65536
"""How much of a batch is written at once: enough to save system calls, little enough that the
server is at work while the rest is encoded."""

LONGEST_SLEEP_SECONDS = 1000
"""poll(2) takes an int, and math.inf is none; nobody minds waking four times an hour."""

LONGEST_DEADLINE_SECONDS = 1e9
"""Thirty years; what is longer, math.inf first of all, travels as "never"."""


class Link:
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
        self._sent_count = 0
        """How many of a batch were encoded to be sent."""
        self.is_broken = False
        self.request_bytes = 0
        """How long the last single request was."""

    @property
    def is_connected(self) -> bool:
        return self._socket is not None

    def close(self) -> None:
        """Close the connection, if there is one."""
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
        self.is_broken = True  # until the stream is known to be whole again
        try:
            data = self._connection.request(call, command, *_in_ns(seconds, deadline))
        except IpcError:
            self.is_broken = False
            raise
        self._started = "no"
        self.request_bytes = len(data)
        connected = self._socket or self._connected(deadline)
        if monotonic() >= deadline:
            raise _no_reply(self._path, seconds, "no")
        written = self._write(connected, data)
        while written < len(data):
            self._wait(connected, select.POLLOUT, deadline, seconds)
            written += self._write(connected, memoryview(data)[written:])
        while True:
            if self._readable.poll(_milliseconds(deadline - monotonic())):
                answer = self._read(connected)
                if answer is not None:
                    break
            if monotonic() >= deadline:
                self._connection.forget(call)
                self.is_broken = self._connection.wire is BARE
                raise _no_reply(self._path, seconds, "unknown")
        self.is_broken = False
        return answer

    def batch(
        self, commands: Sequence[Any], seconds: float, deadline: float
    ) -> tuple[list[Any], dict[int, IpcError]]:
        """Send many commands, reading while writing, and wait for all answers.

        Returns:
            The responses in order, and the errors by their place in that order.
        """
        first = next(self._calls)
        self._calls = itertools.count(first + len(commands))
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
            for call in self._connection.open_calls:
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
        pieces = self._pieces(first, commands, _in_ns(seconds, deadline), failures)
        connected = self._connected(deadline)
        unsent = memoryview(next(pieces, b""))
        while unsent or self._connection.open_count:
            if unsent:
                written = self._write(connected, unsent)
                if written:
                    self._started = "unknown"
                unsent = unsent[written:] or memoryview(next(pieces, b""))
            events = select.POLLIN | select.POLLOUT if unsent else select.POLLIN
            if monotonic() >= deadline:
                raise _no_reply(self._path, seconds, self._started)
            if self._wait(connected, events, deadline, seconds) & ~select.POLLOUT:
                answer = self._read(connected)
                while answer is not None:
                    if isinstance(answer, Failed):
                        failures[answer.call - first] = answer.error
                    else:
                        responses[answer.call - first] = answer.value
                    answer = self._connection.next_event()

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
        request = self._connection.request
        self._sent_count = 0
        for call, command in enumerate(commands, first):
            self._sent_count += 1
            try:
                data = request(call, command, *times)
            except EncodeError as error:
                failures[call - first] = error
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
            ready = poll.poll(_milliseconds(deadline - monotonic()))
            if ready:
                return ready[0][1]
            if monotonic() >= deadline:
                raise _no_reply(self._path, seconds, self._started)

    def _write(self, connected: socket.socket, data: bytes | memoryview) -> int:
        """Write what the kernel takes now."""
        try:
            return connected.send(data, sockets.SEND_FLAGS)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._read_last_words(connected)
            raise self._ended(error) from error

    def _read_last_words(self, connected: socket.socket) -> None:
        """A server that ends a connection says why, if it can, before it closes."""
        try:
            while data := connected.recv(sockets.RECEIVE_BYTES):
                self._connection.receive_data(data)
        except OSError:
            pass  # the first error is the one to tell
        while self._connection.next_event() is not None:
            pass

    def _read(self, connected: socket.socket) -> Responded | Failed | None:
        """Read once; the first answer that is whole now, or None."""
        try:
            data = connected.recv(sockets.receive_size(self._connection.wanted_bytes))
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._ended(error) from error
        if not data:
            self._started = "unknown"
            try:
                answer = self._connection.receive_end()
            except DecodeError as error:
                raise self._ended(None) from error
            if answer is None:
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


def _in_ns(seconds: float, deadline: float) -> tuple[int | None, int | None]:
    """A deadline as it travels: the instant, and the time left."""
    if seconds > LONGEST_DEADLINE_SECONDS:
        return None, None
    return int(deadline * 1e9), int(seconds * 1e9)


def _milliseconds(seconds: float) -> int:
    """Seconds for poll(2), rounded up; a long sleep is cut, and its caller sleeps again."""
    if seconds > LONGEST_SLEEP_SECONDS:
        return LONGEST_SLEEP_SECONDS * 1000
    return int(seconds * 1000) + 1 if seconds > 0 else 0


def _no_reply(path: str, seconds: float, started: Started) -> ReplyTimeout:
    told = {"no": "it was not run", "unknown": "whether it ran is not known"}[started]
    return ReplyTimeout(
        f"{path}: no reply within {seconds:g} s; {told}: the server may be busy, or poll too "
        "seldom (see timeout=)",
        started=started,
    )
