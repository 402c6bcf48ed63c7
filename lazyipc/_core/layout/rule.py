"""The table of rules: for each kind of shape its construct, its straight-line code, its walk.

The construct is the layout people can read and the oracle of the tests; the code is what runs; the
walk finds where a growing message ends and why a message is refused. `construct` is imported only
when a construct is asked for. The rows are in the modules beside this one. Knows no frames.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, Fault, Walk
from lazyipc._core.encoding import FIXED, Encoding
from lazyipc._core.record import Value
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource

if TYPE_CHECKING:
    import construct


class Part(NamedTuple):
    """One part of what a shape holds, in the order it travels."""

    step: str
    """What it adds to a path, such as `radius` or `[3]`; empty where it adds none."""
    key: Any
    """What pydantic calls it in a location; None where it does not tell it from what holds it."""
    shape: Shape


Opening = Generator[None, None, Iterable[Part]]
"""Passes what stands before the parts of a value, or all of it; gives the parts."""


class Rule(Value):
    """One row of the table; each column takes the shape first."""

    construct: Callable[[Any, Encoding], Any]
    """Its declarative layout."""
    encode: Callable[[Any, str, EncodeSource], None]
    """Writes the code that encodes the value of an expression."""
    decode: Callable[[Any, DecodeSource], str]
    """Writes the code that decodes; an expression for the value, good after the next flush."""
    open: Callable[[Any, Cursor], Opening]
    """Passes what is before the parts, checking all that its bytes alone decide. Each part must be
    passed before the next one is asked for."""
    smallest: Callable[[Any, Encoding], int]
    """The fewest bytes a value takes."""
    any_bytes: Callable[[Any, Encoding], int | None] = lambda shape, encoding: None
    """How many bytes each value takes, where all of that many bytes are a value."""
    parts: Callable[[Any, Any], Iterator[tuple[str, Shape, Any]]] = lambda shape, value: iter(())
    """The parts of a value with their steps, such as `.a` or `[3]`, for finding a bad one."""


_HOMES: dict[type, str] = {
    Number: "numbers",
    **dict.fromkeys(
        [shapes.Bool, shapes.Char, shapes.Text, shapes.Blob, shapes.Unit, shapes.Enumeration],
        "atoms",
    ),
    **dict.fromkeys([shapes.Option, shapes.Product], "containers"),
    **dict.fromkeys([shapes.Vector, shapes.Set, shapes.Mapping], "sequences"),
    **dict.fromkeys([shapes.Array, shapes.NumberArray], "arrays"),
    **dict.fromkeys([shapes.Converted, shapes.Reference], "indirect"),
    **dict.fromkeys([shapes.Structure, shapes.Choice], "models"),
}
"""In which module beside this one the row of a kind of shape stands."""


class _Rules(dict[type, Rule]):
    """The row of each kind of shape, imported when it is first asked for: a script that sends one
    command waits for what that is made of, and for no more."""

    def __missing__(self, kind: type) -> Rule:
        importlib.import_module(f"lazyipc._core.layout.{_HOMES[kind]}")
        return self[kind]


RULES = _Rules()


def construct_of(shape: Shape, encoding: Encoding = FIXED) -> construct.Construct:
    """The declarative layout of a shape; it builds from the values `encode` takes."""
    made: construct.Construct = RULES[type(shape)].construct(shape, encoding)
    return made


def readable(made: construct.Construct, text: str) -> construct.Construct:
    """The same construct, printed as a text."""
    import construct

    class Layout(construct.Subconstruct):
        def __repr__(self) -> str:
            return text

    return Layout(made)


def encode(shape: Shape, value: str, source: EncodeSource) -> None:
    """Write the code that encodes the value of an expression."""
    if source.is_deep:
        source.blob(f"{source.constant(encoder(shape, source.encoding))}({value}, d)")
        return
    RULES[type(shape)].encode(shape, value, source)


def decode(shape: Shape, source: DecodeSource) -> str:
    """Write the code that decodes; an expression for the value, good after the next flush."""
    if source.is_deep:
        return call_decoder(source.constant(decoder(shape, source.encoding)), "d", source)
    return RULES[type(shape)].decode(shape, source)


def call_decoder(function: str, depth: str, source: DecodeSource) -> str:
    """Write a call of another decoding function; the name of the value it gives."""
    name = source.name()
    source.flush()
    source.line(f"{name}, o, k = {function}(data, o, end, k, {depth})")
    return name


class Items:
    """The parts of a sequence: one shape, so many times, each with its position."""

    __slots__ = ("count", "item")

    def __init__(self, item: Shape, count: int) -> None:
        self.item = item
        self.count = count

    def __iter__(self) -> Iterator[Part]:
        for position in range(self.count):
            yield Part(f"[{position}]", position, self.item)


def walk(shape: Shape, cursor: Cursor) -> Walk:
    """Pass one value, checking all that its bytes alone decide."""
    size, open_ = cursor.plans.get(id(shape)) or _plan(shape, cursor)
    if size is not None and cursor.has_room(size):
        if cursor.lacks(size):
            yield from cursor.more(size)
        cursor.offset += size
        return
    parts = yield from open_(shape, cursor)
    if isinstance(parts, Items):
        size, _ = cursor.plans.get(id(parts.item)) or _plan(parts.item, cursor)
        if size is not None:
            yield from cursor.skip(size * parts.count)
            return
    for step, _, part in parts:
        try:
            yield from walk(part, cursor)
        except Fault as fault:
            raise fault.within(step) from fault.__cause__


def _plan(shape: Shape, cursor: Cursor) -> tuple[int | None, Callable[[Any, Cursor], Opening]]:
    """How to pass a shape, remembered by the cursor: all its bytes at once, or part by part.

    A walk that looks for a class must come by it, so it passes none at once.
    """
    size = any_bytes(shape, cursor.encoding) if cursor.stop is None else None
    plan = cursor.plans[id(shape)] = size, RULES[type(shape)].open
    return plan


def opened(shape: Shape, cursor: Cursor) -> Opening:
    """Pass what is before the parts of a value; each part must be passed before the next."""
    return RULES[type(shape)].open(shape, cursor)


def any_bytes(shape: Shape, encoding: Encoding) -> int | None:
    """How many bytes each value takes, where all of that many bytes are a value; else None."""
    return RULES[type(shape)].any_bytes(shape, encoding)


def any_bytes_together(shapes: Iterable[Shape], encoding: Encoding) -> int | None:
    """The same for some shapes, one after the other."""
    total = 0
    for shape in shapes:
        size = any_bytes(shape, encoding)
        if size is None:
            return None
        total += size
    return total


def smallest_size(shape: Shape, encoding: Encoding = FIXED) -> int:
    """The fewest bytes a value of this shape takes."""
    return RULES[type(shape)].smallest(shape, encoding)


def smallest_of(shape: Shape, cursor: Cursor) -> int:
    """The same, remembered by a cursor."""
    size = cursor.sizes.get(id(shape))
    if size is None:
        size = cursor.sizes[id(shape)] = smallest_size(shape, cursor.encoding)
    return size


def parts_of(shape: Shape, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    """The parts of a value with their steps."""
    return RULES[type(shape)].parts(shape, value)


def encoder(shape: Shape, encoding: Encoding = FIXED) -> Callable[..., Any]:
    """Straight-line code from a valid value to bytes.

    `encode(value, depth) -> bytes`; with a third argument, the size from which what travels as it
    is stays a part of its own, `bytes | Parts`.
    """
    source = EncodeSource(encoding)
    encode(shape, "v", source)
    return source.finish()


def decoder(shape: Shape, encoding: Encoding = FIXED) -> Callable[..., tuple[Any, int, int]]:
    """Straight-line code from bytes to plain values: dicts for models, for one validation.

    `decode(data, offset, end, elements, depth) -> (value, offset, elements left)`
    """
    source = DecodeSource(encoding)
    return source.finish(decode(shape, source))
