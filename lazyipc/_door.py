"""Who comes in: accepting within limits, credentials before a byte, rest when descriptors run out.

Knows the listener. What is said by those let in is the session's business.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator

from lazyipc._io import sockets
from lazyipc._io.poller import READ, EpollPoller, SelectorPoller
from lazyipc._log import ClientLog
from lazyipc._peer import Peer
from lazyipc._stats import Counts

REST_NS = 1_000_000_000
"""After the system refused a descriptor, accepting rests this long: a listener that stays ready
would otherwise wake a waiting host again and again for nothing."""


class Door:
    """A server's listener; while it is closed, clients wait in the kernel's queue.

    Args:
        log: where clients' doings are logged.
        listener: the listening socket.
        poller: where its readiness is watched for.
        counts: where it counts who came.
    """

    def __init__(
        self,
        log: ClientLog,
        listener: socket.socket,
        poller: EpollPoller | SelectorPoller,
        counts: Counts,
    ) -> None:
        self._log = log
        self._listener = listener
        self._poller = poller
        self._counts = counts
        self._allowed_uids = frozenset((os.geteuid(), 0))
        self._more_waiting = sockets.readiness_of(listener)
        self.reopen_at = 0
        self.fd = listener.fileno()
        self.is_closed = False
        """Nobody is accepted: the server is full, or the system out of descriptors."""
        self.is_resting = False
        """Closed until a moment, and no client's leaving will tell when that has come."""
        poller.register(self.fd, READ)

    def accept(
        self, count: int, room: int, now: int, stop: int
    ) -> Iterator[tuple[socket.SocketType, Peer]]:
        """Those who may come in, as far as there is room and time.

        Args:
            count: how many are accepted, at most.
            room: how many more the server takes.
            now, stop: now, and when to end; monotonic, in ns.
        """
        for _ in range(count):
            if room <= 0:
                self._close_until(0)
                return
            try:
                connected = sockets.accept(self._listener)
            except BlockingIOError:
                return
            except OSError as error:
                self._log(logging.WARNING, "cannot accept a client: %s", error)
                self._close_until(now + REST_NS)
                return
            peer = self._peer_of(connected)
            if peer is not None:
                room -= 1
                self._counts.accepted += 1
                yield connected, peer
            if not self._more_waiting():
                return
            if time.monotonic_ns() >= stop:
                break
        self._counts.deferred += 1

    def _peer_of(self, connected: socket.SocketType) -> Peer | None:
        """Who it is, before a byte of it is read; None, and closed, if it may not come in."""
        try:
            pid, uid, gid = sockets.credentials_of(connected)
        except OSError as error:  # nobody known is nobody allowed
            self._log(logging.WARNING, "cannot tell who connected: %s", error)
            pid, uid, gid = 0, -1, -1
        if uid in self._allowed_uids:
            return Peer(pid, uid, gid)
        self._log(logging.WARNING, "refused a client of uid %d (pid %d)", uid, pid)
        self._counts.refused += 1
        connected.close()
        return None

    def _close_until(self, reopen_at: int) -> None:
        self._counts.pauses += 1
        self.is_closed = True
        self.is_resting = reopen_at > 0
        self.reopen_at = reopen_at
        self._poller.modify(self.fd, 0)

    def reopen(self, now: int) -> None:
        """Accept again, unless it is too early."""
        if now >= self.reopen_at:
            self._poller.modify(self.fd, READ)
            self.is_closed = self.is_resting = False
