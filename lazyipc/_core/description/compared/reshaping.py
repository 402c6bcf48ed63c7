"""Types compared as JSON: whether a value that was written by the old one is read by the new one.

For a request the old client writes and the new server reads, strictly; for a reply the new server
writes and the old client reads, and passes over what it does not know. Knows descriptions of types
(docs/protocol.md, "Fingerprints") and which fields may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lazyipc._core.description.compared.demanding import Place
from lazyipc._core.lock.text import content_of, exact

_TEXTS = {"str", "path", "char", "uuid", "ipv4addr", "ipv6addr"}
_ANY_TEXT = ("str", "path")


class Reshaping:
    """What changes of types mean for JSON clients.

    Args:
        places: what the new description says of each path, where fields may be left out.
        is_reply: whether the server writes.
    """

    def __init__(self, places: Mapping[str, Place], *, is_reply: bool) -> None:
        self._places = places
        self._is_reply = is_reply
        self.found: dict[str, tuple[str, bool, str]] = {}
        """By path: how it was and is, whether that breaks JSON clients, and why or why not."""

    def compare(self, path: str, was: Any, now: Any) -> None:
        """Compare two types that stand at a path."""
        if was == now:
            return
        match was, now:
            case ["struct", before], ["struct", after]:
                self.compare_fields(path, dict(before), dict(after))
            case ["choice", before], ["choice", after]:
                held = [{name: content_of(of) for _, name, of in side} for side in (before, after)]
                self._compare_names(path, held[0], held[1])
            case ["enum", before], ["enum", after]:
                self._compare_members(path, before, after)
            case ["option", before], ["option", after]:
                self.compare(path, before, after)
            case ["option", before], _:
                why = "JSON clients never get null now."
                if not self._is_reply:
                    why = "JSON clients that give null get an error."
                self._tell(path, was, now, not self._is_reply, why)
                self.compare(path, before, now)
            case _, ["option", after]:
                why = "JSON clients go on giving a value."
                if self._is_reply:
                    why = "JSON clients that count on a value may get null."
                self._tell(path, was, now, self._is_reply, why)
                if was != "unit":  # null, which an Option takes
                    self.compare(path, was, after)
            case ["map", key, before], ["map", other, after]:
                if other != "str":  # keys are text, whatever they are of
                    self.compare(f"{path}{{}}", key, other)
                self.compare(f"{path}[]", before, after)
            case ["see" | "up", _], ["see" | "up", _]:
                pass  # they count what stands around them, and that is told of by itself
            case _:
                self._compare_plain(path, was, now)

    def compare_fields(self, path: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Compare the fields of two classes, by name and type."""
        for name in before:
            inner = f"{path}.{name}"
            if name in after:
                self.compare(inner, before[name], after[name])
            else:
                why = f"JSON clients that give {name} get an error: there is no such field."
                if self._is_reply:
                    why = f"JSON clients that look for {name} find nothing."
                self._keep(inner, f"{exact(before[name])} before, gone now", True, why)
        for name in after:
            if name not in before:
                self._tell_new_field(f"{path}.{name}", name, after[name])
        left, right = [n for n in before if n in after], [n for n in after if n in before]
        if left != right:
            text = f"fields in the order {', '.join(left)} before, {', '.join(right)} now"
            self._keep(path, text, False, "JSON clients see no order.")

    def _tell_new_field(self, path: str, name: str, type_: Any) -> None:
        text, place = f"absent before, {exact(type_)} now", self._places.get(path)
        if self._is_reply:
            self._keep(path, text, False, f"JSON clients find {name} beside what they know.")
        elif place is None or place.is_required:
            why = f"JSON clients get an error, for {name} is required."
            self._keep(path, text, True, why)
        else:
            why = f"JSON clients may leave it out; it is {place.default} then."
            self._keep(path, text, False, why)

    def compare_variants(self, path: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Compare what a reply may be, by the fields of each variant."""
        if not before.keys() & after.keys():
            text = f"{', '.join(before)} before, {', '.join(after)} now"
            self._keep(path, text, True, "JSON clients get nothing that they know.")
            return
        left, right = (
            {name: ["struct", [*map(list, fields.items())]] for name, fields in side.items()}
            for side in (before, after)
        )
        self._compare_names(path, left, right, behind=" ")

    def _compare_names(
        self, path: str, before: dict[str, Any], after: dict[str, Any], behind: str = "."
    ) -> None:
        for name in before:
            inner = f"{path}{behind}{name}"
            if name in after:
                self.compare(inner, before[name], after[name])
            elif self._is_reply:
                why = f"JSON clients never get {name} now."
                self._keep(inner, f"{exact(before[name])} before, gone now", False, why)
            else:
                why = f"JSON clients that give {name} get an error."
                self._keep(inner, f"{exact(before[name])} before, gone now", True, why)
        for name in after:
            if name not in before:
                why = f"JSON clients do not know {name}"
                why += ", and may be answered with it." if self._is_reply else " and never send it."
                self._keep(
                    f"{path}{behind}{name}", f"absent before, {exact(after[name])} now", False, why
                )

    def _compare_members(self, path: str, before: list[str], after: list[str]) -> None:
        known, known_now = frozenset(before), frozenset(after)
        gone = [name for name in before if name not in known_now]
        new = [name for name in after if name not in known]
        is_broken = bool(gone) and not self._is_reply
        why = "JSON clients know members by name."
        if is_broken:
            why = f"JSON clients that give {' or '.join(gone)} get an error."
        elif self._is_reply and new:
            why = f"JSON clients do not know {', '.join(new)}, and may be answered with it."
        self._tell(path, ["enum", before], ["enum", after], is_broken, why)

    # What is neither named nor tagged ------------------------------------------------------------

    def _compare_plain(self, path: str, was: Any, now: Any) -> None:
        before, after = _items(was), _items(now)
        if before is None or after is None:
            written, read = (now, was) if self._is_reply else (was, now)
            reason = _misfit(written, read, is_strict=not self._is_reply)
            who = "JSON clients: " if reason else "JSON clients go on: what is written is read."
            self._tell(path, was, now, bool(reason), f"{who}{reason}")
            return
        (length, parts), (other, others) = before, after
        fixed, given = (length, other) if self._is_reply else (other, length)
        if fixed is not None and fixed != given:
            whose = "they count on" if self._is_reply else "the server wants"
            self._tell(path, was, now, True, f"JSON clients: {whose} {fixed} items.")
        elif was[0] != now[0]:
            self._tell(path, was, now, False, "JSON clients go on: both are arrays.")
        if len(parts) == len(others) == 1:
            # Of a sequence of atoms that changed, a lock tells at the sequence.
            is_plain = isinstance(parts[0], str) and isinstance(others[0], str)
            self.compare(path if is_plain else f"{path}[]", parts[0], others[0])
        else:
            most = max(len(parts), len(others))
            pairs = zip(_spread(parts, most), _spread(others, most), strict=False)
            for position, (left, right) in enumerate(pairs):
                self.compare(f"{path}[{position}]", left, right)

    def _tell(self, path: str, was: Any, now: Any, is_broken: bool, why: str) -> None:
        self._keep(path, f"{exact(was)} before, {exact(now)} now", is_broken, why)

    def _keep(self, path: str, text: str, is_broken: bool, why: str) -> None:
        """Keep what was found; of two things at one path, one that breaks somebody."""
        if path not in self.found or (is_broken and not self.found[path][1]):
            self.found[path] = text, is_broken, why


def _items(type_: Any) -> tuple[int | None, list[Any]] | None:
    """How many items an array has, if that is fixed, and what each is; None for what is none."""
    match type_:
        case "bytes":
            return None, ["u8"]
        case ["vec" | "set", item]:
            return None, [item]
        case ["array", item, int(length)]:
            return length, [item]
        case ["tuple", list(items)] if items:
            return len(items), items
    return None


def _spread(parts: list[Any], count: int) -> list[Any]:
    return parts * count if len(parts) == 1 else parts


def _range(type_: Any) -> tuple[int, int] | None:
    """The least and the largest integer of a width."""
    if not (isinstance(type_, str) and type_[:1] in ("u", "i") and type_[1:].isdecimal()):
        return None
    bits = int(type_[1:])
    return (0, 2**bits - 1) if type_[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _misfit(written: Any, read: Any, *, is_strict: bool) -> str:
    """Why a value of one type is none of another in JSON; empty where it is.

    Args:
        is_strict: whether a number beyond the reader's width is refused.

    >>> _misfit("u16", "u8", is_strict=True)
    'numbers beyond 0 … 255 are refused.'
    >>> _misfit("u8", "f64", is_strict=True)
    ''
    """
    given, taken = _range(written), _range(read)
    if given and taken:
        fits = taken[0] <= given[0] and given[1] <= taken[1]
        return (
            "" if fits or not is_strict else f"numbers beyond {taken[0]} … {taken[1]} are refused."
        )
    if given and read in ("f32", "f64"):
        return ""
    if written in ("f32", "f64"):
        if taken:
            return "what is no integer cannot be read."
        if read in ("f32", "f64"):
            return "numbers too large for f32 are refused." if is_strict and read == "f32" else ""
    if isinstance(written, list) and written[0] == "enum" and read in _ANY_TEXT:
        return ""  # a member's name
    if isinstance(written, str) and isinstance(read, str) and {written, read} <= _TEXTS:
        return "" if read in _ANY_TEXT else f"text that is no {read} cannot be read."
    return f"{exact(written)} and {exact(read)} are different JSON."
