"""The calls that this side of two peers began: what may be sent, and what has not ended.

Source: docs/protocol.md, "RPC". Knows the other side's limits, and what its answers mean to a call;
not the stream that they come in.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import Entry
from lazyipc._core.codec import MAX_DEPTH
from lazyipc._core.connection.ending import failed_call, too_large
from lazyipc._core.connection.hello import Hello, SchemaStatus
from lazyipc._core.events import Failed, Finished
from lazyipc._core.framing import (
    NEVER_NS,
    NOTIFY_OPENING,
    REQUEST_EXTRA_BYTES,
    REQUEST_OPENING,
    Kind,
    frame,
    pack_request,
    pack_response,
)
from lazyipc._core.messages import MessageSet
from lazyipc._core.parts import LARGE_BYTES, Parts
from lazyipc._core.schema import FINGERPRINT_BYTES
from lazyipc.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    SchemaMismatch,
)

LONGEST_BYTES = 2**32 - 1 - REQUEST_EXTRA_BYTES
"""What a frame has room for."""

NOT_OPEN = "the handshake is not over; wait for Opened"

Draft = tuple[Entry, bytes | Parts]
"""A message that is encoded and not yet sent: the length of its second half counts in windows."""


class Outgoing:
    """The calls of this side.

    Args:
        messages: what may be sent.
        clock: the identity of the clock that deadlines are told on.
    """

    __slots__ = (
        "_bytes",
        "_clock",
        "_closed",
        "_last_call",
        "_messages",
        "_open",
        "_schema",
        "_theirs",
        "longest_bytes",
        "refused",
    )

    def __init__(self, messages: MessageSet, clock: bytes) -> None:
        self._messages = messages
        self._clock = clock
        self._closed = NOT_OPEN
        self._open: dict[int, tuple[Entry | None, int, bool]] = {}
        self._bytes = 0
        self._last_call = 0
        self._theirs = Hello("", 0, 0, 0, None)
        self._schema: SchemaStatus | None = None
        self.refused: dict[str, str] = {}
        """Which of our messages the other side does not take, and why."""
        self.longest_bytes = 0
        """The longest message and reply that the other side takes."""

    def open(self, theirs: Hello, schema: SchemaStatus | None, refused: dict[str, str]) -> None:
        """Begin to send.

        Args:
            theirs: the other side's limits.
            schema: how the schemas compare.
            refused: which of our messages the other side does not take, and why.
        """
        self._theirs = theirs
        self.longest_bytes = min(theirs.message_bytes, LONGEST_BYTES)
        self._schema = schema
        self.refused = refused
        self._closed = ""

    def close(self, reason: str) -> None:
        """Send no more."""
        self._closed = reason

    @property
    def calls(self) -> list[int]:
        """Which calls have not ended."""
        return list(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def has_room(self, size_bytes: int) -> bool:
        """Whether the other side takes a message with so many bytes of fields now."""
        if not self._open:
            return True
        theirs = self._theirs
        return self._bytes + size_bytes <= theirs.in_bytes and len(self._open) < theirs.calls

    # What is sent --------------------------------------------------------------------------------

    def draft(self, message: Any) -> Draft:
        """Encode a message; see `PeerConnection.draft`."""
        if self._closed:
            raise LocalProtocolError(self._closed)
        entry = self._messages.entry(message.__class__)
        if self.refused and entry.name in self.refused:
            raise self._refusal(entry)
        body = entry.codec.encode(message, MAX_DEPTH, LARGE_BYTES)
        if len(body) > self.longest_bytes:
            raise too_large(entry.name, len(body), self.longest_bytes)
        return entry, body

    def request(
        self, call: int, draft: Draft, deadline_ns: int | None, left_ns: int | None
    ) -> bytes | Parts:
        """The bytes of a request; see `PeerConnection.request_draft`."""
        entry, body = draft
        size = len(body)
        if call <= self._last_call or self._closed:
            raise self._refused_call(call)
        self._last_call = call
        self._open[call] = entry, size, False
        self._bytes += size
        header = pack_request(
            REQUEST_OPENING,
            REQUEST_EXTRA_BYTES + size,
            call,
            entry.fingerprint,
            self._clock,
            NEVER_NS if deadline_ns is None else deadline_ns,
            NEVER_NS if left_ns is None else left_ns,
        )
        return header + body

    def notify(self, call: int, draft: Draft) -> bytes | Parts:
        """The bytes of a notification; see `PeerConnection.notify_draft`."""
        entry, body = draft
        size = len(body)
        if call <= self._last_call or self._closed:
            raise self._refused_call(call)
        self._last_call = call
        self._open[call] = None, size, True
        self._bytes += size
        header = pack_response(NOTIFY_OPENING, FINGERPRINT_BYTES + size, call, entry.fingerprint)
        return header + body

    def _refused_call(self, call: int) -> LocalProtocolError:
        reason = f"call {call} does not follow call {self._last_call}; calls are numbered upwards"
        return LocalProtocolError(self._closed or reason)

    def _refusal(self, entry: Entry) -> SchemaMismatch:
        assert self._schema is not None
        told = f"{entry.name} was not sent: {self.refused[entry.name]}"
        return SchemaMismatch(told, ours=self._schema.ours, theirs=self._schema.theirs)

    def forget(self, call: int) -> None:
        """Wait for a call's reply no longer."""
        found = self._open.get(call)
        if found is not None:
            self._open[call] = None, found[1], False

    def cancel(self, call: int) -> bytes:
        """The bytes that ask to stop a call, which is forgotten; none where it has ended."""
        if call not in self._open or self._closed:
            return b""
        self.forget(call)
        return frame(Kind.CANCEL, call, b"")

    # How it ends ---------------------------------------------------------------------------------

    def end(self, call: int) -> Entry | None:
        """Take the end of a call; None where nobody waits for its reply.

        Raises:
            RemoteProtocolError: it is not open.
        """
        found = self._open.pop(call, None)
        if found is None:
            raise RemoteProtocolError(f"call {call} is not open and cannot end")
        self._bytes -= found[1]
        return found[0]

    def end_failed(self, call: int, payload: bytes) -> Failed | Finished:
        """Take the end of a call by an error frame.

        Raises:
            RemoteProtocolError: it is not open, or the payload is no error's.
        """
        _, _, is_notification = self._open.get(call, (None, 0, False))
        entry = self.end(call)
        if entry is None and not is_notification:
            return Finished(call)
        return Failed(call, failed_call(self._messages, entry, payload))
