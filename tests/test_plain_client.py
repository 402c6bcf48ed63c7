"""Plain JSON in and out over real sockets: answers, deadlines, interrupts, and strangers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from examples.simple.commands import ClientCommand
from lazyipc import (
    U64,
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
    NotPermitted,
    ReplyTimeout,
    ServerNotRunning,
    SocketRefused,
    Wire,
    _plain_client,
)
from lazyipc._core.connection import plain
from lazyipc._core.framing import Kind, frame
from lazyipc._io.status_page import read_status
from lazyipc._plain_client import PlainClient
from lazyipc._plain_stream import CALLS_UNDER_WAY, PAUSE
from lazyipc.rpc import RpcServer
from tests.conftest import Serve
from tests.harness import (
    DEADLINE_SECONDS,
    FakeServer,
    Host,
    Interrupter,
    become_nobody,
    forked,
    hosted,
    need_root,
    poll,
    program,
    python,
    told_by_child,
    until,
)
from tests.rpc.messages import Note

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

SECONDS = 0.1
Treat = Callable[[socket.socket], None]


def echo(text: str) -> dict[str, Any]:
    return {"Echo": {"text": text}}


class Failing(Command[None]):
    """Commands that fail."""


class Fail(Failing):
    def process(self, context: None) -> None:
        raise CommandFailed("as expected", kind="Expected")


class Raise(Failing):
    def process(self, context: None) -> None:
        raise ZeroDivisionError("oh")


# Answers -----------------------------------------------------------------------------------------


def test_calls_by_their_json(serve: Serve, path: str) -> None:
    server = serve(ClientCommand)
    with hosted(server, []), PlainClient(path) as client:
        assert not client.is_connected
        assert client.call({"Add": {"a": 1, "b": 2}}) == {"Sum": {"c": 3}}
        assert client.call({"Print": {"payload": "é"}}) == "PrintAck"
        assert client.is_connected
    assert not client.is_connected
    assert server.stats.accepted == 1


@pytest.mark.parametrize(
    "wires", [Wire.FRAMED | Wire.JSON, Wire.ALL, Wire.JSON, Wire.FRAMED], ids=str
)
def test_a_server_is_described_and_counts(serve: Serve, path: str, wires: Wire) -> None:
    server = serve(ClientCommand, wires=wires, version="1.4")
    with hosted(server, []), PlainClient(path) as client:
        for _ in range(2):
            description = client.describe()
            assert (description.server.pid, description.server.version) == (os.getpid(), "1.4")
            assert [command.name for command in description.commands] == ["Print", "Add", "Push"]
            assert client.stats()["pid"] == os.getpid()
    assert server.stats.accepted == 1
    assert server.stats.dropped == 0


def test_a_set_of_one(serve: Serve, path: str) -> None:
    class Only(BaseModel):
        x: U64

        def process(self, context: list[int]) -> U64:
            return self.x

    with hosted(serve(Only), []), PlainClient(path) as client:
        assert not client.describe().is_tagged
        assert client.call({"x": 7}) == 7


@pytest.mark.parametrize(
    ("command", "kind", "attributes"),
    [
        ({"Add": {"a": 1, "b": -2}}, DecodeError, {"path": "Add.b"}),
        ({"Add": {"a": 1}}, DecodeError, {"path": "Add"}),
        ({"Ad": {"a": 1}}, DecodeError, {"path": "Ad"}),
        (7, DecodeError, {"path": ""}),
        ({"Print": {"payload": "x" * 2_000_000}}, MessageTooLarge, {}),
        ({"Print": {"payload": b"x"}}, EncodeError, {}),
        ({"Push": {"x": 1}}, NotPermitted, {}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_refused_is_told_and_the_client_goes_on(
    serve: Serve, path: str, command: Any, kind: type[IpcError], attributes: dict[str, Any]
) -> None:
    server = serve(ClientCommand, authorize=lambda _, command: type(command).__name__ != "Push")
    with hosted(server, []), PlainClient(path) as client:
        with pytest.raises(kind) as caught:
            client.call(command)
        assert {name: getattr(caught.value, name) for name in attributes} == attributes
        assert client.call({"Add": {"a": 1, "b": 2}}) == {"Sum": {"c": 3}}


def test_failures_keep_their_names(serve: Serve, path: str) -> None:
    with hosted(serve(Failing), None), PlainClient(path) as client:
        with pytest.raises(CommandFailed) as caught:
            client.call("Fail")
        assert (caught.value.kind, caught.value.message) == ("Expected", "as expected")
        with pytest.raises(IpcError, match="ZeroDivisionError: oh"):
            client.call("Raise")


def test_an_older_server_that_knows_no_questions_says_so(path: str) -> None:
    told = {"code": 5, "kind": "DecodeError", "message": "m", "line": 1, "column": 1}
    told |= {"path": "call.$lazyipc", "reason": "no built-in request is known here"}

    def refuse(connected: socket.socket) -> None:
        asked = json.loads(connected.makefile("rb").readline())
        connected.sendall(json.dumps({"id": asked["id"], "Err": told}).encode() + b"\n")

    with (
        FakeServer(path, refuse),
        PlainClient(path) as client,
        pytest.raises(DecodeError, match="no built-in request"),
    ):
        client.describe()


def test_a_server_whose_description_is_none(path: str) -> None:
    def tell(connected: socket.socket) -> None:
        lines = connected.makefile("rb")
        for answer in ({"lazyipc": 7}, [1]):
            asked = json.loads(lines.readline())
            connected.sendall(json.dumps({"id": asked["id"], "Ok": answer}).encode() + b"\n")

    with FakeServer(path, tell), PlainClient(path) as client:
        with pytest.raises(plain.BadAnswer, match=r"lazyipc: .* version 7") as caught:
            client.describe()
        assert path in str(caught.value)
        with pytest.raises(plain.BadAnswer, match="no object"):
            client.stats()


def test_a_closed_client_is_closed() -> None:
    client = PlainClient("/nowhere/s")
    client.close()
    client.close()
    with pytest.raises(LocalProtocolError):
        client.call("Stop")
    with pytest.raises(LocalProtocolError):
        client.describe()
    with pytest.raises(LocalProtocolError):
        list(client.call_many(["Stop"]))


@pytest.mark.parametrize("timeout", [-1, "1", float("nan")])
def test_a_timeout_is_a_number_of_seconds(timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        PlainClient("/nowhere/s", timeout=timeout)
    client = PlainClient("/nowhere/s")
    for call in (client.describe, client.stats):
        with pytest.raises((TypeError, ValueError)):
            call(timeout)
    with pytest.raises((TypeError, ValueError)):
        client.call("Stop", timeout)
    with pytest.raises((TypeError, ValueError)):
        client.call_many(["Stop"], timeout)


# A kept connection --------------------------------------------------------------------------------


@pytest.mark.parametrize("wires", [Wire.JSON, Wire.FRAMED], ids=str)
def test_a_restart_is_not_noticed(serve: Serve, path: str, wires: Wire) -> None:
    with PlainClient(path) as client:
        for version in ("1", "2"):
            with serve(wires=wires, version=version) as server, hosted(server, Host()):
                assert client.describe().server.version == version
                if wires is Wire.JSON:
                    assert client.call(echo("a")) == "a"
                    assert list(client.call_many([echo("b")])) == ["b"]
        with pytest.raises(ServerNotRunning):
            client.describe()


def test_many_go_on_after_a_restart(serve: Serve, path: str) -> None:
    servers: list[tuple[IpcServer[Any], contextlib.ExitStack]] = []

    def restart() -> None:
        if servers:
            server, stack = servers.pop()
            stack.close()
            server.close()
        stack = contextlib.ExitStack()
        server = serve()
        stack.enter_context(hosted(server, Host()))
        servers.append((server, stack))

    def commands() -> Iterator[Any]:
        for text in "ab":
            yield echo(text)
            yield PAUSE
            restart()

    restart()
    with PlainClient(path) as client:
        for _ in range(2):
            assert list(client.call_many(commands())) == ["a", "b"]
            assert list(client.call_many([echo("c")])) == ["c"]
            restart()
    servers.pop()[1].close()


def test_another_wire_after_a_restart(serve: Serve, path: str) -> None:
    with PlainClient(path) as client:
        for wires in (Wire.FRAMED, Wire.JSON, Wire.FRAMED):
            with serve(wires=wires) as server, hosted(server, Host()):
                assert client.describe().server.wires == (wires.name,)
                assert client.stats()["described"]


class Lone(BaseModel):
    """A set of one, which on BARE is whatever is sent."""

    a: U64

    def process(self, context: list[int]) -> U64:
        context.append(self.a)
        return self.a


@pytest.mark.parametrize("wires", [Wire.JSON, Wire.FRAMED], ids=str)
def test_a_bare_server_in_anothers_place_is_sent_nothing(
    serve: Serve, path: str, wires: Wire
) -> None:
    ran: list[int] = []
    with PlainClient(path) as client:
        with serve(wires=wires) as server, hosted(server, Host()):
            client.stats()
        with serve(Lone, wires=Wire.BARE) as server, hosted(server, ran):
            for ask in (client.stats, client.describe):
                with pytest.raises(SocketRefused, match="speaks BARE alone"):
                    ask()
            assert server.stats.accepted == 0
    assert not ran


def test_nor_is_one_that_took_it_while_a_question_waited(
    serve: Serve, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not read is asked again, of whoever listens then."""
    bare = serve(Lone, wires=Wire.BARE)
    page = read_status(path)
    os.unlink(path)
    pages: list[Any] = [None]
    monkeypatch.setattr(_plain_client, "read_status", lambda *_: pages[-1])

    def end(connected: socket.socket) -> None:
        asked = json.loads(connected.recv(1000))
        connected.sendall(json.dumps({"id": asked["id"], "Ok": {}}).encode() + b"\n")
        assert select.select([connected], [], [], DEADLINE_SECONDS)[0]
        pages.append(page)

    with FakeServer(path, end) as fake, PlainClient(path) as client:
        assert client.stats() == {}
        with pytest.raises(SocketRefused, match="speaks BARE alone"):
            client.stats()
        assert fake.accepted == 1
    os.unlink(path)
    bare.close()


def test_a_forked_child_has_a_connection_of_its_own(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    with PlainClient(path) as client:
        with hosted(server, host):
            assert client.call(echo("parent")) == "parent"
        with forked(lambda line: line.say(client.call(echo("child")))) as child:
            poll(server, host, lambda: "child" in host.ran)
            assert child.hear() == "child"
        with hosted(server, host):
            assert client.call(echo("parent")) == "parent"
    assert server.stats.accepted == 2


# Nobody, nothing, somebody else -------------------------------------------------------------------


def test_nothing_at_the_path(path: str) -> None:
    for call in (PlainClient(path).describe, lambda: PlainClient(path).call("Stop")):
        with pytest.raises(ServerNotRunning, match="nothing at this path"):
            call()


def test_a_dead_servers_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
    with pytest.raises(ServerNotRunning, match="nobody listens"):
        PlainClient(path).describe()


@pytest.mark.parametrize(
    ("make", "words"), [(Path.touch, "a file"), (Path.mkdir, "a directory")], ids=["file", "folder"]
)
def test_no_socket(path: str, make: Callable[[Path], None], words: str) -> None:
    make(Path(path))
    with pytest.raises(ServerNotRunning, match=f"{words}, not a socket"):
        PlainClient(path).describe()


def test_another_users_server(serve: Serve, path: str) -> None:
    server = serve()
    with pytest.raises(SocketRefused, match="server_uids="):
        PlainClient(path, server_uids=[4242]).describe()
    poll(server, Host(), lambda: server.stats.accepted == 1 and not server.clients)
    assert server.stats.received_bytes == 0


def test_a_server_that_takes_only_its_own_users_clients(serve: Serve, path: str) -> None:
    need_root()
    server = serve()
    os.chmod(path, 0o777)
    os.chmod(os.path.dirname(path), 0o777)

    def ask() -> str:
        become_nobody()
        try:
            PlainClient(path, server_uids=[0]).describe()
        except SocketRefused as error:
            return str(error)
        return "described"

    with hosted(server, Host()):
        assert "it is of uid 0, and a server takes no clients but its own" in told_by_child(ask)


def test_a_server_that_speaks_bare_alone_is_sent_nothing(serve: Serve, path: str) -> None:
    server = serve(ClientCommand, wires=Wire.BARE)
    with hosted(server, []), PlainClient(path) as client:
        for ask in (client.describe, client.stats, client.describe):
            with pytest.raises(SocketRefused, match=rf"pid {os.getpid()}\) speaks BARE alone"):
                ask()
        assert server.stats.accepted == 0
        with pytest.raises(Disconnected, match="takes no lines of JSON"):
            client.call({"Add": {"a": 1, "b": 2}})


def test_a_server_without_a_page_is_asked_by_one_wire_after_the_other(
    serve: Serve, path: str
) -> None:
    """As one with a socket from outside, where nobody knows what it takes."""
    server = serve(ClientCommand, wires=Wire.FRAMED)
    os.unlink(path + ".lock")
    with hosted(server, []), PlainClient(path) as client:
        for _ in range(2):
            assert client.describe().command("add")
            assert client.stats()["described"]
        assert server.stats.accepted == 2
    server.close()
    server = serve(ClientCommand, wires=Wire.BARE)
    os.unlink(path + ".lock")
    with (
        hosted(server, []),
        PlainClient(path) as client,
        pytest.raises(SocketRefused, match="hung up without a word"),
    ):
        client.describe()


def read_and_close(connected: socket.socket) -> None:
    """As the Rust crate's server does with what is no command."""
    connected.recv(1024)


def just_close(connected: socket.socket) -> None:
    pass


@pytest.mark.parametrize("treat", [read_and_close, just_close])
def test_a_server_that_hangs_up_without_a_word(path: str, treat: Treat) -> None:
    with (
        FakeServer(path, treat, treat),
        PlainClient(path) as client,
        pytest.raises(SocketRefused, match="Rust crate ipc-server"),
    ):
        client.describe()


def test_a_server_that_dies_when_it_is_asked(path: str) -> None:
    def die(connected: socket.socket) -> None:
        os.unlink(path)

    with FakeServer(path, die), PlainClient(path) as client, pytest.raises(ServerNotRunning):
        client.describe()


def test_a_lazyipc_server_that_dies_is_told_as_that(path: str) -> None:
    """Once it has answered, to hang up is no sign of a stranger, and it is not asked by frames."""

    def end(connected: socket.socket) -> None:
        asked = json.loads(connected.recv(1000))
        connected.sendall(json.dumps({"id": asked["id"], "Ok": {}}).encode() + b"\n")
        connected.recv(1000)

    with FakeServer(path, end) as fake, PlainClient(path) as client:
        assert client.stats() == {}
        with pytest.raises(Disconnected) as caught:
            client.stats()
        assert caught.value.started == "unknown"
        assert fake.accepted == 1


def answering(*answers: bytes) -> Treat:
    def treat(connected: socket.socket) -> None:
        connected.recv(65536)
        for data in answers:
            connected.sendall(data)

    return treat


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", r"it answered 'HTTP/1\.1 400 Bad Request\\r'$"),
        (b"220 mail.example.org ESMTP", r"it answered '220 mail\.example\.org ESMTP'$"),
        (b"\x1b[2J\x00\n", r"it answered '\\x1b\[2J\\x00'$"),
        (b"{}\n", r"it answered '\{\}'$"),
        (bytes(100), "it answered '.*' …$"),
    ],
)
@pytest.mark.parametrize("what", ["describe", "stats", "call", "call_many"])
def test_who_answers_otherwise_is_no_lazyipc_server(
    path: str, data: bytes, words: str, what: str
) -> None:
    with FakeServer(path, answering(data)), PlainClient(path) as client:
        calls: dict[str, Callable[[], object]] = {
            "describe": client.describe,
            "stats": client.stats,
            "call": lambda: client.call("Stop"),
            "call_many": lambda: raised(client.call_many(["Stop"])),
        }
        with pytest.raises(SocketRefused, match=f"no lazyipc server listens there: {words}"):
            calls[what]()
        assert not client.is_connected


def raised(results: Iterable[Any]) -> None:
    (result,) = results
    raise result


def test_an_rpc_server() -> None:
    async def ask() -> None:
        async with RpcServer(Note, lambda message, peer: asyncio.sleep(0)) as server:
            with PlainClient(server.path) as client:
                with pytest.raises(SocketRefused, match="this is an RPC peer"):
                    await asyncio.to_thread(client.describe)
                with pytest.raises(Disconnected, match="takes no lines of JSON hangs up"):
                    await asyncio.to_thread(client.call, "Stop")

    asyncio.run(ask())


def test_frames_that_answer_no_question(path: str) -> None:
    close_it = frame(Kind.GOODBYE, 0, b"")
    answer = answering(close_it)
    with (
        FakeServer(path, answer, answer, answer),
        PlainClient(path) as client,
    ):
        with pytest.raises(SocketRefused):
            client.describe()
        with pytest.raises(SocketRefused, match="speaks frames, and no lines"):
            client.call("Stop")


# Time --------------------------------------------------------------------------------------------


def test_a_busy_host(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    for _ in range(3):
        server.handle_new_messages(host)
    with PlainClient(path, timeout=SECONDS) as client:
        for call in (client.describe, client.stats, lambda: client.call(echo("late"))):
            with pytest.raises(HostBusy, match=rf"alive \(pid {os.getpid()}\)") as caught:
                call()
            assert caught.value.started == "no"
        told = list(client.call_many([echo("late"), echo("later")]))
        assert [type(each) for each in told] == [HostBusy, HostBusy]
        for _ in range(5):
            server.handle_new_messages(host)
        assert host.ran == []


def test_a_busy_host_that_takes_frames_alone(serve: Serve, path: str) -> None:
    """The time is for both questions."""
    server = serve(wires=Wire.FRAMED)
    os.unlink(path + ".lock")

    def once() -> None:
        poll(server, Host(), lambda: server.stats.dropped == 1)

    thread = threading.Thread(target=once)
    thread.start()
    began = time.monotonic()
    with PlainClient(path, timeout=1) as client, pytest.raises(ReplyTimeout):
        client.describe()
    assert 0.99 <= time.monotonic() - began < 1.9
    thread.join()


def stay(connected: socket.socket) -> None:
    while connected.recv(65536):
        pass


def test_a_silent_server(path: str) -> None:
    with FakeServer(path, stay, stay, stay), PlainClient(path, timeout=SECONDS) as client:
        for call in (client.describe, lambda: client.call("Stop")):
            with pytest.raises(ReplyTimeout) as caught:
                call()
            assert not isinstance(caught.value, HostBusy)
            assert caught.value.started == "unknown"
        (told,) = client.call_many(["Stop"])
        assert isinstance(told, ReplyTimeout)


def test_half_a_line_and_then_silence(path: str) -> None:
    def half(connected: socket.socket) -> None:
        connected.sendall(b'{"id":1,"Ok":')
        stay(connected)

    with (
        FakeServer(path, half),
        PlainClient(path, timeout=SECONDS) as client,
        pytest.raises(ReplyTimeout),
    ):
        client.describe()


def test_an_endless_line(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "ANSWER_BYTES", 100_000)

    def flood(connected: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                connected.sendall(b"x" * 10_000)

    with FakeServer(path, flood, flood), PlainClient(path) as client:
        with pytest.raises(plain.BadAnswer, match="is over the limit of 100000"):
            client.describe()
        (told,) = client.call_many(["Stop"])
        assert isinstance(told, plain.BadAnswer)


# Interrupts --------------------------------------------------------------------------------------

ASKING = """
import sys
from lazyipc._plain_client import PlainClient
client = PlainClient(sys.argv[1], timeout=30)
try:
    client.call({"Do": {"name": "slow"}})
except KeyboardInterrupt:
    print(client.last_started, client.is_connected)
"""


@pytest.mark.parametrize("polled", [True, False], ids=["begun", "unread"])
def test_an_interrupt_gives_the_call_up(serve: Serve, path: str, polled: bool) -> None:
    server, host = serve(), Host(slow=lambda: asking.send_signal(signal.SIGINT) or 7)
    with program(*python(ASKING, path)) as asking:
        assert server.wait(DEADLINE_SECONDS)  # it has connected, and writes at once
        if polled:
            poll(server, host, lambda: host.ran == ["slow"])
        else:
            asking.send_signal(signal.SIGINT)
        out, err = asking.communicate(timeout=DEADLINE_SECONDS)
    assert (out, err) == (f"{'unknown' if polled else 'no'} False\n", "")
    poll(server, host, lambda: not server.clients)
    assert host.ran == (["slow"] if polled else [])


def test_an_interrupt_anywhere_leaves_the_client_whole(serve: Serve, path: str) -> None:
    broken: dict[str, str] = {}
    with hosted(serve(), Host()):
        for at in range(100_000):
            interrupter = Interrupter(at)
            with PlainClient(path, timeout=2) as client:
                client.call(echo("warm"))
                with contextlib.suppress(KeyboardInterrupt), interrupter:
                    client.call(echo("interrupted"))
                try:
                    assert client.call(echo("a")) == "a"
                    assert list(client.call_many([echo("b"), echo("c")])) == ["b", "c"]
                except (Exception, KeyboardInterrupt) as error:
                    broken.setdefault(interrupter.place, f"{type(error).__name__}: {error}")
            if not interrupter.has_struck:
                break
    assert at > 10
    assert not broken, "\n".join(f"{place}: {what}" for place, what in broken.items())


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What a slow command waits for; set at the end, for threads of a failing test."""
    event = threading.Event()
    yield event
    event.set()


# Many --------------------------------------------------------------------------------------------


def test_many_are_answered_in_order_with_errors_in_their_places(serve: Serve, path: str) -> None:
    commands = [
        {"Add": {"a": 1, "b": 2}},
        {"Add": {"a": 1}},
        {"Print": {"payload": b""}},
        {"Print": {"payload": "x"}},
        "No",
    ]
    with hosted(serve(ClientCommand), []), PlainClient(path) as client:
        told = list(client.call_many(commands))
        assert told[0] == {"Sum": {"c": 3}}
        assert isinstance(told[1], DecodeError)
        assert isinstance(told[2], EncodeError)
        assert told[3] == "PrintAck"
        assert isinstance(told[4], DecodeError)
        assert list(client.call_many([])) == []
        assert client.call({"Add": {"a": 2, "b": 2}}) == {"Sum": {"c": 4}}


def test_a_bounded_number_is_under_way(serve: Serve, path: str) -> None:
    taken = 0

    def endless() -> Iterator[Any]:
        nonlocal taken
        for number in count():
            taken += 1
            yield echo(str(number))

    server = serve()
    with hosted(server, Host()), PlainClient(path) as client:
        for expected, told in enumerate(islice(client.call_many(endless()), 1000)):
            assert told == str(expected)
            assert taken - expected <= CALLS_UNDER_WAY + 1
        assert client.call(echo("after")) == "after"
        assert list(client.call_many(map(echo, "abc"))) == ["a", "b", "c"]


def test_large_ones_both_ways(serve: Serve, path: str) -> None:
    texts = [str(n) * 300_000 for n in range(10)] * 3
    with hosted(serve(), Host()), PlainClient(path) as client:
        assert list(client.call_many(map(echo, texts))) == texts


def test_a_call_in_between_goes_another_way(serve: Serve, path: str) -> None:
    server = serve()
    with hosted(server, Host()), PlainClient(path) as client:
        for told in client.call_many(map(echo, "abc")):
            assert client.call(echo(told * 2)) == told * 2
            assert list(client.call_many([echo("x")])) == ["x"]
        assert client.call(echo("z")) == "z"
    assert server.stats.accepted <= 3


def test_an_interrupt_gives_up_what_is_under_way(
    serve: Serve, path: str, released: threading.Event
) -> None:
    host = Host(slow=lambda: released.wait(DEADLINE_SECONDS) and 1)

    def commands() -> Iterator[Any]:
        yield from (echo("a"), PAUSE, {"Do": {"name": "slow"}}, echo("given up"))
        until(lambda: "slow" in host.ran)
        raise KeyboardInterrupt

    told: list[Any] = []
    with hosted(serve(), host), PlainClient(path) as client:
        with pytest.raises(KeyboardInterrupt):
            told.extend(client.call_many(commands()))
        assert not client.is_connected
        released.set()
        assert client.call(echo("after")) == "after"
    assert told == ["a"]
    assert host.ran == ["a", "slow", "after"]


def test_a_client_closed_within(serve: Serve, path: str) -> None:
    with hosted(serve(), Host()):
        client = PlainClient(path)
        results = client.call_many(map(echo, map(str, count())))
        assert next(results) == "0"
        client.close()
        with pytest.raises(LocalProtocolError):
            list(islice(results, 1000))


def test_a_source_may_pause(serve: Serve, path: str) -> None:
    """Each answer comes before the source has more; so a person at a terminal sees it."""
    given, taken = socket.socketpair()
    seen: list[Any] = []

    def lines() -> Iterator[Any]:
        for number in range(5):
            while True:
                try:
                    data = taken.recv(100, socket.MSG_DONTWAIT)
                    break
                except BlockingIOError:
                    yield PAUSE
            assert len(seen) == number
            yield echo(data.decode())

    with given, taken, hosted(serve(), Host()), PlainClient(path) as client:
        given.send(b"0")
        for told in client.call_many(lines(), source_fd=taken.fileno()):
            seen.append(told)
            given.send(str(len(seen)).encode())
        assert seen == ["0", "1", "2", "3", "4"]
        assert list(client.call_many([PAUSE, echo("a"), PAUSE, PAUSE, echo("b")])) == ["a", "b"]


def test_a_source_that_raises(serve: Serve, path: str) -> None:
    def lines() -> Iterator[Any]:
        yield echo("a")
        raise ZeroDivisionError

    with hosted(serve(), Host()), PlainClient(path) as client:
        with pytest.raises(ZeroDivisionError):
            list(client.call_many(lines()))
        assert client.call(echo("b")) == "b"


def test_nobody_there_for_many(path: str) -> None:
    with PlainClient(path) as client:
        told = list(client.call_many(map(echo, "abc")))
    assert [type(each) for each in told] == [ServerNotRunning] * 3


def test_a_time_that_is_over_ends_all_that_are_under_way(
    serve: Serve, path: str, released: threading.Event
) -> None:
    """They would run for nobody; what comes after goes over a new connection."""
    host = Host(slow=lambda: released.wait(DEADLINE_SECONDS) and 1)

    def commands() -> Iterator[Any]:
        yield from (echo("a"), PAUSE, {"Do": {"name": "slow"}}, echo("behind"), PAUSE)
        released.set()
        yield echo("b")

    with hosted(serve(), host), PlainClient(path) as client:
        told = list(client.call_many(commands(), timeout=0.3))
    assert told[0] == "a"
    assert [type(each) for each in told[1:3]] == [ReplyTimeout, ReplyTimeout]
    assert told[1].started == "unknown"
    assert told[3] == "b"
    assert host.ran == ["a", "slow", "b"]


def test_a_server_that_ends_in_the_middle(path: str) -> None:
    def answer_one(connected: socket.socket) -> None:
        asked = json.loads(connected.makefile("rb").readline())
        connected.sendall(b'{"id":%d,"Ok":1}\n' % asked["id"])

    with FakeServer(path, answer_one, answer_one), PlainClient(path, timeout=5) as client:
        told = list(client.call_many(["A", "B", "C", PAUSE, "D"]))
    assert told[0] == told[3] == 1
    assert [type(each) for each in told[1:3]] == [Disconnected] * 2
    assert all(each.started == "unknown" for each in told[1:3])


def test_what_did_not_leave_was_not_run(path: str) -> None:
    def read_one_and_close(connected: socket.socket) -> None:
        connected.recv(10)

    with FakeServer(path, read_one_and_close, just_close), PlainClient(path) as client:
        first, second = client.call_many([echo("x" * 4_000_000), echo("y")])
    assert isinstance(first, Disconnected)
    assert first.started == "no"
    assert isinstance(second, Disconnected)


def test_what_left_in_part_was_not_run_either(path: str) -> None:
    def answer_and_close(connected: socket.socket) -> None:
        connected.recv(1000)
        connected.sendall(b'{"id":1,"Ok":1}\n')
        connected.recv(1)

    with FakeServer(path, answer_and_close), PlainClient(path) as client:
        told = list(client.call_many([echo("a"), PAUSE, echo("x" * 4_000_000)]))
    assert told[0] == 1
    assert isinstance(told[1], Disconnected)
    assert told[1].started == "no"


def test_an_answer_that_breaks_the_rules_ends_all_that_are_under_way(path: str) -> None:
    def treat(connected: socket.socket) -> None:
        asked = json.loads(connected.makefile("rb").readline())
        connected.sendall(b'{"id":%d,"Ok":1}\n{"id":7}\n' % asked["id"])
        stay(connected)

    with FakeServer(path, treat), PlainClient(path, timeout=5) as client:
        told = list(client.call_many(["A", "B", "C"]))
    assert told[0] == 1
    assert [type(each) for each in told[1:]] == [plain.BadAnswer] * 2
    assert str(told[1]).startswith(f"{path}: the server's answer makes no sense: ")


def test_a_line_that_is_too_long_is_told_in_its_place(serve: Serve, path: str) -> None:
    server = serve(limits=Limits(line_bytes=1000))
    with hosted(server, Host()), PlainClient(path) as client:
        told = list(client.call_many([echo("a"), echo("x" * 2000), PAUSE, echo("b")]))
    assert told[0] == "a"
    assert isinstance(told[1], MessageTooLarge)
    assert told[2] == "b"


# What it costs to import --------------------------------------------------------------------------


def test_a_call_needs_no_models(serve: Serve, path: str) -> None:
    code = """
import sys
from lazyipc._plain_client import PlainClient
import lazyipc._description_cache, lazyipc._target
with PlainClient(sys.argv[1]) as client:
    assert client.call({"Echo": {"text": "a"}}) == "a"
    assert client.describe().command("echo").fields[0].is_required
    assert client.stats()["commands"] == 1
needless = ["pydantic", "pydantic_core", "construct", "asyncio", "click", "difflib", "inspect",
            "dataclasses", "pathlib", "hashlib", "logging", "lazyipc._core.codec",
            "lazyipc._core.shape", "lazyipc._plain_stream", "lazyipc._stranger"]
print([name for name in needless if name in sys.modules])
"""
    with hosted(serve(), Host()), program(*python(code, path)) as asking:
        out, err = asking.communicate(timeout=DEADLINE_SECONDS)
    assert (out, err) == ("[]\n", "")
