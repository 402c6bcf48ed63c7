"""`python -m benchmarks.plot`: measures a poll beside more and more clients, and draws it.

Writes docs/poll-time.svg: the same bytes for the same numbers, so that a drawing that differs means
numbers that do.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.crowd import Crowd, measured

SECONDS = 30.0
TARGET = Path(__file__).parent.parent / "docs" / "poll-time.svg"

SETTINGS = {
    "svg.hashsalt": "lazyipc",  # else each drawing names its parts anew
    "svg.fonttype": "none",  # text stays text: small, and to be searched
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
"""Told apart by everybody."""

ABOVE, BELOW = 6, -15
"""Where a line's name stands, in points from it."""


def main() -> None:
    """Measure and draw."""
    crowds = [crowd for crowd in measured(SECONDS) if isinstance(crowd, Crowd)]
    with mpl.rc_context(SETTINGS):
        draw(crowds).savefig(TARGET, metadata={"Date": None, "Creator": None})
    print(f"{TARGET.name} is drawn")


def draw(crowds: list[Crowd]) -> Figure:
    """Microseconds of a poll, over how many idle clients there are."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    places = range(len(crowds))
    for name, chosen, color, style, label_at in (
        ("a client speaks: lazyipc", [crowd.busy.ours for crowd in crowds], ORANGE, "-o", ABOVE),
        ("the same by hand, with epoll", [crowd.busy.raw for crowd in crowds], ORANGE, ":o", BELOW),
        ("nobody speaks: lazyipc", [crowd.idle.ours for crowd in crowds], BLUE, "-o", ABOVE),
        ("epoll.poll(0) alone", [crowd.idle.raw for crowd in crowds], GREY, ":o", BELOW),
    ):
        medians = [statistics.median(seconds) * 1e6 for seconds in chosen]
        axes.plot(places, medians, style, color=color, markersize=4)
        axes.annotate(
            f"{name}, {medians[-1]:.2g} us",
            (places[-1], medians[-1]),
            xytext=(0, label_at),
            textcoords="offset points",
            color=color,
            horizontalalignment="right",
        )
    axes.set_xticks(places, [f"{crowd.clients:,}" for crowd in crowds])
    axes.set_yscale("log")
    axes.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.set_ylim(0.1, 100)
    axes.set_xlabel("idle clients")
    axes.set_ylabel("one poll, microseconds")
    axes.grid(axis="y", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    return figure


if __name__ == "__main__":
    main()
