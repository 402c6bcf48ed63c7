"""The client's side of one connection: requests out, answers in.

Knows bytes and calls. No socket, clock or log: a driver feeds `receive_data`, takes events from
`next_event` until None ("need more"), and writes what the methods that make messages return.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import (
    BarePair,
    Entry,
    bare_pair,
    entry_of,
    mismatch_seen_by_client,
    root_of,
)
from lazyipc._core.codec import DEFAULT_MESSAGE_BYTES, Extent
from lazyipc._core.events import Failed, Responded
from lazyipc._core.failure import SCHEMA_MISMATCH, error_of, read_failure
from lazyipc._core.framing import (
    BARE,
    FRAMED,
    HEADER_BYTES,
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
    unpack_response,
)
from lazyipc._core.schema import FINGERPRINT_BYTES
from lazyipc.errors import (
    DecodeError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
)


class ClientConnection:
    """The client's side of one connection.

    Args:
        wire: what is spoken: FRAMED or BARE.
        message_bytes: the longest response.
        clock: the identity of the clock that deadlines are told on.
    """

    __slots__ = (
        "_bare",
        "_clock",
        "_extent",
        "_failures",
        "_message_bytes",
        "_open",
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
        if wire is not FRAMED and wire is not BARE:
            raise LocalProtocolError(f"a client speaks one wire, not {wire}")
        self.wire = wire
        self._message_bytes = message_bytes
        self._payload_bytes = message_bytes + FINGERPRINT_BYTES
        self._clock = clock
        self._open: dict[int, Entry] = {}
        self._failures: list[Failed] = []
        self._bare: BarePair | None = None
        self._extent: Extent | None = None
        self.buffer = ReceiveBuffer()
        self.wanted_bytes = 0
        """How many bytes the answer under way lacks, at least; 0 if none is under way."""

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
    ) -> bytes:
        """The bytes of a request.

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
        if self.wire is BARE:
            return self._request_bare(call, command, entry)
        body = entry.codec.encode(command)
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

    def _request_bare(self, call: int, command: Any, entry: Entry) -> bytes:
        if self._bare is not None:
            raise LocalProtocolError("a bare connection carries one request")
        pair = bare_pair(root_of(command.__class__))
        data = pair.command.encode(command)
        self._bare = pair
        self._open[call] = entry
        return data

    def forget(self, call: int) -> None:
        """Stop waiting for a call; its answer, when it comes, is nobody's."""
        self._open.pop(call, None)

    def receive_data(self, data: bytes) -> None:
        """Take what was received: any piece of the stream."""
        self.buffer.append(data)

    def next_event(self) -> Responded | Failed | None:
        """The next answer to an open call, or None for "need more".

        Raises:
            RemoteProtocolError: the stream cannot go on; close.
        """
        if self.wire is BARE:
            return self._next_bare(at_end=False)
        buffer = self.buffer
        while True:
            data, start = buffer.data, buffer.start
            if len(data) - start >= RESPONSE_BYTES:
                opening, size, call, fingerprint = unpack_response(data, start)
                if opening == RESPONSE_OPENING and FINGERPRINT_BYTES <= size <= self._payload_bytes:
                    end = start + HEADER_BYTES + size
                    if end > len(data):
                        self.wanted_bytes = end - len(data)
                        return None
                    self.wanted_bytes = 0
                    buffer.start = end
                    entry = self._open.pop(call, None)
                    if entry is not None:
                        return self._answer(entry, call, fingerprint, start + RESPONSE_BYTES, end)
                    continue
            if not self._take_odd():
                return None
            if self._failures:
                return self._failures.pop()

    def _answer(
        self, entry: Entry, call: int, fingerprint: bytes, start: int, end: int
    ) -> Responded | Failed:
        data = self.buffer.data
        try:
            if end - start < VIEW_BYTES:
                return Responded(call, entry.reply.decode(fingerprint, data, start, end))
            with memoryview(data) as view:
                return Responded(call, entry.reply.decode(fingerprint, view, start, end))
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

    def receive_end(self) -> Responded | None:
        """The peer has closed: an answer of no bytes is only known to be whole now.

        Raises:
            DecodeError: the stream ended within an answer.
        """
        if self.wire is BARE:
            return self._next_bare(at_end=True)
        if len(self.buffer):
            raise DecodeError("the stream ended within a frame", offset=len(self.buffer))
        return None

    def _next_bare(self, *, at_end: bool) -> Responded | None:
        if self._bare is None or not self._open:
            return None
        data, codec = self.buffer.data, self._bare.response
        if self._extent is None:
            self._extent = codec.extent(data, limit_bytes=self._message_bytes)
        end = self._extent.find(data)
        if end is None or (end == 0 and not at_end):
            if at_end and data:
                codec.decode(data)  # says where the message ends too early
            return None
        call = self._open.popitem()[0]
        return Responded(call, codec.decode(data, 0, end))
