"""Receiving one large frame into the memory where it will stay.

A frame is received in two: what came before it was known to be large, and the rest, which is read
into its place. Where the rest is the very bytes that the message ends with, they are the field's
value, and nothing is copied after the kernel did. Knows sizes, not messages.
"""

from __future__ import annotations

import io
from typing import Any

INTAKE_BYTES = 4096
"""How much of a frame is to be there first: most often all that stands before its tail."""

ROOM_FACTOR = 4
"""A frame takes so many times the memory of what has come, at most: to announce it takes none."""

LONGEST_STEP_BYTES = 1 << 22
"""Nor for more at once: to make it takes a millisecond or two of the host's time."""

PIECE_BYTES = 1 << 20
"""How much is read at once: a client is not to keep a poll for longer."""


class Unread(Exception):
    """Raised where what was asked for lies in both halves of a message, or in part of one."""


class Spliced(bytes):
    """A frame in two pieces: the bytes it is by itself, and those behind them.

    Reading code finds numbers in the first, and takes the second whole; what it cannot have like
    that it must ask of `joined`.

    >>> frame = Spliced(b"head")
    >>> frame.tail = b"tail"
    >>> len(frame), frame[4:8], frame[1:3]
    (8, b'tail', b'ea')
    """

    tail = b""

    def __len__(self) -> int:
        return super().__len__() + len(self.tail)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return super().__getitem__(index)
        border = super().__len__()
        if index.start == border and index.stop == len(self):
            return self.tail
        if index.stop is None or not 0 <= index.stop <= border:
            raise Unread
        return super().__getitem__(index)

    def joined(self) -> bytes:
        """All of it in one piece."""
        return b"".join((memoryview(self), self.tail))


class Intake:
    """One frame on its way in.

    Args:
        begun: what has come of it.
        size: how many bytes it has; more than have come.
        border: where its tail begins; 0 for a frame in one piece.
    """

    __slots__ = ("_border", "_file", "_filled", "_head", "_place", "_room", "_size")

    def __init__(self, begun: memoryview, size: int, border: int) -> None:
        self._head = bytes(begun[:border])
        self._border = border
        self._size = size - border
        self._filled = self._room = len(begun) - border
        self._file = io.BytesIO()
        self._file.write(begun[border:])
        self._place: memoryview | None = None

    @property
    def is_full(self) -> bool:
        """Whether all of it has come."""
        return self._filled == self._size

    def space(self) -> memoryview:
        """Where its next bytes belong, until `received` is told of them."""
        self._let_go()
        if self._filled == self._room:
            self._make_room()
        with self._file.getbuffer() as room:
            self._place = room[self._filled : self._filled + PIECE_BYTES]
        return self._place

    def _make_room(self) -> None:
        most = ROOM_FACTOR * (self._border + self._filled) - self._border
        self._room = min(most, self._filled + LONGEST_STEP_BYTES, self._size)
        # The file's own bytes are what `getvalue` gives, and not a copy of them.
        self._file.seek(self._room - 1)
        self._file.write(b"\0")

    def _let_go(self) -> None:
        if self._place is not None:
            self._place.release()
            self._place = None

    def received(self, count: int) -> None:
        """So many bytes were put where they belong."""
        self._let_go()
        self._filled += count

    def taken(self) -> bytes:
        """What has come, in one piece or, where it has a border, in two."""
        self._let_go()
        self._file.truncate(self._filled)
        self._room = self._filled
        if not self._border:
            return self._file.getvalue()
        frame = Spliced(self._head)
        frame.tail = self._file.getvalue()
        return frame
