"""A message to be written that is not one piece of bytes: its large parts stay where they lie."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

LARGE_BYTES = 65536
"""From here on a part is worth a place of its own: to join it to its neighbours costs more."""

NO_PARTS = 2**63
"""Larger than any part: everything is joined."""

MOST_PIECES = 64
"""How many are written in one call; the system takes a thousand."""

QUEUE_BYTES = 1 << 19
"""How much a system is asked to queue of a message that is longer than that, so that each
side is woken less often. It helped 16 MiB by 0 to 60 %; four times as much made it slower at times.
"""


class Parts:
    """Bytes in several pieces, in order; none is empty, and the small ones are joined.

    A header is put before it as before bytes:

    >>> message = b"header" + Parts([b"count", bytes(LARGE_BYTES), b"end"])
    >>> len(message), message.pieces[0], message.pieces[-1]
    (65550, b'headercount', b'end')
    """

    __slots__ = ("_size", "pieces")

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces: list[bytes] = []
        self._size = 0
        small: list[bytes] = []
        for piece in pieces:
            self._size += len(piece)
            if len(piece) < LARGE_BYTES:
                small.append(piece)
                continue
            self._add_small(small)
            self.pieces.append(piece)
        self._add_small(small)

    def _add_small(self, small: list[bytes]) -> None:
        joined = b"".join(small)
        if joined:
            self.pieces.append(joined)
        small.clear()

    def __len__(self) -> int:
        return self._size

    def __radd__(self, head: bytes) -> Parts:
        return Parts([head, *self.pieces])

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


def views(messages: Iterable[bytes | Parts]) -> list[memoryview]:
    """All that is to be written, where it lies; what is small is joined.

    >>> [bytes(view) for view in views([b"ab", b"c"])]
    [b'abc']
    """
    pieces = (each.pieces if isinstance(each, Parts) else (each,) for each in messages)
    return [memoryview(piece) for piece in Parts(chain.from_iterable(pieces)).pieces]


def pass_written(unwritten: list[memoryview], count: int) -> None:
    """Take away the first `count` bytes.

    >>> left = [memoryview(b"abc"), memoryview(b"def")]
    >>> pass_written(left, 4)
    >>> [bytes(view) for view in left]
    [b'ef']
    """
    whole = 0
    for view in unwritten:
        if count < len(view):
            break
        count -= len(view)
        whole += 1
    del unwritten[:whole]
    if count:
        unwritten[0] = unwritten[0][count:]
