"""Serving one request: permission, deadline, `process`, and what its client is told of it.

Knows one request at a time. Whose turn it is, and when bytes are written, is the server's business.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from lazyipc._core.connection.server import Event, ServerConnection
from lazyipc._core.events import Asked, Requested
from lazyipc._core.failure import expired, remote_error_of
from lazyipc._core.parts import Parts
from lazyipc._log import ClientLog
from lazyipc._peer import Peer
from lazyipc._stats import Counts
from lazyipc.errors import (
    CommandFailed,
    EncodeError,
    IpcError,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    UnexpectedReply,
)

Authorize = Callable[[Peer, Any], bool]


class Served(Protocol):
    """What serving a request needs of its client's session."""

    peer: Peer
    connection: ServerConnection
    is_whole: bool

    def owe(self, data: bytes | Parts) -> None: ...
    def flush(self) -> bool: ...


class Attendant:
    """Serves requests, one at a time.

    Args:
        log: where clients' doings are logged.
        authorize: asked before each command runs; None permits all.
        counts: where it counts what became of them.
        tell: answers what the server itself is asked.
    """

    __slots__ = ("_authorize", "_log", "_tell", "counts")

    def __init__(
        self,
        log: ClientLog,
        authorize: Authorize | None,
        counts: Counts,
        tell: Callable[[str], str],
    ) -> None:
        self._log = log
        self._authorize = authorize
        self._tell = tell
        self.counts = counts

    def serve(self, session: Served, event: Event, context: Any, now: int) -> int:
        """Answer a request; 1 if its command was run."""
        if not isinstance(event, Requested):
            if isinstance(event, Asked):
                return self._answer(session, event, now)
            return self._reject(session, event.call, event.error)
        call, command, deadline = event.call, event.command, event.deadline_ns
        if deadline is not None and now >= deadline:
            self.counts.expired += 1
            return self._reject(session, call, expired((now - deadline) / 1e9))
        if self._authorize is not None and not self._is_permitted(session, call, command):
            name = type(command).__name__
            self._log(logging.WARNING, "%s may not run %s", session.peer, name)
            return self._reject(session, call, NotPermitted(f"{name} is not permitted"))
        self.counts.commands += 1
        connection = session.connection
        try:
            response = command.process(context)
        except Exception as error:  # noqa: BLE001 logged, and told to the client
            session.owe(connection.fail(call, self._told(command, error)))
            return 1
        except BaseException as error:
            # Meant for the host, not for its client; the client is told, then the host is.
            session.owe(connection.fail(call, self._told(command, error)))
            session.flush()
            session.is_whole = True
            raise
        try:
            session.owe(connection.respond(call, response))
        except (EncodeError, MessageTooLarge) as error:
            self.counts.failed += 1
            self.counts.too_large += isinstance(error, MessageTooLarge)
            name = type(command).__name__
            what = "%s.process: its response cannot be sent: %s"
            self._log(logging.ERROR, what, name, error, kind=name)
            told = error if isinstance(error, MessageTooLarge) else UnexpectedReply(str(error))
            session.owe(connection.fail(call, told))
        return 1

    def _told(self, command: Any, error: BaseException) -> RemoteError:
        """What the client is told of an exception out of `process`."""
        told = remote_error_of(error)
        if isinstance(told, CommandFailed):
            return told
        self.counts.failed += 1
        if isinstance(error, Exception):  # what is none reaches the host, who can see it
            name = type(command).__name__
            self._log(logging.ERROR, "%s.process failed", name, kind=name, error=error)
        return told

    def _is_permitted(self, session: Served, call: int, command: Any) -> bool:
        assert self._authorize is not None
        if session.peer.wire is None:
            session.peer = session.peer._replace(wire=session.connection.wire)
        try:
            return self._authorize(session.peer, command) is True
        except Exception as error:  # noqa: BLE001 logged
            self._log(logging.ERROR, "authorize failed, which is a refusal", error=error)
            return False
        except BaseException as error:
            # Meant for the host, as one out of `process` is.
            told = f"authorize was interrupted by {type(error).__name__}"
            session.owe(session.connection.fail(call, NotPermitted(told)))
            session.flush()
            session.is_whole = True
            raise

    def _answer(self, session: Served, event: Asked, now: int) -> int:
        """Tell what the server itself was asked.

        `authorize` has no say: it decides about commands, and who may know of none is not let in.
        """
        call, deadline = event.call, event.deadline_ns
        if deadline is not None and now >= deadline:
            self.counts.expired += 1
            return self._reject(session, call, expired((now - deadline) / 1e9))
        try:
            session.owe(session.connection.tell(call, self._tell(event.what)))
        except Exception as error:  # noqa: BLE001 logged, and told to the client
            self.counts.failed += 1
            self._log(logging.ERROR, "%s cannot be told", event.what, error=error)
            session.owe(session.connection.fail(call, remote_error_of(error)))
            return 0
        self.counts.described += 1
        return 0

    def _reject(self, session: Served, call: int, error: IpcError) -> int:
        session.owe(session.connection.fail(call, error))
        self.counts.rejected += 1
        self.counts.too_large += isinstance(error, MessageTooLarge)
        self._log(logging.INFO, "rejected a request of %s: %s", session.peer, error)
        return 0
