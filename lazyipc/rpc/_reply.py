"""The reply that is to come: what `send` gives, to be awaited or not.

Knows one message on its way. When it is written, and what ends it, is the conversation's business.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine, Generator
from types import UnionType
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin

from lazyipc.errors import IpcError, UnexpectedReply
from lazyipc.rpc._crew import HANDLING

R_co = TypeVar("R_co", covariant=True)


def alternatives(expected: Any) -> tuple[type, ...]:
    """The types that a reply may have, of what `expect=` says.

    Raises:
        TypeError: that is no type, nor several.

    >>> alternatives(int | str)
    (<class 'int'>, <class 'str'>)
    """
    is_union = isinstance(expected, UnionType) or get_origin(expected) is Union
    several: tuple[Any, ...] = get_args(expected) if is_union else (expected,)
    if isinstance(expected, tuple):
        several = expected
    for each in several:
        if not isinstance(each, type):
            raise TypeError(f"expect must be a class, or several as `A | B`, is {expected!r}")
    return several


class Sender(Protocol):
    """Who sends the message of a reply."""

    def hold(self, reply: Reply[Any]) -> None:
        """Keep it until its message is sent, for somebody waits."""

    def give_up(self, reply: Reply[Any]) -> None:
        """Nobody waits for it any more."""


class Reply(Coroutine[Any, Any, R_co]):
    """One message and what comes of it.

    It is a coroutine to whoever asks, so that tasks can be made of it; but it does not wait to be
    awaited: where the other side has room the message is sent already.

    Args:
        sender: who sends it.
        loop: the event loop it is awaited in.
        draft: the message, encoded.
        seconds: how long it may take.
        deadline: until when; monotonic.
        expected: the type the reply must have; None for any.
    """

    __slots__ = (
        "__name__",
        "__weakref__",
        "_error",
        "_expected",
        "_loop",
        "_peer",
        "_sender",
        "_steps",
        "_value",
        "_waiters",
        "call",
        "deadline",
        "draft",
        "has_ended",
        "is_answered",
        "seconds",
        "was_heard",
    )

    def __init__(
        self,
        sender: Sender,
        loop: asyncio.AbstractEventLoop,
        draft: Any,
        seconds: float,
        deadline: float,
        expected: type | None,
    ) -> None:
        self.__name__ = "reply"
        self._sender = sender
        self._loop = loop
        self._expected = expected
        self._steps: Generator[Any, Any, R_co] | None = None
        self._value: Any = None
        self._error: IpcError | None = None
        self.draft: Any = draft
        self.seconds = seconds
        self.deadline = deadline
        self.call = 0
        """The number it was sent under; 0 while it was not."""
        self._waiters: list[asyncio.Future[None]] = []
        """A future for each who awaits it: to be cancelled is each one's own business."""
        self._peer: object = None
        self.has_ended = False
        self.is_answered = True
        """Whether there is a reply to wait for, or only room."""
        self.was_heard = False
        """The other side's handler is done with it, and had nothing to say."""

    def keep(self, peer: object) -> None:
        """Hold the peer until the reply is there; who forgets a peer closes it."""
        if not self.has_ended:
            self._peer = peer

    def end(self, value: Any, error: IpcError | None = None) -> None:
        """What came of it; only the first end counts."""
        if self.has_ended:
            return
        self.has_ended = True
        self._value = value
        self._error = error
        self._peer = self.draft = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def __await__(self) -> Generator[Any, Any, R_co]:
        if not self.has_ended:
            yield from self._wait()
        if self._error is not None:
            raise self._error
        value = self._value
        if self._expected is not None and not isinstance(value, self._expected):
            names = " | ".join(each.__qualname__ for each in alternatives(self._expected))
            raise UnexpectedReply(f"{names} was expected, {type(value).__qualname__} came")
        return value  # type: ignore[no-any-return]

    def _wait(self) -> Generator[Any, Any, None]:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        if not self.call:
            self._sender.hold(self)
        handling = HANDLING.get()
        if handling is not None:
            handling.pause()
        try:
            yield from waiter
        except BaseException:
            self._waiters.remove(waiter)
            if not self._waiters:
                self._sender.give_up(self)
            raise
        finally:
            if handling is not None:
                handling.resume()

    def send(self, value: Any) -> Any:
        """Go on; what a task does."""
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(self, *raised: Any) -> Any:
        """Go on with an exception; what a task does that is cancelled."""
        if self._steps is None:
            self._steps = self.__await__()
            if not self._waiters:  # for it has not begun to wait
                self._sender.give_up(self)
        return self._steps.throw(*raised)

    def close(self) -> None:
        """Give up."""
        if self._steps is not None:
            self._steps.close()
        elif not self._waiters:
            self._sender.give_up(self)

    def __del__(self) -> None:
        if not (self.call or self.has_ended):
            warnings.warn(
                "a message was not sent: the other side had no room for it, and nobody awaited "
                "that it had",
                RuntimeWarning,
                stacklevel=2,
            )
