"""What a connection says and is told: the steps of a call.

The client sends what the server receives and the other way round, so both use the same events.
Named tuples rather than dataclasses: as immutable, and made in a third of the time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lazyipc.errors import IpcError


class Requested(NamedTuple):
    """A command, to be answered under its call number.

    Args:
        call: the number its answer carries; a bare request's is 0.
        command: the command.
        deadline_ns: when the client stops waiting, on CLOCK_MONOTONIC; None for never.
        left_ns: the time left when it was sent; None for never.
    """

    call: int
    command: Any
    deadline_ns: int | None
    left_ns: int | None = None


class Rejected(NamedTuple):
    """A request that cannot be run and is to be answered with an error; the connection stays."""

    call: int
    error: IpcError


class Responded(NamedTuple):
    """The response to a call."""

    call: int
    value: Any


class Failed(NamedTuple):
    """The error that ended a call."""

    call: int
    error: IpcError
