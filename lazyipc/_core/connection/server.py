"""The server's side of one connection: requests in, answers out.

Knows bytes and calls. No socket, clock or log: a driver feeds `receive_data`, takes events from
`next_event` until None ("need more"), and writes what the methods that make messages return.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import (
    Catalog,
    Entry,
    entry_of,
)
from lazyipc._core.codec import DEFAULT_DEPTH, DEFAULT_ELEMENTS, DEFAULT_MESSAGE_BYTES, Extent
from lazyipc._core.events import Rejected, Requested
from lazyipc._core.failure import failure_of
from lazyipc._core.framing import (
    BARE,
    FRAMED,
    HEADER_BYTES,
    NEVER_NS,
    REQUEST_BYTES,
    REQUEST_EXTRA_BYTES,
    REQUEST_OPENING,
    RESPONSE_OPENING,
    UNKNOWN_CLOCK,
    VIEW_BYTES,
    Kind,
    ReceiveBuffer,
    Wire,
    frame,
    pack_response,
    tell_wire,
    unpack_request,
)
from lazyipc._core.schema import FINGERPRINT_BYTES
from lazyipc.errors import (
    DecodeError,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
)


class ServerConnection:
    """The server's side of one connection.

    Args:
        catalog: the command set.
        wires: what clients may speak.
        message_bytes: the longest message, either way.
        elements: how many elements the sequences of one message may have together.
        depth: how many times a recursive type may stand inside itself in a command.
        clock: the identity of the clock that deadlines are compared with.
    """

    __slots__ = (
        "_by_fingerprint",
        "_catalog",
        "_clock",
        "_depth",
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
        depth: int = DEFAULT_DEPTH,
        clock: bytes = UNKNOWN_CLOCK,
    ) -> None:
        self._catalog = catalog
        self._by_fingerprint = catalog.by_fingerprint
        self._wires = wires
        self._message_bytes = message_bytes
        self._payload_bytes = message_bytes + REQUEST_EXTRA_BYTES
        self._depth = depth
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
                command = entry.codec.decode(
                    data, start + REQUEST_BYTES, end, self._elements, self._depth
                )
            else:
                with memoryview(data) as view:
                    command = entry.codec.decode(
                        view, start + REQUEST_BYTES, end, self._elements, self._depth
                    )
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
        taken = self.buffer.take_frame(self._payload_bytes)
        self.wanted_bytes = self.buffer.lacking_bytes
        if taken is None:
            return None
        kind, call, start, end = taken
        if kind != Kind.REQUEST:
            return Rejected(call, RemoteProtocolError(f"a server takes no frame of kind {kind}"))
        reason = f"a request has at least {REQUEST_EXTRA_BYTES} bytes of payload, not {end - start}"
        return Rejected(call, DecodeError(reason, offset=0))

    def _next_bare(self) -> Requested | None:
        if self._open:
            return None
        pair = self._catalog.bare
        data = self.buffer.data
        if self._extent is None:
            self._extent = pair.command.extent(
                data,
                limit_bytes=self._message_bytes,
                elements=self._elements,
                depth=self._depth,
            )
        end = self._extent.find(data)
        if end is None:
            self.wanted_bytes = int(len(data) > 0)
            return None
        self.wanted_bytes = 0
        self.buffer.start = len(data)
        command = pair.command.decode(data, 0, end, self._elements, self._depth)
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
