"""Unix sockets: listen, connect, accept, credentials. Bytes only; foreign errors end here."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import operator
import os
import select
import socket
import stat
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lazyipc._io import address
from lazyipc._io.address import PEER_CREDENTIALS, SOCKET, SOCKET_MODE, kind_of
from lazyipc.errors import ReplyTimeout, ServerNotRunning, SocketRefused, TransportError

if TYPE_CHECKING:
    from lazyipc._io.ownership import Ownership

BACKLOG = 1024
"""Connections the kernel queues between two polls; a host may poll once in seconds."""

RECEIVE_BYTES = 65536
"""One read: over a thousand small messages, and no more than a poll should copy for one client."""
REST_PIECES = 32
"""More than a socket's queue holds; a peer may go on writing for ever."""
NO_WAIT = socket.MSG_DONTWAIT
SEND_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
"""Flags instead of a non-blocking mode, which would cost each new connection a system call."""

QUEUED = struct.Struct("i")
"""What SIOCOUTQ fills in."""

Credentials = tuple[int, int, int]
"""pid, uid, gid."""

RETRY_SECONDS = 0.001
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
        address.bind(listener, ownership.path)
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


def is_unread(connected: socket.socket) -> bool:
    """Whether the peer has yet to read something we sent: then it has not seen its last byte.

    Source: unix(7), SIOCOUTQ; a piece that is read in part counts as unread.
    """
    # Here, because most calls are answered in time.
    import fcntl
    import termios

    answer = fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(QUEUED.size))
    return bool(QUEUED.unpack(answer)[0])


def connect(path: str, deadline: float, server_uids: frozenset[int]) -> socket.socket:
    """Connect to a server, and see that it is one of the users we talk to.

    Args:
        deadline: on `time.monotonic()`; a full queue is knocked at until then.
        server_uids: the users a server may run as.

    Raises:
        ReplyTimeout: the server's queue stayed full until the deadline.
        TransportError: as `try_connect`.
    """
    while True:
        connected = try_connect(path, server_uids)
        if connected is not None:
            return connected
        if time.monotonic() >= deadline:
            raise queue_is_full(path)
        select.poll().poll(RETRY_SECONDS * 1000)


def try_connect(path: str, server_uids: frozenset[int]) -> socket.socket | None:
    """Connect to a server now, or not at all: None where its queue is full.

    Raises:
        ServerNotRunning: nobody listens at the path.
        SocketRefused: another user's server, or no socket of ours to open.
    """
    if address.is_short(path):
        return _connect(path, path, server_uids)
    try:
        with address.reaching(path) as name:
            return _connect(path, name, server_uids)
    except OSError as error:
        if isinstance(error, TransportError):
            raise
        raise _cannot_connect(path, error) from error


def queue_is_full(path: str) -> ReplyTimeout:
    """What a client is told that was not let in by its deadline."""
    return ReplyTimeout(
        f"{path}: the server's queue is full and it accepted nobody in time; it polls too seldom "
        "or not at all",
        started="no",
    )


def _connect(path: str, name: str, server_uids: frozenset[int]) -> socket.socket | None:
    try:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:  # no descriptor is left
        raise _cannot_connect(path, error) from error
    try:
        connected.connect(name)
        uid = credentials_of(connected)[1]
        if uid not in server_uids:
            raise SocketRefused(
                f"{path}: the server runs as uid {uid}, not as {_uids(server_uids)}; nothing was "
                "sent to it (see server_uids=)",
                path=path,
                errno=errno.EACCES,
            )
    except BlockingIOError:
        connected.close()
        return None
    except OSError as error:
        connected.close()
        if isinstance(error, TransportError):
            raise
        raise _cannot_connect(path, error) from error
    except BaseException:
        connected.close()
        raise
    return connected


def rest_of(connected: socket.socket) -> Iterator[bytes]:
    """What a peer had sent before the connection broke, piece by piece."""
    with contextlib.suppress(OSError):  # what broke it is known
        for _ in range(REST_PIECES):
            data = connected.recv(RECEIVE_BYTES, NO_WAIT)
            if not data:
                return
            yield data


def has_ended(connected: socket.socket) -> bool:
    """Whether the peer has closed, and all is read that it had sent."""
    try:
        return not connected.recv(1, NO_WAIT | socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _uids(uids: frozenset[int]) -> str:
    return " or ".join(map(str, sorted(uids)))


def _cannot_connect(path: str, error: OSError) -> TransportError:
    if error.errno == errno.ENOENT:
        full = address.absolute(path)
        message = f"{full}: no server is running there (nothing at this path); start it first"
        pid = _living_pid(path)
        if pid is not None:
            message = (
                f"{full}: the socket was removed while its server (pid {pid}) lives on, where "
                "nobody can reach it; restart that one"
            )
        return ServerNotRunning(message, path=path, errno=error.errno)
    if error.errno == errno.ECONNREFUSED:
        found = _what_stands_at(path)
        full = address.absolute(path)
        message = f"{full}: no server is running there ({found} that nobody listens on); start it"
        if found != SOCKET:
            message = f"{full}: no server is there: it is {found}, not a socket"
        return ServerNotRunning(message, path=path, errno=error.errno)
    if error.errno == errno.EACCES:
        message = f"{path}: permission denied; the socket or its directory is another user's"
        return SocketRefused(message, path=path, errno=error.errno)
    message = f"{path}: cannot connect ({error.strerror or error})"
    if error.errno == errno.ENAMETOOLONG:
        message += f"; {address.length_in_words(path)}"
    return TransportError(message, path=path, errno=error.errno)


def _living_pid(path: str) -> int | None:
    """The process of a server whose lock file says that it lives, or None."""
    # Here, because most clients find their server.
    from lazyipc._io.status_page import read_status

    status = read_status(path)
    return status.pid if status is not None and status.is_locked else None


def _what_stands_at(path: str) -> str:
    try:
        return kind_of(os.stat(path))  # a link is followed, as it was to connect
    except OSError:
        return "something"
