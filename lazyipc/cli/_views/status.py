"""`lazyipc status`: what a server's status page tells, which takes no help from its host."""

from __future__ import annotations

import os
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import click

from lazyipc._io.address import SOCKET, kind_of
from lazyipc._io.runtime_dir import name_of
from lazyipc._io.status_page import LOCK_SUFFIX, Status, read_status
from lazyipc._target import path_of
from lazyipc.cli._app import json_option
from lazyipc.cli._failure import NOT_RUNNING
from lazyipc.cli._shown.span import ago, many, span

if TYPE_CHECKING:
    from lazyipc.cli._app import State
    from lazyipc.cli._shown.output import Output

STYLES = {
    "alive": "bold green", "busy": "bold yellow", "dead": "bold red", "unknown": "bold",
    "none": "bold",
}  # fmt: skip
"""How each state is shown."""

LATE_SECONDS, LATE_POLLS = 1.0, 10
"""Longer ago than both of these, the last poll of a server that lives is worth a word."""


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def status(state: State, name: str) -> int:
    """Say whether a server lives and when it last polled, without asking it.

    It is read from the page that the server writes beside its socket, so it tells of a host that is
    busy, too, which it calls alive: only an answer tells the two apart, and `lazyipc ls` asks. A
    host that sleeps until somebody speaks polls no more often than that.

    JSON: an object of name, path, state (alive, dead, unknown, or none where nothing is), pid,
    uptime, polls, last_poll_seconds, interval_seconds (from one poll to the next, about), clients,
    commands; null is what is not known. Exits with 3 unless it is alive.
    """
    return show_page(state.out, os.path.abspath(path_of(name)))


def show_page(out: Output, path: str) -> int:
    """Show what the status page at a path tells; what to exit with."""
    seen = {"name": name_of(path), "path": path, **page_of(path)}
    if out.is_terminal:
        _show(out, seen)
    else:
        out.print_json(seen)
    return 0 if seen["state"] == "alive" else NOT_RUNNING


def page_of(path: str) -> dict[str, Any]:
    """What the status page at a path tells, by the keys of the JSON output."""
    page = read_status(path)
    if page is None:
        names = "pid", "uptime", "polls", "last_poll_seconds", "interval_seconds", "clients"
        is_there = os.path.lexists(path)
        state = "unknown" if is_there else "none"
        return {"state": state, **dict.fromkeys((*names, "commands"))}
    uptime, last_poll = _ages(page, monotonic_ns())
    return {
        "state": "alive" if page.is_locked else "dead",
        "pid": page.pid,
        "uptime": uptime if page.is_locked else None,
        "polls": page.polls,
        "last_poll_seconds": last_poll,
        "interval_seconds": page.interval_seconds,
        "clients": page.clients if page.is_locked else 0,
        "commands": page.commands,
    }


def _ages(page: Status, now_ns: int) -> tuple[float | None, float | None]:
    """How long ago the server was made, and last polled; None where our clock is another."""
    if not page.shares_clock:
        return None, None
    return max(now_ns - page.start_ns, 0) / 1e9, page.seconds_since_poll(now_ns)


def _show(out: Output, seen: dict[str, Any]) -> None:
    state = seen["state"]
    head = f" (pid {seen['pid']})" if seen["pid"] else ""
    up = f", up {span(seen['uptime'])}" if seen["uptime"] is not None else ""
    told = "not running" if state == "none" else state
    out.text((seen["name"], "bold"), ": ", (told, STYLES[state]), head, up)
    if seen["pid"] is None:
        out.text(f"  {_why_nothing(seen['path'], state)}")
        return
    if not seen["polls"]:
        out.text("  has not polled yet")
    elif seen["last_poll_seconds"] is None:
        out.text("  its clock is another than ours, so its last poll cannot be told")
    else:
        out.text(f"  last poll {ago(seen['last_poll_seconds'])}{_often(seen)}")
    if state == "dead":
        out.text("  its process has ended, or let the socket go; the next start takes its place")
        return
    counts = [
        many(seen[key], one)
        for key, one in (("clients", "client"), ("commands", "command"), ("polls", "poll"))
        if seen[key] is not None
    ]
    out.text(f"  {', '.join(counts)}")


def _often(seen: dict[str, Any]) -> str:
    """How often it polls; where it has not for long, that it does so otherwise."""
    every, last_poll = seen["interval_seconds"], seen["last_poll_seconds"]
    if every is None:
        return ""
    is_late = seen["state"] == "alive" and last_poll > max(LATE_SECONDS, LATE_POLLS * every)
    return f"; it {'usually ' if is_late else ''}polls about every {span(every)}"


def _why_nothing(path: str, state: str) -> str:
    if state == "none":
        return f"there is no socket at {path}"
    try:
        found = kind_of(os.stat(path))
    except OSError as error:  # a link to nowhere, or a folder that is closed to us
        return f"{path}: {error.strerror}"
    if found != SOCKET:
        return f"{path} is {found}, not a socket"
    lock = path + LOCK_SUFFIX
    return (
        f"{lock} tells nothing that can be trusted: a server whose socket came from outside has no "
        "such page, and another user's is not believed; `lazyipc describe` asks the server itself"
    )
