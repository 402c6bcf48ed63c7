"""One connection between two peers, driven: how it begins, what comes, and how it ends.

Moves bytes between a stream and the protocol, and events to the outbox and the inbox. What users
see of it is the peer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import warnings
import weakref
from collections.abc import Callable
from time import monotonic, monotonic_ns
from typing import Any

from lazyipc._aio.alarm import Alarm
from lazyipc._aio.news import News
from lazyipc._aio.stream import Stream
from lazyipc._core.connection.hello import SchemaStatus
from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.events import (
    Cancelled,
    Failed,
    Finished,
    Notified,
    Opened,
    PeerLeft,
    Rejected,
    Requested,
    Responded,
)
from lazyipc._io import sockets
from lazyipc._io.fds import abandon_in_child
from lazyipc._log import ClientLog
from lazyipc._stats import Counts
from lazyipc.errors import (
    DecodeError,
    Disconnected,
    IpcError,
    Started,
)
from lazyipc.rpc import _endings
from lazyipc.rpc._crew import HANDLING, Crew
from lazyipc.rpc._inbox import Inbox
from lazyipc.rpc._outbox import Outbox
from lazyipc.rpc._reply import Reply
from lazyipc.rpc._status import CLOSED, CONNECTED, WAITING, ConnectionStatus

_running_loop = asyncio._get_running_loop
"""The one that says None where none runs."""

LINGER_SECONDS = 2.0
"""How long the other side has, at the end, to take what it was sent last."""


class Conversation:
    """One connection between two peers.

    Args:
        loop: the event loop it lives in.
        connection: its side of the protocol.
        crew: who handles what comes.
        log: where the other side's doings are logged; None: in one of its own.
        name: what stands for the connection in errors: the socket's path.
        out_bytes: after how many unsent bytes a send waits.
        handshake_seconds: how long the other side may take to say who it is.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: PeerConnection,
        crew: Crew,
        log: ClientLog | None,
        name: str,
        *,
        out_bytes: int,
        handshake_seconds: float,
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._has_own_log = log is None
        self._log = ClientLog(name, Counts()) if log is None else log
        self._name = name
        self._stream = Stream(
            loop,
            self._received,
            self._stream_ended,
            on_eof=self._left,
            on_room=self._room,
            out_bytes=out_bytes,
        )
        self._outbox = Outbox(loop, connection, self._stream, name)
        self._inbox = Inbox(
            loop,
            connection,
            self._stream,
            crew,
            self._log,
            self._held_peer,
            self._tell_change,
        )
        self._patience = Alarm(loop, self._lost_patience)
        """Rings when the handshake, or the end, takes too long."""
        self._handshake_seconds = handshake_seconds
        self._news = News(loop)
        self._peer: Callable[[], Any] = lambda: None
        self._is_ours_to_end = False
        self._is_forked = False
        self._has_agreed = False
        self._now_ns = 0
        """When the last piece came."""
        self.status = WAITING
        self.on_change: Callable[[], None] | None = None
        """Told when the status has changed, or the last of what is left over has ended."""
        abandon_in_child(self, type(self)._abandon)

    # Beginning

    async def begin(
        self, connected: socket.socket, deadline: float, timeout: float, *, opens: bool
    ) -> None:
        """Talk over a connected socket, until both sides have agreed.

        Args:
            connected: the socket, which is closed with the connection.
            deadline: until when that may take; monotonic.
            timeout: the seconds that were, for people.
            opens: whether this side has connected; the other one bounds the handshake, and waits,
                having refused, until this one has seen why.

        Raises:
            IpcError: what kept both sides from agreeing. The connection is over then.
        """
        try:
            async with asyncio.timeout(_seconds_until(deadline)):
                await self._stream.adopt(connected)
                if not opens:
                    self._patience.by(monotonic() + self._handshake_seconds)
                self._connection.start()
                self._stream.write(self._connection.take_output())
                while self.status is WAITING:
                    await self._news.wait()
                if self.status.has_ended and not self._has_agreed:
                    raise self.status.reason or self._disconnected("no")
        except GeneratorExit:  # nothing can be awaited any more
            self.status = CLOSED
            self._stream.abort()
            raise
        except BaseException as error:
            if not self.status.has_ended:
                self._end(CLOSED)
                self._stream.abort()
            elif opens:
                self._stream.hang_up()
            self._inbox.end(drops_all=True)
            await self.wait_over()
            if isinstance(error, TimeoutError) and not isinstance(error, IpcError):
                raise _endings.no_agreement(self._name, timeout) from error
            raise

    def serve(self, peer: Any) -> None:
        """Belong to a peer, which is what users hold: once nobody does, the connection ends."""
        self._peer = weakref.ref(peer)
        # Not the method itself: the finalizer would keep what may lead to the peer.
        weakref.finalize(peer, _let_go, weakref.ref(self)).atexit = False

    def _held_peer(self) -> Any:
        return self._peer()

    @property
    def schema(self) -> SchemaStatus | None:
        """How the two schemas compare, once that is known."""
        return self._connection.schema

    async def wait_schema(self) -> SchemaStatus:
        """Wait until it is known how the two schemas compare."""
        while self._connection.schema is None and not self.status.has_ended:
            await self._news.wait()
        if self._connection.schema is None:
            return SchemaStatus("failed", reason=str(self.status))
        return self._connection.schema

    async def wait_end(self) -> ConnectionStatus:
        """Wait until the connection has ended, its socket is closed and its handlers cancelled."""
        is_within = HANDLING.get() is not None  # whom a handler would wait for may wait for it
        while not (self.status.has_ended and self._stream.has_ended) or (
            self._inbox.is_stopping and not is_within
        ):
            await self._news.wait()
        return self.status

    async def wait_over(self) -> None:
        """Wait until the handlers are gone, too."""
        while not self.is_over:
            await self._news.wait()

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended, its socket is closed and its handlers are gone."""
        return self.status.has_ended and self._stream.has_ended and not self._inbox.count

    def _tell_change(self) -> None:
        self._news.tell()
        if self.on_change is not None:
            self.on_change()

    # Sending

    def send(self, message: Any, timeout: float | None, expected: type | None) -> Reply[Any]:
        """Send a message that is answered.

        Raises:
            LocalProtocolError: we have closed the connection.
            Disconnected: the other side has, or it failed.
        """
        if self.status is not CONNECTED or _running_loop() is not self._loop:
            raise self._unusable()
        return self._outbox.send(message, timeout, expected)

    def notify(self, message: Any) -> Reply[None]:
        """Send a message that is not answered.

        Raises: as `send`.
        """
        if self.status is not CONNECTED or _running_loop() is not self._loop:
            raise self._unusable()
        return self._outbox.notify(message)

    def _room(self) -> None:
        if self.status is CONNECTED:
            self._inbox.let_out()
            self._outbox.let_in()

    # What comes

    def _received(self, data: bytes) -> None:
        if self.status is not CONNECTED and self.status.has_ended:
            return  # sent before the other side knew
        connection, stream = self._connection, self._stream
        self._now_ns = monotonic_ns()
        connection.receive_data(data, self._now_ns)
        stream.cork()
        failure = None
        try:
            while (event := connection.next_event()) is not None:
                self._take(event)
                if self.status is not CONNECTED and self.status.has_ended:
                    break
            if self._outbox.waiting:
                self._outbox.let_in()
        except IpcError as error:
            failure = error
        finally:
            output = connection.take_output()
            if output:
                stream.write(output)
            stream.uncork()
        if failure is not None:
            if self.status is CONNECTED:  # else who began it is told
                self._log(logging.WARNING, "the connection failed: %s", failure)
            self._fail(failure)

    def _take(self, event: Any) -> None:
        match event:  # those that come most first
            case Responded():
                self._outbox.responded(event.call, event.value)
            case Requested():
                self._inbox.take(
                    event.call, event.command, event.deadline_ns, self._now_ns, is_answered=True
                )
            case Notified():
                self._inbox.take(event.call, event.message, None, self._now_ns, is_answered=False)
            case Failed():
                self._outbox.failed(event.call, event.error)
            case Finished():
                self._outbox.finished(event.call)
            case Cancelled():
                self._inbox.cancel(event.call)
            case Rejected():
                self._inbox.reject(event)
            case Opened():
                self._opened(event.schema)
            case PeerLeft():
                self._end(CLOSED, drops_all=False)
                self._stream.close()

    def _opened(self, schema: SchemaStatus) -> None:
        self._patience.stop()
        if schema.kind == "mismatch":
            self._log(logging.WARNING, "the schemas differ: %s", schema.difference)
        self._has_agreed = True
        self.status = CONNECTED
        self._tell_change()

    # Ending

    def close(self) -> None:
        """Say goodbye, and end."""
        if self.status.has_ended:
            self._inbox.end(drops_all=True)
            return
        self._is_ours_to_end = True
        if self._loop.is_closed():
            self.status = CLOSED
            self._stream.abandon()
            return
        self._end(CLOSED)
        self._stream.write(self._connection.goodbye())
        self._stream.finish()

    def _fail(self, reason: IpcError) -> None:
        """End without a goodbye; what the other side is told of it is written already."""
        self._end(ConnectionStatus("failed", reason))
        self._stream.finish()

    def _end(self, status: ConnectionStatus, *, drops_all: bool = True) -> None:
        if self.status.has_ended:
            return
        self.status = status
        self._patience.stop()
        if not self._stream.has_ended:
            self._patience.by(monotonic() + LINGER_SECONDS)
        self._inbox.end(drops_all=drops_all)
        self._outbox.end(self._disconnected)
        self._tell_change()

    def _left(self, error: OSError | None = None) -> None:
        """The other side sends no more."""
        if not self.status.has_ended:
            self._end(ConnectionStatus("failed", self._went_away(error)), drops_all=False)

    def _stream_ended(self, error: OSError | None) -> None:
        if error is not None and self._stream.socket is not None:
            # What could not be written any more has ended it; what had come is read all the same.
            for data in sockets.rest_of(self._stream.socket):
                self._received(data)
        self._left(error)
        self._patience.stop()
        if self._has_own_log:
            self._log.close()
        self._tell_change()

    def _lost_patience(self) -> None:
        if self.status.has_ended:
            self._stream.abort()
            return
        self._fail(_endings.no_agreement(self._name, self._handshake_seconds))

    def let_go(self) -> None:
        """Nobody holds the peer any more. This may be in any thread, for the collector is."""
        if self.status.has_ended:
            return
        try:
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:  # the loop is closed
            self.close()
        warnings.warn(
            f"{self._name}: a peer was forgotten, so its connection is closed; keep the peer, and "
            "close it",
            ResourceWarning,
            stacklevel=2,
        )

    def _abandon(self) -> None:
        """In a forked child: the connection is the parent's."""
        self._is_forked = True
        self.status = CLOSED
        self._stream.abandon()

    # What is told of it

    def _went_away(self, error: OSError | None) -> IpcError:
        is_within = False
        try:
            self._connection.receive_end()
        except DecodeError:
            is_within = True
        return _endings.went_away(
            self._name, error, was_agreed=self._has_agreed, is_within=is_within
        )

    def _disconnected(self, started: Started) -> Disconnected:
        return _endings.disconnected(
            self._name, started, self.status.reason, is_ours=self._is_ours_to_end
        )

    def _unusable(self) -> IpcError:
        """What is told who sends where nothing can be sent."""
        if self._is_forked:
            return _endings.forked(self._name)
        if self.status is WAITING:
            return _endings.not_agreed(self._name)
        if self._is_ours_to_end:
            return _endings.closed_here(self._name)
        if self.status.has_ended:
            return self._disconnected("no")
        return _endings.other_loop(self._name, is_closed=self._loop.is_closed())


def _seconds_until(deadline: float) -> float | None:
    """For asyncio, to which None is for ever."""
    return None if math.isinf(deadline) else max(deadline - monotonic(), 0)


def _let_go(conversation: Callable[[], Conversation | None]) -> None:
    held = conversation()
    if held is not None:
        held.let_go()
