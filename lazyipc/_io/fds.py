"""Descriptors with one owner, and what becomes of them in a forked child."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import stat
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, TypeVar

    T = TypeVar("T")


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


def opened(path: str, flags: int, mode: int = 0o600) -> io.FileIO:
    """What the system opens, owned from its first instant; only its descriptor is of use.

    Raises:
        OSError, ValueError: it cannot be opened, or is no path.
    """
    # From open(2) to the object no bytecode runs, for between any two a signal handler may raise.
    return next(map(io.FileIO, itertools.starmap(os.open, ((path, flags, mode),))))


def opened_file(path: str) -> io.FileIO:
    """A file opened to be read; no link is followed, and no pipe's other end waited for.

    Raises:
        OSError, ValueError: there is no file, or it may not be read.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):  # FileIO takes no directory, nor closes it then
        raise OSError(errno.EINVAL, "no file", path)
    return opened(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


class Closers:
    """What an owner has to close, the newest first; closed with it, should it be forgotten.

    Args:
        owner: whose they are.
        functions: each may be called twice: an interrupted close is finished by another.

    >>> class Owner: pass
    >>> owner = Owner()
    >>> closers = Closers(owner, lambda: print("the lock"), lambda: print("the socket"))
    >>> closers.close()
    the socket
    the lock
    """

    __slots__ = ("_finalizer", "_functions")

    def __init__(self, owner: object, *functions: Callable[[], None]) -> None:
        self._functions = list(functions)
        self._finalizer = weakref.finalize(owner, _call_all, self._functions)

    def add(self, function: Callable[[], None]) -> None:
        """Close this first."""
        self._functions.append(function)

    def close(self) -> None:
        """Close all, whatever one of them raises."""
        _call_all(self._functions)
        self._finalizer.detach()


def _call_all(functions: list[Callable[[], None]]) -> None:
    with contextlib.ExitStack() as stack:
        for function in functions:
            stack.callback(function)


_abandons: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def abandon_in_child(owner: T, abandon: Callable[[T], None]) -> None:
    """Have a method called in each child this process forks, as long as its object lives.

    It closes our copies of descriptors and touches nothing the parent goes on using.

    Args:
        owner: the object.
        abandon: the method, not bound to it.
    """
    _abandons[owner] = abandon


def _after_fork_in_child() -> None:
    for owner, abandon in list(_abandons.items()):
        abandon(owner)


# Asking for the process's number on each call instead would cost a system call each.
#
# The interpreter keeps this function to its very end, and with it all that this module's names lead
# to. Through a TypeVar that is `typing`, whose caches lead to each model and to all of pydantic:
# freed so late, they would cost a short script 3 % of its time. Hence nothing of `typing` up there.
os.register_at_fork(after_in_child=_after_fork_in_child)
