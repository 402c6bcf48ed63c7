"""What a connection tells its driver: the steps of calls.

Slotted, and never changed once made; freezing them as well would triple the time to make one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lazyipc.errors import IpcError


@dataclass(slots=True)
class Requested:
    """To a server: a command came, to be answered under its call.

    Args:
        call: the number its answer carries; a bare request's is 0.
        command: the command.
        deadline_ns: when the client stops waiting, on our CLOCK_MONOTONIC; None for never.
    """

    call: int
    command: Any
    deadline_ns: int | None


@dataclass(slots=True)
class Rejected:
    """To a server: a request came that cannot be run; fail its call. The connection stays."""

    call: int
    error: IpcError


@dataclass(slots=True)
class Responded:
    """To a client: the response to a call came."""

    call: int
    value: Any


@dataclass(slots=True)
class Failed:
    """To a client: a call ended with an error."""

    call: int
    error: IpcError
