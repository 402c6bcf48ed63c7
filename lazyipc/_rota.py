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

from lazyipc._core.connection import ServerConnection
from lazyipc._core.events import Rejected, Requested
from lazyipc._core.limits import Limits
from lazyipc._door import Door
from lazyipc._io.poller import HANGUP, READ, WRITE, EpollPoller, Ready, SelectorPoller
from lazyipc._session import Peer, Session
from lazyipc._stats import Counts
from lazyipc.errors import RemoteProtocolError

logger = logging.getLogger("lazyipc")

REPLY_DELAY_NS = 1_000_000
"""Replies to one client's queue of commands are written together. Before a command of it that
begins later than this, and before any other client's, they are written: so a reply may wait for
the client's own next command, and for nothing else."""

REPLY_BYTES = 65536
"""Nor are more bytes than this gathered before they are written."""

PROGRESS_BYTES = 65536
"""Who moved so much is not slow: a host that polls seldom takes, or gives, a large message in many
polls. Less is a trickle, meant to last."""

LONGEST_LATENESS_SECONDS = 1e9
"""A limit of math.inf in numbers: thirty years."""

Serve = Callable[[Session, Requested | Rejected, Any, int], int]


class Rota:
    """A server's clients and whose turn it is.

    Args:
        path: the socket's path, for the log.
        connect: makes the protocol's side of a new connection.
        serve: answers one request; 1 if a command was run.
        door: who lets clients in.
        poller: where their readiness is watched for.
        limits: what they may take.
        counts: where what became of them is counted.
    """

    def __init__(
        self,
        path: str,
        connect: Callable[[], ServerConnection],
        serve: Serve,
        door: Door,
        poller: EpollPoller | SelectorPoller,
        limits: Limits,
        counts: Counts,
    ) -> None:
        self._path = path
        self._connect = connect
        self._serve = serve
        self._door = door
        self._poller = poller
        self._limits = limits
        self._counts = counts
        self._late_ns = int(min(limits.half_message_seconds, LONGEST_LATENESS_SECONDS) * 1e9)
        self.sessions: dict[int, Session] = {}
        self.runnable: deque[Session] = deque()
        """Those that may have a complete request, the next one first."""
        self.begun: dict[Session, tuple[int, int]] = {}
        """Those within a message or a reply: since when (ns), and how many bytes it had moved by
        then; oldest first."""
        self.is_stopping = False
        """No further command is begun: the server closes after this one."""

    def due_in(self) -> float:
        """Seconds until time alone gives a poll something to do; math.inf if it never will."""
        if self.runnable:
            return 0
        dues = [since + self._late_ns for since, _ in list(self.begun.values())[:1]]
        if self._door.is_resting:
            dues.append(self._door.reopen_at)
        return max(min(dues) - monotonic_ns(), 0) / 1e9 if dues else math.inf

    def recover(self) -> None:
        """After an interrupt at any point of a turn: end the stream it broke, look at all."""
        for session in list(self.sessions.values()):
            if session.gone or not (session.is_whole and session.is_watched):
                self._drop(session)
            else:
                session.is_queued = True
                session.flush()
        self.runnable = deque(self.sessions.values())

    def take_in(self, ready: Ready, now: int, stop: int) -> None:
        """Accept, write what waited, read; whoever hung up is dropped before anything is run."""
        door_fd = self._door.fd
        for fd, _ in ready:
            if fd == door_fd:
                room = self._limits.clients - len(self.sessions)
                for connected, peer in self._door.accept(room, now, stop):
                    self._admit(connected, peer)
                # Look again: who just came has most often sent its command already, or is gone.
                ready = self._poller.poll(0)
                break
        sessions = self.sessions
        for fd, mask in ready:
            session = sessions.get(fd)
            if session is None:
                continue
            if mask & HANGUP:
                self._drop(session)
                continue
            if mask & WRITE:
                session.flush()
                self._settle(session, now)
            if mask & READ and not session.is_queued:  # what it sent before comes first
                session.receive(now)
            self._enqueue(session)

    def _enqueue(self, session: Session) -> None:
        if not session.is_queued:
            session.is_queued = True
            self.runnable.append(session)

    def _admit(self, connected: socket.SocketType, peer: Peer) -> None:
        session = Session(connected, peer, self._connect(), self._poller)
        self.sessions[session.fd] = session
        session.watch()

    def run(self, context: Any, messages: int, now: int, stop: int) -> int:
        """Run complete commands, one of each client in turn, until they or the budget end."""
        runnable = self.runnable
        serve = self._serve
        done = turns = 0
        writing: Session | None = None
        write_at = 0
        while runnable and turns < messages and not self.is_stopping:
            session = runnable.popleft()
            if writing is not None and (
                session is not writing or now >= write_at or writing.owed_bytes >= REPLY_BYTES
            ):
                self._flush(writing, now)
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
            if event is not None:
                if self.begun:
                    self.begun.pop(session, None)
                if writing is None:
                    writing, write_at = session, now + REPLY_DELAY_NS
                turns += 1
                done += serve(session, event, context, now)
            elif not (connection.wanted_bytes and session.receive(now)):
                session.is_whole = True
                session.is_queued = False
                self._settle(session, now)
                continue
            session.is_whole = True
            now = monotonic_ns()
            buffer = connection.buffer
            if buffer.start < len(buffer.data):
                runnable.append(session)
            else:  # most often one request was all there was
                session.is_queued = False
                writing = None
                self._flush(session, now)
            if now >= stop:
                break
        if writing is not None:
            self._flush(writing, now)
        return done

    def _end_stream(self, session: Session, error: RemoteProtocolError) -> None:
        """Nothing more of it can be understood: say so, where that can be said, and close."""
        logger.warning("%s: closed the client of %s: %s", self._path, session.peer, error)
        self._counts.dropped += 1
        session.connection.wanted_bytes = 0
        session.owe(session.connection.fail(0, error))
        session.flush()

    def _flush(self, session: Session, now: int) -> None:
        if not session.flush():
            self._settle(session, now)

    def _settle(self, session: Session, now: int) -> None:
        """Close a client that is done; remember since when one keeps us waiting."""
        if session.is_done:
            self._drop(session)
        elif session.backlog is not None or session.connection.wanted_bytes:
            self.begun.setdefault(session, (now, session.moved_bytes))
        else:
            self.begun.pop(session, None)

    def drop_the_late(self, now: int) -> None:
        """Close those that kept us waiting too long for the rest of a message, or of a reply."""
        late = now - self._late_ns
        for session, (since, moved) in list(self.begun.items()):
            if since > late:
                return
            if session.moved_bytes - moved >= PROGRESS_BYTES:  # then it is we who are slow
                del self.begun[session]
                self.begun[session] = now, session.moved_bytes
                continue
            logger.warning("%s: closed the client of %s: too slow", self._path, session.peer)
            self._counts.dropped += 1
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
