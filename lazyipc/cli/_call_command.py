"""`lazyipc call` as click sees it: for the help text, and where options stand before `call`.

The work is done in `_call`, which click never parses for.
"""

from __future__ import annotations

from typing import Any

import click

from lazyipc.cli._app import State
from lazyipc.cli._asked import FIRST, OPTIONS
from lazyipc.cli._call import TEXT
from lazyipc.cli._call import call as run_call


class _Call(click.Command):
    """Takes every word behind `call` as it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = [*args]
        return []

    def invoke(self, ctx: click.Context) -> Any:
        return run_call(ctx.args, prog=ctx.command_path, json=ctx.ensure_object(State).json)


call = _Call(
    "call",
    params=[
        click.Argument(["name"]),
        click.Argument(["command"]),
        click.Argument(["values"], nargs=-1),
        *(
            click.Option([f"--{option.name}"], metavar=option.metavar or None, help=option.help)
            if option.metavar
            else click.Option([f"--{option.name}"], is_flag=True, help=option.help)
            for option in (*OPTIONS, *FIRST)
        ),
    ],
    help=TEXT,
)
