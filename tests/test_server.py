"""IpcServer's poll step, the same over epoll and over every selector.

Clients here are raw sockets in the same thread: each poll is one the test made.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import select
import selectors
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
    Limits,
    LocalProtocolError,
    MessageTooLarge,
    NotPermitted,
    Peer,
    RemoteError,
    ReplyTimeout,
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
    answer,
    bare_request,
    bare_response,
    is_well,
    poll,
    request,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

SELECTORS: dict[str, Callable[[], Any]] = {
    "epoll itself": lambda: None,
    "SelectSelector": selectors.SelectSelector,
    "PollSelector": selectors.PollSelector,
    "EpollSelector": selectors.EpollSelector,
}


@pytest.fixture(params=SELECTORS.values(), ids=SELECTORS.keys())
def selector(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Each kind of readiness in turn."""
    make: Callable[[], Any] = request.param
    return make


class Guarded(Command[None]):
    """A set of one with a rule for each element of a list."""

    numbers: list[Annotated[int, Field(ge=0)]]

    def process(self, context: None) -> None:
        """Nothing."""


def readable(server: IpcServer[Any]) -> bool:
    """Whether its descriptor is readable, where it has one."""
    try:
        return bool(select.select([server], [], [], 0)[0])
    except io.UnsupportedOperation:
        return server.wait(0)


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
    poll(server, host, lambda: asking.has_result(50))


def test_a_half_closed_client_is_still_answered(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    call = asking.ask(*(Echo(text=str(number)) for number in range(10)))
    asking.socket.shutdown(socket.SHUT_WR)
    poll(server, host, asking.has_ended)
    assert asking.has_result(call)
    assert len(asking.results) == 10
    assert server.clients == ()


def test_a_half_closed_client_is_answered_later_polls_on(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    call = asking.ask(*(Echo(text=str(number)) for number in range(10)))
    asking.socket.shutdown(socket.SHUT_WR)
    for _ in range(10):
        assert server.handle_new_messages(host, max_messages=1) == 1
    assert asking.has_result(call)
    assert len(asking.results) == 10


def test_a_half_closed_bare_client_is_still_answered(serve: Serve, client: Connect) -> None:
    server, asking = serve(ClientCommand, wires=Wire.ALL), client()
    asking.send(bare_request(Add(a=1, b=2), ClientCommand))
    asking.socket.shutdown(socket.SHUT_WR)
    poll(server, [], asking.has_ended)
    assert bare_response(asking.received, ClientCommand) == Sum(c=3)


def test_nothing_is_run_for_who_hung_up(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    answer(server, host, asking, Echo(text="hello"))
    asking.ask(*(Echo(text="for nobody") for _ in range(10)))
    asking.close()
    poll(server, host, lambda: not server.clients)
    assert host.ran == ["hello"]


def test_nothing_is_run_for_who_hung_up_before_the_first_poll(
    serve: Serve, client: Connect
) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(Echo(text="for nobody"))
    asking.close()
    for _ in range(3):
        server.handle_new_messages(host)
    assert host.ran == []
    assert server.clients == ()


def test_what_is_left_is_not_run_for_who_hung_up_meanwhile(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(10)))
    assert server.handle_new_messages(host, max_messages=2) == 2
    asking.close()
    for _ in range(3):
        server.handle_new_messages(host)
    assert host.ran == ["0", "1"]


# Deadlines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [clock_identity(), b"elsewise"], ids=["ours", "another"])
def test_an_expired_command_is_not_run(serve: Serve, client: Connect, clock: bytes) -> None:
    server, asking = serve(), client()
    host = Host(spin=lambda: len(select.poll().poll(2)))
    late = Echo(text="too late")
    spin = asking.prepare(Do(name="spin"), late)[: len(request(Do(name="spin")))]
    asking.send(spin + request(late, 2, clock=clock, deadline_ns=1, left_ns=1_000_000))
    assert server.handle_new_messages(host) == 1
    assert asking.has_result(2)
    assert isinstance(asking.results[2], ReplyTimeout)
    assert asking.results[2].started == "no"
    assert host.ran == ["spin"]
    assert server.stats.rejected == 1
    assert answer(server, host, asking, Echo(text="in time")) == "in time"


def test_another_clocks_instant_says_nothing(serve: Serve, client: Connect) -> None:
    """Where the clock is another one, the time left alone counts."""
    server, host, asking = serve(), Host(), client()
    command = Echo(text="in time")
    asking.prepare(command, command)
    left = 60 * 10**9
    asking.send(request(command, 1, clock=b"elsewise", deadline_ns=1, left_ns=left))
    asking.send(request(command, 2, clock=bytes(8), deadline_ns=1, left_ns=left))
    assert server.handle_new_messages(host) == 2


def test_our_clocks_instant_is_what_counts(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    command = Echo(text="too late")
    asking.send(request(command, clock=clock_identity(), deadline_ns=1, left_ns=60 * 10**9))
    assert server.handle_new_messages(host) == 0


# Budgets ------------------------------------------------------------------------------------------


def test_a_call_may_limit_the_messages(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(10)))
    for number in range(1, 4):
        assert server.handle_new_messages(host, max_messages=3) == 3
        assert readable(server), "what is left must wake a host that sleeps on it"
        assert server.wait(60), "what is left must not be slept on"
        assert len(host.ran) == 3 * number
    assert server.handle_new_messages(host) == 1
    assert asking.has_result(10)
    assert not server.wait(0)
    assert not readable(server)


def test_the_limits_hold_when_the_call_names_none(serve: Serve, client: Connect) -> None:
    server = serve(limits=Limits(messages_per_poll=4, seconds_per_poll=60))
    host, asking = Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(10)))
    assert [server.handle_new_messages(host) for _ in range(4)] == [4, 4, 2, 0]


@pytest.mark.parametrize("seconds", [0, 0.0, 1e-9])
def test_without_time_one_command_is_begun(serve: Serve, client: Connect, seconds: float) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(3)))
    done = [server.handle_new_messages(host, max_seconds=seconds) for _ in range(6)]
    assert max(done) == 1
    assert sum(done) == 3


def test_endless_time_is_a_budget(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(Echo(text="hello"))
    assert server.handle_new_messages(host, max_seconds=math.inf) == 1


def test_no_messages_are_a_budget(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(Echo(text="hello"))
    assert server.handle_new_messages(host, max_messages=0) == 0
    assert server.wait(0)
    assert server.handle_new_messages(host) == 1


def test_a_command_that_uses_the_time_up_ends_the_turn(serve: Serve, client: Connect) -> None:
    server, asking = serve(limits=Limits(seconds_per_poll=0.001)), client()
    host = Host(spin=lambda: len(select.poll().poll(2)))
    asking.ask(*(Do(name="spin") for _ in range(4)))
    assert [server.handle_new_messages(host) for _ in range(4)] == [1, 1, 1, 1]


def test_a_flood_of_one_delays_another_by_one_command(serve: Serve, client: Connect) -> None:
    server, host, flooding, asking = serve(), Host(), client(), client()
    flooding.ask(*(Echo(text="flood") for _ in range(1000)))
    asking.ask(Echo(text="me too"))
    server.handle_new_messages(host, max_messages=2)
    assert host.ran.index("me too") < 2
    assert asking.has_result(1)


def test_a_flood_that_is_under_way_delays_by_one_command(serve: Serve, client: Connect) -> None:
    server, host, flooding, asking = serve(), Host(), client(), client()
    answer(server, host, asking, Echo(text="hello"))
    flooding.ask(*(Echo(text="flood") for _ in range(1000)))
    server.handle_new_messages(host, max_messages=10)
    asking.ask(Echo(text="me too"))
    before = len(host.ran)
    server.handle_new_messages(host, max_messages=2)
    assert "me too" in host.ran[before : before + 2]
    assert asking.has_result(2)


def test_turns_are_taken(serve: Serve, client: Connect) -> None:
    server, host = serve(), Host()
    for name in "abc":
        client().ask(*(Echo(text=name) for _ in range(5)))
    assert server.handle_new_messages(host) == 15
    rounds = [sorted(host.ran[n : n + 3]) for n in range(0, 15, 3)]
    assert rounds == [["a", "b", "c"]] * 5


# Waiting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, -1, 0.01])
def test_waiting_ends_empty_handed(serve: Serve, timeout: float) -> None:
    assert serve().wait(timeout) is False


@pytest.mark.parametrize("timeout", [None, math.inf, 60, 0, -1])
def test_waiting_ends_when_there_is_something(
    serve: Serve, client: Connect, timeout: float | None
) -> None:
    server, asking = serve(), client()
    asking.ask(Echo(text="hello"))
    assert server.wait(timeout) is True
    assert server.wait(timeout) is True, "it was not done yet"
    assert server.handle_new_messages(Host()) == 1
    assert server.wait(0) is False


def test_waiting_ends_for_who_only_connects(serve: Serve, client: Connect) -> None:
    server = serve()
    client()
    assert server.wait(60) is True
    server.handle_new_messages(Host())
    assert server.wait(0) is False
    assert len(server.clients) == 1


def test_waiting_and_a_hang_up(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    answer(server, host, asking, Echo(text="hello"))
    asking.ask(Echo(text="for nobody"))
    assert server.wait(60)
    asking.close()
    for _ in range(3):
        server.handle_new_messages(host)
    assert server.clients == ()
    assert server.wait(0) is False


def test_the_descriptor_tells_in_anothers_loop(serve: Serve, client: Connect) -> None:
    server, host = serve(), Host()
    if not readable(server):
        asking = client()
        assert readable(server)
        server.handle_new_messages(host)
        assert not readable(server)
        asking.ask(Echo(text="hello"))
        assert readable(server)
        server.handle_new_messages(host)
    assert not readable(server)


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


def test_a_response_over_the_limit_is_told_and_logged(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, asking, host = serve(limits=Limits(message_bytes=1000)), client(), Host()
    assert answer(server, host, asking, Big(size=992)) == "x" * 992
    told = answer(server, host, asking, Big(size=993))
    assert isinstance(told, MessageTooLarge)
    assert (told.size_bytes, told.limit_bytes) == (1001, 1000)
    assert len(errors_of(caplog)) == 1
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


# Calls from inside process ------------------------------------------------------------------------


def test_closing_inside_process_answers_first(serve: Serve, client: Connect, path: str) -> None:
    server, asking, other = serve(), client(), client()
    host = Host(close=lambda: server.close() or 7)
    asking.ask(Do(name="close"), Echo(text="never"))
    other.ask(Echo(text="other"))
    assert server.handle_new_messages(host) >= 1
    assert asking.has_ended()
    assert asking.results == {1: 7}
    assert other.has_ended()
    assert "never" not in host.ran
    assert not os.path.lexists(path)
    with pytest.raises(LocalProtocolError):
        server.handle_new_messages(host)


def test_closing_inside_process_of_a_bare_command(serve: Serve, client: Connect) -> None:
    server, asking = serve(ClientCommand, wires=Wire.ALL), client()

    class Closing(list[int]):
        def append(self, number: int) -> None:
            server.close()

    asking.send(bare_request(Push(x=7), ClientCommand))
    assert server.handle_new_messages(Closing()) == 1
    assert asking.has_ended()
    assert bare_response(asking.received, ClientCommand) == Pushed(x=7)


def test_closing_inside_process_has_its_turn_after_a_large_answer(
    serve: Serve, client: Connect
) -> None:
    server, asking = serve(), client()
    host = Host(close=lambda: server.close() or 7)
    asking.ask(Big(size=10**6), Do(name="close"))
    with contextlib.suppress(LocalProtocolError):  # the host's loop, which does not know it yet
        poll(server, host, asking.has_ended)
    asking.pump()
    assert asking.results == {1: "x" * 10**6, 2: 7}


@pytest.mark.parametrize("method", ["handle_new_messages", "wait"])
def test_calling_the_server_from_inside_process(serve: Serve, client: Connect, method: str) -> None:
    server, asking = serve(), client()
    host = Host()
    arguments = (host,) if method == "handle_new_messages" else (0,)
    host.actions["again"] = lambda: getattr(server, method)(*arguments)
    told = answer(server, host, asking, Do(name="again"))
    assert type(told) is RemoteError
    assert told.kind == "LocalProtocolError"
    assert "inside `process`" in told.message
    assert answer(server, host, asking, Echo(text="next")) == "next"


def test_looking_at_the_server_from_inside_process(serve: Serve, client: Connect) -> None:
    server, asking = serve(), client()
    host = Host(look=lambda: len(server.clients) + server.stats.commands)
    assert answer(server, host, asking, Do(name="look")) == 2


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


# Room ---------------------------------------------------------------------------------------------


def test_the_next_ones_wait_until_somebody_leaves(serve: Serve, client: Connect) -> None:
    server, host = serve(limits=Limits(clients=2)), Host()
    inside = [client(), client()]
    for one in inside:
        assert answer(server, host, one, Echo(text="in")) == "in"
    outside = [client(), client()]
    for one in outside:
        one.ask(Echo(text="waited"))
    for _ in range(5):
        server.handle_new_messages(host)
    assert len(server.clients) == 2
    assert not server.wait(0), "those who wait must not keep the host awake"
    assert "waited" not in host.ran
    assert answer(server, host, inside[0], Echo(text="still served")) == "still served"
    for leaving, coming in zip(inside, outside, strict=True):
        leaving.close()
        poll(server, host, lambda one=coming: one.has_result(1))  # type: ignore[misc]
        assert coming.results[1] == "waited"


def test_a_poll_accepts_so_many(serve: Serve, client: Connect) -> None:
    server, host = serve(limits=Limits(accepts_per_poll=3)), Host()
    for _ in range(8):
        client()
    seen = []
    for _ in range(4):
        server.handle_new_messages(host)
        seen.append(len(server.clients))
    assert seen == [3, 6, 8, 8]


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


def test_what_wait_saw_is_looked_at_again(serve: Serve, client: Connect) -> None:
    """Between wait and poll the host works; who hung up meanwhile is not served."""
    server, host = serve(), Host()
    asking = client()
    asking.ask(Echo(text="gone"))
    server.handle_new_messages(host)
    asking.ask(Echo(text="never"))
    assert server.wait(1)
    asking.close()
    server.handle_new_messages(host)
    assert host.ran == ["gone"]


def test_a_slow_host_is_not_the_clients_fault(serve: Serve, client: Connect) -> None:
    """A large message over many polls moves on, however late each poll is."""
    server, host = serve(limits=Limits(half_message_seconds=1e-6)), Host()
    asking = client()
    text = "x" * 3_000_000
    unsent = memoryview(asking.prepare(Echo(text=text)))
    for _ in range(1000):
        unsent = unsent[asking.try_send(unsent[:100_000]) :]
        server.handle_new_messages(host)
        if not unsent:
            break
    assert host.ran == [text]


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
