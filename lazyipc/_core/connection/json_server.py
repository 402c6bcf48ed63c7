"""The server's side of a stream of JSON lines: a request a line, an answer a line.

Source: docs/protocol.md, "JSON". Knows no socket and no clock.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, NamedTuple

from lazyipc._core.catalog import Catalog, Entry
from lazyipc._core.codec import NO_STACK
from lazyipc._core.connection.json_message import (
    error_text,
    form_of,
    pick,
    read_named,
    reply_form,
)
from lazyipc._core.connection.lines import LINE_EXTRA_BYTES, LineReader
from lazyipc._core.events import BUILT_IN, BUILT_INS, Asked, Rejected, Requested
from lazyipc._core.framing import ReceiveBuffer
from lazyipc._core.json_form import Key, Line, Misfit, Room, found
from lazyipc._core.limits import LONGEST_SECONDS
from lazyipc.errors import (
    DecodeError,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
    SchemaError,
)

LONGEST_ID = 128
"""Characters of an id; it is given back with the answer, so it must not be a message of its own."""

LEAST_ID, MOST_ID = -(1 << 63), (1 << 64) - 1
"""An id that is a number: what any language's integers of 64 bits hold."""

MOST_PARTS = 10_000
"""How many parts a line may have besides elements of sequences: objects of classes, strings."""


_ENVELOPE = {"id", "call", "timeout"}
_LINE = 'a line is one command, or an object of "call", which is one, and "id", "timeout" or both'
_HTTP = re.compile(rb"[A-Z]{3,10} \S+ HTTP/[0-9.]+\s*")
_TLS = 0x16
"""How the hello of a TLS client begins, and no line of JSON."""


class _Unwrapped(NamedTuple):
    """A request without what is around it."""

    id: str | None
    body: Any
    steps: tuple[str, ...]
    deadline_ns: int | None


class JsonServer:
    """The server's side of a connection that speaks JSON.

    Args:
        catalog: the command set.
        buffer: what was received.
        message_bytes: the longest message, either way.
        line_bytes: the longest line that a client may send.
        elements: how many elements the sequences of one message may have together.
        depth: how many times a recursive type may stand inside itself in a command.
    """

    __slots__ = (
        "_asked",
        "_by_name",
        "_catalog",
        "_depth",
        "_elements",
        "_last_call",
        "_lines",
        "_message_bytes",
        "_open",
        "buffer",
        "finished",
        "wanted_bytes",
    )

    def __init__(
        self,
        catalog: Catalog,
        buffer: ReceiveBuffer,
        *,
        message_bytes: int,
        line_bytes: int,
        elements: int,
        depth: int,
    ) -> None:
        self._catalog = catalog
        self._by_name = {entry.name: entry for entry in catalog.by_fingerprint.values()}
        self._message_bytes = message_bytes
        self._elements = elements
        self._depth = depth
        if line_bytes <= message_bytes + LINE_EXTRA_BYTES:
            self._lines = LineReader(buffer, line_bytes, "Limits.line_bytes")
        else:
            most = message_bytes + LINE_EXTRA_BYTES
            self._lines = LineReader(buffer, most, "Limits.message_bytes")
        self._last_call = 0
        self._open: dict[int, tuple[Entry | None, str | None]] = {}
        self._asked: set[int] = set()
        """Those of them that no command answers."""
        self.buffer = buffer
        self.wanted_bytes = 0
        """How many bytes the line under way lacks, at least; 0 if none is under way."""
        self.finished = False
        """Nothing more will be read or answered."""

    def next_event(self, now_ns: int, *, at_end: bool) -> Requested | Asked | Rejected | None:
        """The next request, one to reject, or None for "need more".

        Args:
            now_ns: when the last bytes came, on the clock that deadlines are told on.
            at_end: no more will come.

        Raises:
            RemoteProtocolError: the stream cannot go on; answer and close.
        """
        if not self._lines.number:
            self._refuse_strangers()
        data = self._lines.take(at_end=at_end)
        if data is None:
            self.wanted_bytes = int(len(self.buffer) > 0)
            return None
        self.wanted_bytes = 0
        line = Line(data, self._lines.number)
        if line.number == 1 and _HTTP.fullmatch(line.data):
            raise RemoteProtocolError(
                "this is no HTTP server: it takes lines of JSON, such as "
                f"{self._example()}; see docs/protocol.md"
            )
        self._last_call = call = self._last_call + 1
        self._open[call] = None, None
        try:
            return self._request(call, line, now_ns)
        except RemoteProtocolError as error:
            return Rejected(call, error)
        except RecursionError:
            return Rejected(call, DecodeError(NO_STACK, offset=0, line=line.number, column=1))
        except SchemaError as error:
            told = RemoteProtocolError(f"this command cannot be spoken in JSON: {error}")
            return Rejected(call, told)

    def _refuse_strangers(self) -> None:
        buffer = self.buffer
        if buffer.start < len(buffer.data) and buffer.data[buffer.start] == _TLS:
            raise RemoteProtocolError(
                "this looks like TLS, which is not spoken here: the socket is private already"
            )

    def _example(self) -> str:
        return json.dumps({next(iter(self._by_name)): {}})

    def _request(self, call: int, line: Line, now_ns: int) -> Requested | Asked:
        value = line.parse(self._elements + MOST_PARTS)
        room = Room(self._elements, self._depth)
        try:
            asked = self._unwrapped(call, value, room, now_ns)
            if type(asked.body) is dict and asked.body.keys() == {BUILT_IN}:
                return self._built_in(call, asked, line, room)
            entry, command = self._command(asked, room)
        except Misfit as misfit:
            raise line.error(misfit) from misfit
        line.refuse_twice(room.keys)
        reply_form(entry.reply)  # what cannot be answered must not run
        self._open[call] = entry, asked.id
        return Requested(call, command, asked.deadline_ns)

    def _built_in(self, call: int, asked: _Unwrapped, line: Line, room: Room) -> Asked:
        what = asked.body[BUILT_IN]
        room.keys += 1
        if what not in BUILT_INS:
            known = " and ".join(f'"{name}"' for name in BUILT_INS)
            told = f"no built-in request {found(what)} is known here, but {known}"
            raise Misfit(told, *asked.steps, BUILT_IN)
        line.refuse_twice(room.keys)
        self._asked.add(call)
        return Asked(call, what, asked.deadline_ns)

    def _unwrapped(self, call: int, value: Any, room: Room, now_ns: int) -> _Unwrapped:
        """Take off an envelope, if there is one; from here on the id is known."""
        if not self._is_envelope(value):
            return _Unwrapped(None, value, (), None)
        room.keys += len(value)
        id_ = _id_text(value["id"]) if "id" in value else None
        self._open[call] = None, id_
        unknown = [key for key in value if key not in _ENVELOPE]
        if unknown:
            raise Misfit(_LINE, Key(unknown[0]))
        if "call" not in value:
            raise Misfit(_LINE)
        return _Unwrapped(id_, value["call"], ("call",), _deadline(value.get("timeout"), now_ns))

    def _is_envelope(self, value: Any) -> bool:
        """A command has one key, its name; a set of one has the keys of its fields."""
        if type(value) is not dict or len(value) < 2:
            return False
        if self._catalog.is_untagged:
            return "call" in value and value.keys() <= _ENVELOPE
        return True

    def _command(self, asked: _Unwrapped, room: Room) -> tuple[Entry, Any]:
        body, steps = asked.body, asked.steps
        try:
            if self._catalog.is_untagged:
                (entry,) = self._by_name.values()
                return entry, form_of(entry.codec).read(body, room)
            what = f"a command of {self._catalog.command.__name__}"
            name, entry, content = pick(body, self._by_name, what, room)
            return entry, read_named(body, name, entry.codec, content, room)
        except Misfit as misfit:
            raise misfit.within(*steps) from None

    def respond(self, call: int, value: Any) -> bytes:
        """The line of a response; raises as `ServerConnection.respond`."""
        entry, id_ = self._open.get(call, (None, None))
        if entry is None:
            raise LocalProtocolError(f"call {call} is not open and cannot be answered")
        return self._answered(call, id_, reply_form(entry.reply).write(value).encode())

    def tell(self, call: int, text: str) -> bytes:
        """The line that tells what was asked; raises as `ServerConnection.tell`."""
        if call not in self._asked:
            raise LocalProtocolError(f"call {call} asks for nothing that could be told")
        self._asked.remove(call)
        _, id_ = self._open.pop(call)
        return b"%b%b}\n" % (_opening(id_, "Ok"), text.encode())

    def _answered(self, call: int, id_: str | None, body: bytes) -> bytes:
        if len(body) > self._message_bytes:
            limit = self._message_bytes
            raise MessageTooLarge("response in bytes", size_bytes=len(body), limit_bytes=limit)
        del self._open[call]
        return b"%b%b}\n" % (_opening(id_, "Ok"), body)

    def fail(self, call: int, error: IpcError) -> bytes:
        """The line that ends a call with an error; under call 0, the stream."""
        _, id_ = self._open.pop(call, (None, None))
        self._asked.discard(call)
        self.finished = self.finished or call == 0
        return b"%b%b}\n" % (_opening(id_, "Err"), error_text(error).encode())


def _opening(id_: str | None, outcome: str) -> bytes:
    return (f'{{"{outcome}":' if id_ is None else f'{{"id":{id_},"{outcome}":').encode()


def _id_text(id_: Any) -> str:
    """An id as JSON, to be given back."""
    if type(id_) is int and LEAST_ID <= id_ <= MOST_ID:
        return str(id_)
    if type(id_) is str and len(id_) <= LONGEST_ID:
        return json.dumps(id_, ensure_ascii=False)
    raise Misfit(
        f"an id is an integer of 64 bits or a string of at most {LONGEST_ID} characters, "
        f"not {found(id_)}",
        "id",
    )


def _deadline(seconds: Any, now_ns: int) -> int | None:
    """When a time left is over."""
    if seconds is None:
        return None
    if type(seconds) not in (int, float) or not (type(seconds) is int or isfinite(seconds)):
        raise Misfit(f"a timeout is a number of seconds, not {found(seconds)}", "timeout")
    if seconds > LONGEST_SECONDS:
        return None
    return now_ns + int(max(seconds, 0) * 1e9)
