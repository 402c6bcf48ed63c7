"""What a change breaks: each kind with its exact text, and that no break goes unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lazyipc import F32, F64, U8, U16, U64, Response, TaggedUnion
from lazyipc._core import schema
from lazyipc._core.catalog import Catalog
from lazyipc._core.compiled import codec_of
from lazyipc._core.lock import breaks_between
from lazyipc._core.lock.changes import changes_between, is_read_right
from lazyipc._core.lock.taken import lock_of
from tests.core.command_sets import (
    Fields,
    Variants,
    command_set,
    descriptions,
    family,
    seen_by_peers,
    variant_of,
)
from tests.core.declared_types import Color, Level, Point
from tests.core.matrix import THOROUGH


def told(old: Any, new: Any, *, bare: bool = True) -> str:
    """The breaks between two families, as they are printed."""
    return "\n".join(map(str, breaks_between(lock_of(old), lock_of(new), bare=bare)))


# Commands ----------------------------------------------------------------------------------------

ANSWERS: Variants = {"Done": {}, "Sum": {"c": U64}, "Pushed": {"x": U64}}
COMMANDS: dict[str, tuple[Fields, str | Any]] = {
    "Add": ({"a": U64, "b": U64}, "Sum"),
    "Stop": ({}, "Done"),
    "Ask": ({"x": U8}, "Answer"),
}
"""Returned: a type, or the name of a variant or of the root of the set's own answers."""


def a_set(
    commands: dict[str, tuple[Fields, Any]] | None = None,
    answers: Variants = ANSWERS,
    *,
    pins: dict[str, int] | None = None,
    answer_pins: dict[str, int] | None = None,
    root: str = "Answer",
) -> Any:
    """A command set with its answers."""
    answer = family(root, answers, pins=answer_pins)
    by_name = {"Answer": answer, **{name: variant_of(answer, name) for name in answers}}
    return command_set(
        {
            name: (fields, by_name[returned] if isinstance(returned, str) else returned)
            for name, (fields, returned) in (COMMANDS if commands is None else commands).items()
        },
        pins=pins,
    )


def changed(**commands: tuple[Fields, Any] | None) -> dict[str, tuple[Fields, Any]]:
    """The commands with some replaced, appended or, by None, left out."""
    return {name: told for name, told in {**COMMANDS, **commands}.items() if told is not None}


def reordered(*names: str) -> dict[str, tuple[Fields, Any]]:
    return {name: COMMANDS[name] for name in names}


BREAKS: dict[str, tuple[Any, str]] = {
    "a command is removed": (
        lambda: a_set(changed(Stop=None), pins={"Ask": 2}),
        """\
Stop: gone, or the module that defines it was not imported
    Old clients that send Stop get SchemaMismatch, and nothing runs.
    BARE clients that send Stop are dropped.""",
    ),
    "a command is removed and another moves up": (
        lambda: a_set(changed(Stop=None)),
        """\
Stop: gone, or the module that defines it was not imported
    Old clients that send Stop get SchemaMismatch, and nothing runs.
    BARE clients that send Stop would run Ask.
Ask: index 2 before, 1 now
    BARE clients that send Ask are dropped.""",
    ),
    "a command is renamed": (
        lambda: a_set({"Plus": COMMANDS["Add"], **reordered("Stop", "Ask")}),
        """\
Add: gone, or renamed to Plus, which is new and alike
    Old clients that send Add get SchemaMismatch, and nothing runs.
    BARE clients that send Add would run Plus.""",
    ),
    "a field is added": (
        lambda: a_set(changed(Add=({"a": U64, "b": U64, "c": U64 | None}, "Sum"))),
        """\
Add.c: absent before, option[u64] now
    Old clients that send Add get SchemaMismatch, and nothing runs.
    BARE clients that send Add are misread.""",
    ),
    "a field is removed": (
        lambda: a_set(changed(Add=({"a": U64}, "Sum"))),
        """\
Add.b: u64 before, gone now
    Old clients that send Add get SchemaMismatch, and nothing runs.
    BARE clients that send Add are misread.""",
    ),
    "a field is renamed, of which the bare wire sees nothing": (
        lambda: a_set(changed(Add=({"a": U64, "c": U64}, "Sum"))),
        """\
Add.b: u64 before, gone now
Add.c: absent before, u64 now
    Old clients that send Add get SchemaMismatch, and nothing runs.""",
    ),
    "a field gets another type": (
        lambda: a_set(changed(Add=({"a": U64, "b": U16}, "Sum"))),
        """\
Add.b: u64 before, u16 now
    Old clients that send Add get SchemaMismatch, and nothing runs.
    BARE clients that send Add are misread.""",
    ),
    "fields change places": (
        lambda: a_set(changed(Add=({"b": U64, "a": U64}, "Sum"))),
        """\
Add: fields in the order a, b before, b, a now
    Old clients that send Add get SchemaMismatch, and nothing runs.
    BARE clients that send Add are misread.""",
    ),
    "another response is returned": (
        lambda: a_set(changed(Add=(COMMANDS["Add"][0], "Pushed"))),
        """\
Add's reply: response Sum {c: u64} before, response Pushed {x: u64} now
    Old clients that send Add get SchemaMismatch, and nothing runs.""",
    ),
    "the root is returned instead of one response": (
        lambda: a_set(changed(Add=(COMMANDS["Add"][0], "Answer"))),
        """\
Add's reply: response Sum {c: u64} before, family Answer now
    Old clients that send Add get SchemaMismatch, and nothing runs.""",
    ),
    "something else is returned": (
        lambda: a_set(changed(Add=(COMMANDS["Add"][0], U64))),
        """\
the reply to every command: family Answer before, no one type now; Add returns u64
    A server that takes Wire.BARE does not start: that wire needs one type.
Add's reply: response Sum {c: u64} before, u64 now
    Old clients that send Add get SchemaMismatch, and nothing runs.""",
    ),
    "commands change places": (
        lambda: a_set(reordered("Stop", "Add", "Ask")),
        """\
Add: index 0 before, 1 now
    BARE clients that send Add would run Stop.
Stop: index 1 before, 0 now
    BARE clients that send Stop would run Add.""",
    ),
    "an index is pinned elsewhere": (
        lambda: a_set(pins={"Ask": 7}),
        """\
Ask: index 2 before, 7 now
    BARE clients that send Ask are dropped.""",
    ),
    "a new command stands before an old one": (
        lambda: a_set({"New": ({}, "Done"), **COMMANDS}),
        """\
Add: index 0 before, 1 now
    BARE clients that send Add would run New.
Stop: index 1 before, 2 now
    BARE clients that send Stop would run Add.
Ask: index 2 before, 3 now
    BARE clients that send Ask would run Stop.""",
    ),
    "a new command costs the set its one reply type": (
        lambda: a_set(changed(New=({}, list[U8]))),
        """\
the reply to every command: family Answer before, no one type now; New returns vec[u8]
    A server that takes Wire.BARE does not start: that wire needs one type.""",
    ),
    "a response returned by its root is removed": (
        lambda: a_set(answers={"Done": {}, "Sum": {"c": U64}}),
        """\
Answer.Pushed: gone, or the module that defines it was not imported
    Old clients get SchemaMismatch for what replaces Pushed, though their command ran.""",
    ),
    "a response returned by its root is renamed": (
        lambda: a_set(answers={"Done": {}, "Sum": {"c": U64}, "Put": {"x": U64}}),
        """\
Answer.Pushed: gone, or the module that defines it was not imported
    Old clients get SchemaMismatch for what replaces Pushed, though their command ran.
    BARE clients take Put for Pushed.""",
    ),
    "a response returned by its root changes": (
        lambda: a_set(answers={**ANSWERS, "Pushed": {"x": U16}}),
        """\
Answer.Pushed.x: u64 before, u16 now
    Old clients that are sent Pushed get SchemaMismatch, though their command ran.
    BARE clients misread Pushed.""",
    ),
    "a response is moved": (
        lambda: a_set(answer_pins={"Pushed": 9}),
        """\
Answer.Pushed: index 2 before, 9 now
    BARE clients do not know index 9.""",
    ),
    "a new response stands before old ones": (
        lambda: a_set(answers={"New": {}, **ANSWERS}, answer_pins={"Sum": 3, "Pushed": 2}),
        """\
Answer.Done: index 0 before, 1 now
    BARE clients take Done for Sum.
Answer.Sum: index 1 before, 3 now
    BARE clients do not know index 3.""",
    ),
    "the root that is returned gets another name": (
        lambda: a_set(root="Reply"),
        """\
Ask's reply: family Answer before, family Reply now
    Old clients that send Ask get SchemaMismatch, and nothing runs.""",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_told(name: str) -> None:
    made, expected = BREAKS[name]
    assert told(a_set(), made()) == expected


@pytest.mark.parametrize("name", BREAKS)
def test_without_the_bare_wire_only_fingerprints_count(name: str) -> None:
    made, expected = BREAKS[name]
    framed = told(a_set(), made(), bare=False)
    assert ("SchemaMismatch" in framed) == ("SchemaMismatch" in expected)
    assert "BARE" not in framed
    assert "index" not in framed


@pytest.mark.parametrize("name", BREAKS)
def test_what_only_bare_clients_meet_is_known_as_such(name: str) -> None:
    for found in breaks_between(lock_of(a_set()), lock_of(BREAKS[name][0]()), bare=True):
        assert found.is_bare_only == ("SchemaMismatch" not in str(found))


ADDITIONS: dict[str, Any] = {
    "nothing": a_set,
    "a command": lambda: a_set(changed(New=({"x": Point}, "Sum"))),
    "a command that returns the root": lambda: a_set(changed(New=({}, "Answer"))),
    "a response": lambda: a_set(answers={**ANSWERS, "New": {"x": Point}}),
    "a command and its response": lambda: a_set(
        changed(New=({}, "New")), {**ANSWERS, "New": {"x": Point}}
    ),
    "indices that say what held without them": lambda: a_set(pins={"Add": 0, "Stop": 1, "Ask": 2}),
    "a command in front, the others pinned": lambda: a_set(
        {"New": ({}, "Done"), **COMMANDS}, pins={"New": 3, "Add": 0, "Stop": 1, "Ask": 2}
    ),
}


@pytest.mark.parametrize("name", ADDITIONS)
def test_an_addition_breaks_nobody(name: str) -> None:
    assert told(a_set(), ADDITIONS[name]()) == ""


@pytest.mark.parametrize("root", ["Answer", "Reply"])
def test_the_name_of_a_root_that_no_command_returns_is_free(root: str) -> None:
    commands = reordered("Add", "Stop")
    assert told(a_set(commands), a_set(commands, root=root)) == ""


def test_what_is_known_by_index_alone_is_compared_under_another_root_too() -> None:
    commands = reordered("Add", "Stop")
    assert told(
        a_set(commands), a_set(commands, dict(reversed(ANSWERS.items())), root="Reply")
    ) == (
        """\
Answer.Done: index 0 before, 2 now
    BARE clients take Done for Pushed.
Answer.Pushed: index 2 before, 0 now
    BARE clients take Pushed for Done."""
    )


def test_a_response_that_no_command_returns_may_go() -> None:
    commands = reordered("Add", "Stop")
    assert told(a_set(commands), a_set(commands, {"Done": {}, "Sum": {"c": U64}})) == ""


def test_a_set_that_could_not_be_spoken_bare_may_be_reordered() -> None:
    old, new = {"A": ({}, None), "B": ({}, U8)}, {"B": ({}, U8), "A": ({}, None)}
    assert told(command_set(old), command_set(new)) == ""


def test_one_reply_type_that_changes_is_told_with_each_command() -> None:
    old, new = ({"A": ({}, returned), "B": ({}, returned)} for returned in (U8, U16))
    assert (
        told(command_set(old), command_set(new))
        == """\
A's reply: u8 before, u16 now
    Old clients that send A get SchemaMismatch, and nothing runs.
    BARE clients that send A misread the reply.
B's reply: u8 before, u16 now
    Old clients that send B get SchemaMismatch, and nothing runs.
    BARE clients that send B misread the reply."""
    )


def test_a_reply_that_loses_its_index_is_told_though_it_has_the_same_fingerprint() -> None:
    class Sum(Response):
        c: U64

    old = command_set({"Add": ({}, variant_of(family("Answer", {"Sum": {"c": U64}}), "Sum"))})
    assert (
        told(old, command_set({"Add": ({}, Sum)}))
        == """\
Add's reply on the bare wire: family Answer before, response Sum {c: u64} now
    BARE clients that send Add misread the reply."""
    )


class Add(BaseModel):
    """A set of one."""

    a: U64

    def process(self, context: object) -> U64:
        return self.a


def test_a_set_of_one_that_becomes_a_family_gains_an_index() -> None:
    many = command_set({"Add": ({"a": U64}, U64)})
    assert told(Add, many) == (
        "Add: index none before, 0 now\n    BARE clients that send Add are misread."
    )
    assert told(many, Add) == (
        "Add: index 0 before, none now\n    BARE clients that send Add are misread."
    )
    assert told(Add, many, bare=False) == told(many, Add, bare=False) == ""


# Families of data --------------------------------------------------------------------------------

SHAPES: Variants = {"Dot": {}, "Disc": {"at": Point, "r": F64}}

DATA_BREAKS: dict[str, tuple[Variants, str]] = {
    "gone": (
        {"Dot": {}},
        """\
Shape.Disc: gone, or the module that defines it was not imported
    Old programs know nothing that replaces Disc, and new ones cannot read it.""",
    ),
    "replaced": (
        {"Dot": {}, "Ring": {}},
        """\
Shape.Disc: gone, or the module that defines it was not imported
    Old programs know nothing that replaces Disc, and new ones cannot read it.
    Old programs take Ring for Disc.""",
    ),
    "changed": (
        {"Dot": {}, "Disc": {"at": Point, "r": F32}},
        """\
Shape.Disc.r: f64 before, f32 now
    Old programs and new ones do not read each other's Disc.""",
    ),
    "moved": (
        {"New": {}, **SHAPES},
        """\
Shape.Dot: index 0 before, 1 now
    Old programs take Dot for Disc.
Shape.Disc: index 1 before, 2 now
    Old programs do not know index 2.""",
    ),
    "longer": ({**SHAPES, "New": {}}, ""),
}


@pytest.mark.parametrize("name", DATA_BREAKS)
@pytest.mark.parametrize("bare", [True, False])
def test_a_break_of_data_is_told_whatever_wires_there_are(name: str, bare: bool) -> None:
    variants, expected = DATA_BREAKS[name]
    old, new = (family("Shape", v, base=TaggedUnion) for v in (SHAPES, variants))
    assert told(old, new, bare=bare) == expected
    assert not any(f.is_bare_only for f in breaks_between(lock_of(old), lock_of(new), bare=bare))


def test_a_family_of_data_may_get_another_name() -> None:
    old, new = (family(name, SHAPES, base=TaggedUnion) for name in ("Shape", "Figure"))
    assert told(old, new) == ""


def test_a_lock_of_the_other_kind_is_told() -> None:
    data = family("Shape", SHAPES)
    assert told(a_set(), data) == (
        "a command set before, a family of data now\n    Each family needs a lock file of its own."
    )
    assert told(data, a_set()).startswith("a family of data before, a command set now\n")


# Down to the field -------------------------------------------------------------------------------


def described(annotation: Any) -> Any:
    return schema.describe(codec_of(annotation).shape)


def a_shape(variants: Variants = SHAPES, **pins: int) -> Any:
    return family("Shape", variants, base=TaggedUnion, pins=pins)


def a_model(**fields: Any) -> Any:
    return type("M", (BaseModel,), {"__module__": __name__, "__annotations__": fields})


@pytest.mark.parametrize(
    ("was", "now", "lines"),
    [
        (list[U8], list[U16], ["x: vec[u8] before, vec[u16] now"]),
        (list[a_model(a=U8)], list[a_model(a=U16)], ["x[].a: u8 before, u16 now"]),
        (a_model(a=U8) | None, a_model(a=U16) | None, ["x.a: u8 before, u16 now"]),
        (tuple[U8, bool], tuple[U16, bool], ["x[0]: u8 before, u16 now"]),
        (tuple[U8], tuple[U8, U8], ["x: tuple[u8] before, tuple[u8, u8] now"]),
        (dict[U8, a_model(a=U8)], dict[U8, a_model()], ["x[].a: u8 before, gone now"]),
        (dict[U8, Point], dict[U16, Point],
         ["x: map[u8, {x: i32, y: i32}] before, map[u16, {x: i32, y: i32}] now"]),
        (Color, Level, ["x: enum {RED, GREEN, BLUE} before, enum {LOW, HIGH} now"]),
        (a_shape(), a_shape({**SHAPES, "Ring": {"r": U8}}), ["x.Ring: absent before, {r: u8} now"]),
        (a_shape(), a_shape({"Dot": {}}),
         ["x.Disc: {at: {x: i32, y: i32}, r: f64} before, gone now"]),
        (a_shape(), a_shape(Disc=4), ["x.Disc: index 1 before, 4 now"]),
        (list[a_shape()], list[a_shape({"Dot": {"a": U8}, "Disc": {"at": Point, "r": F32}})],
         ["x[].Dot.a: absent before, u8 now", "x[].Disc.r: f64 before, f32 now"]),
        (Add | Point, Point | Add,
         ["x: variants in the order Add, Point before, Point, Add now",
          "x.Add: index 0 before, 1 now", "x.Point: index 1 before, 0 now"]),
    ],
)  # fmt: skip
def test_a_change_inside_a_type_is_told_where_it_is(was: Any, now: Any, lines: list[str]) -> None:
    assert list(changes_between("x", described(was), described(now))) == lines


@pytest.mark.parametrize(
    ("written", "known", "is_right"),
    [
        (Point, Point, True),
        (a_model(a=U8, b=U8), a_model(a=U8, c=U8), True),
        (a_model(a=U8, b=U8), a_model(b=U8, a=U8), False),
        (a_model(a=U8, b=U8), a_model(b=U8, c=U8), False),
        (a_model(a=U8), a_model(a=U16), False),
        (a_model(a=U8), a_model(a=U8, b=None), False),
        (list[a_model(a=U8)], list[a_model(b=U8)], True),
        (a_shape({"Dot": {}}), a_shape({"Dot": {}, "New": {}}), True),
        (a_shape({"Dot": {}, "New": {}}), a_shape({"Dot": {}}), False),
        (a_shape({"Dot": {}}), a_shape({"Spot": {}}), True),
        (a_shape({"A": {}, "B": {}}), a_shape({"B": {}, "A": {}}), False),
        (a_shape({"A": {}, "B": {}}), a_shape({"B": {}, "A": {}}, A=0, B=1), True),
        (Level, Color, True),
        (Color, Level, False),
        (tuple[U8, Point], tuple[U8, a_model(left=int)], False),
    ],
)
def test_bytes_are_read_right_where_nothing_moved(written: Any, known: Any, is_right: bool) -> None:
    assert is_read_right(described(written), described(known)) is is_right


@THOROUGH
@given(was=descriptions, now=descriptions)
def test_every_difference_has_a_line(was: Any, now: Any) -> None:
    assert bool(list(changes_between("x", was, now))) == (was != now)
    assert is_read_right(was, was)


# That nothing is overlooked ----------------------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """A command set as data, so that two of them are alike in much."""

    commands: dict[str, tuple[Fields, Any]]
    answers: Variants
    pins: dict[str, int]
    answer_pins: dict[str, int]

    def build(self) -> Any:
        commands = {
            name: (
                fields,
                "Answer" if returned not in self.answers and returned is not U8 else returned,
            )
            for name, (fields, returned) in self.commands.items()
        }
        return a_set(commands, self.answers, pins=self.pins, answer_pins=self.answer_pins)


fields = st.dictionaries(st.sampled_from("ab"), st.sampled_from([U8, U16]), max_size=2)
answers = st.dictionaries(st.sampled_from(["Yes", "No", "Why"]), fields, min_size=1)
returned = st.sampled_from(["Answer", "Yes", "No", "Why", U8])
commands = st.dictionaries(
    st.sampled_from(["Add", "Stop", "Ask"]), st.tuples(fields, returned), min_size=1
)
pins = st.just({}) | st.permutations([10, 20, 30]).map(
    lambda order: dict(
        zip(["Add", "Stop", "Ask", "Yes", "No", "Why"], [*order, *order], strict=True)
    )
)
specs = st.builds(Spec, commands, answers, pins, pins)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Spec, Spec]:
    """A set and another one, which differs from it in some of its four parts."""
    old, other = draw(specs), draw(specs)
    parts = [draw(st.sampled_from([old, other])) for _ in range(4)]
    return old, Spec(parts[0].commands, parts[1].answers, parts[2].pins, parts[3].answer_pins)


@THOROUGH
@given(pair=pairs())
def test_framed_clients_are_broken_if_and_only_if_it_is_told(pair: tuple[Spec, Spec]) -> None:
    old, new = (spec.build() for spec in pair)
    was, now = seen_by_peers(old), seen_by_peers(new)
    is_kept = was.commands <= now.commands and was.replies <= now.replies
    assert (told(old, new, bare=False) == "") == is_kept


@THOROUGH
@given(pair=pairs())
def test_bare_clients_are_not_broken_if_nothing_is_told(pair: tuple[Spec, Spec]) -> None:
    old, new = (spec.build() for spec in pair)
    was, now = seen_by_peers(old), seen_by_peers(new)
    if told(old, new) or was.bare is None:
        return
    assert was.commands <= now.commands
    assert was.indices.items() <= now.indices.items()
    if was.bare[0] != "choice":
        assert was.bare == now.bare
        return
    sent = {entry.description[3][1] for entry in Catalog(old).by_fingerprint.values()}
    read = {case[1]: case for case in now.bare[1]}
    for case in was.bare[1]:
        if case[1] in sent or "Answer" in sent:
            assert read[case[1]] == case
