"""Whose turn it is: reading from clients, running their commands one by one in turn, writing.

Knows all clients of a server and the order among them. What one is owed is the session's business,
what a command does the attendant's; when a poll happens, and what follows, the server's.
"""

from __future__ import annotations

import logging
import math
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from lazyipc._core.connection.server import Event, ServerConnection
from lazyipc._core.framing import FRAMED
from lazyipc._core.limits import ENVELOPE_BYTES, Limits, in_ns
from lazyipc._door import Door
from lazyipc._io.poller import HANGUP, READ, WRITE, EpollPoller, Ready, SelectorPoller
from lazyipc._log import ClientLog
from lazyipc._peer import Peer
from lazyipc._session import Session
from lazyipc._stats import Counts
from lazyipc.errors import MessageTooLarge, RemoteProtocolError

REPLY_DELAY_NS = 1_000_000
"""Replies to one client's queue of commands are written together. Before a command of it that
begins later than this, and before any other client's, they are written: so a reply may wait for
the client's own next command, and for nothing else."""

REPLY_BYTES = 65536
"""Nor are more bytes than this gathered before they are written, or than `Limits.out_bytes` leaves
room for beside one further reply."""

LOOK_NS = 1_000_000
"""After commands that took so long together, the poll looks who has hung up before it goes on."""

LET_IN_ROUNDS = 16
"""How often a poll accepts again because those who came were gone at once, whatever its time."""

PROGRESS_BYTES = 65536
"""Who moved so much is not slow: a host that polls seldom takes, or gives, a large message in many
polls. Less is a trickle, meant to last."""

Serve = Callable[[Session, Event, Any, int], int]


class Rota:
    """A server's clients and whose turn it is.

    Args:
        log: where clients' doings are logged.
        connect: makes the protocol's side of a new connection.
        serve: answers one request; 1 if a command was run.
        door: who lets clients in.
        poller: where their readiness is watched for.
        limits: what they may take.
        counts: where what became of them is counted.
        stamp: tells the outside of a turn that has read, at which time and with how many clients,
            and returns when to tell it again; in ns.
        clock: the time in ns; a test's own may stand still.
    """

    def __init__(
        self,
        log: ClientLog,
        connect: Callable[[], ServerConnection],
        serve: Serve,
        door: Door,
        poller: EpollPoller | SelectorPoller,
        limits: Limits,
        counts: Counts,
        stamp: Callable[[int, int], int],
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._log = log
        self._clock = clock
        self._stamp = stamp
        self.stamp_at = 0
        """When to stamp again."""
        self._connect = connect
        self._serve = serve
        self._door = door
        self._poller = poller
        self._limits = limits
        self._counts = counts
        room = limits.out_bytes - limits.message_bytes - ENVELOPE_BYTES
        self._reply_bytes = min(REPLY_BYTES, room)
        self._late_ns = in_ns(limits.half_message_seconds)
        self.sessions: dict[int, Session] = {}
        self.runnable: deque[Session] = deque()
        """Those that may have a complete request, the next one first."""
        self.begun: dict[Session, tuple[int, int]] = {}
        """Those within a message or a reply: since when (ns), and how many bytes it had moved by
        then; oldest first."""
        self.is_broken = False
        """A turn began and did not end, or has not ended yet."""
        self.is_stopping = False
        """No further command is begun: the server closes after this one."""

    def due_in(self) -> float:
        """Seconds until time alone gives a poll something to do; math.inf if it never will."""
        if self.runnable or self.is_broken:
            return 0
        dues = [since + self._late_ns for since, _ in list(self.begun.values())[:1]]
        if self._door.is_resting:
            dues.append(self._door.reopen_at)
        return max(min(dues) - self._clock(), 0) / 1e9 if dues else math.inf

    def recover(self) -> None:
        """After an interrupt at any point of a turn: end the stream it broke, look at all.

        Should another interrupt come meanwhile, the next turn begins with it.
        """
        for session in list(self.sessions.values()):
            if session.gone or not (session.is_whole and session.is_watched):
                self._drop(session)
            else:
                session.is_queued = True
                session.flush()
        self.runnable = deque(self.sessions.values())
        self.is_broken = False

    def turn(self, ready: Ready, context: Any, messages: int, now: int, stop: int) -> int:
        """Take in what is ready, run what is whole, and close who is too slow.

        Args:
            ready: who is.
            context: handed to each command.
            messages: how many commands are run, at most.
            now, stop: now, and when to end; the first command is begun whatever the time.

        Returns:
            How many commands were run.
        """
        if self.is_broken:
            self.recover()
        self.is_broken = True
        began = now
        has_found = bool(ready or self.runnable)
        try:
            if ready:
                self._take_in(ready, now, stop)
            now = self._clock()
            if now >= self.stamp_at:  # with an instant after that of what was read
                self.stamp_at = self._stamp(now, len(self.sessions))
            done = self._run(context, messages, now, stop) if self.runnable else 0
            if self.begun:
                self._drop_the_late(now)
        finally:
            if has_found:
                counts, elapsed = self._counts, self._clock() - began
                counts.turns += 1
                counts.turn_ns += elapsed
                if elapsed > counts.longest_turn_ns:
                    counts.longest_turn_ns = elapsed
        self.is_broken = False
        return done

    def _take_in(self, ready: Ready, now: int, stop: int) -> None:
        """Accept, write what waited, read; whoever hung up is dropped before anything is run."""
        if self._take(ready, now):
            self._let_in(now, stop)

    def _let_in(self, now: int, stop: int) -> None:
        """Accept; a flood of those that are gone at once must not keep the others waiting."""
        until = now + (stop - now) // 4
        left = self._limits.accepts_per_poll
        rounds = LET_IN_ROUNDS
        while left > 0:
            here = len(self.sessions)
            for connected, peer in self._door.accept(left, self._limits.clients - here, now, until):
                self._admit(connected, peer)
            # Look again: who just came has most often sent its command already, or is gone.
            is_asked = self._take(self._poller.poll(0), now)
            left -= len(self.sessions) - here
            rounds -= 1
            if not rounds or not is_asked or self._clock() >= until:
                return

    def _take(self, ready: Ready, now: int) -> bool:
        """Read what has come; whether somebody waits at the door."""
        is_asked = False
        for fd, mask in ready:
            session = self.sessions.get(fd)
            if session is None:
                is_asked = is_asked or fd == self._door.fd
            elif mask & HANGUP:
                self._drop(session)
            else:
                if mask & WRITE:
                    session.flush()
                    self._settle(session, now)
                if not session.is_queued:
                    if mask & READ:  # what it sent before comes first
                        session.receive(now)
                    session.is_queued = True
                    self.runnable.append(session)
        return is_asked

    def _admit(self, connected: socket.SocketType, peer: Peer) -> None:
        session = Session(connected, peer, self._connect(), self._poller, self._limits.in_bytes)
        self.sessions[session.fd] = session
        try:
            session.watch()
        except OSError as error:  # the caller's selector has no place for it
            self._log(logging.WARNING, "cannot serve a client: %s", error)
            self._counts.refused += 1
            self._drop(session)

    def _run(self, context: Any, messages: int, now: int, stop: int) -> int:
        """Run complete commands, one of each client in turn, until they or the budget end."""
        runnable = self.runnable
        serve, clock, reply_bytes = self._serve, self._clock, self._reply_bytes
        done = turns = 0
        writing: Session | None = None
        write_at = 0
        look_at = now + LOOK_NS
        is_late = False
        unread: list[Session] = []
        while runnable and turns < messages and not self.is_stopping:
            session = runnable.popleft()
            if writing is not None and (
                session is not writing or now >= write_at or writing.owed_bytes > reply_bytes
            ):
                if not writing.flush():
                    self._settle(writing, now)
                writing = None
            if session.gone or session.backlog is not None:
                session.is_queued = False
                self._settle(session, now)
                continue
            session.is_whole = False
            connection = session.connection
            try:
                event = connection.next_event()
            except RemoteProtocolError as error:
                self._end_stream(session, error)
                event = None
            if event is not None and connection.wire is not FRAMED and session.is_abandoned():
                session.is_whole = True
                session.is_queued = False
                self._settle(session, now)
                continue
            if event is not None:
                if self.begun:
                    self.begun.pop(session, None)
                if writing is None:
                    writing, write_at = session, now + REPLY_DELAY_NS
                turns += 1
                done += serve(session, event, context, now)
            elif is_late and connection.wanted_bytes:
                session.is_whole = True
                unread.append(session)
                continue
            elif not (connection.wanted_bytes and session.receive(now)):
                session.is_whole = True
                session.is_queued = False
                self._settle(session, now)
                continue
            session.is_whole = True
            now = clock()
            if now >= look_at:  # somebody may have hung up meanwhile
                self._drop_the_gone()
                look_at = now + LOOK_NS
            buffer = connection.buffer
            if buffer.start < len(buffer.data):
                runnable.append(session)
            else:  # most often one request was all there was
                session.is_queued = False
                writing = None
                if not session.flush():
                    self._settle(session, now)
            if now >= stop:
                if turns:
                    break
                # To read more, that is; the first command that is whole is begun all the same.
                is_late = True
        runnable.extend(unread)
        if writing is not None and not writing.flush():
            self._settle(writing, now)
        if runnable:
            self._counts.deferred += 1
        return done

    def _drop_the_gone(self) -> None:
        """Close who can receive no more, before anything else is run for them."""
        if not self.sessions:
            return  # as in a child that was forked from within a command, whose poller is closed
        for fd, mask in self._poller.poll(0):
            session = self.sessions.get(fd) if mask & HANGUP else None
            if session is not None:
                self._drop(session)

    def _end_stream(self, session: Session, error: RemoteProtocolError) -> None:
        """Nothing more of it can be understood: say so, where that can be said, and close."""
        self._log(logging.WARNING, "closed the client of %s: %s", session.peer, error)
        self._counts.dropped += 1
        self._counts.too_large += isinstance(error, MessageTooLarge)
        session.connection.wanted_bytes = 0
        session.owe(session.connection.fail(0, error))
        session.flush()

    def _settle(self, session: Session, now: int) -> None:
        """Close a client that is done; remember since when one keeps us waiting."""
        if session.is_done:
            self._drop(session)
        elif session.backlog is not None or session.connection.wanted_bytes:
            if session not in self.begun:
                self._counts.backlogs += session.backlog is not None
                self.begun[session] = now, session.moved_bytes
        else:
            self.begun.pop(session, None)

    def _drop_the_late(self, now: int) -> None:
        """Close those that kept us waiting too long for the rest of a message, or of a reply."""
        late = now - self._late_ns
        for session, (since, moved) in list(self.begun.items()):
            if since > late:
                return
            if session.moved_bytes - moved >= PROGRESS_BYTES:  # then it is we who are slow
                del self.begun[session]
                self.begun[session] = now, session.moved_bytes
                continue
            self._log(logging.WARNING, "closed the client of %s: too slow", session.peer)
            self._counts.dropped += 1
            self._counts.too_slow += 1
            self._drop(session)

    def _drop(self, session: Session) -> None:
        if self.sessions.get(session.fd) is not session:
            return
        session.gone = True
        session.close()
        self.begun.pop(session, None)
        del self.sessions[session.fd]  # last, so that an interrupted drop is done again
        self._counts.received_bytes += session.received_bytes
        self._counts.sent_bytes += session.sent_bytes

    def drop_all(self) -> None:
        """Write what is owed as far as that goes at once, and close every connection."""
        for session in list(self.sessions.values()):
            session.flush()
            self._drop(session)

    def abandon(self) -> None:
        """In a forked child: close our copies of the connections and forget them."""
        for session in self.sessions.values():
            session.gone = True
            session.connected.close()
        self.sessions.clear()
        self.runnable.clear()
        self.begun.clear()
