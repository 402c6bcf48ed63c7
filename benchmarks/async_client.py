"""AsyncIpcClient beside IpcClient, against the same lazy server in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import repeat

from benchmarks import peers, rpc_peers
from benchmarks.messages import Add
from benchmarks.rounds import Pair, Round, Row, cost_row, interleave_all, speed_row, timed
from lazyipc import AsyncIpcClient, IpcClient

ROUND_TRIPS_PER_ROUND = 20
CONCURRENT = 100


def rows(seconds: float) -> Iterator[Row]:
    """One Add at a time, and a hundred at once; under "raw" is the client that blocks."""
    for name, make_loop in rpc_peers.loops().items():
        with (
            peers.one_core(),
            peers.lazyipc_server() as path,
            IpcClient(path) as blocking,
            rpc_peers.running(make_loop) as runner,
        ):
            client = runner.run(_connect(path))
            try:

                async def call() -> int:
                    return (await client.send(Add(a=1, b=2))).c  # noqa: B023

                async def calls(count: int) -> list[int]:
                    sends = [client.send(Add(a=1, b=2)) for _ in range(count)]  # noqa: B023
                    return [reply.c for reply in await asyncio.gather(*sends)]

                single, many, raw, raw_many = interleave_all(
                    [
                        rpc_peers.round_of(runner, call, ROUND_TRIPS_PER_ROUND),
                        rpc_peers.round_at_once(runner, calls, CONCURRENT),
                        _one_by_one(blocking),
                        _all_at_once(blocking),
                    ],
                    seconds / 2,
                )
            finally:
                runner.run(_close(client))
        yield cost_row(f"AsyncIpcClient, {name}", Pair(single, raw))
        yield speed_row(f"  {CONCURRENT} sends, raw = send_many", Pair(many, raw_many))


async def _connect(path: str) -> AsyncIpcClient:
    return await AsyncIpcClient(path).__aenter__()


async def _close(client: AsyncIpcClient) -> None:
    await client.__aexit__(None, None, None)


def _one_by_one(client: IpcClient) -> Round:
    def run() -> None:
        total = 0
        for _ in repeat(None, ROUND_TRIPS_PER_ROUND):
            total += client.send(Add(a=1, b=2)).c
        if total != 3 * ROUND_TRIPS_PER_ROUND:
            raise RuntimeError("a wrong sum came back")

    return lambda: timed(run, ROUND_TRIPS_PER_ROUND)


def _all_at_once(client: IpcClient) -> Round:
    commands = [Add(a=1, b=2)] * CONCURRENT

    def run() -> None:
        if sum(reply.c for reply in client.send_many(commands)) != 3 * CONCURRENT:
            raise RuntimeError("a wrong sum came back")

    return lambda: timed(run, CONCURRENT)
