"""How long and when, exact to the nanosecond: Rust's `Duration` and `SystemTime` as values.

`timedelta` and `datetime` end at the microsecond and at the year 9999; Rust's types do not. Fields
may be declared as either: `Duration` and `SystemTime` hold whatever can arrive, the standard
library's types refuse what they cannot hold. Integers only: as a float, a moment of today is exact
to a quarter of a microsecond. Knows these values and their JSON form; no model, no wire.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar, Self, SupportsIndex

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

SECONDS_MAX = (1 << 64) - 1
"""What a u64 holds: 584 billion years."""
NANOSECONDS_PER_SECOND = 1_000_000_000
TOTAL_NANOSECONDS_MAX = (SECONDS_MAX + 1) * NANOSECONDS_PER_SECOND - 1

_SECONDS_PER_DAY = 86_400
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TIMEDELTA_SECONDS_MAX = dt.timedelta.max.days * _SECONDS_PER_DAY + dt.timedelta.max.seconds
_DATETIME_SECONDS_MAX = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(seconds=1)

_SHOWN_BITS = 128
"""A longer number is described by its length: Python refuses to print one of 4301 digits."""


def duration_parts(delta: dt.timedelta) -> tuple[int, int]:
    """Take a timedelta apart into seconds and nanoseconds.

    Raises:
        ValueError: it is negative.

    >>> duration_parts(dt.timedelta(days=1, microseconds=5))
    (86400, 5000)
    """
    if delta.days < 0:
        raise ValueError(f"a duration is never negative, and {delta} is")
    return delta.days * _SECONDS_PER_DAY + delta.seconds, delta.microseconds * 1000


def timedelta_of(seconds: int, nanoseconds: int) -> dt.timedelta:
    """Make a timedelta of exactly this length; neither number is negative.

    Raises:
        ValueError: a second or more of nanoseconds, no whole number of microseconds, or longer
            than a timedelta holds.

    >>> timedelta_of(86400, 5000)
    datetime.timedelta(days=1, microseconds=5)
    """
    microseconds = _microseconds(nanoseconds, "timedelta", "Duration")
    if seconds > _TIMEDELTA_SECONDS_MAX:
        raise ValueError(
            f"{seconds} seconds are longer than a timedelta holds, which is "
            f"{_TIMEDELTA_SECONDS_MAX}; a Duration holds them"
        )
    return dt.timedelta(0, seconds, microseconds)


def time_parts(when: dt.datetime) -> tuple[int, int]:
    """Take a moment apart into seconds and nanoseconds since the Unix epoch.

    A moment of another time zone's year 9999 that is UTC's year 10000 is taken, but `datetime_of`
    will not give it back.

    Raises:
        ValueError: it has no time zone, or is before 1970.

    >>> time_parts(dt.datetime(1970, 1, 2, microsecond=5, tzinfo=dt.UTC))
    (86400, 5000)
    """
    if when.utcoffset() is None:
        raise ValueError(
            f"{when.isoformat()} has no time zone, so it may be any of many moments; "
            "give it one, such as datetime.UTC"
        )
    since = when - _EPOCH
    if since.days < 0:
        raise ValueError(
            f"{when.isoformat()} is before 1970-01-01T00:00:00Z, where a SystemTime begins"
        )
    return since.days * _SECONDS_PER_DAY + since.seconds, since.microseconds * 1000


def datetime_of(seconds: int, nanoseconds: int) -> dt.datetime:
    """Make the UTC datetime this long after the Unix epoch; neither number is negative.

    Raises:
        ValueError: a second or more of nanoseconds, no whole number of microseconds, or past the
            year 9999.

    >>> datetime_of(86400, 5000).isoformat()
    '1970-01-02T00:00:00.000005+00:00'
    """
    microseconds = _microseconds(nanoseconds, "datetime", "SystemTime")
    if seconds > _DATETIME_SECONDS_MAX:
        raise ValueError(
            f"{seconds} seconds after 1970 is past the year 9999, where a datetime ends; "
            "a SystemTime holds it"
        )
    return _EPOCH + dt.timedelta(0, seconds, microseconds)


def _microseconds(nanoseconds: int, target: str, instead: str) -> int:
    """The microseconds of less than a second, where they are whole."""
    microseconds, rest = divmod(nanoseconds, 1000)
    if nanoseconds >= NANOSECONDS_PER_SECOND:
        raise ValueError(f"nanoseconds must be below {NANOSECONDS_PER_SECOND}, not {nanoseconds}")
    if rest:
        raise ValueError(
            f"{nanoseconds} nanoseconds are no whole number of microseconds, and a {target} "
            f"holds only those; a {instead} holds them"
        )
    return microseconds


def _checked(name: str, value: object, most: int) -> int:
    """Return a plain int of 0 to `most`, and refuse all else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not 0 <= value <= most:
        bits = value.bit_length()
        found = f"{value:d}" if bits <= _SHOWN_BITS else f"a number of {bits} bits"
        raise ValueError(f"{name} must be 0 to {most}, not {found}")
    return int(value)


class _Nanoseconds:
    """An exact, immutable count of nanoseconds, in the two numbers that Rust keeps it in.

    No dataclass: pydantic would take its fields for its JSON form wherever it meets a value
    without a schema, such as the default of a field in a JSON Schema.
    """

    __slots__ = ("_nanoseconds", "_seconds")
    __match_args__ = ("seconds", "nanoseconds")

    _json_keys: ClassVar[tuple[str, str]]

    def __init__(self, seconds: int, nanoseconds: int = 0) -> None:
        # The usual case is told apart here: two calls would nearly double its cost.
        if type(seconds) is not int or not 0 <= seconds <= SECONDS_MAX:
            seconds = _checked("seconds", seconds, SECONDS_MAX)
        if type(nanoseconds) is not int or not 0 <= nanoseconds < NANOSECONDS_PER_SECOND:
            nanoseconds = _checked("nanoseconds", nanoseconds, NANOSECONDS_PER_SECOND - 1)
        self._seconds = seconds
        self._nanoseconds = nanoseconds

    @classmethod
    def from_nanoseconds(cls, total: int) -> Self:
        """Make it of one count of nanoseconds, which is the exact inverse of `total_nanoseconds`.

        Raises:
            TypeError: the count is no int.
            ValueError: it is negative, or of 2⁶⁴ seconds or more.
        """
        total = _checked("the total of nanoseconds", total, TOTAL_NANOSECONDS_MAX)
        return cls(*divmod(total, NANOSECONDS_PER_SECOND))

    @property
    def seconds(self) -> int:
        """Whole seconds, 0 to 2⁶⁴ - 1."""
        return self._seconds

    @property
    def nanoseconds(self) -> int:
        """The nanoseconds beyond the whole seconds, 0 to 999999999."""
        return self._nanoseconds

    @property
    def total_nanoseconds(self) -> int:
        """All of it in nanoseconds."""
        return self._seconds * NANOSECONDS_PER_SECOND + self._nanoseconds

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.total_nanoseconds == other.total_nanoseconds

    # All four are written out: mypy loses those that `functools.total_ordering` adds.
    def __lt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.total_nanoseconds < other.total_nanoseconds

    def __le__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.total_nanoseconds <= other.total_nanoseconds

    def __gt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.total_nanoseconds > other.total_nanoseconds

    def __ge__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.total_nanoseconds >= other.total_nanoseconds

    def __hash__(self) -> int:
        return hash((type(self), self._seconds, self._nanoseconds))

    def __repr__(self) -> str:
        name = type(self).__qualname__
        return f"{name}(seconds={self._seconds}, nanoseconds={self._nanoseconds})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return type(self), (self._seconds, self._nanoseconds)

    def _fraction(self) -> str:
        """The nanoseconds as `.5`, or nothing where there are none."""
        return f".{self._nanoseconds:09d}".rstrip("0.")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> Any:  # pydantic's schemas are plain dicts; writing them so keeps pydantic unimported
        seconds_key, nanoseconds_key = cls._json_keys

        def from_json(parts: dict[str, int]) -> object:
            return cls(parts[seconds_key], parts[nanoseconds_key])

        def to_json(value: _Nanoseconds) -> dict[str, int]:
            return {seconds_key: value.seconds, nanoseconds_key: value.nanoseconds}

        parts = {
            "type": "typed-dict",
            "fields": {
                seconds_key: _json_field("u64", SECONDS_MAX),
                nanoseconds_key: _json_field("u32", NANOSECONDS_PER_SECOND - 1),
            },
            "extra_behavior": "forbid",
            "metadata": {"pydantic_js_updates": {"title": cls.__name__}},
        }
        return {
            "type": "json-or-python",
            "json_schema": {
                "type": "function-after",
                "function": {"type": "no-info", "function": from_json},
                "schema": parts,
            },
            "python_schema": {"type": "is-instance", "cls": cls},
            "serialization": {
                "type": "function-plain",
                "function": to_json,
                "when_used": "json",
            },
        }


def _json_field(width: str, most: int) -> dict[str, Any]:
    """A required number of a JSON object; its width keeps a message from taking it for an I64."""
    bounds = {"strict": True, "ge": 0, "le": most, "metadata": {"lazyipc_width": width}}
    return {"type": "typed-dict-field", "schema": {"type": "int", **bounds}, "required": True}


class Duration(_Nanoseconds):
    """A length of time, exact to the nanosecond and never negative.

    pydantic takes instances only; JSON is serde_json's `{"secs": 1, "nanos": 5}`.

    Args:
        seconds: whole seconds, 0 to 2⁶⁴ - 1.
        nanoseconds: those beyond the seconds, 0 to 999999999; they do not carry.

    Raises:
        TypeError: one of them is no int.
        ValueError: one of them is out of its range.

    Wire: u64 seconds, then u32 nanoseconds, in the width and order of the configuration.

    Source: Rust's `std::time::Duration`; `impl Serialize for Duration` in serde.

    >>> Duration(1, 5)
    Duration(seconds=1, nanoseconds=5)
    >>> str(Duration(1, 5)), str(Duration.from_nanoseconds(1_500_000_000))
    ('1.000000005s', '1.5s')
    """

    __slots__ = ()
    _json_keys = ("secs", "nanos")

    def __init__(self, seconds: int = 0, nanoseconds: int = 0) -> None:
        super().__init__(seconds, nanoseconds)

    @classmethod
    def from_timedelta(cls, delta: dt.timedelta) -> Self:
        """Make it as long as a timedelta.

        Raises:
            ValueError: the timedelta is negative.
        """
        return cls(*duration_parts(delta))

    def timedelta(self) -> dt.timedelta:
        """Give the timedelta of exactly this length.

        Raises:
            ValueError: it is no whole number of microseconds, or longer than a timedelta holds.
        """
        return timedelta_of(self._seconds, self._nanoseconds)

    def total_seconds(self) -> float:
        """Give the nearest float, in seconds; from 97 days on it blurs single nanoseconds."""
        return self.total_nanoseconds / NANOSECONDS_PER_SECOND

    def __str__(self) -> str:
        return f"{self._seconds}{self._fraction()}s"


class SystemTime(_Nanoseconds):
    """A moment since the Unix epoch, 1970-01-01T00:00:00Z, exact to the nanosecond.

    A moment before the epoch has no form in serde, and so none here. Rust on Unix takes no more
    than 2⁶³ - 1 seconds. pydantic takes instances only; JSON is serde_json's
    `{"secs_since_epoch": 1, "nanos_since_epoch": 5}`.

    Args:
        seconds: whole seconds since the epoch, 0 to 2⁶⁴ - 1.
        nanoseconds: those beyond the seconds, 0 to 999999999; they do not carry.

    Raises:
        TypeError: one of them is no int.
        ValueError: one of them is out of its range.

    Wire: u64 seconds, then u32 nanoseconds, in the width and order of the configuration.

    Source: Rust's `std::time::SystemTime`; `impl Serialize for SystemTime` in serde.

    >>> moment = SystemTime.from_nanoseconds(1_767_323_045_000_000_006)  # as time.time_ns() gives
    >>> moment
    SystemTime(seconds=1767323045, nanoseconds=6)
    >>> str(moment)
    '2026-01-02T03:04:05.000000006Z'
    """

    __slots__ = ()
    _json_keys = ("secs_since_epoch", "nanos_since_epoch")

    @classmethod
    def from_datetime(cls, when: dt.datetime) -> Self:
        """Make it the moment that an aware datetime means, whatever its time zone.

        Raises:
            ValueError: the datetime has no time zone, or is before 1970.
        """
        return cls(*time_parts(when))

    def datetime(self) -> dt.datetime:
        """Give the datetime of exactly this moment, in UTC.

        Raises:
            ValueError: it is no whole number of microseconds, or past the year 9999.
        """
        return datetime_of(self._seconds, self._nanoseconds)

    def __str__(self) -> str:
        if self._seconds > _DATETIME_SECONDS_MAX:
            return f"{self._seconds}{self._fraction()}s since 1970-01-01T00:00:00Z"
        day_and_time = datetime_of(self._seconds, 0).replace(tzinfo=None).isoformat()
        return f"{day_and_time}{self._fraction()}Z"
