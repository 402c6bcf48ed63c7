"""What holds for a call whoever makes it: how long it may take, and whether it may be made again.

Shared by the blocking clients and those of an event loop. Knows no socket, no clock, no loop.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from lazyipc._core.framing import BARE, NEVER_NS, Wire

DEFAULT_TIMEOUT = 5.0
"""Seconds a call may take when neither the call nor the command says otherwise."""

BARE_RETRY_BYTES = 1024
"""What the Rust crate's server reads, once; a request up to it was read whole or not at all."""
BARE_QUICK_ATTEMPTS = 16
"""The crate's server drops whom it finds empty-handed, a matter of microseconds; a client that
loses so many races in a row rests a millisecond before each further one, until its deadline."""
BARE_REST_SECONDS = 0.001


def checked_timeout(timeout: float | None) -> float | None:
    """A client's timeout, if it is one.

    Raises:
        TypeError, ValueError: it is not.
    """
    return None if timeout is None else checked_seconds(timeout)


def checked_seconds(seconds: float, what: str = "timeout") -> float:
    """A number of seconds, if it is one.

    Raises:
        TypeError, ValueError: it is not.
    """
    if not isinstance(seconds, int | float):
        raise TypeError(f"{what} must be a number of seconds, is {seconds!r}")
    if not seconds >= 0:
        raise ValueError(f"{what} must be a number of seconds from 0, is {seconds}")
    return seconds


def trusted_uids(server_uids: Iterable[int] | None) -> frozenset[int]:
    """The users that a server may run as; None is one's own and root."""
    return frozenset((os.geteuid(), 0) if server_uids is None else server_uids)


def in_ns(seconds: float, deadline: float) -> tuple[int | None, int | None]:
    """A deadline as it travels: the instant, and the time left; what has no number is never."""
    deadline_ns = deadline * 1e9
    if deadline_ns >= NEVER_NS:
        return None, None
    return int(deadline_ns), int(seconds * 1e9)


def is_made_again(wire: Wire, request_bytes: int, *, is_kept: bool) -> bool:
    """Whether a request that the server closed upon, unread, is sent over a new connection.

    Args:
        request_bytes: how long it was.
        is_kept: whether it went over a connection that had been used before, and so may have ended
            long since; that a new one ends at once has a reason that would be met again.

    >>> is_made_again(Wire.FRAMED, 64, is_kept=True), is_made_again(Wire.FRAMED, 64, is_kept=False)
    (True, False)
    """
    return request_bytes <= BARE_RETRY_BYTES if wire is BARE else is_kept
