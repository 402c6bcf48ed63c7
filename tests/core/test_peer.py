"""Two peers, message by message: the handshake, calls both ways, windows, ends."""

from __future__ import annotations

import json
import struct
import tracemalloc
from typing import Any

import pytest

from lazyipc import U8, U16, TaggedUnion, Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.control import ANSWERED_ODD_FRAMES, ERROR_BYTES
from lazyipc._core.connection.hello import HELLO_BYTES
from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import (
    Cancelled,
    Failed,
    Finished,
    Notified,
    Opened,
    PeerLeft,
    Rejected,
    Requested,
    Responded,
)
from lazyipc._core.failure import Failure
from lazyipc._core.framing import MAGIC, NEVER_NS, Kind
from lazyipc._core.messages import MessageSet
from lazyipc.errors import (
    CommandFailed,
    DecodeError,
    EncodeError,
    LocalProtocolError,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
)
from tests.core.connection_pair import (
    CLOCK,
    CUTS,
    OTHER_CLOCK,
    Cut,
    Done,
    Order,
    frame_bytes,
    raw_request,
    request_bytes,
)
from tests.core.connection_pair import Add as LazyAdd
from tests.core.peer_pair import (
    ACCEPT,
    GOODBYE,
    KEY,
    TASK_SET,
    WORD_SET,
    WORDS,
    Add,
    Ask,
    Hush,
    Many,
    Pair,
    PeerPair,
    Stop,
    Text,
    Total,
    Word,
    cancel,
    drain,
    finished,
    hello_bytes,
    open_server,
    raised,
)
from tests.core.test_hello import words

each_cut = pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.__name__)


def notify_bytes(call: int, fingerprint: bytes, body: bytes) -> bytes:
    return frame_bytes(11, call, fingerprint + body)


def errors_in(output: bytes) -> list[tuple[int, int, str]]:
    """Call, code and message of each error frame in what a side wants written."""
    found, place = [], 0
    while place < len(output):
        magic, version, kind, size, call = struct.unpack_from("<2sBBIQ", output, place)
        assert (magic, version) == (MAGIC, 1)
        if kind == Kind.ERROR:
            payload = output[place + 16 : place + 16 + size]
            (code,) = struct.unpack_from("<I", payload)
            start = 12 + struct.unpack_from("<Q", payload, 4)[0]
            length = struct.unpack_from("<Q", payload, start)[0]
            found.append((call, code, payload[start + 8 : start + 8 + length].decode()))
        place += 16 + size
    return found


# The handshake -----------------------------------------------------------------------------------


@each_cut
def test_two_peers_shake_hands(cut: Cut) -> None:
    pair = PeerPair(cut=cut)
    assert not pair.client.is_open
    assert pair.client.schema is None
    told = pair.shake_hands()
    assert [type(event) for event in told] == [Opened, Opened]
    for side in (pair.client, pair.server):
        assert side.is_open
        assert side.schema is not None
        assert side.schema.kind == "matched"
        assert side.take_output() == b""
    assert told[0].schema == pair.client.schema


def test_the_server_says_nothing_first() -> None:
    pair = PeerPair()
    pair.server.start()
    assert pair.server.take_output() == b""


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", KEY),
        (KEY[:-1], KEY),
        (KEY + "x", KEY),
        (KEY[:-1] + "X", KEY),
        ("größe", KEY),
        ("x", ""),
        ("\ud800", KEY),
    ],
)
def test_a_wrong_key_is_refused_on_both_sides(given: str, wanted: str) -> None:
    pair = PeerPair(client={"key": given}, server={"key": wanted})
    at_server, at_client = pair.shake_hands()
    for error in (at_server, at_client):
        assert type(error) is NotPermitted
        assert "the client's key is not this server's" in str(error)
    assert pair.server.schema is None
    assert not pair.server.is_open


@pytest.mark.parametrize("key", ["", KEY, "größe 🦀", "\ud800"])
def test_a_right_key_is_taken(key: str) -> None:
    PeerPair(key=key).open()


def test_a_server_tells_nothing_of_itself_before_it_has_seen_a_right_key() -> None:
    server = PeerConnection(WORD_SET, opens=False, key=KEY)
    assert type(raised(server, hello_bytes(key=...))) is NotPermitted
    output = server.take_output()
    assert errors_in(output)[0][:2] == (0, 3)
    assert b"Pair" not in output
    assert KEY.encode() not in output


def test_a_server_never_says_its_key() -> None:
    server = PeerConnection(WORD_SET, opens=False, key=KEY)
    server.receive_data(hello_bytes())
    assert drain(server) == []
    assert KEY.encode() not in server.take_output()


def test_a_client_says_what_it_takes() -> None:
    client = PeerConnection(
        WORD_SET, opens=True, key=KEY, message_bytes=1000, calls=10, in_bytes=2000
    )
    client.start()
    assert json.loads(client.take_output()[16:]) == json.loads(hello_bytes()[16:])


CHECKS = ("enforce", "warn", "off")
NARROW, WIDE = words(A={"x": U8}, B={}), words(A={"x": U16}, B={})
MORE = words(A={"x": U8}, B={}, C={})


@pytest.mark.parametrize("server", CHECKS)
@pytest.mark.parametrize("client", CHECKS)
def test_a_mismatch_ends_both_sides_where_one_enforces(client: Any, server: Any) -> None:
    pair = PeerPair(
        NARROW, theirs=WIDE, client={"schema_check": client}, server={"schema_check": server}
    )
    told = pair.shake_hands()
    schemas = [pair.client.schema, pair.server.schema]
    kinds = {schema.kind for schema in schemas if schema is not None}
    if "off" in (client, server):
        assert [type(event) for event in told] == [Opened, Opened]
        assert kinds == {"disabled"}
    elif "enforce" in (client, server):
        assert {type(event) for event in told} == {SchemaMismatch}
        assert {str(error) for error in told} == {
            "A.x: u8 here, u16 there",
            "A.x: u16 here, u8 there",
        }
        assert kinds == {"mismatch"}
        assert all(schema is not None for schema in schemas)
        for error in told:
            assert {error.ours, error.theirs} == {NARROW.description, WIDE.description}
        assert not pair.client.is_open
        assert not pair.server.is_open
    else:
        assert [type(event) for event in told] == [Opened, Opened]
        assert kinds == {"mismatch"}


@pytest.mark.parametrize("server", CHECKS)
@pytest.mark.parametrize("client", CHECKS)
def test_a_compatible_schema_opens_whoever_checks(client: Any, server: Any) -> None:
    pair = PeerPair(
        NARROW, theirs=MORE, client={"schema_check": client}, server={"schema_check": server}
    ).open()
    kind = "disabled" if "off" in (client, server) else "compatible"
    assert pair.client.schema is not None
    assert pair.server.schema is not None
    assert (pair.client.schema.kind, pair.server.schema.kind) == (kind, kind)


@pytest.mark.parametrize("check", ["enforce", "warn"])
def test_a_schema_that_cannot_be_read(check: Any) -> None:
    server = PeerConnection(WORD_SET, opens=False, key=KEY, schema_check=check)
    stream = hello_bytes(schema='{"version":1}') + ACCEPT
    if check == "enforce":
        assert type(raised(server, stream)) is DecodeError
        assert errors_in(server.take_output())[-1][:2] == (0, 5)
    else:
        server.receive_data(stream)
        (event,) = drain(server)
        assert type(event) is Opened
    assert server.schema is not None
    assert server.schema.kind == "failed"
    assert "messages" in server.schema.reason


def test_no_message_is_sent_before_the_handshake_is_over() -> None:
    pair = PeerPair()
    pair.client.start()
    for side in (pair.client, pair.server):
        for send in (side.request, lambda call, word, *_, side=side: side.notify(call, word)):
            with pytest.raises(LocalProtocolError, match="the handshake is not over"):
                send(1, Hush(), None, None)


# What has no place in a handshake ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (ACCEPT, "a hello is wanted, not a frame of kind 14"),
        (hello_bytes() + hello_bytes(), "an accept is wanted, not a frame of kind 10"),
        (hello_bytes() + raw_request(1, bytes(8), b""), "an accept is wanted, not a frame of kind"),
        (hello_bytes() + notify_bytes(1, bytes(8), b""), "an accept is wanted, not a frame of ki"),
        (hello_bytes() + ACCEPT + ACCEPT, "the handshake is over; a frame of kind 14 came"),
        (hello_bytes() + ACCEPT + hello_bytes(), "the handshake is over; a frame of kind 10 came"),
        (frame_bytes(12, 1, b""), "a hello is wanted, not a frame of kind 12"),
        (frame_bytes(10, 0, b"{}"), "no hello of a peer"),
        (hello_bytes(version=2), "speaks RPC 2, this one 1"),
        (b"\xff\x4c\x02" + bytes(13), "frame version 2; this side speaks 1"),
    ],
)
def test_frames_out_of_place_end_a_handshake(stream: bytes, said: str) -> None:
    server = PeerConnection(WORD_SET, opens=False, key=KEY)
    error = raised(server, stream)
    assert type(error) is RemoteProtocolError
    assert said in str(error)
    ((call, code, told),) = errors_in(server.take_output())
    assert (call, code) == (0, 9)
    assert said in told
    assert drain(server) == []


def test_who_speaks_no_frames_gets_no_answer() -> None:
    for opens in (True, False):
        side = PeerConnection(WORD_SET, opens=opens, key=KEY)
        assert "a frame begins with ff 4c" in str(raised(side, b"GET / HTTP/1.1\r\n\r\n"))
        assert side.take_output() == b""


def test_a_huge_hello_is_refused_before_it_has_come() -> None:
    server = PeerConnection(WORD_SET, opens=False, key=KEY)
    error = raised(server, frame_bytes(10, 0, bytes(HELLO_BYTES + 1))[:16])
    assert type(error) is MessageTooLarge
    assert errors_in(server.take_output())[0][:2] == (0, 6)
    largest = PeerConnection(WORD_SET, opens=False, key=KEY)
    padded = json.dumps({**json.loads(hello_bytes()[16:]), "x": ""})
    payload = padded[:-2] + "y" * (HELLO_BYTES - len(padded)) + padded[-2:]
    largest.receive_data(frame_bytes(10, 0, payload.encode()))
    assert drain(largest) == []
    assert largest.schema is not None


def test_a_peer_may_leave_within_the_handshake() -> None:
    server = PeerConnection(WORD_SET, opens=False, key=KEY)
    server.receive_data(GOODBYE)
    assert drain(server) == [PeerLeft()]
    assert server.take_output() == b""


# Others than peers -------------------------------------------------------------------------------


def test_a_framed_client_is_told_what_it_talks_to() -> None:
    for opens in (True, False):
        peer = PeerConnection(TASK_SET, opens=opens, key=KEY)
        client = ClientConnection()
        error = raised(peer, client.request(7, LazyAdd(a=1, b=2), None, None))
        assert type(error) is RemoteProtocolError
        client.receive_data(peer.take_output())
        event = client.next_event()
        assert type(event) is Failed
        assert event.call == 7
        assert "this is an RPC peer" in str(event.error)
        assert "talk to an RpcServer with RpcClient" in str(event.error)
        assert client.next_event() is None


@pytest.mark.parametrize("wires", [Wire.FRAMED, Wire.FRAMED | Wire.JSON, Wire.ALL])
def test_a_peer_that_talks_to_a_lazy_server_is_told(wires: Wire) -> None:
    peer = PeerConnection(TASK_SET, opens=True, key=KEY)
    server = ServerConnection(Catalog(Order), wires)
    peer.start()
    server.receive_data(peer.take_output())
    event = server.next_event()
    assert type(event) is Rejected
    assert "this is a lazy server" in str(event.error)
    error = raised(peer, server.fail(event.call, event.error))
    assert type(error) is RemoteProtocolError
    assert "talk to it with IpcClient or AsyncIpcClient" in str(error)
    assert peer.take_output() == b""
    assert server.finished


# Calls both ways ---------------------------------------------------------------------------------


@each_cut
def test_either_side_asks_and_answers(cut: Cut) -> None:
    pair = PeerPair(cut=cut).open()
    for call, word in enumerate(WORDS, 1):
        for ask, to_other, answer, to_asker in (
            (pair.client, pair.to_server, pair.server, pair.to_client),
            (pair.server, pair.to_client, pair.client, pair.to_server),
        ):
            assert to_other(ask.request(call, word, None, None)) == Requested(call, word, None)
            assert ask.open_calls == [call]
            assert answer.taken_count == 1
            assert to_asker(answer.respond(call, WORDS[-call])) == Responded(call, WORDS[-call])
            assert (ask.open_count, answer.taken_count) == (0, 0)


@each_cut
def test_commands_are_answered_as_they_declare(cut: Cut) -> None:
    pair = PeerPair(TASK_SET, cut=cut).open()
    for call, (task, reply) in enumerate(
        [(Stop(), None), (Add(a=1, b=2), Total(c=3)), (Ask(numbers=[1]), Total(c=1))], 1
    ):
        pair.to_server(pair.client.request(call, task, None, None))
        assert pair.to_client(pair.server.respond(call, reply)) == Responded(call, reply)


@each_cut
def test_either_side_tells_and_the_other_finishes(cut: Cut) -> None:
    pair = PeerPair(cut=cut).open()
    for call, word in enumerate(WORDS, 1):
        assert pair.to_client(pair.server.notify(call, word)) == Notified(call, word)
        assert (pair.server.open_calls, pair.client.taken_count) == ([call], 1)
        assert pair.to_server(pair.client.finish(call)) == Finished(call)
        assert (pair.server.open_count, pair.client.taken_count) == (0, 0)


def test_calls_of_the_two_sides_have_numbers_of_their_own() -> None:
    pair = PeerPair().open()
    assert type(pair.to_server(pair.client.request(1, Hush(), None, None))) is Requested
    assert type(pair.to_client(pair.server.request(1, Many(numbers=[1]), None, None))) is Requested
    assert pair.to_server(pair.client.respond(1, Pair(a=1, b=1))) == Responded(1, Pair(a=1, b=1))
    assert pair.to_client(pair.server.respond(1, Hush())) == Responded(1, Hush())


def test_answers_come_in_any_order() -> None:
    pair = PeerPair().open()
    for call in (1, 2, 3):
        pair.to_server(pair.client.request(call, Pair(a=call, b=0), None, None))
    for call in (3, 1, 2):
        word = Pair(a=call, b=1)
        assert pair.to_client(pair.server.respond(call, word)) == Responded(call, word)


@pytest.mark.parametrize(
    "error",
    [
        RemoteError("no", kind="KeyError"),
        CommandFailed("no such player"),
        NotPermitted("no"),
        ReplyTimeout("too late", started="no"),
        MessageTooLarge("x", size_bytes=2, limit_bytes=1),
        DecodeError("no", offset=3, path="a.b"),
        RemoteProtocolError("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_call_ends_with_an_error(error: Any) -> None:
    pair = PeerPair().open()
    for call, send in ((1, lambda: pair.client.request(1, Hush(), None, None)),
                       (2, lambda: pair.client.notify(2, Hush()))):  # fmt: skip
        pair.to_server(send())
        event = pair.to_client(pair.server.fail(call, error))
        assert (type(event), event.call) == (Failed, call)
        assert (type(event.error), str(event.error)) == (type(error), str(error))
    assert (pair.client.open_count, pair.server.taken_count) == (0, 0)


def test_a_large_message_and_a_large_reply() -> None:
    pair = PeerPair().open()
    word = Text(text="x", blob=bytes(range(256)) * 1000)
    pair.cut = lambda data: [data[place : place + 60_000] for place in range(0, len(data), 60_000)]
    request = pair.client.request(1, word, None, None)
    assert pair.to_server(request) == Requested(1, word, None)
    assert pair.to_client(pair.server.respond(1, word)) == Responded(1, word)
    assert pair.to_server(pair.client.notify(2, word)) == Notified(2, word)


# Deadlines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "told"),
    [(CLOCK, 1000), (OTHER_CLOCK, 77 + 50), (bytes(8), 77 + 50)],
)
def test_a_deadline_is_told_on_the_clock_of_who_receives(clock: bytes, told: int) -> None:
    pair = PeerPair(client={"clock": clock}).open()
    event = pair.to_server(pair.client.request(1, Hush(), 1000, 50), now_ns=77)
    assert event == Requested(1, Hush(), told)


def test_clocks_that_nobody_knows_do_not_match() -> None:
    pair = PeerPair(clock=bytes(8)).open()
    event = pair.to_server(pair.client.request(1, Hush(), 1000, 50), now_ns=77)
    assert event == Requested(1, Hush(), 127)


def test_no_deadline() -> None:
    pair = PeerPair(client={"clock": OTHER_CLOCK}).open()
    assert pair.to_server(pair.client.request(1, Hush(), None, None)).deadline_ns is None
    never = raw_request(2, WORD_SET.entry(Hush).fingerprint, b"")
    assert NEVER_NS.to_bytes(8, "little") in never
    assert pair.to_server(never).deadline_ns is None


# What is refused at the call ---------------------------------------------------------------------


def test_what_is_no_message_is_refused() -> None:
    pair = PeerPair().open()
    for given in (Add(a=1, b=2), 7, None, Word):
        with pytest.raises(SchemaError, match="no message of Word"):
            pair.client.request(1, given, None, None)
    assert pair.client.open_count == 0
    pair.to_server(pair.client.request(1, Hush(), None, None))


def test_what_does_not_fit_its_type_is_refused() -> None:
    pair = PeerPair().open()
    with pytest.raises(EncodeError, match="a"):
        pair.client.request(1, Pair.model_construct(a=-1, b=2), None, None)
    assert pair.client.open_count == 0


@pytest.mark.parametrize("call", [0, -1, 3, 2])
def test_a_number_is_used_once_and_they_rise(call: int) -> None:
    pair = PeerPair().open()
    pair.client.request(3, Hush(), None, None)
    for send in (
        lambda: pair.client.request(call, Hush(), None, None),
        lambda: pair.client.notify(call, Hush()),
    ):
        with pytest.raises(LocalProtocolError, match=f"call {call} does not follow call 3"):
            send()
    assert pair.client.open_calls == [3]


def test_a_message_that_the_other_side_does_not_know_is_not_sent() -> None:
    pair = PeerPair(NARROW, theirs=MORE).open()
    (only,) = (e.model for e in MORE.by_fingerprint.values() if e.name == "C")
    (known,) = (e.model for e in MORE.by_fingerprint.values() if e.name == "B")
    for send in (pair.client.draft, lambda word: pair.client.request(1, word, None, None)):
        with pytest.raises(
            SchemaMismatch, match="C was not sent: the other side has no message C; it has A, B"
        ) as caught:
            send(only())
        assert caught.value.theirs == NARROW.description
    assert type(pair.to_server(pair.client.request(1, known(), None, None))) is Requested


def test_a_reply_that_the_other_side_does_not_know_is_not_sent() -> None:
    pair = PeerPair(NARROW, theirs=MORE).open()
    by_name = {entry.name: entry.model for entry in MORE.by_fingerprint.values()}
    known = next(e.model for e in NARROW.by_fingerprint.values() if e.name == "B")
    pair.to_client(pair.server.request(1, known(), None, None))
    with pytest.raises(EncodeError, match=r"C was the reply, .* has no message C; it has A, B"):
        pair.client.respond(1, by_name["C"]())
    assert pair.client.taken_count == 1
    assert type(pair.to_server(pair.client.respond(1, by_name["B"]()))) is Responded


def test_a_message_described_otherwise_is_not_sent() -> None:
    pair = PeerPair(NARROW, theirs=WIDE, schema_check="warn").open()
    model = next(iter(WIDE.by_fingerprint.values())).model
    with pytest.raises(SchemaMismatch, match=r"A was not sent: A\.x: u16 here, u8 there"):
        pair.client.notify(1, model(x=300))


def test_without_a_check_the_other_side_says_what_it_does_not_know() -> None:
    pair = PeerPair(NARROW, theirs=WIDE, client={"schema_check": "off"}).open()
    model = next(iter(WIDE.by_fingerprint.values())).model
    for call, send in (
        (1, lambda: pair.client.request(1, model(x=300), None, None)),
        (2, lambda: pair.client.notify(2, model(x=300))),
    ):
        event = pair.to_server(send())
        assert (type(event), event.call) == (Rejected, call)
        assert type(event.error) is SchemaMismatch
        failed = pair.to_client(pair.server.fail(call, event.error))
        assert (type(failed), type(failed.error)) == (Failed, SchemaMismatch)
        assert "A.x: u16 here, u8 there" in str(failed.error)
        assert failed.error.theirs == NARROW.description


def test_who_knows_the_schema_is_told_of_no_second_one() -> None:
    """Else forty bytes of a liar would be answered with half a million, each time."""
    for told, length in ((WORD_SET, 0), (None, len(WORD_SET.description))):
        server = PeerConnection(WORD_SET, opens=False, key=KEY)
        server.receive_data(hello_bytes(told) + ACCEPT + raw_request(1, b"nonsense", b""))
        _, event = drain(server)
        assert type(event.error) is SchemaMismatch
        assert len(event.error.ours) == length


def test_what_is_too_long_for_the_other_side_is_not_sent() -> None:
    pair = PeerPair(server={"message_bytes": 100}, client={"message_bytes": 50}).open()
    fitting = Text(text="", blob=bytes(84))
    assert pair.to_server(pair.client.request(1, fitting, None, None)).command == fitting
    longer = Text(text="", blob=bytes(85))
    with pytest.raises(MessageTooLarge, match=r"Text in bytes \(what the other side takes\): 101"):
        pair.client.request(2, longer, None, None)
    with pytest.raises(MessageTooLarge, match=r"reply to Text .*: 100 is over the limit of 50"):
        pair.server.respond(1, fitting)
    assert pair.server.taken_count == 1
    assert type(pair.to_client(pair.server.fail(1, CommandFailed("too long")))) is Failed


def test_a_reply_of_another_type_leaves_its_call_open() -> None:
    pair = PeerPair(TASK_SET).open()
    pair.to_server(pair.client.request(1, Add(a=1, b=2), None, None))
    with pytest.raises(EncodeError, match="Total is wanted, Done given"):
        pair.server.respond(1, Done())
    assert pair.to_client(pair.server.respond(1, Total(c=3))) == Responded(1, Total(c=3))


def test_what_is_not_open_is_not_answered() -> None:
    pair = PeerPair().open()
    pair.to_server(pair.client.request(1, Hush(), None, None))
    pair.to_server(pair.client.notify(2, Hush()))
    with pytest.raises(LocalProtocolError, match="call 2 wants no response"):
        pair.server.respond(2, Hush())
    pair.server.respond(1, Hush())
    pair.server.finish(2)
    for call in (0, 1, 2, 3):
        for end in (
            lambda call: pair.server.respond(call, Hush()),
            lambda call: pair.server.fail(call, CommandFailed("no")),
            pair.server.finish,
        ):
            with pytest.raises(LocalProtocolError, match=f"call {call} is not open"):
                end(call)


# Windows -----------------------------------------------------------------------------------------


def test_room_is_counted_in_calls() -> None:
    pair = PeerPair(server={"calls": 2}).open()
    pair.to_server(pair.client.request(1, Hush(), None, None))
    assert pair.client.has_room()
    pair.to_server(pair.client.notify(2, Hush()))
    assert not pair.client.has_room()
    assert pair.to_client(pair.server.finish(2)) == Finished(2)
    assert pair.client.has_room()


def test_room_is_counted_in_bytes_of_fields() -> None:
    pair = PeerPair(server={"in_bytes": 40}).open()
    assert pair.client.has_room(10**9)  # one alone may be as long as a message
    pair.to_server(pair.client.request(1, Pair(a=1, b=2), None, None))  # 16
    draft = pair.client.draft(Text(text="12345678"))  # 8 + 8 + 8
    assert len(draft[1]) == 24
    assert pair.client.has_room(24)
    assert not pair.client.has_room(25)
    assert type(pair.to_server(pair.client.notify_draft(2, draft))) is Notified
    assert pair.client.has_room(0)
    assert not pair.client.has_room(1)
    pair.to_client(pair.server.respond(1, Hush()))
    assert pair.client.has_room(16)
    assert not pair.client.has_room(17)
    pair.to_client(pair.server.finish(2))
    assert pair.client.has_room(10**9)


def test_a_draft_is_sent_as_it_was_drafted() -> None:
    pair = PeerPair().open()
    draft = pair.client.draft(Pair(a=1, b=2))
    event = pair.to_server(pair.client.request_draft(1, draft, 1000, 50))
    assert event == Requested(1, Pair(a=1, b=2), 1000)
    assert pair.to_server(pair.client.notify_draft(2, draft)) == Notified(2, Pair(a=1, b=2))


def test_one_message_alone_may_be_over_the_window() -> None:
    pair = PeerPair(server={"in_bytes": 10}).open()
    word = Text(text="longer than ten bytes")
    assert pair.to_server(pair.client.request(1, word, None, None)).command == word


@pytest.mark.parametrize("settings", [{"calls": 2}, {"in_bytes": 40}])
def test_who_passes_the_window_is_cut_off(settings: dict[str, Any]) -> None:
    pair = PeerPair(server=settings).open()
    pair.to_server(pair.client.request(1, Pair(a=1, b=2), None, None))
    pair.to_server(pair.client.notify(2, Pair(a=1, b=2)))
    assert not pair.client.has_room(16)
    error = raised(pair.server, pair.client.request(3, Pair(a=1, b=2), None, None))
    assert type(error) is RemoteProtocolError
    assert "2 messages of 32 bytes are unfinished, and one of 16 more is over" in str(error)
    told = raised(pair.client, pair.server.take_output())
    assert "are unfinished" in str(told)
    assert pair.client.open_calls == [1, 2, 3]


@pytest.mark.parametrize("kind", ["unknown", "undecodable", "short"])
def test_what_is_rejected_takes_room_until_it_is_failed(kind: str) -> None:
    server = open_server(calls=1)
    stream = {
        "unknown": raw_request(1, b"nonsense", bytes(5)),
        "undecodable": raw_request(1, WORD_SET.entry(Pair).fingerprint, bytes(5)),
        "short": frame_bytes(1, 1, bytes(20)),
    }[kind]
    server.receive_data(stream)
    (event,) = drain(server)
    assert (type(event), event.call) == (Rejected, 1)
    wanted = SchemaMismatch if kind == "unknown" else DecodeError
    assert type(event.error) is wanted
    assert server.taken_count == 1
    (told,) = errors_in(server.fail(1, event.error))
    assert told[0] == 1
    server.receive_data(raw_request(2, WORD_SET.entry(Hush).fingerprint, b""))
    assert drain(server) == [Requested(2, Hush(), None)]


@pytest.mark.parametrize("body", [bytes(5), bytes(17), b""])
def test_a_notification_that_cannot_be_read_is_rejected(body: bytes) -> None:
    server = open_server()
    server.receive_data(notify_bytes(1, WORD_SET.entry(Pair).fingerprint, body))
    server.receive_data(frame_bytes(11, 2, b"short"))
    server.receive_data(notify_bytes(3, b"nonsense", body))
    events = drain(server)
    assert [type(event) for event in events] == [Rejected] * 3
    assert [type(e.error) for e in events] == [DecodeError, DecodeError, SchemaMismatch]
    assert server.taken_count == 3


@pytest.mark.parametrize("call", [0, 1, 2])
def test_the_other_sides_numbers_rise_too(call: int) -> None:
    for again in (raw_request, notify_bytes):
        server = open_server()
        hush = WORD_SET.entry(Hush).fingerprint
        server.receive_data(raw_request(2, hush, b""))
        drain(server)
        server.finish(2)
        error = raised(server, again(call, hush, b""))
        assert f"call {call} does not follow call 2" in str(error)


# Ends that cross ---------------------------------------------------------------------------------


def test_a_cancel_reaches_the_other_side_once() -> None:
    pair = PeerPair().open()
    pair.to_server(pair.client.request(1, Hush(), None, None))
    asked = pair.client.cancel(1)
    assert pair.to_server(asked) == Cancelled(1)
    assert pair.bring(pair.server, asked) == []
    assert pair.client.open_calls == [1]
    assert pair.to_client(pair.server.finish(1)) == Finished(1)
    assert pair.client.open_count == 0
    assert pair.bring(pair.server, asked) == []


def test_a_notification_may_be_cancelled() -> None:
    pair = PeerPair().open()
    pair.to_server(pair.client.notify(1, Hush()))
    assert pair.to_server(pair.client.cancel(1)) == Cancelled(1)
    assert pair.to_client(pair.server.fail(1, CommandFailed("cancelled"))) == Finished(1)


@pytest.mark.parametrize("late", ["response", "bad response", "error", "bad error", "finished"])
@pytest.mark.parametrize("how", ["cancel", "forget"])
def test_a_late_end_of_a_forgotten_call_gives_room_back_and_nothing_else(
    how: str, late: str
) -> None:
    pair = PeerPair(server={"calls": 1}).open()
    pair.to_server(pair.client.request(1, Hush(), None, None))
    end = {
        "response": lambda: pair.server.respond(1, Pair(a=1, b=2)),
        "bad response": lambda: frame_bytes(2, 1, b"nonsense and more"),
        "error": lambda: pair.server.fail(1, CommandFailed("no")),
        "bad error": lambda: frame_bytes(3, 1, b"nonsense"),
        "finished": lambda: pair.server.finish(1),
    }[late]()
    getattr(pair.client, how)(1)
    assert not pair.client.has_room()
    assert pair.to_client(end) == Finished(1)
    assert pair.client.has_room()
    assert pair.client.open_count == 0


def test_a_cancel_that_crosses_the_answer_is_passed_over() -> None:
    pair = PeerPair().open()
    pair.to_server(pair.client.request(1, Hush(), None, None))
    answer, asked = pair.server.respond(1, Hush()), pair.client.cancel(1)
    assert pair.bring(pair.server, asked) == []
    assert pair.to_client(answer) == Finished(1)
    assert pair.server.take_output() == pair.client.take_output() == b""


def test_what_has_ended_is_not_cancelled() -> None:
    pair = PeerPair().open()
    pair.to_server(pair.client.request(1, Hush(), None, None))
    pair.to_client(pair.server.respond(1, Hush()))
    assert pair.client.cancel(1) == pair.client.cancel(2) == b""
    pair.client.forget(1)
    assert pair.client.open_count == 0


def test_a_cancel_of_what_never_began_ends_the_connection() -> None:
    server = open_server()
    assert "call 1 did not begin" in str(raised(server, cancel(1)))


@pytest.mark.parametrize(
    "end",
    [
        frame_bytes(2, 1, bytes(8)),
        frame_bytes(3, 1, Failure(1, "x", "y", "{}").encode()),
        finished(1),
        finished(0),
        frame_bytes(2, 0, bytes(8)),
    ],
)
def test_an_end_of_a_call_that_is_not_open_ends_the_connection(end: bytes) -> None:
    server = open_server()
    error = raised(server, end)
    assert "is not open and cannot end" in str(error)
    pair = PeerPair().open()
    pair.client.request(1, Hush(), None, None)
    pair.to_client(finished(1))
    assert "is not open and cannot end" in str(raised(pair.client, end))


def test_a_notification_that_is_answered_is_over() -> None:
    pair = PeerPair().open()
    pair.client.notify(1, Hush())
    assert pair.to_client(frame_bytes(2, 1, bytes(8))) == Finished(1)


def test_a_response_that_cannot_be_read_fails_its_call_alone() -> None:
    for known, task in ((WORD_SET, Hush()), (TASK_SET, Add(a=1, b=2))):
        pair = PeerPair(known).open()
        for call, payload, error in (
            (1, b"nonsense", SchemaMismatch),
            (2, known.entry(type(task)).reply.fingerprint or WORD_SET.entry(Pair).fingerprint,
             DecodeError),
        ):  # fmt: skip
            pair.client.request(call, task, None, None)
            event = pair.to_client(frame_bytes(2, call, payload + b"1"))
            assert (type(event), event.call, type(event.error)) == (Failed, call, error)
        assert pair.client.is_open


def test_a_response_without_a_fingerprint_ends_the_connection() -> None:
    pair = PeerPair().open()
    pair.client.request(1, Hush(), None, None)
    assert type(raised(pair.client, frame_bytes(2, 1, b"short"))) is DecodeError


def test_an_error_that_is_none_ends_the_connection() -> None:
    pair = PeerPair().open()
    pair.client.request(1, Hush(), None, None)
    assert type(raised(pair.client, frame_bytes(3, 1, b"nonsense"))) is DecodeError
    assert errors_in(pair.client.take_output())[0][:2] == (0, 5)


def test_a_mismatch_whose_detail_is_none_is_told_in_its_own_words() -> None:
    pair = PeerPair().open()
    pair.client.request(1, Hush(), None, None)
    event = pair.to_client(frame_bytes(3, 1, Failure(7, "SchemaMismatch", "odd", "[").encode()))
    assert (type(event.error), str(event.error)) == (SchemaMismatch, "odd")
    assert event.error.theirs == "["


# Odd frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0, 4, 6, 7, 8, 9, 12, 16, 255])
def test_an_unknown_kind_is_answered_and_passed_over(kind: int) -> None:
    server = open_server()
    hush = raw_request(1, WORD_SET.entry(Hush).fingerprint, b"")
    server.receive_data(frame_bytes(kind, 9, b"what") + hush)
    assert drain(server) == [Requested(1, Hush(), None)]
    assert errors_in(server.take_output()) == [(9, 9, f"a peer takes no frame of kind {kind}")]
    assert server.take_output() == b""


def test_an_unknown_kind_under_call_0_ends_the_connection() -> None:
    server = open_server()
    assert "takes no frame of kind 12" in str(raised(server, frame_bytes(12, 0, b"")))
    assert errors_in(server.take_output())[0][:2] == (0, 9)


def test_unknown_kinds_without_end_get_no_answers_without_end() -> None:
    server = open_server()
    server.receive_data(frame_bytes(12, 9, b"") * (3 * ANSWERED_ODD_FRAMES))
    assert drain(server) == []
    assert len(errors_in(server.take_output())) == ANSWERED_ODD_FRAMES
    server.receive_data(raw_request(1, WORD_SET.entry(Hush).fingerprint, b""))
    assert drain(server) == [Requested(1, Hush(), None)]


def test_many_frames_without_an_event_take_no_stack() -> None:
    server = open_server()
    server.receive_data(raw_request(1, WORD_SET.entry(Hush).fingerprint, b""))
    drain(server)
    server.receive_data(cancel(1) * 20_000)
    assert drain(server) == [Cancelled(1)]


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(1, 100 + 32), (2, 100 + 8), (11, 100 + 8), (3, ERROR_BYTES), (12, 100 + 8), (15, 100 + 8)],
)
def test_a_frame_over_its_limit_is_refused_at_its_header(kind: int, limit: int) -> None:
    server = open_server(message_bytes=100)
    header = struct.pack("<2sBBIQ", MAGIC, 1, kind, limit, 1)
    server.receive_data(header)
    assert drain(server) == []
    server = open_server(message_bytes=100)
    header = struct.pack("<2sBBIQ", MAGIC, 1, kind, limit + 1, 1)
    error = raised(server, header)
    assert type(error) is MessageTooLarge
    assert error.size_bytes == limit + 1
    assert errors_in(server.take_output())[0][:2] == (0, 6)


def test_a_message_over_its_limit_is_refused_though_it_is_whole() -> None:
    server = open_server(message_bytes=100)
    error = raised(server, raw_request(1, WORD_SET.entry(Text).fingerprint, bytes(101)))
    assert type(error) is MessageTooLarge


def test_elements_and_depth_are_limited_both_ways() -> None:
    pair = PeerPair(elements=3).open()
    event = pair.to_server(pair.client.request(1, Many(numbers=[1] * 4), None, None))
    assert (type(event), type(event.error)) == (Rejected, MessageTooLarge)
    pair.to_server(pair.client.request(2, Hush(), None, None))
    event = pair.to_client(pair.server.respond(2, Many(numbers=[1] * 4)))
    assert (type(event), type(event.error)) == (Failed, MessageTooLarge)


def test_elements_of_a_large_message_and_a_large_reply_are_limited() -> None:
    pair = PeerPair(elements=1000).open()
    many = Many(numbers=[1] * 100_000)
    event = pair.to_server(pair.client.request(1, many, None, None))
    assert (type(event), type(event.error)) == (Rejected, MessageTooLarge)
    pair.to_server(pair.client.request(2, Hush(), None, None))
    event = pair.to_client(pair.server.respond(2, many))
    assert (type(event), type(event.error)) == (Failed, MessageTooLarge)


def test_no_memory_is_kept_for_what_was_told() -> None:
    pair = PeerPair(cut=lambda data: [data[:50_000], data[50_000:]]).open()
    word = Text(text="", blob=bytes(1_000_000))
    sent = bytes(pair.client.request(1, word, None, None))
    answered = bytes(pair.server._outgoing.request(1, pair.server.draft(word), None, None))
    answered = b"\xff\x4c\x01\x02" + (len(answered) - 40).to_bytes(4, "little") + answered[8:]
    answered = answered[:24] + answered[48:]
    tracemalloc.start()
    assert type(pair.to_server(sent)) is Requested
    assert type(pair.to_client(answered)) is Responded
    assert tracemalloc.get_traced_memory()[0] < 100_000
    tracemalloc.stop()


def test_an_announced_frame_takes_no_memory() -> None:
    server = open_server(message_bytes=2**31)
    tracemalloc.start()
    server.receive_data(struct.pack("<2sBBIQ", MAGIC, 1, 1, 2**31, 1))
    assert drain(server) == []
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


# Ends --------------------------------------------------------------------------------------------


def test_a_goodbye_is_the_last_word() -> None:
    pair = PeerPair().open()
    pair.to_server(pair.client.request(1, Hush(), None, None))
    pair.to_client(pair.server.request(1, Hush(), None, None))
    pair.bring(pair.server, b"")
    said = pair.client.goodbye()
    assert said == GOODBYE
    assert pair.client.goodbye() == b""
    assert pair.client.cancel(1) == b""
    for send in (
        lambda: pair.client.request(2, Hush(), None, None),
        lambda: pair.client.notify(2, Hush()),
        lambda: pair.client.draft(Hush()),
    ):
        with pytest.raises(LocalProtocolError, match="goodbye was said"):
            send()
    with pytest.raises(LocalProtocolError, match="call 1 is not open"):
        pair.client.respond(1, Hush())
    assert pair.bring(pair.server, said + b"anything") == [PeerLeft()]
    assert pair.bring(pair.server, b"anything") == []
    pair.server.receive_end()
    assert pair.server.open_calls == [1]
    assert not pair.server.is_open
    assert pair.server.goodbye() == b""
    with pytest.raises(LocalProtocolError, match="ended: the other side said goodbye"):
        pair.server.request(2, Hush(), None, None)


def test_who_said_goodbye_is_answered_still() -> None:
    pair = PeerPair().open()
    pair.to_server(pair.client.request(1, Hush(), None, None))
    pair.client.goodbye()
    assert pair.to_client(pair.server.respond(1, Hush())) == Responded(1, Hush())


def test_who_said_goodbye_answers_nothing_that_crosses_it() -> None:
    pair = PeerPair().open()
    pair.client.goodbye()
    for call, sent in ((1, pair.server.request(1, Hush(), None, None)),
                       (2, pair.server.notify(2, Hush()))):  # fmt: skip
        assert pair.to_client(sent).call == call
        assert pair.client.taken_count == 0
        with pytest.raises(LocalProtocolError, match=f"call {call} is not open"):
            pair.client.finish(call)


def test_a_goodbye_within_the_handshake_leaves_nothing_to_send() -> None:
    pair = PeerPair()
    pair.client.start()
    pair.client.goodbye()
    pair.bring(pair.server, pair.client.take_output())
    pair.bring(pair.client, pair.server.take_output())
    with pytest.raises(LocalProtocolError, match="goodbye was said"):
        pair.client.request(1, Hush(), None, None)


@pytest.mark.parametrize("size", [1, 15, 17])
def test_a_stream_that_ends_within_a_frame_is_told(size: int) -> None:
    server = open_server()
    server.receive_data(raw_request(1, bytes(8), b"")[:size])
    assert drain(server) == []
    with pytest.raises(DecodeError, match="the stream ended within a frame"):
        server.receive_end()


def test_a_stream_that_ends_between_frames_is_no_error() -> None:
    PeerConnection(WORD_SET, opens=False).receive_end()
    server = open_server()
    server.receive_end()


@pytest.mark.parametrize(
    ("failure", "raises", "said"),
    [
        (Failure(3, "NotPermitted", "wrong", "{}"), NotPermitted, "wrong"),
        (Failure(1, "KeyError", "wrong", "{}"), RemoteError, "KeyError: wrong"),
        (Failure(9, "X", "wrong", "{}"), RemoteProtocolError, "side ended the connection: wrong"),
        (Failure(8, "X", "wrong", "{}"), RemoteProtocolError, "side ended the connection: wrong"),
        (Failure(7, "X", "wrong", "["), SchemaMismatch, "wrong"),
        (Failure(7, "X", "wrong", WORD_SET.description), SchemaMismatch, "wrong"),
        (Failure(7, "X", "wrong", NARROW.description), SchemaMismatch, "in common: Hush"),
        (Failure(6, "X", "wrong", "{}"), DecodeError, "detail of an error frame"),
        (
            Failure(6, "X", "", '{"what":"x","size_bytes":2,"limit_bytes":1}'),
            MessageTooLarge,
            "x: 2 is over",
        ),
    ],
)  # fmt: skip
def test_an_error_under_call_0_ends_the_connection_without_an_answer(
    failure: Failure, raises: type, said: str
) -> None:
    server = open_server()
    error = raised(server, frame_bytes(3, 0, failure.encode()))
    assert type(error) is raises
    assert said in str(error)
    assert server.take_output() == b""
    assert not server.is_open
    with pytest.raises(LocalProtocolError, match="the connection has ended"):
        server.request(1, Hush(), None, None)


def test_what_ended_takes_nothing_and_tells_nothing() -> None:
    server = open_server()
    server.receive_data(raw_request(1, WORD_SET.entry(Hush).fingerprint, b""))
    drain(server)
    raised(server, finished(9) + b"what stands behind it")
    server.receive_end()
    server.take_output()
    server.receive_data(bytes(1000))
    assert drain(server) == []
    assert server.take_output() == b""
    assert server.taken_count == 0
    server.receive_end()
    with pytest.raises(LocalProtocolError, match="call 1 is not open"):
        server.finish(1)


def test_requests_before_a_broken_frame_are_told_first() -> None:
    server = open_server()
    server.receive_data(request_of_hush(1) + request_of_hush(2) + b"nonsense" * 2)
    assert server.next_event() == Requested(1, Hush(), None)
    assert server.next_event() == Requested(2, Hush(), None)
    with pytest.raises(RemoteProtocolError, match="a frame begins with ff 4c"):
        server.next_event()
    assert errors_in(server.take_output())[0][:2] == (0, 9)


def request_of_hush(call: int) -> bytes:
    return raw_request(call, WORD_SET.entry(Hush).fingerprint, b"")


def test_a_message_of_a_class_defined_again_is_sent() -> None:
    def define(root: Any) -> Any:
        class Again(root):  # type: ignore[misc]
            x: U8

        return Again

    class Root(TaggedUnion):
        pass

    define(Root)
    pair = PeerPair(MessageSet(Root)).open()
    again = define(Root)
    event = pair.to_server(pair.client.request(1, again(x=7), None, None))
    assert (event.command.x, event.call) == (7, 1)


def test_a_lazy_request_within_an_open_connection_is_a_request() -> None:
    """Frames are the same on both wires; only what comes before them differs."""
    server = open_server(MessageSet(Order))
    server.receive_data(request_bytes(1, LazyAdd(a=1, b=2)))
    assert drain(server) == [Requested(1, LazyAdd(a=1, b=2), None)]
