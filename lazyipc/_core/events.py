"""What a connection tells its driver: the steps of calls, and of a peer's connection.

Never changed once made, yet not frozen, and made by an `__init__` of their own: a connection makes
one for each message.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.record import Record
from lazyipc.errors import IpcError

BUILT_IN = "$lazyipc"
"""Where a command's name would stand in JSON: requests to the server itself."""
DESCRIBE, STATS = "describe", "stats"
BUILT_INS = (DESCRIBE, STATS)
"""What any server can be asked, whatever its commands are."""


class Requested(Record):
    """To a server: a command came, to be answered under its call.

    Args:
        call: the number its answer carries; a bare request's is 0.
        command: the command.
        deadline_ns: when the client stops waiting, on our CLOCK_MONOTONIC; None for never.
    """

    call: int
    command: Any
    deadline_ns: int | None

    def __init__(self, call: int, command: Any, deadline_ns: int | None) -> None:
        self.call = call
        self.command = command
        self.deadline_ns = deadline_ns


class Rejected(Record):
    """To a server: a request came that cannot be run; fail its call. The connection stays."""

    call: int
    error: IpcError

    def __init__(self, call: int, error: IpcError) -> None:
        self.call = call
        self.error = error


class Asked(Record):
    """To a server: it is asked something itself, not its command set; to be told under its call.

    Args:
        call: the number its answer carries.
        what: one of `BUILT_INS`.
        deadline_ns: when the client stops waiting, on our CLOCK_MONOTONIC; None for never.
    """

    call: int
    what: str
    deadline_ns: int | None

    def __init__(self, call: int, what: str, deadline_ns: int | None = None) -> None:
        self.call = call
        self.what = what
        self.deadline_ns = deadline_ns


class Responded(Record):
    """To a client: the response to a call came."""

    call: int
    value: Any

    def __init__(self, call: int, value: Any) -> None:
        self.call = call
        self.value = value


class Failed(Record):
    """To a client: a call ended with an error."""

    call: int
    error: IpcError

    def __init__(self, call: int, error: IpcError) -> None:
        self.call = call
        self.error = error


class Opened(Record):
    """To a peer: the handshake is over; messages may be sent.

    Args:
        schema: how the two schemas compare, a SchemaStatus.
    """

    schema: Any

    def __init__(self, schema: Any) -> None:
        self.schema = schema


class Notified(Record):
    """To a peer: a message came that gets no reply; finish its call when it was handled."""

    call: int
    message: Any

    def __init__(self, call: int, message: Any) -> None:
        self.call = call
        self.message = message


class Finished(Record):
    """To a peer: a call of ours is over, without a reply or with one that nobody waits for."""

    call: int

    def __init__(self, call: int) -> None:
        self.call = call


class Cancelled(Record):
    """To a peer: the other side no longer wants a call that is open here; end it all the same."""

    call: int

    def __init__(self, call: int) -> None:
        self.call = call


class PeerLeft(Record):
    """To a peer: the other side said goodbye; nothing more comes from it."""
