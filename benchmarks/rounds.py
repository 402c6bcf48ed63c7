"""Interleaved rounds and their statistics: A B A B …, a ratio per round, the median of the ratios.

A machine's speed drifts and others use it too. Two short rounds side by side meet the same weather,
so their ratio says more than either time; the spread of the ratios says how much that is.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat

Round = Callable[[], float]
"""Runs one short round and returns the seconds one operation took."""

MIB = 1 << 20
FEWEST_ROUNDS = 5

ROUND_SECONDS = 0.005
"""How long a round of `repeated` takes at least: far above the clock's steps, far below drift."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Seconds per operation, ours and the baseline's, round for round."""

    ours: tuple[float, ...]
    raw: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Ours over raw, in each round."""
        return [ours / raw for ours, raw in zip(self.ours, self.raw, strict=True)]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    ours: str
    raw: str
    ratio: float
    aim: str
    """Empty where there is none."""
    met: bool | None
    spread: tuple[float, float]
    """The quartiles of the ratio."""


def interleave(ours: Round, raw: Round, seconds: float) -> Pair:
    """Run rounds of both in turn for about so many seconds, after one of each to warm up."""
    first, second = interleave_all((ours, raw), seconds)
    return Pair(first, second)


def interleave_all(rounds: Sequence[Round], seconds: float) -> list[tuple[float, ...]]:
    """The same of several: the seconds per operation of each."""
    for run in rounds:
        run()
    gc.collect()
    times: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(times) < FEWEST_ROUNDS or time.perf_counter() < end:
        times.append([run() for run in rounds])
    return list(zip(*times, strict=True))


def timed(step: Callable[[], object], count: int) -> float:
    """Seconds one of `count` operations took, all done by one call of `step`."""
    began = time.perf_counter()
    step()
    return (time.perf_counter() - began) / count


def repeated(step: Callable[[], object]) -> Round:
    """Rounds of a step, done so often in each that it takes `ROUND_SECONDS` at least."""

    def run(count: int) -> float:
        return timed(lambda: _call_often(step, count), count)

    count = 1
    while run(count) * count < ROUND_SECONDS:
        count *= 2
    return lambda: run(count)


def _call_often(step: Callable[[], object], count: int) -> None:
    for _ in repeat(None, count):
        step()


def apart(before: Callable[[], object], step: Callable[[], object], count: int) -> Round:
    """Rounds of so many steps, each with something done before it that does not count.

    A round's time is the median of its steps: one that was interrupted says nothing of the others.
    """
    clock = clock_ns()

    def run() -> float:
        spent = []
        for _ in repeat(None, count):
            before()
            began = time.perf_counter_ns()
            step()
            spent.append(time.perf_counter_ns() - began)
        return (statistics.median(spent) - clock) / 1e9

    return run


def clock_ns() -> float:
    """What looking at the clock, and noting it, adds to what lies between two looks."""
    noted = [time.perf_counter_ns() for _ in range(10_000)]
    return statistics.median(later - sooner for sooner, later in pairwise(noted))


def quartiles(numbers: list[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    low, middle, high = statistics.quantiles(numbers, n=4)
    return low, middle, high


def cost_row(name: str, pair: Pair, *, at_most: float | None = None) -> Row:
    """A row whose aim is to cost at most so many times the baseline; None for no aim."""
    low, ratio, high = quartiles(pair.ratios)
    aim, met = ("", None) if at_most is None else (f"≤ {at_most:g} ×", ratio <= at_most)
    ours, raw = duration(pair.ours), duration(pair.raw)
    return Row(name, ours, raw, ratio, aim, met, (low, high))


def speed_row(name: str, pair: Pair, *, at_least: float | None = None) -> Row:
    """A row whose aim is to be at least so many times as fast as the baseline; None for no aim."""
    low, ratio, high = quartiles([1 / ratio for ratio in pair.ratios])
    aim, met = ("", None) if at_least is None else (f"≥ {at_least:g} ×", ratio >= at_least)
    return Row(name, rate(pair.ours), rate(pair.raw), ratio, aim, met, (low, high))


def rate_row(name: str, pair: Pair, *, at_least_per_second: int) -> Row:
    """A row whose aim is a rate; the baseline is there to tell what the machine can do."""
    low, ratio, high = quartiles([1 / ratio for ratio in pair.ratios])
    met = 1 / statistics.median(pair.ours) >= at_least_per_second
    aim = f"≥ {at_least_per_second:,} /s"
    return Row(name, rate(pair.ours), rate(pair.raw), ratio, aim, met, (low, high))


def duration(seconds: tuple[float, ...]) -> str:
    """The median, for people.

    >>> duration((2.5e-6,))
    '2.50 us'
    """
    median = statistics.median(seconds)
    if median < 1e-6:
        return f"{median * 1e9:.0f} ns"
    return f"{median * 1e6:.2f} us" if median < 1e-3 else f"{median * 1e3:.2f} ms"


def throughput_row(name: str, pair: Pair, size_bytes: int, *, at_least: float | None = None) -> Row:
    """A row of a transfer whose aim is a share of the baseline's speed; None for no aim.

    Args:
        size_bytes: how many bytes one operation moves.
    """
    low, ratio, high = quartiles([1 / ratio for ratio in pair.ratios])
    ours, raw = (
        f"{size_bytes / MIB / statistics.median(s):,.0f} MiB/s" for s in (pair.ours, pair.raw)
    )
    aim, met = ("", None) if at_least is None else (f"≥ {at_least:g} ×", ratio >= at_least)
    return Row(name, ours, raw, ratio, aim, met, (low, high))


def rate(seconds: tuple[float, ...]) -> str:
    """The median as operations in a second.

    >>> rate((2e-6,))
    '500,000 /s'
    """
    return f"{1 / statistics.median(seconds):,.0f} /s"
