"""Descriptors with one owner, and what becomes of them in a forked child."""

from __future__ import annotations

import io
import os
import weakref
from typing import Protocol


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


class Abandons(Protocol):
    """Whatever holds descriptors that a forked child must let go of."""

    def abandon(self) -> None:
        """Close our copies; touch nothing the parent goes on using."""


_held: weakref.WeakSet[Abandons] = weakref.WeakSet()


def abandon_in_child(holder: Abandons) -> None:
    """Have `holder.abandon()` called in each child this process forks."""
    _held.add(holder)


def _after_fork_in_child() -> None:
    for holder in list(_held):
        holder.abandon()


# Asking for the process's number on each call instead would cost a system call each.
os.register_at_fork(after_in_child=_after_fork_in_child)
