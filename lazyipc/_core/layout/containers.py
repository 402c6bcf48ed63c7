"""Rules for Option and tuple[A, B].

Source: bincode 1.3 `src/ser/mod.rs` and `src/de/mod.rs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import Encoding
from lazyipc._core.layout.rule import (
    RULES,
    Opening,
    Part,
    Rule,
    any_bytes_together,
    construct_of,
    decode,
    encode,
    smallest_size,
)
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource

# Option: one byte, 0 for None, 1 and the value -------------------------------------------------


def _option_construct(shape: shapes.Option, encoding: Encoding) -> Any:
    import construct

    class OptionAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return obj.value if obj.some else None

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return {"some": obj is not None, "value": obj}

    some = construct_of(shapes.Bool(), encoding)
    item = construct.If(construct.this.some, construct_of(shape.item, encoding))
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


def _option_open(shape: shapes.Option, cursor: Cursor) -> Opening:
    tag = yield from cursor.byte()
    if tag > 1:
        raise cursor.fault(f"an Option begins with 0 or 1, not {tag}", cursor.offset - 1)
    return (Part("", None, shape.item),) if tag else ()


def _option_parts(shape: shapes.Option, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    if value is not None:
        yield "", shape.item, value


# tuple[A, B]: one after the other --------------------------------------------------------------


def _product_construct(shape: shapes.Product, encoding: Encoding) -> Any:
    import construct

    class ProductAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return tuple(obj)

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            if len(obj) != len(shape.items):
                raise construct.ValidationError(f"{len(obj)} items, not {len(shape.items)}", path)
            return obj

    return ProductAdapter(
        construct.Sequence(*(construct_of(item, encoding) for item in shape.items))
    )


def _product_encode(shape: shapes.Product, value: str, source: EncodeSource) -> None:
    if not shape.items:
        return
    names = [source.name() for _ in shape.items]
    source.line(f"{', '.join(names)}, = {value}")
    for name, item in zip(names, shape.items, strict=True):
        encode(item, name, source)


def _product_decode(shape: shapes.Product, source: DecodeSource) -> str:
    return f"({''.join(decode(item, source) + ', ' for item in shape.items)})"


def _product_open(shape: shapes.Product, cursor: Cursor) -> Opening:
    yield from ()
    parts: tuple[Part, ...] | None = cursor.parts.get(id(shape))
    if parts is None:
        numbered = enumerate(shape.items)
        parts = tuple(Part(f"[{position}]", position, item) for position, item in numbered)
        cursor.parts[id(shape)] = parts
    return parts


def _product_smallest(shape: shapes.Product, encoding: Encoding) -> int:
    return sum(smallest_size(item, encoding) for item in shape.items)


def _product_parts(shape: shapes.Product, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for position, (part, item) in enumerate(zip(shape.items, value, strict=True)):
        yield f"[{position}]", part, item


RULES[shapes.Option] = Rule(
    construct=_option_construct,
    encode=_option_encode,
    decode=_option_decode,
    open=_option_open,
    smallest=lambda shape, encoding: 1,
    parts=_option_parts,
)
RULES[shapes.Product] = Rule(
    construct=_product_construct,
    encode=_product_encode,
    decode=_product_decode,
    open=_product_open,
    smallest=_product_smallest,
    any_bytes=lambda shape, encoding: any_bytes_together(shape.items, encoding),
    parts=_product_parts,
)
