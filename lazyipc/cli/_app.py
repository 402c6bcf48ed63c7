"""The `lazyipc` command as a click group whose sub-commands are imported when they are used.

A sub-command lives in a module of its own as a `click.Command`. Conventions that all keep:

- The server is the argument `name` (`@click.argument("name")`): an application's own program leaves
  it out and gives its path.
- `@json_option` gives a sub-command `--json`; `click.pass_obj` gives it the `State`.
- Errors of `lazyipc.errors`, and ValueErrors of what was typed, are left to leave: `_failure` tells
  them and knows the exit code. A sub-command that ends well with another code returns it.

`call` is run without any of this by `_start`, because click alone takes as long as a call.
"""

from __future__ import annotations

import copy
import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

import click

from lazyipc._version import __version__
from lazyipc.cli._failure import INTERRUPTED, MISUSED, complain
from lazyipc.cli._program import COMMANDS

if TYPE_CHECKING:
    from lazyipc.cli._shown.output import Output

SETTINGS = {"help_option_names": ["-h", "--help"]}


class State:
    """What the sub-commands share: click's `ctx.obj`.

    Args:
        json: whether JSON was asked for by `--json`.
        program: an application's own program, whose commands are its sub-commands; else empty.
    """

    def __init__(self, json: bool = False, program: str = "") -> None:
        self.json = json
        self.program = program

    @property
    def out(self) -> Output:
        """Where results are shown; made anew, for `--json` may come behind the sub-command."""
        from lazyipc.cli._shown.output import Output

        return Output(json=self.json, stream=sys.stdout)


def _set_json(context: click.Context, option: click.Parameter, is_given: bool) -> None:
    if is_given:
        context.ensure_object(State).json = True


json_option: Callable[[Any], Any] = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set_json,
    help="Print JSON, also on a terminal.",
)
"""Gives a sub-command `--json`."""


def load(name: str) -> click.Command:
    """Import the sub-command of this name."""
    module, _, attribute = COMMANDS[name].home.partition(":")
    home = importlib.import_module(f"lazyipc.cli.{module}")
    command: click.Command = getattr(home, attribute)
    command.context_settings = {**SETTINGS, **command.context_settings}
    return command


def bound(name: str, path: str) -> click.Command:
    """The sub-command of this name, for the server at a path: without the argument `name`."""
    command = load(name)
    assert command.callback is not None
    made = copy.copy(command)
    made.params = [param for param in command.params if param.name != "name"]
    made.callback = functools.partial(command.callback, name=path)
    return made


class Group(click.Group):
    """A group that knows its sub-commands by name only, until one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.text) for name, command in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Group, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="lazyipc")
@json_option
@click.pass_context
def app(ctx: click.Context) -> None:
    """Find the lazyipc servers that run, see what they understand, and command them.

    NAME is the name of a server of yours, as `lazyipc ls` lists them, or the path of a socket.
    """
    ctx.ensure_object(State)


def run(command: click.Command, arguments: Sequence[str], prog: str, state: State) -> int:
    """Run a click command to its end; its exit code.

    `click.Command.main` is not used: it takes a connection that broke for a reader that went.
    """
    try:
        with command.make_context(prog, [*arguments], obj=state) as context:
            code = command.invoke(context)
    except click.exceptions.Exit as ended:
        return int(ended.exit_code)
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        told = StringIO()
        error.show(told)
        complain(told.getvalue().rstrip("\n").replace("\n\t", "\n    "))  # one choice a line
        return MISUSED
    return code if type(code) is int else 0
