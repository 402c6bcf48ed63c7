"""What a server logs because of clients: so many records of a kind, then a count.

A client could otherwise fill a disk, or slow the host down, with nothing but bad requests. Knows
templates and times; what happened is told by whoever saw it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from lazyipc._stats import Counts

logger = logging.getLogger("lazyipc")

RECORDS = 10
"""How many records of a kind are logged within the window: enough to see a pattern."""

WINDOW_NS = 10_000_000_000

KINDS = 256
"""How many kinds are told apart; a kind holds a command's name, and families are finite."""


class _Window:
    """The records of one kind since a moment."""

    __slots__ = ("began", "held_back", "logged")

    def __init__(self, began: int) -> None:
        self.began = began
        self.logged = 0
        self.held_back = 0


class ClientLog:
    """The log of one server, for what clients cause.

    Args:
        path: the socket's path; each record begins with it.
        counts: where it counts what was held back.
        clock: the time in ns; a test's own may stand still.
    """

    __slots__ = ("_clock", "_counts", "_path", "_windows")

    def __init__(
        self, path: str, counts: Counts, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._path = path
        self._counts = counts
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def __call__(
        self,
        level: int,
        template: str,
        *values: Any,
        kind: str = "",
        error: BaseException | None = None,
    ) -> None:
        """Log a record, or count it where its kind has had enough.

        Args:
            template, values: as those of `logging`; a template is a kind of record.
            kind: what tells records of one template apart: a command's name, not a client's text.
            error: whose traceback is logged too.
        """
        if not logger.isEnabledFor(level):
            return
        now = self._clock()
        key = (template, kind) if len(self._windows) < KINDS else (template, "")
        window = self._windows.get(key)
        held_back = 0
        if window is None or now - window.began >= WINDOW_NS:
            held_back = window.held_back if window is not None else 0
            window = self._windows[key] = _Window(now)
        if window.logged >= RECORDS:
            window.held_back += 1
            self._counts.unlogged += 1
            return
        window.logged += 1
        self._write(level, template, values, held_back, error)

    def _write(
        self,
        level: int,
        template: str,
        values: tuple[Any, ...],
        held_back: int,
        error: BaseException | None = None,
    ) -> None:
        template = "%s: " + template
        if held_back:
            template += " (and %d more like it were not logged)"
            values = (*values, held_back)
        logger.log(level, template, self._path, *values, exc_info=error)

    def close(self) -> None:
        """Tell what was held back and not told yet."""
        held_back = sum(window.held_back for window in self._windows.values())
        self._windows.clear()
        if held_back:
            logger.warning("%s: %d records about clients were not logged", self._path, held_back)
