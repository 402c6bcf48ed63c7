"""From types to shapes: what each becomes, and what has no wire form, named by its field."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PurePath
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Self,
    TypeVar,
    Union,
)
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel, create_model
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict

from lazyipc import (
    F32,
    F64,
    I16,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    Array,
    Char,
    Command,
    Duration,
    Response,
    SystemTime,
    TaggedUnion,
    Vec,
)
from lazyipc._core import annotation as annotation_module
from lazyipc._core import shape as shapes
from lazyipc._core.annotation import shape_of, structure_of
from lazyipc._core.compiled import codec_of
from lazyipc._core.marks import OneCharacter
from lazyipc._core.scalars import Number
from lazyipc.errors import SchemaError
from tests.core.declared_types import (
    Block,
    Bush,
    Chain,
    Checked,
    Color,
    Crate,
    Disc,
    Dot,
    Expression,
    Figure,
    Frozen,
    Holder,
    Knot,
    Level,
    Linked,
    Negated,
    Nested,
    Nothing,
    Plain,
    Point,
    Renamed,
    Script,
    Spot,
    Tree,
)

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
    "a char": (Char, shapes.Char()),
    "a char of other metadata": (Annotated[Char, Field(description="one")], shapes.Char()),
    "128 bits": (tuple[U128, I128], shapes.Product((Number("u128"), Number("i128")))),
    "set": (set[U8], shapes.Set(Number("u8"), set)),
    "frozenset": (frozenset[str], shapes.Set(shapes.Text(), frozenset)),
    "set of frozensets": (
        set[frozenset[U8]],
        shapes.Set(shapes.Set(Number("u8"), frozenset), set),
    ),
    "array of a list": (
        Annotated[list[U8], Array(4)],
        shapes.Array(Number("u8"), 4, list),
    ),
    "array of a tuple": (
        Annotated[tuple[str, ...], Array(2)],
        shapes.Array(shapes.Text(), 2, tuple),
    ),
    "array of bytes": (Annotated[bytes, Array(32)], shapes.Array(Number("u8"), 32, bytes)),
    "array of nothing": (Annotated[list[str], Array(0)], shapes.Array(shapes.Text(), 0, list)),
    "array of arrays": (
        Annotated[list[Annotated[bytes, Array(2)]], Array(3)],
        shapes.Array(shapes.Array(Number("u8"), 2, bytes), 3, list),
    ),
    "array among other metadata": (
        Annotated[list[U8], Field(description="four"), Array(4), "note"],
        shapes.Array(Number("u8"), 4, list),
    ),
    "NumPy vector": (Annotated[np.ndarray, Vec(F64)], shapes.NumberArray(Number("f64"), None)),
    "NumPy array": (Annotated[np.ndarray, Array(3, U8)], shapes.NumberArray(Number("u8"), 3)),
    "NumPy vector that says its dtype": (
        Annotated[npt.NDArray[np.int16], Vec(I16)],
        shapes.NumberArray(Number("i16"), None),
    ),
    "address": (
        IPv4Address | IPv6Address,
        shape_of(IPv6Address | IPv4Address),  # in either order
    ),
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
    assert shape_of(Point) == shapes.Structure(Point, "Point", (x, y), "model")
    assert shape_of(Nothing) == shapes.Structure(Nothing, "Nothing", (), "model")


def test_dataclasses_and_namedtuples_are_their_fields_in_order() -> None:
    text, number = shapes.Text(), Number("u16")
    assert shape_of(Plain) == shapes.Structure(
        Plain,
        "Plain",
        (shapes.Field("text", "text", text), shapes.Field("number", "number", number)),
        "dataclass",
    )
    assert [field.name for field in shape_of(Frozen).fields] == ["real", "flags", "point"]
    assert shape_of(Spot) == shapes.Structure(
        Spot,
        "Spot",
        (shapes.Field("name", "name", text), shapes.Field("level", "level", Number("u8"))),
        "namedtuple",
    )


def test_a_dataclass_is_read_by_its_aliases_too() -> None:
    assert [(field.name, field.key) for field in shape_of(Checked).fields] == [
        ("number", "type"),
        ("level", "level"),
    ]


def test_a_dataclass_is_read_by_an_alias_in_its_annotation_too() -> None:
    @dataclasses.dataclass
    class Named:
        number: Annotated[U8, Field(alias="type")]

    codec = codec_of(Named)
    assert shape_of(Named).fields[0].key == "type"
    assert codec.decode(codec.encode(Named(7))) == Named(7)


@dataclasses.dataclass
class Given(Holder[U16]):
    more: U8


def test_a_dataclass_derived_from_a_generic_one_with_its_types_given_is_refused() -> None:
    """Pydantic does not hand the types on, so nothing could be decoded."""
    with pytest.raises(SchemaError, match=r"Given derives from .*write its fields out"):
        shape_of(Given)


def test_a_class_keeps_what_it_inherits_and_leaves_what_is_no_field() -> None:
    @dataclasses.dataclass
    class Base:
        a: U8
        count: ClassVar[int] = 0

    @dataclasses.dataclass
    class Derived(Base):
        _: dataclasses.KW_ONLY
        b: str = ""

    assert [field.name for field in shape_of(Derived).fields] == ["a", "b"]


def test_a_type_parameter_is_what_is_given_for_it() -> None:
    item, more = shape_of(Crate[U8]).fields
    assert (item.shape, more.shape) == (Number("u8"), shapes.Vector(Number("u8"), list))
    item, pair = shape_of(Holder[str]).fields
    assert (item.shape, pair.shape) == (
        shapes.Text(),
        shapes.Product((shapes.Text(), shapes.Text())),
    )
    assert shape_of(Holder[str]) != shape_of(Holder[bytes])


CONVERTED = {
    Path: ("path", "PathBuf", shapes.Text()),
    PurePath: ("path", "PathBuf", shapes.Text()),
    UUID: ("uuid", "Uuid", shapes.Blob()),
    Duration: ("duration", "Duration", shapes.Product((Number("u64"), Number("u32")))),
    dt.timedelta: ("duration", "Duration", shapes.Product((Number("u64"), Number("u32")))),
    SystemTime: ("systemtime", "SystemTime", shapes.Product((Number("u64"), Number("u32")))),
    dt.datetime: ("systemtime", "SystemTime", shapes.Product((Number("u64"), Number("u32")))),
    IPv4Address: ("ipv4addr", "Ipv4Addr", shapes.Array(Number("u8"), 4, bytes)),
    IPv6Address: ("ipv6addr", "Ipv6Addr", shapes.Array(Number("u8"), 16, bytes)),
}


@pytest.mark.parametrize("annotation", CONVERTED)
def test_what_the_library_of_python_has_travels_as_something_simpler(annotation: Any) -> None:
    shape = shape_of(annotation)
    assert isinstance(shape, shapes.Converted)
    assert (shape.name, shape.rust, shape.wire) == CONVERTED[annotation]


# Types inside themselves -------------------------------------------------------------------------


def test_a_type_inside_itself_is_a_reference_to_where_it_began() -> None:
    tree = shape_of(Tree)
    left = tree.fields[1].shape.item
    assert isinstance(left, shapes.Reference)
    assert left.name == "Tree"
    assert left.target.shape is tree


def references_in(shape: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, bool]]:
    """Each reference to what it stands in, and whether it does stand in it."""
    if isinstance(shape, shapes.Reference):
        target = shape.target.shape
        if shape.is_inside:
            return [(shape, any(target is known for known in above))]
        return references_in(target, above) if target not in above else []
    here = (*above, shape)
    return [found for part in shapes.children(shape) for found in references_in(part, here)]


@pytest.mark.parametrize(
    "annotation",
    [Tree, Expression, list[Expression], Script, Block, Chain, Bush[str], Knot, Nested, Linked],
)
def test_a_recursive_type_refers_to_a_shape_it_stands_in(annotation: Any) -> None:
    found = references_in(shape_of(annotation))
    assert found
    assert all(stands_in_it for _, stands_in_it in found)


def test_a_class_beside_itself_is_no_reference() -> None:
    class Pairing(BaseModel):
        left: Point
        right: Point
        both: tuple[Point, Point]

    assert references_in(shape_of(Pairing)) == []


class Start(BaseModel):
    expression: Expression
    figures: tuple[Figure, Figure]


def test_a_family_is_laid_out_once_and_referred_to_wherever_it_stands() -> None:
    expression, figures = (field.shape for field in shape_of(Start).fields)
    first, second = figures.items
    for reference, name in ((expression, "Expression"), (first, "Figure"), (second, "Figure")):
        assert isinstance(reference, shapes.Reference)
        assert (reference.name, reference.is_inside) == (name, False)
    assert first.target is second.target
    assert first.target.shape is shape_of(Figure)
    assert expression.target.shape is shape_of(Expression)
    negated = expression.target.shape.cases[1].shape
    (item,) = (field.shape for field in negated.fields)
    assert (item.is_inside, item.target) == (True, expression.target)


def test_a_variant_that_holds_its_family_holds_it_as_a_whole() -> None:
    """By itself it is a struct; what it holds begins with an index."""
    (field,) = shape_of(Negated).fields
    assert field.shape.target.shape is shape_of(Expression)


class Pages(BaseModel, Generic[T]):
    items: list[T]


def test_a_parametrised_class_is_named_with_what_it_is_given() -> None:
    assert shape_of(Pages[U16]).name == "Pages[u16]"
    assert shape_of(Holder[str]).name == "Holder[str]"
    names = [case.name for case in shape_of(Pages[U16] | Pages[Pages[str]]).cases]
    assert names == ["Pages[u16]", "Pages[Pages[str]]"]


class Selfish(BaseModel):
    more: list[Self]


@dataclasses.dataclass
class Fond:
    more: Self | None


def test_self_is_the_class_it_stands_in() -> None:
    for annotation in (Selfish, Fond):
        shape = shape_of(annotation)
        assert shape.fields[0].shape.item.target.shape is shape


def test_a_type_has_no_more_parts_than_can_be_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that stand in one another twice are written out twice each time."""
    assert annotation_module.MOST_PARTS == 10_000
    monkeypatch.setattr(annotation_module, "MOST_PARTS", 100)
    twice: Any = U8
    for _ in range(4):
        twice = dataclasses.make_dataclass("Twice", [("left", twice), ("right", twice)])
    assert shape_of(twice)
    for _ in range(2):
        twice = dataclasses.make_dataclass("Twice", [("left", twice), ("right", twice)])
    with pytest.raises(SchemaError, match="more than 100 parts"):
        shape_of(twice)
    assert shape_of(tuple[Figure, Expression, Figure, Expression])  # families count once


def test_a_field_is_read_by_its_alias_and_told_by_its_name() -> None:
    fields = structure_of(Renamed).fields
    assert [(field.name, field.key) for field in fields] == [("kind", "type"), ("items", "class")]


def test_a_family_is_a_choice_and_its_variant_a_structure() -> None:
    left = shapes.Structure(Left, "Left", (shapes.Field("x", "x", Number("u8")),))
    assert shape_of(Left) == left
    assert shape_of(Pair) == shapes.Choice("Pair", (shapes.Case(0, "Left", Left, left),))


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
        cases = [(case.index, case.type, case.shape.type) for case in choice.cases]
        assert cases == [(0, Point, Point), (1, Nothing, Nothing)]


def test_dataclasses_stand_in_unions_beside_models() -> None:
    cases = shape_of(Plain | Point | Checked).cases
    assert [(case.index, case.name, case.type) for case in cases] == [
        (0, "Plain", Plain),
        (1, "Point", Point),
        (2, "Checked", Checked),
    ]


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


class Mode(enum.Flag):
    READ = 1


class Whole(int):
    pass


class Memberless(enum.Enum):
    pass


@dataclasses.dataclass
class Comparable:
    x: int


class Unhashable(Comparable, enum.Enum):
    ONE = 1


class Inner(RootModel[int]):
    pass


Void = TypeAliasType("Void", None)
Perhaps = TypeAliasType("Perhaps", Optional[U8])  # noqa: UP045


NO_WIRE_FORM: dict[str, tuple[Any, str]] = {
    "Any": (Any, "Any has no wire form"),
    "object": (object, "object has no wire form"),
    "a function": (Callable[[], None], "has no wire form"),
    "complex": (complex, "complex has no wire form"),
    "a class": (type[int], "has no wire form"),
    "Literal": (Literal["a"], "has no wire form"),
    "a TypedDict": (Row, "Row has no wire form"),
    "a Flag": (Mode, "Mode has no wire form"),
    "list of anything": (list, "list has no wire form; say what is in it, such as list[int]"),
    "dict of anything": (dict, "dict has no wire form; say what is in it, such as dict[str, int]"),
    "tuple of anything": (tuple, "tuple has no wire form; say what is in it, such as tuple[int]"),
    "set of anything": (set, "set has no wire form; say what is in it, such as set[int]"),
    "frozenset of anything": (frozenset, "say what is in it, such as frozenset[int]"),
    "a bytearray": (bytearray, "bytearray has no wire form"),
    "a date": (dt.date, "date has no wire form"),
    "a subclass of int": (Whole, "Whole has no wire form"),
    "a NumPy array of anything": (
        np.ndarray, "say what is in it, such as Annotated[np.ndarray, Vec(F64)]",
    ),
    "a NumPy array that says its dtype alone": (
        npt.NDArray[np.float64], "say what is in it, such as Annotated[np.ndarray, Vec(F64)]",
    ),
    "a NumPy array of a length alone": (
        Annotated[np.ndarray, Array(3)], "say what is in the array, such as Array(3, F64)",
    ),
    "a NumPy array of another dtype": (
        Annotated[npt.NDArray[np.float64], Vec(F32)], "an array of float64 holds no f32",
    ),
    "an array of a dict": (
        Annotated[dict[str, U8], Array(2)], ") stands at a list, a tuple[X, ...] or bytes",
    ),
    "an array of a set": (Annotated[set[U8], Array(2)], ") stands at a list, a tuple[X, ...]"),
    "an array of a str": (Annotated[str, Array(2)], ") stands at a list, a tuple[X, ...] or bytes"),
    "an array of a tuple of fixed length": (
        Annotated[tuple[U8, U8], Array(2)], ") stands at a list, a tuple[X, ...] or bytes",
    ),
    "an array of a list that says its numbers": (
        Annotated[list[U8], Array(2, U8)], "says what a numpy.ndarray holds; list",
    ),
    "a width of a str": (
        Annotated[str, Number("u8")], "stands at a number of that kind, not at str",
    ),
    "a width of a float": (Annotated[float, Number("u8")], "stands at a number of that kind"),
    "a real width of an int": (Annotated[int, Number("f32")], "stands at a number of that kind"),
    "a width of an optional": (
        Annotated[int | None, Number("u8")], "stands at a number of that kind",
    ),
    "a char of bytes": (Annotated[bytes, OneCharacter()], "stands at a str, not at bytes"),
    "two lengths": (Annotated[list[U8], Array(2), Array(3)], "Array(length=3"),
    "two widths": (Annotated[int, Number("u8"), Number("u16")], "u16"),
    "an enum without members": (Memberless, "Memberless"),
    "an enum whose members cannot be hashed": (Unhashable, "Unhashable"),
    "a Vec of a list": (
        Annotated[list[U8], Vec(U8)], "says what a numpy.ndarray holds; list",
    ),
    "union of NamedTuples": (
        Spot | Point, "Spot stands in a union, and only models and dataclasses can be told apart",
    ),
    "union of generic dataclasses": (Holder[U8] | Holder[str], "stands in a union, and only"),
    "union of addresses and more": (IPv4Address | IPv6Address | Point, "stands in a union, and"),
    "an optional alias of None": (Optional[Void], "an optional inside an optional"),  # noqa: UP045
    "an optional alias of an optional": (
        Optional[Perhaps], "an optional inside an optional",  # noqa: UP045
    ),
    "a type variable": (T, "~T is not resolved to a type"),
    "a RootModel": (Inner, "Inner is a RootModel; name the type inside it"),
    "BaseModel": (BaseModel, "BaseModel is a base; name a model derived from it"),
    "TaggedUnion": (TaggedUnion, "TaggedUnion is a base; name a model derived from it"),
    "Command": (Command, "Command is a base; name a model derived from it"),
    "Response": (Response, "Response is a base; name a model derived from it"),
    "union of numbers": (
        int | str, "int stands in a union, and only models and dataclasses can be told apart",
    ),
    "union with a number": (
        Point | int, "int stands in a union, and only models and dataclasses can be told apart",
    ),
    "union with a family": (Point | Figure, "Figure is itself a family; name its variants"),
    "a list as a key": (dict[tuple[list[int], ...], str], "a dict's key must be"),
    "a model as a key": (dict[Point, str], "a dict's key must be"),
    "a frozen dataclass as a key": (dict[Frozen, str], "a dict's key must be"),
    "a NumPy array as a key": (
        dict[Annotated[np.ndarray, Vec(U8)], str], "a dict's key must be",
    ),
    "a list as an element, not a key": (set[list[int]], "a set's element must be"),
    "a model as an element, not a key": (set[Point], "a set's element must be"),
    "a set as an element, not a key": (set[tuple[set[U8], ...]], "a set's element must be"),
    "a NamedTuple of lists as a key": (dict[Knot, str], "a dict's key must be"),
    "an array of a list as a key": (
        dict[Annotated[list[U8], Array(2)], str], "a dict's key must be",
    ),
}  # fmt: skip


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
    assert reason(annotation, "item").startswith("Holder.item")
    if "key" not in name:
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


class Loop(BaseModel):
    again: Loop


class First(BaseModel):
    second: Second


class Second(BaseModel):
    many: Annotated[list[First], Array(1)]


class Forever(TaggedUnion):
    pass


class Ever(Forever):
    item: Forever


@dataclasses.dataclass
class Circle:
    pair: tuple[U8, Circle]


class Ring(NamedTuple):
    ring: Ring


Turn = TypeAliasType("Turn", "tuple[U8, Turn]")


class Third(BaseModel):
    either: Third | Fourth


class Fourth(BaseModel):
    third: Third


class Day(TaggedUnion):
    pass


class Night(TaggedUnion):
    pass


class Morning(Day):
    night: Night


class Evening(Night):
    days: tuple[Day, Day]


@pytest.mark.parametrize(
    "annotation",
    [Loop, First, Second, Third, Fourth, Forever, Day, Night, Morning, Circle, Ring, Turn],
)
def test_what_contains_itself_without_end_is_refused(annotation: Any) -> None:
    """No value of it could ever be built."""
    for declared in (annotation, list[annotation]):
        with pytest.raises(SchemaError, match=r"each (\w+) contains another \1 without end"):
            shape_of(declared)


class Ending(TaggedUnion):
    """One variant goes on, another does not."""


class Going(Ending):
    item: Ending
    twin: tuple[Ending, Ending]


class End(Ending):
    pass


class Hollow(BaseModel):
    none: Annotated[list[Hollow], Array(0)]


@pytest.mark.parametrize("annotation", [Ending, Hollow])
def test_what_may_end_is_not_refused(annotation: Any) -> None:
    assert codec_of(annotation).shape == shape_of(annotation)


Json = TypeAliasType("Json", "dict[str, Json | None] | None")


def test_an_optional_that_is_made_optional_inside_itself_is_refused() -> None:
    with pytest.raises(SchemaError, match="an optional inside an optional"):
        shape_of(Json)


Lost = TypeAliasType("Lost", "list[Nowhere]")  # noqa: F821


def test_an_alias_of_what_is_not_known_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"Lost.*Nowhere"):
        shape_of(Lost)


# What classes declare ----------------------------------------------------------------------------


class Values(BaseModel):
    model_config = ConfigDict(use_enum_values=True)
    color: Color


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: U8


@pydantic_dataclass(config=ConfigDict(extra="allow"))
class OpenChecked:
    x: U8


@dataclasses.dataclass
class OpenPlain:
    __pydantic_config__ = ConfigDict(extra="allow")
    x: U8


@dataclasses.dataclass
class Counted:
    x: U8
    total: U8 = dataclasses.field(init=False, default=0)


@dataclasses.dataclass
class Seeded:
    x: U8
    seed: dataclasses.InitVar[int]


Untyped = collections.namedtuple("Untyped", "x y")


@dataclasses.dataclass
class Unknown:
    x: Nowhere  # type: ignore[name-defined]  # noqa: F821


class UnknownToTuple(NamedTuple):
    x: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pydantic_dataclass
class UnknownToPydantic:
    x: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (Values, "Values has use_enum_values=True, but it is members that travel"),
        (Open, "Open has extra='allow', and fields nobody declared cannot travel"),
        (OpenChecked, "OpenChecked has extra='allow', and fields nobody declared cannot travel"),
        (OpenPlain, "OpenPlain has extra='allow', and fields nobody declared cannot travel"),
        (Counted, ".total: is not both given to Counted and kept by it"),
        (Seeded, ".seed: is not both given to Seeded and kept by it"),
        (Untyped, ".x: has no type; use typing.NamedTuple"),
        (Unknown, "Nowhere"),
        (UnknownToTuple, "Nowhere"),
        (UnknownToPydantic, "Nowhere"),
        (Holder, ".item: ~T is not resolved to a type"),
        (Crate, ".item: ~T is not resolved to a type"),
    ],
)
def test_a_class_that_cannot_be_rebuilt_is_refused(annotation: Any, told: str) -> None:
    for declared, path in ((annotation, ""), (list[annotation], "[]"), (annotation | None, "")):
        with pytest.raises(SchemaError) as caught:
            shape_of(declared)
        assert told in str(caught.value)
        assert path in str(caught.value).partition(": ")[0]


def test_an_array_of_what_takes_no_bytes_has_its_bound() -> None:
    """What no side would ever decode is refused before it is encoded."""
    with pytest.raises(SchemaError, match="1001 elements that take no bytes; at most 1000 may"):
        codec_of(Annotated[list[None], Array(1001)])
    assert codec_of(Annotated[list[None], Array(1000)]).encode([None] * 1000) == b""


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

    @pydantic_dataclass
    class ChoosyToo:
        x: U32 = Field(validation_alias=AliasChoices("a", "b"))

    with pytest.raises(SchemaError, match=r"ChoosyToo\.x"):
        shape_of(ChoosyToo)


@pytest.mark.parametrize("name", ["class", "not a name"])
def test_a_field_that_is_no_attribute_of_python_is_refused(name: str) -> None:
    """Such names come from `create_model` alone; the code could not be written."""
    with pytest.raises(SchemaError, match=name):
        codec_of(create_model("Odd", **{name: (U8, ...)}))


@pytest.mark.parametrize("depth", [150, 200, 250, 300, 400, 2000])
def test_a_type_of_any_depth_has_a_codec_or_is_a_schema_error(depth: int) -> None:
    """Its shape, its code or pydantic's: whichever finds it too deep."""
    nested: Any = U64
    for _ in range(depth):
        nested = list[nested]
    for make in (shape_of, codec_of):
        try:
            made = make(nested)
        except SchemaError:
            continue
        assert made is not None


def test_a_missing_name_is_a_schema_error() -> None:
    class Late(BaseModel):
        x: Missing  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(SchemaError, match=r"Late.*Missing"):
        shape_of(Late)
