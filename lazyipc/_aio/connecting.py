"""Connecting to a server from an event loop, which goes on meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from time import monotonic

from lazyipc._io import sockets


async def connect(
    path: str,
    deadline: float,
    server_uids: frozenset[int],
    is_wanted: Callable[[], bool] = lambda: True,
) -> socket.socket:
    """Connect to a server, and see that it is one of the users we talk to.

    Args:
        deadline: on `time.monotonic()`; a full queue is knocked at until then.
        server_uids: the users a server may run as.
        is_wanted: asked before each further knock; where it says no, the deadline has come.

    Raises:
        ServerNotRunning: nobody listens at the path.
        SocketRefused: another user's server, or no socket of ours to open.
        ReplyTimeout: the server's queue stayed full until the deadline.
    """
    while (connected := sockets.try_connect(path, server_uids)) is None:
        if monotonic() >= deadline or not is_wanted():
            raise sockets.queue_is_full(path)
        await asyncio.sleep(sockets.RETRY_SECONDS)
    return connected
