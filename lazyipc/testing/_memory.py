"""`IpcServer` without its sockets: the same rota, sessions and attendant over a kernel in memory.

Only the frame of one poll is written here again, for that of `IpcServer` also keeps descriptors, a
lock and a status page.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from lazyipc._assembly import assemble
from lazyipc._attendant import Authorize
from lazyipc._core.catalog import Catalog
from lazyipc._core.framing import Wire
from lazyipc._core.limits import Limits, in_ns
from lazyipc._io.status_page import Status
from lazyipc._log import ClientLog
from lazyipc._misuse import raise_closed, raise_reentered
from lazyipc._peer import Peer
from lazyipc._stats import Counts, Stats
from lazyipc.errors import ServerNotRunning
from lazyipc.testing._kernel import Clock, Kernel, Line, MemoryDoor

if TYPE_CHECKING:
    from lazyipc._door import Door
    from lazyipc._io.poller import EpollPoller
    from lazyipc.testing._caller import Caller

CLOCK = b"virtual "
"""Both sides read the clock of the test, so deadlines are compared as instants."""


class MemoryServer:
    """What `IpcServer` is over sockets.

    Args:
        command, limits, wires, authorize, version: as for IpcServer.
        pieces: how many bytes either side receives at once, at most; None is all there are.
        clock: the time.
    """

    def __init__(
        self,
        command: type,
        *,
        limits: Limits | None,
        wires: Wire,
        authorize: Authorize | None,
        pieces: int | None,
        clock: Clock,
        version: str | None,
    ) -> None:
        if pieces is not None and pieces < 1:
            raise ValueError(f"pieces must be None or of at least one byte, not {pieces}")
        self.path = f"<joined {command.__name__}>"
        self._pieces = pieces
        self._clock = clock
        self._limits = limits = limits or Limits()
        catalog = Catalog(command)
        if Wire.BARE in wires:
            catalog.check_bare(wires)
        self._command_count = len(catalog.by_fingerprint)
        self._counts = Counts()
        self._log = ClientLog(self.path, self._counts, clock)
        self._kernel = Kernel()
        self._door = MemoryDoor(self._kernel, self._counts)
        self._rota, self.introspection = assemble(
            self.path,
            catalog,
            limits=limits,
            wires=wires,
            authorize=authorize,
            version=version,
            log=self._log,
            counts=self._counts,
            door=cast("Door", self._door),
            poller=cast("EpollPoller", self._kernel),
            status=lambda: self.status,
            stamp=lambda now, clients: now,
            identity=CLOCK,
            clock=clock,
        )
        self._last_poll_ns = clock()
        self._interval_ns = 0
        self.is_running = False
        """A turn is under way."""
        self.is_closed = False

    @property
    def lines(self) -> list[Line]:
        """All connections that the server has not closed."""
        return self._kernel.lines

    @property
    def has_work(self) -> bool:
        """Whether a poll would find something to do; a real host's `wait` returns then."""
        return not self.is_closed and bool(self._rota.runnable or self._kernel.poll())

    @property
    def polls(self) -> int:
        """How often it polled."""
        return self._counts.polls

    @property
    def status(self) -> Status:
        """What a status page would tell."""
        interval = self._interval_ns / 1e9 if self._interval_ns else None
        return Status(
            os.getpid(), CLOCK, 0, self.polls, self._last_poll_ns, interval, True,
            len(self._rota.sessions), self._command_count,
        )  # fmt: skip

    @property
    def clients(self) -> tuple[Peer, ...]:
        """Who is connected, as far as the server knows."""
        return tuple(
            session.peer._replace(wire=session.connection.wire)
            for session in self._rota.sessions.values()
        )

    @property
    def stats(self) -> Stats:
        """What happened so far."""
        return self._counts.told(self._rota.sessions.values(), 0)

    def connect(self, caller: Caller, peer: Peer, *, is_one_shot: bool) -> Line:
        """A new connection, to be accepted at the next poll."""
        self.check_open()
        return self._kernel.connect(caller, peer, self._pieces, is_one_shot=is_one_shot)

    def check_open(self) -> None:
        """See that a client would find somebody.

        Raises:
            ServerNotRunning: the server is closed.
        """
        if self.is_closed:
            raise ServerNotRunning(
                f"{self.path}: no server is running there (it was closed)", path=self.path
            )

    def turn(self, context: Any, max_messages: int | None, max_seconds: float | None) -> int:
        """One poll: how many commands were finished.

        Raises:
            LocalProtocolError: the server is closed, or called from inside `process`.
        """
        if self.is_closed:
            raise_closed()
        if self.is_running:
            raise_reentered()
        rota, limits = self._rota, self._limits
        seconds = limits.seconds_per_poll if max_seconds is None else max_seconds
        messages = limits.messages_per_poll if max_messages is None else max_messages
        now = self._clock()
        stop = now + in_ns(seconds)
        if self._counts.polls:
            self._interval_ns = now - self._last_poll_ns
        self._counts.polls += 1
        self._last_poll_ns = now
        self.is_running = True
        try:
            return rota.turn(self._kernel.poll(), context, messages, now, stop)
        except BaseException:
            rota.recover()
            raise
        finally:
            self.is_running = False
            if rota.is_stopping:
                self.close()
            elif self._door.is_closed and len(rota.sessions) < limits.clients:
                self._door.reopen(now)

    def close(self) -> None:
        """Close every connection; inside `process`, after its answer. Twice is fine."""
        self._rota.is_stopping = True
        if self.is_running or self.is_closed:
            return
        self.is_closed = True
        self._rota.drop_all()
        for line in self.lines:  # those that were not accepted
            line.close()
        self._log.close()
