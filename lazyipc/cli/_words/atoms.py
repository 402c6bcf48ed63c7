"""One word of a command line as a JSON value, for each type that has no parts.

The types are those of the wire's descriptions (docs/protocol.md, "Fingerprints"), the values those
of its JSON. Knows words and types; no fields, no options, no files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "": 1_000_000_000,
    "m": 60_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
"""What stands behind the numbers of a length of time."""

SECONDS_MAX = (1 << 64) - 1

LONGEST_NUMBER = 1_000
"""Characters of a number: Python takes seconds for one of a million digits."""
MOST_SHOWN = 60
"""Characters of a word that an error shows."""


class BadWord(ValueError):
    """A word that is no value of its field, or no option.

    Args:
        reason: what is wanted, and what was found.
        field: the field's name, such as `point.x`; empty where it is about the words as a whole.
    """

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason, field)
        self.reason = reason
        self.field = field

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


def quoted(word: str) -> str:
    """A word as an error shows it."""
    return f'"{word}"' if len(word) <= MOST_SHOWN else f'"{word[:MOST_SHOWN]}…"'


def _refuse(wanted: str, word: str) -> NoReturn:
    raise BadWord(f"{wanted} is wanted, not {quoted(word)}")


def atom(word: str, wire: str) -> Any:
    """The JSON value that a word is of a type without parts.

    Raises:
        BadWord: it is none; says what is wanted, and the range.

    >>> atom("0x_ff", "u8"), atom("1.5s", "duration"), atom("yes", "bool")
    (255, {'secs': 1, 'nanos': 500000000}, True)
    """
    try:
        word.encode()
    except UnicodeEncodeError:
        raise BadWord("it holds bytes that are no UTF-8") from None
    if wire in _INTEGERS:
        return _integer(word, wire)
    return _ATOMS[wire](word)


def is_atom(wire: Any) -> bool:
    """Whether a type has no parts that words could give."""
    return isinstance(wire, str) and (wire in _INTEGERS or wire in _ATOMS)


# Numbers -----------------------------------------------------------------------------------------


def _range(wire: str) -> tuple[int, int]:
    bits = int(wire[1:])
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if wire[0] == "i" else (0, (1 << bits) - 1)


def _integer(word: str, wire: str) -> int:
    low, high = _INTEGERS[wire]
    wanted = f"a whole number from {low} to {high} ({wire})"
    sign, digits = (word[:1], word[1:]) if word[:1] in ("+", "-") else ("", word)
    if len(digits) > LONGEST_NUMBER or not digits.isascii() or not digits[:1].isdigit():
        _refuse(wanted, word)
    try:
        # With base 0 Python refuses 007, which nobody means as an octal number any more.
        value = int(sign + digits, 10 if digits.replace("_", "").isdigit() else 0)
    except ValueError:
        _refuse(wanted, word)
    if not low <= value <= high:
        raise BadWord(f"{quoted(word)} is out of range: {wanted} is wanted")
    return value


_INTEGERS = {
    f"{sign}{bits}": _range(f"{sign}{bits}") for sign in "iu" for bits in (8, 16, 32, 64, 128)
}


def _float(word: str) -> float | int:
    wanted = "a number"
    try:
        value = float(word)
    except ValueError:
        _refuse(wanted, word)
    if value - value != 0.0:
        raise BadWord(f"a finite number is wanted, not {quoted(word)}: JSON has no other")
    return value


def _bool(word: str) -> bool:
    folded = word.lower()
    if folded not in TRUE and folded not in FALSE:
        _refuse("true or false (or yes, no, on, off, 1, 0)", word)
    return folded in TRUE


# Text --------------------------------------------------------------------------------------------


def _text(word: str) -> str:
    return word


def _char(word: str) -> str:
    if len(word) != 1:
        _refuse("one character", word)
    return word


def _uuid(word: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", word):
        _refuse("a UUID, such as 67e55044-10b1-426f-9247-bb680e5fe0c8,", word)
    return word


def _address(version: int) -> Callable[[str], str]:
    wanted = (
        "an IPv4 address, such as 127.0.0.1," if version == 4 else "an IPv6 address, such as ::1,"
    )

    def read(word: str) -> str:
        import socket

        try:
            socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, word)
        except (OSError, ValueError):
            _refuse(wanted, word)
        return word

    return read


def _unit(word: str) -> None:
    if word not in ("", "null"):
        _refuse("null", word)


# Time --------------------------------------------------------------------------------------------

_LENGTH = re.compile("([0-9]+)(?:\\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?([a-zµμ]*)")


def nanoseconds_of(word: str) -> int:
    """A length of time in nanoseconds: `1.5s`, `200ms`, `1h30m`, or a number of seconds.

    Raises:
        BadWord: it is none.
    """
    wanted = "a length of time, such as 1.5s, 200ms, 2m, 1h30m or a number of seconds,"
    total, place = 0, 0
    folded = word.strip()
    if folded.startswith("-"):
        wanted = "a length of time that is not negative"
    while place < len(folded):
        part = _LENGTH.match(folded, place)
        is_last = part is not None and part.end() == len(folded)
        if part is None or part[4] not in NANOSECONDS or not (part[4] or (place == 0 and is_last)):
            _refuse(wanted, word)
        unit, fraction = NANOSECONDS[part[4]], part[2] or ""
        if len(part[1]) + len(fraction) > LONGEST_NUMBER:
            _refuse(wanted, word)
        shift = int(part[3] or 0) - len(fraction)
        amount = int(part[1] + fraction) * unit * 10 ** max(shift, 0)
        more, rest = divmod(amount, 10 ** max(-shift, 0))
        if rest:
            raise BadWord(f"{quoted(word)} is finer than a nanosecond")
        total += more
        place = part.end()
    if not folded:
        _refuse(wanted, word)
    return total


def timeout_of(word: str, name: str = "--timeout") -> float:
    """The seconds of a `--timeout`: a number of them, a length of time, or `inf`.

    Args:
        name: what it was given for.

    Raises:
        BadWord: it is none of these.
    """
    if word in ("inf", "never"):
        return float("inf")
    try:
        return nanoseconds_of(word) / NANOSECONDS["s"]
    except BadWord as error:
        raise BadWord(error.reason, name) from None
    except OverflowError:
        return float("inf")


def _duration(word: str) -> dict[str, int]:
    seconds, nanoseconds = divmod(nanoseconds_of(word), NANOSECONDS["s"])
    if seconds > SECONDS_MAX:
        raise BadWord(f"at most {SECONDS_MAX} seconds fit, not {quoted(word)}")
    return {"secs": seconds, "nanos": nanoseconds}


_SECONDS = re.compile("[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_FRACTION = re.compile("(?<=[0-9]{2})[.,]([0-9]+)")


def _moment(word: str) -> dict[str, int]:
    wanted = "a time, such as 2026-01-02T03:04:05Z or a number of seconds since 1970,"
    if _SECONDS.fullmatch(word):
        told = _duration(word)
        return {"secs_since_epoch": told["secs"], "nanos_since_epoch": told["nanos"]}
    from datetime import UTC, datetime, timedelta

    # `fromisoformat` drops the digits behind the microsecond.
    fraction = _FRACTION.search(word)
    digits = fraction[1] if fraction else ""
    try:
        when = datetime.fromisoformat(_FRACTION.sub("", word, 1))
    except ValueError:
        _refuse(wanted, word)
    if when.utcoffset() is None:
        raise BadWord(
            f"{quoted(word)} has no time zone: add Z for UTC, or what the clock is ahead: +01:00"
        )
    if digits.rstrip("0")[9:]:
        raise BadWord(f"{quoted(word)} is finer than a nanosecond")
    seconds = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    if seconds < 0:
        raise BadWord(f"a time from 1970 on is wanted, not {quoted(word)}")
    return {"secs_since_epoch": seconds, "nanos_since_epoch": int(digits[:9].ljust(9, "0"))}


_ATOMS: dict[str, Callable[[str], Any]] = {
    "f32": _float,
    "f64": _float,
    "bool": _bool,
    "char": _char,
    "str": _text,
    "path": _text,
    "unit": _unit,
    "uuid": _uuid,
    "duration": _duration,
    "systemtime": _moment,
    "ipv4addr": _address(4),
    "ipv6addr": _address(6),
}
