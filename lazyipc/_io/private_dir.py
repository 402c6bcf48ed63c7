"""A directory for one server whose path nobody chose: made with it, and removed with it.

It lies where `runtime_path` puts sockets, has mode 0700 and a name that cannot be guessed. What
servers that were killed left behind is removed by the next one made. Who is alive is asked of
`ownership`, never guessed. Knows paths and descriptors only.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import stat

from lazyipc._io import ownership
from lazyipc._io.ownership import Ownership
from lazyipc._io.runtime_dir import FOLDER_MODE, runtime_path
from lazyipc._io.status_page import LOCK_SUFFIX, read_status
from lazyipc.errors import SocketInUse, TransportError

PREFIX = "rpc-"
"""What these directories' names begin with; nothing else where sockets are does."""
NAME_BYTES = 12
"""Of chance in a name: 96 bits. Only its user can look for it; the key's token is the secret."""
SOCKET = "s"
"""The socket's name: short, for all of its path has 107 bytes."""
MAKE_ATTEMPTS = 8
"""Another start may take a directory without a lock for a dead one's; so often it does not."""
SWEEP_COUNT = 256
"""How many directories one start looks into, some microseconds each: a loop may wait for it."""


class PrivateDir:
    """A directory with the right to the socket's path in it, held until `release`.

    Args:
        path: the directory's.
        owned: the right to the socket's path, which lies in it.
    """

    __slots__ = ("_is_abandoned", "ownership", "path")

    def __init__(self, path: str, owned: Ownership) -> None:
        self.path = path
        self.ownership = owned
        self._is_abandoned = False

    def release(self) -> None:
        """Remove the socket, its lock file and the directory. Calling it twice is fine.

        Killed in between, it leaves what the next start removes: the lock file goes after the
        socket, and the directory last.
        """
        if self._is_abandoned:
            return
        self.ownership.release()
        # What others put into it stays, and so the directory; there is nobody to tell.
        with contextlib.suppress(OSError):
            os.unlink(self.ownership.path + LOCK_SUFFIX)
        with contextlib.suppress(OSError):
            os.rmdir(self.path)

    def abandon(self) -> None:
        """In a forked child: close our copy of the lock, and leave all to the parent."""
        self._is_abandoned = True
        self.ownership.abandon()


def make() -> PrivateDir:
    """Make a directory of one's own, and claim a socket's path in it.

    Raises:
        SocketRefused, TransportError: as `runtime_path` and `ownership.claim`.
    """
    attempts = 0
    while True:
        attempts += 1
        name = PREFIX + secrets.token_hex(NAME_BYTES)
        parent = runtime_path(name).parent
        if attempts == 1:
            sweep(str(parent))
        path = str(parent / name)
        try:
            return _made(path)
        except TransportError as error:
            # Swept by another start, before it had its lock: then it is gone, or that one's.
            is_swept = isinstance(error, SocketInUse) or not os.path.lexists(path)
            if not is_swept or attempts == MAKE_ATTEMPTS:
                raise


def _made(path: str) -> PrivateDir:
    try:
        os.mkdir(path, FOLDER_MODE)
        if stat.S_IMODE(os.lstat(path).st_mode) != FOLDER_MODE:  # the umask had narrowed it
            os.chmod(path, FOLDER_MODE)
    except OSError as error:
        raise TransportError(
            f"{path}: no directory for a socket can be made ({error.strerror})",
            path=path,
            errno=error.errno,
        ) from error
    try:
        return PrivateDir(path, ownership.claim(os.path.join(path, SOCKET)))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(path, SOCKET + LOCK_SUFFIX))
        with contextlib.suppress(OSError):
            os.rmdir(path)
        raise


def sweep(parent: str) -> None:
    """Remove what dead servers left in a directory: only ours, only where the lock is free."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        left = (entry for entry in entries if entry.name.startswith(PREFIX))
        for entry in itertools.islice(left, SWEEP_COUNT):
            if _is_ours(entry):
                _remove_dead(entry.path)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Whether this is a directory that a server of our user made."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
        and not stat.S_IMODE(found.st_mode) & ~FOLDER_MODE
    )


def _remove_dead(path: str) -> None:
    """Remove a directory, if its server is dead."""
    socket = os.path.join(path, SOCKET)
    # Asked first: claiming what lives tells its pid, and for that waits where it cannot be seen.
    status = read_status(socket)
    if status is not None and status.is_locked:
        return
    if status is None and not os.path.lexists(socket + LOCK_SUFFIX):
        with contextlib.suppress(OSError):
            os.rmdir(path)  # killed before it had a lock, or after; one just made makes another
        return
    # Whoever has claimed it is its owner: what is dead stays dead.
    with contextlib.suppress(TransportError):
        owned = ownership.claim(socket)
        PrivateDir(path, owned).release()
