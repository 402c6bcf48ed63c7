"""`Duration` and `SystemTime`: exact everywhere, refusals that say why, and serde's JSON."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from lazyipc import TaggedUnion
from lazyipc._core.duration import (
    Duration,
    SystemTime,
    datetime_of,
    duration_parts,
    time_parts,
    timedelta_of,
)
from tests.core.invented_types import THOROUGH

U64_MAX = 18_446_744_073_709_551_615
MICROSECOND = dt.timedelta(microseconds=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LAST = dt.datetime.max.replace(tzinfo=dt.UTC)
LONGEST = dt.timedelta.max
LONGEST_SECONDS = 86_399_999_999_999
LAST_SECOND = 253_402_300_799

Value = Duration | SystemTime
BOTH: list[type[Value]] = [Duration, SystemTime]
KEYS = {Duration: ("secs", "nanos"), SystemTime: ("secs_since_epoch", "nanos_since_epoch")}

seconds = st.one_of(
    st.integers(0, U64_MAX),
    st.sampled_from([0, 1, LAST_SECOND, LONGEST_SECONDS, 2**63 - 1, 2**63, U64_MAX]),
)
nanoseconds = st.one_of(
    st.integers(0, 999_999_999),
    st.integers(0, 999_999).map(lambda count: count * 1000),
    st.sampled_from([0, 1, 999, 1000, 1001, 999_999_000, 999_999_999]),
)
parts = st.tuples(seconds, nanoseconds)
both = pytest.mark.parametrize("kind", BOTH)


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    length: Duration
    moment: SystemTime
    more: list[Duration] = []
    maybe: SystemTime | None = None


class Lax(BaseModel):
    length: Duration
    moment: SystemTime
    more: list[Duration] = []
    maybe: SystemTime | None = None


class Alarm(TaggedUnion):
    pass


class Ring(Alarm):
    moment: SystemTime
    length: Duration


def json_of(value: Value) -> dict[str, int]:
    return dict(zip(KEYS[type(value)], (value.seconds, value.nanoseconds), strict=True))


# The values --------------------------------------------------------------------------------------


@both
@THOROUGH
@given(pair=parts)
def test_every_value_is_held_exactly(kind: type[Value], pair: tuple[int, int]) -> None:
    value = kind(*pair)
    assert (value.seconds, value.nanoseconds) == pair
    assert value.total_nanoseconds == pair[0] * 10**9 + pair[1]
    assert kind.from_nanoseconds(value.total_nanoseconds) == value
    name = kind.__name__
    assert repr(value) == f"{name}(seconds={pair[0]}, nanoseconds={pair[1]})"
    assert eval(repr(value)) == value


@both
@THOROUGH
@given(pair=parts)
def test_copies_and_pickles_are_equal(kind: type[Value], pair: tuple[int, int]) -> None:
    value = kind(*pair)
    others = [pickle.loads(pickle.dumps(value, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)]
    for other in [copy.copy(value), copy.deepcopy(value), *others]:
        assert type(other) is kind
        assert other == value
        assert hash(other) == hash(value)
        assert json_of(other) == json_of(value)


@both
@THOROUGH
@given(pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=2))
def test_values_are_ordered_as_their_numbers(
    kind: type[Value], pairs: list[tuple[int, int]]
) -> None:
    one, other = (kind(*pair) for pair in pairs)
    first, second = pairs
    assert (one < other, one <= other) == (first < second, first <= second)
    assert (one > other, one >= other) == (first > second, first >= second)
    assert (one == other, one != other) == (first == second, first != second)
    assert len({one, other}) == len({first, second})


@both
def test_a_value_is_compared_with_its_own_kind_only(kind: type[Value]) -> None:
    others: list[Any] = [1, (1, 5), None, Duration(1, 5), SystemTime(1, 5)]
    for other in others:
        if type(other) is not kind:
            assert kind(1, 5) != other
            with pytest.raises(TypeError):
                assert kind(1, 5) < other
            with pytest.raises(TypeError):
                assert kind(1, 5) >= other
    assert len({Duration(1), SystemTime(1), 1, (1, 0)}) == 4


def test_what_may_be_left_out() -> None:
    assert Duration() == Duration(0) == Duration(seconds=0, nanoseconds=0)
    assert SystemTime(7) == SystemTime(seconds=7, nanoseconds=0)
    with pytest.raises(TypeError):
        SystemTime()  # type: ignore[call-arg]


@both
def test_a_value_cannot_be_changed(kind: type[Value]) -> None:
    value: Any = kind(1, 5)
    for name in ("seconds", "nanoseconds", "total_nanoseconds", "invented"):
        with pytest.raises(AttributeError):
            setattr(value, name, 2)
        with pytest.raises(AttributeError):
            delattr(value, name)
    assert value == kind(1, 5)
    assert not hasattr(value, "__dict__")


@both
def test_a_value_can_be_matched(kind: type[Value]) -> None:
    match kind(1, 5):
        case Duration(whole, rest) | SystemTime(whole, rest):
            assert (whole, rest) == (1, 5)
        case _:
            pytest.fail("not matched")


@both
@pytest.mark.parametrize(
    ("numbers", "error", "text"),
    [
        ((-1, 0), ValueError, "seconds must be 0 to 18446744073709551615, not -1"),
        (
            (U64_MAX + 1, 0),
            ValueError,
            "seconds must be 0 to 18446744073709551615, not 18446744073709551616",
        ),
        pytest.param(
            (10**5000, 0),
            ValueError,
            "seconds must be 0 to 18446744073709551615, not a number of 16610 bits",
            id="endless",
        ),
        ((0, -1), ValueError, "nanoseconds must be 0 to 999999999, not -1"),
        ((0, 10**9), ValueError, "nanoseconds must be 0 to 999999999, not 1000000000"),
        ((True, 0), TypeError, "seconds must be an int, not bool"),
        ((0, False), TypeError, "nanoseconds must be an int, not bool"),
        ((1.0, 0), TypeError, "seconds must be an int, not float"),
        ((0, 0.5), TypeError, "nanoseconds must be an int, not float"),
        (("1", 0), TypeError, "seconds must be an int, not str"),
        ((None, 0), TypeError, "seconds must be an int, not NoneType"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(
    kind: Any, numbers: tuple[Any, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        kind(*numbers)
    assert str(caught.value) == text


@both
@pytest.mark.parametrize(
    ("total", "error", "text"),
    [
        (-1, ValueError, "the total of nanoseconds must be 0 to {most}, not -1"),
        (2**64 * 10**9, ValueError, "the total of nanoseconds must be 0 to {most}, not {beyond}"),
        pytest.param(
            -(10**5000),
            ValueError,
            "the total of nanoseconds must be 0 to {most}, not a number of 16610 bits",
            id="endless",
        ),
        (1.5, TypeError, "the total of nanoseconds must be an int, not float"),
        (True, TypeError, "the total of nanoseconds must be an int, not bool"),
    ],
)
def test_a_total_that_does_not_fit_is_refused(
    kind: Any, total: Any, error: type[Exception], text: str
) -> None:
    beyond = 2**64 * 10**9
    with pytest.raises(error) as caught:
        kind.from_nanoseconds(total)
    assert str(caught.value) == text.format(most=beyond - 1, beyond=beyond)


@both
def test_a_special_int_becomes_a_plain_one(kind: type[Value]) -> None:
    class Minute(enum.IntEnum):
        SECONDS = 60

    value = kind(Minute.SECONDS, Minute.SECONDS)
    assert (type(value.seconds), type(value.nanoseconds)) == (int, int)
    assert repr(value) == f"{kind.__name__}(seconds=60, nanoseconds=60)"


# What the standard library has -------------------------------------------------------------------


@THOROUGH
@given(delta=st.one_of(st.timedeltas(dt.timedelta()), st.sampled_from([LONGEST, MICROSECOND])))
def test_a_timedelta_survives(delta: dt.timedelta) -> None:
    value = Duration.from_timedelta(delta)
    assert (value.seconds, value.nanoseconds) == duration_parts(delta)
    assert value.total_nanoseconds == delta // MICROSECOND * 1000
    assert value.timedelta() == timedelta_of(*duration_parts(delta)) == delta


MOMENTS = st.datetimes(
    dt.datetime(1970, 1, 2),
    dt.datetime(9999, 12, 30),
    timezones=st.one_of(
        st.just(dt.UTC),
        st.timezones(),
        st.integers(-86_399, 86_399).map(lambda s: dt.timezone(dt.timedelta(seconds=s))),
    ),
)


@THOROUGH
@given(when=st.one_of(MOMENTS, st.sampled_from([EPOCH, EPOCH + MICROSECOND, LAST])))
def test_a_datetime_survives_in_utc(when: dt.datetime) -> None:
    value = SystemTime.from_datetime(when)
    assert (value.seconds, value.nanoseconds) == time_parts(when)
    assert value.total_nanoseconds == (when - EPOCH) // MICROSECOND * 1000
    back = value.datetime()
    assert back == datetime_of(*time_parts(when)) == when.astimezone(dt.UTC)
    assert back.tzinfo is dt.UTC


def test_the_hour_that_comes_twice_is_two_moments() -> None:
    first = dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    moments = [time_parts(first.replace(fold=fold))[0] for fold in (0, 1)]
    assert moments == [1_792_888_200, 1_792_888_200 + 3600]


def test_a_moment_is_refused_by_its_own_time_zone_never() -> None:
    """Its date may be 1969 or its year one that UTC has left; what counts is the moment."""
    west = dt.timezone(dt.timedelta(hours=-5))
    east = dt.timezone(dt.timedelta(hours=5))
    assert time_parts(dt.datetime(1969, 12, 31, 19, tzinfo=west)) == (0, 0)
    with pytest.raises(ValueError, match="before 1970"):
        time_parts(dt.datetime(1970, 1, 1, 4, 59, 59, 999_999, tzinfo=east))
    beyond = SystemTime.from_datetime(dt.datetime(9999, 12, 31, 19, tzinfo=west))
    assert beyond == SystemTime(LAST_SECOND + 1)
    with pytest.raises(ValueError, match="past the year 9999"):
        beyond.datetime()


def test_the_extremes_are_where_they_are_said_to_be() -> None:
    assert duration_parts(LONGEST) == (LONGEST_SECONDS, 999_999_000)
    assert time_parts(LAST) == (LAST_SECOND, 999_999_000)
    assert time_parts(EPOCH) == (0, 0)


class Undecided(dt.tzinfo):
    """A time zone that does not know its offset, which leaves a datetime naive."""

    def utcoffset(self, _: dt.datetime | None) -> None:
        return None

    dst = tzname = utcoffset


NO_ZONE = (
    "2026-01-02T03:04:05 has no time zone, so it may be any of many moments; "
    "give it one, such as datetime.UTC"
)
REFUSALS: dict[str, tuple[Callable[[], object], str]] = {
    "negative": (
        lambda: Duration.from_timedelta(-MICROSECOND),
        "a duration is never negative, and -1 day, 23:59:59.999999 is",
    ),
    "naive": (
        lambda: SystemTime.from_datetime(dt.datetime(2026, 1, 2, 3, 4, 5)),
        NO_ZONE,
    ),
    "naive with a zone": (
        lambda: SystemTime.from_datetime(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=Undecided())),
        NO_ZONE,
    ),
    "before the epoch": (
        lambda: SystemTime.from_datetime(EPOCH - MICROSECOND),
        "1969-12-31T23:59:59.999999+00:00 is before 1970-01-01T00:00:00Z, "
        "where a SystemTime begins",
    ),
    "long before the epoch": (
        lambda: SystemTime.from_datetime(
            dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14)))
        ),
        "0001-01-01T00:00:00+14:00 is before 1970-01-01T00:00:00Z, where a SystemTime begins",
    ),
    "length below microseconds": (
        Duration(1, 1001).timedelta,
        "1001 nanoseconds are no whole number of microseconds, and a timedelta holds only those; "
        "a Duration holds them",
    ),
    "moment below microseconds": (
        SystemTime(1, 999_999_999).datetime,
        "999999999 nanoseconds are no whole number of microseconds, and a datetime holds only "
        "those; a SystemTime holds them",
    ),
    "too long": (
        Duration(LONGEST_SECONDS + 1).timedelta,
        "86400000000000 seconds are longer than a timedelta holds, which is 86399999999999; "
        "a Duration holds them",
    ),
    "much too long": (
        Duration(U64_MAX, 999_999_000).timedelta,
        "18446744073709551615 seconds are longer than a timedelta holds, which is "
        "86399999999999; a Duration holds them",
    ),
    "too late": (
        SystemTime(LAST_SECOND + 1).datetime,
        "253402300800 seconds after 1970 is past the year 9999, where a datetime ends; "
        "a SystemTime holds it",
    ),
    "much too late": (
        SystemTime(U64_MAX).datetime,
        "18446744073709551615 seconds after 1970 is past the year 9999, where a datetime ends; "
        "a SystemTime holds it",
    ),
    "a second of nanoseconds in a length": (
        lambda: timedelta_of(1, 10**9),
        "nanoseconds must be below 1000000000, not 1000000000",
    ),
    "a second of nanoseconds in a moment": (
        lambda: datetime_of(1, 4_294_967_295),
        "nanoseconds must be below 1000000000, not 4294967295",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_held_is_refused_with_the_reason(name: str) -> None:
    act, text = REFUSALS[name]
    with pytest.raises(ValueError, match=r".") as caught:
        act()
    assert str(caught.value) == text


@THOROUGH
@given(pair=parts)
def test_a_conversion_is_exact_or_refused(pair: tuple[int, int]) -> None:
    whole = pair[1] % 1000 == 0
    if whole and pair[0] <= LONGEST_SECONDS:
        assert duration_parts(timedelta_of(*pair)) == pair
    else:
        with pytest.raises(ValueError, match="timedelta"):
            timedelta_of(*pair)
    if whole and pair[0] <= LAST_SECOND:
        assert time_parts(datetime_of(*pair)) == pair
    else:
        with pytest.raises(ValueError, match="datetime"):
            datetime_of(*pair)


# Texts and floats --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Duration(), "0s"),
        (Duration(1, 5), "1.000000005s"),
        (Duration(10), "10s"),
        (Duration(100, 500_000_000), "100.5s"),
        (Duration(0, 10), "0.00000001s"),
        (Duration(U64_MAX, 999_999_999), "18446744073709551615.999999999s"),
        (SystemTime(0), "1970-01-01T00:00:00Z"),
        (SystemTime(1_767_323_045, 6), "2026-01-02T03:04:05.000000006Z"),
        (SystemTime(1_767_323_050, 120_000_000), "2026-01-02T03:04:10.12Z"),
        (SystemTime(LAST_SECOND, 999_999_999), "9999-12-31T23:59:59.999999999Z"),
        (SystemTime(LAST_SECOND + 1), "253402300800s since 1970-01-01T00:00:00Z"),
        (
            SystemTime(U64_MAX, 500_000_000),
            "18446744073709551615.5s since 1970-01-01T00:00:00Z",
        ),
    ],
)
def test_a_text_is_exact(value: Value, text: str) -> None:
    assert str(value) == text


@THOROUGH
@given(one=parts, other=parts)
def test_different_values_have_different_texts(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    for kind in BOTH:
        assert (str(kind(*one)) == str(kind(*other))) == (one == other)


def test_total_seconds_is_the_nearest_float() -> None:
    assert Duration(1, 500_000_000).total_seconds() == 1.5
    assert Duration(0, 1).total_seconds() == 1e-9
    assert Duration(3, 617_496_872).total_seconds() == 3.617496872  # 3 + 0.617496872 is not
    assert Duration(U64_MAX, 999_999_999).total_seconds() == 2.0**64


# pydantic ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [Strict, Lax])
@THOROUGH
@given(length=parts, moment=parts)
def test_json_is_what_serde_writes(
    model: type[Strict | Lax], length: tuple[int, int], moment: tuple[int, int]
) -> None:
    value = model(
        length=Duration(*length),
        moment=SystemTime(*moment),
        more=[Duration(*length)],
        maybe=SystemTime(*moment),
    )
    expected_length = {"secs": length[0], "nanos": length[1]}
    expected_moment = {"secs_since_epoch": moment[0], "nanos_since_epoch": moment[1]}
    expected = {
        "length": expected_length,
        "moment": expected_moment,
        "more": [expected_length],
        "maybe": expected_moment,
    }
    text = value.model_dump_json()
    assert json.loads(text) == expected == value.model_dump(mode="json")
    assert list(json.loads(text)["length"]) == ["secs", "nanos"]  # in serde's order
    assert model.model_validate_json(text) == value


@both
def test_json_text_is_serdes_to_the_byte(kind: type[Value]) -> None:
    first, second = KEYS[kind]
    text = f'{{"{first}":1,"{second}":5}}'.encode()
    for config in (None, ConfigDict(strict=True)):
        adapter: TypeAdapter[Value] = TypeAdapter(kind, config=config)
        assert adapter.dump_json(kind(1, 5)) == text
        assert adapter.validate_json(text) == kind(1, 5)


@both
def test_python_gives_and_takes_instances_only(kind: type[Value]) -> None:
    value = kind(1, 5)
    refused = [1, 1.5, (1, 5), json_of(value), "1s", None, dt.timedelta(1), EPOCH]
    refused += [other(1, 5) for other in BOTH if other is not kind]
    for config in (None, ConfigDict(strict=True)):
        adapter: TypeAdapter[Value] = TypeAdapter(kind, config=config)
        assert adapter.validate_python(value) is value
        assert adapter.dump_python(value) is value
        for other in refused:
            with pytest.raises(ValidationError):
                adapter.validate_python(other)


def test_a_dumped_model_holds_the_instances() -> None:
    length, moment = Duration(1, 5), SystemTime(2, 6)
    dumped = Strict(length=length, moment=moment, more=[length]).model_dump()
    assert dumped == {"length": length, "moment": moment, "more": [length], "maybe": None}
    assert dumped["length"] is length
    assert Strict.model_validate(dumped).model_dump() == dumped


@both
@pytest.mark.parametrize(
    ("parts", "location"),
    [
        ({0: U64_MAX + 1, 1: 0}, 0),
        ({0: -1, 1: 0}, 0),
        ({0: 0, 1: 10**9}, 1),
        ({0: 0, 1: -1}, 1),
        ({0: 1.0, 1: 0}, 0),
        ({0: True, 1: 0}, 0),
        ({0: "1", 1: 0}, 0),
        ({0: 1}, 1),
        ({1: 1}, 0),
        ({0: 1, 1: 1, "more": 1}, "more"),
    ],
)
def test_json_that_does_not_fit_is_refused_where_it_is(
    kind: type[Value], parts: dict[Any, Any], location: Any
) -> None:
    names = dict(enumerate(KEYS[kind]))
    text = json.dumps({names.get(key, key): value for key, value in parts.items()})
    for config in (None, ConfigDict(strict=True)):
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(kind, config=config).validate_json(text)
        (error,) = caught.value.errors()
        assert error["loc"] == (names.get(location, location),)


@both
@pytest.mark.parametrize("text", ["1", "1.5", '"1s"', "[1, 5]", "null", "true", "{}"])
def test_other_json_is_refused(kind: type[Value], text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_json(text)


@both
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_json_schema_says_the_names_and_bounds(kind: type[Value], mode: Any) -> None:
    first, second = KEYS[kind]
    schema = TypeAdapter(kind).json_schema(mode=mode)
    assert (schema["title"], schema["type"]) == (kind.__name__, "object")
    assert schema["required"] == [first, second]
    assert schema["additionalProperties"] is False
    bounds = {
        name: (each["type"], each["minimum"], each["maximum"])
        for name, each in schema["properties"].items()
    }
    assert bounds == {first: ("integer", 0, U64_MAX), second: ("integer", 0, 999_999_999)}


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_a_default_is_in_the_json_schema_as_serde_writes_it(mode: Any) -> None:
    class Waiting(BaseModel):
        length: Duration = Duration(1, 5)

    schema = Waiting.model_json_schema(mode=mode)
    assert schema["properties"]["length"]["default"] == {"secs": 1, "nanos": 5}


def test_a_message_keeps_all_64_bits() -> None:
    """A family bounds its plain integers to an I64; these are none."""
    ring = Ring(moment=SystemTime(U64_MAX, 999_999_999), length=Duration(U64_MAX))
    assert Ring.model_validate_json(ring.model_dump_json()) == ring
    assert Ring.model_validate({"moment": ring.moment, "length": ring.length}) == ring


def test_importing_the_module_imports_no_pydantic() -> None:
    code = (
        "import sys, lazyipc._core.duration;"
        "print([name for name in sys.modules if name.startswith('pydantic')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
