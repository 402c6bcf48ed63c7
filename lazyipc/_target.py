"""Which server a name means: a program's own name, or a path.

Knows where programs' sockets are, and what people type; no connection.
"""

from __future__ import annotations

import os

from lazyipc._io.runtime_dir import SUFFIX, socket_path
from lazyipc.errors import ServerNotRunning


def path_of(name: str | os.PathLike[str]) -> str:
    """The path of the socket that a name means: `train` and `train@2` that of `runtime_path`.

    A name with a slash in it, or that is no text but a path, is a path already.

    Raises:
        ServerNotRunning: nothing of that name is where programs' sockets are, but in the current
            directory there is; the text says how to mean that.
        ValueError: a name that no program has.
        SocketRefused, TransportError: as `runtime_path`.

    >>> path_of("./train.sock")
    './train.sock'
    """
    if not isinstance(name, str):
        return os.fsdecode(name)
    if "/" in name:
        return name
    path = socket_path(name)
    if not os.path.lexists(path):
        for near in (name, name + SUFFIX):
            if os.path.lexists(near):
                raise ServerNotRunning(
                    f"no server {name!r} is running (nothing at {path}); for {near} in this "
                    f"directory, write ./{near}",
                    path=path,
                )
    return path
