"""`lazyipc stats`: one picture of a server's counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lazyipc._io.runtime_dir import name_of
from lazyipc._plain_client import PlainClient
from lazyipc._target import path_of
from lazyipc.cli._app import json_option
from lazyipc.cli._shown.span import span
from lazyipc.cli._views.timeout import timeout_option

if TYPE_CHECKING:
    from lazyipc.cli._app import State
    from lazyipc.cli._shown.output import Output
    from lazyipc.cli._shown.table import Part

MEANINGS = {
    "clients": "connected now, this question's too",
    "accepted": "connections taken",
    "refused": "connections of users who may not speak to it, or that it could not watch",
    "pauses": "times that accepting paused, for there were too many",
    "dropped": "connections closed, for a client broke a rule or a limit",
    "too_slow": "of those: half a message, and no more for too long",
    "commands": "run, whatever came of them",
    "failed": "of those: raised what nobody expected",
    "rejected": "requests answered with an error and not run",
    "expired": "of those: their time was up before their turn",
    "too_large": "over a limit of size",
    "described": "questions like this one that were answered",
    "polls": "calls of handle_new_messages",
    "interval": "from one poll to the next, about",
    "turns": "polls that found something",
    "turn_seconds": "spent in them",
    "longest_turn_seconds": "the longest of them",
    "deferred": "polls that left something for the next one",
    "backlogs": "replies that waited for a client who did not read",
    "received_bytes": "taken in",
    "sent_bytes": "sent out",
    "unlogged": "log records held back, for there were too many of one kind",
}
"""What each counter counts, in the order they are shown."""

_NOT_SHOWN = frozenset({"pid", "uptime", "start_ns", "clock"})
"""What stands in the line above, or says nothing to people."""


@click.command()
@click.argument("name")
@timeout_option
@json_option
@click.pass_obj
def stats(state: State, name: str, timeout: float | None) -> None:
    """Show what a server counted since it began.

    JSON: an object of the counters by name, of times in seconds, and of pid, uptime, start_ns and
    clock, by which one run of the server is told from the next; interval is null where it is not
    known.
    """
    path = path_of(name)
    with PlainClient(path, timeout=timeout) as client:
        told = client.stats()
    show_stats(state.out, told, name_of(path))


def show_stats(out: Output, told: dict[str, Any], name: str) -> None:
    """Show the counters of a server of this name."""
    if not out.is_terminal:
        out.print_json(told)
        return
    uptime = told.get("uptime")
    up = f", up {span(uptime)}" if isinstance(uptime, int | float) else ""
    out.text((name, "bold"), f"  pid {told.get('pid', '-')}{up}")
    out.text()
    names = [
        *(key for key in MEANINGS if key in told),
        *(key for key in told if key not in MEANINGS),
    ]
    rows: list[list[Part]] = [
        [(label(key), "bold"), value_text(key, told[key]), MEANINGS.get(key, "")]
        for key in names
        if key not in _NOT_SHOWN
    ]
    out.table(("COUNTER", "VALUE", "WHAT IT COUNTS"), rows)


def label(name: str) -> str:
    """What a counter is called for people.

    >>> label("sent_bytes"), label("turn_seconds")
    ('sent bytes', 'turn time')
    """
    return name.replace("_seconds", " time").replace("_", " ")


def value_text(name: str, value: Any) -> str:
    """A counter's value for people.

    >>> value_text("turn_seconds", 0.25), value_text("commands", 1200), value_text("interval", None)
    ('250 ms', '1,200', '-')
    """
    if value is None:
        return "-"
    if type(value) not in (int, float):
        return str(value)
    if name.endswith("_seconds") or name == "interval":
        return span(value)
    return f"{value:,}"
