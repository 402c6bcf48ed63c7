"""The client's half of a connection in a test: calls under way, and what became of each.

Knows bytes and calls. How bytes travel, and what time it is, is told by who uses it.
"""

from __future__ import annotations

import errno
import itertools
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from lazyipc import _verdict
from lazyipc._calls import DEFAULT_TIMEOUT
from lazyipc._core.catalog import entry_of
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import FRAMED, Wire
from lazyipc._core.limits import LONGEST_SECONDS
from lazyipc.errors import (
    DecodeError,
    IpcError,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyTimeout,
    Started,
)

R = TypeVar("R")


class PendingCallsWarning(UserWarning):
    """A test ended while calls it had submitted were unanswered; most often a poll is missing.

    >>> from lazyipc import Command
    >>> from lazyipc.testing import joined
    >>> class Order(Command[None]): "Commands of a demo."
    >>> class Ping(Order):
    ...     def process(self, context: None) -> bool: return True
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     with joined(Order, None) as link:
    ...         call = link.submit(Ping())
    >>> print(told[0].message)
    the test ended with 1 unanswered: Ping(); poll once more, or close the client that sent it
    """


class Call(Generic[R]):
    """A command that was sent, and its answer once that came; `submit` makes it.

    >>> from lazyipc import Command
    >>> from lazyipc.testing import joined
    >>> class Order(Command[None]): "Commands of a demo."
    >>> class Ping(Order):
    ...     def process(self, context: None) -> bool: return True
    >>> with joined(Order, None) as link:
    ...     call = link.submit(Ping())
    ...     print(call.done(), link.poll(), call.done(), call.result())
    False 1 True True
    """

    __slots__ = ("_answer", "_late", "_wait", "command", "deadline_ns", "seconds")

    def __init__(
        self,
        command: Any,
        seconds: float,
        now_ns: int,
        wait: Callable[[Call[Any]], None],
        late: Callable[[Call[Any], Started], ReplyTimeout],
    ) -> None:
        self.command = command
        """What was sent."""
        self.seconds = seconds
        """How long its client waits for the answer."""
        self.deadline_ns: int | None = None
        """Until when, on the clock of the test; None for ever."""
        if seconds <= LONGEST_SECONDS:
            self.deadline_ns = now_ns + int(seconds * 1e9)
        self._wait = wait
        self._late = late
        self._answer: Responded | Failed | None = None

    def done(self) -> bool:
        """Whether it is over: answered, failed, or out of time."""
        return self._answer is not None

    def result(self) -> R:
        """Wait until it is over, as a blocking client does; its response.

        Raises: as `client_send`.
        """
        if self._answer is None:
            self._wait(self)
        answer = self._answer
        assert answer is not None, "whoever waits returns when it is over"
        if isinstance(answer, Failed):
            raise answer.error
        value: R = answer.value
        return value

    def settle(self, answer: Responded | Failed) -> None:
        """It is over."""
        self._answer = answer

    def expire(self, number: int, started: Started) -> None:
        """Its time is over."""
        self.settle(Failed(number, self._late(self, started)))

    def __repr__(self) -> str:
        told = "pending" if self._answer is None else type(self._answer).__name__.lower()
        return f"<Call {self.command!r}: {told}>"


class Caller:
    """The client's half of one connection.

    Args:
        path: the server's path, for errors.
        wire: what is spoken.
        clock: the identity of the clock that deadlines are told on.
    """

    __slots__ = ("_connection", "_numbers", "_path", "open")

    def __init__(self, path: str, wire: Wire, clock: bytes) -> None:
        self._path = path
        self._connection = ClientConnection(wire, clock=clock)
        self._numbers = itertools.count(1)
        self.open: dict[int, Call[Any]] = {}
        """The calls that are not over, by number."""

    def begin(self, call: Call[Any]) -> bytes:
        """The bytes of its request.

        Raises:
            EncodeError, SchemaError: it cannot travel; there is no call.
        """
        number = next(self._numbers)
        left_ns = None if call.deadline_ns is None else int(call.seconds * 1e9)
        data = self._connection.request(number, call.command, call.deadline_ns, left_ns)
        self.open[number] = call
        return bytes(data)

    def take(self, data: bytes) -> None:
        """Take what the server wrote.

        Raises:
            RemoteProtocolError: the stream cannot go on, which each open call has been told.
        """
        try:
            self._connection.receive_data(data)
            while (event := self._connection.next_event()) is not None:
                self.open.pop(event.call).settle(event)
        except RemoteProtocolError as error:
            self.fail(error)
            raise

    def take_end(self, started: Started) -> None:
        """The server closed; `started` says whether it read what was sent last."""
        cause: DecodeError | None = None
        try:
            answer = self._connection.receive_end()
            if answer is not None:
                self.open.pop(answer.call).settle(answer)
        except DecodeError as error:
            cause = error
        ended = _verdict.ended(self._path, started, errno.ECONNRESET)
        ended.__cause__ = cause
        self.fail(ended)

    def expire(self, now_ns: int, started: Started) -> bool:
        """Stop waiting for those whose deadline has come.

        Returns:
            Whether the stream goes on: a late answer is nobody's only where answers are numbered.
        """
        late = [
            number
            for number, call in self.open.items()
            if call.deadline_ns is not None and now_ns >= call.deadline_ns
        ]
        for number in late:
            self._connection.forget(number)
            self.open.pop(number).expire(number, started)
        return not late or self._connection.wire is FRAMED

    def abandon(self) -> None:
        """The client closed: nobody waits any more."""
        self.fail(LocalProtocolError("the client was closed before the answer came"))

    def fail(self, error: IpcError) -> None:
        """End each open call with an error."""
        for number, call in self.open.items():
            call.settle(Failed(number, error))
        self.open.clear()


def seconds_for(command: Any, timeout: float | None) -> float:
    """How long a call may take: as asked, else as its command says, else as every client does.

    Raises:
        ValueError: the timeout is negative.
        SchemaError: the command cannot travel.
    """
    own = entry_of(command.__class__).timeout if timeout is None else timeout
    seconds = DEFAULT_TIMEOUT if own is None else own
    if not seconds >= 0:
        raise ValueError(f"timeout must be a number of seconds from 0, is {timeout}")
    return seconds


def warn_of(pending: Iterable[Call[Any]]) -> None:
    """Tell of calls that nobody answered before the test ended."""
    commands = [repr(call.command) for call in pending]
    if commands:
        warnings.warn(
            f"the test ended with {len(commands)} unanswered: {', '.join(commands)}; poll once "
            "more, or close the client that sent it",
            PendingCallsWarning,
            stacklevel=3,
        )
