"""Waiting until something has changed that no future stands for."""

from __future__ import annotations

import asyncio


class News:
    """Wakes all who wait, each time it is told; what has changed they see for themselves.

    Args:
        loop: the event loop they wait in.

    >>> async def main() -> None:
    ...     news = News(asyncio.get_running_loop())
    ...     seen: list[int] = []
    ...     async def wait() -> None:
    ...         while not seen:
    ...             await news.wait()
    ...         print(seen)
    ...     waiting = asyncio.create_task(wait())
    ...     await asyncio.sleep(0)
    ...     seen.append(1)
    ...     news.tell()
    ...     await waiting
    >>> asyncio.run(main())
    [1]
    """

    __slots__ = ("_loop", "_waiters")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: set[asyncio.Future[None]] = set()

    async def wait(self) -> None:
        """Wait until it is told again."""
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def tell(self) -> None:
        """Something has changed."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
