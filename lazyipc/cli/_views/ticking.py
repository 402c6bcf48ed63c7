"""Something done again and again while a call blocks, from a signal of the system's timer.

So a call may simply block: no thread, and no second way to wait. Knows signals only.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def ticking(seconds: float, tick: Callable[[], None], first: float | None = None) -> Iterator[None]:
    """Call something every so many seconds until the block ends; what it raises leaves the block.

    Outside the main thread, which alone is told of signals, it is never called.

    Args:
        first: after how many seconds for the first time; None is `seconds`.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        tick()

    try:
        before = signal.signal(signal.SIGALRM, handle)
    except ValueError:  # not the main thread
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds if first is None else first, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
