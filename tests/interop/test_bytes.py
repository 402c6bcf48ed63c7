"""Our codec against both versions of Rust's bincode, in both directions, on many types.

`bytes values` writes what Rust writes, `bytes decode` reads what Python writes. Each tells what a
value is by a text that has nothing to do with bincode (`rust_text.py`), so two mistakes that undo
each other are found too.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lazyipc import DecodeError, bincode
from lazyipc.bincode import LEGACY, STANDARD
from tests.interop.rust_program import COUNT, OURS, Made, RustProgram
from tests.interop.rust_table import FIRST, SPOKEN
from tests.interop.rust_values import Inventor

pytestmark = pytest.mark.timeout(330)  # the first test builds the program

EXAMPLES = 20
DEEPEST = 40
"""How many brackets are open at once in the text of the deepest value of a recursive type."""

DIFFERENT = {"legacy", "fixed_big", "standard", "big_endian"}
"""One for each of ours."""

ONLY_SERDE = {"Uuid", "Vec<Uuid>", "BTreeSet<Uuid>", "Option<Uuid>", "LinkedList<String>"}
"""bincode 2 has no Encode of its own for these; inside a struct `#[bincode(with_serde)]` helps."""
SKIPPING = "Skipping"
"""bincode 2's derive does not know serde's attributes, so it writes what serde skips."""

BY_DISCRIMINANT = "BTreeSet<Rank>"
"""Rust sorts an enum's variants by discriminants of its own, if it has some. They do not travel, so
we sort by position; Rust reads either order."""
CONSTRUCT_DEPTH = 30
"""construct takes a dozen calls for a level, and Python has a limit of those."""
NOT_ALL_FIT = (timedelta, datetime)
"""The standard library's types end at the microsecond and at the year 9999."""

PROPERTY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

each_type = pytest.mark.parametrize(("name", "annotation"), SPOKEN, ids=[n for n, _ in SPOKEN])


def has_order(name: str) -> bool:
    """Whether a value is written in one way only; as text it has one in any case."""
    return not name.startswith("HashSet") and name != BY_DISCRIMINANT


# What Rust writes ---------------------------------------------------------------------------------


def test_each_type_is_declared_on_both_sides(rust: RustProgram) -> None:
    assert set(rust.names) == set(FIRST)
    assert len(rust.names) == len(set(rust.names)) > 40


def test_the_values_are_many_and_some_are_deep(rust: RustProgram) -> None:
    assert sum(map(len, rust.made.values())) == COUNT
    assert min(len(rust.made[name]) for name in rust.names) >= 50
    for name in ("Node", "Tree", "Expr", "Json"):
        assert max(depth(made.text) for made in rust.made[name]) >= DEEPEST


def depth(text: str) -> int:
    """How many brackets are open at most."""
    now = deepest = 0
    for bracket in re.findall(r"[](){}[]", text):
        now += 1 if bracket in "([{" else -1
        deepest = max(deepest, now)
    return deepest


def test_a_seed_gives_the_same_values(rust: RustProgram) -> None:
    assert rust.lines("values", "7", "300") == rust.lines("values", "7", "300")
    assert rust.lines("values", "7", "300") != rust.lines("values", "8", "300")


def test_which_bincodes_write_the_same(rust: RustProgram) -> None:
    for name, values in rust.made.items():
        for data in (made.data for made in values):
            assert data["legacy2"] == data["legacy"], name
            assert data["varint1"] == data["standard"], name
            if name in ONLY_SERDE:
                assert "derive" not in data
            elif name == SKIPPING:
                assert data["derive"] == data["standard"] + b"\0"
            else:
                assert data["derive"] == data["standard"], name


@each_type
def test_what_rust_writes_comes_back(rust: RustProgram, name: str, annotation: Any) -> None:
    declared = rust.declared.type(name)
    for made in values_that_fit(rust, name, annotation):
        for config in DIFFERENT:
            theirs, ours = made.data[config], OURS[config]
            value = bincode.decode(theirs, annotation, ours)
            assert rust.declared.text_of(value, declared) == made.text
            written = bincode.encode(value, annotation, ours)
            assert written == theirs if has_order(name) else len(written) == len(theirs)
            if has_order(name):
                assert bincode.encode(value, annotation, LEGACY) == made.data["legacy"]


@each_type
def test_the_construct_reads_and_builds_it(rust: RustProgram, name: str, annotation: Any) -> None:
    declared = rust.declared.type(name)
    for config in DIFFERENT:
        layout = bincode.construct_for(annotation, OURS[config])
        values = values_that_fit(rust, name, annotation)
        for made in [made for made in values if depth(made.text) <= CONSTRUCT_DEPTH][:3]:
            value = layout.parse(made.data[config])
            assert rust.declared.text_of(value, declared) == made.text
            if has_order(name):
                assert layout.build(value) == made.data[config]


def values_that_fit(rust: RustProgram, name: str, annotation: Any) -> list[Made]:
    """Rust's values of a type, as far as its declaration can hold them."""
    values = rust.made[name]
    return [m for m in values if fits(m.text)] if annotation in NOT_ALL_FIT else values


def fits(text: str) -> bool:
    """Whether a Duration or SystemTime is no finer and no later than Python's own types."""
    words = re.findall(r"=u\d+:(\d+)", text)
    seconds, nanoseconds = map(int, words)
    last = datetime.max.replace(tzinfo=UTC).timestamp()
    most = last if text.startswith("SystemTime") else timedelta.max.total_seconds()
    return seconds < most and nanoseconds % 1000 == 0


@pytest.mark.parametrize(
    ("name", "annotation"), [("Duration", timedelta), ("SystemTime", datetime)]
)
def test_what_does_not_fit_is_refused(rust: RustProgram, name: str, annotation: Any) -> None:
    unfit = [made for made in rust.made[name] if not fits(made.text)]
    assert 5 < len(unfit) < len(rust.made[name]) - 5
    for made in unfit:
        for config in DIFFERENT:
            with pytest.raises(DecodeError):
                bincode.decode(made.data[config], annotation, OURS[config])


def test_a_set_of_variants_is_ordered_by_position(rust: RustProgram) -> None:
    ranks = FIRST[BY_DISCRIMINANT]
    text = "[Rank::First,Rank::Middle,Rank::Last]"
    made = next(made for made in rust.made[BY_DISCRIMINANT] if made.text == text)
    assert made.data["standard"] == bytes([3, 2, 1, 0])
    ours = bincode.encode(bincode.decode(made.data["standard"], ranks, STANDARD), ranks, STANDARD)
    assert ours == bytes([3, 0, 1, 2])
    assert rust.take(BY_DISCRIMINANT, "standard", ours).text == text


# What Python writes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inventor(rust: RustProgram) -> Inventor:
    return Inventor(rust.declared)


@each_type
def test_rust_reads_what_python_writes(
    rust: RustProgram, inventor: Inventor, name: str, annotation: Any
) -> None:
    declared = rust.declared.type(name)
    configs = OURS.keys() - ({"derive"} if name in {*ONLY_SERDE, SKIPPING} else set())

    @PROPERTY
    @given(inventor.values(declared, annotation))
    def check(value: Any) -> None:
        text = rust.declared.text_of(value, declared)
        for config in configs:
            data = bincode.encode(value, annotation, OURS[config])
            taken = rust.take(name, config, data)
            assert (taken.text, taken.count) == (text, len(data)), (config, taken.reason)

    check()
