"""The protocol without I/O: bytes in, events out; events in, bytes out. One class for each role.

A driver feeds what it received to `receive_data`, takes events from `next_event` until None ("need
more"), and writes what `send` returns. Knows no socket, selector, clock or log.
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
    HEADER,
    MAGIC,
    NEVER_NS,
    REQUEST,
    REQUEST_EXTRA_BYTES,
    RESPONSE,
    RESPONSE_EXTRA_BYTES,
    VERSION,
    Kind,
    ReceiveBuffer,
    Wire,
    frame,
    read_header,
    tell_wire,
)
from lazyipc.errors import (
    DecodeError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
)

UNKNOWN_CLOCK = bytes(8)
"""The identity of a clock that nobody can name; it matches none, not even itself."""

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
        "_received_ns",
        "_wires",
        "buffer",
        "finished",
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
        self._elements = elements
        self._clock = clock
        self._received_ns = 0
        self._extent: Extent | None = None
        self._open: dict[int, Entry | None] = {}
        self.buffer = ReceiveBuffer()
        self.wire: Wire | None = None
        """What this client speaks, once it is known."""
        self.finished = False
        """Nothing more will be read or answered: write what is owed, then close."""

    def receive_data(self, data: bytes, now_ns: int = 0) -> None:
        """Take what was received.

        Args:
            data: any piece of the stream.
            now_ns: the time on the connection's clock, for clients with another clock.
        """
        self._received_ns = now_ns
        self.buffer.append(data)

    @property
    def is_within_message(self) -> bool:
        """Whether a message has begun that is not all there; asked after `next_event` gave None."""
        return len(self.buffer) > 0 and not self.finished

    @property
    def wanted_bytes(self) -> int:
        """How many bytes the message under way still lacks: at least so many, 0 if none is."""
        buffer = self.buffer
        if self.wire is Wire.BARE:
            return int(self._extent is not None and not self.finished)
        if self.wire is None or len(buffer) < HEADER.size:
            return 0
        size = int(HEADER.unpack_from(buffer.data, buffer.start)[3])
        return HEADER.size + min(size, self._message_bytes) - len(buffer)

    def next_event(self) -> Requested | Rejected | None:
        """The next request, one to reject, or None for "need more".

        Raises:
            RemoteProtocolError: the stream cannot go on; answer and close.
        """
        if self.finished:
            return None
        if self.wire is None:
            self.wire = tell_wire(self.buffer.data, self._wires, untagged=self._catalog.is_untagged)
            if self.wire is None:
                return None
        return self._next_framed() if self.wire is Wire.FRAMED else self._next_bare()

    def _next_framed(self) -> Requested | Rejected | None:
        buffer = self.buffer
        data, start = buffer.data, buffer.start
        have = len(data) - start
        if have < HEADER.size:
            return None
        kind, size, call = read_header(data, start, self._message_bytes + REQUEST_EXTRA_BYTES)
        end = start + HEADER.size + size
        if have < HEADER.size + size:
            return None
        buffer.start = end
        if kind != Kind.REQUEST:
            return Rejected(call, RemoteProtocolError(f"a server takes no frame of kind {kind}"))
        if size < REQUEST_EXTRA_BYTES:
            reason = f"a request has at least {REQUEST_EXTRA_BYTES} bytes of payload, not {size}"
            return Rejected(call, DecodeError(reason, offset=0))
        if call in self._open:
            raise RemoteProtocolError(f"call {call} is under way and cannot begin again")
        _, _, _, _, _, fingerprint, clock, deadline, left = REQUEST.unpack_from(data, start)
        entry = self._by_fingerprint.get(fingerprint)
        if entry is None:
            return Rejected(call, self._catalog.mismatch(fingerprint))
        try:
            command = self._decode(entry, data, start + REQUEST.size, end)
        except RemoteProtocolError as error:
            return Rejected(call, error)
        self._open[call] = entry
        if clock != self._clock or clock == UNKNOWN_CLOCK:
            deadline = NEVER_NS if left == NEVER_NS else self._received_ns + left
        return Requested(call, command, None if deadline == NEVER_NS else deadline, left)

    def _decode(self, entry: Entry, data: bytes | bytearray, start: int, end: int) -> Any:
        if end - start < VIEW_BYTES:
            return entry.codec.decode(data, start, end, elements=self._elements)
        with memoryview(data) as view:
            return entry.codec.decode(view, start, end, elements=self._elements)

    def _next_bare(self) -> Requested | None:
        pair = self._catalog.bare
        data = self.buffer.data
        if self._extent is None:
            self._extent = pair.command.extent(
                data, limit_bytes=self._message_bytes, elements=self._elements
            )
        end = self._extent.find(data)
        if end is None:
            return None
        self.buffer.start = end
        command = pair.command.decode(data, 0, end, elements=self._elements)
        self._open[0] = None
        return Requested(0, command, None)

    def send(self, event: Responded | Failed) -> bytes:
        """The bytes that answer a call.

        Raises:
            EncodeError: the response is not of the declared type; the call stays open.
            MessageTooLarge: the response is over the limit; the call stays open.
            LocalProtocolError: the call is not open.
        """
        call = event.call
        if self.wire is Wire.BARE:
            return self._send_bare(event)
        if isinstance(event, Failed):
            self._open.pop(call, None)
            return frame(Kind.ERROR, call, failure_of(event.error).encode())
        entry = self._open.get(call)
        if entry is None:
            raise LocalProtocolError(f"call {call} is not open and cannot be answered")
        fingerprint, body = entry.reply.encode(event.value)
        self._refuse_over(len(body))
        del self._open[call]
        size = RESPONSE_EXTRA_BYTES + len(body)
        return RESPONSE.pack(MAGIC, VERSION, 2, size, call, fingerprint) + body

    def _send_bare(self, event: Responded | Failed) -> bytes:
        if isinstance(event, Failed):
            self.finished = True
            return b""
        if self.finished or 0 not in self._open:
            raise LocalProtocolError("a bare request is answered once")
        body = self._catalog.bare.response.encode(event.value)
        self._refuse_over(len(body))
        self.finished = True
        return body

    def _refuse_over(self, size: int) -> None:
        if size > self._message_bytes:
            limit = self._message_bytes
            raise MessageTooLarge("response in bytes", size_bytes=size, limit_bytes=limit)


class ClientConnection:
    """The client's side of one connection.

    Args:
        wire: what is spoken: FRAMED or BARE.
        message_bytes: the longest response.
        clock: the identity of the clock that deadlines are told on.
    """

    __slots__ = ("_bare", "_clock", "_extent", "_message_bytes", "_open", "buffer", "wire")

    def __init__(
        self,
        wire: Wire = Wire.FRAMED,
        *,
        message_bytes: int = DEFAULT_MESSAGE_BYTES,
        clock: bytes = UNKNOWN_CLOCK,
    ) -> None:
        if wire not in (Wire.FRAMED, Wire.BARE):
            raise LocalProtocolError(f"a client speaks one wire, not {wire}")
        self.wire = wire
        self._message_bytes = message_bytes
        self._clock = clock
        self._open: dict[int, Entry] = {}
        self._bare: BarePair | None = None
        self._extent: Extent | None = None
        self.buffer = ReceiveBuffer()

    @property
    def wanted_bytes(self) -> int:
        """How many bytes the answer under way still lacks, where that is known; else 0."""
        buffer = self.buffer
        if self.wire is Wire.BARE or len(buffer) < HEADER.size:
            return 0
        size = int(HEADER.unpack_from(buffer.data, buffer.start)[3])
        return HEADER.size + min(size, self._message_bytes) - len(buffer)

    @property
    def open_count(self) -> int:
        """Calls sent and not yet answered."""
        return len(self._open)

    def send(self, event: Requested) -> bytes:
        """The bytes of a request.

        Raises:
            SchemaError: the command's class cannot travel.
            EncodeError: the command does not fit its own type.
            LocalProtocolError: the call is open already.
        """
        command = event.command
        entry = entry_of(command.__class__)
        if event.call in self._open:
            raise LocalProtocolError(f"call {event.call} is open already")
        if self.wire is Wire.BARE:
            return self._send_bare(event, entry)
        body = entry.codec.encode(command)
        self._open[event.call] = entry
        return (
            REQUEST.pack(
                MAGIC,
                VERSION,
                1,
                REQUEST_EXTRA_BYTES + len(body),
                event.call,
                entry.fingerprint,
                self._clock,
                NEVER_NS if event.deadline_ns is None else event.deadline_ns,
                NEVER_NS if event.left_ns is None else event.left_ns,
            )
            + body
        )

    def _send_bare(self, event: Requested, entry: Entry) -> bytes:
        if self._bare is not None:
            raise LocalProtocolError("a bare connection carries one request")
        self._bare = bare_pair(root_of(event.command.__class__))
        self._open[event.call] = entry
        return self._bare.command.encode(event.command)

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
        if self.wire is Wire.BARE:
            return self._next_bare(at_end=False)
        while True:
            buffer = self.buffer
            data, start = buffer.data, buffer.start
            have = len(data) - start
            if have < HEADER.size:
                return None
            kind, size, call = read_header(data, start, self._message_bytes + RESPONSE_EXTRA_BYTES)
            if have < HEADER.size + size:
                return None
            buffer.start = end = start + HEADER.size + size
            if kind == Kind.RESPONSE:
                entry = self._open.pop(call, None)
                if entry is not None:
                    return self._response(entry, call, data, start, end)
            elif kind == Kind.ERROR:
                entry = self._open.pop(call, None)
                failed = self._failed(entry, call, data, start + HEADER.size, end)
                if failed is not None:
                    return failed

    def _response(
        self, entry: Entry, call: int, data: bytes | bytearray, start: int, end: int
    ) -> Responded | Failed:
        if end - start < RESPONSE.size:
            raise DecodeError("a response has at least 8 bytes of payload", offset=0)
        fingerprint = RESPONSE.unpack_from(data, start)[5]
        try:
            if end - start < VIEW_BYTES:
                value = entry.reply.decode(fingerprint, data, start + RESPONSE.size, end)
            else:
                with memoryview(data) as view:
                    value = entry.reply.decode(fingerprint, view, start + RESPONSE.size, end)
        except RemoteProtocolError as error:
            return Failed(call, error)
        return Responded(call, value)

    def _failed(
        self, entry: Entry | None, call: int, data: bytes | bytearray, start: int, end: int
    ) -> Failed | None:
        failure = read_failure(data, start, end)
        if entry is not None and failure.code == SCHEMA_MISMATCH:
            return Failed(call, mismatch_seen_by_client(entry, failure.detail))
        error = error_of(failure)
        if call == 0:
            raise RemoteProtocolError(f"the server ended the connection: {error}") from error
        return Failed(call, error) if entry is not None else None

    def receive_end(self) -> Responded | None:
        """The peer has closed: an answer of no bytes is only known to be whole now.

        Raises:
            DecodeError: the stream ended within an answer.
        """
        if self.wire is Wire.BARE and self._open:
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
