"""Descriptors with one owner, and what becomes of them in a forked child."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Callable


class OwnedFd:
    """A descriptor that is closed exactly once.

    >>> handle = OwnedFd(os.eventfd(0))
    >>> handle.close(); handle.close()
    """

    __slots__ = ("_file",)

    def __init__(self, fd: int) -> None:
        # A file object closes and forgets in one step that no signal handler can come between.
        self._file = io.FileIO(fd, "r+")

    def fileno(self) -> int:
        """The descriptor, or -1 when closed."""
        return -1 if self._file.closed else self._file.fileno()

    def close(self) -> None:
        """Close it; calling it twice is fine."""
        self._file.close()


_abandons: set[weakref.WeakMethod[Callable[[], None]]] = set()


def abandon_in_child(abandon: Callable[[], None]) -> None:
    """Have a method called in each child this process forks, as long as its object lives.

    It closes our copies of descriptors and touches nothing the parent goes on using.
    """
    _abandons.add(weakref.WeakMethod(abandon, _abandons.discard))


def _after_fork_in_child() -> None:
    for reference in list(_abandons):
        abandon = reference()
        if abandon is not None:
            abandon()


# Asking for the process's number on each call instead would cost a system call each.
os.register_at_fork(after_in_child=_after_fork_in_child)
