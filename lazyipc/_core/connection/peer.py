"""One side of a connection of two peers: either may ask, tell and answer.

Source: docs/protocol.md, "RPC". Knows bytes and calls. No socket, clock or log: a driver feeds
`receive_data`, takes events from `next_event` until None ("need more"), and writes what
`take_output` and the methods that make messages return.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import Entry
from lazyipc._core.codec import (
    DEFAULT_DEPTH,
    DEFAULT_ELEMENTS,
    DEFAULT_MESSAGE_BYTES,
    MAX_DEPTH,
)
from lazyipc._core.connection.control import Control, Passed
from lazyipc._core.connection.ending import too_large
from lazyipc._core.connection.handshake import Handshake
from lazyipc._core.connection.hello import Hello, SchemaCheck, SchemaStatus
from lazyipc._core.connection.incoming import Incoming
from lazyipc._core.connection.outgoing import LONGEST_BYTES, Draft, Outgoing
from lazyipc._core.events import (
    Cancelled,
    Failed,
    Finished,
    Notified,
    Opened,
    PeerLeft,
    Rejected,
    Requested,
    Responded,
)
from lazyipc._core.framing import (
    HEADER_BYTES,
    MAGIC,
    NEVER_NS,
    NOTIFY_OPENING,
    REQUEST_BYTES,
    REQUEST_EXTRA_BYTES,
    REQUEST_OPENING,
    RESPONSE_BYTES,
    RESPONSE_OPENING,
    UNKNOWN_CLOCK,
    VIEW_BYTES,
    ReceiveBuffer,
    pack_response,
    read_header,
    unpack_response,
    unpack_times,
)
from lazyipc._core.messages import MessageSet
from lazyipc._core.parts import LARGE_BYTES, Parts
from lazyipc._core.schema import FINGERPRINT_BYTES
from lazyipc.errors import (
    DecodeError,
    EncodeError,
    RemoteError,
    RemoteProtocolError,
    SchemaMismatch,
)

DEFAULT_CALLS = 1024
"""How many unfinished messages one side may have with the other."""

Event = (
    Opened | Requested | Notified | Rejected | Responded | Failed | Finished | Cancelled | PeerLeft
)


_NOTHING = (None, 0, False)
"""In place of a call that is not open."""


class PeerConnection:
    """One side of a connection of two peers.

    Calls are numbered by each side for its own, from 1, and rise.

    Args:
        messages: what may be sent and received.
        opens: whether this side is the client, which says hello first.
        key: what the client says; else what it must say.
        schema_check: what a mismatch does: `enforce` ends the connection, `warn` leaves it to
            `schema`, `off` compares nothing.
        message_bytes: the longest message and the longest reply that is taken.
        elements: how many elements the sequences of one of them may have together.
        depth: how many times a recursive type may stand inside itself in one of them.
        calls: how many unfinished messages the other side may have here.
        in_bytes: how many bytes these may have together.
        clock: the identity of the clock that deadlines are told on and compared with.
    """

    __slots__ = (
        "_buffer",
        "_control",
        "_depth",
        "_elements",
        "_incoming",
        "_known_clock",
        "_messages",
        "_outgoing",
        "_received_ns",
        "_reply_bytes",
        "_request_bytes",
    )

    def __init__(
        self,
        messages: MessageSet,
        *,
        opens: bool,
        key: str = "",
        schema_check: SchemaCheck = "enforce",
        message_bytes: int = DEFAULT_MESSAGE_BYTES,
        elements: int = DEFAULT_ELEMENTS,
        depth: int = DEFAULT_DEPTH,
        calls: int = DEFAULT_CALLS,
        in_bytes: int = 2 * DEFAULT_MESSAGE_BYTES,
        clock: bytes = UNKNOWN_CLOCK,
    ) -> None:
        message_bytes = min(message_bytes, LONGEST_BYTES)
        self._messages = messages
        self._request_bytes = message_bytes + REQUEST_EXTRA_BYTES
        self._reply_bytes = message_bytes + FINGERPRINT_BYTES
        self._elements = elements
        self._depth = depth
        self._known_clock = None if clock == UNKNOWN_CLOCK else clock
        ours = Hello(key, message_bytes, calls, in_bytes, None)
        self._outgoing = Outgoing(messages, clock)
        self._incoming = Incoming(messages.by_fingerprint, calls, in_bytes)
        self._buffer = ReceiveBuffer()
        self._received_ns = 0
        self._control = Control(
            messages,
            Handshake(messages, ours, opens=opens, schema_check=schema_check),
            self._outgoing,
            self._incoming,
            request_bytes=self._request_bytes,
            reply_bytes=self._reply_bytes,
        )

    # What is known -------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the handshake is over and the connection has not ended."""
        return self._control.is_open

    @property
    def schema(self) -> SchemaStatus | None:
        """How the two schemas compare; None until they were compared."""
        return self._control.handshake.schema

    @property
    def open_calls(self) -> list[int]:
        """Which of our calls have not ended."""
        return self._outgoing.calls

    @property
    def open_count(self) -> int:
        """How many of our calls have not ended."""
        return len(self._outgoing)

    @property
    def taken_count(self) -> int:
        """How many calls of the other side have not ended here."""
        return len(self._incoming.open)

    def has_room(self, size_bytes: int = 0) -> bool:
        """Whether the other side takes a message with so many bytes of fields now."""
        return self._outgoing.has_room(size_bytes)

    # What comes in -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: the client's hello is put where `take_output` finds it."""
        self._control.start()

    def take_output(self) -> bytes:
        """What is to be written besides the messages that are asked for; most often nothing.

        Ask after each time that events were taken, also where that raised.
        """
        return self._control.take_output()

    def receive_data(self, data: bytes, now_ns: int = 0) -> None:
        """Take what was received.

        Args:
            data: any piece of the stream.
            now_ns: the time on the connection's clock, for a peer with another clock.
        """
        self._received_ns = now_ns
        buffer = self._buffer
        if buffer.start == len(buffer.data):
            buffer.data, buffer.start = data, 0
        else:
            buffer.append(data)

    def receive_end(self) -> None:
        """The other side has closed.

        Raises:
            DecodeError: the stream ended within a frame.
        """
        if len(self._buffer) and not self._control.has_ended:
            raise DecodeError("the stream ended within a frame", offset=len(self._buffer))

    def next_event(self) -> Event | None:
        """The next event, or None for "need more".

        Raises:
            RemoteProtocolError: the connection cannot go on; write `take_output()` and close.
            SchemaMismatch: likewise; the schemas do not fit, and one side wants them to.
            RemoteError: likewise; NotPermitted where the key was wrong.
        """
        try:
            while True:
                buffer = self._buffer
                data, start = buffer.data, buffer.start
                have = len(data) - start
                if have < HEADER_BYTES:
                    return None
                if have >= RESPONSE_BYTES and self._control.is_open:
                    opening, size, call, fingerprint = unpack_response(data, start)
                    if HEADER_BYTES + size <= have:
                        end = start + HEADER_BYTES + size
                        if opening == RESPONSE_OPENING:
                            if FINGERPRINT_BYTES <= size <= self._reply_bytes:
                                buffer.start = end
                                return self._responded(call, fingerprint, data, start, end)
                        elif opening == REQUEST_OPENING:
                            if REQUEST_EXTRA_BYTES <= size <= self._request_bytes:
                                buffer.start = end
                                return self._requested(call, fingerprint, data, start, end)
                        elif (
                            opening == NOTIFY_OPENING
                            and FINGERPRINT_BYTES <= size <= self._reply_bytes
                        ):
                            buffer.start = end
                            return self._notified(call, fingerprint, data, start, end)
                event = self._next_odd()
                if not isinstance(event, Passed):
                    return event
        except (RemoteProtocolError, RemoteError) as error:
            self._control.give_up(error)
            raise

    def _responded(
        self, call: int, fingerprint: bytes, data: bytes | bytearray, start: int, end: int
    ) -> Responded | Failed | Finished:
        """A response to a call of ours."""
        entry = self._outgoing.end(call)
        start += RESPONSE_BYTES
        is_large = end - start >= VIEW_BYTES
        if is_large:
            self._buffer.pass_large(end)
        if entry is None:
            return Finished(call)
        reply = entry.reply
        elements, depth = self._elements, self._depth
        try:
            if is_large:
                with memoryview(data) as view:
                    value = reply.decode(fingerprint, view, start, end, elements, depth)
            else:
                is_only = fingerprint == reply.fingerprint
                codec = reply.only if is_only else reply.by_fingerprint.get(fingerprint)
                if codec is not None:
                    value = codec.decode(data, start, end, elements, depth)
                else:
                    value = reply.decode(fingerprint, data, start, end, elements, depth)
        except RemoteProtocolError as error:
            return Failed(call, error)
        return Responded(call, value)

    def _requested(
        self, call: int, fingerprint: bytes, data: bytes | bytearray, start: int, end: int
    ) -> Requested | Rejected:
        """A request of the other side."""
        clock, deadline, left = unpack_times(data, start + RESPONSE_BYTES)
        start += REQUEST_BYTES
        entry = self._incoming.begin(call, end - start, fingerprint)
        if entry is None:
            return Rejected(call, self._unknown(fingerprint))
        try:
            command = self._decode(entry, data, start, end)
        except RemoteProtocolError as error:
            return Rejected(call, error)
        if clock != self._known_clock:
            deadline = NEVER_NS if left == NEVER_NS else self._received_ns + left
        return Requested(call, command, None if deadline == NEVER_NS else deadline)

    def _notified(
        self, call: int, fingerprint: bytes, data: bytes | bytearray, start: int, end: int
    ) -> Notified | Rejected:
        """A notification of the other side."""
        start += RESPONSE_BYTES
        entry = self._incoming.begin(call, end - start, fingerprint)
        if entry is None:
            return Rejected(call, self._unknown(fingerprint))
        self._incoming.wants_no_reply(call)
        try:
            return Notified(call, self._decode(entry, data, start, end))
        except RemoteProtocolError as error:
            return Rejected(call, error)

    def _unknown(self, fingerprint: bytes) -> SchemaMismatch:
        """The answer to a fingerprint that is not ours; with what we have, unless it was told."""
        schema = self.schema
        is_told = schema is not None and schema.kind not in ("disabled", "failed")
        return self._messages.mismatch(fingerprint, is_told=is_told)

    def _decode(self, entry: Entry, data: bytes | bytearray, start: int, end: int) -> Any:
        if end - start < VIEW_BYTES:
            return entry.codec.decode(data, start, end, self._elements, self._depth)
        self._buffer.pass_large(end)
        with memoryview(data) as view:
            return entry.codec.decode(view, start, end, self._elements, self._depth)

    # Frames that are no messages -----------------------------------------------------------------

    def _next_odd(self) -> Event | Passed | None:
        """The event of a frame that is no whole message; PASSED for a frame without one."""
        buffer = self._buffer
        data, start = buffer.data, buffer.start
        control = self._control
        if control.has_ended:
            self._buffer = ReceiveBuffer()
            return None
        if control.handshake.theirs is None and data[start : start + 2] != MAGIC:
            control.be_mute()
        kind, size, call = read_header(data, start, NEVER_NS)
        control.check(kind, size, call)
        end = start + HEADER_BYTES + size
        if end > len(data):
            return None
        payload = bytes(data[start + HEADER_BYTES : end])
        buffer.pass_large(end)
        return control.take(kind, call, payload)

    # What goes out -------------------------------------------------------------------------------

    def draft(self, message: Any) -> Draft:
        """Encode a message, to be sent now or later; see `has_room`.

        Raises:
            SchemaError: it is no message of the set.
            SchemaMismatch: the other side does not know it, or not like this.
            EncodeError: it does not fit its own type.
            MessageTooLarge: it is longer than what the other side takes.
            LocalProtocolError: the connection is not open.
        """
        return self._outgoing.draft(message)

    def request(
        self, call: int, message: Any, deadline_ns: int | None, left_ns: int | None
    ) -> bytes | Parts:
        """The bytes of a request; in parts where it has a large one. Room is not looked for.

        Args:
            call: its number, above all that were used.
            message: the message.
            deadline_ns: when we stop waiting, on our CLOCK_MONOTONIC; None for never.
            left_ns: how long that is from now; None for ever.

        Raises:
            LocalProtocolError: the number was used, or the connection is not open.
            SchemaError, SchemaMismatch, EncodeError, MessageTooLarge: as `draft`.
        """
        outgoing = self._outgoing
        return outgoing.request(call, outgoing.draft(message), deadline_ns, left_ns)

    def request_draft(
        self, call: int, draft: Draft, deadline_ns: int | None, left_ns: int | None
    ) -> bytes | Parts:
        """The same, of a message that is encoded already."""
        return self._outgoing.request(call, draft, deadline_ns, left_ns)

    def notify(self, call: int, message: Any) -> bytes | Parts:
        """The bytes of a message that gets no reply; its call ends as Finished, or Failed.

        Raises:
            LocalProtocolError, SchemaError, SchemaMismatch, EncodeError, MessageTooLarge: as
                `request`.
        """
        return self._outgoing.notify(call, self._outgoing.draft(message))

    def notify_draft(self, call: int, draft: Draft) -> bytes | Parts:
        """The same, of a message that is encoded already."""
        return self._outgoing.notify(call, draft)

    def forget(self, call: int) -> None:
        """Wait for a call's reply no longer; it is over when the other side has ended it."""
        self._outgoing.forget(call)

    def cancel(self, call: int) -> bytes:
        """The bytes that ask to stop a call, which is forgotten; none where it has ended."""
        return self._outgoing.cancel(call)

    def respond(self, call: int, value: Any) -> bytes | Parts:
        """The bytes of a response; in parts where it has a large one.

        Raises:
            EncodeError: the value is not of the declared type, or a message that the other side
                does not know; the call stays open.
            MessageTooLarge: it is longer than what the other side takes; the call stays open.
            LocalProtocolError: the call is not open, or wants no response.
        """
        entry, _, _ = self._incoming.open.get(call, _NOTHING)
        if entry is None:
            raise self._incoming.not_open(call)
        reply = entry.reply
        fingerprint, codec = reply.fingerprint, reply.only
        if codec is None:
            model = value.__class__
            fingerprint, codec = reply.by_model.get(model) or reply.codec_for(model)
            if self._outgoing.refused:
                self._check_reply(fingerprint)
        body = codec.encode(value, MAX_DEPTH, LARGE_BYTES)
        size = len(body)
        if size > self._outgoing.longest_bytes:
            raise too_large(f"reply to {entry.name}", size, self._outgoing.longest_bytes)
        self._incoming.end(call)
        return pack_response(RESPONSE_OPENING, FINGERPRINT_BYTES + size, call, fingerprint) + body

    def _check_reply(self, fingerprint: bytes) -> None:
        """See that the other side knows a message that it is answered with."""
        entry = self._messages.by_fingerprint.get(fingerprint)
        refused = self._outgoing.refused
        if entry is not None and entry.name in refused:
            raise EncodeError(
                f"{entry.name} was the reply, which the asking side does not know; seen from the "
                f"replying side: {refused[entry.name]}"
            )

    def fail(self, call: int, error: BaseException) -> bytes:
        """The bytes that end a call of the other side with an error.

        Raises:
            LocalProtocolError: the call is not open.
        """
        return self._incoming.fail(call, error)

    def finish(self, call: int) -> bytes:
        """The bytes that end a call of the other side without a reply.

        Raises:
            LocalProtocolError: the call is not open.
        """
        return self._incoming.finish(call)

    def goodbye(self) -> bytes:
        """The bytes that this side ends with; nothing is sent after them."""
        return self._control.goodbye()
