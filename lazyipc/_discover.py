"""`discover`: a running server as an object, by its name alone; or which servers there are.

Knows names of servers. What an object of a server does is its own business.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from typing import overload

from lazyipc._core.description.soundness import printable
from lazyipc._discovered import Discovered
from lazyipc._meant import servers_instead
from lazyipc._running import Running, running
from lazyipc._target import path_of
from lazyipc.errors import ServerNotRunning

_HEADINGS = ("name", "state", "pid", "commands", "clients", "last poll", "up")


class RunningServers(list[Running]):
    """The servers of this user, shown as a table.

    >>> print(RunningServers())
    no server of yours is running
    """

    def __repr__(self) -> str:
        if not self:
            return "no server of yours is running"
        rows = [_HEADINGS, *map(_cells, self)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        return "\n".join(_line(row, widths) for row in rows)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        if not self:
            return f"<p>{self!r}</p>"
        head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in _cells(each))}</tr>"
            for each in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(each: Running) -> tuple[str, ...]:
    ago = _seconds(each.last_poll_seconds)
    return (
        printable(each.name).replace("\n", "\\n"),
        each.state,
        _number(each.pid),
        _number(each.commands),
        _number(each.clients),
        f"{ago} ago" if ago else "",
        _seconds(each.uptime),
    )


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _seconds(value: float | None) -> str:
    """A time as people tell it.

    >>> _seconds(0.25), _seconds(75.0), _seconds(90_000.0), _seconds(None)
    ('0.2 s', '1 min', '25 h', '')
    """
    if value is None:
        return ""
    if value < 60:
        return f"{value:.1f} s"
    return f"{value // 60:.0f} min" if value < 3600 else f"{value // 3600:.0f} h"


@overload
def discover(name: None = None) -> RunningServers: ...
@overload
def discover(
    name: str | os.PathLike[str],
    *,
    timeout: float | None = None,
    server_uids: Iterable[int] | None = None,
) -> Discovered: ...
def discover(
    name: str | os.PathLike[str] | None = None,
    *,
    timeout: float | None = None,
    server_uids: Iterable[int] | None = None,
) -> Discovered | RunningServers:
    """A running server as an object with a method for each of its commands, or all that run.

    Nothing of the server's code is needed here: it tells what it understands.

    Args:
        name: the server's name, as `runtime_path` was given it, or the path of its socket; left
            out, the servers of this user are listed.
        timeout: seconds for each call; None is the command's own, else 5; math.inf is for ever.
        server_uids: the users the server may run as; None is one's own and root.

    Raises:
        ServerNotRunning: there is none of that name; tells which there are.
        SocketRefused: what is there is no lazyipc server, or another user's.
        ReplyTimeout, HostBusy: it did not say in time what it understands.
        RemoteProtocolError: what it said is not to be understood; names the command or field.

    >>> discover("/nowhere/app.sock")
    Traceback (most recent call last):
    lazyipc.errors.ServerNotRunning: /nowhere/app.sock: no server is running there ...
    """
    if name is None:
        return RunningServers(running())
    try:
        path = path_of(name)
        return Discovered(path, timeout=timeout, server_uids=server_uids)
    except ServerNotRunning as error:
        if not isinstance(name, str) or "/" in name:
            raise
        told = printable(servers_instead(name))
        raise ServerNotRunning(f"{error.message}; {told}", path=error.path) from error
