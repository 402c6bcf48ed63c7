"""What one client is owed: its socket, its side of the protocol, and the bytes not yet written.

Knows one client. Which client's turn it is, and what a command does, is the server's business.
"""

from __future__ import annotations

import contextlib
import socket

from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.parts import (
    LARGE_BYTES,
    MOST_PIECES,
    QUEUE_BYTES,
    Parts,
    pass_written,
    views,
)
from lazyipc._io.poller import READ, WRITE, EpollPoller, SelectorPoller
from lazyipc._io.sockets import NO_WAIT, RECEIVE_BYTES, SEND_FLAGS
from lazyipc._peer import Peer


class Session:
    """One client's connection.

    Args:
        connected: its socket.
        peer: who it is.
        connection: its side of the protocol.
        poller: where its readiness is watched for.
        in_bytes: how much is kept of what it sent.
    """

    __slots__ = (
        "_in_bytes",
        "_interest",
        "_owed",
        "_piece_bytes",
        "_poller",
        "backlog",
        "connected",
        "connection",
        "ended",
        "fd",
        "gone",
        "is_queued",
        "is_watched",
        "is_whole",
        "owed_bytes",
        "peer",
        "received_bytes",
        "sent_bytes",
    )

    def __init__(
        self,
        connected: socket.SocketType,
        peer: Peer,
        connection: ServerConnection,
        poller: EpollPoller | SelectorPoller,
        in_bytes: int,
    ) -> None:
        self._in_bytes = in_bytes
        self._piece_bytes = min(in_bytes, RECEIVE_BYTES)
        self.connected = connected
        self.peer = peer
        self.connection = connection
        self._poller = poller
        self.fd = connected.fileno()
        self._owed: list[bytes | Parts] = []
        self.owed_bytes = 0
        self.backlog: list[memoryview] | None = None
        """What the kernel refused; until it is gone the client is neither read nor run."""
        self._interest = READ
        self.ended = False
        """It will send no more."""
        self.gone = False
        """It can receive no more; nothing is run for it."""
        self.is_queued = False
        """It stands in the server's queue of clients that may have a complete request."""
        self.is_whole = True
        """No request of it is between being read and being answered."""
        self.received_bytes = 0
        self.sent_bytes = 0
        self.is_watched = False
        """Its readiness is watched for; else nobody would notice what it says."""

    def watch(self) -> None:
        """Have its readiness watched for."""
        self._poller.register(self.fd, READ)
        self.is_watched = True

    @property
    def moved_bytes(self) -> int:
        """How much it sent and took so far."""
        return self.received_bytes + self.sent_bytes

    @property
    def is_done(self) -> bool:
        """Nothing is left to do but close."""
        if self.gone:
            return True
        if self.backlog is not None or self._owed:
            return False
        return self.connection.finished or (self.ended and not self.is_queued)

    def receive(self, now_ns: int) -> bool:
        """Read once; False when there is nothing new for the connection.

        Args:
            now_ns: the time, on the clock of the connection.
        """
        connection = self.connection
        size = self._piece_bytes
        try:
            if connection.wanted_bytes:
                space = connection.space()
                if space is not None:
                    return self._receive_into(space, now_ns)
                size = min(RECEIVE_BYTES, self._in_bytes - len(connection.buffer))
            data = self.connected.recv(size, NO_WAIT)
            if data:
                self.received_bytes += len(data)
                connection.receive_data(data, now_ns)
                return True
        except BlockingIOError:
            return False
        except OSError:
            self.gone = True
            return False
        except BaseException:
            self.gone = True  # an interrupt may have swallowed what was read
            raise
        return self._receive_end()

    def _receive_into(self, space: memoryview, now_ns: int) -> bool:
        """Read once into the place of a large message: it has room there, whatever is kept."""
        count = self.connected.recv_into(space, 0, NO_WAIT)
        if not count:
            return self._receive_end()
        self.received_bytes += count
        self.connection.received(count, now_ns)
        return True

    def _receive_end(self) -> bool:
        was_ended, self.ended = self.ended, True
        self._watch(0)
        return not was_ended and self.connection.receive_end()

    def is_abandoned(self) -> bool:
        """Whether its client is known to be gone, before a command of it is run.

        A frame says until when it may run; on the other wires who gives up can only hang up, and
        may have done so since readiness was asked for.
        """
        self.gone = self.gone or self._poller.has_hung_up(self.fd)
        return self.gone

    def owe(self, data: bytes | Parts) -> None:
        """Add to what is written at the next flush."""
        if data:
            self._owed.append(data)
            self.owed_bytes += len(data)

    def flush(self) -> bool:
        """Write what is owed; what the kernel refuses waits for writability.

        Returns:
            Whether all is written and the client goes on; else the server must see to it.
        """
        if self.gone or not (self._owed or self.backlog):
            return False
        owed = self._owed
        try:
            if self.backlog is not None or self.owed_bytes >= LARGE_BYTES:
                if not self._write_on():
                    return False
            else:  # too little to be in parts
                data: bytes = owed[0] if len(owed) == 1 else b"".join(owed)  # type: ignore
                owed.clear()
                self.owed_bytes = 0
                try:
                    sent = self.connected.send(data, SEND_FLAGS)
                except BlockingIOError:
                    sent = 0
                self.sent_bytes += sent
                if sent < len(data):
                    self.backlog = [memoryview(data)[sent:]]
                    self._watch(WRITE)
                    return False
            if self._interest == WRITE:
                self._watch(0 if self.ended else READ)
            return not (self.ended or self.connection.finished)
        except OSError:
            self.gone = True
            return False
        except BaseException:
            self.gone = True  # an interrupt hides how much was written
            raise

    def _write_on(self) -> bool:
        """Write what waits, or what large parts there are, from where it lies; if that was all."""
        unwritten = self.backlog
        if unwritten is None:  # nothing is owed while something waits: the client is not run
            unwritten = views(self._owed)
            if self.owed_bytes > QUEUE_BYTES:  # before a byte, for a longer queue is no progress
                self.connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE_BYTES)
            self._owed.clear()
            self.owed_bytes = 0
        try:
            sent = self.connected.sendmsg(unwritten[:MOST_PIECES], (), SEND_FLAGS)
        except BlockingIOError:
            sent = 0
        self.sent_bytes += sent
        pass_written(unwritten, sent)
        self.backlog = unwritten or None
        if unwritten:
            self._watch(WRITE)
        return not unwritten

    def _watch(self, mask: int) -> None:
        if mask != self._interest:
            self._interest = mask
            self._poller.modify(self.fd, mask)

    def close(self) -> None:
        """Stop watching, then close: a descriptor a child inherited would keep the watch alive."""
        if self.connected.fileno() >= 0:
            with contextlib.suppress(FileNotFoundError):  # not watched any more, if interrupted
                self._poller.unregister(self.fd)
            self.connected.close()
