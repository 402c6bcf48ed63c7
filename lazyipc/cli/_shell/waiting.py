"""The terminal while a call waits: how long ago a host that is busy polled, and nothing else.

The line is written from a signal of the system's timer, so a call may simply block. Knows a
terminal and a status page; not what is waited for.
"""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Callable, Iterator
from time import monotonic_ns

from lazyipc._io.status_page import Status
from lazyipc.cli._views.ticking import ticking

FIRST_SECONDS = 1.0
"""How long a call is waited for in silence: most are answered before anybody wonders."""
NEXT_SECONDS = 0.1
"""How often the line is written anew: its seconds have one digit behind the point."""
ERASE = "\r\x1b[K"


def words(status: Status | None, began_ns: int, now_ns: int) -> str:
    """What is told of a call that has no answer yet.

    Args:
        status: what the server's page tells; None where it tells nothing.
        began_ns: when the call began; monotonic.
        now_ns: the time, on the same clock.

    >>> words(None, 0, 3_100_000_000)
    'waiting for 3.1 s; Ctrl-C ends it'
    """
    waited = f"{(now_ns - began_ns) / 1e9:.1f} s"
    if status is None or not status.shares_clock or not status.is_locked:
        return f"waiting for {waited}; Ctrl-C ends it"
    ago = f"{status.seconds_since_poll(now_ns):.1f} s"
    if status.last_poll_ns >= began_ns:
        return f"waiting for {waited}: the host polled {ago} ago; Ctrl-C ends it"
    return f"waiting: the host has not polled for {ago}; Ctrl-C ends it"


@contextlib.contextmanager
def waiting(read_status: Callable[[], Status | None], fd: int | None) -> Iterator[None]:
    """Tell how the wait goes, as soon as it has become long, until it ends.

    Args:
        read_status: reads the server's page; called from a signal's handler.
        fd: the terminal to write to; None writes nothing.
    """
    if fd is None:
        yield
        return
    began_ns = monotonic_ns()
    has_shown = False

    def show() -> None:
        nonlocal has_shown
        has_shown = True
        text = words(read_status(), began_ns, monotonic_ns())
        with contextlib.suppress(OSError):  # a terminal that has gone
            columns = os.get_terminal_size(fd).columns
            os.write(fd, (ERASE + text[: max(columns - 1, 0)]).encode())

    try:
        with ticking(NEXT_SECONDS, show, FIRST_SECONDS):
            yield
    finally:
        if has_shown:
            with contextlib.suppress(OSError):
                os.write(fd, ERASE.encode())


@contextlib.contextmanager
def without_echo(fd: int) -> Iterator[None]:
    """Have a terminal only keep what is typed, but for where a prompt reads it.

    What is typed while a call waits stands at the next prompt; shown twice, it would garble that,
    and a terminal that takes whole lines would swallow Ctrl-D.

    Args:
        fd: the terminal that is typed on.
    """
    before = termios.tcgetattr(fd)
    quiet = [*before]
    quiet[3] &= ~(termios.ECHO | termios.ICANON)  # the local modes
    quiet[6] = [*before[6]]
    quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
