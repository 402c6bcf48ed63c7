"""Rules for numbers: fixed width, or varints.

Source: bincode 1.3 `src/config/int.rs`; bincode 2 `docs/spec.md`, "VarintEncoding".
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import MARKERS, SINGLE_BYTE_MAX, Encoding, unzigzag, zigzag
from lazyipc._core.layout.rule import RULES, Opening, Rule
from lazyipc._core.scalars import Number
from lazyipc._core.source import DecodeSource, EncodeSource


def number_construct(shape: Number, encoding: Encoding) -> Any:
    """The construct of a number, a count or an index."""
    import construct

    if encoding.is_varint(shape):
        return _varint_construct(shape, encoding)
    if shape.format:
        return construct.FormatField(encoding.prefix, shape.format)
    swapped = encoding.byte_order == "little"
    return construct.BytesInteger(shape.width_bytes, signed=shape.is_signed, swapped=swapped)


def _varint_construct(number: Number, encoding: Encoding) -> Any:
    """One byte up to 250; else 251, 252, 253 or 254 and 2, 4, 8 or 16 bytes; signed ones zigzagged.

    Source: bincode 2 `docs/spec.md`, "VarintEncoding".
    """
    import construct

    order = encoding.byte_order

    def shortest(value: int) -> tuple[bytes, int]:
        if value <= SINGLE_BYTE_MAX:
            return b"", 1
        size = next(size for size in MARKERS.values() if value < 1 << (8 * size))
        return bytes(marker for marker in MARKERS if MARKERS[marker] == size), size

    class VarInt(construct.Construct):
        def _parse(self, stream: Any, context: Any, path: str) -> int:
            marker = construct.stream_read(stream, 1, path)
            size = MARKERS.get(marker[0], 0)
            if marker[0] <= SINGLE_BYTE_MAX:
                value = marker[0]
            elif not size or size > number.width_bytes:
                raise construct.IntegerError(f"{marker[0]} begins no {number.name}", path=path)
            else:
                value = int.from_bytes(construct.stream_read(stream, size, path), order)
                if shortest(value) != (marker, size):
                    raise construct.IntegerError(f"{value} is overlong", path=path)
            return unzigzag(value) if number.is_signed else value

        def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
            if not number.minimum <= obj <= number.maximum:
                raise construct.IntegerError(f"{obj} is no {number.name}", path=path)
            value = zigzag(obj) if number.is_signed else obj
            marker, size = shortest(value)
            data = marker + value.to_bytes(size, order)
            construct.stream_write(stream, data, len(data), path)
            return obj

    return VarInt()


def _number_encode(shape: Number, value: str, source: EncodeSource) -> None:
    source.number(shape, value)


def _number_decode(shape: Number, source: DecodeSource) -> str:
    return source.number(shape)


def _number_open(shape: Number, cursor: Cursor) -> Opening:
    if shape.is_float:
        yield from cursor.skip(shape.width_bytes)
    else:
        yield from cursor.number(shape)
    return ()


def _number_any_bytes(shape: Number, encoding: Encoding) -> int | None:
    return None if encoding.is_varint(shape) else shape.width_bytes


RULES[Number] = Rule(
    construct=number_construct,
    encode=_number_encode,
    decode=_number_decode,
    open=_number_open,
    smallest=lambda shape, encoding: encoding.smallest(shape),
    any_bytes=_number_any_bytes,
)
