"""Lines of bytes out of a stream: each ends with a line feed; those that hold nothing are passed.

Knows where a line ends, not what it says, nor that it is JSON.
"""

from __future__ import annotations

import re

from lazyipc._core.framing import ReceiveBuffer
from lazyipc.errors import MessageTooLarge

LINE_EXTRA_BYTES = 1000
"""What a line may have besides a message of the longest kind: an id, a time, the words around."""

_SPACE = re.compile(rb"[ \t\r\n]*+")


class LineReader:
    """Takes lines from a buffer, in any pieces; each byte is looked at once.

    Args:
        buffer: what was received.
        limit_bytes: how long a line may be.
        limit_name: where that was set, for who sends a longer one.
    """

    __slots__ = ("_buffer", "_limit_bytes", "_limit_name", "_searched_bytes", "number")

    def __init__(self, buffer: ReceiveBuffer, limit_bytes: int, limit_name: str) -> None:
        self._buffer = buffer
        self._limit_bytes = limit_bytes
        self._limit_name = limit_name
        self._searched_bytes = 0
        self.number = 0
        """How many lines were passed."""

    def take(self, *, at_end: bool) -> bytes | None:
        """Pass one line that says something, or None while none is all there.

        Args:
            at_end: nothing more will come, so what is there is a line.

        Raises:
            MessageTooLarge: the line is over the limit.
        """
        while True:
            line = self._take_any(at_end=at_end)
            if line is None or line.strip():
                return line

    def _take_any(self, *, at_end: bool) -> bytes | None:
        """The same, but for a line of white space, which may have come in pieces."""
        buffer = self._buffer
        if not self._searched_bytes:
            self._pass_empty()
        data, start = buffer.data, buffer.start
        end = data.find(b"\n", start + self._searched_bytes)
        size = (len(data) if end < 0 else end) - start
        if size > self._limit_bytes:
            what = f"line {self.number + 1} in bytes (see {self._limit_name})"
            raise MessageTooLarge(what, size_bytes=size, limit_bytes=self._limit_bytes)
        if end < 0 and not (at_end and size):
            self._searched_bytes = size
            return None
        self._searched_bytes = 0
        self.number += 1
        buffer.start += size + (end >= 0)
        return bytes(data[start : start + size])

    def _pass_empty(self) -> None:
        """Pass lines of nothing but white space at once, however many there are."""
        buffer = self._buffer
        data, start = buffer.data, buffer.start
        space = _SPACE.match(data, start)
        assert space is not None
        last = data.rfind(b"\n", start, space.end())
        if last >= 0:
            self.number += data.count(b"\n", start, last + 1)
            buffer.start = last + 1
