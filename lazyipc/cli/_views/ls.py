"""`lazyipc ls`: the servers of this user, and how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lazyipc._io.runtime_dir import possible_folders, runtime_folders
from lazyipc._running import running
from lazyipc.cli._app import json_option
from lazyipc.cli._shown.span import ago, span
from lazyipc.cli._views.status import STYLES

if TYPE_CHECKING:
    from lazyipc._running import Running
    from lazyipc.cli._app import State
    from lazyipc.cli._shown.table import Part

KEYS = (
    "name", "state", "pid", "last_poll_seconds", "interval_seconds", "commands", "clients",
    "uptime", "path",
)  # fmt: skip
"""What is told of each server."""


@click.command()
@json_option
@click.pass_obj
def ls(state: State) -> None:
    """List the servers of this user that have their sockets where runtime_path puts them.

    A server is alive if it answered, busy if it holds its socket and did not, dead if its process
    has ended and left the socket behind. A server at another path is asked by that path:
    `lazyipc status ./app.sock`.

    JSON: an object of servers (a list of objects of name, state, pid, last_poll_seconds,
    interval_seconds, commands, clients, uptime, path) and looked_in (the folders); null is what is
    not known.
    """
    found, looked_in = running(), [*runtime_folders()]
    if not state.out.is_terminal:
        servers = [{key: getattr(one, key) for key in KEYS} for one in found]
        state.out.print_json({"servers": servers, "looked_in": looked_in})
    elif found:
        headings = ("NAME", "STATE", "PID", "LAST POLL", "EVERY", "COMMANDS", "CLIENTS", "UP")
        state.out.table(headings, [_row(one) for one in found])
    else:
        state.out.text("No server of yours is running.")
        where = f"Looked in {', '.join(looked_in)}"
        if not looked_in:
            where = f"There is no {' or '.join(possible_folders())} yet"
        state.out.text(f"{where}; a server elsewhere is asked by its path.")


def _row(one: Running) -> list[Part]:
    def known(value: Any) -> str:
        return "-" if value is None else f"{value}"

    return [
        (one.name, "bold"),
        (one.state, STYLES.get(one.state, "")),
        known(one.pid),
        ago(one.last_poll_seconds),
        span(one.interval_seconds),
        known(one.commands),
        known(one.clients),
        span(one.uptime),
    ]
