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
import select
import socket
import stat
from collections.abc import Iterator

from lazyipc._io import address
from lazyipc._io.address import PEER_CREDENTIALS, kind_of
from lazyipc._io.fds import OwnedFd
from lazyipc._io.status_page import LOCK_SUFFIX, MARK, StatusPage, is_process, recorded_pid
from lazyipc.errors import SocketInUse, SocketRefused, TransportError

LOCK_MODE = 0o600
FOREIGN_ERRORS = (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EACCES, errno.EPERM)
"""What opening a link, a directory, a pipe, or another user's file says."""
CLAIM_ATTEMPTS = 8
"""A lock file changes under us only when somebody deletes it; this often it is no accident."""
PID_ATTEMPTS = 20
"""How often, a millisecond apart, who finds a path owned tries again while it cannot say by whom:
an owner that took the lock just now has yet to write its pid, one that lets go has removed it."""


class Ownership:
    """The right to a path, held from `claim` until `release`.

    Args:
        path: the socket's path, as given; it is made absolute, so a later chdir changes nothing.
    """

    def __init__(self, path: str, lock: OwnedFd, page: StatusPage) -> None:
        self.path = path
        self.page = page
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
        self.page.clear()
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
    with _naming(path):
        address.is_short(path)
        full = os.path.abspath(path)
        address.is_short(full)
    with _naming(full):
        _look_before(full)
        lock = _take_lock(full)
        page = StatusPage(lock)
        try:
            page.create()  # first of all, for whoever finds the path owned asks by whom
            _clear_path(full)
        except BaseException:
            try:
                page.clear()
            finally:
                lock.close()
            raise
    return Ownership(full, lock, page)


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Tell what the system refuses as ours."""
    try:
        yield
    except TransportError:
        raise
    except OSError as error:
        reason = "its directory must exist and be writable, and have room"
        if error.errno == errno.ENAMETOOLONG:
            reason = f"with {LOCK_SUFFIX}, {address.length_in_words(path + LOCK_SUFFIX)}"
        raise TransportError(
            f"{path}: cannot be created ({error.strerror}); {reason}",
            path=path,
            errno=error.errno,
        ) from error


def _look_before(path: str) -> None:
    """Refuse what is foreign before a lock file is made beside it."""
    with contextlib.suppress(FileNotFoundError):
        status = os.lstat(path)
        _refuse_foreign(path, status)
        # A server makes its lock file first. What answers without one, twice looked, is no server
        # of ours, or one whose lock file was deleted.
        if not os.path.lexists(path + LOCK_SUFFIX):
            pid = _answering_pid(path)
            if pid is not None and not os.path.lexists(path + LOCK_SUFFIX):
                raise _answered(path, pid)


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
            _widen(name)
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
        raise
    wrong = _why_foreign(os.fstat(lock.fileno())) or _why_not_a_lock(lock)
    if wrong:
        lock.close()
        raise SocketRefused(
            f"{name} {wrong}; it was left alone: move it away or choose another path", path=path
        )
    return lock


def _widen(name: str) -> None:
    """Give a file of ours its mode: a start was killed before it could, under a narrow umask."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        mode = stat.S_IMODE(found.st_mode)
        is_narrow = mode != LOCK_MODE and not mode & ~LOCK_MODE
        is_ours = found.st_uid == os.geteuid() and found.st_nlink == 1
        if is_narrow and is_ours and stat.S_IFMT(found.st_mode) in (stat.S_IFREG, stat.S_IFSOCK):
            os.chmod(f"/proc/self/fd/{fd}", LOCK_MODE)
    finally:
        os.close(fd)


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


def _why_not_a_lock(lock: OwnedFd) -> str:
    """What makes a file's content unfit to be written over, or an empty string."""
    start = os.pread(lock.fileno(), len(MARK), 0)
    if start.rstrip(b"\0") and not start.startswith(MARK[:-1]):
        return f"begins with {start!r} and so holds something else than a lock"
    return ""


def _lock_or_raise(path: str, lock: OwnedFd) -> None:
    for _ in range(PID_ATTEMPTS):
        if _try_lock(path, lock):
            return
        pid = recorded_pid(lock.fileno())
        if pid is not None and is_process(pid):
            break
        select.poll().poll(1)
    else:
        pid = None  # not written, or of a process that cannot be seen from here
    what_to_do = "close that one first" if pid == os.getpid() else "stop that one"
    raise SocketInUse(
        f"{path} is owned by a live server in {_process(pid)}; {what_to_do}, or choose another "
        "path",
        path=path,
        errno=errno.EADDRINUSE,
        pid=pid,
    )


def _try_lock(path: str, lock: OwnedFd) -> bool:
    try:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise SocketRefused(
            f"{path}: its file system cannot lock files ({error.strerror}); choose a path on one "
            "that can, such as $XDG_RUNTIME_DIR",
            path=path,
            errno=error.errno,
        ) from error
    return True


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
    _refuse_foreign(path, status)
    with contextlib.suppress(FileNotFoundError):
        _widen(path)  # or who is not root could not ask whether somebody answers
        status = os.lstat(path)
    pid = _answering_pid(path)
    if pid is not None:
        raise _answered(path, pid)
    with contextlib.suppress(FileNotFoundError):
        now = os.lstat(path)
        # A number alone would not do: that of a removed inode is soon another's.
        if os.path.samestat(now, status) and now.st_ctime_ns == status.st_ctime_ns:
            os.unlink(path)


def _refuse_foreign(path: str, status: os.stat_result) -> None:
    """Raise about whatever is no socket of ours."""
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


def _answered(path: str, pid: int) -> SocketInUse:
    return SocketInUse(
        f"{path} is answered by {_process(pid)}, though it holds no lock; stop that one, or "
        "choose another path",
        path=path,
        errno=errno.EADDRINUSE,
        pid=pid or None,
    )


def _answering_pid(path: str) -> int | None:
    """The process that listens at a path (0: alive, but not known), or None if nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            with address.reaching(path) as name:
                probe.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except BlockingIOError:  # its queue is full: alive, and busy
            return 0
        except TransportError:
            raise
        except OSError as error:
            raise SocketRefused(
                f"{path} is no stream socket of ours ({error.strerror}); it was left alone",
                path=path,
                errno=error.errno,
            ) from error
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
        return int(PEER_CREDENTIALS.unpack(credentials)[0])


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
