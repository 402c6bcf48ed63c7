"""Properties of two peers: any chunking tells the same, any garbage is no surprise, each call ends
exactly once whatever crosses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.events import (
    Cancelled,
    Failed,
    Finished,
    Notified,
    Rejected,
    Requested,
    Responded,
)
from lazyipc._core.failure import Failure, failure_of
from lazyipc.errors import CommandFailed, IpcError, RemoteError, RemoteProtocolError
from tests.core.connection_pair import CLOCK, byte_by_byte, cut_at, frame_bytes, raw_request
from tests.core.matrix import THOROUGH
from tests.core.peer_pair import (
    ACCEPT,
    GOODBYE,
    KEY,
    WORD_SET,
    Hush,
    Many,
    Pair,
    PeerPair,
    Text,
    Word,
    cancel,
    drain,
    events_of,
    finished,
    hello_bytes,
    open_server,
    words,
)

cuts = st.lists(st.integers(0, 400), max_size=8)
calls = st.integers(0, 6)
bodies = st.binary(max_size=24) | st.just(bytes(8)) | st.just(bytes(16)) | st.just(b"")
fingerprints = st.sampled_from(
    [WORD_SET.entry(model).fingerprint for model in (Hush, Pair, Text, Many)] + [b"unknown!"]
)


# Streams -----------------------------------------------------------------------------------------

details = st.sampled_from(
    ["{}", "", "[", "null", '{"offset": 1, "path": "a", "reason": "b"}', WORD_SET.description]
)
texts = st.text(max_size=5)
errors = st.one_of(
    st.builds(Failure, st.integers(0, 11), texts, texts, details).map(Failure.encode),
    st.binary(max_size=40),
    st.just(failure_of(CommandFailed("no")).encode()),
)
frames = st.one_of(
    st.builds(raw_request, calls, fingerprints, bodies),
    st.builds(lambda call, print_, body: frame_bytes(11, call, print_ + body), calls, fingerprints,
              bodies),
    st.builds(lambda call, print_, body: frame_bytes(2, call, print_ + body), calls, fingerprints,
              bodies),
    st.builds(frame_bytes, st.just(3), calls, errors),
    st.builds(finished, calls),
    st.builds(cancel, calls),
    st.just(GOODBYE),
    st.builds(frame_bytes, st.integers(0, 17), calls, st.binary(max_size=40)),
)  # fmt: skip
"""What may come once a connection is open, and what may not."""

hellos = st.one_of(
    st.just(hello_bytes()),
    st.just(hello_bytes(schema=None)),
    st.just(hello_bytes(schema="[]")),
    st.just(hello_bytes(key="wrong")),
    st.builds(
        lambda told: frame_bytes(10, 0, json.dumps(told).encode()),
        st.dictionaries(
            st.sampled_from(["version", "key", "message_bytes", "calls", "in_bytes", "schema"]),
            st.integers(-1, 3) | st.none() | texts,
        ),
    ),
)
handshakes = st.lists(
    st.one_of(hellos, st.just(ACCEPT), frames), min_size=1, max_size=4
).map(b"".join)  # fmt: skip
streams = st.builds(
    lambda sent, last: b"".join(sent) + last,
    st.lists(frames, max_size=6),
    st.just(b"") | st.binary(max_size=60),
)


def asking_server() -> PeerConnection:
    """A server that has shaken hands, with two open requests and an open notification."""
    server = open_server(message_bytes=200, calls=3, in_bytes=60)
    server.request(1, Pair(a=1, b=2), None, None)
    server.request(2, Hush(), None, None)
    server.notify(3, Hush())
    return server


def new_server() -> PeerConnection:
    return PeerConnection(WORD_SET, opens=False, key=KEY, clock=CLOCK)


def new_client() -> PeerConnection:
    client = PeerConnection(WORD_SET, opens=True, key=KEY, clock=CLOCK)
    client.start()
    client.take_output()
    return client


# Any chunking ------------------------------------------------------------------------------------


def assert_the_same_in_pieces(make: Any, stream: bytes, places: list[int]) -> None:
    whole = make()
    told, written = events_of(whole, [stream]), whole.take_output()
    for pieces in (cut_at(stream, places), byte_by_byte(stream)):
        connection = make()
        assert events_of(connection, pieces) == told
        assert connection.take_output() == written


@THOROUGH
@given(stream=streams, places=cuts)
def test_a_peer_tells_the_same_however_its_stream_is_cut(stream: bytes, places: list[int]) -> None:
    assert_the_same_in_pieces(asking_server, stream, places)


@pytest.mark.parametrize("make", [new_server, new_client])
@THOROUGH
@given(stream=handshakes, places=cuts)
def test_a_handshake_is_the_same_however_it_is_cut(
    make: Any, stream: bytes, places: list[int]
) -> None:
    assert_the_same_in_pieces(make, stream, places)


@THOROUGH
@given(sent=st.lists(words, max_size=5), places=cuts, key=st.text(max_size=5))
def test_a_whole_dialogue_is_the_same_however_it_is_cut(
    sent: list[Word], places: list[int], key: str
) -> None:
    for cut in (byte_by_byte, lambda data: cut_at(data, places)):
        pair = PeerPair(cut=cut, key=key).open()
        for call, word in enumerate(sent, 1):
            assert pair.to_server(pair.client.request(call, word, None, None)).command == word
            assert pair.to_client(pair.server.notify(call, word)) == Notified(call, word)
            assert pair.to_client(pair.server.respond(call, word)) == Responded(call, word)
            assert pair.to_server(pair.client.finish(call)) == Finished(call)
        assert pair.client.open_count == pair.server.open_count == 0


# Any garbage -------------------------------------------------------------------------------------


def assert_no_surprise(connection: PeerConnection, pieces: list[bytes]) -> None:
    """Events or an error of the other side's; anything else comes out of here."""
    try:
        for piece in pieces:
            connection.receive_data(piece)
            for event in drain(connection):
                error = getattr(event, "error", None)
                assert error is None or isinstance(error, IpcError)
        connection.receive_end()
    except (RemoteProtocolError, RemoteError):
        assert connection.next_event() is None
    assert len(connection.take_output()) < 100_000


SIDES = [asking_server, new_server, new_client]
each_side = pytest.mark.parametrize("make", SIDES, ids=lambda make: make.__name__)


@each_side
@THOROUGH
@given(garbage=st.binary(max_size=200), places=cuts)
def test_random_bytes_are_no_surprise(make: Any, garbage: bytes, places: list[int]) -> None:
    assert_no_surprise(make(), cut_at(garbage, places))
    assert_no_surprise(make(), cut_at(b"\xff\x4c\x01" + garbage, places))


@each_side
@THOROUGH
@given(stream=st.lists(frames | hellos | st.just(ACCEPT), max_size=6).map(b"".join), places=cuts)
def test_odd_frames_are_no_surprise(make: Any, stream: bytes, places: list[int]) -> None:
    assert_no_surprise(make(), cut_at(stream, places))


@THOROUGH
@given(
    stream=st.builds(
        lambda sent: hello_bytes() + ACCEPT + b"".join(sent), st.lists(frames, max_size=4)
    ),
    place=st.integers(0, 10_000),
    byte=st.integers(0, 255),
    places=cuts,
)
def test_one_wrong_byte_is_no_surprise(
    stream: bytes, place: int, byte: int, places: list[int]
) -> None:
    place %= len(stream)
    changed = stream[:place] + bytes([byte]) + stream[place + 1 :]
    assert_no_surprise(new_server(), cut_at(changed, places))


# Whatever crosses --------------------------------------------------------------------------------

SIDES_OF = {"client": "server", "server": "client"}
CALLS = 3
IN_BYTES = 40

sides = st.sampled_from(sorted(SIDES_OF))
picks = st.integers(0, 100)


class TwoPeers(RuleBasedStateMachine):
    """Two peers and the bytes on their way, against a simple account of what must have ended.

    Each side sends when it has room, answers, cancels and forgets in any order, and receives any
    piece of what is on its way.
    """

    def __init__(self) -> None:
        super().__init__()
        pair = PeerPair(calls=CALLS, in_bytes=IN_BYTES).open()
        self.sides = {"client": pair.client, "server": pair.server}
        self.on_the_way = {"client": b"", "server": b""}  # by who receives
        self.numbers = {"client": 0, "server": 0}
        self.waiting: dict[str, dict[int, str]] = {"client": {}, "server": {}}
        self.taken: dict[str, dict[int, Word]] = {"client": {}, "server": {}}
        self.answers: dict[tuple[str, int], object] = {}

    def write(self, side: str, data: Any) -> None:
        self.on_the_way[SIDES_OF[side]] += bytes(data)

    @rule(side=sides, word=words, is_request=st.booleans())
    def send(self, side: str, word: Word, is_request: bool) -> None:
        connection = self.sides[side]
        draft = connection.draft(word)
        if not connection.has_room(len(draft[1])):
            assert self.waiting[side]
            return
        self.numbers[side] = call = self.numbers[side] + 1
        if is_request:
            self.write(side, connection.request_draft(call, draft, None, None))
        else:
            self.write(side, connection.notify_draft(call, draft))
        self.waiting[side][call] = "request" if is_request else "notification"

    @precondition(lambda self: any(self.waiting.values()))
    @rule(side=sides, pick=picks, is_cancel=st.booleans())
    def give_up(self, side: str, pick: int, is_cancel: bool) -> None:
        waiting = self.waiting[side]
        if not waiting:
            return
        call = sorted(waiting)[pick % len(waiting)]
        waiting[call] = "forgotten"
        if is_cancel:
            self.write(side, self.sides[side].cancel(call))
        else:
            self.sides[side].forget(call)

    @precondition(lambda self: any(self.taken.values()))
    @rule(side=sides, pick=picks, how=st.sampled_from(["respond", "fail", "finish"]), word=words)
    def end(self, side: str, pick: int, how: str, word: Word) -> None:
        taken = self.taken[side]
        if not taken:
            return
        call = sorted(taken)[pick % len(taken)]
        is_request = taken.pop(call)
        connection = self.sides[side]
        key = SIDES_OF[side], call
        if how == "respond" and is_request:
            self.answers[key] = word
            self.write(side, connection.respond(call, word))
        elif how == "fail":
            self.answers[key] = "failed"
            self.write(side, connection.fail(call, CommandFailed("no")))
        else:
            self.answers[key] = "finished"
            self.write(side, connection.finish(call))

    @rule(side=sides, size=st.integers(1, 200))
    def receive(self, side: str, size: int) -> None:
        data = self.on_the_way[side]
        self.on_the_way[side] = data[size:]
        connection = self.sides[side]
        connection.receive_data(data[:size])
        for event in drain(connection):
            self.take(side, event)

    def take(self, side: str, event: Any) -> None:
        match event:
            case Requested(call, _, _) | Notified(call, _):
                assert call not in self.taken[side]
                self.taken[side][call] = type(event) is Requested
            case Cancelled(call):
                assert call in self.taken[side]
            case Responded(call, value):
                assert self.waiting[side].pop(call) == "request"
                assert self.answers.pop((side, call)) == value
            case Failed(call, error):
                assert self.waiting[side].pop(call) in ("request", "notification")
                assert self.answers.pop((side, call)) == "failed"
                assert type(error) is CommandFailed
            case Finished(call):
                how, answer = self.waiting[side].pop(call), self.answers.pop((side, call))
                assert how == "forgotten" or answer == "finished"
            case _:
                raise AssertionError(f"unexpected: {event}")

    @invariant()
    def what_is_open_is_known(self) -> None:
        for side, connection in self.sides.items():
            assert connection.open_calls == sorted(self.waiting[side])
            assert connection.taken_count == len(self.taken[side]) <= CALLS
            assert connection.take_output() == b""

    def teardown(self) -> None:
        """All that is on its way arrives, all that is open is ended: nothing is left."""
        for _ in range(3):
            for side in SIDES_OF:
                self.receive(side, 10_000)
            for side in SIDES_OF:
                for _ in range(len(self.taken[side])):
                    self.end(side, 0, "respond", Hush())
        assert self.waiting == {"client": {}, "server": {}}
        assert self.answers == {}
        for connection in self.sides.values():
            assert connection.open_count == connection.taken_count == 0
            assert connection.has_room(10**9)


TestTwoPeers = TwoPeers.TestCase
TestTwoPeers.settings = THOROUGH


def test_a_rejected_call_is_told_once_and_ended_once() -> None:
    server = open_server()
    server.receive_data(raw_request(1, b"unknown!", b""))
    (event,) = drain(server)
    assert type(event) is Rejected
    assert server.fail(1, event.error)
    assert server.taken_count == 0
