"""`client_send` and `IpcClient`: typed calls over a blocking Unix socket.

One deadline covers connecting, waiting in the server's queue, running and the reply. Knows bytes
and the clock; what the bytes mean is the core's business. No thread, no event loop.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, Literal, Self, TypeVar, overload

from lazyipc._calls import checked_timeout, trusted_uids
from lazyipc._core.command import Processes
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.events import Failed
from lazyipc._core.framing import BARE, Wire
from lazyipc._io.clock import clock_identity
from lazyipc._io.fds import abandon_in_child
from lazyipc._kept import KeptLink
from lazyipc._link import Link
from lazyipc._patience import seconds_for
from lazyipc.errors import IpcError

R = TypeVar("R")


def client_send(
    command: Processes[R],
    path: str | os.PathLike[str],
    *,
    timeout: float | None = None,
    wire: Wire = Wire.FRAMED,
    server_uids: Iterable[int] | None = None,
) -> R:
    """Send one command to the server at a path and return its response.

    Args:
        command: the command; the response has the type its `process` declares.
        timeout: seconds for the whole call; None is the command's own, else 5; math.inf: for ever.
        wire: `Wire.BARE` talks to a server made with the Rust crate ipc-server, `Wire.JSON` in
            lines of JSON.
        server_uids: the users the server may run as; None is one's own and root.

    Raises:
        ServerNotRunning: nobody listens at the path.
        SocketRefused: the server is another user's; nothing was sent.
        ReplyTimeout: no reply in time; `started` says whether the command ran. HostBusy, where the
            server lives but has not polled since: then the command has not run and will not.
        Disconnected: the server went away; `started` says whether the command ran.
        RemoteError: the command failed over there; CommandFailed where that was expected.
        SchemaMismatch: the server does not have this command in this shape, and nothing ran; or a
            reply has a shape that is not known here, and then it did.
        EncodeError, SchemaError: the command cannot travel; nothing was sent.

    >>> from lazyipc import Command
    >>> class Order(Command): "Commands."
    >>> class Ping(Order):
    ...     def process(self, context: object) -> bool: return True
    >>> client_send(Ping(), "/nowhere/app.sock")
    Traceback (most recent call last):
    lazyipc.errors.ServerNotRunning: /nowhere/app.sock: no server is running there ...
    """
    with IpcClient(path, timeout=timeout, wire=wire, server_uids=server_uids) as client:
        return client.send(command)


class IpcClient:
    """A connection that is kept between calls; not to be shared between threads.

    It connects when first used, and again by itself when the connection ended while no call was
    under way (the server was restarted, the process forked).

    Args:
        path: the server's socket.
        timeout: seconds for each call; None is the command's own, else 5; math.inf is for ever.
        wire: `Wire.BARE` talks to a server made with the Rust crate ipc-server, one connection
            for each call; `Wire.JSON` in lines of JSON.
        server_uids: the users the server may run as; None is one's own and root.
        spin: seconds that a call asks again and again for its reply before it sleeps: a busy core
            for a reply some microseconds sooner, where the server polls without a pause.

    >>> with IpcClient("/nowhere/app.sock") as client:
    ...     client.is_connected
    False
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float | None = None,
        wire: Wire = Wire.FRAMED,
        server_uids: Iterable[int] | None = None,
        spin: float = 0.0,
    ) -> None:
        if not spin >= 0:
            raise ValueError(f"spin must be a number of seconds from 0, is {spin}")
        self._path = os.fsdecode(path)
        self._timeout = checked_timeout(timeout)
        self._wire = wire
        self._spin = spin
        self._server_uids = trusted_uids(server_uids)
        self._kept = KeptLink(self._make_link, wire)
        abandon_in_child(self, type(self)._abandon)

    @property
    def is_connected(self) -> bool:
        """Whether a connection is kept; that a server closed it is noticed by the next call."""
        return self._kept.is_connected

    def close(self) -> None:
        """Close the connection. Calling it twice is fine; a call after it is not."""
        self._kept.close()

    def _abandon(self) -> None:
        """In a forked child: let go of the parent's connection; the next call makes another."""
        self._kept.disconnect()

    def _make_link(self) -> Link:
        connection = ClientConnection(self._wire, clock=clock_identity())
        return Link(self._path, connection, self._server_uids, self._spin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def send(self, command: Processes[R]) -> R:
        """Send one command and return its response.

        Raises: as `client_send`; LocalProtocolError after `close`.
        """
        seconds = seconds_for(command, self._timeout)
        answer = self._kept.over(Link.call, command, seconds, monotonic() + seconds)
        if isinstance(answer, Failed):
            raise answer.error
        value: R = answer.value
        return value

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
        """Send many commands, reading replies while writing, and return the responses in order.

        All are sent, whatever becomes of each. One deadline covers them together: the longest of
        theirs.

        Args:
            return_exceptions: put a failed command's error in its place, the one that ended the
                connection or the time in each that was not answered; else the first is raised.

        Raises: as `send`.
        """
        if hasattr(commands, "process"):
            raise TypeError("send_many takes several commands; use send for one")
        batch = list(commands)
        if not batch:
            return []
        seconds = max(seconds_for(command, self._timeout) for command in batch)
        deadline = monotonic() + seconds
        if self._wire is BARE:
            responses, failures = self._send_each(batch, seconds, deadline)
        else:
            responses, failures = self._kept.over(Link.batch, batch, seconds, deadline)
        if failures and not return_exceptions:
            raise failures[min(failures)]
        for position, error in failures.items():
            responses[position] = error
        return responses

    def _send_each(
        self, batch: Sequence[Any], seconds: float, deadline: float
    ) -> tuple[list[Any], dict[int, IpcError]]:
        """A batch on a wire that takes one command a connection."""
        responses: list[Any] = [None] * len(batch)
        failures: dict[int, IpcError] = {}
        for position, command in enumerate(batch):
            try:
                answer = self._kept.over(Link.call, command, seconds, deadline)
            except IpcError as error:
                failures[position] = error
                continue
            if isinstance(answer, Failed):
                failures[position] = answer.error
            else:
                responses[position] = answer.value
        return responses, failures
