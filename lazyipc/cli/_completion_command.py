"""`lazyipc completion`: what makes a shell complete the command's words."""

from __future__ import annotations

import click

from lazyipc.cli._completion import SCRIPTS, script_of


@click.command()
@click.argument("shell", type=click.Choice([*SCRIPTS]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete sub-commands, servers, commands, fields and values.

    \b
    bash:  lazyipc completion bash > ~/.local/share/bash-completion/completions/lazyipc
    zsh:   lazyipc completion zsh > "${fpath[1]}/_lazyipc"
    fish:  lazyipc completion fish > ~/.config/fish/completions/lazyipc.fish

    What is offered behind `call NAME` comes of the running server, which is asked for at most half
    a second.
    """
    name = ctx.find_root().info_name or ""
    click.echo(script_of(shell, "lazyipc" if " " in name else name), nl=False)
