"""Calls between two asyncio programs, beside protocols written by hand with asyncio and struct."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks import peers, rpc_by_hand, rpc_peers
from benchmarks.messages import Add, Echo, Order
from benchmarks.payload import PAYLOAD_BYTES
from benchmarks.rounds import (
    Pair,
    Round,
    Row,
    cost_row,
    interleave,
    interleave_all,
    rate_row,
    throughput_row,
)
from benchmarks.rpc_peers import AddLater, Job, Loop, Plus, Serve, Word, round_at_once, round_of
from lazyipc.rpc import RpcClient

ROUND_TRIPS_PER_ROUND = 20
"""So few that most rounds end before the scheduler gives the core to somebody else."""

CONCURRENT = 1000
"""Calls under way at once."""

PAYLOAD_TIMEOUT = 60.0

ANSWERING: dict[str, tuple[Serve, type[Any], Callable[[], Any]]] = {
    "handler": (rpc_peers.serve_words, Word, lambda: Plus(a=1, b=2)),
    "async process": (rpc_peers.serve_commands(Job), Job, lambda: AddLater(a=1, b=2)),
    "process": (rpc_peers.serve_commands(Order), Order, lambda: Add(a=1, b=2)),
}
"""Who answers: its server, the family, and a message."""


class Place(NamedTuple):
    """What a row is measured with."""

    name: str
    make_loop: Loop
    cores: set[int] | None
    """Those of the servers; None for the one that all share."""


def _places() -> Iterator[Place]:
    """One core and two, with each loop; this process keeps to its core until the next."""
    for name, make_loop in rpc_peers.loops().items():
        with peers.one_core():
            yield Place(f"{name}, 1 core", make_loop, None)
        with peers.own_core() as others:
            if others.isdisjoint(os.sched_getaffinity(0)):
                yield Place(f"{name}, 2 cores", make_loop, others)


class _Stage(contextlib.ExitStack):
    """Servers at a place, and clients of them; servers are started before the first client."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._runner: asyncio.Runner | None = None

    @property
    def runner(self) -> asyncio.Runner:
        """The loop of the clients."""
        if self._runner is None:
            self._runner = self.enter_context(rpc_peers.running(self._place.make_loop))
        return self._runner

    def serve(self, serve: Serve) -> str:
        """Start a server; the path or key of it."""
        assert self._runner is None
        place = self._place
        return self.enter_context(rpc_peers.server(place.make_loop, serve, place.cores)).where

    def programs_by_hand(self) -> Callable[[int], Round]:
        """The baseline as two programs of their own, as what makes rounds of so many calls."""
        return self.enter_context(rpc_peers.programs_by_hand(self._place.cores))

    def client(self, key: str, family: type[Any]) -> RpcClient[Any]:
        """Our client."""
        return self.enter_context(rpc_peers.client(self.runner, key, family))

    def by_hand(self, path: str, protocol: Callable[[], rpc_peers.P]) -> rpc_peers.P:
        """A baseline's client."""
        return self.enter_context(rpc_peers.client_by_hand(self.runner, path, protocol))


def round_trip(seconds: float) -> Iterator[Row]:
    """One Add at a time; the places share the time of two."""
    for place in _places():
        yield from _round_trips(place, seconds / 2)


def _round_trips(place: Place, seconds: float) -> Iterator[Row]:
    with _Stage(place) as stage:
        keys = {name: stage.serve(serve) for name, (serve, *_) in ANSWERING.items()}
        path = stage.serve(rpc_peers.serve_by_hand(rpc_by_hand.Server))
        programs = stage.programs_by_hand()
        rounds = [_sending(stage, keys[name], *ANSWERING[name][1:]) for name in ANSWERING]
        rounds += [_by_hand(stage, path), programs(ROUND_TRIPS_PER_ROUND)]
        *ours, bare, apart = interleave_all(rounds, seconds)
    for name, times in zip(ANSWERING, ours, strict=True):
        yield cost_row(f"rpc, {name}, {place.name}", Pair(times, bare), at_most=1.3)
    if place.make_loop is asyncio.new_event_loop:  # with another it makes no difference
        for name, times in zip(ANSWERING, ours, strict=True):
            yield cost_row(f"  {name}, raw = new programs", Pair(times, apart), at_most=1.3)


def _sending(stage: _Stage, key: str, family: type[Any], message: Callable[[], Any]) -> Round:
    client = stage.client(key, family)

    async def call() -> int:
        reply = await client.send(message())
        total: int = reply.c
        return total

    return round_of(stage.runner, call, ROUND_TRIPS_PER_ROUND)


def _by_hand(stage: _Stage, path: str) -> Round:
    client = stage.by_hand(path, rpc_by_hand.Client)

    async def call() -> int:
        return await client.add(1, 2)

    return round_of(stage.runner, call, ROUND_TRIPS_PER_ROUND)


def concurrent(seconds: float) -> Iterator[Row]:
    """A thousand sends at once on one connection: by `gather`, and awaited in turn."""
    for place in _places():
        yield from _concurrent(place, seconds / 2)


def _concurrent(place: Place, seconds: float) -> Iterator[Row]:
    with _Stage(place) as stage:
        keys = {name: stage.serve(serve) for name, (serve, *_) in ANSWERING.items()}
        path = stage.serve(rpc_peers.serve_by_hand(rpc_by_hand.Server))
        bare = stage.by_hand(path, rpc_by_hand.Client)
        rounds = [
            _gathered(stage, keys[name], *ANSWERING[name][1:]) for name in ("handler", "process")
        ]
        rounds.append(_in_turn(stage, keys["process"], *ANSWERING["process"][1:]))

        async def by_hand(count: int) -> list[int]:
            return await asyncio.gather(*[bare.add(1, 2) for _ in range(count)])

        rounds.append(round_at_once(stage.runner, by_hand, CONCURRENT))
        *ours, raw = interleave_all(rounds, seconds)
    for name, times in zip(("handler", "process", "in turn"), ours, strict=True):
        name = f"{CONCURRENT:,} sends, {name}, {place.name}"
        yield rate_row(name, Pair(times, raw), at_least_per_second=40_000)


def _gathered(stage: _Stage, key: str, family: type[Any], message: Callable[[], Any]) -> Round:
    client = stage.client(key, family)

    async def calls(count: int) -> list[int]:
        replies = await asyncio.gather(*[client.send(message()) for _ in range(count)])
        return [reply.c for reply in replies]

    return round_at_once(stage.runner, calls, CONCURRENT)


def _in_turn(stage: _Stage, key: str, family: type[Any], message: Callable[[], Any]) -> Round:
    client = stage.client(key, family)

    async def calls(count: int) -> list[int]:
        replies = [client.send(message()) for _ in range(count)]
        return [(await reply).c for reply in replies]

    return round_at_once(stage.runner, calls, CONCURRENT)


def payload(seconds: float) -> Iterator[Row]:
    """16 MiB there and back, as bytes."""
    for place in _places():
        yield _payload(place, seconds / 2)


def _payload(place: Place, seconds: float) -> Row:
    sent = os.urandom(PAYLOAD_BYTES)
    with _Stage(place) as stage:
        key = stage.serve(rpc_peers.serve_commands(Order))
        path = stage.serve(rpc_peers.serve_by_hand(rpc_by_hand.Echo))
        client = stage.client(key, Order)
        bare = stage.by_hand(path, rpc_by_hand.EchoClient)

        async def ours() -> bytes:
            received: bytes = await client.send(Echo(payload=sent), timeout=PAYLOAD_TIMEOUT)
            return received

        async def raw() -> bytes:
            return await bare.echo(sent)

        pair = interleave(
            rpc_peers.round_of_one(stage.runner, ours, sent),
            rpc_peers.round_of_one(stage.runner, raw, sent),
            seconds,
        )
    return throughput_row(f"rpc, 16 MiB, {place.name}", pair, 2 * PAYLOAD_BYTES)
