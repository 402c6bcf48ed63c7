"""JSON Schema of each kind of shape: its text, and that it agrees with what the server reads."""

from __future__ import annotations

import copy
import dataclasses
import enum
import json
import re
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from random import Random
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypeVar
from uuid import UUID

import numpy as np
import pydantic.dataclasses
import pytest
from annotated_types import Interval, Len
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import BaseModel, Field, PositiveInt, StringConstraints, conlist, field_validator
from typing_extensions import TypeAliasType

from lazyipc import (
    F32,
    I8,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    Array,
    Char,
    Duration,
    EncodeError,
    Response,
    SchemaError,
    SystemTime,
    TaggedUnion,
    Vec,
)
from lazyipc._core.annotation import shape_of
from lazyipc._core.compiled import codec_of
from lazyipc._core.description.published.definitions import Definitions
from lazyipc._core.description.published.json_schema import Schemas
from lazyipc._core.json_form import JsonForm, Misfit, Room
from lazyipc._core.json_form.rule import EntryKey
from lazyipc._core.schema import describe
from tests.core.declared_types import Bush, Color, Crate, Door, Figure, Linked, Nested, Tree
from tests.core.invented_types import invented_rows
from tests.core.json_reading import DEPTH, ELEMENTS
from tests.core.matrix import MATRIX, MODERATE, THOROUGH, Row
from tests.fuzz.invention import Inventor
from tests.fuzz.made import making

T = TypeVar("T")


def document(annotation: Any) -> dict[str, Any]:
    """A whole schema of one type."""
    definitions = Definitions()
    made = Schemas(definitions).schema(shape_of(annotation), annotation)
    return {**made, "$defs": definitions.known} if definitions.known else made


def checked(annotation: Any) -> Draft202012Validator:
    """What holds values against a type's schema, which is sound and nothing but JSON."""
    schema = document(annotation)
    assert json.loads(json.dumps(schema)) == schema
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def definition(annotation: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = document(annotation)["$defs"][name]
    return found


def property_of(model: type, name: str = "x") -> dict[str, Any]:
    """How one field of a class reads."""
    found: dict[str, Any] = definition(model, f"type.{model.__name__}")["properties"][name]
    return found


# The text of each kind ---------------------------------------------------------------------------

U8_SCHEMA = {"type": "integer", "minimum": 0, "maximum": 255, "wire": "u8"}
NULL = {"type": "null"}
EXAMPLES: list[tuple[Any, dict[str, Any]]] = [
    (U8, U8_SCHEMA),
    (I8, {"type": "integer", "minimum": -128, "maximum": 127, "wire": "i8"}),
    (U128, {"type": "integer", "minimum": 0, "maximum": 2**128 - 1, "wire": "u128"}),
    (I128, {"type": "integer", "minimum": -(2**127), "maximum": 2**127 - 1, "wire": "i128"}),
    (int, {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1, "wire": "i64"}),
    (float, {"type": "number", "wire": "f64"}),
    (bool, {"type": "boolean", "wire": "bool"}),
    (Char, {"type": "string", "minLength": 1, "maxLength": 1, "wire": "char"}),
    (str, {"type": "string", "wire": "str"}),
    (bytes, {"type": "array", "items": U8_SCHEMA, "wire": "bytes"}),
    (None, {"type": "null", "wire": "unit"}),
    (tuple[()], {"type": "null", "wire": ["tuple", []]}),
    (U8 | None, {"anyOf": [U8_SCHEMA, NULL], "wire": ["option", "u8"]}),
    (list[U8], {"type": "array", "items": U8_SCHEMA, "wire": ["vec", "u8"]}),
    (tuple[U8, ...], {"type": "array", "items": U8_SCHEMA, "wire": ["vec", "u8"]}),
    (set[U8],
     {"type": "array", "items": U8_SCHEMA, "uniqueItems": True, "wire": ["set", "u8"]}),
    (Annotated[list[U8], Array(2)],
     {"type": "array", "items": U8_SCHEMA, "minItems": 2, "maxItems": 2,
      "wire": ["array", "u8", 2]}),
    (Annotated[bytes, Array(2)],
     {"type": "array", "items": U8_SCHEMA, "minItems": 2, "maxItems": 2,
      "wire": ["array", "u8", 2]}),
    (Annotated[np.ndarray, Vec(U8)],
     {"type": "array", "items": U8_SCHEMA, "wire": ["vec", "u8"]}),
    (Annotated[np.ndarray, Array(2, U8)],
     {"type": "array", "items": U8_SCHEMA, "minItems": 2, "maxItems": 2,
      "wire": ["array", "u8", 2]}),
    (tuple[U8, None],
     {"type": "array", "prefixItems": [U8_SCHEMA, NULL | {"wire": "unit"}], "items": False,
      "minItems": 2, "maxItems": 2, "wire": ["tuple", ["u8", "unit"]]}),
    (dict[str, U8],
     {"type": "object", "propertyNames": {"type": "string", "wire": "str"},
      "additionalProperties": U8_SCHEMA, "wire": ["map", "str", "u8"]}),
    (Path, {"type": "string", "wire": "path"}),
    (IPv4Address | IPv6Address,
     {"type": "string", "wire": ["choice", [[0, "V4", "ipv4addr"], [1, "V6", "ipv6addr"]]],
      "anyOf": [{key: value for key, value in document(kind).items() if key != "wire"}
                for kind in (IPv4Address, IPv6Address)]}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "schema"), EXAMPLES, ids=str)
def test_each_kind_reads_so(annotation: Any, schema: dict[str, Any]) -> None:
    assert document(annotation) == schema


WITHOUT_FORM = {"dict of product", "dict of model", "dict of nothing", "dict of NamedTuple"}
ROWS = [row for row in MATRIX if row.name not in WITHOUT_FORM]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_wire_is_told_wherever_no_class_is_in_a_type(row: Row) -> None:
    schema = document(row.annotation)
    has_class = any("properties" in each or "oneOf" in each for each in _definitions(schema))
    if has_class or str(row.annotation) in ("Nested", "Linked"):
        assert "wire" not in schema
    else:
        assert schema["wire"] == describe(shape_of(row.annotation))


def _definitions(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return list(schema.get("$defs", {}).values())


# Agreement with the server -----------------------------------------------------------------------

WIDER = re.compile(
    r"is no Ipv6Addr|is no IpAddr|two of its keys are one|without point or exponent|too large for f"
)
"""Why the server refuses what the schema lets through; docs/protocol.md lists it."""

POOL: list[Any] = [
    None, True, False, 0, -1, 1, 7, 255, 256, 2**31, 2**32, 2**63, 2**64, 2**128, -(2**63) - 1,
    1.5, 1e39, "", "a", "abc", "127.0.0.1", "::1", "0" * 32, [], [1], [1, 1], [None], {}, {"a": 1},
]  # fmt: skip
KEYS = ["zz", "a", "7", "-7", "007", "1.5", "true", "RED"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each part of a JSON value."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


@st.composite
def wrong(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value with something in it changed, so that it is wrong most of the time."""
    whole = [copy.deepcopy(value)]
    *way, last = (0, *draw(st.sampled_from(places(value))))
    holder: Any = whole
    for step in way:
        holder = holder[step]
    here = holder[last]
    kind = draw(st.integers(0, 4))
    if kind == 0 and here and isinstance(here, dict):
        del here[draw(st.sampled_from(sorted(here)))]
    elif kind == 1 and isinstance(here, dict):
        here[draw(st.sampled_from(KEYS))] = draw(st.sampled_from(POOL))
    elif kind == 2 and isinstance(here, list):
        here.append(draw(st.sampled_from([*here, *POOL])))
    elif kind == 3 and here and isinstance(here, list):
        here.pop()
    else:
        holder[last] = copy.deepcopy(draw(st.sampled_from(POOL)))
    return whole[0]


def refusal(form: JsonForm[Any], value: Any) -> Misfit | None:
    """What the server says to a value, if it does not take it."""
    try:
        form.read(copy.deepcopy(value), Room(ELEMENTS, DEPTH))
    except Misfit as misfit:
        return misfit
    return None


def agrees(form: JsonForm[Any], validator: Any, value: Any) -> None:
    """Server and schema say the same of a value, but for what is documented."""
    misfit, error = refusal(form, value), best_match(validator.iter_errors(value))
    if misfit is None:
        # An element that a set is given twice: the server counts it once.
        twice = error is not None and {"uniqueItems", "maxItems"} & set(_keywords(error))
        assert error is None or twice, (value, error)
    elif error is None:
        is_key = any(isinstance(step, EntryKey) for step in misfit.steps)
        of_key = is_key and re.search(r"is no [ui]\d+ \(", misfit.reason)
        assert of_key or WIDER.search(misfit.reason), (value, misfit.reason)


def _keywords(error: Any) -> list[str]:
    inner = [keyword for each in error.context or () for keyword in _keywords(each)]
    return [error.validator, *inner]


def has_form(annotation: Any) -> bool:
    """Whether a type has a JSON form; where it has none, it has no schema either."""
    try:
        JsonForm(codec_of(annotation))
    except SchemaError:
        with pytest.raises(SchemaError):
            document(annotation)
        return False
    return True


def agree_on_values(row: Row, data: st.DataObject) -> None:
    codec = codec_of(row.annotation)
    form, validator = JsonForm(codec), checked(row.annotation)
    try:
        text = form.write(data.draw(row.values))
    except EncodeError:
        return  # not each value has a form: NaN
    value = json.loads(text)
    validator.validate(value)
    agrees(form, validator, data.draw(wrong(value)))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_row_of_the_matrix_agrees_with_the_server(row: Row) -> None:
    @MODERATE
    @given(st.data())
    def check(data: st.DataObject) -> None:
        agree_on_values(row, data)

    check()


@settings(THOROUGH, max_examples=60)
@given(st.data())
def test_types_nobody_thought_of_agree_with_the_server(data: st.DataObject) -> None:
    row = data.draw(invented_rows)
    if has_form(row.annotation):
        agree_on_values(row, data)


@pytest.mark.parametrize("seed", range(24))
def test_types_with_demands_that_nobody_thought_of_agree_with_the_server(seed: int) -> None:
    random = Random(seed)
    with making(Inventor(random).constrained(3, {})) as made:
        if not has_form(made.annotation):
            return
        form, validator = JsonForm(codec_of(made.annotation)), checked(made.annotation)
        for _ in range(4):
            try:
                value = json.loads(form.write(made.draw(random)))
            except EncodeError:
                continue  # not each value has a form: NaN
            validator.validate(value)
            for wrong_value in POOL:
                agrees(form, validator, wrong_value)


@pytest.mark.parametrize(
    "annotation",
    [dict[tuple[U8, U8], str], dict[bytes, str], dict[None, str], list[dict[U8 | None, str]]],
    ids=str,
)
def test_keys_that_are_no_text_have_no_schema_for_the_same_reason(annotation: Any) -> None:
    with pytest.raises(SchemaError) as by_form:
        JsonForm(codec_of(annotation))
    with pytest.raises(SchemaError) as by_schema:
        document(annotation)
    assert str(by_form.value) == str(by_schema.value)


def test_none_and_an_empty_tuple_are_one_in_json_and_so_have_no_schema() -> None:
    with pytest.raises(SchemaError, match="both null"):
        document(tuple[()] | None)


class Doubtful(BaseModel):
    x: U8

    @field_validator("x")
    @classmethod
    def check(cls, value: int) -> int:
        if value == 7:
            raise ValueError("not this one")
        return value


DIFFERENCES: list[tuple[Any, str, bool]] = [
    (U8, "1.0", False),
    (float, "1" + "0" * 400, False),
    (dict[U8, U8], '{"999":1}', False),
    (dict[float, U8], '{"1.0":1,"1e0":1}', False),
    (IPv6Address, '"::1::"', False),
    (Annotated[timedelta, Field(gt=timedelta(seconds=5))], '{"secs":1,"nanos":0}', False),
    (Annotated[str, Field(pattern=r"\p{Lu}")], '"a"', False),
    (Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], '" "', False),
    (Doubtful, '{"x":7}', False),
    (set[U8], "[1,1]", True),
    (Annotated[set[U8], Field(max_length=1)], "[1,1]", True),
    (Color, '{"RED":null}', True),
]
"""Where the two differ, as docs/protocol.md has it, and whether the server takes it."""


@pytest.mark.parametrize(("annotation", "text", "by_server"), DIFFERENCES, ids=str)
def test_server_and_schema_differ_where_it_is_documented(
    annotation: Any, text: str, by_server: bool
) -> None:
    value = json.loads(text)
    assert (refusal(JsonForm(codec_of(annotation)), value) is None) is by_server
    assert checked(annotation).is_valid(value) is not by_server


# What is demanded --------------------------------------------------------------------------------

Even = NewType("Even", Annotated[int, Field(multiple_of=2)])
Short = TypeAliasType("Short", Annotated[str, Field(max_length=3, description="a few letters")])

DEMANDS: list[tuple[Any, dict[str, Any]]] = [
    (Annotated[U32, Field(gt=0)], {"minimum": 0, "exclusiveMinimum": 0}),
    (Annotated[U8, Field(ge=3, le=300)], {"minimum": 3, "maximum": 255}),
    (Annotated[U8, Field(ge=-3, lt=9)], {"minimum": 0, "exclusiveMaximum": 9}),
    (Annotated[int, Interval(ge=1, le=2)], {"minimum": 1, "maximum": 2}),
    (Annotated[int, Field(ge=5), Field(ge=1)], {"minimum": 1}),
    (PositiveInt, {"exclusiveMinimum": 0}),
    (Even, {"multipleOf": 2}),
    (Annotated[float, Field(ge=0.5, lt=2)], {"minimum": 0.5, "exclusiveMaximum": 2}),
    (Annotated[str, Field(min_length=1, max_length=3)], {"minLength": 1, "maxLength": 3}),
    (Annotated[str, StringConstraints(pattern="^a+$")], {"pattern": "^a+$"}),
    (Annotated[str, Field(pattern=re.compile("b"))], {"pattern": "b"}),
    (Short, {"maxLength": 3, "description": "a few letters"}),
    (Annotated[bytes, Field(max_length=3)], {"maxItems": 3}),
    (Annotated[list[U8], Len(1, 4)], {"minItems": 1, "maxItems": 4}),
    (conlist(U8, min_length=2), {"minItems": 2}),
    (Annotated[set[U8], Field(min_length=1)], {"minItems": 1}),
    (Annotated[dict[str, U8], Field(min_length=1, max_length=2)],
     {"minProperties": 1, "maxProperties": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "keywords"), DEMANDS, ids=str)
def test_demands_are_told_as_json_schema_says_them(
    annotation: Any, keywords: dict[str, Any]
) -> None:
    schema = document(annotation)
    assert schema.items() >= keywords.items()
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[float, Field(le=float("inf"))],
        Annotated[timedelta, Field(gt=timedelta(1))],
        Annotated[str, Field(pattern=re.compile("b", re.IGNORECASE))],
        Annotated[str, StringConstraints(strip_whitespace=True, max_length=2)],
    ],
    ids=str,
)
def test_what_json_schema_cannot_say_is_left_out(annotation: Any) -> None:
    assert document(annotation) == document(annotation.__origin__)


def test_a_pattern_that_only_rust_reads_is_left_out() -> None:
    assert "pattern" not in document(Annotated[str, Field(pattern=r"\p{L}")])


def test_demands_and_descriptions_hold_within() -> None:
    item = Annotated[U16, Field(gt=3, description="a port")]
    told = {"minimum": 0, "exclusiveMinimum": 3, "maximum": 65535, "type": "integer"}
    told |= {"wire": "u16", "description": "a port"}
    assert document(list[item])["items"] == told
    assert document(dict[str, item])["additionalProperties"] == told
    assert document(tuple[str, item])["prefixItems"][1] == told
    assert document(item | None)["anyOf"][0] == told
    assert document(list[set[item] | None])["items"]["anyOf"][0]["items"] == told


def test_what_is_demanded_of_an_option_is_demanded_of_its_value() -> None:
    class Model(BaseModel):
        x: Annotated[U8, Field(ge=1)] | None = Field(default=None, le=9, description="level")

    schema = property_of(Model)
    assert schema["description"] == "level"
    assert schema["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 9, "wire": "u8"}
    assert "maximum" not in schema


Twigs = TypeAliasType("Twigs", "list[Annotated[Twigs, Field(max_length=2)]]")


class First(BaseModel):
    x: Annotated[U8, Field(ge=5)] = Field(ge=1)


class Second(BaseModel):
    x: Annotated[U8, Field(ge=1)] = Field(ge=5)


class Third(BaseModel):
    x: Annotated[U8, Field(ge=5)] | None = Field(ge=1)


class Fourth(BaseModel):
    x: Annotated[U8, Field(ge=1)] | None = Field(ge=5)


class Fifth(BaseModel):
    x: Annotated[Annotated[U8, Field(ge=1)], Field(ge=5)]


HIGH, LOW = Annotated[U8, Field(ge=5)], Annotated[U8, Field(ge=1)]
Sixth = dataclasses.make_dataclass("Sixth", [("x", HIGH, Field(ge=1))])
Seventh = dataclasses.make_dataclass("Seventh", [("x", LOW, Field(ge=5))])


@pydantic.dataclasses.dataclass
class Eighth:
    x: Annotated[U8, Field(ge=5)] = Field(ge=1)


class Ninth(BaseModel):
    x: Annotated[Even, Field(ge=4)]


class Tenth(BaseModel):
    x: Annotated[Twigs, Field(max_length=1)]


class Eleventh(BaseModel):
    x: Annotated[Even, Field(multiple_of=3)]


FromFive = TypeAliasType("FromFive", Annotated[int, Field(ge=5)])


class Twelfth(BaseModel):
    x: Annotated[FromFive, Field(ge=1)]


TWO_DEMANDS = [
    First, Second, Third, Fourth, Fifth, Sixth, Seventh, Eighth, Ninth, Tenth, Eleventh, Twelfth,
]  # fmt: skip


@pytest.mark.parametrize("model", TWO_DEMANDS)
def test_of_two_demands_that_one_is_told_which_the_server_holds_to(model: type) -> None:
    form, validator = JsonForm(codec_of(model)), checked(model)
    values = [
        *({"x": x} for x in range(8)),
        *({"x": [[]] * x} for x in range(4)),
        {"x": [[[]] * 3]},
    ]
    verdicts = [refusal(form, value) is None for value in values]
    assert verdicts == [validator.is_valid(value) for value in values]
    assert set(verdicts) == {True, False}


def test_keys_are_text_and_held_to_their_kind() -> None:
    def names(key: Any) -> Any:
        return document(dict[key, U8])["propertyNames"]

    assert names(Annotated[str, Field(max_length=2)])["maxLength"] == 2
    assert names(bool) == {"type": "string", "enum": ["true", "false"], "wire": "bool"}
    assert names(Color)["$ref"] == "#/$defs/type.Color"
    told = {
        U8: (["0", "7", "255"], ["-1", "07", "1.0", "", "x", "1000"]),
        I8: (["0", "-7"], ["-0", "+1", "-", "--1"]),
        float: (["0", "-1.5", "1e9"], [".5", "1.", "NaN", "Infinity"]),
        UUID: (["0" * 32], ["0"]),
        IPv4Address: (["1.2.3.4"], ["1.2.3", "01.2.3.4", "256.2.3.4"]),
    }
    for key, (good, bad) in told.items():
        validator = checked(dict[key, U8])
        form = JsonForm(codec_of(dict[key, U8]))
        for text in good:
            validator.validate({text: 1})
            assert refusal(form, {text: 1}) is None
        for text in bad:
            assert not validator.is_valid({text: 1})
            assert refusal(form, {text: 1}) is not None


def test_times_are_two_numbers_of_the_range_that_the_type_holds() -> None:
    def most(kind: Any, key: str) -> Any:
        return document(kind)["properties"][key]["maximum"]

    assert most(Duration, "secs") == most(SystemTime, "secs_since_epoch") == 2**64 - 1
    assert most(timedelta, "secs") == 86_399_999_999_999
    assert most(datetime, "secs_since_epoch") == 253_402_300_799
    assert most(Duration, "nanos") == most(datetime, "nanos_since_epoch") == 999_999_999
    validator = checked(timedelta)
    assert validator.is_valid({"secs": 1, "nanos": 1000})
    for value in ({"secs": 1}, {"secs": 1, "nanos": 1}, {"secs": -1, "nanos": 0}, [1, 0]):
        assert not validator.is_valid(value)


def test_a_32_bit_float_ends_where_it_rounds_to_infinity() -> None:
    largest = document(F32)["maximum"]
    form = JsonForm(codec_of(F32))
    assert refusal(form, largest) is None
    assert refusal(form, float(np.nextafter(largest, np.inf))) is not None
    assert document(F32)["minimum"] == -largest


# Fields ------------------------------------------------------------------------------------------


class Spot(NamedTuple):
    name: str
    x: Annotated[U8, Field(description="how far")] = 3


@dataclasses.dataclass
class Plain:
    name: str
    x: U8 = 3
    many: list[U8] = dataclasses.field(default_factory=list)


@pydantic.dataclasses.dataclass
class Strict:
    """Checks itself."""

    name: str
    x: U8 = Field(default=3, gt=2, description="how far", alias="ex")


class Model(BaseModel):
    """A model.

    Of two lines.
    """

    name: str
    x: U8 = Field(default=3, description="how far", alias="ex")
    note: str | None
    made: list[U8] = Field(default_factory=list)
    maybe: U8 | None = Field(default_factory=lambda: 5)
    level: U8 | None = 4


def test_fields_of_a_model() -> None:
    found = definition(Model, "type.Model")
    assert found["title"] == "Model"
    assert found["description"] == "A model.\n\nOf two lines."
    assert found["required"] == ["name"]
    assert found["additionalProperties"] is False
    assert list(found["properties"]) == ["name", "ex", "note", "made", "maybe", "level"]
    assert found["properties"]["ex"] == U8_SCHEMA | {"description": "how far", "default": 3}
    assert found["properties"]["note"]["default"] is None
    assert found["properties"]["level"]["default"] == 4
    for made_anew in ("made", "maybe"):
        assert "default" not in found["properties"][made_anew]


def test_fields_of_other_classes() -> None:
    assert property_of(Spot) == U8_SCHEMA | {"description": "how far", "default": 3}
    assert definition(Spot, "type.Spot")["required"] == ["name"]
    assert property_of(Plain) == U8_SCHEMA | {"default": 3}
    assert definition(Plain, "type.Plain")["required"] == ["name"]
    assert "default" not in property_of(Plain, "many")
    wanted = U8_SCHEMA | {"exclusiveMinimum": 2, "description": "how far", "default": 3}
    assert property_of(Strict, "ex") == wanted


def test_only_what_somebody_wrote_is_a_doc() -> None:
    assert definition(Strict, "type.Strict")["description"] == "Checks itself."
    for silent in (Spot, Plain, Crate[U8], Color, Tree):
        (found,) = (
            each for each in _definitions(document(silent)) if each["title"][:4] in repr(silent)
        )
        assert "description" not in found


class Mode(enum.Enum):
    """How to go on."""

    FAST = "f"
    EXACT = "e"


def test_an_enum_is_its_members_names() -> None:
    schema = document(Mode)
    assert schema["$ref"] == "#/$defs/type.Mode"
    assert schema["wire"] == ["enum", ["FAST", "EXACT"]]
    told = {"title": "Mode", "description": "How to go on.", "type": "string"}
    assert schema["$defs"]["type.Mode"] == told | {"enum": ["FAST", "EXACT"]}


class Defaults(BaseModel):
    blob: bytes = b"\0a"
    spot: Spot = Spot("n", 1)
    plain: Plain = Plain("p")
    mode: Mode = Mode.EXACT
    by_mode: dict[Mode, set[U8]] = {Mode.FAST: {2, 1}}
    path: Path = Path("/tmp")
    when: datetime = datetime.fromisoformat("1970-01-01T00:00:01Z")
    long: timedelta = timedelta(microseconds=5)
    exact: Duration = Duration(1, 2)
    address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    id: UUID = UUID(int=7)
    real: F32 = 0.1
    pair: tuple[U8, str | None] = (1, None)
    numbers: Annotated[np.ndarray, Vec(U8)] = np.array([1, 2], "u1")
    nothing: None = None


def test_a_default_is_told_in_its_json_form() -> None:
    properties = definition(Defaults, "type.Defaults")["properties"]
    assert {name: schema["default"] for name, schema in properties.items()} == {
        "blob": [0, 97],
        "spot": {"name": "n", "x": 1},
        "plain": {"name": "p", "x": 3, "many": []},
        "mode": "EXACT",
        "by_mode": {"FAST": [1, 2]},
        "path": "/tmp",
        "when": {"secs_since_epoch": 1, "nanos_since_epoch": 0},
        "long": {"secs": 0, "nanos": 5000},
        "exact": {"secs": 1, "nanos": 2},
        "address": "127.0.0.1",
        "id": "00000000-0000-0000-0000-000000000007",
        "real": 0.1,
        "pair": [1, None],
        "numbers": [1, 2],
        "nothing": None,
    }
    validator = checked(Defaults)
    validator.validate({name: schema["default"] for name, schema in properties.items()})
    validator.validate({})


class Odd(BaseModel):
    infinite: float = float("inf")
    wide: U8 = 300
    wrong: str = 7  # type: ignore[assignment]
    half: str = "\ud800"
    long: bytes = bytes(10_000)


def test_a_default_that_cannot_be_told_is_left_out_and_its_field_stays_optional() -> None:
    found = definition(Odd, "type.Odd")
    assert found["required"] == []
    assert all("default" not in schema for schema in found["properties"].values())


# What is shared ----------------------------------------------------------------------------------


def test_a_class_stands_once_however_often_it_is_used() -> None:
    class Both(BaseModel):
        a: Mode
        b: list[Mode]
        c: dict[str, tuple[Spot, Spot | None]]

    assert set(document(Both)["$defs"]) == {"type.Both", "type.Mode", "type.Spot"}


class Page(BaseModel, Generic[T]):
    """A page of items."""

    items: list[T]


def test_names_have_only_what_may_stand_in_a_reference() -> None:
    schema = document(Page[Annotated[int, Field(gt=1)] | None])
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in schema["$defs"])
    assert _definitions(schema)[0]["description"] == "A page of items."


def test_names_that_collide_are_numbered() -> None:
    def spot() -> Any:
        class Spot(BaseModel):
            y: U8

        return Spot

    schema = document(tuple[Spot, spot(), spot(), Page[U8], Page[int]])
    names = ["type.Spot", "type.Spot.2", "type.Spot.3", "type.Page_u8", "type.Page_int"]
    assert list(schema["$defs"]) == names
    assert [each["$ref"] for each in schema["prefixItems"]] == [f"#/$defs/{n}" for n in names]


@pytest.mark.parametrize(
    "annotation", [Tree, Bush[str], Nested, Linked, Door, tuple[Nested, list[Nested]]], ids=str
)
def test_what_contains_itself_refers_to_itself(annotation: Any) -> None:
    schema = document(annotation)
    references = re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema["$defs"]))
    assert set(references) <= set(schema["$defs"])
    assert references
    assert not any(name.endswith(".2") for name in schema["$defs"])


def test_a_family_is_told_by_its_variants() -> None:
    schema = document(list[Figure])
    assert schema["items"] == {"$ref": "#/$defs/type.Figure"}
    found = schema["$defs"]["type.Figure"]
    assert found["title"] == "Figure"
    assert found["description"] == "A family with one pinned index."
    assert found["oneOf"][0] == {"const": "Dot"}
    assert [[*form["properties"]] for form in found["oneOf"][1:]] == [
        ["Dot"],
        ["Disc"],
        ["a label"],
    ]
    assert "type.a_label" in schema["$defs"]
    validator = checked(Figure)
    for value in ("Dot", {"Dot": None}, {"Dot": {}}):
        validator.validate(value)
    for value in ("Disc", {"Disc": None}, {}, {"Dot": {}, "Disc": {}}, {"Dot": {"x": 1}}):
        assert not validator.is_valid(value)


class Reply(Response):
    """What is answered."""


class Sum(Reply):
    c: U64


class Shape(TaggedUnion):
    pass


class Square(Shape):
    side: U8


def test_variants_of_responses_have_a_prefix_of_their_own() -> None:
    assert set(document(tuple[Reply, Shape])["$defs"]) == {
        "type.Reply", "response.Sum", "type.Shape", "type.Square",
    }  # fmt: skip


def test_a_union_of_a_familys_variants_is_not_the_family() -> None:
    class More(BaseModel):
        a: Shape
        b: Square | Sum

    names = ["type.More", "type.Shape", "type.Square", "type.Square_Sum", "response.Sum"]
    assert list(document(More)["$defs"]) == names
