"""The state machines, framed: each step of a call, each limit, each broken rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lazyipc import U16, U64, Command, Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Failed, Rejected, Requested, Responded
from lazyipc._core.failure import Failure
from lazyipc._core.framing import HEADER, NEVER_NS, REQUEST, UNKNOWN_CLOCK
from lazyipc.errors import (
    CommandFailed,
    DecodeError,
    EncodeError,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
)
from tests.core.connection_pair import (
    CLOCK,
    CUTS,
    ORDERS,
    OTHER_CLOCK,
    Add,
    Ask,
    ConnectionPair,
    Cut,
    Done,
    Order,
    Said,
    Say,
    Stop,
    Total,
    body_of,
    drain,
    fingerprint_of,
    frame_bytes,
    raw_request,
    request_bytes,
)

each_cut = pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.__name__)


def server_of(command: Any = Order, **settings: Any) -> ServerConnection:
    return ServerConnection(Catalog(command), Wire.FRAMED, **settings)


# Calls -------------------------------------------------------------------------------------------


@each_cut
@pytest.mark.parametrize("order", ORDERS, ids=repr)
def test_a_command_and_its_response_arrive_as_they_left(order: Any, cut: Cut) -> None:
    pair = ConnectionPair(cut=cut)
    assert pair.ask(order, call=7) == Requested(7, order, None)
    response = order.process([])
    assert pair.answer(7, response) == Responded(7, response)
    assert pair.client.open_count == 0


@each_cut
@pytest.mark.parametrize(
    "error", [CommandFailed("no such player"), RemoteError("it broke", kind="KeyError")], ids=repr
)
def test_a_command_may_fail(error: IpcError, cut: Cut) -> None:
    pair = ConnectionPair(cut=cut)
    pair.ask(Stop(), call=7)
    (failed,) = pair.to_client(pair.server.fail(7, error))
    assert (failed.call, type(failed.error)) == (7, type(error))
    assert str(failed.error) == str(error)
    assert pair.client.open_count == 0
    assert not pair.server.finished


def test_the_dialogue_of_the_specification() -> None:
    from examples.simple.commands import Add as DemoAdd
    from examples.simple.commands import ClientCommand, Sum

    request = bytes.fromhex(
        "ff4c0101 30000000 0700000000000000 e64585ebf8f292c3 0000000000000000"
        "ffffffffffffffff ffffffffffffffff 0100000000000000 0200000000000000"
    )
    response = bytes.fromhex("ff4c0102 10000000 0700000000000000 37e2444e81de5f54 0300000000000000")
    client, server = ClientConnection(), server_of(ClientCommand)
    assert client.request(7, DemoAdd(a=1, b=2), None, None) == request
    server.receive_data(request)
    assert drain(server) == [Requested(7, DemoAdd(a=1, b=2), None)]
    assert server.respond(7, Sum(c=3)) == response
    client.receive_data(response)
    assert drain(client) == [Responded(7, Sum(c=3))]


@each_cut
def test_requests_come_in_order_and_answers_in_any(cut: Cut) -> None:
    pair = ConnectionPair(cut=cut)
    calls = {call: Add(a=call, b=0) for call in (5, 2**64 - 1, 1)}
    sent = b"".join(pair.client.request(*call, None, None) for call in calls.items())
    assert pair.to_server(sent) == [Requested(call, calls[call], None) for call in calls]
    assert pair.client.open_count == 3
    answers = b"".join(pair.server.respond(call, Total(c=call)) for call in (1, 5, 2**64 - 1))
    assert pair.to_client(answers) == [Responded(call, Total(c=call)) for call in (1, 5, 2**64 - 1)]
    assert pair.client.open_count == 0


def test_a_message_is_told_before_the_next_is_there() -> None:
    pair = ConnectionPair()
    first, second = request_bytes(1, Add(a=1, b=2)), request_bytes(2, Say(text="later"))
    for place in range(len(second)):
        server = server_of()
        server.receive_data(first + second[:place])
        assert drain(server) == [Requested(1, Add(a=1, b=2), None)]
        server.receive_data(second[place:])
        assert drain(server) == [Requested(2, Say(text="later"), None)]
    pair.ask(Stop(), call=1)
    pair.ask(Stop(), call=2)
    answers = pair.server.respond(1, Done()) + pair.server.respond(2, Done())
    assert pair.to_client(answers[:-1]) == [Responded(1, Done())]
    assert pair.to_client(answers[-1:]) == [Responded(2, Done())]


def test_a_reply_named_by_its_root_may_be_any_variant() -> None:
    pair = ConnectionPair()
    for call, answer in enumerate((Done(), Total(c=4), Said(text="x", blob=b"")), 1):
        pair.ask(Ask(numbers=[1]), call)
        assert pair.answer(call, answer) == Responded(call, answer)


@pytest.mark.parametrize(
    ("returned", "value"),
    [
        (None, None),
        (bool, True),
        (list[U16], [1, 2]),
        (Total | None, None),
        (Total | None, Total(c=1)),
        (Total | Done, Done()),
        (dict[str, list[Done]], {"a": [Done()]}),
    ],
)
def test_a_reply_may_be_of_any_type(returned: Any, value: Any) -> None:
    class Only(Command):
        def process(self, context: object) -> Any: ...

        process.__annotations__["return"] = returned

    pair = ConnectionPair(Only)
    assert pair.ask(Only()) == Requested(1, Only(), None)
    assert pair.answer(1, value) == Responded(1, value)


# What is still lacking ---------------------------------------------------------------------------


@pytest.mark.parametrize("have", range(49))
def test_the_server_says_how_much_it_lacks_at_least(have: int) -> None:
    request = request_bytes(1, Stop())
    server = server_of()
    server.receive_data(request[:have])
    told = drain(server)
    assert (len(told) == 1) == (have == len(request))
    assert (server.wanted_bytes > 0) == (0 < have < len(request))
    assert server.wanted_bytes <= len(request) - have


def test_the_server_says_exactly_how_much_a_long_message_lacks() -> None:
    request = request_bytes(1, Say(text="x" * 5000))
    server = server_of()
    server.receive_data(request[:100])
    assert drain(server) == []
    assert server.wanted_bytes == len(request) - 100
    server.receive_data(request[100:-7])
    assert drain(server) == []
    assert server.wanted_bytes == 7
    server.receive_data(request[-7:] + request_bytes(2, Stop())[:20])
    assert len(drain(server)) == 1
    assert 0 < server.wanted_bytes <= 28


def test_the_client_says_exactly_how_much_a_long_answer_lacks() -> None:
    pair = ConnectionPair()
    pair.ask(Say(text="x"))
    answer = pair.server.respond(1, Said(text="x" * 5000, blob=b""))
    assert pair.client.wanted_bytes == 0
    assert pair.to_client(answer[:10]) == []
    assert pair.client.wanted_bytes == HEADER.size - 10
    assert pair.to_client(answer[10:100]) == []
    assert pair.client.wanted_bytes == len(answer) - 100
    assert len(pair.to_client(answer[100:])) == 1
    assert pair.client.wanted_bytes == 0


def test_a_frame_of_another_kind_is_waited_for_as_well() -> None:
    ping = frame_bytes(12, 3, bytes(100))
    server, client = server_of(), ClientConnection()
    for connection in (server, client):
        connection.receive_data(ping[:50])
        assert drain(connection) == []
        assert connection.wanted_bytes == len(ping) - 50
        connection.receive_data(ping[50:])
        drain(connection)
        assert connection.wanted_bytes == 0


# Requests that are rejected ----------------------------------------------------------------------

ADD = fingerprint_of(Add)

REJECTED: dict[str, tuple[bytes, type[IpcError], str]] = {
    "an unknown fingerprint": (
        raw_request(9, b"unknown!", b""), SchemaMismatch,
        "no command of Order has the fingerprint 756e6b6e6f776e21",
    ),
    "a reserved kind": (
        frame_bytes(5, 9, b"what"), RemoteProtocolError, "a server takes no frame of kind 5",
    ),
    "an unknown kind": (
        frame_bytes(200, 9, b""), RemoteProtocolError, "a server takes no frame of kind 200",
    ),
    "kind 0": (frame_bytes(0, 9, b""), RemoteProtocolError, "a server takes no frame of kind 0"),
    "a response": (
        frame_bytes(2, 9, bytes(8)), RemoteProtocolError, "a server takes no frame of kind 2",
    ),
    "no payload": (
        frame_bytes(1, 9, b""), DecodeError,
        "byte 0, message: a request has at least 32 bytes of payload, not 0",
    ),
    "a payload too short": (
        frame_bytes(1, 9, ADD + bytes(23)), DecodeError,
        "byte 0, message: a request has at least 32 bytes of payload, not 31",
    ),
    "a body too short": (
        raw_request(9, ADD, bytes(15)), DecodeError, "byte 8, b: needs 8 bytes, 7 are left",
    ),
    "a body too long": (
        raw_request(9, ADD, bytes(17)), DecodeError, "byte 16, message: 1 bytes are left over",
    ),
    "a body that is none": (
        raw_request(9, fingerprint_of(Say), b"\1" + bytes(7) + b"\xff" + bytes(8)), DecodeError,
        "byte 8, text: not UTF-8: invalid start byte",
    ),
    "a bomb": (
        raw_request(9, fingerprint_of(Ask), b"\xff" * 8), MessageTooLarge,
        f"numbers: number of elements: {2**64 - 1} is over the limit of 1000000",
    ),
}  # fmt: skip


@each_cut
@pytest.mark.parametrize("name", REJECTED)
def test_a_request_that_cannot_be_run_is_rejected_and_the_next_one_runs(
    name: str, cut: Cut
) -> None:
    received, error, text = REJECTED[name]
    pair = ConnectionPair(cut=cut)
    rejected, requested = pair.to_server(received + request_bytes(10, Stop()))
    assert isinstance(rejected, Rejected)
    assert (rejected.call, type(rejected.error), str(rejected.error)) == (9, error, text)
    assert requested == Requested(10, Stop(), None)


@pytest.mark.parametrize("name", REJECTED)
def test_a_rejected_request_is_answered_and_its_call_is_free_again(name: str) -> None:
    pair = ConnectionPair()
    (rejected,) = pair.to_server(REJECTED[name][0])
    answer = pair.server.fail(9, rejected.error)
    assert answer[:4] == b"\xff\x4c\1\3"
    assert not pair.server.finished
    assert pair.to_server(request_bytes(9, Stop())) == [Requested(9, Stop(), None)]


def test_a_rejected_request_shorter_than_its_fields_takes_nothing_of_the_next() -> None:
    server = server_of()
    server.receive_data(raw_request(1, ADD, bytes(4)) + request_bytes(2, Add(a=1, b=2)))
    rejected, requested = drain(server)
    assert str(rejected.error) == "byte 0, a: needs 8 bytes, 4 are left"
    assert requested == Requested(2, Add(a=1, b=2), None)


def test_the_elements_of_a_command_are_limited() -> None:
    pair = ConnectionPair(elements=3)
    assert pair.ask(Ask(numbers=[1, 2, 3])) == Requested(1, Ask(numbers=[1, 2, 3]), None)
    rejected = pair.ask(Ask(numbers=[1, 2, 3, 4]), call=2)
    assert isinstance(rejected.error, MessageTooLarge)
    assert (rejected.error.size_bytes, rejected.error.limit_bytes) == (4, 3)


# A schema that differs ---------------------------------------------------------------------------


def older_order() -> Any:
    """The same set as an older server has it."""

    class Order(Command):
        pass

    class Add(Order):
        a: U64
        c: U16

        def process(self, context: object) -> None: ...

    class Stop(Order):
        def process(self, context: object) -> Done: ...

    return Order


@each_cut
def test_a_client_is_told_how_its_command_differs(cut: Cut) -> None:
    pair = ConnectionPair(older_order(), cut=cut)
    rejected = pair.ask(Add(a=1, b=2), call=3)
    assert isinstance(rejected.error, SchemaMismatch)
    (failed,) = pair.to_client(pair.server.fail(3, rejected.error))
    error = failed.error
    assert (failed.call, type(error)) == (3, SchemaMismatch)
    assert error.difference.split("\n") == [
        "Add was not run: Add.b: u64 here, not there",
        "Add.c: u16 there, not here",
        "Add returns Total here, unit there",
    ]
    assert json.loads(error.ours)[:2] == ["command", "Add"]
    assert [c["name"] for c in json.loads(error.theirs)["commands"]] == ["Add", "Stop"]
    assert pair.ask(Stop(), call=4).call == 4


def test_a_client_is_told_that_its_command_is_unknown() -> None:
    pair = ConnectionPair(older_order())
    rejected = pair.ask(Say(text=""))
    (failed,) = pair.to_client(pair.server.fail(1, rejected.error))
    assert failed.error.difference == (
        "Say was not run: the server has no command Say; it has Add, Stop"
    )


def test_a_reply_of_an_unknown_variant_says_that_the_command_ran() -> None:
    pair = ConnectionPair()
    pair.ask(Ask(numbers=[]))
    (failed,) = pair.to_client(frame_bytes(2, 1, b"unknown!"))
    assert (failed.call, type(failed.error)) == (1, SchemaMismatch)
    assert "the command did run" in str(failed.error)
    assert "Answer" in str(failed.error)


def test_a_reply_that_is_none_fails_its_call_alone() -> None:
    pair = ConnectionPair()
    total = body_of(answer_bytes(Add(a=1, b=2), Total(c=3)))
    pair.ask(Add(a=1, b=2), call=1)
    pair.ask(Add(a=1, b=2), call=2)
    short, good = frame_bytes(2, 1, total[:-1]), frame_bytes(2, 2, total)
    failed, responded = pair.to_client(short + good)
    assert (failed.call, type(failed.error)) == (1, DecodeError)
    assert failed.error.path == "c"
    assert responded == Responded(2, Total(c=3))


def answer_bytes(command: Any, value: Any, call: int = 1) -> bytes:
    """One response."""
    server = server_of()
    server.receive_data(request_bytes(call, command))
    drain(server)
    return server.respond(call, value)


# Streams that cannot go on -----------------------------------------------------------------------

BROKEN: dict[str, tuple[bytes, str]] = {
    "another magic": (b"\xff\x4d" + bytes(14), "ff 4d"),
    "another version": (frame_bytes(1, 1, bytes(32), version=2), "frame version 2"),
    "version 0": (frame_bytes(1, 1, bytes(32), version=0), "frame version 0"),
    "a payload over the limit": (
        frame_bytes(1, 1, b"")[:4] + b"\xff" * 4 + bytes(8), "4294967295 is over the limit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_is_told_as_soon_as_its_header_is_there(name: str) -> None:
    received, text = BROKEN[name]
    server = server_of()
    server.receive_data(request_bytes(1, Stop()) + received[:16])
    assert server.next_event() == Requested(1, Stop(), None)
    with pytest.raises(RemoteProtocolError, match=text):
        server.next_event()
    client = ClientConnection()
    client.receive_data(received[:16])
    with pytest.raises(RemoteProtocolError, match=text):
        client.next_event()


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\0", b"\xff\xff", b"{}"])
def test_what_begins_no_frame_is_told(start: bytes) -> None:
    server = server_of()
    server.receive_data(start)
    with pytest.raises(RemoteProtocolError):
        server.next_event()


def test_a_call_begun_twice_ends_the_stream() -> None:
    pair = ConnectionPair()
    pair.ask(Stop(), call=4)
    with pytest.raises(RemoteProtocolError, match="call 4 is under way"):
        pair.to_server(request_bytes(4, Stop()))


def test_a_request_under_call_0_is_refused() -> None:
    """Errors under call 0 are about the stream, so no call has that number."""
    with pytest.raises(RemoteProtocolError):
        ConnectionPair().to_server(request_bytes(1, Stop())[:8] + bytes(8) + bytes(32))
    with pytest.raises(LocalProtocolError):
        ClientConnection().request(0, Stop(), None, None)


def test_an_error_under_call_0_ends_the_connection_for_both() -> None:
    pair = ConnectionPair()
    pair.ask(Stop())
    last = pair.server.fail(0, RemoteProtocolError("no frame"))
    assert pair.server.finished
    with pytest.raises(RemoteProtocolError, match="the server ended the connection: no frame"):
        pair.to_client(last)


def test_a_finished_server_tells_nothing_more() -> None:
    pair = ConnectionPair()
    pair.server.receive_data(request_bytes(1, Stop()) + request_bytes(2, Stop()))
    assert pair.server.next_event() == Requested(1, Stop(), None)
    pair.server.fail(0, RemoteProtocolError("enough"))
    assert drain(pair.server) == []


def test_a_response_without_a_fingerprint_ends_the_stream_whatever_follows_it() -> None:
    for size in range(8):
        for behind in (b"", answer_bytes(Stop(), Done(), call=2)):
            pair = ConnectionPair()
            pair.ask(Stop(), call=1)
            pair.ask(Stop(), call=2)
            with pytest.raises(DecodeError, match="no fingerprint"):
                pair.to_client(frame_bytes(2, 1, bytes(size)) + behind)


def test_an_error_frame_that_is_none_ends_the_stream() -> None:
    pair = ConnectionPair()
    pair.ask(Stop())
    with pytest.raises(DecodeError):
        pair.to_client(frame_bytes(3, 1, b"what"))


def test_the_stream_may_end_between_frames_alone() -> None:
    pair = ConnectionPair()
    assert pair.client.receive_end() is None
    pair.ask(Stop())
    answer = pair.server.respond(1, Done())
    assert pair.to_client(answer[:-1]) == []
    with pytest.raises(DecodeError, match="ended within a frame"):
        pair.client.receive_end()
    assert len(pair.to_client(answer[-1:])) == 1
    assert pair.client.receive_end() is None


# Hostile answers ---------------------------------------------------------------------------------

FIELD = '{"commands": [{"name": "Add", "fields": [["a", %s]], "returns": "unit"}]}'
HOSTILE_DESCRIPTIONS = [
    "",
    "{",
    "null",
    "5",
    "[]",
    '{"commands": 5}',
    '{"commands": [5]}',
    '{"commands": [{}]}',
    '{"commands": [{"name": []}]}',
    '{"commands": [{"name": "Add"}]}',
    '{"commands": [{"name": "Add", "fields": 5, "returns": 5}]}',
    '{"commands": [{"name": "Add", "fields": [5], "returns": 5}]}',
    '{"commands": [{"name": "Add", "fields": [[[], 5]], "returns": 5}]}',
    '{"commands": [{"name": "Add", "fields": ["abc"], "returns": 5}]}',
    '{"commands": [{"name": 5}, {"name": "x"}]}',
    FIELD % '["struct", 5]',
    FIELD % '["choice", [5]]',
    FIELD % '["enum", [5]]',
    FIELD % '["tuple", 5]',
    FIELD % "[5, [6]]",
    FIELD % '{"a": []}',
    FIELD % ('["vec", ' * 400 + '"u8"' + "]" * 400),
    FIELD % ('["vec", ' * 100_000),
    "[" * 100_000,
]


@pytest.mark.parametrize("detail", HOSTILE_DESCRIPTIONS, ids=lambda detail: detail[:60])
def test_a_description_that_is_none_is_no_surprise(detail: str) -> None:
    pair = ConnectionPair()
    pair.ask(Add(a=1, b=2))
    error = frame_bytes(3, 1, Failure(7, "SchemaMismatch", "told", detail).encode())
    try:
        events = pair.to_client(error)
    except RemoteProtocolError:
        return
    assert [type(event.error) for event in events] in ([SchemaMismatch], [DecodeError])


# Late and unknown answers ------------------------------------------------------------------------


@each_cut
def test_the_answer_to_a_forgotten_call_is_dropped(cut: Cut) -> None:
    pair = ConnectionPair(cut=cut)
    for call in (1, 2, 3):
        pair.ask(Add(a=call, b=0), call)
    pair.client.forget(1)
    pair.client.forget(2)
    assert pair.client.open_count == 1
    answers = pair.server.respond(1, Total(c=1)) + pair.server.fail(2, CommandFailed("late"))
    assert pair.to_client(answers + pair.server.respond(3, Total(c=3))) == [
        Responded(3, Total(c=3))
    ]


@each_cut
def test_what_the_client_does_not_know_is_skipped(cut: Cut) -> None:
    pair = ConnectionPair(cut=cut)
    pair.ask(Stop())
    unknown = b"".join(frame_bytes(kind, 1, b"whatever it is") for kind in (0, 1, 4, 7, 13, 255))
    never_asked = answer_bytes(Add(a=1, b=2), Total(c=3), call=99)
    assert pair.to_client(unknown + never_asked) == []
    assert pair.answer(1, Done()) == Responded(1, Done())


def test_a_call_is_answered_once() -> None:
    pair = ConnectionPair()
    pair.ask(Stop())
    answer = pair.server.respond(1, Done())
    assert pair.to_client(answer + answer) == [Responded(1, Done())]


def test_forgetting_what_is_not_open_changes_nothing() -> None:
    pair = ConnectionPair()
    pair.client.forget(5)
    pair.ask(Stop())
    assert pair.client.open_count == 1


# Our own mistakes --------------------------------------------------------------------------------


def test_a_call_that_is_not_open_cannot_be_answered() -> None:
    pair = ConnectionPair()
    with pytest.raises(LocalProtocolError, match="call 1 is not open"):
        pair.server.respond(1, Done())
    pair.ask(Stop())
    pair.server.respond(1, Done())
    with pytest.raises(LocalProtocolError, match="call 1 is not open"):
        pair.server.respond(1, Done())
    pair.ask(Stop(), call=2)
    pair.server.fail(2, CommandFailed("no"))
    with pytest.raises(LocalProtocolError, match="call 2 is not open"):
        pair.server.respond(2, Done())


@pytest.mark.parametrize("value", [None, 5, Done(), Said(text="", blob=b""), Add(a=1, b=2)])
def test_a_response_of_another_type_leaves_the_call_open(value: Any) -> None:
    pair = ConnectionPair()
    pair.ask(Add(a=1, b=2))
    with pytest.raises(EncodeError, match="Total"):
        pair.server.respond(1, value)
    assert pair.answer(1, Total(c=3)) == Responded(1, Total(c=3))


@pytest.mark.parametrize("value", [None, 5, Add(a=1, b=2)])
def test_a_response_of_no_variant_names_the_variants(value: Any) -> None:
    pair = ConnectionPair()
    pair.ask(Ask(numbers=[]))
    with pytest.raises(EncodeError, match="Done, Total, Said"):
        pair.server.respond(1, value)


def test_a_call_cannot_be_asked_twice() -> None:
    client = ClientConnection()
    client.request(1, Stop(), None, None)
    with pytest.raises(LocalProtocolError, match="call 1 is open already"):
        client.request(1, Stop(), None, None)
    assert client.open_count == 1


@pytest.mark.parametrize("command", [5, None, "Stop", object(), Done()])
def test_what_is_no_command_cannot_be_asked(command: Any) -> None:
    client = ClientConnection()
    with pytest.raises(SchemaError):
        client.request(1, command, None, None)
    assert client.open_count == 0


def test_a_command_that_does_not_fit_leaves_nothing_open() -> None:
    client = ClientConnection()
    with pytest.raises(EncodeError, match="a: "):
        client.request(1, Add.model_construct(a=-1, b=0), None, None)
    assert client.open_count == 0
    assert client.request(1, Stop(), None, None)


@pytest.mark.parametrize("wire", [Wire.ALL, Wire(0)])
def test_a_client_speaks_one_wire(wire: Wire) -> None:
    with pytest.raises(LocalProtocolError, match="speaks one wire"):
        ClientConnection(wire)


# Sizes -------------------------------------------------------------------------------------------


def test_a_command_of_the_largest_size_is_taken_and_no_larger_one() -> None:
    fields = 8 + 8
    fitting = request_bytes(1, Say(text="x" * (100 - fields)))
    pair = ConnectionPair(message_bytes=100)
    assert len(fitting) == REQUEST.size + 100
    assert len(pair.to_server(fitting)) == 1
    with pytest.raises(MessageTooLarge) as caught:
        pair.to_server(request_bytes(2, Say(text="x" * (101 - fields)))[: HEADER.size])
    assert caught.value.size_bytes == caught.value.limit_bytes + 1


def test_a_response_of_the_largest_size_is_sent_and_no_larger_one() -> None:
    pair = ConnectionPair(message_bytes=100)
    pair.ask(Say(text=""))
    with pytest.raises(MessageTooLarge) as caught:
        pair.server.respond(1, Said(text="x" * 85, blob=b""))
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (101, 100)
    assert pair.answer(1, Said(text="x" * 84, blob=b"")) == Responded(
        1, Said(text="x" * 84, blob=b"")
    )
    pair.ask(Say(text=""), call=2)
    with pytest.raises(MessageTooLarge) as caught:
        pair.server.respond(2, Said(text="x" * 85, blob=b""))
    (failed,) = pair.to_client(pair.server.fail(2, caught.value))
    assert isinstance(failed.error, MessageTooLarge)
    assert failed.error.size_bytes == 101


def test_a_response_over_the_clients_limit_ends_its_stream() -> None:
    pair = ConnectionPair(client_bytes=100)
    pair.ask(Say(text=""))
    assert pair.answer(1, Said(text="x" * 84, blob=b""))
    pair.ask(Say(text=""), call=2)
    with pytest.raises(MessageTooLarge):
        pair.to_client(pair.server.respond(2, Said(text="x" * 85, blob=b""))[: HEADER.size])


LARGE = 70_000


@each_cut
def test_a_large_message_goes_both_ways(cut: Cut) -> None:
    if cut.__name__ == "byte_by_byte":
        cut = two_thousand_bytes
    pair = ConnectionPair(cut=cut)
    order = Say(text="é" * LARGE, blob=b"\xff" * LARGE)
    assert pair.ask(order) == Requested(1, order, None)
    assert pair.answer(1, Said(text="", blob=order.blob)) == Responded(
        1, Said(text="", blob=order.blob)
    )


def two_thousand_bytes(data: bytes) -> list[bytes]:
    return [data[place : place + 2000] for place in range(0, len(data), 2000)]


def test_a_large_bad_message_leaves_the_buffer_free_for_the_next() -> None:
    """An error that is kept keeps its frames, which must not keep the buffer."""
    body = LARGE.to_bytes(8, "little") + b"x" * (LARGE - 1) + b"\xff" + bytes(8)
    bad = raw_request(1, fingerprint_of(Say), body)
    pair = ConnectionPair(cut=two_thousand_bytes)
    kept = pair.to_server(bad + request_bytes(2, Stop())[:-1])
    assert [type(event.error) for event in kept] == [DecodeError]
    assert pair.to_server(request_bytes(2, Stop())[-1:]) == [Requested(2, Stop(), None)]
    pair = ConnectionPair(cut=two_thousand_bytes)
    pair.ask(Say(text=""))
    fingerprint = body_of(answer_bytes(Say(text=""), Said(text="", blob=b"")))[:8]
    kept = pair.to_client(frame_bytes(2, 1, fingerprint + body))
    assert [type(event.error) for event in kept] == [DecodeError]
    pair.ask(Stop(), call=2)
    assert pair.answer(2, Done()) == Responded(2, Done())


# Deadlines ---------------------------------------------------------------------------------------

NOW = 1_000_000


@pytest.mark.parametrize(
    ("client", "server", "deadline", "left", "expected"),
    [
        (CLOCK, CLOCK, 500, 100, 500),
        (CLOCK, CLOCK, 500, None, 500),
        (CLOCK, CLOCK, None, 100, None),
        (CLOCK, CLOCK, None, None, None),
        (CLOCK, CLOCK, 0, 0, 0),
        (CLOCK, OTHER_CLOCK, 500, 100, NOW + 100),
        (CLOCK, OTHER_CLOCK, 2**63, 0, NOW),
        (CLOCK, OTHER_CLOCK, 500, None, None),
        (CLOCK, OTHER_CLOCK, None, 100, NOW + 100),
        (UNKNOWN_CLOCK, CLOCK, 500, 100, NOW + 100),
        (CLOCK, UNKNOWN_CLOCK, 500, 100, NOW + 100),
        (UNKNOWN_CLOCK, UNKNOWN_CLOCK, 500, 100, NOW + 100),
        (UNKNOWN_CLOCK, UNKNOWN_CLOCK, None, None, None),
    ],
)
def test_the_deadline_is_told_on_the_servers_clock(
    client: bytes, server: bytes, deadline: int | None, left: int | None, expected: int | None
) -> None:
    pair = ConnectionPair(client_clock=client, server_clock=server)
    (event,) = pair.to_server(pair.client.request(1, Stop(), deadline, left), NOW)
    assert event == Requested(1, Stop(), expected)


def test_both_forms_of_the_deadline_are_on_the_wire() -> None:
    request = ClientConnection(clock=CLOCK).request(1, Stop(), 0x0102, 0x0304)
    assert request[24:32] == CLOCK
    assert request[32:48].hex() == "02010000000000000403000000000000"
    forever = ClientConnection(clock=CLOCK).request(1, Stop(), None, None)
    assert forever[32:48] == NEVER_NS.to_bytes(8, "little") * 2


def test_time_left_counts_from_when_the_request_was_read() -> None:
    pair = ConnectionPair(client_clock=OTHER_CLOCK)
    first = pair.client.request(1, Stop(), None, 100)
    second = pair.client.request(2, Stop(), None, 100)
    pair.server.receive_data(first + second[:20], 1000)
    assert pair.server.next_event() == Requested(1, Stop(), 1100)
    assert pair.server.next_event() is None
    pair.server.receive_data(second[20:], 9000)
    assert pair.server.next_event() == Requested(2, Stop(), 9100)


def test_what_is_read_later_does_not_give_a_waiting_request_more_time() -> None:
    pair = ConnectionPair(client_clock=OTHER_CLOCK)
    pair.server.receive_data(pair.client.request(1, Stop(), None, 100), 1000)
    first = drain(pair.server)
    pair.server.receive_data(pair.client.request(2, Stop(), None, 100), 9000)
    assert [event.deadline_ns for event in [*first, *drain(pair.server)]] == [1100, 9100]


def test_an_expired_call_is_told_as_not_run() -> None:
    pair = ConnectionPair()
    pair.ask(Stop())
    (failed,) = pair.to_client(pair.server.fail(1, ReplyTimeout("too late", started="no")))
    assert isinstance(failed.error, ReplyTimeout)
    assert failed == Failed(1, failed.error)
    assert failed.error.started == "no"
