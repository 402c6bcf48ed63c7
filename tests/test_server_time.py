"""IpcServer and time: budgets, turns, deadlines, who is gone, waiting, and the end.

Where a moment decides, the server's clock stands still and a test moves it.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import select
import signal
import socket

import pytest

from examples.simple.commands import Add, ClientCommand, Push, Pushed, Sum
from lazyipc import (
    IpcServer,
    Limits,
    LocalProtocolError,
    RemoteError,
    ReplyTimeout,
    Wire,
)
from lazyipc._core.framing import NEVER_NS
from lazyipc._io.clock import clock_identity
from lazyipc._io.status_page import BUSY_GAP_NS, IDLE_POLLS, read_status
from lazyipc._session import Session
from tests.conftest import Connect, Serve, StopClock, patient
from tests.harness import (
    UNKNOWN_CLOCK,
    Big,
    Do,
    Echo,
    Host,
    Line,
    RawClient,
    answer,
    bare_request,
    bare_response,
    forked,
    is_well,
    poll,
    readable,
    request,
    until,
)

pytestmark = [pytest.mark.usefixtures("no_descriptor_leak"), pytest.mark.every_selector]

OURS = clock_identity()


def spin() -> int:
    """A command that takes longer than a poll may."""
    return len(select.poll().poll(2))


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


@pytest.mark.parametrize("early_ns", [-1, 0, 1, 10**9])
def test_our_clocks_instant_counts_to_the_nanosecond(
    serve: Serve, client: Connect, stop_clock: StopClock, early_ns: int
) -> None:
    server, host, asking = serve(), Host(), client()
    clock = stop_clock(server)
    command = Echo(text="now or never")
    asking.prepare(command)
    asking.send(request(command, clock=OURS, deadline_ns=clock.now_ns + early_ns, left_ns=0))
    assert server.handle_new_messages(host) == (early_ns > 0)
    assert asking.has_result(1)
    assert isinstance(asking.results[1], ReplyTimeout) == (early_ns <= 0)
    assert (server.stats.expired, server.stats.rejected) == (early_ns <= 0, early_ns <= 0)
    assert server.stats.commands == (early_ns > 0)


@pytest.mark.parametrize("identity", [b"elsewise", UNKNOWN_CLOCK], ids=["another", "unknown"])
@pytest.mark.parametrize("early_ns", [-1, 0, 1])
def test_another_clocks_time_left_counts_from_reading_to_the_nanosecond(
    serve: Serve, client: Connect, stop_clock: StopClock, identity: bytes, early_ns: int
) -> None:
    server, host, asking = serve(), Host(), client()
    clock = stop_clock(server)
    asking.prepare(Echo(text="first"), Echo(text="second"))
    for call, text in ((1, "first"), (2, "second")):
        asking.send(request(Echo(text=text), call, clock=identity, deadline_ns=1, left_ns=10**9))
    clock.advance_ns(10**12)  # unread, in the kernel
    assert server.handle_new_messages(host, max_messages=1) == 1
    clock.advance_ns(10**9 - early_ns)  # read, in the queue
    assert server.handle_new_messages(host) == (early_ns > 0)
    assert asking.has_result(2)
    assert isinstance(asking.results[2], ReplyTimeout) == (early_ns <= 0)
    assert server.stats.expired == (early_ns <= 0)


def test_our_clocks_instant_counts_in_the_kernels_queue_too(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    server, host, asking = serve(), Host(), client()
    clock = stop_clock(server)
    late = clock.now_ns + 10**9
    asking.send(request(Echo(text="late"), clock=OURS, deadline_ns=late, left_ns=10**9))
    clock.advance_ns(10**9)
    assert server.handle_new_messages(host) == 0
    assert server.stats.expired == 1


@pytest.mark.parametrize(
    ("identity", "deadline_ns", "left_ns", "runs"),
    [
        (OURS, NEVER_NS, 0, True),
        (b"elsewise", 0, NEVER_NS, True),
        (UNKNOWN_CLOCK, 0, NEVER_NS, True),
        (OURS, 0, NEVER_NS, False),
        (b"elsewise", NEVER_NS, 0, False),
        (UNKNOWN_CLOCK, NEVER_NS, 0, False),
    ],
)
def test_no_deadline_and_no_time_in_the_field_that_counts(
    serve: Serve, client: Connect, identity: bytes, deadline_ns: int, left_ns: int, runs: bool
) -> None:
    server, host, asking = serve(), Host(), client()
    asking.send(request(Echo(text="?"), clock=identity, deadline_ns=deadline_ns, left_ns=left_ns))
    assert server.handle_new_messages(host) == runs
    assert server.stats.expired == (not runs)


def test_what_expires_behind_a_slow_command_is_not_run(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    """Within one poll, whose time is not up: of the same client, and of another."""
    server, asking, other = serve(), client(), client()
    clock = stop_clock(server)
    host = Host(slow=lambda: clock.advance_ns(10**9))
    server.handle_new_messages(host)
    asking.send(request(Do(name="slow"), 1) + request(Echo(text="behind it"), 2, left_ns=10**9))
    server.handle_new_messages(host, max_messages=0)
    other.send(request(Echo(text="beside it"), 1, left_ns=10**9))
    assert server.handle_new_messages(host) == 1
    assert host.ran == ["slow"]
    assert asking.has_frames(2)
    assert other.has_frames(1)
    assert (server.stats.commands, server.stats.expired) == (1, 2)


# Who is gone --------------------------------------------------------------------------------------


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


def test_what_is_left_is_not_run_for_who_shut_down_both_ways(serve: Serve, client: Connect) -> None:
    """Its descriptor is still open, but it can receive no more."""
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(10)))
    assert server.handle_new_messages(host, max_messages=2) == 2
    asking.socket.shutdown(socket.SHUT_RDWR)
    for _ in range(3):
        server.handle_new_messages(host)
    assert host.ran == ["0", "1"]
    assert server.clients == ()


def test_what_is_left_is_not_run_for_who_half_closed_and_then_hung_up(
    serve: Serve, client: Connect
) -> None:
    """Once its stream has ended nothing of it is watched for, but its going away is noticed."""
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(10)))
    asking.socket.shutdown(socket.SHUT_WR)
    for _ in range(3):
        assert server.handle_new_messages(host, max_messages=1) == 1
    asking.close()
    for _ in range(3):
        server.handle_new_messages(host)
    assert host.ran == ["0", "1", "2"]
    assert server.clients == ()
    assert not server.wait(0)


def test_nothing_is_run_for_who_was_killed_before_its_turn(serve: Serve, path: str) -> None:
    server, host = serve(), Host()

    def work(line: Line) -> None:
        with RawClient(path) as asking:
            asking.ask(*(Echo(text=str(number)) for number in range(10)))
            line.say("asked")
            line.hear()

    with forked(work) as child:
        assert child.hear() == "asked"
        assert server.handle_new_messages(host, max_messages=1) == 1
        child.kill(signal.SIGKILL)
        child.finish()
    for _ in range(3):
        server.handle_new_messages(host)
    assert host.ran == ["0"]
    assert server.clients == ()


@pytest.mark.parametrize("queued", [True, False], ids=["in the queue", "just come"])
@pytest.mark.parametrize("seconds", [None, math.inf], ids=["by the limits", "endless"])
def test_nothing_is_run_for_who_hung_up_behind_a_slow_command(
    serve: Serve, client: Connect, seconds: float | None, queued: bool
) -> None:
    """Of the same poll, of another client and of the slow one's own."""
    server = serve(limits=Limits())
    slow, other, good = client(), client(), client()

    def act() -> int:
        slow.close()
        other.close()
        return len(select.poll().poll(20))

    host = Host(slow=act)
    server.handle_new_messages(host)
    slow.ask(Do(name="slow"), Echo(text="for nobody"))
    if queued:
        server.handle_new_messages(host, max_messages=0)
    for one in (other, good):
        one.ask(*(Echo(text="for nobody" if one is other else "for me") for _ in range(5)))
    until(lambda: good.has_result(5), lambda: server.handle_new_messages(host, max_seconds=seconds))
    assert host.ran.count("for me") == 5
    assert "for nobody" not in host.ran[host.ran.index("slow") :]
    assert not queued or host.ran[0] == "slow"


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


@pytest.mark.parametrize("seconds", [-1, -math.inf], ids=str)
def test_less_than_no_time_is_none(serve: Serve, client: Connect, seconds: float) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(3)))
    done = [server.handle_new_messages(host, max_seconds=seconds) for _ in range(6)]
    assert max(done) == 1
    assert sum(done) == 3


def test_less_than_no_messages_are_none(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(Echo(text="hello"))
    assert server.handle_new_messages(host, max_messages=-1) == 0
    assert server.handle_new_messages(host) == 1


def test_a_call_may_take_more_than_the_limits(serve: Serve, client: Connect) -> None:
    server = serve(limits=Limits(messages_per_poll=1, seconds_per_poll=1e-9))
    host, asking = Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(9)))
    assert server.handle_new_messages(host) == 1
    assert server.handle_new_messages(host, max_messages=9) == 1
    assert server.handle_new_messages(host, max_seconds=60) == 1
    assert server.handle_new_messages(host, max_messages=9, max_seconds=60) == 6


@pytest.mark.parametrize("spent_ns", [0, 10**6 - 1, 10**6, 10**9])
def test_no_command_is_begun_when_the_time_is_up(
    serve: Serve, client: Connect, stop_clock: StopClock, spent_ns: int
) -> None:
    server, asking = serve(), client()
    clock = stop_clock(server)
    host = Host(spend=lambda: clock.advance_ns(spent_ns))
    asking.ask(Do(name="spend"), Echo(text="next"))
    done = server.handle_new_messages(host, max_seconds=0.001)
    assert done == (2 if spent_ns < 10**6 else 1)
    assert server.stats.deferred == (spent_ns >= 10**6)


def test_what_is_rejected_takes_a_turn_too(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    late = [request(Echo(text="late"), call, left_ns=0) for call in range(1, 10)]
    asking.send(b"".join(late))
    for number in (3, 6, 9):
        assert server.wait(0)
        assert server.handle_new_messages(host, max_messages=3) == 0
        assert asking.has_frames(number)
        assert len(asking.frames) == number
    assert not server.wait(0)


def test_what_is_left_no_longer_wakes_when_its_client_is_gone(
    serve: Serve, client: Connect
) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(10)))
    server.handle_new_messages(host, max_messages=1)
    assert readable(server)
    assert server.poll_delay == 0
    asking.close()
    server.handle_new_messages(host)
    assert not readable(server)
    assert not server.wait(0)
    assert server.poll_delay is None


# Turns --------------------------------------------------------------------------------------------


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


def test_those_who_have_more_keep_their_order(serve: Serve, client: Connect) -> None:
    server, host = serve(), Host()
    for name in "abc":
        client().ask(*(Echo(text=name) for _ in range(3)))
    assert server.handle_new_messages(host) == 9
    assert sorted(host.ran[:3]) == ["a", "b", "c"]
    assert host.ran == host.ran[:3] * 3


@pytest.mark.parametrize("budget", [1, 2, 5, 1024])
def test_an_honest_client_waits_one_turn_of_each_flooder_at_most(
    serve: Serve, client: Connect, budget: int
) -> None:
    server, host = serve(), Host()
    flooding = [client() for _ in range(5)]
    asking = client()
    answer(server, host, asking, Echo(text="hello"))
    server.handle_new_messages(host)  # else epoll tells of it first, as of one it told of last
    flood = request(Echo(text="flood")) * 50
    for number in range(10):
        for one in flooding:
            one.try_send(flood)
            one.pump()
        before = len(host.ran)
        text = str(number)
        call = asking.ask(Echo(text=text))
        while text not in host.ran:
            server.handle_new_messages(host, max_messages=budget)
        assert host.ran.index(text, before) - before <= len(flooding)
        assert asking.has_result(call)


def test_a_large_message_under_way_keeps_nobody_waiting(serve: Serve, client: Connect) -> None:
    server, host, large, asking = serve(), Host(), client(), client()
    answer(server, host, asking, Echo(text="hello"))
    unsent = memoryview(large.prepare(Echo(text="x" * 3_000_000)))
    number = 1
    while unsent:
        unsent = unsent[large.try_send(unsent) :]
        call = asking.ask(Echo(text=str(number)))
        server.handle_new_messages(host)
        assert asking.has_result(call)
        number += 1
    poll(server, host, lambda: large.has_result(1))


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


def test_nobody_and_idle_clients_want_no_poll(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    assert server.poll_delay is None
    answer(server, host, asking, Echo(text="hello"))
    assert server.poll_delay is None
    server.close()
    assert server.poll_delay is None


def test_half_a_message_wants_a_poll_when_its_time_is_up(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    server, host = serve(limits=patient(half_message_seconds=2)), Host()
    first, second = client(), client()
    clock = stop_clock(server)
    data = request(Echo(text="hello"))
    first.send(data[:20])
    server.handle_new_messages(host)
    assert server.poll_delay == 2
    clock.advance_ns(500_000_000)
    second.send(data[:20])
    server.handle_new_messages(host)
    assert server.poll_delay == 1.5
    first.send(data[20:])
    assert server.handle_new_messages(host) == 1
    assert server.poll_delay == 2
    clock.advance_ns(3 * 10**9)
    assert server.poll_delay == 0
    assert server.wait(60) is True, "it is told by time alone"
    server.handle_new_messages(host)
    assert second.has_ended()
    assert not first.has_ended()
    assert server.poll_delay is None


def test_a_reply_that_waits_wants_a_poll_when_its_time_is_up(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    server, host, asking = serve(limits=patient(half_message_seconds=2)), Host(), client()
    clock = stop_clock(server)
    asking.ask(Big(size=3_000_000))
    server.handle_new_messages(host)
    assert server.poll_delay == 2
    clock.advance_ns(10**9)
    assert server.poll_delay == 1
    until(lambda: asking.has_result(1), lambda: server.handle_new_messages(host))
    server.handle_new_messages(host)
    assert server.poll_delay is None


def test_a_foreign_loop_needs_the_descriptor_and_the_delay_and_no_more(
    serve: Serve, client: Connect
) -> None:
    """It sleeps on the one for as long as the other says, and polls when either is up."""
    server, host = serve(limits=patient(half_message_seconds=0.02)), Host()
    try:
        server.fileno()
    except io.UnsupportedOperation:
        return  # see test_server_selector.py
    asking, half, deaf = client(), client(), client()
    call = asking.ask(*(Echo(text=str(number)) for number in range(10)))
    half.send(request(Echo(text="never whole"))[:20])
    deaf.ask(Big(size=3_000_000))

    def turn() -> None:
        delay = server.poll_delay
        assert select.select([server], [], [], delay)[0] or delay is not None
        server.handle_new_messages(host, max_messages=3)

    until(lambda: half.has_ended() and len(server.clients) == 1, turn)
    assert asking.has_result(call)
    assert server.stats.too_slow == 2
    assert server.poll_delay is None


def test_endless_patience_wants_no_poll(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(limits=patient(half_message_seconds=math.inf)), Host(), client()
    asking.send(request(Echo(text="hello"))[:20])
    server.handle_new_messages(host)
    assert server.poll_delay is None or server.poll_delay > 10**8
    assert server.wait(0) is False


# The status page ----------------------------------------------------------------------------------


def last_poll_ns(path: str) -> int:
    """When the page says that the server polled."""
    status = read_status(path)
    assert status is not None
    return status.last_poll_ns


def test_what_a_poll_reads_is_older_than_what_its_page_tells(
    serve: Serve, client: Connect, path: str, stop_clock: StopClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request may come after readiness was asked for; its client must not see an older poll."""
    server, asking = serve(), client()
    clock = stop_clock(server)
    receive = Session.receive
    read_at: list[int] = []

    def slow(session: Session, now_ns: int) -> bool:
        read_at.append(clock.advance_ns(10**9))
        return receive(session, now_ns)

    monkeypatch.setattr(Session, "receive", slow)
    asking.ask(Echo(text="hello"))
    assert server.handle_new_messages(Host()) == 1
    assert read_at
    assert last_poll_ns(path) >= read_at[0]


def test_a_host_that_waits_shows_each_poll(serve: Serve, path: str, stop_clock: StopClock) -> None:
    """However many of its idle polls went unshown while it did not wait."""
    server = serve()
    clock = stop_clock(server)
    for _ in range(10 * IDLE_POLLS):
        clock.advance_ns(10**5)
        server.handle_new_messages(Host())
    shown = last_poll_ns(path)
    until(
        lambda: last_poll_ns(path) > shown,
        lambda: (clock.advance_ns(10**5), server.handle_new_messages(Host())),
    )
    clock.advance_ns(2 * BUSY_GAP_NS)
    server.handle_new_messages(Host())
    assert last_poll_ns(path) < clock.now_ns, "a host that does not wait shows few of them"
    for _ in range(5):
        server.wait(0)
        server.handle_new_messages(Host())
        assert last_poll_ns(path) == clock.now_ns
        clock.advance_ns(2 * BUSY_GAP_NS)


# Slow hosts ---------------------------------------------------------------------------------------


def test_a_slow_host_is_not_the_clients_fault(serve: Serve, client: Connect) -> None:
    """A large message over many polls moves on, however late each poll is."""
    server, host = serve(limits=patient(half_message_seconds=1e-6)), Host()
    asking = client()
    text = "x" * 3_000_000
    unsent = memoryview(asking.prepare(Echo(text=text)))
    for _ in range(1000):
        unsent = unsent[asking.try_send(unsent[:100_000]) :]
        server.handle_new_messages(host)
        if not unsent:
            break
    assert host.ran == [text]


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


def test_closing_inside_process_drops_what_others_asked_and_is_final(
    serve: Serve, client: Connect, path: str
) -> None:
    server, asking, other, half = serve(), client(), client(), client()

    def close_twice() -> int:
        server.close()
        server.close()
        assert os.path.lexists(path), "it is open until its answer is written"
        return 7

    host = Host(close=close_twice)
    server.handle_new_messages(host)
    asking.ask(Do(name="close"), Echo(text="never"))
    assert server.handle_new_messages(host, max_messages=0) == 0
    other.ask(*(Echo(text="never") for _ in range(10)))
    half.send(request(Echo(text="never"))[:20])
    assert server.handle_new_messages(host) == 1
    assert all(one.has_ended() for one in (asking, other, half))
    assert asking.results == {1: 7}
    assert other.results == {}
    assert host.ran == ["close"]
    assert not os.path.lexists(path)
    server.close()
    for use in (lambda: server.handle_new_messages(host), lambda: server.wait(0), server.fileno):
        with pytest.raises(LocalProtocolError, match="the server is closed"):
            use()
    assert server.stats.commands == 1
    assert server.clients == ()


def test_closing_inside_process_of_a_failing_command(
    serve: Serve, client: Connect, path: str
) -> None:
    server, asking = serve(), client()

    def fail() -> int:
        server.close()
        raise ValueError("after all")

    host = Host(fail=fail)
    call = asking.ask(Do(name="fail"))
    assert server.handle_new_messages(host) == 1
    assert asking.has_result(call)
    assert type(asking.results[call]) is RemoteError
    assert asking.has_ended()
    assert not os.path.lexists(path)


def test_asking_what_is_due_from_inside_process(serve: Serve, client: Connect) -> None:
    server, asking = serve(), client()
    host = Host(look=lambda: int((server.poll_delay or 0) < 60))
    assert answer(server, host, asking, Do(name="look")) == 1


def test_another_server_may_be_polled_from_inside_process(
    serve: Serve, client: Connect, path: str
) -> None:
    server, asking = serve(), client()
    with IpcServer(path + "2", ClientCommand) as other, RawClient(path + "2") as third:
        call = third.ask(Push(x=5))
        host = Host(other=lambda: other.handle_new_messages([]))
        assert answer(server, host, asking, Do(name="other")) == 1
        assert third.has_result(call)
        assert third.results == {call: Pushed(x=5)}
    assert is_well(server, host)


def test_the_first_whole_command_is_begun_though_reading_took_the_time(
    serve: Serve, client: Connect
) -> None:
    """Those who have more to say are read on in the next poll; who said all is served in this."""
    server, host = serve(), Host()
    uploads, asking = [client() for _ in range(4)], client()
    poll(server, host, lambda: len(server.clients) == 5)
    for upload in uploads:
        upload.ask(Echo(text="x" * 100_000))  # more than is read at once
    call = asking.ask(Echo(text="small"))
    assert server.handle_new_messages(host, max_seconds=0) == 1
    assert asking.has_result(call), "none of the others was read to its end"
    assert host.ran == ["small"]
    poll(server, host, lambda: all(upload.has_result(1) for upload in uploads))
    assert sorted(map(len, host.ran)) == [5, *[100_000] * 4]
