"""Lines of JSON: what is none, which key stands twice, where a value stands, what may be built."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyipc._core.json_form import Key, Line, Misfit
from lazyipc._core.json_form.rule import Entry, EntryKey, Step, found, path_of
from lazyipc._core.json_form.text import DEEPEST_TEXT
from lazyipc.errors import DecodeError, MessageTooLarge
from tests.core.matrix import UNHURRIED

ELEMENTS = 1_000_000
PROPERTY = settings(**UNHURRIED)

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5) | st.sampled_from(['"', "\\", "::", '\\":', "[{"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=3) | st.sampled_from(["a", '"', ":", "\\"]), inner,
                      max_size=4),
    max_leaves=12,
)  # fmt: skip


def in_text(document: Any, style: int) -> str:
    """A document in one of the ways that people and programs write."""
    indent = (None, 1, "\t")[style % 3]
    text = json.dumps(document, ensure_ascii=style % 2 == 0, indent=indent)
    return text.replace("\n", "\r ")


def parts_of(document: Any) -> list[tuple[tuple[Step, ...], Any]]:
    """Each part of a document, and each key, with the steps to it."""
    parts: list[tuple[tuple[Step, ...], Any]] = [((), document)]
    if isinstance(document, list):
        for position, item in enumerate(document):
            parts += [((position, *steps), part) for steps, part in parts_of(item)]
    if isinstance(document, dict):
        for key, item in document.items():
            parts.append(((Key(key),), key))
            parts += [((key, *steps), part) for steps, part in parts_of(item)]
    return parts


def keys_in(document: Any) -> int:
    return sum(1 for steps, _ in parts_of(document) if steps and isinstance(steps[-1], Key))


def refusal(data: bytes, number: int = 1) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        Line(data, number).parse(ELEMENTS)
    return caught.value


# Parsing -----------------------------------------------------------------------------------------


@PROPERTY
@given(documents, st.integers(0, 5))
def test_what_is_json_is_parsed_as_json_says(document: Any, style: int) -> None:
    line = Line(in_text(document, style).encode())
    assert repr(line.parse(ELEMENTS)) == repr(json.loads(line.data))
    line.refuse_twice(keys_in(document))


NO_JSON: list[tuple[bytes, int, str]] = [
    (b"", 1, "it ends too early"),
    (b'{"a":', 5, "it ends too early"),
    (b'[1, "a', 6, "it ends too early"),
    (b"nonsense", 2, "no word of JSON, which are null, true and false"),
    (b"NaN", 1, "no value begins like this"),
    (b"[Infinity]", 2, "no value begins like this"),
    (b"[-Infinity]", 3, "invalid number"),
    (b"01", 2, "invalid number"),
    (b"+1", 1, "no value begins like this"),
    (b".5", 1, "no value begins like this"),
    (b"1 2", 3, "more stands behind the value; each line holds one"),
    (b"[1,]", 4, "trailing comma"),
    (b"{1:2}", 2, "key must be a string"),
    (b"{'a':1}", 2, "key must be a string"),
    (b'{"a" 1}', 6, "expected `:`"),
    (b"[1 // 2\r]", 4, "expected `,` or `]`"),
    ('["é", "é" "é"]'.encode(), 11, "expected `,` or `]`"),
    (b'"\xc3\xa9\xff"', 3, "no UTF-8"),
    (b'"\xc0\x80"', 2, "no UTF-8"),
    (b'"\xed\xa0\x80"', 2, "no UTF-8"),
    (b"\xff\xfe", 1, "no value begins like this"),
    (b"\xef\xbb\xbf1", 1, "a byte order mark, which JSON has none of"),
    (b"\0", 1, "no value begins like this"),
    (b'"a\0"', 3, "a control character in a string"),
    (b'"a\tb"', 3, "a control character in a string"),
    (rb'"\x41"', 3, "invalid escape"),
    (rb'"\ud800"', 8, "half a surrogate pair, which is no character"),
    (rb'"\ud800\u0041"', 13, "half a surrogate pair, which is no character"),
    (rb'"\udc00"', 7, "half a surrogate pair, which is no character"),
    (b"1" * 5000, 4302, "a number of more digits than any has"),
    (b"[" * (DEEPEST_TEXT + 1) + b"]" * (DEEPEST_TEXT + 1), DEEPEST_TEXT + 1,
     "arrays and objects nest more than 201 levels deep"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "column", "reason"), NO_JSON, ids=lambda value: str(value)[:20])
def test_what_is_no_json_is_told_where(data: bytes, column: int, reason: str) -> None:
    error = refusal(data, number=7)
    assert (error.line, error.column, error.path) == (7, column, "")
    assert f"no JSON: {reason}" in error.reason
    assert str(error).startswith(f"line 7, column {column}, message: no JSON: ")


def test_as_deep_as_may_be_is_parsed() -> None:
    pairs = DEEPEST_TEXT // 2
    text = b"[" + b'{"a":[' * pairs + b"]}" * pairs + b"]"
    assert Line(text).parse(ELEMENTS)[0]["a"][0]["a"]


def test_no_recursion_limit_of_the_host_matters() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        error = refusal(b"[" * 1_000_000)
    finally:
        sys.setrecursionlimit(limit)
    assert "nest more than 201 levels deep" in error.reason


# Keys that stand twice ---------------------------------------------------------------------------

TWICE: list[tuple[str, str, int]] = [
    ('{"a":1,"a":2}', "a", 8),
    ('{"a":{"b":1, "b":2}}', "a.b", 14),
    ('[1, {"a":[]}, {"a":[{"é": 1, "x":[2], "\\u00e9":3}]}]', "[2].a[0].é", 39),
    ('{"a:":1,"b":[[":",{"c":1}],{"c":2,"c":2}]}', "b[1].c", 35),
    ('{"":1,"x":{},"":2}', "", 14),
]


@pytest.mark.parametrize(("text", "path", "column"), TWICE)
def test_a_key_that_stands_twice_is_refused(text: str, path: str, column: int) -> None:
    line = Line(text.encode())
    with pytest.raises(DecodeError) as caught:
        line.refuse_twice(keys_in(line.parse(ELEMENTS)))
    error = caught.value
    assert (error.path, error.column) == (path, column)
    assert "a key stands twice in one object: " in error.reason


def test_a_key_that_stands_twice_is_told_before_what_it_holds() -> None:
    error = Line(b'{"a":1,"a":"x"}').error(Misfit("u8 is wanted", "a"))
    assert "stands twice" in str(error)


@PROPERTY
@given(documents.filter(keys_in), st.integers(0, 5), st.data())
def test_any_key_that_stands_twice_is_found(document: Any, style: int, data: Any) -> None:
    text = in_text(document, style)
    places = [at for at, _ in key_places(text)]
    at = data.draw(st.sampled_from(places))
    key, _ = json.JSONDecoder().raw_decode(text, at)
    doubled = f"{text[:at]}{json.dumps(key)}: null, {text[at:]}"
    line = Line(doubled.encode())
    assert line.parse(ELEMENTS) == json.loads(doubled)
    with pytest.raises(DecodeError, match="stands twice") as caught:
        line.refuse_twice(keys_in(json.loads(doubled)))
    assert caught.value.column is not None
    assert json.JSONDecoder().raw_decode(doubled, caught.value.column - 1)[0] == key


def key_places(text: str) -> list[tuple[int, str]]:
    """Where each key of a text stands: strings with a colon behind them, outside of others."""
    places, at = [], 0
    while (at := text.find('"', at)) >= 0:
        value, end = json.JSONDecoder().raw_decode(text, at)
        if text[end:].lstrip(" \t\r")[:1] == ":":
            places.append((at, value))
        at = end
    return places


def test_beyond_a_length_it_is_told_without_a_place() -> None:
    many = "".join(f'"{number}":1,' for number in range(120_000))
    line = Line(f'{{{many}"0":":"}}'.encode())
    with pytest.raises(DecodeError) as caught:
        line.refuse_twice(120_000)
    assert (caught.value.column, caught.value.path) == (1, "")


# Where something stands --------------------------------------------------------------------------


@settings(PROPERTY, max_examples=60)
@given(documents, st.integers(0, 5))
def test_each_part_is_found_where_it_stands(document: Any, style: int) -> None:
    text = in_text(document, style)
    for steps, part in parts_of(document):
        error = Line(text.encode()).error(Misfit("why", *steps))
        assert isinstance(error, DecodeError)
        assert error.column is not None
        value, _ = json.JSONDecoder().raw_decode(text, error.column - 1)
        assert repr(value) == repr(part)
        assert error.offset == len(text[: error.column - 1].encode())


def test_numbers_on_the_way_are_not_made() -> None:
    text = f"[{'1' * 100_000}, {'2' * 100_000}.5, 3]"
    assert Line(text.encode()).error(Misfit("why", 2)).column == 200_008  # type: ignore[attr-defined]


def test_paths_as_people_write_them() -> None:
    assert path_of(("a", 1, 2, "b", Key("c"))) == "a[1][2].b.c"
    assert path_of((0, Entry("x y"), EntryKey('"\n'))) == '[0]["x y"]["""\\n"]'.replace('"""', '""')
    assert path_of(()) == ""
    assert path_of(("a\x1b[1m", Key("b" * 1000))) == "a\\x1b[1m." + "b" * 200


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (1.5, "1.5"), ({}, "an object"), ([1], "an array"),
        ("a", '"a"'), ("a" * 99, f'"{"a" * 40}"…'), ("a\n\x1b[0m", '"a\\n\\x1b[0m"'),
        (-(10**40), "a number of more than 40 digits"), (10**39, "1" + "0" * 39),
    ],
)  # fmt: skip
def test_values_are_told_of_briefly(value: Any, text: str) -> None:
    assert found(value) == text


# What may be built -------------------------------------------------------------------------------


def peak_bytes(call: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BOMBS = [b"[],", b"{},", b'"ab",', b'{"a":1},', b'"\xc3\xa9\xc3\xa9",', b"[[[]]],", b'{"":""},']


@pytest.mark.parametrize("piece", BOMBS, ids=str)
def test_many_values_are_refused_before_they_are_made(piece: bytes) -> None:
    data = b"[" + piece * (300_000 // len(piece)) + b"1]"

    def attempt() -> None:
        with pytest.raises(MessageTooLarge) as caught:
            Line(data, 3).parse(10_000)
        assert caught.value.what == "line 3: arrays, objects and strings"
        assert (caught.value.size_bytes, caught.value.limit_bytes) == (10_001, 10_000)

    attempt()
    assert peak_bytes(attempt) < 20_000


@pytest.mark.parametrize("number", [b"1,", b"1.5,", b"777,", b"9" * 40 + b","])
def test_numbers_cost_in_proportion_to_their_text(number: bytes) -> None:
    data = b"[" + number * (300_000 // len(number)) + b"1]"
    assert peak_bytes(lambda: Line(data).parse(10)) < 12 * len(data)


COUNTED: list[tuple[bytes, int]] = [
    (b'[{"a":[],"b":""}]', 4), (b'"[[[["', 1), (b'["\\"[", {}]', 3), (b'{"[": 1, "a" \r: "b"}', 2),
    (b'["a:", "b"]', 3), (b'{"a":{"b":{"c":"d"}}}', 4), (b"7", 0),
]  # fmt: skip


@pytest.mark.parametrize(("data", "count"), COUNTED)
def test_what_is_counted(data: bytes, count: int) -> None:
    padded = data + b" " * 9
    Line(padded).parse(count)
    if count:
        with pytest.raises(MessageTooLarge):
            Line(padded).parse(count - 1)


@PROPERTY
@given(st.binary(max_size=60) | st.text('[]{}",:\\ 1ae', max_size=30).map(str.encode))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    line = Line(data.replace(b"\n", b" "))
    try:
        line.parse(3)
    except (DecodeError, MessageTooLarge) as error:
        assert str(error).startswith("line 1")  # noqa: PT017
    else:
        json.loads(line.data)
