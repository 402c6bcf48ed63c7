"""Shapes: a frozen tree of what travels, in the order it travels.

Codec, construct, fingerprint and description are all made from the tree, so they cannot see
different things. Knows nothing of bytes, nor of how a type is declared.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any, Literal

from lazyipc._core.record import Value
from lazyipc._core.scalars import Number


class Bool(Value):
    """One byte, 0 or 1."""


class Char(Value):
    """One character: its UTF-8, one to four bytes."""


class Text(Value):
    """A string: UTF-8 behind its length in bytes."""


class Blob(Value):
    """Raw bytes behind their count (Rust: Vec<u8>)."""


class Unit(Value):
    """None: no bytes at all (Rust: ())."""


class Option(Value):
    """A value or None."""

    item: Shape


class Vector(Value):
    """Any number of one shape (Rust: Vec); `kind` is list or tuple."""

    item: Shape
    kind: type


class Set(Value):
    """Any number of one shape, each once (Rust: BTreeSet); `kind` is set or frozenset."""

    item: Shape
    kind: type


class Array(Value):
    """A fixed number of one shape (Rust: [T; N]); `kind` is list, tuple or bytes."""

    item: Shape
    length: int
    kind: type


class NumberArray(Value):
    """Numbers in a `numpy.ndarray`: a Vec, or an array where its length is fixed."""

    item: Number
    length: int | None


class Product(Value):
    """A tuple of fixed length."""

    items: tuple[Shape, ...]


class Mapping(Value):
    """Pairs in the order of the dict (Rust: HashMap, BTreeMap)."""

    key: Shape
    value: Shape


class Enumeration(Value):
    """One of an Enum's members, by position (Rust: an enum of unit variants)."""

    type: type[enum.Enum]
    members: tuple[enum.Enum, ...]


class Converted(Value):
    """A value that travels as another: a Path as its text, a UUID as its bytes."""

    name: str
    rust: str
    wire: Shape
    to_wire: Callable[[Any], Any]
    """What travels for a value; raises ValueError where nothing can."""
    from_wire: Callable[[Any], Any]
    """The value; raises ValueError, saying why, where there is none."""


class Field(Value):
    """A field: its name, the key pydantic reads it by, and its shape."""

    name: str
    key: str
    shape: Shape


class Structure(Value):
    """A class's fields, one after the other, nothing between."""

    type: type
    name: str
    fields: tuple[Field, ...]
    kind: Literal["model", "dataclass", "namedtuple"] = "model"


class Case(Value):
    """One variant of a Choice: values of exactly this type have this shape."""

    index: int
    name: str
    type: type
    shape: Shape


class Choice(Value):
    """One of several types, behind its u32 index (Rust: an enum)."""

    name: str
    cases: tuple[Case, ...]


class Target:
    """What a Reference leads to: a shape, known once it is complete."""

    __slots__ = ("code", "shape")

    def __init__(self) -> None:
        self.shape: Shape
        self.code: dict[Any, Any] = {}
        """Functions made from the shape, by what they are for."""


class Reference(Value, hidden=("target",)):
    """A shape that stands elsewhere too: a family, or a class inside itself.

    Args:
        is_inside: whether the target is what it stands in, so that following it is one level more.
    """

    name: str
    target: Target
    is_inside: bool = True


Shape = (
    Number
    | Bool
    | Char
    | Text
    | Blob
    | Unit
    | Option
    | Vector
    | Set
    | Array
    | NumberArray
    | Product
    | Mapping
    | Enumeration
    | Converted
    | Structure
    | Choice
    | Reference
)


def children(shape: Shape) -> Iterator[Shape]:
    """The shapes directly inside one; a Reference has none of its own."""
    match shape:
        case Structure(_, _, inner):
            yield from (part.shape for part in inner)
        case Choice(_, cases):
            yield from (case.shape for case in cases)
        case Product(items):
            yield from items
        case Converted(wire=wire):
            yield wire
        case Mapping(key, value):
            yield from (key, value)
        case Option(item) | Vector(item) | Set(item) | Array(item) | NumberArray(item):
            yield item


def is_endless(root: Shape) -> bool:
    """Whether each value of a shape would hold another one of what it stands in, and so on.

    What is around the root is taken to have an end: it is asked about by itself.
    """
    known: dict[int, bool] = {}
    around: list[Shape] = []

    def visit(shape: Shape) -> bool:
        match shape:
            case Reference(_, target, True):
                meant = getattr(target, "shape", None)  # not known of what is not complete
                return any(meant is outer for outer in around)
            case Reference(_, target):
                if id(target) not in known:
                    known[id(target)] = False
                    known[id(target)] = visit(target.shape)
                return known[id(target)]
            case Array(item, length):
                return length > 0 and visit(item)
            case Structure() | Product() | Converted() | Choice():
                around.append(shape)
                found = map(visit, children(shape))
                endless = all(found) if isinstance(shape, Choice) else any(found)
                around.pop()
                return endless
        return False

    return visit(root)
