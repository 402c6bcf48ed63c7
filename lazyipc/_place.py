"""Where a server listens: at a path of its own, or on a socket that somebody else made.

Knows how a listening socket is come by. What is done with it is the server's business.
"""

from __future__ import annotations

import os
import socket

from lazyipc._io import ownership, sockets
from lazyipc._io.activation import Adopted, adopted_listener, passed_fd, strike_out
from lazyipc._io.ownership import Ownership

Place = Ownership | Adopted


def claimed(path: str | os.PathLike[str]) -> tuple[Place, socket.socket]:
    """A path of our own, and a socket that listens there.

    Raises:
        SocketInUse, SocketRefused, TransportError: as `ownership.claim` and `sockets.listen`.
    """
    owned = ownership.claim(os.fsdecode(path))
    try:
        return owned, sockets.listen(owned)
    except BaseException:
        owned.release()
        raise


def adopted(fd: int | None, name: str | None) -> tuple[Place, socket.socket]:
    """Somebody else's path, and the socket that listens there.

    Raises:
        SocketRefused, TransportError: as `adopted_listener` and `passed_fd`.
    """
    listener, place = adopted_listener(passed_fd(name) if fd is None else fd)
    if fd is None:  # not before, for one that is refused may be put right and asked for again
        strike_out(listener.fileno())
    return place, listener
