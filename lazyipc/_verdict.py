"""What a client is told whose call was not answered: why, and whether the command ran.

The words and the decision are here once, for calls over sockets and for those of a test. Knows what
a status page told; what the kernel knows, and what time it is, are arguments. It is imported when
something went wrong, for most calls are answered.
"""

from __future__ import annotations

from lazyipc._io import status_page
from lazyipc._io.status_page import Status
from lazyipc.errors import Disconnected, HostBusy, ReplyTimeout, Started


def has_not_polled(status: Status | None, began_ns: int, pid: int, started: Started) -> bool:
    """Whether a status page proves that the server has not polled since a call began.

    The kernel must have said already that what was sent last is unread: a page alone may be old
    because its disk is full.

    Args:
        status: what the page told, if there is one.
        began_ns: when the call began; monotonic.
        pid: the server's process, as the kernel tells it; 0 where it cannot be seen from here, in
            another namespace, or where there is no connection.
        started: "no" where nothing of the call is known to have been read.

    >>> page = Status(7, bytes(8), 0, 1, 0, None, is_locked=True)
    >>> has_not_polled(page, 10**9, 7, "no")  # whose clock nobody can name
    False
    """
    if status is None or not (status.is_locked and status.shares_clock):
        return False
    if pid not in (status.pid, 0):
        return False  # another server's page
    # Of several commands the kernel proves only that the last was not read; for the first there is
    # the page alone, which a poll within the gap does not touch. The first poll of all does.
    gap_ns = 0 if started == "no" or not status.polls else status_page.BUSY_GAP_NS
    return status.last_poll_ns + gap_ns < began_ns


def no_reply(
    path: str, seconds: float, started: Started, busy: Status | None, now_ns: int
) -> ReplyTimeout:
    """What is told when the deadline has come.

    Args:
        path: the server's, or what stands for it.
        seconds: how long the call might take.
        started: what is known of the command, where the server is not known to be busy.
        busy: what the server tells of itself, if it has not polled since the call began.
        now_ns: the time, on the clock of `busy`.

    >>> print(no_reply("/run/app.sock", 5.0, "no", None, 0))
    /run/app.sock: no reply within 5 s; it was not run: the server may be busy, ...
    """
    if busy is not None:
        return HostBusy(
            f"{path}: no reply within {seconds:g} s; the server is {busy.in_words(now_ns)}; the "
            "command was not run and will not be (see timeout=)",
            last_poll_seconds=busy.seconds_since_poll(now_ns),
            interval=busy.interval_seconds,
        )
    told = "it was not run" if started == "no" else "whether it ran is not known"
    return ReplyTimeout(
        f"{path}: no reply within {seconds:g} s; {told}: the server may be busy, or poll too "
        "seldom (see timeout=)",
        started=started,
    )


def ended(path: str, started: Started, errno: int) -> Disconnected:
    """What is told when the connection has gone.

    Args:
        path: the server's, or what stands for it.
        started: what is known of the command: "no" where the kernel says it was never read.
        errno: the system's error number.

    >>> ended("/run/app.sock", "unknown", 104).started
    'unknown'
    """
    told = "the command was not run" if started == "no" else "whether the command ran is not known"
    return Disconnected(
        f"{path}: the server closed the connection before its reply; {told}",
        path=path,
        errno=errno,
        started=started,
    )
