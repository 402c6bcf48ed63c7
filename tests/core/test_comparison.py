"""What differs between two descriptions: whom it breaks, and why; each kind of difference."""

from __future__ import annotations

import copy
import enum
import json
from pathlib import Path
from typing import Annotated, Any, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from lazyipc import (
    F32,
    F64,
    U8,
    U16,
    U32,
    U64,
    Array,
    Char,
    DecodeError,
    Duration,
    Response,
    TaggedUnion,
)
from lazyipc._core import schema
from lazyipc._core.catalog import Catalog
from lazyipc._core.compiled import codec_of
from lazyipc._core.description.compared.comparison import Difference, compare
from lazyipc._core.description.compared.demanding import Places
from lazyipc._core.description.compared.locking import described_lock
from lazyipc._core.description.compared.reshaping import Reshaping
from lazyipc._core.description.model import Description
from lazyipc._core.description.reading import read_description
from lazyipc._core.json_form import JsonForm
from lazyipc._core.json_form.rule import Misfit, Room
from lazyipc._core.lock.breaks import GONE
from lazyipc._core.lock.taken import lock_of
from lazyipc.testing import joined
from tests.core.command_sets import command_set, family, variant_of
from tests.core.test_lock_breaks import ANSWERS, BREAKS, a_set, changed

SERVER = {
    "name": "train", "version": None, "pid": 1, "uptime": 0.5, "start_ns": None, "clock": "00",
    "library": "0.1.0", "path": "/tmp/train.sock", "wires": ["FRAMED", "JSON"],
}  # fmt: skip


def described(root: Any, *wires: str, **more: Any) -> Description:
    """What a server of a command set tells."""
    server = {**SERVER, "wires": [*(wires or ("FRAMED", "JSON"))]}
    return read_description({**copy.deepcopy(Catalog(root).document), "server": server, **more})


def found(old: Any, new: Any, *wires: str) -> dict[str, Difference]:
    """The differences between two command sets, by path."""
    differences = compare(described(old, *wires), described(new, *wires))
    by_path = {difference.path: difference for difference in differences}
    assert len(by_path) == len(differences)
    return by_path


def one_command(fields: dict[str, Any], returns: Any = None, **body: Any) -> Any:
    """A set with one command, `Do`."""

    def process(self: Any, context: Any) -> Any: ...

    process.__annotations__["return"] = returns
    root = command_set({"Other": ({}, None)})
    body = {"__annotations__": fields, "process": process, "__module__": __name__, **body}
    type("Do", (root,), body, name="Do")
    return root


def breaks(old: dict[str, Any], new: dict[str, Any], path: str, returns: Any = None) -> str:
    """Whom the change of a command's fields breaks at a path, and nowhere else."""
    differences = found(one_command(old, returns), one_command(new, returns))
    assert [*differences] == [path], differences
    return " ".join(sorted(differences[path].breaks))


# The whole ---------------------------------------------------------------------------------------


def test_nothing_differs() -> None:
    assert compare(described(a_set()), described(a_set())) == []
    old = described(a_set(), server={**SERVER, "pid": 2, "version": "2", "path": "/elsewhere"})
    assert compare(old, described(a_set())) == []


@pytest.mark.parametrize("name", BREAKS)
def test_a_description_is_the_lock_of_its_classes(name: str) -> None:
    old, new = a_set(), BREAKS[name][0]()
    for root in (old, new):
        assert described_lock(described(root)) == lock_of(root)


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_a_lock_breaks_the_same_clients_here(name: str) -> None:
    make, told = BREAKS[name]
    differences = found(a_set(), make(), "FRAMED", "JSON", "BARE")
    told = told.replace(GONE, "gone")
    lines = {line for line in told.splitlines() if not line.startswith(" ")}
    breaking = {
        f"{d.path}: {d.text}" for d in differences.values() if d.breaks & {"framed", "bare"}
    }
    assert breaking == lines
    effects = {line.strip() for line in told.splitlines() if line.startswith(" ")}
    reasons = {line for d in differences.values() for line in d.why.splitlines()}
    assert {effect.replace("Old clients", "FRAMED clients") for effect in effects} <= reasons


def test_what_breaks_somebody_comes_first() -> None:
    root = a_set(changed(Add=None, New=({}, "Done"), More=({"x": U8}, "Done")))
    told = [bool(d.breaks) for d in compare(described(a_set()), described(root))]
    assert told == sorted(told, reverse=True)
    assert any(told)
    assert not all(told)


def test_a_new_command_breaks_nobody() -> None:
    differences = found(a_set(), a_set(changed(New=({"x": U8}, "Done"))))
    assert [(d.path, d.text, d.breaks) for d in differences.values()] == [
        ("New", "new", frozenset())
    ]


def test_a_command_that_is_gone_breaks_all() -> None:
    (gone,) = found(a_set(), a_set(changed(Stop=None))).values()
    assert gone.breaks == {"framed", "json"}
    assert "JSON clients that send Stop get an error: there is none." in str(gone)


def test_only_wires_that_were_taken_have_clients() -> None:
    new = a_set(changed(Stop=None))
    (gone,) = compare(described(a_set(), "JSON"), described(new, "JSON"))
    assert (gone.breaks, "FRAMED" in gone.why) == ({"json"}, False)
    (gone,) = compare(described(a_set(), "FRAMED"), described(new, "FRAMED", "JSON"))[:1]
    assert (gone.breaks, "JSON" in gone.why) == ({"framed"}, False)


def test_a_wire_that_is_no_longer_taken_turns_its_clients_away() -> None:
    lost, gained = compare(described(a_set(), "JSON", "BARE"), described(a_set(), "JSON", "FRAMED"))
    assert (lost.path, lost.breaks) == ("the BARE wire", {"bare"})
    assert (gained.path, gained.breaks) == ("the FRAMED wire", frozenset())


def test_a_set_of_one_that_becomes_several() -> None:
    class Alone(BaseModel):
        x: U8

        def process(self, context: object) -> None: ...

    root = command_set({"Alone": ({"x": U8}, None), "Two": ({}, None)})
    differences = found(Alone, root)
    assert differences["the form of a line"].breaks == {"json"}
    assert not differences["Two"].breaks
    assert not any(d.breaks for d in found(Alone, root, "FRAMED").values())


def test_text_and_timeouts_break_nobody() -> None:
    old = one_command({"x": Annotated[U8, Field(description="old")]}, __doc__="Old.")
    new = one_command({"x": Annotated[U8, Field(description="new")]}, __doc__="New.")
    told = compare(described(old), described(new))
    assert {d.path for d in told} == {"Do", "Do.x"}
    assert not any(d.breaks for d in told)
    later = copy.deepcopy(described(old).document)
    later["commands"][1]["timeout"] = 2.5
    (timeout,) = compare(described(old), read_description(later))
    assert (timeout.path, timeout.text) == ("Do's timeout", "none before, 2.5 s now")
    assert not timeout.breaks


# Requests ----------------------------------------------------------------------------------------


class Small(enum.Enum):
    ONE = 1
    TWO = 2


class Large(enum.Enum):
    ONE = 1
    TWO = 2
    THREE = 3


class Point(BaseModel):
    x: U8


class Wider(BaseModel):
    x: U16


class Tree(BaseModel):
    children: list[Tree]


def classes(**extra: Any) -> tuple[Any, ...]:
    """A class, a family of responses, one of messages: with a field x of which more is said."""
    fields = {"before": U8, "x": U8, "other": str}
    body = {"__annotations__": fields, "__module__": __name__, "x": Field(**extra)}
    point = type("Spot", (BaseModel,), body)
    made = []
    for name, base in (("Answer", Response), ("Figure", TaggedUnion)):
        root = type(name, (base,), {"__module__": __name__})
        type("Dot", (root,), dict(body))
        type("Line", (root,), {"__annotations__": {"x": U16}, "__module__": __name__})
        made.append(root)
    return point, made[0], variant_of(made[0], "Dot"), made[1]


CLASSES = ("a class", "a family of responses", "a response", "a family of messages")


@pytest.mark.parametrize(
    ("old", "new", "is_json_broken"),
    [
        (U8, U16, False),
        (U16, U8, True),
        (U8, F64, False),
        (F64, U8, True),
        (U8, U8 | None, False),
        (U8 | None, U8, True),
        (str, U8, True),
        (list[U8], set[U8], False),
        (bytes, list[U8], False),
        (list[U8], Annotated[list[U8], Array(2)], True),
        (Annotated[list[U8], Array(2)], list[U8], False),
        (Annotated[list[U8], Array(2)], tuple[U8, U8], False),
        (tuple[U8, U8], Annotated[list[U8], Array(3)], True),
        (Duration, U8, True),
    ],
)
def test_a_field_of_another_type(old: Any, new: Any, is_json_broken: bool) -> None:
    told = breaks({"x": old}, {"x": new}, "Do.x")
    assert told == ("framed json" if is_json_broken else "framed")


@pytest.mark.parametrize(
    ("old", "new", "path", "is_json_broken"),
    [
        (Point, Wider, "Do.p.x", False),
        (Wider, Point, "Do.p.x", True),
        (list[Point], list[Wider], "Do.p[].x", False),
        (dict[str, Wider], dict[str, Point], "Do.p[].x", True),
        (Small, Large, "Do.p", False),
        (Large, Small, "Do.p", True),
    ],
)
def test_a_part_of_another_type(old: Any, new: Any, path: str, is_json_broken: bool) -> None:
    told = breaks({"p": old}, {"p": new}, path)
    assert told == ("framed json" if is_json_broken else "framed")


def test_a_type_within_itself_is_compared_to_an_end() -> None:
    assert found(one_command({"t": Tree}), one_command({"t": Tree})) == {}


def test_a_new_field() -> None:
    old, required = one_command({}), one_command({"x": U8})
    (difference,) = found(old, required).values()
    assert difference.breaks == {"framed", "json"}
    (difference,) = found(old, one_command({"x": U8}, x=7)).values()
    assert difference.breaks == {"framed"}
    assert "JSON clients may leave it out; it is 7 then." in difference.why
    (difference,) = found(old, one_command({"x": U8 | None})).values()
    assert difference.breaks == {"framed"}


def test_a_field_that_is_gone() -> None:
    (difference,) = found(one_command({"x": U8}, x=7), one_command({})).values()
    assert difference.breaks == {"framed", "json"}


def test_a_default_that_is_gone_or_another() -> None:
    required, seven, eight = (one_command({"x": U8}, **more) for more in ({}, {"x": 7}, {"x": 8}))
    (difference,) = found(seven, required).values()
    assert (difference.path, difference.breaks) == ("Do.x", {"json"})
    (difference,) = found(required, seven).values()
    assert not difference.breaks
    (difference,) = found(seven, eight).values()
    assert (difference.text, difference.breaks) == ("its default was 7, and is 8", frozenset())


def test_another_key() -> None:
    old = one_command({"x": Annotated[U8, Field(alias="eks")]})
    document = copy.deepcopy(described(old).document)
    for command in document["commands"]:
        for field in command["fields"]:
            field["key"] = "new"
    properties = document["schema"]["$defs"]["command.Do"]["properties"]
    properties["new"] = properties.pop("eks")
    document["schema"]["$defs"]["command.Do"]["required"] = ["new"]
    (difference,) = compare(described(old), read_description(document))
    assert difference.breaks == {"json"}
    assert difference.text == "called eks in JSON before, new now"


@pytest.mark.parametrize(
    ("old", "new", "is_broken"),
    [
        (U8, Annotated[U8, Field(gt=0)], True),
        (Annotated[U8, Field(gt=0)], U8, False),
        (Annotated[U8, Field(ge=1)], Annotated[U8, Field(gt=0)], False),
        (Annotated[U8, Field(le=9)], Annotated[U8, Field(lt=9)], True),
        (Annotated[F64, Field(ge=1)], Annotated[F64, Field(gt=1)], True),
        (Annotated[F64, Field(gt=1)], Annotated[F64, Field(ge=1)], False),
        (Annotated[U8, Field(multiple_of=4)], Annotated[U8, Field(multiple_of=2)], False),
        (Annotated[U8, Field(multiple_of=2)], Annotated[U8, Field(multiple_of=4)], True),
        (Annotated[str, Field(max_length=9)], Annotated[str, Field(max_length=8)], True),
        (Annotated[str, Field(max_length=8)], Annotated[str, Field(max_length=9)], False),
        (str, Annotated[str, Field(min_length=1)], True),
        (Annotated[str, Field(pattern="^a")], Annotated[str, Field(pattern="^b")], True),
        (Annotated[str, Field(pattern="^a")], str, False),
        (list[U8], Annotated[list[U8], Field(max_length=3)], True),
    ],
)
def test_a_constraint(old: Any, new: Any, is_broken: bool) -> None:
    assert breaks({"x": old}, {"x": new}, "Do.x") == ("framed json" if is_broken else "")


TIGHT = Annotated[U8, Field(le=9)]
SHORT = Annotated[str, Field(max_length=3)]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (list[U8], list[TIGHT], "Do.x[]"),
        (tuple[str, U8], tuple[str, TIGHT], "Do.x[1]"),
        (U8 | None, TIGHT | None, "Do.x"),
        (list[U8 | None], list[TIGHT | None], "Do.x[]"),
        (dict[str, U8], dict[str, TIGHT], "Do.x[]"),
        (dict[str, U8], dict[SHORT, U8], "Do.x{}"),
        (list[Point], Annotated[list[Point], Field(max_length=3)], "Do.x"),
        (dict[str, Point], Annotated[dict[str, Point], Field(min_length=1)], "Do.x"),
        (set[U8], Annotated[set[U8], Field(max_length=3)], "Do.x"),
        (list[dict[str, list[Point]]], list[dict[SHORT, list[Point]]], "Do.x[]{}"),
    ],
)
@pytest.mark.parametrize("wires", [("FRAMED", "JSON", "BARE"), ("FRAMED",), ("BARE",), ("JSON",)])
def test_a_constraint_inside(old: Any, new: Any, path: str, wires: tuple[str, ...]) -> None:
    """Every client of a request meets it; the same of a reply only those with classes."""
    (found_,) = found(one_command({"x": old}), one_command({"x": new}), *wires).values()
    assert (found_.path, found_.breaks) == (path, {wire.lower() for wire in wires})
    (loosened,) = found(one_command({"x": new}), one_command({"x": old}), *wires).values()
    assert (loosened.path, loosened.breaks) == (path, frozenset())
    told = found(one_command({}, new), one_command({}, old), *wires)
    assert [*told] == ([] if wires == ("JSON",) else [path.replace("Do.x", "Do's reply")])
    for difference in told.values():
        assert difference.breaks == {wire.lower() for wire in wires} - {"json"}
        assert " and ".join(wire for wire in wires if wire != "JSON") in difference.why


def test_an_array_that_becomes_a_shorter_list() -> None:
    old = one_command({"x": Annotated[list[Point], Array(2)]})
    new = one_command({"x": Annotated[list[Point], Field(max_length=1)]})
    (difference,) = found(old, new).values()
    assert difference.breaks == {"framed", "json"}


@pytest.mark.parametrize("kind", range(len(CLASSES)), ids=CLASSES)
def test_a_constraint_or_key_of_a_classs_field(kind: int) -> None:
    plain, tight, called = (classes(**more)[kind] for more in ({}, {"le": 9}, {"alias": "q"}))
    both = classes(le=9, alias="q")[kind]
    if kind in (0, 3):  # in a request
        of = {"f": list[plain]}, {"f": list[tight]}, {"f": list[called]}, {"f": list[both]}
        commands = [one_command(fields) for fields in of]
        path = "Do.f[].x" if kind == 0 else "Do.f[].Dot.x"
        (difference,) = found(commands[0], commands[1]).values()
        assert (difference.path, difference.breaks) == (path, {"framed", "json"})
        (difference,) = found(commands[0], commands[2]).values()
        assert (difference.path, difference.breaks) == (path, {"json"})
        assert difference.text == "called x in JSON before, q now"
        assert "JSON clients that give x get an error" in difference.why
        (difference,) = found(commands[0], commands[3]).values()
        assert (difference.path, difference.breaks) == (path, {"framed", "json"})
        assert not found(commands[0], commands[2], "FRAMED")
    commands = [one_command({}, type_) for type_ in (plain, tight, called)]
    path = ["Do's reply.x", "Answer.Dot.x", "Do's reply Dot.x", "Figure.Dot.x"][kind]
    (difference,) = found(commands[1], commands[0]).values()
    assert (difference.path, difference.breaks) == (path, {"framed"})
    (difference,) = found(commands[0], commands[2]).values()
    assert (difference.path, difference.breaks) == (path, {"json"})
    assert "JSON clients that look for x find nothing." in difference.why


def test_a_new_field_of_a_class_that_may_be_left_out() -> None:
    old = type("Spot", (BaseModel,), {"__annotations__": {"x": U8}, "__module__": __name__})
    body = {"__annotations__": {"x": U8, "y": U8}, "y": Field(7, alias="why")}
    new = type("Spot", (BaseModel,), {**body, "__module__": __name__})
    (difference,) = found(one_command({"p": old}), one_command({"p": new})).values()
    assert (difference.path, difference.breaks) == ("Do.p.y", {"framed"})
    assert "it is 7 then" in difference.why


def test_framed_clients_meet_a_constraint_too() -> None:
    """As the comparison says of them."""

    class Loose(BaseModel):
        x: U8

        def process(self, context: None) -> None: ...

    old, new = (one_command({"x": type_}) for type_ in (U8, Annotated[U8, Field(le=9)]))
    sent = variant_of(old, "Do")(x=10)
    with joined(new, None) as link, pytest.raises(DecodeError, match=r"x"):
        link.send(sent)


def test_a_command_without_a_form_in_json() -> None:
    (difference,) = [
        d
        for d in found(
            one_command({"x": U8}), one_command({"x": dict[tuple[U8, U8], str]})
        ).values()
        if d.path == "Do"
    ]
    assert difference.breaks == {"json"}
    assert "no JSON form" in difference.text


SAMPLES: list[tuple[Any, list[Any]]] = [
    (U8, [0, 255]),
    (U16, [0, 65535]),
    (int, [-(2**63), 0, 2**63 - 1]),
    (F32, [0.5, 1e38]),
    (F64, [0.5, 1e308]),
    (bool, [True]),
    (str, ["", "ab", "c"]),
    (Char, ["c"]),
    (UUID, [UUID(int=5)]),
    (Path, [Path("/tmp")]),
    (None, [None]),
    (U8 | None, [None, 255]),
    (str | None, [None, "ab"]),
    (list[U8], [[], [1, 255]]),
    (list[U16], [[], [1, 65535]]),
    (bytes, [b"", b"\xff"]),
    (set[U8], [set(), {1, 255}]),
    (Annotated[list[U8], Array(2)], [[1, 255]]),
    (tuple[U8, U8], [(1, 255)]),
    (tuple[U8, U16], [(1, 65535)]),
    (dict[str, U8], [{}, {"a": 255}]),
    (dict[str, U16], [{"a": 65535}]),
    (dict[U8, U8], [{255: 1}]),
    (Small, [Small.ONE, Small.TWO]),
    (Large, [Large.ONE, Large.THREE]),
    (Point, [Point(x=255)]),
    (Wider, [Wider(x=65535)]),
    (Duration, [Duration(5)]),
]
"""Types, and values of each that tell it from the others."""


@pytest.mark.parametrize("old", range(len(SAMPLES)))
def test_what_is_said_of_requests_in_json_is_what_a_server_does(old: int) -> None:
    was, values = SAMPLES[old]
    texts = [JsonForm(codec_of(was)).write(value) for value in values]
    told = Reshaping({}, is_reply=False)
    for now, _ in SAMPLES:
        told.found.clear()
        told.compare("x", *(schema.describe(codec_of(each).shape) for each in (was, now)))
        says = any(is_broken for _, is_broken, _ in told.found.values())
        is_broken = False
        for text in texts:
            try:
                JsonForm(codec_of(now)).read(json.loads(text), Room(1000, 64))
            except Misfit:
                is_broken = True
        if now in (dict[str, U8], dict[str, U16]) and not is_broken:
            continue  # a class's fields may happen to be a map
        assert says == is_broken, (was, now, texts, told.found)


def test_a_reply_that_is_a_name_or_text() -> None:
    """A client that reads text reads a member's name, and not the other way round."""
    (difference,) = found(one_command({}, str), one_command({}, Small)).values()
    assert difference.breaks == {"framed"}
    (difference,) = found(one_command({}, Small), one_command({}, str)).values()
    assert difference.breaks == {"framed", "json"}


# Replies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "is_json_broken"),
    [
        (U8, U32, False),
        (U8, F64, True),
        (F64, U8, False),
        (U8, U8 | None, True),
        (U8 | None, U8, False),
        (U8, str, True),
        (list[U8], Annotated[list[U8], Array(2)], False),
        (Annotated[list[U8], Array(2)], list[U8], True),
        (Large, Small, False),
        (Small, Large, False),
    ],
)
def test_a_reply_of_another_type(old: Any, new: Any, is_json_broken: bool) -> None:
    (difference,) = found(one_command({}, old), one_command({}, new)).values()
    assert difference.path == "Do's reply"
    assert difference.breaks == ({"framed", "json"} if is_json_broken else {"framed"})


def test_a_reply_may_gain_fields_and_not_lose_any_in_json() -> None:
    little, much = (
        one_command({}, variant_of(family("Answer", {"Done": fields}), "Done"))
        for fields in ({"x": U8}, {"x": U8, "y": U8})
    )
    (gained,) = found(little, much).values()
    assert (gained.path, gained.breaks) == ("Do's reply Done.y", {"framed"})
    (lost,) = found(much, little).values()
    assert (lost.path, lost.breaks) == ("Do's reply Done.y", {"framed", "json"})


def test_a_new_variant_of_a_reply_breaks_nobody_and_is_told() -> None:
    new = a_set(answers={**ANSWERS, "New": {"x": U8}})
    (difference,) = found(a_set(), new).values()
    assert (difference.path, difference.breaks) == ("Answer.New", frozenset())


def test_a_reply_beyond_an_old_constraint() -> None:
    old, new = (one_command({}, Annotated[U64, Field(le=most)]) for most in (9, 10))
    (difference,) = found(old, new).values()
    assert difference.breaks == {"framed"}
    (difference,) = found(new, old).values()
    assert not difference.breaks


# What a hostile server tells ------------------------------------------------------------------


@pytest.mark.timeout(20)
def test_what_many_refer_to_is_looked_through_once() -> None:
    many = 2000
    names = [f"p{n}" for n in range(many)]
    held = {"type": "integer", "minimum": 3}
    definitions: dict[str, Any] = {
        "lines": {"oneOf": [{"properties": {name: held}} for name in names], "required": names},
        "ways": {"anyOf": [*({"type": "null"} for _ in names), {"$ref": "#/$defs/lines"}]},
    }
    for n in range(40):
        two = [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]
        definitions[f"a{n}"] = {"anyOf": two, "oneOf": two}
    definitions["a40"] = definitions[""] = {}
    places = Places(definitions)
    for wire in (["choice", [[0, names[-1], "u8"]]], ["struct", []], ["option", ["choice", []]]):
        for name in ("lines", "ways", "a0"):
            schemas = [{"$ref": f"#/$defs/{name}"}] * many
            found = places.of({"prefixItems": schemas}, ["tuple", [wire] * many], "X")
            assert len(found) >= many
    found = places.of({"$ref": "#/$defs/lines"}, ["choice", [[0, names[-1], "u8"]]], "X")
    assert found[f"X.{names[-1]}"].words == ("≥ 3",)


def test_families_that_hold_one_another_are_each_told_once() -> None:
    """By every way that leads to one, there would be more than anybody could read."""
    count = 12

    def world(most: int) -> Any:
        roots = [type(f"F{n}", (TaggedUnion,), {"__module__": __name__}) for n in range(count)]
        for n, root in enumerate(roots):
            fields = {f"f{k}": Optional[other] for k, other in enumerate(roots)}  # noqa: UP045
            value = Annotated[U8, Field(le=most if n == 10 else 255)]
            body = {"__annotations__": {"v": value, **fields}, "__module__": __name__}
            type(f"N{n}", (root,), body)
        return one_command({"a": roots[-1], "b": roots[0]})

    (difference,) = found(world(255), world(9)).values()
    assert difference.path.endswith(".N10.v")
    assert difference.breaks == {"framed", "json"}


@pytest.mark.parametrize(
    "schema", [{}, {"properties": {"a": {}}}, {"oneOf": [True]}, {"anyOf": []}]
)
@pytest.mark.parametrize(
    "wire",
    [
        ["struct", [["a", "u8"], ["a", "u8"]]],
        ["choice", [[0, "A", []], [1, "A", "u8"]]],
        ["tuple", ["u8"]],
        ["map", "str", ["option", ["up", 1]]],
        ["see", 0],
        ["array", ["vec", "bytes"], 2],
    ],
)
def test_a_schema_of_another_type_says_nothing(schema: Any, wire: Any) -> None:
    places = Places({}).of(schema, wire, "X")
    assert places["X"].words == ()
