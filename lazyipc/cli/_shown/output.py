"""What goes to stdout: for people on a terminal, JSON for everybody else.

All text passes `_safe` here, so nothing of a server's reaches a terminal as it came; colours are
given beside the text, never in it. Lines need no more than the standard library; tables import
rich. Knows nothing of servers.
"""

from __future__ import annotations

import json as json_
import os
import sys
from typing import TYPE_CHECKING

from lazyipc.cli._shown.safe import safe_json, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, TextIO

    from rich.console import Console

    from lazyipc.cli._shown.table import Part

_SGR = {
    "bold": "1", "dim": "2", "italic": "3", "underline": "4",
    "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36",
}  # fmt: skip
"""The words of a style, and what a terminal calls them."""


FEWEST_COLUMNS = 20
"""What is shown in fewer could not be read; a terminal breaks these lines itself."""


def _columns() -> int:
    """What COLUMNS says; 0 where that is no number of columns."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isascii() and columns.isdigit() and len(columns) < 6 else 0


def _written(value: Any, *, is_spread: bool) -> str:
    """A value as JSON, on one line or spread over several."""
    indent, separators = (2, None) if is_spread else (None, (",", ":"))
    return safe_json(json_.dumps(value, ensure_ascii=False, indent=indent, separators=separators))


class Output:
    """Where a command's result goes.

    Args:
        json: JSON, whatever the stream is.
        stream: where to; sys.stdout unless given.

    >>> import io
    >>> out = Output(stream=io.StringIO())
    >>> out.is_terminal
    False
    """

    def __init__(self, json: bool = False, stream: TextIO | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        forced = bool(os.environ.get("FORCE_COLOR"))
        self.is_terminal = not json and (forced or self.stream.isatty())
        """Whether people read this; JSON is wanted otherwise."""
        self.has_colours = (
            self.is_terminal
            and not os.environ.get("NO_COLOR")
            and (forced or os.environ.get("TERM", "dumb") != "dumb")
        )
        self.can_move = (
            self.is_terminal
            and self.stream.isatty()
            and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
        )
        """Whether what was shown can be shown anew in its place."""
        self._console: Console | None = None
        reconfigure = getattr(self.stream, "reconfigure", None)
        if reconfigure is not None:  # where the locale has no é it is shown as \xe9
            reconfigure(errors="backslashreplace")

    @property
    def width(self) -> int:
        """How many columns a line has."""
        try:
            columns = _columns() or os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError, AttributeError):  # no terminal, or no file
            return 80
        return max(columns, FEWEST_COLUMNS)

    def print_json(self, value: Any, *, is_line: bool = False) -> None:
        """Print a value as JSON: one line, but spread over several where people look at it.

        Args:
            is_line: one line for people, too: it is one of many values.
        """
        try:
            text = _written(value, is_spread=self.stream.isatty() and not is_line)
        except RecursionError:  # in one line it may be deeper
            text = _written(value, is_spread=False)
        self._write(text + "\n")

    def text(self, *parts: Part, multiline: bool = False) -> None:
        """Print one line, made of parts: text, or text and its style.

        Args:
            multiline: whether line feeds stay, of text that is ours or is shown as a whole; a
                name with one in it would forge lines.

        >>> Output().text("alive", (" 2 ms ago", "dim"))
        alive 2 ms ago
        """
        self._write("".join(self._styled(part, multiline) for part in parts) + "\n")

    def _styled(self, part: Part, multiline: bool) -> str:
        if isinstance(part, str):
            return shown(part, multiline=multiline)
        text, style = shown(part[0], multiline=multiline), part[1]
        if not (self.has_colours and style and text):
            return text
        return f"\x1b[{';'.join(_SGR[word] for word in style.split())}m{text}\x1b[0m"

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Part]]) -> None:
        """Print a table, its columns of numbers to the right; row by row where it does not fit."""
        from lazyipc.cli._shown.table import fitting  # rich is needed here only

        self.rich(*fitting(self.console, headings, [tuple(row) for row in rows]))

    def rich(self, *renderables: Any) -> None:
        """Print what rich can render, made of text that went through `_safe`."""
        with self.console.capture() as capture:
            for renderable in renderables:
                self.console.print(renderable)
        self._write(capture.get())

    @property
    def console(self) -> Console:
        """Rich's console on the stream, which reads no markup."""
        if self._console is None:
            from rich.console import Console

            # Rich would read the size for itself, and fail of what is no number.
            own = ("COLUMNS", "LINES")
            self._console = Console(
                _environ={k: v for k, v in os.environ.items() if k not in own},
                file=self.stream,
                force_terminal=self.is_terminal,
                color_system="auto" if self.has_colours else None,
                no_color=not self.has_colours,
                # A terminal that can say how wide it is may be made another width meanwhile.
                width=None if self.can_move and not _columns() else self.width,
                markup=False,
                emoji=False,
                highlight=False,
            )
        return self._console

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()  # where the reader went away, that is seen now and not at exit
