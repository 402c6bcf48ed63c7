"""Sets travel sorted as Rust's BTreeSet sorts them: by the order that `derive(Ord)` gives."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc import I8, I128, U8, U16, U128, Array, Char, Duration, SystemTime
from lazyipc._core.compiled import codec_of
from lazyipc._core.encoding import ENCODINGS, Encoding
from tests.core.matrix import THOROUGH, encodings


class Level(enum.Enum):
    """In an order that is neither that of the names nor that of the values."""

    MIDDLE = 5
    LOW = 9
    HIGH = 1


class Rank(enum.IntEnum):
    SECOND = 2
    FIRST = 1


class Tag(NamedTuple):
    level: Level
    number: U8 | None


LOW, MIDDLE, HIGH = Level.LOW, Level.MIDDLE, Level.HIGH
DAY = datetime(2024, 1, 1, tzinfo=UTC)

ORDERED: dict[str, tuple[Any, list[Any]]] = {
    "unsigned": (U16, [0, 1, 255, 256, 65_535]),
    "signed, below zero first": (I8, [-128, -1, 0, 1, 127]),
    "128 bits": (U128, [0, 2**64, 2**127, 2**128 - 1]),
    "128 bits, signed": (I128, [-(2**127), -1, 0, 2**127 - 1]),
    "bool": (bool, [False, True]),
    "str by its bytes": (str, ["", "A", "a", "aa", "b", "z", "é", "\uffff", "🦀"]),
    "char by its number": (Char, ["\0", "A", "a", "é", "\uffff", "🦀"]),
    "bytes": (bytes, [b"", b"\0", b"\0\0", b"\1", b"\x7f", b"\x80", b"\xff"]),
    "enum by definition": (Level, [MIDDLE, LOW, HIGH]),
    "int enum by definition": (Rank, [Rank.SECOND, Rank.FIRST]),
    "option, None first": (I8 | None, [None, -1, 0, 5]),
    "option of an enum": (Level | None, [None, MIDDLE, LOW, HIGH]),
    "tuple, the first decides": (tuple[U8, str], [(0, "z"), (1, ""), (1, "a"), (2, "")]),
    "tuple of options": (tuple[U8 | None, bool], [(None, False), (None, True), (0, False)]),
    "tuple of enums": (tuple[Level, Level], [(MIDDLE, HIGH), (LOW, MIDDLE), (HIGH, MIDDLE)]),
    "tuple of any length": (tuple[U8, ...], [(), (0,), (0, 0), (0, 1), (1,)]),
    "tuple of enums of any length": (tuple[Level, ...], [(), (MIDDLE,), (MIDDLE, LOW), (HIGH,)]),
    "NamedTuple": (
        Tag, [Tag(MIDDLE, None), Tag(MIDDLE, 0), Tag(LOW, 200), Tag(HIGH, None), Tag(HIGH, 1)],
    ),
    "array": (
        Annotated[tuple[Level | None, ...], Array(2)],
        [(None, HIGH), (MIDDLE, None), (MIDDLE, HIGH), (LOW, MIDDLE)],
    ),
    "array of bytes": (Annotated[bytes, Array(2)], [b"\0\1", b"\1\0", b"\x80\0", b"\xff\xff"]),
    "set, its smallest decides": (
        frozenset[U8],
        [frozenset(), frozenset({0, 9}), frozenset({1}), frozenset({1, 2}), frozenset({2})],
    ),
    "set of enums": (
        frozenset[Level], [frozenset(), frozenset(Level), frozenset({LOW}), frozenset({HIGH})],
    ),
    "UUID": (UUID, [UUID(int=1), UUID(int=2**64), UUID(int=2**127), UUID(int=2**128 - 1)]),
    "Duration": (Duration, [Duration(0, 5), Duration(1), Duration(1, 1), Duration(2**63)]),
    "timedelta": (timedelta, [timedelta(), timedelta(0, 1), timedelta(1)]),
    "SystemTime": (SystemTime, [SystemTime(0), SystemTime(0, 1), SystemTime(2**63)]),
    "datetime": (datetime, [DAY, DAY + timedelta(microseconds=1), DAY + timedelta(1)]),
    "option of a NamedTuple": (Tag | None, [None, Tag(MIDDLE, 1), Tag(LOW, None)]),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("name", ORDERED)
def test_a_set_is_written_in_the_order_of_rust(name: str, encoding: Encoding) -> None:
    """As a list of the same elements in that order is."""
    item, ordered = ORDERED[name]
    expected = codec_of(list[item], encoding).encode(ordered)
    for kind in (set, frozenset):
        codec = codec_of(kind[item], encoding)
        assert codec.encode(kind(reversed(ordered))) == expected
        assert codec.decode(expected) == kind(ordered)


@pytest.mark.parametrize("name", ORDERED)
def test_elements_in_any_order_and_more_than_once_are_taken(name: str) -> None:
    """Rust's BTreeSet sorts for itself, whatever comes."""
    item, ordered = ORDERED[name]
    received = codec_of(list[item]).encode([*reversed(ordered), *ordered])
    assert codec_of(set[item]).decode(received) == set(ordered)


def test_a_dict_keeps_the_order_it_has() -> None:
    codec = codec_of(dict[U8, str])
    for pairs in ({1: "a", 0: "b"}, {0: "b", 1: "a"}):
        assert list(codec.decode(codec.encode(pairs)).items()) == list(pairs.items())
    received = codec_of(list[tuple[U8, str]]).encode([(1, "first"), (0, "b"), (1, "last")])
    assert codec.decode(received) == {1: "last", 0: "b"}


@THOROUGH
@given(
    elements=st.lists(
        st.tuples(st.none() | st.sampled_from(Level), st.frozensets(st.integers(0, 9)))
    ),
    encoding=encodings,
)
def test_equal_sets_have_equal_bytes(elements: list[Any], encoding: Encoding) -> None:
    """However they came about, so they can be compared and hashed as bytes."""
    codec = codec_of(set[tuple[Level | None, frozenset[U8]]], encoding)
    encoded = codec.encode(set(elements))
    backwards = dict.fromkeys(elements[::-1]).keys()
    assert codec.encode(set(backwards)) == encoded
    assert codec.encode(codec.decode(encoded)) == encoded
