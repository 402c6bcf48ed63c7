"""What the other side sends: messages handled, and what it is told of that.

Knows calls of the other side's. What we send is the outbox's business.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, cast

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
from lazyipc.rpc._crew import PEER, SHIFT, Crew, Shift


class Inbox:
    """The messages that one peer takes.

    Args:
        loop: the event loop they are handled in.
        connection: its side of the protocol.
        stream: where is written what they are told, and there may be no room.
        crew: who handles them.
        log: where the other side's doings are logged.
        peer: what handlers are given; None once nobody holds it.
        on_idle: told when the last handler has ended.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: PeerConnection,
        stream: Stream,
        crew: Crew,
        log: ClientLog,
        peer: Callable[[], Any],
        on_idle: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._stream = stream
        self._crew = crew
        self._log = log
        self._peer = peer
        self._on_idle = on_idle
        self._queue: dict[int, tuple[Any, int | None, bool]] = {}
        """What waits for a handler, in order."""
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._stopped: set[int] = set()
        """Those of the tasks that the other side cancelled, or that ended with the connection."""
        self._owed: deque[Callable[[], None]] = deque()
        """What the other side is to be told when it takes more. It does not grow without end: what
        is not told is not ended, and counts among the messages that side may have here."""
        self._notified: set[int] = set()
        """Those of the tasks whose messages want no reply."""
        self._last_peer: Any = None
        """What handlers are given once the connection is over."""
        self._has_ended = False

    @property
    def count(self) -> int:
        """How many messages are not handled yet."""
        return len(self._tasks) + len(self._queue)

    def take(self, call: int, message: Any, deadline_ns: int | None, is_answered: bool) -> None:
        """Handle a message, now or in its turn.

        Args:
            call: what it is answered under.
            message: the message.
            deadline_ns: until when the other side waits, on our CLOCK_MONOTONIC; None for ever.
            is_answered: whether it is to have a reply.
        """
        crew = self._crew
        if crew.is_absent:
            told = RemoteError("nobody handles messages on this side", kind="NoHandler")
            self._end(call, is_answered, told)
        elif crew.is_plain(message.__class__):
            self._process(call, message, is_answered)
        elif crew.try_begin():
            self._begin(call, message, deadline_ns, is_answered)
        else:
            self._queue[call] = message, deadline_ns, is_answered
            crew.wait(self)

    def reject(self, event: Rejected) -> None:
        """Tell the other side what is wrong with its message."""
        self._log(logging.INFO, "rejected a message: %s", event.error)
        self._end(event.call, is_answered=True, error=event.error)

    def cancel(self, call: int) -> None:
        """Stop what the other side does not wait for any more."""
        if self._queue.pop(call, None) is not None:
            if not self._queue:
                self._crew.leave(self)
            self._end(call, is_answered=False, error=None)
        elif call in self._tasks:
            self._stop(call)

    def _stop(self, call: int) -> None:
        """Cancel a handler."""
        task = self._tasks[call]
        self._stopped.add(call)
        task.cancel()
        if inspect.getcoroutinestate(cast(Any, task.get_coro())) == inspect.CORO_CREATED:
            # It will not take a step, not even one to say so.
            self._end(call, is_answered=False, error=None)
            self._forget(call)
            self._crew.end()

    def begin_next(self) -> bool:
        """Begin with the one that has waited longest; whether more wait."""
        call = next(iter(self._queue))
        self._begin(call, *self._queue.pop(call))
        return bool(self._queue)

    def end(self, *, drops_all: bool) -> None:
        """The connection is over: nobody waits for a reply.

        Args:
            drops_all: stop all handlers; else those of messages that want no reply go on, for the
                other side has left knowing that they were sent.
        """
        self._has_ended = True
        self._owed.clear()
        self._last_peer = self._peer()
        for call, (_, _, is_answered) in list(self._queue.items()):
            if drops_all or is_answered:
                del self._queue[call]
        if not self._queue:
            self._crew.leave(self)
        for call in list(self._tasks):
            if drops_all or call not in self._notified:
                self._stop(call)
        if not self.count:
            self._last_peer = None

    def _process(self, call: int, message: Any, is_answered: bool) -> None:
        """Answer a message that answers for itself at once."""
        token = PEER.set(self._peer())
        try:
            reply = message.process(self._crew.context)
        except Exception as error:  # noqa: BLE001 logged, and told to the other side
            self._end(call, is_answered, self._told(message, error))
        except BaseException as error:
            self._end(call, is_answered, self._told(message, error))
            raise  # it is meant for the program
        else:
            self._respond(call, message, is_answered, reply)
        finally:
            PEER.reset(token)

    def _begin(self, call: int, message: Any, deadline_ns: int | None, is_answered: bool) -> None:
        if not is_answered:
            self._notified.add(call)
        steps = self._handle(call, message, deadline_ns, is_answered)
        self._tasks[call] = self._loop.create_task(steps)

    async def _handle(
        self, call: int, message: Any, deadline_ns: int | None, is_answered: bool
    ) -> None:
        shift = Shift(self._crew)
        SHIFT.set(shift)
        try:
            if deadline_ns is not None and (late_ns := monotonic_ns() - deadline_ns) >= 0:
                self._end(call, is_answered, expired(late_ns / 1e9))
                return
            peer = self._last_peer or self._peer()
            if peer is None:  # who held it let go of it; the connection is about to end
                self._end(call, is_answered, None)
                return
            PEER.set(peer)
            reply = await self._crew.answer(message, peer)
        except asyncio.CancelledError as error:
            told = None if call in self._stopped else self._told(message, error)
            self._end(call, is_answered, told)
            raise
        except Exception as error:  # noqa: BLE001 logged, and told to the other side
            self._end(call, is_answered, self._told(message, error))
        except BaseException as error:
            self._end(call, is_answered, self._told(message, error))
            raise  # it is meant for the program
        else:
            self._respond(call, message, is_answered, reply)
        finally:
            self._forget(call)
            shift.end()

    def _forget(self, call: int) -> None:
        """A handler has ended."""
        del self._tasks[call]
        self._stopped.discard(call)
        self._notified.discard(call)
        if not self._tasks and not self._queue:
            self._last_peer = None
            self._on_idle()

    def _respond(self, call: int, message: Any, is_answered: bool, reply: Any) -> None:
        """Tell what came of a message, as soon as there is room."""
        if self._has_ended or not is_answered or (reply is None and self._crew.is_handler):
            self._end(call, is_answered, None)
        elif self._owed or self._stream.is_full:
            self._owed.append(functools.partial(self._tell_reply, call, message, reply))
        else:
            self._tell_reply(call, message, reply)

    def _tell_reply(self, call: int, message: Any, reply: Any) -> None:
        try:
            data = self._connection.respond(call, reply)
        except (EncodeError, MessageTooLarge) as error:
            name = type(message).__name__
            self._log(logging.ERROR, "the reply to %s cannot be sent: %s", name, error, kind=name)
            is_large = isinstance(error, MessageTooLarge)
            data = self._connection.fail(call, error if is_large else UnexpectedReply(str(error)))
        self._write(data)

    def _end(self, call: int, is_answered: bool, error: IpcError | None) -> None:
        """End a message without a reply: with an error, where there is one and somebody waits."""
        if self._has_ended:
            return
        told = error if is_answered else None
        if self._owed or self._stream.is_full:
            self._owed.append(functools.partial(self._tell_end, call, told))
        else:
            self._tell_end(call, told)

    def _tell_end(self, call: int, error: IpcError | None) -> None:
        connection = self._connection
        self._write(connection.finish(call) if error is None else connection.fail(call, error))

    def _write(self, data: bytes | Parts) -> None:
        # Where more than one handler runs, another is likely to end at once.
        if len(self._tasks) > 1:
            self._stream.write_soon(data)
        else:
            self._stream.write(data)

    def let_out(self) -> None:
        """Tell what there was no room for."""
        while self._owed and not self._stream.is_full:
            self._owed.popleft()()

    def _told(self, message: Any, error: BaseException) -> RemoteError:
        """What the other side is told of an exception; it is logged, unless it was expected."""
        told = remote_error_of(error)
        if not isinstance(told, CommandFailed):
            name = type(message).__name__
            self._log(logging.ERROR, "handling %s failed", name, kind=name, error=error)
        return told
