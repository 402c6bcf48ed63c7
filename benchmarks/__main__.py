"""`python -m benchmarks [--quick] [--only NAME…]`: the table of ratios."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator

from benchmarks import bulk, calls, codec, extent, idle, load, rivals
from benchmarks.rounds import Row

BENCHMARKS: dict[str, Callable[[float], Iterator[Row | str]]] = {
    "idle": idle.rows,
    "round-trip": calls.round_trip,
    "by-hand": calls.against_by_hand,
    "one-shot": calls.one_shot,
    "pipelined": load.pipelined,
    "sixteen": load.sixteen,
    "codec": codec.rows,
    "bulk": bulk.rows,
    "extent": extent.rows,
    "rivals": rivals.rows,
}
"""Each takes the seconds to measure for; it yields rows of the table, and text to go among them."""

QUICK_SECONDS = 2.0
FULL_SECONDS = 20.0
"""How long a row is measured; those of the codec that belong together share it."""

COLUMNS = ("", "ours", "raw", "ratio", "quartiles", "aim", "")
WIDTHS = (30, 12, 12, 8, 15, 14, 6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute and a half in all")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=BENCHMARKS, default=BENCHMARKS)
    arguments = parser.parse_args()
    seconds = QUICK_SECONDS if arguments.quick else FULL_SECONDS
    print(_machine())
    print()
    print(_line(COLUMNS))
    for name in arguments.only:
        for row in BENCHMARKS[name](seconds):
            print(row if isinstance(row, str) else _line(_cells(row)), flush=True)
    if "idle" in arguments.only:
        counted = idle.system_calls()
        if counted:
            print(f"\n{counted}")


def _machine() -> str:
    load = ", ".join(f"{number:.2f}" for number in os.getloadavg())
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.release()} {platform.machine()}, "
        f"{len(os.sched_getaffinity(0))} cores, load {load}"
    )


def _cells(row: Row) -> tuple[str, ...]:
    spread = f"{row.spread[0]:.2f} … {row.spread[1]:.2f}"
    verdict = {True: "met", False: "MISSED", None: ""}[row.met]
    return row.name, row.ours, row.raw, f"{row.ratio:.2f}", spread, row.aim, verdict


def _line(cells: tuple[str, ...]) -> str:
    first, *rest = zip(cells, WIDTHS, strict=True)
    return first[0].ljust(first[1]) + "".join(f" {cell:>{width}}" for cell, width in rest)


if __name__ == "__main__":
    main()
