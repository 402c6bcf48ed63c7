"""One command at a time: over a kept connection, and as a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat

from benchmarks import by_hand, peers, raw
from benchmarks.messages import Add
from benchmarks.rounds import Row, cost_row, interleave, timed
from lazyipc import IpcClient, client_send

ROUND_TRIPS_PER_ROUND = 100
ONE_SHOTS_PER_ROUND = 50


def round_trip(seconds: float) -> Iterator[Row]:
    """One Add over a kept connection, both processes on one core."""
    with (
        peers.one_core(),
        peers.lazyipc_server() as our_path,
        peers.raw_server(raw.serve_in_turn) as raw_path,
        IpcClient(our_path) as client,
        raw.connect(raw_path) as connected,
    ):
        pair = interleave(
            _round(lambda: client.send(Add(a=1, b=2)).c, ROUND_TRIPS_PER_ROUND),
            _round(lambda: raw.call(connected, 1, 2), ROUND_TRIPS_PER_ROUND),
            seconds,
        )
    yield cost_row("round trip, one core", pair, at_most=1.4)


def against_by_hand(seconds: float) -> Iterator[Row]:
    """The same beside a server and client written by hand with pydantic, not beside raw bytes."""
    with (
        peers.one_core(),
        peers.lazyipc_server() as our_path,
        peers.raw_server(by_hand.serve) as hand_path,
        IpcClient(our_path) as client,
        by_hand.Client(hand_path) as hand,
    ):
        pair = interleave(
            _round(lambda: client.send(Add(a=1, b=2)).c, ROUND_TRIPS_PER_ROUND),
            _round(lambda: hand.send(by_hand.Add(a=1, b=2)).c, ROUND_TRIPS_PER_ROUND),
            seconds,
        )
    yield cost_row("round trip, raw = by hand", pair, at_most=1.0)


def one_shot(seconds: float) -> Iterator[Row]:
    """Connect, one Add, close; both processes on one core."""
    with (
        peers.one_core(),
        peers.lazyipc_server() as our_path,
        peers.raw_server(raw.serve_in_turn) as raw_path,
    ):
        pair = interleave(
            _round(lambda: client_send(Add(a=1, b=2), our_path).c, ONE_SHOTS_PER_ROUND),
            _round(lambda: raw.call_once(raw_path, 1, 2), ONE_SHOTS_PER_ROUND),
            seconds,
        )
    yield cost_row("one-shot client_send, one core", pair, at_most=1.25)


def _round(call: Callable[[], int], count: int) -> Callable[[], float]:
    """Rounds of so many calls; the sum is looked at, so that no wrong answer counts as fast."""

    def run() -> None:
        total = 0
        for _ in repeat(None, count):
            total += call()
        if total != 3 * count:
            raise RuntimeError("a wrong sum came back")

    return lambda: timed(run, count)
