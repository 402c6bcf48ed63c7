"""What `help` shows in the shell: what can be typed, and what one command takes.

Knows descriptions and where to show things; no servers, no lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from lazyipc._core.description.reading import CommandInfo, Description, UnknownName
from lazyipc.cli._shell.builtins import BUILTINS, written
from lazyipc.cli._shell.completion import first_line, name_of
from lazyipc.cli._shown.output import Output
from lazyipc.cli._words.words import Option

GRAMMAR = (
    "Values stand in the order of the fields, or behind their names: add 1 2, or add --a 1 --b 2."
)


def show_help(out: Output, description: Description, name: str | None, option: Option) -> None:
    """Show what can be typed, or what one command takes.

    Args:
        name: the command, or one of the shell's own words.
        option: what stands between a command's words beside its fields.

    Raises:
        UnknownName: there is nothing of that name.
    """
    if name is None:
        _show_all(out, description)
    elif name in BUILTINS:
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
        known = [*(name_of(each, description) for each in description.commands), *BUILTINS]
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
    out.text(command_help(command, description, name, [option], out.width))


def hidden_text(description: Description | None) -> str:
    """How commands are called whose names the shell has taken; empty where there are none."""
    commands = description.commands if description else ()
    hidden = [each for each in commands if name_of(each, description) in BUILTINS]
    if not hidden:
        return ""
    names = [name_of(each, description) for each in hidden]
    verb = "is a command" if len(names) == 1 else "are commands"
    called = ", ".join(map(written, names))
    return f"{', '.join(names)} {verb} of the server, too: {called}"


def _show_all(out: Output, description: Description) -> None:
    if not out.is_terminal:
        commands = {each.name: each.doc for each in description.commands}
        own = {name: each.doc for name, each in BUILTINS.items()}
        out.print_json({"commands": commands, "shell": own})
        return
    told: Sequence[tuple[str, str]] = [
        (written(name_of(each, description)), first_line(each.doc)) for each in description.commands
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
