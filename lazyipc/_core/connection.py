"""The protocol without I/O: bytes in, events out; answers in, bytes out. One class for each role.

A driver feeds what it received to `receive_data`, takes events from `next_event` until None ("need
more"), and writes what the methods that make messages return. Knows no socket, clock or log.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import (
    BarePair,
    Catalog,
    Entry,
    bare_pair,
    entry_of,
    mismatch_seen_by_client,
    root_of,
)
from lazyipc._core.codec import DEFAULT_ELEMENTS, DEFAULT_MESSAGE_BYTES, Extent
from lazyipc._core.events import Failed, Rejected, Requested, Responded
from lazyipc._core.failure import SCHEMA_MISMATCH, error_of, failure_of, read_failure
from lazyipc._core.framing import (
    BARE,
    FRAMED,
    HEADER,
    NEVER_NS,
    REQUEST,
    REQUEST_EXTRA_BYTES,
    REQUEST_OPENING,
    RESPONSE,
    RESPONSE_OPENING,
    Kind,
    ReceiveBuffer,
    Wire,
    frame,
    read_header,
    tell_wire,
)
from lazyipc._core.schema import FINGERPRINT_BYTES
from lazyipc.errors import (
    DecodeError,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
)

UNKNOWN_CLOCK = bytes(8)
"""The identity of a clock that nobody can name; it matches none, not even itself."""

HEADER_BYTES, REQUEST_BYTES, RESPONSE_BYTES = HEADER.size, REQUEST.size, RESPONSE.size
pack_request, unpack_request = REQUEST.pack, REQUEST.unpack_from
pack_response, unpack_response = RESPONSE.pack, RESPONSE.unpack_from
"""Looked up once, not for each message."""

VIEW_BYTES = 65536
"""From here on a payload is read through a memoryview, which copies a field once, not twice."""


class ServerConnection:
    """The server's side of one connection.

    Args:
        catalog: the command set.
        wires: what clients may speak.
        message_bytes: the longest message, either way.
        elements: how many elements the sequences of one message may have together.
        clock: the identity of the clock that deadlines are compared with.
    """

    __slots__ = (
        "_by_fingerprint",
        "_catalog",
        "_clock",
        "_elements",
        "_extent",
        "_message_bytes",
        "_open",
        "_payload_bytes",
        "_received_ns",
        "_wires",
        "buffer",
        "finished",
        "wanted_bytes",
        "wire",
    )

    def __init__(
        self,
        catalog: Catalog,
        wires: Wire,
        *,
        message_bytes: int = DEFAULT_MESSAGE_BYTES,
        elements: int = DEFAULT_ELEMENTS,
        clock: bytes = UNKNOWN_CLOCK,
    ) -> None:
        self._catalog = catalog
        self._by_fingerprint = catalog.by_fingerprint
        self._wires = wires
        self._message_bytes = message_bytes
        self._payload_bytes = message_bytes + REQUEST_EXTRA_BYTES
        self._elements = elements
        self._clock = clock
        self._received_ns = 0
        self._extent: Extent | None = None
        self._open: dict[int, Entry] = {}
        self.buffer = ReceiveBuffer()
        self.wire: Wire | None = None
        """What this client speaks, once it is known."""
        self.wanted_bytes = 0
        """How many bytes the message under way lacks, at least; 0 if none is under way."""
        self.finished = False
        """Nothing more will be read or answered: write what is owed, then close."""

    def receive_data(self, data: bytes, now_ns: int = 0) -> None:
        """Take what was received.

        Args:
            data: any piece of the stream.
            now_ns: the time on the connection's clock, for clients with another clock.
        """
        self._received_ns = now_ns
        buffer = self.buffer
        if buffer.start == len(buffer.data):
            buffer.data, buffer.start = data, 0
        else:
            buffer.append(data)

    def next_event(self) -> Requested | Rejected | None:
        """The next request, one to reject, or None for "need more".

        Raises:
            RemoteProtocolError: the stream cannot go on; answer and close.
        """
        if self.wire is not FRAMED or self.finished:
            return self._next_otherwise()
        buffer = self.buffer
        data, start = buffer.data, buffer.start
        if len(data) - start < REQUEST_BYTES:
            return self._next_odd()
        opening, size, call, fingerprint, clock, deadline, left = unpack_request(data, start)
        if opening != REQUEST_OPENING or not REQUEST_EXTRA_BYTES <= size <= self._payload_bytes:
            return self._next_odd()
        end = start + HEADER_BYTES + size
        if end > len(data):
            self.wanted_bytes = end - len(data)
            return None
        if call in self._open or not call:
            raise RemoteProtocolError(
                f"call {call} is under way and cannot begin again" if call else "0 is no call"
            )
        self.wanted_bytes = 0
        buffer.start = end
        entry = self._by_fingerprint.get(fingerprint)
        if entry is None:
            return Rejected(call, self._catalog.mismatch(fingerprint))
        try:
            if size < VIEW_BYTES:
                command = entry.codec.decode(data, start + REQUEST_BYTES, end, self._elements)
            else:
                with memoryview(data) as view:
                    command = entry.codec.decode(view, start + REQUEST_BYTES, end, self._elements)
        except RemoteProtocolError as error:
            return Rejected(call, error)
        self._open[call] = entry
        if clock != self._clock or clock == UNKNOWN_CLOCK:
            deadline = NEVER_NS if left == NEVER_NS else self._received_ns + left
        return Requested(call, command, None if deadline == NEVER_NS else deadline)

    def _next_otherwise(self) -> Requested | Rejected | None:
        """The next event where this is not, or not yet, a framed stream."""
        if self.finished:
            return None
        if self.wire is None:
            data = self.buffer.data
            self.wire = tell_wire(data, self._wires, untagged=self._catalog.is_untagged)
            if self.wire is None:
                self.wanted_bytes = len(data)
                return None
            return self.next_event()
        return self._next_bare()

    def _next_odd(self) -> Rejected | None:
        """A frame that is no request, or not yet seen to be one."""
        buffer = self.buffer
        have = len(buffer)
        if have < HEADER.size:
            self.wanted_bytes = HEADER.size - have if have else 0
            return None
        kind, size, call = read_header(buffer.data, buffer.start, self._payload_bytes)
        if have < HEADER.size + size:
            self.wanted_bytes = HEADER.size + size - have
            return None
        self.wanted_bytes = 0
        buffer.start += HEADER.size + size
        if kind != Kind.REQUEST:
            return Rejected(call, RemoteProtocolError(f"a server takes no frame of kind {kind}"))
        reason = f"a request has at least {REQUEST_EXTRA_BYTES} bytes of payload, not {size}"
        return Rejected(call, DecodeError(reason, offset=0))

    def _next_bare(self) -> Requested | None:
        if self._open:
            return None
        pair = self._catalog.bare
        data = self.buffer.data
        if self._extent is None:
            self._extent = pair.command.extent(
                data, limit_bytes=self._message_bytes, elements=self._elements
            )
        end = self._extent.find(data)
        if end is None:
            self.wanted_bytes = int(len(data) > 0)
            return None
        self.wanted_bytes = 0
        self.buffer.start = len(data)
        command = pair.command.decode(data, 0, end, self._elements)
        self._open[0] = entry_of(command.__class__)
        return Requested(0, command, None)

    def respond(self, call: int, value: Any) -> bytes:
        """The bytes of a response.

        Raises:
            EncodeError: the value is not of the declared type; the call stays open.
            MessageTooLarge: the response is over the limit; the call stays open.
            LocalProtocolError: the call is not open.
        """
        entry = self._open.get(call)
        if entry is None:
            raise LocalProtocolError(f"call {call} is not open and cannot be answered")
        fingerprint, body = entry.reply.encode(value)
        if self.wire is BARE:
            body = self._catalog.bare.response.encode(value)
        size = len(body)
        if size > self._message_bytes:
            limit = self._message_bytes
            raise MessageTooLarge("response in bytes", size_bytes=size, limit_bytes=limit)
        del self._open[call]
        if self.wire is BARE:
            self.finished = True
            return body
        return pack_response(RESPONSE_OPENING, FINGERPRINT_BYTES + size, call, fingerprint) + body

    def fail(self, call: int, error: IpcError) -> bytes:
        """The bytes that end a call with an error; under call 0, the stream.

        A bare connection has no words for an error; it is finished.
        """
        self._open.pop(call, None)
        if self.wire is not FRAMED:
            self.finished = True
            return b""
        if call == 0:
            self.finished = True
        return frame(Kind.ERROR, call, failure_of(error).encode())


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
        """Calls sent and not yet answered."""
        return len(self._open)

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
        buffer = self.buffer
        have = len(buffer)
        if have < HEADER.size:
            self.wanted_bytes = HEADER.size - have if have else 0
            return False
        data, start = buffer.data, buffer.start
        kind, size, call = read_header(data, start, self._payload_bytes)
        if have < HEADER.size + size:
            self.wanted_bytes = HEADER.size + size - have
            return False
        self.wanted_bytes = 0
        buffer.start = end = start + HEADER.size + size
        if kind == Kind.RESPONSE:
            raise DecodeError(f"a response of {size} bytes has no fingerprint", offset=0)
        if kind == Kind.ERROR:
            self._take_error(call, data, start + HEADER.size, end)
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
