"""What users test with: commands joined in memory, and a real server that a test polls."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import logging
import math
import os
import re
import select
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyipc import (
    U8,
    Command,
    CommandFailed,
    Disconnected,
    EncodeError,
    HostBusy,
    IpcClient,
    IpcServer,
    Limits,
    LocalProtocolError,
    MessageTooLarge,
    NotPermitted,
    Peer,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
    ServerNotRunning,
    SocketRefused,
    UnexpectedReply,
    Wire,
    client_send,
)
from lazyipc._core.connection.client import ClientConnection
from lazyipc.testing import (
    Call,
    Host,
    HostMaker,
    Joined,
    JoinedClient,
    PendingCallsWarning,
    hosted,
    joined,
)
from tests.harness import ROOT, until
from tests.test_documents import readme_programs

pytest_plugins = ["lazyipc.testing.fixtures"]
pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


# Commands ----------------------------------------------------------------------------------------


class Desk:
    """The context: what ran, in order, and what `Do` does by name."""

    def __init__(self, **actions: Callable[[], Any]) -> None:
        self.ran: list[str] = []
        self.actions = actions


class Job(Command[Desk]):
    """Commands of these tests; all answer with a text, so that they can be spoken bare."""


class Note(Job):
    text: str

    def process(self, context: Desk) -> str:
        context.ran.append(self.text)
        return self.text


class Do(Job, timeout=60):
    name: str

    def process(self, context: Desk) -> str:
        context.ran.append(self.name)
        return str(context.actions[self.name]())


def other_note() -> type[Command[Any]]:
    """A class of the same name, as an older program would have it."""

    class Job(Command[Desk]):
        pass

    class Note(Job):
        text: str
        size: U8 = 0

        def process(self, context: Desk) -> str: ...

    return Note


WIRES = list(Wire)
PIECES = [None, 1, 3]


def fail_with(error: BaseException) -> Callable[[], Any]:
    def action() -> Any:
        raise error

    return action


# The same in memory and over a socket ------------------------------------------------------------

Place = Joined[Desk] | Host[Desk]
MakePlace = Callable[..., Place]


@pytest.fixture(params=["memory", "memory by bytes", "socket"])
def place(request: pytest.FixtureRequest, ipc_server: HostMaker) -> Iterator[MakePlace]:
    """Makes what commands are sent to; each test that uses it holds the three to one behaviour."""
    with ExitStack() as stack:

        def make(desk: Desk, **settings: Any) -> Place:
            if request.param == "socket":
                return ipc_server(Job, desk, **settings)
            pieces = 1 if request.param == "memory by bytes" else None
            return stack.enter_context(joined(Job, desk, pieces=pieces, **settings))

        yield make


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_command_is_run_and_answered(place: MakePlace, wire: Wire) -> None:
    desk = Desk()
    host = place(desk, wires=Wire.ALL)
    assert host.send(Note(text="größe"), wire=wire) == "größe"
    assert host.send(Note(text="x" * 20_000), wire=wire) == "x" * 20_000
    assert desk.ran == ["größe", "x" * 20_000]


def test_calls_wait_for_the_poll_and_run_in_order(place: MakePlace) -> None:
    desk = Desk()
    host = place(desk)
    calls = [host.submit(Note(text=text)) for text in "abc"]
    assert not any(call.done() for call in calls)
    assert desk.ran == []
    assert host.poll() == 3
    assert [call.done() for call in calls] == [True] * 3
    assert [call.result() for call in calls] == desk.ran == ["a", "b", "c"]
    assert host.poll() == 0


def test_a_budget_leaves_the_rest_for_the_next_poll(place: MakePlace) -> None:
    desk = Desk()
    host = place(desk)
    calls = [host.submit(Note(text=text)) for text in "abc"]
    assert host.poll(max_messages=2) == 2
    assert desk.ran == ["a", "b"]
    assert [call.done() for call in calls] == [True, True, False]
    assert host.poll() == 1
    assert calls[2].result() == "c"


@pytest.mark.parametrize(
    ("raised", "type_", "text"),
    [
        (CommandFailed("no such player"), CommandFailed, "no such player"),
        (ValueError("oh"), RemoteError, "ValueError: oh"),
    ],
    ids=["expected", "not expected"],
)
def test_what_process_raises_reaches_the_client(
    place: MakePlace,
    caplog: pytest.LogCaptureFixture,
    raised: Exception,
    type_: type[RemoteError],
    text: str,
) -> None:
    host = place(Desk(do=fail_with(raised)))
    with pytest.raises(RemoteError) as caught:
        host.send(Do(name="do"))
    assert (type(caught.value), str(caught.value)) == (type_, text)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert bool(told) == (type_ is RemoteError)
    assert all("Do.process failed" in record.getMessage() for record in told)
    assert host.send(Note(text="goes on")) == "goes on"


def test_permission_is_asked_with_the_peer_and_the_command(place: MakePlace) -> None:
    asked: list[tuple[Peer, object]] = []

    def authorize(peer: Peer, command: object) -> bool:
        asked.append((peer, command))
        return command == Note(text="please")

    desk = Desk()
    host = place(desk, authorize=authorize)
    assert host.send(Note(text="please")) == "please"
    with pytest.raises(NotPermitted, match="Note is not permitted"):
        host.send(Note(text="now"))
    assert desk.ran == ["please"]
    peer, command = asked[1]
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
    assert command == Note(text="now")


def test_a_client_with_other_classes_is_told_the_difference(place: MakePlace) -> None:
    host = place(Desk())
    with pytest.raises(SchemaMismatch, match="size") as caught:
        host.send(other_note()(text="old"))  # type: ignore[call-arg]
    assert "Note was not run" in caught.value.difference


def test_a_value_that_does_not_fit_is_not_sent(place: MakePlace) -> None:
    host = place(Desk())
    with pytest.raises(EncodeError):
        host.send(Note.model_construct(text=5))
    with pytest.raises(SchemaError):
        host.send(Desk())  # type: ignore[arg-type]
    host.poll()
    assert (host if isinstance(host, Joined) else host.server).stats.accepted == 0


def test_a_reply_of_another_type_is_told() -> None:
    class Wrong(Command[Desk]):
        def process(self, context: Desk) -> str:
            return 5  # type: ignore[return-value]

    with joined(Wrong, Desk()) as link, pytest.raises(UnexpectedReply):
        link.send(Wrong())


def test_limits_hold(place: MakePlace) -> None:
    desk = Desk(big=lambda: "x" * 2000)
    host = place(desk, limits=Limits(message_bytes=1000))
    with pytest.raises(MessageTooLarge, match="1000"):
        host.send(Do(name="big"))
    with pytest.raises((MessageTooLarge, RemoteProtocolError)):
        host.send(Note(text="x" * 2000))
    assert desk.ran == ["big"]


@pytest.mark.parametrize(("wire", "wires"), list(itertools.permutations(WIRES, 2)), ids=str)
def test_a_wire_that_is_not_spoken_is_refused(place: MakePlace, wires: Wire, wire: Wire) -> None:
    host = place(Desk(), wires=wires)
    with pytest.raises((RemoteProtocolError, Disconnected)) as caught:
        host.send(Note(text="what"), wire=wire)
    if isinstance(host, Host) and isinstance(caught.value, Disconnected):
        assert caught.value.started == "unknown", "the server read it, and closed"
    assert host.send(Note(text="yes"), wire=wires) == "yes"


def test_a_call_without_time_is_not_sent(place: MakePlace) -> None:
    desk = Desk()
    host = place(desk)
    with pytest.raises(ReplyTimeout) as caught:
        host.send(Note(text="never"), timeout=0)
    assert caught.value.started == "no"
    host.poll()
    assert desk.ran == []
    assert (host if isinstance(host, Joined) else host.server).stats.rejected == 0
    with pytest.raises(ValueError, match="timeout must be a number of seconds from 0"):
        host.send(Note(text="never"), timeout=-1)


def test_what_is_no_exception_reaches_the_host_after_the_client_was_told(place: MakePlace) -> None:
    host = place(Desk(leave=fail_with(SystemExit(3))))
    call = host.submit(Do(name="leave"))
    after = host.submit(Note(text="after"))
    with pytest.raises(SystemExit):
        host.poll()
    with pytest.raises(RemoteError, match="SystemExit: 3"):
        call.result()
    assert after.result() == "after"


def test_its_client_is_served_on_after_that() -> None:
    desk = Desk(leave=fail_with(KeyboardInterrupt()))
    with joined(Job, desk) as link, link.client() as client:
        client.submit(Do(name="leave"))
        call = client.submit(Note(text="a"))
        with pytest.raises(KeyboardInterrupt):
            link.poll()
        assert call.result() == "a"


def test_a_command_can_neither_poll_nor_wait_for_its_own_host(place: MakePlace) -> None:
    desk = Desk(poll=lambda: host.poll())
    host = place(desk)
    with pytest.raises(RemoteError, match="from inside `process`"):
        host.send(Do(name="poll"))
    if isinstance(host, Joined):
        desk.actions["send"] = lambda: host.send(Note(text="loop"))
        with pytest.raises(RemoteError, match="its own host"):
            host.send(Do(name="send"))


def test_a_server_closed_by_its_command_answers_it_first(place: MakePlace) -> None:
    desk = Desk(close=lambda: (host if isinstance(host, Joined) else host.server).close())
    host = place(desk)
    assert host.send(Do(name="close")) == "None"
    with pytest.raises(ServerNotRunning):
        host.send(Note(text="late"))
    with pytest.raises(LocalProtocolError, match="closed"):
        host.poll()


def test_a_closed_server_ends_calls_that_wait(place: MakePlace) -> None:
    host = place(Desk())
    call = host.submit(Note(text="never"))
    (host if isinstance(host, Joined) else host.server).close()
    with pytest.raises(Disconnected) as caught:
        call.result()
    assert caught.value.started == "no"


def test_the_counts_are_the_servers(place: MakePlace) -> None:
    host = place(Desk(do=fail_with(ValueError())))
    host.send(Note(text="a"))
    with pytest.raises(RemoteError):
        host.send(Do(name="do"))
    with pytest.raises(SchemaMismatch):
        host.send(other_note()(text="old"))  # type: ignore[call-arg]
    stats = (host if isinstance(host, Joined) else host.server).stats
    assert (stats.commands, stats.failed, stats.rejected, stats.accepted) == (2, 1, 1, 3)
    assert stats.received_bytes > 100
    assert stats.sent_bytes > 100


# In memory ---------------------------------------------------------------------------------------


def test_the_settings_are_those_of_a_server() -> None:
    ours = inspect.signature(joined).parameters
    hosts = inspect.signature(hosted).parameters
    makers = inspect.signature(HostMaker.__call__).parameters
    for name, parameter in inspect.signature(IpcServer).parameters.items():
        for taken in (ours, hosts, makers):
            if name in taken and name != "command":
                assert taken[name].default == parameter.default, name
    for send in (Joined.send, Host.send):
        for name in ("timeout", "wire"):
            default = inspect.signature(client_send).parameters[name].default
            assert inspect.signature(send).parameters[name].default is default


def test_a_client_fits_where_an_ipc_client_is_wanted() -> None:
    for name in ("send", "send_many"):
        assert (
            inspect.signature(getattr(JoinedClient, name)).parameters
            == inspect.signature(getattr(IpcClient, name)).parameters
        )
    public = {name for name in vars(IpcClient) if not name.startswith("_")}
    assert public <= set(dir(JoinedClient))


def test_time_stands_still_until_told() -> None:
    with joined(Job, Desk(), poll_every=math.inf) as link:
        assert link.time() == 0
        link.advance(2.5)
        link.advance(0)
        assert link.time() == 2.5
        for wrong in (-1, math.inf, math.nan):
            with pytest.raises(ValueError, match="time passes"):
                link.advance(wrong)
        for negative in (-1.0, math.nan):
            with pytest.raises(ValueError, match="poll_every"):
                joined(Job, Desk(), poll_every=negative)
        for pieces in (0, -1):
            with pytest.raises(ValueError, match="pieces"):
                joined(Job, Desk(), pieces=pieces)


def test_a_deadline_ends_at_its_moment_and_the_command_is_not_run() -> None:
    desk = Desk()
    with joined(Job, desk) as link, link.client() as client:
        link.poll()
        in_time = client.submit(Note(text="in time"), timeout=3)
        late = client.submit(Note(text="late"), timeout=2)
        link.advance(1.999_999_999)
        assert not late.done()
        link.advance(0.000_000_001)
        assert late.done()
        assert not in_time.done()
        assert link.poll() == 1
        assert desk.ran == ["in time"]
        assert in_time.result() == "in time"
        with pytest.raises(HostBusy) as caught:
            late.result()
        assert caught.value.started == "no"
        assert link.stats.expired == link.stats.rejected == 1
        assert client.send(Note(text="goes on")) == "goes on"


def test_a_command_in_its_last_nanosecond_is_run() -> None:
    desk = Desk()
    with joined(Job, desk) as link:
        call = link.submit(Note(text="a"), timeout=2)
        link.advance(1.999_999_999)
        assert (link.poll(), call.result()) == (1, "a")


def test_a_busy_host_is_told_from_a_slow_command() -> None:
    desk = Desk(slow=lambda: link.advance(90))
    with joined(Job, desk, poll_every=20) as link:
        with pytest.raises(HostBusy) as busy:
            link.send(Note(text="a"), timeout=12)
        assert busy.value.last_poll_seconds == 12
        assert busy.value.interval is None
        assert "alive" in str(busy.value)
        with pytest.raises(ReplyTimeout) as slow:
            link.send(Do(name="slow"))  # whose own timeout is 60 s
        assert type(slow.value) is ReplyTimeout
        assert slow.value.started == "unknown"
        assert link.time() == 20 + 90
        with pytest.raises(HostBusy) as again:
            link.send(Note(text="b"), timeout=5)
        assert again.value.interval is None
        link.send(Note(text="c"), timeout=20)
        link.advance(1)
        with pytest.raises(HostBusy) as known:
            link.send(Note(text="d"), timeout=5)
        assert known.value.interval == 100
        assert desk.ran == ["slow", "c"]


def test_a_host_that_polls_seldom_answers_at_its_next_poll() -> None:
    desk = Desk()
    with joined(Job, desk, poll_every=2) as link:
        assert link.send(Note(text="a")) == "a"
        assert link.time() == 2
        call = link.submit(Note(text="b"))
        link.advance(1.9)
        assert not call.done()
        link.advance(0.2)
        assert call.done()
        assert link.time() == 4.1
        assert link.stats.polls == 2
        link.advance(10)
        assert link.stats.polls == 7
        call = link.submit(Note(text="c"))
        assert link.poll() == 1  # by hand, between
        assert (call.result(), link.time()) == ("c", 14.1)


def test_a_deadline_at_a_poll_comes_first_and_the_poll_is_made_up_for() -> None:
    desk = Desk()
    with joined(Job, desk, poll_every=2) as link:
        with pytest.raises(HostBusy):
            link.send(Note(text="a"), timeout=2)
        assert link.stats.polls == 0
        link.advance(0)
        assert link.stats.polls == 1
        assert desk.ran == []


def test_a_host_that_only_polls_by_hand_leaves_clients_to_their_deadline() -> None:
    with joined(Job, Desk(), poll_every=math.inf) as link:
        with pytest.raises(HostBusy, match="no reply within 5 s"):
            link.send(Note(text="a"))
        assert link.time() == 5
        with pytest.raises(LocalProtocolError, match="would wait for ever"):
            link.send(Note(text="a"), timeout=math.inf)
        link.poll()


def test_a_command_may_take_time() -> None:
    desk = Desk(slow=lambda: link.advance(0.02))
    with joined(Job, desk) as link:
        calls = [link.submit(command) for command in (Do(name="slow"), Note(text="b"))]
        assert link.poll() == 1, "10 ms are used up"
        assert link.poll(max_seconds=0) == 1, "the first is always begun"
        assert [call.result() for call in calls] == ["None", "b"]
        assert link.stats.deferred == 1
        calls = [link.submit(command) for command in (Do(name="slow"), Note(text="c"))]
        assert link.poll(max_seconds=1) == 2
        calls = [link.submit(Do(name="slow")), link.submit(Note(text="d"), timeout=0.01)]
        assert link.poll(max_seconds=1) == 1
        with pytest.raises(ReplyTimeout):
            calls[1].result()
        assert "d" not in desk.ran


def test_a_command_that_outlasts_the_next_poll_delays_it() -> None:
    desk = Desk(slow=lambda: link.advance(5))
    with joined(Job, desk, poll_every=2) as link:
        call = link.submit(Do(name="slow"))
        link.advance(2)
        assert (call.done(), link.time()) == (True, 7)
        link.advance(0.9)
        assert link.stats.polls == 1
        link.advance(0.1)
        assert link.stats.polls == 2


def test_clients_take_turns() -> None:
    desk = Desk()
    with joined(Job, desk) as link, link.client() as first, link.client() as second:
        calls = [first.submit(Note(text=f"first {number}")) for number in range(3)]
        calls.append(second.submit(Note(text="second")))
        assert link.poll() == 4
        assert desk.ran == ["first 0", "second", "first 1", "first 2"]
        assert len(link.clients) == 2


def test_a_client_that_hangs_up_before_its_turn_is_not_served() -> None:
    desk = Desk()
    with joined(Job, desk) as link:
        with link.client() as client:
            client.send(Note(text="here"))
            call = client.submit(Note(text="gone"))
        with pytest.raises(LocalProtocolError, match="closed before"):
            call.result()
        with pytest.raises(LocalProtocolError, match="client is closed"):
            client.send(Note(text="again"))
        assert link.poll() == 0
        assert desk.ran == ["here"]
        assert link.clients == ()


def test_a_client_that_hangs_up_while_its_command_runs_gets_no_answer() -> None:
    desk = Desk(leave=lambda: client.close())
    with joined(Job, desk) as link:
        client = link.client()
        calls = [client.submit(Do(name="leave")), client.submit(Note(text="never"))]
        other = link.submit(Note(text="other"))
        assert link.poll() == 2
        assert link.poll() == 0
        assert desk.ran == ["leave", "other"]
        assert other.result() == "other"
        for call in calls:
            with pytest.raises(LocalProtocolError, match="closed before"):
                call.result()


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_closing_a_client_ends_all_its_connections(wire: Wire) -> None:
    desk = Desk()
    with joined(Job, desk, wires=Wire.ALL) as link:
        with link.client(wire=wire) as client:
            client.submit(Note(text="a"))
            client.submit(Note(text="b"))
        assert link.poll() == 0
        assert desk.ran == []


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_late_answer_is_never_taken_for_another(wire: Wire) -> None:
    desk = Desk(slow=lambda: link.advance(10))
    with joined(Job, desk, wires=Wire.ALL) as link:
        client = link.client(wire=wire, timeout=5)
        with pytest.raises(ReplyTimeout):
            client.send(Do(name="slow"))
        assert client.is_connected == (wire is Wire.FRAMED)
        assert client.send(Note(text="next")) == "next"


def test_what_comes_piece_by_piece_is_read_piece_by_piece() -> None:
    with joined(Job, Desk(), pieces=1) as link, link.client() as client:
        calls = [client.submit(Note(text=text)) for text in "ab"]
        assert [link.poll(), link.poll()] == [1, 1], "a poll reads on within a message only"
        assert [call.done() for call in calls] == [True, True]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_client_keeps_its_connection_where_the_wire_lets_it(
    wire: Wire, pieces: int | None
) -> None:
    desk = Desk()
    with joined(Job, desk, wires=Wire.ALL, pieces=pieces) as link:
        client = link.client(wire=wire)
        assert not client.is_connected
        calls = [client.submit(Note(text=text)) for text in "ab"]
        assert [call.result() for call in calls] == ["a", "b"]
        assert client.send_many(Note(text=text) for text in "cd") == ["c", "d"]
        assert client.is_connected == (wire is not Wire.BARE)
        assert link.stats.accepted == (4 if wire is Wire.BARE else 1)
        client.close()
        client.close()
        assert desk.ran == list("abcd")


def test_send_many_gives_errors_in_their_places() -> None:
    with joined(Job, Desk(no=fail_with(CommandFailed("no")))) as link, link.client() as client:
        batch = [Note(text="a"), Do(name="no"), Note.model_construct(text=5), Note(text="b")]
        outcomes = client.send_many(batch, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [str, CommandFailed, EncodeError, str]
        with pytest.raises(CommandFailed):
            client.send_many(batch)
        assert client.send_many([]) == []


def test_a_client_connects_again_when_its_connection_has_ended() -> None:
    with joined(Job, Desk(), limits=Limits(half_message_seconds=30)) as link:
        client = link.client()
        client.write(b"\xffL\x01")
        link.poll()
        link.advance(29.9)
        link.poll()
        assert client.is_connected
        link.advance(0.1)
        link.poll()
        assert not client.is_connected
        assert link.stats.too_slow == link.stats.dropped == 1
        assert client.send(Note(text="back")) == "back"
        assert link.stats.accepted == 2


@pytest.mark.parametrize("pieces", PIECES)
def test_a_request_may_come_in_two_halves(pieces: int | None) -> None:
    desk = Desk()
    with joined(Job, desk, pieces=pieces) as link, link.client() as client:
        data = ClientConnection().request(1, Note(text="a"), None, None)
        client.write(data[:20])
        assert link.poll() == 0
        client.write(data[20:])
        assert link.poll() == 1
        assert desk.ran == ["a"]


def test_garbage_ends_that_client_only(caplog: pytest.LogCaptureFixture) -> None:
    with joined(Job, Desk()) as link, link.client() as bad, link.client() as good:
        waiting = good.submit(Note(text="a"))
        bad.write(b"GET / HTTP/1.1\r\n\r\n")
        link.poll()
        assert not bad.is_connected
        assert waiting.result() == "a"
        assert link.stats.dropped == 1
        assert "<joined Job>: closed the client of pid" in caplog.text


def test_as_many_clients_as_the_limit_allows() -> None:
    with joined(Job, Desk(), limits=Limits(clients=2)) as link:
        clients = [link.client() for _ in range(3)]
        calls = [client.submit(Note(text="a")) for client in clients]
        assert link.poll() == 2
        assert link.poll() == 0
        assert link.stats.pauses == 1
        with pytest.raises(ReplyTimeout):
            link.send(Note(text="b"), timeout=1)
        clients[0].close()
        link.poll()
        assert link.poll() == 1
        assert calls[2].result() == "a"
        link.poll()


def test_accepting_is_spread_over_polls() -> None:
    with joined(Job, Desk(), limits=Limits(accepts_per_poll=2)) as link:
        calls = [link.submit(Note(text="a")) for _ in range(3)]
        assert [link.poll(), link.poll()] == [2, 1]
        assert all(call.done() for call in calls)


def test_users_are_told_apart() -> None:
    def authorize(peer: Peer, command: object) -> bool:
        return peer == Peer(7, 0, 8, Wire.FRAMED)

    with joined(Job, Desk(), authorize=authorize, uid=1000) as link:
        assert link.client(pid=7, uid=0, gid=8).send(Note(text="root")) == "root"
        with pytest.raises(NotPermitted):
            link.client(pid=7, gid=8).send(Note(text="own"))
        with pytest.raises(SocketRefused, match="of uid 1000, the client of 1001"):
            link.client(uid=1001).send(Note(text="other"))
        link.poll()
        assert [peer.uid for peer in link.clients] == [0, 1000]
        assert {peer.wire for peer in link.clients} == {Wire.FRAMED}


def test_the_context_can_be_changed() -> None:
    first, second = Desk(), Desk()
    with joined(Job, first) as link:
        link.send(Note(text="a"))
        link.context = second
        link.send(Note(text="b"))
        assert (first.ran, link.context.ran) == (["a"], ["b"])


def test_what_the_log_holds_back_follows_the_tests_clock(caplog: pytest.LogCaptureFixture) -> None:
    with joined(Job, Desk(do=fail_with(ValueError()))) as link:
        for _ in range(15):
            with pytest.raises(RemoteError):
                link.send(Do(name="do"))
        assert len(caplog.records) == 10
        assert link.stats.unlogged == 5
        link.advance(10)
        for _ in range(11):
            with pytest.raises(RemoteError):
                link.send(Do(name="do"))
        assert "5 more like it" in caplog.text
    assert "1 records about clients were not logged" in caplog.text


def test_unanswered_calls_are_told_when_the_test_ends() -> None:
    link = joined(Job, Desk())
    call = link.submit(Note(text="a"))
    link.submit(Note(text="b"), timeout=1)
    link.advance(1)
    with link.client() as client:
        client.submit(Note(text="c"))
    with pytest.warns(PendingCallsWarning, match=r"with 1 unanswered: Note\(text='a'\)"):
        link.__exit__(None, None, None)
    assert repr(call) == "<Call Note(text='a'): failed>"


def test_a_failing_test_says_more_than_a_warning() -> None:
    link = joined(Job, Desk())
    link.submit(Note(text="a"))
    link.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    with pytest.raises(ServerNotRunning):
        link.send(Note(text="b"))


def test_a_set_of_one_can_be_joined() -> None:
    class Ping(Command[None]):
        x: U8

        def process(self, context: None) -> bool:
            return True

    with joined(Ping, None) as link:
        assert link.send(Ping(x=1)) is True
    with joined(Ping, None, wires=Wire.BARE) as link:
        assert link.send(Ping(x=1), wire=Wire.BARE) is True
    with pytest.raises(SchemaError, match="set of one"):
        joined(Ping, None, wires=Wire.ALL)


@pytest.mark.parametrize("pieces", PIECES)
def test_an_answer_of_no_bytes_is_complete_when_the_stream_ends(pieces: int | None) -> None:
    class Stop(Command[list[int]]):
        x: U8

        def process(self, context: list[int]) -> None:
            context.append(self.x)

    stopped: list[int] = []
    with joined(Stop, stopped, wires=Wire.BARE, pieces=pieces) as link:
        link.send(Stop(x=1), wire=Wire.BARE)
    assert stopped == [1]


steps = st.one_of(
    st.tuples(st.just("submit"), st.integers(0, 3), st.sampled_from([0.5, 1.0, 2.0, 60.0])),
    st.tuples(st.just("alone"), st.sampled_from([0.5, 1.0, 2.0, 60.0])),
    st.tuples(st.just("advance"), st.sampled_from([0.25, 0.5, 1.0])),
    st.tuples(st.just("poll"), st.integers(1, 3)),
    st.tuples(st.just("slow"), st.integers(0, 3)),
    st.tuples(st.just("close"), st.integers(0, 3)),
)


@settings(max_examples=150, deadline=None)
@given(
    script=st.lists(steps, max_size=30),
    wire=st.sampled_from(WIRES),
    pieces=st.sampled_from(PIECES),
    poll_every=st.sampled_from([0.0, 0.75, math.inf]),
)
def test_whatever_happens_each_call_gets_its_own_answer_or_none(
    script: list[Any], wire: Wire, pieces: int | None, poll_every: float
) -> None:
    """Commands run once at most, never for nobody, and no call outlives its deadline."""
    desk = Desk(slow=lambda: link.advance(0.75))
    calls: dict[str, tuple[Call[str], float]] = {}
    gone_at: dict[str, float] = {}
    ran_at: dict[str, float] = {}

    class Noting(list[str]):
        def append(self, text: str) -> None:
            assert text == "slow" or text not in ran_at
            ran_at[text] = link.time()
            super().append(text)

    desk.ran = Noting()
    with joined(Job, desk, wires=wire, pieces=pieces, poll_every=poll_every) as link:
        clients = [link.client(wire=wire) for _ in range(4)]
        of_client: dict[int, list[str]] = {number: [] for number in range(4)}
        for position, (kind, *values) in enumerate(script):
            text = f"note {position}"
            if kind == "submit":
                number, timeout = values
                call = clients[number].submit(Note(text=text), timeout=timeout)
                calls[text] = call, link.time() + timeout
                of_client[number].append(text)
            elif kind == "slow":
                clients[values[0]].submit(Do(name="slow"))
            elif kind == "alone":
                call = link.submit(Note(text=text), timeout=values[0], wire=wire)
                calls[text] = call, link.time() + values[0]
            elif kind == "advance":
                link.advance(values[0])
            elif kind == "poll":
                link.poll(max_messages=values[0])
            else:
                clients[values[0]].close()
                for text in of_client[values[0]]:
                    gone_at.setdefault(text, link.time())
                clients[values[0]], of_client[values[0]] = link.client(wire=wire), []
        link.advance(100)
        while link.poll():
            pass
        for text, (call, deadline) in calls.items():
            assert call.done()
            at = ran_at.get(text)
            if at is not None:
                assert at < deadline
                assert at <= gone_at.get(text, math.inf)
            try:
                assert call.result() == text
                assert at is not None
            except (ReplyTimeout, Disconnected, LocalProtocolError):
                pass


# A real server -----------------------------------------------------------------------------------


def test_a_host_is_private_and_leaves_nothing_behind() -> None:
    with hosted(Job, Desk()) as host:
        assert os.stat(host.path).st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(host.path)).st_mode & 0o777 == 0o700
        assert len(host.path) < 60 or "TMPDIR" in os.environ
        folder = os.path.dirname(host.path)
    assert not os.path.exists(folder)
    host.close()


def test_code_that_blocks_is_served_while_the_host_runs(ipc_server: HostMaker) -> None:
    desk = Desk()
    host = ipc_server(Job, desk)
    with host.running():
        assert client_send(Note(text="a"), host.path) == "a"
        with IpcClient(host.path) as client:
            assert client.send_many([Note(text="b"), Note(text="c")]) == ["b", "c"]
        assert host.send(Note(text="d")) == "d"
        for wrong in (host.poll, host.running().__enter__):
            with pytest.raises(LocalProtocolError):
                wrong()
    assert host.send(Note(text="e")) == "e"
    assert desk.ran == list("abcde")


def test_what_ends_the_loop_of_a_running_host_reaches_the_test(ipc_server: HostMaker) -> None:
    host = ipc_server(Job, Desk(leave=fail_with(SystemExit(3))))
    with pytest.raises(SystemExit), host.running(), pytest.raises(RemoteError):
        client_send(Do(name="leave"), host.path)
    with pytest.raises(SystemExit) as caught, host.running():
        client_send(Do(name="leave"), host.path)
    assert isinstance(caught.value.__cause__, RemoteError)
    host.poll()
    assert host.send(Note(text="goes on")) == "goes on"


CLIENT = """
import sys
sys.path.insert(0, {root!r})
from lazyipc import IpcClient
from tests.test_testing import Note
with IpcClient({path!r}) as client:
    for text in sys.argv[1:]:
        print(client.send(Note(text=text)) * 70000)
sys.exit(4)
"""


def start(host: Host[Desk], program: str, *words: str) -> subprocess.Popen[str]:
    program = program.format(root=str(ROOT), path=host.path)
    command = [sys.executable, "-c", program, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_process_is_served_until_it_ends(ipc_server: HostMaker) -> None:
    """It writes more than a pipe takes: somebody must read while polling."""
    desk = Desk()
    host = ipc_server(Job, desk)
    done = host.serve_until(start(host, CLIENT, "a", "b"))
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout == "a" * 70000 + "\n" + "b" * 70000 + "\n"
    assert desk.ran == ["a", "b"]


def test_a_process_that_goes_on_is_killed(ipc_server: HostMaker) -> None:
    host = ipc_server(Job, Desk())
    process = start(host, "import signal; print('begun', flush=True); signal.pause()")
    with pytest.raises(subprocess.TimeoutExpired):
        host.serve_until(process, timeout=0.05)
    assert process.returncode == -9


def test_a_real_host_that_does_not_poll_is_busy(ipc_server: HostMaker) -> None:
    desk = Desk()
    host = ipc_server(Job, desk)
    select.poll().poll(5)  # the time that the page cannot tell from the last poll
    call = host.submit(Note(text="a"), timeout=0.005)
    select.poll().poll(10)
    assert host.poll() == 0
    with pytest.raises(HostBusy, match="has not polled") as caught:
        call.result()
    assert caught.value.started == "no"
    assert desk.ran == []


def test_what_a_real_host_has_read_may_have_run(ipc_server: HostMaker) -> None:
    host = ipc_server(Job, Desk())
    call = host.submit(Note(text="a"), timeout=0.5)
    until(call.done, lambda: host.poll(max_messages=0))
    with pytest.raises(ReplyTimeout, match="whether it ran is not known") as caught:
        call.result()
    assert type(caught.value) is ReplyTimeout
    assert caught.value.started == "unknown"


def test_unanswered_calls_of_a_host_are_told() -> None:
    with pytest.warns(PendingCallsWarning, match="Note"), hosted(Job, Desk()) as host:
        host.submit(Note(text="a"))


def test_another_selector_can_be_used(ipc_server: HostMaker) -> None:
    import selectors

    host = ipc_server(Job, Desk(), selector=selectors.SelectSelector())
    assert host.send(Note(text="a")) == "a"
    with host.running():
        assert client_send(Note(text="b"), host.path) == "b"


# As users have it --------------------------------------------------------------------------------


@pytest.fixture
def training(tmp_path: Path) -> types.ModuleType:
    """The README's command set."""
    path = tmp_path / "readme_commands.py"
    path.write_text(readme_programs()["commands.py"])
    spec = importlib.util.spec_from_file_location("readme_commands", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["readme_commands"] = module
    spec.loader.exec_module(module)
    return module


def test_the_readmes_commands(training: types.ModuleType) -> None:
    state = training.Training()
    with joined(training.Order, state) as link:
        state.step = 7
        assert link.send(training.SetRate(lr=1e-4)) == training.Progress(step=7, lr=1e-4)
        with pytest.raises(CommandFailed, match=r"a learning rate of 7\.0 makes no sense"):
            link.send(training.SetRate(lr=7.0))
        assert state.lr == 1e-4
        assert link.send(training.Stop()) == training.Stopping()
        assert not state.running


def programs_of(document: str) -> dict[str, str]:
    """The Python blocks of a document by the file name their paragraph gives them."""
    text = (ROOT / "docs" / document).read_text()
    return dict(re.findall(r"`(\w+\.py)`[^`]*:\n\n```python\n(.*?)```", text, re.DOTALL))


def run_pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """pytest as a user runs it, in a process and a folder of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50
    )


def test_the_tests_of_the_document_run(tmp_path: Path) -> None:
    programs = programs_of("testing.md")
    assert set(programs) == {"conftest.py", "test_steering.py"}
    for name, source in {**readme_programs(), **programs}.items():
        (tmp_path / name).write_text(source)
    done = run_pytest(tmp_path, "-W", "error")
    count = programs["test_steering.py"].count("def test_")
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr


def test_a_failing_test_is_cleaned_up_after(tmp_path: Path) -> None:
    """And the plugin loads nothing until it is used."""
    (tmp_path / "conftest.py").write_text(
        textwrap.dedent("""
        pytest_plugins = ["lazyipc.testing.fixtures"]
        """)
    )
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import os, sys
        LOADED = sorted(name for name in sys.modules if name.startswith(("pydantic", "lazyipc")))
        TESTING = ["lazyipc.testing", "lazyipc.testing.fixtures"]
        paths = []
        def test_loads_little():
            assert LOADED == ["lazyipc", "lazyipc._version", *TESTING]
        def test_fails(ipc_server):
            from lazyipc import Command
            class Ping(Command[None]):
                def process(self, context: None) -> bool: ...
            for _ in range(2):
                host = ipc_server(Ping, None)
                host.submit(Ping())
                paths.append(host.path)
            assert os.path.exists(host.path) and False
        def test_nothing_is_left():
            assert paths and not any(map(os.path.exists, paths))
        """)
    )
    done = run_pytest(tmp_path)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "PendingCallsWarning: the test ended with 1 unanswered: Ping()" in done.stdout


class Leave(Command[object]):
    """A command that ends the server, as one of a host may."""

    def process(self, context: IpcServer[object]) -> bool:
        context.close()
        return True


def test_a_host_that_a_command_closes_ends_quietly() -> None:
    with hosted(Leave, None) as host:
        host.context = host.server
        with host.running():
            assert client_send(Leave(), host.path)
        assert host.server.is_closed
