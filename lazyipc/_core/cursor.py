"""Walking over bytes without making values: where a message ends, or where and why it is wrong.

The walk over a shape is a generator: it yields when it needs bytes that have not come, and goes on
where it stopped, so each element is visited once however the message is cut. Knows no shapes.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Generator
from typing import Any

from lazyipc.errors import DecodeError, MessageTooLarge, RemoteProtocolError

Walk = Generator[None, None, None]
"""Yields for "need more bytes"; returns when its part of the message has been passed."""

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


def joined(step: str, path: str) -> str:
    """A path seen from one level further out: a position clings to its step, a name gets a dot."""
    return step + (f".{path}" if path[:1] not in ("", "[") else path)


class Fault(Exception):
    """Bytes that are refused; the path grows while the exception climbs out of the shape."""

    def __init__(
        self, reason: str, offset: int, *, size: int = 0, limit: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.size = size
        self.limit = limit
        self.path = ""

    def within(self, step: str) -> Fault:
        """The same fault, seen from one level further out."""
        self.path = joined(step, self.path)
        return self

    def as_error(self) -> RemoteProtocolError:
        if self.limit is not None:
            what = f"{self.path or 'message'}: {self.reason}"
            return MessageTooLarge(what, size_bytes=self.size, limit_bytes=self.limit)
        return DecodeError(self.reason, offset=self.offset, path=self.path)


class Cursor:
    """A place in bytes that may still be growing.

    Args:
        data: what has come so far; replace it when more has.
        start: where the message begins in it.
        end: where it ends, or None while that is not known.
        limit_bytes: how long the message may be.
        elements: how many elements its sequences may have together.
        parts: how many parts of it are looked at; None for all.
    """

    __slots__ = (
        "data",
        "element_limit",
        "elements",
        "end",
        "limit_bytes",
        "offset",
        "start",
        "visit_limit",
        "visits",
    )

    def __init__(
        self,
        data: Any,
        start: int,
        end: int | None,
        *,
        limit_bytes: int,
        elements: int,
        parts: int | None = None,
    ) -> None:
        self.data = data
        self.start = start
        self.offset = start
        self.end = end
        self.limit_bytes = limit_bytes
        self.elements = elements
        self.element_limit = elements
        self.visits = 0
        self.visit_limit = sys.maxsize if parts is None else parts

    def fault(self, reason: str, offset: int, *, size: int = 0, limit: int | None = None) -> Fault:
        return Fault(reason, offset - self.start, size=size, limit=limit)

    def need(self, count: int) -> Walk:
        """Wait until `count` bytes from here are there; the offset stays."""
        self.visits += 1
        if self.visits > self.visit_limit:
            raise self.fault("refused here or further on; it is too long to say where", self.offset)
        last = self.offset + count
        if self.end is not None:
            if last > self.end:
                left = self.end - self.offset
                raise self.fault(f"needs {count} bytes, {left} are left", self.offset)
        elif last - self.start > self.limit_bytes:
            size, limit = last - self.start, self.limit_bytes
            raise self.fault("size in bytes", self.offset, size=size, limit=limit)
        while len(self.data) < last:
            yield

    def skip(self, count: int) -> Walk:
        """Pass `count` bytes of any content."""
        yield from self.need(count)
        self.offset += count

    def byte(self) -> Generator[None, None, int]:
        yield from self.need(1)
        self.offset += 1
        return int(self.data[self.offset - 1])

    def u32(self) -> Generator[None, None, int]:
        yield from self.need(4)
        self.offset += 4
        return int(_U32.unpack_from(self.data, self.offset - 4)[0])

    def u64(self) -> Generator[None, None, int]:
        yield from self.need(8)
        self.offset += 8
        return int(_U64.unpack_from(self.data, self.offset - 8)[0])

    def count(self, smallest: int) -> Generator[None, None, int]:
        """Pass a count of elements, each of at least `smallest` bytes, and charge for them."""
        at = self.offset
        count = yield from self.u64()
        if count > self.elements:
            used = self.element_limit - self.elements
            raise self.fault("number of elements", at, size=used + count, limit=self.element_limit)
        self.elements -= count
        if self.end is not None and count * smallest > self.end - self.offset:
            raise self.fault(f"{count} elements do not fit what is left of the message", at)
        return count


def finish(walk: Walk) -> None:
    """Run a walk over bytes that are all there."""
    for _ in walk:
        raise AssertionError("a cursor with an end never waits")
