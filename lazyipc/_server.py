"""`IpcServer`: one poll step inside somebody else's loop.

Between two calls nothing runs. A call takes in what is pending, runs complete commands in turn,
writes the answers and returns; it never waits, and no client can make it raise. Bytes and their
meaning are the core's business, sockets that of `_io`; this driver moves the one to the other.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import weakref
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Generic, Self

from lazyipc._attendant import Attendant, Authorize
from lazyipc._core.catalog import Catalog
from lazyipc._core.command import ContextT, ProcessesIn
from lazyipc._core.connection import ServerConnection
from lazyipc._core.framing import Wire
from lazyipc._core.limits import Limits
from lazyipc._door import Door
from lazyipc._io import clock, ownership, poller, sockets
from lazyipc._io.fds import OwnedFd, abandon_in_child
from lazyipc._io.poller import READ
from lazyipc._rota import Rota
from lazyipc._session import Peer
from lazyipc._stats import Counts, Stats
from lazyipc.errors import LocalProtocolError, TransportError

LONGEST_POLL_SECONDS = 1e9
"""A budget of math.inf in numbers: thirty years."""

LONGEST_WAIT_SECONDS = 1e6
"""epoll_wait(2) counts milliseconds in an int; who waits longer is woken once in twelve days."""


class IpcServer(Generic[ContextT]):
    """A typed control socket for a program with a loop of its own; for one thread at a time.

    Args:
        path: where the socket is made, with mode 0600; PATH.lock beside it says who owns it.
        command: the root of the command family, or the one model of a set of one.
        limits: what clients may take of the host.
        wires: what clients may speak; `Wire.ALL` adds the unchecked wire of the Rust crate.
        authorize: asked before each command runs; what is not true, or raises, is a refusal.
        selector: readiness by this object, with the interface of `selectors`, not by epoll; it
            becomes the server's own, which closes it.

    Raises:
        SocketInUse: a live server owns the path.
        SocketRefused: something else stands at the path; it was left alone.
        TransportError: the directory is missing or read-only.
        SchemaError: a command cannot travel.

    >>> import tempfile
    >>> from lazyipc import Command
    >>> class Order(Command[list[int]]):
    ...     x: int
    ...     def process(self, context: list[int]) -> int:
    ...         context.append(self.x)
    ...         return len(context)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with IpcServer(f"{folder}/app.sock", Order) as server:
    ...         server.handle_new_messages([])
    0
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        command: type[ProcessesIn[ContextT]],
        *,
        limits: Limits | None = None,
        wires: Wire = Wire.FRAMED,
        authorize: Authorize | None = None,
        selector: Any = None,
    ) -> None:
        self._limits = limits or Limits()
        catalog = Catalog(command)
        if Wire.BARE in wires:
            catalog.check_bare(wires)
        self._counts = Counts()
        self._needs_turn = False
        self._is_awake = False
        self._is_running = False
        self._is_closed = False
        self._ownership = ownership.claim(os.fspath(path))
        # Newest first, and each may be called twice: an interrupted close is finished by another.
        self._closers: list[Callable[[], None]] = [self._ownership.release]
        self._finalizer = weakref.finalize(self, _call_all, self._closers)
        try:
            listener = sockets.listen(self._ownership)
            self._closers.insert(0, listener.close)
            self._poller = poller.poller_for(selector)
            self._closers.insert(0, self._poller.close)
            self._wake = OwnedFd(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
            self._closers.insert(0, self._wake.close)
            self._poller.register(self._wake.fileno(), READ)
            accepts = self._limits.accepts_per_poll
            self._door = Door(self.path, listener, self._poller, accepts, self._counts)
        except BaseException as error:
            self._finalizer()
            if isinstance(error, OSError) and not isinstance(error, TransportError):
                raise sockets.cannot_listen(self.path, error) from error
            raise
        connect = functools.partial(
            ServerConnection,
            catalog,
            wires,
            message_bytes=self._limits.message_bytes,
            elements=self._limits.elements,
            depth=self._limits.depth,
            clock=clock.clock_identity(),
        )
        serve = Attendant(self.path, authorize, self._counts).serve
        self._rota = Rota(
            self.path, connect, serve, self._door, self._poller, self._limits, self._counts
        )
        # Which function stands here is the server's state: an idle poll asks nothing else.
        self._poll: Callable[..., poller.Ready] = self._poller.poll
        abandon_in_child(self._abandon)

    @property
    def path(self) -> str:
        """Where the socket is, as an absolute path."""
        return self._ownership.path

    @property
    def clients(self) -> tuple[Peer, ...]:
        """Who is connected."""
        return tuple(
            session.peer._replace(wire=session.connection.wire)
            for session in self._rota.sessions.values()
        )

    @property
    def stats(self) -> Stats:
        """What happened so far."""
        sessions, counts = self._rota.sessions.values(), self._counts
        return Stats(
            clients=len(sessions),
            accepted=counts.accepted,
            refused=counts.refused,
            dropped=counts.dropped,
            commands=counts.commands,
            failed=counts.failed,
            rejected=counts.rejected,
            received_bytes=counts.received_bytes + sum(s.received_bytes for s in sessions),
            sent_bytes=counts.sent_bytes + sum(s.sent_bytes for s in sessions),
        )

    def fileno(self) -> int:
        """A descriptor, readable while there is something to do: for epoll, asyncio, Qt, GLib.

        Raises:
            LocalProtocolError: the server is closed.
            io.UnsupportedOperation: the caller's selector has no descriptor.
        """
        if self._is_closed:
            _raise_closed()
        return self._poller.fileno()

    def handle_new_messages(
        self,
        context: ContextT,
        *,
        max_messages: int | None = None,
        max_seconds: float | None = None,
    ) -> int:
        """Take in, run and answer what clients sent; return at once when nobody did.

        Args:
            context: handed to each command's `process`.
            max_messages: run at most so many commands; None is the limits' number.
            max_seconds: begin no command after so many seconds; None is the limits' number. The
                first command of a poll is always begun.

        Returns:
            How many commands were finished. What is left waits for the next call.

        Raises:
            LocalProtocolError: called from inside `process`, after `close`, or in a forked child.
            BaseException: what is no Exception (KeyboardInterrupt, SystemExit), out of `process`,
                after its client was answered.
        """
        ready = self._poll(0)
        if not ready and not self._needs_turn:
            return 0
        return self._turn(ready, context, max_messages, max_seconds)

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until there is something to do, or the timeout; use it instead of time.sleep.

        Args:
            timeout: seconds; None or math.inf for ever.

        Returns:
            Whether there is something to do.

        Raises:
            LocalProtocolError: as `handle_new_messages`.
        """
        longest = math.inf if timeout is None else max(timeout, 0)
        due = self._rota.due_in() if self._needs_turn else math.inf
        sleep = min(longest, due)
        ready = self._poll(None if sleep == math.inf else min(sleep, LONGEST_WAIT_SECONDS))
        return bool(ready) or (due <= longest and due < math.inf)

    def close(self) -> None:
        """Remove the socket and close every connection; inside `process`, after its answer.

        Calling it twice is fine.
        """
        self._rota.is_stopping = True
        if self._is_running or self._is_closed:
            return
        self._poll = _raise_closed
        self._rota.drop_all()
        _call_all(self._closers)
        self._finalizer.detach()
        self._is_closed = True

    def _abandon(self) -> None:
        """In a forked child: close our copies and touch nothing the parent goes on using."""
        if self._is_closed:
            return
        self._is_closed = True
        self._poll = _raise_forked
        self._rota.abandon()
        self._finalizer.detach()
        self._ownership.abandon()
        _call_all(self._closers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # One turn ------------------------------------------------------------------------------------

    def _turn(
        self,
        ready: poller.Ready,
        context: ContextT,
        max_messages: int | None,
        max_seconds: float | None,
    ) -> int:
        rota, limits = self._rota, self._limits
        seconds = limits.seconds_per_poll if max_seconds is None else max_seconds
        messages = limits.messages_per_poll if max_messages is None else max_messages
        now = monotonic_ns()
        stop = now + int(min(seconds, LONGEST_POLL_SECONDS) * 1e9)
        self._is_running = self._needs_turn = True
        self._poll = _raise_reentered
        try:
            try:
                rota.take_in(ready, now, stop)
                done = rota.run(context, messages, now, stop) if rota.runnable else 0
                if rota.begun:
                    rota.drop_the_late(now)
                return done
            except BaseException:
                rota.recover()
                raise
            finally:
                self._leave_turn()
                if not self._is_closed:
                    self._end_turn(now)
        finally:
            self._leave_turn()  # an interrupt may have come before the first could

    def _leave_turn(self) -> None:
        if self._poll is _raise_reentered:
            self._poll = self._poller.poll
        self._is_running = False

    def _end_turn(self, now: int) -> None:
        """Settle what the next idle poll will look at."""
        if self._rota.is_stopping:
            self.close()
            return
        door, rota = self._door, self._rota
        if door.is_closed and len(rota.sessions) < self._limits.clients:
            door.reopen(now)
        runnable = bool(rota.runnable)
        if runnable and not self._is_awake:
            self._is_awake = True  # said before it is so, for an interrupt may fall between
            os.eventfd_write(self._wake.fileno(), 1)
        elif self._is_awake and not runnable:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake.fileno())
            self._is_awake = False
        self._needs_turn = runnable or bool(rota.begun) or door.is_resting


def _call_all(closers: list[Callable[[], None]]) -> None:
    """Call each, whatever another raises."""
    with contextlib.ExitStack() as stack:
        for close in reversed(closers):
            stack.callback(close)


def _raise_closed(timeout: float | None = None) -> poller.Ready:
    raise LocalProtocolError("the server is closed")


def _raise_forked(timeout: float | None = None) -> poller.Ready:
    raise LocalProtocolError(
        "the server was made before this process was forked and stays with the parent; "
        "make another one, at another path, in the child"
    )


def _raise_reentered(timeout: float | None = None) -> poller.Ready:
    raise LocalProtocolError(
        "the server was called from inside `process`; return from it first (close is allowed)"
    )
