"""How a run of the command ends: what is told of an error, and what the program exits with.

Knows errors and two streams; no servers, no words.
"""

from __future__ import annotations

import os
import sys
from errno import EBADF, EDQUOT, EFBIG, EIO, ENOSPC
from typing import TYPE_CHECKING

from lazyipc.errors import (
    DecodeError,
    Disconnected,
    EncodeError,
    IpcError,
    MessageTooLarge,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from lazyipc.errors import Started

DONE = 0
FAILED = 1
"""The command ran and failed, or it is not known what became of it."""
MISUSED = 2
"""The words make no command, or a value is not what its field takes."""
NOT_RUNNING = 3
"""Nothing of lazyipc answers there."""
BUSY = 4
"""No answer in time."""
MISMATCHED = 5
"""The two sides do not describe a command alike."""
INTERRUPTED = 130
"""Ctrl-C: what a shell shows for SIGINT."""
READER_GONE = 141
"""Whoever read the output went away: what a shell shows for SIGPIPE."""

HINTS = {"(see timeout=)": "(see {timeout})", " (see server_uids=)": ""}
"""What the library tells a program to look at, and what that is on a command line."""
WRITING = frozenset({EBADF, EDQUOT, EFBIG, EIO, ENOSPC})
"""The errors of a system that takes no more output; they come without a file's name."""

FATES: dict[Started, str] = {
    "no": "given up; it was not run and will not be",
    "unknown": "given up; whether it ran is not known",
    "yes": "given up; it has begun to run",
}
"""What became of a command whose call Ctrl-C ended."""

EXTRA = frozenset({"click", "rich", "prompt_toolkit"})
"""The packages that the extra `cli` brings."""


class Misuse(ValueError):
    """The words make no command.

    Args:
        message: what is wrong.
        usage: the line that says how it is meant.
        program: whose `--help` tells more.
    """

    def __init__(self, message: str, *, usage: str, program: str) -> None:
        super().__init__(message)
        self.usage = usage
        self.program = program


def exit_code(error: BaseException) -> int:
    """What the program exits with after an error.

    >>> from lazyipc import CommandFailed, ReplyTimeout
    >>> exit_code(CommandFailed("no such player")), exit_code(ReplyTimeout("late", started="no"))
    (1, 4)
    """
    match error:
        case KeyboardInterrupt():
            return INTERRUPTED
        case SchemaMismatch():
            return MISMATCHED
        case DecodeError() | EncodeError() | MessageTooLarge() | SchemaError():
            return MISUSED
        case ReplyTimeout():
            return BUSY
        case Disconnected():
            return FAILED
        case TransportError():
            return NOT_RUNNING
        case ValueError():
            return MISUSED
    return FAILED


def message_of(error: BaseException, timeout: str = "--timeout") -> str:
    """What is told of an error; it may hold text of a server as it came.

    Args:
        timeout: what says how long to wait, where the error was told.
    """
    match error:
        case DecodeError(line=int()):
            # The line and the column are those of what went over the socket, which nobody saw.
            return f"{error.path}: {error.reason}" if error.path else error.reason
        case MessageTooLarge(what=what) if "Limits.line_bytes" in what:
            return (
                "the command is longer as a line of JSON than the "
                f"{error.limit_bytes:,} bytes that this server takes"
            )
        case ReplyTimeout() | TransportError():
            text = str(error)
            for hint, meant in HINTS.items():
                text = text.replace(hint, meant.replace("{timeout}", timeout))
            return text
        case OSError(strerror=str(reason)):
            name = error.filename
            if name is None and error.errno in WRITING:
                name = "stdout"
            return reason if name is None else f"{os.fsdecode(name)}: {reason}"
    return str(error) or type(error).__name__


def tell(error: BaseException, prog: str = "lazyipc") -> None:
    """Tell of an error on stderr."""
    from lazyipc.cli._shown.safe import shown

    told = message_of(error).replace("\n", "\n  ")  # no line of another's looks like one of ours
    if isinstance(error, Misuse):
        complain(f"{shown(error.usage)}\nTry '{error.program} --help' for help.\n\nError: {told}")
    else:
        complain(f"{prog}: {told}")


def complain(text: str) -> None:
    """Write lines to stderr, made safe; one that takes nothing changes no exit code."""
    from lazyipc.cli._shown.safe import shown

    try:
        sys.stderr.write(shown(text, multiline=True) + "\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def told(run: Callable[[], int], prog: str = "lazyipc") -> int:
    """Run to the end, tell what went wrong, and give the exit code."""
    _open_closed_streams()
    try:
        code = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        silence(sys.stdout)
        return READER_GONE
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        complain(f"{prog}: this needs {error.name}: pip install 'lazyipc[cli]'")
        return MISUSED
    except (IpcError, ValueError, OSError) as error:
        tell(error, prog)
        try:
            sys.stdout.flush()
        except OSError:  # the disk is full, which is what was told
            silence(sys.stdout)
        return exit_code(error)
    except SystemExit as ended:
        return ended.code if type(ended.code) is int else bool(ended.code)
    return code


def _open_closed_streams() -> None:
    """Let what is written to a closed stdout or stderr vanish, where Python has None for it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 open as long as we run


def silence(stream: TextIO) -> None:
    """Let go of a stream that takes nothing: at exit Python would try once more, and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
