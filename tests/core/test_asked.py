"""What is asked of the server itself, on either wire: told apart from commands, answered once."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lazyipc import Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.server import LONGEST_NAME_BYTES, ServerConnection
from lazyipc._core.events import BUILT_INS, Asked, Rejected, Requested
from lazyipc._core.framing import HEADER_BYTES, VIEW_BYTES
from lazyipc.errors import (
    DecodeError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteError,
    RemoteProtocolError,
)
from tests.core.connection_pair import (
    CUTS,
    Cut,
    Done,
    Order,
    Stop,
    cut_at,
    drain,
    events_of,
    frame_bytes,
    request_bytes,
)
from tests.core.matrix import UNHURRIED

BOTH = Wire.FRAMED | Wire.JSON
NOW_NS = 1_000_000_000
TOLD = '{"lazyipc":1,"name":"größe"}'


class One(BaseModel):
    """A set of one."""

    x: int = 0

    def process(self, context: Any) -> None: ...


def server(command: Any = Order, wires: Wire = BOTH, **limits: Any) -> ServerConnection:
    return ServerConnection(Catalog(command), wires, **limits)


def event_of(connection: ServerConnection, data: bytes) -> Any:
    """The one event of what comes whole."""
    connection.receive_data(data, NOW_NS)
    (event,) = drain(connection)
    return event


ASKING: dict[str, tuple[bytes, Asked]] = {
    "a frame": (frame_bytes(9, 7, b"describe"), Asked(7, "describe")),
    "a frame without a name": (frame_bytes(9, 2**64 - 1, b""), Asked(2**64 - 1, "describe")),
    "a frame for stats": (frame_bytes(9, 1, b"stats"), Asked(1, "stats")),
    "a line": (b'{"$lazyipc":"describe"}\n', Asked(1, "describe")),
    "a line for stats": (b' { "$lazyipc" : "st\\u0061ts" } \r\n', Asked(1, "stats")),
    "with an id": (b'{"id":"x","call":{"$lazyipc":"stats"}}\n', Asked(1, "stats")),
    "with a time": (
        b'{"call":{"$lazyipc":"describe"},"timeout":1.5}\n',
        Asked(1, "describe", NOW_NS + 1_500_000_000),
    ),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("how", ASKING)
def test_it_is_asked(how: str, cut: Cut) -> None:
    data, asked = ASKING[how]
    connection = server()
    events: list[Any] = []
    for piece in cut(data):
        connection.receive_data(piece, NOW_NS)
        events += drain(connection)
    assert events == [asked]
    assert connection.wanted_bytes == 0
    assert len(connection.buffer) == 0


@pytest.mark.parametrize("how", ASKING)
def test_a_set_of_one_is_asked_alike(how: str) -> None:
    data, asked = ASKING[how]
    assert event_of(server(One), data) == asked


def test_a_frame_tells() -> None:
    connection = server()
    assert event_of(connection, frame_bytes(9, 7, b"describe")) == Asked(7, "describe")
    assert connection.tell(7, TOLD) == frame_bytes(9, 7, TOLD.encode())
    assert not connection.finished


@pytest.mark.parametrize(
    ("sent", "opening"),
    [
        (b'{"$lazyipc":"describe"}\n', '{"Ok":'),
        (b'{"id":7,"call":{"$lazyipc":"describe"}}\n', '{"id":7,"Ok":'),
        (b'{"id":"\\u00e9","call":{"$lazyipc":"stats"}}\n', '{"id":"é","Ok":'),
    ],
)
def test_a_line_tells(sent: bytes, opening: str) -> None:
    connection = server()
    event = event_of(connection, sent)
    assert connection.tell(event.call, TOLD).decode() == f"{opening}{TOLD}}}\n"
    assert not connection.finished


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.JSON])
def test_it_comes_in_order_with_commands(wire: Wire) -> None:
    connection = server()
    if wire is Wire.FRAMED:
        data = request_bytes(1, Stop()) + frame_bytes(9, 2, b"stats") + request_bytes(3, Stop())
    else:
        data = b'"Stop"\n{"$lazyipc":"stats"}\n"Stop"\n'
    connection.receive_data(data)
    assert drain(connection) == [
        Requested(1, Stop(), None),
        Asked(2, "stats"),
        Requested(3, Stop(), None),
    ]
    for call in (3, 1):
        connection.respond(call, Done())
    assert TOLD.encode() in connection.tell(2, TOLD)


# What is not known -------------------------------------------------------------------------------


NAMES = [b"help", b"DESCRIBE", b"describe ", b"describe\0", b"\xff\xfe", b"\0", b"stats" * 10_000]


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_with_another_name_is_rejected(name: bytes) -> None:
    connection = server()
    event = event_of(connection, frame_bytes(9, 5, name))
    assert isinstance(event, Rejected)
    assert (event.call, type(event.error)) == (5, RemoteProtocolError)
    told = str(event.error)
    assert "describe and stats" in told
    assert told.isprintable()
    assert len(told) < 100 + 4 * LONGEST_NAME_BYTES
    assert connection.fail(5, event.error)[:4] == b"\xff\x4c\1\3"
    assert not connection.finished
    assert event_of(connection, frame_bytes(9, 5, b"stats")) == Asked(5, "stats")


@pytest.mark.parametrize(
    "value", ['"help"', '"Stats"', "1", "null", "[]", "{}", '["stats"]', '{"stats":{}}', "true"]
)
def test_a_line_with_anything_else_is_rejected(value: str) -> None:
    connection = server()
    for line in (f'{{"$lazyipc":{value}}}', f'{{"id":3,"call":{{"$lazyipc":{value}}}}}'):
        event = event_of(connection, line.encode() + b"\n")
        assert isinstance(event, Rejected)
        assert isinstance(event.error, DecodeError)
        assert '"describe" and "stats"' in event.error.reason
        assert event.error.path.endswith("$lazyipc")
        answer = json.loads(connection.fail(event.call, event.error))
        assert answer.get("id") == (3 if "id" in line else None)


@pytest.mark.parametrize(
    "line", ['{"$lazyipc":1,"$lazyipc":"stats"}', '{"id":1,"id":2,"call":{"$lazyipc":"stats"}}']
)
def test_a_key_that_stands_twice_is_refused(line: str) -> None:
    event = event_of(server(), line.encode() + b"\n")
    assert isinstance(event, Rejected)
    assert "a key stands twice" in str(event.error)


def test_a_line_that_asks_and_commands_is_an_envelope_gone_wrong() -> None:
    event = event_of(server(), b'{"$lazyipc":"stats","Stop":{}}\n')
    assert isinstance(event, Rejected)
    assert "a line is one command" in str(event.error)


@given(st.binary(max_size=80), st.integers(1, 2**64 - 1), st.lists(st.integers(0, 99), max_size=4))
@settings(**UNHURRIED)
def test_any_payload_is_asked_or_rejected(payload: bytes, call: int, places: list[int]) -> None:
    data = frame_bytes(9, call, payload)
    (event,) = told = events_of(server(), [data])
    if payload in (b"", *(name.encode() for name in BUILT_INS)):
        assert event == Asked(call, payload.decode() or "describe")
    else:
        assert isinstance(event, tuple)
        assert event[:3] == (Rejected, call, RemoteProtocolError)
    assert events_of(server(), cut_at(data, places)) == told


# Rules of the stream -----------------------------------------------------------------------------


def test_call_0_ends_the_stream() -> None:
    connection = server()
    connection.receive_data(frame_bytes(9, 0, b"describe"))
    with pytest.raises(RemoteProtocolError, match="0 is no call"):
        connection.next_event()


@pytest.mark.parametrize("first", [frame_bytes(9, 5, b"stats"), request_bytes(5, Stop())])
@pytest.mark.parametrize("second", [frame_bytes(9, 5, b"stats"), request_bytes(5, Stop())])
def test_a_call_that_is_open_cannot_begin_again(first: bytes, second: bytes) -> None:
    connection = server()
    connection.receive_data(first + second)
    assert connection.next_event() is not None
    with pytest.raises(RemoteProtocolError, match="call 5 is under way"):
        connection.next_event()


def test_a_call_that_was_told_may_begin_again() -> None:
    connection = server()
    for _ in range(3):
        assert event_of(connection, frame_bytes(9, 5, b"stats")) == Asked(5, "stats")
        connection.tell(5, TOLD)
        assert isinstance(event_of(connection, request_bytes(5, Stop())), Requested)
        connection.respond(5, Done())


def test_a_payload_over_the_limit_ends_the_stream_before_it_comes() -> None:
    connection = server(message_bytes=1000)
    connection.receive_data(frame_bytes(9, 1, bytes(2000))[:HEADER_BYTES])
    with pytest.raises(MessageTooLarge):
        connection.next_event()


def test_a_large_payload_is_not_kept() -> None:
    size = 4 * VIEW_BYTES
    data = frame_bytes(9, 1, bytes(size))
    connection = server(message_bytes=size)
    connection.receive_data(data)
    tracemalloc.start()
    try:
        (event,) = drain(connection)
        assert tracemalloc.get_traced_memory()[1] < size // 4
    finally:
        tracemalloc.stop()
    assert isinstance(event, Rejected)
    assert len(connection.buffer.data) == 0


# What is told ------------------------------------------------------------------------------------


SENT = {Wire.FRAMED: frame_bytes(9, 1, b"stats"), Wire.JSON: b'{"$lazyipc":"stats"}\n'}
STOP = {Wire.FRAMED: request_bytes(2, Stop()), Wire.JSON: b'"Stop"\n'}


@pytest.mark.parametrize("wire", SENT)
def test_it_is_told_once_and_under_an_open_call(wire: Wire) -> None:
    connection = server()
    assert event_of(connection, SENT[wire]) == Asked(1, "stats")
    with pytest.raises(LocalProtocolError):
        connection.tell(2, TOLD)
    with pytest.raises(LocalProtocolError):
        connection.respond(1, Done())
    connection.tell(1, TOLD)
    with pytest.raises(LocalProtocolError):
        connection.tell(1, TOLD)
    assert event_of(connection, STOP[wire]) == Requested(2, Stop(), None)
    with pytest.raises(LocalProtocolError):
        connection.tell(2, TOLD)
    connection.respond(2, Done())


@pytest.mark.parametrize("wire", SENT)
def test_it_may_fail(wire: Wire) -> None:
    connection = server()
    event_of(connection, SENT[wire])
    assert b"out of order" in connection.fail(1, RemoteError("out of order"))
    with pytest.raises(LocalProtocolError):
        connection.tell(1, TOLD)
    assert not connection.finished


def test_a_rejected_line_is_not_told() -> None:
    connection = server()
    event_of(connection, b'{"$lazyipc":"help"}\n')
    with pytest.raises(LocalProtocolError):
        connection.tell(1, TOLD)


@pytest.mark.parametrize("wire", SENT)
def test_what_is_told_may_be_longer_than_a_message(wire: Wire) -> None:
    connection = server(message_bytes=100)
    text = json.dumps({"doc": "é" * 80}, ensure_ascii=False)
    for _ in range(2):
        call = event_of(connection, SENT[wire]).call
        assert text.encode() in connection.tell(call, text)


def test_nothing_is_asked_bare() -> None:
    connection = server(wires=Wire.BARE)
    assert event_of(connection, b"\0\0\0\0") == Requested(0, Stop(), None)
    with pytest.raises(LocalProtocolError):
        connection.tell(0, TOLD)
    assert connection.respond(0, Done())
