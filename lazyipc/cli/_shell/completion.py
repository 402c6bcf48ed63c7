"""What may stand where the cursor is: commands, options, members of enums, true and false.

Pure: a line and a description in, candidates out. What is offered is inserted as it is, so a name
that a terminal would act upon is not offered; what is shown beside it has gone through `_safe`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from lazyipc._core.description.model import CommandInfo, Description
from lazyipc._core.nearest import UnknownName, folded
from lazyipc._core.record import Value
from lazyipc.cli._shell.builtins import BUILTINS, builtin_of, written
from lazyipc.cli._shell.line import Word, quoted, words_of
from lazyipc.cli._shell.place import (
    Place,
    Slot,
    members_of,
    option_slot,
    place_of,
    slot_of,
)
from lazyipc.cli._shown.form import brief
from lazyipc.cli._shown.naming import type_name
from lazyipc.cli._shown.safe import clipped, shown
from lazyipc.cli._words.given import TEXTS, kind_of
from lazyipc.cli._words.words import is_number

MOST_CANDIDATES = 1_000
"""How many are offered: a menu of more is no help, and takes time to draw."""
LONGEST_TOLD = 200
"""Characters of a doc beside what is offered: a server may have put anything into it."""
TYPE_WIDTH = 32
"""Characters of a type, and of a default, beside an option; the toolbar tells the whole type."""


class Candidate(Value):
    """Something that may stand there: the word, and what is told of it."""

    text: str
    meta: str = ""


def completions(line: str, description: Description | None) -> tuple[int, list[Candidate]]:
    """What may stand at the end of a line of the shell: where it begins, and what it may be.

    Args:
        line: what stands before the cursor.
        description: the server's; None where it is not known.
    """
    words = words_of(line)
    typed = words.pop() if words and words[-1].end == len(line) else Word("", len(line), len(line))
    found = _found(words, typed, description)
    is_there = [each.text for each in found] == [line[typed.start :]]
    return typed.start, [] if is_there else found


def _found(words: list[Word], typed: Word, description: Description | None) -> list[Candidate]:
    if not words:
        every = [*_commands(description, written), *(_builtins() if typed.is_plain else ())]
        return _matching(every, typed.text)
    builtin = builtin_of(words[0])
    if builtin is not None:
        return _matching(_behind_builtin(builtin, words, description), typed.text)
    if description is None:
        return []
    found = candidates_for(description, [word.text for word in words], typed.text)
    return [Candidate(quoted(each.text), each.meta) for each in found]


def candidates_for(description: Description, words: Sequence[str], typed: str) -> list[Candidate]:
    """What may stand behind whole words of a command line; nothing where they make no sense.

    Args:
        words: the command and what follows it, unquoted.
        typed: the beginning of the word in question.
    """
    if not words:
        return _matching(_commands(description), typed)
    try:
        command = description.command(words[0])
    except UnknownName:
        return []
    place = place_of(words[1:], command, description)
    option, has_value, value = typed.partition("=")
    if place.takes_options and typed.startswith("-") and not is_number(typed):
        if not has_value:
            return _matching(_options(command, description, place, typed), typed)
        slot = option_slot(option, command, description)
        values = _matching(_values(slot), value) if slot else []
        return [Candidate(f"{option}={each.text}", each.meta) for each in values]
    found = [*_values(place.slot)] if place.slot else []
    if place.takes_options and not typed:
        found.extend(_options(command, description, place, typed))
    return _matching(found, typed)


def _matching(candidates: Iterable[Candidate], typed: str) -> list[Candidate]:
    """Those that begin as typed, whatever the case and hyphens, and are fit to be inserted."""
    sought = folded(typed)
    matching = (
        each
        for each in candidates
        if each.text.isprintable() and folded(each.text.lstrip("\\")).startswith(sought)
    )
    return [*islice(matching, MOST_CANDIDATES)]


def _commands(
    description: Description | None, as_typed: Callable[[str], str] = str
) -> Iterator[Candidate]:
    for command, name in names_of(description):
        yield Candidate(as_typed(name), first_line(command.doc))


def names_of(description: Description | None) -> list[tuple[CommandInfo, str]]:
    """Each command with its name as people type it: `set-rate`, if that is nobody else's."""
    commands = description.commands if description else ()
    names = [command.option_name for command in commands]
    shared = {name for name, count in Counter(names).items() if count > 1}
    return [
        (command, command.name if name in shared else name)
        for command, name in zip(commands, names, strict=True)
    ]


def name_of(command: CommandInfo, description: Description | None) -> str:
    """The same of one command."""
    found = (name for each, name in names_of(description) if each is command)
    return next(found, command.option_name)


def first_line(text: str) -> str:
    """The first line of a doc, fit for a terminal."""
    return shown(clipped(text.strip().partition("\n")[0], LONGEST_TOLD))


def _builtins() -> Iterator[Candidate]:
    for name, builtin in BUILTINS.items():
        yield Candidate(name, builtin.doc)


def _behind_builtin(
    name: str, words: Sequence[Word], description: Description | None
) -> Iterator[Candidate]:
    if name in ("help", "describe") and len(words) == 1:
        yield from _commands(description)
        if name == "help":
            yield from _builtins()


# Options -----------------------------------------------------------------------------------------


def _options(
    command: CommandInfo, description: Description, place: Place, typed: str
) -> Iterator[Candidate]:
    depth = typed.count(".") + 1
    for field in command.fields:
        slot = slot_of(field, description)
        if slot.option not in place.filled:
            yield from _slot_options(slot, description, place, depth)


def _slot_options(
    slot: Slot, description: Description, place: Place, depth: int
) -> Iterator[Candidate]:
    """The option of a slot and of its members, so many levels in."""
    if slot.option not in place.given or slot.is_sequence:
        told = meta_of(slot, description)
        yield Candidate(slot.option, told)
        if slot.is_flag:
            yield Candidate(f"--no-{slot.option.removeprefix('--')}", told)
    if depth and slot.option not in place.given:
        for inner in members_of(slot, description):
            yield from _slot_options(inner, description, place, depth - 1)


def meta_of(slot: Slot, description: Description) -> str:
    """What is told of a field in one line: its type, its default, the first line of its doc."""
    told = _short(type_name(slot.declared, description.definitions, slot.wire))
    if slot.path:
        pass
    elif slot.field.is_required:
        told += ", required"
    elif slot.field.has_default:
        default = brief(slot.field.default, slot.field.schema, description.definitions)
        told += f" = {_short(default)}"
    doc = first_line(str(slot.schema.get("description", "")))
    return f"{told} · {doc}" if doc else told


def _short(text: str) -> str:
    text = shown(text)
    return text if len(text) <= TYPE_WIDTH else text[: TYPE_WIDTH - 1] + "…"


# Values ------------------------------------------------------------------------------------------


def _values(slot: Slot) -> Iterator[Candidate]:
    """The words that a value may be, where there are but a few."""
    wire = slot.inner_wire
    if kind_of(wire) in ("vec", "set", "array"):
        wire = wire[1]
    match wire:
        case "bool":
            yield Candidate("true")
            yield Candidate("false")
        case ["enum", names]:
            for name in names:
                yield Candidate(name)
        case ["choice", cases]:
            for _, name, inner in cases:
                if not inner or inner == "unit":
                    yield Candidate(name)
    if slot.is_option and kind_of(slot.inner_wire) not in TEXTS:
        yield Candidate("null")
