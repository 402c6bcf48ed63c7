"""The table of rules: for each kind of shape its construct, its straight-line code, its walk.

The construct is the layout people can read and the oracle of the tests; the code is what runs; the
walk finds where a growing message ends and why a message is refused. `construct` is imported only
when a construct is asked for. The rows are in the modules beside this one. Layout: bincode 1
(little-endian, fixed width, u64 lengths, u32 variant indices). Knows no frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazyipc._core.cursor import Cursor, Walk
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource

if TYPE_CHECKING:
    import construct


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table; each column takes the shape first."""

    construct: Callable[[Any], Any]
    """Its declarative layout."""
    encode: Callable[[Any, str, EncodeSource], None]
    """Writes the code that encodes the value of an expression."""
    decode: Callable[[Any, DecodeSource], str]
    """Writes the code that decodes; an expression for the value, good after the next flush."""
    walk: Callable[[Any, Cursor], Walk]
    """Passes one value, checking all that its bytes alone decide."""
    smallest: Callable[[Any], int]
    """The fewest bytes a value takes."""
    parts: Callable[[Any, Any], Iterator[tuple[str, Shape, Any]]] = lambda shape, value: iter(())
    """The parts of a value with their steps, such as `.a` or `[3]`, for finding a bad one."""


RULES: dict[type, Rule] = {}
"""The row of each kind of shape."""


def construct_of(shape: Shape) -> construct.Construct:
    """The declarative layout of a shape; it builds from the values `encode` takes."""
    made: construct.Construct = RULES[type(shape)].construct(shape)
    return made


def encode(shape: Shape, value: str, source: EncodeSource) -> None:
    """Write the code that encodes the value of an expression."""
    if source.is_deep:
        source.blob(f"{source.constant(encoder(shape))}({value})")
        return
    RULES[type(shape)].encode(shape, value, source)


def decode(shape: Shape, source: DecodeSource) -> str:
    """Write the code that decodes; an expression for the value, good after the next flush."""
    if source.is_deep:
        name = source.name()
        source.flush()
        source.line(f"{name}, o, k = {source.constant(decoder(shape))}(data, o, end, k)")
        return name
    return RULES[type(shape)].decode(shape, source)


def walk(shape: Shape, cursor: Cursor) -> Walk:
    """Pass one value, checking all that its bytes alone decide."""
    return RULES[type(shape)].walk(shape, cursor)


def smallest_size(shape: Shape) -> int:
    """The fewest bytes a value of this shape takes."""
    return RULES[type(shape)].smallest(shape)


def parts_of(shape: Shape, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    """The parts of a value with their steps."""
    return RULES[type(shape)].parts(shape, value)


def encoder(shape: Shape) -> Callable[[Any], bytes]:
    """Straight-line code from a valid value to bytes."""
    source = EncodeSource()
    encode(shape, "v", source)
    return source.finish()


def decoder(shape: Shape) -> Callable[..., tuple[Any, int, int]]:
    """Straight-line code from bytes to plain values: dicts for models, for one validation."""
    source = DecodeSource()
    return source.finish(decode(shape, source))
