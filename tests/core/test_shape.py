"""The tree by itself: what is directly inside a shape, what never ends, what is equal to what."""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable
from typing import Any, get_args

import pytest

from lazyipc._core import shape as shapes
from lazyipc._core.annotation import shape_of
from lazyipc._core.layout.rule import RULES, Rule
from lazyipc._core.scalars import Number
from tests.core.declared_types import Chain, Figure, Point, Tree
from tests.core.matrix import MATRIX, Row

U8 = Number("u8")
TEXT = shapes.Text()


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


def structure(*parts: shapes.Shape) -> shapes.Structure:
    fields = [shapes.Field(f"f{number}", f"f{number}", part) for number, part in enumerate(parts)]
    return shapes.Structure(object, "Some", tuple(fields))


def choice(*parts: shapes.Shape) -> shapes.Choice:
    cases = [shapes.Case(number, f"C{number}", object, part) for number, part in enumerate(parts)]
    return shapes.Choice("Some", tuple(cases))


def converted(wire: shapes.Shape) -> shapes.Converted:
    return shapes.Converted("some", "Some", wire, str, str)


TARGET = shapes.Target()
TARGET.shape = TEXT
BACK = shapes.Reference("Some", TARGET)


def inside(build: Callable[[shapes.Reference], shapes.Shape]) -> shapes.Shape:
    """A shape with references to itself in it."""
    target = shapes.Target()
    target.shape = build(shapes.Reference("Some", target))
    return target.shape


def beside(shape: shapes.Shape) -> shapes.Reference:
    """A reference to what stands elsewhere too."""
    target = shapes.Target()
    target.shape = shape
    return shapes.Reference("Other", target, False)


CHILDREN: dict[type, tuple[Any, list[Any]]] = {
    Number: (U8, []),
    shapes.Bool: (shapes.Bool(), []),
    shapes.Char: (shapes.Char(), []),
    shapes.Text: (TEXT, []),
    shapes.Blob: (shapes.Blob(), []),
    shapes.Unit: (shapes.Unit(), []),
    shapes.Enumeration: (shapes.Enumeration(Side, tuple(Side)), []),
    shapes.Reference: (BACK, []),
    shapes.Option: (shapes.Option(U8), [U8]),
    shapes.Vector: (shapes.Vector(U8, list), [U8]),
    shapes.Set: (shapes.Set(TEXT, set), [TEXT]),
    shapes.Array: (shapes.Array(TEXT, 3, tuple), [TEXT]),
    shapes.NumberArray: (shapes.NumberArray(U8, None), [U8]),
    shapes.Product: (shapes.Product((U8, TEXT, U8)), [U8, TEXT, U8]),
    shapes.Mapping: (shapes.Mapping(TEXT, U8), [TEXT, U8]),
    shapes.Converted: (converted(TEXT), [TEXT]),
    shapes.Structure: (structure(U8, TEXT), [U8, TEXT]),
    shapes.Choice: (choice(TEXT, U8), [TEXT, U8]),
}


def test_each_kind_is_in_the_table() -> None:
    assert set(CHILDREN) == set(get_args(shapes.Shape))
    assert {kind for kind in CHILDREN if isinstance(RULES[kind], Rule)} == set(RULES)


@pytest.mark.parametrize("kind", CHILDREN, ids=lambda kind: kind.__name__)
def test_children_are_what_is_directly_inside_in_order(kind: type) -> None:
    shape, expected = CHILDREN[kind]
    assert list(shapes.children(shape)) == expected


@pytest.mark.parametrize("kind", CHILDREN, ids=lambda kind: kind.__name__)
def test_shapes_are_frozen_and_can_be_hashed(kind: type) -> None:
    shape, _ = CHILDREN[kind]
    again = copy.copy(shape)
    assert again is not shape
    assert again == shape
    assert hash(again) == hash(shape)
    names = shape.__match_args__
    with pytest.raises((AttributeError, TypeError)):
        setattr(shape, names[0] if names else "new", None)


# Without end -------------------------------------------------------------------------------------

ENDLESS: dict[str, tuple[Any, bool]] = {
    "a field": (inside(lambda back: structure(U8, back)), True),
    "a field of a field": (inside(lambda back: structure(structure(back))), True),
    "a tuple": (inside(lambda back: shapes.Product((TEXT, back))), True),
    "a converted value": (inside(converted), True),
    "an array": (inside(lambda back: structure(shapes.Array(back, 1, list))), True),
    "each variant": (inside(lambda back: choice(structure(back), back)), True),
    "elsewhere too": (inside(lambda back: structure(beside(structure(back)))), True),
    "each variant elsewhere": (inside(lambda back: structure(beside(choice(back)))), True),
    "an inner one of itself": (structure(inside(lambda back: structure(back))), True),
    "an array of none": (inside(lambda back: structure(shapes.Array(back, 0, list))), False),
    "one variant of two": (inside(lambda back: choice(structure(back), structure())), False),
    "one variant elsewhere": (
        inside(lambda back: structure(beside(choice(back, structure())))), False,
    ),
    "an option": (inside(shapes.Option), False),
    "a list": (inside(lambda back: structure(shapes.Vector(back, list))), False),
    "a dict": (inside(lambda back: structure(shapes.Mapping(TEXT, back))), False),
    "what is further out": (structure(BACK), False),
    "what is not complete": (structure(shapes.Reference("Other", shapes.Target())), False),
    "nothing": (structure(U8, TEXT), False),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_what_always_holds_another_of_itself_is_endless(name: str) -> None:
    shape, endless = ENDLESS[name]
    assert shapes.is_endless(shape) is endless


# Equality ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_a_type_has_the_same_shape_each_time(row: Row) -> None:
    first, second = shape_of(row.annotation), shape_of(row.annotation)
    assert first == second
    assert hash(first) == hash(second)
    assert first is not None
    assert repr(first)


def test_what_differs_on_the_wire_differs() -> None:
    every = [shape for shape, _ in CHILDREN.values()]
    every += [
        shapes.Vector(U8, tuple),
        shapes.Set(TEXT, frozenset),
        shapes.Array(TEXT, 4, tuple),
        shapes.NumberArray(U8, 3),
        structure(TEXT, U8),
        choice(U8, TEXT),
        Number("i8"),
    ]
    assert len(set(every)) == len(every)


def test_a_recursive_shape_can_be_shown_compared_and_hashed() -> None:
    """Its references lead back into it, which must not be followed."""
    for annotation in (Tree, Chain):
        shape = shape_of(annotation)
        assert shape == shape_of(annotation)
        assert len(repr(shape)) < 1000
        assert isinstance(hash(shape), int)
    assert shape_of(Point) != shape_of(Figure)
