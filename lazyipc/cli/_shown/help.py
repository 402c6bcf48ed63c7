"""Help and usage texts of commands, as click writes those of its own.

Knows descriptions and text; no servers. What comes of a server is made safe, and no longer than
anybody reads, before it is broken into lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazyipc._core.nearest import folded
from lazyipc.cli._shown.safe import clipped, shown
from lazyipc.cli._words.given import SEQUENCES, kind_of, unwrapped
from lazyipc.cli._words.words import Option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from lazyipc._core.description.model import CommandInfo, Description, FieldInfo

WIDEST = 100
"""Columns of a help text: longer lines are hard to read."""
NARROWEST = 30
WIDEST_TERM = 34
"""Columns of an option; what is longer has its text below."""
LONGEST_TYPE = 40

MOST_PARTS = 3
"""How many examples of options that give a part are shown."""

LONGEST_DOC = 10_000
"""Characters of one text that are shown: a server may have put anything into it."""
LONGEST_LINE = 500
"""The same of what stands in a table."""

HELP = ("-h, --help", "Show this message and exit.")
FIELDS = Option("json", "OBJECT", "All fields at once, as a JSON object.")


def usage_of(command: CommandInfo, program: str) -> str:
    """How a command is meant, in a line: required fields, and in brackets the others."""
    words = []
    for position, field in enumerate(command.fields):
        word = field.name.upper()
        if position == len(command.fields) - 1 and kind_of(unwrapped(field.wire)) in SEQUENCES:
            word += "..."
        words.append(word if field.is_required else f"[{word}]")
    return " ".join([f"Usage: {program} [OPTIONS]", *words])


def command_help(
    command: CommandInfo,
    description: Description,
    program: str,
    options: Iterable[Option],
    width: int,
) -> str:
    """The help text of one command."""
    told = [usage_of(command, program), *_paragraphs(command.doc, width)]
    told.append(wrapped(f"Returns {_returns(command, description)}.", "  ", width))
    if command.request is None:
        told.append(wrapped(f"It has no JSON form: {command.json}", "  ", width))
    fields = [(_field_term(field), _field_text(field, description)) for field in command.fields]
    told += _section("Fields", fields, width)
    parts = [part for field in command.fields if (part := _part_of(field))][:MOST_PARTS]
    if parts:
        text = f"A part of a field may be given by an option of its own: {', '.join(parts)}."
        told.append(wrapped(text, "  ", width))
    taken = {folded(field.name) for field in command.fields}
    own = [_option_row(option) for option in (FIELDS, *options) if option.name not in taken]
    own.append(HELP if "help" not in taken else ("-h", HELP[1]))
    told += _section("Options", own, width)
    return "\n\n".join(told)


def set_help(
    description: Description,
    program: str,
    options: Iterable[Option],
    others: Sequence[tuple[str, str]],
    width: int,
) -> str:
    """The help text of a whole set of commands.

    Args:
        others: sub-commands that are none of the set's, and what each does.
    """
    told = [f"Usage: {program} [OPTIONS] COMMAND [VALUES]...", *_paragraphs(description.doc, width)]
    rows = [(command.option_name, first_line(command.doc)) for command in description.commands]
    told += _section("Commands", rows, width)
    told += _section("More", others, width)
    told += _section("Options", [*map(_option_row, options), HELP], width)
    return "\n\n".join(told)


def program_help(usage: str, text: str, options: Iterable[Option], width: int) -> str:
    """The help text of a program."""
    rows = [*map(_option_row, options), HELP]
    return "\n\n".join([usage, *_paragraphs(text, width), *_section("Options", rows, width)])


def first_line(doc: str) -> str:
    """The first line of a doc."""
    return clipped(doc.strip().partition("\n")[0].strip(), LONGEST_LINE)


def _returns(command: CommandInfo, description: Description) -> str:
    """What a command gives back: a variant with its fields, or the variants of a family."""
    if command.family is not None:
        family = description.families[command.family]
        return " or ".join(_variant(variant.name, variant.fields) for variant in family.variants)
    match command.returns:
        case ["response", name, fields]:
            return _variant(name, fields)
    from lazyipc.cli._shown.naming import returned_name  # for help texts only

    return returned_name(command, description.definitions)


def _variant(name: str, fields: Iterable[Sequence[Any]]) -> str:
    from lazyipc._core.schema import text_of

    told = ", ".join(f"{field}: {text_of(wire)}" for field, wire in fields)
    return f"{name}({told})" if told else name


def _option_row(option: Option) -> tuple[str, str]:
    return f"--{option.name} {option.metavar}".rstrip(), option.help


def _field_term(field: FieldInfo) -> str:
    name = field.option_name
    if unwrapped(field.wire) == "bool":
        return f"--{name} / --no-{name}"
    type_text = field.type_text
    if len(type_text) > LONGEST_TYPE:
        type_text = f"{type_text[: LONGEST_TYPE - 1]}…"
    return f"--{name} {type_text}"


def _part_of(field: FieldInfo) -> str:
    """An option that gives a part of a field; empty where it has none."""
    match unwrapped(field.wire):
        case ["struct", [[str(name), _], *_]]:
            return f"--{field.option_name}.{name} VALUE"
        case ["map", "str" | "path", _]:
            return f"--{field.option_name}.KEY VALUE"
        case ["choice", cases]:
            for _, case, inner in cases:
                match inner:
                    case [[str(name), _], *_]:
                        return f"--{field.option_name}.{case}.{name} VALUE"
    return ""


def _field_text(field: FieldInfo, description: Description) -> str:
    notes = [*field.constraints]
    if field.is_required:
        notes.append("required")
    elif field.has_default and field.default is not None:
        from lazyipc.cli._shown.form import brief

        default = brief(field.default, field.schema, description.definitions)
        notes.append(f"default: {default}")
    note = f"[{'; '.join(notes)}]" if notes else ""
    return "  ".join(filter(None, (field.doc, note)))


def _section(title: str, rows: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Terms and what each means, side by side; nothing where there are none."""
    if not rows:
        return []
    fitting = [len(term) for term, _ in rows if len(term) <= WIDEST_TERM]
    first = max(fitting, default=0) + 2
    lines = [f"{title}:"]
    for term, text in ((shown(term), text) for term, text in rows):
        if not text:
            lines.append(f"  {term}")
            continue
        below = wrapped(text, " " * (first + 2), width)
        if len(term) + 2 <= first:
            below = f"  {term.ljust(first)}{below[first + 2 :]}"
        else:
            below = f"  {term}\n{below}"
        lines.append(below)
    return ["\n".join(lines)]


def _paragraphs(doc: str, width: int) -> list[str]:
    return [wrapped(text, "  ", width) for text in paragraphs(doc)]


def paragraphs(doc: str) -> list[str]:
    """The paragraphs of a doc."""
    return [text for text in clipped(doc.strip(), LONGEST_DOC).split("\n\n") if text.strip()]


def wrapped(text: str, indent: str, width: int) -> str:
    """A paragraph, safe, in lines of a width that is good to read."""
    from textwrap import fill  # for help texts only

    columns = max(min(width, WIDEST), len(indent) + NARROWEST)
    return fill(
        shown(" ".join(clipped(text, LONGEST_DOC).split())),
        columns,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
