"""One timer for many deadlines: most calls are answered long before theirs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from time import monotonic

RETRY_SECONDS = 1.0
"""How long after one that failed it rings again."""


class Alarm:
    """Rings at the earliest of the moments it was asked for, and not at all while there is none.

    A timer for each call would cost as much as a small message does; and who has no deadline has
    no timer, so an idle connection wakes nobody.

    Args:
        loop: the event loop it rings in.
        ring: does what is due, and returns the next moment, or None.

    >>> async def main() -> None:
    ...     rung = asyncio.Event()
    ...     alarm = Alarm(asyncio.get_running_loop(), rung.set)
    ...     alarm.by(monotonic() + 3600)
    ...     alarm.by(monotonic() + 0.001)
    ...     print(await rung.wait())
    >>> asyncio.run(main())
    True
    """

    __slots__ = ("_handle", "_loop", "_ring", "at")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], float | None]) -> None:
        self._loop = loop
        self._ring = ring
        self.at = math.inf
        """When it rings next; a deadline behind it need not be told."""
        self._handle: asyncio.TimerHandle | None = None

    def by(self, deadline: float) -> None:
        """Ring at this moment, or before it; monotonic, in seconds."""
        if deadline < self.at:
            if self._handle is not None:
                self._handle.cancel()
            self.at = deadline
            # The loop has a clock of its own, and not each loop's is exact.
            self._handle = self._loop.call_later(max(deadline - monotonic(), 0), self._rang)

    def _rang(self) -> None:
        if monotonic() < self.at:  # the loop rounds
            self._handle = self._loop.call_later(self.at - monotonic(), self._rang)
            return
        self.at = math.inf
        self._handle = None
        try:
            following = self._ring()
        except BaseException:
            # What is due was not done, and somebody waits for it.
            self.by(monotonic() + RETRY_SECONDS)
            raise
        if following is not None:
            self.by(following)

    def stop(self) -> None:
        """Ring no more, unless it is asked again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self.at = math.inf
