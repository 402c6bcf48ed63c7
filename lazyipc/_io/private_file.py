"""Small files of a user's own, in a directory for caches: read and replaced, not relied upon.

Whatever goes wrong, there is no file: nothing here raises because of what stands on the disk. Knows
paths and bytes, not what they say.
"""

from __future__ import annotations

import contextlib
import os
import stat

from lazyipc._io.fds import opened, opened_file

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def cache_folder(name: str) -> str | None:
    """A program's directory among the user's caches; None where there is no home.

    >>> folder = cache_folder("app")
    >>> folder is None or folder.endswith("/app")
    True
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return os.path.join(given, name)
    home = os.environ.get("HOME", "")
    return os.path.join(home, ".cache", name) if os.path.isabs(home) else None


def read_private(path: str, limit_bytes: int) -> bytes | None:
    """What a file holds; None where there is none of ours, or it is longer than it may be."""
    try:
        with opened_file(path) as file:
            found = os.fstat(file.fileno())
            is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            if not is_ours or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
            parts: list[bytes] = []
            left = limit_bytes + 1
            while left > 0:
                part = file.read(left)
                if not part:
                    return b"".join(parts)
                parts.append(part)
                left -= len(part)
            return None
    except (OSError, ValueError):
        return None


def replace_private(path: str, data: bytes) -> bool:
    """Put a file in the place of another, all of it at once, with mode 0600; whether it was.

    Its directory is made where it is missing.
    """
    folder = os.path.dirname(path)
    unfinished = f"{path}.{os.getpid()}.new"
    try:
        os.makedirs(folder, FOLDER_MODE, exist_ok=True)
        if os.stat(folder).st_uid != os.geteuid():
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = opened(unfinished, flags, FILE_MODE)
    except FileExistsError:  # a killed process of our number left it
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        return False
    except (OSError, ValueError):
        return False
    try:
        with file:
            view = memoryview(data)
            while view:
                view = view[os.write(file.fileno(), view) :]
        os.replace(unfinished, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        if isinstance(error, OSError):
            return False
        raise
    return True


def keep_newest(folder: str, suffix: str, most: int) -> None:
    """Remove the oldest files of a kind, until there are so many."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        found = [
            (entry.stat(follow_symlinks=False).st_mtime_ns, entry.path)
            for entry in entries
            if entry.name.endswith(suffix)
        ]
        found.sort()
        for _, path in found[: max(len(found) - most, 0)]:
            os.unlink(path)
