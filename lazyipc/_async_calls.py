"""The calls of one connection that were sent and have not ended: who waits, and how each ends.

Feeds the client's side of the protocol and hands out what comes of it. Knows futures, but neither
the socket nor the loop's clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.events import Failed, Responded
from lazyipc.errors import IpcError


class Call:
    """A call that was sent: `answer` is its end, when that has come.

    Args:
        number: what its answer carries.
        answer: where that is put.
        seconds: how long it may take.
        deadline: until when that is; monotonic.
    """

    __slots__ = ("answer", "deadline", "number", "seconds")

    def __init__(
        self,
        number: int,
        answer: asyncio.Future[Responded | Failed],
        seconds: float,
        deadline: float,
    ) -> None:
        self.number = number
        self.answer = answer
        self.seconds = seconds
        self.deadline = deadline

    def settle(self, event: Responded | Failed) -> None:
        """It has ended so."""
        if not self.answer.done():  # a task that is being cancelled has not looked yet
            self.answer.set_result(event)


class Batch:
    """Calls that end together, with one deadline and one future for all.

    Args:
        first: the number of the first; the others follow it.
        count: how many they are.
        ended: told when all that were sent have ended, and no more will be.
        seconds, deadline: as a Call's.
    """

    __slots__ = (
        "_ended",
        "_is_sent",
        "_open_count",
        "deadline",
        "failures",
        "first",
        "number",
        "passed_count",
        "responses",
        "seconds",
        "sent_count",
    )

    def __init__(
        self, first: int, count: int, ended: asyncio.Future[None], seconds: float, deadline: float
    ) -> None:
        self.first = first
        self.number = 0
        """No call's: what the kernel proves of the last one holds for no batch."""
        self._ended = ended
        self.seconds = seconds
        self.deadline = deadline
        self.responses: list[Any] = [None] * count
        self.failures: dict[int, IpcError] = {}
        self.passed_count = 0
        """How many were sent, or failed before that."""
        self.sent_count = 0
        self._open_count = 0
        self._is_sent = False

    def sent(self) -> None:
        """One more of them was."""
        self.sent_count += 1
        self._open_count += 1

    async def wait(self) -> None:
        """Wait until all have ended; no more will be sent."""
        self._is_sent = True
        self._tell()
        await self._ended

    def settle(self, event: Responded | Failed) -> None:
        """One of them has ended so."""
        if isinstance(event, Failed):
            self.failures[event.call - self.first] = event.error
        else:
            self.responses[event.call - self.first] = event.value
        self._open_count -= 1
        self._tell()

    def _tell(self) -> None:
        if self._is_sent and not self._open_count and not self._ended.done():
            self._ended.set_result(None)


class OpenCalls:
    """What was sent over one connection and has not ended.

    Args:
        connection: the client's side of the protocol.
    """

    __slots__ = ("_connection", "_is_heard", "_last_number", "waiting")

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.waiting: dict[int, Call | Batch] = {}
        """Who waits, by the call's number."""
        self._last_number = 0
        self._is_heard = True

    def add(self, number: int, waits: Call | Batch) -> None:
        """A request was written; its number is open at the connection."""
        self.waiting[number] = waits
        self._last_number = number
        self._is_heard = False

    def is_last(self, waits: Call | Batch) -> bool:
        """Whether a call was sent last, and nothing came since.

        Then the kernel speaks of it where it says that something is unread.
        """
        return waits.number == self._last_number and not self._is_heard

    def take(self, data: bytes) -> None:
        """Take what came, and end the calls whose answers that makes whole.

        Raises:
            RemoteProtocolError: the stream cannot go on.
        """
        self._is_heard = True
        connection, waiting = self._connection, self.waiting
        connection.receive_data(data)
        while (event := connection.next_event()) is not None:
            waiting.pop(event.call).settle(event)

    def take_end(self) -> None:
        """The server has closed: an answer of no bytes is only known to be whole now.

        Raises:
            DecodeError: the stream ended within an answer.
        """
        answer = self._connection.receive_end() if self.waiting else None
        if answer is not None:
            self.waiting.pop(answer.call).settle(answer)

    def forget(self, waits: Call | Batch) -> bool:
        """Stop waiting for a call, or a whole batch; whether anything of it was open."""
        numbers = [waits.number]
        if isinstance(waits, Batch):
            numbers = [number for number, other in self.waiting.items() if other is waits]
        found = [number for number in numbers if self.waiting.pop(number, None) is not None]
        for number in found:
            self._connection.forget(number)
        return bool(found)

    def take_late(self, now: float) -> dict[int, Call | Batch]:
        """Take out those whose deadline has come."""
        late = {number: waits for number, waits in self.waiting.items() if waits.deadline <= now}
        for number in late:
            del self.waiting[number]
            self._connection.forget(number)
        return late

    def next_deadline(self) -> float | None:
        """When the next one's is."""
        return min((waits.deadline for waits in self.waiting.values()), default=None)

    def fail_all(self, error_for: Callable[[Call | Batch], IpcError]) -> None:
        """End all of them."""
        waiting = dict(self.waiting)
        self.waiting.clear()
        for number in waiting:
            self._connection.forget(number)
        fail(waiting, error_for)


def fail(calls: dict[int, Call | Batch], error_for: Callable[[Call | Batch], IpcError]) -> None:
    """End calls; those of one batch with the same error."""
    errors: dict[int, IpcError] = {}
    for number, waits in calls.items():
        error = errors.get(id(waits))
        if error is None:
            error = errors[id(waits)] = error_for(waits)
        waits.settle(Failed(number, error))
