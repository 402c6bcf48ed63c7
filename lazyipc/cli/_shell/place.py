"""Where on a command's line somebody is: which field the next word is for, and which have theirs.

Reads words as `_words` does, but of a line that is not done yet, so nothing in it is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lazyipc._core.description.model import CommandInfo, Description, FieldInfo
from lazyipc._core.nearest import UnknownName, folded
from lazyipc._core.record import Record, Value
from lazyipc.cli._words.given import SEQUENCES, kind_of, unwrapped


class Slot(Value):
    """What a value is for: a field of the command, or a member of one that is a struct.

    Args:
        field: the command's field.
        path: the members on the way to it; empty for the field itself.
        declared: the value's JSON Schema as it stands there, which may be a reference.
        schema: the same, references followed.
        wire: the value's type.
    """

    field: FieldInfo
    path: tuple[str, ...]
    declared: dict[str, Any]
    schema: dict[str, Any]
    wire: Any

    @property
    def option(self) -> str:
        """Its name as an option: `--point.x`."""
        return "--" + ".".join((self.field.option_name, *self.path))

    @property
    def inner_wire(self) -> Any:
        """Its type; what is inside, if that is an Option."""
        return unwrapped(self.wire)

    @property
    def is_flag(self) -> bool:
        """Whether its option needs no value."""
        return not self.path and bool(self.inner_wire == "bool")

    @property
    def is_option(self) -> bool:
        """Whether it may be null."""
        return kind_of(self.wire) == "option"

    @property
    def is_sequence(self) -> bool:
        """Whether its option may stand more than once, each time for an item."""
        return kind_of(self.inner_wire) in SEQUENCES


class Place(Record):
    """What the word under the cursor is.

    Args:
        slot: what it is a value for; None where it is none, or for something unknown.
        is_value: an option stands before it whose value it is.
        takes_options: whether it may be an option.
        given: the options that stand on the line, as slots name them.
        filled: the options of the fields that got a value without one.
    """

    slot: Slot | None
    is_value: bool
    takes_options: bool
    given: set[str]
    filled: frozenset[str] = frozenset()


def slot_of(field: FieldInfo, description: Description) -> Slot:
    """The slot of a whole field."""
    return _slot(field, (), field.schema, field.wire, description)


def _slot(
    field: FieldInfo, path: tuple[str, ...], schema: Any, wire: Any, description: Description
) -> Slot:
    declared = schema if isinstance(schema, dict) else {}
    return Slot(field, path, declared, description.resolved(declared), wire)


def members_of(slot: Slot, description: Description) -> list[Slot]:
    """The slots inside one that is a struct or a choice, or an Option of one; else none."""
    match slot.inner_wire:
        case ["struct", fields]:
            schema = slot.schema if slot.wire is slot.inner_wire else _some(slot.schema)
            told = description.resolved(schema).get("properties", {})
            return [
                _slot(slot.field, (*slot.path, name), told.get(name), wire, description)
                for name, wire in fields
            ]
        case ["choice", cases]:
            return [
                Slot(slot.field, (*slot.path, name), {}, {}, _case_wire(inner))
                for _, name, inner in cases
                if inner and inner != "unit"
            ]
    return []


def _case_wire(inner: Any) -> Any:
    """What a variant holds, as a type: fields stand there without a word before them."""
    is_type = isinstance(inner, str) or isinstance(inner[0], str)
    return inner if is_type else ["struct", inner]


def _some(schema: dict[str, Any]) -> dict[str, Any]:
    """What an Option's schema says of a value that is there."""
    for branch in schema.get("anyOf", ()):
        if isinstance(branch, dict) and branch.get("type") != "null":
            return branch
    return schema


def option_slot(option: str, command: CommandInfo, description: Description) -> Slot | None:
    """What an option is for: `--lr`, `--no-flag`, `--point.x`; None where that is unknown."""
    name = option.removeprefix("--")
    slot = _field_slot(name, command, description)
    if slot is not None:
        return slot
    name, *path = name.split(".")
    slot = _field_slot(name, command, description)
    for step in path:
        inside = members_of(slot, description) if slot else []
        alike = [each for each in inside if folded(each.path[-1]) == folded(step)]
        slot = alike[0] if len(alike) == 1 else None
    if slot is None and not path and name.startswith("no-"):
        slot = _field_slot(name.removeprefix("no-"), command, description)
        return slot if slot is not None and (slot.is_flag or slot.is_option) else None
    return slot


def _field_slot(name: str, command: CommandInfo, description: Description) -> Slot | None:
    try:
        return slot_of(command.field(name), description)
    except UnknownName:
        return None


def place_of(words: Sequence[str], command: CommandInfo, description: Description) -> Place:
    """Where the word stands that comes after these.

    Args:
        words: those behind the command's name.
    """
    given: set[str] = set()
    positional = 0
    takes_options = True
    left = iter(words)
    for word in left:
        if not takes_options or not is_option(word):
            positional += 1
        elif word == "--":
            takes_options = False
        else:
            option, has_value, _ = word.partition("=")
            slot = option_slot(option, command, description)
            given.add(slot.option if slot else option)
            if has_value or (slot is not None and _needs_none(option, slot)):
                continue
            if next(left, None) is None:  # its value is what comes now
                return Place(slot, True, False, given)
    free = _free(given, command, description)
    filled = frozenset(slot.option for slot in free[:positional])
    # The last of them takes all that is left, if it is a sequence.
    takes_more = bool(free) and free[-1].is_sequence
    slot = free[positional] if positional < len(free) else free[-1] if takes_more else None
    return Place(slot, False, takes_options, given, filled)


def is_option(word: str) -> bool:
    """Whether a word is an option; `-5` is a number."""
    return word.startswith("--")


def _needs_none(option: str, slot: Slot) -> bool:
    """Whether an option takes no value of its own: that of a flag, and one that says no."""
    is_no = option.startswith("--no-") and folded(option) != folded(slot.option)
    return slot.is_flag or (is_no and not slot.path)


def _free(given: set[str], command: CommandInfo, description: Description) -> list[Slot]:
    """The fields that no option gives: those that values without a name are for, in order."""
    slots = (slot_of(field, description) for field in command.fields)
    return [
        slot
        for slot in slots
        if not any(name == slot.option or name.startswith(slot.option + ".") for name in given)
    ]
