"""Plain JSON out and in, with no socket: what a server may answer, and what a stranger does."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc import CommandFailed, DecodeError, EncodeError, MessageTooLarge, NotPermitted
from lazyipc._core.connection import plain
from lazyipc._core.connection.plain import (
    DEEPEST_COMMAND,
    BadAnswer,
    NotLazyipc,
    PlainConnection,
    QuestionConnection,
    shown,
)
from lazyipc._core.events import Failed, Responded
from lazyipc._core.failure import failure_of
from lazyipc._core.framing import Kind, frame
from lazyipc.errors import LocalProtocolError, RemoteProtocolError

Connection = PlainConnection | QuestionConnection


def asked(*commands: Any) -> PlainConnection:
    """A connection on which these were sent, under calls from 1."""
    connection = PlainConnection()
    for call, command in enumerate(commands, 1):
        connection.request(call, command, None, None)
    return connection


def question(what: str = "describe") -> QuestionConnection:
    connection = QuestionConnection()
    connection.request(1, what, None, None)
    return connection


def events(connection: Connection, data: bytes, size: int = 0) -> list[Any]:
    """What comes out of a stream, given in pieces of so many bytes; 0 is the whole."""
    found = []
    for start in range(0, len(data), size or len(data) or 1):
        connection.receive_data(data[start : start + size] if size else data)
        while (event := connection.next_event()) is not None:
            found.append(event)
    return found


# Lines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "left_ns", "line"),
    [
        ("Stop", None, '{"id":7,"call":"Stop"}'),
        ({"x": 1}, 1_500_000_000, '{"id":7,"call":{"x":1},"timeout":1.5}'),
        ({"Say": {"text": "é\n"}}, 0, '{"id":7,"call":{"Say":{"text":"é\\n"}},"timeout":0.0}'),
        ({"$lazyipc": "stats"}, None, '{"id":7,"call":{"$lazyipc":"stats"}}'),
    ],
)
def test_a_line(command: Any, left_ns: int | None, line: str) -> None:
    assert PlainConnection().request(7, command, 1, left_ns) == line.encode() + b"\n"


@pytest.mark.parametrize(
    "value",
    [math.nan, {"x": math.inf}, b"bytes", {1, 2}, "\ud800", {(1, 2): 3}, object()],
    ids=repr,
)
def test_what_is_no_json_is_not_sent(value: Any) -> None:
    connection = PlainConnection()
    with pytest.raises(EncodeError):
        connection.request(1, value, None, None)
    assert connection.open_count == 0


def test_what_no_server_reads_is_not_sent() -> None:
    """Of a line that is no JSON to it no server could say whose answer it gives."""
    deep: Any = 1
    for _ in range(DEEPEST_COMMAND):
        deep = [deep]
    PlainConnection().request(1, deep, None, None)
    with pytest.raises(EncodeError, match="levels deep"):
        PlainConnection().request(1, [deep], None, None)
    with pytest.raises(EncodeError, match="levels deep"):
        PlainConnection().request(1, {"a": {"b": deep}}, None, None)
    PlainConnection().request(1, [[]] * 10_000, None, None)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(EncodeError, match="no JSON"):
        PlainConnection().request(1, endless, None, None)


def test_a_call_is_open_once() -> None:
    connection = asked("Stop")
    for call in (0, 1):
        with pytest.raises(LocalProtocolError):
            connection.request(call, "Stop", None, None)
    with pytest.raises(LocalProtocolError):
        question().request(1, "stats", None, None)


@pytest.mark.parametrize("size", [0, 1, 7])
def test_answers_by_their_ids(size: int) -> None:
    connection = asked("A", "B", "C", "D")
    data = (
        b'{"id":2,"Ok":{"Sum":{"c":3}}}\r\n\n  \n{"id":9,"Ok":1}\n{"Ok":null,"id":1}\n'
        b'{"id":3,"Err":{"code":2,"kind":"NoPlayer","message":"none"}}\n{"id":4,"Ok":[]}\n'
    )
    second, first, third, fourth = events(connection, data, size)
    assert (second, first, fourth) == (
        Responded(2, {"Sum": {"c": 3}}),
        Responded(1, None),
        Responded(4, []),
    )
    assert isinstance(third, Failed)
    assert type(third.error) is CommandFailed
    assert (third.error.kind, third.error.message) == ("NoPlayer", "none")
    assert connection.open_count == 0
    connection.receive_end()


@pytest.mark.parametrize(
    ("told", "kind", "attributes"),
    [
        ({"code": 3, "kind": "NotPermitted", "message": "no"}, NotPermitted, {"message": "no"}),
        (
            {
                "code": 5,
                "kind": "DecodeError",
                "message": "…",
                "line": 3,
                "column": 9,
                "path": "call.Add.a",
                "reason": "wrong",
            },
            DecodeError,
            {"path": "Add.a", "reason": "wrong", "line": 3, "column": 9},
        ),
        (
            {"code": 5, "message": "", "kind": "", "offset": 4, "path": "call", "reason": "r"},
            DecodeError,
            {"path": "", "offset": 4, "line": None},
        ),
        (
            {"code": 5, "message": "", "kind": "", "offset": 4, "path": "caller", "reason": "r"},
            DecodeError,
            {"path": "caller"},
        ),
        (
            {
                "code": 6,
                "kind": "MessageTooLarge",
                "message": "",
                "what": "line 1",
                "size_bytes": 2,
                "limit_bytes": 1,
            },
            MessageTooLarge,
            {"what": "line 1", "limit_bytes": 1},
        ),
    ],
)
def test_errors_keep_what_they_carry(
    told: dict[str, Any], kind: type[Exception], attributes: dict[str, Any]
) -> None:
    (event,) = events(asked("A"), json.dumps({"id": 1, "Err": told}).encode() + b"\n")
    assert isinstance(event, Failed)
    assert type(event.error) is kind
    assert {name: getattr(event.error, name) for name in attributes} == attributes


def test_an_error_without_an_id_is_the_oldest_calls() -> None:
    connection = asked("A", "B")
    line = b'{"Err":{"code":6,"kind":"","message":"","what":"w","size_bytes":2,"limit_bytes":1}}\n'
    (event,) = events(connection, line)
    assert event.call == 1
    assert isinstance(event.error, MessageTooLarge)
    assert connection.open_calls == [2]
    with pytest.raises(MessageTooLarge):  # which the server may have ended the connection for
        events(connection, line)
    with pytest.raises(RemoteProtocolError, match="ended the connection"):
        events(PlainConnection(), line)
    with pytest.raises(RemoteProtocolError, match="nobody asked"):
        events(asked("A"), b'{"Ok":1}\n')


def test_a_forgotten_calls_answer_is_nobodys() -> None:
    connection = asked("A", "B")
    connection.forget(1)
    connection.forget(5)
    assert events(connection, b'{"id":1,"Ok":1}\n{"id":2,"Ok":2}\n') == [Responded(2, 2)]


STRANGE = [
    b"HTTP/1.1 400 Bad Request\r\n",
    b"220 mail ready\n",
    b"\x1b[2Jhello\n",
    b"\x00\x00\x00\x01\n",
    b"{}\n",
    b"7\n",
    b'{"id":1}\n',
    b'{"id":"1","Ok":1}\n',
    b'{"id":true,"Ok":1}\n',
    b'{"id":1,"Ok":1,"Err":1}\n',
    b'{"id":1,"ok":1}\n',
    b'{"id":1,"Ok":NaN}\n',
    b'{"id":1,"Err":7}\n',
    b'{"id":1,"Err":{"code":5}}\n',
    b'{"id":1,"Ok":"\xff"}\n',
    b"[" * 100_000 + b"\n",
    b'{"id":1,"Ok":' + b"9" * 10_000 + b"}\n",
]


@pytest.mark.parametrize("data", STRANGE, ids=lambda data: repr(data[:24]))
@pytest.mark.parametrize("size", [0, 1])
def test_who_answers_otherwise_is_no_lazyipc_server(data: bytes, size: int) -> None:
    if size:
        data = data[:2000] if b"\n" in data[:2000] else data[:2000] + b"\n"
    with pytest.raises(NotLazyipc) as caught:
        events(asked("A"), data, size)
    assert not caught.value.is_framed
    line = data.removesuffix(b"\n")
    assert str(caught.value) == f"it answered {shown(line)}"


@pytest.mark.parametrize("data", STRANGE[:-2], ids=lambda data: repr(data[:24]))
def test_once_it_answered_well_it_breaks_the_rules(data: bytes) -> None:
    connection = asked("A", "B")
    events(connection, b'{"id":1,"Ok":1}\n')
    with pytest.raises(RemoteProtocolError) as caught:
        events(connection, data)
    assert not isinstance(caught.value, NotLazyipc)


def test_an_end_within_an_answer() -> None:
    connection = asked("A", "B")
    events(connection, b"\n HTTP/1.1 400")
    with pytest.raises(NotLazyipc, match=r"it answered ' HTTP/1\.1 400'"):
        connection.receive_end()
    connection = asked("A", "B")
    events(connection, b'{"id":1,"Ok":1}\n{"id":2,')
    with pytest.raises(DecodeError, match="within an answer"):
        connection.receive_end()
    connection = asked("A")
    events(connection, b"\n\n")
    connection.receive_end()


@pytest.mark.parametrize("size", [0, 1])
def test_frames_are_noticed_in_place_of_lines(size: int) -> None:
    with pytest.raises(NotLazyipc) as caught:
        events(asked("A"), frame(Kind.ERROR, 0, b"x" * 50), size)
    assert caught.value.is_framed


def test_an_endless_line_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "ANSWER_BYTES", 1000)
    connection = asked("A")
    with pytest.raises(BadAnswer, match="1001 is over the limit of 1000"):
        events(connection, b'"' + b"x" * 1000, 100 + 1)


def test_what_an_answer_makes_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "ANSWER_ELEMENTS", 100)
    text = json.dumps("[" * 1000)  # brackets within a string make nothing
    assert events(asked("A"), f'{{"id":1,"Ok":{text}}}\n'.encode()) == [Responded(1, "[" * 1000)]
    with pytest.raises(BadAnswer, match="arrays, objects and strings"):
        events(asked("A"), b'{"id":1,"Ok":[%b]}\n' % b",".join([b"[]"] * 99))


def test_what_is_shown_of_a_stranger_cannot_move_a_terminal() -> None:
    assert shown(b"\x1b[2J\x07\r\n\xff\xe2\x80\xae") == r"'\x1b[2J\x07\r\n\\xff\u202e'"
    assert shown(b"x" * 81) == "'" + "x" * 80 + "' …"
    assert shown("é".encode()) == "'é'"


# Frames ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1])
def test_a_question_by_a_frame(size: int) -> None:
    connection = question()
    data = frame(Kind.PROGRESS, 1, b"") + frame(Kind.DESCRIBE, 1, b'{"a":1}')
    assert events(connection, data, size) == [Responded(1, {"a": 1})]
    connection.receive_end()


def test_its_error_is_raised_and_one_of_the_stream_ends_it() -> None:
    told = failure_of(RemoteProtocolError("no such kind")).encode()
    (event,) = events(question(), frame(Kind.ERROR, 1, told))
    assert isinstance(event, Failed)
    assert str(event.error) == "no such kind"
    with pytest.raises(RemoteProtocolError, match="ended the connection: no such kind"):
        events(question(), frame(Kind.ERROR, 0, told))
    connection = question()
    connection.forget(1)
    assert events(connection, frame(Kind.ERROR, 1, told) + frame(Kind.DESCRIBE, 1, b"1")) == []


@pytest.mark.parametrize("size", [0, 1])
def test_who_answers_without_frames_is_no_lazyipc_server(size: int) -> None:
    with pytest.raises(NotLazyipc, match="it answered 'H"):
        events(question(), b"HTTP/1.1 400 Bad Request\r\n", size)
    connection = question()
    events(connection, b"\xff")
    with pytest.raises(NotLazyipc):
        connection.receive_end()


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000])
def test_a_question_answered_with_what_is_no_json(payload: bytes) -> None:
    with pytest.raises(BadAnswer, match="no JSON"):
        events(question(), frame(Kind.DESCRIBE, 1, payload))


def test_a_frame_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "ANSWER_BYTES", 1000)
    with pytest.raises(BadAnswer):
        events(question(), frame(Kind.DESCRIBE, 1, b"x" * 1001))


# Anything ----------------------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "Ok", "Err", "code", "kind", "message"]), inner)
    ),
    max_leaves=8,
)
LINES = JSON_VALUES.map(lambda value: json.dumps(value).encode() + b"\n") | st.binary(max_size=40)


@given(st.lists(LINES, max_size=4), st.integers(1, 9), st.booleans())
def test_whatever_comes_is_an_event_or_breaks_the_rules(
    lines: list[bytes], size: int, is_framed: bool
) -> None:
    connection: Connection = question() if is_framed else asked("A", "B")
    try:
        for event in events(connection, b"".join(lines), size):
            assert isinstance(event, Responded | Failed)
        connection.receive_end()
    except RemoteProtocolError:
        pass


@given(JSON_VALUES)
def test_values_come_through(value: Any) -> None:
    line = json.dumps({"id": 1, "Ok": value}).encode() + b"\n"
    assert events(asked("A"), line) == [Responded(1, value)]
