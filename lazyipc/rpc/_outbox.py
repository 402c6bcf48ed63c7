"""What a peer sends: messages on their way, the room they need, and what comes of them.

Knows calls of our own. What the other side sends is the inbox's business.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any

from lazyipc._aio.alarm import Alarm
from lazyipc._aio.stream import Stream
from lazyipc._calls import DEFAULT_TIMEOUT, checked_seconds, in_ns
from lazyipc._core.connection.outgoing import Draft
from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.parts import Parts
from lazyipc.errors import Disconnected, IpcError, LocalProtocolError, ReplyTimeout, Started
from lazyipc.rpc._reply import Reply, alternatives

SWEEP_SECONDS = 2e-6
"""How far apart, for each message that waits, two looks at their deadlines are at least: so looking
takes no more than a few hundredths of the time, however many there are."""

PURGE_COUNT = 64
"""How many replies that wait for room are worth a look at which of them nobody holds."""


class Outbox:
    """The messages that one peer sends.

    Args:
        loop: the event loop they are sent in.
        connection: its side of the protocol.
        stream: where it is written, and there may be no room.
        name: what stands for the connection in errors.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: PeerConnection,
        stream: Stream,
        name: str,
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._stream = stream
        self._name = name
        self._numbers = itertools.count(1)
        self._sent: dict[int, Reply[Any]] = {}
        self.waiting: dict[int, Callable[[], Reply[Any] | None]] = {}
        """Those for whose message there is no room yet, in order, by their ids; those that nobody
        awaits are not held."""
        self._purge_count = PURGE_COUNT
        self._alarm = Alarm(loop, self._sweep)

    def send(self, message: Any, timeout: float | None, expected: type | None) -> Reply[Any]:
        """Send a message that is answered: now, where there is room."""
        if expected is not None:
            alternatives(expected)  # which raises now, not at the reply
        draft = self._connection.draft(message)
        if timeout is None:
            own = draft[0].timeout
            seconds = DEFAULT_TIMEOUT if own is None else own
        else:
            seconds = checked_seconds(timeout)
        reply: Reply[Any] = Reply(self, self._loop, draft, seconds, monotonic() + seconds, expected)
        self._enter(reply)
        return reply

    def notify(self, message: Any) -> Reply[None]:
        """Send a message that is not answered: now, where there is room."""
        draft = self._connection.draft(message)
        reply: Reply[None] = Reply(self, self._loop, draft, math.inf, math.inf, None)
        reply.is_answered = False
        self._enter(reply)
        return reply

    def _enter(self, reply: Reply[Any]) -> None:
        if not self.waiting and self._has_room(reply.draft):
            self._dispatch(reply)
            return
        # Whoever does not hold on to the reply does not wait for room: what is to be sent once
        # there is some would grow without end.
        if len(self.waiting) >= self._purge_count:
            self.waiting = {key: held for key, held in self.waiting.items() if held() is not None}
            self._purge_count = 2 * len(self.waiting) + PURGE_COUNT
        # One that is gone may have had this id, and would leave it a place before others.
        self.waiting.pop(id(reply), None)
        self.waiting[id(reply)] = weakref.ref(reply)
        self._alarm.by(reply.deadline)

    def _has_room(self, draft: Draft) -> bool:
        return not self._stream.is_full and self._connection.has_room(len(draft[1]))

    def _dispatch(self, reply: Reply[Any]) -> None:
        reply.call = call = next(self._numbers)
        draft: Any
        draft, reply.draft = reply.draft, None
        if not reply.is_answered:
            # Whoever tells one thing often tells another.
            self._stream.write_soon(self._connection.notify_draft(call, draft))
            reply.end(None)
            return
        deadline = reply.deadline
        times = in_ns(reply.seconds, deadline)
        data = self._connection.request_draft(call, draft, *times)
        self._sent[call] = reply
        if deadline < self._alarm.at:
            self._alarm.by(deadline)
        self._write(data)

    def _write(self, data: bytes | Parts) -> None:
        # Where more than one message is on its way, another is likely to be written at once.
        if len(self._sent) > 1:
            self._stream.write_soon(data)
        else:
            self._stream.write(data)

    # What replies ask for.

    def hold(self, reply: Reply[Any]) -> None:
        """Keep it until its message is sent, for somebody waits."""
        self.waiting[id(reply)] = lambda: reply

    def give_up(self, reply: Reply[Any]) -> None:
        """Nobody waits for it any more: the other side may stop."""
        if reply.has_ended or self._loop.is_closed():
            return
        self.waiting.pop(id(reply), None)
        self._stop(reply)
        reply.end(None, LocalProtocolError("nobody waited for this reply any more; send again"))

    def _stop(self, reply: Reply[Any]) -> None:
        if self._sent.pop(reply.call, None) is not None and not reply.was_heard:
            self._write(self._connection.cancel(reply.call))

    # What comes of them.

    def responded(self, call: int, value: Any) -> None:
        """The reply came."""
        reply = self._sent.pop(call, None)
        if reply is not None:
            reply.end(value)

    def failed(self, call: int, error: IpcError) -> None:
        """An error came in its place."""
        reply = self._sent.pop(call, None)
        if reply is not None:
            reply.end(None, error)

    def finished(self, call: int) -> None:
        """The other side is done with it, and has no reply.

        It is waited for until its time is over, as in the crate; but then it is known why.
        """
        reply = self._sent.get(call)
        if reply is not None:
            reply.was_heard = True

    def let_in(self) -> None:
        """Send what waits, as far as there is room."""
        while self.waiting:
            key, held = next(iter(self.waiting.items()))
            reply = held()
            if reply is not None:
                if not self._has_room(reply.draft):
                    return
                self._dispatch(reply)
            self.waiting.pop(key, None)

    def end(self, disconnected: Callable[[Started], Disconnected]) -> None:
        """The connection is over: none of them gets a reply."""
        self._alarm.stop()
        ended = self._all()
        self._sent.clear()
        self.waiting.clear()
        for reply in ended:
            started: Started = "yes" if reply.was_heard else "unknown" if reply.call else "no"
            reply.end(None, disconnected(started))

    def _all(self) -> list[Reply[Any]]:
        waiting = [reply for held in self.waiting.values() if (reply := held()) is not None]
        return [*self._sent.values(), *waiting]

    def _sweep(self) -> float | None:
        """End those whose time is over; when to look again."""
        now = monotonic()
        following = math.inf
        replies = self._all()
        for reply in replies:
            if reply.deadline > now:
                following = min(following, reply.deadline)
                continue
            self.waiting.pop(id(reply), None)
            self._stop(reply)
            reply.end(None, self._no_reply(reply))
        self.let_in()
        if following == math.inf:
            return None
        return max(following, now + SWEEP_SECONDS * len(replies))

    def _no_reply(self, reply: Reply[Any]) -> ReplyTimeout:
        within = f"{self._name}: no reply within {reply.seconds:g} s"
        if reply.was_heard:
            return ReplyTimeout(
                f"{within}; the message was handled, and the handler answered nothing (see notify)",
                started="yes",
            )
        if not reply.call:
            return ReplyTimeout(
                f"{within}; the message was not sent: the other side is behind with others",
                started="no",
            )
        return ReplyTimeout(
            f"{within}; its handler was told to stop, and whether it had run is not known",
            started="unknown",
        )
