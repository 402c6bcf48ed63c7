"""Records: made from what a class's body annotates, compared, shown, kept and copied by it."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from lazyipc._core.record import Record, Value


class Point(Value):
    """Where."""

    x: int
    y: int = 7
    """Up."""


class Pair(Value):
    x: int
    y: int


class Nothing(Value):
    """No fields at all."""


class Target(Value, hidden=("way",)):
    name: str
    way: Any


class Count(Record):
    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class Twin:
    """What `dataclasses` makes of the same."""

    x: int
    y: int = 7


def test_it_is_made_from_its_fields_by_place_name_and_default() -> None:
    for made in (Point(1, 7), Point(1), Point(x=1), Point(y=7, x=1), Point(1, y=7)):
        assert (made.x, made.y) == (1, 7)


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [(Point, (), {}), (Point, (1, 2, 3), {}), (Point, (1,), {"z": 3}), (Nothing, (1,), {})],
    ids=["too few", "too many", "unknown", "none wanted"],
)
def test_what_are_not_its_fields_is_refused(kind: Any, values: Any, named: Any) -> None:
    with pytest.raises(TypeError, match=r"takes (x, y|nothing)"):
        kind(*values, **named)


def test_it_shows_and_matches_as_a_dataclass_does() -> None:
    assert repr(Point(1)) == repr(Twin(1)).replace("Twin", "Point") == "Point(x=1, y=7)"
    assert repr(Nothing()) == "Nothing()"
    assert Point.__match_args__ == Twin.__match_args__
    match Point(1, 2):
        case Point(x, y=2):
            assert x == 1
        case _:
            pytest.fail("no match")


def test_it_is_compared_and_hashed_by_its_class_and_fields() -> None:
    assert Point(1) == Point(1, 7) != Point(1, 8)
    assert Nothing() == Nothing()
    assert len({Point(1, 2), Point(1, 2), Point(2, 1), Pair(1, 2), Nothing(), Nothing()}) == 4
    assert Pair(1, 2) != Point(1, 2)
    assert Point(1) != 1
    assert Point(1).__eq__(1) is NotImplemented


def test_a_hidden_field_neither_compares_nor_shows_but_matches() -> None:
    target = Target("a", [1])
    assert target == Target("a", [2])
    assert hash(target) == hash(Target("a", {}))
    assert repr(target) == "Target(name='a')"
    match target:
        case Target(_, way):
            assert way == [1]
        case _:
            pytest.fail("no match")


def test_a_value_never_changes() -> None:
    point: Any = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    assert point == Point(1)


def test_a_record_may_change_and_has_no_hash_nor_other_attributes() -> None:
    count: Any = Count(1)
    count.number = 2
    assert count == Count(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(count)
    with pytest.raises(AttributeError):
        count.other = 1


@pytest.mark.parametrize("made", [Point(1, 2), Nothing(), Target("a", [1]), Count(3)], ids=repr)
def test_it_is_copied_and_pickled(made: Any) -> None:
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert again == made
        assert type(again) is type(made)
    target = pickle.loads(pickle.dumps(Target("a", [1])))
    assert target.way == [1]
