"""The shell's own words: what each is for, and how a server's command of the same name is reached.

Knows names only; what they do is the session's business.
"""

from __future__ import annotations

from lazyipc._core.record import Value
from lazyipc.cli._shell.line import ESCAPE, Word


class Builtin(Value):
    """One of the shell's own words: what may stand behind it, and what it does."""

    usage: str
    doc: str


BUILTINS = {
    "help": Builtin("[COMMAND]", "What can be typed; what one command takes."),
    "describe": Builtin("[COMMAND]", "What the server tells of its commands, as it is now."),
    "status": Builtin("", "What the server's status page tells, without the host's help."),
    "stats": Builtin("", "The server's counters."),
    "timeout": Builtin(
        "[SECONDS]", "How long each call may take; own: each command's time; alone: as it is."
    ),
    "exit": Builtin("", "Leave; so does Ctrl-D."),
    "quit": Builtin("", "Leave."),
}


def builtin_of(word: Word) -> str | None:
    """The shell's own word that this is.

    One that is quoted, or has a backslash before it, is the server's command of that name.
    """
    return word.text if word.is_plain and word.text in BUILTINS else None


def written(command_name: str) -> str:
    """A command's name as it is typed.

    >>> print(written("set-rate"), written("help"))
    set-rate \\help
    """
    return ESCAPE + command_name if command_name in BUILTINS else command_name
