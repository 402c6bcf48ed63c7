"""Why a call was not answered in time: what the kernel and the server's status page tell of it.

Asked when the time is over, for most calls are answered. The words, and what follows from what was
told, are in `_verdict`.
"""

from __future__ import annotations

import fcntl  # noqa: F401
import socket
import termios  # noqa: F401 both for `is_unread`, asked where no descriptor may be left to read them
from time import monotonic_ns

from lazyipc import _verdict
from lazyipc._io import sockets
from lazyipc._io.status_page import read_status
from lazyipc.errors import ReplyTimeout, Started


class Silence:
    """A server's silence, as it is known at one moment; it may concern several calls.

    Args:
        path: the server's.
        server_uids: the users it may run as.
        connected: the connection that the calls were sent over, which is asked; None where there
            is none yet.
    """

    def __init__(
        self, path: str, server_uids: frozenset[int], connected: socket.socket | None
    ) -> None:
        self._path = path
        self.is_unread = connected is None or sockets.is_unread(connected)
        """Whether something that was sent is unread: what was sent last, to its last byte."""
        self._status = read_status(path, server_uids) if self.is_unread else None
        self._pid = 0
        if connected is not None and self._status is not None:
            self._pid = sockets.credentials_of(connected)[0]

    def told(
        self, seconds: float, deadline: float, started: Started, otherwise: Started | None = None
    ) -> ReplyTimeout:
        """What the caller is told.

        Args:
            seconds: how long the call might take.
            deadline: until when that was; monotonic.
            started: "no" where nothing of the call is known to have been read.
            otherwise: what is known of the command where the page does not tell that the server
                has not polled since; None for `started`.
        """
        began_ns = int((deadline - seconds) * 1e9)
        busy = self._status
        if not _verdict.has_not_polled(busy, began_ns, self._pid, started):
            busy, started = None, otherwise or started
        return _verdict.no_reply(self._path, seconds, started, busy, monotonic_ns())
