"""JSON of each kind of shape: what is written, what is read, and that both say what bytes say."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, get_args
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

from lazyipc import (
    F32,
    F64,
    I64,
    I128,
    U8,
    U16,
    U64,
    U128,
    Array,
    Char,
    Duration,
    EncodeError,
    MessageTooLarge,
    SchemaError,
    SystemTime,
    TaggedUnion,
    Vec,
)
from lazyipc._core.compiled import codec_of
from lazyipc._core.json_form.rule import FORMS
from lazyipc._core.shape import Shape as AnyShape
from tests.core.declared_types import Color, Figure, Tree
from tests.core.invented_types import invented_rows
from tests.core.json_reading import form_of, read, refusal, written
from tests.core.matrix import MATRIX, MODERATE, THOROUGH, UNHURRIED, Row

T = TypeVar("T")
PROPERTY = settings(**UNHURRIED)


class Point(BaseModel):
    x: U8
    y: U8 = 7


class Shape(TaggedUnion):
    pass


class Nothing(Shape):
    pass


class Circle(Shape):
    radius: float


class Named(Shape):
    name: str | None
    size: U8


class Odd(Shape, name="an odd one"):
    type_: U8 = Field(alias="type")


@dataclasses.dataclass
class Plain:
    text: str
    many: list[U8] = dataclasses.field(default_factory=lambda: [1])


class Spot(NamedTuple):
    name: str
    level: U8 = 3


class Page(BaseModel, Generic[T]):
    items: list[T]


class Node(BaseModel):
    value: U8
    next: Node | None


class Branch(BaseModel):
    inner: list[Branch]


# Every kind, and types nobody thought of ---------------------------------------------------------

WITHOUT_FORM = {"dict of product", "dict of model", "dict of nothing", "dict of NamedTuple"}
"""Rows of the matrix whose keys are no text."""


def test_each_kind_of_shape_has_a_form() -> None:
    assert set(FORMS) == set(get_args(AnyShape))


def says_the_same(row: Row, value: Any) -> None:
    """JSON comes back as the value whose bytes are the same."""
    codec = codec_of(row.annotation)
    data = codec.encode(value)
    try:
        text = form_of(row.annotation).write(value)
    except EncodeError as error:
        assert "finite numbers only" in str(error)  # noqa: PT017 not each value of a row has one
        return
    assert "\n" not in text
    assert codec.encode(read(row.annotation, text)) == data
    spaced = json.dumps(json.loads(text), indent=1, ensure_ascii=True).replace("\n", " \t\r")
    assert codec.encode(read(row.annotation, spaced)) == data


@pytest.mark.parametrize("row", [row for row in MATRIX if row.name not in WITHOUT_FORM], ids=str)
def test_each_row_of_the_matrix_comes_back(row: Row) -> None:
    @MODERATE
    @given(row.values)
    def check(value: Any) -> None:
        says_the_same(row, value)

    check()


@pytest.mark.parametrize("row", [row for row in MATRIX if row.name in WITHOUT_FORM], ids=str)
def test_a_map_whose_keys_are_no_text_has_no_form(row: Row) -> None:
    with pytest.raises(SchemaError, match="keys of a JSON object are text"):
        form_of(row.annotation)


@settings(THOROUGH, max_examples=60)
@given(st.data())
def test_types_nobody_thought_of_come_back(data: st.DataObject) -> None:
    row = data.draw(invented_rows)
    try:
        form_of(row.annotation)
    except SchemaError as error:
        assert re.search("both null|keys of a JSON object", str(error))  # noqa: PT017
        return  # all that is invented and has no form
    says_the_same(row, data.draw(row.values))


# The form of each type ---------------------------------------------------------------------------

FORMS_OF: list[tuple[Any, Any, str]] = [
    (U8, 255, "255"),
    (I64, -(2**63), "-9223372036854775808"),
    (U128, 2**128 - 1, "340282366920938463463374607431768211455"),
    (float, 1.0, "1.0"),
    (float, -0.0, "-0.0"),
    (float, 5e-324, "5e-324"),
    (F32, 0.10000000149011612, "0.1"),
    (F32, 1.401298464324817e-45, "1e-45"),
    (F32, 3.4028234663852886e38, "3.4028235e+38"),
    (F32, 16777216.0, "16777216.0"),
    (bool, True, "true"),
    (Char, "é", '"é"'),
    (str, 'a"\n\0é🦀', r'"a\"\n\u0000é🦀"'),
    (bytes, b"\0\xff", "[0,255]"),
    (None, None, "null"),
    (U8 | None, None, "null"),
    (U8 | None, 0, "0"),
    (list[U8], [1, 2], "[1,2]"),
    (list[bool], [], "[]"),
    (tuple[U8, ...], (1,), "[1]"),
    (set[int], {3, -1, 2}, "[-1,2,3]"),
    (frozenset[Color], frozenset(Color), '["RED","GREEN","BLUE"]'),
    (Annotated[list[U8], Array(2)], [1, 2], "[1,2]"),
    (Annotated[bytes, Array(2)], b"\1\2", "[1,2]"),
    (Annotated[np.ndarray, Vec(F32)], np.array([0.1, 2], np.float32), "[0.1,2.0]"),
    (Annotated[np.ndarray, Array(1, U16)], np.array([9], np.uint16), "[9]"),
    (tuple[U8, str], (1, "a"), '[1,"a"]'),
    (tuple[U8], (1,), "[1]"),
    (tuple[()], (), "null"),
    (dict[str, U8], {"b": 1, "a": 2}, '{"b":1,"a":2}'),
    (dict[I128, U8], {-(2**127): 1}, '{"-170141183460469231731687303715884105728":1}'),
    (dict[bool, U8], {True: 1, False: 0}, '{"true":1,"false":0}'),
    (dict[float, U8], {0.5: 1, 1e22: 2}, '{"0.5":1,"1e+22":2}'),
    (dict[F32, U8], {0.10000000149011612: 1}, '{"0.1":1}'),
    (dict[Char, U8], {'"': 1}, r'{"\"":1}'),
    (dict[Color, U8], {Color.BLUE: 1}, '{"BLUE":1}'),
    (dict[Path, U8], {Path("/a"): 1}, '{"/a":1}'),
    (dict[UUID, U8], {UUID(int=1): 1}, '{"00000000-0000-0000-0000-000000000001":1}'),
    (dict[IPv4Address | IPv6Address, U8], {IPv6Address(1): 1}, '{"::1":1}'),
    (Color, Color.RED, '"RED"'),
    (Point, Point(x=1, y=2), '{"x":1,"y":2}'),
    (Plain, Plain("a", [2]), '{"text":"a","many":[2]}'),
    (Spot, Spot("a", 2), '{"name":"a","level":2}'),
    (Page[U8], Page[U8](items=[1]), '{"items":[1]}'),
    (Shape, Nothing(), '"Nothing"'),
    (Shape, Circle(radius=1.0), '{"Circle":{"radius":1.0}}'),
    (Shape, Named(name=None, size=1), '{"Named":{"name":null,"size":1}}'),
    (Shape, Odd(type=3), '{"an odd one":{"type":3}}'),
    (Point | Plain, Point(x=1), '{"Point":{"x":1,"y":7}}'),
    (Page[U8] | Page[str], Page[str](items=["a"]), '{"Page[str]":{"items":["a"]}}'),
    (Node, Node(value=1, next=Node(value=2, next=None)),
     '{"value":1,"next":{"value":2,"next":null}}'),
    (Path, Path("a/b"), '"a/b"'),
    (UUID, UUID(int=0xAB), '"00000000-0000-0000-0000-0000000000ab"'),
    (Duration, Duration(1, 5), '{"secs":1,"nanos":5}'),
    (timedelta, timedelta(microseconds=5), '{"secs":0,"nanos":5000}'),
    (SystemTime, SystemTime(1, 5), '{"secs_since_epoch":1,"nanos_since_epoch":5}'),
    (datetime, datetime(1970, 1, 2, tzinfo=UTC),
     '{"secs_since_epoch":86400,"nanos_since_epoch":0}'),
    (IPv4Address, IPv4Address("1.2.3.4"), '"1.2.3.4"'),
    (IPv6Address, IPv6Address("::1"), '"::1"'),
    (IPv4Address | IPv6Address, IPv4Address("1.2.3.4"), '"1.2.3.4"'),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "text"), FORMS_OF)
def test_the_form_of_each_type(annotation: Any, value: Any, text: str) -> None:
    assert written(annotation, value) == text
    codec = codec_of(annotation)
    assert codec.encode(read(annotation, text)) == codec.encode(value)
    assert type(read(annotation, text)) is type(value)


PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
TOLD = re.findall(
    r"^\| `(.+?)`.*? \| .*? \| `(.+?)`.* \|$",
    PAGE.partition("### The form of each type")[2].partition("\n- ")[0],
    re.MULTILINE,
)
"""Each row of the table in docs/protocol.md: its first type, and the JSON of a value."""


def test_the_page_has_rows() -> None:
    assert len(TOLD) == 22


@pytest.mark.parametrize(("declared", "text"), TOLD)
def test_the_page_tells_the_form(declared: str, text: str) -> None:
    names = {**globals(), "uuid": uuid}
    annotation = eval(declared.replace("\\|", "|"), names)
    assert written(annotation, read(annotation, text)) == text


TAKEN: list[tuple[Any, str, Any]] = [
    (float, "3", 3.0),
    (float, "-0", 0.0),
    (F32, "16777217", 16777216.0),
    (float, "1" + "0" * 308, 1e308),
    (str, r'"\u00e9\ud83e\udd80"', "é🦀"),
    (str, r'"\u0000"', "\0"),
    (Color, '{"RED":null}', Color.RED),
    (Shape, '{"Nothing":null}', Nothing()),
    (Shape, '{"Nothing":{}}', Nothing()),
    (Shape, '{"Circle":{"radius":1}}', Circle(radius=1.0)),
    (Shape, '{"Named":{"size":1}}', Named(name=None, size=1)),
    (Point, '{"x":1}', Point(x=1, y=7)),
    (Point, '{"y":2,"x":1}', Point(x=1, y=2)),
    (Plain, '{"text":""}', Plain("", [1])),
    (Spot, '{"name":"a"}', Spot("a", 3)),
    (list[Spot], '[{"name":"a"}]', [Spot("a", 3)]),
    (UUID, '"000000000000000000000000000000AB"', UUID(int=0xAB)),
    (set[U8], "[2,1,2]", {1, 2}),
    (dict[float, U8], '{"1E+2":1}', {100.0: 1}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "text", "value"), TAKEN)
def test_what_nobody_writes_and_is_read(annotation: Any, text: str, value: Any) -> None:
    assert read(annotation, text) == value
    assert type(read(annotation, text)) is type(value)


class Left(BaseModel):
    x: U8
    next: Left | Right | None


class Right(BaseModel):
    x: U8
    next: Left | Right | None


@dataclasses.dataclass
class Ring:
    x: U8
    next: Ring | Left | None


def test_a_recursive_member_of_a_union_stays_what_it_is() -> None:
    text = '{"Right":{"x":2,"next":{"Right":{"x":3,"next":null}}}}'
    value = read(Left, f'{{"x":1,"next":{text}}}')
    assert value == Left(x=1, next=Right(x=2, next=Right(x=3, next=None)))
    assert written(Left, value) == f'{{"x":1,"next":{text}}}'
    ring = '{"x":1,"next":{"Ring":{"x":2,"next":{"Left":{"x":3,"next":null}}}}}'
    assert read(Ring, ring) == Ring(1, Ring(2, Left(x=3, next=None)))
    path, column, _ = refusal(Left, '{"x":1,"next":{"Left":{"x":256,"next":null}}}')
    assert (path, column) == ("next.Left.x", 28)


# What is refused, where and why ------------------------------------------------------------------


class Even(BaseModel):
    number: Annotated[U16, Field(multiple_of=2)]

    @field_validator("number")
    @classmethod
    def is_not_13(cls, value: int) -> int:
        if value == 14:
            raise ZeroDivisionError("a validator's own")
        return value


class Holder(BaseModel):
    shapes: list[Shape]
    evens: dict[int, Even] = {}
    plain: Plain | None
    spot: Spot | None = None


class Bounded(NamedTuple):
    name: str
    level: Annotated[U8, Field(lt=5)] = 1


class Map(BaseModel):
    spots: list[Bounded]


class Short(BaseModel):
    name: Annotated[str, Field(max_length=3)]
    by_name: dict[str, Annotated[int, Field(lt=5)]] = {}
    pair: tuple[U8, Annotated[U8, Field(ge=2)]] = (0, 2)
    spot: Annotated[Spot, Field()] = Spot("")


REFUSED: list[tuple[Any, str, str, int, str]] = [
    # text, path, column, what the reason says
    (U8, "256", "", 1, "256 is no u8 (0 to 255)"),
    (U8, "-0.0", "", 1, "without point or exponent, not -0.0"),
    (U8, "1e2", "", 1, "without point or exponent, not 100.0"),
    (U8, "true", "", 1, "u8 is wanted, a number without point or exponent, not true"),
    (U8, " null", "", 2, "not null"),
    (U8, '"1"', "", 1, 'not "1"'),
    (U8, "9" * 50, "", 1, "a number of more than 40 digits is no u8"),
    (float, "1e999", "", 1, "a number too large for f64"),
    (float, "-1e999", "", 1, "a number too large for f64"),
    (float, "1" + "0" * 309, "", 1, "a number too large for f64"),
    (F32, "3.5e38", "", 1, "a number too large for f32"),
    (F32, "1" + "0" * 400, "", 1, "a number too large for f32"),
    (float, "true", "", 1, "f64 is wanted, a number, not true"),
    (list[float], "[1.0, 2, null]", "[2]", 10, "not null"),
    (list[float], "[1.0, 1e999]", "[1]", 7, "too large"),
    (list[U8], "[1, 2, 256]", "[2]", 8, "256 is no u8"),
    (list[U8], "[1, true]", "[1]", 5, "not true"),
    (bool, "0", "", 1, "true or false is wanted, not 0"),
    (str, "[]", "", 1, "a string is wanted, not an array"),
    (Char, '""', "", 1, 'a string of one character is wanted, not ""'),
    (bytes, "[1, 256]", "[1]", 5, "256 is no u8"),
    (bytes, '"ab"', "", 1, "bytes are an array of numbers, 0 to 255"),
    (None, "0", "", 1, "null is wanted, not 0"),
    (list[U8], "{}", "", 1, "an array is wanted, not an object"),
    (Annotated[list[U8], Array(2)], "[1]", "", 1, "an array of 2 is wanted, not of 1"),
    (Annotated[bytes, Array(2)], "[1,2,3]", "", 1, "an array of 2 is wanted, not of 3"),
    (Annotated[np.ndarray, Array(2, U8)], "[1]", "", 1, "an array of 2 is wanted"),
    (Annotated[np.ndarray, Vec(U8)], '"a"', "", 1, "an array is wanted"),
    (Annotated[np.ndarray, Vec(U8)], "[1,2,-1]", "[2]", 6, "-1 is no u8"),
    (tuple[U8, str], '[1, "a", 2]', "", 1, "an array of 2 is wanted, not of 3"),
    (tuple[U8, str], "[1, 2]", "[1]", 5, "a string is wanted, not 2"),
    (tuple[()], "[]", "", 1, "null is wanted"),
    (dict[str, U8], "[]", "", 1, "an object is wanted, not an array"),
    (dict[str, U8], '{"a": 1, "b": -1}', '["b"]', 15, "-1 is no u8"),
    (dict[U8, U8], '{"1": 1, "256": 2}', '["256"]', 10, "256 is no u8"),
    (dict[U8, U8], '{"01": 1}', '["01"]', 2, '"01" is no u8'),
    (dict[U8, U8], '{"-0": 1}', '["-0"]', 2, '"-0" is no u8'),
    (dict[U8, U8], '{"1.0": 1}', '["1.0"]', 2, '"1.0" is no u8'),
    (dict[U8, U8], '{" 1": 1}', '[" 1"]', 2, '" 1" is no u8'),
    (dict[U8, U8], '{"١": 1}', '["١"]', 2, "is no u8"),
    (dict[U128, U8], f'{{"{"9" * 5000}": 1}}', f'["{"9" * 40}"…]', 2, "is no u128"),
    (dict[float, U8], '{"nan": 1}', '["nan"]', 2, '"nan" is no f64'),
    (dict[float, U8], '{"1": 1, "1.0": 2}', "", 1, "two of its keys are one"),
    (dict[float, U8], '{"1e999": 1}', '["1e999"]', 2, "too large"),
    (dict[bool, U8], '{"True": 1}', '["True"]', 2, '"true" or "false" is wanted'),
    (dict[Color, U8], '{"PINK": 1}', '["PINK"]', 2, "a member of Color"),
    (dict[UUID, U8], '{"x": 1}', '["x"]', 2, "a UUID is 32 hexadecimal digits"),
    (Color, '"red"', "", 1, 'a member of Color is wanted, not "red"; there are RED, GREEN, BLUE'),
    (Color, '"GREN"', "", 1, "did you mean GREEN? There are RED, GREEN, BLUE"),
    (Color, "0", "", 1, "a member of Color is wanted, not 0"),
    (Color, '{"RED":{}}', "", 1, "a member of Color is wanted, not an object"),
    (Point, "7", "", 1, "Point is an object of its fields, not 7"),
    (Point, "[1,2]", "", 1, "Point is an object of its fields, not an array"),
    (Point, '{"y":1}', "", 1, "Point lacks its field x"),
    (Point, '{"x":1,"z":2}', "z", 8, 'a field of Point is wanted, not "z"; there are x, y'),
    (Point, '{"x":1, "y":null}', "y", 13, "not null"),
    (Odd, '{"type_":1}', "type_", 2, "did you mean type?"),
    (Shape, "{}", "", 1, '"name" where it has none, not an object of 0 keys'),
    (Shape, "[]", "", 1, 'Shape is {"name": {its fields}}'),
    (Shape, '{"Nothing":null,"Circle":{}}', "", 1, "not an object of 2 keys"),
    (Shape, '"Square"', "", 1, 'a variant of Shape is wanted, not "Square"'),
    (Shape, ' {"circle":{}}', "circle", 3, "did you mean Circle?"),
    (Shape, '{"Nothing":{"a":1}}', "Nothing.a", 13, "a field of Nothing is wanted"),
    (Shape, '{"Nothing":1}', "Nothing", 12, "Nothing is an object of its fields, not 1"),
    (Shape, '"Circle"', "", 1, "Circle is an object of its fields, not null"),
    (Shape, '{"Named":{"name":""}}', "Named", 10, "Named lacks its field size"),
    (Path, "1", "", 1, "PathBuf is a string, not 1"),
    (UUID, '"x"', "", 1, "a UUID is 32 hexadecimal digits, 8-4-4-4-12"),
    (UUID, '"{00000000-0000-0000-0000-0000000000ab}"', "", 1, "a UUID is"),
    (Duration, "1.5", "", 1, 'Duration is {"secs": …, "nanos": …}, nothing more or less'),
    (Duration, '{"secs":1}', "", 1, "nothing more or less, not an object"),
    (Duration, '{"secs":1,"nanos":-1}', "nanos", 19, "-1 is no u32"),
    (Duration, '{"secs":1,"nanos":1000000000}', "", 1, "nanoseconds must be"),
    (timedelta, '{"secs":1,"nanos":1}', "", 1, "a timedelta holds only those"),
    (IPv4Address, '"1.2.3"', "", 1, '"1.2.3" is no Ipv4Addr'),
    (IPv6Address, '"::1%eth0"', "", 1, "a scope has no place on the wire"),
    (IPv4Address | IPv6Address, '"::g"', "", 1, '"::g" is no IpAddr'),
    (IPv4Address | IPv6Address, "1", "", 1, "IpAddr is a string, not 1"),
    # what pydantic refuses
    (Even, '{"number": 3}', "number", 12, "multiple of 2"),
    (Even, '{"number": 14}', "", 1, "refused: ZeroDivisionError"),
    (Short, '{"name": "long"}', "name", 10, "at most 3 characters"),
    (Short, '{"name":"", "by_name":{"é": 1, "b c": 7}}', 'by_name["b c"]', 39, "less than 5"),
    (Short, '{"name":"", "pair": [0, 1]}', "pair[1]", 25, "greater than or equal to 2"),
    (Bounded, '{"name": "", "level": 5}', "level", 23, "less than 5"),
    (Map, '{"spots": [{"name": ""}, {"level": 5, "name": ""}]}', "spots[1].level", 36,
     "less than 5"),
    (Holder, '{"shapes": ["Nothing", {"Circle": {"radius": "x"}}]}', "shapes[1].Circle.radius", 46,
     "f64 is wanted"),
    (Holder, '{"shapes": [], "evens": {"7": {"number": 3}}}', 'evens["7"].number', 42,
     "multiple of 2"),
    (Holder, '{"shapes": [], "plain": {"text": "", "many": [300]}}', "plain.many[0]", 47, "300"),
    (Holder, '{"shapes": [], "spot": {"name": "", "level": "x"}}', "spot.level", 46, "u8"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "text", "path", "column", "reason"), REFUSED)
def test_what_is_refused(annotation: Any, text: str, path: str, column: int, reason: str) -> None:
    found = refusal(annotation, text)
    assert (found[:2], reason in found[2]) == ((path, column), True), found


def test_a_long_list_of_names_is_cut() -> None:
    many: Any = enum.Enum("Many", [f"member{number}" for number in range(50)])
    _, _, reason = refusal(many, '"x"')
    assert reason.endswith("member18, member19 and 30 more")


def test_a_default_that_is_refused_stands_nowhere() -> None:
    class Wrong(TaggedUnion):
        pass

    class Small(Wrong):
        size: Annotated[U8, Field(lt=5)] = 9

    assert refusal(Wrong, '{"Small":{}}')[:2] == ("Small", 10)


# What cannot be written --------------------------------------------------------------------------


class Measured(BaseModel):
    by_name: dict[str, list[float]]
    pair: tuple[U8, F32] = (0, 0.0)
    shape: Shape = Nothing()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_cannot_be_written(value: float) -> None:
    def attempt(measured: Any) -> str:
        with pytest.raises(EncodeError, match="has no form in JSON, which has finite") as caught:
            written(Measured, measured)
        return caught.value.path

    assert attempt(Measured(by_name={"a b": [1.0, value]})) == 'by_name["a b"][1]'
    assert attempt(Measured(by_name={}, pair=(1, value))) == "pair[1]"
    circle = Circle(radius=value)
    assert attempt(Measured(by_name={}, shape=circle)) == "shape.Circle.radius"
    with pytest.raises(EncodeError, match="finite"):
        written(Annotated[np.ndarray, Vec(F64)], np.array([value]))
    with pytest.raises(EncodeError, match="finite"):
        written(dict[float, U8], {value: 1})


def test_what_has_no_bytes_has_no_json() -> None:
    with pytest.raises(EncodeError) as caught:
        written(Point, Point.model_construct(x=256, y=1))
    assert caught.value.path == "x"
    with pytest.raises(EncodeError, match="Point is wanted, Spot given"):
        written(Point, Spot(""))
    with pytest.raises(EncodeError):
        written(list[U8], [1, 256])


@PROPERTY
@given(st.floats(width=32))
def test_the_shortest_text_of_a_small_float_is_read_back(value: float) -> None:
    if isfinite(value):
        text = written(F32, value)
        assert read(F32, text) == value
        assert len(text) <= len(repr(float(np.float32(value)))) or "e" in text
        assert float(text) == float(str(np.float32(value)))


# What has no form --------------------------------------------------------------------------------


def test_two_variants_of_one_name_have_no_form() -> None:
    def another() -> Any:
        class Point(BaseModel):
            x: U64

        return Point

    with pytest.raises(SchemaError, match=r"two variants of Point \| Point have one name"):
        form_of(Point | another())


def test_two_kinds_of_null_have_no_form() -> None:
    with pytest.raises(SchemaError, match="both null in JSON"):
        form_of(tuple[()] | None)


# Limits ------------------------------------------------------------------------------------------


def test_elements_are_counted_as_in_bytes() -> None:
    assert read(list[list[U8]], "[[1,2],[3]]", elements=5) == [[1, 2], [3]]
    with pytest.raises(MessageTooLarge) as caught:
        read(list[list[U8]], "[[1,2],[3,4]]", elements=5)
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (6, 5)
    assert caught.value.what == "line 1, [1]: number of elements"
    with pytest.raises(MessageTooLarge):
        read(dict[str, U8], '{"a":1,"b":2}', elements=1)
    with pytest.raises(MessageTooLarge):
        read(set[U8], "[1,2,3,4]", elements=3)
    with pytest.raises(MessageTooLarge):
        read(Annotated[list[U8], Array(4)], "[1,2,3,4]", elements=3)
    assert read(bytes, f"[{','.join('7' * 50)}]", elements=5) == b"\7" * 50


def test_levels_of_recursive_types_are_counted_as_in_bytes() -> None:
    def nodes(count: int) -> str:
        return '{"value":1,"next":' * count + "null" + "}" * count

    assert read(Node, nodes(4), depth=3).next.next.next.next is None
    with pytest.raises(MessageTooLarge, match="levels of nesting: 4 is over the limit of 3"):
        read(Node, nodes(5), depth=3)
    siblings = ", ".join(['{"inner":[]}'] * 5)
    assert len(read(Branch, f'{{"inner":[{siblings}]}}', depth=1).inner) == 5
    assert read(Tree, written(Tree, Tree(value=1, left=None, right=None)), depth=0).value == 1


def test_keys_chosen_to_share_a_hash_are_refused() -> None:
    modulus = 2**61 - 1
    chosen = ",".join(str(n * modulus) for n in range(100))
    assert "share one hash" in refusal(set[U128], f"[{chosen}]")[2]
    keys = ",".join(f'"{n * modulus}":1' for n in range(100))
    assert "share one hash" in refusal(dict[U128, U8], f"{{{keys}}}")[2]
    assert len(read(set[U128], f"[{','.join(map(str, range(100)))}]")) == 100


def test_figures_of_the_matrix_are_read_by_name() -> None:
    assert read(Figure, '"Dot"') == read(Figure, '{"Dot":{}}')
