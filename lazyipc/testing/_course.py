"""What happens between a host and its clients in memory: who is polled when, and what time it is.

A call that is waited for lets the host do what it would, and else lets time pass, up to the next
poll or the deadline, whichever comes first.
"""

from __future__ import annotations

import errno
import functools
import os
from typing import Any

from lazyipc._core.framing import Wire
from lazyipc._core.limits import LONGEST_SECONDS
from lazyipc._peer import Peer
from lazyipc._verdict import no_reply
from lazyipc.errors import LocalProtocolError, ReplyTimeout, SocketRefused, Started
from lazyipc.testing._caller import Call, Caller, seconds_for
from lazyipc.testing._kernel import Clock, Line
from lazyipc.testing._memory import CLOCK, MemoryServer


class Course:
    """The course of events.

    Args:
        server: the host's server.
        context: handed to each command.
        clock: the time, which moves only here.
        poll_every: as for `joined`.
        uid: the user the host runs as.
    """

    __slots__ = ("_clock", "_due_ns", "_every_ns", "_uid", "context", "server")

    def __init__(
        self, server: MemoryServer, context: Any, clock: Clock, poll_every: float, uid: int
    ) -> None:
        if not poll_every >= 0:
            raise ValueError(f"poll_every must not be negative, is {poll_every}")
        self.server = server
        self.context = context
        self._clock = clock
        self._uid = uid
        self._every_ns = _to_ns(poll_every) if poll_every <= LONGEST_SECONDS else -1
        self._due_ns = self._every_ns if self._every_ns > 0 else None
        """When the host polls next by itself."""

    # Time and polls ------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """The time."""
        return self._clock.now_ns

    def poll(self, max_messages: int | None = None, max_seconds: float | None = None) -> int:
        """The host polls."""
        return self.server.turn(self.context, max_messages, max_seconds)

    def advance(self, seconds: float) -> None:
        """Time passes."""
        if not 0 <= seconds <= LONGEST_SECONDS:
            raise ValueError(f"time passes by 0 to {LONGEST_SECONDS:g} seconds, not by {seconds}")
        target = self._clock.now_ns + _to_ns(seconds)
        while not self.server.is_running and self._due_ns is not None and self._due_ns <= target:
            self._poll_as_due(self._due_ns)
        self._move_to(target)

    def wait(self, call: Call[Any]) -> None:
        """A client blocks until its call is over."""
        self.check_can_wait()
        while not call.done():
            deadline = call.deadline_ns
            if not self._every_ns and self.server.has_work:
                self.poll()
            elif self._due_ns is not None and (deadline is None or self._due_ns < deadline):
                self._poll_as_due(self._due_ns)
            elif deadline is not None:
                self._move_to(deadline)
            else:
                raise LocalProtocolError(
                    f"{call.command!r} would wait for ever: it has no deadline, and nobody polls"
                )

    def check_can_wait(self) -> None:
        """See that whoever waits is no command.

        Raises:
            LocalProtocolError: it is.
        """
        if self.server.is_running:
            raise LocalProtocolError(
                "a command cannot wait for its own host, which is running it; over a socket the "
                "call would end at its deadline"
            )

    def _poll_as_due(self, due_ns: int) -> None:
        self._move_to(due_ns)
        try:
            self.poll()
        finally:  # a command may have taken longer than until the next
            self._due_ns = (self._clock.now_ns // self._every_ns + 1) * self._every_ns

    def _move_to(self, moment_ns: int) -> None:
        self._clock.now_ns = max(self._clock.now_ns, moment_ns)
        for line in self.server.lines:
            line.expire(self._clock.now_ns)

    # Calls ---------------------------------------------------------------------------------------

    def peer(self, pid: int | None = None, uid: int | None = None, gid: int | None = None) -> Peer:
        """Who a client is; None is this process's, and the host's user."""
        return Peer(
            os.getpid() if pid is None else pid,
            self._uid if uid is None else uid,
            os.getegid() if gid is None else gid,
        )

    def begin(
        self,
        command: Any,
        timeout: float | None,
        wire: Wire,
        peer: Peer,
        line: Line | None,
        *,
        is_one_shot: bool,
    ) -> tuple[Call[Any], Line]:
        """A call over a line, or over a new one where that is over."""
        seconds = seconds_for(command, timeout)
        late = functools.partial(self._late, self.server.polls)
        call: Call[Any] = Call(command, seconds, self._clock.now_ns, self.wait, late)
        self.server.check_open()
        kept = None if line is None or line.is_over else line
        caller = kept.caller if kept is not None else Caller(self.server.path, wire, CLOCK)
        data = caller.begin(call)
        line = kept or self.connect(caller, peer, is_one_shot=is_one_shot)
        line.expire(self._clock.now_ns, "no")  # it may have had no time at all
        if not call.done():
            line.write(data)
        return call, line

    def connect(self, caller: Caller, peer: Peer, *, is_one_shot: bool) -> Line:
        """A new connection, if the kernel would let this user make one."""
        path = self.server.path
        if peer.uid not in (self._uid, 0):
            raise SocketRefused(
                f"{path}: permission denied; the socket is of uid {self._uid}, the client of "
                f"{peer.uid} (see the uid arguments of joined and client)",
                path=path,
                errno=errno.EACCES,
            )
        return self.server.connect(caller, peer, is_one_shot=is_one_shot)

    def connect_mute(self, wire: Wire, peer: Peer) -> Line:
        """A connection on which nothing has been said."""
        return self.connect(Caller(self.server.path, wire, CLOCK), peer, is_one_shot=False)

    def pending(self) -> list[Call[Any]]:
        """The calls somebody still waits for."""
        return [call for line in self.server.lines for call in line.caller.open.values()]

    def _late(self, polls: int, call: Call[Any], started: Started) -> ReplyTimeout:
        """What is told of a call that was sent after so many polls."""
        server = self.server
        busy = server.status if server.polls == polls else None
        return no_reply(server.path, call.seconds, started, busy, self._clock.now_ns)


def _to_ns(seconds: float) -> int:
    return round(seconds * 1e9)
