"""Who is at the other end of a connection. Knows what the kernel tells; nothing of what is said."""

from __future__ import annotations

from typing import NamedTuple

from lazyipc._core.framing import Wire


class Peer(NamedTuple):
    """A client as the kernel and its first bytes tell of it.

    >>> Peer(pid=1, uid=0, gid=0).wire is None
    True
    """

    pid: int
    uid: int
    gid: int
    wire: Wire | None = None
    """What it speaks; None until it has spoken."""

    def __str__(self) -> str:
        return f"pid {self.pid}, uid {self.uid}"
