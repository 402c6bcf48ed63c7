"""`lazyipc describe`: a table of a set, a page of a command, and that its examples are true."""

from __future__ import annotations

import io
import json
import re
import shlex

import pytest
from pydantic import BaseModel

from lazyipc import U8, Command
from lazyipc._core.catalog import Catalog, entry_of
from lazyipc._core.description.reading import read_description
from lazyipc._core.json_form import JsonForm
from lazyipc._core.json_form.rule import Room
from lazyipc.cli._own import description_without_server
from lazyipc.cli._shown.help import first_line, paragraphs, wrapped
from lazyipc.cli._shown.naming import MOST_CLASSES, classes_in, definitions_in, type_name
from lazyipc.cli._shown.output import Output
from lazyipc.cli._shown.sample import call_line, json_line, sample
from lazyipc.cli._views.describe import show_command
from lazyipc.cli._words.words import value_of
from tests.cli.home import Home
from tests.cli.host import SCARE, Order
from tests.cli.inside import Inside
from tests.cli.running import description

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


def test_the_document_as_it_is(inside: Inside) -> None:
    done = inside.run("describe", "train")
    assert (done.code, done.err) == (0, "")
    assert read_description(done.json).server.name == "train"
    assert done.json["commands"] == Catalog(Order).document["commands"]


def test_one_command_for_programs(inside: Inside) -> None:
    told = inside.run("describe", "train", "draw").json
    assert (told["name"], told["index"]) == ("Draw", 7)
    assert "type.Circle" in told["$defs"]
    assert "type.Level" not in told["$defs"]
    assert definitions_in([told["request"], told["response"]], told["$defs"]) == [*told["$defs"]]


def test_a_table_of_all_commands(inside: Inside) -> None:
    told = inside.shown("describe", "train", columns=130)
    head, doc, _, headings, *rows = told.splitlines()
    assert re.match(r"train  version 1\.4\.0, pid \d+, up \S+ \w+, takes FRAMED and JSON$", head)
    assert doc == "What the training run can be told."
    assert re.split("  +", headings) == ["COMMAND", "FIELDS", "RETURNS", "WHAT IT DOES"]
    assert re.split("  +", next(r for r in rows if r.startswith("add "))) == [
        "add", "a: u64, b: u64 = 1", "Sum", "Add two numbers.",
    ]  # fmt: skip
    assert any("level: Level = MEDIUM" in row for row in rows)
    names = {row.split()[0] for row in rows[1:] if row and not row.startswith(" ")}
    assert names == {command.option_name for command in description().commands}


@pytest.mark.parametrize("columns", [30, 60, 200])
def test_it_fits_its_terminal(inside: Inside, columns: int) -> None:
    told = inside.shown("describe", "train", columns=columns)
    assert max(map(len, told.splitlines()[2:])) <= columns


def test_a_page_of_a_command(inside: Inside) -> None:
    told = inside.shown("describe", "train", "SetRate")
    lines = told.splitlines()
    assert lines[:4] == [
        "set-rate  (SetRate in JSON) returns Answer",
        "  Change the learning rate.",
        "",
        "  It counts from the next step on.",
    ]
    fields = next(line for line in lines if line.startswith("lr "))
    assert re.split("  +", fields) == ["lr", "f64", "8", "required", "> 0, < 1", "The new rate."]
    assert "  Progress(step: u64, lr: f64)" in lines
    assert "  Stopping()" in lines
    assert "  lazyipc call train set-rate --lr 0.5" in lines


def test_a_page_tells_of_the_classes_in_it(inside: Inside) -> None:
    told = inside.shown("describe", "train", "draw")
    assert "Shape  What can be drawn." in told
    assert "3 variants: Circle, Polygon, Nothing" in told
    assert "Point  A place in the plane." in told
    assert re.search(r"^y +f64 +0\.0 +Upwards\.$", told, re.MULTILINE)
    assert "one of LOW, MEDIUM, HIGH" in inside.shown("describe", "train", "set-level")


def test_a_default_that_the_server_makes_anew(inside: Inside) -> None:
    told = inside.shown("describe", "train", "name")
    assert re.search(r"^items +vec\[u8\] +varies +optional +at most 3 items$", told, re.MULTILINE)


class Place(BaseModel):
    """What is given back only."""

    x: U8
    note: str | None = None


class Found(Command[None]):
    """Give a place."""


class Find(Found):
    """Find it."""

    def process(self, context: None) -> Place:
        return Place(x=1)


def test_a_class_in_a_reply_has_no_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    of = description_without_server(Found)
    show_command(Output(stream=stream), of, of.commands[0], "train")
    told = re.split("\n\n", stream.getvalue())
    (place,) = (part for part in told if part.startswith("Place"))
    rows = [line.split() for line in place.splitlines()]
    assert rows[1] == ["FIELD", "TYPE"]
    assert rows[3:] == [["x", "u8"], ["note", "option[str]"]]


def test_a_command_may_be_written_in_any_way(inside: Inside) -> None:
    pages = {
        inside.shown("describe", "train", name)
        for name in ("set-rate", "set_rate", "SetRate", "setrate")
    }
    assert len(pages) == 1


def test_a_page_of_each_command_has_nothing_that_acts(inside: Inside) -> None:
    for command in description().commands:
        told = inside.shown("describe", "train", command.name)
        assert told.startswith(f"{command.option_name}  ({command.name} in JSON)")
    assert r"Say \x1b[31mboo" in inside.shown("describe", "train", "scare")


# Examples ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", description().commands, ids=lambda command: command.name)
def test_its_examples_are_taken(command: object) -> None:
    """Where no pattern is asked for, which no example can know."""
    described = description()
    info = next(each for each in described.commands if each is command)
    words = shlex.split(call_line(info, described, "train"))
    assert words[:4] == ["lazyipc", "call", "train", info.option_name]
    value_of(info, described, words[4:])
    line = json.loads(json_line(info, described))
    fields = {} if line == info.name else line[info.name]
    if info.name != "Name":
        model = next(v.model for v in Order.__lazyipc_family__.variants if v.name == info.name)
        JsonForm(entry_of(model).codec).read(fields, Room(1000, 64))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 9}, 3),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "minimum": 0, "multipleOf": 10}, 10),
        ({"type": "number", "exclusiveMinimum": 1}, 1.5),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"enum": ["LOW"]}, "LOW"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"type": "object", "properties": {"a": {"default": 7}}, "required": ["a"]}, {"a": 7}),
        ({"type": "object", "properties": {"a": {"type": "null"}}}, {}),
        ({"$ref": "#/$defs/loop"}, None),
    ],
)
def test_a_value_to_begin_with(schema: dict[str, object], value: object) -> None:
    loop = {"anyOf": [{"$ref": "#/$defs/loop"}]}
    assert sample(schema, {"loop": loop}) == value


def test_names_of_types() -> None:
    definitions = {"type.P": {"title": "P", "properties": {}}, "odd": {"properties": {"$ref": {}}}}
    point = {"$ref": "#/$defs/type.P"}
    names = {
        "P": point,
        "vec[P]": {"type": "array", "items": point},
        "set[P]": {"type": "array", "items": point, "uniqueItems": True},
        "array[P, 2]": {"type": "array", "items": point, "minItems": 2, "maxItems": 2},
        "option[P]": {"anyOf": [point, {"type": "null"}]},
        "tuple[P, u8]": {"type": "array", "prefixItems": [point, {"wire": "u8"}]},
        "map[str, P]": {"propertyNames": {"wire": "str"}, "additionalProperties": point},
        "u8": {"wire": "u8"},
        "bytes": {"type": "array", "items": {"wire": "u8"}, "wire": "bytes"},
    }
    for name, schema in names.items():
        assert type_name(schema, definitions) == name
    assert [*classes_in({"$ref": "#/$defs/odd"}, definitions)] == []


def test_not_more_of_a_text_is_shown_than_anybody_reads() -> None:
    long = "x" * 1_000_000
    assert len(first_line(long)) < 600
    assert first_line(long).endswith("… (999,500 characters more)")
    assert sum(map(len, paragraphs(f"{long}\n\n{long}"))) < 11_000
    assert len(wrapped(long, "  ", 80)) < 11_000
    assert max(map(len, wrapped("\x1b[31m " * 50, "  ", 80).splitlines())) <= 80


def test_not_more_classes_are_told_of_than_anybody_reads() -> None:
    definitions = {f"type.T{number}": {"title": f"T{number}"} for number in range(300)}
    schemas = [{"$ref": f"#/$defs/{key}"} for key in definitions]
    assert [each["title"] for each in classes_in(schemas, definitions)] == [
        f"T{number}" for number in range(MOST_CLASSES)
    ]


# Failures ----------------------------------------------------------------------------------------


def test_an_unknown_command(inside: Inside) -> None:
    done = inside.run("describe", "train", "ad")
    assert (done.code, done.out) == (2, "")
    assert 'no command "ad" in train; did you mean add?' in done.err
    assert SCARE not in done.err


def test_nobody_there(inside: Inside) -> None:
    done = inside.run("describe", "nobody")
    assert (done.code, done.out) == (3, "")
    assert "no server is running there" in done.err


def test_a_busy_host(inside: Inside) -> None:
    with inside.home.blocked("train"):
        done = inside.run("describe", "train", "--timeout", "0.1")
    assert done.code == 4
    assert "has not polled" in done.err


def test_whoever_reads_may_go_away(home: Home) -> None:
    with home.terminal("describe", "train", columns=80) as terminal:
        terminal.wait_for_end()
    import subprocess

    from tests.cli.terminal import LAZYIPC, environment

    with subprocess.Popen(
        ["sh", "-c", f"{LAZYIPC} describe train | true; exit 0"],
        env=environment(home.path),
        stderr=subprocess.PIPE,
        text=True,
    ) as gone:
        assert gone.communicate(timeout=20)[1] == ""


def test_a_time_that_makes_no_sense(inside: Inside) -> None:
    done = inside.run("describe", "train", "--timeout", "soon")
    assert (done.code, "--timeout" in done.err) == (2, True)
    assert inside.run("describe", "train", "--timeout", "inf").code == 0
