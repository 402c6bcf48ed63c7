"""Rules for what holds others: Option, list and tuple[X, ...], tuple[A, B], dict.

Source: bincode 1.3 `src/ser/mod.rs` and `src/de/mod.rs` with the options of its plain functions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, Fault, Walk
from lazyipc._core.layout.rule import RULES, Rule, construct_of, decode, encode, smallest_size, walk
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource

# Option: one byte, 0 for None, 1 and the value -------------------------------------------------


def _option_construct(shape: shapes.Option) -> Any:
    import construct

    class OptionAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return obj.value if obj.some else None

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return {"some": obj is not None, "value": obj}

    some = construct_of(shapes.Bool())
    item = construct.If(construct.this.some, construct_of(shape.item))
    return OptionAdapter(construct.Struct("some" / some, "value" / item))


def _option_encode(shape: shapes.Option, value: str, source: EncodeSource) -> None:
    item = source.local(value)
    source.spill()
    with source.block(f"if {item} is None:"):
        source.blob(r"b'\0'")
        source.spill()
    with source.block("else:"):
        source.fixed("B", "1")
        encode(shape.item, item, source)
        source.spill()


def _option_decode(shape: shapes.Option, source: DecodeSource) -> str:
    tag, value = source.fixed("B"), source.name()
    source.flush()
    source.line(f"{value} = None")
    with source.block(f"if {tag}:"):
        source.check(f"{tag} != 1")
        expression = decode(shape.item, source)
        source.flush()
        source.line(f"{value} = {expression}")
    return value


def _option_walk(shape: shapes.Option, cursor: Cursor) -> Walk:
    tag = yield from cursor.byte()
    if tag > 1:
        raise cursor.fault(f"an Option begins with 0 or 1, not {tag}", cursor.offset - 1)
    if tag:
        yield from walk(shape.item, cursor)


def _option_parts(shape: shapes.Option, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    if value is not None:
        yield "", shape.item, value


# list, tuple[X, ...]: u64 count, then the elements ---------------------------------------------


def _vector_construct(shape: shapes.Vector) -> Any:
    import construct

    class VectorAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return shape.kind(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return obj

    return VectorAdapter(construct.PrefixedArray(construct.Int64ul, construct_of(shape.item)))


def _vector_encode(shape: shapes.Vector, value: str, source: EncodeSource) -> None:
    items = source.local(value)
    source.fixed("Q", f"len({items})")
    if isinstance(shape.item, Number):
        pack = source.constant(struct.pack)
        source.blob(f"{pack}(f'<{{len({items})}}{shape.item.format}', *{items})")
        return
    source.spill()
    item = source.name()
    with source.block(f"for {item} in {items}:"):
        encode(shape.item, item, source)
        source.spill()
        source.line("pass")


def _vector_decode(shape: shapes.Vector, source: DecodeSource) -> str:
    count = _charged_count(smallest_size(shape.item), source)
    items = source.name()
    if isinstance(shape.item, Number):
        unpack = source.constant(struct.unpack_from)
        source.line(f"{items} = {unpack}(f'<{{{count}}}{shape.item.format}', data, o)")
        source.line(f"o += {count} * {shape.item.width_bytes}")
        return f"list({items})" if shape.kind is list else items
    source.line(f"{items} = []")
    with source.block(f"for {source.name()} in range({count}):"):
        expression = decode(shape.item, source)
        source.flush()
        source.line(f"{items}.append({expression})")
    return items if shape.kind is list else f"tuple({items})"


def _charged_count(smallest: int, source: DecodeSource) -> str:
    """Read a count and charge for it, before any memory is taken for its elements."""
    count = source.fixed("Q")
    source.flush()
    source.line(f"k -= {count}")
    source.check(f"k < 0 or {count} * {smallest} > end - o")
    return count


def _vector_walk(shape: shapes.Vector, cursor: Cursor) -> Walk:
    count = yield from cursor.count(smallest_size(shape.item))
    if isinstance(shape.item, Number):
        yield from cursor.skip(count * shape.item.width_bytes)
        return
    if not smallest_size(shape.item):
        return  # then it is made of nothings alone
    for position in range(count):
        try:
            yield from walk(shape.item, cursor)
        except Fault as fault:
            raise fault.within(f"[{position}]") from fault.__cause__


def _vector_parts(shape: shapes.Vector, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for position, item in enumerate(value):
        yield f"[{position}]", shape.item, item


# tuple[A, B]: one after the other --------------------------------------------------------------


def _product_construct(shape: shapes.Product) -> Any:
    import construct

    class ProductAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return tuple(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            if len(obj) != len(shape.items):
                raise construct.ValidationError(f"{len(obj)} items, not {len(shape.items)}", path)
            return obj

    return ProductAdapter(construct.Sequence(*map(construct_of, shape.items)))


def _product_encode(shape: shapes.Product, value: str, source: EncodeSource) -> None:
    if not shape.items:
        return
    names = [source.name() for _ in shape.items]
    source.line(f"{', '.join(names)}, = {value}")
    for name, item in zip(names, shape.items, strict=True):
        encode(item, name, source)


def _product_decode(shape: shapes.Product, source: DecodeSource) -> str:
    return f"({''.join(decode(item, source) + ', ' for item in shape.items)})"


def _product_walk(shape: shapes.Product, cursor: Cursor) -> Walk:
    for position, item in enumerate(shape.items):
        try:
            yield from walk(item, cursor)
        except Fault as fault:
            raise fault.within(f"[{position}]") from fault.__cause__


def _product_parts(shape: shapes.Product, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for position, (part, item) in enumerate(zip(shape.items, value, strict=True)):
        yield f"[{position}]", part, item


# dict: u64 count, then key and value of each pair ----------------------------------------------


def _mapping_construct(shape: shapes.Mapping) -> Any:
    import construct

    class MappingAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return dict(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return list(obj.items())

    pair = construct.Sequence(construct_of(shape.key), construct_of(shape.value))
    return MappingAdapter(construct.PrefixedArray(construct.Int64ul, pair))


def _mapping_encode(shape: shapes.Mapping, value: str, source: EncodeSource) -> None:
    items, key, item = source.local(value), source.name(), source.name()
    source.fixed("Q", f"len({items})")
    source.spill()
    with source.block(f"for {key}, {item} in {items}.items():"):
        encode(shape.key, key, source)
        encode(shape.value, item, source)
        source.spill()
        source.line("pass")


def _mapping_decode(shape: shapes.Mapping, source: DecodeSource) -> str:
    count = _charged_count(smallest_size(shape.key) + smallest_size(shape.value), source)
    items, key = source.name(), source.name()
    source.line(f"{items} = {{}}")
    with source.block(f"for {source.name()} in range({count}):"):
        expression = decode(shape.key, source)
        source.flush()
        source.line(f"{key} = {expression}")
        expression = decode(shape.value, source)
        source.flush()
        source.line(f"{items}[{key}] = {expression}")
    return items


def _mapping_walk(shape: shapes.Mapping, cursor: Cursor) -> Walk:
    smallest = smallest_size(shape.key) + smallest_size(shape.value)
    count = yield from cursor.count(smallest)
    for position in range(count):
        try:
            yield from walk(shape.key, cursor)
            yield from walk(shape.value, cursor)
        except Fault as fault:
            raise fault.within(f"[pair {position}]") from fault.__cause__


def _mapping_parts(shape: shapes.Mapping, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for key, item in value.items():
        yield f"[key {key!r}]", shape.key, key
        yield f"[{key!r}]", shape.value, item


RULES[shapes.Option] = Rule(
    construct=_option_construct,
    encode=_option_encode,
    decode=_option_decode,
    walk=_option_walk,
    smallest=lambda shape: 1,
    parts=_option_parts,
)
RULES[shapes.Vector] = Rule(
    construct=_vector_construct,
    encode=_vector_encode,
    decode=_vector_decode,
    walk=_vector_walk,
    smallest=lambda shape: 8,
    parts=_vector_parts,
)
RULES[shapes.Product] = Rule(
    construct=_product_construct,
    encode=_product_encode,
    decode=_product_decode,
    walk=_product_walk,
    smallest=lambda shape: sum(map(smallest_size, shape.items)),
    parts=_product_parts,
)
RULES[shapes.Mapping] = Rule(
    construct=_mapping_construct,
    encode=_mapping_encode,
    decode=_mapping_decode,
    walk=_mapping_walk,
    smallest=lambda shape: 8,
    parts=_mapping_parts,
)
