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
import socket
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Generic, Self

from lazyipc._assembly import assemble
from lazyipc._attendant import Authorize
from lazyipc._core.catalog import Catalog
from lazyipc._core.command import ContextT, ProcessesIn
from lazyipc._core.framing import FRAMED_OR_JSON, Wire
from lazyipc._core.limits import Limits, in_ns
from lazyipc._door import Door
from lazyipc._io import clock, poller, sockets
from lazyipc._io.fds import Closers, OwnedFd, abandon_in_child
from lazyipc._io.poller import READ
from lazyipc._log import ClientLog
from lazyipc._misuse import raise_closed, raise_forked, raise_reentered
from lazyipc._peer import Peer
from lazyipc._place import Place, adopted, claimed
from lazyipc._stats import Counts, Stats
from lazyipc.errors import TransportError

LONGEST_WAIT_SECONDS = 1e6
"""epoll_wait(2) counts milliseconds in an int; who waits longer is woken once in twelve days."""


class IpcServer(Generic[ContextT]):
    """A typed control socket for a program with a loop of its own; for one thread at a time.

    Args:
        path: where the socket is made, with mode 0600; PATH.lock beside it says who owns it.
        command: the root of the command family, or the one model of a set of one.
        limits: what clients may take of the host.
        wires: what clients may speak; `Wire.ALL` adds the unchecked wire of the Rust crate to
            frames and lines of JSON.
        authorize: asked before each command runs; what is not true, or raises, is a refusal.
        selector: readiness by this object, with the interface of `selectors`, not by epoll; it
            becomes the server's own, which closes it.
        version: the program's own, such as "1.4.0", for those who ask for a description.

    Raises:
        SocketInUse: a live server owns the path.
        SocketRefused: something else stands at the path; it was left alone.
        TransportError: the directory is missing or read-only.
        SchemaError: a command cannot travel.
        ValueError: no wire is named.

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
        wires: Wire = FRAMED_OR_JSON,
        authorize: Authorize | None = None,
        selector: Any = None,
        version: str | None = None,
    ) -> None:
        listening = functools.partial(claimed, path)
        self._start(listening, command, limits, wires, authorize, selector, version)

    @classmethod
    def adopt(
        cls,
        fd: int | None,
        command: type[ProcessesIn[ContextT]],
        *,
        name: str | None = None,
        limits: Limits | None = None,
        wires: Wire = FRAMED_OR_JSON,
        authorize: Authorize | None = None,
        selector: Any = None,
        version: str | None = None,
    ) -> IpcServer[ContextT]:
        """A server on a listening socket from outside: of a service manager, or a parent.

        The socket's path is never removed, and has no lock file and no status page.

        Args:
            fd: the socket's descriptor, which becomes the server's own unless it is refused; None
                is the one that was passed by LISTEN_FDS, which is then not passed any more.
            name: which of those passed, by FileDescriptorName= in its .socket unit.
            command, limits, wires, authorize, selector, version: as for a server at a path.

        Raises:
            SocketRefused: it is another user's, or others may connect to it.
            TransportError: it is no listening Unix socket with a path, or none was passed.
            SchemaError: a command cannot travel.

        >>> import tempfile
        >>> from lazyipc import Command
        >>> class Order(Command[None]):
        ...     def process(self, context: None) -> bool: return True
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     parents = socket.socket(socket.AF_UNIX)
        ...     os.fchmod(parents.fileno(), 0o600)  # before its path is there for others
        ...     parents.bind(f"{folder}/app.sock")
        ...     parents.listen()
        ...     with IpcServer.adopt(parents.detach(), Order) as server:
        ...         server.handle_new_messages(None)
        0
        """
        server = cls.__new__(cls)
        listening = functools.partial(adopted, fd, name)
        server._start(listening, command, limits, wires, authorize, selector, version)
        return server

    def _start(
        self,
        take_place: Callable[[], tuple[Place, socket.socket]],
        command: type[ProcessesIn[ContextT]],
        limits: Limits | None,
        wires: Wire,
        authorize: Authorize | None,
        selector: Any,
        version: str | None,
    ) -> None:
        if version is not None and not isinstance(version, str):
            raise TypeError(f"version is text such as '1.4.0', or None, not {version!r}")
        self._limits = limits or Limits()
        if not wires:
            raise ValueError("wires names no wire that clients may speak; see Wire")
        catalog = Catalog(command)
        if Wire.BARE in wires:
            catalog.check_bare(wires)
        self._counts = Counts()
        self._needs_turn = False
        self._idle_left = self._idle_granted = 0
        """How many idle polls may look no further, and how many might at first."""
        self._budget_ns = in_ns(self._limits.seconds_per_poll)
        self._messages = self._limits.messages_per_poll
        self._is_awake = False
        self._is_closed = False
        self._place, listener = take_place()
        self._closers = Closers(self, self._place.release, listener.close)
        try:
            self._poller = poller.poller_for(selector)
            self._closers.add(self._poller.close)
            self._wake = OwnedFd(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
            self._closers.add(self._wake.close)
            self._poller.register(self._wake.fileno(), READ)
            self._log = ClientLog(self.path, self._counts)
            self._door = Door(self._log, listener, self._poller, self._counts)
        except BaseException as error:
            self._closers.close()
            if isinstance(error, OSError) and not isinstance(error, TransportError):
                raise sockets.cannot_listen(self.path, error) from error
            raise
        page, counts = self._place.page, self._counts
        page.tell_commands(len(catalog.by_fingerprint), wires.value)
        self._rota, self._introspection = assemble(
            self.path,
            catalog,
            limits=self._limits,
            wires=wires,
            authorize=authorize,
            version=version,
            log=self._log,
            counts=counts,
            door=self._door,
            poller=self._poller,
            status=lambda: page.status,
            stamp=lambda now, clients: page.stamp(now, counts.polls, clients),
            identity=clock.clock_identity(),
        )
        if wires & FRAMED_OR_JSON:  # whose clients may ask
            self._introspection.prepare(self._log)
        # Which function stands here is the server's state: an idle poll asks nothing else.
        self._poll: Callable[..., poller.Ready] = self._poller.poll
        abandon_in_child(self, type(self)._abandon)

    @property
    def path(self) -> str:
        """Where the socket is, as an absolute path."""
        return self._place.path

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, by a command for example; here a host's loop may end."""
        return self._is_closed

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
        return self._counts.told(self._rota.sessions.values(), self._idle_granted - self._idle_left)

    @property
    def description(self) -> str:
        """What clients are told of this server and its commands, as JSON text."""
        return self._introspection.description

    @property
    def poll_delay(self) -> float | None:
        """Seconds until a poll is wanted though nothing is readable; None if none is.

        For loops that watch `fileno()`: a timer of so many seconds, set anew after each poll,
        closes clients that are too slow, and accepts again when the system has descriptors.
        """
        if not self._needs_turn:
            return None
        due = self._rota.due_in()
        return None if due == math.inf else due

    def fileno(self) -> int:
        """A descriptor, readable while there is something to do: for epoll, asyncio, Qt, GLib.

        Raises:
            LocalProtocolError: the server is closed.
            io.UnsupportedOperation: the caller's selector has no descriptor.
        """
        if self._is_closed:
            self._poll(0)  # says why
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
                first command of a poll is begun all the same.

        Returns:
            How many commands were finished. What is left waits for the next call.

        Raises:
            LocalProtocolError: called from inside `process`, after `close`, or in a forked child.
            BaseException: what is no Exception (KeyboardInterrupt, SystemExit), out of `process`,
                after its client was answered.
        """
        ready = self._poll(0)
        if not ready:
            if self._idle_left:
                self._idle_left -= 1
                return 0
            if not self._needs_turn:
                return self._tick()
        return self._turn(ready, context, max_messages, max_seconds)

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until there is something to do, or the timeout; use it instead of time.sleep.

        Args:
            timeout: seconds; None or math.inf for ever.

        Returns:
            Whether there is something to do.

        Raises:
            LocalProtocolError: as `handle_new_messages`.
            ValueError: the timeout is no number.
        """
        # A host that sleeps polls seldom, and its page must not wait for many idle polls.
        self._idle_granted -= self._idle_left
        self._idle_left = 0
        try:
            return self._wait(timeout)
        except (OSError, ValueError):
            if self._is_closed:  # by a signal's handler
                self._poll(0)
            raise

    def _wait(self, timeout: float | None) -> bool:
        if timeout is None and not self._needs_turn:
            return bool(self._poll(None))
        longest = math.inf if timeout is None else max(timeout, 0)
        if math.isnan(longest):
            raise ValueError("timeout must be a number of seconds, is nan")
        due = self._rota.due_in() if self._needs_turn else math.inf
        sleep = min(longest, due)
        ready = self._poll(None if sleep == math.inf else min(sleep, LONGEST_WAIT_SECONDS))
        return bool(ready) or (due <= longest and due < math.inf)

    def close(self) -> None:
        """Remove the socket and close every connection; inside `process`, after its answer.

        Of an answer that the kernel does not take at once the rest is lost. Calling it twice is
        fine.
        """
        self._rota.is_stopping = True
        if self._poll is raise_reentered or self._is_closed:
            return
        self._poll = raise_closed
        self._rota.drop_all()
        self._log.close()
        self._closers.close()
        self._is_closed = True

    def _abandon(self) -> None:
        """In a forked child: close our copies and touch nothing the parent goes on using."""
        if self._is_closed:
            return
        self._is_closed = True
        self._poll = raise_forked
        self._rota.abandon()
        self._place.abandon()
        self._closers.close()

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
        now = monotonic_ns()
        stop = now + (self._budget_ns if max_seconds is None else in_ns(max_seconds))
        messages = self._messages if max_messages is None else max_messages
        rota = self._rota
        self._needs_turn = True
        self._counts.polls += self._idle_granted - self._idle_left + 1
        self._idle_left = self._idle_granted = 0
        self._poll = raise_reentered
        if self._is_closed:  # by a signal's handler, since it was asked who is ready
            self._poll = raise_closed
            raise_closed()
        try:
            try:
                return rota.turn(ready, context, messages, now, stop)
            except BaseException:
                rota.recover()
                raise
            finally:
                if not self._is_closed:
                    self._end_turn(now)
        finally:  # an interrupt may have come before the first could
            if self._poll is raise_reentered:
                self._poll = self._poller.poll
                if rota.is_stopping:
                    self.close()

    def _end_turn(self, now: int) -> None:
        """Settle what the next idle poll will look at."""
        door, rota = self._door, self._rota
        if door.is_closed and len(rota.sessions) < self._limits.clients:
            door.reopen(now)
        runnable = len(rota.runnable) > 0 or rota.is_broken
        if runnable and not self._is_awake:
            self._is_awake = True  # said before it is so, for an interrupt may fall between
            os.eventfd_write(self._wake.fileno(), 1)
        elif self._is_awake and not runnable:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake.fileno())
            self._is_awake = False
        if runnable or rota.begun or door.is_resting:
            return
        self._needs_turn = False
        self._idle_left = self._idle_granted = self._place.page.idle_polls

    # The status page -----------------------------------------------------------------------------

    def _tick(self) -> int:
        """After a number of idle polls: show that the host is alive, and count on."""
        self._counts.polls += self._idle_granted - self._idle_left + 1
        now = monotonic_ns()
        if now >= self._rota.stamp_at:
            clients = len(self._rota.sessions)
            self._rota.stamp_at = self._place.page.stamp(now, self._counts.polls, clients)
        self._idle_left = self._idle_granted = self._place.page.idle_polls
        return 0
