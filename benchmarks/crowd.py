"""What a poll costs beside 0 … 10,000 idle clients: when nobody speaks, and when one does.

The clients' ends live in another process, so that each side needs one descriptor for each.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from multiprocessing.connection import Connection

from benchmarks import peers, raw
from benchmarks.messages import Add, Order
from benchmarks.rounds import Pair, Round, Row, apart, cost_row, interleave, timed
from lazyipc import IpcServer, Limits

COUNTS = (0, 1, 10, 100, 1_000, 10_000)
POLLS_PER_ROUND = 500
SPARE_DESCRIPTORS = 100
AT_MOST = 1.5


@dataclass(frozen=True, slots=True)
class Crowd:
    """Seconds that one poll took beside so many idle clients, round for round."""

    clients: int
    idle: Pair
    """Nobody speaks, beside a bare epoll over the same sockets."""
    busy: Pair
    """One more client does; beside epoll, and an answer by hand."""


def rows(seconds: float) -> Iterator[Row | str]:
    """The table: idle and with one busy client, for each number."""
    for crowd in measured(seconds):
        if isinstance(crowd, str):
            yield crowd
            continue
        yield cost_row(f"{crowd.clients:,} clients, idle", crowd.idle, at_most=AT_MOST)
        yield cost_row(f"{crowd.clients:,} clients, and one speaks", crowd.busy)


def measured(seconds: float) -> Iterator[Crowd | str]:
    """Each number of clients in turn; text where the system allows fewer."""
    with _most_descriptors() as most:
        for count in COUNTS:
            if count + SPARE_DESCRIPTORS > most:
                yield f"{count:,} clients: not measured, a process may open {most:,} descriptors"
                continue
            yield _crowd(count, seconds / len(COUNTS))


@contextlib.contextmanager
def _most_descriptors() -> Iterator[int]:
    """As many as the system allows without being root; the clients' process inherits that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _crowd(count: int, seconds: float) -> Crowd:
    context: list[int] = []
    limits = Limits(clients=count + 2)
    request = peers.request_bytes(Add(a=1, b=2))
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(peers.folder())
        ready, connected = peers.pipe()
        server = stack.enter_context(IpcServer(f"{made}/crowd.sock", Order, limits=limits))
        before = _sockets()
        stack.enter_context(peers.child(_connect, server.path, count, request, connected))
        while not ready.poll(0):
            server.wait(0.1)
            server.handle_new_messages(context)
        idle = _sockets() - before
        if not len(server.clients) == len(idle) == count:
            raise RuntimeError(f"{len(server.clients)} clients are connected, not {count}")
        bare = stack.enter_context(select.epoll())
        for fd in idle:
            bare.register(fd, select.EPOLLIN)
        idle_pair = interleave(
            _polled(server.handle_new_messages, context), _polled(bare.poll, 0), seconds / 2
        )
        busy_pair = interleave(
            stack.enter_context(_spoken_to(server, request)),
            stack.enter_context(_spoken_to_by_hand(bare)),
            seconds / 2,
        )
    return Crowd(count, idle_pair, busy_pair)


def _polled(poll: Callable[..., object], argument: object) -> Round:
    """Rounds of polls that find nothing."""

    def run() -> None:
        for _ in repeat(None, POLLS_PER_ROUND):
            poll(argument)

    return lambda: timed(run, POLLS_PER_ROUND)


@contextlib.contextmanager
def _spoken_to(server: IpcServer[list[int]], request: bytes) -> Iterator[Round]:
    """Rounds of polls that find one request each."""
    context: list[int] = []
    with raw.connect(server.path) as client:
        client.send(request)
        while not server.handle_new_messages(context):
            pass

        def ask() -> None:
            client.recv(raw.RECEIVE_BYTES)
            client.send(request)

        yield apart(ask, lambda: server.handle_new_messages(context), POLLS_PER_ROUND)


@contextlib.contextmanager
def _spoken_to_by_hand(readiness: select.epoll) -> Iterator[Round]:
    """The same with bytes alone."""
    near, far = socket.socketpair()
    with near, far:
        readiness.register(far, select.EPOLLIN)
        far.send(raw.answer(raw.request(1, 2)))

        def ask() -> None:
            near.recv(raw.RECEIVE_BYTES)
            near.send(raw.request(1, 2))

        def serve() -> None:
            for _ in readiness.poll(0):
                far.send(raw.answer(far.recv(raw.RECEIVE_BYTES)))

        yield apart(ask, serve, POLLS_PER_ROUND)


def _connect(path: str, count: int, request: bytes, connected: Connection) -> None:
    """So many clients, each answered once, so that the server knows its wire; then they idle."""
    clients = []
    for _ in range(count):
        client = raw.connect(path)
        client.send(request)
        client.recv(raw.RECEIVE_BYTES)
        clients.append(client)
    connected.send(True)
    signal.pause()


def _sockets() -> set[int]:
    """The sockets this process has open."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the listing itself is closed by now
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found.add(int(name))
    return found
