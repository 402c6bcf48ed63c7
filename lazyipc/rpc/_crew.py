"""Who handles messages: a handler, or `process` of each; so many at once, each peer in its turn.

Knows turns. What a peer is told of a handler's end is the inbox's business.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import CoroutineType
from typing import Any, Protocol

from lazyipc._core.messages import MessageSet
from lazyipc.errors import SchemaError

Answer = Callable[[Any, Any], Awaitable[Any]]
"""Takes a message and its peer, gives the reply."""

NO_CONTEXT = object()
"""In place of a context, where no message is to be processed."""


class Waiting(Protocol):
    """Whose messages wait until a handler may begin."""

    def begin_next(self) -> bool:
        """Begin with the one that has waited longest; whether more wait for a place."""
        ...


class Crew:
    """Runs the handlers of all peers of one server, or of one client.

    Args:
        messages: the set that is spoken.
        handler: called with each message and its peer; None where the messages have `process`.
        context: what `process` is called with; NO_CONTEXT where none is to be called.
        limit: how many run at once.

    Raises:
        SchemaError: the messages have `process`, and there is a handler as well.
    """

    def __init__(
        self, messages: MessageSet, handler: Answer | None, context: Any, limit: int
    ) -> None:
        if messages.has_process and handler is not None:
            raise SchemaError(
                f"the messages of {messages.message.__qualname__} have `process`, and a handler "
                "was given too; leave one of them out"
            )
        self._handler = handler
        self._context = context
        self._processes = messages.has_process and context is not NO_CONTEXT
        self.is_absent = handler is None and not self._processes
        """Nobody handles messages at all."""
        self.is_handler = handler is not None
        """A handler answers, whose None is no reply; that of `process` is one."""
        self._is_plain: dict[type, bool] = {}
        self._limit = limit
        self._running = 0
        self._is_filling = False
        self._ring: dict[Waiting, None] = {}
        """Those with messages that wait for a place, in turn."""

    def is_plain(self, model: type) -> bool:
        """Whether a message answers for itself at once, so that no task is needed."""
        if not self._processes:
            return False
        plain = self._is_plain.get(model)
        if plain is None:
            plain = not inspect.iscoroutinefunction(model.process)  # type: ignore[attr-defined]
            self._is_plain[model] = plain
        return plain

    def process(self, handling: Handling) -> Any:
        """The reply to a message that is plain."""
        HANDLING.set(handling)
        return handling.message.process(self._context)

    def answer(self, handling: Handling) -> Awaitable[Any]:
        """What is awaited for the reply to one that is not."""
        HANDLING.set(handling)
        if self._handler is None:
            awaited: Awaitable[Any] = handling.message.process(self._context)
            return awaited
        answer = self._handler(handling.message, handling.peer)
        if answer.__class__ is not CoroutineType and not inspect.isawaitable(answer):
            given = type(answer).__name__
            raise TypeError(f"the handler gave {given} back at once; declare it with `async def`")
        return answer

    def try_begin(self) -> bool:
        """Whether one more may run; then it is counted until `end`."""
        if self._running >= self._limit:
            return False
        self._running += 1
        return True

    def wait(self, waiting: Waiting) -> None:
        """Give it a turn when there is a place; it keeps its own if it has one."""
        self._ring.setdefault(waiting)
        self._fill()

    def leave(self, waiting: Waiting) -> None:
        """Give it no turn any more."""
        self._ring.pop(waiting, None)

    def end(self) -> None:
        """One has ended, or waits: whose turn it is begins another."""
        self._running -= 1
        self._fill()

    def _fill(self) -> None:
        if self._is_filling:
            return  # what has begun and ended at once leaves its place to the loop below
        self._is_filling = True
        try:
            while self._ring and self._running < self._limit:
                waiting = next(iter(self._ring))
                del self._ring[waiting]
                if waiting.begin_next():
                    self._ring[waiting] = None
        finally:
            self._is_filling = False

    def go_on(self) -> None:
        """One that waited goes on, at once, whoever runs."""
        self._running += 1


class Handling:
    """One message that is handled, and its place among those that run.

    While its handler waits for a reply, another may have the place. Else handlers on both sides
    that send on the same connection could wait for each other's places until their time is over.

    Args:
        crew: who handles it.
        peer: who sent it.
        call: the number it came under.
        message: the message.
        deadline_ns: until when its sender waits, on our CLOCK_MONOTONIC; None for ever.
        is_answered: whether it is to have a reply.
    """

    __slots__ = (
        "_crew",
        "_has_ended",
        "_waits",
        "call",
        "deadline_ns",
        "has_begun",
        "has_place",
        "is_answered",
        "is_stopped",
        "message",
        "peer",
        "task",
    )

    def __init__(
        self,
        crew: Crew,
        peer: Any,
        call: int,
        message: Any,
        deadline_ns: int | None,
        is_answered: bool,
    ) -> None:
        self._crew = crew
        self._waits = 0
        self._has_ended = False
        self.peer = peer
        self.call = call
        self.message = message
        self.deadline_ns = deadline_ns
        self.is_answered = is_answered
        self.task: Any = None
        """What runs its handler, where one is needed."""
        self.has_place = False
        """It is counted among those that run."""
        self.has_begun = False
        """The task has taken its first step."""
        self.is_stopped = False
        """The task was cancelled: by the other side, or with the connection."""

    def pause(self) -> None:
        """The handler, or a task that it began, waits for a reply."""
        self._waits += 1
        if self._waits == 1 and not self._has_ended and self.has_place:
            self._crew.end()

    def resume(self) -> None:
        """It does not any more."""
        self._waits -= 1
        if not (self._waits or self._has_ended) and self.has_place:
            self._crew.go_on()

    def end(self) -> None:
        """The handler has ended; a task that it began may still wait."""
        self._has_ended = True
        if not self._waits:
            self._crew.end()


HANDLING: ContextVar[Handling | None] = ContextVar("lazyipc.rpc.handling", default=None)
"""The message that is handled here."""
