"""Where the microseconds of a round trip go: each stage timed by itself, and what is left over.

Three measurements are laid side by side. The stages: one process walks through all that a call
needs, in its order, over a real pair of sockets, and looks at the clock between any two. The
halves: the real client, whose answer lies ready when it asks, and the real server, whose request
lies ready when it wakes, so that neither ever waits. The whole: two processes on one core. What a
half takes above its stages is the driver's own; what the whole takes above both halves is the
kernel's, which puts one process to sleep and wakes the other. The same for raw bytes.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import statistics
from collections.abc import Callable, Iterator
from itertools import pairwise
from time import perf_counter_ns
from typing import Any

from benchmarks import calls, peers, raw
from benchmarks.functions import STEPS_PER_ROUND, by_function
from benchmarks.messages import Add, Order
from benchmarks.rounds import Round, apart, clock_ns, interleave_all, quartiles
from lazyipc import IpcClient, IpcServer
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.framing import Wire
from lazyipc._io.clock import clock_identity

CLIENT_STAGES = ("Add(a=1, b=2)", "encode", "send", "poll", "recv", "decode")
SERVER_STAGES = ("wait", "poll", "recv", "decode", "process", "encode", "send")
WALK = (*CLIENT_STAGES[:3], *SERVER_STAGES, *CLIENT_STAGES[3:])
"""The order in which a call meets them."""

CALL_START, CALL_END = 8, 16
"""Where a frame's header has the number of its call."""

TIMEOUT_NS = 5_000_000_000


def round_trip(seconds: float) -> Iterator[str]:
    """The profile of a round trip, as lines to print."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(peers.one_core())
        walk = stack.enter_context(_walk())
        our_call, raw_call, _ = stack.enter_context(calls.kept_connections())
        rounds: dict[str, Round] = {
            "client": stack.enter_context(_our_client()),
            "server": stack.enter_context(_our_server()),
            "whole": apart(lambda: None, our_call, STEPS_PER_ROUND),
            "raw client": stack.enter_context(_raw_client()),
            "raw server": stack.enter_context(_raw_server()),
            "raw whole": apart(lambda: None, raw_call, STEPS_PER_ROUND),
        }
        stages: dict[str, list[float]] = {}

        def walk_round() -> float:
            spent = walk()
            for name, nanoseconds in spent.items():
                stages.setdefault(name, []).append(nanoseconds)
            return sum(spent.values()) / 1e9

        measured = interleave_all([*rounds.values(), walk_round], seconds)
    us = {
        name: quartiles(list(times))[0] * 1e6 for name, times in zip(rounds, measured, strict=False)
    }
    stage_us = {name: quartiles(times)[0] / 1e3 for name, times in stages.items()}
    yield "\nWhere a round trip goes, in microseconds (lower quartiles of rounds, one core)\n"
    yield from _half("client", us["client"], stage_us, CLIENT_STAGES)
    yield from _half("server", us["server"], stage_us, SERVER_STAGES)
    between = us["whole"] - us["client"] - us["server"]
    raw_between = us["raw whole"] - us["raw client"] - us["raw server"]
    for name, ours, bare in (
        ("client", us["client"], us["raw client"]),
        ("server", us["server"], us["raw server"]),
        ("kernel: sleep, switch, wake", between, raw_between),
        ("round trip", us["whole"], us["raw whole"]),
    ):
        yield f"{name:<32} {ours:7.2f}   raw {bare:7.2f}   ratio {ours / bare:5.2f}"
    with peers.one_core():
        yield from by_function("The client", _our_client)
        yield from by_function("The server", _our_server)


def _half(name: str, whole: float, stages: dict[str, float], names: tuple[str, ...]) -> list[str]:
    spent = {stage: stages[f"{name} {stage}"] for stage in names}
    rest = whole - sum(spent.values())
    lines = [f"  {name} {stage:<24} {us:7.2f}" for stage, us in spent.items()]
    return [*lines, f"  {name} {'the rest: its own driver':<24} {rest:7.2f}", ""]


# The stages ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _walk() -> Iterator[Callable[[], dict[str, float]]]:
    """Rounds of walks through all stages; each gives the nanoseconds of each stage."""
    names = [
        *(f"client {name}" for name in CLIENT_STAGES[:3]),
        *(f"server {name}" for name in SERVER_STAGES),
        *(f"client {name}" for name in CLIENT_STAGES[3:]),
    ]
    near, far = socket.socketpair()
    with near, far, select.epoll() as readiness:
        readiness.register(far, select.EPOLLIN)
        readable = select.poll()
        readable.register(near, select.POLLIN)
        client = ClientConnection(Wire.FRAMED, clock=clock_identity())
        server = ServerConnection(Catalog(Order), Wire.FRAMED, clock=clock_identity())
        context: list[int] = []
        calls = itertools.count(1)

        def once() -> list[int]:
            now = perf_counter_ns
            deadline = now() + TIMEOUT_NS
            call = next(calls)
            t = [now()]
            command = Add(a=1, b=2)
            t.append(now())
            data = client.request(call, command, deadline, TIMEOUT_NS)
            t.append(now())
            near.send(data)
            t.append(now())
            readiness.poll()
            t.append(now())
            readiness.poll(0)
            t.append(now())
            data = far.recv(raw.RECEIVE_BYTES, socket.MSG_DONTWAIT)
            t.append(now())
            server.receive_data(data, deadline)
            event: Any = server.next_event()
            t.append(now())
            response = event.command.process(context)
            t.append(now())
            data = server.respond(event.call, response)
            t.append(now())
            far.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            t.append(now())
            readable.poll(5000)
            t.append(now())
            data = near.recv(raw.RECEIVE_BYTES)
            t.append(now())
            client.receive_data(data)
            answer: Any = client.next_event()
            t.append(now())
            if answer.value.c != 3:
                raise RuntimeError("a wrong sum came back")
            return t

        clock = clock_ns()

        def many() -> dict[str, float]:
            steps = [[b - a for a, b in pairwise(once())] for _ in range(STEPS_PER_ROUND)]
            columns = zip(names, zip(*steps, strict=True), strict=True)
            return {name: max(statistics.median(ns) - clock, 0.0) for name, ns in columns}

        yield many


# The halves ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _our_client() -> Iterator[Round]:
    """The real client; each answer lies ready in its socket before it asks."""
    calls = itertools.count(1)
    reply = reply_bytes()

    def answer() -> bytes:
        """What a server says to the client's next call: only its number differs."""
        return reply[:CALL_START] + next(calls).to_bytes(8, "little") + reply[CALL_END:]

    def take_first(listener: socket.socket) -> None:
        connected, _ = listener.accept()
        taken.append(connected)
        connected.send(answer())

    taken: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(peers.folder())
        listener = stack.enter_context(raw.listen(f"{made}/answers.sock"))
        client = stack.enter_context(IpcClient(f"{made}/answers.sock"))
        with peers.beside(take_first, listener):
            client.send(Add(a=1, b=2))
        far = stack.enter_context(taken[0])

        def put_ready() -> None:
            far.recv(raw.RECEIVE_BYTES)
            far.send(answer())

        yield apart(put_ready, lambda: client.send(Add(a=1, b=2)), STEPS_PER_ROUND)


def reply_bytes() -> bytes:
    """The bytes of a reply."""
    client = ClientConnection(Wire.FRAMED)
    server = ServerConnection(Catalog(Order), Wire.FRAMED)
    server.receive_data(client.request(1, Add(a=1, b=2), None, None))
    event: Any = server.next_event()
    return server.respond(event.call, event.command.process([]))


@contextlib.contextmanager
def _our_server() -> Iterator[Round]:
    """The real server; each request lies ready when it wakes."""
    context: list[int] = []
    request = peers.request_bytes(Add(a=1, b=2))
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(peers.folder())
        server = stack.enter_context(IpcServer(f"{made}/ours.sock", Order))
        near = stack.enter_context(raw.connect(server.path))
        near.send(request)
        while not server.handle_new_messages(context):
            pass

        def ask() -> None:
            near.recv(raw.RECEIVE_BYTES)
            near.send(request)

        def serve() -> None:
            server.wait()
            server.handle_new_messages(context)

        yield apart(ask, serve, STEPS_PER_ROUND)


@contextlib.contextmanager
def _raw_client() -> Iterator[Round]:
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(raw.TIMEOUT_SECONDS)
        near.send(raw.request(1, 2))

        def put_ready() -> None:
            far.send(raw.answer(far.recv(raw.RECEIVE_BYTES)))

        yield apart(put_ready, lambda: raw.call(near, 1, 2), STEPS_PER_ROUND)


@contextlib.contextmanager
def _raw_server() -> Iterator[Round]:
    near, far = socket.socketpair()
    with near, far:
        far.send(raw.answer(raw.request(1, 2)))

        def ask() -> None:
            near.recv(raw.RECEIVE_BYTES)
            near.send(raw.request(1, 2))

        yield apart(ask, lambda: far.send(raw.answer(far.recv(raw.RECEIVE_BYTES))), STEPS_PER_ROUND)
