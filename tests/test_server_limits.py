"""Each limit of a server: at it all works, one over it has a name and a count.

What a limit keeps from one client keeps nothing from another.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from examples.simple.commands import ClientCommand, Print
from lazyipc import U8, Command, IpcServer, Limits, MessageTooLarge, Wire
from lazyipc._core.framing import HEADER
from lazyipc._io import sockets
from tests.conftest import Connect, Serve, StopClock, patient
from tests.harness import (
    FINGERPRINT_BYTES,
    Big,
    Do,
    Echo,
    Host,
    RawClient,
    answer,
    bare_request,
    header,
    is_well,
    poll,
    program,
    python,
    request,
    result_of,
    run_script,
    until,
)

pytestmark = [pytest.mark.usefixtures("no_descriptor_leak"), pytest.mark.every_selector]

STRING_BYTES = 8
"""What a text's length takes before its bytes."""


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Messages logged as errors."""
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def json_line(command: Any) -> bytes:
    return json.dumps({type(command).__name__: command.model_dump()}).encode() + b"\n"


class Chain(BaseModel):
    """A type inside itself."""

    next: Chain | None = None


class Task(Command[Host]):
    """Commands whose parts can be counted."""


class Sort(Task):
    """A list."""

    numbers: list[U8]

    def process(self, context: Host) -> int:
        context.ran.append("sort")
        return len(self.numbers)


class Climb(Task):
    """A chain."""

    chain: Chain

    def process(self, context: Host) -> int:
        context.ran.append("climb")
        link, length = self.chain, 0
        while link.next is not None:
            link, length = link.next, length + 1
        return length


def chain_of(links: int) -> Chain:
    """A link with so many inside it."""
    chain = Chain()
    for _ in range(links):
        chain = Chain(next=chain)
    return chain


# message_bytes ------------------------------------------------------------------------------------


def test_a_frame_at_the_limit_is_taken_and_one_over_it_is_not(
    serve: Serve, client: Connect
) -> None:
    server, host = serve(limits=patient(message_bytes=1000)), Host()
    asking = client()
    assert answer(server, host, asking, Echo(text="x" * 992)) == "x" * 992
    asking.send(request(Echo(text="x" * 993), 7))
    poll(server, host, asking.has_ended)
    told = result_of(Echo(text=""), *asking.frames[-1][::2])
    assert isinstance(told, MessageTooLarge)
    assert told.size_bytes == told.limit_bytes + 1
    assert host.ran == ["x" * 992]
    assert (server.stats.too_large, server.stats.dropped) == (1, 1)
    assert is_well(server, host)


def test_a_bare_message_over_the_limit_is_refused_early(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(ClientCommand, wires=Wire.ALL, limits=patient(message_bytes=1000))
    fits, bad = client(), client()
    fits.send(bare_request(Print(payload="x" * 988), ClientCommand))
    poll(server, [], fits.has_ended)
    assert fits.received
    bad.send(bare_request(Print(payload="x" * 989), ClientCommand)[:20])
    poll(server, [], bad.has_ended)
    assert bad.received == b""
    assert "1000" in caplog.text
    assert (server.stats.too_large, server.stats.dropped) == (1, 1)


def test_a_response_over_the_limit_is_told_and_logged(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, asking, host = serve(limits=patient(message_bytes=1000)), client(), Host()
    assert answer(server, host, asking, Big(size=992)) == "x" * 992
    told = answer(server, host, asking, Big(size=993))
    assert isinstance(told, MessageTooLarge)
    assert (told.size_bytes, told.limit_bytes) == (1001, 1000)
    assert len(errors_of(caplog)) == 1
    assert answer(server, host, asking, Echo(text="next")) == "next"


def test_the_smallest_limit_takes_the_smallest_message(serve: Serve, client: Connect) -> None:
    """An empty list is eight bytes of length, and so is the number that answers it."""
    server, host, asking = serve(Task, limits=patient(message_bytes=8)), Host(), client()
    assert answer(server, host, asking, Sort(numbers=[])) == 0
    asking.ask(Sort(numbers=[7]))
    poll(server, host, asking.has_ended)
    told = result_of(Sort(numbers=[]), *asking.frames[-1][::2])
    assert isinstance(told, MessageTooLarge)
    assert told.size_bytes == told.limit_bytes + 1
    assert (server.stats.too_large, server.stats.dropped) == (1, 1)


def test_a_line_at_the_limit_is_taken_and_a_longer_one_is_not(
    serve: Serve, client: Connect
) -> None:
    """JSON has a thousand bytes more, for the words around a message."""
    server, host = serve(wires=Wire.FRAMED | Wire.JSON, limits=patient(message_bytes=1000)), Host()
    asking = client()
    line = json_line(Echo(text=""))
    fits = 2000 - (len(line) - 1)
    asking.send(json_line(Echo(text="x" * fits)))
    server.handle_new_messages(host)
    assert host.ran == ["x" * fits], "the line is not too long; what it answers may be"
    assert server.stats.dropped == 0
    before = server.stats.too_large
    asking.send(json_line(Echo(text="x" * (fits + 1))))
    poll(server, host, asking.has_ended)
    *_, told = (json.loads(line) for line in asking.received.splitlines())
    assert told["Err"]["kind"] == "MessageTooLarge"
    assert len(host.ran) == 1
    assert (server.stats.too_large, server.stats.dropped) == (before + 1, 1)
    assert is_well(server, host)


# elements and depth -------------------------------------------------------------------------------


@pytest.mark.parametrize("wires", [Wire.FRAMED, Wire.ALL], ids=["framed", "all"])
def test_elements_at_the_limit_are_taken_and_one_more_is_not(
    serve: Serve, client: Connect, wires: Wire
) -> None:
    server, host, asking = serve(Task, wires=wires, limits=patient(elements=10)), Host(), client()
    assert answer(server, host, asking, Sort(numbers=[0] * 10)) == 10
    assert server.stats.too_large == 0
    told = answer(server, host, asking, Sort(numbers=[0] * 11))
    assert isinstance(told, MessageTooLarge)
    assert (told.size_bytes, told.limit_bytes) == (11, 10)
    assert "element" in told.what
    assert (server.stats.too_large, server.stats.rejected, server.stats.dropped) == (1, 1, 0)
    assert host.ran == ["sort"]
    assert answer(server, host, asking, Sort(numbers=[0])) == 1


def test_elements_of_a_bare_message_over_the_limit_end_it(serve: Serve, client: Connect) -> None:
    limits = patient(elements=10)
    server, host, fits, bad = serve(Task, wires=Wire.ALL, limits=limits), Host(), client(), client()
    fits.send(bare_request(Sort(numbers=[0] * 10), Task))
    bad.send(bare_request(Sort(numbers=[0] * 11), Task))
    poll(server, host, lambda: fits.has_ended() and bad.has_ended())
    assert fits.received
    assert bad.received == b""
    assert host.ran == ["sort"]
    assert (server.stats.too_large, server.stats.dropped) == (1, 1)


def test_depth_at_the_limit_is_taken_and_one_more_is_not(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(Task, limits=patient(depth=5)), Host(), client()
    assert answer(server, host, asking, Climb(chain=chain_of(5))) == 5
    told = answer(server, host, asking, Climb(chain=chain_of(6)))
    assert isinstance(told, MessageTooLarge)
    assert (told.size_bytes, told.limit_bytes) == (6, 5)
    assert (server.stats.too_large, server.stats.rejected, server.stats.dropped) == (1, 1, 0)
    assert host.ran == ["climb"]
    assert answer(server, host, asking, Climb(chain=chain_of(1))) == 1


@pytest.mark.parametrize(
    ("fits", "bad"),
    [
        (Sort(numbers=[0] * 10), Sort(numbers=[0] * 11)),
        (Climb(chain=chain_of(5)), Climb(chain=chain_of(6))),
    ],
    ids=["elements", "depth"],
)
def test_elements_and_depth_of_a_line_of_json(
    serve: Serve, client: Connect, fits: Any, bad: Any
) -> None:
    limits = patient(elements=10, depth=5)
    server, host, asking = serve(Task, wires=Wire.ALL, limits=limits), Host(), client()
    asking.send(json_line(fits) + json_line(bad) + json_line(fits))
    poll(server, host, lambda: asking.pump() or asking.received.count(b"\n") == 3)
    first, second, third = (json.loads(line) for line in asking.received.splitlines())
    assert first == third
    assert "Ok" in first
    assert second["Err"]["kind"] == "MessageTooLarge"
    assert len(host.ran) == 2
    assert (server.stats.too_large, server.stats.rejected, server.stats.dropped) == (1, 1, 0)


# clients, accepts_per_poll ------------------------------------------------------------------------


def test_the_next_ones_wait_until_somebody_leaves(serve: Serve, client: Connect) -> None:
    server, host = serve(limits=patient(clients=2)), Host()
    inside = [client(), client()]
    for one in inside:
        assert answer(server, host, one, Echo(text="in")) == "in"
    outside = [client(), client()]
    for one in outside:
        one.ask(Echo(text="waited"))
    for _ in range(5):
        server.handle_new_messages(host)
    assert len(server.clients) == 2
    assert (server.stats.pauses, server.stats.accepted) == (1, 2)
    assert not server.wait(0), "those who wait must not keep the host awake"
    assert "waited" not in host.ran
    assert answer(server, host, inside[0], Echo(text="still served")) == "still served"
    for leaving, coming in zip(inside, outside, strict=True):
        leaving.close()
        poll(server, host, lambda one=coming: one.has_result(1))  # type: ignore[misc]
        assert coming.results[1] == "waited"


def test_a_poll_accepts_so_many(serve: Serve, client: Connect) -> None:
    server, host = serve(limits=patient(accepts_per_poll=3)), Host()
    for _ in range(8):
        client()
    seen = []
    for _ in range(4):
        server.handle_new_messages(host)
        seen.append(len(server.clients))
    assert seen == [3, 6, 8, 8]


def test_as_many_as_the_limit_are_no_reason_to_pause(serve: Serve, client: Connect) -> None:
    server, host = serve(limits=patient(clients=3)), Host()
    inside = [client() for _ in range(3)]
    for one in inside:
        assert answer(server, host, one, Echo(text="in")) == "in"
    assert (server.stats.clients, server.stats.accepted, server.stats.pauses) == (3, 3, 0)


@pytest.mark.parametrize("count", [3, 6])
def test_accepts_at_the_limit_defer_nothing(serve: Serve, client: Connect, count: int) -> None:
    server, host = serve(limits=patient(accepts_per_poll=3)), Host()
    for _ in range(count):
        client()
    for _ in range(count // 3):
        server.handle_new_messages(host)
    assert len(server.clients) == count
    assert server.stats.deferred == count // 3 - 1
    assert not server.wait(0)


def test_who_waits_outside_wakes_a_host_when_there_is_room(serve: Serve, client: Connect) -> None:
    server, host = serve(limits=patient(clients=1)), Host()
    inside, outside = client(), client()
    answer(server, host, inside, Echo(text="in"))
    outside.ask(Echo(text="waited"))
    server.handle_new_messages(host)
    assert not server.wait(0)
    inside.close()
    assert server.wait(60)
    server.handle_new_messages(host)
    assert server.wait(60)
    server.handle_new_messages(host)
    assert outside.has_result(1)


def test_who_comes_and_is_gone_at_once_cannot_hold_the_host_at_the_door(
    serve: Serve, client: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the host gave a poll all the time there is."""
    came: list[int] = []

    def accept(listener: object) -> socket.SocketType:
        came.append(1)
        assert len(came) < 5000, "a flood of clients that are gone is accepted for ever"
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    server, host = serve(limits=patient(accepts_per_poll=10)), Host()
    knocking = client()
    knocking.ask(Echo(text="at last"))
    with monkeypatch.context() as patch:
        patch.setattr(sockets, "accept", accept)
        server.handle_new_messages(host, max_seconds=math.inf)
    assert server.clients == ()
    poll(server, host, lambda: knocking.has_result(1))


# half_message_seconds -----------------------------------------------------------------------------


@pytest.mark.parametrize("early_ns", [1, 0])
def test_half_a_message_is_kept_to_the_nanosecond(
    serve: Serve, client: Connect, stop_clock: StopClock, early_ns: int
) -> None:
    server, host, slow = serve(limits=patient(half_message_seconds=2)), Host(), client()
    clock = stop_clock(server)
    data = slow.prepare(Echo(text="slow"))
    slow.send(data[:20])
    server.handle_new_messages(host)
    clock.advance_ns(2 * 10**9 - early_ns)
    server.handle_new_messages(host)
    assert slow.has_ended() == (not early_ns)
    assert server.stats.too_slow == server.stats.dropped == (not early_ns)
    if early_ns:
        slow.send(data[20:])
        assert server.handle_new_messages(host) == 1
        assert slow.has_result(1)


def test_what_comes_at_the_last_moment_is_in_time(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    """The host may poll late; what lay in the kernel by then was not slow."""
    server, host, slow = serve(limits=patient(half_message_seconds=2)), Host(), client()
    clock = stop_clock(server)
    data = slow.prepare(Echo(text="slow"))
    slow.send(data[:20])
    server.handle_new_messages(host)
    slow.send(data[20:])
    clock.advance_ns(10**12)
    assert server.handle_new_messages(host) == 1
    assert slow.has_result(1)
    assert server.stats.too_slow == 0


@pytest.mark.parametrize(("moved", "is_kept"), [(65535, False), (65536, True)])
def test_who_moves_enough_has_its_time_anew(
    serve: Serve, client: Connect, stop_clock: StopClock, moved: int, is_kept: bool
) -> None:
    server, host, slow = serve(limits=patient(half_message_seconds=2)), Host(), client()
    clock = stop_clock(server)
    unsent = memoryview(slow.prepare(Echo(text="x" * 500_000)))
    slow.send(unsent[:20])
    server.handle_new_messages(host)
    left = moved
    while left:
        left -= slow.try_send(unsent[20 + moved - left : 20 + moved])
        server.handle_new_messages(host)
    clock.advance_ns(2 * 10**9)
    server.handle_new_messages(host)
    assert slow.has_ended() == (not is_kept)
    assert server.stats.too_slow == (not is_kept)
    if is_kept:
        clock.advance_ns(2 * 10**9)
        server.handle_new_messages(host)
        assert slow.has_ended(), "and the new time is as long as the first"


def test_a_reply_not_taken_is_kept_to_the_nanosecond(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    server, host, slow = serve(limits=patient(half_message_seconds=2)), Host(), client()
    clock = stop_clock(server)
    slow.ask(Big(size=3_000_000))
    server.handle_new_messages(host)
    assert server.stats.backlogs == 1
    clock.advance_ns(2 * 10**9 - 1)
    server.handle_new_messages(host)
    assert len(server.clients) == 1
    clock.advance_ns(1)
    server.handle_new_messages(host)
    assert server.clients == ()
    assert (server.stats.too_slow, server.stats.dropped) == (1, 1)


def test_silence_between_messages_is_never_too_slow(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    server, host, idle = serve(limits=patient(half_message_seconds=2)), Host(), client()
    clock = stop_clock(server)
    mute = client()
    for number in range(3):
        assert answer(server, host, idle, Echo(text=str(number))) == str(number)
        clock.advance_ns(10**15)
    assert not mute.has_ended()
    assert server.stats.too_slow == 0


# messages_per_poll, seconds_per_poll --------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 4])
def test_messages_at_the_limit_defer_nothing_and_one_more_is_left(
    serve: Serve, client: Connect, count: int
) -> None:
    server = serve(limits=Limits(messages_per_poll=3, seconds_per_poll=60))
    host, asking = Host(), client()
    asking.ask(*(Echo(text=str(number)) for number in range(count)))
    assert server.handle_new_messages(host) == 3
    assert server.stats.deferred == count - 3
    assert server.wait(0) == (count > 3)
    assert server.handle_new_messages(host) == count - 3


@pytest.mark.parametrize("early_ns", [1, 0])
def test_seconds_at_the_limit_end_a_poll(
    serve: Serve, client: Connect, stop_clock: StopClock, early_ns: int
) -> None:
    server, asking = serve(limits=Limits(seconds_per_poll=0.5)), client()
    clock = stop_clock(server)
    host = Host(spend=lambda: clock.advance_ns(500_000_000 - early_ns))
    asking.ask(Do(name="spend"), Echo(text="next"))
    assert server.handle_new_messages(host) == 1 + early_ns
    assert server.stats.deferred == 1 - early_ns
    assert server.handle_new_messages(host) == 1 - early_ns


def test_endless_limits_are_limits(serve: Serve, client: Connect) -> None:
    endless = Limits(seconds_per_poll=math.inf, half_message_seconds=math.inf)
    server, host, asking, half = serve(limits=endless), Host(), client(), client()
    half.send(request(Echo(text="never whole"))[:20])
    assert answer(server, host, asking, Echo(text="hello")) == "hello"
    assert not half.has_ended()


# in_bytes, out_bytes ------------------------------------------------------------------------------


def flood(client: RawClient, data: bytes) -> None:
    """Send until the kernel takes no more."""
    while client.try_send(data):
        pass


@pytest.mark.parametrize("make", [request, json_line], ids=["framed", "json"])
@pytest.mark.parametrize("body_bytes", [16, 100, 1000, 4088])
def test_of_what_a_client_sends_no_more_than_the_limit_is_held(
    serve: Serve, client: Connect, body_bytes: int, make: Callable[[Any], bytes]
) -> None:
    limits = Limits(message_bytes=4096, in_bytes=5120, seconds_per_poll=60)
    server, host, bad = serve(wires=Wire.FRAMED | Wire.JSON, limits=limits), Host(), client()
    one = make(Echo(text="x" * (body_bytes - STRING_BYTES)))
    most = 0
    for _ in range(200):
        flood(bad, one)
        server.handle_new_messages(host, max_messages=1)
        bad.pump()
        most = max(most, server.stats.received_bytes - len(host.ran) * len(one))
    assert len(host.ran) == 200
    assert most <= 5120, "more is held than may be"
    assert most > 5120 - 2 * len(one), "less is read than may be"
    assert is_well(server, host)


def test_twice_a_message_may_be_held_unless_set(serve: Serve, client: Connect) -> None:
    limits = Limits(message_bytes=10_000, seconds_per_poll=60)
    assert (limits.in_bytes, limits.out_bytes) == (20_000, 20_000)
    server, host, bad = serve(limits=limits), Host(), client()
    flood(bad, request(Echo(text="x" * 1000)))
    assert server.handle_new_messages(host, max_messages=0) == 0
    assert server.stats.received_bytes == 20_000


@pytest.mark.parametrize("size", [1, 2, 3, 10, 19, 20, 21, 4000, 4088])
def test_a_message_of_any_size_passes_the_smallest_buffers(
    serve: Serve, client: Connect, size: int
) -> None:
    limits = patient(message_bytes=4096, in_bytes=5120, out_bytes=5120)
    server, host, asking = serve(limits=limits), Host(), client()
    text = "x" * size
    unsent = memoryview(asking.prepare(*(Echo(text=text) for _ in range(30))))

    def step() -> None:
        nonlocal unsent
        unsent = unsent[asking.try_send(unsent) :]
        server.handle_new_messages(host)

    until(lambda: asking.has_result(30), step)
    assert set(asking.results.values()) == {text}
    assert len(asking.results) == 30
    assert not server.wait(0)


@pytest.mark.parametrize(
    ("size", "out_bytes"),
    [(100, 301_024), (20_000, 301_024), (299_992, 301_024), (20_000, 600_000)],
)
def test_of_what_a_client_does_not_take_no_more_than_the_limit_is_held(
    serve: Serve, client: Connect, size: int, out_bytes: int
) -> None:
    limits = Limits(message_bytes=300_000, out_bytes=out_bytes, seconds_per_poll=60)
    server, host, bad = serve(limits=limits), Host(), client()
    one = HEADER.size + FINGERPRINT_BYTES + STRING_BYTES + size
    asked = 0
    unsent = memoryview(b"")
    most = 0
    for _ in range(200):
        if not unsent:
            unsent = memoryview(bad.prepare(*(Big(size=size) for _ in range(50))))
            asked += 50
        unsent = unsent[bad.try_send(unsent) :]
        server.handle_new_messages(host)
        most = max(most, len(host.ran) * one - server.stats.sent_bytes)
        if server.stats.backlogs:
            break
    assert server.stats.backlogs == 1
    held = len(host.ran)
    for _ in range(20):
        server.handle_new_messages(host)
    assert len(host.ran) == held, "it is served on though it takes nothing"
    assert 0 < most <= out_bytes
    assert is_well(server, host)

    def read_on() -> None:
        nonlocal unsent
        unsent = unsent[bad.try_send(unsent) :]
        server.handle_new_messages(host)

    until(lambda: bad.has_result(asked), read_on)
    assert len(bad.results) == asked
    assert set(bad.results.values()) == {"x" * size}


def test_a_reply_that_the_kernel_takes_is_no_backlog(serve: Serve, client: Connect) -> None:
    server, host, asking = serve(), Host(), client()
    asking.ask(*(Big(size=1000) for _ in range(20)))
    server.handle_new_messages(host)
    assert server.stats.backlogs == 0


# Logs that clients cause --------------------------------------------------------------------------


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def send_garbage(server: IpcServer[Any], host: Host) -> None:
    """A client that is closed, and logged, for what it sent."""
    with RawClient(server.path) as bad:
        bad.send(header(0, version=99))
        server.handle_new_messages(host)
        assert bad.has_ended()


def test_ten_records_of_a_kind_are_logged_and_the_next_are_counted(
    serve: Serve, stop_clock: StopClock, caplog: pytest.LogCaptureFixture
) -> None:
    server, host = serve(), Host()
    clock = stop_clock(server)
    for _ in range(10):
        send_garbage(server, host)
    assert len(lines_of(caplog)) == 10
    assert server.stats.unlogged == 0
    for _ in range(25):
        send_garbage(server, host)
    assert len(lines_of(caplog)) == 10
    assert server.stats.unlogged == 25
    assert server.stats.dropped == 35, "what is not logged is counted all the same"
    clock.advance_ns(10 * 10**9 - 1)
    send_garbage(server, host)
    assert len(lines_of(caplog)) == 10
    clock.advance_ns(1)
    send_garbage(server, host)
    assert len(lines_of(caplog)) == 11
    assert "and 26 more like it were not logged" in lines_of(caplog)[-1]
    send_garbage(server, host)
    assert "more like it" not in lines_of(caplog)[-1], "it is told once"
    assert server.stats.unlogged == 26


def test_a_flood_of_one_kind_silences_no_other(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise ValueError("a bug of the host's own")

    server, host, asking = serve(), Host(fail=fail), client()
    for _ in range(100):
        send_garbage(server, host)
    assert len(lines_of(caplog)) == 10
    answer(server, host, asking, Do(name="fail"))
    assert "Do.process failed" in lines_of(caplog)[-1]
    assert len(lines_of(caplog)) == 11


def test_what_a_failing_command_logs_is_limited_for_each_command(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise ValueError("again")

    server, host, asking = serve(limits=patient(message_bytes=1000)), Host(fail=fail), client()
    for _ in range(30):
        answer(server, host, asking, Do(name="fail"))
    assert len(errors_of(caplog)) == 10
    assert all(record.exc_info for record in caplog.records)
    assert (server.stats.failed, server.stats.unlogged) == (30, 20)
    answer(server, host, asking, Big(size=10_000))
    assert len(errors_of(caplog)) == 11


def test_refusals_by_authorize_are_limited(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, host = serve(authorize=lambda peer, command: False), Host()
    asking = client()
    for _ in range(30):
        answer(server, host, asking, Echo(text="please"))
    assert len(lines_of(caplog)) == 10
    assert (server.stats.rejected, server.stats.unlogged) == (30, 20)


def test_what_was_held_back_is_told_at_the_end(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server, host = serve(), Host()
    for _ in range(13):
        send_garbage(server, host)
    server.close()
    assert len(lines_of(caplog)) == 11
    assert "3 records about clients were not logged" in lines_of(caplog)[-1]


def test_what_nobody_logs_is_not_held_back(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests are rejected at INFO, which a host may have switched off."""
    caplog.set_level(logging.WARNING, "lazyipc")
    server, host, asking = serve(), Host(), client()
    for _ in range(30):
        asking.send(request(Echo(text="late"), 999, left_ns=0))
        server.handle_new_messages(host)
    assert (server.stats.expired, server.stats.unlogged) == (30, 0)


# What the system refuses --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_an_accept_that_fails_pauses_accepting_for_a_second(
    serve: Serve,
    client: Connect,
    stop_clock: StopClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    def fail(listener: object) -> None:
        raise OSError(number, os.strerror(number))

    server, host, inside = serve(), Host(), client()
    answer(server, host, inside, Echo(text="in"))
    clock = stop_clock(server)
    outside = client()
    outside.ask(Echo(text="waited"))
    with monkeypatch.context() as patch:
        patch.setattr(sockets, "accept", fail)
        for _ in range(3):
            assert server.handle_new_messages(host) == 0
        assert server.poll_delay == 1
        assert (server.stats.pauses, server.stats.accepted) == (1, 1)
        (line,) = lines_of(caplog)
        assert f"cannot accept a client: [Errno {number}]" in line
        clock.advance_ns(10**9)
        assert server.poll_delay == 0
        server.handle_new_messages(host)  # it is late enough to try again at the next
        server.handle_new_messages(host)
        assert server.stats.pauses == 2
    assert not outside.has_result(1)
    clock.advance_ns(10**9 - 1)
    assert server.handle_new_messages(host) == 0
    assert answer(server, host, inside, Echo(text="served meanwhile")) == "served meanwhile"
    clock.advance_ns(1)
    server.handle_new_messages(host)
    assert server.handle_new_messages(host) == 1
    assert outside.has_result(1)
    assert server.poll_delay is None


def test_who_cannot_be_known_is_refused(
    serve: Serve,
    client: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(connected: object) -> None:
        raise OSError(errno.EINVAL, "no credentials here")

    server, host, asking = serve(), Host(), client()
    asking.ask(Echo(text="who am I?"))
    with monkeypatch.context() as patch:
        patch.setattr(sockets, "credentials_of", fail)
        server.handle_new_messages(host)
    assert asking.has_ended()
    assert host.ran == []
    assert (server.stats.refused, server.stats.accepted) == (1, 0)
    assert "cannot tell who connected" in lines_of(caplog)[0]
    assert is_well(server, host)


# No descriptors left ------------------------------------------------------------------------------


SHORT = """
import logging, os, resource, sys
import lazyipc._door
from tests.harness import SELECTORS, Echo, Host, Job, RawClient, is_well, poll
from lazyipc import IpcError, IpcServer, Limits
lazyipc._door.REST_NS = 30_000_000
lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger("lazyipc").addHandler(handler)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

def free():
    number = os.dup(0)
    os.close(number)
    return number

def allow(count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))

for name, make in SELECTORS.items():
    path = f"{sys.argv[1]}.{name}"
"""
"""A child that may be short of descriptors, and what it does over each kind of readiness."""

EXHAUSTED = """
    lines.clear()
    host = Host()
    server = IpcServer(path, Job, selector=make())
    inside = RawClient(path)
    outside = [RawClient(path) for _ in range(3)]
    for one in (inside, *outside):
        one.ask(Echo(text="hello"))
    first = free()
    allow(first + 1)
    done = [server.handle_new_messages(host) for _ in range(50)]
    assert sum(done) == 1, done
    assert len(server.clients) == 1
    assert 1 <= len([line for line in lines if "cannot accept" in line]) < 5, lines
    assert 1 <= server.stats.pauses < 5, server.stats
    assert 0 <= server.poll_delay <= 0.03, server.poll_delay
    call = inside.ask(Echo(text="served meanwhile"))
    poll(server, host, lambda: inside.has_result(call))
    pauses = server.stats.pauses
    awake = sum(server.wait(0) and server.handle_new_messages(host) == 0 for _ in range(50))
    assert awake < 5, "a listener that cannot accept keeps the host awake"
    allow(first + 50)
    poll(server, host, lambda: all(one.has_result(1) for one in outside))
    assert server.stats.accepted == 4
    assert server.stats.pauses >= pauses
    assert server.poll_delay is None
    server.close()
    for one in (inside, *outside):
        one.close()
print("well")
"""


def test_without_descriptors_the_loop_goes_on_and_service_resumes(path: str) -> None:
    assert run_script(SHORT + EXHAUSTED, path).stdout == "well\n"


WAITING = """
    host = Host()
    server = IpcServer(path, Job, selector=make())
    asking = RawClient(path)
    asking.ask(Echo(text="hello"))
    first = free()
    allow(first)
    server.handle_new_messages(host)
    assert not server.clients
    assert server.stats.pauses == 1
    allow(first + 50)
    while not asking.has_result(1):
        server.wait()
        server.handle_new_messages(host)
    server.close()
    asking.close()
print("well")
"""


def test_a_host_that_waits_for_ever_is_woken_when_it_may_accept_again(path: str) -> None:
    with program(*python(SHORT + WAITING, path)) as host:
        out, err = host.communicate(timeout=20)
    assert out == "well\n", err


SLOW = """
    host = Host()
    limits = Limits(clients=1, half_message_seconds=0.05)
    server = IpcServer(path, Job, limits=limits, selector=make())
    slow = RawClient(path)
    slow.send(RawClient.prepare(slow, Echo(text="never whole"))[:20])
    server.wait()
    server.handle_new_messages(host)
    asking = RawClient(path)
    asking.ask(Echo(text="hello"))
    while not asking.has_result(1):
        server.wait()
        server.handle_new_messages(host)
    assert slow.has_ended()
    assert (server.stats.too_slow, server.stats.pauses) == (1, 1)
    server.close()
    for one in (asking, slow):
        one.close()
print("well")
"""


def test_a_host_that_waits_for_ever_is_woken_to_drop_the_slow(path: str) -> None:
    with program(*python(SHORT + SLOW, path)) as host:
        out, err = host.communicate(timeout=20)
    assert out == "well\n", err


STARVED = """
    IpcServer(path, Job, selector=make()).close()
    first = free()
    told = set()
    for more in range(8):
        selector = make()
        before = free()
        allow(before + more)
        try:
            server = IpcServer(path, Job, selector=selector)
        except IpcError as error:
            told.add(type(error).__name__)
            del error
        else:
            server.close()
            told.add("made")
        allow(before + 50)
        if selector is not None:
            selector.close()
        assert not os.path.lexists(path), more
        assert free() == first, f"with {more} descriptors to spare one is left open"
    assert told == {"TransportError", "made"}, told
print("well")
"""


def test_a_server_that_cannot_be_made_leaves_nothing_behind(path: str) -> None:
    assert run_script(SHORT + STARVED, path).stdout == "well\n"
