"""Rules for what has no parts and is no number: bool, Char, str, bytes, None, Enum.

Source: bincode 1.3 `src/ser/mod.rs` and `src/de/mod.rs`; bincode 2 `docs/spec.md`.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import COUNT, INDEX, Encoding
from lazyipc._core.layout.numbers import number_construct
from lazyipc._core.layout.rule import RULES, Opening, Rule
from lazyipc._core.source import DecodeSource, EncodeSource

BOOLEANS = (False, True)
"""Indexing refuses every byte but 0 and 1."""
NUMBERS = {False: 0, True: 1}
"""And this every value that is no bool nor equal to one; `struct` would take any for its truth."""


# bool: one byte, strictly 0 or 1 ---------------------------------------------------------------


def _bool_construct(shape: shapes.Bool, encoding: Encoding) -> Any:
    import construct

    return construct.Mapping(construct.Int8ul, NUMBERS)


def _bool_encode(shape: shapes.Bool, value: str, source: EncodeSource) -> None:
    source.fixed("B", f"{source.constant(NUMBERS)}[{value}]")


def _bool_decode(shape: shapes.Bool, source: DecodeSource) -> str:
    return f"{source.constant(BOOLEANS)}[{source.fixed('B')}]"


def _bool_open(shape: shapes.Bool, cursor: Cursor) -> Opening:
    byte = yield from cursor.byte()
    if byte > 1:
        raise cursor.fault(f"a bool is 0 or 1, not {byte}", cursor.offset - 1)
    return ()


# Char: its UTF-8, whose first byte says how long it is ----------------------------------------


def utf8_width(first: int) -> int:
    """How many bytes a character takes that begins with this byte; 0 where none does."""
    if first < 0x80:
        return 1
    if first < 0xC2 or first > 0xF4:
        return 0
    return 2 if first < 0xE0 else 3 if first < 0xF0 else 4


def _read_char(data: Any, offset: int) -> tuple[str, int]:
    end = offset + (utf8_width(data[offset]) or 1)
    return str(data[offset:end], "utf-8"), end


def _char_bytes(value: str) -> bytes:
    if len(value) != 1:
        raise ValueError(f"{value!r:.40} is not one character")
    return value.encode()


def _char_construct(shape: shapes.Char, encoding: Encoding) -> Any:
    import construct

    class Utf8Char(construct.Construct):
        def _parse(self, stream: Any, context: Any, path: str) -> Any:
            first = construct.stream_read(stream, 1, path)
            rest = construct.stream_read(stream, max(utf8_width(first[0]) - 1, 0), path)
            try:
                return (first + rest).decode()
            except UnicodeDecodeError as error:
                raise construct.StringError(str(error), path=path) from error

        def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
            if len(obj) != 1:
                raise construct.StringError("not one character", path=path)
            data = obj.encode()
            construct.stream_write(stream, data, len(data), path)
            return obj

    return Utf8Char()


def _char_encode(shape: shapes.Char, value: str, source: EncodeSource) -> None:
    source.blob(f"{source.constant(_char_bytes)}({value})")


def _char_decode(shape: shapes.Char, source: DecodeSource) -> str:
    name = source.name()
    source.flush()
    source.line(f"{name}, o = {source.constant(_read_char)}(data, o)")
    return name


def _char_open(shape: shapes.Char, cursor: Cursor) -> Opening:
    at = cursor.offset
    first = yield from cursor.byte()
    width = utf8_width(first)
    if not width:
        raise cursor.fault(f"byte {first} begins no UTF-8 character", at)
    yield from cursor.skip(width - 1)
    _check_utf8(cursor, at)
    return ()


def _check_utf8(cursor: Cursor, at: int) -> None:
    try:
        str(memoryview(cursor.data)[at : cursor.offset], "utf-8")
    except UnicodeDecodeError as error:
        raise cursor.fault(f"not UTF-8: {error.reason}", at + error.start) from error


# str: count of bytes, UTF-8 --------------------------------------------------------------------


def _text_construct(shape: shapes.Text, encoding: Encoding) -> Any:
    import construct

    return construct.PascalString(number_construct(COUNT, encoding), "utf8")


def _text_encode(shape: shapes.Text, value: str, source: EncodeSource) -> None:
    data = source.local(f"{value}.encode()")
    source.number(COUNT, f"len({data})")
    source.bulk(data)


def _text_decode(shape: shapes.Text, source: DecodeSource) -> str:
    return _counted(source, "str(data[o:{end}], 'utf-8')")


def _counted(source: DecodeSource, expression: str) -> str:
    count, end, text = source.number(COUNT), source.name(), source.name()
    source.flush()
    source.line(f"{end} = o + {count}")
    source.check(f"{end} > end")
    source.line(f"{text} = {expression.format(end=end)}")
    source.line(f"o = {end}")
    return text


def _text_open(shape: shapes.Text, cursor: Cursor) -> Opening:
    length = yield from cursor.number(COUNT)
    at = cursor.offset
    if cursor.lacks(length):
        yield from cursor.more(length)
    cursor.offset += length
    _check_utf8(cursor, at)
    return ()


# bytes: count, then the bytes ------------------------------------------------------------------


def _blob_construct(shape: shapes.Blob, encoding: Encoding) -> Any:
    import construct

    return construct.Prefixed(number_construct(COUNT, encoding), construct.GreedyBytes)


def _blob_encode(shape: shapes.Blob, value: str, source: EncodeSource) -> None:
    data = source.local(value)
    source.line(f"if {data}.__class__ is not bytes: {data} = {source.constant(_as_bytes)}({data})")
    source.number(COUNT, f"len({data})")
    source.bulk(data)


def _as_bytes(value: Any) -> bytes:
    """Bytes that are held otherwise; of wider items, a count would not be of bytes."""
    if not isinstance(value, bytes | bytearray):
        raise TypeError(f"bytes are wanted, {type(value).__name__} given")
    return bytes(value)


def _blob_decode(shape: shapes.Blob, source: DecodeSource) -> str:
    return _counted(source, "bytes(data[o:{end}])")


def _blob_open(shape: shapes.Blob, cursor: Cursor) -> Opening:
    length = yield from cursor.number(COUNT)
    yield from cursor.skip(length)
    return ()


# None: nothing ---------------------------------------------------------------------------------


def _unit_construct(shape: shapes.Unit, encoding: Encoding) -> Any:
    import construct

    return construct.Computed(None)


def _unit_encode(shape: shapes.Unit, value: str, source: EncodeSource) -> None:
    """Nothing travels."""


def _unit_decode(shape: shapes.Unit, source: DecodeSource) -> str:
    return "None"


def _unit_open(shape: shapes.Unit, cursor: Cursor) -> Opening:
    cursor.lacks(0)
    yield from ()
    return ()


# Enum: position of the member ------------------------------------------------------------------


def _enumeration_construct(shape: shapes.Enumeration, encoding: Encoding) -> Any:
    import construct

    numbers = {member: number for number, member in enumerate(shape.members)}
    return construct.Mapping(number_construct(INDEX, encoding), numbers)


def _enumeration_encode(shape: shapes.Enumeration, value: str, source: EncodeSource) -> None:
    numbers = source.constant({m: number for number, m in enumerate(shape.members)})
    source.number(INDEX, f"{numbers}[{value}]")


def _enumeration_decode(shape: shapes.Enumeration, source: DecodeSource) -> str:
    return f"{source.constant(shape.members)}[{source.number(INDEX)}]"


def _enumeration_open(shape: shapes.Enumeration, cursor: Cursor) -> Opening:
    at = cursor.offset
    number = yield from cursor.number(INDEX)
    if number >= len(shape.members):
        reason = f"{shape.type.__name__} has no member {number}, only 0 to {len(shape.members) - 1}"
        raise cursor.fault(reason, at)
    return ()


RULES[shapes.Bool] = Rule(
    construct=_bool_construct,
    encode=_bool_encode,
    decode=_bool_decode,
    open=_bool_open,
    smallest=lambda shape, encoding: 1,
)
RULES[shapes.Char] = Rule(
    construct=_char_construct,
    encode=_char_encode,
    decode=_char_decode,
    open=_char_open,
    smallest=lambda shape, encoding: 1,
)
RULES[shapes.Text] = Rule(
    construct=_text_construct,
    encode=_text_encode,
    decode=_text_decode,
    open=_text_open,
    smallest=lambda shape, encoding: encoding.smallest(COUNT),
)
RULES[shapes.Blob] = Rule(
    construct=_blob_construct,
    encode=_blob_encode,
    decode=_blob_decode,
    open=_blob_open,
    smallest=lambda shape, encoding: encoding.smallest(COUNT),
)
RULES[shapes.Unit] = Rule(
    construct=_unit_construct,
    encode=_unit_encode,
    decode=_unit_decode,
    open=_unit_open,
    smallest=lambda shape, encoding: 0,
    any_bytes=lambda shape, encoding: 0,
)
RULES[shapes.Enumeration] = Rule(
    construct=_enumeration_construct,
    encode=_enumeration_encode,
    decode=_enumeration_decode,
    open=_enumeration_open,
    smallest=lambda shape, encoding: encoding.smallest(INDEX),
)
