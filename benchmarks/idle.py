"""What a poll costs while nobody talks, beside `epoll.poll(0)` over as many sockets."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

from benchmarks import peers
from benchmarks.messages import Add, Order
from benchmarks.rounds import Row, cost_row, interleave, timed
from lazyipc import IpcServer

CLIENT_COUNTS = (0, 100, 1000)
POLLS_PER_ROUND = 2000
RECEIVE_BYTES = 65536


def rows(seconds: float) -> Iterator[Row]:
    """The idle poll with each number of clients."""
    for count in CLIENT_COUNTS:
        with _server_with(count) as server, _bare_epoll(count) as poller:
            context: list[int] = []
            ours, raw = server.handle_new_messages, poller.poll
            pair = interleave(
                lambda: timed(lambda: _call_often(ours, context), POLLS_PER_ROUND),  # noqa: B023
                lambda: timed(lambda: _call_often(raw, 0), POLLS_PER_ROUND),  # noqa: B023
                seconds,
            )
        yield cost_row(f"idle poll, {count:,} clients", pair, at_most=1.5)
    yield _most_against_none(seconds)


def _most_against_none(seconds: float) -> Row:
    """A poll with most clients beside one of a server without any: it is to cost the same."""
    most = max(CLIENT_COUNTS)
    with _server_with(most) as many, _server_with(0) as none:
        context: list[int] = []
        pair = interleave(
            lambda: timed(lambda: _call_often(many.handle_new_messages, context), POLLS_PER_ROUND),
            lambda: timed(lambda: _call_often(none.handle_new_messages, context), POLLS_PER_ROUND),
            seconds,
        )
    return cost_row(f"idle poll, {most:,} / 0 clients", pair, at_most=1.1)


def _call_often(poll: Callable[..., object], argument: object) -> None:
    for _ in repeat(None, POLLS_PER_ROUND):
        poll(argument)


@contextlib.contextmanager
def _server_with(count: int) -> Iterator[IpcServer[list[int]]]:
    """A server whose clients have each had one command answered, so that they are FRAMED."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(peers.folder())
        server = stack.enter_context(IpcServer(f"{made}/idle.sock", Order))
        request = peers.request_bytes(Add(a=1, b=2))
        for _ in range(count):
            client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.settimeout(peers.READY_SECONDS)
            client.connect(server.path)
            client.send(request)
            while not server.handle_new_messages([]):
                pass
            client.recv(RECEIVE_BYTES)
        if len(server.clients) != count:
            raise RuntimeError(f"{len(server.clients)} clients are connected, not {count}")
        yield server


@contextlib.contextmanager
def _bare_epoll(count: int) -> Iterator[select.epoll]:
    with contextlib.ExitStack() as stack:
        poller = stack.enter_context(select.epoll())
        for _ in range(count):
            near, far = socket.socketpair()
            stack.enter_context(near)
            stack.enter_context(far)
            poller.register(near, select.EPOLLIN)
        yield poller


# System calls ----------------------------------------------------------------------------------

TRACED_POLLS = 10_000
TRACED_CLIENTS = 10
WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}
"""What asking epoll is called, which differs between machines."""


@dataclass(frozen=True, slots=True)
class SystemCalls:
    """How many system calls an idle poll makes, on average."""

    asking: float
    """That ask whether something came."""
    other: float
    """All others: now and then the server stamps its status page."""

    def __str__(self) -> str:
        return (
            f"{self.asking:.2f} system calls for each idle poll with {TRACED_CLIENTS} clients, "
            f"and {self.other:.3f} to stamp the status page (strace)"
        )


def system_calls() -> SystemCalls | None:
    """Count an idle poll's system calls; None where nothing can count them.

    Counted as the difference between a process that polls and one that polls twice as often.
    """
    strace = shutil.which("strace")
    if strace is None:
        return None
    once, twice = _traced(strace, TRACED_POLLS), _traced(strace, 2 * TRACED_POLLS)
    if once is None or twice is None:
        return None
    more = twice - once
    asking = sum(more[name] for name in WAITS)
    return SystemCalls(asking / TRACED_POLLS, (more.total() - asking) / TRACED_POLLS)


def _traced(strace: str, polls: int) -> Counter[str] | None:
    """System calls, by name, of a process that makes so many idle polls."""
    command = [sys.executable, "-m", "benchmarks.idle", str(polls)]
    with peers.folder() as made:
        counted = f"{made}/calls"
        done = subprocess.run(
            [strace, "-c", "-U", "calls,name", "-o", counted, *command],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode:  # tracing is not allowed everywhere
            return None
        with open(counted) as file:
            lines = re.findall(r"^ *(\d+) +(\w+)$", file.read(), re.MULTILINE)
    found = Counter({name: int(count) for count, name in lines})
    del found["total"]
    return found


if __name__ == "__main__":
    with _server_with(TRACED_CLIENTS) as idle_server:
        for _ in range(int(sys.argv[1])):
            idle_server.handle_new_messages([])
