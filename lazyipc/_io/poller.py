"""Readiness: `select.epoll` itself where there is one, else any object like a `selectors` one.

The standard `selectors` doubles the cost of an idle poll, so epoll is used without it. Both speak
in pairs of descriptor and mask, with epoll's numbers.
"""

from __future__ import annotations

import io
import select
import selectors
from collections.abc import Callable
from typing import Any

READ = 1
WRITE = 4
HANGUP = 8 | 16
"""An error, or nobody is left to receive: EPOLLERR and EPOLLHUP."""

Ready = list[tuple[int, int]]


class EpollPoller:
    """Readiness by epoll; `poll(timeout)` is epoll's own method, at epoll's own price."""

    __slots__ = ("_epoll", "modify", "poll", "register", "unregister")

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.poll: Callable[..., Ready] = self._epoll.poll
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()


class SelectorPoller:
    """Readiness by an object with the interface of `selectors.BaseSelector`."""

    def __init__(self, selector: Any) -> None:
        self._selector = selector

    def poll(self, timeout: float | None) -> Ready:
        ready = []
        for key, events in self._selector.select(timeout):
            mask = (READ if events & selectors.EVENT_READ else 0) | (
                WRITE if events & selectors.EVENT_WRITE else 0
            )
            ready.append((key.fd, mask | _hangup(key.fd)))
        return ready

    def register(self, fd: int, mask: int) -> None:
        if mask:
            self._selector.register(fd, _events(mask))

    def modify(self, fd: int, mask: int) -> None:
        """Selectors cannot watch for nothing, so a mask of 0 is not registered at all."""
        self.unregister(fd)
        self.register(fd, mask)

    def unregister(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def fileno(self) -> int:
        fileno = getattr(self._selector, "fileno", None)
        if fileno is None:
            raise io.UnsupportedOperation(f"{type(self._selector).__name__} has no descriptor")
        return int(fileno())

    def close(self) -> None:
        self._selector.close()


def _events(mask: int) -> int:
    return (selectors.EVENT_READ if mask & READ else 0) | (
        selectors.EVENT_WRITE if mask & WRITE else 0
    )


def _hangup(fd: int) -> int:
    """Selectors report a hang-up as readable; ask what it is."""
    poll = select.poll()
    poll.register(fd, 0)
    return sum(mask for _, mask in poll.poll(0)) & HANGUP


def poller_for(selector: Any) -> EpollPoller | SelectorPoller:
    """Readiness by the caller's selector, or by the cheapest this platform has."""
    if selector is None and hasattr(select, "epoll"):
        return EpollPoller()
    return SelectorPoller(selectors.DefaultSelector() if selector is None else selector)
