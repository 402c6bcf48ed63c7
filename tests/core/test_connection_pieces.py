"""Properties of the state machines: any chunking tells the same, any garbage is no surprise."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc import Wire
from lazyipc._core.catalog import Catalog, entry_of
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Rejected, Requested
from lazyipc._core.failure import Failure, failure_of
from lazyipc.errors import CommandFailed, IpcError, RemoteError, RemoteProtocolError
from tests.core.connection_pair import (
    CLOCK,
    Add,
    Ask,
    Done,
    Order,
    Said,
    Say,
    Stop,
    Total,
    byte_by_byte,
    cut_at,
    drain,
    events_of,
    fingerprint_of,
    frame_bytes,
    orders,
    raw_request,
    request_bytes,
    whole,
)
from tests.core.matrix import THOROUGH

OPEN_CALLS = range(1, 5)
COMMANDS = [Stop, Add, Say, Ask]

cuts = st.lists(st.integers(0, 400), max_size=8)
calls = st.integers(1, 6)
kinds = st.integers(0, 15)
"""All kinds there are, and some there are not."""


# Streams -----------------------------------------------------------------------------------------


def numbered(commands: list[Order]) -> list[bytes]:
    """Requests with calls of their own."""
    return [request_bytes(call, command) for call, command in enumerate(commands, 100)]


odd_requests = st.one_of(
    st.builds(frame_bytes, st.integers(2, 255), calls, st.binary(max_size=40)),
    st.builds(frame_bytes, st.just(1), calls, st.binary(max_size=31)),
    st.builds(raw_request, calls, st.binary(min_size=8, max_size=8), st.binary(max_size=20)),
)
request_streams = st.builds(
    lambda good, odd, mixed, last: b"".join(mixed.sample(good + odd, len(good + odd))) + last,
    st.lists(orders, max_size=4).map(numbered),
    st.lists(odd_requests, max_size=3),
    st.randoms(use_true_random=False),
    st.just(b"") | st.binary(max_size=60),
)
"""Requests good and odd, and perhaps something at the end that is none."""


def reply_fingerprint(command: type, value: Any) -> bytes:
    return entry_of(command).reply.encode(value)[0]


FINGERPRINTS = [
    reply_fingerprint(Stop, Done()),
    reply_fingerprint(Add, Total(c=1)),
    reply_fingerprint(Say, Said(text="", blob=b"")),
    b"unknown!",
]

details = st.sampled_from(
    [
        "{}",
        "",
        "[",
        "null",
        '{"offset": 1, "path": "a", "reason": "b"}',
        '{"what": "a", "size_bytes": 2, "limit_bytes": 1}',
        '{"version": 1, "commands": []}',
    ]
)
texts = st.text(max_size=5)
failures = st.builds(Failure, st.integers(0, 11), texts, texts, details).map(Failure.encode)
errors = st.one_of(
    failures,
    st.binary(max_size=40),
    st.sampled_from(
        [failure_of(error).encode() for error in (CommandFailed("no"), RemoteError("x", kind="y"))]
    ),
)
answers = st.one_of(
    st.builds(
        lambda call, fingerprint, body: frame_bytes(2, call, fingerprint + body),
        calls,
        st.sampled_from(FINGERPRINTS),
        st.binary(max_size=24) | st.just(bytes(8)) | st.just(bytes(16)) | st.just(b""),
    ),
    st.builds(frame_bytes, st.just(2), calls, st.binary(max_size=12)),
    st.builds(frame_bytes, st.just(3), st.integers(0, 6), errors),
    st.builds(frame_bytes, kinds, calls, st.binary(max_size=20)),
)
answer_streams = st.builds(
    lambda frames, last: b"".join(frames) + last,
    st.lists(answers, max_size=6),
    st.just(b"") | st.binary(max_size=60),
)


def framed_server() -> ServerConnection:
    return ServerConnection(Catalog(Order), Wire.ALL, message_bytes=200, clock=CLOCK)


def bare_server() -> ServerConnection:
    return ServerConnection(Catalog(Order), Wire.BARE, message_bytes=200)


def framed_client() -> ClientConnection:
    """A client with open calls of each kind."""
    client = ClientConnection(message_bytes=200, clock=CLOCK)
    commands: list[Order] = [Stop(), Add(a=1, b=2), Say(text=""), Ask(numbers=[])]
    for call, command in zip(OPEN_CALLS, commands, strict=True):
        client.request(call, command, None, None)
    return client


def bare_client() -> ClientConnection:
    client = ClientConnection(Wire.BARE, message_bytes=200)
    client.request(1, Ask(numbers=[]), None, None)
    return client


# Any chunking ------------------------------------------------------------------------------------


@THOROUGH
@given(stream=request_streams, places=cuts)
def test_a_framed_server_tells_the_same_however_its_stream_is_cut(
    stream: bytes, places: list[int]
) -> None:
    told = events_of(framed_server(), whole(stream))
    assert events_of(framed_server(), cut_at(stream, places)) == told
    assert events_of(framed_server(), byte_by_byte(stream)) == told


@THOROUGH
@given(stream=answer_streams, places=cuts)
def test_a_framed_client_tells_the_same_however_its_stream_is_cut(
    stream: bytes, places: list[int]
) -> None:
    told = events_of(framed_client(), whole(stream))
    assert events_of(framed_client(), cut_at(stream, places)) == told
    assert events_of(framed_client(), byte_by_byte(stream)) == told


@THOROUGH
@given(order=orders, behind=st.binary(max_size=20), places=cuts)
def test_a_bare_server_tells_the_same_however_its_stream_is_cut(
    order: Order, behind: bytes, places: list[int]
) -> None:
    stream = ClientConnection(Wire.BARE).request(1, order, None, None) + behind
    told: list[object] = [Requested(0, order, None)]
    for pieces in (whole(stream), cut_at(stream, places), byte_by_byte(stream)):
        assert events_of(bare_server(), pieces) == told


@THOROUGH
@given(garbage=st.binary(max_size=60), places=cuts)
def test_a_bare_side_tells_the_same_garbage_however_it_is_cut(
    garbage: bytes, places: list[int]
) -> None:
    for make in (bare_server, bare_client):
        told = events_of(make(), whole(garbage))
        assert events_of(make(), byte_by_byte(garbage)) == told
        assert events_of(make(), cut_at(garbage, places)) == told


@THOROUGH
@given(commands=st.lists(orders, max_size=5), places=cuts)
def test_all_that_was_asked_arrives_in_order(commands: list[Order], places: list[int]) -> None:
    stream = b"".join(numbered(commands))
    expected = [Requested(call, command, None) for call, command in enumerate(commands, 100)]
    assert events_of(framed_server(), cut_at(stream, places)) == expected


# Any garbage -------------------------------------------------------------------------------------


def assert_no_surprise(
    connection: ServerConnection | ClientConnection, pieces: list[bytes]
) -> None:
    """Events or a RemoteProtocolError; anything else comes out of here."""
    try:
        for piece in pieces:
            connection.receive_data(piece)
            for event in drain(connection):
                error = getattr(event, "error", None)
                assert error is None or isinstance(error, IpcError)
    except RemoteProtocolError:
        return
    if isinstance(connection, ClientConnection):
        try:
            connection.receive_end()
        except RemoteProtocolError:
            return


SIDES = [framed_server, bare_server, framed_client, bare_client]
each_side = pytest.mark.parametrize("make", SIDES, ids=lambda make: make.__name__)


@each_side
@THOROUGH
@given(garbage=st.binary(max_size=200), places=cuts)
def test_random_bytes_are_no_surprise(make: Any, garbage: bytes, places: list[int]) -> None:
    assert_no_surprise(make(), cut_at(garbage, places))


@each_side
@THOROUGH
@given(garbage=st.binary(max_size=100), places=cuts, stream=request_streams | answer_streams)
def test_streams_with_changed_bytes_are_no_surprise(
    make: Any, garbage: bytes, places: list[int], stream: bytes
) -> None:
    changed = bytearray(stream)
    for place, byte in zip(places, garbage, strict=False):
        if place < len(changed):
            changed[place] ^= byte
    assert_no_surprise(make(), cut_at(bytes(changed), places))


@each_side
@THOROUGH
@given(kind=kinds, call=st.integers(0, 6), payload=st.binary(max_size=100))
def test_frames_of_any_kind_are_no_surprise(
    make: Any, kind: int, call: int, payload: bytes
) -> None:
    assert_no_surprise(make(), [frame_bytes(kind, call, payload)])


@pytest.mark.parametrize("command", COMMANDS)
@THOROUGH
@given(call=st.integers(1, 2**64 - 1), body=st.binary(max_size=60))
def test_a_request_with_any_body_is_told_under_its_call(
    command: type, call: int, body: bytes
) -> None:
    server = framed_server()
    server.receive_data(raw_request(call, fingerprint_of(command), body))
    (event,) = drain(server)
    assert event.call == call
    if isinstance(event, Rejected):
        assert isinstance(event.error, RemoteProtocolError)
        assert server.fail(call, event.error)
    else:
        assert type(event.command) is command


@THOROUGH
@given(
    deadline=st.integers(0, 2**64 - 1), left=st.integers(0, 2**64 - 1), clock=st.binary(min_size=8)
)
def test_any_deadline_is_taken(deadline: int, left: int, clock: bytes) -> None:
    extra = fingerprint_of(Stop) + clock[:8] + struct.pack("<QQ", deadline, left)
    server = framed_server()
    server.receive_data(frame_bytes(1, 1, extra), 2**62)
    (event,) = drain(server)
    assert isinstance(event, Requested)
    assert event.deadline_ns is None or event.deadline_ns >= 0
