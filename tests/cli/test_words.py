"""Words into values: the grammar of options, and the form of each type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc import SystemTime
from lazyipc._core.catalog import Catalog
from lazyipc._core.description.model import CommandInfo, FieldInfo
from lazyipc._core.nearest import UnknownName
from lazyipc.cli._shown.help import command_help
from lazyipc.cli._typed import built
from lazyipc.cli._words.atoms import BadWord, atom, nanoseconds_of, timeout_of
from lazyipc.cli._words.given import Given, value_given
from lazyipc.cli._words.json import BadJson, object_of, parsed
from lazyipc.cli._words.words import Option, file_bytes, line_of, read_words, value_of
from tests.cli import host
from tests.cli.running import description

POINT = ["struct", [["x", "f64"], ["y", "f64"]]]
SHAPE = ["choice", [[0, "Circle", [["radius", "f64"]]], [1, "No_Shape", []]]]
ADDRESS = ["choice", [[0, "V4", "ipv4addr"], [1, "V6", "ipv6addr"]]]
LEVEL = ["enum", ["LOW", "MEDIUM", "HIGH"]]


def command(**wires: Any) -> CommandInfo:
    """A command with these fields; one whose name ends in `_` is required."""
    fields = [
        FieldInfo(name.rstrip("_"), name.rstrip("_"), wire, None, {}, name.endswith("_"))
        for name, wire in wires.items()
    ]
    return CommandInfo("DoIt", "", 0, None, "00", tuple(fields), "unit", None, {}, {}, "")


def read(made: CommandInfo, *words: str) -> dict[str, Any]:
    return read_words(made, words, {}, read_file).fields


def read_file(name: str) -> bytes:
    if name != "there":
        raise FileNotFoundError(2, "No such file or directory")
    return b"\x00\xff"


def complaint(made: CommandInfo, *words: str) -> str:
    with pytest.raises((BadWord, UnknownName)) as caught:
        read(made, *words)
    return str(caught.value)


def test_a_text_of_two_words_stands_in_quotes() -> None:
    hint = "; a text with spaces in it stands in quotes"
    assert complaint(command(text_="str"), "hello", "world").endswith(hint)
    assert hint not in complaint(command(count_="u8"), "1", "2")


# The grammar -------------------------------------------------------------------------------------

ADD = command(a_="u8", b_="u8", is_loud="bool", tags=["vec", "str"])


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("1 2", {"a": 1, "b": 2}),
        ("--a 1 --b 2", {"a": 1, "b": 2}),
        ("--a=1 --b=2", {"a": 1, "b": 2}),
        ("--b 2 1", {"a": 1, "b": 2}),
        ("1 --a 2", {"a": 2, "b": 1}),
        ("1 2 yes", {"a": 1, "b": 2, "is_loud": True}),
        ("1 2 --is-loud", {"a": 1, "b": 2, "is_loud": True}),
        ("1 2 --is_loud", {"a": 1, "b": 2, "is_loud": True}),
        ("1 2 --no-is-loud", {"a": 1, "b": 2, "is_loud": False}),
        ("1 2 --is-loud=false", {"a": 1, "b": 2, "is_loud": False}),
        ("1 2 on x y", {"a": 1, "b": 2, "is_loud": True, "tags": ["x", "y"]}),
        ("1 2 --tags x --tags y", {"a": 1, "b": 2, "tags": ["x", "y"]}),
        ('1 2 --tags ["x","y"] --tags z', {"a": 1, "b": 2, "tags": ["x", "y", "z"]}),
        ("1 2 --tags []", {"a": 1, "b": 2, "tags": []}),
        ("1 2 off -- --x", {"a": 1, "b": 2, "is_loud": False, "tags": ["--x"]}),
        ("1 2 --tags=--x", {"a": 1, "b": 2, "tags": ["--x"]}),
        ("1 2 --tags -x", {"a": 1, "b": 2, "tags": ["-x"]}),
        ('--json {"a":1}', {"a": 1}),
        ('--json={"a":1,"more":[]}', {"a": 1, "more": []}),
    ],
)
def test_words_give_fields(line: str, fields: dict[str, Any]) -> None:
    assert read(ADD, *line.split()) == fields


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "do-it needs a, b as well"),
        ("--b 2", "do-it needs a as well"),
        ("1 2 yes x --tags y z", '"x" is one value too many: do-it takes a, b, is-loud'),
        ("1 2 --a 3 4 5", 'is-loud: true or false (or yes, no, on, off, 1, 0) is wanted, not "2"'),
        ("--a 1 --a 2 3", "a: it is given twice"),
        (
            "--is-loud no 2",
            'a: a whole number from 0 to 255 (u8) is wanted, not "no"; if it is for --is-loud, '
            "join them with =",
        ),
        ("--tags x y 1 2", "if it is for --tags, write --tags before each item"),
        ("1 2 --is-loud --no-is-loud", "is-loud: it is given twice"),
        (
            "1 2 --tgs x",
            'no field "tgs" in do-it; did you mean tags? there are a, b, is-loud, tags',
        ),
        ("1 2 --no-tags", 'no field "no-tags" in do-it'),
        ("1 2 --a.x 3", "a.x: a has no fields by that name"),
        ("1 2 --c.x 3", 'no field "c" in do-it'),
        ("--a", "--a needs a value"),
        ("--a --b 1", '--a needs a value; if "--b" is one, join them with ='),
        ("-x", 'options begin with two hyphens, "-x" does not; a value that begins'),
        ("-h", "options begin with two hyphens"),
        ("1 2 --no-is-loud=1", "--no-is-loud takes no value"),
        ('--json {"a":1} 2', "--json gives all fields, and others are given beside it"),
        ('--json {"a":1} --json {}', "--json is given twice"),
        ("--json [1]", 'a JSON object of the fields is wanted, such as {"a":1}, not [1]'),
        ('--json {"a":1,}', "invalid JSON at line 1, column 8: "),
        ("--json", "--json gives the fields here, as a JSON object behind it; where it asks"),
        ("--json --a 1", "--json gives the fields here"),
    ],
)
def test_words_that_give_none(line: str, told: str) -> None:
    assert told in complaint(ADD, *line.split())


def test_numbers_below_zero_are_no_options() -> None:
    made = command(a="i8", b="f64", c="f64")
    assert read(made, "-5", "-.5", "-1e-3") == {"a": -5, "b": -0.5, "c": -0.001}
    assert read(made, "--a", "-5") == {"a": -5}
    assert "a finite number is wanted" in complaint(made, "1", "-inf")


def test_a_single_hyphen_is_a_value() -> None:
    assert read(command(text="str"), "-") == {"text": "-"}


def test_the_last_sequence_takes_what_is_left_and_another_one_word() -> None:
    made = command(first=["vec", "u8"], name="str", rest=["option", ["set", "u8"]])
    assert read(made, "1", "x", "2", "3") == {"first": [1], "name": "x", "rest": [2, 3]}
    assert read(made, "[1,2]", "x", "null") == {"first": [1, 2], "name": "x", "rest": None}
    made = command(tags=["vec", "str"], name="str")
    assert read(made, "--name", "n", "a", "b") == {"tags": ["a", "b"], "name": "n"}


def test_a_fields_own_name_wins() -> None:
    options = {"timeout": Option("timeout", "S", ""), "help": Option("help", "", "")}
    with_field = command(timeout="u8", json="str")
    words = read_words(with_field, ["--timeout", "3", "--json", "x"], options)
    assert (words.fields, words.options) == ({"timeout": 3, "json": "x"}, {})
    words = read_words(command(a="u8"), ["--timeout", "3", "1"], options)
    assert (words.fields, words.options) == ({"a": 1}, {"timeout": "3"})
    for word in ("--help", "-h"):  # whatever is missing
        assert read_words(ADD, ["1", word], options).options == {"help": ""}
    with pytest.raises(BadWord, match="--help takes no value"):
        read_words(ADD, ["--help=1"], options)


def test_a_field_called_help_leaves_the_short_option() -> None:
    made = command(help="bool", timeout="u8")
    options = {each.name: each for each in (Option("timeout", "S", ""), Option("help", "", ""))}
    assert read_words(made, ["-h"], options).options == {"help": ""}
    words = read_words(made, ["--help", "--timeout", "3"], options)
    assert (words.fields, words.options) == ({"help": True, "timeout": 3}, {})
    told = command_help(made, description(), "app c", [*options.values()][:1], 80)
    options_told = told.partition("Options:\n")[2].splitlines()
    assert [line.split("  ")[1] for line in options_told] == ["--json OBJECT", "-h"]


def test_a_field_that_begins_with_no() -> None:
    made = command(no_more="bool", more="bool")
    assert read(made, "--no-more") == {"no_more": True}
    assert read(made, "--no-no-more") == {"no_more": False}


# Parts and Options -------------------------------------------------------------------------------

PARTS = command(
    point=POINT,
    by=["option", POINT],
    env=["map", "str", "u8"],
    by_number=["map", "u8", "str"],
    shape=SHAPE,
    level=["option", LEVEL],
    note=["option", "str"],
    flag=["option", "bool"],
)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("--point.x 1 --point.y=2", {"point": {"x": 1.0, "y": 2.0}}),
        ("--by.x 1", {"by": {"x": 1.0}}),
        ("--env.HOME 1 --env.b 2", {"env": {"HOME": 1, "b": 2}}),
        ("--by-number.0x10 x", {"by_number": {"16": "x"}}),
        ("--shape.circle.radius 2", {"shape": {"Circle": {"radius": 2.0}}}),
        ("--shape no-shape", {"shape": "No_Shape"}),
        ('--shape {"Circle":{"radius":1}}', {"shape": {"Circle": {"radius": 1}}}),
        ("--level low", {"level": "LOW"}),
        ("--level null", {"level": None}),
        ("--no-level", {"level": None}),
        ("--note null", {"note": "null"}),
        ("--no-note", {"note": None}),
        ("--flag", {"flag": True}),
        ("--no-flag", {"flag": False}),
        ("--flag=null", {"flag": None}),
        ('{"x":1} null {"a":1}', {"point": {"x": 1}, "by": None, "env": {"a": 1}}),
    ],
)
def test_parts_of_fields(line: str, fields: dict[str, Any]) -> None:
    assert read(PARTS, *line.split()) == fields


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--point.z 1", 'point: no field "z" in point; there are x, y'),
        ("--point.x 1 --point.X 2", "point.X: it is given twice"),
        ("--point.x q", 'point.x: a number is wanted, not "q"'),
        ("--point.x.y 1", "point.x.y: point.x has no fields by that name"),
        ("--point {} --point.x 1", "point: it is given as a whole and in parts"),
        ("--no-by --by.x 1", "by: it is given as a whole and in parts"),
        ("--no-note --note x", "note: it is given twice"),
        ("--env.a 300", 'env.a: "300" is out of range'),
        ("--by-number.x y", "by-number.x: a whole number from 0 to 255 (u8) is wanted"),
        ("--shape Circle", "shape: Circle holds more than its name"),
        ("--shape cirle", 'one of Circle, No_Shape is wanted, not "cirle"; did you mean Circle?'),
        ("--shape.square.side 1", 'shape: no variant "square" in shape'),
        ("--shape.circle.radius 1 --shape.no-shape.x 1", "it is one of Circle, No_Shape, not"),
        ("--level mid", 'one of LOW, MEDIUM, HIGH is wanted, not "mid"'),
        ("--point {x:1}", "point: invalid JSON at line 1, column 2: "),
        ("--no-point", 'no field "no-point"'),
    ],
)
def test_parts_that_are_none(line: str, told: str) -> None:
    assert told in complaint(PARTS, *line.split())


# Types without parts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "word", "value"),
    [
        ("u8", "255", 255),
        ("u8", "0xff", 255),
        ("u8", "0b1_0", 2),
        ("u8", "007", 7),
        ("u8", "+1", 1),
        ("i8", "-128", -128),
        ("u64", "18_446_744_073_709_551_615", 2**64 - 1),
        ("i128", str(-(2**127)), -(2**127)),
        ("f64", "3e-4", 3e-4),
        ("f32", "1", 1.0),
        ("bool", "YES", True),
        ("bool", "0", False),
        ("char", "é", "é"),
        ("str", "", ""),
        ("path", "/tmp/a b", "/tmp/a b"),
        ("unit", "null", None),
        ("uuid", "67e5504410b1426f9247bb680e5fe0c8", "67e5504410b1426f9247bb680e5fe0c8"),
        ("ipv4addr", "127.0.0.1", "127.0.0.1"),
        ("ipv6addr", "::1", "::1"),
        ("duration", "1.5s", {"secs": 1, "nanos": 500_000_000}),
        ("duration", "200ms", {"secs": 0, "nanos": 200_000_000}),
        ("duration", "2m", {"secs": 120, "nanos": 0}),
        ("duration", "1h30m0.5s", {"secs": 5400, "nanos": 500_000_000}),
        ("duration", "90", {"secs": 90, "nanos": 0}),
        ("duration", "0.000000001", {"secs": 0, "nanos": 1}),
        ("duration", f"{2**64 - 1}", {"secs": 2**64 - 1, "nanos": 0}),
        ("systemtime", "1.5", {"secs_since_epoch": 1, "nanos_since_epoch": 500_000_000}),
        ("systemtime", "1970-01-02", None),
        ("systemtime", "1970-01-02T00:00Z", {"secs_since_epoch": 86400, "nanos_since_epoch": 0}),
        (
            "systemtime",
            "2026-01-02T04:04:05.123456789+01:00",
            {"secs_since_epoch": 1_767_323_045, "nanos_since_epoch": 123_456_789},
        ),
    ],
)
def test_a_word_is_a_value(wire: str, word: str, value: Any) -> None:
    if value is None and wire != "unit":
        with pytest.raises(BadWord, match="has no time zone"):
            atom(word, wire)
    else:
        found = atom(word, wire)
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(
    ("wire", "word", "told"),
    [
        ("u8", "256", "out of range: a whole number from 0 to 255 (u8) is wanted"),
        ("i8", "-129", "out of range: a whole number from -128 to 127 (i8) is wanted"),
        ("u8", "1.0", "a whole number from 0 to 255 (u8) is wanted, not"),
        ("u8", "1e2", "a whole number"),
        ("u8", "", "a whole number"),
        ("u8", " 1", "a whole number"),
        ("u8", "٣", "a whole number"),
        ("u8", "1__0", "a whole number"),
        ("u8", "9" * 2000, "…"),
        ("f64", "nan", "a finite number is wanted"),
        ("f64", "1e999", "a finite number is wanted"),
        ("f64", "x", "a number is wanted"),
        ("bool", "maybe", "true or false (or yes, no, on, off, 1, 0) is wanted"),
        ("char", "ab", "one character is wanted"),
        ("char", "", "one character is wanted"),
        ("str", "\udcff", "it holds bytes that are no UTF-8"),
        ("unit", "x", "null is wanted"),
        ("uuid", "67e5", "a UUID, such as"),
        ("ipv4addr", "127.1", "an IPv4 address, such as 127.0.0.1, is wanted"),
        ("ipv6addr", "127.0.0.1", "an IPv6 address"),
        ("ipv6addr", "\0", "an IPv6 address"),
        ("duration", "", "a length of time, such as"),
        ("duration", "1x", "a length of time"),
        ("duration", "-1s", "a length of time that is not negative is wanted"),
        ("duration", "1h5", "a length of time"),
        ("duration", ".5", "a length of time"),
        ("duration", "1s.5", "a length of time"),
        ("duration", "0.0000000001", "finer than a nanosecond"),
        ("duration", f"{2**64}", "at most 18446744073709551615 seconds fit"),
        ("systemtime", "yesterday", "a time, such as"),
        ("systemtime", "1969-12-31T23:59:59Z", "a time from 1970 on is wanted"),
        ("systemtime", "2026-01-02T03:04:05.0000000001Z", "finer than a nanosecond"),
    ],
)
def test_a_word_is_no_value(wire: str, word: str, told: str) -> None:
    with pytest.raises(BadWord) as caught:
        atom(word, wire)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.integers(min_value=0, max_value=2**64 * 10**9 - 1))
def test_a_length_of_time_is_exact(nanoseconds: int) -> None:
    seconds, rest = divmod(nanoseconds, 10**9)
    for word in (
        f"{nanoseconds}ns",
        f"{nanoseconds}e-9",
        f"{seconds}.{rest:09d}",
        f"0.{seconds:020d}{rest:09d}E20",
        f"{seconds}s{rest}ns",
    ):
        assert nanoseconds_of(word) == nanoseconds


@given(st.integers(min_value=0, max_value=253_402_300_799 * 10**9))
def test_a_time_is_exact(nanoseconds: int) -> None:
    moment = SystemTime.from_nanoseconds(nanoseconds)
    told = {"secs_since_epoch": moment.seconds, "nanos_since_epoch": moment.nanoseconds}
    assert atom(str(moment), "systemtime") == told


def test_what_a_timeout_may_be() -> None:
    assert [timeout_of(word) for word in ("1.5", "200ms", "inf", "0")] == [
        1.5,
        0.2,
        float("inf"),
        0,
    ]
    for word in ("-1", "nan", "soon", ""):
        with pytest.raises(BadWord, match=r"^--timeout: a length of time"):
            timeout_of(word)


# Types with parts --------------------------------------------------------------------------------


def value(wire: Any, *words: str) -> Any:
    given_words = Given("field")
    given_words.words += words
    return value_given(given_words, wire, read_file)


@pytest.mark.parametrize(
    ("wire", "words", "expected"),
    [
        ("bytes", ["hé"], [104, 195, 169]),
        ("bytes", ["hex:00ff"], [0, 255]),
        ("bytes", ["hex:"], []),
        ("bytes", ["@there"], [0, 255]),
        ("bytes", ["[1]"], [91, 49, 93]),
        (["array", "u8", 2], ["hex:0001"], [0, 1]),
        (["vec", "u8"], ["@there"], [0, 255]),
        (["vec", "u8"], ["1", "2"], [1, 2]),
        (["vec", "u16"], ["[1, 2]", "3"], [1, 2, 3]),
        (["vec", ["option", "u8"]], ["1", "null"], [1, None]),
        (["vec", ["vec", "u8"]], ["[1]", "[2,3]"], [[1], [2, 3]]),
        (["vec", ["vec", "u8"]], ["[[1],[2,3]]"], [[1], [2, 3]]),
        (["vec", ["option", ["vec", "u8"]]], ["[null,[1]]"], [None, [1]]),
        (["vec", POINT], ['{"x":1}', '{"x":2}'], [{"x": 1}, {"x": 2}]),
        (["vec", LEVEL], ["low", "HIGH"], ["LOW", "HIGH"]),
        (["tuple", ["u8", "str"]], ["1", "x"], [1, "x"]),
        (["tuple", ["u8", "str"]], ['[1,"x"]'], [1, "x"]),
        (["tuple", ["u8", ["vec", "u8"]]], ["1", "[2]"], [1, [2]]),
        (["tuple", [["vec", "u8"], "u8"]], ["[1]", "2"], [[1], 2]),
        (["tuple", [["vec", "u8"], "u8"]], ["[[1],2]"], [[1], 2]),
        (["option", ["option", "u8"]], ["null"], None),
        (ADDRESS, ["::1"], "::1"),
        (ADDRESS, ["127.0.0.1"], "127.0.0.1"),
        (["map", "str", "u8"], ['{"a":1}'], {"a": 1}),
        (["up", 2], ['{"a":1}'], {"a": 1}),
    ],
)
def test_words_are_a_value(wire: Any, words: list[str], expected: Any) -> None:
    assert value(wire, *words) == expected


@pytest.mark.parametrize(
    ("wire", "words", "told"),
    [
        ("bytes", ["hex:0"], "field: an even number of hexadecimal digits is wanted"),
        ("bytes", ["@nowhere"], 'field: "nowhere" cannot be read: No such file or directory'),
        ("bytes", ["a", "b"], "field: it is given twice"),
        (["array", "u8", 2], ["1"], "field: 2 items are wanted, not 1"),
        (["tuple", ["u8", "str"]], ["1"], "field: 2 items are wanted, not 1"),
        (["tuple", ["u8"]], ["1", "2"], "field: 1 items are wanted"),
        (["vec", "u8"], ["1", "x"], "field: item 2: a whole number from 0 to 255 (u8)"),
        (["vec", "u8"], ["[1,"], "field: invalid JSON at line 1, column 4: "),
        (["vec", POINT], ["x"], "field: item 1: invalid JSON at line 1, column 1: "),
        (ADDRESS, ["x"], "field: an IPv4 address, such as 127.0.0.1, is wanted"),
        (POINT, ["\udcff"], "field: "),
    ],
)
def test_words_are_no_value(wire: Any, words: list[str], told: str) -> None:
    with pytest.raises(BadWord) as caught:
        value(wire, *words)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told", "place"),
    [
        ('{"a": }', "Expecting value", (1, 7)),
        ('{\n"a": 1,\n"b" 2}', "Expecting ':' delimiter", (3, 5)),
        ("", "Expecting value", (1, 1)),
        ("{} {}", "Extra data", (1, 4)),
    ],
)
def test_invalid_json_is_told_by_line_and_column(
    text: str, told: str, place: tuple[int, int]
) -> None:
    with pytest.raises(BadJson) as caught:
        parsed(text)
    assert (caught.value.told, (caught.value.line, caught.value.column)) == (told, place)
    assert str(caught.value) == f"invalid JSON at line {place[0]}, column {place[1]}: {told}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a":1,"b":{"c":1,"c":2}}', 'the key "c" stands twice in one object'),
        ("[NaN]", "NaN is no number of JSON"),
        ("-Infinity", "-Infinity is no number of JSON"),
        ("1e999", 'the number "1e999" is too large'),
        ("9" * 5000, "a number in it has too many digits"),
        ("[" * 100_000, "JSON that nests too deep"),
        ('"\udcff"', "it holds bytes that are no UTF-8"),
    ],
)
def test_json_that_is_refused(text: str, told: str) -> None:
    with pytest.raises(BadWord) as caught:
        parsed(text)
    assert str(caught.value) == told


def test_an_object_is_wanted() -> None:
    assert object_of('{"a":[1]}') == {"a": [1]}
    with pytest.raises(BadWord, match="a JSON object of the fields is wanted"):
        object_of("[1]")


# Real commands -----------------------------------------------------------------------------------

MODELS = {entry.name: entry.model for entry in Catalog(host.Order).by_fingerprint.values()}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("set-rate 0.1", "SetRate(lr=0.1)"),
        ("add 1", "Add(a=1, b=1)"),
        ("tag a b --note null", "Tag(names=['a', 'b'], note='null')"),
        ("set-level high --is-quiet", "SetLevel(level=<Level.HIGH: 2>, is_quiet=True, of=None)"),
        (
            "set-level --of low",
            "SetLevel(level=<Level.MEDIUM: 1>, is_quiet=False, of=<Level.LOW: 0>)",
        ),
        ("move --point.x 1 --times -2", "Move(point=Point(x=1.0, y=0.0), by=None, times=-2)"),
        ("draw nothing 1 2 3", "Draw(shape=Nothing(), colour=(1, 2, 3))"),
        ("draw --shape.circle.radius 2", "Draw(shape=Circle(radius=2.0), colour=(0, 0, 0))"),
        ("store hex:00ff --mark hex:6162", r"Store(data=b'\x00\xff', mark=b'ab')"),
        ("wait 1.5s", "Wait(duration=Duration(seconds=1, nanoseconds=500000000), since=None)"),
        ("name ab 1 2", "Name(name='ab', items=[1, 2])"),
        ("stop", "Stop()"),
    ],
)
def test_words_make_commands(line: str, expected: str) -> None:
    name, *words = line.split()
    info = description().command(name)
    fields = value_of(info, description(), words)
    assert repr(built(MODELS[info.name], fields)) == expected
    assert line_of(info, description(), fields) == {info.name: fields}
    json.dumps(fields, allow_nan=False)


def test_a_class_has_the_last_word() -> None:
    with pytest.raises(BadWord, match=r"^lr: Input should be less than 1"):
        built(MODELS["SetRate"], {"lr": 7.0})


def test_a_command_without_a_json_form_is_told() -> None:
    info = command(a="u8")
    changed = {"request": None, "json": "no reason"}
    without = CommandInfo(**{name: getattr(info, name) for name in info.__slots__} | changed)
    with pytest.raises(BadWord, match=r"^do-it has no JSON form, and so none in words: no rea"):
        line_of(without, description(), {"a": 1})
    with pytest.raises(BadWord, match="no JSON form"):
        read(without, "1")


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert file_bytes(str(tmp_path / "file")) == b"12345"
    monkeypatch.setattr("lazyipc.cli._words.words.LARGEST_FILE_BYTES", 4)
    with pytest.raises(ValueError, match="it has more than 4 bytes"):
        file_bytes(str(tmp_path / "file"))
