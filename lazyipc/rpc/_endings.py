"""What people are told of a connection that they cannot use, or not any more.

Knows words. What has happened is told by the conversation.
"""

from __future__ import annotations

import errno

from lazyipc.errors import Disconnected, IpcError, LocalProtocolError, ReplyTimeout, Started

_TOLD = {
    "no": "the message was not sent",
    "yes": "the message was handled, and had no reply yet",
    "unknown": "whether the message was handled is not known",
}


def no_agreement(name: str, seconds: float) -> ReplyTimeout:
    """The other side took too long to say who it is.

    >>> print(no_agreement("/run/app.sock", 5.0))
    /run/app.sock: the other side did not agree to talk within 5 s; it may be busy, or no RPC peer
    """
    return ReplyTimeout(
        f"{name}: the other side did not agree to talk within {seconds:g} s; it may be busy, or no "
        "RPC peer",
        started="no",
    )


def went_away(
    name: str, error: OSError | None, *, was_agreed: bool, is_within: bool
) -> Disconnected:
    """The other side's end of the connection is gone, without a word.

    Args:
        name: the connection's.
        error: what the system says of it.
        was_agreed: whether the handshake was over.
        is_within: whether it ended within a message.
    """
    told = f" ({error.strerror})" if error is not None and error.strerror else ""
    told += ", within a message" if is_within else ""
    when = "without a goodbye" if was_agreed else "in the handshake"
    return Disconnected(
        f"{name}: the other side went away {when}{told}",
        path=name,
        errno=(error.errno if error is not None else None) or errno.ECONNRESET,
        started="unknown" if was_agreed else "no",
    )


def disconnected(
    name: str, started: Started, reason: IpcError | None, *, is_ours: bool
) -> Disconnected:
    """A message will have no reply.

    Args:
        name: the connection's.
        started: what is known of the message.
        reason: why the connection failed; None where it was closed.
        is_ours: whether it was closed here.

    >>> print(disconnected("/run/app.sock", "no", None, is_ours=False))
    /run/app.sock: the connection was closed by the other side; the message was not sent
    """
    ended = "was closed here" if is_ours else "was closed by the other side"
    if reason is not None:
        ended = f"failed ({str(reason).removeprefix(f'{name}: ')})"
    error = Disconnected(
        f"{name}: the connection {ended}; {_TOLD[started]}",
        path=name,
        errno=errno.ECONNRESET,
        started=started,
    )
    error.__cause__ = reason
    return error


def not_agreed(name: str) -> LocalProtocolError:
    """A message is to be sent before the handshake is over."""
    return LocalProtocolError(f"{name}: the two sides have not agreed yet; await the peer first")


def closed_here(name: str) -> LocalProtocolError:
    """A message is to be sent after `close`."""
    return LocalProtocolError(f"{name}: the connection was closed here")


def forked(name: str) -> LocalProtocolError:
    """A message is to be sent in a forked child."""
    return LocalProtocolError(
        f"{name}: the connection was made before this process was forked, and stays with the "
        "parent; make another one in the child"
    )


def other_loop(name: str, *, is_closed: bool) -> LocalProtocolError:
    """A message is to be sent in another event loop, or in none."""
    which = "was closed" if is_closed else "does not run here"
    return LocalProtocolError(
        f"{name}: the connection belongs to the event loop it was made in, which {which}"
    )
