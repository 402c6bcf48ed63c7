"""Lengths of time and counts as people read them. Knows numbers only."""

from __future__ import annotations

from math import isfinite

_UNITS = (
    (86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "us"),
)  # fmt: skip


def span(seconds: float | None) -> str:
    """A length of time in two or three digits; `-` where it is not known.

    >>> [span(s) for s in (0.0021, 0.25, 12.04, 119.9, 7560.0, 0, None)]
    ['2.1 ms', '250 ms', '12 s', '2 min', '2.1 h', '0 s', '-']
    """
    if seconds is None or not isfinite(seconds):
        return "-"
    for size, unit in _UNITS:
        if seconds >= size * 0.9995:
            amount = seconds / size
            return (
                f"{amount:.0f} {unit}"
                if amount >= 9.95
                else f"{amount:.1f} {unit}".replace(".0 ", " ")
            )
    return f"{seconds * 1e9:.0f} ns" if seconds >= 0.5e-9 else "0 s"


def ago(seconds: float | None) -> str:
    """How long ago something was.

    >>> ago(0.002), ago(None)
    ('2 ms ago', '-')
    """
    return "-" if seconds is None else f"{span(seconds)} ago"


def many(count: int, one: str, more: str = "") -> str:
    """A count of things.

    >>> many(1, "client"), many(1200, "client"), many(2, "entry", "entries")
    ('1 client', '1,200 clients', '2 entries')
    """
    return f"{count:,} {one if count == 1 else more or one + 's'}"
