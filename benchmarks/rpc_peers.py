"""Processes that serve rpc, the messages they speak, and loops to call them from."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from itertools import repeat
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from benchmarks import peers, rpc_by_hand
from benchmarks.messages import Sum
from benchmarks.rounds import MIB, Round
from lazyipc import U64, Command, TaggedUnion
from lazyipc.rpc import RpcClient, RpcPeer, RpcServer

# The messages ----------------------------------------------------------------------------------


class Word(TaggedUnion):
    """What two peers say to each other where a handler answers."""


class Plus(Word):
    """Add two numbers."""

    a: U64
    b: U64


class Total(Word):
    """Their sum."""

    c: U64


class Job(Command[list[int]]):
    """Commands whose process is a coroutine; `Order` has those whose process is plain."""


class AddLater(Job):
    """Add two numbers."""

    a: U64
    b: U64

    async def process(self, context: list[int]) -> Sum:
        """Return the sum."""
        return Sum(c=self.a + self.b)


async def answer(message: Word, peer: RpcPeer[Word]) -> Word | None:
    """Answer a message that asks for something."""
    match message:
        case Plus(a=a, b=b):
            return Total(c=a + b)
        case _:
            return None


# Loops -----------------------------------------------------------------------------------------

Loop = Callable[[], asyncio.AbstractEventLoop]
"""Makes an event loop."""


def loops() -> dict[str, Loop]:
    """The loops that are installed, by name."""
    made: dict[str, Loop] = {"asyncio": asyncio.new_event_loop}
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop

        made["uvloop"] = uvloop.new_event_loop
    return made


def free_a_megabyte() -> None:
    """Do once what most programs have done some time.

    For each message asyncio asks for 256 KiB of memory and gives most of it back. glibc makes three
    system calls of that, which take longer than the message, until the program has freed a block
    larger than this; then it keeps such blocks. Both kinds of program are measured: this process,
    and those it forks, are of the second kind from here on.
    """
    bytearray(MIB)


@contextlib.contextmanager
def running(make_loop: Loop) -> Iterator[asyncio.Runner]:
    """A loop to call from; what was opened in it is closed with it."""
    free_a_megabyte()
    with asyncio.Runner(loop_factory=make_loop) as runner:
        yield runner


def round_of(runner: asyncio.Runner, call: Callable[[], Awaitable[int]], count: int) -> Round:
    """Rounds of so many calls, each awaited before the next; the sums are looked at."""

    async def run() -> float:
        total = 0
        began = perf_counter()
        for _ in repeat(None, count):
            total += await call()
        spent = perf_counter() - began
        if total != 3 * count:
            raise RuntimeError("a wrong sum came back")
        return spent / count

    return lambda: runner.run(run())


def round_at_once(
    runner: asyncio.Runner, calls: Callable[[int], Awaitable[list[int]]], count: int
) -> Round:
    """Rounds of so many calls, all under way together."""

    async def run() -> float:
        began = perf_counter()
        totals = await calls(count)
        spent = perf_counter() - began
        if totals != [3] * count:
            raise RuntimeError("a wrong sum came back")
        return spent / count

    return lambda: runner.run(run())


def round_of_one(
    runner: asyncio.Runner, call: Callable[[], Awaitable[bytes]], expected: bytes
) -> Round:
    """Rounds of one call each; what it gives is looked at."""

    async def run() -> float:
        began = perf_counter()
        given = await call()
        spent = perf_counter() - began
        if given != expected:
            raise RuntimeError("other bytes came back")
        return spent

    return lambda: runner.run(run())


# Servers ---------------------------------------------------------------------------------------

Tell = Callable[[str], None]


class Serving(NamedTuple):
    """A process that serves."""

    where: str
    pid: int


Serve = Callable[[str, Tell], Coroutine[Any, Any, None]]
"""Serves at a path until it is ended; tells where clients come to: the path, or a key."""


@contextlib.contextmanager
def server(make_loop: Loop, serve: Serve, cores: set[int] | None = None) -> Iterator[Serving]:
    """A process that serves in a loop, on the cores given, or on those of this process."""
    with peers.folder() as made:
        ours, theirs = peers.pipe()
        path = f"{made}/rpc.sock"
        run = (cores or os.sched_getaffinity(0), _serve, make_loop, serve, path, theirs)
        with peers.child(peers.on_cores, *run) as pid:
            if not ours.poll(peers.READY_SECONDS):
                raise RuntimeError("the server process did not start")
            yield Serving(ours.recv(), pid)


def _serve(make_loop: Loop, serve: Serve, path: str, ready: Connection) -> None:
    free_a_megabyte()
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(serve(path, ready.send))


async def serve_words(path: str, tell: Tell) -> None:
    """Our server whose handler answers."""
    async with RpcServer(Word, answer, path) as serving:
        tell(str(serving.key))
        await asyncio.Event().wait()


def serve_commands(family: type[Command[list[int]]]) -> Serve:
    """Our server whose messages answer for themselves."""

    async def serve(path: str, tell: Tell) -> None:
        async with RpcServer(family, path=path, context=[]) as serving:
            tell(str(serving.key))
            await asyncio.Event().wait()

    return serve


@contextlib.contextmanager
def client(runner: asyncio.Runner, key: str, message: type[Any]) -> Iterator[RpcClient[Any]]:
    """Our client in a loop."""

    async def connect() -> RpcClient[Any]:
        return await RpcClient.connect(key, message)

    async def close(connected: RpcClient[Any]) -> None:
        connected.close()
        await connected.wait_closed()

    connected = runner.run(connect())
    try:
        yield connected
    finally:
        runner.run(close(connected))


P = TypeVar("P", bound=asyncio.BaseProtocol)


@contextlib.contextmanager
def client_by_hand(runner: asyncio.Runner, path: str, protocol: Callable[[], P]) -> Iterator[P]:
    """A baseline's client in a loop."""

    async def connect() -> tuple[asyncio.Transport, P]:
        return await asyncio.get_running_loop().create_unix_connection(protocol, path)

    async def close(transport: asyncio.Transport) -> None:
        transport.close()

    transport, connected = runner.run(connect())
    try:
        yield connected
    finally:
        runner.run(close(transport))


def serve_by_hand(protocol: Callable[[], asyncio.BaseProtocol]) -> Serve:
    """A baseline's server."""

    async def serve(path: str, tell: Tell) -> None:
        listening = await asyncio.get_running_loop().create_unix_server(protocol, path)
        tell(path)
        await listening.serve_forever()

    return serve


# Programs by hand ------------------------------------------------------------------------------


@contextlib.contextmanager
def programs_by_hand(cores: set[int] | None) -> Iterator[Callable[[int], Round]]:
    """The baseline as two new programs, as what makes rounds of so many calls."""
    with contextlib.ExitStack() as stack:
        path = f"{stack.enter_context(peers.folder())}/rpc.sock"

        def start(role: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", rpc_by_hand.__name__, role, path]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        server = start("serve")
        if cores:
            os.sched_setaffinity(server.pid, cores)
        if _line(server) != "ready":
            raise RuntimeError("the server by hand did not start")
        client = start("call")

        def round_of(count: int) -> Round:
            def run() -> float:
                assert client.stdin
                client.stdin.write(f"{count}\n")
                return float(_line(client))

            return run

        yield round_of


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()
