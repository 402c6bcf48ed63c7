"""AsyncIpcClient: what IpcClient promises, awaited, and many tasks over one connection.

The server is a real one, polled by the same loop or by hand, in a thread where it must be slow, or
a fake one in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, aclosing
from typing import Any

import pytest

from examples.simple.commands import Add, ClientCommand, Print, PrintAck, Push, Pushed, Sum
from lazyipc import (
    AsyncIpcClient,
    Command,
    CommandFailed,
    DecodeError,
    Disconnected,
    EncodeError,
    HostBusy,
    IpcError,
    IpcServer,
    Limits,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
    ServerNotRunning,
    SocketRefused,
    Wire,
)
from lazyipc._async_client import AHEAD_COUNT
from lazyipc._core.framing import Kind, frame
from tests.conftest import PATIENT, Serve
from tests.harness import (
    DEADLINE_SECONDS,
    Big,
    Do,
    Echo,
    FakeServer,
    Host,
    Job,
    Line,
    bare_request,
    forked,
    header,
    hosted,
    receive_exactly,
    receive_frame,
    response,
    values_of,
)
from tests.rpc.loops import LOOPS, Run, ended_by, run, settle, until

SECONDS = 0.1
"""A timeout that is meant to be met, by when the other side has done its part."""

UNREAD_SECONDS = 0.03
"""The same where the other side does nothing, so that it has no part to do in time."""

WIRES = [Wire.FRAMED, Wire.JSON, Wire.BARE]
KEPT = [Wire.FRAMED, Wire.JSON]
"""Those with one connection for all calls."""

each_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
each_kept_wire = pytest.mark.parametrize("wire", KEPT, ids=lambda wire: wire.name)

Treat = Callable[[socket.socket], None]


@pytest.fixture
def serve(path: str) -> Iterator[Serve]:
    """Makes servers at the test's path; a run closes them at its end."""
    made: list[IpcServer[Any]] = []

    def make(command: type[Any] = Job, **settings: Any) -> IpcServer[Any]:
        settings["limits"] = settings.get("limits") or PATIENT
        made.append(IpcServer(path, command, **settings))
        return made[-1]

    make.made = made  # type: ignore[attr-defined]
    yield make
    for server in made:
        server.close()


@pytest.fixture
def on_asyncio(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine, and closes the servers before descriptors are counted."""

    def run_and_close(main: Callable[[], Coroutine[Any, Any, None]], **settings: Any) -> None:
        async def whole() -> None:
            try:
                await main()
            finally:
                if "serve" in request.fixturenames:
                    for server in request.getfixturevalue("serve").made:
                        server.close()

        run(whole, **settings)

    return run_and_close


@pytest.fixture(params=LOOPS)
def on_loop(request: pytest.FixtureRequest, on_asyncio: Run) -> Run:
    """The same over asyncio's loop, then over uvloop's."""
    return functools.partial(on_asyncio, new_loop=LOOPS[request.param])


@contextlib.contextmanager
def served(server: IpcServer[Any], context: Any) -> Iterator[None]:
    """The running loop polls the server when there is something to do."""
    loop = asyncio.get_running_loop()
    fd = server.fileno()
    loop.add_reader(fd, server.handle_new_messages, context)
    try:
        yield
    finally:
        loop.remove_reader(fd)


@contextlib.contextmanager
def full_queue(path: str) -> Iterator[None]:
    """A listener whose queue is full and stays so."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(path)
        yield


class Demo(Command[list[str]]):
    """One response type for all, so that they travel on each wire."""


class Say(Demo):
    text: str

    def process(self, context: list[str]) -> str:
        context.append(self.text)
        return self.text


class Refuse(Demo):
    text: str

    def process(self, context: list[str]) -> str:
        raise CommandFailed(self.text)


async def error_of(call: Coroutine[Any, Any, Any]) -> IpcError:
    """What a call is told that must fail."""
    try:
        value = await call
    except IpcError as error:
        return error
    raise AssertionError(f"it was answered: {value!r}")


# Answers ------------------------------------------------------------------------------------------


@each_wire
def test_each_command_of_the_demo(serve: Serve, path: str, wire: Wire, on_loop: Run) -> None:
    server, stack = serve(ClientCommand, wires=Wire.ALL), []

    async def main() -> None:
        with served(server, stack):
            async with AsyncIpcClient(path, wire=wire) as client:
                assert not client.is_connected, "it connects when it is first used"
                assert await client.send(Print(payload="hello")) == PrintAck()
                assert await client.send(Add(a=1, b=2)) == Sum(c=3)
                assert await client.send(Push(x=7)) == Pushed(x=7)
                assert client.is_connected is (wire is not Wire.BARE)
            assert not client.is_connected

    on_loop(main)
    assert stack == [7]


@pytest.mark.parametrize("form", [str, os.fsencode])
def test_a_path_may_be_text_or_bytes(
    serve: Serve, path: str, form: Callable[[str], Any], on_asyncio: Run
) -> None:
    server = serve(Demo)

    async def main() -> None:
        with served(server, []):
            async with AsyncIpcClient(form(path)) as client:
                assert await client.send(Say(text="a")) == "a"

    on_asyncio(main)


@each_wire
def test_many_tasks_share_a_client(serve: Serve, path: str, wire: Wire, on_loop: Run) -> None:
    server, ran = serve(Demo, wires=Wire.ALL), []
    texts = [str(number) for number in range(100)]

    async def main() -> None:
        with served(server, ran):
            async with AsyncIpcClient(path, wire=wire) as client:
                for _ in range(2):
                    calls = [client.send(Say(text=text)) for text in texts]
                    assert await asyncio.gather(*calls) == texts

    on_loop(main)
    assert sorted(ran) == sorted(texts * 2)
    assert server.stats.accepted == (200 if wire is Wire.BARE else 1)


def test_the_calls_of_one_turn_are_sent_together(serve: Serve, path: str, on_asyncio: Run) -> None:
    server = serve(Demo)

    async def main() -> None:
        async with AsyncIpcClient(path) as client:
            with served(server, []):
                await client.send(Say(text="first"))
            calls = [asyncio.create_task(client.send(Say(text=str(n)))) for n in range(50)]
            await settle()
            assert server.handle_new_messages([]) == 50, "in one poll, in two pieces at most"
            await asyncio.gather(*calls)

    on_asyncio(main)


@each_kept_wire
def test_large_messages_each_way(serve: Serve, path: str, wire: Wire, on_loop: Run) -> None:
    server = serve(limits=Limits(seconds_per_poll=0.01))
    text = "x" * (2**24 - 8 if wire is Wire.FRAMED else 2**19)

    async def main() -> None:
        with hosted(server, Host()):
            async with AsyncIpcClient(path, wire=wire, timeout=DEADLINE_SECONDS) as client:
                other = asyncio.create_task(client.send(Echo(text="beside it")))
                assert await client.send(Echo(text=text)) == text
                assert await other == "beside it"

    on_loop(main)


# Errors of the other side -------------------------------------------------------------------------


def fail() -> int:
    raise CommandFailed("no such player")


def stumble() -> int:
    raise KeyError("no such key")


@each_kept_wire
def test_errors_arrive_with_their_names(serve: Serve, path: str, wire: Wire, on_loop: Run) -> None:
    server = serve(authorize=lambda peer, command: not isinstance(command, Big))
    host = Host(fail=fail, stumble=stumble, wrong=lambda: "no number")

    async def main() -> None:
        with served(server, host):
            async with AsyncIpcClient(path, wire=wire) as client:
                told = await asyncio.gather(
                    client.send(Do(name="fail")),
                    client.send(Echo(text="between")),
                    client.send(Do(name="stumble")),
                    client.send(Do(name="wrong")),
                    client.send(Big(size=1)),
                    return_exceptions=True,
                )
                assert client.is_connected
        kinds = ["CommandFailed", "between", "RemoteError", "UnexpectedReply", "NotPermitted"]
        assert values_of(told) == kinds
        assert [str(told[0]), str(told[2])] == ["no such player", "KeyError: 'no such key'"]

    on_loop(main)
    assert server.stats.accepted == 1


class Edition(Command[list[int]]):
    """The demo's commands as somebody else has them."""


class NewAdd(Edition, name="Add"):
    """With a field more."""

    a: int
    b: int
    c: str

    def process(self, context: list[int]) -> int:
        raise AssertionError("it must not run")


def test_another_shape_is_told_with_its_difference(
    serve: Serve, path: str, on_asyncio: Run
) -> None:
    server = serve(ClientCommand)

    async def main() -> None:
        with served(server, []):
            async with AsyncIpcClient(path) as client:
                told = await error_of(client.send(NewAdd(a=1, b=2, c="x")))
                assert isinstance(told, SchemaMismatch)
                assert "Add was not run" in str(told)
                assert '"Push"' in told.theirs
                assert await client.send(Push(x=1)) == Pushed(x=1)

    on_asyncio(main)
    assert server.stats.commands == 1


@pytest.mark.parametrize("size", [200_000, 10_000_000])
def test_a_request_over_the_servers_limit_is_told_as_such(
    serve: Serve, path: str, size: int, on_loop: Run
) -> None:
    """The server answers before it has read all, and closes: what it said is read all the same."""
    server = serve(limits=Limits(message_bytes=100_000))

    async def main() -> None:
        with hosted(server, Host()):
            async with AsyncIpcClient(path) as client:
                told = await error_of(client.send(Echo(text="x" * size)))
                assert isinstance(told, MessageTooLarge), repr(told)
                assert await client.send(Echo(text="next")) == "next"

    on_loop(main)


def test_a_response_over_the_servers_limit_is_told_as_such(
    serve: Serve, path: str, on_asyncio: Run
) -> None:
    server = serve(limits=Limits(message_bytes=1000))

    async def main() -> None:
        with served(server, Host()):
            async with AsyncIpcClient(path) as client:
                assert isinstance(await error_of(client.send(Big(size=2000))), MessageTooLarge)
                assert await client.send(Echo(text="next")) == "next"

    on_asyncio(main)


# What is no server --------------------------------------------------------------------------------


@each_wire
def test_nobody_there(path: str, wire: Wire, on_loop: Run) -> None:
    async def main() -> None:
        async with AsyncIpcClient(path, wire=wire) as client:
            for _ in range(2):
                calls = [error_of(client.send(Push(x=1))) for _ in range(10)]
                for told in await asyncio.gather(*calls):
                    assert isinstance(told, ServerNotRunning)
                    assert path in str(told)
                    assert "start it" in str(told)
            assert len(client._links) <= 1, "what never connected is not kept"

    on_loop(main)


def test_another_users_server(serve: Serve, path: str, on_asyncio: Run) -> None:
    server = serve(ClientCommand)

    async def main() -> None:
        async with AsyncIpcClient(path, server_uids=[4242]) as client:
            told = await error_of(client.send(Push(x=1)))
            assert isinstance(told, SocketRefused)
            assert "server_uids=" in str(told)
        server.handle_new_messages([])

    on_asyncio(main)
    assert server.stats.received_bytes == 0


def send_and_close(data: bytes) -> Treat:
    """Read a request, send this, close."""

    def treat(connected: socket.socket) -> None:
        receive_frame(connected)
        connected.sendall(data)

    return treat


HOSTILE = {
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zeros": bytes(100),
    "version": b"\xffL\x02\x02" + bytes(100),
    "huge": header(2**32 - 1, kind=2),
    "short response": frame(Kind.RESPONSE, 2, b"short"),
    "garbled error": frame(Kind.ERROR, 1, b"garbage"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_speaks_something_else_is_named_to_each_who_waits(
    path: str, data: bytes, on_loop: Run
) -> None:
    def turn_hostile(connected: socket.socket) -> None:
        answer_once(connected)
        for _ in "abc":
            receive_frame(connected)
        connected.sendall(data)

    async def main() -> None:
        with FakeServer(path, turn_hostile):
            async with AsyncIpcClient(path) as client:
                assert await client.send(Echo(text="hello")) == "hello"
                calls = [error_of(client.send(Echo(text=text))) for text in "abc"]
                for told in await asyncio.gather(*calls):
                    assert isinstance(told, RemoteProtocolError), repr(told)
                assert not client.is_connected, "such a stream cannot be used again"

    on_loop(main)


def test_a_reply_of_another_type_is_named(path: str, on_asyncio: Run) -> None:
    async def main() -> None:
        with FakeServer(path, send_and_close(response(Do(name="x"), 1, 5))):
            async with AsyncIpcClient(path) as client:
                told = await error_of(client.send(Echo(text="hello")))
                assert isinstance(told, SchemaMismatch)
                assert "the command did run" in str(told)

    on_asyncio(main)


def test_frames_of_other_kinds_and_calls_are_skipped(path: str, on_asyncio: Run) -> None:
    more = (
        frame(Kind.GOODBYE, 0, b"")
        + frame(Kind.EVENT, 9, b"an event")
        + frame(Kind.RESPONSE, 77, bytes(20))
        + response(Echo(text="hello"), 1, "hello")
    )

    async def main() -> None:
        with FakeServer(path, send_and_close(more)):
            async with AsyncIpcClient(path) as client:
                assert await client.send(Echo(text="hello")) == "hello"

    on_asyncio(main)


# Deadlines ----------------------------------------------------------------------------------------


async def on_time(timeout: float, call: Coroutine[Any, Any, Any]) -> IpcError:
    """The error that ends a call; it must not end before its deadline."""
    began = time.monotonic()
    told = await error_of(call)
    took = time.monotonic() - began
    assert timeout - 0.001 <= took < timeout + 5, took
    return told


@each_wire
@pytest.mark.parametrize("timeout", [0.0, UNREAD_SECONDS])
def test_a_deadline_covers_connecting(path: str, timeout: float, wire: Wire, on_loop: Run) -> None:
    async def main() -> None:
        with full_queue(path):
            async with AsyncIpcClient(path, wire=wire, timeout=timeout) as client:
                calls = [on_time(timeout, client.send(Push(x=n))) for n in range(20)]
                turns = asyncio.create_task(count_turns())
                for told in await asyncio.gather(*calls):
                    assert isinstance(told, ReplyTimeout)
                    assert told.started == "no"
                    assert path in str(told)
                turns.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    assert await turns
        assert ticks[0] >= timeout * 100, "the loop goes on meanwhile"

    ticks = [0]

    async def count_turns() -> None:
        while True:
            await asyncio.sleep(0.002)
            ticks[0] += 1

    on_loop(main)


def test_who_waits_for_another_to_connect_has_a_deadline_of_its_own(
    path: str, on_asyncio: Run
) -> None:
    async def main() -> None:
        with full_queue(path):
            async with (
                AsyncIpcClient(path) as client,
                ended_by(asyncio.create_task(client.send(Quick(text="a")))),
            ):
                await settle()
                told = await on_time(SECONDS, client.send(Slow()))
                assert isinstance(told, ReplyTimeout)
                assert told.started == "no"

    on_asyncio(main)


def test_a_queue_that_has_room_again_is_met(serve: Serve, path: str, on_loop: Run) -> None:
    async def main() -> None:
        listener = socket.socket(socket.AF_UNIX)
        with listener:
            listener.bind(path)
            listener.listen(0)
            first = socket.socket(socket.AF_UNIX)
            with first:
                first.connect(path)
                async with AsyncIpcClient(path) as client:
                    calling = asyncio.create_task(client.send(Echo(text="a")))
                    await asyncio.sleep(0.01)
                    assert not client.is_connected
                    listener.accept()[0].close()
                    await until(lambda: client.is_connected)
                    calling.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await calling

    on_loop(main)


@each_wire
@pytest.mark.parametrize("timeout", [0.0, UNREAD_SECONDS])
def test_a_deadline_covers_the_queue(
    serve: Serve, path: str, timeout: float, wire: Wire, on_loop: Run
) -> None:
    """A host that does not poll, told apart from one that is gone; nothing is run later."""
    server, ran = serve(Demo, wires=Wire.ALL), []

    async def main() -> None:
        async with AsyncIpcClient(path, wire=wire, timeout=timeout) as client:
            told = await on_time(timeout, client.send(Say(text="late")))
            assert isinstance(told, HostBusy if timeout else ReplyTimeout)
            assert told.started == "no"
            await settle()
            for _ in range(3):
                server.handle_new_messages(ran)
            assert ran == []
            client._timeout = None
            with served(server, ran):
                assert await client.send(Say(text="next")) == "next"

    on_loop(main)


def test_a_deadline_covers_the_queue_for_a_large_request(
    serve: Serve, path: str, on_asyncio: Run
) -> None:
    """The kernel takes a part of it, and nobody reads."""
    server, ran = serve(Demo), []

    async def main() -> None:
        async with AsyncIpcClient(path, timeout=UNREAD_SECONDS) as client:
            large = on_time(UNREAD_SECONDS, client.send(Say(text="x" * 4_000_000)))
            behind = on_time(UNREAD_SECONDS, client.send(Say(text="behind it")))
            told, told_behind = await asyncio.gather(large, behind)
            assert isinstance(told, HostBusy), repr(told)
            # It may be told of another connection, over which nothing was left to be read.
            assert isinstance(told_behind, ReplyTimeout), repr(told_behind)
            assert [told.started, told_behind.started] == ["no", "no"]
            client._timeout = None
            with served(server, ran):
                assert await client.send(Say(text="next")) == "next"

    on_asyncio(main)
    assert ran == ["next"]
    assert server.stats.accepted >= 2, "the one with a half request was closed"


def test_of_many_that_nobody_read_each_is_told_so(serve: Serve, path: str, on_loop: Run) -> None:
    server, ran = serve(Demo), []

    async def main() -> None:
        async with AsyncIpcClient(path, timeout=UNREAD_SECONDS) as client:
            calls = [error_of(client.send(Say(text=text))) for text in "abc"]
            told = await asyncio.gather(*calls)
            assert [type(error) for error in told] == [HostBusy] * 3
        await settle()
        server.handle_new_messages(ran)
        assert ran == []

    on_loop(main)


class Gate:
    """Holds a command inside `process` until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.entered = threading.Event()

    def pass_through(self) -> int:
        self.entered.set()
        assert self._open.wait(DEADLINE_SECONDS)
        return 1

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Opened at the end, so that no thread of a failing test waits for it."""
    made = Gate()
    yield made
    made.open()


class Patient(Command[Host]):
    """Commands with timeouts of their own."""


class Slow(Patient, timeout=SECONDS):
    def process(self, context: Host) -> str:
        context.ran.append("Slow")
        return str(context.actions["wait"]())


class Quick(Patient, timeout=DEADLINE_SECONDS):
    text: str

    def process(self, context: Host) -> str:
        context.ran.append(self.text)
        return self.text


@each_kept_wire
def test_a_late_reply_is_not_taken_for_another(
    serve: Serve, path: str, gate: Gate, wire: Wire, on_loop: Run
) -> None:
    """It ran too long; the reply comes over the same connection, and is of the same type."""
    host = Host(wait=gate.pass_through)
    server = serve(Patient)

    async def main() -> None:
        with hosted(server, host):
            async with AsyncIpcClient(path, wire=wire) as client:
                slow = asyncio.create_task(error_of(client.send(Slow())))
                await until(gate.entered.is_set)
                quick = asyncio.create_task(client.send(Quick(text="a")))
                told = await slow
                assert isinstance(told, ReplyTimeout)
                assert told.started == "unknown"
                assert not quick.done()
                gate.open()
                assert await quick == "a"
                assert await client.send_many([Quick(text="c"), Quick(text="d")]) == ["c", "d"]

    on_loop(main)
    assert host.ran == ["Slow", "a", "c", "d"]
    assert server.stats.accepted == 1


@each_kept_wire
def test_one_that_expires_unread_while_others_wait_leaves_them_alone(
    serve: Serve, path: str, wire: Wire, on_loop: Run
) -> None:
    """A frame says until when it may run; a line says for how long, from when it is read."""
    server, host = serve(Patient), Host(wait=lambda: 1)

    async def main() -> None:
        async with AsyncIpcClient(path, wire=wire) as client:
            quick = asyncio.create_task(client.send(Quick(text="a")))
            told = await on_time(SECONDS, client.send(Slow()))
            if wire is Wire.FRAMED:
                assert isinstance(told, HostBusy)
            else:
                assert type(told) is ReplyTimeout
                assert told.started == "unknown"
            assert client.is_connected
            with served(server, host):
                assert await quick == "a"
                assert await client.send(Quick(text="b")) == "b"

    on_loop(main)
    assert host.ran == (["a", "b"] if wire is Wire.FRAMED else ["Slow", "a", "b"])
    assert server.stats.accepted == 1


@pytest.mark.parametrize("part", [1, 16, 30])
def test_a_deadline_covers_the_reply(path: str, part: int, on_asyncio: Run) -> None:
    reply = response(Echo(text="hello"), 1, "hello")

    def half(connected: socket.socket) -> None:
        receive_frame(connected)
        connected.sendall(reply[:part])
        receive_exactly(connected, 1)  # until the client is gone

    async def main() -> None:
        with FakeServer(path, half):
            async with AsyncIpcClient(path, timeout=SECONDS) as client:
                told = await on_time(SECONDS, client.send(Echo(text="hello")))
                assert isinstance(told, ReplyTimeout)
                assert told.started == "unknown"

    on_asyncio(main)


def babble(connected: socket.socket) -> None:
    """Frames that answer nothing, as fast as they are taken."""
    receive_frame(connected)
    noise = frame(Kind.EVENT, 9, b"an event") * 1000
    with contextlib.suppress(OSError):
        while True:
            connected.sendall(noise)


def trickle(connected: socket.socket) -> None:
    """A long reply that never ends."""
    receive_frame(connected)
    connected.sendall(header(10_000_000, kind=Kind.RESPONSE))
    with contextlib.suppress(OSError):
        for _ in range(10_000_000):
            connected.sendall(b"x")


def serving(path: str, treat: Treat) -> Callable[[Line], None]:
    """A child's work: treat each connection so, until killed."""

    def work(line: Line) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            line.say("ready")
            while True:
                connected, _ = listener.accept()
                with connected:
                    treat(connected)

    return work


@pytest.mark.parametrize("treat", [babble, trickle], ids=lambda treat: treat.__name__)
def test_a_deadline_is_not_put_off_by_bytes_that_come(
    path: str, treat: Treat, on_loop: Run
) -> None:
    async def main() -> None:
        async with AsyncIpcClient(path, timeout=SECONDS) as client:
            told = await on_time(SECONDS, client.send(Echo(text="hello")))
            assert isinstance(told, ReplyTimeout)
            assert told.started == "unknown"
            told = await on_time(SECONDS, client.send_many([Echo(text="hello")] * 2))
            assert isinstance(told, ReplyTimeout)

    with forked(serving(path, treat)) as child:
        assert child.hear() == "ready"
        on_loop(main)


@pytest.mark.parametrize("timeout", [-1, -math.inf, math.nan])
def test_a_timeout_that_is_none(path: str, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        AsyncIpcClient(path, timeout=timeout)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 1e9])
def test_a_timeout_of_any_length(serve: Serve, path: str, timeout: float, on_loop: Run) -> None:
    server = serve(Demo)

    async def main() -> None:
        with served(server, []):
            async with AsyncIpcClient(path, timeout=timeout) as client:
                assert await client.send(Say(text="a")) == "a"
                assert await client.send_many([Say(text="b"), Say(text="c")]) == ["b", "c"]

    on_loop(main)


# Cancelling ---------------------------------------------------------------------------------------


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@each_wire
def test_what_was_cancelled_before_anybody_read_it_is_not_run(
    serve: Serve, path: str, wire: Wire, on_loop: Run
) -> None:
    server, ran = serve(Demo, wires=Wire.ALL), []

    async def main() -> None:
        async with AsyncIpcClient(path, wire=wire) as client:
            call = asyncio.create_task(client.send(Say(text="nobody waits")))
            await until(lambda: server.wait(0))
            await cancelled(call)
            await settle()
            for _ in range(3):
                server.handle_new_messages(ran)
            with served(server, ran):
                assert await client.send(Say(text="next")) == "next"

    on_loop(main)
    assert ran == ["next"]


def test_what_was_cancelled_before_it_began_is_not_run(
    serve: Serve, path: str, on_asyncio: Run
) -> None:
    """The server has read it, and its budget ended before its turn."""
    server, ran = serve(Demo), []

    async def main() -> None:
        async with AsyncIpcClient(path) as client:
            call = asyncio.create_task(client.send(Say(text="nobody waits")))
            await until(lambda: server.wait(0))
            server.handle_new_messages(ran, max_messages=0)
            await cancelled(call)
            await settle()
            server.handle_new_messages(ran)

    on_asyncio(main)
    assert ran == []


@each_kept_wire
def test_cancelling_one_of_several_touches_no_other(
    serve: Serve, path: str, wire: Wire, on_loop: Run
) -> None:
    server, ran = serve(Demo), []

    async def main() -> None:
        async with AsyncIpcClient(path, wire=wire) as client:
            calls = [asyncio.create_task(client.send(Say(text=str(n)))) for n in range(10)]
            await settle()
            for call in calls[::2]:
                await cancelled(call)
            with served(server, ran):
                assert await asyncio.gather(*calls[1::2]) == ["1", "3", "5", "7", "9"]
                assert await client.send(Say(text="next")) == "next"

    on_loop(main)
    assert server.stats.accepted == 1


def test_cancelling_while_it_connects(path: str, on_loop: Run) -> None:
    async def main() -> None:
        with full_queue(path):
            async with AsyncIpcClient(path) as client:
                calls = [asyncio.create_task(client.send(Push(x=n))) for n in range(5)]
                await asyncio.sleep(0.005)
                for call in calls:
                    await cancelled(call)

    on_loop(main)


@each_wire
def test_cancelling_at_each_turn_leaves_the_client_whole(
    serve: Serve, path: str, wire: Wire, on_loop: Run
) -> None:
    server, ran = serve(Demo, wires=Wire.ALL), []

    async def main() -> None:
        with served(server, ran):
            for turns in range(12):
                async with AsyncIpcClient(path, wire=wire) as client:
                    for text in ("new", "kept"):
                        call = asyncio.create_task(client.send(Say(text=text)))
                        await settle(turns)
                        call.cancel()
                        with contextlib.suppress(asyncio.CancelledError):
                            assert await call == text
                        assert await client.send(Say(text="next")) == "next"

    on_loop(main)


def test_a_cancelled_batch_is_given_up(serve: Serve, path: str, on_asyncio: Run) -> None:
    server, ran = serve(Demo), []

    async def main() -> None:
        async with AsyncIpcClient(path) as client:
            batch = asyncio.create_task(client.send_many([Say(text="x" * 1000)] * 1000))
            await until(lambda: server.wait(0))
            await cancelled(batch)
            await settle()
            server.handle_new_messages(ran)
            with served(server, ran):
                assert await client.send(Say(text="next")) == "next"

    on_asyncio(main)
    assert ran == ["next"]


# Ends ---------------------------------------------------------------------------------------------


def close_at_once(connected: socket.socket) -> None:
    """Read nothing."""


def wait_and_close(connected: socket.socket) -> None:
    """Read nothing of what has come."""
    connected.recv(1, socket.MSG_PEEK)


def read_half_and_close(connected: socket.socket) -> None:
    receive_exactly(connected, 20)


def read_and_close(connected: socket.socket) -> None:
    receive_frame(connected)


def answer_half_and_close(connected: socket.socket) -> None:
    receive_frame(connected)
    connected.sendall(response(Echo(text="hello"), 1, "hello")[:25])


@pytest.mark.parametrize(
    ("treat", "started"),
    [
        (close_at_once, "no"),
        (wait_and_close, "no"),
        (read_half_and_close, "no"),
        (read_and_close, "unknown"),
        (answer_half_and_close, "unknown"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_server_that_ends_before_its_reply(
    path: str, treat: Treat, started: str, on_loop: Run
) -> None:
    async def main() -> None:
        with FakeServer(path, treat) as server:
            async with AsyncIpcClient(path) as client:
                told = await error_of(client.send(Echo(text="hello")))
        assert isinstance(told, Disconnected), repr(told)
        assert told.started == started
        assert told.path == path
        assert server.accepted == 1, "a new connection is not tried again"

    on_loop(main)


def test_of_several_only_the_last_is_known_to_be_unread(path: str, on_loop: Run) -> None:
    def read_one(connected: socket.socket) -> None:
        receive_frame(connected)
        connected.recv(1, socket.MSG_PEEK)

    async def main() -> None:
        with FakeServer(path, read_one):
            async with AsyncIpcClient(path) as client:
                told = await asyncio.gather(*[error_of(client.send(Echo(text=t))) for t in "abc"])
        assert [error.started for error in told if isinstance(error, Disconnected)] == [
            "unknown",
            "unknown",
            "no",
        ]

    on_loop(main)


def answer_once(connected: socket.socket) -> None:
    _, call, _ = receive_frame(connected)
    connected.sendall(response(Echo(text="x"), call, "hello"))


def test_a_server_that_ends_after_its_reply(path: str, on_loop: Run) -> None:
    """The reply counts; the next call connects anew, whether the end has been seen or not."""

    async def main() -> None:
        with FakeServer(path, answer_once, answer_once, answer_once) as server:
            async with AsyncIpcClient(path) as client:
                for _ in range(3):
                    assert await client.send(Echo(text="hello")) == "hello"
        assert server.accepted == 3

    on_loop(main)


def test_what_was_in_flight_is_not_sent_again(path: str, on_asyncio: Run) -> None:
    def answer_then_die(connected: socket.socket) -> None:
        answer_once(connected)
        receive_frame(connected)

    async def main() -> None:
        with FakeServer(path, answer_then_die) as server:
            async with AsyncIpcClient(path) as client:
                assert await client.send(Echo(text="hello")) == "hello"
                told = await error_of(client.send(Echo(text="in flight")))
        assert isinstance(told, Disconnected)
        assert told.started == "unknown"
        assert server.accepted == 1

    on_asyncio(main)


@each_kept_wire
@pytest.mark.parametrize("turns", [0, 5], ids=["not seen yet", "seen"])
def test_an_idle_client_finds_the_servers_successor(
    serve: Serve, path: str, wire: Wire, turns: int, on_loop: Run
) -> None:
    """With any number of calls, though the loop was busy when the server ended."""

    async def main() -> None:
        async with AsyncIpcClient(path, wire=wire) as client:
            for _ in range(3):
                server, ran = serve(Demo), []
                with served(server, ran):
                    calls = [client.send(Say(text=str(n))) for n in range(50)]
                    assert await asyncio.gather(*calls) == list(map(str, range(50)))
                server.close()
                await settle(turns)
                server = serve(Demo)
                with served(server, ran):
                    assert await client.send_many([Say(text="a"), Say(text="b")]) == ["a", "b"]
                server.close()
                await settle(turns)
            assert isinstance(await error_of(client.send(Say(text="nobody"))), ServerNotRunning)

    on_loop(main)


def test_an_end_is_noticed_at_once(serve: Serve, path: str, on_loop: Run) -> None:
    server = serve(Demo)

    async def main() -> None:
        async with AsyncIpcClient(path) as client:
            with served(server, []):
                await client.send(Say(text="a"))
            server.close()
            await until(lambda: not client.is_connected)

    on_loop(main)


def test_closing_fails_the_calls_under_way(serve: Serve, path: str, on_loop: Run) -> None:
    server, ran = serve(Demo), []

    async def main() -> None:
        client = AsyncIpcClient(path)
        calls = [asyncio.create_task(error_of(client.send(Say(text=t)))) for t in "ab"]
        await until(lambda: server.wait(0))
        client.close()
        client.close()
        for call in calls:
            told = await call
            assert isinstance(told, LocalProtocolError)
            assert "closed before the answer came" in str(told)
        await client.wait_closed()
        await client.wait_closed()
        for call in (client.send(Say(text="x")), client.send_many([Say(text="x")])):
            told = await error_of(call)
            assert isinstance(told, LocalProtocolError)
            assert "the client is closed" in str(told)
        server.handle_new_messages(ran)

    on_loop(main)
    assert ran == []


def test_closing_while_it_connects(path: str, on_loop: Run) -> None:
    async def main() -> None:
        with full_queue(path):
            client = AsyncIpcClient(path, timeout=math.inf)
            calls = [asyncio.create_task(error_of(client.send(Push(x=n)))) for n in range(3)]
            await asyncio.sleep(0.005)
            client.close()
            assert {type(await call) for call in calls} == {LocalProtocolError}
            await client.wait_closed()

    on_loop(main)


def test_closing_at_each_turn_of_connecting(serve: Serve, path: str, on_loop: Run) -> None:
    server = serve(Demo)

    async def main() -> None:
        with served(server, []):
            for turns in range(12):
                client = AsyncIpcClient(path)
                call = asyncio.create_task(client.send(Say(text="a")))
                await settle(turns)
                client.close()
                with contextlib.suppress(LocalProtocolError):
                    assert await call == "a"
                await client.wait_closed()

    on_loop(main)


# Batches ------------------------------------------------------------------------------------------


@each_wire
def test_a_batch_is_answered_in_order(serve: Serve, path: str, wire: Wire, on_loop: Run) -> None:
    server, ran = serve(Demo, wires=Wire.ALL), []
    texts = [str(number) for number in range(20 if wire is Wire.BARE else 2000)]

    async def main() -> None:
        with served(server, ran):
            async with AsyncIpcClient(path, wire=wire) as client:
                assert await client.send_many(Say(text=text) for text in texts) == texts
                assert await client.send_many([]) == []

    on_loop(main)
    assert ran == texts


@each_kept_wire
def test_a_batch_with_failures(serve: Serve, path: str, wire: Wire, on_asyncio: Run) -> None:
    server, ran = serve(Demo), []
    unencodable = Say.model_construct(text=5)  # which pydantic was told not to check
    mixed = [Say(text="a"), Refuse(text="no"), unencodable, Say(text="b"), Refuse(text="never")]

    async def main() -> None:
        with served(server, ran):
            async with AsyncIpcClient(path, wire=wire) as client:
                told = await client.send_many(mixed, return_exceptions=True)
                assert values_of(told) == [
                    "a",
                    "CommandFailed",
                    "EncodeError",
                    "b",
                    "CommandFailed",
                ]
                with pytest.raises(CommandFailed, match="no"):
                    await client.send_many(mixed)
                assert isinstance(await error_of(client.send(unencodable)), EncodeError)
                told = await client.send_many([unencodable], return_exceptions=True)
                assert values_of(told) == ["EncodeError"]
                with pytest.raises(SchemaError):
                    await client.send_many([Say(text="x"), 5])  # type: ignore[list-item]
                with pytest.raises(TypeError, match="use send for one"):
                    await client.send_many(Say(text="x"))  # type: ignore[call-overload]
                assert await client.send(Say(text="next")) == "next"
                assert client.is_connected

    on_asyncio(main)
    assert ran == ["a", "b", "a", "b", "next"]


def test_a_batch_that_nobody_read(serve: Serve, path: str, on_asyncio: Run) -> None:
    server, ran = serve(Demo), []

    async def main() -> None:
        async with AsyncIpcClient(path, timeout=UNREAD_SECONDS) as client:
            told = await client.send_many([Say(text="a"), Say(text="b")], return_exceptions=True)
            assert [type(error) for error in told] == [HostBusy, HostBusy]
            large = [Say(text="x" * 100_000)] * 100
            told = await client.send_many(large, return_exceptions=True)
            assert {type(error) for error in told} <= {HostBusy, ReplyTimeout}
            assert len(told) == 100
        server.handle_new_messages(ran)
        assert ran == []

    on_asyncio(main)


def test_a_batch_whose_server_ends_in_the_middle(path: str, on_loop: Run) -> None:
    def answer_one_of_three(connected: socket.socket) -> None:
        _, call, _ = receive_frame(connected)
        for _ in range(2):
            receive_frame(connected)
        connected.sendall(response(Echo(text="a"), call, "a"))

    async def main() -> None:
        with FakeServer(path, answer_one_of_three) as server:
            async with AsyncIpcClient(path) as client:
                batch = [Echo(text=text) for text in "abc"]
                told = await client.send_many(batch, return_exceptions=True)
        assert values_of(told) == ["a", "Disconnected", "Disconnected"]
        assert server.accepted == 1

    on_loop(main)


@pytest.mark.parametrize(("count", "size"), [(64, 262_144), (16_384, 1024)])
def test_16_mib_of_batch_each_way_does_not_lock(
    serve: Serve, path: str, count: int, size: int, on_loop: Run
) -> None:
    server = serve()
    texts = [f"{number:08d}".ljust(size, "x") for number in range(count)]

    async def main() -> None:
        with hosted(server, Host()):
            async with AsyncIpcClient(path, timeout=20) as client:
                assert await client.send_many([Echo(text=text) for text in texts]) == texts

    on_loop(main, timeout=20)


# Commands as they come ----------------------------------------------------------------------------


@each_wire
def test_responses_come_in_order_while_commands_are_sent(
    serve: Serve, path: str, wire: Wire, on_loop: Run
) -> None:
    server, ran = serve(Demo, wires=Wire.ALL), []
    texts = [str(number) for number in range(20 if wire is Wire.BARE else 3 * AHEAD_COUNT)]

    async def main() -> None:
        with served(server, ran):
            async with AsyncIpcClient(path, wire=wire) as client:
                each = client.send_each(Say(text=text) for text in texts)
                assert [answer async for answer in each] == texts
                assert [answer async for answer in client.send_each([])] == []

    on_loop(main)
    assert ran == texts


@each_wire
def test_a_command_may_wait_for_the_response_before_it(
    serve: Serve, path: str, wire: Wire, on_loop: Run
) -> None:
    server = serve(Demo, wires=Wire.ALL)
    answered: asyncio.Queue[str] = asyncio.Queue()

    async def commands() -> AsyncIterator[Say]:
        yield Say(text="0")
        for number in range(1, 5):
            assert await answered.get() == str(number - 1)
            yield Say(text=str(number))

    async def main() -> None:
        with served(server, []):
            async with AsyncIpcClient(path, wire=wire) as client:
                async for answer in client.send_each(commands()):
                    answered.put_nowait(answer)
        assert answered.get_nowait() == "4"

    on_loop(main)


def test_commands_are_taken_only_so_far_ahead(serve: Serve, path: str, on_asyncio: Run) -> None:
    server = serve(Demo)
    taken = [0]

    def commands() -> Iterator[Say]:
        while True:
            taken[0] += 1
            yield Say(text=str(taken[0]))

    async def main() -> None:
        with served(server, []):
            async with (
                AsyncIpcClient(path) as client,
                aclosing(client.send_each(commands())) as each,
            ):
                for number in range(1, 400):
                    assert await anext(each) == str(number)
                    assert taken[0] <= number + AHEAD_COUNT + 1
                await asyncio.sleep(0.02)
                assert 399 + AHEAD_COUNT <= taken[0] <= 400 + AHEAD_COUNT

    on_asyncio(main)


def test_a_failed_command_ends_it_or_is_given_in_its_place(
    serve: Serve, path: str, on_asyncio: Run
) -> None:
    server, ran = serve(Demo), []
    mixed = [Say(text="a"), Refuse(text="no"), Say.model_construct(text=5), Say(text="b")]

    async def main() -> None:
        with served(server, ran):
            async with AsyncIpcClient(path) as client:
                each = client.send_each(mixed, return_exceptions=True)
                assert values_of([answer async for answer in each]) == [
                    "a",
                    "CommandFailed",
                    "EncodeError",
                    "b",
                ]
                each = client.send_each(mixed)
                assert await anext(each) == "a"
                with pytest.raises(CommandFailed):
                    await anext(each)
                assert [answer async for answer in each] == []
                with pytest.raises(TypeError, match="use send for one"):
                    client.send_each(Say(text="x"))  # type: ignore[call-overload]

    on_asyncio(main)


def test_who_stops_gives_up_what_is_under_way(serve: Serve, path: str, on_loop: Run) -> None:
    server, ran = serve(Demo), []
    ended = []

    async def commands() -> AsyncIterator[Say]:
        try:
            for number in range(1000):
                yield Say(text=str(number))
                await asyncio.sleep(0)
        finally:
            ended.append(True)

    async def main() -> None:
        async with AsyncIpcClient(path) as client:
            source = commands()
            async with aclosing(source), aclosing(client.send_each(source)) as each:
                first = asyncio.ensure_future(anext(each))
                await until(lambda: server.wait(0))
                server.handle_new_messages(ran, max_messages=1)
                assert await first == "0"
            assert ended
            await settle()
            server.handle_new_messages(ran)
            assert ran == ["0"]
            with served(server, ran):
                assert await client.send(Say(text="next")) == "next"

    on_loop(main)


def test_what_the_commands_raise_comes_behind_the_responses(
    serve: Serve, path: str, on_asyncio: Run
) -> None:
    server = serve(Demo)

    def commands() -> Iterator[Say]:
        yield Say(text="a")
        raise KeyError("theirs")

    async def main() -> None:
        with served(server, []):
            async with AsyncIpcClient(path) as client:
                each = client.send_each(commands())
                assert await anext(each) == "a"
                with pytest.raises(KeyError, match="theirs"):
                    await anext(each)
                async with aclosing(client.send_each(commands())) as each:
                    assert await anext(each) == "a"  # and nobody asks for more

    on_asyncio(main)


def test_it_goes_on_over_a_new_connection_where_errors_are_given(
    path: str, on_asyncio: Run
) -> None:
    def answer_two(connected: socket.socket) -> None:
        for _ in range(2):
            answer_once(connected)
        receive_frame(connected)

    ready = asyncio.Event()

    async def commands() -> AsyncIterator[Echo]:
        for number in range(3):
            yield Echo(text=str(number))
        await ready.wait()
        yield Echo(text="3")

    async def main() -> None:
        told = []
        with FakeServer(path, answer_two, answer_once) as server:
            async with AsyncIpcClient(path) as client:
                async for answer in client.send_each(commands(), return_exceptions=True):
                    told.append(answer)
                    if len(told) == 3:
                        ready.set()
        assert values_of(told) == ["hello", "hello", "Disconnected", "hello"]
        assert server.accepted == 2

    on_asyncio(main)


# Backpressure -------------------------------------------------------------------------------------


def test_who_sends_faster_than_the_server_reads_waits(
    serve: Serve, path: str, on_loop: Run
) -> None:
    """What is not sent yet is kept by the tasks that want to send it, not once more in buffers."""
    server, ran = serve(Demo), []
    text = "x" * 200_000

    async def main() -> None:
        async with AsyncIpcClient(path) as client:
            calls = [asyncio.create_task(client.send(Say(text=text))) for _ in range(40)]
            await until(lambda: client.is_connected)
            await settle()
            link = client._link
            assert link is not None
            assert len(link._waiting) < 10, "the others wait for room"
            with served(server, ran):
                assert await asyncio.gather(*calls) == [text] * 40

    on_loop(main)
    assert server.stats.accepted == 1


def test_who_waits_for_room_has_a_deadline_too(serve: Serve, path: str, on_loop: Run) -> None:
    server, ran = serve(Demo), []

    async def main() -> None:
        async with AsyncIpcClient(path, timeout=UNREAD_SECONDS) as client:
            calls = [error_of(client.send(Say(text="x" * 200_000))) for _ in range(50)]
            all_told = await asyncio.gather(*calls)
            assert HostBusy in {type(told) for told in all_told}
            for told in all_told:
                assert isinstance(told, ReplyTimeout), repr(told)
                assert told.started == "no"
            client._timeout = None
            with served(server, ran):
                assert await client.send(Say(text="next")) == "next"

    on_loop(main)
    assert ran == ["next"]


def test_who_waits_for_room_waits_no_longer_than_it_may(
    serve: Serve, path: str, on_asyncio: Run
) -> None:
    server, host = serve(Patient), Host(wait=lambda: 1)

    async def main() -> None:
        async with AsyncIpcClient(path) as client:
            large = asyncio.create_task(client.send(Quick(text="x" * 2_000_000)))
            await until(lambda: client.is_connected)
            await settle()
            told = await on_time(SECONDS, client.send(Slow()))
            assert isinstance(told, ReplyTimeout)
            assert told.started == "no"
            assert not large.done()
            with served(server, host):
                assert len(await large) == 2_000_000

    on_asyncio(main)
    assert "Slow" not in host.ran


def test_who_waits_for_room_goes_on_where_the_others_gave_up(
    serve: Serve, path: str, on_asyncio: Run
) -> None:
    server, ran = serve(Demo), []

    async def main() -> None:
        async with AsyncIpcClient(path) as client:
            large = asyncio.create_task(client.send(Say(text="x" * 2_000_000)))
            await until(lambda: client.is_connected)
            await settle()
            small = asyncio.create_task(client.send(Say(text="small")))
            await settle()
            await cancelled(large)
            with served(server, ran):
                assert await small == "small"

    on_asyncio(main)
    assert ran == ["small"]


# The crate's wire ---------------------------------------------------------------------------------


@pytest.mark.parametrize("drops", [0, 1, 20])
def test_a_bare_call_is_made_again_when_it_was_dropped_unread(
    path: str, drops: int, on_loop: Run
) -> None:
    answered: list[bytes] = []

    def read_once(connected: socket.socket) -> None:
        answered.append(connected.recv(1024))
        connected.sendall(b"\1\0\0\0" + (3).to_bytes(8, "little"))

    async def main() -> None:
        with FakeServer(path, *[close_at_once] * drops, read_once) as server:
            async with AsyncIpcClient(path, wire=Wire.BARE) as client:
                assert await client.send(Add(a=1, b=2)) == Sum(c=3)
        assert server.accepted == drops + 1

    on_loop(main)
    assert answered == [bare_request(Add(a=1, b=2), ClientCommand)]


def test_a_bare_request_that_was_read_or_is_long_is_not_sent_again(
    path: str, on_asyncio: Run
) -> None:
    def read_part(connected: socket.socket) -> None:
        connected.recv(1024)

    async def main() -> None:
        for command in (Add(a=1, b=2), Print(payload="x" * 2000)):
            with FakeServer(path, read_part) as server:
                async with AsyncIpcClient(path, wire=Wire.BARE) as client:
                    told = await error_of(client.send(command))
            assert isinstance(told, Disconnected)
            assert server.accepted == 1
            os.unlink(path)

    on_asyncio(main)


@pytest.mark.parametrize(
    "data", [b"\1\0\0\0\3", b"\xff" * 12, b"HTTP/1.1 400"], ids=["half", "ones", "http"]
)
def test_a_bare_answer_that_is_none(path: str, data: bytes, on_loop: Run) -> None:
    def wrong(connected: socket.socket) -> None:
        connected.recv(1024)
        connected.sendall(data)

    async def main() -> None:
        with FakeServer(path, wrong):
            async with AsyncIpcClient(path, wire=Wire.BARE) as client:
                told = await error_of(client.send(Add(a=1, b=2)))
                assert isinstance(told, DecodeError | Disconnected)

    on_loop(main)


def test_a_bare_answer_of_no_bytes(serve: Serve, path: str, on_loop: Run) -> None:
    class Silent(Command[list[int]]):
        """Nothing is said to it."""

    class Hush(Silent):
        def process(self, context: list[int]) -> None:
            context.append(1)

    server, ran = serve(Silent, wires=Wire.ALL), []

    async def main() -> None:
        with served(server, ran):
            async with AsyncIpcClient(path, wire=Wire.BARE) as client:
                assert await client.send_many([Hush(), Hush()]) == [None, None]

    on_loop(main)
    assert ran == [1, 1]


def test_what_a_wire_cannot_carry_needs_no_server_to_be_refused(path: str, on_asyncio: Run) -> None:
    async def main() -> None:
        async with AsyncIpcClient(path, wire=Wire.BARE) as client:
            told = await error_of(client.send(Echo(text="x")))
            assert isinstance(told, SchemaError)
            assert "one response type" in str(told)
        async with AsyncIpcClient(path, wire=Wire.ALL) as client:
            assert "one wire" in str(await error_of(client.send(Push(x=1))))
        async with AsyncIpcClient(path) as client:
            unencodable = Echo.model_construct(text=5)
            assert isinstance(await error_of(client.send(unencodable)), EncodeError)

    on_asyncio(main)


# Everything at once -------------------------------------------------------------------------------


@each_wire
def test_no_reply_is_crossed_or_lost_whatever_is_cancelled_late_or_restarted(
    serve: Serve, path: str, wire: Wire, on_loop: Run
) -> None:
    """Random calls, cancels, timeouts and pauses of the host; then everything is well."""
    rng = random.Random(f"{wire}")
    outcomes: dict[str, int] = {}
    ran: list[str] = []

    async def host(server: IpcServer[Any]) -> None:
        while True:
            if rng.random() < 0.1:
                await asyncio.sleep(rng.random() * 0.02)
            server.handle_new_messages(ran, max_messages=rng.choice([1, 3, 100]))
            await asyncio.sleep(0)

    async def caller(client: AsyncIpcClient, who: int) -> None:
        for turn in range(25):
            text = f"{who}.{turn}"
            kind = rng.random()
            if kind < 0.2:
                call = asyncio.create_task(client.send(Say(text=text)))
                await settle(rng.randrange(8))
                call.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    assert await call == text
                told = "cancelled"
            elif kind < 0.35:
                try:
                    async with asyncio.timeout(rng.random() * 0.01):
                        assert await client.send(Say(text=text)) == text
                    told = "answered"
                except TimeoutError:
                    told = "late"
            elif kind < 0.5:
                texts = [f"{text}.{n}" for n in range(rng.randrange(1, 5))]
                assert await client.send_many([Say(text=t) for t in texts]) == texts
                told = "batch"
            else:
                padded = text.ljust(rng.choice([1, 1000, 100_000]))
                assert await client.send(Say(text=padded)) == padded
                told = "answered"
            outcomes[told] = outcomes.get(told, 0) + 1

    async def main() -> None:
        server = serve(Demo, wires=Wire.ALL)
        async with AsyncIpcClient(path, wire=wire) as client, asyncio.timeout(20):
            hosting = asyncio.create_task(host(server))
            async with ended_by(hosting):
                await asyncio.gather(*[caller(client, who) for who in range(8)])
                assert await client.send(Say(text="last")) == "last"
                assert client._link is None or not client._link._waiting

    on_loop(main, timeout=25)
    assert min(outcomes.get(kind, 0) for kind in ("cancelled", "answered", "batch")) > 10
    assert len(set(ran)) == len(ran), "nothing ran twice"
