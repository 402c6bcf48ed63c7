"""Our JSON against serde_json's, in both directions, on many types.

`json values` writes what Rust writes, `json decode` reads what Python writes. Each tells what a
value is by a text that has nothing to do with JSON (`rust_text.py`).
"""

from __future__ import annotations

import json
import re
import struct
from datetime import datetime, timedelta
from ipaddress import IPv6Address
from math import isfinite
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings

from lazyipc import I8, I16, I128, U8, U64, EncodeError, IpcError, SchemaError
from lazyipc._core.compiled import codec_of
from lazyipc._core.json_form import JsonForm, Line, Misfit, Room
from tests.interop.json_program import COUNT, JsonProgram
from tests.interop.rust_table import FIRST, SPOKEN, Address
from tests.interop.rust_types import Color, Figure, Point, Segment
from tests.interop.rust_values import Inventor
from tests.interop.test_bytes import fits

pytestmark = pytest.mark.timeout(330)  # the first test builds the program

EXAMPLES = 6
ELEMENTS = 1_000_000
DEPTH = 128

OTHERWISE = {
    "SocketAddr", "Result<u64, String>", "Result<(), Color>", "Bound<u16>",
}  # fmt: skip
"""What serde has a form for that no Python declaration says: text, or variants without names for
their fields."""
BY_DISCRIMINANT = {"Rank", "BTreeSet<Rank>"}
"""Nothing new in JSON."""
NO_KEYS = {
    "BTreeMap<(u8, bool), Point>", "BTreeMap<[u8; 2], f64>", "BTreeMap<Option<u8>, ()>",
    "BTreeMap<Version, Name>",
}  # fmt: skip
"""Maps whose keys are no text in JSON: neither side writes them."""

KEYS: list[tuple[str, Any]] = [
    ("BTreeMap<bool, u8>", dict[bool, U8]), ("BTreeMap<i128, ()>", dict[I128, None]),
    ("BTreeMap<Uuid, Point>", dict[UUID, Point]), ("BTreeMap<IpAddr, bool>", dict[Address, bool]),
    ("BTreeMap<Ipv6Addr, Vec<i8>>", dict[IPv6Address, list[I8]]),
    ("BTreeMap<PathBuf, u8>", dict[Path, U8]),
]  # fmt: skip

TYPES = [
    row for row in SPOKEN if row[0] not in OTHERWISE | BY_DISCRIMINANT | NO_KEYS
] + KEYS  # fmt: skip

PROPERTY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

each_type = pytest.mark.parametrize(("name", "annotation"), TYPES, ids=[n for n, _ in TYPES])


def form_of(annotation: Any) -> JsonForm[Any]:
    return JsonForm(codec_of(annotation))


def read(form: JsonForm[Any], text: str) -> Any:
    """A value out of a line, as a connection reads it."""
    line, room = Line(text.encode()), Room(ELEMENTS, DEPTH)
    try:
        value = form.read(line.parse(ELEMENTS), room)
    except Misfit as misfit:
        raise line.error(misfit) from misfit
    line.refuse_twice(room.keys)
    return value


def plain(text: str) -> Any:
    """JSON as data that can be compared: a float is not the integer it equals."""
    return json.loads(text, parse_int=lambda digits: ("integer", int(digits)))


# What Rust writes ---------------------------------------------------------------------------------


def test_each_type_is_declared_on_both_sides(json_peer: JsonProgram) -> None:
    assert set(json_peer.names) == {name for name, _ in TYPES}
    assert set(FIRST) - {name for name, _ in TYPES} == OTHERWISE | BY_DISCRIMINANT | NO_KEYS
    assert sum(map(len, json_peer.made.values())) == COUNT
    assert min(map(len, json_peer.made.values())) >= 20


@each_type
def test_what_rust_writes_comes_back(json_peer: JsonProgram, name: str, annotation: Any) -> None:
    declared, form = json_peer.declared.type(name), form_of(annotation)
    values = json_peer.made[name]
    if annotation in (timedelta, datetime):
        values = [made for made in values if fits(made.text)]
    for made in values:
        value = read(form, made.json)
        assert json_peer.declared.text_of(value, declared) == made.text
        written = form.write(value)
        if not name.startswith("HashSet"):  # its order is Rust's own
            assert written_alike(written, made.json), (written, made.json)


def written_alike(ours: str, theirs: str) -> bool:
    """Whether two texts say the same, in the same form; keys of objects are in any order.

    Rust writes an IPv6 address that holds an IPv4 one in a way of its own.
    """
    return plain(ours) == plain(theirs) or bool(re.search(r":\d+\.\d+\.\d+\.\d+", theirs))


# What Python writes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inventor(json_peer: JsonProgram) -> Inventor:
    return Inventor(json_peer.declared)


@each_type
def test_rust_reads_what_python_writes(
    json_peer: JsonProgram, inventor: Inventor, name: str, annotation: Any
) -> None:
    declared, form = json_peer.declared.type(name), form_of(annotation)

    @PROPERTY
    @given(inventor.values(declared, annotation))
    def check(value: Any) -> None:
        text = json_peer.declared.text_of(value, declared)
        if holds_no_number(text):
            with pytest.raises(EncodeError, match="finite numbers only"):
                form.write(value)
            return
        written = form.write(value)
        taken = json_peer.take(name, written)
        assert taken.text == text, (taken.reason, written)
        assert json_peer.declared.text_of(read(form, written), declared) == text

    check()


def holds_no_number(text: str) -> bool:
    """Whether a value's text has a float in it that is a NaN or an infinity."""
    floats = re.findall(r"\bf(32|64):([0-9a-f]+)", text)
    values = [struct.unpack(">f" if bits == "32" else ">d", bytes.fromhex(d)) for bits, d in floats]
    return not all(isfinite(value) for (value,) in values)


@pytest.mark.parametrize("name", sorted(NO_KEYS))
def test_a_map_without_text_for_keys_has_no_form(name: str) -> None:
    with pytest.raises(SchemaError, match="keys of a JSON object are text"):
        form_of(FIRST[name])


# What both refuse, and what only one does ---------------------------------------------------------

FOUR: Any = next(annotation for name, annotation in SPOKEN if name == "[u8; 4]")

TAKEN: list[tuple[str, Any, str]] = [
    ("u8", U8, " 7 "), ("f64", float, "1"), ("f64", float, "1e2"), ("f64", float, "-0.0"),
    ("f64", float, "123456789012345678901234567890"), ("f32", FIRST["f32"], "0.1"),
    ("Option<u8>", U8 | None, "null"), ("String", str, r'"\u00e9\ud83e\udd80\/"'),
    ("char", FIRST["char"], r'"\ud83e\udd80"'), ("Color", Color, '{"RED":null}'),
    ("Segment", Segment, '{"end":{"y":1,"x":2},"start":{"x":3,"y":4},"name":""}'),
    ("Figure", Figure, '{"Empty":null}'), ("Renamed", FIRST["Renamed"], '{"type":1}'),
    ("Uuid", UUID, '"67E5504410B1426F9247BB680E5FE0C8"'),
    ("BTreeMap<i128, ()>", dict[I128, None], '{"-7":null}'),
]  # fmt: skip
"""What is not what anybody writes, and taken on both sides."""

REFUSED: list[tuple[str, Any, str]] = [
    ("u8", U8, "256"), ("u8", U8, "-1"), ("u8", U8, "1.0"), ("u8", U8, "1e0"), ("u8", U8, '"1"'),
    ("u8", U8, "true"), ("u8", U8, "01"), ("u8", U8, "+1"), ("u8", U8, ""), ("u8", U8, "1 2"),
    ("u64", U64, "18446744073709551616"), ("i16", I16, "-32769"), ("bool", bool, "1"),
    ("f64", float, "NaN"), ("f64", float, "Infinity"), ("f64", float, "1e999"),
    ("f64", float, '"1"'),
    ("f64", float, "null"), ("f64", float, ".5"), ("f64", float, "1."),
    ("char", FIRST["char"], '""'), ("char", FIRST["char"], '"ab"'), ("String", str, "1"),
    ("String", str, r'"\ud800"'), ("String", str, r'"\ud800\u0041"'), ("String", str, '"\x01"'),
    ("String", str, r'"\x41"'), ("String", str, "'a'"), ("()", None, "0"), ("()", None, "[]"),
    ("Vec<u8>", bytes, "[256]"), ("Vec<u8>", bytes, '"ab"'), ("[u8; 4]", FOUR, "[1,2,3]"),
    ("[u8; 4]", FOUR, "[1,2,3,4,5]"), ("(u8, String)", tuple[U8, str], "[1]"),
    ("Color", Color, '"PINK"'), ("Color", Color, "0"), ("Color", Color, '{"RED":1}'),
    ("Point", Point, '{"x":1}'), ("Point", Point, '{"x":1,"x":2,"y":3}'),
    ("Point", Point, '{"x":1,"y":null}'), ("Figure", Figure, '"Circle"'),
    ("Figure", Figure, '{"Square":{}}'), ("Figure", Figure, "{}"),
    ("Figure", Figure, '{"Empty":null,"Circle":{"radius":1.0}}'),
    ("Uuid", UUID, '"67e55044-10b1-426f-9247-bb680e5fe0c"'), ("Uuid", UUID, '"x"'),
    ("Duration", FIRST["Duration"], '{"secs":1}'), ("Duration", FIRST["Duration"], "1.5"),
    ("Duration", FIRST["Duration"], '{"secs":1,"nanos":-1}'),
    ("IpAddr", Address, '"1.2.3"'), ("IpAddr", Address, '"01.2.3.4"'), ("IpAddr", Address, '"::g"'),
    ("BTreeMap<i128, ()>", dict[I128, None], '{"x":null}'),
    ("BTreeMap<bool, u8>", dict[bool, U8], '{"True":1}'),
]  # fmt: skip

OURS_ALONE: list[tuple[str, Any, str]] = [
    ("Point", Point, '{"x":1,"y":2,"z":3}'), ("Point", Point, "[1,2]"),
    ("BTreeMap<String, u32>", dict[str, U8], '{"a":1,"a":2}'),
    ("Duration", FIRST["Duration"], '{"secs":1,"nanos":1000000000}'),
]  # fmt: skip
"""What serde_json takes, and we refuse: what was most likely not meant."""


@pytest.mark.parametrize(("name", "annotation", "text"), TAKEN)
def test_both_take(json_peer: JsonProgram, name: str, annotation: Any, text: str) -> None:
    declared = json_peer.declared.type(name)
    value = read(form_of(annotation), text)
    assert json_peer.declared.text_of(value, declared) == json_peer.take(name, text).text


@pytest.mark.parametrize(("name", "annotation", "text"), REFUSED)
def test_both_refuse(json_peer: JsonProgram, name: str, annotation: Any, text: str) -> None:
    assert json_peer.take(name, text).text is None
    with pytest.raises(IpcError):
        read(form_of(annotation), text)


@pytest.mark.parametrize(("name", "annotation", "text"), OURS_ALONE)
def test_only_ours_refuses(json_peer: JsonProgram, name: str, annotation: Any, text: str) -> None:
    assert json_peer.take(name, text).text is not None
    with pytest.raises(IpcError):
        read(form_of(annotation), text)
