"""What idle peers cost: how often their processes are woken while nobody talks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import rpc_peers
from lazyipc.rpc import RpcClient

PEERS = 200

LONGEST_SECONDS = 10.0
"""How long is watched at most: a wake-up a second would be seen ten times."""

CALL_SECONDS = 0.3
"""The timeout of the call that shows that they are connected. The timer of a peer's last call rings
once, when its time is over, though its reply is there."""

SETTLING_SECONDS = 0.6
"""How long is waited after that: nothing is idle yet."""


def rows(seconds: float) -> Iterator[str]:
    """Wake-ups of a server with many idle peers, and of their process, beside an empty loop."""
    for name, make_loop in rpc_peers.loops().items():
        with contextlib.ExitStack() as stack:

            def start(serve: rpc_peers.Serve) -> rpc_peers.Serving:
                return stack.enter_context(rpc_peers.server(make_loop, serve))  # noqa: B023

            server = start(rpc_peers.serve_words)
            clients = start(_hold(server.where))
            empty = start(_nothing)
            time.sleep(SETTLING_SECONDS)
            watched = min(LONGEST_SECONDS, seconds)
            before = [_switches(process.pid) for process in (server, clients, empty)]
            time.sleep(watched)
            after = [_switches(process.pid) for process in (server, clients, empty)]
        served, held, nothing = (late - soon for late, soon in zip(after, before, strict=True))
        verdict = "met" if served <= nothing and held <= nothing else "MISSED"
        yield (
            f"{PEERS} idle peers, {name}, {watched:g} s: their server was woken {served} times, "
            f"their other ends\n  {held} times, an empty loop {nothing} times; "
            f"aim: no more than that, {verdict}"
        )


def _switches(pid: int) -> int:
    """How often a process has gone to sleep, or lost its core to another: of each thread."""
    count = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        count += int(lines["voluntary_ctxt_switches"]) + int(lines["nonvoluntary_ctxt_switches"])
    return count


def _hold(key: str) -> rpc_peers.Serve:
    async def hold(path: str, tell: rpc_peers.Tell) -> None:
        held: list[RpcClient[Any]] = []
        for _ in range(PEERS):
            held.append(await RpcClient.connect(key, rpc_peers.Word))
        await held[-1].send(rpc_peers.Plus(a=1, b=2), CALL_SECONDS)
        tell(path)
        await asyncio.Event().wait()

    return hold


async def _nothing(path: str, tell: rpc_peers.Tell) -> None:
    tell(path)
    await asyncio.Event().wait()
