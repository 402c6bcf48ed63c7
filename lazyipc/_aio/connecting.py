"""Connecting to a server from an event loop, which goes on meanwhile."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic

from lazyipc._io import sockets


async def connect(path: str, deadline: float, server_uids: frozenset[int]) -> socket.socket:
    """Connect to a server, and see that it is one of the users we talk to.

    Args:
        deadline: on `time.monotonic()`; a full queue is knocked at until then.
        server_uids: the users a server may run as.

    Raises:
        ServerNotRunning: nobody listens at the path.
        SocketRefused: another user's server, or no socket of ours to open.
        ReplyTimeout: the server's queue stayed full until the deadline.
    """
    while (connected := sockets.try_connect(path, server_uids)) is None:
        if monotonic() >= deadline:
            raise sockets.queue_is_full(path)
        await asyncio.sleep(sockets.RETRY_SECONDS)
    return connected
