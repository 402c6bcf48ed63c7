"""What clients can do to a server, on both wires: each loses its own connection and no more.

After every row a well-behaved client is served within two polls, and the host's loop never sees an
exception.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from examples.simple.commands import Add, ClientCommand, Print, Push, Pushed, Sum
from lazyipc import (
    Command,
    DecodeError,
    IpcServer,
    Limits,
    RemoteProtocolError,
    SchemaMismatch,
    Wire,
)
from lazyipc._core.catalog import entry_of
from lazyipc._core.framing import HEADER, Kind
from tests.conftest import Connect, Serve, StopClock
from tests.harness import (
    Big,
    Echo,
    Host,
    RawClient,
    answer,
    bare_request,
    bare_response,
    header,
    poll,
    request,
    request_frame,
    result_of,
    until,
)

pytestmark = [pytest.mark.usefixtures("no_descriptor_leak"), pytest.mark.every_selector]

U64 = struct.Struct("<Q")
SOON = Limits(half_message_seconds=0.05, seconds_per_poll=60)
SOON_NS = 50_000_000


def bare(command: Any) -> bytes:
    return bare_request(command, ClientCommand)


@dataclass(frozen=True)
class Dialect:
    """One wire, as a hostile client uses it."""

    name: str
    request: Callable[[Any], bytes]
    answer: Callable[[RawClient, Any], Any]


def framed_answer(client: RawClient, command: Any) -> Any:
    ((kind, _, payload),) = client.frames
    return result_of(command, kind, payload)


def json_request(command: Any) -> bytes:
    return json.dumps({type(command).__name__: command.model_dump()}).encode() + b"\n"


def json_answer(client: RawClient, command: Any) -> Any:
    ((name, fields),) = json.loads(client.received)["Ok"].items()
    return {"Sum": Sum, "Pushed": Pushed}[name](**fields)


DIALECTS = [
    Dialect("BARE", bare, lambda client, command: bare_response(client.received, ClientCommand)),
    Dialect("FRAMED", request, framed_answer),
    Dialect("JSON", json_request, json_answer),
]


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each wire in turn."""
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
def demo(serve: Serve) -> Callable[..., IpcServer[list[int]]]:
    """The demo's server, on all wires unless told otherwise."""

    def make(limits: Limits | None = None, wires: Wire = Wire.ALL) -> IpcServer[list[int]]:
        return serve(ClientCommand, wires=wires, limits=limits)

    return make


Demo = Callable[..., IpcServer[list[int]]]

NO_JSON = Wire.FRAMED | Wire.BARE
"""Of these wires two bytes tell what is no wire at all; as JSON, what is neither is bad JSON."""


def nobody_notices(server: IpcServer[Any]) -> None:
    """A client that was there, and a new one, are served in the same poll or the next."""
    stack: list[int] = []
    with RawClient(server.path) as good:
        for number in (1, 2):
            call = good.ask(Push(x=number))
            server.handle_new_messages(stack)
            server.handle_new_messages(stack)
            assert good.has_result(call), "a good client waits because of a bad one"
            assert good.results[call] == Pushed(x=number)
    assert stack == [1, 2]
    server.handle_new_messages(stack)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


# Bytes that are no command ------------------------------------------------------------------------

BARE_GARBAGE = [
    ("no such variant", struct.pack("<I", 99) + b"x" * 20, 0),
    ("no utf-8", struct.pack("<IQ", 0, 3) + b"\xff\xfe\xfd", 12),
    ("a length of 2^63", struct.pack("<IQ", 0, 2**63), 4),
    ("a length of 2^64 - 1", struct.pack("<IQ", 0, 2**64 - 1) + b"x", 4),
    ("a length over the limit", struct.pack("<IQ", 0, 2**30), 4),
]


@pytest.mark.parametrize(
    ("garbage", "offset"),
    [case[1:] for case in BARE_GARBAGE],
    ids=[case[0] for case in BARE_GARBAGE],
)
def test_a_bare_client_of_no_commands_is_closed_and_logged_once(
    demo: Demo, client: Connect, caplog: pytest.LogCaptureFixture, garbage: bytes, offset: int
) -> None:
    server, bad = demo(), client()
    bad.send(garbage)
    server.handle_new_messages([])
    assert bad.has_ended()
    assert bad.received == b""
    nobody_notices(server)
    (line,) = warnings_of(caplog)
    assert f"pid {os.getpid()}, uid {os.geteuid()}" in line
    assert "limit" in line or f"byte {offset}" in line
    assert server.path in line
    assert server.stats.dropped == 1
    assert server.clients == ()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff" * 100,
        bytes(range(255, -1, -1)) * 16,
        b'{"Add":{"a":1,"b":2}}\n',
        b"\x00\x09rest",
    ],
    ids=["http", "ones", "falling", "json", "second byte"],
)
def test_a_client_of_no_wire_is_closed_and_logged_once(
    demo: Demo, client: Connect, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    server, bad = demo(wires=NO_JSON), client()
    bad.send(garbage)
    server.handle_new_messages([])
    assert bad.has_ended()
    nobody_notices(server)
    (line,) = warnings_of(caplog)
    assert f"pid {os.getpid()}, uid {os.geteuid()}" in line
    assert f"no wire begins with the bytes {garbage[:2].hex(' ')}" in line


def body(command: Any) -> bytes:
    data: bytes = entry_of(type(command)).codec.encode(command)
    return data


def print_frame(payload: bytes, call: int = 1) -> bytes:
    """A whole frame that asks for Print with any bytes as its fields."""
    return request_frame(entry_of(Print).fingerprint, payload, call)


FRAMED_GARBAGE = [
    ("no utf-8", print_frame(U64.pack(3) + b"\xff\xfe\xfd"), DecodeError, 8, "payload"),
    ("cut short", print_frame(U64.pack(10) + b"abc"), DecodeError, None, "payload"),
    ("no fields", print_frame(b""), DecodeError, 0, "payload"),
    ("left over", print_frame(U64.pack(1) + b"abc"), DecodeError, 9, None),
    ("a length of 2^63", print_frame(U64.pack(2**63) + b"abc"), DecodeError, 8, "payload"),
    ("no request", header(0) + b"", DecodeError, 0, None),
    ("short of a request", header(31) + bytes(31), DecodeError, 0, None),
]


@pytest.mark.parametrize(
    ("garbage", "error", "offset", "field"),
    [case[1:] for case in FRAMED_GARBAGE],
    ids=[case[0] for case in FRAMED_GARBAGE],
)
def test_a_whole_frame_of_no_command_is_answered_and_the_connection_stays(
    demo: Demo,
    client: Connect,
    caplog: pytest.LogCaptureFixture,
    garbage: bytes,
    error: type[Exception],
    offset: int | None,
    field: str | None,
) -> None:
    server, bad = demo(), client()
    bad.send(garbage + request(Add(a=1, b=2), 2))
    server.handle_new_messages([])
    assert bad.has_frames(2)
    (first, call, payload), (second, next_call, next_payload) = bad.frames
    assert (first, call) == (Kind.ERROR, 1)
    told = result_of(Print(payload=""), first, payload)
    assert isinstance(told, error)
    if isinstance(told, DecodeError):
        assert offset is None or told.offset == offset
        assert field is None or told.path == field
    assert (second, next_call) == (Kind.RESPONSE, 2)
    assert result_of(Add(a=1, b=2), second, next_payload) == Sum(c=3)
    assert not bad.has_ended()
    assert warnings_of(caplog) == []
    assert server.stats.rejected == 1
    assert server.stats.dropped == 0
    nobody_notices(server)


@pytest.mark.parametrize("kind", [0, 2, 3, 4, 5, 12, 13, 14, 255])
def test_a_frame_of_another_kind_is_answered_and_skipped(
    demo: Demo, client: Connect, kind: int
) -> None:
    server, bad = demo(), client()
    bad.send(header(5, kind, call=9) + b"hello" + request(Add(a=1, b=2), 2))
    server.handle_new_messages([])
    assert bad.has_frames(2)
    assert [(kind, call) for kind, call, _ in bad.frames] == [(Kind.ERROR, 9), (Kind.RESPONSE, 2)]
    told = result_of(Add(a=1, b=2), *bad.frames[0][::2])
    assert isinstance(told, RemoteProtocolError)
    assert str(kind) in str(told)
    nobody_notices(server)


STREAM_ENDS = [
    ("another magic", request(Push(x=1)) + b"\xffM" + bytes(60), "ff 4c"),
    ("another version", header(0, version=2) + bytes(60), "version 2"),
    ("2^32 - 1 bytes", header(2**32 - 1), "4294967295"),
    ("just over the limit", header(16 * 2**20 + 33), "limit"),
]


@pytest.mark.parametrize(
    ("garbage", "words"),
    [case[1:] for case in STREAM_ENDS],
    ids=[case[0] for case in STREAM_ENDS],
)
def test_a_stream_that_cannot_go_on_is_told_so_closed_and_logged_once(
    demo: Demo, client: Connect, caplog: pytest.LogCaptureFixture, garbage: bytes, words: str
) -> None:
    server, bad = demo(), client()
    bad.send(garbage)
    server.handle_new_messages([])
    assert bad.has_ended()
    kind, call, payload = bad.frames[-1]
    assert (kind, call) == (Kind.ERROR, 0)
    told = result_of(Push(x=1), kind, payload)
    assert isinstance(told, RemoteProtocolError)
    assert words in str(told)
    (line,) = warnings_of(caplog)
    assert f"pid {os.getpid()}, uid {os.geteuid()}" in line
    assert words in line
    assert server.stats.dropped == 1
    nobody_notices(server)


# Another idea of the commands ---------------------------------------------------------------------


class Elsewhere(Command[list[int]]):
    """Another program's commands."""


class Delete(Elsewhere):
    """One that the demo does not have."""

    everything: bool

    def process(self, context: list[int]) -> bool:
        raise AssertionError("it must never run")


class Fewer(Command[list[int]]):
    """An older edition of the demo's commands."""


class OldAdd(Fewer, name="Add"):
    """It had other fields."""

    a: int
    c: str

    def process(self, context: list[int]) -> Sum:
        raise AssertionError("it must never run")


def test_a_command_the_server_does_not_have(demo: Demo, client: Connect) -> None:
    server, asking = demo(), client()
    told = answer(server, [], asking, Delete(everything=True))
    assert type(told) is SchemaMismatch
    assert "Delete was not run" in str(told)
    assert "Delete" in told.ours
    assert "Push" in told.theirs
    assert answer(server, [], asking, Push(x=1)) == Pushed(x=1)
    assert server.stats.commands == 1


def test_a_command_the_server_has_in_another_shape(demo: Demo, client: Connect) -> None:
    server, asking = demo(), client()
    told = answer(server, [], asking, OldAdd(a=1, c="x"))
    assert type(told) is SchemaMismatch
    text = str(told)
    assert "Add was not run" in text
    for word in ("a", "b", "c", "u64", "i64"):
        assert word in text
    nobody_notices(server)


# Half messages, slow messages, ends in the middle -------------------------------------------------


def test_half_a_message_and_silence_is_dropped_at_its_limit(
    demo: Demo,
    client: Connect,
    caplog: pytest.LogCaptureFixture,
    dialect: Dialect,
    stop_clock: StopClock,
) -> None:
    server = demo(SOON)
    clock = stop_clock(server)
    parts = (1, 2, 3, 11, -1)
    bad = [client() for _ in parts]
    for one, part in zip(bad, parts, strict=True):
        one.send(dialect.request(Add(a=1, b=2))[:part])
    nobody_notices(server)
    assert not any(one.has_ended() for one in bad)
    clock.advance_ns(SOON_NS)
    server.handle_new_messages([])
    assert all(one.has_ended() for one in bad)
    nobody_notices(server)
    lines = warnings_of(caplog)
    assert len(lines) == len(parts)
    assert all(f"pid {os.getpid()}, uid {os.geteuid()}" in line for line in lines)
    assert all("too slow" in line for line in lines)
    assert server.stats.dropped == len(parts)


def test_silence_alone_is_not_dropped(demo: Demo, client: Connect, stop_clock: StopClock) -> None:
    """A kept connection may say nothing for ever; only what was begun must be finished."""
    server, idle, other = demo(SOON), client(), client()
    clock = stop_clock(server)
    answer(server, [], idle, Push(x=1))
    other.send(request(Push(x=1))[:20])
    server.handle_new_messages([])
    clock.advance_ns(SOON_NS)
    server.handle_new_messages([])
    assert other.has_ended()
    assert not idle.has_ended()
    assert answer(server, [], idle, Push(x=2)) == Pushed(x=2)


def test_one_byte_per_poll_is_answered_if_it_comes_to_an_end(
    demo: Demo, client: Connect, dialect: Dialect
) -> None:
    server, slow = demo(), client()
    data = dialect.request(Add(a=1, b=2))
    for byte in data:
        assert not slow.has_ended()
        slow.send(bytes([byte]))
        server.handle_new_messages([])
    slow.pump()
    assert dialect.answer(slow, Add(a=1, b=2)) == Sum(c=3)
    nobody_notices(server)


def test_one_byte_per_poll_does_not_stretch_the_limit(
    demo: Demo, client: Connect, dialect: Dialect, stop_clock: StopClock
) -> None:
    server, slow = demo(SOON), client()
    clock = stop_clock(server)
    left = iter(dialect.request(Print(payload="x" * 10_000)))
    for _ in range(50):
        slow.send(bytes([next(left)]))
        server.handle_new_messages([])
        assert not slow.has_ended()
        clock.advance_ns(SOON_NS // 50)
    server.handle_new_messages([])
    assert slow.has_ended()
    nobody_notices(server)


@pytest.mark.parametrize("part", [0, 1, 2, 3, 11, -1], ids=lambda part: f"{part} bytes")
@pytest.mark.parametrize("polled", [True, False], ids=["polled before", "not polled"])
def test_a_close_in_the_middle(
    demo: Demo, client: Connect, dialect: Dialect, part: int, polled: bool
) -> None:
    server, bad = demo(), client()
    bad.send(dialect.request(Push(x=99))[:part])
    stack: list[int] = []
    if polled:
        server.handle_new_messages(stack)
    bad.close()
    poll(server, stack, lambda: not server.clients)
    assert stack == []
    nobody_notices(server)
    assert not server.wait(0)


@pytest.mark.parametrize("part", [1, 2, 3, 11, -1], ids=lambda part: f"{part} bytes")
def test_a_half_close_in_the_middle_is_an_end(
    demo: Demo, client: Connect, dialect: Dialect, part: int
) -> None:
    server, bad = demo(), client()
    bad.send(dialect.request(Push(x=99))[:part])
    bad.socket.shutdown(socket.SHUT_WR)
    stack: list[int] = []
    poll(server, stack, bad.has_ended)
    is_last_line = dialect.name == "JSON" and part == -1  # whole where the stream ends
    assert stack == ([99] if is_last_line else [])
    nobody_notices(server)


def test_a_reset_in_the_middle_of_answers(serve: Serve, client: Connect) -> None:
    """The client closes with answers unread, while the server writes more."""
    server, host = serve(), Host()
    bad = client()
    bad.ask(*(Big(size=100_000) for _ in range(20)))
    server.handle_new_messages(host)
    bad.close()
    poll(server, host, lambda: not server.clients)
    assert len(host.ran) < 20
    assert not server.wait(0)


# Never reading, and floods ------------------------------------------------------------------------


def test_never_reading_is_dropped_at_its_limit(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, host = serve(limits=SOON), Host()
    bad, good = client(), client()
    bad.ask(*(Big(size=1_000_000) for _ in range(20)))
    server.handle_new_messages(host)
    for number in range(3):
        good.ask(Echo(text=str(number)))
        server.handle_new_messages(host)
        assert good.has_result(number + 1)
    poll(server, host, lambda: len(server.clients) == 1)
    assert sum(text.startswith("Big") for text in host.ran) < 5
    assert any("too slow" in line for line in warnings_of(caplog))
    assert answer(server, host, good, Echo(text="well")) == "well"


def test_never_reading_a_bare_answer(demo: Demo, client: Connect) -> None:
    """A bare answer fits the kernel's buffer or waits in ours; the server goes on either way."""
    server = demo(SOON)
    bad = [client() for _ in range(50)]
    for one in bad:
        one.send(bare(Push(x=1)))
    server.handle_new_messages([])
    nobody_notices(server)
    assert server.clients == ()


def test_reading_slowly_gets_everything(serve: Serve, client: Connect) -> None:
    server, host, slow = serve(), Host(), client()
    slow.ask(*(Big(size=100_000) for _ in range(20)))
    received = bytearray()

    def sip() -> bool:
        with contextlib.suppress(BlockingIOError):
            received.extend(slow.socket.recv(30_000))
        return len(received) >= 20 * 100_000

    until(sip, lambda: server.handle_new_messages(host))
    assert len(host.ran) == 20


def flood(bad: RawClient, data: bytes) -> int:
    """Send again and again, until the kernel takes no more; how many bytes it took."""
    total = 0
    while sent := bad.try_send(data):
        total += sent
    return total


def test_a_flood_is_not_hoarded(serve: Serve, client: Connect) -> None:
    """What a host has no time to run stays in the kernel, where it stops its sender."""
    server, host = serve(limits=Limits(message_bytes=4096)), Host()
    bad = client()
    one = request(Echo(text="x" * 1000))
    sent = 0
    for _ in range(300):
        sent += flood(bad, one)
        server.handle_new_messages(host, max_messages=1)
        bad.pump()
    hoarded = sent - len(host.ran) * len(one)
    assert len(host.ran) == 300
    assert hoarded < 1_000_000, f"{hoarded} bytes of one client are kept"


def test_a_flood_is_run_within_the_budget_of_time(serve: Serve, client: Connect) -> None:
    server, host = serve(), Host()
    bad, good = client(), client()
    answer(server, host, good, Echo(text="hello"))
    data = request(Echo(text="flood"), 1) * 100
    for number in range(50):
        flood(bad, data)
        call = good.ask(Echo(text=str(number)))
        server.handle_new_messages(host, max_seconds=0.001)
        server.handle_new_messages(host, max_seconds=0.001)
        assert good.has_result(call)
        bad.pump()


def test_a_flood_of_garbage_ends_with_its_first_frame(demo: Demo, client: Connect) -> None:
    server, bad = demo(wires=NO_JSON), client()
    flood(bad, b"garbage, garbage" * 1000)
    server.handle_new_messages([])
    assert bad.has_ended()
    nobody_notices(server)


def test_a_flood_of_connections(demo: Demo, client: Connect) -> None:
    server = demo()
    for _ in range(300):
        client()
    nobody_notices_within(server, 300 // 64 + 2)


def nobody_notices_within(server: IpcServer[Any], polls: int) -> None:
    """A good client that came last is served after so many polls."""
    with RawClient(server.path) as good:
        call = good.ask(Push(x=1))
        for _ in range(polls):
            server.handle_new_messages([])
        assert good.has_result(call)
    server.handle_new_messages([])


def test_a_flood_of_zero_sized_frames(demo: Demo, client: Connect) -> None:
    """Each is answered; the answers are bounded like any others."""
    server, bad = demo(SOON), client()
    flood(bad, header(0) * 1000)
    for _ in range(5):
        server.handle_new_messages([])
        nobody_notices(server)
    poll(server, [], lambda: not server.clients)


def test_rejected_requests_count_in_the_budget_of_time(demo: Demo, client: Connect) -> None:
    server, bad = demo(), client()
    flood(bad, header(0) * 1000)
    good = client()
    call = good.ask(Push(x=1))
    server.handle_new_messages([], max_seconds=0.001)
    server.handle_new_messages([], max_seconds=0.001)
    assert good.has_result(call)
    assert len(bad.frames) < 4000


def test_every_garbage_at_once_beside_good_clients(
    demo: Demo, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = demo(SOON)
    stack: list[int] = []
    bad = [case[1] for case in BARE_GARBAGE] + [case[1] for case in STREAM_ENDS[1:]]
    bad_ones = []
    for data in bad:
        bad_ones.append(client())
        bad_ones[-1].send(data)
    good = [client() for _ in range(10)]
    for number, one in enumerate(good):
        one.ask(Push(x=number))
    server.handle_new_messages(stack)
    assert all(one.has_result(1) for one in good)
    assert sorted(stack) == list(range(10))
    assert all(one.has_ended() for one in bad_ones)
    assert len(warnings_of(caplog)) == len(bad)


@pytest.mark.parametrize("wires", [Wire.ALL, NO_JSON], ids=["all", "no json"])
def test_what_a_client_sends_is_not_printed_raw(
    demo: Demo, client: Connect, caplog: pytest.LogCaptureFixture, wires: Wire
) -> None:
    """A log line is one line, whatever the client sent."""
    caplog.set_level(logging.DEBUG, "lazyipc")
    server, bad = demo(wires=wires), client()
    bad.send(b"\n\n\x1b[2Jforged line\n")
    server.handle_new_messages([])
    other = client()
    other.send(request_frame(b"\n\n\n\n\n\n\n\n", b"\n\x1b"))
    server.handle_new_messages([])
    assert caplog.records
    assert all("\n" not in r.getMessage() and "\x1b" not in r.getMessage() for r in caplog.records)


# Which wire ---------------------------------------------------------------------------------------


def test_a_bare_client_where_only_framed_is_spoken(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, bad = serve(ClientCommand), client()
    stack: list[int] = []
    bad.send(bare(Push(x=7)))
    server.handle_new_messages(stack)
    assert bad.has_ended()
    assert stack == []
    (line,) = warnings_of(caplog)
    assert "BARE" in line
    assert "FRAMED" in line
    assert "`wires`" in line
    nobody_notices(server)


def test_a_framed_client_where_only_bare_is_spoken(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, bad = serve(ClientCommand, wires=Wire.BARE), client()
    stack: list[int] = []
    bad.send(request(Push(x=7)))
    server.handle_new_messages(stack)
    assert bad.has_ended()
    assert stack == []
    assert len(warnings_of(caplog)) == 1


class Tell(Command[list[int]]):
    """A set of one: no variants, so no index on the bare wire."""

    number: int

    def process(self, context: list[int]) -> int:
        context.append(self.number)
        return len(context)


@pytest.mark.parametrize("number", [0, 1, 0x4CFF, -1, 2**63 - 1, -(2**63)])
def test_a_set_of_one_over_bare(serve: Serve, client: Connect, number: int) -> None:
    """It may begin with any bytes, those of a frame included."""
    server, asking = serve(Tell, wires=Wire.BARE), client()
    stack: list[int] = []
    asking.send(struct.pack("<q", number))
    server.handle_new_messages(stack)
    assert asking.has_ended()
    assert stack == [number]
    assert asking.received == struct.pack("<q", 1)


def test_a_set_of_one_over_framed(serve: Serve, client: Connect) -> None:
    server, asking = serve(Tell), client()
    stack: list[int] = []
    assert answer(server, stack, asking, Tell(number=5)) == 1
    assert stack == [5]


def test_a_bare_client_that_goes_on_talking(
    demo: Demo, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The bare wire has one message each way; what follows it is no command."""
    server, bad = demo(), client()
    stack: list[int] = []
    bad.send(bare(Push(x=7)) + bare(Push(x=8)))
    server.handle_new_messages(stack)
    assert bad.has_ended()
    assert stack == [7]
    assert bare_response(bad.received, ClientCommand) == Pushed(x=7)


def test_a_wire_is_told_by_two_bytes_however_they_come(
    demo: Demo, client: Connect, dialect: Dialect
) -> None:
    server, asking = demo(), client()
    data = dialect.request(Add(a=1, b=2))
    for piece in (data[:1], data[1:2], data[2:]):
        asking.send(piece)
        server.handle_new_messages([])
    asking.pump()
    assert dialect.answer(asking, Add(a=1, b=2)) == Sum(c=3)


def test_pipelined_frames_cut_anywhere(serve: Serve, client: Connect) -> None:
    server, host = serve(), Host()
    data = RawClient.prepare(asking := client(), *(Echo(text=str(n)) for n in range(3)))
    for cut in range(1, len(data)):
        one = client()
        one.prepare(*(Echo(text=str(n)) for n in range(3)))
        one.send(data[:cut])
        server.handle_new_messages(host)
        one.send(data[cut:])
        server.handle_new_messages(host)
        assert one.has_result(3), f"cut after {cut} bytes"
        assert list(one.results.values()) == ["0", "1", "2"]
        one.close()
    asking.close()
    poll(server, host, lambda: not server.clients)


def test_no_bytes_of_a_client_make_a_poll_raise(demo: Demo, client: Connect) -> None:
    """Every byte of a good message changed once: answered, refused or waiting, and no more."""
    server = demo(SOON)
    for good in (bare(Add(a=1, b=2)), request(Add(a=1, b=2))):
        for place in range(len(good)):
            for change in (0x01, 0x80, 0xFF):
                data = bytearray(good)
                data[place] ^= change
                with RawClient(server.path) as bad:
                    bad.send(bytes(data))
                    server.handle_new_messages([])
    nobody_notices(server)
    poll(server, [], lambda: not server.clients)


def test_a_client_may_reuse_a_call_number_once_it_is_answered(
    serve: Serve, client: Connect
) -> None:
    server, host, asking = serve(), Host(), client()
    asking.send(request(Echo(text="a"), 5) + request(Echo(text="b"), 5))
    server.handle_new_messages(host)
    assert asking.has_frames(2)
    assert [call for _, call, _ in asking.frames] == [5, 5]


def test_a_frame_without_a_reader_leaves_no_half_frame(serve: Serve, client: Connect) -> None:
    """Whole frames only reach a client that reads at last, however long it did not."""
    server, host, slow = serve(), Host(), client()
    slow.ask(*(Big(size=50_000) for _ in range(30)))
    for _ in range(5):
        server.handle_new_messages(host)
    poll(server, host, lambda: slow.has_result(30))
    assert all(result == "x" * 50_000 for result in slow.results.values())
    assert len(slow.received) == 30 * (HEADER.size + 8 + 8 + 50_000)
