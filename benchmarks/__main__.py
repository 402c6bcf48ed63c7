"""`python -m benchmarks`: the table of ratios, or where the time of one of them goes."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator

from benchmarks import (
    async_client,
    bulk,
    calls,
    codec,
    cold,
    crowd,
    extent,
    hostile,
    idle,
    load,
    once,
    payload,
    rival_servers,
    rivals,
    rpc,
    rpc_idle,
    rpc_rivals,
    stages,
)
from benchmarks.rounds import Row

BENCHMARKS: dict[str, Callable[[float], Iterator[Row | str]]] = {
    "idle": idle.rows,
    "round-trip": calls.round_trip,
    "spinning": calls.spinning,
    "by-hand": calls.against_by_hand,
    "one-shot": calls.one_shot,
    "pipelined": load.pipelined,
    "sixteen": load.sixteen,
    "payload": payload.rows,
    "cold": cold.rows,
    "hostile": hostile.rows,
    "crowd": crowd.rows,
    "codec": codec.rows,
    "bulk": bulk.rows,
    "extent": extent.rows,
    "rivals": rivals.rows,
    "rival-servers": rival_servers.rows,
    "async-client": async_client.rows,
    "rpc": rpc.round_trip,
    "rpc-concurrent": rpc.concurrent,
    "rpc-payload": rpc.payload,
    "rpc-idle": rpc_idle.rows,
    "rpc-rivals": rpc_rivals.rows,
}
"""Each takes the seconds to measure for; it yields rows of the table, and text to go among them."""

PROFILES: dict[str, Callable[[float], Iterator[str]]] = {
    "round-trip": stages.round_trip,
    "one-shot": once.one_shot,
    "cold": cold.profile,
}
"""Each takes the seconds to measure for; it yields text."""

QUICK_SECONDS = 2.0
FULL_SECONDS = 20.0
"""How long a row is measured; those of the codec that belong together share it."""

COLUMNS = ("", "ours", "raw", "ratio", "quartiles", "aim", "")
WIDTHS = (38, 12, 12, 8, 15, 14, 6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="some two minutes in all")
    length.add_argument("--seconds", type=float, metavar="S", help="how long a row is measured")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=BENCHMARKS, default=BENCHMARKS)
    parser.add_argument("--profile", metavar="NAME", choices=PROFILES, help="where its time goes")
    parser.add_argument("--markdown", action="store_true", help="rows as a table of Markdown")
    arguments = parser.parse_args()
    line = _markdown if arguments.markdown else _line
    usual = QUICK_SECONDS if arguments.quick else FULL_SECONDS
    seconds = usual if arguments.seconds is None else arguments.seconds
    print(_machine())
    if arguments.profile:
        print(*PROFILES[arguments.profile](seconds), sep="\n")
        return
    print()
    print(line(COLUMNS))
    if arguments.markdown:
        print(line(("---", *["---:"] * (len(COLUMNS) - 2), "---")))
    for name in arguments.only:
        for row in BENCHMARKS[name](seconds):
            print(row if isinstance(row, str) else line(_cells(row)), flush=True)
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


def _markdown(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(cells: tuple[str, ...]) -> str:
    first, *rest = zip(cells, WIDTHS, strict=True)
    return first[0].ljust(first[1]) + "".join(f" {cell:>{width}}" for cell, width in rest)


if __name__ == "__main__":
    main()
