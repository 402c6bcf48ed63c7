"""The fuzzer finds what is wrong with the codec, and nothing where nothing is wrong."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from lazyipc import bincode
from lazyipc._core import encoding as encodings
from lazyipc._core import shape as shapes
from lazyipc._core import source as sources
from lazyipc._core.codec import Codec
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import Encoding
from lazyipc._core.family import Generation
from lazyipc._core.layout import sequences
from lazyipc._core.layout.rule import RULES, Rule
from lazyipc._core.scalars import Number
from lazyipc.errors import DecodeError
from tests.fuzz import __main__ as command
from tests.fuzz import engine, texts
from tests.fuzz.engine import search
from tests.fuzz.invention import invent
from tests.fuzz.made import CONFIGS, making, source_text
from tests.fuzz.node import NoValueError
from tests.fuzz.pack import Packer

SEED = 7
TYPES = 40
"""What two seconds are enough for."""
PLANTED_TYPES = 400
"""Within how many types a planted mistake must be met; most are within the first twenty."""


@pytest.fixture(autouse=True)
def little_shrinking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SHRINKING_TRIES", 4)


@pytest.fixture
def nothing_compiled() -> Iterator[None]:
    """Forget what was compiled before a mistake is planted, and then what was compiled with it."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    Generation.number += 1  # what is remembered by a type's identity, or at a class, is of the past
    for name, module in list(sys.modules.items()):
        if name.startswith("lazyipc"):
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


# A codec that is right ---------------------------------------------------------------------------


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    report = search(SEED, types=TYPES)
    assert report.bugs == []
    assert report.types == TYPES
    assert set(report.tried) == set(engine.strategies(report.costs))
    assert min(report.tried.values()) > 0


def test_a_seed_decides_every_type_and_value() -> None:
    assert types_and_values("7") == types_and_values("7")
    assert len(set(types_and_values("7")) & set(types_and_values("8"))) < 20


def types_and_values(seed: str) -> list[str]:
    """Invented types as source text, with one value of each."""
    found = []
    for number in range(40):
        random = Random(f"{seed}/{number}")
        node = invent(random)
        with making(node) as made, contextlib.suppress(NoValueError):
            data = made.pack(made.draw(random), CONFIGS[0]).data
            found.append(f"{source_text(node)}\n{data.hex()}")
    return found


@pytest.mark.parametrize(
    ("varint", "big", "hexes"),
    [
        (False, False, "0100 ffff 0100000000000000 000080bf"),
        (False, True, "0001 ffff 0000000000000001 bf800000"),
        (True, False, "01 01 01 000080bf"),
    ],
)
def test_the_second_opinion_is_bincode(varint: bool, big: bool, hexes: str) -> None:
    packer = Packer(varint, big, {})
    packer.integer(1, 2)
    packer.integer(-1, 2, signed=True)
    packer.count(1)
    packer.float(-1.0, 4)
    assert packer.data == bytes.fromhex(hexes)


@pytest.mark.parametrize(
    ("value", "hexes"),
    [(250, "fa"), (251, "fbfb00"), (65536, "fc00000100"), (1 << 32, "fd0000000001000000")],
)
def test_the_second_opinion_knows_varints(value: int, hexes: str) -> None:
    packer = Packer(True, False, {})
    packer.integer(value, 8)
    assert packer.data == bytes.fromhex(hexes)


# A codec that is wrong ---------------------------------------------------------------------------

Plant = Callable[[pytest.MonkeyPatch], None]


def rule(kind: type, **columns: Any) -> Plant:
    """Plant another column into one row of the table."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        row = {column: getattr(RULES[kind], column) for column in Rule.__slots__}
        patch.setitem(RULES, kind, Rule(**{**row, **columns}))

    return plant


def attribute(holder: Any, name: str, value: Any) -> Plant:
    return lambda patch: patch.setattr(holder, name, value)


def lenient_bool(shape: Any, source: Any) -> str:
    return f"bool({source.fixed('B')})"


def lenient_text(shape: Any, source: Any) -> str:
    return RULES[shapes.Blob].decode(shape, source) + ".decode('utf-8', 'replace')"


def unit_open(shape: Any, cursor: Cursor) -> Any:
    return RULES[shapes.Unit].open(shape, cursor)


def visiting_lacks(self: Cursor, count: int) -> bool:
    """Look at everything a thousand times."""
    self.visits += 1000
    return len(self.data) < self.offset + count


def lenient_varint_reader(number: Number, encoding: Encoding) -> Any:
    def read(data: Any, offset: int, marker: int) -> tuple[int, int]:
        size = encodings.MARKERS[marker]
        end = offset + size
        return int.from_bytes(data[offset:end], encoding.byte_order), end

    return read


def counting_more(self: Cursor, count: int) -> Any:
    """Count a visit each time somebody looks."""
    last = self.offset + count
    while len(self.data) < last:
        self.visits += 1
        yield


def wrong_offset(self: Any, reason: str, *, offset: int, path: str = "") -> None:
    Exception.__init__(self, reason)
    self.reason, self.offset, self.path = reason, offset + 100, path


def planted_error(self: Codec[Any], *arguments: Any) -> Exception:
    return KeyError("planted")


PLANTED: dict[str, tuple[str, str, Plant]] = {
    "a bool of any byte": (
        "mutations", "the walk takes what decode takes", rule(shapes.Bool, decode=lenient_bool),
    ),
    "a bool the walk passes by": (
        "mutations", "what is around|what the walk takes", rule(shapes.Bool, open=unit_open),
    ),
    "a str of any bytes": (
        "mutations", "the walk takes what decode takes", rule(shapes.Text, decode=lenient_text),
    ),
    "overlong varints": (
        "mutations", "the walk takes what decode takes",
        attribute(sources, "varint_reader", lenient_varint_reader),
    ),
    "one byte order": ("values", "Rust writes|encode writes", attribute(Encoding, "prefix", "<")),
    "an order that is not Rust's": (
        "values", "what Rust writes", attribute(sequences, "order_of", lambda shape: None),
    ),
    "a smallest size that is too large": (
        "values", "smallest size", rule(shapes.Blob, smallest=lambda shape, encoding: 9),
    ),
    "elements that cost the walk nothing": (
        "values", "MessageTooLarge",
        attribute(Cursor, "charge", lambda self, count, smallest, at: None),
    ),
    "a walk that looks again": (
        "values", "each part is visited once", attribute(Cursor, "more", counting_more),
    ),
    "an offset outside of the message": (
        "mutations", "offset is inside", attribute(DecodeError, "__init__", wrong_offset),
    ),
    "a foreign exception for bytes": (
        "mutations", "decode raises KeyError", attribute(Codec, "_decode_error", planted_error),
    ),
    "a foreign exception for a value": (
        "strangers", "encode raises KeyError", attribute(Codec, "_encode_error", planted_error),
    ),
    "an explanation that stops early": (
        "explain", "rows cover", attribute(bincode, "rows_of", lambda shape, cursor: ()),
    ),
    "a description that depends on who asks": (
        "texts", "one fingerprint", attribute(texts, "fingerprint", id),
    ),
    "a walk that looks at everything a thousand times": (
        "cost", "visits in proportion", attribute(Cursor, "lacks", visiting_lacks),
    ),
}  # fmt: skip
"""Each mistake, the strategy that is to find it, and what it is to say of it."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch, nothing_compiled: None
) -> None:
    strategy, check, plant = PLANTED[name]
    plant(monkeypatch)
    report = search(SEED, types=PLANTED_TYPES, only=(strategy,), most_bugs=1)
    assert [bug.strategy for bug in report.bugs] == [strategy]
    assert re.search(check, report.bugs[0].check)


def test_what_is_found_is_made_small_and_can_be_run(
    monkeypatch: pytest.MonkeyPatch, nothing_compiled: None, capsys: pytest.CaptureFixture[str]
) -> None:
    rule(shapes.Bool, decode=lenient_bool)(monkeypatch)
    monkeypatch.setattr(engine, "SHRINKING_TRIES", 300)
    report = search(SEED, types=PLANTED_TYPES, only=("mutations",), most_bugs=1)
    (bug,) = report.bugs
    assert "Type = bool\n" in bug.source
    _forget()
    exec(compile(bug.source, "reproduction", "exec"), {"__name__": __name__})
    assert capsys.readouterr().out == "True\n"


# The command -------------------------------------------------------------------------------------


def test_the_command_succeeds_where_nothing_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--seed", "7", "--seconds", "0.3", "--only", "values", "cost"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("seed 7\n")
    assert "values:" in out


def test_the_command_fails_where_something_is_found(
    monkeypatch: pytest.MonkeyPatch, nothing_compiled: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "search", functools.partial(search, most_bugs=1))
    rule(shapes.Text, decode=lenient_text)(monkeypatch)
    assert command.main(["--seed", "7", "--only", "mutations"]) == 1
    out = capsys.readouterr().out
    assert "FOUND mutations: " in out
    assert "from lazyipc.bincode import *" in out
