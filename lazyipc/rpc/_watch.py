"""A child process in an event loop: its end awaited, its words taken, and how it is brought to end.

Knows the loop and the child, not what the child is for.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
from typing import Literal

from lazyipc._io.child import Child
from lazyipc._log import logger

KILL_SECONDS = 2.0
"""How long the end of a killed child is waited for where there is no loop any more; it takes
milliseconds, unless the child hangs inside the system."""

Step = Literal["wait", "terminate", "kill"]


class Watch:
    """Watches a child from now on, also when its owner has forgotten it: it becomes no zombie.

    Args:
        loop: the event loop; the child's end is awaited in it.
        child: the child, which is closed at its end, or with the watch.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, child: Child) -> None:
        self._loop = loop
        self.child = child
        self.gone: asyncio.Future[None] = loop.create_future()
        """Done when the child has ended; not to be cancelled."""
        self.silent: asyncio.Future[None] = loop.create_future()
        """Done when nobody has the child's stderr open, or we hear no more; likewise."""
        try:
            loop.add_reader(child.pidfd, self._look)
            loop.add_reader(child.stderr_fd, self._listen)
        except BaseException:
            self.kill_now()
            raise

    def _look(self) -> None:
        fd = self.child.pidfd
        self._loop.remove_reader(fd)  # before its number may be another's
        if not self.child.collect():
            self._loop.add_reader(fd, self._look)
        else:
            _done(self.gone)

    def _listen(self) -> None:
        if not self.child.read_stderr():
            self.close_stderr()

    def close_stderr(self) -> None:
        """Hear no more, whoever has the child's stderr open. Calling it twice is fine."""
        fd = self.child.stderr_fd
        if fd >= 0:
            if not self._loop.is_closed():
                self._loop.remove_reader(fd)
                _done(self.silent)
            self.child.close_stderr()

    async def is_gone_within(self, seconds: float) -> bool:
        """Wait for the child's end; whether it came in time."""
        if not self.gone.done():
            await asyncio.wait([self.gone], timeout=None if math.isinf(seconds) else seconds)
        return self.gone.done()

    async def end(self, grace: float, first: Step = "wait") -> None:
        """See the child to its end: wait, then terminate it, then kill it.

        Who is cancelled, or interrupted, meanwhile has no time for that: the child is killed at
        once, and it is gone when this raises.

        Args:
            grace: seconds for each step before the next.
            first: what to begin with.
        """
        try:
            if first == "wait" and await self.is_gone_within(grace):
                return
            if first != "kill":
                self._signal(signal.SIGTERM)
                if await self.is_gone_within(grace):
                    return
            await self._kill()
        except GeneratorExit:  # nothing can be awaited any more
            self.kill_now()
            raise
        except BaseException:
            await self._kill()
            raise
        finally:
            self.close_stderr()

    async def _kill(self) -> None:
        """Kill the child and see it gone; what interrupts that waits as long."""
        interrupt: asyncio.CancelledError | None = None
        while not self.gone.done() and self._signal(signal.SIGKILL):
            try:
                await asyncio.wait([self.gone])
            except asyncio.CancelledError as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def kill_now(self) -> None:
        """Kill the child, and take its exit status without the loop."""
        if not self._loop.is_closed():
            for fd in (self.child.pidfd, self.child.stderr_fd):
                if fd >= 0:
                    self._loop.remove_reader(fd)
        if self._signal(signal.SIGKILL):
            self.child.wait(KILL_SECONDS)
        self.child.close()

    def _signal(self, number: signal.Signals) -> bool:
        """Send the child a signal; whether we may."""
        if self.child.try_signal(number):
            return True
        logger.log(
            logging.WARNING,
            "%s cannot be sent %s: it has become another user's, and is left alone",
            self.child,
            number.name,
        )
        return False


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
