"""What `help` shows in the shell: what can be typed, and what one command takes.

Knows descriptions and where to show things; no servers, no lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from lazyipc._core.description.model import CommandInfo, Description
from lazyipc._core.nearest import UnknownName
from lazyipc.cli._shell.builtins import BUILTINS, written
from lazyipc.cli._shell.completion import first_line, name_of, names_of
from lazyipc.cli._shown.output import Output
from lazyipc.cli._words.words import Option

GRAMMAR = (
    "Values stand in the order of the fields, or behind their names: add 1 2, or add --a 1 --b 2."
)

LEAVE = frozenset({"exit", "quit"})
"""The shell's own words that must not be taken for a server's command that ends it."""


def show_help(
    out: Output,
    description: Description,
    name: str | None,
    option: Option,
    *,
    is_quoted: bool = False,
) -> None:
    """Show what can be typed, or what one command takes.

    Args:
        name: the command, or one of the shell's own words.
        option: what stands between a command's words beside its fields.
        is_quoted: whether the name is the server's command, though the shell has one like it.

    Raises:
        UnknownName: there is nothing of that name.
    """
    if name is None:
        _show_all(out, description)
    elif name in BUILTINS and not is_quoted:
        _show_builtin(out, description, name)
    else:
        show_command(out, description, command_named(description, name), option)


def command_named(description: Description, name: str) -> CommandInfo:
    """The server's command of a name.

    Raises:
        UnknownName: there is none; the shell's own words are among those that there are.
    """
    try:
        return description.command(name)
    except UnknownName as error:
        known = [*(written(name) for _, name in names_of(description)), *BUILTINS]
        raise UnknownName(error.what, name, known, error.where) from None


def show_command(
    out: Output, description: Description, command: CommandInfo, option: Option
) -> None:
    """Show what a command takes."""
    if not out.is_terminal:
        told = description.document["commands"]
        out.print_json(next(each for each in told if each["name"] == command.name))
        return
    from lazyipc.cli._shown.help import command_help  # for help texts only

    name = written(name_of(command, description))
    out.text(command_help(command, description, name, [option], out.width), multiline=True)


def hidden_text(description: Description | None) -> str:
    """How commands are called whose names the shell has taken; empty where there are none."""
    names = [name for _, name in names_of(description)]
    told = []
    for name in names:
        if name in BUILTINS:
            does = "leaves the shell" if name in LEAVE else "is of the shell"
            told.append(f"{name} {does}, {written(name)} is the server's command")
    return "; ".join(told)


def _show_all(out: Output, description: Description) -> None:
    if not out.is_terminal:
        commands = {each.name: each.doc for each in description.commands}
        own = {name: each.doc for name, each in BUILTINS.items()}
        out.print_json({"commands": commands, "shell": own})
        return
    told: Sequence[tuple[str, str]] = [
        (written(name), first_line(each.doc)) for each, name in names_of(description)
    ]
    out.table(["COMMAND", "WHAT IT DOES"], [((name, "bold"), doc) for name, doc in told])
    out.text()
    own_words = [(f"{name} {each.usage}".rstrip(), each.doc) for name, each in BUILTINS.items()]
    out.table(["OF THE SHELL", ""], [((name, "bold"), doc) for name, doc in own_words])
    out.text()
    out.text(GRAMMAR)
    hidden = hidden_text(description)
    if hidden:
        out.text(hidden)


def _show_builtin(out: Output, description: Description, name: str) -> None:
    own = BUILTINS[name]
    if not out.is_terminal:
        out.print_json({"name": name, "usage": own.usage, "doc": own.doc})
        return
    out.text((f"{name} {own.usage}".rstrip(), "bold"), f": {own.doc}")
    hidden = hidden_text(description)
    if hidden:
        out.text(hidden)
