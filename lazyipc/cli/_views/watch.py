"""`lazyipc watch`: a server's counters while they change, in place."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from lazyipc._io.runtime_dir import name_of
from lazyipc._plain_client import PlainClient
from lazyipc._target import path_of
from lazyipc.cli._app import json_option
from lazyipc.cli._ending import ending_in_order
from lazyipc.cli._views.gauge import Gauge
from lazyipc.cli._views.status import page_of
from lazyipc.cli._views.ticking import ticking
from lazyipc.cli._views.timeout import seconds_of
from lazyipc.cli._words.atoms import quoted
from lazyipc.errors import Disconnected, ServerNotRunning

if TYPE_CHECKING:
    from lazyipc.cli._app import State
    from lazyipc.cli._shown.output import Output

SHORTEST_SECONDS = 0.05
"""Quicker than anybody reads; and each look is a question that the host answers."""
LONGEST_SECONDS = 86_400.0
"""A day; the system's timers end somewhere above."""

Show = Callable[[dict[str, Any]], None]


class _EnoughError(BaseException):
    """As many looks as were asked for were shown; leaves a call that still waits."""


def _interval(context: click.Context, option: click.Parameter, text: str) -> float:
    seconds = seconds_of(context, option, text)
    assert seconds is not None  # it has a default
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise click.UsageError(
            f"--interval: from {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} seconds are wanted, "
            f"not {quoted(text)}",
            context,
        )
    return seconds


@click.command()
@click.argument("name")
@click.option(
    "--interval", metavar="SECONDS", default="1", show_default=True, callback=_interval,
    help="How long it is from one look to the next.",
)  # fmt: skip
@click.option(
    "--count", type=click.IntRange(min=1), help="How many looks; until Ctrl-C if not given."
)
@json_option
@click.pass_obj
def watch(state: State, name: str, interval: float, count: int | None) -> None:
    """Show a server's counters as they change, until Ctrl-C.

    How fast each grows, how often the host polls, how long a question waits for its answer. While
    the host is busy its page tells since when; when it is started again it is watched on.

    JSON: an object a line: name, path, state (alive, busy or dead), page (pid, uptime, polls,
    last_poll_seconds, interval_seconds, clients, commands, from its status page), has_restarted,
    latency_seconds, poll_seconds (from one poll to the next since the last look), turn_share (the
    part of the time spent on clients), rates (of each counter, a second), stats (as of `lazyipc
    stats`); null is what is not known, as of a host that is busy.
    """
    path = os.path.abspath(path_of(name))
    looks = Looks(path, interval)
    client = PlainClient(path, timeout=math.inf)
    enough = contextlib.suppress(_EnoughError)
    with ending_in_order(), client, _shower(state.out, looks) as show, enough:
        looks.run(client, _counted(show, count))


def _counted(show: Show, count: int | None) -> Show:
    """Show so many times, and no more."""
    if count is None:
        return show
    left = iter(range(count - 1, -1, -1))

    def show_one(look: dict[str, Any]) -> None:
        show(look)
        if next(left) == 0:
            raise _EnoughError

    return show_one


class Looks:
    """One look after the other.

    Args:
        path: the server's.
        interval: seconds from one look to the next.
        sleep: sleeps for so many seconds.
    """

    def __init__(
        self, path: str, interval: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.path = path
        self.gauge = Gauge()
        self._interval = interval
        self._sleep = sleep
        self._has_answered = False

    def run(self, client: PlainClient, show: Show) -> None:
        """Look for ever.

        Raises:
            ServerNotRunning, SocketRefused: there was no server to begin with.
        """
        while True:
            began = time.monotonic()
            show(self.look(client, show))
            self._sleep(max(self._interval - (time.monotonic() - began), SHORTEST_SECONDS))

    def look(self, client: PlainClient, show: Show) -> dict[str, Any]:
        """Ask once; while there is no answer, show again and again that the host is busy."""
        began = time.monotonic()
        try:
            with ticking(self._interval, lambda: show(self._without_answer("busy"))):
                stats = client.stats()
        except (ServerNotRunning, Disconnected):
            if not self._has_answered:
                raise
            return self._without_answer("dead")
        self._has_answered = True
        now = time.monotonic()
        return {**self._base("alive"), **self.gauge.take(stats, now - began, now)}

    def _base(self, state: str) -> dict[str, Any]:
        page = page_of(self.path)
        del page["state"]  # which says less than we know
        return {"name": name_of(self.path), "path": self.path, "state": state, "page": page}

    def _without_answer(self, state: str) -> dict[str, Any]:
        unknown = "latency_seconds", "poll_seconds", "turn_share", "rates", "stats"
        return {**self._base(state), "has_restarted": False, **dict.fromkeys(unknown)}


@contextlib.contextmanager
def _shower(out: Output, looks: Looks) -> Iterator[Show]:
    """What shows a look: JSON lines, a picture in its place, or pictures one below the other."""
    if not out.is_terminal:
        yield lambda look: out.print_json(look, is_line=True)
        return
    from lazyipc.cli._views.watch_picture import Picture

    picture = Picture(out, looks.gauge)
    if not out.can_move:
        yield lambda look: out.rich(picture.of(look))
        return
    from rich.live import Live

    with Live(
        console=out.console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield lambda look: live.update(picture.of(look), refresh=True)
