"""The hello of a peer, and how two schemas compare."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc import U8, U16, U64, Command, Response, TaggedUnion
from lazyipc._core.connection.comparison import (
    DIFFERENCE_LIMIT,
    KNOWN_LIMIT,
    compare,
    compared,
    mismatch_of,
)
from lazyipc._core.connection.hello import Hello, SchemaStatus, read_hello
from lazyipc._core.messages import MessageSet
from lazyipc.errors import DecodeError, RemoteProtocolError, SchemaMismatch
from tests.core.command_sets import descriptions
from tests.core.matrix import THOROUGH
from tests.core.peer_pair import TASK_SET, WORD_SET


def words(**variants: dict[str, Any]) -> MessageSet:
    """A set of plain messages of these names and fields, in this order."""

    class Root(TaggedUnion):
        pass

    for name, fields in variants.items():
        type(name, (Root,), {"__module__": __name__, "__annotations__": fields})
    return MessageSet(Root)


def tasks(**returned: Any) -> MessageSet:
    """A set of commands of these names without fields that return this, in this order."""

    class Root(Command):
        pass

    for name, annotation in returned.items():

        def process(self: Any, context: object) -> Any: ...

        process.__annotations__["return"] = annotation
        type(name, (Root,), {"__module__": __name__, "process": process})
    return MessageSet(Root)


def answers(**variants: dict[str, Any]) -> Any:
    """A family of responses, by the name of Answers."""
    root: Any = type("Answers", (Response,), {"__module__": __name__})
    for name, fields in variants.items():
        type(name, (root,), {"__module__": __name__, "__annotations__": fields})
    return root


# The hello ---------------------------------------------------------------------------------------

HELLO = Hello("key", 1000, 10, 2000, '{"version":1}')


def test_a_hello_is_written_as_specified() -> None:
    assert json.loads(HELLO.encode()) == {
        "version": 1,
        "key": "key",
        "message_bytes": 1000,
        "calls": 10,
        "in_bytes": 2000,
        "schema": '{"version":1}',
    }
    assert json.loads(Hello("", 1, 1, 1, None).encode()) == {
        "version": 1, "message_bytes": 1, "calls": 1, "in_bytes": 1, "schema": None,
    }  # fmt: skip


@THOROUGH
@given(
    key=st.text(st.characters(exclude_categories=[])),
    numbers=st.tuples(*[st.integers(1, 2**63 - 1)] * 3),
    schema=st.none() | st.text(),
)
def test_a_hello_is_read_as_it_was_written(
    key: str, numbers: tuple[int, int, int], schema: str | None
) -> None:
    told = Hello(key, *numbers, schema)
    assert read_hello(told.encode()) == told


def test_what_is_not_known_in_a_hello_is_passed_over() -> None:
    told = {**json.loads(HELLO.encode()), "colour": [1, {"deep": None}]}
    assert read_hello(json.dumps(told).encode()) == HELLO


def changed(**changes: Any) -> bytes:
    told = {**json.loads(HELLO.encode()), **changes}
    return json.dumps({name: value for name, value in told.items() if value is not ...}).encode()


@pytest.mark.parametrize("name", ["key", "schema"])
def test_a_hello_may_go_without(name: str) -> None:
    assert getattr(read_hello(changed(**{name: ...})), name) in ("", None)
    assert getattr(read_hello(changed(**{name: None})), name) in ("", None)


BAD_HELLOS = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"key":"\xff"}',
    "UTF-16": json.dumps({"version": 1}).encode("utf-16"),
    "no object": b"[]",
    "a number": b"7",
    "nothing in it": b"{}",
    "a deep one": b"[" * 200_000,
    "a deep one inside": b'{"version":1,"x":' + b"[" * 200_000,
    "a long number": changed(calls=0)[:-1] + b',"calls":' + b"9" * 5000 + b"}",
    "no calls": changed(calls=...),
    "calls as text": changed(calls="10"),
    "calls as a float": changed(calls=10.0),
    "calls as a bool": changed(calls=True),
    "no room for a call": changed(calls=0),
    "less": changed(in_bytes=-1),
    "too much": changed(message_bytes=2**63),
    "infinity": changed(message_bytes=float("inf")),
    "a key that is no text": changed(key=7),
    "a schema that is no text": changed(schema={"version": 1}),
}


@pytest.mark.parametrize("payload", BAD_HELLOS.values(), ids=BAD_HELLOS)
def test_what_is_no_hello_is_told_in_few_words(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^no hello of a peer: ") as caught:
        read_hello(payload)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("version", [2, 0, "1", 1.0, True, None, ["x" * 10_000]])
def test_another_version_is_told(version: Any) -> None:
    with pytest.raises(RemoteProtocolError, match=r"speaks RPC .*, this one 1$") as caught:
        read_hello(changed(version=version))
    assert len(str(caught.value)) < 300


# The status --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["matched", "compatible"])
def test_success(kind: Any) -> None:
    status = SchemaStatus(kind)
    assert status.is_success
    status.assert_success()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (SchemaStatus("mismatch", "a.b: u8 here, u16 there"), r"^a\.b: u8 here, u16 there$"),
        (SchemaStatus("disabled"), r"not compared: one side has schema_check='off'"),
        (SchemaStatus("failed", reason="no JSON"), r"could not be compared: no JSON"),
    ],
)
def test_no_success(status: SchemaStatus, said: str) -> None:
    assert not status.is_success
    with pytest.raises(SchemaMismatch, match=said):
        status.assert_success()


def test_a_mismatch_carries_both_sides() -> None:
    ours, theirs = words(A={"x": U8}), words(A={"x": U16})
    status = compare(ours, theirs.description)
    with pytest.raises(SchemaMismatch) as caught:
        status.assert_success()
    error = caught.value
    assert error.difference == status.difference == "A.x: u8 here, u16 there"
    assert (error.ours, error.theirs) == (ours.description, theirs.description)


# Two schemas -------------------------------------------------------------------------------------


def both_ways(one: MessageSet, other: MessageSet) -> tuple[SchemaStatus, SchemaStatus]:
    return compare(one, other.description), compare(other, one.description)


def test_the_same_set_is_matched() -> None:
    for known in (WORD_SET, TASK_SET):
        assert compare(known, known.description).kind == "matched"


def test_white_space_and_order_change_nothing() -> None:
    known = words(A={"x": U8}, B={"x": U16})
    spaced = json.dumps(json.loads(words(B={"x": U16}, A={"x": U8}).description), indent=2)
    status = compare(known, spaced)
    assert (status.kind, status.difference) == ("matched", "")


def test_a_message_that_one_side_alone_has_is_compatible() -> None:
    here, there = both_ways(words(A={"x": U8}, B={}), words(A={"x": U8}, C={}))
    assert (here.kind, there.kind) == ("compatible", "compatible")
    assert here.difference == "B: here, not there\nC: there, not here"
    assert there.difference == "C: here, not there\nB: there, not here"


MISMATCHES = {
    "a width": (words(A={"x": U8}), words(A={"x": U16}), "A.x: u8 here, u16 there"),
    "a field": (words(A={"x": U8}), words(A={"x": U8, "y": U8}), "A.y: u8 there, not here"),
    "the order of fields": (
        words(A={"x": U8, "y": U8}),
        words(A={"y": U8, "x": U8}),
        "A: fields in the order x, y here, y, x there",
    ),
    "nothing in common": (
        words(A={}, B={}),
        words(C={}),
        "no message in common: A, B here, C there",
    ),
    "one of two": (
        words(A={"x": U8}, B={"x": U8}),
        words(A={"x": U8}, B={"x": U64}),
        "B.x: u8 here, u64 there",
    ),
    "what is returned": (tasks(A=U8), tasks(A=U16), "A returns u8 here, u16 there"),
    "a process": (tasks(A=U8), words(A={}), "A has process here alone; replies to it differ"),
    "no process": (words(A={}), tasks(A=U8), "A has process there alone; replies to it differ"),
    "a variant that is returned": (
        tasks(A=answers(Yes={"x": U8}, No={})),
        tasks(A=answers(Yes={"x": U16}, No={})),
        "Yes.x: u8 here, u16 there",
    ),
}


@pytest.mark.parametrize(("ours", "theirs", "said"), MISMATCHES.values(), ids=MISMATCHES)
def test_a_mismatch_says_what_differs(ours: MessageSet, theirs: MessageSet, said: str) -> None:
    here, there = both_ways(ours, theirs)
    assert (here.kind, there.kind) == ("mismatch", "mismatch")
    assert here.difference == said
    assert (here.ours, here.theirs) == (there.theirs, there.ours)


def test_a_variant_more_that_is_returned_is_compatible() -> None:
    here, there = both_ways(tasks(A=answers(Yes={})), tasks(A=answers(Yes={}, No={})))
    assert (here.kind, there.kind) == ("compatible", "compatible")
    assert here.difference == "Answers.No: there, not here"
    assert there.difference == "Answers.No: here, not there"


def test_a_family_that_many_return_is_compared_once() -> None:
    ours, theirs = answers(Yes={"x": U8}, No={}), answers(Yes={"x": U16}, More={})
    here = compared(tasks(A=ours, B=ours, C=U8), tasks(A=theirs, B=theirs, C=U8).description)
    assert here.status.difference == "Yes.x: u8 here, u16 there"
    assert here.refused == dict.fromkeys("AB", "Yes.x: u8 here, u16 there")
    added = compared(tasks(A=ours, B=ours), tasks(A=answers(No={}), B=ours).description)
    assert added.status.difference == "Answers.Yes: here, not there"


def test_what_the_other_side_does_not_take_is_told_by_message() -> None:
    ours = words(A={"x": U8}, B={"x": U8}, C={})
    comparison = compared(ours, words(A={"x": U16}, B={"x": U8}).description)
    assert comparison.refused == {
        "A": "A.x: u8 here, u16 there",
        "C": "the other side has no message C; it has A, B",
    }
    assert compared(ours, ours.description).refused == {}


def test_why_one_message_was_not_taken() -> None:
    ours, theirs = words(A={"x": U8}, B={}), words(A={"x": U16}, B={})
    error = mismatch_of(ours, "A", theirs.description)
    assert error.difference == "A was not run: A.x: u8 here, u16 there"
    assert (error.ours, error.theirs) == (ours.description, theirs.description)
    assert "alike on both sides" in str(mismatch_of(ours, "B", theirs.description))


# Descriptions of liars ---------------------------------------------------------------------------


def described(**message: Any) -> str:
    return json.dumps({"version": 1, "messages": [{"name": "A", "fields": [], **message}]})


LIES = {
    "nothing": "",
    "no JSON": "{",
    "no object": "[]",
    "null": "null",
    "no messages": "{}",
    "messages that are none": '{"messages": 7}',
    "messages as text": '{"messages": "abc"}',
    "a message that is none": '{"messages": [7]}',
    "no fields": '{"messages": [{"name": "A"}]}',
    "fields that are none": described(fields=7),
    "a field that is none": described(fields=[7]),
    "a field of three": described(fields=[["a", "b", "c"]]),
    "a field named by a list": described(fields=[[["a"], "u8"]]),
    "a name that is a list": '{"messages": [{"name": [], "fields": []}]}',
    "a name that is null": '{"messages": [{"name": null, "fields": []}]}',
    "a family that is not there": described(family=0),
    "a family far away": described(family=10**30),
    "a family that is text": described(family="x"),
    "a deep one": "[" * 200_000,
    "a long number": '{"messages": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("theirs", LIES.values(), ids=LIES)
def test_a_description_that_cannot_be_read_is_told(theirs: str) -> None:
    with pytest.raises(DecodeError, match="the other side's description") as caught:
        compare(words(A={"x": U8}), theirs)
    assert len(str(caught.value)) < DIFFERENCE_LIMIT + 200


def kind_of(ours: MessageSet, theirs: str) -> str:
    """How a description compares; `refused` where it cannot."""
    try:
        return compare(ours, theirs).kind
    except DecodeError:
        return "refused"


@pytest.mark.parametrize("depth", [100, 300, 900])
def test_a_deep_description_is_compared_or_refused(depth: int) -> None:
    """Which of the two depends on how much of the stack is left."""
    theirs = described(fields=[["x", "DEEP"]]).replace('"DEEP"', "[" * depth + "]" * depth)
    assert kind_of(words(A={"x": U8}), theirs) in ("mismatch", "refused")


def test_a_lie_that_reads_alike_is_no_match() -> None:
    twice = described(fields=[["x", "u8"], ["x", "u8"]])
    status = compare(words(A={"x": U8}), twice)
    assert (status.kind, status.difference) == (
        "mismatch",
        "A: its fields are described differently",
    )


def test_a_difference_is_bounded() -> None:
    fields = [[f"field {number}", "u8"] for number in range(20_000)]
    status = compare(words(A={"x": U8}), described(fields=fields))
    assert status.kind == "mismatch"
    assert len(status.difference) == DIFFERENCE_LIMIT
    assert status.difference.endswith("…")


def test_what_is_told_of_each_message_is_bounded() -> None:
    names = [{"name": f"message {number}", "fields": []} for number in range(5000)]
    ours = words(**{f"M{number}": {} for number in range(50)})
    comparison = compared(ours, json.dumps({"messages": names}))
    assert all(len(told) < 2 * KNOWN_LIMIT for told in comparison.refused.values())
    assert len(comparison.status.difference) < 2 * DIFFERENCE_LIMIT + 200


def test_a_family_of_a_liar_costs_as_much_as_it_is_long() -> None:
    """Each of its messages returns the same thousands of variants."""
    family = [[f"V{number}", [["x", "u8"]]] for number in range(10_000)]
    names = [f"M{number}" for number in range(300)]
    ours = tasks(**dict.fromkeys(names, answers(V1={"x": U16})))
    told = [
        {"name": name, "fields": [], "returns": ["family", "Answers"], "family": 0}
        for name in names
    ]
    theirs = json.dumps({"messages": told, "families": [family]})
    tracemalloc.start()
    comparison = compared(ours, theirs)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert comparison.refused == dict.fromkeys(names, "V1.x: u16 here, u8 there")
    assert comparison.status.difference == "V1.x: u16 here, u8 there"


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["A", "u8", "family", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "fields", "returns", "family", "families"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
fields = st.lists(st.tuples(st.sampled_from(["x", "y"]), descriptions).map(list), max_size=2)
told = st.fixed_dictionaries(
    {"name": st.sampled_from(["A", "B"]), "fields": fields | values},
    optional={"returns": descriptions | values, "family": values},
)
lies = st.fixed_dictionaries(
    {"messages": st.lists(told, max_size=3) | values}, optional={"families": values}
)


@THOROUGH
@given(theirs=lies.map(json.dumps) | values.map(json.dumps) | st.text(max_size=20))
def test_any_description_is_compared_or_refused(theirs: str) -> None:
    for ours in (words(A={"x": U8}), tasks(A=answers(B={"x": U8}))):
        assert kind_of(ours, theirs) in ("matched", "compatible", "mismatch", "refused")


@THOROUGH
@given(payload=st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_hello_or_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_hello(payload)
