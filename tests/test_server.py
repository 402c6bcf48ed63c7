"""IpcServer's poll step, the same over epoll and over every selector.

Clients here are raw sockets in the same thread: each poll is one the test made.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import stat
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import Field

from examples.simple.commands import Add, ClientCommand, Print, PrintAck, Push, Pushed, Sum
from lazyipc import (
    Command,
    CommandFailed,
    IpcServer,
    LocalProtocolError,
    MessageTooLarge,
    NotPermitted,
    Peer,
    RemoteError,
    UnexpectedReply,
    Wire,
)
from lazyipc._io.clock import clock_identity
from tests.conftest import Connect, Serve
from tests.harness import (
    Big,
    Do,
    Echo,
    Host,
    Job,
    answer,
    bare_request,
    bare_response,
    is_well,
    poll,
    readable,
    request,
    told_by_child,
    until,
)

pytestmark = [pytest.mark.usefixtures("no_descriptor_leak"), pytest.mark.every_selector]


class Guarded(Command[None]):
    """A set of one with a rule for each element of a list."""

    numbers: list[Annotated[int, Field(ge=0)]]

    def process(self, context: None) -> None:
        """Nothing."""


# Commands and their answers -----------------------------------------------------------------------


def test_an_idle_poll_does_nothing(serve: Serve) -> None:
    server = serve()
    assert server.handle_new_messages(Host()) == 0
    assert not server.wait(0)
    assert not readable(server)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (Print(payload="hello"), PrintAck()),
        (Add(a=1, b=2), Sum(c=3)),
        (Push(x=2**64 - 1), Pushed(x=2**64 - 1)),
    ],
    ids=["print", "add", "push"],
)
def test_one_poll_connects_runs_and_answers(
    serve: Serve, client: Connect, command: Any, expected: Any
) -> None:
    server, asking = serve(ClientCommand), client()
    call = asking.ask(command)
    assert server.handle_new_messages([]) == 1
    assert asking.has_result(call)
    assert asking.results[call] == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [(Print(payload=""), PrintAck()), (Add(a=1, b=2), Sum(c=3)), (Push(x=7), Pushed(x=7))],
    ids=["print", "add", "push"],
)
def test_one_poll_answers_a_bare_client_and_closes(
    serve: Serve, client: Connect, command: Any, expected: Any
) -> None:
    server, asking = serve(ClientCommand, wires=Wire.ALL), client()
    asking.send(bare_request(command, ClientCommand))
    assert server.handle_new_messages([]) == 1
    assert asking.has_ended()
    assert bare_response(asking.received, ClientCommand) == expected
    assert not asking.was_reset


def test_the_context_is_the_hosts_own(serve: Serve, client: Connect) -> None:
    server, asking = serve(ClientCommand), client()
    stack: list[int] = []
    for number in (3, 1, 2):
        answer(server, stack, asking, Push(x=number))
    assert stack == [3, 1, 2]


def test_each_client_gets_its_own_answers(serve: Serve, client: Connect) -> None:
    server, host = serve(), Host()
    asking = [client() for _ in range(20)]
    calls = [one.ask(*(Echo(text=f"{n}.{m}") for m in range(5))) for n, one in enumerate(asking)]
    assert server.handle_new_messages(host) == 100
    for number, (one, call) in enumerate(zip(asking, calls, strict=True)):
        assert one.has_result(call)
        assert list(one.results.values()) == [f"{number}.{m}" for m in range(5)]


def test_a_clients_commands_run_and_are_answered_in_its_order(
    serve: Serve, client: Connect
) -> None:
    server, host, asking = serve(), Host(), client()
    texts = [str(number) for number in range(300)]
    call = asking.ask(*(Echo(text=text) for text in texts))
    assert server.handle_new_messages(host) == 300
    assert asking.has_result(call)
    assert host.ran == texts == list(asking.results.values())


def test_a_message_in_pieces(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    data = asking.prepare(Echo(text="in pieces"))
    for byte in data[:-1]:
        asking.send(bytes([byte]))
        assert server.handle_new_messages(host) == 0
    asking.send(data[-1:])
    assert server.handle_new_messages(host) == 1
    assert asking.has_result(1)
    assert asking.results[1] == "in pieces"


def test_a_large_message_is_read_within_few_polls(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    text = "x" * 3_000_000
    unsent = memoryview(asking.prepare(Echo(text=text)))
    while not asking.has_result(1):
        unsent = unsent[asking.try_send(unsent) :]
        server.handle_new_messages(host)
    assert asking.results[1] == text


@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_a_large_response_waits_for_the_client_to_read(
    serve: Serve, client: Connect, size: int
) -> None:
    server, host, asking = serve(), Host(), client()
    call = asking.ask(Big(size=size), Echo(text="next"))
    server.handle_new_messages(host)
    poll(server, host, lambda: asking.has_result(call))
    assert asking.results == {1: "x" * size, 2: "next"}
    assert not server.wait(0), "it goes on watching for what is done"


def test_a_client_that_does_not_read_is_not_run_either(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Big(size=1_000_000) for _ in range(50)))
    for _ in range(20):
        server.handle_new_messages(host)
    assert len(host.ran) < 10, "answers are piled up for somebody who takes none"
    assert is_well(server, host)
    until(lambda: asking.has_result(50), lambda: server.handle_new_messages(host))


# What a server tells of itself --------------------------------------------------------------------


def test_clients_are_told_with_their_wire(serve: Serve, client: Connect) -> None:
    server, first = serve(ClientCommand, wires=Wire.ALL), client()
    assert server.clients == ()
    server.handle_new_messages([])
    me = (os.getpid(), os.geteuid(), os.getegid())
    assert server.clients == (Peer(*me, wire=None),)
    answer(server, [], first, Push(x=1))
    assert server.clients == (Peer(*me, wire=Wire.FRAMED),)
    second = client()
    second.send(bare_request(Push(x=1), ClientCommand)[:5])
    server.handle_new_messages([])
    assert server.clients == (Peer(*me, wire=Wire.FRAMED), Peer(*me, wire=Wire.BARE))
    first.close()
    second.close()
    poll(server, [], lambda: not server.clients)


def test_counts(serve: Serve, client: Connect) -> None:
    def fail() -> int:
        raise CommandFailed("expected")

    def stumble() -> int:
        raise ValueError("unexpected")

    server, host = serve(), Host(fail=fail, stumble=stumble, wrong=lambda: "no number")
    assert server.stats.clients == server.stats.accepted == server.stats.commands == 0
    asking, garbled = client(), client()
    data = asking.prepare(
        Echo(text="one"),
        Echo(text="two"),
        Do(name="fail"),
        Do(name="stumble"),
        Do(name="wrong"),
    )
    asking.send(data)
    asking.send(request(Echo(text="late"), 6, clock=clock_identity(), deadline_ns=1))
    garbled.send(b"GET / HTTP/1.1\r\n\r\n")
    poll(server, host, lambda: asking.has_frames(6) and garbled.has_ended())
    stats = server.stats
    assert (stats.clients, stats.accepted, stats.refused, stats.dropped) == (1, 2, 0, 1)
    assert (stats.commands, stats.failed, stats.rejected) == (5, 2, 1)
    assert stats.received_bytes == len(data) + len(request(Echo(text="late"))) + 18
    assert stats.sent_bytes == len(asking.received) + len(garbled.received)
    asking.close()
    poll(server, host, lambda: not server.clients)
    assert server.stats.received_bytes == stats.received_bytes
    assert server.stats.clients == 0


def test_the_path_is_absolute(serve: Serve, path: str) -> None:
    server = serve()
    assert server.path == path
    assert stat.S_ISSOCK(os.lstat(path).st_mode)
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600


# Failures of process ------------------------------------------------------------------------------


class NoSuchPlayer(CommandFailed):
    """Raised by the tests as a user's own kind of expected failure."""


class Talkative(CommandFailed):
    """A user's own failure that does not call its base's constructor."""

    def __init__(self, player: str) -> None:
        self.player = player

    def __str__(self) -> str:
        return f"no player {self.player}"


class Unspeakable(Exception):
    """Its text cannot be made."""

    def __str__(self) -> str:
        raise ZeroDivisionError("no text")


def raising(make: Callable[[], BaseException]) -> Callable[[], int]:
    """An action that raises a new exception each time: a kept one would hold frames."""

    def act() -> int:
        raise make()

    return act


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Messages logged as errors."""
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_an_exception_is_told_and_logged_and_the_loop_goes_on(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, asking, host = serve(), client(), Host(act=raising(lambda: KeyError("no such key")))
    told = answer(server, host, asking, Do(name="act"))
    assert type(told) is RemoteError
    assert (told.kind, told.message) == ("KeyError", "'no such key'")
    assert str(told) == "KeyError: 'no such key'"
    (message,) = errors_of(caplog)
    assert "Do.process failed" in message
    assert "Traceback" in caplog.text
    assert "in act" in caplog.text
    assert answer(server, host, asking, Echo(text="next")) == "next"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (lambda: CommandFailed("no such player"), "CommandFailed"),
        (lambda: NoSuchPlayer("no such player"), "NoSuchPlayer"),
        (lambda: CommandFailed("no such player", kind="Banned"), "Banned"),
    ],
    ids=["itself", "subclass", "kind"],
)
def test_an_expected_failure_is_told_and_not_logged(
    serve: Serve,
    client: Connect,
    caplog: pytest.LogCaptureFixture,
    error: Callable[[], CommandFailed],
    kind: str,
) -> None:
    server, asking, host = serve(), client(), Host(act=raising(error))
    told = answer(server, host, asking, Do(name="act"))
    assert type(told) is CommandFailed
    assert (told.kind, told.message) == (kind, "no such player")
    assert caplog.records == []
    assert server.stats.failed == 0


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (lambda: Talkative("Ada"), "no player Ada"),
        (lambda: CommandFailed(ValueError("not a string")), "not a string"),  # type: ignore[arg-type]
        (lambda: CommandFailed(42), "42"),  # type: ignore[arg-type]
        (lambda: CommandFailed(), ""),
        (lambda: CommandFailed("\ud800 \0 é"), "é"),
        (lambda: CommandFailed("x" * 10**6), "xxx"),
    ],
    ids=["own constructor", "exception", "number", "nothing", "odd text", "long text"],
)
def test_an_expected_failure_of_any_make_does_not_end_the_loop(
    serve: Serve, client: Connect, error: Callable[[], CommandFailed], text: str
) -> None:
    server, asking, host = serve(), client(), Host(act=raising(error))
    told = answer(server, host, asking, Do(name="act"))
    assert isinstance(told, CommandFailed)
    assert text in told.message
    assert answer(server, host, asking, Echo(text="next")) == "next"


@pytest.mark.parametrize(
    "error",
    [
        Unspeakable,
        lambda: ValueError("x" * 10**6),
        lambda: ValueError("\ud800"),
        RecursionError,
        MemoryError,
        lambda: ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
        StopIteration,
        BlockingIOError,
        lambda: MessageTooLarge("its own", size_bytes=2, limit_bytes=1),
        lambda: NotPermitted("its own"),
    ],
    ids=lambda error: type(error()).__name__,
)
def test_any_exception_is_told_and_does_not_end_the_loop(
    serve: Serve, client: Connect, error: Callable[[], Exception]
) -> None:
    server, asking, host = serve(), client(), Host(act=raising(error))
    told = answer(server, host, asking, Do(name="act"))
    assert type(told) is RemoteError
    assert told.kind == type(error()).__name__
    assert server.stats.failed == 1
    assert answer(server, host, asking, Echo(text="next")) == "next"


@pytest.mark.parametrize("value", ["text", None, 1.5, 2**63, object()], ids=repr)
def test_an_undeclared_response_is_told_and_logged(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture, value: object
) -> None:
    server, asking, host = serve(), client(), Host(act=lambda: value)
    told = answer(server, host, asking, Do(name="act"))
    assert type(told) is UnexpectedReply
    (message,) = errors_of(caplog)
    assert "Do.process: its response cannot be sent" in message
    assert server.stats.failed == 1
    assert answer(server, host, asking, Echo(text="next")) == "next"


def test_a_bare_client_learns_of_a_failure_by_the_end(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, asking = serve(ClientCommand, wires=Wire.ALL), client()
    asking.send(bare_request(Add(a=2**64 - 1, b=1), ClientCommand))
    poll(server, [], asking.has_ended)
    assert asking.received == b""
    assert len(errors_of(caplog)) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit], ids=["^C", "exit"])
def test_what_is_meant_for_the_host_reaches_it_after_the_client_was_told(
    serve: Serve, client: Connect, error: type[BaseException]
) -> None:
    server, asking, other = serve(), client(), client()
    host = Host(act=raising(error))
    call = asking.ask(Echo(text="before"), Do(name="act"), Echo(text="after"))
    other.ask(Echo(text="other"))
    with pytest.raises(error):
        server.handle_new_messages(host)
    assert asking.has_result(2)
    assert asking.results[1] == "before"
    assert type(asking.results[2]) is RemoteError
    assert asking.results[2].kind == error.__name__
    poll(server, host, lambda: asking.has_result(call) and other.has_result(1))
    assert asking.results[3] == "after"
    assert other.results[1] == "other"
    assert sorted(host.ran) == ["act", "after", "before", "other"]
    assert not server.wait(0)
    assert is_well(server, host)


# The end ------------------------------------------------------------------------------------------


def test_closing_removes_the_socket_and_ends_the_clients(
    serve: Serve, client: Connect, path: str
) -> None:
    server, asking = serve(), client()
    answer(server, Host(), asking, Echo(text="hello"))
    server.close()
    assert asking.has_ended()
    assert not os.path.lexists(path)
    assert os.path.lexists(path + ".lock")
    server.close()


def test_after_the_end(serve: Serve) -> None:
    server = serve()
    server.close()
    for use in (lambda: server.handle_new_messages(Host()), lambda: server.wait(0), server.fileno):
        with pytest.raises(LocalProtocolError, match="the server is closed"):
            use()
    assert server.clients == ()


def test_a_context_manager_closes(serve: Serve, path: str) -> None:
    with contextlib.suppress(ZeroDivisionError), serve() as server:
        assert os.path.lexists(path)
        raise ZeroDivisionError
    assert not os.path.lexists(path)
    with pytest.raises(LocalProtocolError):
        server.wait(0)


def test_a_path_serves_again_after_the_end(serve: Serve, client: Connect) -> None:
    for _ in range(3):
        server = serve()
        assert is_well(server, Host())
        server.close()


# Who may ------------------------------------------------------------------------------------------


def test_authorize_is_asked_with_peer_and_command(serve: Serve, client: Connect) -> None:
    asked: list[tuple[Peer, Any]] = []
    server = serve(authorize=lambda peer, command: asked.append((peer, command)) is None)
    asking = client()
    assert answer(server, Host(), asking, Echo(text="hello")) == "hello"
    ((peer, command),) = asked
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
    assert command == Echo(text="hello")


async def _later(peer: Peer, command: Any) -> bool:
    return True


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize(
    "authorize",
    [
        lambda peer, command: False,
        lambda peer, command: None,
        lambda peer, command: 1,
        lambda peer, command: "yes",
        lambda peer, command: 1 / 0,
        lambda peer: True,
        _later,
    ],
    ids=["False", "None", "1", "yes", "raises", "wrong signature", "async"],
)
def test_what_is_not_true_is_a_refusal(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture, authorize: Any
) -> None:
    server, asking, host = serve(authorize=authorize), client(), Host()
    told = answer(server, host, asking, Echo(text="please"))
    assert type(told) is NotPermitted
    assert "Echo" in told.message
    assert host.ran == []
    assert server.stats.rejected == 1
    assert f"pid {os.getpid()}" in caplog.text
    assert "Echo" in caplog.text


def test_authorize_decides_for_each_command(serve: Serve, client: Connect) -> None:
    server = serve(authorize=lambda peer, command: isinstance(command, Echo))
    asking, host = client(), Host()
    asking.ask(Echo(text="a"), Big(size=1), Echo(text="b"))
    poll(server, host, lambda: asking.has_result(3))
    assert host.ran == ["a", "b"]
    assert type(asking.results[2]) is NotPermitted


# Many, and odd ------------------------------------------------------------------------------------


def test_many_clients_come_and_go(serve: Serve, client: Connect) -> None:
    server, host = serve(), Host()
    for _ in range(3):
        asking = [client() for _ in range(100)]
        for one in asking:
            one.ask(Echo(text="hello"))
        poll(server, host, lambda: all(one.has_result(1) for one in asking))  # noqa: B023
        for one in asking:
            one.close()
        poll(server, host, lambda: not server.clients)
    assert server.stats.accepted == server.stats.commands == 300


def test_a_default_timeout_of_the_hosts_sockets_changes_nothing(
    serve: Serve, client: Connect
) -> None:
    """A socket with a timeout would be waited for by each read and write, flags or not."""
    server, host = serve(), Host()
    asking = client()
    data = asking.prepare(Echo(text="hello"))
    socket.setdefaulttimeout(30.0)
    try:
        asking.send(data[:20])
        server.handle_new_messages(host)
        server.handle_new_messages(host)
        assert len(server.clients) == 1
    finally:
        socket.setdefaulttimeout(None)
    asking.send(data[20:])
    assert server.handle_new_messages(host) == 1
    assert asking.has_result(1)
    assert asking.results == {1: "hello"}


def test_refusing_a_long_list_reaches_its_client_alone(serve: Serve, client: Connect) -> None:
    """More elements than are looked at for the reason, each breaking a rule of the model."""
    server = serve(Guarded)
    asking = client()
    unsent = memoryview(asking.prepare(Guarded.model_construct(numbers=[-1] * 60_000)))
    while unsent:
        unsent = unsent[asking.try_send(unsent) :]
        assert server.handle_new_messages(None) == 0
    assert server.stats.rejected == 1
    assert len(server.clients) == 1


# What is no use of it ----------------------------------------------------------------------------


def test_a_wait_for_no_number_is_refused_by_name(serve: Serve) -> None:
    server = serve()
    with pytest.raises(ValueError, match="timeout must be a number of seconds, is nan"):
        server.wait(math.nan)
    assert server.wait(-1.0) is False


def test_a_server_that_speaks_nothing_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="wires names no wire"):
        IpcServer(path, Job, wires=Wire(0))
    assert not os.path.lexists(path)


def test_a_forked_child_is_told_why_by_each_call(serve: Serve) -> None:
    server = serve()

    def say() -> str:
        told = []
        for use in (server.fileno, lambda: server.wait(0), lambda: server.handle_new_messages(0)):
            try:
                use()
            except LocalProtocolError as error:
                told.append(str(error))
        return str([text.startswith("the server was made before this process") for text in told])

    assert told_by_child(say) == "[True, True, True]"


def test_an_interrupt_out_of_authorize_reaches_the_host_and_its_client_is_answered(
    serve: Serve, client: Connect
) -> None:
    def interrupted(peer: Peer, command: Any) -> bool:
        raise KeyboardInterrupt

    server, host, asking = serve(authorize=interrupted), Host(), client()
    call = asking.ask(Echo(text="a"))
    until(lambda: readable(server))
    with pytest.raises(KeyboardInterrupt):
        poll(server, host, lambda: False)
    assert asking.has_result(call)
    assert isinstance(asking.results[call], NotPermitted)
    assert host.ran == []
