"""`joined`: a host and its clients in one test, in memory, in time that moves when told.

What a call meets on its way is the true thing: encoding, frames, decoding, validation, permission,
turns and budgets, deadlines, errors, the log. Only the kernel and the clock are stood in for.
"""

from __future__ import annotations

import os
from typing import Generic, Self, TypeVar

from lazyipc._attendant import Authorize
from lazyipc._core.command import ContextT, Processes, ProcessesIn
from lazyipc._core.framing import FRAMED_OR_JSON, Wire
from lazyipc._core.limits import Limits
from lazyipc._peer import Peer
from lazyipc._stats import Stats
from lazyipc.testing._caller import Call, warn_of
from lazyipc.testing._course import Course
from lazyipc.testing._joined_client import JoinedClient
from lazyipc.testing._kernel import Clock
from lazyipc.testing._memory import MemoryServer

R = TypeVar("R")


def joined(
    command: type[ProcessesIn[ContextT]],
    context: ContextT,
    *,
    limits: Limits | None = None,
    wires: Wire = FRAMED_OR_JSON,
    authorize: Authorize | None = None,
    poll_every: float = 0.0,
    pieces: int | None = None,
    uid: int | None = None,
    version: str | None = None,
) -> Joined[ContextT]:
    """A host with a server of these commands, and clients for it, in memory.

    Args:
        command: the root of the command family, or the one model of a set of one.
        context: handed to each command's `process`.
        limits, wires, authorize, version: as for IpcServer.
        poll_every: the host polls whenever so many seconds have passed; math.inf: only by `poll`;
            0: also as soon as a client waits for it, as a host does that sleeps in `wait`.
        pieces: how many bytes either side receives at once, at most; None is all there are.
        uid: the user the host runs as; None is this process's.

    Raises:
        SchemaError: a command cannot travel.

    >>> from lazyipc import Command, ReplyTimeout
    >>> class Order(Command[list[str]]): "Commands of a demo."
    >>> class Note(Order):
    ...     text: str
    ...     def process(self, context: list[str]) -> int:
    ...         context.append(self.text)
    ...         return len(context)
    >>> notes: list[str] = []
    >>> with joined(Order, notes, poll_every=10) as link:
    ...     link.send(Note(text="in time"), timeout=60)
    ...     try:
    ...         link.send(Note(text="too late"), timeout=2)
    ...     except ReplyTimeout:
    ...         link.time(), notes
    1
    (12.0, ['in time'])
    """
    clock = Clock()
    server = MemoryServer(
        command,
        limits=limits,
        wires=wires,
        authorize=authorize,
        pieces=pieces,
        clock=clock,
        version=version,
    )
    return Joined(Course(server, context, clock, poll_every, os.geteuid() if uid is None else uid))


class Joined(Generic[ContextT]):
    """A host in memory and the way to it; `joined` makes it.

    >>> from lazyipc import Command
    >>> class Order(Command[list[str]]): "Commands of a demo."
    >>> class Note(Order, timeout=5):
    ...     text: str
    ...     def process(self, context: list[str]) -> int:
    ...         context.append(self.text)
    ...         return len(context)
    >>> with joined(Order, []) as link:
    ...     call = link.submit(Note(text="late"))
    ...     link.advance(5)  # the host is busy elsewhere
    ...     print(link.poll(), link.context, link.time())
    ...     try:
    ...         call.result()
    ...     except TimeoutError as error:
    ...         type(error).__name__
    0 [] 5.0
    'HostBusy'
    """

    def __init__(self, course: Course) -> None:
        self._course = course

    # The host ------------------------------------------------------------------------------------

    @property
    def context(self) -> ContextT:
        """What the next commands are given; it can be set."""
        context: ContextT = self._course.context
        return context

    @context.setter
    def context(self, context: ContextT) -> None:
        self._course.context = context

    def poll(self, *, max_messages: int | None = None, max_seconds: float | None = None) -> int:
        """As the host: `handle_new_messages`, with its arguments and its result.

        Raises:
            LocalProtocolError: from inside `process`, or after `close`.
            BaseException: what is no Exception, out of `process`, after its client was answered.
        """
        return self._course.poll(max_messages, max_seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass; the host polls meanwhile as `poll_every` says, and not at all if it is 0.

        Deadlines end at their moment. Inside `process` it is the time that the command takes.
        """
        self._course.advance(seconds)

    def time(self) -> float:
        """Seconds since the beginning; for a context that wants a `time.monotonic`."""
        return self._course.now_ns / 1e9

    @property
    def stats(self) -> Stats:
        """`IpcServer.stats`."""
        return self._course.server.stats

    @property
    def description(self) -> str:
        """`IpcServer.description`."""
        return self._course.server.introspection.description

    @property
    def clients(self) -> tuple[Peer, ...]:
        """`IpcServer.clients`: who is connected, as the host's last poll saw it."""
        return self._course.server.clients

    def close(self) -> None:
        """As the host: close the server; inside `process`, after its answer."""
        self._course.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exc_info: object) -> None:
        pending = self._course.pending()
        self.close()
        if kind is None:
            warn_of(pending)

    # Clients -------------------------------------------------------------------------------------

    def send(
        self, command: Processes[R], *, timeout: float | None = None, wire: Wire = Wire.FRAMED
    ) -> R:
        """As a script: `client_send`, with its arguments, its result and its errors.

        While the client waits, the host polls as `poll_every` says, and where nothing else can
        happen, time passes.
        """
        self._course.check_can_wait()
        return self.submit(command, timeout=timeout, wire=wire).result()

    def submit(
        self, command: Processes[R], *, timeout: float | None = None, wire: Wire = Wire.FRAMED
    ) -> Call[R]:
        """Send a command by a client of its own, and do not wait.

        Raises:
            EncodeError, SchemaError: the command cannot travel; nothing was sent.
            ServerNotRunning: after `close`.
        """
        course = self._course
        return course.begin(command, timeout, wire, course.peer(), None, is_one_shot=True)[0]

    def client(
        self,
        *,
        timeout: float | None = None,
        wire: Wire = Wire.FRAMED,
        pid: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
    ) -> JoinedClient:
        """A client that keeps its connection, as `IpcClient`.

        Args:
            timeout, wire: as for IpcClient.
            pid, uid, gid: who it is, to `authorize`; None is this process, and the host's user.
        """
        return JoinedClient(self._course, timeout, wire, self._course.peer(pid, uid, gid))
