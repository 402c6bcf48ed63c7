"""One command at a time: over a kept connection, and as a connection of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import repeat

from benchmarks import by_hand, peers, raw
from benchmarks.messages import Add
from benchmarks.rounds import Pair, Round, Row, cost_row, interleave, interleave_all, timed
from lazyipc import IpcClient, client_send

ROUND_TRIPS_PER_ROUND = 20
ONE_SHOTS_PER_ROUND = 10
"""So few that most rounds end before the scheduler gives the core to somebody else."""

Call = Callable[[], int]
"""One call, and the sum that came back."""

SPIN_SECONDS = 1.0
"""Longer than any call of a round takes, so that the client never sleeps."""


@contextlib.contextmanager
def kept_connections() -> Iterator[tuple[Call, Call, Call]]:
    """One Add over a kept connection: ours, raw and lean."""
    with (
        peers.lazyipc_server() as our_path,
        peers.raw_server(raw.serve_in_turn) as raw_path,
        peers.raw_server(raw.serve_lean) as lean_path,
        IpcClient(our_path) as client,
        raw.connect(raw_path) as connected,
        raw.connect(lean_path, None) as lean,
    ):
        yield (
            lambda: client.send(Add(a=1, b=2)).c,
            lambda: raw.call(connected, 1, 2),
            lambda: raw.call_lean(lean, 1, 2),
        )


def round_trip(seconds: float) -> Iterator[Row]:
    """One Add over a kept connection, both processes on one core."""
    with peers.one_core(), kept_connections() as calls:
        rounds = [_round(call, ROUND_TRIPS_PER_ROUND) for call in calls]
        ours, bare, lean = interleave_all(rounds, seconds)
    yield cost_row("round trip, one core", Pair(ours, bare), at_most=1.4)
    yield cost_row("round trip, raw = lean", Pair(ours, lean))


def spinning(seconds: float) -> Iterator[Row | str]:
    """The same with a server that polls all the time and a client that never sleeps."""
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(peers.polling_servers(raw.serve_polling))
        if servers is None:
            yield "round trip, both spinning: not measured, for it takes two cores"
            return
        ours, bare = servers
        client = stack.enter_context(IpcClient(ours.path, spin=SPIN_SECONDS))
        with bare.running():
            connected = stack.enter_context(raw.connect(bare.path))
        connected.setblocking(False)
        spin = raw.spinner(connected)
        pair = interleave(
            ours.round(lambda: client.send(Add(a=1, b=2)).c, ROUND_TRIPS_PER_ROUND),
            bare.round(lambda: spin(1, 2), ROUND_TRIPS_PER_ROUND),
            seconds,
        )
    yield cost_row("round trip, both spinning", pair, at_most=1.5)


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
        peers.raw_server(raw.serve_lean) as lean_path,
    ):
        ours, bare, lean = interleave_all(
            [
                _round(lambda: client_send(Add(a=1, b=2), our_path).c, ONE_SHOTS_PER_ROUND),
                _round(lambda: raw.call_once(raw_path, 1, 2), ONE_SHOTS_PER_ROUND),
                _round(lambda: raw.call_once_lean(lean_path, 1, 2), ONE_SHOTS_PER_ROUND),
            ],
            seconds,
        )
    yield cost_row("one-shot client_send, one core", Pair(ours, bare), at_most=1.25)
    yield cost_row("one-shot, raw = lean", Pair(ours, lean))


def _round(call: Call, count: int) -> Round:
    """Rounds of so many calls; the sum is looked at, so that no wrong answer counts as fast."""

    def run() -> None:
        total = 0
        for _ in repeat(None, count):
            total += call()
        if total != 3 * count:
            raise RuntimeError("a wrong sum came back")

    return lambda: timed(run, count)
