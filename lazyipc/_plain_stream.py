"""Many plain calls over one connection, with a bounded number of them under way.

Each answer is given out in the order of the commands, as soon as it is there. Knows bytes and the
clock; what lines say is the connection's business.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from errno import EPIPE
from time import monotonic
from typing import Any, Final

from lazyipc._calls import in_ns
from lazyipc._core.connection.plain import BadAnswer, NotLazyipc
from lazyipc._core.events import Failed, Responded
from lazyipc._io.sockets import SEND_FLAGS
from lazyipc._kept import KeptLink
from lazyipc._link import Link, milliseconds
from lazyipc.errors import (
    Disconnected,
    EncodeError,
    IpcError,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyTimeout,
    TransportError,
)

CALLS_UNDER_WAY = 64
"""How many calls wait for their answers at once: enough that neither side waits for the other, few
enough that little is lost with a connection."""
UNSENT_BYTES = 65536
"""How much may wait to be written before no further command is taken."""


class _Pause:
    """The type of PAUSE."""

    def __repr__(self) -> str:
        return "PAUSE"


PAUSE: Final = _Pause()
"""In place of a command: there is none now."""
_END: Final = _Pause()
_NONE: Final = _Pause()


class _Call:
    """One command under way.

    Args:
        number: what its answer carries.
        deadline: until when it is waited for; monotonic.
    """

    __slots__ = ("deadline", "end", "number", "result")

    def __init__(self, number: int, deadline: float) -> None:
        self.number = number
        self.deadline = deadline
        self.end = 0
        """How many bytes of the connection there are up to its line's end."""
        self.result: Any = _NONE
        """What stands behind "Ok", or an error."""


def streamed(
    kept: KeptLink,
    commands: Iterable[Any],
    seconds: float,
    source_fd: int | None,
    told: Callable[[IpcError], IpcError],
) -> Iterator[Any]:
    """The results of commands, in order.

    Args:
        kept: where connections come from.
        commands: parsed JSON, or PAUSE.
        seconds: how long each may take.
        source_fd: what becomes readable when there is more after a PAUSE.
        told: what an error is told as that ended a connection.
    """
    stream = _Stream(kept, seconds, told)
    source = iter(commands)
    is_open, is_paused = True, False
    try:
        while is_open or stream.calls:
            while stream.calls and stream.calls[0].result is not _NONE:
                yield stream.calls.popleft().result
            if is_open and not is_paused and stream.has_room:
                command = next(source, _END)
                is_open, is_paused = command is not _END, command is PAUSE
                if is_open and not is_paused:
                    stream.begin(command)
                stream.look()
            elif stream.calls:
                if stream.wait(source_fd if is_paused else None):
                    is_paused = False
            elif is_paused:
                if source_fd is not None:
                    _sleep_until_readable(source_fd)
                is_paused = False
    finally:
        stream.close()


def _sleep_until_readable(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll()


class _Stream:
    """The calls under way, and the connection they go over.

    Args: as of `streamed`.
    """

    def __init__(
        self, kept: KeptLink, seconds: float, told: Callable[[IpcError], IpcError]
    ) -> None:
        self._kept = kept
        self._seconds = seconds
        self._told = told
        self._link: Link | None = None
        self._unsent = bytearray()
        self._begun_bytes = 0
        """How many bytes were to be written to this connection up to now."""
        self._written_bytes = 0
        self.calls: deque[_Call] = deque()

    @property
    def has_room(self) -> bool:
        return len(self.calls) < CALLS_UNDER_WAY and len(self._unsent) < UNSENT_BYTES

    def close(self) -> None:
        """Give the connection back; one on which answers are to come is closed."""
        link, self._link = self._link, None
        if link is not None:
            link.is_broken = self.is_waiting
            self._kept.give_back(link)

    def begin(self, command: Any) -> None:
        """Take a command, to be written soon; connect if need be.

        Raises:
            LocalProtocolError: the client was closed.
        """
        self._drop_what_ended()
        link = self._link
        if link is None:
            link = self._link = self._kept.lend()
            self._begun_bytes = self._written_bytes = 0
        deadline = monotonic() + self._seconds
        call = _Call(next(link.calls), deadline)
        self.calls.append(call)
        try:
            link.connected(self._seconds, deadline)
            times = in_ns(self._seconds, deadline)
            data = link.connection.request(call.number, command, *times)
        except EncodeError as error:
            call.result = error
        except (ReplyTimeout, TransportError) as error:
            self._fail(error)
        else:
            assert isinstance(data, bytes)
            self._unsent += data
            self._begun_bytes += len(data)
            call.end = self._begun_bytes

    def _drop_what_ended(self) -> None:
        """A server that was restarted while nothing was under way is connected to again."""
        link = self._link
        if link is not None and not self.is_waiting and link.has_ended():
            self._link = None
            link.is_broken = True
            self._kept.give_back(link)

    @property
    def is_waiting(self) -> bool:
        """Whether answers are to come."""
        return any(call.result is _NONE for call in self.calls)

    def look(self) -> None:
        """Write and read what can be now."""
        self._write()
        self._wait(0, None)

    def wait(self, source_fd: int | None) -> bool:
        """Sleep until something can be written or read, or the oldest call's time is over.

        Returns:
            Whether the source is readable.
        """
        oldest = self.calls[0]
        is_readable = self._wait(milliseconds(oldest.deadline - monotonic()), source_fd)
        if oldest.result is _NONE and monotonic() >= oldest.deadline:
            self._late(oldest)
        return is_readable

    def _wait(self, sleep: int, source_fd: int | None) -> bool:
        if self._link is None:
            return False
        connected = self._link.connected(self._seconds, 0)
        if connected.fileno() < 0:
            self._fail(LocalProtocolError("the client was closed"))
            return False
        poll = select.poll()
        poll.register(connected, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        if source_fd is not None:
            poll.register(source_fd, select.POLLIN)
        ready = dict(poll.poll(sleep))
        events = ready.pop(connected.fileno(), 0)
        if events & select.POLLOUT:
            self._write()
        if events & ~select.POLLOUT:
            self._read()
        return bool(ready)

    def _write(self) -> None:
        if self._link is None or not self._unsent:
            return
        try:
            written = self._link.connected(self._seconds, 0).send(self._unsent, SEND_FLAGS)
        except BlockingIOError:
            return
        except OSError:
            # What the server said before it closed is still to be read, and then that it did.
            self._unsent.clear()
            return
        self._written_bytes += written
        del self._unsent[:written]

    def _read(self) -> None:
        link = self._link
        assert link is not None
        try:
            answer = link.read(link.connected(self._seconds, 0))
            while answer is not None:
                self._take(answer)
                answer = link.connection.next_event()
        except (Disconnected, RemoteProtocolError) as error:
            self._fail(self._told(error) if isinstance(error, BadAnswer | NotLazyipc) else error)

    def _take(self, answer: Responded | Failed) -> None:
        for call in self.calls:
            if call.number == answer.call:
                call.result = answer.error if isinstance(answer, Failed) else answer.value
                return

    def _late(self, oldest: _Call) -> None:
        """The oldest call's time is over: close, so that nothing is run later for nobody."""
        assert self._link is not None
        self._fail(self._link.no_reply(self._seconds, oldest.deadline, "unknown"))

    def _fail(self, error: IpcError) -> None:
        """The connection is at its end, and so are all calls that were under way on it."""
        link, self._link = self._link, None
        assert link is not None
        for call in self.calls:
            if call.result is _NONE:
                call.result = self._unwritten(error) if self._is_cut(call) else error
        self._unsent.clear()
        link.is_broken = True
        self._kept.give_back(link)

    def _is_cut(self, call: _Call) -> bool:
        """Whether a call's line did not leave us whole."""
        return call.end > self._written_bytes

    def _unwritten(self, error: IpcError) -> IpcError:
        """What ended the connection, of a command that was not sent and so did not run."""
        if isinstance(error, Disconnected):
            from lazyipc import _verdict

            return _verdict.ended(error.path, "no", error.errno or EPIPE)
        return error
