"""The client's side for who has no classes: parsed JSON out and in, and what any server is asked.

`PlainConnection` speaks lines of JSON, each with an id; `QuestionConnection` asks a server that
takes none by frames. What comes is untrusted: whatever answers may be no server of ours at all.
Knows no socket, no clock, no model; and it imports none, for a command line starts with it.

Source: docs/protocol.md, "JSON", "FRAMED" and "Built-in requests".
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from lazyipc._core.connection.lines import LINE_EXTRA_BYTES, LineReader
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import FRAMED, JSON, MAGIC, Kind, ReceiveBuffer, frame
from lazyipc._core.json_bounds import builds_more
from lazyipc.errors import (
    DecodeError,
    EncodeError,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
)

ANSWER_BYTES = 16 * 2**20 + LINE_EXTRA_BYTES
"""The longest answer: a message of the longest kind that servers make unless told otherwise."""
ANSWER_ELEMENTS = 1_010_000
"""How many arrays, objects and strings an answer may hold: as many as a server's own limit of
elements, and ten thousand more for objects of classes."""
DEEPEST_COMMAND = 200
"""How deep arrays and objects of a command may stand: a server's parser takes 201, and one is the
object around. What is deeper is no JSON to it, so it could not say whose answer that is."""
SHOWN_BYTES = 80
"""How much of what a stranger answered is shown."""


class NotLazyipc(RemoteProtocolError):
    """The first thing that came is no answer of a lazyipc server in what it was asked in.

    Args:
        data: what came first.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        super().__init__(f"it answered {shown(data)}")

    @property
    def is_framed(self) -> bool:
        """Whether frames came, to lines of JSON."""
        return self.data.startswith(MAGIC)


class BadAnswer(RemoteProtocolError):
    """What a lazyipc server sent is no answer, or a longer one than is taken.

    Not the DecodeError or MessageTooLarge by which a server answers: those are about a command.

    Args:
        path: the server's, where it is known.
    """

    def __init__(self, reason: object, path: str = "") -> None:
        self.reason = str(reason)
        before = f"{path}: " if path else ""
        super().__init__(f"{before}the server's answer makes no sense: {self.reason}")


def shown(data: bytes) -> str:
    """The beginning of what came, with each character that does not print written out.

    >>> shown(b"HTTP/1.1 400 Bad Request\\x1b[2J")
    "'HTTP/1.1 400 Bad Request\\\\x1b[2J'"
    """
    cut = repr(data[:SHOWN_BYTES].decode(errors="backslashreplace"))
    return f"{cut} …" if len(data) > SHOWN_BYTES else cut


class _Calls:
    """What both have in common: the calls that wait for an answer, and what was received."""

    wanted_bytes = 0
    """How many bytes the answer under way lacks; 0, as it is not asked for in one piece."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}
        self._buffer = ReceiveBuffer()
        self.has_answered = False
        """Whether an answer came that only a lazyipc server gives."""

    @property
    def open_count(self) -> int:
        """How many calls were sent and not yet answered."""
        return len(self._open)

    @property
    def open_calls(self) -> list[int]:
        """Which, in the order they were made."""
        return list(self._open)

    def forget(self, call: int) -> None:
        """Stop waiting for a call; its answer, when it comes, is nobody's."""
        self._open.pop(call, None)

    def receive_data(self, data: bytes) -> None:
        """Take what was received: any piece of the stream."""
        self._buffer.append(data)

    def space(self) -> None:
        """Where the bytes belong that come next: `receive_data` takes them."""

    def received(self, count: int) -> NoReturn:
        """Bytes were put where `space` said, which it never does."""
        raise LocalProtocolError(f"{count} bytes were put nowhere")

    def _begin(self, call: int) -> None:
        if call in self._open or not call:
            raise LocalProtocolError(f"call {call} is open already, or 0, which is no call")
        self._open[call] = None

    def _start(self) -> bytes:
        """The first two bytes that are left."""
        start = self._buffer.start
        return bytes(self._buffer.data[start : start + len(MAGIC)])

    def _rest(self) -> bytes:
        """What was received and is no whole answer."""
        return bytes(self._buffer.data[self._buffer.start :])

    def receive_end(self) -> None:
        """The peer has closed.

        Raises:
            NotLazyipc: the stream ended within its first answer.
            DecodeError: it ended within a later one.
        """
        rest = self._rest()
        if rest.strip():
            if not self.has_answered:
                raise NotLazyipc(rest)
            raise DecodeError("the stream ended within an answer", offset=len(rest))


class PlainConnection(_Calls):
    """Lines of JSON: each command as parsed JSON, and what stands behind its answer's "Ok".

    >>> connection = PlainConnection()
    >>> connection.request(1, {"Add": {"a": 1, "b": 2}}, None, None)
    b'{"id":1,"call":{"Add":{"a":1,"b":2}}}\\n'
    >>> connection.receive_data(b'{"id":1,"Ok":{"Sum":{"c":3}}}\\n')
    >>> connection.next_event()
    Responded(call=1, value={'Sum': {'c': 3}})
    """

    def __init__(self) -> None:
        super().__init__()
        self.wire = JSON
        self._lines = LineReader(self._buffer, ANSWER_BYTES, "this client's own limit")

    def request(
        self, call: int, command: Any, deadline_ns: int | None, left_ns: int | None
    ) -> bytes:
        """The line of a command.

        Args:
            call: the number its answer will carry; never 0.
            command: the command as parsed JSON: `{"Add": {"a": 1, "b": 2}}`.
            deadline_ns: when we stop waiting; a line tells of the time left alone.
            left_ns: how long that is from now; None for ever.

        Raises:
            EncodeError: it is nothing that JSON has a form for.
            LocalProtocolError: the call is open already.
        """
        text = written(command)
        self._begin(call)
        timeout = b"" if left_ns is None else b',"timeout":%a' % (left_ns / 1e9)
        return b'{"id":%d,"call":%b%b}\n' % (call, text, timeout)

    def next_event(self) -> Responded | Failed | None:
        """The next answer to an open call, or None for "need more".

        Raises:
            NotLazyipc: what came first is no such answer.
            RemoteProtocolError: the stream cannot go on; close.
        """
        while True:
            if not self.has_answered and self._start() == MAGIC:
                raise NotLazyipc(self._rest())
            try:
                line = self._lines.take(at_end=False)  # a server ends each of its lines
            except MessageTooLarge as error:
                raise BadAnswer(error) from error
            if line is None:
                return None
            event = self._answer(line)
            if event is not None:
                return event

    def _answer(self, line: bytes) -> Responded | Failed | None:
        try:
            value = parsed(line)
            call, result = _parts_of(value)
            error = error_in(value["Err"]) if result == "Err" else None
        except MessageTooLarge as wrong:
            raise BadAnswer(wrong) from wrong
        except DecodeError as wrong:
            if not self.has_answered:
                raise NotLazyipc(line) from wrong
            raise BadAnswer(wrong) from wrong
        self.has_answered = True
        if call is None:
            call = self._oldest(error)
        if call not in self._open:
            return None
        del self._open[call]
        return Responded(call, value["Ok"]) if error is None else Failed(call, error)

    def _oldest(self, error: IpcError | None) -> int:
        """Whose an error without an id is: answers come in order, so the oldest call's.

        No server tells the id of a line that is too large, and it may close the connection after
        it; so where nobody else waits that is the end.
        """
        if error is None or not self._open:
            told = error or "it answered what nobody asked"
            raise RemoteProtocolError(f"the server ended the connection: {told}")
        if len(self._open) == 1 and isinstance(error, RemoteProtocolError):
            raise error
        return next(iter(self._open))


class QuestionConnection(_Calls):
    """Frames that ask any server something itself: "describe", "stats".

    >>> connection = QuestionConnection()
    >>> connection.request(1, "stats", None, None).hex(" ", 4)
    'ff 4c010905 00000001 00000000 00000073 74617473'
    """

    def __init__(self) -> None:
        super().__init__()
        self.wire = FRAMED

    def request(
        self, call: int, command: str, deadline_ns: int | None, left_ns: int | None
    ) -> bytes:
        """The frame of a question; the times do not travel.

        Raises:
            LocalProtocolError: the call is open already.
        """
        self._begin(call)
        return frame(Kind.DESCRIBE, call, command.encode())

    def next_event(self) -> Responded | Failed | None:
        """As `PlainConnection.next_event`."""
        buffer = self._buffer
        while True:
            if not self.has_answered and not MAGIC.startswith(self._start()):
                raise NotLazyipc(self._rest())
            try:
                taken = buffer.take_frame(ANSWER_BYTES)
                if taken is None:
                    return None
                self.has_answered = True
                kind, call, start, end = taken
                event = self._answer(kind, call, bytes(buffer.data[start:end]))
            except (DecodeError, MessageTooLarge) as error:
                raise BadAnswer(error) from error
            if event is not None:
                return event

    def _answer(self, kind: int, call: int, payload: bytes) -> Responded | Failed | None:
        if kind == Kind.ERROR:
            error = _error_in_frame(payload)
            if call == 0:
                raise RemoteProtocolError(f"the server ended the connection: {error}") from error
            if call in self._open:
                del self._open[call]
                return Failed(call, error)
        elif kind == Kind.DESCRIBE and call in self._open:
            value = parsed(payload)
            del self._open[call]
            return Responded(call, value)
        return None


def _error_in_frame(payload: bytes) -> IpcError:
    # Here, because it brings the codec, and few servers take no JSON.
    from lazyipc._core.failure import error_of, read_failure

    return error_of(read_failure(payload, 0, len(payload)))


def error_in(value: Any) -> IpcError:
    """The exception that stands behind "Err"; its path is within the command.

    Raises:
        DecodeError: none does.
    """
    # Here, because most calls do not fail.
    from lazyipc._core.failure import error_of_object

    error = error_of_object(value)
    if isinstance(error, DecodeError) and (error.path + ".").startswith("call."):
        path = error.path[len("call.") :]
        place = {"offset": error.offset, "line": error.line, "column": error.column}
        return DecodeError(error.reason, path=path, **place)  # type: ignore[arg-type]
    return error


def _parts_of(value: Any) -> tuple[int | None, str]:
    """An answer's id, None where it has none, and which of "Ok" and "Err" it holds."""
    if type(value) is dict and len(value) <= 2:
        call = value.get("id")
        result = "Ok" if "Ok" in value else "Err"
        if result in value and len(value) == 1 + ("id" in value):
            if type(call) is int and result:
                return call, result
            if "id" not in value:
                return None, result
    raise DecodeError('an answer is an object of "id", and "Ok" or "Err"', offset=0)


def parsed(data: bytes) -> Any:
    """What a JSON text of the server's says.

    Raises:
        DecodeError: it is no JSON.
        MessageTooLarge: it holds more than may be built.
    """
    if builds_more(data, ANSWER_ELEMENTS):
        what = "an answer: arrays, objects and strings"
        raise MessageTooLarge(what, size_bytes=ANSWER_ELEMENTS + 1, limit_bytes=ANSWER_ELEMENTS)
    try:
        return json.loads(data.decode(), parse_constant=_refuse)
    except (RecursionError, ValueError) as error:
        raise DecodeError(f"no JSON: {error}", offset=getattr(error, "pos", 0)) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def written(command: Any) -> bytes:
    """A command's JSON text, in one line.

    Raises:
        EncodeError: it has none.
    """
    try:
        text = json.dumps(command, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        data = text.encode()
    except (RecursionError, TypeError, ValueError) as error:
        raise EncodeError(f"no JSON: {error}") from error
    if data.count(b"[") + data.count(b"{") > DEEPEST_COMMAND and _depth(command) > DEEPEST_COMMAND:
        raise EncodeError(f"arrays and objects nest more than {DEEPEST_COMMAND} levels deep")
    return data


def _depth(value: Any) -> int:
    """How deep arrays and objects stand in what has a JSON text; no further than is asked."""
    depth, level = 0, [value]
    while depth <= DEEPEST_COMMAND:
        level = [each for each in level if isinstance(each, dict | list | tuple)]
        if not level:
            break
        depth += 1
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth
