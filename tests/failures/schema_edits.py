"""Mode 13: two programs whose commands differ by an edit, and a value that is read as another."""

from __future__ import annotations

import dataclasses
import enum
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, create_model

from lazyipc import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    Array,
    Char,
    Duration,
    IpcError,
    SystemTime,
    TaggedUnion,
    Wire,
)
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Failed, Rejected, Requested, Responded
from lazyipc.errors import SchemaMismatch
from tests.core.command_sets import command_set, family, variant_of
from tests.failures.finding import Finding


@dataclass(frozen=True, slots=True)
class Kind:
    """A type as a field may have it, and values of it."""

    name: str
    annotation: Any
    values: tuple[Any, ...]


# Types, and what an edit makes of them ------------------------------------------------------------


def kinds() -> list[Kind]:
    """Types of all kinds; of what has parts, each edit of the parts."""
    numbers = (U8, U16, U32, U64, U128, I8, I16, I32, I64, I128)
    found = [Kind(f"number {n}", kind, (0, 1, 127)) for n, kind in enumerate(numbers)]
    found += [
        Kind("F32", F32, (0.0, 1.5)), Kind("F64", F64, (0.0, 1.5)),
        Kind("bool", bool, (False, True)), Kind("Char", Char, ("a", "é")),
        Kind("str", str, ("", "text")), Kind("bytes", bytes, (b"", b"text")),
        Kind("Path", Path, (Path("text"),)), Kind("UUID", uuid.UUID, (uuid.UUID(int=5),)),
        Kind("None", None, (None,)),
        Kind("Duration", Duration, (Duration(1, 2),)),
        Kind("SystemTime", SystemTime, (SystemTime(1, 2),)),
        Kind("IPv4", IPv4Address, (IPv4Address("127.0.0.1"),)),
        Kind("IPv6", IPv6Address, (IPv6Address("::1"),)),
        Kind("IP", IPv4Address | IPv6Address, (IPv4Address("127.0.0.1"), IPv6Address("::1"))),
        Kind("option", U32 | None, (None, 0, 7)), Kind("option of str", str | None, (None, "a")),
        Kind("list of U8", list[U8], ([], [1, 2, 3])),
        Kind("list of U16", list[U16], ([], [1, 2])),
        Kind("list of str", list[str], ([], ["a"])),
        Kind("tuple of U8s", tuple[U8, ...], ((), (1, 2, 3))),
        Kind("set", set[U8], (set(), {2, 1})), Kind("frozenset", frozenset[U8], (frozenset({1}),)),
        Kind("array of 3", Annotated[list[U8], Array(3)], ([1, 2, 3],)),
        Kind("array of 4", Annotated[list[U8], Array(4)], ([1, 2, 3, 4],)),
        Kind("bytes of 4", Annotated[bytes, Array(4)], (b"text",)),
        Kind("tuple", tuple[U8, U16], ((1, 2),)), Kind("tuple turned", tuple[U16, U8], ((1, 2),)),
        Kind("tuple of 3", tuple[U8, U16, U8], ((1, 2, 3),)),
        Kind("dict", dict[U8, U16], ({}, {1: 2})),
        Kind("dict turned", dict[U16, U8], ({}, {1: 2})),
        Kind("list of pairs", list[tuple[U8, U16]], ([], [(1, 2)])),
    ]  # fmt: skip
    return [*found, *_enums(), *_models(), *_unions(), *_families()]


def _enums() -> Iterator[Kind]:
    for members in ("RED GREEN BLUE", "RED BLUE GREEN", "RED GREEN", "RED GREEN BLUE GREY",
                    "RED GREEN PINK", "GREY RED GREEN BLUE"):  # fmt: skip
        made = enum.Enum("Colour", members)  # type: ignore[misc]
        yield Kind(f"enum {members}", made, tuple(made))


FIELDS: dict[str, Mapping[str, tuple[Any, Any]]] = {
    "x y": {"x": (U32, 1), "y": (U32, 2)},
    "y x": {"y": (U32, 1), "x": (U32, 2)},
    "x": {"x": (U32, 1)},
    "x y z": {"x": (U32, 1), "y": (U32, 2), "z": (U32, 3)},
    "x w": {"x": (U32, 1), "w": (U32, 2)},
    "signed": {"x": (U32, 1), "y": (I32, 2)},
    "optional": {"x": (U32, 1), "y": (U32 | None, 2)},
    "none": {},
}
"""Edits of two fields: turned, removed, added, renamed, of another type."""


def _types(fields: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {name: annotation for name, (annotation, _) in fields.items()}


def _values(fields: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {name: value for name, (_, value) in fields.items()}


def _models() -> Iterator[Kind]:
    for name, fields in FIELDS.items():
        made = _model("Part", fields)
        yield Kind(f"model {name}", made, (made(**_values(fields)),))
    made = dataclasses.make_dataclass("Part", [("x", U32), ("y", U32)])
    yield Kind("dataclass", made, (made(1, 2),))


def _model(name: str, fields: Mapping[str, tuple[Any, Any]]) -> type[BaseModel]:
    spec: dict[str, Any] = {key: (annotation, ...) for key, annotation in _types(fields).items()}
    made: type[BaseModel] = create_model(name, __module__=__name__, **spec)
    return made


def _unions() -> Iterator[Kind]:
    one, two = _model("One", FIELDS["x y"]), _model("Two", FIELDS["x y"])
    three = _model("Three", FIELDS["x y"])
    two_edited = _model("Two", FIELDS["x w"])
    for members in ((one, two), (two, one), (one, three), (one, two, three), (three, one, two),
                    (one, two_edited)):  # fmt: skip
        annotation: Any = members[0]
        for more in members[1:]:
            annotation |= more
        values = tuple(m(**dict.fromkeys(m.model_fields, 1)) for m in members)
        yield Kind(f"union {[m.__name__ for m in members]}", annotation, values)


FAMILIES: dict[str, list[tuple[str, str]]] = {
    "base": [("A", "x y"), ("B", "x y")],
    "turned": [("B", "x y"), ("A", "x y")],
    "renamed": [("A", "x y"), ("C", "x y")],
    "appended": [("A", "x y"), ("B", "x y"), ("C", "x y")],
    "inserted": [("A", "x y"), ("C", "x y"), ("B", "x y")],
    "removed": [("A", "x y")],
    **{f"B with {name}": [("A", "x y"), ("B", name)] for name in FIELDS if name != "x y"},
}


def _families() -> Iterator[Kind]:
    for name, variants in FAMILIES.items():
        yield _family_kind(name, variants, pins=None)
    yield _family_kind("pinned", FAMILIES["base"], pins={"A": 1, "B": 0})


def _family_kind(
    name: str, variants: list[tuple[str, str]], pins: Mapping[str, int] | None
) -> Kind:
    fields = {variant: _types(FIELDS[key]) for variant, key in variants}
    root = family("Sort", fields, base=TaggedUnion, pins=pins)
    values = tuple(variant_of(root, v)(**_values(FIELDS[key])) for v, key in variants)
    return Kind(f"family {name}", root, values)


# Programs -----------------------------------------------------------------------------------------


class Program:
    """One edition of a program: its command set, a command to send, and what it answers.

    Args:
        fields, returned: of the command `Edit`.
        sent, answered: for each call, the command's fields and the response's value.
    """

    def __init__(
        self, name: str, root: Any, sent: list[Any], answered: list[Any], words: tuple[str, ...]
    ) -> None:
        self.name = name
        self.catalog = Catalog(root)
        self.sent = sent
        self.answered = answered
        self.words = words
        """One of these must stand in a difference."""


def programs_by_place(kind: Kind, count: int) -> dict[str, Program]:
    """The same edition of a type at each of the first places it may have in a command set."""
    held, values = kind.annotation, kind.values
    answers = family("Answers", {"Got": {"f": held}, "Other": {}})
    got = variant_of(answers, "Got")
    part = _model("Around", {"f": (held, None)})
    places: dict[str, tuple[Mapping[str, Any], Any, list[Mapping[str, Any]], list[Any]]] = {
        "a field": ({"a": U32, "f": held, "z": U32}, bool,
                    [{"a": 1, "f": value, "z": 2} for value in values], [True] * len(values)),
        "a variant of a response": ({"a": U32}, answers, [{"a": 1} for _ in values],
                                    [got(f=value) for value in values]),
        "inside a list of models": ({"f": list[part]}, bool,  # type: ignore[valid-type]
                                    [{"f": [part(f=value)] * 2} for value in values],
                                    [True] * len(values)),
        "a response": ({"a": U32}, held, [{"a": 1} for _ in values], list(values)),
        "the response's one variant": ({"a": U32}, got, [{"a": 1} for _ in values],
                                       [got(f=value) for value in values]),
    }  # fmt: skip
    found = {}
    for place, (fields, returned, sent, answered) in islice(places.items(), count):
        root = command_set({"Edit": (fields, returned), "Other": ({}, None)})
        edit = variant_of(root, "Edit")
        commands = [edit(**one) for one in sent]
        found[place] = Program(kind.name, root, commands, answered, ("Edit", "Answers", "Sort"))
    return found


def command_sets() -> list[Program]:
    """Edits of the set itself: commands turned, renamed, new, gone, with edited fields."""
    found = []
    for name, variants in FAMILIES.items():
        root = command_set({v: (_types(FIELDS[key]), bool) for v, key in variants})
        sent = [variant_of(root, v)(**_values(FIELDS[key])) for v, key in variants]
        words = tuple(v for v, _ in variants)
        found.append(Program(f"commands {name}", root, sent, [True] * len(sent), words))
    return found


# Old meets new ------------------------------------------------------------------------------------


def every_edit(folder: Path, *, places: int) -> Finding:
    """Each edition of a program calls each other one, and itself.

    Args:
        places: at how many places of a command set each type is edited, up to 5.
    """
    made = [programs_by_place(kind, places) for kind in kinds()]
    groups = {place: [programs[place] for programs in made] for place in made[0]}
    groups["the set itself"] = command_sets()
    seen = Counter[str]()
    for place, programs in groups.items():
        for ours in programs:
            for theirs in programs:
                for number in range(len(ours.sent)):
                    try:
                        seen[_meet(ours, theirs, number, is_same=ours is theirs)] += 1
                    except Exception as error:
                        error.add_note(f"{place}: {ours.name} calls {theirs.name}, value {number}")
                        raise
    assert all(seen.values())
    return Finding(
        f"{len(made)} types and edits of them at {len(groups) - 1} places, "
        f"{len(groups['the set itself'])} command sets, each pair of each: {seen.total():,} calls",
        ", ".join(f"{name} {count:,}" for name, count in seen.most_common()),
    )


def _meet(ours: Program, theirs: Program, number: int, *, is_same: bool) -> str:
    """One call from an edition to another: refused with a difference, or equal in all it says."""
    client, server = ClientConnection(), ServerConnection(theirs.catalog, Wire.ALL)
    command = ours.sent[number]
    server.receive_data(client.request(1, command, None, None))
    event = server.next_event()
    if isinstance(event, Rejected):
        client.receive_data(server.fail(1, event.error))
        failed = client.next_event()
        assert isinstance(failed, Failed)
        _check_difference(failed.error, ours.words)
        assert not is_same, "a program does not understand itself"
        return "refused before it ran"
    assert isinstance(event, Requested)
    assert plain(event.command) == plain(command), f"{event.command!r} arrived for {command!r}"
    answered = theirs.answered[min(number, len(theirs.answered) - 1)]
    client.receive_data(server.respond(1, answered))
    answer = client.next_event()
    if isinstance(answer, Failed):
        _check_difference(answer.error, ours.words)
        assert not is_same, "a program does not understand itself"
        return "reply refused"
    assert isinstance(answer, Responded)
    assert plain(answer.value) == plain(answered), f"{answer.value!r} came for {answered!r}"
    return "equal"


def _check_difference(error: IpcError, words: tuple[str, ...]) -> None:
    assert isinstance(error, SchemaMismatch), f"{type(error).__name__}: {error}"
    assert any(word in error.difference for word in words), f"no difference: {error.difference!r}"


def plain(value: Any) -> Any:
    """What a value says, whatever Python holds it in."""
    if isinstance(value, BaseModel):
        fields = {name: plain(getattr(value, name)) for name in type(value).model_fields}
        return type(value).__name__, fields
    if dataclasses.is_dataclass(value) and not isinstance(value, Duration | SystemTime):
        fields = {field.name: plain(getattr(value, field.name))
                  for field in dataclasses.fields(value)}  # fmt: skip
        return type(value).__name__, fields
    match value:
        case enum.Enum():
            return "member", value.name
        case list() | tuple() | bytes():  # an array of bytes is numbers, or bytes
            return [plain(item) for item in value]
        case set() | frozenset():
            return "set", sorted(value)
        case dict():
            return "dict", sorted((plain(key), plain(item)) for key, item in value.items())
        case bool() | int() | float() | str() | None:
            return type(value).__name__, value
    return type(value).__name__, repr(value)
