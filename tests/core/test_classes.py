"""Classes made from a description: they are what they came from, whoever wrote the description."""

from __future__ import annotations

import dataclasses
import enum
import json
from random import Random
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lazyipc import (
    U8,
    U64,
    Command,
    DecodeError,
    LocalProtocolError,
    Response,
    SchemaError,
)
from lazyipc._core.catalog import Catalog, entry_of
from lazyipc._core.compiled import codec_of
from lazyipc._core.description.model import Description
from lazyipc._core.description.reading import read_description
from lazyipc._core.description.rebuilt.classes import Classes, classes_of
from lazyipc._core.json_form import JsonForm, Room
from lazyipc._core.schema import describe, fingerprint
from tests.core.command_sets import command_set, descriptions
from tests.core.declared_types import Figure
from tests.core.invented_types import THOROUGH, invented_rows
from tests.core.matrix import MATRIX, MODERATE, Row
from tests.fuzz.invention import invent
from tests.fuzz.made import making

SERVER = {
    "name": "train", "version": None, "pid": 1, "uptime": 0.5, "start_ns": None, "clock": "00" * 8,
    "library": "0", "path": "/train.sock", "wires": ["FRAMED", "JSON"],
}  # fmt: skip


def described(command: Any) -> Description:
    """What a server of a command set tells of it, as it comes out of the wire."""
    document = Catalog(command).document
    return read_description(json.loads(json.dumps({**document, "server": SERVER})))


def remade(command: Any) -> Classes:
    return classes_of(described(command))


def assert_alike(command: Any) -> Classes:
    """The classes made from a set's description are described as it is."""
    made = remade(command)
    assert list(made.catalog.by_fingerprint) == list(Catalog(command).by_fingerprint)
    assert told_of(described(made.command)) == told_of(described(command))
    return made


def told_of(description: Description) -> list[Any]:
    """What a description says beyond the schemas, which tell a Duration from a timedelta."""
    return [
        (
            command.name,
            command.doc,
            command.index,
            command.timeout,
            command.returns,
            [
                (field.name, field.key, field.wire, field.doc, field.is_required, field.default)
                for field in command.fields
            ],
        )
        for command in description.commands
    ]


def json_of(type_: Any, value: Any) -> Any:
    return json.loads(JsonForm(codec_of(type_)).write(value))


def sets_of(row: Row) -> Any:
    """A command set that holds a type in each place there is."""
    return command_set({
        "Takes": ({"first": row.annotation, "again": row.annotation}, None),
        "Gives": ({}, list[row.annotation]),  # type: ignore[name-defined]
        "Answers": ({}, row.annotation),
    })  # fmt: skip


def gives(made: Classes) -> Any:
    """The codec of what `Gives` answers."""
    return entry_of(made.commands["Gives"]).reply.only


def assert_round_trip(row: Row, made: Classes, value: Any) -> None:
    """A value's bytes mean the same to the class that was made; so does its JSON, if it has one."""
    ours, theirs = codec_of(list[row.annotation]), gives(made)  # type: ignore[name-defined]
    value = [value]
    data = bytes(ours.encode(value))
    read = theirs.decode(data)
    assert bytes(theirs.encode(read)) == data
    try:
        told = JsonForm(ours).write(value)
    except (SchemaError, ValueError):
        return
    form = JsonForm(theirs)
    assert form.write(read) == told
    assert bytes(theirs.encode(form.read(json.loads(told), Room(10**6, 64)))) == data


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_each_kind_of_type_comes_out_as_it_went_in(row: Row) -> None:
    made = assert_alike(sets_of(row))

    @MODERATE
    @given(row.values)
    def values(value: Any) -> None:
        assert_round_trip(row, made, value)

    values()


@THOROUGH
@given(st.data())
def test_types_nobody_thought_of_come_out_as_they_went_in(data: st.DataObject) -> None:
    row = data.draw(invented_rows)
    made = assert_alike(sets_of(row))
    assert_round_trip(row, made, data.draw(row.values))


@pytest.mark.parametrize("seed", range(40))
def test_what_the_fuzzer_invents_comes_out_as_it_went_in(seed: int) -> None:
    """Classes and families that hold one another in ways that the others do not come to."""
    with making(invent(Random(seed)), future=bool(seed % 2)) as made:
        assert_alike(sets_of(Row(str(seed), made.annotation, st.nothing())))


@pytest.mark.parametrize("seed", [112, 257, 942])
def test_choices_around_choices(seed: int) -> None:
    """Unions that refer to what is around them; families that refer to one another."""
    with making(invent(Random(seed)), future=bool(seed % 2)) as made:
        assert_alike(sets_of(Row(str(seed), made.annotation, st.nothing())))


# Sets of every kind ------------------------------------------------------------------------------


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Point(BaseModel):
    """A place."""

    x: U8 = Field(default=3, description="metres east")
    color: Color = Color.GREEN


class Answer(Response):
    """What comes back."""


class Sum(Answer):
    """It was added."""

    c: U64


class Nothing(Answer, name="no thing"):
    pass


class Order(Command, timeout=7.0):
    """What can be told."""


class Add(Order, index=9):
    """Add two numbers."""

    a: Annotated[U64, Field(gt=2, multiple_of=3)]
    name: str = Field("x", max_length=4, pattern="^[a-z]+$", description="who asks")
    points: list[Point] = Field([Point(x=1)], max_length=2)

    def process(self, context: object) -> Sum: ...


class Ask(Order, timeout=2.5):
    point: Point | None
    more: list[Ask]

    def process(self, context: object) -> Answer: ...


def test_a_set_comes_out_with_all_that_was_said_of_it() -> None:
    made = assert_alike(Order)
    add: Any = made.commands["Add"]
    assert (add.__doc__, made.command.__doc__) == ("Add two numbers.", "What can be told.")
    assert (entry_of(add).timeout, entry_of(made.commands["Ask"]).timeout) == (7.0, 2.5)
    assert add.__lazyipc_family__.variant_of(add).index == 9
    assert [made.types[name].__doc__ for name in ("Sum", "Point")] == ["It was added.", "A place."]
    assert add.model_fields["name"].description == "who asks"
    default = add(a=6)
    assert (default.name, default.points[0].x, default.points[0].color.name) == ("x", 1, "GREEN")
    for wrong in ({"a": 0}, {"a": 4}, {"a": 6, "name": "xxxxx"}, {"a": 6, "name": "X"}):
        with pytest.raises(ValidationError):
            add(**wrong)
    with pytest.raises(ValidationError, match="at most 2"):
        add(a=6, points=[made.types["Point"]()] * 3)
    with pytest.raises(LocalProtocolError, match="run by its server"):
        default.process(None)


def test_responses_keep_what_was_said_of_them_though_no_command_returns_all() -> None:
    """Such a family is described for the bare wire's sake."""

    class Result(Response):
        pass

    class Lit(Result):
        """It shines."""

        color: Color = Field(description="in this")

    class Order(Command):
        pass

    class Light(Order):
        def process(self, context: object) -> Lit: ...

    made = assert_alike(Order)
    lit: Any = made.types["Lit"]
    assert lit.__doc__ == "It shines."
    assert lit.model_fields["color"].annotation is made.types["Color"]
    assert lit.model_fields["color"].description == "in this"


def test_one_class_is_made_once() -> None:
    made = remade(Order)
    ask: Any = made.commands["Ask"]
    points: Any = made.commands["Add"].model_fields["points"].annotation
    assert ask.model_fields["point"].annotation == made.types["Point"] | None
    assert get_args(points) == (made.types["Point"],)
    assert entry_of(made.commands["Add"]).reply.only is not None
    assert sorted(made.types) == ["Answer", "Color", "Point", "Sum", "no_thing"]


def test_what_is_taken_and_given_back_is_one_class() -> None:
    class Order(Command):
        pass

    class Move(Order):
        point: Point
        shape: Figure

        def process(self, context: object) -> Point: ...

    class Draw(Order):
        many: list[Figure]

        def process(self, context: object) -> Figure: ...

    made = assert_alike(Order)
    names = ["Color", "Color_2", "Disc", "Dot", "Figure", "Point", "Point_2", "a_label"]
    assert sorted(made.types) == names  # two enums, and two structs, of one name
    move, disc = made.commands["Move"], made.types["Disc"]
    point: Any = move.model_fields["point"].annotation
    center: Any = disc.model_fields["center"].annotation  # type: ignore[attr-defined]
    ours = disc(center=center(x=1, y=2), radius=3.0)
    assert move(point=point(), shape=ours).shape == ours  # type: ignore[attr-defined]
    assert entry_of(move).reply.only is codec_of(point)
    draw = entry_of(made.commands["Draw"]).reply
    assert set(draw.by_model) == {made.types[name] for name in ("Disc", "Dot", "a_label")}


def test_bare_clients_can_be_made_of_it() -> None:
    made = remade(Order)
    ours, theirs = Catalog(Order).bare, made.catalog.bare
    for mine, other in ((ours.command, theirs.command), (ours.response, theirs.response)):
        assert describe(mine.shape) == describe(other.shape)


def test_a_set_of_one() -> None:
    class Only(BaseModel):
        copied: U8
        dict_: Point

        def process(self, context: object) -> list[U8]: ...

    made = assert_alike(Only)
    assert made.command is made.commands["Only"]


@pytest.mark.parametrize("name", ["_x", "json", "model_dump", "copy", "process"])
def test_a_struct_with_a_field_that_no_model_may_have(name: str) -> None:
    struct = dataclasses.make_dataclass(
        "Odd", [(name, U8), ("b", U8, dataclasses.field(default=4))]
    )
    command = command_set({"Go": ({"odd": struct}, struct)})
    made = assert_alike(command)
    odd: Any = made.types["Odd"]
    assert odd(**{name: 7}) == odd(**{name: 7, "b": 4})


@pytest.mark.parametrize("name", ["a b", "class", "1", "é", "x" * 300, "\x1b[31m", "__init__", ""])
def test_a_name_that_python_cannot_spell(name: str) -> None:
    """Of commands and variants; one that is empty is refused when the description is read."""
    command = command_set({name or " ": ({}, None), "other": ({}, None)})
    made = assert_alike(command)
    spelt = made.commands[name or " "].__name__
    assert spelt.isidentifier()
    assert spelt.isprintable()
    assert len(spelt) < 210


# Descriptions nobody made in good faith ----------------------------------------------------------


def document_of(**changes: Any) -> dict[str, Any]:
    """The description of one command, `Go(x: u8)`, with some parts of it replaced."""
    command = {
        "name": "Go", "doc": "", "index": 0, "timeout": None, "fingerprint": "", "returns": "unit",
        "fields": [{"name": "x", "key": "x", "wire": "u8", "bytes": 1}], "family": None,
        "request": {"$ref": "#/$defs/command.Go"}, "response": {"type": "null"},
    }  # fmt: skip
    properties = {"x": {"type": "integer"}}
    definitions = {"command.Go": {"type": "object", "properties": properties, "required": ["x"]}}
    document: dict[str, Any] = {
        "lazyipc": 1, "server": SERVER, "set": {"name": "Order", "doc": "", "tagged": True},
        "commands": [command], "families": [], "schema": {"$defs": definitions},
    }  # fmt: skip
    for key, value in changes.items():
        of: Any = document
        *steps, last = key.split("__")
        for step in steps:
            of = of[int(step)] if step.isdigit() else of[step.replace("DOT", ".")]
        of[int(last) if last.isdigit() else last.replace("DOT", ".")] = value
    told = document["commands"][0]
    if isinstance(told, dict) and told.get("fingerprint") == "":
        fields = [[field["name"], field["wire"]] for field in told["fields"]]
        full = ["command", told["name"], fields, told["returns"]]
        told["fingerprint"] = fingerprint(full).hex()
    return document


FIELD = "commands__0__fields__0__"
PROPERTY = "schema__$defs__commandDOTGo__properties__x"


def wire(of: Any) -> dict[str, Any]:
    return {f"{FIELD}wire": of}


def deep(levels: int) -> Any:
    return "u8" if not levels else ["vec", deep(levels - 1)]


def test_the_document_of_these_tests_is_sound() -> None:
    made = classes_of(read_description(document_of()))
    assert list(made.commands) == ["Go"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        (wire("u9"), "Go.x"),
        (wire(["up", 0]), "Go.x"),
        (wire(["up", 1]), "Go"),
        (wire(["up", 9]), "Go.x"),
        (wire(["see", 0]), "Go.x"),
        (wire(["option", ["option", "u8"]]), "Go.x"),
        (wire(["set", ["vec", ["map", "u8", "u8"]]]), "Go"),
        (wire(["array", "u8", 2**40]), "Go"),
        (wire(["enum", []]), "Go"),
        (wire(["enum", ["A", "A"]]), "Go"),
        (wire(["enum", ["mro"]]), "Go"),
        (wire(["enum", ["__class__"]]), "Go"),
        (wire(["enum", ["_sunder_"]]), "Go"),
        (wire(["struct", [["a", "u8"], ["a", "u8"]]]), "Go.x"),
        (wire(["struct", [["__class__", "u8"]]]), "Go.x"),
        (wire(["struct", [["a b", "u8"]]]), "Go.x"),
        (wire(["struct", [["import", "u8"]]]), "Go.x"),
        (wire(["choice", []]), "Go.x"),
        (wire(["choice", [[0, "A", []], [0, "B", []]]]), "Go"),
        (wire(["choice", [[0, "A", []], [1, "A", []]]]), "Go"),
        (wire(["choice", [[2**40, "A", []]]]), "Go"),
        (wire(["choice", [[0, "A", "u8"]]]), "Go.x"),
        (wire(["choice", [[0, "A", [["x", ["see", 0]]]]]]), "Go"),
        (wire(["tuple", [["up", 1]]]), "Go"),
        (wire(deep(100)), None),
        ({f"{FIELD}name": "__class__"}, "Go"),
        ({f"{FIELD}name": "model_dump"}, "Go"),
        ({f"{FIELD}name": "process"}, "Go"),
        ({f"{FIELD}name": "lambda"}, "Go"),
        ({f"{FIELD}name": "x=__import__('os')"}, "Go"),
        ({"commands__0__fingerprint": "00" * 8}, "Go"),
        ({"commands__0__index": 10**9}, "Go"),
        ({"commands__0__timeout": -1}, "Go"),
        ({"commands__0__returns": ["up", 1]}, "Go (response)"),
        ({"commands__0__returns": ["choice", []]}, "Go"),
        ({"commands__0__returns": ["response", "Sum", [["a", "a"]]]}, "Sum.a"),
        ({PROPERTY: {"wire": "u16"}}, "Go.x"),
        ({PROPERTY: {"multipleOf": 0}}, "Go.x"),
        ({PROPERTY: {"multipleOf": -1}}, "Go.x"),
        ({PROPERTY: {"minimum": 0.5}}, "Go.x"),
        ({PROPERTY: {"default": "one"}}, "Go.x"),
        ({PROPERTY: {"default": 256}}, "Go.x"),
        ({PROPERTY: {"default": None}}, "Go.x"),
        ({PROPERTY: {"maxLength": 2**70}, **wire("str")}, "Go.x"),
        ({PROPERTY: {"pattern": "("}, **wire("str")}, None),
        ({PROPERTY: {"properties": {}}, **wire(["struct", [["a", "u8"]]])}, "Go.x"),
        ({"schema__$defs__commandDOTGo__properties": {"x": {}, "y": {}}}, "Go"),
        ({"set__tagged": False, "commands__0__name": "a\nb"}, "a\nb"),
    ],
    ids=lambda value: repr(value)[-60:],
)  # fmt: skip
def test_what_nobody_could_have_declared_is_refused_by_name(
    changes: dict[str, Any], path: str | None
) -> None:
    description = read_description(document_of(**changes))
    if path is None:
        classes_of(description)
        return
    with pytest.raises(DecodeError) as caught:
        classes_of(description)
    assert caught.value.path == path
    assert len(str(caught.value)) < 2000


def test_a_pattern_of_another_engine_is_the_servers_to_check() -> None:
    class Text(BaseModel):
        model_config = ConfigDict(regex_engine="python-re")
        of: str = Field(pattern="(?<=a)b")
        plain: str = Field("b", pattern="^b$")

    made = remade(command_set({"Go": ({"text": Text}, None)}))
    text = made.types["Text"]
    assert text(of="anything").plain == "b"
    with pytest.raises(ValidationError, match="pattern"):
        text(of="ab", plain="a")


@pytest.mark.filterwarnings("ignore:Field name .* shadows:UserWarning")
def test_a_default_is_each_instances_own() -> None:
    class Odd(BaseModel):
        copy: list[U8] = [1]
        plain: list[U8] = [2]

    class Even(BaseModel):
        plain: list[U8] = [2]

    made = remade(command_set({"Go": ({"odd": Odd, "even": Even}, None)}))
    for name in ("Odd", "Even"):
        first, second = made.types[name](), made.types[name]()
        for field in vars(first):
            getattr(first, field).append(9)
            assert 9 not in getattr(second, field) + getattr(made.types[name](), field)


@MODERATE
@given(st.data())
def test_any_description_gives_classes_or_is_refused(data: st.DataObject) -> None:
    """Whatever stands in a type: a class of that description, or an error of ours."""
    type_ = data.draw(descriptions)
    property_ = data.draw(schemas)
    try:
        description = read_description(document_of(**{f"{FIELD}wire": type_, PROPERTY: property_}))
    except DecodeError:
        return
    try:
        made = classes_of(description)
    except DecodeError:
        return
    assert entry_of(made.commands["Go"]).description[2] == [["x", type_]]


schemas = st.fixed_dictionaries(
    {},
    optional={
        "title": st.text(max_size=3),
        "description": st.text(max_size=3),
        "minimum": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "multipleOf": st.integers(-3, 3) | st.floats(-2, 2),
        "maxItems": st.integers(0, 2**70),
        "pattern": st.text(max_size=3),
        "default": st.none() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({}),
        "properties": st.dictionaries(st.text(max_size=2), st.just({}), max_size=2),
        "items": st.just({"minimum": 3}),
    },
)
