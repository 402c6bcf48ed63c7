"""What the other side sends: messages handled, and what it is told of that.

Knows calls of the other side's. What we send is the outbox's business.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, NoReturn

from lazyipc._aio.stream import Stream
from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.events import Rejected
from lazyipc._core.failure import expired, remote_error_of
from lazyipc._core.parts import Parts
from lazyipc._log import ClientLog
from lazyipc.errors import (
    CommandFailed,
    EncodeError,
    IpcError,
    MessageTooLarge,
    RemoteError,
    UnexpectedReply,
)
from lazyipc.rpc._crew import Crew, Handling


class Inbox:
    """The messages that one peer takes.

    Args:
        loop: the event loop they are handled in.
        connection: its side of the protocol.
        stream: where is written what the other side is told, and there may be no room.
        crew: who handles them.
        log: where the other side's doings are logged.
        peer: what handlers are given; None once nobody holds it.
        on_progress: told of each handler that ends after the connection did.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: PeerConnection,
        stream: Stream,
        crew: Crew,
        log: ClientLog,
        peer: Callable[[], Any],
        on_progress: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._stream = stream
        self._crew = crew
        self._log = log
        self._peer = peer
        self._on_progress = on_progress
        self._context = contextvars.copy_context()
        """What each handler begins with: what it sets itself is not another's."""
        self._queue: dict[int, Handling] = {}
        """What waits for a place, or for the other side to take what it is told, in order."""
        self._running: dict[int, Handling] = {}
        self._owed: deque[Callable[[], None]] = deque()
        """What the other side is to be told when it takes more. Neither this nor the queue grows
        without end: what is not told is not ended, and counts among what that side may send."""
        self._has_ended = False

    @property
    def count(self) -> int:
        """How many messages are not handled yet."""
        return len(self._running) + len(self._queue)

    @property
    def is_stopping(self) -> bool:
        """Whether handlers that were cancelled have yet to end."""
        return any(handling.is_stopped for handling in self._running.values())

    # What comes

    def take(
        self, call: int, message: Any, deadline_ns: int | None, now_ns: int, *, is_answered: bool
    ) -> None:
        """Handle a message, now or in its turn.

        Args:
            call: what it is answered under.
            message: the message.
            deadline_ns: until when the other side waits, on our CLOCK_MONOTONIC; None for ever.
            now_ns: the time, on that.
            is_answered: whether it is to have a reply.
        """
        peer = self._peer()
        if peer is None:
            return  # who held it let go of it; the connection is about to end
        crew = self._crew
        handling = Handling(crew, peer, call, message, deadline_ns, is_answered)
        if crew.is_absent:
            if not is_answered:
                name = type(message).__name__
                self._log(logging.WARNING, "nobody handles messages: %s was dropped", name)
            told = RemoteError("nobody handles messages on this side", kind="NoHandler")
            self._end(handling, told)
        elif self._is_held:
            self._queue[call] = handling
        elif deadline_ns is not None and now_ns >= deadline_ns:
            self._end(handling, expired((now_ns - deadline_ns) / 1e9))
        elif crew.is_plain(message.__class__):
            self._process(handling)
        elif not self._queue and crew.try_begin():
            self._begin(handling)
        else:
            self._queue[call] = handling
            crew.wait(self)

    def reject(self, event: Rejected) -> None:
        """Tell the other side what is wrong with its message."""
        self._log(logging.INFO, "rejected a message: %s", event.error)
        self._tell(functools.partial(self._tell_end, event.call, event.error))

    def cancel(self, call: int) -> None:
        """Stop what the other side does not wait for any more."""
        queued = self._queue.pop(call, None)
        if queued is not None:
            self._end(queued, None)
        elif call in self._running:
            self._stop(self._running[call])

    def begin_next(self) -> bool:
        """Begin with those whose turn it is; whether more wait for a place."""
        while self._queue and not self._is_held:
            call, handling = next(iter(self._queue.items()))
            deadline_ns = handling.deadline_ns
            late_ns = -1 if deadline_ns is None else monotonic_ns() - deadline_ns
            if late_ns >= 0:
                del self._queue[call]
                self._end(handling, expired(late_ns / 1e9))
            elif self._crew.is_plain(handling.message.__class__):
                del self._queue[call]
                self._process(handling)
            elif self._crew.try_begin():
                del self._queue[call]
                self._begin(handling)
                return bool(self._queue)
            else:
                return True
        self._tell_progress()
        return False

    def end(self, *, drops_all: bool) -> None:
        """The connection is over: nobody waits for a reply. It may be told again.

        Args:
            drops_all: stop all handlers; else those of messages that want no reply go on, for the
                other side has left knowing that they were sent.
        """
        self._has_ended = True
        self._owed.clear()
        for handling in list(self._queue.values()):
            if drops_all or handling.is_answered:
                del self._queue[handling.call]
        for handling in list(self._running.values()):
            if drops_all or handling.is_answered:
                self._stop(handling)
        if self._queue:
            self._crew.wait(self)
        else:
            self._crew.leave(self)

    # Handling it

    def _process(self, handling: Handling) -> None:
        """Answer a message that answers for itself at once."""
        try:
            reply = self._context.copy().run(self._crew.process, handling)
        except Exception as error:  # noqa: BLE001 logged, and told to the other side
            self._end(handling, self._told(handling, error))
        except BaseException as error:  # noqa: BLE001 raised where it ends the loop, and harms no stream
            self._end(handling, self._told(handling, error))
            self._loop.call_soon(_raise, error)
        else:
            self._respond(handling, reply)

    def _begin(self, handling: Handling) -> None:
        handling.has_place = True
        self._running[handling.call] = handling
        steps = self._handle(handling)
        handling.task = self._loop.create_task(steps, context=self._context.copy())
        if handling.is_stopped:  # in a first step that was taken at once
            handling.task.cancel()

    async def _handle(self, handling: Handling) -> None:
        handling.has_begun = True
        is_torn = False
        try:
            reply = await self._crew.answer(handling)
        except GeneratorExit:  # its loop was closed under it: there is nobody to tell, nor to begin
            is_torn = True
            raise
        except asyncio.CancelledError as error:
            self._end(handling, None if handling.is_stopped else self._told(handling, error))
            raise
        except Exception as error:  # noqa: BLE001 logged, and told to the other side
            self._end(handling, self._told(handling, error))
        except BaseException as error:
            self._end(handling, self._told(handling, error))
            raise  # it is meant for the program
        else:
            self._respond(handling, reply)
        finally:
            if not is_torn:
                self._forget(handling)

    def _stop(self, handling: Handling) -> None:
        """Cancel a handler."""
        if handling.is_stopped:
            return  # a handler tidies up once
        handling.is_stopped = True
        if handling.task is None:
            return
        handling.task.cancel()
        if not handling.has_begun:  # it will not take a step, not even one to say so
            self._end(handling, None)
            self._forget(handling)

    def _forget(self, handling: Handling) -> None:
        """A handler has ended."""
        if self._running.pop(handling.call, None) is not None:
            handling.end()
            handling.task = None  # whose context leads here
            self._tell_progress()

    def _tell_progress(self) -> None:
        if self._has_ended:
            self._on_progress()

    # Telling of it

    @property
    def _is_held(self) -> bool:
        """Whether the other side is to take what it was told before it is served on."""
        return not self._has_ended and (bool(self._owed) or self._stream.is_full)

    def _respond(self, handling: Handling, reply: Any) -> None:
        """Tell what came of a message, as soon as there is room."""
        if not handling.is_answered or (reply is None and self._crew.is_handler):
            self._end(handling, None)
        elif self._has_ended or self._owed or self._stream.is_full:
            self._tell(functools.partial(self._tell_reply, handling, reply))
        else:
            self._tell_reply(handling, reply)

    def _end(self, handling: Handling, error: IpcError | None) -> None:
        """End a message without a reply: with an error, where there is one and somebody waits."""
        told = error if handling.is_answered else None
        self._tell(functools.partial(self._tell_end, handling.call, told))

    def _tell(self, step: Callable[[], None]) -> None:
        if self._has_ended:
            return
        if self._owed or self._stream.is_full:
            self._owed.append(step)
        else:
            step()

    def _tell_reply(self, handling: Handling, reply: Any) -> None:
        call = handling.call
        try:
            data = self._connection.respond(call, reply)
        except (EncodeError, MessageTooLarge) as error:
            name = type(handling.message).__name__
            self._log(logging.ERROR, "the reply to %s cannot be sent: %s", name, error, kind=name)
            is_large = isinstance(error, MessageTooLarge)
            data = self._connection.fail(call, error if is_large else UnexpectedReply(str(error)))
        self._write(data)

    def _tell_end(self, call: int, error: IpcError | None) -> None:
        connection = self._connection
        self._write(connection.finish(call) if error is None else connection.fail(call, error))

    def _write(self, data: bytes | Parts) -> None:
        # Where more than one handler runs, another is likely to end at once.
        if len(self._running) > 1:
            self._stream.write_soon(data)
        else:
            self._stream.write(data)

    def let_out(self) -> None:
        """Tell what there was no room for, and serve on."""
        while self._owed and not self._stream.is_full:
            self._owed.popleft()()
        if self._queue and not self._is_held:
            self._crew.wait(self)

    def _told(self, handling: Handling, error: BaseException) -> RemoteError:
        """What the other side is told of an exception; it is logged, unless it was expected."""
        told = remote_error_of(error)
        # Whoever ends a loop cancels all that runs in it.
        if not isinstance(told, CommandFailed) and not isinstance(error, asyncio.CancelledError):
            name = type(handling.message).__name__
            self._log(logging.ERROR, "handling %s failed", name, kind=name, error=error)
        return told


def _raise(error: BaseException) -> NoReturn:
    raise error
