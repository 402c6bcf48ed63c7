"""What stands in a test where the kernel would: time, connections, readiness, a listener.

To the server's code a line is a socket, the kernel a poller, the door the one that lets clients in.
All of a server above them is its own. What the server writes, its client has read at once.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from lazyipc._io.poller import HANGUP, READ, WRITE, Ready
from lazyipc._peer import Peer
from lazyipc._stats import Counts
from lazyipc.errors import RemoteProtocolError, Started
from lazyipc.testing._caller import Caller

LISTENER = 0
"""The number of the listener; connections count from 1, and a number is never used again."""


class Clock:
    """The time of a test in nanoseconds: it moves when told."""

    __slots__ = ("now_ns",)

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


class Line:
    """One connection: the client's half, and the server's socket.

    Args:
        caller: the client's half.
        peer: who the client is.
        pieces: how many bytes either side receives at once, at most; None is all there are.
        is_one_shot: the client closes when its call is over, as `client_send` does.
    """

    __slots__ = (
        "_inbox",
        "_number",
        "_pieces",
        "caller",
        "has_hung_up",
        "is_closed",
        "is_one_shot",
        "peer",
    )

    def __init__(
        self, number: int, caller: Caller, peer: Peer, pieces: int | None, *, is_one_shot: bool
    ) -> None:
        self._number = number
        self.caller = caller
        self.peer = peer
        self._pieces = pieces
        self.is_one_shot = is_one_shot
        self._inbox = bytearray()
        """What the client wrote and the server has not read."""
        self.has_hung_up = False
        """The client closed."""
        self.is_closed = False
        """The server closed."""

    # The client's end ----------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether a client that wants to say more needs another line."""
        return self.has_hung_up or self.is_closed

    def write(self, data: bytes) -> None:
        """Write."""
        self._inbox += data

    def hang_up(self) -> None:
        """Close; calls that are under way get no answer."""
        self.has_hung_up = True
        self.caller.abandon()

    def expire(self, now_ns: int, started: Started = "unknown") -> None:
        """Stop waiting for answers whose deadline has come."""
        if not self.caller.expire(now_ns, started):
            self.hang_up()
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self.is_one_shot and not self.caller.open:
            self.has_hung_up = True

    # The server's end, with what a session uses of a socket --------------------------------------

    @property
    def is_readable(self) -> bool:
        """Whether there is something to receive."""
        return bool(self._inbox)

    def fileno(self) -> int:
        """Its number; -1 when the server has closed it."""
        return -1 if self.is_closed else self._number

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What has come, up to a size and to one piece."""
        if not self._inbox:
            raise BlockingIOError
        size = min(size, self._pieces or size)
        data = bytes(self._inbox[:size])
        del self._inbox[:size]
        return data

    def recv_into(self, place: memoryview, size: int = 0, flags: int = 0) -> int:
        """The same, to where it belongs."""
        data = self.recv(size or len(place))
        place[: len(data)] = data
        return len(data)

    def sendmsg(
        self, pieces: Sequence[memoryview], ancillary: Sequence[Any] = (), flags: int = 0
    ) -> int:
        """Write all pieces."""
        return self.send(b"".join(pieces))

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:
        """Write all; the client reads it at once, piece by piece."""
        if self.has_hung_up:
            raise BrokenPipeError
        size = self._pieces or len(data)
        try:
            for start in range(0, len(data), size):
                self.caller.take(bytes(data[start : start + size]))
        except RemoteProtocolError:  # which its calls were told
            self.has_hung_up = True
        self._leave_if_done()
        return len(data)

    def close(self) -> None:
        """Close; what was not read tells the client that it was not run."""
        self.is_closed = True
        self.caller.take_end("no" if self._inbox else "unknown")


class Kernel:
    """Connections and their readiness; to the server's code a poller."""

    __slots__ = ("_lines", "_masks", "_numbers", "waiting")

    def __init__(self) -> None:
        self._numbers = itertools.count(LISTENER + 1)
        self._lines: dict[int, Line] = {}
        self._masks: dict[int, int] = {}
        """What each number is watched for; first the longest watched."""
        self.waiting: deque[Line] = deque()
        """Connected, and not accepted yet."""

    @property
    def lines(self) -> list[Line]:
        """All connections that the server has not closed."""
        return [line for line in self._lines.values() if not line.is_closed]

    def connect(self, caller: Caller, peer: Peer, pieces: int | None, *, is_one_shot: bool) -> Line:
        """A new connection, which the server has yet to accept."""
        number = next(self._numbers)
        line = Line(number, caller, peer, pieces, is_one_shot=is_one_shot)
        self._lines[number] = line
        self.waiting.append(line)
        return line

    def poll(self, timeout: float | None = 0) -> Ready:
        """What is ready now."""
        ready = [(fd, self._readiness(fd) & (mask | HANGUP)) for fd, mask in self._masks.items()]
        return [(fd, mask) for fd, mask in ready if mask]

    def register(self, fd: int, mask: int) -> None:
        """Watch a number."""
        self._masks[fd] = mask

    def modify(self, fd: int, mask: int) -> None:
        """Watch a number for something else."""
        self._masks[fd] = mask

    def unregister(self, fd: int) -> None:
        """Stop watching a number, which is about to be closed."""
        del self._masks[fd]
        del self._lines[fd]

    def has_hung_up(self, fd: int) -> bool:
        """Whether nobody is left to receive at the other end."""
        return self._lines[fd].has_hung_up

    def _readiness(self, fd: int) -> int:
        if fd == LISTENER:
            return READ if self.waiting else 0
        line = self._lines[fd]
        return WRITE | (READ if line.is_readable else 0) | (HANGUP if line.has_hung_up else 0)


class MemoryDoor:
    """Who comes in: to the server's code a door.

    Args:
        kernel: where clients wait.
        counts: where it counts who came.
    """

    __slots__ = ("_counts", "_kernel", "fd", "is_closed", "is_resting", "reopen_at")

    def __init__(self, kernel: Kernel, counts: Counts) -> None:
        self._kernel = kernel
        self._counts = counts
        self.fd = LISTENER
        self.is_closed = False
        """The server is full."""
        self.is_resting = False
        """Never: descriptors do not run out."""
        self.reopen_at = 0
        kernel.register(LISTENER, READ)

    def accept(self, count: int, room: int, now: int, stop: int) -> Iterator[tuple[Line, Peer]]:
        """Those who may come in, as far as there is room."""
        waiting = self._kernel.waiting
        for _ in range(count):
            if room <= 0:
                self._counts.pauses += 1
                self.is_closed = True
                self._kernel.modify(LISTENER, 0)
                return
            line = waiting.popleft()
            room -= 1
            self._counts.accepted += 1
            yield line, line.peer
            if not waiting:
                return
        self._counts.deferred += 1

    def reopen(self, now: int) -> None:
        """Let clients in again."""
        self._kernel.modify(LISTENER, READ)
        self.is_closed = False
