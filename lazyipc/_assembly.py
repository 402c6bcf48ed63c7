"""Putting a server's parts together: the same ones over sockets and over a kernel in memory.

Knows which part needs which. What they do, and when a poll happens, is told elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from time import monotonic_ns

from lazyipc._attendant import Attendant, Authorize
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.framing import Wire
from lazyipc._core.limits import Limits
from lazyipc._door import Door
from lazyipc._introspection import Introspection
from lazyipc._io.poller import EpollPoller, SelectorPoller
from lazyipc._io.status_page import Status
from lazyipc._log import ClientLog
from lazyipc._rota import Rota
from lazyipc._stats import Counts


def assemble(
    path: str,
    catalog: Catalog,
    *,
    limits: Limits,
    wires: Wire,
    authorize: Authorize | None,
    version: str | None,
    log: ClientLog,
    counts: Counts,
    door: Door,
    poller: EpollPoller | SelectorPoller,
    status: Callable[[], Status],
    stamp: Callable[[int, int], int],
    identity: bytes,
    clock: Callable[[], int] = monotonic_ns,
) -> tuple[Rota, Introspection]:
    """Whose turn it is among a server's clients, and what it tells of itself.

    Args:
        path: where it is, for people.
        catalog: its command set.
        limits, wires, authorize, version: as for IpcServer.
        log, counts, door, poller, stamp, clock: as for the rota.
        status: what its status page tells, or would tell.
        identity: the identity of the clock.
    """
    connect = functools.partial(
        ServerConnection,
        catalog,
        wires,
        message_bytes=limits.message_bytes,
        line_bytes=limits.line_bytes,
        elements=limits.elements,
        depth=limits.depth,
        clock=identity,
    )
    # They are asked for within a turn, so there is no idle poll that was not counted yet.
    introspection = Introspection(
        catalog, path, wires, version, status, lambda: counts.told(sessions.values(), 0), clock
    )
    serve = Attendant(log, authorize, counts, introspection.tell).serve
    rota = Rota(log, connect, serve, door, poller, limits, counts, stamp, clock)
    sessions = rota.sessions  # alone, for the rota would be its own referrer
    return rota, introspection
