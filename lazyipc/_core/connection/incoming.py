"""The calls that the other side of two peers began: within our limits, and each ended once.

Source: docs/protocol.md, "RPC". Knows what is open here; not the stream it came in.
"""

from __future__ import annotations

from lazyipc._core.catalog import Entry
from lazyipc._core.connection.ending import error_frame
from lazyipc._core.framing import Kind, frame
from lazyipc.errors import LocalProtocolError, RemoteProtocolError


class Incoming:
    """The calls of the other side.

    Args:
        by_fingerprint: the messages that are known.
        calls: how many may be open.
        in_bytes: how many bytes they may have together; one alone may have any.
    """

    __slots__ = ("_by_fingerprint", "_bytes", "_calls", "_in_bytes", "_is_closed", "_last", "open")

    def __init__(self, by_fingerprint: dict[bytes, Entry], calls: int, in_bytes: int) -> None:
        self._by_fingerprint = by_fingerprint
        self._calls = calls
        self._in_bytes = in_bytes
        self._bytes = 0
        self._last = 0
        self._is_closed = False
        self.open: dict[int, tuple[Entry | None, int, bool]] = {}
        """Those that have not ended: the message, where a reply is wanted, its bytes, and whether
        it was cancelled."""

    def begin(self, call: int, size: int, fingerprint: bytes) -> Entry | None:
        """Take a call; None where its message is not known.

        Raises:
            RemoteProtocolError: its number was used, or it is over the limits.
        """
        if call <= self._last:
            raise RemoteProtocolError(f"call {call} does not follow call {self._last}")
        taken = self.open
        if taken and (len(taken) >= self._calls or self._bytes + size > self._in_bytes):
            raise RemoteProtocolError(
                f"{len(taken)} messages of {self._bytes} bytes are unfinished, and one of {size} "
                f"more is over the limits of {self._calls} and {self._in_bytes} bytes"
            )
        self._last = call
        entry = self._by_fingerprint.get(fingerprint)
        if not self._is_closed:
            taken[call] = entry, size, False
            self._bytes += size
        return entry

    def wants_no_reply(self, call: int) -> None:
        """Note that a call is a notification."""
        if call in self.open:
            self.open[call] = None, self.open[call][1], False

    def cancel(self, call: int) -> bool:
        """Take a cancellation; False where the call has ended, or was cancelled before.

        Raises:
            RemoteProtocolError: it never began.
        """
        if call > self._last:
            raise RemoteProtocolError(f"call {call} did not begin and cannot be cancelled")
        entry, size, was_cancelled = self.open.get(call, (None, 0, True))
        if not was_cancelled:
            self.open[call] = entry, size, True
        return not was_cancelled

    def end(self, call: int) -> None:
        """Let a call go, which is answered now.

        Raises:
            LocalProtocolError: it is not open.
        """
        found = self.open.pop(call, None)
        if found is None:
            raise self.not_open(call)
        self._bytes -= found[1]

    def fail(self, call: int, error: BaseException) -> bytes:
        """The bytes that end a call with an error."""
        self.end(call)
        return error_frame(call, error)

    def finish(self, call: int) -> bytes:
        """The bytes that end a call without a reply."""
        self.end(call)
        return frame(Kind.FINISHED, call, b"")

    def not_open(self, call: int) -> LocalProtocolError:
        """Why a call cannot be answered."""
        if call in self.open:
            return LocalProtocolError(f"call {call} wants no response; finish it, or fail it")
        return LocalProtocolError(f"call {call} is not open and cannot be answered")

    def close(self) -> None:
        """Let all go, and what still comes: nobody is answered any more."""
        self._is_closed = True
        self.open.clear()
        self._bytes = 0
