"""The table of JSON forms: for each kind of shape how its values are read and written.

Reading goes from parsed JSON to what decoding bytes gives: dicts for models, instances for what
validates itself. Writing goes from a valid value to what `json.dumps` takes. The rows are in the
modules beside this one. Knows no text, no lines.

Source: serde_json 1.0, externally tagged; docs/protocol.md, "JSON".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from lazyipc._core.shape import Shape

MOST_SHOWN = 40
"""Characters of a text that are shown of what is refused."""

LONGEST_STEP = 200
"""Characters of a step that are shown: a key that is no field may be as long as its line."""


class Key(NamedTuple):
    """A step to a key of an object itself, not to its value: the name of a field or a variant."""

    text: str


class Entry(NamedTuple):
    """A step to what a map holds under a key."""

    text: str


class EntryKey(NamedTuple):
    """A step to such a key itself."""

    text: str


Step = str | int | Key | Entry | EntryKey
"""From a value to one inside it: a field or variant by name, an item by position, a map's entry."""


class Misfit(Exception):
    """A value that has no place; the steps to it grow while the exception climbs out.

    Args:
        reason: why, for people.
        steps: where in the value it is, the outermost first.
        size: where something is too large: how large it is.
        limit: and how large it may be.
    """

    def __init__(self, reason: str, *steps: Step, size: int = 0, limit: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps = steps
        self.size = size
        self.limit = limit

    def within(self, *steps: Step) -> Misfit:
        """The same, seen from further out."""
        self.steps = (*steps, *self.steps)
        return self


def path_of(steps: tuple[Step, ...]) -> str:
    """Steps as people write them.

    >>> path_of(("items", 3, "Circle", "colours", Entry("red")))
    'items[3].Circle.colours["red"]'
    """
    parts = []
    for step in steps:
        match step:
            case str(text) | Key(text):
                parts.append(f".{_printable(text[:LONGEST_STEP])}")
            case int():
                parts.append(f"[{step}]")
            case Entry(text) | EntryKey(text):
                parts.append(f"[{found(text)}]")
    return "".join(parts).removeprefix(".")


class Room:
    """What one message may still take, and what was seen of it.

    Args:
        elements: how many elements its sequences may have together.
        depth: how many times its recursive types may stand inside themselves.
    """

    __slots__ = ("depth", "depth_limit", "element_limit", "elements", "keys")

    def __init__(self, elements: int, depth: int) -> None:
        self.elements = self.element_limit = elements
        self.depth = self.depth_limit = depth
        self.keys = 0
        """How many keys the objects had that were read: fewer than were written, if one stands
        twice."""

    def charge(self, count: int) -> None:
        """Charge for elements of a sequence."""
        self.elements -= count
        if self.elements < 0:
            used = self.element_limit - self.elements
            raise Misfit("number of elements", size=used, limit=self.element_limit)

    def enter(self) -> None:
        """Go into a recursive type once more; whoever comes out of it adds one to `depth`."""
        if not self.depth:
            limit = self.depth_limit
            raise Misfit("levels of nesting", size=limit + 1, limit=limit)
        self.depth -= 1


Read = Callable[[Any, Room], Any]
"""What decoding would give for a JSON value; raises Misfit."""
Write = Callable[[Any], Any]
"""JSON data for a valid value; raises Misfit where JSON has none."""


@dataclass(frozen=True, slots=True)
class Form:
    """One row of the table; each column takes the shape.

    Raises:
        SchemaError: a type has no JSON form.
    """

    read: Callable[[Any], Read]
    write: Callable[[Any], Write]


FORMS: dict[type, Form] = {}
"""The row of each kind of shape."""


def reader(shape: Shape) -> Read:
    """A function that reads values of a shape."""
    return FORMS[type(shape)].read(shape)


def writer(shape: Shape) -> Write:
    """A function that writes values of a shape."""
    return FORMS[type(shape)].write(shape)


def found(value: Any) -> str:
    """A JSON value as a message tells of it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "an object"
        case list():
            return "an array"
        case str() if len(value) > MOST_SHOWN:
            return f"{_quoted(value[:MOST_SHOWN])}…"
        case str():
            return _quoted(value)
        case int() if abs(value) >= 10**MOST_SHOWN:
            return f"a number of more than {MOST_SHOWN} digits"
    return str(value)


def _quoted(text: str) -> str:
    return f'"{_printable(text)}"'


def _printable(text: str) -> str:
    """A text that does nothing to a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
