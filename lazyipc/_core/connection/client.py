"""The client's side of one connection: requests out, answers in.

Knows bytes and calls. No socket, clock or log: a driver feeds `receive_data`, takes events from
`next_event` until None ("need more"), and writes what the methods that make messages return.
"""

from __future__ import annotations

from typing import Any, Protocol

from lazyipc._core.catalog import Entry, entry_of, mismatch_seen_by_client
from lazyipc._core.codec import DEFAULT_MESSAGE_BYTES, MAX_DEPTH
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import (
    BARE,
    FRAMED,
    HEADER_BYTES,
    JSON,
    NEVER_NS,
    REQUEST_EXTRA_BYTES,
    REQUEST_OPENING,
    RESPONSE_BYTES,
    RESPONSE_OPENING,
    UNKNOWN_CLOCK,
    VIEW_BYTES,
    Kind,
    ReceiveBuffer,
    Wire,
    pack_request,
    read_header,
    unpack_response,
)
from lazyipc._core.intake import INTAKE_BYTES, Spliced
from lazyipc._core.parts import LARGE_BYTES, Parts
from lazyipc._core.schema import FINGERPRINT_BYTES
from lazyipc.errors import (
    DecodeError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
)


class Dialect(Protocol):
    """What is spoken in place of frames."""

    wanted_bytes: int

    def request(self, call: int, command: Any, entry: Entry, left_ns: int | None) -> bytes: ...
    def next_event(self, *, at_end: bool) -> Responded | Failed | None: ...


class ClientConnection:
    """The client's side of one connection.

    Args:
        wire: what is spoken: one of FRAMED, BARE and JSON.
        message_bytes: the longest response.
        clock: the identity of the clock that deadlines are told on.
    """

    __slots__ = (
        "_clock",
        "_failures",
        "_open",
        "_other",
        "_payload_bytes",
        "buffer",
        "wanted_bytes",
        "wire",
    )

    def __init__(
        self,
        wire: Wire = Wire.FRAMED,
        *,
        message_bytes: int = DEFAULT_MESSAGE_BYTES,
        clock: bytes = UNKNOWN_CLOCK,
    ) -> None:
        self.wire = wire
        self._payload_bytes = message_bytes + FINGERPRINT_BYTES
        self._clock = clock
        self._open: dict[int, Entry] = {}
        self._failures: list[Failed] = []
        self.buffer = ReceiveBuffer()
        self._other = None if wire is FRAMED else self._dialect(message_bytes)
        self.wanted_bytes = 0
        """How many bytes the answer under way lacks, at least; 0 if none is under way."""

    def _dialect(self, message_bytes: int) -> Dialect:
        if self.wire is BARE:
            # What is spoken by few is imported by them.
            from lazyipc._core.connection.bare_client import BareClient

            return BareClient(self.buffer, self._open, message_bytes)
        if self.wire is JSON:
            # What reads and writes JSON takes time to import, and most programs never do.
            from lazyipc._core.connection.json_client import JsonClient

            return JsonClient(self.buffer, self._open, message_bytes)
        raise LocalProtocolError(f"a client speaks one wire, not {self.wire}")

    @property
    def open_count(self) -> int:
        """How many calls were sent and not yet answered."""
        return len(self._open)

    @property
    def open_calls(self) -> list[int]:
        """Which."""
        return list(self._open)

    def request(
        self, call: int, command: Any, deadline_ns: int | None, left_ns: int | None
    ) -> bytes | Parts:
        """The bytes of a request; in parts where it has a large one.

        Args:
            call: the number its answer will carry; never 0.
            command: the command.
            deadline_ns: when we stop waiting, on our CLOCK_MONOTONIC; None for never.
            left_ns: how long that is from now; None for ever.

        Raises:
            SchemaError: the command's class cannot travel.
            EncodeError: the command does not fit its own type.
            LocalProtocolError: the call is open already.
        """
        entry = entry_of(command.__class__)
        if call in self._open or not call:
            raise LocalProtocolError(f"call {call} is open already, or 0, which is no call")
        if self._other is not None:
            data = self._other.request(call, command, entry, left_ns)
            self._open[call] = entry
            return data
        body = entry.codec.encode(command, MAX_DEPTH, LARGE_BYTES)
        self._open[call] = entry
        header = pack_request(
            REQUEST_OPENING,
            REQUEST_EXTRA_BYTES + len(body),
            call,
            entry.fingerprint,
            self._clock,
            NEVER_NS if deadline_ns is None else deadline_ns,
            NEVER_NS if left_ns is None else left_ns,
        )
        return header + body

    def forget(self, call: int) -> None:
        """Stop waiting for a call; its answer, when it comes, is nobody's."""
        self._open.pop(call, None)

    def receive_data(self, data: bytes) -> None:
        """Take what was received: any piece of the stream."""
        self.buffer.append(data)

    def space(self) -> memoryview | None:
        """Where the bytes belong that come next; None where `receive_data` takes them.

        So it is within a large frame: who reads into it, and tells `received`, spares a copy.
        """
        buffer = self.buffer
        if not buffer.is_taking_in:
            if self.wanted_bytes < LARGE_BYTES or len(buffer) < INTAKE_BYTES:
                return None
            data, start = buffer.data, buffer.start
            size = HEADER_BYTES + read_header(data, start, self._payload_bytes)[1]
            if len(buffer) >= size:
                return None  # it came meanwhile by other ways
            opening, _, call, fingerprint = unpack_response(data, start)
            entry = self._open.get(call) if opening == RESPONSE_OPENING else None
            tail = 0
            if entry is not None and entry.reply.only and fingerprint == entry.reply.fingerprint:
                codec = entry.reply.only
                tail = codec.tail_start(data, start + RESPONSE_BYTES, start + size)
            buffer.take_in(size, max(tail - start, 0))
        return buffer.space()

    def received(self, count: int) -> None:
        """So many bytes were put where `space` said; then ask for the next event."""
        self.buffer.received(count)

    def next_event(self) -> Responded | Failed | None:
        """The next answer to an open call, or None for "need more".

        Raises:
            RemoteProtocolError: the stream cannot go on; close.
        """
        if self._other is not None:
            return self._next_otherwise(self._other, at_end=False)
        buffer = self.buffer
        while True:
            data, start = buffer.data, buffer.start
            if len(data) - start >= RESPONSE_BYTES:
                opening, size, call, fingerprint = unpack_response(data, start)
                if opening == RESPONSE_OPENING and FINGERPRINT_BYTES <= size <= self._payload_bytes:
                    end = start + HEADER_BYTES + size
                    if end > len(data):
                        self.wanted_bytes = end - len(data) - buffer.taken_bytes
                        return None
                    self.wanted_bytes = 0
                    buffer.start = end
                    entry = self._open.pop(call, None)
                    if size >= VIEW_BYTES:
                        buffer.pass_large(end)
                    if entry is not None:
                        return self._answer(
                            entry, call, fingerprint, data, start + RESPONSE_BYTES, end
                        )
                    continue
            if not self._take_odd():
                return None
            if self._failures:
                return self._failures.pop()

    def _answer(
        self,
        entry: Entry,
        call: int,
        fingerprint: bytes,
        data: bytes | bytearray,
        start: int,
        end: int,
    ) -> Responded | Failed:
        reply = entry.reply
        try:
            if end - start < VIEW_BYTES:
                if fingerprint == reply.fingerprint and reply.only is not None:
                    return Responded(call, reply.only.decode(data, start, end))
                return Responded(call, reply.decode(fingerprint, data, start, end))
            if isinstance(data, Spliced):
                return Responded(call, reply.decode(fingerprint, data, start, end))
            with memoryview(data) as view:
                return Responded(call, reply.decode(fingerprint, view, start, end))
        except RemoteProtocolError as error:
            return Failed(call, error)

    def _take_odd(self) -> bool:
        """Pass a frame that is no response; False while it is not all there."""
        taken = self.buffer.take_frame(self._payload_bytes)
        self.wanted_bytes = self.buffer.lacking_bytes
        if taken is None:
            return False
        kind, call, start, end = taken
        if kind == Kind.RESPONSE:
            raise DecodeError(f"a response of {end - start} bytes has no fingerprint", offset=0)
        if kind == Kind.ERROR:
            self._take_error(call, self.buffer.data, start, end)
        return True

    def _take_error(self, call: int, data: bytes | bytearray, start: int, end: int) -> None:
        # Here, because most calls do not fail, and a script that makes one should not wait for it.
        from lazyipc._core.failure import SCHEMA_MISMATCH, error_of, read_failure

        failure = read_failure(data, start, end)
        entry = self._open.pop(call, None)
        if entry is not None and failure.code == SCHEMA_MISMATCH:
            self._failures.append(Failed(call, mismatch_seen_by_client(entry, failure.detail)))
            return
        error = error_of(failure)
        if call == 0:
            if isinstance(error, MessageTooLarge):
                raise error
            raise RemoteProtocolError(f"the server ended the connection: {error}") from error
        if entry is not None:
            self._failures.append(Failed(call, error))

    def receive_end(self) -> Responded | Failed | None:
        """The peer has closed: an answer of no bytes is only known to be whole now.

        Raises:
            DecodeError: the stream ended within an answer.
        """
        if self._other is not None:
            return self._next_otherwise(self._other, at_end=True)
        if len(self.buffer):
            raise DecodeError("the stream ended within a frame", offset=len(self.buffer))
        return None

    def _next_otherwise(self, other: Dialect, *, at_end: bool) -> Responded | Failed | None:
        event = other.next_event(at_end=at_end)
        self.wanted_bytes = other.wanted_bytes
        return event
