"""The shell's prompt: a line typed on a terminal, with a menu, a toolbar and a history.

The one place that knows prompt_toolkit, whose loop runs while a line is typed, and no longer. What
is offered and told is made elsewhere, from a line and a description; here it is only drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from shutil import get_terminal_size

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.styles import Style

from lazyipc._core.description.model import Description
from lazyipc.cli._shell.completion import completions
from lazyipc.cli._shell.hint import hint
from lazyipc.cli._shell.history import HistoryFile
from lazyipc.cli._shown.safe import shown

STYLE = Style.from_dict(
    {
        "prompt": "bold",
        "bottom-toolbar": "noreverse",
        "bottom-toolbar.name": "bold",
        "bottom-toolbar.current": "reverse",
        "auto-suggestion": "ansibrightblack",
        "completion-menu.completion": "bg:ansibrightblack fg:ansiwhite",
        "completion-menu.completion.current": "noreverse bg:ansicyan fg:ansiblack",
        "completion-menu.meta.completion": "bg:ansibrightblack fg:ansiwhite",
        "completion-menu.meta.completion.current": "noreverse bg:ansicyan fg:ansiblack",
    }
)
MENU_ROWS = 6
"""Rows kept free below the line for the menu; it takes more where there are more."""

FEWEST_ROWS = 10
"""Rows of a terminal that has room for them, and for the toolbar."""


class Prompt:
    """Reads lines from the terminal.

    Args:
        name: the server's, which the prompt shows.
        description: gives what is known of the server's commands.
        look: sees whether another process answers by now; gives what to tell the user, or nothing.
        tell: tells the user something above the line.
        history: where the lines of earlier sessions are.
    """

    def __init__(
        self,
        name: str,
        description: Callable[[], Description | None],
        look: Callable[[], str],
        tell: Callable[[str], None],
        history: HistoryFile,
    ) -> None:
        self._description = description
        self._session: PromptSession[str] = PromptSession(
            [("class:prompt", f"{shown(name)}> ")],
            history=_Lines(history),
            completer=_Menu(description, look, tell),
            complete_while_typing=True,
            auto_suggest=AutoSuggestFromHistory(),
            enable_suspend=True,
            style=STYLE,
        )

    def read(self, default: str = "") -> str:
        """One line, or what was pasted.

        Args:
            default: what stands there already.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            EOFError: Ctrl-D.
        """
        is_low = get_terminal_size().lines < FEWEST_ROWS
        return self._session.prompt(
            default=default,
            bottom_toolbar=None if is_low else self._toolbar,
            reserve_space_for_menu=0 if is_low else MENU_ROWS,
        )

    def _toolbar(self) -> StyleAndTextTuples:
        app = get_app()
        line = app.current_buffer.document.text_before_cursor
        told: StyleAndTextTuples = []
        for parts in hint(line, self._description(), app.output.get_size().columns):
            if told:
                told.append(("", "\n"))
            told.extend((f"class:bottom-toolbar.{style}" * bool(style), t) for t, style in parts)
        return told


class _Menu(Completer):
    """The menu's entries; before it offers any, it sees whether the server is still the same."""

    def __init__(
        self,
        description: Callable[[], Description | None],
        look: Callable[[], str],
        tell: Callable[[str], None],
    ) -> None:
        self._description = description
        self._look = look
        self._tell = tell

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        news = self._look()
        if news:
            run_in_terminal(lambda: self._tell(news))
        line = document.text_before_cursor
        start, found = completions(line, self._description())
        for each in found:
            yield Completion(each.text, start - len(line), display_meta=each.meta)


class _Lines(History):
    """prompt_toolkit's side of the history."""

    def __init__(self, file: HistoryFile) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._file.lines)

    def store_string(self, string: str) -> None:
        self._file.append(string)
