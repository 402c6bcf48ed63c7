"""Fields of messages are checked where a message is built."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

import lazyipc
from lazyipc import F32, I64, U8, U64, Command, IpcError, TaggedUnion
from lazyipc.errors import DecodeError, MessageTooLarge, SchemaMismatch


class Shape(TaggedUnion):
    """A family."""


class Circle(Shape, index=3, name="circle"):
    """A variant."""

    radius: F32


class Draw(Command[None], timeout=2.5):
    """A set of one."""

    number: U8
    total: U64
    small: I64 = 0
    text: str | None = None
    shapes: tuple[Shape, ...] = ()

    def process(self, context: None) -> None:
        """Draw."""


draw = Draw(number=1, total=2, shapes=(Circle(radius=1.5),))
assert_type(draw.number, int)
assert_type(draw.total, int)
assert_type(draw.text, str | None)
assert_type(draw.shapes, tuple[Shape, ...])
assert_type(Circle(radius=1.5).radius, float)

Draw(number="1", total=2)  # type: ignore[arg-type]
Draw(number=1, total=2, text=5)  # type: ignore[arg-type]
Draw(number=1)  # type: ignore[call-arg]
Draw(number=1, total=2, more=3)  # type: ignore[call-arg]
Draw(1, 2)  # type: ignore[call-arg]
Draw(number=1, total=2, shapes=(draw,))  # type: ignore[arg-type]
Circle(radius="1.5")  # type: ignore[arg-type]

# names and errors

_ = lazyipc.IpcSever  # type: ignore[attr-defined]

try:
    draw.process(None)
except SchemaMismatch as error:
    assert_type(error.difference, str)
except DecodeError as error:
    assert_type(error.offset, int)
except MessageTooLarge as error:
    assert_type(error.limit_bytes, int)
except IpcError as error:
    assert_type(error, IpcError)
