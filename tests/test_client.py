"""client_send and IpcClient: one deadline over everything, and an error with a name for each end.

What blocks here runs beside a server in a thread, a fake one in a thread, or in another process.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from examples.simple.commands import Add, ClientCommand, Print, PrintAck, Push, Pushed, Sum
from lazyipc import (
    Command,
    CommandFailed,
    DecodeError,
    Disconnected,
    EncodeError,
    HostBusy,
    IpcClient,
    IpcError,
    IpcServer,
    Limits,
    LocalProtocolError,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
    ServerNotRunning,
    SocketRefused,
    TransportError,
    Wire,
    client_send,
)
from lazyipc._core.framing import Kind, frame
from lazyipc._kept import KeptLink
from tests.conftest import Connect, Serve
from tests.harness import (
    DEADLINE_SECONDS,
    Big,
    Do,
    Echo,
    FakeServer,
    Host,
    Interrupter,
    Job,
    Line,
    bare_request,
    forked,
    header,
    hosted,
    is_well,
    poll,
    program,
    python,
    receive_exactly,
    receive_frame,
    request,
    response,
    told_by_child,
    values_of,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

TOLERANCE_SECONDS = 0.1
ATTEMPTS = 3
"""A deadline that is missed once may be the machine's fault; one missed always is ours."""

Treat = Callable[[socket.socket], None]


def on_time(timeout: float, call: Callable[[], object]) -> BaseException:
    """The error that ends a call; it must end at its deadline."""
    late: list[float] = []
    for _ in range(ATTEMPTS):
        began = time.monotonic()
        with pytest.raises(IpcError) as caught:
            call()
        took = time.monotonic() - began
        assert took >= timeout - 0.001, "it ended before its deadline"
        if took <= timeout + TOLERANCE_SECONDS:
            return caught.value
        late.append(took)
    raise AssertionError(f"with a timeout of {timeout} s it took {late}")


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


# Answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.BARE], ids=lambda wire: wire.name)
def test_each_command_of_the_demo(serve: Serve, path: str, wire: Wire) -> None:
    stack: list[int] = []
    with hosted(serve(ClientCommand, wires=Wire.ALL), stack):
        assert client_send(Print(payload="hello"), path, wire=wire) == PrintAck()
        assert client_send(Add(a=1, b=2), path, wire=wire) == Sum(c=3)
        assert client_send(Push(x=7), path, wire=wire) == Pushed(x=7)
    assert stack == [7]


def test_a_path_object_is_a_path(serve: Serve, folder: Path) -> None:
    with hosted(serve(ClientCommand), []):
        assert client_send(Add(a=1, b=2), folder / "s") == Sum(c=3)


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.BARE], ids=lambda wire: wire.name)
def test_one_client_for_many_calls(serve: Serve, path: str, wire: Wire) -> None:
    stack: list[int] = []
    server = serve(ClientCommand, wires=Wire.ALL)
    with hosted(server, stack), IpcClient(path, wire=wire) as client:
        for number in range(50):
            assert client.send(Push(x=number)) == Pushed(x=number)
        assert client.send_many([Add(a=n, b=n) for n in range(5)]) == [
            Sum(c=2 * n) for n in range(5)
        ]
    assert stack == list(range(50))
    assert server.stats.accepted == (1 if wire is Wire.FRAMED else 55)


def test_a_client_connects_when_it_is_first_used(serve: Serve, path: str) -> None:
    client = IpcClient(path)
    assert not client.is_connected
    with hosted(serve(), Host()), client:
        assert client.send(Echo(text="hello")) == "hello"
        assert client.is_connected
    assert not client.is_connected


def test_many_clients_at_once(serve: Serve, path: str) -> None:
    told: dict[int, str] = {}

    def ask(number: int) -> None:
        with IpcClient(path) as client:
            for turn in range(20):
                told[number] = client.send(Echo(text=f"{number}.{turn}"))

    with hosted(serve(), Host()):
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_SECONDS)
    assert told == {number: f"{number}.19" for number in range(8)}


def test_16_mib_each_way(serve: Serve, path: str) -> None:
    text = "x" * (2**24 - 8)  # eight bytes say how long it is
    with hosted(serve(limits=Limits(seconds_per_poll=0.01)), Host()):
        assert client_send(Echo(text=text), path, timeout=DEADLINE_SECONDS) == text


# Errors of the other side -------------------------------------------------------------------------


def fail() -> int:
    raise CommandFailed("no such player")


def stumble() -> int:
    raise KeyError("no such key")


def test_errors_arrive_with_their_names(serve: Serve, path: str) -> None:
    host = Host(fail=fail, stumble=stumble, wrong=lambda: "no number")
    server = serve(authorize=lambda peer, command: not isinstance(command, Big))
    with hosted(server, host), IpcClient(path) as client:
        with pytest.raises(CommandFailed, match=r"^no such player$"):
            client.send(Do(name="fail"))
        with pytest.raises(RemoteError, match=r"^KeyError: 'no such key'$") as caught:
            client.send(Do(name="stumble"))
        assert not isinstance(caught.value, CommandFailed)
        with pytest.raises(RemoteError):
            client.send(Do(name="wrong"))
        with pytest.raises(NotPermitted):
            client.send(Big(size=1))
        assert client.send(Echo(text="next")) == "next"
        assert client.is_connected
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


class Subtract(Edition):
    """Which the demo does not have."""

    a: int

    def process(self, context: list[int]) -> int:
        raise AssertionError("it must not run")


def test_another_shape_is_told_with_its_difference(serve: Serve, path: str) -> None:
    server = serve(ClientCommand)
    with hosted(server, []), IpcClient(path) as client:
        with pytest.raises(SchemaMismatch) as caught:
            client.send(NewAdd(a=1, b=2, c="x"))
        error = caught.value
        assert "Add was not run" in str(error)
        assert error.difference in str(error)
        for word in ("a", "b", "c", "u64", "i64", "str"):
            assert word in error.difference
        assert '"Add"' in error.ours
        assert '"Push"' in error.theirs
        with pytest.raises(SchemaMismatch, match="Subtract"):
            client.send(Subtract(a=1))
        assert client.send(Push(x=1)) == Pushed(x=1)
    assert server.stats.commands == 1


def test_a_request_over_the_servers_limit_is_told_as_such(serve: Serve, path: str) -> None:
    server = serve(limits=Limits(message_bytes=100_000))
    with hosted(server, Host()), IpcClient(path) as client:
        with pytest.raises(RemoteProtocolError, match="over the limit of") as caught:
            client.send(Echo(text="x" * 10_000_000))
        assert isinstance(caught.value, MessageTooLarge)
        assert client.send(Echo(text="next")) == "next"


def test_a_response_over_the_servers_limit_is_told_as_such(serve: Serve, path: str) -> None:
    server = serve(limits=Limits(message_bytes=1000))
    with hosted(server, Host()), IpcClient(path) as client:
        with pytest.raises(MessageTooLarge, match="over the limit of 1000"):
            client.send(Big(size=2000))
        assert client.send(Echo(text="next")) == "next"


# What is no server --------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.BARE], ids=lambda wire: wire.name)
def test_nobody_there(path: str, wire: Wire) -> None:
    with pytest.raises(ServerNotRunning, match="no server is running there") as caught:
        client_send(Push(x=1), path, wire=wire)
    assert path in str(caught.value)
    assert "start it" in str(caught.value)


def test_a_dead_servers_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
    with pytest.raises(ServerNotRunning, match="nobody listens"):
        client_send(Push(x=1), path)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir], ids=["file", "directory"])
def test_no_socket(path: str, make: Callable[[Path], None]) -> None:
    make(Path(path))
    with pytest.raises(TransportError) as caught:
        client_send(Push(x=1), path)
    assert caught.value.path == path


def test_another_users_server(serve: Serve, path: str) -> None:
    server = serve(ClientCommand)
    with pytest.raises(SocketRefused, match="server_uids="):
        client_send(Push(x=1), path, server_uids=[4242])
    poll(server, [], lambda: server.stats.accepted == 1 and not server.clients)
    assert server.stats.received_bytes == 0


def send_and_close(data: bytes) -> Treat:
    """Read a request, send this, close."""

    def treat(connected: socket.socket) -> None:
        receive_frame(connected)
        connected.sendall(data)

    return treat


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"220 mail.example.org ESMTP\r\n",
        bytes(100),
        b"\xffL\x02\x02" + bytes(100),
        header(2**32 - 1, kind=2),
        frame(Kind.RESPONSE, 1, b"short"),
        frame(Kind.ERROR, 1, b"garbage"),
        frame(Kind.ERROR, 1, bytes(28)),
    ],
    ids=[
        "http",
        "smtp",
        "zeros",
        "version",
        "huge",
        "short response",
        "garbled error",
        "empty error",
    ],
)
def test_what_speaks_something_else_is_named(path: str, data: bytes) -> None:
    with FakeServer(path, send_and_close(data)), IpcClient(path) as client:
        with pytest.raises(RemoteProtocolError):
            client.send(Echo(text="hello"))
        assert not client.is_connected, "such a stream cannot be used again"


def test_a_reply_of_another_type_is_named(path: str) -> None:
    answered = response(Do(name="x"), 1, 5)
    with (
        FakeServer(path, send_and_close(answered)),
        pytest.raises(SchemaMismatch, match="the command did run"),
    ):
        client_send(Echo(text="hello"), path)


def test_a_reply_that_is_cut_in_its_fields_is_named(path: str) -> None:
    whole = response(Echo(text="x"), 1, "hello")
    garbled = frame(Kind.RESPONSE, 1, whole[16:-2])
    with FakeServer(path, send_and_close(garbled)), pytest.raises(DecodeError):
        client_send(Echo(text="hello"), path)


def test_frames_of_other_kinds_and_calls_are_skipped(path: str) -> None:
    """A later server may say more than this client understands."""
    more = (
        frame(Kind.GOODBYE, 0, b"")
        + frame(Kind.EVENT, 9, b"an event")
        + frame(Kind.RESPONSE, 77, bytes(20))
        + response(Echo(text="hello"), 1, "hello")
    )
    with FakeServer(path, send_and_close(more)):
        assert client_send(Echo(text="hello"), path) == "hello"


# Deadlines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.BARE], ids=lambda wire: wire.name)
@pytest.mark.parametrize("timeout", [0.0, 0.05, 0.2])
def test_a_deadline_covers_connecting(path: str, timeout: float, wire: Wire) -> None:
    with full_queue(path):
        error = on_time(timeout, lambda: client_send(Push(x=1), path, timeout=timeout, wire=wire))
    assert isinstance(error, ReplyTimeout)
    assert error.started == "no"
    assert path in str(error)


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.BARE], ids=lambda wire: wire.name)
@pytest.mark.parametrize("timeout", [0.0, 0.05, 0.2])
def test_a_deadline_covers_the_queue(serve: Serve, path: str, timeout: float, wire: Wire) -> None:
    server = serve(ClientCommand, wires=Wire.ALL)
    error = on_time(timeout, lambda: client_send(Push(x=1), path, timeout=timeout, wire=wire))
    assert isinstance(error, HostBusy if timeout else ReplyTimeout)
    assert error.started == "no", "the kernel says that nobody read it"
    assert path in str(error)
    stack: list[int] = []
    for _ in range(3):
        server.handle_new_messages(stack)
    assert stack == [], "nobody waits for it any more"


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.BARE], ids=lambda wire: wire.name)
def test_a_deadline_covers_the_queue_for_a_large_request(
    serve: Serve, path: str, wire: Wire
) -> None:
    """The kernel takes a part of it, and nobody reads."""
    serve(ClientCommand, wires=Wire.ALL)
    command = Print(payload="x" * 4_000_000)
    error = on_time(0.1, lambda: client_send(command, path, timeout=0.1, wire=wire))
    assert isinstance(error, HostBusy)
    assert error.started == "no", "half a request cannot run"


def test_a_deadline_covers_running(serve: Serve, path: str, gate: Gate) -> None:
    host = Host(wait=gate.pass_through)
    with hosted(serve(), host):
        error = on_time(0.2, lambda: client_send(Do(name="wait"), path, timeout=0.2))
        assert gate.entered.is_set()
        gate.open()
    assert isinstance(error, ReplyTimeout)
    assert error.started == "unknown"


@pytest.mark.parametrize("part", [1, 10, 16, 30])
def test_a_deadline_covers_the_reply(path: str, part: int) -> None:
    reply = response(Echo(text="hello"), 1, "hello")

    def half(connected: socket.socket) -> None:
        receive_frame(connected)
        connected.sendall(reply[:part])
        receive_exactly(connected, 1)  # until the client is gone

    with FakeServer(path, *[half] * (ATTEMPTS + 1)) as server:
        error = on_time(0.1, lambda: client_send(Echo(text="hello"), path, timeout=0.1))
        server.stop()
    assert isinstance(error, ReplyTimeout)
    assert error.started == "unknown"


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
    """A child's work: treat each connection so, until killed; a process takes no turns with us."""

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
@pytest.mark.parametrize("many", [False, True], ids=["send", "send_many"])
def test_a_deadline_is_not_put_off_by_bytes_that_come(path: str, treat: Treat, many: bool) -> None:
    def call() -> None:
        with IpcClient(path, timeout=0.1) as client:
            if many:
                client.send_many([Echo(text="hello"), Echo(text="hello")])
            else:
                client.send(Echo(text="hello"))

    with forked(serving(path, treat)) as child:
        assert child.hear() == "ready"
        error = on_time(0.1, call)
    assert isinstance(error, ReplyTimeout)
    assert error.started == "unknown"


def test_a_commands_own_timeout(serve: Serve, path: str) -> None:
    class Patient(Command, timeout=0.05):
        """All of them wait but shortly."""

    class Soon(Patient):
        def process(self, context: object) -> None: ...

    class Later(Patient, timeout=0.2):
        def process(self, context: object) -> None: ...

    serve(Patient)
    assert isinstance(on_time(0.05, lambda: client_send(Soon(), path)), ReplyTimeout)
    assert isinstance(on_time(0.2, lambda: client_send(Later(), path)), ReplyTimeout)
    assert isinstance(on_time(0.1, lambda: client_send(Later(), path, timeout=0.1)), ReplyTimeout)
    with IpcClient(path) as client:
        on_time(0.2, lambda: client.send_many([Soon(), Later(), Soon()]))


@pytest.mark.parametrize("timeout", [-1, -0.001, -math.inf, math.nan])
def test_a_timeout_that_is_none(path: str, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        client_send(Push(x=1), path, timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        IpcClient(path, timeout=timeout)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 1e12, 1e9, 60, 60.5])
def test_a_timeout_of_any_length(serve: Serve, path: str, timeout: float) -> None:
    with hosted(serve(), Host()), IpcClient(path, timeout=timeout) as client:
        assert client.send(Echo(text="hello")) == "hello"
        assert client.send_many([Echo(text="a"), Echo(text="b")]) == ["a", "b"]


@pytest.mark.parametrize("default", [0.001, 5.0])
def test_a_default_timeout_of_other_sockets_is_none_of_ours(
    serve: Serve, path: str, default: float
) -> None:
    socket.setdefaulttimeout(default)
    try:
        server = serve(ClientCommand)
        with IpcClient(path, timeout=0.2) as client:
            error = on_time(0.2, lambda: client.send(Push(x=1)))
            assert isinstance(error, ReplyTimeout)
            error = on_time(0.2, lambda: client.send(Print(payload="x" * 4_000_000)))
            assert isinstance(error, ReplyTimeout)
            with hosted(server, []):
                assert client.send(Push(x=2)) == Pushed(x=2)
                assert client.send_many([Push(x=3), Push(x=4)]) == [Pushed(x=3), Pushed(x=4)]
    finally:
        socket.setdefaulttimeout(None)


def test_for_ever_is_until_the_reply(serve: Serve, path: str, gate: Gate) -> None:
    told: list[int] = []

    def ask() -> None:
        told.append(client_send(Do(name="wait"), path, timeout=math.inf))

    with hosted(serve(), Host(wait=gate.pass_through)):
        asking = threading.Thread(target=ask)
        asking.start()
        assert gate.entered.wait(DEADLINE_SECONDS)
        gate.open()
        asking.join(DEADLINE_SECONDS)
    assert told == [1]


@contextlib.contextmanager
def ticking() -> Iterator[list[int]]:
    """A signal with a Python handler every 5 ms, and how many came."""
    ticks = [0]

    def tick(number: int, frame: object) -> None:
        ticks[0] += 1

    before = signal.signal(signal.SIGUSR1, tick)
    stop = threading.Event()
    main = threading.get_ident()

    def send() -> None:
        while not stop.wait(0.005):
            signal.pthread_kill(main, signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield ticks
    finally:
        stop.set()
        sender.join()
        signal.signal(signal.SIGUSR1, before)


def test_signals_do_not_put_a_deadline_off(serve: Serve, path: str) -> None:
    serve(ClientCommand)
    with ticking() as ticks:
        error = on_time(0.2, lambda: client_send(Push(x=1), path, timeout=0.2))
        assert isinstance(error, ReplyTimeout)
        with IpcClient(path, timeout=0.2) as client:
            error = on_time(0.2, lambda: client.send_many([Push(x=1), Push(x=2)]))
        assert isinstance(error, ReplyTimeout)
    assert ticks[0] > 10


def test_signals_do_not_put_the_deadline_of_connecting_off(path: str) -> None:
    with full_queue(path), ticking() as ticks:
        error = on_time(0.2, lambda: client_send(Push(x=1), path, timeout=0.2))
    assert isinstance(error, ReplyTimeout)
    assert ticks[0] > 5


def test_signals_do_not_disturb_a_transfer(serve: Serve, path: str) -> None:
    text = "x" * 4_000_000
    with hosted(serve(), Host()), ticking(), IpcClient(path, timeout=DEADLINE_SECONDS) as client:
        for _ in range(3):
            assert client.send(Echo(text=text)) == text


def test_what_expired_in_the_queue_is_not_run(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    with forked(lambda line: line.say(str(_ask_once(path)))) as child:
        assert child.hear() == "HostBusy no"  # only then is the server polled
        for _ in range(5):
            server.handle_new_messages(host)
    assert host.ran == []


def _ask_once(path: str) -> str:
    try:
        client_send(Echo(text="late"), path, timeout=0.1)
    except ReplyTimeout as error:
        return f"{type(error).__name__} {error.started}"
    return "answered"


# Late replies -------------------------------------------------------------------------------------


class Impatient(Command[Host]):
    """Commands of a kept client that gives up and goes on."""


class Slow(Impatient, timeout=0.05):
    def process(self, context: Host) -> str:
        context.ran.append("Slow")
        return str(context.actions["wait"]())


class Quick(Impatient):
    text: str

    def process(self, context: Host) -> str:
        context.ran.append(self.text)
        return self.text


def test_a_late_reply_is_not_taken_for_the_next(serve: Serve, path: str, gate: Gate) -> None:
    """The same connection, and a reply of the same type."""
    host = Host(wait=gate.pass_through)
    with hosted(serve(Impatient), host), IpcClient(path) as client:
        with pytest.raises(ReplyTimeout):
            client.send(Slow())
        gate.open()
        assert client.send(Quick(text="b")) == "b"
        assert client.send_many([Quick(text="c"), Quick(text="d")]) == ["c", "d"]
        with contextlib.suppress(ReplyTimeout):
            client.send(Slow())
        assert client.send(Quick(text="e")) == "e"
    assert host.ran[0] == "Slow"


def test_a_late_half_reply_is_not_taken_for_the_next(path: str) -> None:
    """A deadline in the middle of a reply: the rest of it belongs to nobody either."""
    late = response(Echo(text="a"), 1, "a")

    def half_then_rest(connected: socket.socket) -> None:
        receive_frame(connected)
        connected.sendall(late[:20])
        _, call, _ = receive_frame(connected)
        connected.sendall(late[20:] + response(Echo(text="b"), call, "b"))

    with FakeServer(path, half_then_rest), IpcClient(path, timeout=0.1) as client:
        with pytest.raises(ReplyTimeout):
            client.send(Echo(text="a"))
        assert client.send(Echo(text="b")) == "b"


def test_a_half_sent_request_ends_the_connection(serve: Serve, path: str) -> None:
    """Where the deadline fell within a request, the next call begins a new stream."""
    server, host = serve(), Host()
    client = IpcClient(path, timeout=0.1)
    with pytest.raises(ReplyTimeout):
        client.send(Echo(text="x" * 4_000_000))
    assert not client.is_connected
    with hosted(server, host), client:
        assert client.send(Echo(text="next")) == "next"
    assert host.ran == ["next"]


# Ends ---------------------------------------------------------------------------------------------


def close_at_once(connected: socket.socket) -> None:
    """Read nothing."""


def read_and_close(connected: socket.socket) -> None:
    receive_frame(connected)


def read_half_and_close(connected: socket.socket) -> None:
    receive_exactly(connected, 20)


def answer_half_and_close(connected: socket.socket) -> None:
    receive_frame(connected)
    connected.sendall(response(Echo(text="hello"), 1, "hello")[:25])


@pytest.mark.parametrize(
    ("treat", "started"),
    [(close_at_once, "no"), (read_half_and_close, "no"), (read_and_close, "unknown")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_server_that_ends_before_its_reply(path: str, treat: Treat, started: str) -> None:
    with FakeServer(path, treat) as server, pytest.raises(Disconnected) as caught:
        client_send(Echo(text="hello"), path)
    assert caught.value.started == started
    assert caught.value.path == path
    assert server.accepted == 1, "a new connection is not tried again"


def test_a_server_that_ends_inside_its_reply(path: str) -> None:
    with (
        FakeServer(path, answer_half_and_close),
        pytest.raises((Disconnected, DecodeError)) as caught,
    ):
        client_send(Echo(text="hello"), path)
    assert isinstance(caught.value, Disconnected)
    assert caught.value.started == "unknown"


def test_a_server_that_ends_after_its_reply(path: str) -> None:
    """The reply counts; the next call connects anew."""

    def answer_once(connected: socket.socket) -> None:
        _, call, _ = receive_frame(connected)
        connected.sendall(response(Echo(text="x"), call, "hello"))

    server = FakeServer(path, answer_once, answer_once, answer_once)
    with server, IpcClient(path) as client:
        for _ in range(3):
            assert client.send(Echo(text="hello")) == "hello"
    assert server.accepted == 3


def test_a_batch_whose_server_ends_in_the_middle(path: str) -> None:
    def answer_one_of_three(connected: socket.socket) -> None:
        _, call, _ = receive_frame(connected)
        for _ in range(2):
            receive_frame(connected)
        connected.sendall(response(Echo(text="a"), call, "a"))

    commands = [Echo(text=text) for text in "abc"]
    with FakeServer(path, answer_one_of_three) as server, IpcClient(path) as client:
        with pytest.raises(Disconnected) as caught:
            client.send_many(commands)
        assert caught.value.started == "unknown"
    assert server.accepted == 1


def test_an_idle_client_finds_the_servers_successor(serve: Serve, path: str) -> None:
    with IpcClient(path) as client:
        for number in range(3):
            server = serve()
            with hosted(server, Host()):
                assert client.send(Echo(text=str(number))) == str(number)
                assert client.send_many([Echo(text="a"), Echo(text="b")]) == ["a", "b"]
            server.close()
        with pytest.raises(ServerNotRunning):
            client.send(Echo(text="nobody"))
        with hosted(serve(), Host()):
            assert client.send_many([Echo(text="a"), Echo(text="b")]) == ["a", "b"]


def test_what_was_in_flight_is_not_sent_again(path: str) -> None:
    def answer_then_die(connected: socket.socket) -> None:
        _, call, _ = receive_frame(connected)
        connected.sendall(response(Echo(text="x"), call, "hello"))
        receive_frame(connected)

    with FakeServer(path, answer_then_die) as server, IpcClient(path) as client:
        assert client.send(Echo(text="hello")) == "hello"
        with pytest.raises(Disconnected) as caught:
            client.send(Echo(text="in flight"))
        assert caught.value.started == "unknown"
    assert server.accepted == 1


def test_a_client_is_usable_after_every_kind_of_end(serve: Serve, path: str) -> None:
    with IpcClient(path, timeout=0.2) as client:
        with pytest.raises(ServerNotRunning):
            client.send(Echo(text="nobody"))
        server = serve()
        with pytest.raises(ReplyTimeout):
            client.send(Echo(text="not polled"))
        with hosted(server, Host(fail=fail)):
            with pytest.raises(CommandFailed):
                client.send(Do(name="fail"))
            assert client.send(Echo(text="well")) == "well"


def test_after_close(serve: Serve, path: str) -> None:
    client = IpcClient(path)
    with hosted(serve(), Host()):
        client.send(Echo(text="hello"))
        client.close()
        client.close()
        for call in (
            lambda: client.send(Echo(text="x")),
            lambda: client.send_many([Echo(text="x")]),
        ):
            with pytest.raises(LocalProtocolError, match="the client is closed"):
                call()


# Batches ------------------------------------------------------------------------------------------


def test_a_batch_is_answered_in_order(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    texts = [str(number) for number in range(5000)]
    with hosted(server, host), IpcClient(path) as client:
        assert client.send_many(Echo(text=text) for text in texts) == texts
    assert host.ran == texts


def test_an_empty_batch_needs_no_server(path: str) -> None:
    with IpcClient(path) as client:
        assert client.send_many([]) == []
        assert client.send_many(iter([]), return_exceptions=True) == []


MIXED = [
    Echo(text="a"),
    Do(name="fail"),
    Echo(text="b"),
    Do(name="stumble"),
    Do(name="wrong"),
    Echo(text="c"),
]


def test_a_batch_with_failures_returns_them_in_place(serve: Serve, path: str) -> None:
    host = Host(fail=fail, stumble=stumble, wrong=lambda: "no number")
    with hosted(serve(), host), IpcClient(path) as client:
        results = client.send_many(MIXED, return_exceptions=True)
        assert values_of(results) == [
            "a",
            "CommandFailed",
            "b",
            "RemoteError",
            "UnexpectedReply",
            "c",
        ]
        assert client.send(Echo(text="next")) == "next"


def test_a_batch_with_failures_raises_the_first_when_all_are_done(serve: Serve, path: str) -> None:
    host = Host(fail=fail, stumble=stumble, wrong=lambda: "no number")
    with hosted(serve(), host), IpcClient(path) as client:
        with pytest.raises(CommandFailed, match="no such player"):
            client.send_many(MIXED)
        assert host.ran == ["a", "fail", "b", "stumble", "wrong", "c"]
        assert client.send(Echo(text="next")) == "next"


def unencodable() -> Echo:
    """A command that pydantic was told not to check."""
    return Echo.model_construct(text=5)


def test_what_does_not_encode_fails_alone(serve: Serve, path: str) -> None:
    host = Host()
    with hosted(serve(), host), IpcClient(path) as client:
        batch = [Echo(text="a"), unencodable(), Echo(text="b")]
        results = client.send_many(batch, return_exceptions=True)
        assert values_of(results) == ["a", "EncodeError", "b"]
        with pytest.raises(EncodeError, match="text"):
            client.send_many(batch)
        assert host.ran == ["a", "b", "a", "b"]
        with pytest.raises(EncodeError, match="text"):
            client.send(unencodable())
        assert values_of(client.send_many([unencodable()], return_exceptions=True)) == [
            "EncodeError"
        ]
        assert client.send(Echo(text="next")) == "next"


def test_what_is_no_command_is_refused_before_anything_is_sent(serve: Serve, path: str) -> None:
    host = Host()
    with hosted(serve(), host), IpcClient(path) as client:
        with pytest.raises(SchemaError):
            client.send("no command")  # type: ignore[arg-type]
        with pytest.raises(SchemaError):
            client.send_many([Echo(text="a"), 5])  # type: ignore[list-item]
        assert client.send(Echo(text="next")) == "next"
    assert host.ran == ["next"]


@pytest.mark.parametrize(("count", "size"), [(64, 262_144), (16_384, 1024)])
def test_16_mib_of_batch_each_way_does_not_lock(
    serve: Serve, path: str, count: int, size: int
) -> None:
    """Neither side may write while the other waits for it to read."""
    texts = [f"{number:08d}".ljust(size, "x") for number in range(count)]
    with hosted(serve(), Host()), IpcClient(path, timeout=20) as client:
        assert client.send_many([Echo(text=text) for text in texts]) == texts


def test_a_batch_of_large_answers(serve: Serve, path: str) -> None:
    with hosted(serve(), Host()), IpcClient(path, timeout=20) as client:
        answers = client.send_many([Big(size=1_000_000)] * 16)
        assert [len(answer) for answer in answers] == [1_000_000] * 16


def test_a_batch_over_bare_is_one_connection_each(serve: Serve, path: str) -> None:
    server = serve(ClientCommand, wires=Wire.BARE)
    with hosted(server, []), IpcClient(path, wire=Wire.BARE) as client:
        assert client.send_many([Push(x=n) for n in range(5)]) == [Pushed(x=n) for n in range(5)]
    assert server.stats.accepted == 5


# Interrupts ---------------------------------------------------------------------------------------

ASKING = """
import sys
from lazyipc import client_send
from tests.harness import Echo
try:
    client_send(Echo(text="interrupted"), sys.argv[1], timeout=30)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
"""


@pytest.mark.parametrize("polled", [True, False], ids=["accepted", "not accepted"])
def test_an_interrupted_client_is_interrupted_and_the_server_is_not(
    serve: Serve, path: str, polled: bool
) -> None:
    server, host = serve(), Host()
    with program(*python(ASKING, path)) as asking:
        assert server.wait(DEADLINE_SECONDS)
        if polled:
            server.handle_new_messages(host, max_messages=0)
        asking.send_signal(signal.SIGINT)
        out, err = asking.communicate(timeout=DEADLINE_SECONDS)
    assert (out, err) == ("KeyboardInterrupt\n", "")
    poll(server, host, lambda: not server.clients)
    assert is_well(server, host)
    assert "interrupted" not in host.ran


def test_an_interrupt_anywhere_in_a_call_leaves_the_client_whole(serve: Serve, path: str) -> None:
    broken: dict[str, str] = {}
    host = Host()
    with hosted(serve(), host):
        for at in range(100_000):
            interrupter = Interrupter(at)
            with IpcClient(path, timeout=0.5) as client:
                client.send(Echo(text="warm"))
                with contextlib.suppress(KeyboardInterrupt), interrupter:
                    client.send(Echo(text="interrupted"))
                try:
                    assert client.send(Echo(text="a")) == "a"
                    assert client.send_many([Echo(text="b"), Echo(text="c")]) == ["b", "c"]
                except (Exception, KeyboardInterrupt) as error:
                    broken.setdefault(interrupter.place, f"{type(error).__name__}: {error}")
            if not interrupter.has_struck:
                break
    assert at > 10
    assert not broken, "\n".join(f"{place}: {what}" for place, what in broken.items())


def test_an_interrupt_anywhere_in_a_batch_leaves_the_client_whole(serve: Serve, path: str) -> None:
    broken: dict[str, str] = {}
    with hosted(serve(), Host()):
        for at in range(100_000):
            interrupter = Interrupter(at)
            with IpcClient(path, timeout=0.5) as client:
                with contextlib.suppress(KeyboardInterrupt), interrupter:
                    client.send_many([Echo(text="x"), Echo(text="y")])
                try:
                    assert client.send(Echo(text="a")) == "a"
                    assert client.send_many([Echo(text="b"), Echo(text="c")]) == ["b", "c"]
                except (Exception, KeyboardInterrupt) as error:
                    broken.setdefault(interrupter.place, f"{type(error).__name__}: {error}")
            if not interrupter.has_struck:
                break
    assert at > 10
    assert not broken, "\n".join(f"{place}: {what}" for place, what in broken.items())


# Forks --------------------------------------------------------------------------------------------


def test_a_forked_childs_client_makes_its_own_connection(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    with program(*python(FORKING, path)) as asking:
        poll(server, host, lambda: asking.poll() is not None)
        out, err = asking.communicate()
    assert out.split() == ["grandchild", "child", "parent"], err
    assert asking.returncode == 0, err
    assert server.stats.accepted == 3, "each process must have a connection of its own"


FORKING = """
import os, sys
from lazyipc import IpcClient
from tests.harness import Echo

def ask(client, word):
    for number in range(3):
        assert client.send(Echo(text=f"{word} {number}")) == f"{word} {number}"
    print(word, flush=True)

def in_child(work):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0

client = IpcClient(sys.argv[1])
client.send(Echo(text="first"))

def child():
    client.send(Echo(text="child first"))
    in_child(lambda: ask(client, "grandchild"))
    ask(client, "child")

in_child(child)
ask(client, "parent")
client.close()
"""


def test_a_child_that_closes_its_copy_does_not_end_the_parents(serve: Serve, path: str) -> None:
    server, host = serve(), Host()

    def child() -> str:
        client.close()
        return str(client.is_connected)

    client = IpcClient(path)
    with hosted(server, host):
        client.send(Echo(text="before"))
    assert client.is_connected
    assert told_by_child(child) == "False"
    with hosted(server, host):
        assert client.send(Echo(text="after")) == "after"
    client.close()
    assert server.stats.accepted == 1


# The crate's wire ---------------------------------------------------------------------------------


def crate_like(path: str, drops: int, answered: list[bytes]) -> FakeServer:
    """As the Rust crate's server: reads once, 1,024 bytes at most, and drops whom it finds mute."""

    def drop(connected: socket.socket) -> None:
        """It looked before the client had written: closed with the request unread, or before it."""

    def read_once(connected: socket.socket) -> None:
        data = connected.recv(1024)
        answered.append(data)
        if data == bare_request(Add(a=1, b=2), ClientCommand):
            connected.sendall(b"\1\0\0\0" + (3).to_bytes(8, "little"))

    return FakeServer(path, *[drop] * drops, read_once)


@pytest.mark.parametrize("drops", [0, 1, 5, 40])
def test_a_bare_client_tries_again_when_it_was_dropped_unread(path: str, drops: int) -> None:
    answered: list[bytes] = []
    with crate_like(path, drops, answered) as server:
        assert client_send(Add(a=1, b=2), path, wire=Wire.BARE) == Sum(c=3)
    assert server.accepted == drops + 1
    assert answered == [bare_request(Add(a=1, b=2), ClientCommand)]


def test_a_bare_client_tries_until_its_deadline(path: str) -> None:
    with FakeServer(path, *[close_at_once] * 100_000) as server:
        began = time.monotonic()
        with pytest.raises((Disconnected, ReplyTimeout)) as caught:
            client_send(Add(a=1, b=2), path, wire=Wire.BARE, timeout=0.2)
        took = time.monotonic() - began
        server.stop()
    assert 0.15 < took < 1
    told = caught.value
    assert isinstance(told, ReplyTimeout) or (
        isinstance(told, Disconnected) and told.started == "no"
    )
    assert 16 < server.accepted < 2000, "it must rest between attempts"


def test_a_bare_request_that_was_read_is_not_sent_again(path: str) -> None:
    def read_and_end(connected: socket.socket) -> None:
        connected.recv(1024)

    with (
        FakeServer(path, read_and_end) as server,
        pytest.raises((Disconnected, RemoteProtocolError)) as caught,
    ):
        client_send(Add(a=1, b=2), path, wire=Wire.BARE)
    assert isinstance(caught.value, Disconnected)
    assert caught.value.started == "unknown"
    assert server.accepted == 1


def test_a_long_bare_request_is_not_sent_again(path: str) -> None:
    """Of more than 1,024 bytes the crate's server may have read a part."""

    def read_part(connected: socket.socket) -> None:
        connected.recv(1024)

    with FakeServer(path, read_part) as server, pytest.raises(Disconnected):
        client_send(Print(payload="x" * 2000), path, wire=Wire.BARE)
    assert server.accepted == 1


def test_a_bare_answer_in_pieces(path: str) -> None:
    def drip(connected: socket.socket) -> None:
        connected.recv(1024)
        for byte in b"\1\0\0\0" + (3).to_bytes(8, "little"):
            connected.sendall(bytes([byte]))

    with FakeServer(path, drip):
        assert client_send(Add(a=1, b=2), path, wire=Wire.BARE) == Sum(c=3)


@pytest.mark.parametrize(
    "data", [b"\1\0\0\0\3", b"\xff" * 12, b"HTTP/1.1 400"], ids=["half", "ones", "http"]
)
def test_a_bare_answer_that_is_none(path: str, data: bytes) -> None:
    def wrong(connected: socket.socket) -> None:
        connected.recv(1024)
        connected.sendall(data)

    with FakeServer(path, wrong), pytest.raises(IpcError) as caught:
        client_send(Add(a=1, b=2), path, wire=Wire.BARE)
    assert isinstance(caught.value, DecodeError | Disconnected)


def test_a_bare_client_of_a_framed_server_learns_that_it_was_closed(
    serve: Serve, path: str
) -> None:
    server = serve(ClientCommand)
    stack: list[int] = []
    with hosted(server, stack), pytest.raises((Disconnected, ReplyTimeout)):
        client_send(Push(x=1), path, wire=Wire.BARE, timeout=0.3)
    assert stack == []


def test_a_family_without_one_response_type_has_no_bare_form(path: str) -> None:
    with pytest.raises(SchemaError, match="one response type"):
        client_send(Echo(text="x"), path, wire=Wire.BARE)
    with pytest.raises(SchemaError, match="one response type"):
        IpcServer(path, Job, wires=Wire.ALL)
    assert not os.path.lexists(path)


@pytest.mark.parametrize("wire", [Wire.ALL, Wire(0)])
def test_a_client_speaks_one_wire(path: str, wire: Wire) -> None:
    with pytest.raises(LocalProtocolError, match="one wire"):
        client_send(Push(x=1), path, wire=wire)


# Other servers of the same commands ---------------------------------------------------------------


def test_a_raw_request_and_a_clients_are_the_same(serve: Serve, client: Connect) -> None:
    """The tests' own frames are those of the library, but for clock and deadline."""
    server, host, raw = serve(), Host(), client()
    raw.send(request(Echo(text="raw")))
    poll(server, host, raw.has_frames)
    assert host.ran == ["raw"]


def test_values_are_those_of_the_declared_types(serve: Serve, path: str) -> None:
    class Ask(Command):
        """Responses that are no models."""

    class Nothing(Ask):
        def process(self, context: object) -> None: ...

    class Several(Ask):
        def process(self, context: object) -> list[tuple[int, str | None]]:
            return [(1, None), (2, "x")]

    class Either(Ask):
        def process(self, context: object) -> Sum | Pushed:
            return Pushed(x=5)

    answers: list[Any] = []
    with hosted(serve(Ask), None), IpcClient(path) as client:
        answers = [client.send(Nothing()), client.send(Several()), client.send(Either())]
    assert answers == [None, [(1, None), (2, "x")], Pushed(x=5)]


def test_a_call_that_was_never_written_leaves_nothing_open(serve: Serve, path: str) -> None:
    """Its time was over before it could be: the next batch waits for its own answers alone."""
    with hosted(serve(), Host()), IpcClient(path) as client:
        assert client.send(Echo(text="first")) == "first"
        client._timeout = 1e-9
        with pytest.raises(ReplyTimeout):
            client.send(Echo(text="late"))
        client._timeout = None
        assert client.send_many([Echo(text="a"), Echo(text="b")]) == ["a", "b"]


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.BARE, Wire.JSON], ids=lambda wire: wire.name)
def test_a_link_that_an_interrupt_left_broken_is_not_used_again(
    serve: Serve, path: str, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came between the end of a step and the hang-up that should have followed."""
    stack: list[int] = []
    with (
        hosted(serve(ClientCommand, wires=Wire.ALL), stack),
        IpcClient(path, wire=wire) as client,
    ):
        with monkeypatch.context() as patched:
            patched.setattr(KeptLink, "disconnect", lambda self: None)
            assert client.send(Push(x=1)) == Pushed(x=1)
        link = client._kept.link
        assert link is not None
        link.is_broken = True
        assert client.send(Push(x=2)) == Pushed(x=2)
        assert client._kept.link is not link


def test_a_socket_removed_under_its_server_is_told_from_a_server_that_is_not_there(
    serve: Serve, path: str
) -> None:
    serve()
    os.unlink(path)
    with pytest.raises(ServerNotRunning, match=rf"removed .* \(pid {os.getpid()}\) lives on"):
        client_send(Echo(text="a"), path)


def test_a_path_may_be_bytes(path: str) -> None:
    name = os.fsencode(path)
    server: IpcServer[Any] = IpcServer(name, Job)
    with server, hosted(server, Host()):
        assert server.path == path
        assert client_send(Echo(text="a"), name) == "a"
