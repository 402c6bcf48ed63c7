"""The shell's history: the lines of earlier sessions, in a file that only its user can read.

A line is kept as it was typed, one below the other. Whatever is wrong with the file, the shell goes
on without it. Knows files only; nothing of servers or of how lines are typed.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile

FOLDER = "lazyipc"
FILE = "history"
FOLDER_MODE = 0o700
FILE_MODE = 0o600
MOST_BYTES = 1 << 20
"""How large the file grows; of a larger one the newer half is kept. Some twenty thousand lines."""


def history_path() -> str | None:
    """Where the history is kept: `lazyipc/history` in $XDG_STATE_HOME, else in ~/.local/state.

    None where there is no home. A relative XDG_STATE_HOME counts as not set.

    Source: XDG Base Directory Specification.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, FOLDER, FILE) if os.path.isabs(base) else None


class HistoryFile:
    """A history in a file.

    Args:
        path: where it is; its folders are made. None keeps nothing, and that is nobody's fault.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._fd: int | None = None
        self.trouble = ""
        """Why nothing is kept, for the user; empty while all is well."""
        self.lines: list[str] = []
        """What earlier sessions kept, the oldest first."""
        if path is not None:
            try:
                self._open(path)
            except OSError as error:
                self._give_up(error)

    def _open(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), FOLDER_MODE, exist_ok=True)
        self._fd = _opened(path)
        data = _tail(self._fd)
        if os.fstat(self._fd).st_size > MOST_BYTES:
            _replace(path, data)
            self.close()
            self._fd = _opened(path)
        self.lines = [line for line in data.decode(errors="replace").split("\n") if line]

    def append(self, line: str) -> None:
        """Keep a line; one that begins with a space, or has a line feed in it, is not kept."""
        if self._fd is None or not line.strip() or line.startswith(" ") or "\n" in line:
            return
        try:
            os.write(self._fd, line.encode(errors="replace") + b"\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.close()
        self.trouble = f"no history is kept: {self._path}: {error.strerror}"

    def close(self) -> None:
        """Close the file, if it is open."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _opened(path: str) -> int:
    """Open the file to read and to append, made if need be, closed to others."""
    # O_NONBLOCK: a pipe in its place would make us wait for its other end.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    fd = os.open(path, flags, FILE_MODE)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(fd, FILE_MODE)
    except OSError:
        os.close(fd)
        raise
    return fd


def _tail(fd: int) -> bytes:
    """The file, or its newer lines where it has become too large."""
    size = os.fstat(fd).st_size
    if size <= MOST_BYTES:
        return os.pread(fd, size, 0)
    _, _, whole_lines = os.pread(fd, MOST_BYTES, size - MOST_BYTES // 2).partition(b"\n")
    return whole_lines


def _replace(path: str, data: bytes) -> None:
    """Put a file of other content in the place of one, in one step."""
    target = os.path.realpath(path)  # what is behind a link, not the link
    new, name = tempfile.mkstemp(prefix=f"{FILE}.", dir=os.path.dirname(target))
    try:
        with os.fdopen(new, "wb") as file:
            file.write(data)
        os.replace(name, target)
    except OSError:
        os.unlink(name)
        raise
