"""Where the process that spawned this one waits for it: in the environment, or in the arguments.

Knows what `RpcProcess.spawn` leaves there. Whoever connects is somebody else.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import MutableMapping, Sequence

from lazyipc.errors import ServerNotRunning, SocketRefused
from lazyipc.rpc._key import ConnectionKey, is_meant_as_key

FD_VARIABLE = "LAZYIPC_RPC_FD"
"""The number of a descriptor that this process has inherited: its end of a socket pair."""
KEY_VARIABLE = "LAZYIPC_RPC_KEY"
"""A connection key."""


def take_parent(
    environ: MutableMapping[str, str] | None = None, argv: Sequence[str] | None = None
) -> ConnectionKey | socket.socket:
    """The key to the parent, or a socket that is connected to it and is the caller's to close.

    Nothing of it is left to this process's own children: the variables are removed, and the socket
    is closed in whatever is executed. So it is found once.

    Args:
        environ: the environment; this process's unless given.
        argv: the arguments, of which the last one that is a key counts; this process's.

    Raises:
        ServerNotRunning: nothing says where a parent is.
        SocketRefused: what says so is no key, or no connected socket.
    """
    environ = os.environ if environ is None else environ
    argv = sys.argv if argv is None else argv
    fd, key = environ.pop(FD_VARIABLE, None), environ.pop(KEY_VARIABLE, None)
    if fd is not None:
        return _socket_of(fd)
    if key is not None:
        return _key_of(key, KEY_VARIABLE)
    for argument in reversed(argv):
        if is_meant_as_key(argument):
            return _key_of(argument, "an argument")
    raise ServerNotRunning(
        "no process waits for this one: it was not started by RpcProcess.spawn, or has connected "
        f"already (there is neither {FD_VARIABLE} nor {KEY_VARIABLE} in its environment, and no "
        "key among its arguments)"
    )


def _key_of(text: str, where: str) -> ConnectionKey:
    try:
        return ConnectionKey(text)
    except ValueError as error:
        raise SocketRefused(f"{where} is {error}") from error


def _socket_of(text: str) -> socket.socket:
    """The connected socket of this number.

    Whatever else has the number is not closed: it belongs to somebody.
    """
    try:
        connected = socket.socket(fileno=int(text))
    except (ValueError, OverflowError, OSError) as error:
        raise SocketRefused(
            f"{FD_VARIABLE} is {text!r}, which is no socket of this process "
            f"({getattr(error, 'strerror', None) or error}): a program between it and its parent "
            "may close what it does not know; see key_via="
        ) from error
    try:
        wrong = _why_no_connection(connected)
        if not wrong:
            connected.set_inheritable(False)
            return connected
    except BaseException:
        connected.detach()
        raise
    connected.detach()
    raise SocketRefused(f"{FD_VARIABLE} is {text!r}, and that socket {wrong}; it was left alone")


def _why_no_connection(found: socket.socket) -> str:
    """What makes a socket unfit, or an empty string."""
    if found.family != socket.AF_UNIX or found.type != socket.SOCK_STREAM:
        return f"is of another kind ({found.family.name}, {found.type.name})"
    try:
        found.getpeername()
    except OSError:
        return "is not connected"
    return ""
