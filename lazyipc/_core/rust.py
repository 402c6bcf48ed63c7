"""A shape as Rust would declare it, with what each field takes: for people to check against Rust.

Knows shapes and encodings; reads and writes no bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lazyipc._core import shape as shapes
from lazyipc._core.encoding import COUNT, INDEX, Encoding
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape

_COMMENT_COLUMN = 40
_INDENT = "    "

_LARGEST_VARINT = {2: 3, 4: 5, 8: 9, 16: 17}
"""The most bytes a varint takes, by the width of its number."""


def type_name(shape: Shape) -> str:
    """What Rust calls a shape.

    >>> type_name(shapes.Option(shapes.Vector(shapes.Text(), list)))
    'Option<Vec<String>>'
    """
    match shape:
        case Number(name):
            return name
        case shapes.Bool():
            return "bool"
        case shapes.Char():
            return "char"
        case shapes.Text():
            return "String"
        case shapes.Blob():
            return "Vec<u8>"
        case shapes.Unit():
            return "()"
        case shapes.Option(item):
            return f"Option<{type_name(item)}>"
        case shapes.Vector(item, _):
            return f"Vec<{type_name(item)}>"
        case shapes.Set(item, _):
            return f"BTreeSet<{type_name(item)}>"
        case shapes.Array(item, length, _):
            return f"[{type_name(item)}; {length}]"
        case shapes.NumberArray(item, length):
            return f"Vec<{item.name}>" if length is None else f"[{item.name}; {length}]"
        case shapes.Product((item,)):
            return f"({type_name(item)},)"
        case shapes.Product(items):
            return f"({', '.join(map(type_name, items))})"
        case shapes.Mapping(key, value):
            return f"HashMap<{type_name(key)}, {type_name(value)}>"
        case shapes.Enumeration(kind, _):
            return kind.__name__
        case shapes.Converted(_, rust):
            return rust
        case shapes.Reference(_, target, False):
            return type_name(target.shape)
        case shapes.Reference(name, target):
            inner = type_name(target.shape) if _has_name(target.shape) else _identifier(name)
            return f"Box<{inner}>"
        case shapes.Structure(_, name) | shapes.Choice(name):
            return _identifier(name)


def _identifier(name: str) -> str:
    """A name such as `Page[int]` or `Kicked | Missing` as one word."""
    words = re.findall(r"\w+", name.replace(" | ", " or "))
    return words[0] if len(words) == 1 else "".join(word[:1].upper() + word[1:] for word in words)


def exact_size(shape: Shape, encoding: Encoding) -> int | None:
    """How many bytes each value takes; None where that depends on the value."""
    match shape:
        case Number():
            return None if encoding.is_varint(shape) else shape.width_bytes
        case shapes.Bool():
            return 1
        case shapes.Unit():
            return 0
        case shapes.Enumeration():
            return exact_size(INDEX, encoding)
        case shapes.Array(item, int(length), _) | shapes.NumberArray(item, int(length)):
            size = exact_size(item, encoding)
            return None if size is None else size * length
        case shapes.Product() | shapes.Structure() | shapes.Converted():
            sizes = [exact_size(child, encoding) for child in shapes.children(shape)]
            return None if None in sizes else sum(size or 0 for size in sizes)
    return None


def takes(shape: Shape, encoding: Encoding) -> str:
    """What a value is on the wire, in words.

    >>> takes(shapes.Text(), Encoding())
    'u64 count of bytes, UTF-8'
    """
    match shape:
        case Number() if encoding.is_varint(shape):
            return f"varint, 1 to {_LARGEST_VARINT[shape.width_bytes]} bytes"
        case shapes.Bool():
            return "1 byte, 0 or 1"
        case shapes.Char():
            return "1 to 4 bytes, UTF-8"
        case shapes.Text():
            return f"{_head(COUNT, encoding)} count of bytes, UTF-8"
        case shapes.Blob():
            return f"{_head(COUNT, encoding)} count, the bytes"
        case shapes.Option():
            return "1 byte, 0 or 1; after 1 the value"
        case shapes.Vector() | shapes.Set() | shapes.NumberArray(_, None):
            return f"{_head(COUNT, encoding)} count, the items"
        case shapes.Mapping():
            return f"{_head(COUNT, encoding)} count, each key and its value"
        case shapes.Enumeration():
            return f"{_head(INDEX, encoding)} index"
        case shapes.Choice():
            return f"{_head(INDEX, encoding)} index, the variant"
        case shapes.Reference(_, target):
            return takes(target.shape, encoding)
        case shapes.Converted(wire=wire):
            return takes(wire, encoding)
    size = exact_size(shape, encoding)
    if size is None:
        return "each item" if isinstance(shape, shapes.Array | shapes.NumberArray) else "its fields"
    return "1 byte" if size == 1 else f"{size} bytes" if size else "no bytes"


def _head(number: Number, encoding: Encoding) -> str:
    return f"varint {number.name}" if encoding.is_varint(number) else number.name


def declaration(shape: Shape, encoding: Encoding) -> str:
    """The declarations of a type and of all it is made of, each once, the outermost first.

    Each field's comment says what it takes; where it stands, as long as that does not depend on
    the values before it.
    """
    integers = "varint" if encoding.varint else "fixed-width"
    lines = [f"// bincode, {encoding.byte_order}-endian, {integers} integers"]
    found = _declared(shape)
    if not any(_resolved(each) is shape for each in found):
        lines += ["", *_aligned([(f"type {type_name(shape)}", takes(shape, encoding))])]
    for each in found:
        lines += ["", *_aligned(_lines_of(each, encoding))]
    return "\n".join(lines)


def _declared(shape: Shape) -> list[Shape]:
    """What needs a declaration: structs and enums, each class once."""
    found: dict[object, Shape] = {}

    def visit(shape: Shape) -> None:
        match shape:
            case shapes.Converted():
                return
            case shapes.Structure(key) | shapes.Enumeration(key) | shapes.Choice(key):
                if key in found:
                    return
                found[key] = shape
            case shapes.Reference(name, target) if not _has_name(target.shape):
                found[name] = shape
            case shapes.Reference(_, target):
                visit(target.shape)
        for child in shapes.children(shape):
            # The fields of a variant stand inside its enum.
            inside = isinstance(shape, shapes.Choice) and isinstance(child, shapes.Structure)
            for each in shapes.children(child) if inside else (child,):
                visit(each)

    visit(shape)
    return list(found.values())


def _resolved(shape: Shape) -> Shape:
    return shape.target.shape if isinstance(shape, shapes.Reference) else shape


def _has_name(shape: Shape) -> bool:
    """Whether a shape is a class, and no alias of something that has no name in Rust."""
    return isinstance(shape, shapes.Structure | shapes.Choice)


def _lines_of(shape: Shape, encoding: Encoding) -> Iterator[tuple[str, str]]:
    name = type_name(shape)
    if isinstance(shape, shapes.Reference):
        aliased = shape.target.shape
        yield f"type {_identifier(shape.name)} = {type_name(aliased)}", takes(aliased, encoding)
        return
    if isinstance(shape, shapes.Structure):
        yield f"struct {name} {{", takes(shape, encoding)
        yield from _field_lines(shape, _INDENT, 0, encoding)
    else:
        yield f"enum {name} {{", takes(shape, encoding)
    if isinstance(shape, shapes.Enumeration):
        for index, member in enumerate(shape.members):
            yield f"{_INDENT}{member.name},", f"index {index}"
    if isinstance(shape, shapes.Choice):
        for case in shape.cases:
            yield from _case_lines(case, encoding)
    yield "}", ""


def _case_lines(case: shapes.Case, encoding: Encoding) -> Iterator[tuple[str, str]]:
    name, index = _identifier(case.name), f"index {case.index}"
    if not isinstance(case.shape, shapes.Structure):
        yield (
            f"{_INDENT}{name}({type_name(case.shape)}),",
            f"{index}; {takes(case.shape, encoding)}",
        )
    elif not case.shape.fields:
        yield f"{_INDENT}{name},", index
    else:
        yield f"{_INDENT}{name} {{", index
        start = exact_size(INDEX, encoding)
        yield from _field_lines(case.shape, 2 * _INDENT, start, encoding)
        yield f"{_INDENT}}},", ""


def _field_lines(
    shape: shapes.Structure, indent: str, offset: int | None, encoding: Encoding
) -> Iterator[tuple[str, str]]:
    for field in shape.fields:
        where = f"at {offset}: " if offset is not None else ""
        taken = where + takes(field.shape, encoding)
        yield f"{indent}{field.name}: {type_name(field.shape)},", taken
        size = exact_size(field.shape, encoding)
        offset = None if offset is None or size is None else offset + size


def _aligned(lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    for text, comment in lines:
        yield f"{text:<{_COMMENT_COLUMN}}// {comment}" if comment else text
