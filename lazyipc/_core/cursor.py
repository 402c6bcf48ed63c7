"""Walking over bytes without making values: where a message ends, or where and why it is wrong.

The walk over a shape is a generator: it yields when it needs bytes that have not come, and goes on
where it stopped, so each element is visited once however the message is cut. Knows no shapes.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any, TypeVar

from lazyipc._core.encoding import (
    COUNT,
    EMPTY_WEIGHT,
    FIXED,
    MARKERS,
    SINGLE_BYTE_MAX,
    Encoding,
    unzigzag,
)
from lazyipc._core.scalars import Number
from lazyipc.errors import DecodeError, MessageTooLarge, RemoteProtocolError

Walk = Generator[None, None, None]
"""Yields for "need more bytes"; returns when its part of the message has been passed."""


def joined(step: str, path: str) -> str:
    """A path seen from one level further out: a position clings to its step, a name gets a dot."""
    if not step:
        return path
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
        depth: how many times its recursive types may stand inside themselves.
        encoding: how its integers are written.
        visits: how many parts of it are looked at; None for all.
    """

    __slots__ = (
        "data",
        "depth",
        "depth_limit",
        "element_limit",
        "elements",
        "encoding",
        "end",
        "limit_bytes",
        "offset",
        "parts",
        "plans",
        "sizes",
        "start",
        "stop",
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
        depth: int,
        encoding: Encoding = FIXED,
        visits: int | None = None,
    ) -> None:
        self.data = data
        self.start = start
        self.offset = start
        self.end = end
        self.limit_bytes = limit_bytes
        self.elements = elements
        self.element_limit = elements
        self.depth = depth
        self.depth_limit = depth
        self.encoding = encoding
        self.plans: dict[int, Any] = {}
        """How to pass the shapes it has met, by their `id`."""
        self.sizes: dict[int, int] = {}
        """The fewest bytes a value of them takes."""
        self.parts: dict[int, Any] = {}
        """The parts of the classes, tuples and enums among them."""
        self.stop: tuple[Any, int] | None = None
        """A shape and an offset: where a walk that looks for a class comes to its end."""
        self.visits = 0
        self.visit_limit = sys.maxsize if visits is None else visits

    def fault(self, reason: str, offset: int, *, size: int = 0, limit: int | None = None) -> Fault:
        return Fault(reason, offset - self.start, size=size, limit=limit)

    def lacks(self, count: int) -> bool:
        """Look at `count` bytes from here on: whether some of them have yet to come.

        Raises:
            Fault: they leave the message or its limit, or too much was looked at already.
        """
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
        return len(self.data) < last

    def more(self, count: int) -> Walk:
        """Wait until `count` bytes from here on have come."""
        last = self.offset + count
        while len(self.data) < last:
            yield

    def skip(self, count: int) -> Walk:
        """Pass `count` bytes of any content."""
        if self.lacks(count):
            yield from self.more(count)
        self.offset += count

    def byte(self) -> Generator[None, None, int]:
        """Pass one byte and give it."""
        if self.lacks(1):
            yield from self.more(1)
        self.offset += 1
        return int(self.data[self.offset - 1])

    def number(self, number: Number) -> Generator[None, None, int]:
        """Pass an integer and give it."""
        if self.encoding.is_varint(number):
            return (yield from self._varint(number))
        at, width = self.offset, number.width_bytes
        if self.lacks(width):
            yield from self.more(width)
        self.offset += width
        return self._integer(at, number.is_signed)

    def _integer(self, at: int, signed: bool = False) -> int:
        taken = self.data[at : self.offset]
        return int.from_bytes(taken, self.encoding.byte_order, signed=signed)

    def _varint(self, number: Number) -> Generator[None, None, int]:
        at = self.offset
        value = yield from self.byte()
        if value > SINGLE_BYTE_MAX:
            size = MARKERS.get(value, 0)
            if not size or size > number.width_bytes:
                raise self.fault(f"byte {value} begins no {number.name}", at)
            yield from self.skip(size)
            value = self._integer(at + 1)
            if value <= (SINGLE_BYTE_MAX if size == 2 else (1 << (4 * size)) - 1):
                raise self.fault(f"overlong: {value} takes fewer bytes than {size + 1}", at)
        return unzigzag(value) if number.is_signed else value

    def count(self, smallest: int) -> Generator[None, None, int]:
        """Pass a count of elements, each of at least `smallest` bytes, and charge for them."""
        at = self.offset
        count = yield from self.number(COUNT)
        self.charge(count, smallest, at)
        return count

    def charge(self, count: int, smallest: int, at: int) -> None:
        """Charge for elements, before any is looked at."""
        cost, what, limit = count, "number of elements", self.element_limit
        if not smallest:
            cost, what, limit = count * EMPTY_WEIGHT, f"{what} without bytes", limit // EMPTY_WEIGHT
        if cost > self.elements:
            used = self.element_limit - self.elements
            size = (used + cost) // (1 if smallest else EMPTY_WEIGHT)
            raise self.fault(what, at, size=size, limit=limit)
        self.elements -= cost
        if self.end is not None and count * smallest > self.end - self.offset:
            raise self.fault(f"{count} elements do not fit what is left of the message", at)

    def has_room(self, size: int) -> bool:
        """Whether that many bytes, from here on, do not leave the message nor the limit."""
        last = self.offset + size
        if self.end is not None:
            return last <= self.end
        return last - self.start <= self.limit_bytes

    def seek(self, shape: Any, offset: int) -> None:
        """Let walks end where a class begins; with None, let them go on again."""
        self.stop = None if shape is None else (shape, offset)
        self.plans.clear()

    def stop_at(self, shape: Any) -> None:
        """End the walk, by a Fault, where the class begins that is looked for."""
        if self.stop is not None and self.stop[0] is shape and self.stop[1] == self.offset:
            raise self.fault("found", self.offset)

    def enter(self) -> None:
        """Go into a recursive type once more."""
        if not self.depth:
            limit = self.depth_limit
            raise self.fault("levels of nesting", self.offset, size=limit + 1, limit=limit)
        self.depth -= 1

    def leave(self) -> None:
        """Come out of it."""
        self.depth += 1


Passed = TypeVar("Passed")


def finish(walk: Generator[None, None, Passed]) -> Passed:
    """Run a walk over bytes that are all there; what it gives."""
    try:
        next(walk)
    except StopIteration as stop:
        passed: Passed = stop.value
        return passed
    raise AssertionError("a cursor with an end never waits")
