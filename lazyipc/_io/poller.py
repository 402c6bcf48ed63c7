"""Readiness: `select.epoll` itself where there is one, else any object like a `selectors` one.

The standard `selectors` doubles the cost of an idle poll, so epoll is used without it. Both speak
in pairs of descriptor and mask, with epoll's numbers.
"""

from __future__ import annotations

import contextlib
import errno
import io
import select
import selectors
from collections.abc import Callable, Iterable
from typing import Any

from lazyipc.errors import LocalProtocolError

READ = 1
WRITE = 4
HANGUP = 8 | 16
"""An error, or nobody is left to receive: EPOLLERR and EPOLLHUP."""

FD_SETSIZE = 1024
"""From this descriptor on select(2) cannot watch, and says so only when it is called."""

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

    def has_hung_up(self, fd: int) -> bool:
        """Whether nobody is left to receive at the other end, as it is now."""
        return bool(_hung_up([fd]))

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()


class SelectorPoller:
    """Readiness by an object with the interface of `selectors.BaseSelector`.

    What else the caller watches by it is left alone, and not told here.

    Raises:
        LocalProtocolError: it is closed.
    """

    __slots__ = ("_is_far_sighted", "_masks", "_selector", "_unread")

    def __init__(self, selector: Any) -> None:
        self._selector = selector
        self._masks: dict[int, int] = {}
        """What each descriptor is watched for."""
        self._unread: set[int] = set()
        """Those not watched for reading: of their hang-up a selector may say nothing."""
        self._is_far_sighted = False
        """Seen to watch descriptors from FD_SETSIZE on."""
        if selector.get_map() is None:
            raise self._closed()

    def poll(self, timeout: float | None) -> Ready:
        """What is ready.

        Raises:
            LocalProtocolError: the caller closed the selector.
        """
        selector, unread = self._selector, self._unread
        if selector.get_map() is None:  # asked first: some say nothing when closed, and sleep
            raise self._closed()
        if unread and timeout != 0 and _hung_up(unread):
            timeout = 0
        try:
            found = selector.select(timeout)
        except InterruptedError:  # as in `selectors`: then nothing was found
            found = ()
        except (OSError, ValueError) as error:
            if selector.get_map() is None:  # a signal's handler closed it
                raise self._closed() from error
            raise
        if not (found or unread):
            return []
        masks = self._masks
        ready = {key.fd: _mask_of(events) for key, events in found if masks.get(key.fd)}
        for fd, hangup in _hung_up(ready.keys() | unread).items():
            ready[fd] = ready.get(fd, 0) | hangup
        return list(ready.items())

    def register(self, fd: int, mask: int) -> None:
        """Watch for this.

        Raises:
            OSError: it cannot be watched.
        """
        self._masks[fd] = mask
        if not mask & READ:
            self._unread.add(fd)
        if not mask:  # selectors cannot watch for nothing
            return
        try:
            self._selector.register(fd, _events(mask))
            if fd >= FD_SETSIZE and not self._is_far_sighted:
                self._selector.select(0)
                self._is_far_sighted = True
        except (KeyError, ValueError) as error:
            self.unregister(fd)
            name = type(self._selector).__name__
            text = f"{name} cannot watch descriptor {fd}: {error.args[0]}; use another selector, "
            raise OSError(errno.EINVAL, text + "and leave it to the server alone") from error

    def modify(self, fd: int, mask: int) -> None:
        self.unregister(fd)
        self.register(fd, mask)

    def unregister(self, fd: int) -> None:
        with contextlib.suppress(KeyError):  # watched for nothing, or closed by the caller
            self._selector.unregister(fd)
        self._unread.discard(fd)
        self._masks.pop(fd, None)

    def has_hung_up(self, fd: int) -> bool:
        """Whether nobody is left to receive at the other end, as it is now."""
        return bool(_hung_up([fd]))

    def fileno(self) -> int:
        fileno = getattr(self._selector, "fileno", None)
        if fileno is None:
            raise io.UnsupportedOperation(
                f"{type(self._selector).__name__} has no descriptor; use `wait`, or poll by a timer"
            )
        return int(fileno())

    def close(self) -> None:
        self._selector.close()

    def _closed(self) -> LocalProtocolError:
        name = type(self._selector).__name__
        return LocalProtocolError(
            f"the server's {name} is closed; it is the server's own, which closes it by itself"
        )


def _events(mask: int) -> int:
    return (selectors.EVENT_READ if mask & READ else 0) | (
        selectors.EVENT_WRITE if mask & WRITE else 0
    )


def _mask_of(events: int) -> int:
    return (READ if events & selectors.EVENT_READ else 0) | (
        WRITE if events & selectors.EVENT_WRITE else 0
    )


def _hung_up(fds: Iterable[int]) -> dict[int, int]:
    """Which have hung up; a selector tells of it as readable, writable, or not at all."""
    asked = select.poll()
    for fd in fds:
        asked.register(fd, 0)
    return {fd: mask & HANGUP for fd, mask in asked.poll(0) if mask & HANGUP}


def poller_for(selector: Any) -> EpollPoller | SelectorPoller:
    """Readiness by the caller's selector, or by the cheapest this platform has."""
    if selector is None and hasattr(select, "epoll"):
        return EpollPoller()
    return SelectorPoller(selectors.DefaultSelector() if selector is None else selector)
