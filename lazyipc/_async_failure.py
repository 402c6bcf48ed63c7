"""What the calls of a loop's connection are told that get no answer.

Decided from what the kernel and the server say; which calls end, and when, is the link's business.
"""

from __future__ import annotations

from collections.abc import Callable

from lazyipc import _verdict
from lazyipc._async_calls import Batch, Call, OpenCalls
from lazyipc._async_socket import AsyncSocket
from lazyipc._core.framing import BARE, FRAMED, Wire
from lazyipc._silence import Silence
from lazyipc.errors import DecodeError, IpcError, RemoteProtocolError, ReplyTimeout, Started


class Failures:
    """The errors of one connection's calls.

    Args:
        wire: what is spoken.
        calls: those that are open.
        connected: the socket they were sent over.
    """

    __slots__ = ("_calls", "_connected", "_wire")

    def __init__(self, wire: Wire, calls: OpenCalls, connected: AsyncSocket) -> None:
        self._wire = wire
        self._calls = calls
        self._connected = connected

    def at_end(self, error: OSError | None) -> Callable[[Call | Batch], IpcError]:
        """What each call is told that is open when the socket has closed.

        What came last is taken first, and may answer some, or say why it was the last.

        Args:
            error: what closed it, if the server did not.
        """
        calls, connected = self._calls, self._connected
        reason: IpcError | None = None
        cause: Exception | None = error
        try:
            if error is None:
                calls.take_end()
            else:
                for data in connected.rest():
                    calls.take(data)
        except RemoteProtocolError as told:
            if error is None and isinstance(told, DecodeError):
                cause = told
            else:
                reason = told

        def told_to(waits: Call | Batch) -> IpcError:
            if reason is not None:
                return reason
            # A reset, or a broken pipe, means that what was sent last was not read.
            started: Started = "no" if error and calls.is_last(waits) else "unknown"
            ended = connected.ended(started, error)
            ended.__cause__ = cause
            return ended

        return told_to

    def too_late(self, waits: Call | Batch, silence: Silence, *, is_alone: bool) -> ReplyTimeout:
        """What one is told whose time is over.

        Args:
            is_alone: nobody else waits, so that the connection is closed with what is unread.
        """
        if not is_alone and self._wire is not FRAMED:
            # A line says how long it may wait from when it is read: it may run yet.
            path = self._connected.path
            return _verdict.no_reply(path, waits.seconds, "unknown", None, 0)
        is_unread = silence.is_unread and self._calls.is_last(waits)
        started: Started = "no" if is_unread else "unknown"
        # The crate's server would still read, and run, what a closed client left; and one that has
        # a clock of its own, what stands in the queue of an open one.
        is_sure = is_alone and self._wire is not BARE
        return silence.told(
            waits.seconds, waits.deadline, started, started if is_sure else "unknown"
        )
