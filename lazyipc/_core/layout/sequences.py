"""Rules for any number of items: list and tuple[X, ...], set, dict; what arrays share with them.

Source: bincode 1.3 `src/ser/mod.rs` and `src/de/mod.rs`; the order of a BTreeSet is Rust's `Ord`.
"""

from __future__ import annotations

import struct
import sys
from array import array as array_type
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.conversion import IP_ADDRESS, path_order
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import COUNT, MOST_EMPTY, Encoding, varint_writer, varints_reader
from lazyipc._core.layout.hashes import hash_check, may_collide
from lazyipc._core.layout.numbers import number_construct
from lazyipc._core.layout.rule import (
    RULES,
    Items,
    Opening,
    Part,
    Rule,
    construct_of,
    decode,
    encode,
    smallest_of,
    smallest_size,
)
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource

# Items, however many ---------------------------------------------------------------------------


def encode_items(item: Shape, items: str, source: EncodeSource) -> None:
    """Write the code that encodes all items of a sequence; numbers go in one call."""
    if isinstance(item, Number) and source.encoding.is_varint(item):
        write = source.constant(varint_writer(item, source.encoding))
        source.blob(f"b''.join(map({write}, {items}))")
    elif isinstance(item, Number) and _array_code(item, source.encoding):
        array = source.constant(array_type)
        # It would take bytes for what a machine holds in memory.
        source.line(f"if {items}.__class__ in (bytes, bytearray): {items} = [*{items}]")
        source.bulk(f"{array}({_array_code(item, source.encoding)!r}, {items}).tobytes()")
    elif isinstance(item, Number) and item.format:
        pack = source.constant(struct.pack)
        prefix = source.encoding.prefix
        source.bulk(f"{pack}(f'{prefix}{{len({items})}}{item.format}', *{items})")
    else:
        source.spill()
        each = source.name()
        with source.block(f"for {each} in {items}:"):
            encode(item, each, source)
            source.spill()
            source.line("pass")


def _array_code(number: Number, encoding: Encoding) -> str:
    """The type code of an `array` that holds numbers as they travel; empty where there is none.

    It takes integers 20 % faster than `struct`; floats slower, and an F32 without its bounds.
    """
    if number.is_float or encoding.byte_order != sys.byteorder:
        return ""
    codes = (code for code in "BHILQbhilq" if code.islower() == number.is_signed)
    return next((c for c in codes if array_type(c).itemsize == number.width_bytes), "")


def decode_items(item: Shape, count: str, kind: type, source: DecodeSource) -> str:
    """Write the code that decodes that many items, once they are charged for."""
    items = source.name()
    if isinstance(item, Number) and source.encoding.is_varint(item):
        read = source.constant(varints_reader(item, source.encoding))
        source.line(f"{items}, o = {read}(data, o, {count})")
        return items if kind is list else f"{kind.__name__}({items})"
    if isinstance(item, Number) and item.format:
        unpack = source.constant(struct.unpack_from)
        source.line(
            f"{items} = {unpack}(f'{source.encoding.prefix}{{{count}}}{item.format}', data, o)"
        )
        source.line(f"o += {count} * {item.width_bytes}")
        return items if kind is tuple else f"{kind.__name__}({items})"
    source.line(f"{items} = []")
    with source.block(f"for {source.name()} in range({count}):"):
        expression = decode(item, source)
        source.flush()
        source.line(f"{items}.append({expression})")
    return items if kind is list else f"{kind.__name__}({items})"


def _items_open(shape: shapes.Vector | shapes.Set, cursor: Cursor) -> Opening:
    if cursor.stop is not None:
        cursor.stop_at(shape)
    count = yield from cursor.count(smallest_of(shape.item, cursor))
    return Items(shape.item, count)


def _write_count(item: Shape, items: str, source: EncodeSource) -> None:
    if not smallest_size(item, source.encoding):
        source.line(f"{source.constant(_check_empties)}({items})")
    source.number(COUNT, f"len({items})")


def _check_empties(items: Any) -> None:
    """Refuse what no side would take."""
    if len(items) > MOST_EMPTY:
        raise ValueError(
            f"{len(items)} elements that take no bytes; at most {MOST_EMPTY} may travel"
        )


def _read_count(smallest: int, source: DecodeSource) -> str:
    count = source.number(COUNT)
    source.flush()
    source.charge(count, smallest)
    return count


def _counted_smallest(shape: Shape, encoding: Encoding) -> int:
    return encoding.smallest(COUNT)


def _items_parts(shape: Any, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for position, item in enumerate(value):
        yield f"[{position}]", shape.item, item


def _set_parts(shape: shapes.Set, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for item in value:  # in an order of their own, so a position would say nothing
        yield "", shape.item, item


# list, tuple[X, ...]: count, then the elements -------------------------------------------------


def _vector_construct(shape: shapes.Vector, encoding: Encoding) -> Any:
    import construct

    class VectorAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return shape.kind(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return obj

    count, item = number_construct(COUNT, encoding), construct_of(shape.item, encoding)
    return VectorAdapter(construct.PrefixedArray(count, item))


def _vector_encode(shape: shapes.Vector, value: str, source: EncodeSource) -> None:
    items = source.local(value)
    _write_count(shape.item, items, source)
    encode_items(shape.item, items, source)


def _vector_decode(shape: shapes.Vector, source: DecodeSource) -> str:
    count = _read_count(smallest_size(shape.item, source.encoding), source)
    return decode_items(shape.item, count, shape.kind, source)


# set, frozenset: like a list, in Rust's order --------------------------------------------------


def _set_construct(shape: shapes.Set, encoding: Encoding) -> Any:
    import construct

    key = order_of(shape.item)

    class SetAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return shape.kind(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return sorted(obj, key=key)

    count, item = number_construct(COUNT, encoding), construct_of(shape.item, encoding)
    return SetAdapter(construct.PrefixedArray(count, item))


def _set_encode(shape: shapes.Set, value: str, source: EncodeSource) -> None:
    key, sort = order_of(shape.item), source.constant(sorted)
    by = f", key={source.constant(key)}" if key is not None else ""
    items = source.local(f"{sort}({value}{by})")
    _write_count(shape.item, items, source)
    encode_items(shape.item, items, source)


def _set_decode(shape: shapes.Set, source: DecodeSource) -> str:
    start = source.here() if may_collide(shape.item) else ""
    count = _read_count(smallest_size(shape.item, source.encoding), source)
    if not start:
        return decode_items(shape.item, count, shape.kind, source)
    items = decode_items(shape.item, count, list, source)
    source.line(f"{source.constant(hash_check(shape))}({items}, {start})")
    return f"{shape.kind.__name__}({items})"


def order_of(shape: Shape) -> Callable[[Any], Any] | None:
    """What values of a shape are sorted by to stand in Rust's order; None for themselves."""
    match shape:
        case shapes.Enumeration(_, members):
            return {member: position for position, member in enumerate(members)}.__getitem__
        case shapes.Option(item):
            by_item = order_of(item) or _itself
            return lambda value: () if value is None else (by_item(value),)
        case shapes.Product(items):
            return _order_of_parts([order_of(item) for item in items], iter)
        case shapes.Structure(fields=fields):
            values = [attrgetter(field.name) for field in fields]
            orders = [order_of(field.shape) for field in fields]
            return _order_of_parts(orders, lambda value: (get(value) for get in values))
        case shapes.Vector(item) | shapes.Array(item):
            by_each = order_of(item)
            return None if by_each is None else lambda value: tuple(map(by_each, value))
        case shapes.Set(item):
            by_member = order_of(item) or _itself
            return lambda value: sorted(map(by_member, value))
        case shapes.Choice() if shape is IP_ADDRESS:
            return lambda address: (address.version, address)
        case shapes.Converted("path"):
            return path_order
    return None


def _order_of_parts(
    orders: list[Callable[[Any], Any] | None], parts: Callable[[Any], Iterator[Any]]
) -> Callable[[Any], Any] | None:
    if not any(orders):
        return None
    keys = [order or _itself for order in orders]
    return lambda value: tuple(key(part) for key, part in zip(keys, parts(value), strict=True))


def _itself(value: Any) -> Any:
    return value


# dict: count, then key and value of each pair --------------------------------------------------


def _mapping_construct(shape: shapes.Mapping, encoding: Encoding) -> Any:
    import construct

    class MappingAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return dict(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return list(obj.items())

    pair = construct.Sequence(
        construct_of(shape.key, encoding), construct_of(shape.value, encoding)
    )
    return MappingAdapter(construct.PrefixedArray(number_construct(COUNT, encoding), pair))


def _smallest_pair(shape: shapes.Mapping, encoding: Encoding) -> int:
    return smallest_size(shape.key, encoding) + smallest_size(shape.value, encoding)


def _mapping_encode(shape: shapes.Mapping, value: str, source: EncodeSource) -> None:
    items, key, item = source.local(value), source.name(), source.name()
    source.number(COUNT, f"len({items})")
    source.spill()
    with source.block(f"for {key}, {item} in {items}.items():"):
        encode(shape.key, key, source)
        encode(shape.value, item, source)
        source.spill()
        source.line("pass")


def _mapping_decode(shape: shapes.Mapping, source: DecodeSource) -> str:
    start = source.here() if may_collide(shape.key) else ""
    count = _read_count(_smallest_pair(shape, source.encoding), source)
    keys, values = source.name(), source.name()
    source.line(f"{keys} = []")
    source.line(f"{values} = []")
    with source.block(f"for {source.name()} in range({count}):"):
        for item, items in ((shape.key, keys), (shape.value, values)):
            expression = decode(item, source)
            source.flush()
            source.line(f"{items}.append({expression})")
    if start:
        source.line(f"{source.constant(hash_check(shape))}({keys}, {start})")
    return f"dict({source.constant(zip)}({keys}, {values}))"


def _mapping_open(shape: shapes.Mapping, cursor: Cursor) -> Opening:
    if cursor.stop is not None:
        cursor.stop_at(shape)
    smallest = smallest_of(shape.key, cursor) + smallest_of(shape.value, cursor)
    count = yield from cursor.count(smallest)
    return _pairs(shape, count)


def _pairs(shape: shapes.Mapping, count: int) -> Iterator[Part]:
    for position in range(count):
        yield Part(f"[pair {position}].key", None, shape.key)
        yield Part(f"[pair {position}].value", None, shape.value)


def _mapping_parts(shape: shapes.Mapping, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for key, item in value.items():
        yield f"[key {key!r}]", shape.key, key
        yield f"[{key!r}]", shape.value, item


RULES[shapes.Vector] = Rule(
    construct=_vector_construct,
    encode=_vector_encode,
    decode=_vector_decode,
    open=_items_open,
    smallest=_counted_smallest,
    parts=_items_parts,
)
RULES[shapes.Set] = Rule(
    construct=_set_construct,
    encode=_set_encode,
    decode=_set_decode,
    open=_items_open,
    smallest=_counted_smallest,
    parts=_set_parts,
)
RULES[shapes.Mapping] = Rule(
    construct=_mapping_construct,
    encode=_mapping_encode,
    decode=_mapping_decode,
    open=_mapping_open,
    smallest=_counted_smallest,
    parts=_mapping_parts,
)
