"""Time that passes only while nothing else can happen: five seconds of waiting take none.

For peers of one process and one loop: what one side writes is readable for the other at once, so a
loop with nothing to read has nothing left but its timers, and the clock may go straight to the
next. The same steps come in the same order each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import sys
import time
from collections.abc import Iterator
from typing import Any


class VirtualClock:
    """What is entered in place of the system's monotonic clock, by whoever asks for the time."""

    def __init__(self) -> None:
        self._now_ns = time.monotonic_ns()
        self._stack = contextlib.ExitStack()

    def monotonic_ns(self) -> int:
        return self._now_ns

    def monotonic(self) -> float:
        return self._now_ns / 1e9

    def advance(self, seconds: float) -> None:
        """Let time pass, by a nanosecond at least."""
        self._now_ns += max(round(seconds * 1e9), 1)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(_ImpatientSelector(self))

    def __enter__(self) -> VirtualClock:
        for name in ("monotonic", "monotonic_ns"):
            self._replace(getattr(time, name), getattr(self, name))
        return self

    def _replace(self, real: Any, ours: Any) -> None:
        """By name in `time`, and under each name that one of our modules has for it."""
        for module in [time, *_our_modules()]:
            for name, value in list(vars(module).items()):
                if value is real:
                    self._stack.callback(setattr, module, name, real)
                    setattr(module, name, ours)

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


def _our_modules() -> Iterator[Any]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "lazyipc":
            yield module


class _ImpatientSelector(selectors.DefaultSelector):
    """Looks, and lets time pass where there was nothing to see."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        assert timeout is not None, "nothing is there to be read, and nothing ever will be"
        self._clock.advance(timeout)
        return []
