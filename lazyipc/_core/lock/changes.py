"""Two descriptions side by side: what differs, and whether bytes still mean the same.

Knows descriptions only; not where they come from, and not whom a difference hurts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lazyipc._core.lock.text import content_of, exact


def changes_between(path: str, was: Any, now: Any) -> Iterator[str]:
    """A line for each thing that differs between two descriptions, named by its path.

    >>> was, now = (["vec", ["struct", [["x", width]]]] for width in ("u8", "u16"))
    >>> list(changes_between("Draw.points", was, now))
    ['Draw.points[].x: u8 before, u16 now']
    """
    if was == now:
        return
    match was, now:
        case ["struct", before], ["struct", after]:
            yield from _changes_by_name(path, "fields", dict(before), dict(after))
        case ["response", str(name), before], ["response", str(other), after] if name == other:
            yield from changes_between(f"{path} {name}", ["struct", before], ["struct", after])
        case ["choice", before], ["choice", after]:
            cases = [{name: content_of(held) for _, name, held in side} for side in (before, after)]
            yield from _changes_by_name(path, "variants", *cases)
            place = {name: index for index, name, _ in after}
            for index, name, _ in before:
                yield from index_change(f"{path}.{name}", index, place.get(name, index))
        case ["tuple", before], ["tuple", after] if len(before) == len(after):
            for position, (left, right) in enumerate(zip(before, after, strict=True)):
                yield from changes_between(f"{path}[{position}]", left, right)
        case ["option", list(before)], ["option", list(after)]:
            yield from changes_between(path, before, after)
        case ["map", key, list(before)], ["map", same, list(after)] if key == same:
            yield from changes_between(f"{path}[]", before, after)
        case [str(kind), list(before), *more], [str(other), list(after), *same] if kind not in (
            "enum",
            "tuple",
            "map",
        ) and (kind, more) == (other, same):
            yield from changes_between(f"{path}[]", before, after)
        case _:
            yield f"{path}: {exact(was)} before, {exact(now)} now"


def _changes_by_name(
    path: str, what: str, before: dict[str, Any], after: dict[str, Any]
) -> Iterator[str]:
    for name in before:
        if name in after:
            yield from changes_between(f"{path}.{name}", before[name], after[name])
        else:
            yield f"{path}.{name}: {exact(before[name])} before, gone now"
    for name in after:
        if name not in before:
            yield f"{path}.{name}: absent before, {exact(after[name])} now"
    left, right = [n for n in before if n in after], [n for n in after if n in before]
    if left != right:
        yield f"{path}: {what} in the order {', '.join(left)} before, {', '.join(right)} now"


def index_change(path: str, was: int | None, now: int | None) -> Iterator[str]:
    """A line if an index differs; a set of one has none."""
    if was != now:
        before, after = ("none" if index is None else index for index in (was, now))
        yield f"{path}: index {before} before, {after} now"


def is_read_right(written: Any, known: Any) -> bool:
    """Whether bytes written as one description mean the same to who knows another, names unseen.

    A field that got another name is taken for the old one renamed; one that moved is not.

    >>> point = ["struct", [["x", "u8"], ["y", "u8"]]]
    >>> is_read_right(point, ["struct", [["x", "u8"], ["height", "u8"]]])
    True
    >>> is_read_right(point, ["struct", [["y", "u8"], ["x", "u8"]]])
    False
    """
    match written, known:
        case ["struct", list(left)], ["struct", list(right)]:
            return len(left) == len(right) and _are_read_right(left, right)
        case ["choice", left], ["choice", right]:
            by_index = {index: [name, content_of(held)] for index, name, held in right}
            cases = [[name, content_of(held)] for _, name, held in left]
            met = [by_index[index] for index, _, _ in left if index in by_index]
            return len(met) == len(cases) and _are_read_right(cases, met)
        case ["enum", left], ["enum", right]:
            members = [[[name, "unit"] for name in names] for names in (left, right)]
            return len(left) <= len(right) and _are_read_right(members[0], members[1][: len(left)])
        case ["response", _, left], ["response", _, right]:
            return is_read_right(["struct", left], ["struct", right])
        case ["tuple", list(left)], ["tuple", list(right)]:
            return _all_are_read_right(left, right)
        case [str(kind), *left], [str(other), *right]:
            return kind == other and _all_are_read_right(left, right)
    return bool(written == known)


def _all_are_read_right(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(map(is_read_right, left, right))


def _are_read_right(left: list[Any], right: list[Any]) -> bool:
    """The same for pairs of name and description that stand in the same places."""
    kept = {name for name, _ in left} & {name for name, _ in right}
    return all(
        (was == now or kept.isdisjoint((was, now))) and is_read_right(written, known)
        for (was, written), (now, known) in zip(left, right, strict=True)
    )
