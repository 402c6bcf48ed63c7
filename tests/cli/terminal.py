"""A real terminal for tests and pictures: a program under a pty, and the screen that it draws.

What a person would see is what is asked for: `wait_for` looks at the rendered screen, never at the
bytes that drew it. What a person would not see, but would suffer (titles, bells, a clipboard that
is written), is kept apart, so that a test can say that there was none of it.

>>> with Terminal(["echo", "hello"], columns=40, rows=5) as terminal:
...     code = terminal.wait_for_end()
...     print(terminal.screen(), code)
hello 0
"""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import sys
import tempfile
import termios
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pexpect
import pyte
from pyte.screens import Char

from tests.cli.screen import Screen

ROOT = Path(__file__).parents[2]
LAZYIPC = str(Path(sys.executable).with_name("lazyipc"))
"""The installed script, as people call it."""

ENTER, TAB, BACKSPACE, ESCAPE = "\r", "\t", "\x7f", "\x1b"
CTRL_A, CTRL_C, CTRL_D, CTRL_R, CTRL_U = "\x01", "\x03", "\x04", "\x12", "\x15"
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"

SECONDS = 15.0
"""How long a screen may take to show what it must; only a failing test waits so long."""
KILL_SECONDS = 5.0
"""How long a killed process may take to be gone."""
LOOK_SECONDS = 0.05
"""How often a condition is looked at, which may be of something else than the screen."""
READ_BYTES = 65536

STRINGS = re.compile(r"(?:\x1b\]|\x9d)(.*?)(?:\x07|\x1b\\|\x9c)|\x1b[PX^_](.*?)\x1b\\", re.DOTALL)
"""Commands to the terminal with a text in them: titles, links, the clipboard, queries."""
FOREIGN = re.compile(r"\x1b\[[<=>][0-?]*[ -/]*[@-~]")
"""Queries and settings of newer terminals' keyboards, which pyte would take for colours."""
UNFINISHED = re.compile(r"(?:\x1b|\x1b\[[0-?]*[ -/]*|(?:\x1b[\]PX^_]|\x9d)[^\x07\x9c]*)\Z")
"""The beginning of a command at the end of what was read: the rest is still to come."""


def environment(home: str | os.PathLike[str], **more: str) -> dict[str, str]:
    """What a program is told about its user: nothing of whoever runs the tests.

    Args:
        home: The folder that it keeps its files in; the sockets' runtime directory is in it, too.
        more: Variables on top.
    """
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        **more,
    }


class Terminal:
    """A program in a terminal of its own, from its start to its end.

    Attributes:
        raw: All that the program wrote.
        strings: The texts of commands that a screen does not show: titles (`0;…`), the
            clipboard (`52;…`), links (`8;…`).

    Args:
        command: The program and its words.
        columns: The width, in cells.
        rows: The height, in cells.
        env: All its environment; a home of its own, removed at the end, if there is none.
        cwd: Where it starts; the project's folder if there is none.
    """

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 100,
        rows: int = 40,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] = ROOT,
    ) -> None:
        self.command = list(command)
        self.columns, self.rows = columns, rows
        self.raw = b""
        self.strings: list[str] = []
        self._home = None if env is not None else tempfile.TemporaryDirectory(prefix="lazyipc-")
        self._at_end = False
        self._pending = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._screen = Screen(columns, rows, self._reply)
        self._stream = pyte.Stream(self._screen)
        with warnings.catch_warnings():
            # From 3.12 on a fork beside threads warns; here exec follows at once.
            warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
            self._child = pexpect.spawn(
                self.command[0],
                self.command[1:],
                env=dict(env) if env is not None else environment(self._home.name),  # type: ignore[union-attr]
                cwd=os.fspath(cwd),
                dimensions=(rows, columns),
            )
        # pexpect sleeps in several places, for programs that are not waited for as here.
        self._child.delaybeforesend = self._child.delayafterread = None
        self._child.ptyproc.delayafterclose = self._child.ptyproc.delayafterterminate = 0
        self._ended = os.pidfd_open(self._child.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Terminal of {' '.join(self.command)!r}>"

    # What the program sees

    @property
    def pid(self) -> int:
        """The program's process."""
        return int(self._child.pid)

    def type(self, text: str) -> None:
        """Press keys: text as it is, `ENTER`, `TAB`, `CTRL_C` and their like."""
        self._child.send(text)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size; the program is told by SIGWINCH."""
        self.read()
        self.columns, self.rows = columns, rows
        self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    # What a person sees

    def screen(self) -> str:
        """The text on the screen, without blanks at ends of lines and empty lines at its end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip("\n")

    def styled(self) -> list[list[Char]]:
        """The cells of each row, with colours; those behind a wide character hold no text.

        A cell that blinks is faint: nothing that is tested blinks.
        """
        rows = range(self._screen.lines)
        columns = range(self._screen.columns)
        return [[self._screen.buffer[row][column] for column in columns] for row in rows]

    @property
    def colors(self) -> set[str]:
        """The colours of the text on the screen, without the terminal's own."""
        cells = [cell for row in self.styled() for cell in row if cell.data.strip()]
        return {color for cell in cells for color in (cell.fg, cell.bg)} - {"default"}

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor, from 0."""
        return self._screen.cursor.y, self._screen.cursor.x

    @property
    def is_cursor_shown(self) -> bool:
        """Whether the cursor is to be seen."""
        return not self._screen.cursor.hidden

    @property
    def is_interruptible(self) -> bool:
        """Whether Ctrl-C is a signal, as it is while no line is edited, and not a key."""
        return bool(termios.tcgetattr(self._child.child_fd)[3] & termios.ISIG)

    @property
    def is_echoing(self) -> bool:
        """Whether the terminal itself shows what is typed, and takes it line by line."""
        modes = termios.tcgetattr(self._child.child_fd)[3]
        return bool(modes & termios.ECHO and modes & termios.ICANON)

    @property
    def bell_count(self) -> int:
        """How often the bell rang."""
        return self._screen.bell_count

    @property
    def clear_count(self) -> int:
        """How often the whole screen was cleared."""
        return self._screen.clear_count

    # Waiting

    def read(self, timeout: float = 0.0) -> bool:
        """Take in what the program wrote; whether there was anything.

        Args:
            timeout: Seconds to wait for something.
        """
        if self._at_end or not select.select([self._child.child_fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self._child.child_fd, READ_BYTES)
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        self._at_end = not data
        self.raw += data
        self._show(self._decoder.decode(data, final=self._at_end))
        return bool(data)

    def wait_until(
        self, condition: Callable[[str], Any], timeout: float = SECONDS, what: str = ""
    ) -> Any:
        """Read until a condition of the screen's text holds; what it returned.

        Raises:
            AssertionError: it did not in time, or the program ended first; with the screen.
        """
        deadline = time.monotonic() + timeout
        while True:
            while self.read():
                pass  # all that is there: a screen is looked at when it is drawn
            found = condition(self.screen())
            if found:
                return found
            left = deadline - time.monotonic()
            reason = "the program ended" if self._at_end else f"{timeout} s passed"
            if self._at_end or left <= 0:
                raise AssertionError(self.report(f"{reason} without {what or 'what was awaited'}"))
            self.read(min(left, LOOK_SECONDS))

    def wait_for(self, pattern: str, timeout: float = SECONDS) -> re.Match[str]:
        """Read until a regular expression is found in the screen's text (`^` and `$` are lines').

        Raises:
            AssertionError: as of `wait_until`.
        """
        compiled = re.compile(pattern, re.MULTILINE)
        found: re.Match[str] = self.wait_until(compiled.search, timeout, f"/{pattern}/")
        return found

    def wait_while(self, pattern: str, timeout: float = SECONDS) -> None:
        """Read until a regular expression is not found in the screen's text any more.

        Raises:
            AssertionError: as of `wait_until`.
        """
        compiled = re.compile(pattern, re.MULTILINE)
        self.wait_until(
            lambda screen: not compiled.search(screen), timeout, f"/{pattern}/ going away"
        )

    def wait_for_end(self, timeout: float = SECONDS) -> int:
        """Read until the program ends; its exit code, or the negative number of a signal.

        Raises:
            AssertionError: it goes on; with the screen.
        """
        deadline = time.monotonic() + timeout
        while not select.select([self._ended], [], [], 0)[0]:
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(self.report(f"the program goes on after {timeout} s"))
            if self._at_end:
                select.select([self._ended], [], [], left)
            else:
                ready = select.select([self._child.child_fd, self._ended], [], [], left)[0]
                if self._child.child_fd in ready:
                    self.read()
        while self.read():
            pass  # what was written last
        self._child.isalive()  # reaps it
        if self._child.signalstatus is not None:
            return -int(self._child.signalstatus)
        return int(self._child.exitstatus)

    def report(self, reason: str) -> str:
        """A failure's text: the reason, and the screen as it is."""
        lines = self.screen().split("\n")
        shown = "\n".join(f"|{line.ljust(self.columns)}|" for line in lines)
        edge = "+" + "-" * self.columns + "+"
        hidden = "".join(f"\nunseen: {text!r}" for text in self.strings)
        return f"{reason}\n$ {' '.join(self.command)}\n{edge}\n{shown}\n{edge}{hidden}"

    # The end

    def close(self) -> None:
        """End the program and everything in its session; may be called twice."""
        if self._ended < 0:
            return
        try:
            if not select.select([self._ended], [], [], 0)[0]:
                os.killpg(self._child.pid, signal.SIGKILL)
                select.select([self._ended], [], [], KILL_SECONDS)
            self._child.isalive()  # reaps it
            self._child.close(force=True)
        finally:
            os.close(self._ended)
            self._ended = -1
            self._at_end = True
            if self._home is not None:
                self._home.cleanup()

    # Inside

    def _reply(self, text: str) -> None:
        if not self._at_end:
            self._child.send(text)

    def _show(self, text: str) -> None:
        """Draw, but keep apart what pyte does not understand or would not tell."""
        text = self._pending + text
        text = STRINGS.sub(self._keep, FOREIGN.sub("", text))
        unfinished = None if self._at_end else UNFINISHED.search(text)
        self._pending = unfinished[0] if unfinished else ""
        self._stream.feed(text[: unfinished.start()] if unfinished else text)

    def _keep(self, command: re.Match[str]) -> str:
        self.strings.append(command[1] if command[1] is not None else command[2])
        return ""
