"""Who owns a socket's path: a lock file held for life, never a guess from a timeout.

`flock` on PATH.lock says that a server lives; the kernel lets go of it when the process dies,
however it dies. Only who holds the lock removes a socket, and only a dead one of its own user.
Everything else found at the path is refused and left alone. Knows paths and descriptors only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import struct

from lazyipc._io.fds import OwnedFd
from lazyipc.errors import SocketInUse, SocketRefused, TransportError

LOCK_SUFFIX = ".lock"
LOCK_MODE = 0o600
RECORD = struct.Struct("<8sQ")
"""What the owner writes at the start of the lock file: a mark with its version, and its pid."""
RECORD_MARK = b"lazyipc\x01"
PATH_LIMIT_BYTES = 107
"""Linux's sun_path has 108 bytes, the last one a zero."""
FOREIGN_ERRORS = (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EACCES, errno.EPERM)
"""What opening a link, a directory, a pipe, or another user's file says."""
CLAIM_ATTEMPTS = 8
"""A lock file changes under us only when somebody deletes it; this often it is no accident."""
PEER_CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""


class Ownership:
    """The right to a path, held from `claim` until `release`.

    Args:
        path: the socket's path, as given; it is made absolute, so a later chdir changes nothing.
    """

    def __init__(self, path: str, lock: OwnedFd) -> None:
        self.path = path
        self._lock = lock
        self._made: tuple[int, int] | None = None

    def made(self, identity: tuple[int, int]) -> None:
        """Remember device and inode of the socket we bound: the only one we will remove."""
        self._made = identity

    def release(self) -> None:
        """Remove our socket if it is still ours, then let the path go. Calling it twice is fine."""
        if self._lock.fileno() < 0:
            return
        # What cannot be looked at or removed any more is not ours to remove.
        with contextlib.suppress(OSError):
            if self._made is not None and _identity(os.lstat(self.path)) == self._made:
                os.unlink(self.path)
        self._lock.close()

    def abandon(self) -> None:
        """In a forked child: close our copy of the lock; it stays held by the parent."""
        self._lock.close()


def claim(path: str) -> Ownership:
    """Become the owner of a path, replacing a dead owner's socket.

    Raises:
        SocketInUse: a live server owns it, or answers there without owning it.
        SocketRefused: something that is not ours, or no socket, stands at the path or at its lock.
        TransportError: the directory is missing or read-only, or cannot lock files.
    """
    full = os.path.abspath(path)
    size = len(os.fsencode(full))
    if "\0" in full or size > PATH_LIMIT_BYTES:
        raise TransportError(
            f"{path}: a socket's path has at most {PATH_LIMIT_BYTES} bytes and no zero byte, this "
            f"one has {size} (made absolute); choose a shorter one",
            path=path,
            errno=errno.ENAMETOOLONG,
        )
    lock = _take_lock(full)
    try:
        _clear_path(full)
        os.pwrite(lock.fileno(), RECORD.pack(RECORD_MARK, os.getpid()), 0)
    except OSError as error:
        lock.close()
        if isinstance(error, TransportError):
            raise
        raise _cannot_create(full, error) from error
    except BaseException:
        lock.close()
        raise
    return Ownership(full, lock)


def _take_lock(path: str) -> OwnedFd:
    name = path + LOCK_SUFFIX
    for _ in range(CLAIM_ATTEMPTS):
        lock = _open_lock(path, name)
        try:
            _lock_or_raise(path, lock)
            with contextlib.suppress(FileNotFoundError):
                if _identity(os.lstat(name)) == _identity(os.fstat(lock.fileno())):
                    return lock
        except BaseException:
            lock.close()
            raise
        lock.close()
    raise SocketRefused(
        f"{name} is replaced while it is being locked; it was left alone", path=path
    )


def _open_lock(path: str, name: str) -> OwnedFd:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        try:
            lock = OwnedFd(os.open(name, flags | os.O_CREAT | os.O_EXCL, LOCK_MODE))
            if stat.S_IMODE(os.fstat(lock.fileno()).st_mode) != LOCK_MODE:
                os.fchmod(lock.fileno(), LOCK_MODE)  # the umask had narrowed it
        except FileExistsError:
            lock = OwnedFd(os.open(name, flags))
    except OSError as error:
        if error.errno in FOREIGN_ERRORS and os.path.lexists(name):
            raise SocketRefused(
                f"{name} is no lock file of ours ({os.strerror(error.errno or 0)}; it belongs to "
                f"uid {os.lstat(name).st_uid}); it was left alone: move it away or choose another "
                "path",
                path=path,
                errno=error.errno,
            ) from error
        raise _cannot_create(path, error) from error
    wrong = _why_foreign(os.fstat(lock.fileno()))
    if wrong:
        lock.close()
        raise SocketRefused(
            f"{name} {wrong}; it was left alone: move it away or choose another path", path=path
        )
    return lock


def _why_foreign(status: os.stat_result) -> str:
    """What makes a file unfit as our lock, or an empty string."""
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_uid != os.geteuid():
        return f"belongs to uid {status.st_uid}, not to {os.geteuid()}"
    if stat.S_IMODE(status.st_mode) != LOCK_MODE:
        return f"has mode {stat.S_IMODE(status.st_mode):04o}, not 0600"
    if status.st_nlink != 1:
        return f"has {status.st_nlink} names (hard links), not one"
    return ""


def _lock_or_raise(path: str, lock: OwnedFd) -> None:
    try:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = _recorded_pid(lock)
        what_to_do = "close that one first" if pid == os.getpid() else "stop that one"
        raise SocketInUse(
            f"{path} is owned by a live server in {_process(pid)}; {what_to_do}, or choose another "
            "path",
            path=path,
            errno=errno.EADDRINUSE,
            pid=pid,
        ) from error
    except OSError as error:
        raise SocketRefused(
            f"{path}: its file system cannot lock files ({error.strerror}); choose a path on one "
            "that can, such as $XDG_RUNTIME_DIR",
            path=path,
            errno=error.errno,
        ) from error


def _recorded_pid(lock: OwnedFd) -> int | None:
    record = os.pread(lock.fileno(), RECORD.size, 0)
    if len(record) < RECORD.size or not record.startswith(RECORD_MARK):
        return None
    return int(RECORD.unpack(record)[1])


def _process(pid: int | None) -> str:
    if pid == os.getpid():
        return "this very process"
    return f"process {pid}" if pid else "a process that is not known"


def _clear_path(path: str) -> None:
    """Remove a dead server's socket, or raise about whatever else is there."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise SocketRefused(
            f"{path} is {kind_of(status)}, not a socket; it was left alone: move it away or choose "
            "another path",
            path=path,
        )
    if status.st_uid != os.geteuid():
        raise SocketRefused(
            f"{path} is a socket of uid {status.st_uid}, not of {os.geteuid()}; it was left alone",
            path=path,
        )
    pid = _answering_pid(path)
    if pid is not None:
        raise SocketInUse(
            f"{path} is answered by {_process(pid)}, though it holds no lock; stop that one, or "
            "choose another path",
            path=path,
            errno=errno.EADDRINUSE,
            pid=pid or None,
        )
    os.unlink(path)


def _answering_pid(path: str) -> int | None:
    """The process that listens at a path (0: alive, but not known), or None if nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return None
        except BlockingIOError:  # its queue is full: alive, and busy
            return 0
        except OSError as error:
            raise SocketRefused(
                f"{path} is no stream socket of ours ({error.strerror}); it was left alone",
                path=path,
                errno=error.errno,
            ) from error
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
        return int(PEER_CREDENTIALS.unpack(credentials)[0])


def kind_of(status: os.stat_result) -> str:
    """What stands at a path, in words."""
    for test, words in (
        (stat.S_ISREG, "a file"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(status.st_mode):
            return words
    return "a device"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _cannot_create(path: str, error: OSError) -> TransportError:
    return TransportError(
        f"{path}: cannot be created ({error.strerror}); its directory must exist and be writable, "
        "and have room",
        path=path,
        errno=error.errno,
    )
