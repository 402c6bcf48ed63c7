"""The schema lock as text: what it says of a family, that it hides nothing, and how it is read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from examples.simple.commands import ClientCommand, ClientResponse
from lazyipc import F64, I32, U8, U16, Command, Response, SchemaError, TaggedUnion
from lazyipc._core import schema
from lazyipc._core.catalog import Catalog
from lazyipc._core.lock import Lock, Pinned, exact, parse, text_of
from lazyipc._core.lock.taken import lock_of
from tests.core.command_sets import (
    command_set,
    descriptions,
    family,
    named,
    seen_by_peers,
    variant_of,
)
from tests.core.conftest import WriteModule
from tests.core.declared_types import Figure, Nothing, Segment
from tests.core.invented_types import invented_rows
from tests.core.matrix import MODERATE, THOROUGH, Row

ROOT = Path(__file__).parent.parent.parent


def body_of(root: Any) -> str:
    """The text of a family's lock below its version."""
    text = text_of(lock_of(root), root.__name__)
    return text.split("lock 1\n\n", 1)[1]


# What is written ---------------------------------------------------------------------------------

DEMO = """\
# What programs already out there depend on in ClientCommand. Commit this file.
# lazyipc.check_schema fails when a change would break them: undo it; or, to break them
# on purpose, delete this file and run the check again. Comments are not kept.
lock 1

command Print = 0
    payload: str
    -> response PrintAck {}

command Add = 1
    a: u64
    b: u64
    -> response Sum {c: u64}

command Push = 2
    x: u64
    -> response Pushed {x: u64}

bare
    -> family ClientResponse

family ClientResponse
    PrintAck = 0 {}
    Sum = 1 {c: u64}
    Pushed = 2 {x: u64}
"""


def test_the_lock_of_the_example() -> None:
    assert text_of(lock_of(ClientCommand), "ClientCommand") == DEMO


def test_a_long_type_is_spread_over_lines() -> None:
    assert body_of(
        command_set({"Draw": ({"what": Segment, "grey": bool}, list[Figure | None])})
    ) == (
        """\
command Draw = 0
    what: {
        name: str
        start: {x: i32, y: i32}
        end: {x: i32, y: i32}
        weight: option[f32]
        figure: choice {
            Dot = 0 {}
            Disc = 700 {center: {x: i32, y: i32}, radius: f64}
            "a label" = 2 {size: u8, text: str, color: option[enum {RED, GREEN, BLUE}]}
        }
    }
    grey: bool
    -> vec[
        option[
            choice {
                Dot = 0 {}
                Disc = 700 {center: {x: i32, y: i32}, radius: f64}
                "a label" = 2 {size: u8, text: str, color: option[enum {RED, GREEN, BLUE}]}
            }
        ]
    ]

bare
    -> vec[
        option[
            choice {
                Dot = 0 {}
                Disc = 700 {center: {x: i32, y: i32}, radius: f64}
                "a label" = 2 {size: u8, text: str, color: option[enum {RED, GREEN, BLUE}]}
            }
        ]
    ]
"""
    )


def test_commands_stand_in_the_order_of_their_indices() -> None:
    root = command_set({"A": ({}, None), "B": ({}, None), "C": ({}, None)}, pins={"A": 9, "C": 0})
    heads = [line for line in body_of(root).splitlines() if line.startswith("command")]
    assert heads == ["command C = 0", "command B = 1", "command A = 9"]


def test_a_set_without_one_reply_type_has_no_bare_block() -> None:
    assert body_of(command_set({"A": ({}, None), "B": ({}, U8)})) == (
        "command A = 0\n    -> unit\n\ncommand B = 1\n    -> u8\n"
    )


def test_a_set_whose_common_reply_cannot_travel_has_no_bare_block() -> None:
    """Framed, nobody ever meets the variant that cannot."""
    told = family("Told", {"Fine": {"x": U8}, "Odd": {"x": object}})
    root = command_set({"A": ({}, variant_of(told, "Fine"))})
    assert body_of(root) == "command A = 0\n    -> response Fine {x: u8}\n"


def test_a_set_of_one_has_no_index() -> None:
    class Alone(BaseModel):
        x: U8

        def process(self, context: object) -> U16:
            return self.x

    assert body_of(Alone) == "command Alone\n    x: u8\n    -> u16\n\nbare\n    -> u16\n"
    assert parse(text_of(lock_of(Alone), "Alone")) == lock_of(Alone)


def test_two_families_of_one_name_are_numbered() -> None:
    left, right = family("Told", {"Yes": {}}), family("Told", {"No": {"why": str}})
    root = command_set({"A": ({}, right), "B": ({}, left), "C": ({}, right)})
    assert body_of(root) == (
        "command A = 0\n    -> family Told\n\n"
        "command B = 1\n    -> family Told 2\n\n"
        "command C = 2\n    -> family Told\n\n"
        "family Told\n    No = 0 {why: str}\n\n"
        "family Told 2\n    Yes = 0 {}\n"
    )
    assert parse(text_of(lock_of(root), "")) == lock_of(root)


@pytest.mark.parametrize("base", [Response, TaggedUnion])
def test_a_family_of_data_has_a_lock_too(base: type) -> None:
    root = family("Shape", {"Dot": {}, "Disc": {"r": F64}}, base=base, pins={"Dot": 4})
    assert body_of(root) == "family Shape\n    Disc = 1 {r: f64}\n    Dot = 4 {}\n"
    assert parse(text_of(lock_of(root), "Shape")) == lock_of(root)


def test_a_tagged_union_with_process_is_a_command_set() -> None:
    class Order(TaggedUnion):
        def process(self, context: object) -> None: ...

    class Stop(Order):
        pass

    assert body_of(Order) == "command Stop = 0\n    -> unit\n\nbare\n    -> unit\n"


def test_what_is_no_family_is_refused() -> None:
    class Empty(Response):
        pass

    class Orders(Command):
        pass

    class Odd(Orders):
        x: object

        def process(self, context: object) -> None: ...

    class Mute(BaseModel):
        x: U8

    for given_, told in {
        Empty: "Empty has no variants; import what defines them",
        Odd: "Odd is one variant; give its root, Orders",
        Orders: "Odd.x",
        Mute: "Mute has no method process",
        int: "is not a model",
    }.items():
        with pytest.raises(SchemaError, match=told):
            lock_of(given_)


def test_timeouts_documentation_and_names_of_models_are_not_in_it() -> None:
    class Orders(Command, timeout=5):
        """One text."""

    class Ask(Orders, timeout=600):
        """Another."""

        at: Nothing

        def process(self, context: object) -> None: ...

    class Void(BaseModel):
        """No fields either."""

    assert lock_of(Orders) == lock_of(command_set({"Ask": ({"at": Void}, None)}))


ODD_NAMES = [
    "a label",
    "",
    "#",
    '"',
    "\\",
    "x,y",
    "a: b",
    "-> x",
    "new\nline",
    "\u2028",
    "\ud800",
    "1",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_that_could_be_something_else_is_quoted(name: str) -> None:
    lock = Lock((Pinned(name, 0, [], ["enum", [name, "ok"]]),))
    text = text_of(lock, name)
    assert parse(text) == lock
    assert len(text.splitlines()) == 7
    text.encode()


@pytest.mark.parametrize("name", ["größe", "команда", "é", "command", "family", "bare", "lock"])
def test_an_identifier_stands_as_it_is(name: str) -> None:
    lock = Lock((Pinned(name, 0, [[name, "u8"]], ["enum", [name]]),))
    text = text_of(lock, name)
    assert f"command {name} = 0\n    {name}: u8\n    -> enum {{{name}}}\n" in text
    assert parse(text) == lock


@pytest.mark.parametrize(
    ("description", "text"),
    [
        (["vec", ["struct", [["next", ["option", ["up", 1]]]]]], "vec[{next: option[up[1]]}]"),
        (["array", "u8", 4], "array[u8, 4]"),
        (["tuple", []], "tuple[]"),
        (["struct", []], "{}"),
        (["enum", []], "enum {}"),
        (["map", "str", ["tuple", ["u8", "bool"]]], "map[str, tuple[u8, bool]]"),
        (["kind", ["a", "b"], [["c"], "d"], 7], "kind[a[b], (c[], d), 7]"),
        (
            ["choice", [[0, "V4", ["array", "u8", 4]], [1, "V6", "ip"], [2, "None", []]]],
            "choice {V4 = 0 array[u8, 4], V6 = 1 ip, None = 2 {}}",
        ),
        (["tuple", ["choice", ["struct", []]]], 'tuple["choice", {}]'),
    ],
)
def test_a_description_is_written_exactly(description: Any, text: str) -> None:
    assert exact(description) == text
    assert parse(f"lock 1\ncommand A\n    -> {text}\n").commands[0].returns == description


class Tree(BaseModel):
    """Contains itself."""

    value: U8
    kids: list[Tree]


class Term(TaggedUnion):
    """Contains itself by way of a variant."""


class Number(Term):
    value: U8


class Sum(Term):
    left: Term
    right: Term | None


def test_a_type_that_contains_itself_is_written_once() -> None:
    root = command_set({"Grow": ({"tree": Tree, "term": Term}, Tree)})
    assert (
        body_of(root)
        == """\
command Grow = 0
    tree: {value: u8, kids: vec[up[2]]}
    term: choice {Number = 0 {value: u8}, Sum = 1 {left: see[0], right: option[see[0]]}}
    -> {value: u8, kids: vec[up[2]]}

bare
    -> {value: u8, kids: vec[up[2]]}
"""
    )
    assert parse(text_of(lock_of(root), "Root")) == lock_of(root)


# That nothing is hidden --------------------------------------------------------------------------


@THOROUGH
@given(fields=named(descriptions), returns=descriptions)
def test_the_text_of_any_description_reads_back(fields: list[Any], returns: Any) -> None:
    lock = Lock((Pinned("Ask", 3, fields, returns),), {}, returns)
    assert parse(text_of(lock, "Any")) == lock


sets = st.dictionaries(
    st.sampled_from(["Add", "Stop", "Ask"]),
    st.tuples(st.dictionaries(st.sampled_from("abc"), invented_rows, max_size=2), invented_rows),
    min_size=1,
    max_size=3,
)


def declared(drawn: dict[str, tuple[dict[str, Row], Row]]) -> Any:
    """A new command set of drawn rows."""
    return command_set(
        {
            name: ({field: row.annotation for field, row in fields.items()}, returned.annotation)
            for name, (fields, returned) in drawn.items()
        }
    )


def fingerprints_in(lock: Lock) -> set[bytes]:
    """The fingerprints of commands, from the lock alone."""
    found = set()
    for command in lock.commands:
        returns = command.returns[:2] if command.returns[0] == "family" else command.returns  # type: ignore[index]
        found.add(schema.fingerprint(["command", command.name, command.fields, returns]))
    return found


def replies_in(lock: Lock) -> set[bytes]:
    return {
        schema.fingerprint(["response", variant.name, variant.fields])
        for variants in lock.families.values()
        for variant in variants
    }


@MODERATE
@given(drawn=sets)
def test_every_fingerprint_and_index_can_be_told_from_the_text_alone(
    drawn: dict[str, tuple[dict[str, Row], Row]],
) -> None:
    root = declared(drawn)
    lock = parse(text_of(lock_of(root), "Orders"))
    seen = seen_by_peers(root)
    assert lock == lock_of(root)
    assert fingerprints_in(lock) == seen.commands
    assert replies_in(lock) >= seen.replies
    assert {command.name: command.index for command in lock.commands} == seen.indices
    assert (lock.bare is None) == (seen.bare is None)


@THOROUGH
@given(left=sets, right=sets, shared=st.sampled_from(["", "Add", "Stop", "Ask"]))
def test_what_a_peer_can_tell_apart_has_another_text(
    left: dict[str, Any], right: dict[str, Any], shared: str
) -> None:
    if shared in left:
        right = {**left, shared: right.get(shared, left[shared])}  # differ in one command at most
    roots = declared(left), declared(right)
    texts = [text_of(lock_of(root), "Orders") for root in roots]
    if seen_by_peers(roots[0]) != seen_by_peers(roots[1]):
        assert texts[0] != texts[1]
    assert text_of(lock_of(declared(left)), "Orders") == texts[0]


@pytest.mark.parametrize("pins", [{"No": 5}, {"Yes": 1, "No": 0}])
def test_the_index_of_a_response_is_in_the_text_though_in_no_fingerprint(
    pins: dict[str, int],
) -> None:
    variants = {"Yes": {"x": U8}, "No": {}}
    bodies, prints = [], []
    for told in (family("Told", variants), family("Told", variants, pins=pins)):
        root = command_set({"A": ({}, variant_of(told, "Yes")), "B": ({}, variant_of(told, "No"))})
        bodies.append(body_of(root))
        prints.append(set(Catalog(root).by_fingerprint))
    assert prints[0] == prints[1]
    assert bodies[0] != bodies[1]


PROGRAM = """
import importlib, sys
from lazyipc._core.family import family_of
from lazyipc._core.lock import text_of
from lazyipc._core.lock.taken import lock_of
from examples.simple.commands import ClientCommand
from tests.core.command_sets import command_set, family
from tests.core.declared_types import Figure, Segment
told = family("Told", {"Yes": {"s": Segment}, "No": {"f": dict[str, Figure]}})
root = command_set({"Draw": ({"s": Segment}, told), "Show": ({"f": Figure | None}, list[Segment])})
print(text_of(lock_of(ClientCommand), "C"), text_of(lock_of(root), "R"), sep="")
"""


def test_the_text_is_the_same_in_every_process() -> None:
    texts = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert texts[0].startswith(text_of(lock_of(ClientCommand), "C"))


def test_the_text_is_the_same_after_another_import(write_module: WriteModule) -> None:
    text = """
        from lazyipc import Command, Response, U8
        class Told(Response): pass
        class Yes(Told):
            x: U8
        class Order(Command): pass
        class Ask(Order):
            def process(self, context) -> Told: ...
        """
    first = write_module("declared_once", text).Order
    sys.modules.pop("declared_once")
    second = write_module("declared_once", text).Order
    assert first is not second
    assert text_of(lock_of(first), "Order") == text_of(lock_of(second), "Order")


# How it is read ----------------------------------------------------------------------------------


def test_comments_blank_lines_commas_and_line_breaks_mean_nothing() -> None:
    text = DEMO.replace("{c: u64}", "{\n        # of both\n\n        c: u64,\n    }")
    text = text.replace("lock 1", "lock 1\n# by hand")
    assert parse(text) == lock_of(ClientCommand)


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_either_line_end_is_read(newline: str) -> None:
    assert parse(DEMO.replace("\n", newline)) == lock_of(ClientCommand)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("lock 1", "lock 2", "line 4: a lock of version 2; this lazyipc reads version 1"),
        ("lock 1", "lock", "line 4: 'the end' where a number should stand"),
        ("lock 1", "lock one", "line 4: 'one' where a number should stand"),
        ("lock 1\n", "", "line 1: it does not begin with `lock`, so it is no schema lock"),
        (DEMO, "", "line 1: it does not begin with `lock`, so it is no schema lock"),
        (DEMO, "import os\n", "line 1: it does not begin with `lock`, so it is no schema lock"),
        (DEMO, "lock 1\n", "neither commands nor one family are described"),
        ("a: u64", "a u64", "line 11: 'u64' where ':' should stand"),
        ("a: u64", "a:", "line 12: ':' where a name should stand"),
        ("a: u64", "a: u64]", "line 11: ']' where a name should stand"),
        ("a: u64", "a: vec[u64", "line 12: ':' where a name should stand"),
        ("a: u64", "b: u64", "line 13: two fields of one name"),
        ('a: u64', 'a: "u64', "line 11: '\"' where a name should stand"),
        ("{c: u64}", "{c: u64", "line 13: 'the end' where a name should stand"),
        ("    -> response Sum {c: u64}\n", "", "line 12: 'the end' where a name should stand"),
        ("    -> response Sum {c: u64}", "    -> u64 u64", "line 13: 'u64' where nothing should"),
        ("-> response Sum {c: u64}", '-> ""', "line 13: a type without a name"),
        ("-> response Sum {c: u64}", "-> 5", "line 13: '5' where a name should stand"),
        ("-> response Sum {c: u64}", '-> "family"[u64]', "line 13: family is not written with '['"),
        ("-> response Sum {c: u64}", "-> struct[u64]", "line 13: struct is not written with '['"),
        ("Sum = 1", "Sum", "line 24: '{' where '=' should stand"),
        ("Sum = 1", "Sum = -1", "line 24: '-1' where a number should stand"),
        ("Sum = 1", "Sum = 0", "line 24: Sum = 0 beside PrintAck = 0"),
        ("Sum = 1", "PrintAck = 1", "line 24: PrintAck = 1 beside PrintAck = 0"),
        ("Add = 1", "Add = 2", "line 15: Push = 2 beside Add = 2"),
        ("Add = 1", "Push = 1", "line 15: Push = 2 beside Push = 1"),
        ("Add = 1", "Add", "a command without an index stands beside others"),
        ("Push = 2", "Push", "a command without an index stands beside others"),
        ("command Add", "<<<<<<< HEAD\ncommand Add", "line 10: '<<<<<<<' where a command or a"),
        ("bare\n", "bare\n    -> u8\nbare\n", "line 21: 'bare' where a command or a family"),
        ("bare\n    ->", "bare\n    ", "line 20: 'family' where '->' should stand"),
        ("family ClientResponse\n    P", "family Other\n    P",
         "family ClientResponse is returned, but described nowhere"),
        ("family ClientResponse\n    P", "family X\nfamily X\n    P",
         "line 23: family X for a second time"),
    ],
)  # fmt: skip
def test_damage_is_told_with_its_line(old: str, new: str, told: str) -> None:
    damaged = DEMO.replace(old, new, 1)
    assert damaged != DEMO
    with pytest.raises(ValueError, match="^" + re.escape(told)):
        parse(damaged)


def test_nesting_beyond_reason_is_told() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse("lock 1\ncommand A\n    -> " + "vec[" * 100_000)


@THOROUGH
@given(data=st.data())
def test_a_damaged_text_is_another_lock_or_a_value_error(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(DEMO) - 1))
    length = data.draw(st.integers(0, 12))
    inserted = data.draw(st.text('{}[]:=,->#" \n\t\r\\09abc\ud800', max_size=4))
    damaged = DEMO[:position] + inserted + DEMO[position + length :]
    try:
        lock = parse(damaged)
    except ValueError:
        return
    assert parse(text_of(lock, "again")) == lock


def test_a_response_family_by_itself_reads_as_its_variants() -> None:
    lock = parse(text_of(lock_of(ClientResponse), "ClientResponse"))
    assert lock.commands == ()
    assert [v.name for v in lock.families["ClientResponse", 1]] == ["PrintAck", "Sum", "Pushed"]


def test_indices_of_other_widths_and_floats_are_in_the_text() -> None:
    """A signed field is not an unsigned one, nor is a narrow one a wide one."""
    types = [U8, U16, I32, int, float, F64 | None, str, bytes]
    bodies = {body_of(command_set({"Ask": ({"x": type_}, None)})) for type_ in types}
    assert len(bodies) == len(types)
