"""Server processes to measure against, and the cores they run on. All end with their block."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from benchmarks import raw
from benchmarks.messages import Add, Order
from lazyipc import Disconnected, IpcClient, IpcServer

LONGEST_LIFE_SECONDS = 600
"""A server process ends by itself after this, whatever became of the one that started it."""

READY_SECONDS = 10.0

_processes = multiprocessing.get_context("fork")


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Run this process, and those it starts within, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def folder() -> Iterator[str]:
    """A folder for sockets."""
    with tempfile.TemporaryDirectory(prefix="lazyipc-bench-") as path:
        yield path


@contextlib.contextmanager
def lazyipc_server() -> Iterator[str]:
    """A process that runs our server; the path of its socket."""
    with folder() as made:
        path = f"{made}/ours.sock"
        ours, theirs = _processes.Pipe()
        with _child(_serve_ours, path, theirs):
            if not ours.poll(READY_SECONDS):
                raise RuntimeError("the server process did not start")
            yield path


def _serve_ours(path: str, ready: Connection) -> None:
    context: list[int] = []
    with IpcServer(path, Order) as server:
        ready.send(True)
        while True:
            server.wait()
            server.handle_new_messages(context)


@contextlib.contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A process that runs one of the baselines; the path of its socket."""
    with folder() as made:
        path = f"{made}/raw.sock"
        with raw.listen(path) as listener, _child(serve, listener):
            yield path


def request_bytes(command: Add) -> bytes:
    """What a client writes for a command that never expires: taken from the socket of a client.

    The call number in it may be used again and again, each time after its reply.
    """
    taken: list[bytes] = []

    def hang_up_after_a_request() -> None:
        connected, _ = listener.accept()
        with connected:
            taken.append(connected.recv(raw.RECEIVE_BYTES))

    with folder() as made, raw.listen(f"{made}/tap.sock") as listener:
        peer = threading.Thread(target=hang_up_after_a_request)
        peer.start()
        with (
            contextlib.suppress(Disconnected),
            IpcClient(f"{made}/tap.sock", timeout=math.inf) as client,
        ):
            client.send(command)
        peer.join()
    return taken[0]


@contextlib.contextmanager
def _child(run: Callable[..., None], *arguments: object) -> Iterator[None]:
    process = _processes.Process(target=_run_bounded, args=(run, *arguments), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _run_bounded(run: Callable[..., None], *arguments: object) -> None:
    signal.alarm(LONGEST_LIFE_SECONDS)
    run(*arguments)
