"""A description is read as it was made, and whatever else comes is refused by name."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from lazyipc import F64, U8, U16, U64, Array, Char, Command, Response
from lazyipc._core.catalog import Catalog
from lazyipc._core.description.compared.comparison import compare
from lazyipc._core.description.model import CommandInfo, Description, FieldInfo, snake_case
from lazyipc._core.description.reading import read_description
from lazyipc._core.description.rebuilt.classes import classes_of
from lazyipc._core.description.rebuilt.method import Method
from lazyipc._core.description.soundness import DEEPEST_DOCUMENT, DEEPEST_TYPE, LONGEST_CHAIN
from lazyipc._core.family import VARIANT_LIMIT
from lazyipc._core.nearest import UnknownName
from lazyipc.errors import DecodeError
from tests.core.command_sets import command_set


class Answer(Response):
    """What is answered."""


class Progress(Answer):
    """How far it is."""

    step: U64
    lr: F64


class Done(Answer):
    """It is."""


class Order(Command[None]):
    """What can be ordered."""


class SetRate(Order, timeout=2.5):
    """Change the learning rate."""

    lr: F64 = Field(gt=0, le=1, description="the new rate")
    learning_rounds: U8 = Field(default=3, multiple_of=3)

    def process(self, context: None) -> Progress:
        return Progress(step=0, lr=self.lr)


class Stop(Order):
    """Stop."""

    def process(self, context: None) -> Answer:
        return Done()


class HTTPGet(Order):
    """Fetch."""

    path: str = Field(min_length=1, max_length=20, pattern="^/")
    names: list[Annotated[str, Field(max_length=5)]] = Field(default_factory=list, max_length=2)
    limit: Annotated[U16, Field(lt=99)] | None = None
    class_: U64 = Field(default=7, alias="class")
    mark: Char = "x"
    key: Annotated[bytes, Array(4)] = b"abcd"

    def process(self, context: None) -> list[U8]:
        return []


class Odd(Order):
    """Its keys have no JSON form."""

    table: dict[tuple[U8, U8], str]

    def process(self, context: None) -> None: ...


SERVER = {
    "name": "train",
    "version": None,
    "pid": 4711,
    "uptime": 12.5,
    "start_ns": 98765,
    "clock": "00112233445566aa",
    "library": "0.1.0",
    "path": "/run/user/0/lazyipc/train.sock",
    "wires": ["FRAMED", "JSON"],
}


def document() -> dict[str, Any]:
    """What a server would tell, as parsed JSON."""
    made: dict[str, Any] = json.loads(json.dumps(Catalog(Order).document))
    return {**made, "server": copy.deepcopy(SERVER)}


DOCUMENT = document()


@pytest.fixture
def description() -> Description:
    return read_description(document())


# What is read ------------------------------------------------------------------------------------


def test_the_server_and_its_set(description: Description) -> None:
    server = description.server
    assert (server.name, server.version, server.pid, server.uptime) == ("train", None, 4711, 12.5)
    assert (server.start_ns, server.clock) == (98765, "00112233445566aa")
    assert server.wires == ("FRAMED", "JSON")
    assert (description.name, description.doc) == ("Order", "What can be ordered.")
    assert description.is_tagged
    assert [family.name for family in description.families] == ["Answer"]
    variants = description.families[0].variants
    assert [(each.name, each.index) for each in variants] == [("Progress", 0), ("Done", 1)]
    assert [each.fields for each in variants] == [(("step", "u64"), ("lr", "f64")), ()]


def test_a_command(description: Description) -> None:
    command = description.command("SetRate")
    assert (command.doc, command.index, command.timeout) == ("Change the learning rate.", 0, 2.5)
    assert command.family is None
    assert len(bytes.fromhex(command.fingerprint)) == 8
    assert command.json == ""
    assert command.signature == "set_rate(lr: f64, learning_rounds: u8 = 3) -> Progress"
    assert description.command("Stop").family == 0
    assert description.command("Stop").signature == "stop() -> Answer"
    assert description.command("HTTPGet").option_name == "http-get"
    assert description.command("HTTPGet").returns_text == "vec[u8]"


def test_its_fields(description: Description) -> None:
    lr, rounds = description.command("SetRate").fields
    assert (lr.name, lr.key, lr.wire, lr.size_bytes) == ("lr", "lr", "f64", 8)
    assert (lr.is_required, lr.has_default, lr.default) == (True, False, None)
    assert lr.doc == "the new rate"
    assert (rounds.is_required, rounds.has_default, rounds.default) == (False, True, 3)
    assert rounds.option_name == "learning-rounds"
    class_ = description.command("HTTPGet").field("class_")
    assert (class_.key, class_.default) == ("class", 7)
    names = description.command("HTTPGet").field("names")
    assert (names.is_required, names.has_default) == (False, False)
    assert names.signature == "names: vec[str] = …"


def constraints(description: Description) -> dict[str, tuple[str, ...]]:
    every = [field for command in description.commands for field in command.fields]
    return {field.name: field.constraints for field in every}


def test_constraints_are_told_and_what_the_type_says_anyway_is_not(
    description: Description,
) -> None:
    assert constraints(description) == {
        "lr": ("> 0", "≤ 1"),
        "learning_rounds": ("a multiple of 3",),
        "path": ("at least 1 character", "at most 20 characters", "matching ^/"),
        "names": ("at most 2 items", "each at most 5 characters"),
        "limit": ("< 99",),
        "class_": (),
        "mark": (),
        "key": (),
        "table": (),
    }


def test_a_command_without_a_json_form_says_why(description: Description) -> None:
    odd = description.command("Odd")
    assert odd.request is None
    assert odd.json
    assert odd.fields[0].is_required
    assert odd.fields[0].schema == {}
    assert odd.signature.startswith("odd(table: map[tuple[u8, u8], str])")


@pytest.mark.parametrize("name", ["SetRate", "set_rate", "set-rate", "setrate", "SETRATE"])
def test_a_command_is_found_however_it_is_written(description: Description, name: str) -> None:
    assert description.command(name).name == "SetRate"


@pytest.mark.parametrize("name", ["learning_rounds", "learning-rounds", "Learning-Rounds"])
def test_so_is_a_field(description: Description, name: str) -> None:
    assert description.command("set_rate").field(name).name == "learning_rounds"


def test_an_exact_name_goes_first() -> None:
    told = document()
    other = copy.deepcopy(told["commands"][1])
    other["name"] = "stop"
    told["commands"].append(other)
    read = read_description(told)
    assert read.command("Stop").index == 1
    assert read.command("stop").name == "stop"
    with pytest.raises(UnknownName):  # which of the two?
        read.command("S-T-O-P")


def test_an_unknown_name_is_told_with_the_nearest(description: Description) -> None:
    with pytest.raises(UnknownName) as caught:
        description.command("set_rat")
    error = caught.value
    assert isinstance(error, ValueError)
    assert (error.name, error.nearest) == ("set_rat", ("set-rate",))
    assert error.known == ("set-rate", "stop", "http-get", "odd")
    assert str(error) == (
        'no command "set_rat" in train; did you mean set-rate? there are set-rate, stop, http-get, '
        "odd"
    )
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    with pytest.raises(UnknownName, match=r'^no field "speed" in stop; there are none$'):
        description.command("stop").field("speed")


def test_a_very_long_name_is_told_soon(description: Description) -> None:
    with pytest.raises(UnknownName):
        description.command("x" * 1_000_000)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("SetRate", "set_rate"),
        ("SetLR", "set_lr"),
        ("HTTPGet", "http_get"),
        ("Add2", "add2"),
        ("V2Get", "v2_get"),
        ("Set_Rate", "set_rate"),
        ("X", "x"),
        ("already_so", "already_so"),
    ],
)
def test_names_of_methods(name: str, written: str) -> None:
    assert snake_case(name) == written


def test_references_are_followed(description: Description) -> None:
    command = description.command("SetRate")
    assert command.request is not None
    assert set(description.resolved(command.request)["properties"]) == {"lr", "learning_rounds"}
    beside = description.resolved({**command.request, "title": "mine"})
    assert beside["title"] == "mine"
    assert "$ref" not in beside
    assert description.resolved({"type": "null"}) == {"type": "null"}
    with pytest.raises(DecodeError, match="not there"):
        description.resolved({"$ref": "#/$defs/nothing"})


def test_only_the_servers_own_part_does_not_count(description: Description) -> None:
    told = document()
    told["server"] |= {"pid": 1, "uptime": 99.0, "name": "other"}
    other = read_description(told)
    assert other.fingerprint == description.fingerprint
    assert "server" not in description.without_server()
    told["commands"][0]["doc"] = "Changed."
    assert read_description(told).fingerprint != description.fingerprint


def test_keys_of_later_versions_are_passed_over() -> None:
    told = document()
    for each in (told, told["server"], told["set"], told["commands"][0], told["families"][0]):
        each["later"] = [1]
    assert read_description(told).command("stop")


# What is refused ---------------------------------------------------------------------------------

Steps = tuple[str | int, ...]


def changed(steps: Steps, value: Any) -> dict[str, Any]:
    told: Any = document()
    inner = told
    for step in steps[:-1]:
        inner = inner[step]
    if value is MISSING:
        del inner[steps[-1]]
    else:
        inner[steps[-1]] = value
    return told  # type: ignore[no-any-return]


MISSING = object()


@pytest.mark.parametrize(
    ("steps", "value", "path", "reason"),
    [
        (("lazyipc",), 2, "lazyipc", "version 2"),
        (("lazyipc",), True, "lazyipc", "an integer is wanted, not true"),
        (("lazyipc",), MISSING, "", '"lazyipc" is missing'),
        (("server", "pid"), "1", "server.pid", "not a string"),
        (("server", "pid"), -1, "server.pid", "from 0"),
        (("server", "uptime"), None, "server.uptime", "a number is wanted, not null"),
        (("server", "uptime"), 10**400, "server.uptime", "that a float can hold"),
        (("commands", 0, "timeout"), 10**400, "commands[0].timeout", "that a float can hold"),
        (("commands", 0, "timeout"), -(10**400), "commands[0].timeout", "that a float can hold"),
        (("commands", 0, "fingerprint"), "0" * 15, "commands[0].fingerprint", "16 hexadecimal"),
        (("commands", 0, "fingerprint"), "0" * 15 + "A", "commands[0].fingerprint", "16 hexad"),
        (("commands", 0, "fingerprint"), [], "commands[0].fingerprint", "16 hexadecimal"),
        (("server", "wires"), [7], "server.wires[0]", "a string is wanted"),
        (("set", "tagged"), 1, "set.tagged", "true or false"),
        (("commands", 0, "name"), "", "commands[0].name", "a name is wanted"),
        (("commands", 1, "name"), "SetRate", "commands", "two are called 'SetRate'"),
        (("commands", 0, "fields", 1, "key"), "lr", "commands[0].fields", "two are called 'lr'"),
        (("commands", 0, "fields", 0, "key"), "x", "commands[0].fields[0].key", "no such property"),
        (("commands", 0, "fields", 0, "wire"), ["vec"], "commands[0].fields[0].wire", "no type"),
        (("commands", 0, "fields", 0, "wire"), "", "commands[0].fields[0].wire", "no type"),
        (("commands", 0, "fields", 0, "wire"), ["struct", [["a"]]], "", "pair of name and type"),
        (("commands", 0, "fields", 0, "wire"), ["choice", [[0, "A"]]], "", "a variant has"),
        (("commands", 0, "returns"), ["response", "A", 7], "commands[0].returns", "an array"),
        (
            ("commands", 0, "request"),
            {"$ref": "#/$defs/no"},
            "commands[0].request.$ref",
            "not there",
        ),
        (("commands", 0, "request"), {"$ref": "/etc"}, "commands[0].request.$ref", "not there"),
        (("commands", 1, "family"), 1, "commands[1].family", "no family"),
        (("commands", 1, "family"), None, "commands[1].family", "no family"),
        (("commands", 0, "family"), 0, "commands[0].family", "no family"),
        (("families", 0, "variants", 0, "fields"), [["a", 1]], "", "no type is described so"),
        (("schema", "$defs"), [], "schema.$defs", "an object is wanted, not an array"),
        (("schema", "$defs", "x"), 7, "schema.$defs.x", "an object is wanted, not a number"),
        (("schema", "$defs", "x"), {"anyOf": {}}, "schema.$defs.x.anyOf", "an array is wanted"),
        (("schema", "$defs", "x"), {"minLength": -1}, "schema.$defs.x.minLength", "from 0"),
        (("schema", "$defs", "x"), {"items": {"minimum": "1"}}, "x.items.minimum", "a number"),
        (("schema", "$defs", "x"), {"$ref": "#/$defs/x"}, "schema.$defs.x.$ref", "to itself"),
        (("schema", "$defs", "x"), {"maximum": 10**400}, "x.maximum", "that a float can hold"),
        (("schema", "$defs", "x"), {"required": [1]}, "schema.$defs.x.required", "a string"),
        (("schema", "$defs", "x"), {"wire": ["vec"]}, "schema.$defs.x.wire", "no type"),
        (("server", "uptime"), float("nan"), "", "nan is no number of JSON"),
        (("set", "bare"), {"returns": "u8"}, "set.bare", '"family" is missing'),
        (("set", "bare"), {"returns": "u8", "family": 0}, "set.bare.family", "no family"),
        (("later",), {1: 2}, "", "a key is no string"),
        (("later",), {"a": b""}, "", "bytes is nothing of JSON"),
    ],
)
def test_what_is_wrong_is_named(steps: Steps, value: Any, path: str, reason: str) -> None:
    with pytest.raises(DecodeError, match="the server's description: ") as caught:
        read_description(changed(steps, value))
    assert path in caught.value.path
    assert reason in caught.value.reason


@pytest.mark.parametrize("document", [None, [], "x", 7, {}])
def test_what_is_no_description_at_all(document: Any) -> None:
    with pytest.raises(DecodeError):
        read_description(document)


def nested(depth: int, around: Any, inner: Any) -> Any:
    for _ in range(depth):
        inner = around(inner)
    return inner


def test_depth_is_bounded() -> None:
    def list_of(inner: Any) -> Any:
        return [inner]

    def vec_of(inner: Any) -> Any:
        return ["vec", inner]

    read_description(changed(("later",), nested(DEEPEST_DOCUMENT - 2, list_of, 0)))
    for depth in (DEEPEST_DOCUMENT, 100_000):
        with pytest.raises(DecodeError, match="levels deep"):
            read_description(changed(("later",), nested(depth, list_of, 0)))
    wire: Steps = ("commands", 0, "fields", 0, "wire")
    read = read_description(changed(wire, nested(DEEPEST_TYPE, vec_of, "u8")))
    assert read.commands[0].fields[0].type_text.startswith("vec[vec[")
    with pytest.raises(DecodeError, match="a type nests more than"):
        read_description(changed(wire, nested(DEEPEST_TYPE + 1, vec_of, "u8")))


def test_classes_may_stand_inside_one_another_as_deep_as_servers_take_them() -> None:
    held: Any = U8
    for n in range(64):
        body = {"__annotations__": {"x": held if n % 4 else held | None}, "__module__": __name__}
        held = type(f"Level{n}", (BaseModel,), body)
    made = {
        **document(),
        **json.loads(json.dumps(Catalog(command_set({"Go": ({"x": held}, held)})).document)),
    }
    read = read_description(made)
    used(read)
    assert compare(read, read) == []
    assert Method("go", read.command("go"), classes_of(read).commands["Go"]).doc


def chain(length: int) -> dict[str, Any]:
    """A document with so many references, each of which leads to the next."""
    told = document()
    links = {f"x{n}": {"$ref": f"#/$defs/x{n + 1}"} for n in range(length)}
    told["schema"]["$defs"] |= links | {f"x{length}": {"type": "null"}}
    return told


def test_references_that_lead_to_one_another_are_bounded() -> None:
    read = read_description(chain(LONGEST_CHAIN))
    assert read.resolved(read.definitions["x0"]) == {"type": "null"}
    for length in (LONGEST_CHAIN + 1, 20_000):
        with pytest.raises(DecodeError, match=f"over more than {LONGEST_CHAIN} steps") as caught:
            read_description(chain(length))
        assert caught.value.path.startswith("schema.$defs.x")


@pytest.mark.timeout(20)  # where each name is sought among all the others, it takes minutes
def test_of_very_many_names_none_may_stand_twice() -> None:
    told = document()
    names = [f"v{n}" for n in range(50_000)]
    fields = [{"name": each, "key": each, "wire": "u8", "bytes": 1} for each in names]
    told["commands"][1]["fields"] = fields
    schema = {"properties": dict.fromkeys(names, {}), "required": names}  # noqa: RUF024 read only
    told["schema"]["$defs"]["command.Stop"] = schema
    assert read_description(told).command("stop").fields[-1].is_required
    fields.append(fields[-1])
    with pytest.raises(DecodeError, match="two are called 'v49999'") as caught:
        read_description(told)
    assert caught.value.path == "commands[1].fields"


def test_there_are_no_more_commands_and_variants_than_indices() -> None:
    told = document()
    variants = told["families"][0]["variants"]
    variants[:] = [{**variants[1], "name": f"v{n}", "index": n} for n in range(VARIANT_LIMIT)]
    read_description(told)
    variants.append(variants[0])
    with pytest.raises(DecodeError, match=f"there are {VARIANT_LIMIT + 1}") as caught:
        read_description(told)
    assert caught.value.path == "families[0].variants"
    told = document()
    told["commands"] = told["commands"][:1] * (VARIANT_LIMIT + 1)
    with pytest.raises(DecodeError, match=f"{VARIANT_LIMIT} is the most"):
        read_description(told)


def test_what_is_refused_does_nothing_to_a_terminal() -> None:
    for steps, value in (
        (("commands", 0, "fields", 0, "wire"), ["struct", [["\x1b[2J", ["\x1b[2J"]]]]),
        (("commands", 0, "request"), {"$ref": "\x1b[2J"}),
        (("commands", 0, "fingerprint"), "\x1b[2J"),
        (("commands", 1, "name"), "SetRate\x07"),
    ):
        told = changed(steps, value)
        told["commands"].append(told["commands"][1])
        with pytest.raises(DecodeError) as caught:
            read_description(told)
        for text in (str(caught.value), caught.value.path, caught.value.reason):
            assert text.isprintable()


def steps_into(value: Any, steps: Steps = ()) -> list[Steps]:
    """Every place in a document."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [steps, *(place for key, each in inner for place in steps_into(each, (*steps, key)))]


PLACES = [steps for steps in steps_into(DOCUMENT) if steps]
PIECES = [None, True, -1, 0, 2.5, "", "x", [], {}, [[]], {"": {}}, ["vec", "u8"], ["option", []]]
VALUES = st.sampled_from(PIECES) | st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$ref", "items", "anyOf", "wire", "type", "a"]), inner)
    ),
    max_leaves=6,
)


def used(description: Description) -> None:
    """Everything that a description offers."""
    assert description.fingerprint
    assert repr(description)
    for command in description.commands:
        assert description.command(command.name) is command
        used_command(command)
        for schema in (command.request, command.response):
            if schema is not None:
                assert "$ref" not in description.resolved(schema)
        for field in command.fields:
            description.resolved(field.schema)


def used_command(command: CommandInfo) -> None:
    assert command.signature
    assert command.option_name
    for field in command.fields:
        assert isinstance(field, FieldInfo)
        assert command.field(field.name)
        assert isinstance(field.constraints, tuple)
        assert isinstance(field.doc, str)
        assert field.type_text
        assert field.has_default or field.default is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.just(MISSING) | VALUES), max_size=3))
def test_a_changed_document_is_refused_or_can_be_used(changes: list[tuple[Steps, Any]]) -> None:
    told: Any = document()
    for steps, value in changes:
        inner = told
        try:
            for step in steps[:-1]:
                inner = inner[step]
            if value is MISSING:
                del inner[steps[-1]]
            else:
                inner[steps[-1]] = value
        except (LookupError, TypeError):
            continue  # an earlier change took the place away
    try:
        description = read_description(told)
    except DecodeError:
        return
    used(description)
