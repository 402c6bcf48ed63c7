"""Where a parent meets the child that it starts: a socket pair, or a listener for this one client.

Knows what the child is given, and who is let in. What is said to each other is the business of
whoever is called with the connected socket.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, TypeVar

from lazyipc._io import private_dir, sockets
from lazyipc._io.ancestry import is_descendant, started_at
from lazyipc._io.child import Child
from lazyipc._io.fds import Closers, abandon_in_child
from lazyipc._log import ClientLog
from lazyipc._peer import Peer
from lazyipc._stats import Counts
from lazyipc.errors import IpcError, SchemaMismatch, TransportError
from lazyipc.rpc._key import ConnectionKey
from lazyipc.rpc._parent import FD_VARIABLE, KEY_VARIABLE

KeyVia = Literal["fd", "env", "argv"]
T = TypeVar("T")
Begin = Callable[[socket.socket, Peer, str], Awaitable[T]]
"""Talks to whoever is at the other end of a socket, which it closes; the text is the token that
must be told. Returns when that is the child and both sides agree, raises otherwise."""

ATTEMPTS = 16
"""How many may be asked for the token at once: one is the child, the others strangers."""


class Meeting(Protocol):
    """What the child is given, and how it is met then."""

    variables: dict[str, str]
    arguments: list[str]
    fds: list[int]

    @property
    def is_deserted(self) -> bool:
        """Whether nobody is there, or on the way, as far as can be seen."""
        ...

    async def meet(self, child: Child, begin: Begin[T]) -> T:
        """Wait for the child, and talk to it."""
        ...

    def close(self) -> None:
        """Meet nobody any more, and leave nothing over. Calling it twice is fine."""
        ...


def arrange(key_via: KeyVia) -> Meeting:
    """Arrange a meeting.

    Raises:
        TransportError: the system does not let us.
    """
    return PairMeeting() if key_via == "fd" else ListenerMeeting(key_via)


class PairMeeting:
    """A socket pair: the child inherits one end, so it is nobody else."""

    def __init__(self) -> None:
        try:
            self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            raise TransportError(
                f"no socket pair for a child can be made ({error.strerror})", errno=error.errno
            ) from error
        self._ours.setblocking(False)
        self._is_taken = False
        self.fds = [self._theirs.fileno()]
        self.variables = {FD_VARIABLE: str(self._theirs.fileno())}
        self.arguments: list[str] = []

    @property
    def is_deserted(self) -> bool:
        """Never: that nobody has the other end is met where the socket is read."""
        return False

    async def meet(self, child: Child, begin: Begin[T]) -> T:
        """Wait until the child says something, and talk to it."""
        self._theirs.close()
        loop = asyncio.get_running_loop()
        spoken: asyncio.Future[None] = loop.create_future()
        # From the first word on the other side has so much time for the handshake; how long it
        # takes to begin is another matter.
        fd = self._ours.fileno()
        loop.add_reader(fd, _done, spoken)
        try:
            await spoken
        finally:
            if not loop.is_closed():
                loop.remove_reader(fd)
        self._is_taken = True
        return await begin(self._ours, Peer(child.pid, os.geteuid(), os.getegid()), "")

    def close(self) -> None:
        """Close both ends, unless ours was taken. Calling it twice is fine."""
        self._theirs.close()
        if not self._is_taken:
            self._ours.close()


class ListenerMeeting:
    """A socket in a private directory, for one client that has the key; gone once it has come.

    Args:
        key_via: how the child is given the key.
    """

    def __init__(self, key_via: KeyVia) -> None:
        place = private_dir.make()
        try:
            self._listener = sockets.listen(place.ownership)
        except BaseException:
            place.release()
            raise
        self._closers = Closers(self, place.release, self._listener.close)
        self._place = place
        abandon_in_child(self, type(self)._abandon)
        self._key = ConnectionKey.make(place.ownership.path)
        self.fds: list[int] = []
        self.variables = {KEY_VARIABLE: str(self._key)} if key_via == "env" else {}
        self.arguments = [str(self._key)] if key_via == "argv" else []
        self._log = ClientLog(place.ownership.path, Counts())
        self._accepted: deque[tuple[socket.socket, Peer]] = deque()
        """Those whose attempt has not begun yet."""
        self._attempts: set[asyncio.Task[None]] = set()

    @property
    def is_deserted(self) -> bool:
        """Whether nobody has connected who might still turn out to be the child."""
        if self._attempts or self._listener.fileno() < 0:  # closed: somebody has
            return False
        return not sockets.readiness_of(self._listener)()

    async def meet(self, child: Child, begin: Begin[T]) -> T:
        """Let in whoever may be the child, until one of them is."""
        loop = asyncio.get_running_loop()
        met: asyncio.Future[T] = loop.create_future()
        start = started_at(child.pid)
        fd = self._listener.fileno()

        def accept() -> None:
            try:
                connected = self._accept(child, start)
            except OSError as error:  # it would be called again at once, and for ever
                told = f"{self._key.path}: cannot accept a child ({error.strerror})"
                _fail(met, TransportError(told, path=self._key.path, errno=error.errno))
                return
            if connected is not None:
                self._accepted.append(connected)
                attempt = loop.create_task(self._attempt(begin, met))
                self._attempts.add(attempt)
                attempt.add_done_callback(go_on)
                if len(self._attempts) >= ATTEMPTS:
                    loop.remove_reader(fd)

        def go_on(attempt: asyncio.Task[None]) -> None:
            self._attempts.discard(attempt)
            if not met.done():
                loop.add_reader(fd, accept)

        loop.add_reader(fd, accept)
        is_torn = False
        try:
            return await met
        except GeneratorExit:  # nothing can be awaited any more
            is_torn = True
            raise
        finally:
            if not loop.is_closed():
                loop.remove_reader(fd)
            self.close()
            if not is_torn:
                if not met.cancel() and not met.cancelled():
                    met.exception()  # seen, also where this was cancelled first
                for attempt in self._attempts:
                    attempt.cancel()
                if self._attempts:
                    await asyncio.wait(self._attempts)

    def _accept(self, child: Child, child_start: int | None) -> tuple[socket.socket, Peer] | None:
        """The next one who connected, if it may be the child."""
        try:
            accepted = sockets.accept(self._listener)
        except (BlockingIOError, ConnectionAbortedError):
            return None
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=accepted.detach())
        try:
            connected.setblocking(False)
            peer = Peer(*sockets.credentials_of(connected))
        except BaseException:
            connected.close()
            raise
        if peer.uid != os.geteuid():
            why = f"it is another user's, uid {peer.uid}"
        elif is_descendant(peer.pid, child.pid, child_start) is False:
            why = f"it is no child of {child}"
        else:
            return connected, peer
        self._log(logging.WARNING, "refused pid %d: %s", peer.pid, why)
        connected.close()
        return None

    async def _attempt(self, begin: Begin[T], met: asyncio.Future[T]) -> None:
        connected, peer = self._accepted.popleft()
        try:
            met_now = await begin(connected, peer, self._key.token)
        except SchemaMismatch as error:  # it had the token, so it is the child
            _fail(met, error)
        except IpcError as error:
            self._log(logging.WARNING, "pid %d connected, and left: %s", peer.pid, error)
        else:
            if not met.done():
                met.set_result(met_now)

    def close(self) -> None:
        """Remove the socket and its directory; who waits there is let go. Twice is fine."""
        self._closers.close()
        while self._accepted:
            self._accepted.popleft()[0].close()

    def _abandon(self) -> None:
        """In a forked child: the meeting is the parent's."""
        self._listener.close()
        self._place.abandon()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[T], error: IpcError) -> None:
    if not future.done():
        future.set_exception(error)
