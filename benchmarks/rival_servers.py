"""One Add over a Unix socket, beside the libraries one would reach for instead.

Each as its documentation shows it: two integers there, their sum back, one client, one core. Those
that are not installed are left out.
"""

from __future__ import annotations

import contextlib
import importlib.util
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import repeat
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from benchmarks import peers
from benchmarks.messages import Add
from benchmarks.rounds import Round, Row, cost_row, interleave, timed
from lazyipc import IpcClient, client_send

ROUND_TRIPS_PER_ROUND = 50
ONE_SHOTS_PER_ROUND = 10

LEGEND = """
One Add, lazyipc beside others: under "raw" is theirs, and the ratio is ours over theirs, as times.
Ours is typed and checked at both ends, with a deadline.
  multiprocessing  multiprocessing.connection: pickle, no deadline
  pyzmq            REQ and REP over ipc://, the integers packed by struct; a thread of its own
  Pyro5            a daemon and a proxy, serpent
  RPyC             a threaded server, and a reference to its service
"""

Connect = Callable[[str], AbstractContextManager[Callable[[int, int], int]]]
"""A connection to the server at a path, as what adds two numbers."""


def rows(seconds: float) -> Iterator[Row | str]:
    """A round trip over a kept connection, and connect, call, close."""
    yield LEGEND
    with peers.one_core(), peers.lazyipc_server() as path, IpcClient(path) as client:

        def kept(count: int) -> Round:
            return _round(lambda: client.send(Add(a=1, b=2)).c, count)

        def once(count: int) -> Round:
            return _round(lambda: client_send(Add(a=1, b=2), path).c, count)

        for name, (module, serve, connect) in RIVALS.items():
            if importlib.util.find_spec(module) is None:
                yield f"{name}: not installed"
                continue
            yield from _rows(name, serve, connect, kept, once, seconds / 2)


def _rows(
    name: str,
    serve: Callable[[str, Connection], None],
    connect: Connect,
    kept: Callable[[int], Round],
    once: Callable[[int], Round],
    seconds: float,
) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        path = f"{stack.enter_context(peers.folder())}/rival.sock"
        ready, listening = peers.pipe()
        stack.enter_context(peers.child(serve, path, listening))
        if not ready.poll(peers.READY_SECONDS):
            raise RuntimeError(f"the server of {name} did not start")
        with connect(path) as add:
            theirs = _round(lambda: add(1, 2), ROUND_TRIPS_PER_ROUND)
            pair = interleave(kept(ROUND_TRIPS_PER_ROUND), theirs, seconds)
        yield cost_row(f"round trip, {name}", pair, at_most=1)

        def connect_and_add() -> int:
            with connect(path) as add:
                return add(1, 2)

        theirs = _round(connect_and_add, ONE_SHOTS_PER_ROUND)
        pair = interleave(once(ONE_SHOTS_PER_ROUND), theirs, seconds)
        yield cost_row(f"one-shot, {name}", pair, at_most=1)


def _round(call: Callable[[], int], count: int) -> Round:
    def run() -> None:
        total = 0
        for _ in repeat(None, count):
            total += call()
        if total != 3 * count:
            raise RuntimeError("a wrong sum came back")

    return lambda: timed(run, count)


# multiprocessing.connection --------------------------------------------------------------------


def _serve_multiprocessing(path: str, ready: Connection) -> None:
    with Listener(path, "AF_UNIX", backlog=128) as listener:
        ready.send(True)
        while True:
            with listener.accept() as connected, contextlib.suppress(EOFError):
                while True:
                    a, b = connected.recv()
                    connected.send(a + b)


@contextlib.contextmanager
def _connect_multiprocessing(path: str) -> Iterator[Callable[[int, int], int]]:
    with Client(path, "AF_UNIX") as connected:

        def add(a: int, b: int) -> int:
            connected.send((a, b))
            total: int = connected.recv()
            return total

        yield add


# pyzmq -----------------------------------------------------------------------------------------


def _serve_pyzmq(path: str, ready: Connection) -> None:
    import zmq

    answerer = zmq.Context.instance().socket(zmq.REP)
    answerer.bind(f"ipc://{path}")
    ready.send(True)
    while True:
        a, b = struct.unpack("<QQ", answerer.recv())
        answerer.send(struct.pack("<Q", a + b))


@contextlib.contextmanager
def _connect_pyzmq(path: str) -> Iterator[Callable[[int, int], int]]:
    import zmq

    with zmq.Context.instance().socket(zmq.REQ) as asker:
        asker.connect(f"ipc://{path}")

        def add(a: int, b: int) -> int:
            asker.send(struct.pack("<QQ", a, b))
            total: int
            (total,) = struct.unpack("<Q", asker.recv())
            return total

        yield add


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
def _connect_pyro5(path: str) -> Iterator[Callable[[int, int], int]]:
    import Pyro5.api

    with Pyro5.api.Proxy(f"PYRO:calculator@./u:{path}") as proxy:
        yield proxy.add


# RPyC ------------------------------------------------------------------------------------------


def _serve_rpyc(path: str, ready: Connection) -> None:
    import rpyc
    from rpyc.utils.server import ThreadedServer

    class Calculator(rpyc.Service):  # type: ignore[misc]
        def exposed_add(self, a: int, b: int) -> int:
            return a + b

    server = ThreadedServer(Calculator, socket_path=path)
    ready.send(True)
    server.start()


@contextlib.contextmanager
def _connect_rpyc(path: str) -> Iterator[Callable[[int, int], int]]:
    from rpyc.utils.factory import unix_connect

    connected: Any = unix_connect(path)
    with contextlib.closing(connected):
        yield connected.root.add


RIVALS: dict[str, tuple[str, Callable[[str, Connection], None], Connect]] = {
    "multiprocessing": ("multiprocessing", _serve_multiprocessing, _connect_multiprocessing),
    "pyzmq": ("zmq", _serve_pyzmq, _connect_pyzmq),
    "Pyro5": ("Pyro5", _serve_pyro5, _connect_pyro5),
    "RPyC": ("rpyc", _serve_rpyc, _connect_rpyc),
}
"""The module of each, its server and its client."""
