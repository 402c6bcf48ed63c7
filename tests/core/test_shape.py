"""From types to shapes: what each becomes, and what has no wire form, named by its field."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, Union

import pytest
from pydantic import AliasChoices, BaseModel, Field, RootModel, create_model
from typing_extensions import TypeAliasType, TypedDict

from lazyipc import F32, U8, U16, U32, Command, Response, TaggedUnion
from lazyipc._core import shape as shapes
from lazyipc._core.codec import codec_of
from lazyipc._core.scalars import Number
from lazyipc._core.shape import shape_of, structure_of
from lazyipc.errors import SchemaError
from tests.core.invented_types import Color, Disc, Dot, Figure, Level, Nothing, Point, Renamed

I64 = Number("i64")
Miles = NewType("Miles", U16)
Small = TypeAliasType("Small", U8)
T = TypeVar("T")


class Pair(TaggedUnion):
    pass


class Left(Pair):
    x: U8


SHAPES: dict[str, tuple[Any, Any]] = {
    "a scalar": (U8, Number("u8")),
    "int": (int, I64),
    "float": (float, Number("f64")),
    "bool": (bool, shapes.Bool()),
    "str": (str, shapes.Text()),
    "bytes": (bytes, shapes.Blob()),
    "None": (None, shapes.Unit()),
    "NoneType": (type(None), shapes.Unit()),
    "list": (list[U8], shapes.Vector(Number("u8"), list)),
    "tuple of any length": (tuple[str, ...], shapes.Vector(shapes.Text(), tuple)),
    "tuple": (tuple[U8, str], shapes.Product((Number("u8"), shapes.Text()))),
    "empty tuple": (tuple[()], shapes.Product(())),
    "dict": (dict[str, int], shapes.Mapping(shapes.Text(), I64)),
    "optional": (Optional[U8], shapes.Option(Number("u8"))),  # noqa: UP045
    "or None": (U8 | None, shapes.Option(Number("u8"))),
    "None or": (None | U8, shapes.Option(Number("u8"))),
    "enum": (Color, shapes.Enumeration(Color, (Color.RED, Color.GREEN, Color.BLUE))),
    "int enum": (Level, shapes.Enumeration(Level, (Level.LOW, Level.HIGH))),
    "new type": (Miles, Number("u16")),
    "alias": (Small, Number("u8")),
    "annotated": (Annotated[str, Field(min_length=1)], shapes.Text()),
    "a width and a rule": (Annotated[U8, Field(gt=1)], Number("u8")),
    "a width written out": (Annotated[int, Field(gt=1), Number("u32")], Number("u32")),
    "annotated in a list": (list[Annotated[F32, Field(gt=1)]], shapes.Vector(Number("f32"), list)),
    "key of tuples": (
        dict[tuple[U8, Color], None],
        shapes.Mapping(
            shapes.Product(
                (
                    Number("u8"),
                    shapes.Enumeration(Color, (Color.RED, Color.GREEN, Color.BLUE)),
                )
            ),
            shapes.Unit(),
        ),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_type_has_its_shape(name: str) -> None:
    annotation, expected = SHAPES[name]
    assert shape_of(annotation) == expected


@pytest.mark.parametrize("name", SHAPES)
def test_a_field_has_the_shape_of_its_type(name: str) -> None:
    annotation, expected = SHAPES[name]
    model = create_model("Holder", item=(annotation, ...))
    assert structure_of(model).fields == (shapes.Field("item", "item", expected),)


def test_a_model_is_its_fields_in_order() -> None:
    x, y = (shapes.Field(name, name, Number("i32")) for name in "xy")
    assert shape_of(Point) == shapes.Structure(Point, "Point", (x, y))
    assert shape_of(Nothing) == shapes.Structure(Nothing, "Nothing", ())


def test_a_field_is_read_by_its_alias_and_told_by_its_name() -> None:
    fields = structure_of(Renamed).fields
    assert [(field.name, field.key) for field in fields] == [("kind", "type"), ("items", "class")]


def test_a_family_is_a_choice_and_its_variant_a_structure() -> None:
    left = shapes.Structure(Left, "Left", (shapes.Field("x", "x", Number("u8")),))
    assert shape_of(Left) == left
    assert shape_of(Pair) == shapes.Choice("Pair", (shapes.Case(0, "Left", left),))


def test_a_family_keeps_its_indices_and_names() -> None:
    figure = shape_of(Figure)
    assert [(case.index, case.name) for case in figure.cases] == [
        (0, "Dot"),
        (700, "Disc"),
        (2, "a label"),
    ]


def test_a_union_is_a_choice_in_written_order() -> None:
    for union in (Point | Nothing, Union[Point, Nothing], None | Point | Nothing):  # noqa: UP007
        choice = shape_of(union)
        choice = choice.item if isinstance(choice, shapes.Option) else choice
        cases = [(case.index, case.shape.model) for case in choice.cases]
        assert cases == [(0, Point), (1, Nothing)]


def test_variants_in_a_union_are_numbered_by_the_union() -> None:
    cases = shape_of(Disc | Dot).cases
    assert [(case.index, case.name) for case in cases] == [(0, "Disc"), (1, "Dot")]


def test_equal_types_have_equal_shapes() -> None:
    assert shape_of(list[Point]) == shape_of(list[Point])
    assert hash(shape_of(list[Figure])) == hash(shape_of(list[Figure]))


# No wire form ------------------------------------------------------------------------------------


class Box(BaseModel, Generic[T]):
    item: T


class Row(TypedDict):
    x: int


@dataclass
class Record:
    x: int


class Mode(enum.Flag):
    READ = 1


class Inner(RootModel[int]):
    pass


NO_WIRE_FORM: dict[str, tuple[Any, str]] = {
    "Any": (Any, "Any has no wire form"),
    "object": (object, "object has no wire form"),
    "a function": (Callable[[], None], "has no wire form"),
    "complex": (complex, "complex has no wire form"),
    "a class": (type[int], "has no wire form"),
    "Literal": (Literal["a"], "has no wire form"),
    "a TypedDict": (Row, "Row has no wire form"),
    "a dataclass": (Record, "Record has no wire form"),
    "a Flag": (Mode, "Mode has no wire form"),
    "list of anything": (list, "list has no wire form; say what is in it, such as list[int]"),
    "dict of anything": (dict, "dict has no wire form; say what is in it, such as dict[int]"),
    "tuple of anything": (tuple, "tuple has no wire form; say what is in it, such as tuple[int]"),
    "a type variable": (T, "~T is not resolved to a type"),
    "a RootModel": (Inner, "Inner is a RootModel; name the type inside it"),
    "BaseModel": (BaseModel, "BaseModel is a base; name a model derived from it"),
    "TaggedUnion": (TaggedUnion, "TaggedUnion is a base; name a model derived from it"),
    "Command": (Command, "Command is a base; name a model derived from it"),
    "Response": (Response, "Response is a base; name a model derived from it"),
    "union of numbers": (int | str, "int stands in a union, and only models can be told apart"),
    "union with a number": (Point | int, "int stands in a union, and only models can be told"),
    "union with a family": (Point | Figure, "Figure is itself a family; name its variants"),
    "a list as a key": (dict[tuple[list[int], ...], str], "a dict's key must be"),
    "a model as a key": (dict[Point, str], "a dict's key must be"),
}


def reason(annotation: Any, field: str) -> str:
    """Why a model with a field of that type has no wire form."""
    model = create_model(
        "Holder",
        __config__={"arbitrary_types_allowed": True},
        before=(U8, ...),
        **{field: (annotation, ...)},
    )
    with pytest.raises(SchemaError) as caught:
        structure_of(model)
    return str(caught.value)


@pytest.mark.parametrize("name", NO_WIRE_FORM)
def test_a_field_with_no_wire_form_is_named(name: str) -> None:
    annotation, told = NO_WIRE_FORM[name]
    assert reason(annotation, "item").startswith("Holder.item: ")
    assert told in reason(annotation, "item")


@pytest.mark.parametrize("name", [n for n in NO_WIRE_FORM if "key" not in n])
def test_a_field_in_depth_with_no_wire_form_is_named(name: str) -> None:
    annotation, _ = NO_WIRE_FORM[name]
    assert reason(list[annotation], "items").startswith("Holder.items[]: ")
    assert reason(tuple[U8, annotation], "pair").startswith("Holder.pair[1]: ")
    assert reason(dict[str, annotation], "table").startswith("Holder.table[]: ")
    assert reason(list[dict[str, tuple[annotation, ...]]], "deep").startswith("Holder.deep[][][]: ")


@pytest.mark.parametrize("name", [n for n in NO_WIRE_FORM if "key" not in n])
def test_a_key_with_no_wire_form_is_named(name: str) -> None:
    annotation, _ = NO_WIRE_FORM[name]
    if not isinstance(annotation, TypeVar):
        assert reason(dict[annotation, str], "table").startswith("Holder.table")


def test_a_field_of_a_field_is_named_by_its_whole_path() -> None:
    class Bottom(BaseModel):
        bad: Any

    class Middle(BaseModel):
        many: list[Bottom | None]

    class Top(BaseModel):
        middle: Middle

    with pytest.raises(SchemaError, match=r"Top\.middle\.many\[\]\.bad: "):
        shape_of(Top)


def test_a_field_of_a_variant_is_named_by_family_and_variant() -> None:
    class Root(TaggedUnion):
        pass

    class Good(Root):
        x: U8

    class Bad(Root):
        y: list[complex]

    with pytest.raises(SchemaError, match=r"Root\.Bad\.y\[\]: complex has no wire form"):
        shape_of(Root)
    assert shape_of(Good)


@pytest.mark.parametrize(
    "annotation", [complex, Any, list, "int", 5, object(), Annotated[complex, 1], 3.5]
)
def test_a_bare_type_with_no_wire_form_is_named(annotation: Any) -> None:
    with pytest.raises(SchemaError):
        shape_of(annotation)


def test_an_optional_in_an_optional_is_refused() -> None:
    inner = TypeAliasType("Inner", Optional[U8])  # noqa: UP045
    with pytest.raises(SchemaError, match="an optional inside an optional"):
        shape_of(Optional[inner])  # noqa: UP045


def test_a_model_that_contains_itself_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"^Tree\.children\[\]: Tree contains itself"):
        shape_of(Tree)


class Tree(BaseModel):
    children: list[Tree]


def test_a_family_that_contains_itself_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"Expression\.Negated\.item: Expression contains itself"):
        shape_of(Expression)


class Expression(TaggedUnion):
    pass


class Negated(Expression):
    item: Expression


def test_a_model_twice_beside_itself_contains_nothing_of_itself() -> None:
    class Line(BaseModel):
        start: Point
        end: Point
        more: list[Point]

    assert len(structure_of(Line).fields) == 3


def test_a_field_read_by_one_of_several_aliases_is_refused() -> None:
    """It would be handed over by a key that pydantic does not read."""

    class Choosy(BaseModel):
        x: U32 = Field(validation_alias=AliasChoices("a", "b"))

    with pytest.raises(SchemaError, match=r"Choosy\.x"):
        shape_of(Choosy)


@pytest.mark.parametrize("name", ["class", "not a name"])
def test_a_field_that_is_no_attribute_of_python_is_refused(name: str) -> None:
    """Such names come from `create_model` alone; the code could not be written."""
    with pytest.raises(SchemaError, match=name):
        codec_of(create_model("Odd", **{name: (U8, ...)}))


def test_a_missing_name_is_a_schema_error() -> None:
    class Late(BaseModel):
        x: Missing  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(SchemaError, match=r"Late.*Missing"):
        shape_of(Late)
