"""Rules for what has no parts: numbers, bool, str, bytes, None, Enum.

Source: bincode 1.3 `src/ser/mod.rs` and `src/de/mod.rs` with the options of its plain functions.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, Walk
from lazyipc._core.layout.rule import RULES, Rule
from lazyipc._core.scalars import Number
from lazyipc._core.source import DecodeSource, EncodeSource

BOOLEANS = (False, True)
"""Indexing refuses every byte but 0 and 1."""
NUMBERS = {False: 0, True: 1}
"""And this every value that is no bool nor equal to one; `struct` would take any for its truth."""


# Numbers ---------------------------------------------------------------------------------------


def _number_construct(shape: Number) -> Any:
    import construct

    return construct.FormatField("<", shape.format)


def _number_encode(shape: Number, value: str, source: EncodeSource) -> None:
    source.fixed(shape.format, value)


def _number_decode(shape: Number, source: DecodeSource) -> str:
    return source.fixed(shape.format)


def _number_walk(shape: Number, cursor: Cursor) -> Walk:
    return cursor.skip(shape.width_bytes)


# bool: one byte, strictly 0 or 1 ---------------------------------------------------------------


def _bool_construct(shape: shapes.Bool) -> Any:
    import construct

    return construct.Mapping(construct.Int8ul, NUMBERS)


def _bool_encode(shape: shapes.Bool, value: str, source: EncodeSource) -> None:
    source.fixed("B", f"{source.constant(NUMBERS)}[{value}]")


def _bool_decode(shape: shapes.Bool, source: DecodeSource) -> str:
    return f"{source.constant(BOOLEANS)}[{source.fixed('B')}]"


def _bool_walk(shape: shapes.Bool, cursor: Cursor) -> Walk:
    byte = yield from cursor.byte()
    if byte > 1:
        raise cursor.fault(f"a bool is 0 or 1, not {byte}", cursor.offset - 1)


# str: u64 count of bytes, UTF-8 ----------------------------------------------------------------


def _text_construct(shape: shapes.Text) -> Any:
    import construct

    return construct.PascalString(construct.Int64ul, "utf8")


def _text_encode(shape: shapes.Text, value: str, source: EncodeSource) -> None:
    data = source.local(f"{value}.encode()")
    source.fixed("Q", f"len({data})")
    source.blob(data)


def _text_decode(shape: shapes.Text, source: DecodeSource) -> str:
    return _counted(source, "str(data[o:{end}], 'utf-8')")


def _counted(source: DecodeSource, expression: str) -> str:
    count, end, text = source.fixed("Q"), source.name(), source.name()
    source.flush()
    source.line(f"{end} = o + {count}")
    source.check(f"{end} > end")
    source.line(f"{text} = {expression.format(end=end)}")
    source.line(f"o = {end}")
    return text


def _text_walk(shape: shapes.Text, cursor: Cursor) -> Walk:
    length = yield from cursor.u64()
    at = cursor.offset
    yield from cursor.skip(length)
    try:
        str(memoryview(cursor.data)[at : cursor.offset], "utf-8")
    except UnicodeDecodeError as error:
        raise cursor.fault(f"not UTF-8: {error.reason}", at + error.start) from error


# bytes: u64 count, then the bytes --------------------------------------------------------------


def _blob_construct(shape: shapes.Blob) -> Any:
    import construct

    return construct.Prefixed(construct.Int64ul, construct.GreedyBytes)


def _blob_encode(shape: shapes.Blob, value: str, source: EncodeSource) -> None:
    data = source.local(value)
    source.fixed("Q", f"len({data})")
    source.blob(data)


def _blob_decode(shape: shapes.Blob, source: DecodeSource) -> str:
    return _counted(source, "bytes(data[o:{end}])")


def _blob_walk(shape: shapes.Blob, cursor: Cursor) -> Walk:
    length = yield from cursor.u64()
    yield from cursor.skip(length)


# None: nothing ---------------------------------------------------------------------------------


def _unit_construct(shape: shapes.Unit) -> Any:
    import construct

    return construct.Computed(None)


def _unit_encode(shape: shapes.Unit, value: str, source: EncodeSource) -> None:
    """Nothing travels."""


def _unit_decode(shape: shapes.Unit, source: DecodeSource) -> str:
    return "None"


def _unit_walk(shape: shapes.Unit, cursor: Cursor) -> Walk:
    return cursor.skip(0)


# Enum: u32 position of the member --------------------------------------------------------------


def _enumeration_construct(shape: shapes.Enumeration) -> Any:
    import construct

    numbers = {member: number for number, member in enumerate(shape.members)}
    return construct.Mapping(construct.Int32ul, numbers)


def _enumeration_encode(shape: shapes.Enumeration, value: str, source: EncodeSource) -> None:
    numbers = source.constant({m: number for number, m in enumerate(shape.members)})
    source.fixed("I", f"{numbers}[{value}]")


def _enumeration_decode(shape: shapes.Enumeration, source: DecodeSource) -> str:
    return f"{source.constant(shape.members)}[{source.fixed('I')}]"


def _enumeration_walk(shape: shapes.Enumeration, cursor: Cursor) -> Walk:
    number = yield from cursor.u32()
    if number >= len(shape.members):
        reason = f"{shape.type.__name__} has no member {number}, only 0 to {len(shape.members) - 1}"
        raise cursor.fault(reason, cursor.offset - 4)


RULES[Number] = Rule(
    construct=_number_construct,
    encode=_number_encode,
    decode=_number_decode,
    walk=_number_walk,
    smallest=lambda shape: shape.width_bytes,
)
RULES[shapes.Bool] = Rule(
    construct=_bool_construct,
    encode=_bool_encode,
    decode=_bool_decode,
    walk=_bool_walk,
    smallest=lambda shape: 1,
)
RULES[shapes.Text] = Rule(
    construct=_text_construct,
    encode=_text_encode,
    decode=_text_decode,
    walk=_text_walk,
    smallest=lambda shape: 8,
)
RULES[shapes.Blob] = Rule(
    construct=_blob_construct,
    encode=_blob_encode,
    decode=_blob_decode,
    walk=_blob_walk,
    smallest=lambda shape: 8,
)
RULES[shapes.Unit] = Rule(
    construct=_unit_construct,
    encode=_unit_encode,
    decode=_unit_decode,
    walk=_unit_walk,
    smallest=lambda shape: 0,
)
RULES[shapes.Enumeration] = Rule(
    construct=_enumeration_construct,
    encode=_enumeration_encode,
    decode=_enumeration_decode,
    walk=_enumeration_walk,
    smallest=lambda shape: 4,
)
