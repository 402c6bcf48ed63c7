"""Rules for sequences of a fixed length, and for numbers in NumPy arrays.

Source: serde's `impl_array.rs` for `[T; N]`: a tuple, so no count; bincode's Vec for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import COUNT, MOST_EMPTY, Encoding, varint_writer, varints_reader
from lazyipc._core.layout.numbers import number_construct
from lazyipc._core.layout.rule import (
    RULES,
    Items,
    Opening,
    Rule,
    construct_of,
    smallest_of,
    smallest_size,
)
from lazyipc._core.layout.sequences import decode_items, encode_items
from lazyipc._core.marks import array_check, dtype_text
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource
from lazyipc.errors import SchemaError

# A fixed number of items: one after the other -------------------------------------------------


def _array_construct(shape: shapes.Array, encoding: Encoding) -> Any:
    import construct

    if shape.kind is bytes:
        return construct.Bytes(shape.length)

    class ArrayAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return shape.kind(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return obj

    return ArrayAdapter(construct.Array(shape.length, construct_of(shape.item, encoding)))


def _array_encode(shape: shapes.Array, value: str, source: EncodeSource) -> None:
    items = source.local(value)
    source.line(f"{source.constant(_check_length)}({items}, {shape.length})")
    if shape.kind is bytes:
        source.fixed(f"{shape.length}s", items)
    else:
        encode_items(shape.item, items, source)


def _check_length(items: Any, length: int) -> None:
    if len(items) != length:
        raise ValueError(f"{length} items are wanted, {len(items)} given")


def _array_decode(shape: shapes.Array, source: DecodeSource) -> str:
    if shape.kind is bytes:
        return source.fixed(f"{shape.length}s")
    source.flush()
    smallest = shape.length and smallest_size(shape.item, source.encoding)
    if shape.length > MOST_EMPTY and not smallest:
        raise SchemaError(
            f"an Array of {shape.length} elements that take no bytes; at most {MOST_EMPTY} may"
        )
    source.charge(str(shape.length), smallest)
    return decode_items(shape.item, str(shape.length), shape.kind, source)


def _array_open(shape: shapes.Array, cursor: Cursor) -> Opening:
    yield from ()
    if shape.kind is bytes:
        yield from cursor.skip(shape.length)
        return ()
    smallest = shape.length and smallest_of(shape.item, cursor)
    cursor.charge(shape.length, smallest, cursor.offset)
    return Items(shape.item, shape.length)


def _array_smallest(shape: shapes.Array, encoding: Encoding) -> int:
    return shape.length and shape.length * smallest_size(shape.item, encoding)


def _array_parts(shape: shapes.Array, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    if shape.kind is not bytes and len(value) == shape.length:
        for position, item in enumerate(value):
            yield f"[{position}]", shape.item, item


# numpy.ndarray: count unless it is fixed, then the numbers ------------------------------------


def _numpy_dtype(shape: shapes.NumberArray, encoding: Encoding) -> str:
    return encoding.prefix + dtype_text(shape.item)


def _numpy_construct(shape: shapes.NumberArray, encoding: Encoding) -> Any:
    import construct
    import numpy

    class NumPyAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return numpy.array(list(obj), dtype=dtype_text(shape.item))

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return check(obj).tolist()

    check = array_check(shape.item, shape.length)
    item = number_construct(shape.item, encoding)
    if shape.length is not None:
        return NumPyAdapter(construct.Array(shape.length, item))
    return NumPyAdapter(construct.PrefixedArray(number_construct(COUNT, encoding), item))


def _numpy_encode(shape: shapes.NumberArray, value: str, source: EncodeSource) -> None:
    import numpy

    check = source.constant(array_check(shape.item, shape.length))
    items = source.local(f"{check}({value})")
    if shape.length is None:
        source.number(COUNT, f"len({items})")
    if source.encoding.is_varint(shape.item):
        write = source.constant(varint_writer(shape.item, source.encoding))
        source.blob(f"b''.join(map({write}, {items}.tolist()))")
        return
    convert = source.constant(numpy.ascontiguousarray)
    dtype = source.constant(numpy.dtype(_numpy_dtype(shape, source.encoding)))
    source.bulk(f"{convert}({items}, {dtype}).tobytes()")


def _numpy_decode(shape: shapes.NumberArray, source: DecodeSource) -> str:
    import numpy

    if shape.length is None:
        count = source.number(COUNT)
        source.flush()
        source.check(f"{count} * {source.encoding.smallest(shape.item)} > end - o")
    else:
        count = str(shape.length)
        source.flush()
    items, native = source.name(), source.constant(numpy.dtype(dtype_text(shape.item)))
    array = source.constant(numpy.array)
    if source.encoding.is_varint(shape.item):
        read = source.constant(varints_reader(shape.item, source.encoding))
        source.line(f"{items}, o = {read}(data, o, {count})")
    else:
        buffer = source.constant(numpy.frombuffer)
        dtype = source.constant(numpy.dtype(_numpy_dtype(shape, source.encoding)))
        source.line(f"{items} = {buffer}(data, {dtype}, {count}, o) if {count} else ()")
        source.line(f"o += {count} * {shape.item.width_bytes}")
    source.line(f"{items} = {array}({items}, {native})")
    return items


def _numpy_open(shape: shapes.NumberArray, cursor: Cursor) -> Opening:
    at, count = cursor.offset, shape.length
    smallest = cursor.encoding.smallest(shape.item)
    if count is None:
        count = yield from cursor.number(COUNT)
        if cursor.end is not None and count * smallest > cursor.end - cursor.offset:
            reason = f"{count} elements do not fit what is left of the message"
            raise cursor.fault(reason, at)
    if cursor.encoding.is_varint(shape.item):
        for _ in range(count):
            yield from cursor.number(shape.item)
    else:
        yield from cursor.skip(count * smallest)
    return ()


def _numpy_any_bytes(shape: shapes.NumberArray, encoding: Encoding) -> int | None:
    if shape.length is None or encoding.is_varint(shape.item):
        return None
    return shape.length * shape.item.width_bytes


RULES[shapes.Array] = Rule(
    construct=_array_construct,
    encode=_array_encode,
    decode=_array_decode,
    open=_array_open,
    smallest=_array_smallest,
    any_bytes=lambda shape, encoding: shape.length if shape.kind is bytes else None,
    parts=_array_parts,
)
RULES[shapes.NumberArray] = Rule(
    construct=_numpy_construct,
    encode=_numpy_encode,
    decode=_numpy_decode,
    open=_numpy_open,
    smallest=lambda shape, encoding: (
        encoding.smallest(COUNT)
        if shape.length is None
        else shape.length * encoding.smallest(shape.item)
    ),
    any_bytes=_numpy_any_bytes,
)
