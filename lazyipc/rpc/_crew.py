"""Who handles messages: a handler, or `process` of each; so many at once, each peer in its turn.

Knows turns. What a peer is told of a handler's end is the conversation's business.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
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
        """Begin with the one that has waited longest; whether more wait."""
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
        self.handler = handler
        self.context = context
        self._processes = messages.has_process and context is not NO_CONTEXT
        self.is_absent = handler is None and not self._processes
        """Nobody handles messages at all."""
        self.is_handler = handler is not None
        """A handler answers, whose None is no reply; that of `process` is one."""
        self._is_plain: dict[type, bool] = {}
        self._limit = limit
        self._running = 0
        self._ring: dict[Waiting, None] = {}
        """Those with messages that wait, in turn."""

    def is_plain(self, model: type) -> bool:
        """Whether a message answers for itself at once, so that no task is needed."""
        if not self._processes:
            return False
        plain = self._is_plain.get(model)
        if plain is None:
            plain = not inspect.iscoroutinefunction(model.process)  # type: ignore[attr-defined]
            self._is_plain[model] = plain
        return plain

    def answer(self, message: Any, peer: Any) -> Awaitable[Any]:
        """What is awaited for the reply to a message that is not plain."""
        if self.handler is not None:
            return self.handler(message, peer)
        answer: Awaitable[Any] = message.process(self.context)
        return answer

    def try_begin(self) -> bool:
        """Whether one more may run; then it is counted until `end`."""
        if self._running >= self._limit:
            return False
        self._running += 1
        return True

    def wait(self, waiting: Waiting) -> None:
        """Give it a turn when one ends; it keeps its place if it has one."""
        self._ring.setdefault(waiting)

    def leave(self, waiting: Waiting) -> None:
        """Give it no turn any more."""
        self._ring.pop(waiting, None)

    def end(self) -> None:
        """One has ended; whose turn it is begins another."""
        self._running -= 1
        while self._ring and self._running < self._limit:
            waiting = next(iter(self._ring))
            del self._ring[waiting]
            self._running += 1
            if waiting.begin_next():
                self._ring[waiting] = None

    def go_on(self) -> None:
        """One that had ended its turn to wait goes on, at once, whoever runs."""
        self._running += 1


class Shift:
    """One handler's place among those that run. While it waits for a reply, another may have it.

    Else handlers on both sides that send on the same connection could wait for each other's place
    until their time is over.

    Args:
        crew: among whom it runs.
    """

    __slots__ = ("_crew", "_has_ended", "_waits")

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._waits = 0
        self._has_ended = False

    def pause(self) -> None:
        """The handler, or a task that it began, waits for a reply."""
        self._waits += 1
        if self._waits == 1 and not self._has_ended:
            self._crew.end()

    def resume(self) -> None:
        """It does not any more."""
        self._waits -= 1
        if not (self._waits or self._has_ended):
            self._crew.go_on()

    def end(self) -> None:
        """The handler has ended; a task that it began may still wait."""
        self._has_ended = True
        if not self._waits:
            self._crew.end()


PEER: ContextVar[Any] = ContextVar("lazyipc.rpc.peer", default=None)
"""Who sent the message that is handled."""

SHIFT: ContextVar[Shift | None] = ContextVar("lazyipc.rpc.shift", default=None)
"""That of the handler that runs."""
