"""A child process that a loop can watch: two descriptors, one for its end and one for its words.

It is watched by its pidfd, so there is no thread, no signal handler, and no other child's exit
status is taken. Its stderr comes through a pipe: it is passed on to our own, and its end is kept.
Knows system calls; when to look, and what to do about what is found, is its owner's business.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from io import FileIO
from typing import cast

from lazyipc._io.fds import OwnedFd, abandon_in_child
from lazyipc.errors import TransportError

READ_BYTES = 65536
"""What a pipe holds by default. One look takes no more, so a child that floods its stderr leaves
the loop its turns."""
LAST_READS = 16
"""How much is taken after its end: what a pipe holds at most by default, for another process that
has it open may go on writing."""
TAIL_BYTES = 8192
TAIL_LINES = 40
"""What is kept of its last words: a long traceback."""
STDERR_FD = 2
UNKNOWN_STATUS = 255
"""In place of an exit status that somebody else has taken, as in asyncio."""

Argument = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Child:
    """A child process, until it is closed.

    Args:
        name: the program's.
        popen: the process, with a pipe for its stderr.
        pidfd: what tells its end.
    """

    __slots__ = ("__weakref__", "_pidfd", "_popen", "_stderr", "_tail", "name")

    def __init__(self, name: str, popen: subprocess.Popen[bytes], pidfd: OwnedFd) -> None:
        self.name = name
        self._popen = popen
        self._pidfd = pidfd
        self._stderr = cast(FileIO, popen.stderr)
        self._tail = bytearray()
        os.set_blocking(self._stderr.fileno(), False)
        abandon_in_child(self, Child.close)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, or minus the number of the signal that killed it; None before `collect`
        has taken it."""
        return self._popen.returncode

    @property
    def pidfd(self) -> int:
        """Readable when it has ended; -1 once that was seen."""
        return self._pidfd.fileno()

    @property
    def stderr_fd(self) -> int:
        """Readable when there is something to read, or nobody can write any more; -1: closed."""
        return -1 if self._stderr.closed else self._stderr.fileno()

    @property
    def stderr_tail(self) -> str:
        """Its last words, whole lines where they are not too long."""
        lines = self._tail.decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def collect(self) -> bool:
        """Take its exit status, if it has ended; whether it has."""
        if self._popen.returncode is not None or self._pidfd.fileno() < 0:
            return self._popen.returncode is not None
        try:
            # By the descriptor: by its number we could take another child's, if somebody in this
            # process has taken this one's.
            ended = os.waitid(os.P_PIDFD, self._pidfd.fileno(), os.WEXITED | os.WNOHANG)
        except ChildProcessError:  # somebody has, or SIGCHLD is ignored
            self._popen.returncode = UNKNOWN_STATUS
        else:
            if ended is None:
                return False
            killed = ended.si_code != os.CLD_EXITED
            self._popen.returncode = -ended.si_status if killed else ended.si_status
        self._pidfd.close()
        for _ in range(LAST_READS):
            if not self._take_words():
                break
        return True

    def read_stderr(self) -> bool:
        """Take some of what it wrote, if there is any; False once nobody can write any more."""
        return self._take_words() != b""

    def _take_words(self) -> bytes | None:
        """What it wrote; None where that is nothing now, empty at the end."""
        if self._stderr.closed:
            return b""
        try:
            data = self._stderr.read(READ_BYTES)
        except OSError:
            return b""
        if data:
            self._tail += data
            del self._tail[:-TAIL_BYTES]
            _pass_on(data)
        return data

    def close_stderr(self) -> None:
        """Read no more, whoever still writes."""
        self._stderr.close()

    def try_signal(self, number: int) -> bool:
        """Send it a signal, if it lives; False where we may not (it has become another user's)."""
        if self._popen.returncode is None and self._pidfd.fileno() >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd.fileno(), number)
            except ProcessLookupError:
                pass
            except PermissionError:
                return False
        return True

    def wait(self, seconds: float) -> bool:
        """Wait for its end without a loop, and take its exit status; whether it came in time."""
        if self._pidfd.fileno() >= 0:
            poll = select.poll()
            poll.register(self._pidfd.fileno(), select.POLLIN)
            poll.poll(seconds * 1000)
        return self.collect()

    def close(self) -> None:
        """Close our ends, and leave it alone. Calling it twice is fine."""
        self._stderr.close()
        self._pidfd.close()

    def __del__(self) -> None:
        # Whether it was forgotten while it runs is told by what holds its number, which also sees
        # to it that it becomes no zombie.
        self.close()

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def start(
    argv: Sequence[Argument],
    *,
    env: Mapping[str, str],
    cwd: str | os.PathLike[str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Child:
    """Start a program; it has our stdin and stdout, and no other descriptor but those passed.

    Args:
        argv: the program and its arguments.
        env: its environment.
        cwd: its directory; None is ours.
        pass_fds: which descriptors it gets, by the same numbers.

    Raises:
        TransportError: it cannot be started, or not be watched.
        TypeError, ValueError: what cannot be the arguments of a program.
    """
    if isinstance(argv, str | bytes | os.PathLike):
        raise TypeError(f"argv must be a list of a program and its arguments, is {argv!r}")
    if not argv:
        raise ValueError("argv is empty; its first element is the program")
    name = os.fsdecode(argv[0])
    try:
        _open_pidfd(os.getpid()).close()  # a system that cannot is met before there is a child
        popen = subprocess.Popen(  # noqa: S603 what is run is the caller's
            argv, bufsize=0, stderr=subprocess.PIPE, env=env, cwd=cwd, pass_fds=pass_fds
        )
    except OSError as error:
        raise _cannot_start(name, cwd, error) from error
    try:
        return Child(name, popen, _open_pidfd(popen.pid))
    except BaseException as error:
        popen.kill()
        popen.wait()
        if popen.stderr is not None:
            popen.stderr.close()
        if isinstance(error, OSError) and not isinstance(error, TransportError):
            raise _cannot_start(name, cwd, error) from error
        raise


def _open_pidfd(pid: int) -> OwnedFd:
    """A descriptor that stands for a process.

    Source: pidfd_open(2).
    """
    try:
        return OwnedFd(os.pidfd_open(pid))
    except (AttributeError, OSError) as error:
        number = getattr(error, "errno", errno.ENOSYS)
        if number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESRCH):
            raise
        raise TransportError(
            f"children cannot be watched on this system: pidfd_open fails ({os.strerror(number)}); "
            "it needs Linux 5.4 and no filter of system calls that forbids it",
            errno=number,
        ) from error


def _cannot_start(name: str, cwd: str | os.PathLike[str] | None, error: OSError) -> TransportError:
    """What is told about a program that the system did not start."""
    if isinstance(error, TransportError):
        return error
    what = f"{name}: cannot be started ({error.strerror or error})"
    if error.errno == errno.ESRCH:
        what = f"{name}: ended before it was watched, and its exit status was taken; see SIGCHLD"
    elif cwd is not None and error.filename == cwd:
        what = f"{name}: cannot be started in {os.fspath(cwd)} ({error.strerror}); see cwd="
    elif error.errno == errno.ENOENT:
        what += "; the program, or what its first line names, is not there"
        if os.sep not in name:
            what += " nor in PATH"
    elif error.errno == errno.ENOEXEC:
        what += "; it is no program, and a script begins with #!"
    return TransportError(what, path=name, errno=error.errno)


def _pass_on(data: bytes) -> None:
    """Write to our own stderr what it takes now.

    It may be a pipe that nobody reads, and then waiting for it would stop the loop for good: what
    it does not take is lost there, and only there.
    """
    if sys.__stderr__ is None:  # it was closed when the interpreter began: 2 is somebody's else
        return
    poll = select.poll()
    poll.register(STDERR_FD, select.POLLOUT)
    left = memoryview(data)
    # A pipe that can be written has room for PIPE_BUF at least; for more a write would wait.
    while left and any(ready & select.POLLOUT for _, ready in poll.poll(0)):
        try:
            left = left[os.write(STDERR_FD, left[: select.PIPE_BUF]) :]
        except OSError:
            return


def status_in_words(returncode: int) -> str:
    """How a process ended, for people.

    >>> status_in_words(3), status_in_words(-11)
    ('exited with status 3', 'was killed by SIGSEGV')
    """
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"
