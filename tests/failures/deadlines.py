"""Mode 11: each way in which a client could wait for ever; each ends in time, by its own name."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lazyipc import (
    Command,
    Disconnected,
    HostBusy,
    IpcError,
    IpcServer,
    RemoteProtocolError,
    ReplyTimeout,
    Response,
    ServerNotRunning,
    SocketRefused,
    Wire,
    client_send,
)
from tests.failures.finding import Finding
from tests.failures.measure import MIB, quantile
from tests.harness import NOBODY, FakeServer, Line, forked, receive_frame, response
from tests.io.test_ownership import make_socket

TOLERANCE_SECONDS = 0.050
LONG_SECONDS = 60.0
"""Longer than any case lasts."""
QUEUE = 1500
"""More connections than the kernel queues for a listener."""


class Held(Response):
    blob: bytes


class Task(Command[object]):
    """What a host is asked for."""


class Hold(Task):
    """Keep the host for so long."""

    seconds: float
    blob: bytes = b""

    def process(self, context: object) -> Held:
        select.poll().poll(self.seconds * 1000)
        return Held(blob=b"")


SHORT, LARGE = Hold(seconds=0.0), Hold(seconds=0.0, blob=bytes(8 * MIB))


@dataclass(frozen=True, slots=True)
class Case:
    """A way to wait, and how it must end.

    Args:
        name: what keeps the client waiting.
        scene: makes it so at a path.
        error: exactly this class.
        started: what the error must know; None where it has no such attribute.
        waits: it ends at the deadline, not at once.
        words: what its text must say.
    """

    name: str
    scene: Callable[[str], contextlib.AbstractContextManager[None]]
    error: type[IpcError]
    started: str | None
    words: str
    waits: bool = True
    command: Hold = SHORT
    wires: tuple[Wire, ...] = (Wire.FRAMED, Wire.BARE)


def waits_that_end(folder: Path, *, timeouts: list[float], tries: int) -> Finding:
    """Each case with each timeout; how late it ends is the best of some tries.

    What the library adds is in each of them, what a busy machine adds is not.
    """
    lateness: list[float] = []
    best: list[float] = []
    count = 0
    for number, (case, wire) in enumerate((c, w) for c in cases() for w in c.wires):
        for timeout in timeouts:
            late: list[float] = []
            while len(late) < tries and min(late, default=1.0) > TOLERANCE_SECONDS / 5:
                path = str(folder / f"{number}-{timeout:g}-{len(late)}")
                with case.scene(path):
                    late.append(_lateness(case, path, wire, timeout))
            assert min(late) < TOLERANCE_SECONDS, (
                f"{case.name}, {wire.name}, {timeout:g} s: ends {min(late):.3f} s late at best"
            )
            lateness += late
            best.append(min(late))
            count += 1
    return Finding(
        f"{len(cases())} ways to wait, on both wires where they differ, {count} deadlines",
        f"late by {quantile(best, 0.5) * 1e3:.1f} ms in the middle and {max(best) * 1e3:.1f} ms at "
        f"worst (best of {tries} tries; of all tries {max(lateness) * 1e3:.1f} ms); each by its "
        "own error",
    )


def _lateness(case: Case, path: str, wire: Wire, timeout: float) -> float:
    """How long after its time the call ended; its error must be the right one."""
    began = time.monotonic()
    try:
        client_send(case.command, path, timeout=timeout, wire=wire)
    except IpcError as error:
        told = error
    else:
        raise AssertionError(f"{case.name}: an answer came")
    elapsed = time.monotonic() - began
    where = f"{case.name}, {wire.name}: {type(told).__name__}: {told}"
    assert type(told) is case.error, where
    assert getattr(told, "started", None) == case.started, where
    assert case.words in str(told), where
    if not case.waits:
        return elapsed
    assert elapsed > timeout - 0.002, f"{where}: {timeout - elapsed:.3f} s too early"
    return elapsed - timeout


# What keeps a client waiting ----------------------------------------------------------------------


@contextmanager
def busy_host(path: str) -> Iterator[None]:
    """A server whose host polled once and then does other things."""

    def work(line: Line) -> None:
        with IpcServer(path, Task, wires=Wire.ALL) as server:
            server.handle_new_messages(None)
            line.say("busy")
            select.poll().poll(LONG_SECONDS * 1000)

    with forked(work) as host:
        assert host.hear() == "busy"
        yield


@contextmanager
def full_queue(path: str) -> Iterator[None]:
    """A busy host whose queue the kernel has filled up."""
    with busy_host(path), _crowd(path):
        yield


@contextmanager
def full_queue_of_a_stranger(path: str) -> Iterator[None]:
    """A listener that accepts nobody, and of which no page tells."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        with _crowd(path):
            yield


@contextmanager
def _crowd(path: str) -> Iterator[None]:
    with ExitStack() as stack:
        with contextlib.suppress(BlockingIOError):
            for _ in range(QUEUE):
                one = stack.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                one.connect(path)
        yield


@contextmanager
def polling_host(path: str) -> Iterator[None]:
    """A server that polls, and whose commands take long."""

    def work(line: Line) -> None:
        with IpcServer(path, Task, wires=Wire.ALL) as server:
            line.say("polling")
            while True:
                server.wait()
                server.handle_new_messages(None)

    with forked(work) as host:
        assert host.hear() == "polling"
        yield


@contextmanager
def stopped_host(path: str) -> Iterator[None]:
    """A server that polls, until somebody stops its process."""

    def work(line: Line) -> None:
        with IpcServer(path, Task, wires=Wire.ALL) as server:
            server.handle_new_messages(None)
            line.say("polling")
            while True:
                server.wait()
                server.handle_new_messages(None)

    with forked(work) as host:
        assert host.hear() == "polling"
        host.kill(signal.SIGSTOP)
        os.waitpid(host.pid, os.WUNTRACED)
        yield


def treated(treat: Callable[[socket.socket], None]) -> Callable[[str], FakeScene]:
    """A scene whose server treats each client in a way of its own."""
    return lambda path: FakeScene(path, treat)


class FakeScene(contextlib.AbstractContextManager[None]):
    """A server that is none of ours, ended when the scene is over."""

    def __init__(self, path: str, treat: Callable[[socket.socket], None]) -> None:
        self._server = FakeServer(path, *[treat] * 1000)

    def __enter__(self) -> None:
        self._server.__enter__()

    def __exit__(self, *exc_info: object) -> None:
        self._server.stop()
        self._server.__exit__(None, None, None)


def die_within_the_reply(connected: socket.socket) -> None:
    _, call, _ = receive_frame(connected)
    connected.sendall(response(SHORT, call, Held(blob=bytes(1000)))[:500])


def reply_byte_by_byte(connected: socket.socket) -> None:
    """Each byte comes soon after the other, and the last one never."""
    _, call, _ = receive_frame(connected)
    data = response(SHORT, call, Held(blob=bytes(100_000)))
    with contextlib.suppress(OSError):
        for place in range(len(data)):
            connected.sendall(data[place : place + 1])
            select.poll().poll(10)


def speak_something_else(connected: socket.socket) -> None:
    connected.recv(100)
    connected.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
    connected.recv(1)


@contextmanager
def nothing(path: str) -> Iterator[None]:
    yield


@contextmanager
def a_dead_servers_socket(path: str) -> Iterator[None]:
    make_socket(path)
    yield


@contextmanager
def another_users_server(path: str) -> Iterator[None]:
    """Another user's, as the kernel tells of it: recorded when it began to listen."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.seteuid(NOBODY)
    try:
        listener.listen()
    finally:
        os.seteuid(0)
    with listener:
        yield


def cases() -> list[Case]:
    """All of them; that of another user only where we may become one."""
    framed = (Wire.FRAMED,)
    alive = "alive (pid "
    found = [
        Case("a host that does not poll", busy_host, HostBusy, "no", alive),
        Case("the same, a large request", busy_host, HostBusy, "no", alive, command=LARGE),
        Case("a host whose queue is full", full_queue, HostBusy, "no", alive),
        Case("a host whose process is stopped", stopped_host, HostBusy, "no", alive),
        Case("a stranger's queue is full", full_queue_of_a_stranger, ReplyTimeout, "no",
             "queue is full"),
        Case("a command that runs too long", polling_host, ReplyTimeout, "unknown",
             "whether it ran is not known", command=Hold(seconds=LONG_SECONDS)),
        Case("a reply that drips", treated(reply_byte_by_byte), ReplyTimeout, "unknown",
             "no reply within", wires=framed),
        Case("a server that dies within its reply", treated(die_within_the_reply), Disconnected,
             "unknown", "closed the connection", waits=False, wires=framed),
        Case("nobody there", nothing, ServerNotRunning, None, "nothing at this path", waits=False),
        Case("a dead server's socket", a_dead_servers_socket, ServerNotRunning, None,
             "nobody listens", waits=False),
        Case("a server of something else", treated(speak_something_else), RemoteProtocolError,
             None, "ff 4c", waits=False, wires=framed),
    ]  # fmt: skip
    if os.geteuid() == 0:
        words = f"runs as uid {NOBODY}"
        found.append(
            Case("another user's server", another_users_server, SocketRefused, None, words, False)
        )
    return found
