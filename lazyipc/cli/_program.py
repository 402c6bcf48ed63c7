"""The sub-commands of `lazyipc` by name, and what the program is called.

Knows names and texts only, so that everything else may know these.
"""

from __future__ import annotations

import os
import sys

from lazyipc._core.record import Value


class SubCommand(Value):
    """A sub-command of `lazyipc`.

    Args:
        home: the module of its `click.Command`, and the name it has there.
        text: what it does, in a line.
    """

    home: str
    text: str


COMMANDS = {
    "ls": SubCommand("_views.ls:ls", "List your servers and how they are."),
    "describe": SubCommand(
        "_views.describe:describe", "Show a server's commands, fields and docs."
    ),
    "call": SubCommand("_call_command:call", "Run a command of a server, or many."),
    "shell": SubCommand("_shell.command:shell", "Type commands at a prompt that completes them."),
    "status": SubCommand("_views.status:status", "Show whether a server polls, without its help."),
    "stats": SubCommand("_views.stats:stats", "Show a server's counters."),
    "watch": SubCommand("_views.watch:watch", "Show a server's counters as they change."),
    "schema": SubCommand("_views.schema:schema", "Write a server's description, or compare it."),
    "explain": SubCommand("_views.explain:explain", "Show bytes field by field."),
    "completion": SubCommand(
        "_completion_command:completion", "Print what makes a shell complete these words."
    ),
}
"""The sub-commands, in the order of the help text; each is imported when it is used."""


def program_name(prog: str | None) -> str:
    """How the program is called in its own texts."""
    return prog or os.path.basename(sys.argv[0]) or "lazyipc"
