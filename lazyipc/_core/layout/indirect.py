"""Rules for what is laid out as another shape: converted values, and references to shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import Encoding
from lazyipc._core.layout.rule import (
    RULES,
    Opening,
    Part,
    Rule,
    call_decoder,
    construct_of,
    decode,
    decoder,
    encode,
    encoder,
    smallest_size,
    walk,
)
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource, TooDeep

# Converted: a value of the standard library, as what it travels as ------------------------------


def _converted_construct(shape: shapes.Converted, encoding: Encoding) -> Any:
    import construct

    class ConvertedAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return shape.from_wire(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return shape.to_wire(obj)

    return ConvertedAdapter(construct_of(shape.wire, encoding))


def _converted_encode(shape: shapes.Converted, value: str, source: EncodeSource) -> None:
    encode(shape.wire, source.local(f"{source.constant(shape.to_wire)}({value})"), source)


def _converted_decode(shape: shapes.Converted, source: DecodeSource) -> str:
    return f"{source.constant(shape.from_wire)}({decode(shape.wire, source)})"


def _converted_open(shape: shapes.Converted, cursor: Cursor) -> Opening:
    """Pass what travels; then see whether it stands for a value."""
    at = cursor.offset
    yield from walk(shape.wire, cursor)
    read = _code(shape.wire, cursor.encoding)
    wire, _, _ = read(cursor.data, at, cursor.offset, cursor.elements, cursor.depth)
    try:
        shape.from_wire(wire)
    except ValueError as error:
        raise cursor.fault(str(error), at) from error
    return ()


_CODE: dict[tuple[Shape, Encoding], Any] = {}


def _code(wire: Shape, encoding: Encoding) -> Any:
    """The decoder of what travels: a handful of shapes, so each is compiled once."""
    made = _CODE.get((wire, encoding))
    if made is None:
        made = _CODE[wire, encoding] = decoder(wire, encoding)
    return made


# Reference: a shape that stands elsewhere ---------------------------------------------------------


class _Function:
    """A function that is compiled while its own code refers to it."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


def _function(shape: shapes.Reference, encoding: Encoding, make: Any) -> _Function:
    """The function of a target, which is shared by all that refers to it."""
    key, code = (make, encoding), shape.target.code
    known: _Function | None = code.get(key)
    if known is None:
        # Until it is there, who calls it, another thread perhaps, compiles for itself.
        known = code[key] = _Function(lambda *args: make(shape.target.shape, encoding)(*args))
        try:
            known.call = make(shape.target.shape, encoding)
        except BaseException:
            del code[key]
            raise
    return known


def _reference_construct(shape: shapes.Reference, encoding: Encoding) -> Any:
    import construct

    return construct.LazyBound(lambda: construct_of(shape.target.shape, encoding))


def _reference_encode(shape: shapes.Reference, value: str, source: EncodeSource) -> None:
    function = source.constant(_function(shape, source.encoding, encoder))
    if shape.is_inside:
        source.line(f"if d < 1: raise {source.constant(TooDeep)}")
    source.blob(f"{function}.call({value}, {_depth(shape)})")


def _reference_decode(shape: shapes.Reference, source: DecodeSource) -> str:
    function = source.constant(_function(shape, source.encoding, decoder))
    if shape.is_inside:
        source.check("d < 1")
    return call_decoder(f"{function}.call", _depth(shape), source)


def _depth(shape: shapes.Reference) -> str:
    return "d - 1" if shape.is_inside else "d"


def _reference_open(shape: shapes.Reference, cursor: Cursor) -> Opening:
    yield from ()
    part = Part("", None, shape.target.shape)
    if not shape.is_inside:
        return (part,)
    cursor.enter()
    return _inside(part, cursor)


def _inside(part: Part, cursor: Cursor) -> Iterator[Part]:
    yield part
    cursor.leave()


RULES[shapes.Converted] = Rule(
    construct=_converted_construct,
    encode=_converted_encode,
    decode=_converted_decode,
    open=_converted_open,
    smallest=lambda shape, encoding: smallest_size(shape.wire, encoding),
)
RULES[shapes.Reference] = Rule(
    construct=_reference_construct,
    encode=_reference_encode,
    decode=_reference_decode,
    open=_reference_open,
    smallest=lambda shape, encoding: smallest_size(shape.target.shape, encoding),
    parts=lambda shape, value: iter((("", shape.target.shape, value),)),
)
