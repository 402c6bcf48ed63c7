"""What a server says that cannot be polled now; each stands in the place of its poll.

Knows the words. Which of them is in place is the server's state.
"""

from __future__ import annotations

from typing import NoReturn

from lazyipc.errors import LocalProtocolError


def raise_closed(timeout: float | None = 0) -> NoReturn:
    """After `close`."""
    raise LocalProtocolError("the server is closed")


def raise_forked(timeout: float | None = 0) -> NoReturn:
    """In a child of the process that made it."""
    raise LocalProtocolError(
        "the server was made before this process was forked and stays with the parent; "
        "make another one, at another path, in the child"
    )


def raise_reentered(timeout: float | None = 0) -> NoReturn:
    """From inside `process`."""
    raise LocalProtocolError(
        "the server was called from inside `process`; return from it first (close is allowed)"
    )
