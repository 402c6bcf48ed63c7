"""Unix sockets: listen, connect, accept, credentials. Bytes only; foreign errors end here."""

from __future__ import annotations

import errno
import functools
import itertools
import operator
import os
import select
import socket
import stat
import time
from collections.abc import Callable

from lazyipc._io.ownership import PATH_LIMIT_BYTES, PEER_CREDENTIALS, Ownership, kind_of
from lazyipc.errors import ReplyTimeout, ServerNotRunning, SocketRefused, TransportError

SOCKET_MODE = 0o600
BACKLOG = 1024
"""Connections the kernel queues between two polls; a host may poll once in seconds."""

RECEIVE_BYTES = 65536
"""One read: over a thousand small messages, and no more than a poll should copy for one client."""
LARGE_RECEIVE_BYTES = 1 << 20
"""One read within a message that is known to be large."""
NO_WAIT = socket.MSG_DONTWAIT
SEND_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
"""Flags instead of a non-blocking mode, which would cost each new connection a system call."""

Credentials = tuple[int, int, int]
"""pid, uid, gid."""

RETRY_MILLISECONDS = 1
"""How long a client waits before it knocks at a full queue again; no event tells it when."""


_socket_of_fd = functools.partial(socket.SocketType, socket.AF_UNIX, socket.SOCK_STREAM, 0)
_fd_of_accepted = operator.itemgetter(0)


def accept(listener: socket.socket) -> socket.SocketType:
    """Accept one connection: blocking by itself, so that each call says if it may wait.

    Raises:
        BlockingIOError: nobody is waiting.
        OSError: the system has no descriptor left.
    """
    # From accept(2) to an object that owns the descriptor no bytecode runs, for between any two a
    # signal handler may raise, and a number that nobody keeps is a client that is never answered.
    # (`socket.accept` has such places, and makes enums' members on the way, at twice the price.)
    accepted = itertools.starmap(listener._accept, ((),))  # type: ignore[attr-defined]
    came = list(map(_socket_of_fd, map(_fd_of_accepted, accepted)))
    connected = came[0]
    if connected.gettimeout() is not None:  # the host has a socket.setdefaulttimeout
        connected.settimeout(None)
    return connected


def listen(ownership: Ownership) -> socket.socket:
    """Bind and listen at an owned path; the socket has mode 0600 from its first instant.

    Raises:
        SocketRefused: the file system gave the socket another mode; it was removed.
        TransportError: the path cannot be bound.
    """
    listener = None
    try:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # On Linux the inode made by bind takes its mode from the socket, less the umask; so the
        # path never has another, and the process-wide umask need not be touched.
        os.fchmod(listener.fileno(), SOCKET_MODE)
        listener.bind(ownership.path)
        status = os.lstat(ownership.path)
        ownership.made((status.st_dev, status.st_ino))
        _verify_mode(ownership.path, stat.S_IMODE(status.st_mode))
        listener.listen(BACKLOG)
    except BaseException as error:
        if listener is not None:
            listener.close()
        if isinstance(error, OSError) and not isinstance(error, TransportError):
            raise cannot_listen(ownership.path, error) from error
        raise
    return listener


def cannot_listen(path: str, error: OSError) -> TransportError:
    """What a host is told when the system refuses what a server needs."""
    message = f"{path}: cannot listen ({error.strerror or error})"
    return TransportError(message, path=path, errno=error.errno)


def _verify_mode(path: str, mode: int) -> None:
    if mode & ~SOCKET_MODE:
        raise SocketRefused(
            f"{path}: the file system made the socket with mode {mode:04o}, not 0600; choose a "
            "path on another file system",
            path=path,
        )
    if mode != SOCKET_MODE:  # a umask narrower than usual; widening to 0600 opens nothing
        os.chmod(path, SOCKET_MODE, follow_symlinks=True)


def receive_size(wanted_bytes: int) -> int:
    """How many bytes to ask for, when a message under way is known to lack so many."""
    return (
        RECEIVE_BYTES if wanted_bytes <= RECEIVE_BYTES else min(wanted_bytes, LARGE_RECEIVE_BYTES)
    )


def readiness_of(watched: socket.socket) -> Callable[[], object]:
    """A question, cheap to ask: is the socket readable now? The answer is true or empty.

    An accept that finds nobody costs ten times as much.
    """
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    return functools.partial(poll.poll, 0)


def credentials_of(connected: socket.SocketType) -> Credentials:
    """Who is at the other end, as the kernel recorded it at connect or listen.

    Source: unix(7), SO_PEERCRED.
    """
    size = PEER_CREDENTIALS.size
    data = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, gid = PEER_CREDENTIALS.unpack(data)
    return pid, uid, gid


def connect(path: str, deadline: float, server_uids: frozenset[int]) -> socket.socket:
    """Connect to a server, and see that it is one of the users we talk to.

    Args:
        deadline: on `time.monotonic()`; a full queue is knocked at until then.
        server_uids: the users a server may run as.

    Raises:
        ServerNotRunning: nobody listens at the path.
        SocketRefused: another user's server, or no socket of ours to open.
        ReplyTimeout: the server's queue stayed full until the deadline.
    """
    if not path or "\0" in path or len(os.fsencode(path)) > PATH_LIMIT_BYTES:
        raise TransportError(
            f"{path!r}: empty, too long or with a zero byte; a socket's path has 1 to "
            f"{PATH_LIMIT_BYTES} bytes",
            path=path,
            errno=errno.EINVAL,
        )
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        while True:
            try:
                connected.connect(path)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise ReplyTimeout(
                        f"{path}: the server's queue is full and it accepted nobody in time; it "
                        "polls too seldom or not at all",
                        started="no",
                    ) from error
                select.poll().poll(RETRY_MILLISECONDS)
        uid = credentials_of(connected)[1]
        if uid not in server_uids:
            raise SocketRefused(
                f"{path}: the server runs as uid {uid}, not as {_uids(server_uids)}; nothing was "
                "sent to it (see server_uids=)",
                path=path,
                errno=errno.EACCES,
            )
    except OSError as error:
        connected.close()
        if isinstance(error, TransportError | ReplyTimeout):
            raise
        raise _cannot_connect(path, error) from error
    except BaseException:
        connected.close()
        raise
    return connected


def _uids(uids: frozenset[int]) -> str:
    return " or ".join(map(str, sorted(uids)))


def _cannot_connect(path: str, error: OSError) -> TransportError:
    if error.errno == errno.ENOENT:
        full = os.path.abspath(path)
        message = f"{full}: no server is running there (nothing at this path); start it first"
        return ServerNotRunning(message, path=path, errno=error.errno)
    if error.errno == errno.ECONNREFUSED:
        found = _what_stands_at(path)
        full = os.path.abspath(path)
        message = f"{full}: no server is running there ({found} that nobody listens on); start it"
        return ServerNotRunning(message, path=path, errno=error.errno)
    if error.errno == errno.EACCES:
        message = f"{path}: permission denied; the socket or its directory is another user's"
        return SocketRefused(message, path=path, errno=error.errno)
    message = f"{path}: cannot connect ({error.strerror or error})"
    return TransportError(message, path=path, errno=error.errno)


def _what_stands_at(path: str) -> str:
    try:
        return kind_of(os.lstat(path))
    except OSError:
        return "something"
