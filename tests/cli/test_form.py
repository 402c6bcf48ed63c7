"""Replies as people read them, by the schema that really says what they mean."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from lazyipc import F64, U8, U64, Array, Char, Duration, SystemTime, TaggedUnion
from lazyipc._core.catalog import Catalog, entry_of
from lazyipc._core.connection.json_message import reply_form
from lazyipc.cli._shown.form import MOST_HEX_BYTES, MOST_ITEMS, brief, bytes_text, form
from tests.cli.host import SCARE
from tests.core.command_sets import command_set, family, variant_of


class Level(enum.Enum):
    LOW = 1


class Point(BaseModel):
    x: U8
    y: F64 | None = None


class Lone(BaseModel):
    x: U8


class Shape(TaggedUnion):
    """What is drawn."""


class Circle(Shape):
    radius: F64


class Nothing(Shape):
    """No shape."""


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


def test_what_nests_too_deep_is_cut() -> None:
    value: Any = []
    for _ in range(20_000):
        value = [value]
    schema = {"$ref": "#/$defs/type.Tree"}
    tree = {"type": "array", "items": schema}
    for text in (form(value, None, {}), brief(value, schema, {"type.Tree": tree})):
        assert text.count("[") == text.count("]") > 100
        assert "…" in text


def told(value: Any, type_: Any, width: int = 80) -> str:
    """A reply of a type, as it travels and is shown."""
    root = command_set({"Ask": ({}, type_)})
    model = variant_of(root, "Ask")
    document = Catalog(root).document
    (command,) = document["commands"]
    travelled = json.loads(reply_form(entry_of(model).reply).write(value))
    return form(travelled, command["response"], document["schema"]["$defs"], width=width)


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (7, U8, "7"),
        (0.5, F64, "0.5"),
        (True, bool, "True"),
        (None, None, "None"),
        (None, U8 | None, "None"),
        (7, U8 | None, "7"),
        ("plain\ntext", str, "plain\ntext"),
        ("plain", str | None, "plain"),
        ("x", Char, "x"),
        (b"abc", bytes, '"abc"'),
        (b"\0\xff", bytes, "hex:00ff"),
        ([1, 2], list[U8], "[1, 2]"),
        (["a", 'b"'], list[str], '["a", "b\\""]'),
        ((1, "a"), tuple[U8, str], '[1, "a"]'),
        ({1: 2}, dict[U8, U8], '{"1": 2}'),
        (Level.LOW, Level, "LOW"),
        ([Level.LOW], list[Level], "[LOW]"),
        (Point(x=1), Point, "Point(x=1, y=None)"),
        (Lone(x=1), Lone, "Lone(x=1)"),
        ([Point(x=1, y=0.5)], list[Point], "[Point(x=1, y=0.5)]"),
        (Circle(radius=1.0), Shape, "Circle(radius=1.0)"),
        (Nothing(), Shape, "Nothing()"),
        ([Nothing(), Circle(radius=2.0)], list[Shape], "[Nothing(), Circle(radius=2.0)]"),
        (Tree(name="a", children=[Tree(name="b")]), Tree,
         'Tree(name="a", children=[Tree(name="b", children=[])])'),
        (Duration(100, 500_000_000), Duration, "100.5 s"),
        (Duration(0), Duration, "0 s"),
        (SystemTime.from_datetime(datetime(2024, 5, 6, 7, 8, 9, 5000, tzinfo=UTC)), SystemTime,
         "2024-05-06T07:08:09.005Z"),
        (UUID(int=1), UUID, "00000000-0000-0000-0000-000000000001"),
        (b"ab", Annotated[bytes, Array(2)], "[97, 98]"),
    ],
)  # fmt: skip
def test_a_reply_reads_as_its_type_says(value: Any, type_: Any, text: str) -> None:
    assert told(value, type_) == text


def test_responses_of_a_family() -> None:
    answer = family("Answer", {"Sum": {"c": U64}, "Done": {}})
    total, done = variant_of(answer, "Sum"), variant_of(answer, "Done")
    assert told(total(c=3), total) == told(total(c=3), answer) == "Sum(c=3)"
    assert told(done(), done) == told(done(), answer) == "Done()"


def test_what_is_too_long_for_a_line_is_spread_over_several() -> None:
    assert told([Point(x=n) for n in (1, 2)], list[Point], width=30) == (
        "[\n  Point(x=1, y=None),\n  Point(x=2, y=None),\n]"
    )
    assert told([*range(10)], list[U8], width=14) == "[\n  0, 1, 2, 3,\n  4, 5, 6, 7,\n  8, 9,\n]"
    tree = Tree(name="a" * 20, children=[Tree(name="b" * 20)])
    assert max(map(len, told(tree, Tree, width=40).splitlines())) <= 40


def test_what_nobody_reads_is_counted() -> None:
    assert told([1] * (MOST_ITEMS + 50), list[U8]).endswith(", … 50 more,\n]")
    many = {f"{number}": number % 256 for number in range(MOST_ITEMS + 50)}
    assert told(many, dict[str, U8]).endswith("\n  … 50 more,\n}")
    assert bytes_text(b"\xff" * (MOST_HEX_BYTES + 1)).endswith("… (65 bytes)")


def test_bytes_that_would_be_read_otherwise_are_hex() -> None:
    assert bytes_text(b"hex:00") == "hex:6865783a3030"
    assert bytes_text(b"@file").startswith("hex:")


@pytest.mark.parametrize("schema", [None, {}, {"wire": "str"}, {"type": "object"}, 7])
@pytest.mark.parametrize(
    "value", [None, 1, 1.5, "a", [1, [2]], {"a": {"b": 1}}, {"secs": 1, "nanos": "x"}, SCARE]
)
def test_what_is_not_as_its_schema_says_is_shown_all_the_same(value: Any, schema: Any) -> None:
    for text in (form(value, schema, {}), brief(value, schema, {}), form([value], schema, {})):
        assert all(c.isprintable() or c == "\n" for c in text)
        assert "\n" not in brief(value, schema, {})


def test_a_schema_that_leads_to_itself_ends() -> None:
    definitions = {
        "a": {"$ref": "#/$defs/b"},
        "b": {"$ref": "#/$defs/a"},
        "c": {"anyOf": [{"$ref": "#/$defs/c"}, {"type": "null"}]},
    }
    assert form([1], {"$ref": "#/$defs/a"}, definitions) == "[1]"


def test_a_time_far_away() -> None:
    far = {"secs_since_epoch": 2**64 - 1, "nanos_since_epoch": 5}
    assert brief(far, {"wire": "systemtime"}, {}) == f"{2**64 - 1}.000000005 s since 1970"
