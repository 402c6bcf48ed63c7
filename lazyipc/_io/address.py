"""What a socket is bound and connected to: its path, or a shorter way to where that is too long.

A Unix socket's name has 107 bytes, a path 4,095. On Linux a longer path is reached through the
descriptor of its directory, or of the socket itself, which is kept only as long as that takes. The
process's own directory is never changed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator

from lazyipc.errors import TransportError

IS_LINUX = sys.platform == "linux"
PATH_LIMIT_BYTES = 107 if IS_LINUX else 103
"""sun_path has 108 bytes on Linux and 104 elsewhere, the last one a zero."""
SOCKET_MODE = 0o600
"""Of every socket that a server listens on, its own or another's: its user's alone."""
PATH_MAX_BYTES = 4095
"""PATH_MAX without its zero."""
PEER_CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""
SOCKET = "a socket"
"""What `kind_of` calls one."""
NAME_MAX_BYTES = 255
"""NAME_MAX of all usual file systems, for an error's text; the system itself decides."""


def is_short(path: str) -> bool:
    """Whether a path is a socket's name as it stands.

    Raises:
        TransportError: it is no path at all, or too long for this system.
    """
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError as error:
        raise _no_path(path, f"has a character that no file's name can have ({error})") from error
    if not path:
        raise _no_path(path, "is empty")
    if "\0" in path:
        raise _no_path(path, "has a zero byte")
    if size <= PATH_LIMIT_BYTES:
        return True
    if not IS_LINUX:
        raise TransportError(
            f"{path}: has {size} bytes, and a socket's path at most {PATH_LIMIT_BYTES} on this "
            "system; choose a shorter one",
            path=path,
            errno=errno.ENAMETOOLONG,
        )
    return False


def _no_path(path: str, what: str) -> TransportError:
    return TransportError(f"a socket's path {what}: {path!r}", path=path, errno=errno.EINVAL)


def absolute(path: str) -> str:
    """A path from the root, or as it stands where the process's own directory is gone."""
    try:
        return os.path.abspath(path)
    except OSError:
        return path


def length_in_words(path: str) -> str:
    """Why the system calls a path too long.

    >>> length_in_words("/run/" + "x" * 300)
    'its longest name has 300 bytes, of at most 255, and it has 305 in all, of at most 4095'
    """
    data = os.fsencode(path)
    return (
        f"its longest name has {max(map(len, data.split(b'/')))} bytes, of at most "
        f"{NAME_MAX_BYTES}, and it has {len(data)} in all, of at most {PATH_MAX_BYTES}"
    )


@contextlib.contextmanager
def reaching(path: str) -> Iterator[str]:
    """A socket's name that leads to what stands at a path now; good inside the block.

    Raises:
        OSError: nothing stands there, or the way is barred.
    """
    if is_short(path):
        yield path
        return
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield _way_through(path, fd)
    finally:
        os.close(fd)


def bind(listener: socket.socket, path: str) -> None:
    """Bind a socket to an absolute path of any length.

    `getsockname` of a socket with a long path gives the way it was bound by, which leads nowhere
    later: a server knows its path by itself.

    Raises:
        OSError: something stands at the path, or nothing can be made there.
    """
    if is_short(path):
        listener.bind(path)
        return
    folder, name = os.path.split(path)
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        way = _way_through(path, fd)
        if len(os.fsencode(f"{way}/{name}")) <= PATH_LIMIT_BYTES:
            listener.bind(f"{way}/{name}")
        else:
            _bind_by_link(listener, way, name, fd)
    finally:
        os.close(fd)


def _bind_by_link(listener: socket.socket, way: str, name: str, folder: int) -> None:
    """Bind under a short name, and give the socket its long one by a link, which replaces nothing.

    The short name follows from the long one, whose lock we hold: what a killed start left under it
    is ours to remove.
    """
    # Here, because few paths are so long, and OpenSSL comes with it.
    from hashlib import blake2b

    short = f".{blake2b(os.fsencode(name), digest_size=8).hexdigest()}.new"
    with contextlib.suppress(FileNotFoundError):
        left = os.lstat(short, dir_fd=folder)
        if stat.S_ISSOCK(left.st_mode) and left.st_uid == os.geteuid():
            os.unlink(short, dir_fd=folder)
    listener.bind(f"{way}/{short}")
    try:
        os.link(short, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.unlink(short, dir_fd=folder)


def _way_through(path: str, fd: int) -> str:
    way = f"/proc/self/fd/{fd}"
    if not os.path.lexists(way):
        raise TransportError(
            f"{path}: has over {PATH_LIMIT_BYTES} bytes and needs /proc, which is not mounted "
            "here; choose a shorter one",
            path=path,
            errno=errno.ENAMETOOLONG,
        )
    return way


def kind_of(status: os.stat_result) -> str:
    """What stands at a path, in words."""
    for test, words in (
        (stat.S_ISREG, "a file"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, SOCKET),
    ):
        if test(status.st_mode):
            return words
    return "a device"
