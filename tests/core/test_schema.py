"""Descriptions, fingerprints and differences: literal vectors, and what changes which of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, ForwardRef
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from pydantic import BaseModel, create_model

from lazyipc import (
    F32,
    F64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    Array,
    Char,
    Command,
    Duration,
    Response,
    SystemTime,
    TaggedUnion,
    Vec,
)
from lazyipc._core import schema
from lazyipc._core.annotation import shape_of
from lazyipc._core.catalog import Catalog, Reply, entry_of
from tests.core.declared_types import (
    Block,
    Chain,
    Checked,
    Color,
    Crate,
    Disc,
    Expression,
    Figure,
    Folder,
    Knot,
    Label,
    Linked,
    Negated,
    Nested,
    Nothing,
    Plain,
    Point,
    Renamed,
    Spot,
    Tree,
)
from tests.core.invented_types import invented_rows
from tests.core.matrix import MATRIX, THOROUGH, Row

# Vectors, worked out by hand from docs/protocol.md ------------------------------------------------

FIGURE = (
    '["choice",[[0,"Dot",[]],'
    '[700,"Disc",[["center",["struct",[["x","i32"],["y","i32"]]]],["radius","f64"]]],'
    '[2,"a label",[["size","u8"],["text","str"],["color",["option",'
    '["enum",["RED","GREEN","BLUE"]]]]]]]]'
)


class Pick(TaggedUnion):
    pass


class Left(Pick):
    pass


DESCRIPTIONS: dict[str, tuple[Any, str]] = {
    "u8": (U8, '"u8"'),
    "f32": (F32, '"f32"'),
    "int": (int, '"i64"'),
    "float": (float, '"f64"'),
    "bool": (bool, '"bool"'),
    "str": (str, '"str"'),
    "bytes": (bytes, '"bytes"'),
    "None": (None, '"unit"'),
    "option": (U8 | None, '["option","u8"]'),
    "list": (list[U16], '["vec","u16"]'),
    "tuple of any length": (tuple[U16, ...], '["vec","u16"]'),
    "tuple": (tuple[U8, str], '["tuple",["u8","str"]]'),
    "empty tuple": (tuple[()], '["tuple",[]]'),
    "dict": (dict[str, list[U8]], '["map","str",["vec","u8"]]'),
    "enum": (Color, '["enum",["RED","GREEN","BLUE"]]'),
    "model": (Point, '["struct",[["x","i32"],["y","i32"]]]'),
    "model without fields": (Nothing, '["struct",[]]'),
    "model with aliases": (Renamed, '["struct",[["kind","u8"],["items",["vec","str"]]]]'),
    "char": (Char, '"char"'),
    "128 bits": (tuple[U128, I128], '["tuple",["u128","i128"]]'),
    "set": (set[U8], '["set","u8"]'),
    "frozenset": (frozenset[str], '["set","str"]'),
    "array": (Annotated[list[U16], Array(4)], '["array","u16",4]'),
    "array of bytes": (Annotated[bytes, Array(32)], '["array","u8",32]'),
    "array of arrays": (
        Annotated[tuple[Annotated[bytes, Array(2)], ...], Array(3)],
        '["array",["array","u8",2],3]',
    ),
    "NumPy vector": (Annotated[np.ndarray, Vec(F64)], '["vec","f64"]'),
    "NumPy array": (Annotated[np.ndarray, Array(3, U8)], '["array","u8",3]'),
    "path": (Path, '"path"'),
    "uuid": (UUID, '"uuid"'),
    "durations": (tuple[Duration, timedelta], '["tuple",["duration","duration"]]'),
    "times": (tuple[SystemTime, datetime], '["tuple",["systemtime","systemtime"]]'),
    "addresses": (tuple[IPv4Address, IPv6Address], '["tuple",["ipv4addr","ipv6addr"]]'),
    "address": (
        IPv4Address | IPv6Address,
        '["choice",[[0,"V4","ipv4addr"],[1,"V6","ipv6addr"]]]',
    ),
    "dataclass": (Plain, '["struct",[["text","str"],["number","u16"]]]'),
    "dataclass with aliases": (Checked, '["struct",[["number","u8"],["level","i64"]]]'),
    "NamedTuple": (Spot, '["struct",[["name","str"],["level","u8"]]]'),
    "generic model": (Crate[U8], '["struct",[["item","u8"],["more",["vec","u8"]]]]'),
    "union of dataclasses": (
        Plain | Nothing,
        '["choice",[[0,"Plain",[["text","str"],["number","u16"]]],[1,"Nothing",[]]]]',
    ),
    "recursive model": (
        Tree,
        '["struct",[["value","u8"],["left",["option",["up",2]]],["right",["option",["up",2]]]]]',
    ),
    "recursive model in a list": (
        list[Chain],
        '["vec",["struct",[["value","u8"],["next",["option",["up",2]]]]]]',
    ),
    "mutual recursion": (
        Folder,
        '["struct",[["name","str"],["entries",["vec",["struct",'
        '[["size","u16"],["folder",["option",["up",4]]]]]]]]]',
    ),
    "recursive NamedTuple": (Knot, '["struct",[["value","u8"],["rest",["vec",["up",2]]]]]'),
    "recursive alias": (Nested, '["vec",["up",1]]'),
    "recursive alias of a tuple": (Linked, '["tuple",["i16",["option",["up",2]]]]'),
    "recursive family": (
        Expression,
        '["choice",[[0,"Constant",[["value","i16"]]],[1,"Negated",[["item",["see",0]]]],'
        '[2,"Summed",[["items",["vec",["see",0]]],["note",["option","str"]]]]]]',
    ),
    "variant of a recursive family": (
        Negated,
        '["struct",[["item",["choice",[[0,"Constant",[["value","i16"]]],'
        '[1,"Negated",[["item",["see",0]]]],'
        '[2,"Summed",[["items",["vec",["see",0]]],["note",["option","str"]]]]]]]]]',
    ),
    "family twice": (tuple[Figure, Figure], f'["tuple",[{FIGURE},["see",0]]]'),
    "two families": (
        tuple[Pick, Figure, Pick, Figure],
        f'["tuple",[["choice",[[0,"Left",[]]]],{FIGURE},["see",0],["see",1]]]',
    ),
    "dataclass and family": (
        Block,
        '["struct",[["steps",["vec",["choice",[[0,"Call",[["chain",["struct",[["value","u8"],'
        '["next",["option",["up",2]]]]]],["block",["option",["struct",[["steps",["vec",["see",0]]]]'
        "]]]]]]]]]]]",
    ),
    "family": (Figure, FIGURE),
    "union": (
        Nothing | Point,
        '["choice",[[0,"Nothing",[]],[1,"Point",[["x","i32"],["y","i32"]]]]]',
    ),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_type_has_its_canonical_description(name: str) -> None:
    annotation, expected = DESCRIPTIONS[name]
    assert schema.canonical(schema.describe(shape_of(annotation))).decode("ascii") == expected


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_each_row_has_a_description_that_can_be_told(row: Row) -> None:
    described = schema.describe(shape_of(row.annotation))
    assert json.loads(schema.canonical(described)) == described
    assert schema.text_of(described)
    assert schema.describe(shape_of(row.annotation)) == described


def test_what_stands_around_a_recursive_type_changes_nothing_in_it() -> None:
    alone = schema.describe(shape_of(Tree))
    for annotation, inner in (
        (list[Tree], lambda described: described[1]),
        (dict[str, Tree], lambda described: described[2]),
        (tuple[U8, Tree], lambda described: described[1][1]),
        (Tree | None, lambda described: described[1]),
    ):
        assert inner(schema.describe(shape_of(annotation))) == alone


def test_a_class_in_itself_and_one_beside_it_are_told_apart() -> None:
    """`up` counts outwards, so each place of a type inside itself may have another number."""
    Inner = create_model("Inner", again=(ForwardRef("list[Outer]"), ...))  # noqa: N806
    Outer = create_model(  # noqa: N806
        "Outer", inner=(Inner, ...), beside=(list[ForwardRef("Outer")], ...)
    )
    Inner.model_rebuild(_types_namespace={"Outer": Outer})
    Outer.model_rebuild(_types_namespace={"Outer": Outer})
    assert schema.describe(shape_of(Outer)) == [
        "struct",
        [["inner", ["struct", [["again", ["vec", ["up", 3]]]]]], ["beside", ["vec", ["up", 2]]]],
    ]


def test_canonical_bytes_are_ascii_without_white_space() -> None:
    assert schema.canonical(["command", "größe 🦀", [], "unit"]) == (
        rb'["command","gr\u00f6\u00dfe \ud83e\udd80",[],"unit"]'
    )


@pytest.mark.parametrize(
    ("text", "fingerprint"),
    [
        ('["command","Add",[["a","u64"],["b","u64"]],["response","Sum",[["c","u64"]]]]',
         "e64585ebf8f292c3"),
        ('["command","Print",[["payload","str"]],["response","PrintAck",[]]]', "9082623b484d4b04"),
        ('["command","Push",[["x","u64"]],["response","Pushed",[["x","u64"]]]]',
         "3d6bd4e7511e0bea"),
        ('["response","Sum",[["c","u64"]]]', "37e2444e81de5f54"),
        ('["type","u64"]', "460b8c992f5f52be"),
        ('["type",["vec",["option","bool"]]]', "7e74f36370aa8afb"),
    ],
)  # fmt: skip
def test_a_description_has_its_fingerprint(text: str, fingerprint: str) -> None:
    assert schema.canonical(json.loads(text)).decode() == text
    assert schema.fingerprint(json.loads(text)).hex() == fingerprint
    assert blake2b(text.encode(), digest_size=8).hexdigest() == fingerprint


def test_the_demo_has_its_fingerprints() -> None:
    from examples.simple.commands import ClientCommand

    prints = {e.name: e.fingerprint.hex() for e in Catalog(ClientCommand).by_fingerprint.values()}
    assert prints == {
        "Print": "9082623b484d4b04",
        "Add": "e64585ebf8f292c3",
        "Push": "3d6bd4e7511e0bea",
    }


# What changes a fingerprint ----------------------------------------------------------------------


class Told(Response):
    pass


class Sum(Told):
    c: U64


def returning(returned: Any) -> Callable[..., Any]:
    """A `process` that declares to return that."""

    def process(self: Any, context: Any) -> Any: ...

    process.__annotations__["return"] = returned
    return process


def command_set(*commands: tuple[str, dict[str, Any], Any], **pins: int) -> Any:
    """A new family of commands: name, fields and return type of each."""
    root = type("Root", (Command,), {"__module__": __name__})
    for name, fields, returned in commands:
        body = {
            "__module__": __name__,
            "__annotations__": fields,
            "process": returning(returned),
        }
        pin = {"index": pins[name]} if name in pins else {}
        type(name, (root,), body, **pin)  # type: ignore[call-overload]
    return root


def prints_of(root: Any) -> dict[str, str]:
    """Each command's fingerprint."""
    return {e.name: e.fingerprint.hex() for e in Catalog(root).by_fingerprint.values()}


ADD: tuple[str, dict[str, Any], Any] = ("Add", {"a": U64, "b": U64}, Sum)
STOP: tuple[str, dict[str, Any], Any] = ("Stop", {}, None)
PUSH: tuple[str, dict[str, Any], Any] = ("Push", {"x": U8}, U16)


def test_reordering_pinning_and_appending_change_no_fingerprint() -> None:
    usual = prints_of(command_set(ADD, STOP, PUSH))
    assert prints_of(command_set(PUSH, ADD, STOP)) == usual
    assert prints_of(command_set(ADD, STOP, PUSH, Add=17, Stop=3)) == usual
    more = prints_of(command_set(("First", {}, None), ADD, STOP, PUSH, ("Last", {}, None)))
    assert more.items() > usual.items()
    assert prints_of(command_set(ADD)).items() < usual.items()


CHANGES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "name": ("Plus", {"a": U64, "b": U64}, Sum),
    "a field's name": ("Add", {"a": U64, "c": U64}, Sum),
    "a field's width": ("Add", {"a": U64, "b": U16}, Sum),
    "a field's sign": ("Add", {"a": U64, "b": int}, Sum),
    "order": ("Add", {"b": U64, "a": U64}, Sum),
    "a field more": ("Add", {"a": U64, "b": U64, "c": U64}, Sum),
    "a field less": ("Add", {"a": U64}, Sum),
    "an optional field": ("Add", {"a": U64, "b": U64 | None}, Sum),
    "another response": ("Add", {"a": U64, "b": U64}, U64),
    "the response's root": ("Add", {"a": U64, "b": U64}, Told),
    "no response": ("Add", {"a": U64, "b": U64}, None),
    "an optional response": ("Add", {"a": U64, "b": U64}, Sum | None),
}


def test_every_change_of_a_command_changes_its_fingerprint() -> None:
    changed = [prints_of(command_set(change))[change[0]] for change in CHANGES.values()]
    assert len({prints_of(command_set(ADD))["Add"], *changed}) == len(CHANGES) + 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (create_model("M", x=(U8, ...)), create_model("M", y=(U8, ...))),
        (create_model("M", x=(U8, ...)), create_model("M", x=(U16, ...))),
        (Figure, Figure | None),
        (list[U8], tuple[U8, U8]),
        (list[U8], bytes),
        (str, bytes),
        (dict[str, U8], dict[str, U16]),
        (dict[str, U8], list[tuple[str, U8]]),
        (Nothing | Point, Point | Nothing),
        (create_model("E", e=(Color, ...)), create_model("E", e=(U8, ...))),
        (list[U8], set[U8]),
        (list[U8], Annotated[list[U8], Array(3)]),
        (Annotated[list[U8], Array(2)], Annotated[list[U8], Array(3)]),
        (Annotated[list[U8], Array(2)], tuple[U8, U8]),
        (str, Char),
        (str, Path),
        (bytes, UUID),
        (tuple[U64, U32], Duration),
        (Duration, SystemTime),
        (IPv4Address, IPv6Address),
        (IPv4Address, IPv4Address | IPv6Address),
        (Annotated[bytes, Array(4)], IPv4Address),
        (Chain, create_model("Chain", value=(U8, ...), next=(U8 | None, ...))),
        (tuple[Figure, Figure], tuple[Figure, Expression]),
    ],
)
def test_a_change_in_depth_changes_the_fingerprint(before: Any, after: Any) -> None:
    left = prints_of(command_set(("Ask", {"items": list[before]}, None)))
    right = prints_of(command_set(("Ask", {"items": list[after]}, None)))
    assert left != right
    left = prints_of(command_set(("Ask", {}, list[before])))
    right = prints_of(command_set(("Ask", {}, list[after])))
    assert left != right


def test_what_the_wire_does_not_see_changes_no_fingerprint() -> None:
    left = create_model("Left", x=(U8, ...))
    right = create_model("Right", __doc__="Another text.", x=(U8, 5))
    assert prints_of(command_set(("Ask", {"m": left}, left))) == prints_of(
        command_set(("Ask", {"m": right}, right))
    )
    for one, other in (
        (list[U8], tuple[U8, ...]),
        (set[U8], frozenset[U8]),
        (list[F64], Annotated[np.ndarray, Vec(F64)]),
        (Annotated[list[U8], Array(3)], Annotated[bytes, Array(3)]),
        (Annotated[tuple[F64, ...], Array(3)], Annotated[np.ndarray, Array(3, F64)]),
        (timedelta, Duration),
        (datetime, SystemTime),
        (IPv4Address | IPv6Address, IPv6Address | IPv4Address),
        (Plain, create_model("Model", text=(str, ...), number=(U16, ...))),
        (Spot, create_model("Model", name=(str, ...), level=(U8, ...))),
    ):
        assert prints_of(command_set(("Ask", {"m": one}, one))) == prints_of(
            command_set(("Ask", {"m": other}, other))
        )


def answers(*names: str) -> Any:
    """A new response family called Answers."""
    root = type("Answers", (Response,), {"__module__": __name__})
    for name in names:
        type(name, (root,), {"__module__": __name__, "__annotations__": {"x": U8}})
    return root


def test_a_new_variant_of_a_response_named_by_its_root_changes_nothing() -> None:
    few, many = answers("Yes", "No"), answers("New", "Yes", "No", "Perhaps")
    before = prints_of(command_set(("Ask", {}, few)))
    assert prints_of(command_set(("Ask", {}, many))) == before
    yes = next(v.model for v in many.__lazyipc_family__.variants if v.name == "Yes")
    fingerprint, body = Reply(many).encode(yes(x=7))
    assert type(Reply(few).decode(fingerprint, body, 0, len(body))).__name__ == "Yes"


def test_a_new_variant_inside_a_message_changes_its_fingerprint() -> None:
    few, many = answers("Yes"), answers("Yes", "No")
    for before, after in ((list[few], list[many]), (few | None, many | None)):
        assert prints_of(command_set(("Ask", {}, before))) != prints_of(
            command_set(("Ask", {}, after))
        )
        assert prints_of(command_set(("Ask", {"x": before}, None))) != prints_of(
            command_set(("Ask", {"x": after}, None))
        )


@pytest.mark.parametrize(
    ("returned", "described", "full"),
    [
        (None, "unit", ["type", "unit"]),
        (U64, "u64", ["type", "u64"]),
        (list[U8], ["vec", "u8"], ["type", ["vec", "u8"]]),
        (Nothing, ["struct", []], ["type", ["struct", []]]),
        (Sum, ["response", "Sum", [["c", "u64"]]], ["response", "Sum", [["c", "u64"]]]),
        (Told, ["family", "Told"], ["response", "Sum", [["c", "u64"]]]),
    ],
)
def test_a_reply_has_the_description_and_fingerprint_of_the_specification(
    returned: Any, described: Any, full: Any
) -> None:
    reply = Reply(returned)
    values = {U64: 5, list[U8]: [], Nothing: Nothing(), Sum: Sum(c=1), Told: Sum(c=1)}
    fingerprint, _ = reply.encode(values.get(returned))
    assert reply.description == described
    assert fingerprint == schema.fingerprint(full)


# Differences for people --------------------------------------------------------------------------


def theirs(*commands: tuple[str, dict[str, Any], Any]) -> dict[str, Any]:
    """What a server with these commands sends with a mismatch."""
    description: dict[str, Any] = json.loads(Catalog(command_set(*commands)).description)
    return description


def ours(command: tuple[str, dict[str, Any], Any]) -> list[Any]:
    (entry,) = Catalog(command_set(command)).by_fingerprint.values()
    return entry.description


DIFFERENCES: dict[str, str] = {
    "name": "the server has no command Plus; it has Add, Stop",
    "a field's name": "Add.c: u64 here, not there\nAdd.b: u64 there, not here",
    "a field's width": "Add.b: u16 here, u64 there",
    "a field's sign": "Add.b: i64 here, u64 there",
    "order": "Add: fields in the order b, a here, a, b there",
    "a field more": "Add.c: u64 here, not there",
    "a field less": "Add.b: u64 there, not here",
    "an optional field": "Add.b: option[u64] here, u64 there",
    "another response": "Add returns u64 here, Sum there",
    "the response's root": "Add returns Told here, Sum there",
    "no response": "Add returns unit here, Sum there",
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_told_line_by_line(name: str) -> None:
    assert schema.difference(ours(CHANGES[name]), theirs(ADD, STOP)) == DIFFERENCES[name]


def test_several_differences_are_told_together() -> None:
    changed: tuple[str, dict[str, Any], Any] = ("Add", {"a": str, "d": list[U8], "b": U64}, None)
    assert schema.difference(ours(changed), theirs(ADD)).split("\n") == [
        "Add.a: str here, u64 there",
        "Add.d: vec[u8] here, not there",
        "Add returns unit here, Sum there",
    ]


def test_no_difference_is_told_as_such() -> None:
    assert "described alike on both sides" in schema.difference(ours(ADD), theirs(ADD))


def test_a_server_without_commands_is_told_as_such() -> None:
    assert schema.difference(ours(ADD), {}) == "the server has no command Add; it has none"


def test_a_response_that_changed_its_fields_is_told_as_different() -> None:
    """Its name alone would say `Sum here, Sum there`."""

    class Other(Response):
        pass

    other_sum = type(
        "Sum", (Other,), {"__module__": __name__, "__annotations__": {"c": U16, "d": bool}}
    )
    changed: tuple[str, dict[str, Any], Any] = ("Add", ADD[1], other_sum)
    told = schema.difference(ours(changed), theirs(ADD))
    here, there = told.removeprefix("Add returns ").split(" here, ")
    assert here != there.removesuffix(" there")


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (U8, "u8"),
        (None, "unit"),
        (list[U8 | None], "vec[option[u8]]"),
        (tuple[U8, str], "tuple[u8, str]"),
        (tuple[()], "tuple[]"),
        (dict[str, list[U8]], "map[str, vec[u8]]"),
        (Color, "enum[RED, GREEN, BLUE]"),
        (Point, "{x: i32, y: i32}"),
        (Nothing, "{}"),
        (Nothing | Point, "Nothing {} | Point {x: i32, y: i32}"),
        (Annotated[bytes, Array(4)], "array[u8, 4]"),
        (set[Path], "set[path]"),
        (IPv4Address | IPv6Address, "V4 ipv4addr | V6 ipv6addr"),
        (Tree, "{value: u8, left: option[up[2]], right: option[up[2]]}"),
        (
            Expression,
            "Constant {value: i16} | Negated {item: see[0]} | "
            "Summed {items: vec[see[0]], note: option[str]}",
        ),
    ],
)
def test_a_description_is_told_as_people_write_types(annotation: Any, text: str) -> None:
    assert schema.text_of(schema.describe(shape_of(annotation))) == text


@THOROUGH
@given(row=invented_rows)
def test_every_description_is_json_and_can_be_told(row: Row) -> None:
    described = schema.describe(shape_of(row.annotation))
    assert json.loads(schema.canonical(described)) == described
    assert schema.text_of(described)


def test_the_description_of_a_set_lists_its_commands() -> None:
    described = theirs(ADD, STOP)
    assert described["version"] == 1
    assert [command["name"] for command in described["commands"]] == ["Add", "Stop"]
    assert described["commands"][0] == {
        "name": "Add",
        "fields": [["a", "u64"], ["b", "u64"]],
        "returns": ["response", "Sum", [["c", "u64"]]],
    }


def test_an_entry_is_made_once_for_each_class() -> None:
    class Root(Command):
        def process(self, context: object) -> None: ...

    class Ask(Root):
        x: U8

    assert entry_of(Ask) is entry_of(Ask)
    assert entry_of(Ask).description == ["command", "Ask", [["x", "u8"]], "unit"]


def test_a_union_names_variants_by_their_wire_name() -> None:
    described = schema.describe(shape_of(Label | Disc))
    assert [case[:2] for case in described[1]] == [[0, "a label"], [1, "Disc"]]


def test_models_and_families_of_one_form_are_told_apart() -> None:
    class Root(TaggedUnion):
        pass

    class Only(Root):
        x: U8

    class Plain(BaseModel):
        x: U8

    assert schema.describe(shape_of(Root)) != schema.describe(shape_of(Plain))
    assert schema.describe(shape_of(Only)) == schema.describe(shape_of(Plain))
