"""Listening sockets from outside: passed by a service manager, inherited, or opened by a parent.

Such a socket is its maker's: it is verified, used, and never removed. It has no lock file and no
status page, for several processes may serve it. Knows descriptors and the environment only.
"""

from __future__ import annotations

import errno
import os
import socket
import stat

from lazyipc._io.address import PEER_CREDENTIALS, SOCKET_MODE, kind_of
from lazyipc._io.status_page import StatusPage
from lazyipc.errors import SocketRefused, TransportError

FIRST_FD = 3
"""Passed descriptors begin here. Source: sd_listen_fds(3)."""
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
ROOT = 0
COUNT_DIGITS = 6
"""Nobody passes a million descriptors."""
TAKEN = ""
"""In LISTEN_FDNAMES, a descriptor that was taken."""


class Adopted:
    """In place of an `Ownership`: a path that is somebody else's to make and to remove."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.page = StatusPage(None)

    def release(self) -> None:
        """Leave the path as it is."""

    def abandon(self) -> None:
        """In a forked child: there is nothing to let go of."""


def adopted_listener(fd: int) -> tuple[socket.socket, Adopted]:
    """Take over a listening socket: close-on-exec, never blocking, and ours to close.

    Where it is refused, the descriptor stays the caller's.

    Raises:
        SocketRefused: it is another user's, or others may connect to it.
        TransportError: it is no listening Unix stream socket with a path.
    """
    try:
        listener = socket.socket(fileno=fd)
    except (OSError, ValueError, OverflowError) as error:
        raise TransportError(
            f"descriptor {fd} is no socket ({getattr(error, 'strerror', None) or error})",
            errno=getattr(error, "errno", None) or errno.EBADF,
        ) from error
    try:
        path = _path_of(listener)
        _verify(listener, path)
        listener.setblocking(False)
        listener.set_inheritable(False)
    except BaseException:
        listener.detach()
        raise
    return listener, Adopted(path)


def _path_of(listener: socket.socket) -> str:
    fd = listener.fileno()
    if listener.family != socket.AF_UNIX or listener.type != socket.SOCK_STREAM:
        raise TransportError(
            f"descriptor {fd} is no Unix stream socket (family {listener.family.name}, type "
            f"{listener.type.name}); in a .socket unit, ListenStream= takes a path",
            errno=errno.EPROTOTYPE,
        )
    name = listener.getsockname()
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise TransportError(
            f"descriptor {fd} is a Unix socket that does not listen (its name is {name!r}); in a "
            ".socket unit, Accept= must be no",
            errno=errno.EINVAL,
        )
    if isinstance(name, bytes):
        raise SocketRefused(
            f"descriptor {fd} listens on the abstract name {name!r}, which has no permissions: "
            "anybody may connect to it; use a path"
        )
    if not os.path.isabs(name):
        raise SocketRefused(
            f"descriptor {fd} was bound to {name!r}, from a directory that is not known; bind it "
            "to an absolute path",
            path=name,
        )
    return str(name)


def _verify(listener: socket.socket, path: str) -> None:
    """See that only our user can connect: what is refused at the door still fills the queue."""
    size = PEER_CREDENTIALS.size
    credentials = listener.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    ours = (os.geteuid(), ROOT)
    uid = PEER_CREDENTIALS.unpack(credentials)[1]
    if uid not in ours:
        raise SocketRefused(
            f"{path}: uid {uid} listens there, not {os.geteuid()} or root", path=path
        )
    try:
        status = os.lstat(path)
    except OSError as error:
        raise SocketRefused(
            f"{path}: a socket was passed that was bound there, but who may connect to it cannot "
            f"be seen ({error.strerror})",
            path=path,
            errno=error.errno,
        ) from error
    if not stat.S_ISSOCK(status.st_mode):
        raise SocketRefused(
            f"{path}: a socket was passed that was bound there, but {kind_of(status)} stands there "
            "now",
            path=path,
        )
    if status.st_uid not in ours:
        raise SocketRefused(
            f"{path} belongs to uid {status.st_uid}, not to {os.geteuid()} or root; in a .socket "
            "unit, see SocketUser=",
            path=path,
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~SOCKET_MODE:
        raise SocketRefused(
            f"{path} has mode {mode:04o}, so others may connect to it; make it 0600 (in a .socket "
            "unit, SocketMode=0600)",
            path=path,
        )


def passed_fd(name: str | None = None) -> int:
    """The listening socket that a service manager passed to this very process.

    It is made close-on-exec, and stays among those passed until it is `strike_out`.

    Args:
        name: which one, by FileDescriptorName= in its .socket unit; None where only one was passed.

    Raises:
        TransportError: none was passed, or none of that name.

    Source: sd_listen_fds(3).
    """
    names = _passed_names()
    left = [fd for fd, each in enumerate(names, FIRST_FD) if each is not None]
    if name is None:
        chosen, told = left, "give the name of one of them"
    else:
        chosen = [fd for fd in left if names[fd - FIRST_FD] == name]
        told = f"one must be named {name!r} by FileDescriptorName= in its .socket unit"
    if len(chosen) != 1:
        present = ", ".join(repr(names[fd - FIRST_FD]) for fd in left) or "none"
        raise _none_passed(f"{len(chosen)} sockets to choose from, of {present}; {told}")
    fd = chosen[0]
    try:
        os.set_inheritable(fd, False)
    except OSError as error:
        raise _none_passed(f"descriptor {fd} is not open ({error.strerror})") from error
    return fd


def strike_out(fd: int) -> None:
    """Say in the environment that a passed descriptor was taken.

    When the last one is, the variables are removed, so no child takes them for its own.
    """
    names = _passed_names()
    names[fd - FIRST_FD] = None
    if any(each is not None for each in names):
        os.environ["LISTEN_FDNAMES"] = ":".join(each or TAKEN for each in names)
    else:
        for variable in VARIABLES:
            os.environ.pop(variable, None)


def _passed_names() -> list[str | None]:
    """The name of each passed descriptor; None where it was taken before."""
    pid, count = (os.environ.get(variable) for variable in VARIABLES[:2])
    if not pid or not count:
        raise _none_passed(
            "LISTEN_PID and LISTEN_FDS are not set; start it by its .socket unit, or give a path"
        )
    if pid != str(os.getpid()):
        raise _none_passed(
            f"LISTEN_PID is {pid}, and this is process {os.getpid()}: the sockets are another's "
            "(a wrapper must exec its program)"
        )
    if not count.isascii() or not count.isdigit() or len(count) > COUNT_DIGITS:
        raise _none_passed(f"LISTEN_FDS is no number of descriptors: {count!r}")
    if "LISTEN_FDNAMES" not in os.environ:
        return ["unknown"] * int(count)
    names = os.environ["LISTEN_FDNAMES"].split(":")
    if len(names) != int(count):
        raise _none_passed(f"LISTEN_FDS is {count}, but LISTEN_FDNAMES has {len(names)} names")
    return [each if each != TAKEN else None for each in names]


def _none_passed(reason: str) -> TransportError:
    return TransportError(f"no socket was passed to this process: {reason}", errno=errno.ENOENT)
