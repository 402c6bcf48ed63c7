"""Every exception lazyipc raises, as one tree; `except IpcError` catches them all.

This module only names failures and carries their data. It knows nothing of sockets, codecs or
models, and imports nothing of ours.
"""

from __future__ import annotations

from typing import Literal

Started = Literal["no", "yes", "unknown"]
"""Whether a command had begun to run when its call failed."""

__all__ = [
    "ChildExited",
    "CommandFailed",
    "DecodeError",
    "Disconnected",
    "EncodeError",
    "HostBusy",
    "IpcError",
    "LocalProtocolError",
    "MessageTooLarge",
    "NotPermitted",
    "ProtocolError",
    "RemoteError",
    "RemoteProtocolError",
    "ReplyTimeout",
    "SchemaError",
    "SchemaMismatch",
    "ServerNotRunning",
    "SocketInUse",
    "SocketRefused",
    "Started",
    "TransportError",
    "UnexpectedReply",
]


class IpcError(Exception):
    """The root of the tree.

    >>> try:
    ...     raise CommandFailed("no such player")
    ... except IpcError as error:
    ...     print(error)
    no such player
    """

    def __reduce__(self) -> tuple[object, ...]:
        # A failed call in a worker process travels to its parent by pickle, attributes and all.
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(
    cls: type[IpcError], args: tuple[object, ...], state: dict[str, object]
) -> IpcError:
    error = cls.__new__(cls, *args)
    if isinstance(error, OSError):
        OSError.__init__(error, *args)  # keeps errno where `args` alone would not
    error.args = args
    error.__dict__.update(state)
    return error


class SchemaError(IpcError, TypeError):
    """A type or a command family has no wire form; raised when it is sealed, never on traffic."""


class EncodeError(IpcError, ValueError):
    """A value does not fit its type.

    Args:
        reason: what is wrong with it.
        path: the field, such as `items[3].a`; empty for the value itself.
    """

    def __init__(self, reason: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


class ProtocolError(IpcError):
    """One side took a step the protocol does not have."""


class LocalProtocolError(ProtocolError):
    """We asked for an illegal step: re-entry, or use after close or in a forked child."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules of the wire."""


class DecodeError(RemoteProtocolError):
    """Bytes that are no value of their type.

    Args:
        reason: what is wrong with the bytes.
        offset: where, in bytes from the start of the message.
        path: the field that was being read, such as `items[3].a`; empty for the message itself.
        line: of JSON: which line of its connection the message was, from 1; else None.
        column: of JSON: which character of that line, from 1; else None.
    """

    def __init__(
        self,
        reason: str,
        *,
        offset: int,
        path: str = "",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        place = f"byte {offset}" if line is None else f"line {line}, column {column}"
        super().__init__(f"{place}, {path or 'message'}: {reason}")
        self.reason = reason
        self.offset = offset
        self.path = path
        self.line = line
        self.column = column


class MessageTooLarge(RemoteProtocolError):
    """A message, or a length inside it, passes its limit.

    Args:
        what: what is too large.
        size_bytes: the size it announces (a count of elements where `what` says so).
        limit_bytes: the limit it passes, in the same unit.
    """

    def __init__(self, what: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{what}: {size_bytes} is over the limit of {limit_bytes}")
        self.what = what
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class SchemaMismatch(RemoteProtocolError):
    """The two sides do not describe a command alike, and nothing ran; or a reply, and then it did.

    Args:
        difference: the difference, for people, one line for each thing that differs.
        ours: our description as JSON text.
        theirs: the peer's description as JSON text.
    """

    def __init__(self, difference: str, *, ours: str = "", theirs: str = "") -> None:
        super().__init__(difference)
        self.difference = difference
        self.ours = ours
        self.theirs = theirs


class TransportError(IpcError, OSError):
    """The operating system refused a step on the socket.

    Args:
        message: what was tried, where, and what to do.
        path: the path of the socket.
        errno: the system's error number, where there was one.
    """

    def __init__(self, message: str, *, path: str = "", errno: int | None = None) -> None:
        super().__init__(errno, message)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        return self.message


class ServerNotRunning(TransportError):
    """Nobody owns the socket."""


class SocketInUse(TransportError):
    """A live server owns the socket; `pid` is its process, or None where that is not known."""

    def __init__(
        self, message: str, *, path: str = "", errno: int | None = None, pid: int | None = None
    ) -> None:
        super().__init__(message, path=path, errno=errno)
        self.pid = pid


class SocketRefused(TransportError):
    """Something else stands at the path, or it is somebody else's; it was left alone."""


class Disconnected(TransportError):
    """The connection ended before the reply; `started` tells whether the command ran."""

    def __init__(
        self, message: str, *, path: str = "", errno: int | None = None, started: Started
    ) -> None:
        super().__init__(message, path=path, errno=errno)
        self.started: Started = started


class ChildExited(TransportError):
    """A child process ended before it was connected.

    Args:
        message: which child, how it ended, and its last words.
        path: the program.
        returncode: its exit status, or minus the number of the signal that killed it.
        stderr_tail: the last lines it wrote to its stderr.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        errno: int | None = None,
        returncode: int,
        stderr_tail: str = "",
    ) -> None:
        super().__init__(message, path=path, errno=errno)
        self.returncode = returncode
        self.stderr_tail = stderr_tail


class ReplyTimeout(IpcError, TimeoutError):
    """The deadline passed before the reply; `started` tells whether the command ran."""

    def __init__(self, message: str, *, started: Started) -> None:
        super().__init__(message)
        self.started: Started = started


class HostBusy(ReplyTimeout):
    """The server lives, but has not polled since the request was sent, so the command was not run.

    Args:
        message: who lives, since when it has not polled, how often it does.
        last_poll_seconds: how long ago it polled, when that was seen.
        interval: seconds from one of its polls to the next, about; None where it is not known.
        started: what is known of the command.
    """

    def __init__(
        self,
        message: str,
        *,
        last_poll_seconds: float,
        interval: float | None = None,
        started: Started = "no",
    ) -> None:
        super().__init__(message, started=started)
        self.last_poll_seconds = last_poll_seconds
        self.interval = interval


class RemoteError(IpcError):
    """The peer's handler failed and said so.

    Args:
        message: what it said.
        kind: the name of the exception over there.
    """

    def __init__(self, message: str = "", *, kind: str = "") -> None:
        self.kind = kind or type(self).__name__
        self.message = message
        super().__init__(f"{self.kind}: {message}" if kind else message)


class CommandFailed(RemoteError):
    """An expected failure: `raise CommandFailed("no such player")` in `process`; not logged."""


class NotPermitted(RemoteError):
    """The server's `authorize` said no."""


class UnexpectedReply(RemoteError):
    """A reply of another type than the declared one."""
