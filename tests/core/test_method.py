"""Commands as methods: which names they get, and how they are told and called."""

from __future__ import annotations

import enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from lazyipc import F32, U8, Array, Char, Command, Duration, TaggedUnion
from lazyipc._core.annotation import shape_of
from lazyipc._core.description.rebuilt.method import Method, method_names, type_text
from tests.core.command_sets import command_set
from tests.core.test_classes import remade


class Tone(enum.Enum):
    LOUD = 1


class Spot(BaseModel):
    x: U8
    more: list[Spot]


class Figure(TaggedUnion):
    pass


class Disc(Figure):
    radius: F32


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (float, "float"),
        (U8, "U8"),
        (F32, "F32"),
        (bool | None, "bool | None"),
        (list[str], "list[str]"),
        (tuple[str, ...], "tuple[str, ...]"),
        (tuple[str, Char], "tuple[str, Char]"),
        (tuple[()], "tuple[()]"),
        (set[U8], "set[U8]"),
        (frozenset[U8], "frozenset[U8]"),
        (Annotated[list[U8], Array(2)], "list[U8]"),
        (Annotated[bytes, Array(2)], "bytes"),
        (bytes, "bytes"),
        (dict[str, None], "dict[str, None]"),
        (Tone, "Tone"),
        (Spot, "Spot"),
        (list[Figure], "list[Figure]"),
        (Path, "Path"),
        (Duration, "Duration"),
        (IPv4Address | IPv6Address, "IPv4Address | IPv6Address"),
    ],
    ids=str,
)
def test_types_are_told_as_python_has_them(annotation: Any, text: str) -> None:
    assert type_text(shape_of(annotation)) == text


def methods_of(command: Any, reserved: frozenset[str] = frozenset()) -> dict[str, Method]:
    made = remade(command)
    named = method_names(made.description.commands, reserved)
    return {name: Method(name, info, made.commands[info.name]) for name, info in named.items()}


def test_each_command_gets_a_name_of_its_own() -> None:
    names = ["SetLR", "Set_LR", "import", "close", "1st", "a b", "Größe", "..."]
    methods = methods_of(command_set(dict.fromkeys(names, ({}, None))), frozenset({"close"}))
    assert list(methods) == [
        "set_lr", "set_lr_2", "import_", "close_", "command_1st", "a_b", "größe", "command",
    ]  # fmt: skip
    assert [method.info.name for method in methods.values()] == names


def test_what_is_behind_a_default_is_given_by_name() -> None:
    class Order(Command):
        pass

    class Go(Order):
        a: U8
        b: U8 = 1
        c: U8
        timeout: U8 = 2

        def process(self, context: object) -> None: ...

    go = methods_of(Order)["go"]
    assert str(go.signature) == "(a: U8, b: U8 = 1, *, c: U8, timeout: U8 = 2) -> None"
    command, seconds = go.command((5,), {"c": 7, "timeout": 9})
    assert (command.a, command.b, command.c, command.timeout, seconds) == (5, 1, 7, 9, None)
    assert "seconds to wait" not in go.doc
    with pytest.raises(TypeError, match=r"too many positional arguments; it is go\(a: U8"):
        go.command((5, 6, 7), {})


def test_the_doc_tells_the_classes_that_a_value_is_of() -> None:
    command = command_set({"Go": ({"spot": Spot, "figure": Figure, "tone": Tone}, list[Spot])})
    doc = methods_of(command)["go"].doc
    for line in (
        "    spot (Spot)",
        "    tone (Tone, one of LOUD)",
        "    Spot(x: U8, more: list[Spot])",
        "    Figure: Disc; as a dict {name: {its fields}}",
        "    Disc(radius: F32)",
        "    list[Spot]",
    ):
        assert line in doc.splitlines(), doc


Nest = TypeAliasType("Nest", "list[Nest]")  # type: ignore[misc]
Tree = TypeAliasType("Tree", "dict[str, Tree | None]")  # type: ignore[misc]


@pytest.mark.parametrize("alias", [Nest, Tree], ids=["list", "dict"])
def test_a_type_that_is_one_of_itself_is_told(alias: Any) -> None:
    method = methods_of(command_set({"Go": ({"nest": alias, "spot": Spot}, alias)}))["go"]
    assert "…" in method.usage
    assert "    Spot(x: U8, more: list[Spot])" in method.doc.splitlines()
    assert method.command(({"a": {}} if alias is Tree else [[]], {"x": 1, "more": []}), {})
