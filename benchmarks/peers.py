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
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import raw
from benchmarks.messages import Order
from benchmarks.rounds import Round, apart
from lazyipc import Disconnected, IpcClient, IpcServer
from lazyipc._core.command import Processes

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
def own_core() -> Iterator[set[int]]:
    """Run this process on one core, and give the others to whoever else is measured."""
    before = os.sched_getaffinity(0)
    ours = {max(before)}
    os.sched_setaffinity(0, ours)
    try:
        yield before - ours or before
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
    with _ours(_serve_ours) as server:
        yield server.path


@contextlib.contextmanager
def _ours(serve: Callable[[str, Connection], None]) -> Iterator[Server]:
    with folder() as made:
        path = f"{made}/ours.sock"
        ours, theirs = pipe()
        with child(serve, path, theirs) as pid:
            if not ours.poll(READY_SECONDS):
                raise RuntimeError("the server process did not start")
            yield Server(path, pid)


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
        with raw.listen(path) as listener, child(serve, listener):
            yield path


# Servers that poll all the time ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Server:
    """A server's process."""

    path: str
    pid: int

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let it run in the block, and stop it then: two that poll all the time share no core."""
        os.kill(self.pid, signal.SIGCONT)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGSTOP)

    def round(self, call: Callable[[], int], count: int) -> Round:
        """Rounds of so many calls of it, each timed by itself."""
        run = apart(lambda: None, call, count)

        def running() -> float:
            with self.running():
                if call() != 3:  # it takes a moment until the server does run
                    raise RuntimeError("a wrong sum came back")
                return run()

        return running


@contextlib.contextmanager
def polling_servers(
    serve_raw: Callable[[socket.socket], None],
) -> Iterator[tuple[Server, Server] | None]:
    """Our server and a baseline, both polling all the time, stopped until they are let run.

    They have a core for themselves, and this process another; None where there is but one.
    """
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        yield None
        return
    theirs, ours, *_ = sorted(before)
    with contextlib.ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, before)
        os.sched_setaffinity(0, {theirs})
        server = stack.enter_context(_ours(_poll_ours))
        path = f"{stack.enter_context(folder())}/raw.sock"
        listener = stack.enter_context(raw.listen(path))
        bare = Server(path, stack.enter_context(child(serve_raw, listener)))
        os.sched_setaffinity(0, {ours})
        for each in (server, bare):
            os.kill(each.pid, signal.SIGSTOP)
        yield server, bare


def _poll_ours(path: str, ready: Connection) -> None:
    context: list[int] = []
    with IpcServer(path, Order) as server:
        ready.send(True)
        while True:
            server.handle_new_messages(context)


# What a client writes --------------------------------------------------------------------------


def request_bytes(command: Processes[Any]) -> bytes:
    """What a client writes for a command that never expires: taken from the socket of a client.

    The call number in it may be used again and again, each time after its reply.
    """
    taken: list[bytes] = []

    def hang_up_after_a_request() -> None:
        connected, _ = listener.accept()
        with connected:
            taken.append(connected.recv(raw.RECEIVE_BYTES))

    with (
        folder() as made,
        raw.listen(f"{made}/tap.sock") as listener,
        beside(hang_up_after_a_request),
        contextlib.suppress(Disconnected),
        IpcClient(f"{made}/tap.sock", timeout=math.inf) as client,
    ):
        client.send(command)
    return taken[0]


@contextlib.contextmanager
def beside(run: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run something in a thread meanwhile."""
    thread = threading.Thread(target=run, args=arguments)
    thread.start()
    try:
        yield
    finally:
        thread.join()


# Processes -------------------------------------------------------------------------------------


def pipe() -> tuple[Connection, Connection]:
    """What a process that was started can tell the one that started it: where to read, to write."""
    return _processes.Pipe(duplex=False)


@contextlib.contextmanager
def child(run: Callable[..., None], *arguments: object) -> Iterator[int]:
    """A process that runs a function until the block ends; its number."""
    process = _processes.Process(target=_run_bounded, args=(run, *arguments), daemon=True)
    process.start()
    assert process.pid is not None
    try:
        yield process.pid
    finally:
        process.kill()
        process.join()


def _run_bounded(run: Callable[..., None], *arguments: object) -> None:
    signal.alarm(LONGEST_LIFE_SECONDS)
    run(*arguments)


def on_cores(cores: set[int], run: Callable[..., None], *arguments: object) -> None:
    """Run a function on some cores; for a process that is started for it."""
    os.sched_setaffinity(0, cores)
    run(*arguments)
