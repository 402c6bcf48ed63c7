"""One Add between two programs, beside the libraries one would reach for instead of rpc.

Each as its documentation shows it, on a Unix socket, both processes on one core. Each is measured
in a process of its own that calls ours and theirs in turn, for some of them change the process they
are imported in. Those that are not installed are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import repeat
from multiprocessing.connection import Connection

from benchmarks import peers, rpc_peers
from benchmarks.rounds import Pair, Round, Row, interleave, speed_row, timed

ROUND_TRIPS_PER_ROUND = 50

LEGEND = """
One Add, lazyipc.rpc beside others: under "raw" is theirs, and the ratio is ours over theirs, as
speeds. Ours is typed and checked at both ends, with a deadline; its handler is a coroutine.
  grpc.aio         a generic method of its asyncio server, the integers packed by struct
  zerorpc          its gevent server and client, msgpack, over ipc://
  Pyro5            a daemon and a proxy, serpent; called from no loop, which it would hold up
  Pyro5, executor  the same, called from a loop as an asyncio program has to: in a thread
"""


def rows(seconds: float) -> Iterator[Row | str]:
    """A round trip over a kept connection."""
    yield LEGEND
    for name, (module, serve, connect) in RIVALS.items():
        if importlib.util.find_spec(module) is None:
            yield f"{name}: not installed"
            continue
        pair = _measured(name, serve, connect, seconds / 2)
        yield speed_row(f"rpc, {name}", pair, at_least=3)


Connect = Callable[[str], AbstractContextManager[Callable[[int], Round]]]
"""A connection to the server at a path, as what makes rounds of so many calls."""


def _measured(
    name: str, serve: Callable[[str, Connection], None], connect: Connect, seconds: float
) -> Pair:
    with contextlib.ExitStack() as stack:
        stack.enter_context(peers.one_core())
        path = f"{stack.enter_context(peers.folder())}/rival.sock"
        ready, listening = peers.pipe()
        stack.enter_context(peers.child(serve, path, listening))
        if not ready.poll(peers.READY_SECONDS):
            raise RuntimeError(f"the server of {name} did not start")
        ours = stack.enter_context(rpc_peers.server(asyncio.new_event_loop, rpc_peers.serve_words))
        result, measured = peers.pipe()
        stack.enter_context(peers.child(_measure, ours.where, connect, path, seconds, measured))
        if not result.poll(seconds + 2 * peers.READY_SECONDS):
            raise RuntimeError(f"measuring {name} did not end")
        pair: Pair = result.recv()
        return pair


def _measure(key: str, connect: Connect, path: str, seconds: float, result: Connection) -> None:
    with (
        rpc_peers.running(asyncio.new_event_loop) as runner,
        rpc_peers.client(runner, key, rpc_peers.Word) as client,
        connect(path) as rounds_of,
    ):

        async def call() -> int:
            reply = await client.send(rpc_peers.Plus(a=1, b=2))
            total: int = reply.c
            return total

        ours = rpc_peers.round_of(runner, call, ROUND_TRIPS_PER_ROUND)
        result.send(interleave(ours, rounds_of(ROUND_TRIPS_PER_ROUND), seconds))


def _blocking(call: Callable[[int, int], int]) -> Callable[[int], Round]:
    """What makes rounds of a function that waits for its answer."""

    def rounds_of(count: int) -> Round:
        def run() -> None:
            total = 0
            for _ in repeat(None, count):
                total += call(1, 2)
            if total != 3 * count:
                raise RuntimeError("a wrong sum came back")

        return lambda: timed(run, count)

    return rounds_of


# grpc.aio --------------------------------------------------------------------------------------

_TWO = struct.Struct("<QQ")
_ONE = struct.Struct("<Q")


def _serve_grpc(path: str, ready: Connection) -> None:
    import grpc
    import grpc.aio

    async def add(request: tuple[int, int], context: object) -> int:
        a, b = request
        return a + b

    async def serve() -> None:
        server = grpc.aio.server()
        method = grpc.unary_unary_rpc_method_handler(
            add, request_deserializer=_TWO.unpack, response_serializer=_ONE.pack
        )
        handler = grpc.method_handlers_generic_handler("Calculator", {"Add": method})
        server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        ready.send(True)
        await server.wait_for_termination()

    asyncio.run(serve())


@contextlib.contextmanager
def _connect_grpc(path: str) -> Iterator[Callable[[int], Round]]:
    import grpc.aio

    with rpc_peers.running(asyncio.new_event_loop) as runner:

        async def connect() -> grpc.aio.Channel:
            channel = grpc.aio.insecure_channel(f"unix:{path}")
            await channel.channel_ready()
            return channel

        channel = runner.run(connect())
        add = channel.unary_unary(
            "/Calculator/Add",
            request_serializer=lambda pair: _TWO.pack(*pair),
            response_deserializer=lambda data: _ONE.unpack(data)[0],
        )

        async def call() -> int:
            total: int = await add((1, 2), timeout=5)
            return total

        try:
            yield lambda count: rpc_peers.round_of(runner, call, count)
        finally:
            runner.run(channel.close())


# zerorpc ---------------------------------------------------------------------------------------


def _serve_zerorpc(path: str, ready: Connection) -> None:
    import zerorpc

    class Calculator:
        def add(self, a: int, b: int) -> int:
            return a + b

    server = zerorpc.Server(Calculator())
    server.bind(f"ipc://{path}")
    ready.send(True)
    server.run()


@contextlib.contextmanager
def _connect_zerorpc(path: str) -> Iterator[Callable[[int], Round]]:
    import zerorpc

    client = zerorpc.Client()
    client.connect(f"ipc://{path}")
    try:
        yield _blocking(client.add)
    finally:
        client.close()


# Pyro5 -----------------------------------------------------------------------------------------


def _serve_pyro5(path: str, ready: Connection) -> None:
    import Pyro5.api

    class Calculator:
        @Pyro5.api.expose
        def add(self, a: int, b: int) -> int:
            return a + b

    daemon = Pyro5.api.Daemon(unixsocket=path)
    daemon.register(Calculator(), "calculator")
    ready.send(True)
    daemon.requestLoop()


@contextlib.contextmanager
def _connect_pyro5(path: str) -> Iterator[Callable[[int], Round]]:
    import Pyro5.api

    with Pyro5.api.Proxy(f"PYRO:calculator@./u:{path}") as proxy:
        yield _blocking(proxy.add)


@contextlib.contextmanager
def _connect_pyro5_in_thread(path: str) -> Iterator[Callable[[int], Round]]:
    import Pyro5.api

    with (
        rpc_peers.running(asyncio.new_event_loop) as runner,
        ThreadPoolExecutor(1) as thread,
        Pyro5.api.Proxy(f"PYRO:calculator@./u:{path}") as proxy,
    ):
        thread.submit(proxy._pyroClaimOwnership).result()

        def add() -> int:
            total: int = proxy.add(1, 2)
            return total

        async def call() -> int:
            return await asyncio.get_running_loop().run_in_executor(thread, add)

        try:
            yield lambda count: rpc_peers.round_of(runner, call, count)
        finally:
            proxy._pyroClaimOwnership()


RIVALS: dict[str, tuple[str, Callable[[str, Connection], None], Connect]] = {
    "grpc.aio": ("grpc", _serve_grpc, _connect_grpc),
    "zerorpc": ("zerorpc", _serve_zerorpc, _connect_zerorpc),
    "Pyro5": ("Pyro5", _serve_pyro5, _connect_pyro5),
    "Pyro5, executor": ("Pyro5", _serve_pyro5, _connect_pyro5_in_thread),
}
"""The module of each, its server and its client."""
