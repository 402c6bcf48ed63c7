"""The description of a command set: its parts, that it is true, and that it stays what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, create_model

from lazyipc import U8, U32, Char, Command, Response, TaggedUnion, Wire
from lazyipc._core import schema
from lazyipc._core.annotation import shape_of
from lazyipc._core.catalog import Catalog
from lazyipc._core.compiled import codec_of
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.description.published.size import size_of
from lazyipc._core.events import Requested
from lazyipc._core.json_form import JsonForm
from lazyipc.errors import EncodeError, SchemaError
from tests.core.connection_pair import ORDERS, Order, orders
from tests.core.declared_types import Color, Figure, Point, Tree
from tests.core.invented_types import invented_rows
from tests.core.matrix import MATRIX, MODERATE, THOROUGH, UNHURRIED, Row
from tests.core.test_json_schema import POOL, WITHOUT_FORM, wrong

PROPERTY = settings(**UNHURRIED)


class Answer(Response):
    """What is answered."""


class Progress(Answer):
    """How far it is."""

    step: U32


class Done(Answer):
    pass


class Task(Command, timeout=5.0):
    """What can be asked.

    In two lines.
    """


class Rate(Task, timeout=2.5):
    """Change the rate."""

    rate: float = Field(gt=0, description="the new rate")
    kind_: Color = Field(default=Color.RED, alias="kind")

    def process(self, context: Any) -> Progress:
        return Progress(step=1)


class Stop(Task, index=7):
    def process(self, context: Any) -> Answer:
        return Done()


class Look(Task):
    at: Point
    tree: Tree | None = None

    def process(self, context: Any) -> list[Point]:
        return [self.at]


class Quit(Task, name="quit it"):
    def process(self, context: Any) -> Done:
        return Done()


class Keyed(Task):
    """Its keys are no text."""

    table: dict[tuple[U8, U8], Figure]

    def process(self, context: Any) -> None: ...


class Tabled(Task):
    """The keys of its response are no text."""

    def process(self, context: Any) -> dict[bytes, Point]:
        return {}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return Catalog(Task).document


def command(told: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in told["commands"] if each["name"] == name)
    return found


def family(*returns: Any) -> type:
    """A command set of a command for each of these, which returns it."""

    class Root(Command):
        pass

    def process(self: Any, context: Any) -> Any: ...

    for number, returned in enumerate(returns):
        made = type(process)(process.__code__, globals())
        made.__annotations__ = {"return": returned}
        type(f"Command{number}", (Root,), {"__module__": __name__, "process": made})
    return Root


# The parts ---------------------------------------------------------------------------------------


def test_it_is_nothing_but_json_and_the_same_each_time(told: dict[str, Any]) -> None:
    text = json.dumps(told)
    assert json.loads(text) == told
    assert json.dumps(Catalog(Task).document) == text
    assert list(told) == ["lazyipc", "set", "commands", "families", "schema"]
    assert told["lazyipc"] == 1


def test_it_is_made_once() -> None:
    catalog = Catalog(Task)
    assert catalog.document is catalog.document


def test_the_set_is_told_by_its_root(told: dict[str, Any]) -> None:
    assert told["set"] == {
        "name": "Task", "doc": "What can be asked.\n\nIn two lines.", "tagged": True, "bare": None,
    }  # fmt: skip
    assert told["schema"]["title"] == "Task"
    assert told["schema"]["description"] == "What can be asked.\n\nIn two lines."


def test_a_command(told: dict[str, Any]) -> None:
    assert command(told, "Rate") == {
        "name": "Rate",
        "doc": "Change the rate.",
        "index": 0,
        "timeout": 2.5,
        "fingerprint": Catalog(Task).document["commands"][0]["fingerprint"],
        "fields": [
            {"name": "rate", "key": "rate", "wire": "f64", "bytes": 8},
            {
                "name": "kind_",
                "key": "kind",
                "wire": ["enum", ["RED", "GREEN", "BLUE"]],
                "bytes": 4,
            },
        ],
        "returns": ["response", "Progress", [["step", "u32"]]],
        "family": None,
        "request": {"$ref": "#/$defs/command.Rate"},
        "response": {"$ref": "#/$defs/reply.Rate"},
    }
    assert [each["index"] for each in told["commands"]] == [0, 7, 2, 3, 4, 5]
    assert [each["timeout"] for each in told["commands"]] == [2.5, 5, 5, 5, 5, 5]
    assert command(told, "Stop")["doc"] == ""


def test_a_family_of_responses_is_told_once(told: dict[str, Any]) -> None:
    assert command(told, "Stop")["returns"] == ["family", "Answer"]
    assert command(told, "Stop")["family"] == 0
    assert told["families"] == [
        {
            "name": "Answer",
            "variants": [
                {"name": "Progress", "index": 0, "fields": [["step", "u32"]]},
                {"name": "Done", "index": 1, "fields": []},
            ],
        }
    ]
    many = Catalog(family(Answer, Answer, Answer)).document
    assert [each["family"] for each in many["commands"]] == [0, 0, 0]
    assert len(many["families"]) == 1


def test_families_of_one_name_are_two() -> None:
    def answers() -> Any:
        class Answer(Response):
            pass

        class Other(Answer):
            x: U8

        return Answer

    several = Catalog(family(answers(), Answer)).document
    assert [each["name"] for each in several["families"]] == ["Answer", "Answer"]
    assert [each["family"] for each in several["commands"]] == [0, 1]
    assert several["schema"]["$defs"]["reply.Command0"] == {"$ref": "#/$defs/type.Answer"}
    assert several["schema"]["$defs"]["reply.Command1"] == {"$ref": "#/$defs/type.Answer.2"}


def test_what_bare_answers_with_is_told_where_there_is_such_a_thing(told: dict[str, Any]) -> None:
    def bare(*returns: Any) -> Any:
        return Catalog(family(*returns)).document["set"]["bare"]

    assert bare(Progress, Done) == {"returns": ["family", "Answer"], "family": 0}
    assert bare(U8, U8) == {"returns": "u8", "family": None}
    assert bare(Done | None, Done | None)["family"] is None
    assert bare(U8, str) is None
    assert Catalog(family(Progress, Done)).document["families"][0]["name"] == "Answer"


@pytest.mark.parametrize("name", ["Keyed", "Tabled"])
def test_a_command_without_json_form_says_why(told: dict[str, Any], name: str) -> None:
    found = command(told, name)
    part, other = ("request", "response") if name == "Keyed" else ("response", "request")
    assert found[part] is None
    assert found[other] is not None
    assert found["json"].startswith(f"its {part}: the keys of a JSON object are text")
    definitions = told["schema"]["$defs"]
    assert f"line.{name}" not in definitions
    assert "type.Figure" not in definitions  # stood in it alone
    assert "json" not in command(told, "Look")


def test_what_was_half_told_leaves_nothing_behind() -> None:
    class Broken(BaseModel):
        point: Point
        table: dict[bytes, str]

    several = Catalog(family(Broken, Point, Broken)).document
    assert [each["response"] is None for each in several["commands"]] == [True, False, True]
    definitions = several["schema"]["$defs"]
    assert "type.Broken" not in definitions
    assert definitions["type.Point"]["required"] == ["x", "y"]
    Draft202012Validator(several["schema"]).validate("Command1")


def test_a_name_that_is_free_again_goes_to_one_class_only() -> None:
    def part(field: str) -> Any:
        return create_model("Part", **{field: (U8, ...)})

    first, second = part("a"), part("b")
    unsound = create_model("Unsound", part=(first, ...), table=(dict[bytes, str], ...))
    definitions = Catalog(family(unsound, second, first)).document["schema"]["$defs"]
    assert definitions["type.Part"]["required"] == ["b"]
    assert definitions["type.Part.2"]["required"] == ["a"]


def test_a_set_whose_commands_have_no_json_form_takes_no_line() -> None:
    nothing = Catalog(family(dict[bytes, str])).document["schema"]
    Draft202012Validator.check_schema(nothing)
    assert not Draft202012Validator(nothing).is_valid("Command0")


class Alone(BaseModel):
    """A set of one."""

    x: U8
    y: U8 = Field(default=3, alias="why")

    def process(self, context: Any) -> U8:
        return self.x


def test_a_set_of_one_has_no_name_before_its_fields() -> None:
    one = Catalog(Alone).document
    assert one["set"] == {
        "name": "Alone", "doc": "A set of one.", "tagged": False,
        "bare": {"returns": "u8", "family": None},
    }  # fmt: skip
    assert one["commands"][0]["index"] is None
    assert one["commands"][0]["timeout"] is None
    assert one["schema"]["$defs"]["line.Alone"] == {"$ref": "#/$defs/command.Alone"}
    validator = Draft202012Validator(one["schema"])
    validator.validate({"x": 1, "why": 2})
    for value in ({"Alone": {"x": 1}}, "Alone", {"x": 1, "y": 2}, {}):
        assert not validator.is_valid(value)


class Nested(Command):
    pass


class Outer(Nested):
    inner: list[Inner]

    def process(self, context: Any) -> None: ...


class Inner(Nested):
    x: U8

    def process(self, context: Any) -> U8:
        return self.x


def test_a_command_inside_another_is_told_as_the_command_it_is() -> None:
    definitions = Catalog(Nested).document["schema"]["$defs"]
    held = definitions["command.Outer"]["properties"]["inner"]["items"]
    assert held == {"$ref": "#/$defs/command.Inner"}
    assert definitions["command.Inner"]["required"] == ["x"]
    assert not any(name.startswith("type.") for name in definitions)


def test_text_that_is_no_text_is_told_all_the_same() -> None:
    class Odd(Command):
        pass

    class Only(Odd):
        x: str = Field(default="", description="half a pair: \udfff")

        def process(self, context: Any) -> None: ...

    told = json.dumps(Catalog(Odd).document, ensure_ascii=False)
    assert "half a pair: \\\\udfff" in told
    told.encode()


# It is true --------------------------------------------------------------------------------------


def rebuilt(each: dict[str, Any]) -> str:
    """The fingerprint that a command's description says it has."""
    fields = [[field["name"], field["wire"]] for field in each["fields"]]
    return schema.fingerprint(["command", each["name"], fields, each["returns"]]).hex()


@pytest.mark.parametrize("root", [Task, Order, Alone], ids=lambda root: root.__name__)
def test_fingerprints_are_those_of_the_catalog_and_can_be_made_anew(root: type) -> None:
    catalog = Catalog(root)
    prints = [entry.fingerprint.hex() for entry in catalog.by_fingerprint.values()]
    assert [each["fingerprint"] for each in catalog.document["commands"]] == prints
    assert [rebuilt(each) for each in catalog.document["commands"]] == prints


def variant_prints(told: dict[str, Any]) -> list[str]:
    """The fingerprints of all variants of the families that are told."""
    variants = [variant for each in told["families"] for variant in each["variants"]]
    named = (["response", variant["name"], variant["fields"]] for variant in variants)
    return [schema.fingerprint(each).hex() for each in named]


def test_fingerprints_of_variants_can_be_made_from_the_families(told: dict[str, Any]) -> None:
    replies = [entry.reply for entry in Catalog(Task).by_fingerprint.values()]
    wanted = next(reply.by_fingerprint for reply in replies if reply.by_fingerprint)
    assert variant_prints(told) == [each.hex() for each in wanted]


def server(root: type) -> ServerConnection:
    return ServerConnection(Catalog(root), Wire.JSON)


def takes(connection: ServerConnection, value: Any) -> bool:
    """Whether the server would run a line."""
    connection.receive_data(json.dumps(value).encode() + b"\n")
    event = connection.next_event()
    if isinstance(event, Requested):
        return True
    connection.fail(event.call, event.error)  # type: ignore[union-attr]
    return False


def in_line(value: Any) -> bool:
    """Whether a line with it would be something else than a command."""
    return isinstance(value, dict) and ("$lazyipc" in value or len(value) > 1)


@pytest.mark.parametrize("root", [Task, Order, Alone], ids=lambda root: root.__name__)
def test_the_server_takes_the_lines_that_the_schema_takes(root: type) -> None:
    validator, connection = Draft202012Validator(Catalog(root).document["schema"]), server(root)
    point = {"x": 1, "y": -1}
    lines: list[Any] = [
        *POOL, "Rate", "quit it", {"quit it": None}, {"quit it": {}}, {"quit it": 1}, {"Quit": {}},
        {"Rate": {"rate": 0.5}}, {"Rate": {"rate": 0}}, {"Rate": {"rate": -1}}, {"Rate": None},
        {"Rate": {"rate": 0.5, "kind": "GREEN"}}, {"Rate": {"rate": 0.5, "kind_": "GREEN"}},
        {"Rate": {"rate": 0.5, "kind": "red"}}, {"Rate": {"rate": 1, "zz": 1}}, {"Rate": {}},
        {"Look": {"at": point}}, {"Look": {"at": point, "tree": None}}, {"Look": {"at": [1, 2]}},
        {"Look": {"at": {"x": 2**31, "y": 0}}},
        {"Look": {"at": point, "tree": {"value": 1, "left": None}}},
        {"Keyed": {"table": {}}}, "Tabled", {"Stop": []}, "Stop", {"Stop": {}}, {"Add": {"a": 1}},
        {"Add": {"a": 1, "b": 2}}, {"Add": {"a": 1, "b": 2**64}}, {"Say": {"text": "x"}},
        {"Say": {"text": "x", "blob": [0, 255]}}, {"Say": {"text": "x", "blob": [256]}},
        {"x": 1}, {"x": 1, "why": 2}, {"x": 256}, {"why": 2}, {"x": True}, {"x": "1"},
    ]  # fmt: skip
    verdicts = [(takes(connection, line), validator.is_valid(line)) for line in lines]
    assert {verdict[0] for verdict in verdicts} == {True, False}
    assert [
        line for line, (first, second) in zip(lines, verdicts, strict=True) if first != second
    ] == []


@PROPERTY
@given(st.data())
def test_server_and_schema_agree_on_lines_gone_wrong(data: st.DataObject) -> None:
    catalog = Catalog(Order)
    order = data.draw(orders)
    entry = next(each for each in catalog.by_fingerprint.values() if each.model is type(order))
    line = {entry.name: json.loads(JsonForm(entry.codec).write(order))}
    validator = Draft202012Validator(catalog.document["schema"])
    validator.validate(line)
    changed = data.draw(wrong(line))
    if in_line(changed):
        return
    assert takes(server(Order), changed) is validator.is_valid(changed)


def test_what_is_answered_is_as_the_replies_say() -> None:
    told = Catalog(Order).document
    connection = server(Order)
    for order in ORDERS:
        (name,) = [
            each["name"] for each in told["commands"] if each["name"] == type(order).__name__
        ]
        entry = next(e for e in Catalog(Order).by_fingerprint.values() if e.name == name)
        text = f'{{"{name}":{JsonForm(entry.codec).write(order)}}}\n'
        connection.receive_data(text.encode())
        event = connection.next_event()
        assert isinstance(event, Requested)
        answer = json.loads(bytes(connection.respond(event.call, order.process([]))))
        schema_of_reply = {**command(told, name)["response"], "$defs": told["schema"]["$defs"]}
        Draft202012Validator(schema_of_reply).validate(answer["Ok"])


# Types of every kind -----------------------------------------------------------------------------


def describes(row: Row, values: list[Any]) -> None:
    """A set with a command that takes and returns a row's type is described, soundly and fully."""

    class Root(Command):
        pass

    body = {
        "__module__": __name__,
        "__annotations__": {"x": row.annotation},
        "process": lambda self, context: self.x,
    }
    body["process"].__annotations__ = {"return": row.annotation}
    made: Any = type("Only", (Root,), body)
    told = Catalog(Root).document
    assert json.loads(json.dumps(told)) == told
    Draft202012Validator.check_schema(told["schema"])
    (only,) = told["commands"]
    assert rebuilt(only) == only["fingerprint"]
    if "json" in only:
        with pytest.raises(SchemaError):
            JsonForm(codec_of(row.annotation))
        return
    codec = codec_of(row.annotation)
    size = only["fields"][0]["bytes"]
    validator = Draft202012Validator(told["schema"])
    for value in values:
        if size is not None:
            assert len(codec.encode(value)) == size
        try:
            text = JsonForm(codec_of(made)).write(made(x=value))
        except EncodeError:
            continue  # not each value has a form: NaN
        validator.validate({"Only": json.loads(text)})


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_each_row_of_the_matrix_is_described(row: Row) -> None:
    @settings(MODERATE, max_examples=3)
    @given(st.lists(row.values, min_size=2, max_size=2))
    def check(values: list[Any]) -> None:
        describes(row, values)

    check()


@settings(THOROUGH, max_examples=25)
@given(st.data())
def test_types_nobody_thought_of_are_described(data: st.DataObject) -> None:
    row = data.draw(invented_rows)
    describes(row, [data.draw(row.values)])


def test_rows_without_json_form_are_those_whose_keys_are_no_text() -> None:
    rows = {
        row.name
        for row in MATRIX
        if Catalog(family(row.annotation)).document["commands"][0].get("json")
    }
    assert rows == WITHOUT_FORM


# Sizes -------------------------------------------------------------------------------------------


class Even(TaggedUnion):
    pass


class Left(Even):
    x: U8


class Right(Even):
    y: bool


@pytest.mark.parametrize(
    ("annotation", "size"),
    [
        (U8, 1),
        (Char, None),
        (Figure, None),
        (Even, 5),
        (Tree, None),
        (tuple[U8, U32], 5),
        (str, None),
    ],
    ids=str,
)
def test_a_size_is_told_where_it_never_varies(annotation: Any, size: int | None) -> None:
    assert size_of(shape_of(annotation)) == size
