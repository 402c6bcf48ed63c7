"""What a message refuses where it is built: all that pydantic would take and the wire could not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypeAliasType

from lazyipc import F32, I64, U8, U64, U128, Array, Char, Command, Duration, SystemTime, Vec
from lazyipc._core.compiled import codec_of
from lazyipc._core.duration import SECONDS_MAX
from lazyipc._core.fitting import EPOCH, LAST, accepts_all_decoded, fit
from lazyipc._core.scalars import Number
from lazyipc.errors import EncodeError
from tests.core.declared_types import Color, Spot, Tree

Build = Callable[[Any], Any]
"""Makes a message with a value in it."""

Whole = TypeAliasType("Whole", int)
Wholes = TypeAliasType("Wholes", list[int])
Deep = TypeAliasType("Deep", "list[Deep | None] | None")
Linked = TypeAliasType("Linked", "tuple[int, Linked | None]")


class Mark(NamedTuple):
    level: int
    when: datetime | None = None


def command_of(annotation: Any) -> Build:
    """A command with one field of that type, which `validate_default` may hold too."""
    root = type("Root", (Command,), {"__module__": __name__})
    body = {"__module__": __name__, "__annotations__": {"item": annotation}}
    made: Any = type("Ask", (root,), body)
    return lambda value: made(item=value)


# Integers ----------------------------------------------------------------------------------------

INTEGERS: dict[str, tuple[Any, Any, Any]] = {
    "a plain int": (int, 2**63 - 1, 2**63),
    "a plain int below zero": (int, -(2**63), -(2**63) - 1),
    "a width": (U8, 255, 256),
    "128 bits": (U128, 2**128 - 1, 2**128),
    "a bound of its own": (Annotated[int, Field(le=10)], 10, 11),
    "a wider bound than the width": (Annotated[int, Field(le=2**70)], 2**63 - 1, 2**63),
    "a wider bound of a width": (Annotated[U8, Field(le=1000)], 255, 256),
    "gt": (Annotated[U8, Field(gt=3)], 4, 3),
    "in a list": (list[int], [2**63 - 1], [2**63]),
    "in a tuple": (tuple[str, int], ("", 0), ("", 2**63)),
    "in a tuple of any length": (tuple[int, ...], (1, 2), (1, 2**63)),
    "in a dict's value": (dict[str, int], {"a": 1}, {"a": 2**63}),
    "in a dict's key": (dict[int, str], {1: ""}, {2**63: ""}),
    "in a set": (set[int], {1}, {2**63}),
    "in a frozenset": (frozenset[U8], frozenset({1}), frozenset({256})),
    "in an option": (int | None, None, 2**63),
    "in an array": (Annotated[list[int], Array(1)], [1], [2**63]),
    "in a NamedTuple": (Mark, Mark(1), Mark(2**63)),
    "in a list of NamedTuples": (list[Spot], [Spot("a", 255)], [Spot("a", 256)]),
    "in an alias": (Whole, 1, 2**63),
    "in an alias of a list": (Wholes, [1], [2**63]),
    "in a recursive alias": (Linked, (1, (2, None)), (1, (2**63, None))),
    "before a validator": (Annotated[int, AfterValidator(lambda value: value)], 1, 2**63),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_out_of_its_range_is_refused_where_it_is_built(name: str) -> None:
    annotation, good, bad = INTEGERS[name]
    build = command_of(annotation)
    made = build(good)
    assert codec_of(type(made)).decode(codec_of(type(made)).encode(made)) == made
    with pytest.raises(ValidationError):
        build(bad)


def test_a_recursive_alias_ends() -> None:
    build = command_of(Deep)
    assert build([None, [None, []]]).item == [None, [None, []]]
    with pytest.raises(ValidationError):
        build([1])


# Times -------------------------------------------------------------------------------------------

TIMES: dict[str, tuple[Any, Any, list[Any]]] = {
    "datetime": (
        datetime,
        datetime(2024, 2, 29, tzinfo=UTC),
        [
            datetime(2024, 2, 29),  # no zone
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(1970, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))),  # 1969 in UTC
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),  # the year 10000 in UTC
            datetime.min.replace(tzinfo=UTC),
            date(2024, 2, 29),
            "2024-02-29T00:00:00Z",
            0,
        ],
    ),
    "timedelta": (
        timedelta,
        timedelta(days=1, microseconds=1),
        [timedelta(microseconds=-1), timedelta.min, 5, 5.0, "PT5S"],
    ),
    "Duration": (Duration, Duration(1, 5), [timedelta(1), 5, (1, 5), SystemTime(1, 5)]),
    "SystemTime": (SystemTime, SystemTime(1, 5), [EPOCH, 5, (1, 5), Duration(1, 5)]),
    "an option": (
        datetime | None, EPOCH, [datetime(2024, 2, 29), EPOCH - timedelta(microseconds=1)],
    ),
    "a list": (list[timedelta], [timedelta()], [[timedelta(1), timedelta(-1)]]),
    "a NamedTuple": (Mark, Mark(1, EPOCH), [Mark(1, datetime(2024, 2, 29))]),
    "a bound of its own": (
        Annotated[timedelta, Field(ge=timedelta(seconds=5))],
        timedelta(seconds=5),
        [timedelta(seconds=4)],
    ),
    "a bound before the epoch": (
        Annotated[datetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC))],
        EPOCH,
        [EPOCH - timedelta(seconds=1)],
    ),
    "a bound below zero": (
        Annotated[timedelta, Field(ge=timedelta(-5))], timedelta(), [timedelta(-1)],
    ),
    "a lower end": (
        Annotated[datetime, Field(le=datetime(2000, 1, 1, tzinfo=UTC))],
        datetime(2000, 1, 1, tzinfo=UTC),
        [datetime(2000, 1, 2, tzinfo=UTC)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMES)
def test_a_time_with_no_place_on_the_wire_is_refused_where_it_is_built(name: str) -> None:
    annotation, good, bad = TIMES[name]
    build = command_of(annotation)
    made = build(good)
    assert codec_of(type(made)).decode(codec_of(type(made)).encode(made)) == made
    for value in bad:
        with pytest.raises(ValidationError):
            build(value)


def test_the_first_and_the_last_moment_are_taken_and_come_back() -> None:
    build = command_of(datetime)
    for moment in (EPOCH, LAST, LAST.astimezone(timezone(timedelta(hours=-5)))):
        made = build(moment)
        back = codec_of(type(made)).decode(codec_of(type(made)).encode(made))
        assert back.item == moment
        assert back.item.tzinfo is UTC
    for length in (timedelta(), timedelta.max):
        made = command_of(timedelta)(length)
        assert codec_of(type(made)).decode(codec_of(type(made)).encode(made)).item == length
    for instant in (SystemTime(0, 0), SystemTime(SECONDS_MAX, 999_999_999)):
        made = command_of(SystemTime)(instant)
        assert codec_of(type(made)).decode(codec_of(type(made)).encode(made)).item == instant


# Other kinds -------------------------------------------------------------------------------------

OTHERS: dict[str, tuple[Any, Any, list[Any]]] = {
    "a float": (F32, 1.5, [1e300, "1.5", None]),
    "a char": (Char, "é", ["", "ab", 1]),
    "an enum": (Color, Color.RED, ["red", 0, None]),
    "a bool": (bool, True, [1, "yes", None]),
    "bytes": (bytes, b"a", ["a", bytearray(b"a")]),
    "an array": (Annotated[bytes, Array(2)], b"ab", [b"a", b"abc"]),
    "NumPy": (Annotated[np.ndarray, Vec(U8)], np.ones(1, np.uint8), [np.ones(1), [1]]),
    "a set": (set[U8], {1}, [[1], frozenset({1})]),
    "a model": (Tree, Tree(value=1, left=None, right=None), [{"value": 1}, None]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_value_of_its_type_is_refused_where_it_is_built(name: str) -> None:
    annotation, good, bad = OTHERS[name]
    build = command_of(annotation)
    assert build(good)
    for value in bad:
        with pytest.raises(ValidationError):
            build(value)


def test_a_float_is_rounded_where_it_is_built() -> None:
    assert command_of(F32)(0.1).item == 0.10000000149011612
    assert command_of(list[F32])([0.1]).item == [0.10000000149011612]
    assert command_of(float)(0.1).item == 0.1


def test_a_default_is_held_to_the_same() -> None:
    class Root(Command):
        def process(self, context: object) -> None: ...

    class Ask(Root):
        when: datetime = datetime(1900, 1, 1, tzinfo=UTC)

    with pytest.raises(ValidationError):
        Ask()
    assert Ask(when=EPOCH).when == EPOCH


def test_json_is_held_to_the_same() -> None:
    class Root(Command):
        def process(self, context: object) -> None: ...

    class Ask(Root):
        number: int = 0
        when: datetime = EPOCH

    assert Ask.model_validate_json('{"when":"1970-01-01T00:00:00Z"}').when == EPOCH
    for text in (f'{{"number":{2**63}}}', '{"when":"1970-01-01T00:00:00"}',
                 '{"when":"1969-01-01T00:00:00Z"}'):  # fmt: skip
        with pytest.raises(ValidationError):
            Ask.model_validate_json(text)


def test_lists_stop_at_their_first_fault() -> None:
    """Pydantic takes microseconds to tell of each item, which adds up for a million of them."""
    for annotation, value in (
        (list[U8], [300] * 9),
        (tuple[U8, ...], (300,) * 9),
        (set[U8], set(range(300, 309))),
        (dict[str, list[U8]], {"a": [300] * 9}),
        (dict[U8, U8], dict.fromkeys(range(9), 300)),
    ):
        with pytest.raises(ValidationError) as caught:
            command_of(annotation)(value)
        assert caught.value.error_count() == 1


# Schemas by themselves ---------------------------------------------------------------------------


def fitted(annotation: Any) -> Any:
    schema = TypeAdapter(annotation, config=ConfigDict(strict=True)).core_schema
    return fit(schema, lambda reference: {})


def test_fitting_leaves_the_schema_it_was_given_alone() -> None:
    schema: Any = {"type": "list", "items_schema": {"type": "int"}}
    made = fit(schema, lambda reference: {})
    assert schema == {"type": "list", "items_schema": {"type": "int"}}
    assert made["items_schema"]["le"] == 2**63 - 1


def test_fitting_twice_changes_nothing_more() -> None:
    for annotation in (int, U8, list[datetime], dict[str, tuple[timedelta, int]], Spot):
        once = fitted(annotation)
        assert fit(once, lambda reference: {}) == once


def test_what_only_looks_like_a_schema_is_left_alone() -> None:
    default = {"type": "int"}
    schema = {"type": "default", "default": default, "schema": {"type": "int"}}
    made = fit(schema, lambda reference: {})
    assert made["default"] is default
    assert made["schema"]["ge"] == -(2**63)


def test_what_a_reference_stands_for_is_fitted_once_in_place() -> None:
    reference = {"type": "definition-ref", "schema_ref": "it"}
    target: Any = {"type": "list", "items_schema": {"type": "int"}, "ref": "it"}
    target["more"] = reference
    assert fit(reference, lambda asked: target) is reference
    assert target["items_schema"]["le"] == 2**63 - 1
    model = {"type": "model", "schema": {"type": "int"}}
    fit(reference, lambda asked: model)
    assert model == {"type": "model", "schema": {"type": "int"}}


ALL_DECODED: dict[str, tuple[Any, bool]] = {
    "int": (int, True),
    "a width": (U64, True),
    "a width and a demand": (Annotated[U8, Field(gt=1)], False),
    "a narrower bound": (Annotated[U8, Field(le=100)], False),
    "a wider bound": (Annotated[U8, Field(le=1000)], True),
    "float": (float, True),
    "f32": (F32, True),
    "a float and a demand": (Annotated[float, Field(allow_inf_nan=False)], False),
    "str": (str, True),
    "a pattern": (Annotated[str, Field(pattern="a")], False),
    "a char": (Char, False),
    "bytes": (bytes, True),
    "a fixed length": (Annotated[bytes, Array(3)], False),
    "bool": (bool, True),
    "None": (None, True),
    "list": (list[U8], True),
    "a list of demands": (list[Annotated[U8, Field(gt=1)]], False),
    "a short list": (Annotated[list[U8], Field(max_length=3)], False),
    "tuple": (tuple[U8, str], True),
    "a tuple of a demand": (tuple[U8, Annotated[str, Field(min_length=1)]], False),
    "tuple of any length": (tuple[str, ...], True),
    "set": (set[U8], True),
    "dict": (dict[str, list[int]], True),
    "a dict's key": (dict[Annotated[str, Field(min_length=1)], int], False),
    "a dict's value": (dict[str, Annotated[int, Field(gt=1)]], False),
    "option": (U8 | None, True),
    "a validator": (Annotated[int, AfterValidator(abs)], False),
    "a time": (datetime, False),
    "a NamedTuple": (Spot, False),
    "models": (list[Tree], False),
    "an enum": (Color, False),
}


@pytest.mark.parametrize("name", ALL_DECODED)
def test_what_refuses_nothing_that_can_be_decoded_is_not_asked(name: str) -> None:
    annotation, expected = ALL_DECODED[name]
    assert accepts_all_decoded(fitted(annotation)) is expected


# Dataclasses -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Reading:
    level: Annotated[int, Field(gt=5)]
    when: datetime = EPOCH
    notes: list[Annotated[str, Field(min_length=1)]] = dataclasses.field(default_factory=list)


class Holder(BaseModel):
    reading: Reading


class Log(Command):
    pass


class Add(Log):
    readings: list[Reading]

    def process(self, context: object) -> None: ...


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"level": 5}, "level"),
        ({"level": "6"}, "level"),
        ({"level": 2**63}, "level"),
        ({"level": True}, "level"),
        ({"when": datetime(2024, 1, 1)}, "when"),
        ({"when": EPOCH - timedelta(1)}, "when"),
        ({"notes": ["a", ""]}, "notes[1]"),
        ({"notes": ("a",)}, "notes"),
        ({"notes": None}, "notes"),
    ],
)
def test_a_dataclass_that_holds_wrong_values_is_refused_where_it_is_encoded(
    changed: dict[str, Any], path: str
) -> None:
    """A plain dataclass checks nothing when it is built."""
    reading = dataclasses.replace(Reading(6), **changed)
    for annotation, value, prefix in (
        (Reading, reading, ""),
        (list[Reading], [Reading(7), reading], "[1]."),
        (dict[str, Reading], {"a": reading}, "['a']."),
        (Holder, Holder.model_construct(reading=reading), "reading."),
        (Add, Add.model_construct(readings=[reading]), "readings[0]."),
    ):
        with pytest.raises(EncodeError) as caught:
            codec_of(annotation).encode(value)
        assert caught.value.path == prefix + path


def test_what_a_message_was_narrowed_by_is_known_by_its_width() -> None:
    made = fitted(tuple[I64, U8])
    widths = [Number(part["metadata"]["lazyipc_width"]) for part in made["items_schema"]]
    assert widths == [Number("i64"), Number("u8")]
