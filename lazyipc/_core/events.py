"""What a connection tells its driver: the steps of calls.

Never changed once made, yet not frozen, and made by an `__init__` of their own: a connection makes
one for each message.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.record import Record
from lazyipc.errors import IpcError


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
