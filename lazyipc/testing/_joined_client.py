"""A client in memory that keeps its connection; where `IpcClient` is wanted, it fits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self, TypeVar, overload

from lazyipc._core.command import Processes
from lazyipc._core.framing import BARE, Wire
from lazyipc._peer import Peer
from lazyipc.errors import EncodeError, IpcError, LocalProtocolError
from lazyipc.testing._caller import Call, seconds_for
from lazyipc.testing._course import Course
from lazyipc.testing._kernel import Line

R = TypeVar("R")


class JoinedClient:
    """A client that keeps its connection, to a host in memory; `Joined.client` makes it.

    It connects when first used, and again by itself when the connection ended while no call was
    under way. On a wire that carries one call (`Wire.BARE`) each has a connection of its own.

    >>> from lazyipc import Command
    >>> from lazyipc.testing import joined
    >>> class Order(Command[None]): "Commands of a demo."
    >>> class Stop(Order):
    ...     def process(self, context: None) -> bool: return True
    >>> def only_root(peer: Peer, command: object) -> bool:
    ...     return peer.uid == 0
    >>> with joined(Order, None, authorize=only_root, uid=1000) as link:
    ...     link.client(uid=0).send(Stop())
    ...     link.client().send(Stop())
    Traceback (most recent call last):
    lazyipc.errors.NotPermitted: Stop is not permitted
    """

    def __init__(self, course: Course, timeout: float | None, wire: Wire, peer: Peer) -> None:
        self._course = course
        self._timeout = timeout
        self._wire = wire
        self._peer = peer
        self._lines: list[Line] = []
        self._is_closed = False

    @property
    def is_connected(self) -> bool:
        """Whether a connection is kept; unlike IpcClient it knows at once when it ended."""
        return any(not line.is_over for line in self._lines)

    def send(self, command: Processes[R]) -> R:
        """`IpcClient.send`; meanwhile the host polls as `poll_every` says."""
        self._course.check_can_wait()
        return self.submit(command).result()

    @overload
    def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: Literal[False] = False
    ) -> list[R]: ...
    @overload
    def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: bool
    ) -> list[R | IpcError]: ...
    def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: bool = False
    ) -> list[Any]:
        """`IpcClient.send_many`: all are sent, then all are waited for, until one deadline."""
        self._course.check_can_wait()
        batch = list(commands)
        longest = max((seconds_for(command, self._timeout) for command in batch), default=0.0)
        calls = [self._submit_or_fail(command, longest) for command in batch]
        outcomes = [_outcome(call) for call in calls]
        failures = [outcome for outcome in outcomes if isinstance(outcome, IpcError)]
        if failures and not return_exceptions:
            raise failures[0]
        return outcomes

    def submit(self, command: Processes[R], *, timeout: float | None = None) -> Call[R]:
        """Send a command, and do not wait.

        Args:
            timeout: seconds; None is the client's.

        Raises:
            EncodeError, SchemaError: the command cannot travel; nothing was sent.
            LocalProtocolError: after `close`.
            ServerNotRunning: the host closed the server.
        """
        self._check_open()
        alone = self._wire is BARE
        call, line = self._course.begin(
            command,
            self._timeout if timeout is None else timeout,
            self._wire,
            self._peer,
            None if alone or not self._lines else self._lines[-1],
            is_one_shot=alone,
        )
        self._keep(line)
        return call

    def write(self, data: bytes) -> None:
        """Write any bytes, such as half a request, as a client with a bug might.

        Raises: as `submit`.
        """
        self._check_open()
        if not self.is_connected:
            self._keep(self._course.connect_mute(self._wire, self._peer))
        self._lines[-1].write(data)

    def close(self) -> None:
        """Hang up; what was sent and has not begun is not run. Calling it twice is fine."""
        self._is_closed = True
        for line in self._lines:
            line.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise LocalProtocolError("the client is closed")

    def _keep(self, line: Line) -> None:
        self._lines = [kept for kept in self._lines if not kept.is_over and kept is not line]
        self._lines.append(line)

    def _submit_or_fail(self, command: Processes[R], seconds: float) -> Call[R] | IpcError:
        try:
            return self.submit(command, timeout=seconds)
        except EncodeError as error:
            return error


def _outcome(call: Call[Any] | IpcError) -> Any:
    if isinstance(call, IpcError):
        return call
    try:
        return call.result()
    except IpcError as error:
        return error
