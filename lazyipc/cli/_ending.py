"""Ending in good order: what a terminal was made into is put back however the program is ended.

Knows signals; no terminal.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""What ends a program that says nothing else: `timeout`, `kill`, and a terminal that is closed."""


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """Let the signals that end a program end it as an exception does, through each `finally`.

    Who started the program sees the exit code that a shell shows of that signal.
    """
    changed = []
    with contextlib.suppress(ValueError):  # only the main thread is told of signals
        for number in ENDING:
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, _end)
                changed.append(number)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
