"""The JSON dialect of both state machines: lines in, lines out, however they are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from lazyipc import Response, Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.json_server import LEAST_ID, LONGEST_ID, MOST_ID
from lazyipc._core.connection.lines import LINE_EXTRA_BYTES
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Failed, Rejected, Requested, Responded
from lazyipc.errors import (
    CommandFailed,
    DecodeError,
    EncodeError,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
    UnexpectedReply,
)
from tests.core.command_sets import command_set
from tests.core.connection_pair import (
    CUTS,
    ORDERS,
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
    cut_at,
    drain,
    events_of,
    orders,
)
from tests.core.matrix import UNHURRIED

BOTH = Wire.FRAMED | Wire.JSON
PROPERTY = settings(**UNHURRIED)
NOW_NS = 1_000_000_000


class Pushed(BaseModel):
    x: int


class Push(BaseModel):
    """A set of one."""

    x: int
    y: int = Field(default=0, alias="why")

    def process(self, context: Any) -> Pushed:
        return Pushed(x=self.x)


def server(command: Any = Order, wires: Wire = BOTH, **settings: Any) -> ServerConnection:
    return ServerConnection(Catalog(command), wires, **settings)


def asked(connection: ServerConnection, text: str | bytes, now_ns: int = NOW_NS) -> Any:
    """The one event of a line."""
    data = text.encode() if isinstance(text, str) else text
    connection.receive_data(data + b"\n", now_ns)
    (event,) = drain(connection)
    return event


def told(data: bytes) -> Any:
    """What a line that the server wrote says."""
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    return json.loads(data)


def refused(connection: ServerConnection, text: str | bytes) -> dict[str, Any]:
    """What the server tells of a line that it rejects."""
    event = asked(connection, text)
    assert isinstance(event, Rejected), event
    answer: dict[str, Any] = told(connection.fail(event.call, event.error))
    assert not connection.finished
    return answer


# Requests and answers ----------------------------------------------------------------------------


@pytest.mark.parametrize("cut", CUTS)
def test_commands_and_responses_travel(cut: Cut) -> None:
    pair = ConnectionPair(wire=Wire.JSON, wires=BOTH, cut=cut)
    for call, command in enumerate(ORDERS, 1):
        assert pair.ask(command, call) == Requested(call, command, None)
        response = command.process([])  # type: ignore[attr-defined]
        assert pair.answer(call, response) == Responded(call, response)
    assert pair.client.open_count == 0
    assert pair.server.wire is Wire.JSON


DIALOGUES: list[tuple[str, str]] = [
    ('{"Add":{"a":1,"b":2}}', '{"Ok":{"Total":{"c":3}}}'),
    ('{"id":7,"call":{"Add":{"a":1,"b":2}}}', '{"id":7,"Ok":{"Total":{"c":3}}}'),
    ('{"call":{"Add":{"b":2,"a":1}},"id":"x \\u00e9"}', '{"id":"x é","Ok":{"Total":{"c":3}}}'),
    ('{"timeout":1,"call":"Stop"}', '{"Ok":"Done"}'),
    ('{"id":0,"timeout":null,"call":"Stop"}', '{"id":0,"Ok":"Done"}'),
    ('"Stop"', '{"Ok":"Done"}'),
    ('{"Stop":null}', '{"Ok":"Done"}'),
    ('{"Stop":{}}', '{"Ok":"Done"}'),
    ('\t {"Stop" : {} } \r', '{"Ok":"Done"}'),
    ('{"Say":{"text":"a"}}', '{"Ok":{"Said":{"text":"a","blob":[]}}}'),
    ('{"Ask":{"numbers":[]}}', '{"Ok":"Done"}'),
    ('{"Ask":{"numbers":[1]}}', '{"Ok":{"Total":{"c":1}}}'),
]


@pytest.mark.parametrize(("line", "answer"), DIALOGUES)
def test_a_line_and_its_answer(line: str, answer: str) -> None:
    connection = server()
    event = asked(connection, line)
    assert connection.wanted_bytes == 0
    assert connection.respond(event.call, event.command.process([])) == f"{answer}\n".encode()


RETURNED: list[tuple[Any, Any, str]] = [
    (str, "text", '"text"'), (None, None, "null"), (int | None, None, "null"),
    (list[bytes], [b"a"], "[[97]]"), (Pushed, Pushed(x=1), '{"x":1}'),
    (Total, Total(c=1), '{"Total":{"c":1}}'), (Done, Done(), '"Done"'),
    (Total | Done, Done(), '"Done"'), (Total | Done, Total(c=1), '{"Total":{"c":1}}'),
    (Pushed | Total, Pushed(x=1), '{"Pushed":{"x":1}}'),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "value", "text"), RETURNED)
def test_any_type_is_returned_as_serde_writes_it(declared: Any, value: Any, text: str) -> None:
    pair = ConnectionPair(command_set({"Get": ({}, declared)}), wire=Wire.JSON, wires=BOTH)
    (entry,) = pair.server._catalog.by_fingerprint.values()
    command = entry.model()
    event = pair.ask(command)
    data = pair.server.respond(event.call, value)
    assert data == f'{{"id":1,"Ok":{text}}}\n'.encode()
    assert pair.to_client(data) == [Responded(1, value)]


def test_a_set_of_one_is_sent_without_its_name() -> None:
    connection = server(Push)
    assert asked(connection, '{"x":1}').command == Push(x=1)
    assert asked(connection, '{"id":1,"call":{"x":1,"why":2}}').command == Push(x=1, why=2)
    assert asked(connection, '{"call":{"x":1},"timeout":5}').command == Push(x=1)
    pair = ConnectionPair(Push, wire=Wire.JSON, wires=BOTH)
    assert pair.client.request(5, Push(x=1), None, None) == b'{"id":5,"call":{"x":1,"why":0}}\n'
    told_of = refused(server(Push), '{"id":1,"x":2}')
    assert "id" not in told_of
    assert told_of["Err"]["path"] == "id"


def test_a_command_may_be_called_what_is_around_it() -> None:
    commands: Any = command_set({"call": ({"id": int}, int), "id": ({}, int)})
    assert type(asked(server(commands), '"id"').command).__name__ == "id"
    assert asked(server(commands), '{"call":{"id":3}}').command.id == 3
    event = asked(server(commands), '{"id":1,"call":{"call":{"id":3}}}')
    assert event.command.id == 3


class Same(BaseModel):
    """A set of one with the fields of what may be around it."""

    id: int
    call: int

    def process(self, context: Any) -> int:
        return self.id


class Almost(BaseModel):
    x: int
    call: int

    def process(self, context: Any) -> int:
        return self.x


def test_a_set_of_one_with_such_fields_is_put_into_a_call() -> None:
    assert refused(server(Same), '{"id":1,"call":2}')["Err"]["path"] == "call"
    assert asked(server(Same), '{"id":1,"call":{"id":1,"call":2}}').command == Same(id=1, call=2)
    assert asked(server(Almost), '{"x":1,"call":2}').command == Almost(x=1, call=2)


@pytest.mark.parametrize("id_", [LEAST_ID, MOST_ID, "", "é" * LONGEST_ID, '"\\\n'])
def test_an_id_is_given_back(id_: int | str) -> None:
    connection = server()
    event = asked(connection, json.dumps({"id": id_, "call": "Stop"}))
    assert told(connection.respond(event.call, Done()))["id"] == id_
    event = asked(connection, json.dumps({"id": id_, "call": {"Stop": 1}}))
    assert told(connection.fail(event.call, event.error))["id"] == id_
    event = asked(connection, json.dumps({"id": id_, "calls": 1}))
    assert told(connection.fail(event.call, event.error))["id"] == id_


@pytest.mark.parametrize(
    "id_", [LEAST_ID - 1, MOST_ID + 1, "é" * (LONGEST_ID + 1), None, True, 1.0, [], {}]
)
def test_what_is_no_id_is_refused(id_: Any) -> None:
    answer = refused(server(), json.dumps({"call": "Stop", "id": id_}))
    assert answer.keys() == {"Err"}
    assert answer["Err"]["path"] == "id"
    assert answer["Err"]["column"] == 24


def test_answers_without_ids_come_one_for_each_request() -> None:
    connection = server()
    connection.receive_data(b'"Stop"\n"Stop"\n\n"Stop"\n')
    calls = [event.call for event in drain(connection)]
    assert len(set(calls)) == 3
    assert all(calls)
    with pytest.raises(LocalProtocolError, match="is not open"):
        connection.respond(max(calls) + 1, Done())
    connection.respond(calls[0], Done())
    with pytest.raises(LocalProtocolError, match="is not open"):
        connection.respond(calls[0], Done())


# Deadlines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "left_ns"),
    [("1.5", 1_500_000_000), ("2", 2_000_000_000), ("0", 0), ("-1", 0), ("-1e300", 0),
     ("1e9", 10**18), ("1.1e9", None), ("1e300", None), ("9" * 99, None), ("null", None)],
)  # fmt: skip
def test_a_timeout_counts_from_when_it_was_read(timeout: str, left_ns: int | None) -> None:
    event = asked(server(), f'{{"call":"Stop","timeout":{timeout}}}', now_ns=NOW_NS)
    assert event.deadline_ns == (None if left_ns is None else NOW_NS + left_ns)


@pytest.mark.parametrize("timeout", ['"1"', "true", "[]", "1e999"])
def test_what_is_no_timeout_is_refused(timeout: str) -> None:
    answer = refused(server(), f'{{"id":1,"call":"Stop","timeout":{timeout}}}')
    assert (answer["id"], answer["Err"]["path"]) == (1, "timeout")


def test_a_client_says_how_long_it_waits() -> None:
    client = ClientConnection(Wire.JSON)
    assert client.request(1, Stop(), 5, 1_500_000_000).endswith(b'"timeout":1.5}\n')
    assert client.request(2, Stop(), None, None) == b'{"id":2,"call":"Stop"}\n'


# What is refused, and goes on --------------------------------------------------------------------

REFUSED: list[tuple[str, int, str, str]] = [
    # line, column, path, what the reason says
    ("nonsense", 2, "", "no JSON: no word of JSON"),
    ('{"Add":', 7, "", "no JSON: it ends too early"),
    ('{"Add":{"a":1,"b":2}} x', 23, "", "more stands behind the value"),
    ("[]", 1, "", 'a command of Order is {"name": {its fields}}, or "name" where it has none'),
    ("7", 1, "", "not 7"),
    ("{}", 1, "", "not an object of 0 keys"),
    ('"Add"', 1, "", 'Add has fields: {"Add": {"a": …, "b": …}}'),
    ('{"Add":null}', 2, "Add", 'Add has fields: {"Add": {"a": …, "b": …}}'),
    ('"Stopp"', 1, "", "did you mean Stop? There are Stop, Add, Say, Ask"),
    ('{"add":{}}', 2, "add", 'a command of Order is wanted, not "add"; did you mean Add?'),
    ('{"Add":{"a":1,"c":2}}', 15, "Add.c", 'a field of Add is wanted, not "c"; there are a, b'),
    ('{"Add":{"a":1}}', 8, "Add", "Add lacks its field b"),
    ('{"Add":{"a":1,"a":1,"b":2}}', 15, "Add.a", "a key stands twice"),
    ('{"Add":{"a":-1,"b":2}}', 13, "Add.a", "-1 is no u64"),
    ('{"Ask":{"numbers":[1, 2,\\t300]}}', 25, "", "no JSON"),
    ('{"Ask":{"numbers":[1, 2,\t300]}}', 26, "Ask.numbers[2]", "300 is no u8"),
    ('{"call":{"Ask":{"numbers":[300]}},"timeout":1}', 28, "call.Ask.numbers[0]", "300 is no u8"),
    ('{"Stop":{},"Add":{}}', 2, "Stop", 'a line is one command, or an object of "call"'),
    ('{"call":"Stop","x":1}', 16, "x", 'a line is one command, or an object of "call"'),
    ('{"id":1,"timeout":1}', 1, "", 'a line is one command, or an object of "call"'),
    ('{"call":"Stop"}', 2, "call", "a command of Order is wanted"),
    (
        '{"$lazyipc":"help"}',
        13,
        "$lazyipc",
        'no built-in request "help" is known here, but "describe" and "stats"',
    ),
    ('{"id":1,"call":{"$lazyipc":{}}}', 28, "call.$lazyipc", "no built-in request an object"),
    ('{"$lazyipc":"stats","$lazyipc":"stats"}', 21, "$lazyipc", "a key stands twice"),
]


@pytest.mark.parametrize(("line", "column", "path", "reason"), REFUSED)
def test_a_line_that_is_refused_is_told_where(
    line: str, column: int, path: str, reason: str
) -> None:
    connection = server()
    connection.receive_data(b"\n \n")
    told_of = refused(connection, line)["Err"]
    assert told_of.keys() == {"code", "kind", "message", "line", "column", "path", "reason"}
    place = f"line 3, column {column}, {path or 'message'}: "
    assert (told_of["code"], told_of["kind"]) == (5, "DecodeError")
    assert (told_of["line"], told_of["column"], told_of["path"]) == (3, column, path)
    assert told_of["message"] == place + told_of["reason"]
    assert reason in told_of["reason"]
    assert isinstance(asked(connection, '"Stop"'), Requested)


def test_too_many_elements_are_told() -> None:
    answer = refused(server(elements=3), '{"id":2,"call":{"Ask":{"numbers":[1,2,3,4]}}}')
    assert answer == {
        "id": 2,
        "Err": {
            "code": 6,
            "kind": "MessageTooLarge",
            "message": "line 1, call.Ask.numbers: number of elements: 4 is over the limit of 3",
            "what": "line 1, call.Ask.numbers: number of elements",
            "size_bytes": 4,
            "limit_bytes": 3,
        },
    }
    built = refused(server(elements=3), f'{{"Ask":{{"numbers":[{"[]," * 10_001}1]}}}}')["Err"]
    assert (
        built["message"] == "line 1: arrays, objects and strings: 10004 is over the limit of 10003"
    )


class Deep(BaseModel):
    inner: list[Deep]

    def process(self, context: Any) -> None: ...


def test_levels_of_nesting_are_told() -> None:
    text = '{"inner":[' * 3 + "]}" * 3
    assert isinstance(asked(server(Deep, depth=2), text), Requested)
    assert refused(server(Deep, depth=1), text)["Err"]["code"] == 6


def test_what_has_no_json_is_refused_on_this_wire_alone() -> None:
    commands: Any = command_set(
        {
            "Put": ({"by_pair": dict[tuple[int, int], int]}, None),
            "Get": ({}, dict[bytes, int]),
            "Stop": ({}, None),
        }
    )
    connection = server(commands)
    for line in ('{"Put":{"by_pair":{}}}', '"Get"'):
        answer = refused(connection, line)["Err"]
        assert (answer["code"], answer["kind"]) == (9, "RemoteProtocolError")
        assert "cannot be spoken in JSON: the keys of a JSON object are text" in answer["message"]
    assert isinstance(asked(connection, '"Stop"'), Requested)
    client = ClientConnection(Wire.JSON)
    models = {entry.name: entry.model for entry in Catalog(commands).by_fingerprint.values()}
    for command in (models["Put"](by_pair={}), models["Get"]()):
        with pytest.raises(SchemaError, match="keys of a JSON object are text"):
            client.request(1, command, None, None)
    assert client.open_count == 0
    pair = ConnectionPair(commands, wires=BOTH)
    assert pair.ask(models["Put"](by_pair={(1, 2): 3})).command.by_pair == {(1, 2): 3}


# What ends the stream ----------------------------------------------------------------------------


def ended_by(connection: ServerConnection, data: bytes) -> dict[str, Any]:
    """What the server says before it closes."""
    connection.receive_data(data)
    with pytest.raises(RemoteProtocolError) as caught:
        drain(connection)
    answer = told(connection.fail(0, caught.value))
    assert connection.finished
    assert connection.next_event() is None
    assert answer.keys() == {"Err"}
    error: dict[str, Any] = answer["Err"]
    return error


@pytest.mark.parametrize("tail", [b"", b"\n", b"x" * 99])
@pytest.mark.parametrize(
    ("limits", "limit", "name"),
    [
        ({"message_bytes": 500}, 500 + LINE_EXTRA_BYTES, "message_bytes"),
        ({"line_bytes": 700}, 700, "line_bytes"),
        ({"message_bytes": 500, "line_bytes": 1501}, 1500, "message_bytes"),
        ({"message_bytes": 500, "line_bytes": 1500}, 1500, "line_bytes"),
    ],
)
def test_a_line_over_the_limit_ends_the_stream(
    limits: dict[str, int], limit: int, name: str, tail: bytes
) -> None:
    connection = server(**limits)
    connection.receive_data(b'"Stop"\n' + b" " * (limit - 6) + b'"Stop"\n')
    assert len(drain(connection)) == 2
    error = ended_by(connection, b"1" * (limit + 1) + tail)
    assert (error["code"], error["kind"]) == (6, "MessageTooLarge")
    assert error["what"] == f"line 3 in bytes (see Limits.{name})"
    assert error["limit_bytes"] == limit
    assert error["size_bytes"] >= limit + 1


@pytest.mark.parametrize("end", [b"\n", b"\r\nHost: x\r\n\r\n"])
def test_http_is_told_that_this_is_none(end: bytes) -> None:
    error = ended_by(server(), b"GET /index.html HTTP/1.1" + end)
    assert (error["code"], error["kind"]) == (9, "RemoteProtocolError")
    assert 'no HTTP server: it takes lines of JSON, such as {"Stop": {}}' in error["message"]
    connection = server()
    assert isinstance(asked(connection, '"Stop"'), Requested)
    assert refused(connection, "GET / HTTP/1.1")["Err"]["code"] == 5


def test_tls_is_told_that_this_is_none() -> None:
    error = ended_by(server(), b"\x16\x03\x01\x00\xf4\x01")
    assert "looks like TLS" in error["message"]


def test_a_response_over_the_limit_is_no_response() -> None:
    connection = server(message_bytes=100)
    event = asked(connection, '{"Say":{"text":"a"}}')
    said = Said(text="a" * 90, blob=b"")
    with pytest.raises(MessageTooLarge, match="response in bytes: 120 is over the limit of 100"):
        connection.respond(event.call, said)
    assert told(connection.respond(event.call, Said(text="a", blob=b"")))["Ok"]


def test_a_response_that_json_has_no_form_for_is_no_response() -> None:
    commands: Any = command_set({"Get": ({}, float)})
    connection = server(commands)
    event = asked(connection, '"Get"')
    with pytest.raises(EncodeError, match="finite numbers only"):
        connection.respond(event.call, float("nan"))
    with pytest.raises(EncodeError):
        connection.respond(event.call, "text")
    assert told(connection.respond(event.call, 1.5)) == {"Ok": 1.5}
    other = asked(server(), '"Stop"')
    assert isinstance(other, Requested)
    pair = ConnectionPair(wire=Wire.JSON, wires=BOTH)
    pair.ask(Ask(numbers=[]))
    with pytest.raises(EncodeError, match="Pushed given, one of Done, Total, Said declared"):
        pair.server.respond(1, Pushed(x=1))


# The end of the stream ---------------------------------------------------------------------------


@pytest.mark.parametrize("last", ['"Stop"', '{"Add":{"a":1,"b":2}}', '"Stop" \r', "7", "{"])
def test_a_last_line_without_its_end_is_a_line(last: str) -> None:
    connection = server()
    connection.receive_data(f'"Stop"\n{last}'.encode())
    assert len(drain(connection)) == 1
    assert connection.wanted_bytes > 0
    assert connection.receive_end()
    (event,) = drain(connection)
    assert isinstance(event, Requested) is (last not in "7{")
    assert connection.wanted_bytes == 0
    assert not connection.receive_end()


@pytest.mark.parametrize("data", [b"", b"\n", b'"Stop"\n', b'"Stop"\n\n'])
def test_nothing_more_at_the_end_is_nothing(data: bytes) -> None:
    connection = server()
    connection.receive_data(data)
    drain(connection)
    connection.receive_end()
    assert drain(connection) == []
    assert not connection.receive_end()


def test_white_space_at_the_end_is_no_line() -> None:
    connection = server()
    connection.receive_data(b'"Stop"\n \t')
    assert len(drain(connection)) == 1
    connection.receive_end()
    assert drain(connection) == []
    assert len(connection.buffer) == 0
    assert connection.wanted_bytes == 0


def test_one_byte_is_a_line_at_the_end() -> None:
    connection = server()
    connection.receive_data(b"5")
    assert drain(connection) == []
    assert connection.receive_end()
    (event,) = drain(connection)
    assert isinstance(event, Rejected)


@pytest.mark.parametrize("wires", [Wire.FRAMED, Wire.ALL])
def test_an_end_makes_no_message_of_a_frame(wires: Wire) -> None:
    connection = server(wires=wires)
    connection.receive_data(b"\xffL\1\1")
    assert drain(connection) == []
    assert not connection.receive_end()
    assert drain(connection) == []


# The client --------------------------------------------------------------------------------------

ERRORS: list[IpcError] = [
    RemoteError("text", kind="ZeroDivisionError"),
    CommandFailed("no such player"),
    CommandFailed("out", kind="Own"),
    NotPermitted("Stop is not permitted"),
    UnexpectedReply("None given"),
    DecodeError("why", offset=4, path="a[1].b", line=3, column=5),
    DecodeError("why", offset=4, path="a"),
    MessageTooLarge("response in bytes", size_bytes=5, limit_bytes=4),
    ReplyTimeout("too late", started="no"),
    RemoteProtocolError("é \ud800\n"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_arrive_as_what_they_were(error: IpcError) -> None:
    pair = ConnectionPair(wire=Wire.JSON, wires=BOTH)
    pair.ask(Stop())
    (event,) = pair.to_client(pair.server.fail(1, error))
    assert isinstance(event, Failed)
    assert event.call == 1
    assert type(event.error) is type(error)
    assert str(event.error) == str(error).replace("\ud800", "\\ud800")
    assert vars(event.error) == vars(error)
    assert pair.client.open_count == 0


def test_a_mismatch_over_json_is_a_broken_rule() -> None:
    pair = ConnectionPair(wire=Wire.JSON, wires=BOTH)
    pair.ask(Stop())
    mismatch = SchemaMismatch("differs", ours='{"version": 1}')
    (event,) = pair.to_client(pair.server.fail(1, mismatch))
    assert type(event.error) is RemoteProtocolError


def client_with_a_call() -> ClientConnection:
    client = ClientConnection(Wire.JSON)
    client.request(1, Add(a=1, b=2), None, None)
    return client


def test_an_answer_that_is_none_of_its_type_fails_its_call() -> None:
    for text, path, column in (
        ('{"id":1,"Ok":{"Total":{"c":-1}}}', "Ok.Total.c", 28),
        ('{"id":1,"Ok":{"Said":{}}}', "Ok.Said", 15),
        ('{"id":1,"Ok":{"Total":{"c":1,"c":2}}}', "Ok.Total.c", 30),
        ('{"id":1,"Err":7}', "Err", 15),
        ('{"id":1,"Err":{"code":5,"kind":"","message":"","line":1}}', "Err", 15),
        ('{"id":1,"Err":{"code":[],"kind":"","message":""}}', "Err", 15),
    ):
        client = client_with_a_call()
        client.receive_data(text.encode() + b"\n")
        (event,) = drain(client)
        assert isinstance(event, Failed)
        assert isinstance(event.error, DecodeError)
        assert (event.error.path, event.error.column, event.error.line) == (path, column, 1)


@pytest.mark.parametrize("text", ["x", "7", "{}", '{"Ok":1}', '{"id":"a","Ok":1}', '{"id":1}',
                                  '{"id":1,"Ok":1,"Err":2}', '{"id":1,"No":1}'])  # fmt: skip
def test_an_answer_of_nobody_s_form_ends_the_stream(text: str) -> None:
    client = client_with_a_call()
    client.receive_data(text.encode() + b"\n")
    with pytest.raises(DecodeError):
        client.next_event()


def test_an_error_without_an_id_ends_the_stream() -> None:
    client = client_with_a_call()
    client.receive_data(b'{"Err":{"code":9,"kind":"RemoteProtocolError","message":"why"}}\n')
    with pytest.raises(RemoteProtocolError, match="the server ended the connection: why"):
        client.next_event()
    client = client_with_a_call()
    too_large = MessageTooLarge("line", size_bytes=2, limit_bytes=1)
    connection = server(message_bytes=1)
    asked_of = connection.receive_data(b'"Stop"\n')
    assert asked_of is None
    drain(connection)
    client.receive_data(connection.fail(0, too_large))
    with pytest.raises(MessageTooLarge):
        client.next_event()


def test_an_answer_to_a_forgotten_call_is_nobody_s() -> None:
    client = client_with_a_call()
    client.request(2, Stop(), None, None)
    client.forget(1)
    client.receive_data(b'{"id":1,"Ok":{"Total":{"c":3}}}\n{"id":2,"Ok":"Done"}\n')
    assert drain(client) == [Responded(2, Done())]


def test_an_answer_over_the_limit_ends_the_stream() -> None:
    client = ClientConnection(Wire.JSON, message_bytes=10)
    client.request(1, Stop(), None, None)
    client.receive_data(b" " * (10 + LINE_EXTRA_BYTES + 1))
    with pytest.raises(MessageTooLarge, match="line 1 in bytes"):
        client.next_event()


def test_the_end_within_an_answer_is_an_error() -> None:
    client = client_with_a_call()
    client.receive_data(b'{"id":1,')
    assert client.next_event() is None
    assert client.wanted_bytes > 0
    with pytest.raises(DecodeError, match="the stream ended within a line"):
        client.receive_end()
    assert client_with_a_call().receive_end() is None


def test_a_client_speaks_one_wire() -> None:
    with pytest.raises(LocalProtocolError, match="a client speaks one wire"):
        ClientConnection(BOTH)


def test_a_command_that_does_not_encode_leaves_nothing_open() -> None:
    client = ClientConnection(Wire.JSON)
    with pytest.raises(EncodeError) as caught:
        client.request(1, Add.model_construct(a=-1, b=2), None, None)
    assert caught.value.path == "a"
    assert client.open_count == 0
    with pytest.raises(LocalProtocolError):
        client.request(0, Stop(), None, None)


class Late(Response):
    pass


class Now(Late):
    pass


def test_a_response_whose_cell_was_run_again_is_written() -> None:
    commands: Any = command_set({"Get": ({}, Late)})
    connection = server(commands)
    event = asked(connection, '"Get"')
    again = type("Now", (Late,), {"__module__": __name__, "__qualname__": "Now"})
    assert told(connection.respond(event.call, again())) == {"Ok": "Now"}


# Properties --------------------------------------------------------------------------------------

texts = st.sampled_from([
    b"", b" ", b"\r", b"7", b"{}", b'"Stop"', b'"Stopp"', b'{"Stop":', b'{"Add":{"a":1,"b":2}}',
    b'{"Add":{"a":1,"a":2,"b":3}}', b'{"id":1,"call":"Stop"}', b'{"id":1,"call":"Sto"}',
    b'\t{"Say":{"text":"\xc3\xa9:","blob":[1,256]}}', b"\xff\xfe", b'"\xc3', b"[" * 300,
    b'{"call":{"Ask":{"numbers":[1,2]}},"timeout":3}', b'{"$lazyipc":1}',
])  # fmt: skip
streams = st.lists(texts | st.binary(max_size=12), max_size=8).map(b"\n".join)


@PROPERTY
@given(streams, st.lists(st.integers(0, 200), max_size=8))
def test_any_chunking_tells_the_same(stream: bytes, places: list[int]) -> None:
    data = b'"Stop"\n' + stream
    once = events_of(server(message_bytes=4096), [data])
    assert events_of(server(message_bytes=4096), cut_at(data, places)) == once
    assert events_of(server(message_bytes=4096), cut_at(data, range(len(data)))) == once


@PROPERTY
@given(streams, st.sampled_from([BOTH, Wire.ALL]))
def test_any_garbage_is_answered_or_ends_the_stream(stream: bytes, wires: Wire) -> None:
    connection = server(wires=wires, message_bytes=200, elements=20)
    connection.receive_data(stream)
    answered = 0
    for _ in range(2):
        try:
            for event in drain(connection):
                if isinstance(event, Rejected):
                    assert "Err" in told(connection.fail(event.call, event.error))
                answered += 1
        except RemoteProtocolError as error:
            connection.fail(0, error)
            assert connection.finished
            return
        connection.receive_end()
    assert connection.wire is not Wire.JSON or len(connection.buffer) == 0


@PROPERTY
@given(st.binary(max_size=80) | texts, st.booleans())
def test_any_answer_is_an_event_or_ends_the_stream(data: bytes, ended: bool) -> None:
    client = client_with_a_call()
    client.receive_data(data + b"\n")
    try:
        drain(client)
        if ended:
            client.receive_end()
    except RemoteProtocolError:
        pass


@PROPERTY
@given(st.lists(orders, max_size=5), st.lists(st.integers(0, 300), max_size=5))
def test_many_commands_travel_in_any_pieces(commands: list[Order], places: list[int]) -> None:
    pair = ConnectionPair(wire=Wire.JSON, wires=BOTH, cut=lambda data: cut_at(data, places))
    sent = b"".join(
        pair.client.request(call, command, None, None) for call, command in enumerate(commands, 1)
    )
    events = pair.to_server(sent) if sent else []
    assert [event.command for event in events] == commands
    back = b"".join(pair.server.respond(e.call, e.command.process([])) for e in reversed(events))
    answers = pair.to_client(back) if back else []
    assert {a.call: a.value for a in answers} == {
        call: command.process([])  # type: ignore[attr-defined]
        for call, command in enumerate(commands, 1)
    }


def test_each_byte_of_a_long_line_is_looked_at_once() -> None:
    class Counting(bytearray):
        looked = 0

        def find(self, what: Any, start: Any = 0, *rest: Any) -> int:  # type: ignore[override]
            Counting.looked += len(self) - start
            return super().find(what, start, *rest)

    connection = server()
    connection.receive_data(b'"St')
    assert drain(connection) == []
    connection.buffer.data = Counting(connection.buffer.data)
    for _ in range(1000):
        connection.receive_data(b" " * 10)
        assert drain(connection) == []
    assert Counting.looked <= 10 * 1000 + 3


def test_say_travels_with_large_bytes() -> None:
    pair = ConnectionPair(wire=Wire.JSON, wires=BOTH)
    command = Say(text="", blob=bytes(range(256)) * 100)
    assert pair.ask(command).command == command
