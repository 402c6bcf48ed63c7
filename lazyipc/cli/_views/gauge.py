"""What the counters of a server say of the time between two looks at them: rates and shares.

Knows numbers only; the clock is the caller's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Any

LONGEST_HISTORY = 120
"""How many looks are remembered: a sparkline has no more columns."""

_TIMES = frozenset({"uptime", "start_ns", "pid", "clients"})
"""Numbers that are no counts: how fast they grow says nothing."""

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.-=oO0#"
"""For a terminal that has only ASCII."""


class Gauge:
    """Looks at the counters, one after the other.

    >>> gauge = Gauge()
    >>> first = gauge.take({"pid": 1, "commands": 5, "polls": 10}, 0.002, 100.0)
    >>> second = gauge.take({"pid": 1, "commands": 9, "polls": 30}, 0.002, 102.0)
    >>> first["rates"], second["rates"], second["poll_seconds"]
    ({}, {'commands': 2.0, 'polls': 10.0}, 0.1)
    """

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}
        self._last_time = 0.0
        self.poll_seconds: deque[float] = deque(maxlen=LONGEST_HISTORY)
        """From one poll to the next, on average between two looks."""
        self.latencies: deque[float] = deque(maxlen=LONGEST_HISTORY)
        """How long our own questions waited for their answers."""
        self.turn_shares: deque[float] = deque(maxlen=LONGEST_HISTORY)
        """The part of the time that the host spent on what clients sent."""

    def take(self, stats: dict[str, Any], latency: float, now: float) -> dict[str, Any]:
        """Look once more.

        Args:
            stats: the counters.
            latency: how many seconds their question waited.
            now: seconds on a clock that never goes back.

        Returns:
            What is to be told, by the keys of the JSON output.
        """
        last, elapsed = self._last, now - self._last_time
        is_same = _run_of(last) == _run_of(stats)
        grown = _growth(last, stats) if is_same and elapsed > 0 else {}
        rates = {name: amount / elapsed for name, amount in grown.items()}
        poll_seconds = elapsed / grown["polls"] if grown.get("polls") else None
        turn_share = rates.get("turn_seconds")
        if last and not is_same:
            self.poll_seconds.clear()
            self.turn_shares.clear()
        self.latencies.append(latency)
        if poll_seconds is not None:
            self.poll_seconds.append(poll_seconds)
        if turn_share is not None:
            self.turn_shares.append(turn_share)
        self._last, self._last_time = stats, now
        return {
            "has_restarted": bool(last) and not is_same,
            "latency_seconds": latency,
            "poll_seconds": poll_seconds,
            "turn_share": turn_share,
            "rates": rates,
            "stats": stats,
        }


def _run_of(stats: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one run of a server from the next."""
    return tuple(stats.get(key) for key in ("pid", "start_ns", "clock"))


def _growth(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """By how much each count grew."""
    numbers = {name for name in before if _is_number(before[name])}
    return {
        name: after[name] - before[name]
        for name in after
        if name in numbers and _is_number(after[name]) and name not in _TIMES
        and not name.startswith(("longest", "interval"))
    }  # fmt: skip


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def sparkline(values: Iterable[float], columns: int, bars: str = BARS) -> str:
    """The last values as a row of bars, the largest as high as can be.

    >>> sparkline([0, 1, 2, 7], 3)
    '▂▃█'
    """
    shown = [*values][-columns:] if columns > 0 else []
    most = max(shown, default=0)
    if most <= 0:
        return bars[0] * len(shown)
    return "".join(bars[min(int(value / most * len(bars)), len(bars) - 1)] for value in shown)


def spread(values: Iterable[float]) -> tuple[float, float, float] | None:
    """The least, the median and the largest; None where there are none.

    >>> spread([3, 1, 2])
    (1, 2, 3)
    """
    known = sorted(values)
    return (known[0], median(known), known[-1]) if known else None
