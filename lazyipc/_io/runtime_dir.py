"""Where a program's socket is, by its name alone: `runtime_path`.

Server and client find the same path, each by itself, even where one of them was started without the
other's environment. The directory is the user's own and nobody else's. Knows no home directory and
no user's name, for a container may have neither.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lazyipc._io.address import kind_of
from lazyipc._io.status_page import LOCK_SUFFIX, read_status
from lazyipc.errors import SocketRefused, TransportError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "lazyipc"
FOLDER_MODE = 0o700
SUFFIX = ".sock"
NAME_LIMIT_BYTES = 255
"""NAME_MAX of all usual file systems."""
RUN_USER = "/run/user"
"""Where systemd keeps each user's runtime directory; XDG_RUNTIME_DIR names it, but not to cron."""
SHARED = ("/tmp", "/dev/shm", "/var/tmp")  # noqa: S108 what is made there is verified to be ours
"""Directories for all, in the order they are tried in; fixed, so that everybody tries alike."""


def runtime_path(name: str, *, instance: int | str | None = None) -> Path:
    """The path of a program's socket, the same for its server and for its clients.

    It lies in a directory of the user's own, made with mode 0700 where it is missing: `lazyipc` in
    $XDG_RUNTIME_DIR or in /run/user/UID, else /tmp/lazyipc-UID. Where a server of that name lives
    in a later one of these, its path is given.

    An XDG_RUNTIME_DIR of our own elsewhere is final: there, or an error. One that is another user's
    (sudo may leave it), or a directory for all such as /tmp, counts as not set.

    Args:
        name: the program's; `"train@7"` is `"train"` with the instance 7.
        instance: tells two runs of one program apart.

    Raises:
        ValueError: a name or an instance that no file can have.
        TypeError: something that is no name, or no number.
        SocketRefused: what stands where the directory should be is not ours, or open to others; or
            XDG_RUNTIME_DIR names what cannot be used.
        TransportError: no directory can be made or written in.

    >>> runtime_path("app", instance=7).name
    'app@7.sock'
    """
    # Here, because a command line has no use for it, and would wait for it.
    from pathlib import Path

    return Path(socket_path(name, instance=instance))


def socket_path(name: str, *, instance: int | str | None = None) -> str:
    """The same as text."""
    file = _file_name(name, instance)
    reasons: list[str] = []
    own = _own_runtime_dir()
    if own is not None:
        folder = os.path.join(own, FOLDER)
        if _is_usable(folder, reasons) or _lives(folder, file):
            return os.path.join(folder, file)
        raise _unusable(reasons[0])
    home: str | None = None
    for folder in _usual_folders():
        if home is None and _is_usable(folder, reasons):
            home = folder
        if _lives(folder, file):
            return os.path.join(folder, file)
    if home is None:
        raise TransportError(
            f"no directory for the sockets of uid {os.geteuid()} can be used "
            f"({'; '.join(reasons)}); set XDG_RUNTIME_DIR to one, or give the socket's path",
            errno=errno.ENOENT,
        )
    return os.path.join(home, file)


def runtime_folders() -> list[str]:
    """The directories that `runtime_path` looks for a living server in; those that are there.

    Only a user's own that nobody else can reach into. None is made.

    Raises:
        SocketRefused: XDG_RUNTIME_DIR names what cannot be used.
    """
    return [folder for folder in possible_folders() if _is_private(folder)]


def possible_folders() -> list[str]:
    """The same, whether they are there or not.

    Raises:
        SocketRefused: XDG_RUNTIME_DIR names what cannot be used.
    """
    own = _own_runtime_dir()
    among = _usual_folders() if own is None else iter([os.path.join(own, FOLDER)])
    return [*dict.fromkeys(among)]  # TMPDIR may be one of the usual ones


def name_of(path: str | os.PathLike[str]) -> str:
    """The name by which people know a server: its socket's, without `.sock`.

    >>> name_of("/run/user/1000/lazyipc/train@2.sock")
    'train@2'
    """
    return os.path.basename(os.fsdecode(path)).removesuffix(SUFFIX)


def _file_name(name: str, instance: int | str | None) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, is {type(name).__name__}")
    if isinstance(instance, bool) or not isinstance(instance, int | str | None):
        raise TypeError(f"instance must be an int or a str, is {type(instance).__name__}")
    whole = name if instance is None else f"{name}@{instance}"
    given = {"name": name} if instance is None else {"name": name, "instance": str(instance)}
    for what, text in given.items():
        if text in ("", ".", ".."):
            raise ValueError(f"{what} must be a name, is {text!r}")
        if "/" in text or not text.isprintable():
            raise ValueError(f"{what} has a slash, or a character that cannot be seen: {text!r}")
    size, limit = len(os.fsencode(whole)), NAME_LIMIT_BYTES - len(SUFFIX + LOCK_SUFFIX)
    if size > limit:
        raise ValueError(f"name and instance have {size} bytes, of at most {limit}: {whole!r}")
    return whole + SUFFIX


def _own_runtime_dir() -> str | None:
    """Where XDG_RUNTIME_DIR says that we want to be apart; None where it says nothing of the kind.

    Raises:
        SocketRefused: it says so, but sockets cannot be there: elsewhere is not where they belong.
    """
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if not given:
        return None
    if not os.path.isabs(given):
        raise _unusable("not an absolute path")
    folder = os.path.realpath(given)
    if folder in SHARED or os.path.dirname(folder) == os.path.realpath(RUN_USER):
        return None  # among the usual ones, or that of another user's session
    try:
        status = os.stat(folder)
    except PermissionError:
        return None  # within another user's
    except OSError as error:
        raise _unusable(str(error.strerror)) from error
    if not stat.S_ISDIR(status.st_mode):
        raise _unusable(f"{kind_of(status)}, not a directory")
    if status.st_uid != os.geteuid():
        return None  # as sudo may leave it
    if not _is_own(folder):
        raise _unusable(f"others can write there (mode {stat.S_IMODE(status.st_mode):04o})")
    return folder


def _unusable(reason: str) -> SocketRefused:
    given = os.environ["XDG_RUNTIME_DIR"]
    return SocketRefused(
        f"XDG_RUNTIME_DIR is {given!r}, which cannot be used ({reason}); set it to a directory of "
        "your own with mode 0700, or not at all",
        path=given,
    )


def _is_own(folder: str) -> bool:
    """Whether a directory is ours, and nobody else can put anything into it."""
    try:
        status = os.stat(folder)
    except (OSError, ValueError):
        return False
    return (
        os.path.isabs(folder)
        and stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _usual_folders() -> Iterator[str]:
    """The directories that every process of a user tries, in this order."""
    uid = os.geteuid()
    if _is_own(f"{RUN_USER}/{uid}"):
        yield f"{RUN_USER}/{uid}/{FOLDER}"
    last = os.environ.get("TMPDIR", "")
    for folder in (*SHARED, last) if os.path.isabs(last) else SHARED:
        yield f"{folder}/{FOLDER}-{uid}"


def _is_usable(folder: str, reasons: list[str]) -> bool:
    """Whether a directory is there, made if need be, and can be written in.

    Raises:
        SocketRefused: what is there is not ours.
    """
    try:
        _make(folder)
        wrong = _why_not_private(folder)
    except OSError as error:
        reasons.append(f"{folder}: {error.strerror}")
        return False
    if wrong:
        raise SocketRefused(
            f"{folder} {wrong}; sockets are made only where nobody else can: remove it, or set "
            "XDG_RUNTIME_DIR",
            path=folder,
        )
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        reasons.append(f"{folder}: not writable")
        return False
    return True


def _make(folder: str) -> None:
    """Make a directory with mode 0700, if nothing stands there."""
    try:
        os.mkdir(folder, FOLDER_MODE)
    except FileExistsError:
        return
    if stat.S_IMODE(os.lstat(folder).st_mode) != FOLDER_MODE:  # the umask had narrowed it
        os.chmod(folder, FOLDER_MODE)


def _why_not_private(folder: str) -> str:
    """What makes a directory unfit for our sockets, or an empty string."""
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        return f"is {kind_of(status)}, not a directory"
    if status.st_uid != os.geteuid():
        return f"belongs to uid {status.st_uid}, not to {os.geteuid()}"
    if status.st_mode & 0o077:
        return f"is open to others (mode {stat.S_IMODE(status.st_mode):04o}, not 0700)"
    return ""


def _is_private(folder: str) -> bool:
    """Whether a directory is there, and can be trusted."""
    try:
        return not _why_not_private(folder)
    except OSError:
        return False


def _lives(folder: str, file: str) -> bool:
    """Whether a server lives there, in a directory that can be trusted."""
    if not _is_private(folder):
        return False
    status = read_status(os.path.join(folder, file))
    return status is not None and status.is_locked
