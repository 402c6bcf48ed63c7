"""A transport that takes as much as a test says, a loop that adopts when it says, a clock by hand.

The transport keeps asyncio's rules, and fails a test that breaks one where asyncio would only log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lazyipc._aio.stream import Stream


class FakeSocket:
    """Stands for a connected socket; whether it was closed is seen."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class FakeTransport(asyncio.Transport):
    """Takes what is written as the system would: at once as much as there is room, the rest later.

    Args:
        protocol: what it belongs to.
        room_bytes: how much the system takes; `drain` makes more room.
    """

    def __init__(self, protocol: asyncio.BaseProtocol, room_bytes: int = 1 << 30) -> None:
        super().__init__()
        self._protocol: Any = protocol
        self._room_bytes = room_bytes
        self._unsent = bytearray()
        self._is_paused = False
        self._high = 1 << 16
        self.sent = bytearray()
        """What the system took."""
        self.writes: list[int] = []
        """How long each write was."""
        self.ends: list[str] = []
        """How it was brought to its end: "write_eof", "close", "abort", in this order."""
        self.fails_by: OSError | None = None
        """What the next write meets."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else 1 << 16

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def is_closing(self) -> bool:
        return "close" in self.ends or "abort" in self.ends

    def write(self, data: Any) -> None:
        assert data, "nothing is written, which costs a call of the system"
        assert not self.ends, f"{len(data)} bytes are written behind {self.ends}"
        self.writes.append(len(data))
        if self.fails_by is not None:
            self._end("abort", self.fails_by)
            return
        self._unsent += data
        self._send()
        if len(self._unsent) > self._high and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        raise AssertionError("writelines: asyncio forgot in it, up to 3.13.0, that it may be full")

    def _send(self) -> None:
        taken = self._unsent[: self._room_bytes]
        self.sent += taken
        self._room_bytes -= len(taken)
        del self._unsent[: len(taken)]

    def drain(self, room_bytes: int = 1 << 30) -> None:
        """The other side reads so much."""
        self._room_bytes += room_bytes
        self._send()
        if self._is_paused and len(self._unsent) <= self._high // 4:
            self._is_paused = False
            self._protocol.resume_writing()
        if self.ends[-1:] == ["close"] and not self._unsent:
            self.lose()

    def write_eof(self) -> None:
        self.ends.append("write_eof")

    def close(self) -> None:
        if not self.is_closing():
            self._end("close", None)

    def abort(self) -> None:
        self._end("abort", None)

    def _end(self, how: str, error: OSError | None) -> None:
        self.ends.append(how)
        if how == "abort":
            self._unsent.clear()
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self.lose, error)

    def lose(self, error: OSError | None = None) -> None:
        """The socket is closed."""
        self._protocol.connection_lost(error)

    def receive(self, data: bytes) -> None:
        """A piece comes, as loops bring it to a protocol that brings its own buffer."""
        self._protocol.get_buffer(-1)[: len(data)] = data
        self._protocol.buffer_updated(len(data))


class FakeLoop:
    """The running loop, but for sockets: what it adopts gets a FakeTransport when the test says.

    Args:
        room_bytes: how much is taken before somebody reads.
    """

    def __init__(self, room_bytes: int = 1 << 30) -> None:
        self._loop = asyncio.get_running_loop()
        self._room_bytes = room_bytes
        self.is_ended = False
        """It is closed, as far as is told."""
        self.adopts = asyncio.Event()
        """Adopting goes on."""
        self.adopts.set()
        self.made = asyncio.Event()
        """What is adopted has its transport."""
        self.refuses_by: OSError | None = None
        """What adopting meets."""
        self.transport: FakeTransport | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def is_closed(self) -> bool:
        return self.is_ended

    async def create_unix_connection(self, factory: Callable[[], Any], *, sock: Any) -> Any:
        """As asyncio: the protocol has its transport some turns before its adopter goes on."""
        if self.refuses_by is not None:
            raise self.refuses_by
        protocol = factory()
        transport = FakeTransport(protocol, self._room_bytes)
        await asyncio.sleep(0)
        self.transport = transport
        protocol.connection_made(transport)
        self.made.set()
        await self.adopts.wait()
        return transport, protocol


class Seen:
    """What a stream told its owner, in order."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.told: list[Any] = []

    def on_data(self, data: bytes) -> None:
        self.data += data

    def on_end(self, error: OSError | None) -> None:
        self.told.append(("end", error))

    def on_eof(self) -> None:
        self.told.append("eof")

    def on_room(self) -> None:
        self.told.append("room")


def stream_in(loop: Any, seen: Seen, out_bytes: int) -> Stream:
    """A stream that was not adopted yet, and tells all it can tell."""
    return Stream(
        loop,
        seen.on_data,
        seen.on_end,
        on_eof=seen.on_eof,
        on_room=seen.on_room,
        out_bytes=out_bytes,
    )


class Joined:
    """A stream, its transport and its owner's diary."""

    def __init__(self, loop: FakeLoop, stream: Stream, seen: Seen) -> None:
        self.loop = loop
        self.stream = stream
        self.seen = seen
        assert loop.transport is not None
        self.transport = loop.transport


async def adopted(*, out_bytes: int = 1000, room_bytes: int = 1 << 30) -> Joined:
    """A stream over a transport.

    Args:
        out_bytes: how many unsent bytes make it full.
        room_bytes: how much is taken before somebody reads.
    """
    loop, seen = FakeLoop(room_bytes), Seen()
    connected: Any = FakeSocket()
    stream = await stream_in(loop, seen, out_bytes).adopt(connected)
    return Joined(loop, stream, seen)


class ClockLoop:
    """Timers, and a clock that a test sets; nothing else of a loop.

    Args:
        early_seconds: how much before its time it calls a timer, for loops round.
    """

    def __init__(self, early_seconds: float = 0.0) -> None:
        self.now = 1000.0
        self._early_seconds = early_seconds
        self.armed: list[_Timer] = []
        self.armings = 0
        """How many timers there were in all."""

    def monotonic(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> _Timer:
        assert delay >= 0
        self.armings += 1
        timer = _Timer(self, self.now + delay, callback)
        self.armed.append(timer)
        return timer

    def pass_until(self, moment: float) -> None:
        """Let time pass, and call what is due meanwhile, each at its time."""
        for _ in range(1000):
            due = min((timer.at for timer in self.armed), default=moment + 1)
            due -= self._early_seconds if due - self.now > self._early_seconds else 0
            if due > moment:
                self.now = moment
                return
            self.now = max(due, self.now)
            timer = min(self.armed, key=lambda each: each.at)
            self.armed.remove(timer)
            timer.callback()
        raise AssertionError("timers without end")


class _Timer:
    def __init__(self, loop: ClockLoop, at: float, callback: Callable[[], None]) -> None:
        self._loop = loop
        self.at = at
        self.callback = callback

    def cancel(self) -> None:
        if self in self._loop.armed:
            self._loop.armed.remove(self)
