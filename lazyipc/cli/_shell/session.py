"""The shell without its terminal: a line goes in, and what came of it is shown.

Knows a client, what is known of its server, and where to show things; not how lines are typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import inf
from time import perf_counter
from typing import Any, Protocol

from lazyipc._core.description.model import CommandInfo, Description
from lazyipc.cli._failure import DONE, FATES
from lazyipc.cli._shell.builtins import BUILTINS, builtin_of
from lazyipc.cli._shell.help import command_named, show_command, show_help
from lazyipc.cli._shell.known import Change, Known
from lazyipc.cli._shell.line import read_words
from lazyipc.cli._shown.form import form
from lazyipc.cli._shown.output import Output
from lazyipc.cli._shown.safe import shown
from lazyipc.cli._shown.span import span
from lazyipc.cli._words.atoms import BadWord, quoted, timeout_of
from lazyipc.cli._words.words import Option
from lazyipc.cli._words.words import read_words as fields_of
from lazyipc.errors import SchemaMismatch, Started

OWN = "own"
"""The `timeout` that leaves each command its own."""
TIMEOUT = Option("timeout", "SECONDS", "How long to wait for a response; inf is for ever.")
OPTIONS = {option.name: option for option in (TIMEOUT, Option("help", "", ""))}
"""What may stand between a command's words beside its fields."""


class Calls(Protocol):
    """What calls the server's commands: `_shell_calls.Caller`."""

    @property
    def last_started(self) -> Started:
        """Of a call that an interrupt ended: whether its command may have begun to run."""
        ...

    def call(
        self,
        description: Description,
        command: CommandInfo,
        fields: dict[str, Any],
        timeout: float | None,
    ) -> Any:
        """Call a command; its response as JSON has it."""


class Changed(SchemaMismatch):
    """A command means something else since its line was typed; it was not sent."""


class GivenUp(KeyboardInterrupt):
    """Ctrl-C ended a call; the text says what became of it."""


class Session:
    """One user's conversation with one server.

    Args:
        calls: what calls it.
        known: what is known of it.
        show: shows what the server tells of itself: `describe`, `status` or `stats`, a word behind
            it, and how many seconds that may take; gives an exit code.
        out: where results are shown.
        notice: tells the user of what happened besides; all is fit for a terminal.
        wait: what goes around each wait for the server.
    """

    def __init__(
        self,
        calls: Calls,
        known: Known,
        show: Callable[[str, str | None, float | None], int],
        out: Output,
        notice: Callable[[str], None],
        wait: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._calls = calls
        self.known = known
        self._show = show
        self._out = out
        self._notice = notice
        self._wait = wait
        self.timeout: float | None = None
        """Seconds for each call; None leaves it to the command."""
        self.is_over = False
        """Whether its user has left."""

    # One line ------------------------------------------------------------------------------------

    def run(self, line: str) -> int:
        """Do what a line says; its exit code.

        Raises:
            IpcError: the call failed.
            ValueError: the line makes no sense: BadLine, BadWord, UnknownName.
            GivenUp: Ctrl-C ended the call.
        """
        words = read_words(line)
        if not words or (words[0].is_plain and words[0].text.startswith("#")):
            return DONE
        name, *texts = [word.text for word in words]
        if builtin_of(words[0]) is None:
            self._call(name, texts)
            return DONE
        most = len(BUILTINS[name].usage.split())
        if len(texts) > most:
            usage = f"{name} {BUILTINS[name].usage}".rstrip()
            raise BadWord(f"{quoted(texts[most])} is one word too many: {usage}")
        if name == "help":
            self.refresh()
            is_quoted = bool(texts) and not words[1].is_plain
            word = texts[0] if texts else None
            show_help(self._out, self._description, word, TIMEOUT, is_quoted=is_quoted)
            return DONE
        return self._run_builtin(name, texts[0] if texts else None)

    def refresh(self) -> Change | None:
        """Have the description of the process that runs, and tell what has changed.

        Raises:
            IpcError: it cannot be asked.
        """
        with self._wait():
            change = self.known.refresh(self.timeout)
        if change is not None:
            self._notice(change.text)
        return change

    # Commands ------------------------------------------------------------------------------------

    def _call(self, name: str, words: Sequence[str]) -> None:
        change = self.refresh()
        if change is not None and change.concerns(name):
            raise Changed(
                f"{name} is not what it was when the line was typed, so it was not sent; "
                "the next line is taken as the server now has it"
            )
        command = command_named(self._description, name)
        read = fields_of(command, ["--help"] if [*words] == ["-h"] else words, OPTIONS)
        if "help" in read.options:
            show_command(self._out, self._description, command, TIMEOUT)
            return
        timeout = self.timeout
        if "timeout" in read.options:
            timeout = timeout_of(read.options["timeout"])
        began = perf_counter()
        value = self._called(command, read.fields, timeout)
        self._show_value(value, command, perf_counter() - began)

    def _called(self, command: CommandInfo, fields: dict[str, Any], timeout: float | None) -> Any:
        try:
            with self._wait():
                return self._calls.call(self._description, command, fields, timeout)
        except KeyboardInterrupt as error:
            raise GivenUp(FATES[self._calls.last_started]) from error

    def _show_value(self, value: Any, command: CommandInfo, seconds: float) -> None:
        out = self._out
        if not out.is_terminal:
            out.print_json(value)
            return
        if type(value) is not str and isinstance(value, str):  # of what JSON has no form for
            text = shown(value)
        else:
            text = form(value, command.response, self._description.definitions, width=out.width)
        took = span(seconds)
        between = "\n" if "\n" in text or len(text) + len(took) + 2 > out.width else "  "
        out.text(text, (between + took, "dim"), multiline=True)

    @property
    def _description(self) -> Description:
        description = self.known.description
        assert description is not None, "nothing is known before `refresh`"
        return description

    # The shell's own words -----------------------------------------------------------------------

    def _run_builtin(self, name: str, word: str | None) -> int:
        match name:
            case "exit" | "quit":
                self.is_over = True
            case "timeout":
                self._set_timeout(word)
            case _:
                if name != "status":  # which is there when nobody answers
                    self.refresh()
                return self._show(name, word, self.timeout)
        return DONE

    def _set_timeout(self, word: str | None) -> None:
        if word is not None:
            self.timeout = None if word == OWN else timeout_of(word, "timeout")
        if not self._out.is_terminal:
            if word is None:
                # JSON has no number for that.
                self._out.print_json("inf" if self.timeout == inf else self.timeout)
        elif self.timeout is None:
            self._out.text("each command's own, else 5 s; `timeout 60` is for all")
        else:
            told = "for ever" if self.timeout == inf else f"{self.timeout:g} s"
            self._out.text(f"{told} for each call")
