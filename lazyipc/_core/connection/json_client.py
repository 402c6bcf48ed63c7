"""The client's side of a stream of JSON lines: each request has an id, and its answer the same.

Source: docs/protocol.md, "JSON". Knows no socket and no clock.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import Entry
from lazyipc._core.codec import DEFAULT_ELEMENTS, MAX_DEPTH
from lazyipc._core.connection.json_message import (
    form_of,
    is_tagged,
    read_error,
    reply_form,
    write_named,
)
from lazyipc._core.connection.lines import LINE_EXTRA_BYTES, LineReader
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import ReceiveBuffer
from lazyipc._core.json_form import Line, Misfit, Room
from lazyipc.errors import DecodeError, IpcError, MessageTooLarge, RemoteProtocolError


class JsonClient:
    """The client's side of a connection that speaks JSON.

    Args:
        buffer: what was received.
        open_calls: the calls that wait for an answer; it takes those that got theirs.
        message_bytes: the longest response.
    """

    __slots__ = ("_buffer", "_lines", "_open", "wanted_bytes")

    def __init__(
        self, buffer: ReceiveBuffer, open_calls: dict[int, Entry], message_bytes: int
    ) -> None:
        self._lines = LineReader(
            buffer, message_bytes + LINE_EXTRA_BYTES, "this client's own limit"
        )
        self._open = open_calls
        self._buffer = buffer
        self.wanted_bytes = 0
        """How many bytes the answer under way lacks, at least; 0 if none is under way."""

    def request(self, call: int, command: Any, entry: Entry, left_ns: int | None) -> bytes:
        """The line of a request; raises as `ClientConnection.request`."""
        reply_form(entry.reply)  # what could not be read must not be asked
        if is_tagged(entry):
            text = write_named(entry.name, entry.codec, command)
        else:
            text = form_of(entry.codec).write(command)
        timeout = "" if left_ns is None else f',"timeout":{left_ns / 1e9}'
        return f'{{"id":{call},"call":{text}{timeout}}}\n'.encode()

    def next_event(self, *, at_end: bool) -> Responded | Failed | None:
        """The next answer to an open call, or None for "need more".

        Raises:
            RemoteProtocolError: the stream cannot go on; close.
        """
        while True:
            data = self._lines.take(at_end=False)  # a server ends each of its lines
            if data is None:
                have = len(self._buffer)
                if at_end and have:
                    raise DecodeError("the stream ended within a line", offset=have)
                self.wanted_bytes = int(have > 0)
                return None
            self.wanted_bytes = 0
            event = self._answer(Line(data, self._lines.number))
            if event is not None:
                return event

    def _answer(self, line: Line) -> Responded | Failed | None:
        value = line.parse(DEFAULT_ELEMENTS)
        keys = value.keys() if type(value) is dict else set()
        if keys == {"Err"}:
            raise self._ended(line, value["Err"])
        call = value["id"] if "id" in keys else None
        if type(call) is not int or len(keys) != 2 or not keys & {"Ok", "Err"}:
            raise line.error(Misfit('an answer is an object of "id", and "Ok" or "Err"'))
        entry = self._open.pop(call, None)
        if entry is None:
            return None
        try:
            if "Err" in keys:
                return Failed(call, self._error(line, value["Err"]))
            return Responded(call, self._value(entry, line, value["Ok"]))
        except RemoteProtocolError as error:
            return Failed(call, error)

    def _value(self, entry: Entry, line: Line, value: Any) -> Any:
        room = Room(DEFAULT_ELEMENTS, MAX_DEPTH)
        room.keys = 2
        try:
            made = reply_form(entry.reply).read(value, room)
        except Misfit as misfit:
            raise line.error(misfit.within("Ok")) from misfit
        line.refuse_twice(room.keys)
        return made

    def _error(self, line: Line, value: Any) -> IpcError:
        try:
            return read_error(value)
        except Misfit as misfit:
            raise line.error(misfit.within("Err")) from misfit

    def _ended(self, line: Line, value: Any) -> RemoteProtocolError:
        """What the server said before it closed."""
        error = self._error(line, value)
        if isinstance(error, MessageTooLarge):
            return error
        return RemoteProtocolError(f"the server ended the connection: {error}")
