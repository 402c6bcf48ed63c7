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
from collections.abc import Callable, Iterator
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

TRACED_POLLS = 1000


def system_calls() -> str | None:
    """A sentence: how many system calls an idle poll makes; None where nothing can count them.

    Counted as the difference between a process that polls and one that polls twice as often.
    """
    strace = shutil.which("strace")
    if strace is None:
        return None
    once, twice = _traced(strace, TRACED_POLLS), _traced(strace, 2 * TRACED_POLLS)
    if once is None or twice is None:
        return None
    each = (twice - once) / TRACED_POLLS
    return f"{each:.2f} system calls for each idle poll with {TRACED_CLIENTS} clients (strace)"


TRACED_CLIENTS = 10


def _traced(strace: str, polls: int) -> int | None:
    """System calls of a process that makes so many idle polls."""
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
            total = re.search(r"(\d+)\s+total", file.read())
    return int(total[1]) if total else None


if __name__ == "__main__":
    with _server_with(TRACED_CLIENTS) as idle_server:
        for _ in range(int(sys.argv[1])):
            idle_server.handle_new_messages([])
