"""What is told of a server that does not answer as a lazyipc server would.

It is imported when something did not: what stands at the path, its owner and its status page tell
the cases apart.
"""

from __future__ import annotations

import os

from lazyipc._core.connection.plain import BadAnswer, NotLazyipc
from lazyipc.errors import (
    DecodeError,
    Disconnected,
    IpcError,
    MessageTooLarge,
    RemoteProtocolError,
    SocketRefused,
)


def told_of(error: IpcError, path: str) -> IpcError:
    """What is raised in place of an error of the first answer.

    Args:
        error: Disconnected where it hung up on lines of JSON and on frames, without a word.
        path: the server's.
    """
    if isinstance(error, BadAnswer):
        return BadAnswer(error.reason, path)
    if isinstance(error, NotLazyipc):
        if error.is_framed:
            told = "what listens there speaks frames, and no lines of JSON"
        else:
            told = f"no lazyipc server listens there: {error}"
    elif isinstance(error, Disconnected):
        told = _mute(path)
    elif isinstance(error, RemoteProtocolError) and not isinstance(
        error, DecodeError | MessageTooLarge
    ):
        told = str(error)
    else:
        return error
    return SocketRefused(f"{path}: {told}", path=path)


def speaks_bare_alone(path: str, pid: int) -> SocketRefused:
    """What is told of a server of lazyipc that has no questions.

    >>> print(speaks_bare_alone("/run/s", 7))
    /run/s: the lazyipc server there (pid 7) speaks BARE alone, which has no questions; ...
    """
    return SocketRefused(
        f"{path}: the lazyipc server there (pid {pid}) speaks BARE alone, which has no questions; "
        "IpcClient(wire=Wire.BARE) and its classes talk to it",
        path=path,
    )


def _mute(path: str) -> str:
    """Why a server may have hung up without a word."""
    try:
        owner = os.stat(path).st_uid
    except OSError:
        owner = os.geteuid()  # it has gone meanwhile
    told = "what listens there hung up without a word"
    if os.geteuid() not in (owner, 0):
        return f"{told}: it is of uid {owner}, and a server takes no clients but its own user's"
    return (
        f"{told}: it may be a server of the Rust crate ipc-server, which cannot be asked what it "
        "takes (IpcClient(wire=Wire.BARE) and its classes talk to it), or no lazyipc server at all"
    )
