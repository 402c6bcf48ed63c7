"""The server's side of one connection: requests in, answers out.

Knows bytes and calls. No socket, clock or log: a driver feeds `receive_data`, takes events from
`next_event` until None ("need more"), and writes what the methods that make messages return.
"""

from __future__ import annotations

from typing import Any, Protocol

from lazyipc._core.catalog import Catalog, Entry
from lazyipc._core.codec import (
    DEFAULT_DEPTH,
    DEFAULT_ELEMENTS,
    DEFAULT_LINE_BYTES,
    DEFAULT_MESSAGE_BYTES,
    MAX_DEPTH,
)
from lazyipc._core.connection.bare_server import BareServer
from lazyipc._core.events import BUILT_INS, DESCRIBE, Asked, Rejected, Requested
from lazyipc._core.failure import failure_of
from lazyipc._core.framing import (
    FRAMED,
    HEADER_BYTES,
    JSON,
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
    read_header,
    tell_wire,
    unpack_request,
)
from lazyipc._core.intake import INTAKE_BYTES, Spliced
from lazyipc._core.parts import LARGE_BYTES, Parts
from lazyipc._core.schema import FINGERPRINT_BYTES
from lazyipc.errors import (
    DecodeError,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
)

NO_PEER = (
    "this is a lazy server, an IpcServer, which takes no RPC peer; talk to it with IpcClient or "
    "AsyncIpcClient"
)
"""The answer to a peer's hello."""


LONGEST_NAME_BYTES = 64
"""Of what a built-in request is called, as far as it is read."""

Event = Requested | Asked | Rejected


class Dialect(Protocol):
    """What is spoken in place of frames."""

    wanted_bytes: int
    finished: bool

    def next_event(self, now_ns: int, *, at_end: bool) -> Event | None: ...
    def respond(self, call: int, value: Any) -> bytes: ...
    def tell(self, call: int, text: str) -> bytes: ...
    def fail(self, call: int, error: IpcError) -> bytes: ...


class ServerConnection:
    """The server's side of one connection.

    Args:
        catalog: the command set.
        wires: what clients may speak.
        message_bytes: the longest message, either way.
        line_bytes: the longest line of JSON that a client may send.
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
        "_has_ended",
        "_line_bytes",
        "_message_bytes",
        "_open",
        "_other",
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
        line_bytes: int = DEFAULT_LINE_BYTES,
        elements: int = DEFAULT_ELEMENTS,
        depth: int = DEFAULT_DEPTH,
        clock: bytes = UNKNOWN_CLOCK,
    ) -> None:
        self._catalog = catalog
        self._by_fingerprint = catalog.by_fingerprint
        self._wires = wires
        self._message_bytes = message_bytes
        self._line_bytes = line_bytes
        self._payload_bytes = message_bytes + REQUEST_EXTRA_BYTES
        self._depth = depth
        self._elements = elements
        self._clock = None if clock == UNKNOWN_CLOCK else clock
        self._received_ns = 0
        self._open: dict[int, Entry | None] = {}
        """What answers each call; None where it is no command."""
        self._other: Dialect | None = None
        self._has_ended = False
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

    def next_event(self) -> Event | None:
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
            self.wanted_bytes = end - len(data) - buffer.taken_bytes
            return None
        if call in self._open or not call:
            raise _no_new_call(call)
        self.wanted_bytes = 0
        buffer.start = end
        entry = self._by_fingerprint.get(fingerprint)
        if entry is None:
            return Rejected(call, self._catalog.mismatch(fingerprint))
        start += REQUEST_BYTES
        try:
            if size < VIEW_BYTES:
                command = entry.codec.decode(data, start, end, self._elements, self._depth)
            else:
                command = self._decode_large(entry, data, start, end)
        except RemoteProtocolError as error:
            return Rejected(call, error)
        self._open[call] = entry
        if clock != self._clock:
            deadline = NEVER_NS if left == NEVER_NS else self._received_ns + left
        return Requested(call, command, None if deadline == NEVER_NS else deadline)

    def _decode_large(self, entry: Entry, data: bytes | bytearray, start: int, end: int) -> Any:
        self.buffer.pass_large(end)
        if isinstance(data, Spliced):
            return entry.codec.decode(data, start, end, self._elements, self._depth)
        with memoryview(data) as view:
            return entry.codec.decode(view, start, end, self._elements, self._depth)

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
            opening, _, _, fingerprint, *_ = unpack_request(data, start)
            entry = self._by_fingerprint.get(fingerprint) if opening == REQUEST_OPENING else None
            tail = entry.codec.tail_start(data, start + REQUEST_BYTES, start + size) if entry else 0
            buffer.take_in(size, max(tail - start, 0))
        return buffer.space()

    def received(self, count: int, now_ns: int = 0) -> None:
        """So many bytes were put where `space` said; then ask for the next event."""
        self._received_ns = now_ns
        self.buffer.received(count)

    def _next_otherwise(self) -> Event | None:
        """The next event where this is not, or not yet, a framed stream."""
        if self.finished:
            return None
        if self._other is None:
            self.wire = self._told_wire()
            if self.wire is None:
                self.wanted_bytes = len(self.buffer)
                return None
            if self.wire is FRAMED:
                return self.next_event()
            self._other = self._dialect(self.wire)
        event = self._other.next_event(self._received_ns, at_end=self._has_ended)
        self.wanted_bytes = self._other.wanted_bytes
        return event

    def _told_wire(self) -> Wire | None:
        data, wires = self.buffer.data, self._wires
        if self._has_ended and len(data) == 1 and wires & JSON:
            return JSON  # the other wires have no message of one byte
        return tell_wire(data, wires, untagged=self._catalog.is_untagged)

    def _dialect(self, wire: Wire) -> Dialect:
        limits = {
            "message_bytes": self._message_bytes,
            "elements": self._elements,
            "depth": self._depth,
        }
        if wire is not JSON:
            return BareServer(self._catalog, self.buffer, **limits)
        # What reads and writes JSON takes time to import, and most programs never do.
        from lazyipc._core.connection.json_server import JsonServer

        return JsonServer(self._catalog, self.buffer, line_bytes=self._line_bytes, **limits)

    def receive_end(self) -> bool:
        """The peer will send no more.

        Returns:
            Whether what it sent last may be a message now: a line may lack its end. Then ask for
            the next event once more.
        """
        if self._has_ended:
            return False
        self._has_ended = True
        is_json = self.wire is JSON or (self.wire is None and bool(self._wires & JSON))
        return is_json and not self.finished and len(self.buffer) > 0

    def _next_odd(self) -> Asked | Rejected | None:
        """A frame that is no request, or not yet seen to be one."""
        taken = self.buffer.take_frame(self._payload_bytes)
        self.wanted_bytes = self.buffer.lacking_bytes
        if taken is None:
            return None
        kind, call, start, end = taken
        if kind == Kind.DESCRIBE:
            return self._built_in(call, start, end)
        if kind == Kind.HELLO:
            return Rejected(call, RemoteProtocolError(NO_PEER))
        if kind != Kind.REQUEST:
            return Rejected(call, RemoteProtocolError(f"a server takes no frame of kind {kind}"))
        reason = f"a request has at least {REQUEST_EXTRA_BYTES} bytes of payload, not {end - start}"
        return Rejected(call, DecodeError(reason, offset=0))

    def _built_in(self, call: int, start: int, end: int) -> Asked | Rejected:
        if call in self._open or not call:
            raise _no_new_call(call)
        name = bytes(self.buffer.data[start : min(end, start + LONGEST_NAME_BYTES)])
        if end - start >= VIEW_BYTES:
            self.buffer.pass_large(end)
        what = name.decode(errors="replace") or DESCRIBE
        if what not in BUILT_INS:
            known = " and ".join(BUILT_INS)
            told = f"no built-in request {what!a} is known here, but {known}"
            return Rejected(call, RemoteProtocolError(told))
        self._open[call] = None
        return Asked(call, what)

    def respond(self, call: int, value: Any) -> bytes | Parts:
        """The bytes of a response; in parts where it has a large one.

        Raises:
            EncodeError: the value is not of the declared type; the call stays open.
            MessageTooLarge: the response is over the limit; the call stays open.
            LocalProtocolError: the call is not open.
        """
        entry = self._open.get(call)
        if entry is None:
            return self._respond_otherwise(call, value)
        reply = entry.reply
        body: bytes | Parts
        if reply.only is not None:
            body = reply.only.encode(value, MAX_DEPTH, LARGE_BYTES)
            fingerprint = reply.fingerprint
        else:
            fingerprint, body = reply.encode(value)
        size = len(body)
        if size > self._message_bytes:
            limit = self._message_bytes
            raise MessageTooLarge("response in bytes", size_bytes=size, limit_bytes=limit)
        del self._open[call]
        return pack_response(RESPONSE_OPENING, FINGERPRINT_BYTES + size, call, fingerprint) + body

    def _respond_otherwise(self, call: int, value: Any) -> bytes:
        if self._other is None:
            raise LocalProtocolError(f"call {call} is not open and cannot be answered")
        data = self._other.respond(call, value)
        self.finished = self._other.finished
        return data

    def tell(self, call: int, text: str) -> bytes:
        """The bytes that tell what was asked.

        Args:
            text: a JSON object, in one line; as long as the command set makes it, for no client
                has a say in that.

        Raises:
            LocalProtocolError: the call is not open, or a command is to answer it.
        """
        if self._other is not None:
            return self._other.tell(call, text)
        if self._open.get(call, self) is not None:
            raise LocalProtocolError(f"call {call} asks for nothing that could be told")
        del self._open[call]
        return frame(Kind.DESCRIBE, call, text.encode())

    def fail(self, call: int, error: IpcError) -> bytes:
        """The bytes that end a call with an error; under call 0, the stream.

        A bare connection has no words for an error; it is finished. So is one that never spoke.
        """
        if self._other is not None:
            data = self._other.fail(call, error)
            self.finished = self._other.finished
            return data
        self._open.pop(call, None)
        if self.wire is not FRAMED:
            self.finished = True
            return b""
        if call == 0:
            self.finished = True
        return frame(Kind.ERROR, call, failure_of(error).encode())


def _no_new_call(call: int) -> RemoteProtocolError:
    told = f"call {call} is under way and cannot begin again" if call else "0 is no call"
    return RemoteProtocolError(told)
