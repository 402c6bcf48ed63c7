"""What the toolbar tells while a line is typed: the command's signature, and the field it is at.

Pure: a line and a description in, lines of styled text out. Everything of a server's has gone
through `_safe`.
"""

from __future__ import annotations

from lazyipc._core.description.model import CommandInfo, Description, FieldInfo
from lazyipc._core.nearest import UnknownName
from lazyipc._core.schema import text_of
from lazyipc.cli._shell.builtins import BUILTINS, builtin_of
from lazyipc.cli._shell.completion import first_line, name_of
from lazyipc.cli._shell.line import words_of
from lazyipc.cli._shell.place import Place, Slot, option_slot, place_of
from lazyipc.cli._shown.form import brief
from lazyipc.cli._shown.naming import returned_name, type_name
from lazyipc.cli._shown.safe import shown

Part = tuple[str, str]
"""A piece of text and what it is: `name`, `current`, or nothing in particular."""

TYPE_WIDTH = 24
"""Characters of a type in a signature; that of the field one is at is told whole beside it."""
START = "Tab shows what can be typed; help tells more."


def hint(line: str, description: Description | None, width: int = 80) -> list[list[Part]]:
    """The lines of the toolbar.

    Args:
        line: what stands before the cursor.
        description: the server's; None where it is not known.
        width: how many columns there are; what would stand beyond them is left out.
    """
    words = words_of(line)
    if not words:
        return [[(START, "")]]
    is_first = len(words) == 1 and words[0].end == len(line)
    builtin = builtin_of(words[0])
    if builtin is not None:
        own = BUILTINS[builtin]
        return [[(builtin, "name"), (f" {own.usage}".rstrip(), "")], [(own.doc, "")]]
    if description is None:
        return [[("what the server understands is not known yet", "")]]
    try:
        command = description.command(words[0].text)
    except UnknownName as error:
        return [[(START if is_first else _cut(shown(error), width), "")]]
    typed = "" if words[-1].end < len(line) or is_first else words.pop().text
    place = place_of([word.text for word in words[1:]], command, description)
    slot = None if is_first else _slot(typed, place, command, description)
    told = [_signature(command, description, slot, width)]
    told.append([(_cut(_field(slot) if slot else first_line(command.doc), width), "")])
    return told


def _slot(typed: str, place: Place, command: CommandInfo, description: Description) -> Slot | None:
    """What the word under the cursor is, or gives, a value for."""
    if place.takes_options and typed.startswith("--"):
        return option_slot(typed.partition("=")[0], command, description)
    return place.slot


def _field(slot: Slot) -> str:
    """All that is known of a field, in a line."""
    name = ".".join((slot.field.name, *slot.path))
    told = [f"{shown(name)}: {shown(text_of(slot.wire))}"]
    if not slot.path:
        told += [shown(each) for each in slot.field.constraints]
    doc = first_line(str(slot.schema.get("description", "")))
    return ", ".join(told) + (f" · {doc}" if doc else "")


def _signature(
    command: CommandInfo, description: Description, slot: Slot | None, width: int
) -> list[Part]:
    """`set-rate(lr: f64) -> Progress`, with the field one is at marked and in sight."""
    fields = [_declared(field, description) for field in command.fields]
    at = command.fields.index(slot.field) if slot else -1
    name = shown(name_of(command, description))
    behind = f") -> {shown(returned_name(command, description.definitions))}"
    first = 0
    while first < at and _length(name, fields[first : at + 1], first) > width:
        first += 1  # what was passed makes room for what is now
    parts: list[Part] = [(name, "name"), ("(…, " if first else "(", "")]
    for number, field in enumerate(fields[first:], first):
        parts.append((field, "current" if number == at else ""))
        parts.append((", ", ""))
    if fields:
        parts.pop()
    parts.append((behind, ""))
    return _fitting(parts, width)


def _declared(field: FieldInfo, description: Description) -> str:
    type_text = shown(type_name(field.schema, description.definitions, field.wire))
    if len(type_text) > TYPE_WIDTH:
        type_text = type_text[: TYPE_WIDTH - 1] + "…"
    told = f"{shown(field.name)}: {type_text}"
    if field.is_required:
        return told
    if not field.has_default:
        return f"{told} = …"
    default = brief(field.default, field.schema, description.definitions)
    return f"{told} = {default if len(default) <= TYPE_WIDTH else '…'}"


def _length(name: str, fields: list[str], first: int) -> int:
    return len(name) + (5 if first else 1) + sum(map(len, fields)) + 2 * len(fields)


def _fitting(parts: list[Part], width: int) -> list[Part]:
    """The parts that there is room for."""
    fitting: list[Part] = []
    left = width
    for text, style in parts:
        if left <= 0:
            break
        fitting.append((_cut(text, left), style))
        left -= len(text)
    return fitting


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
