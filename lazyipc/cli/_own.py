"""An application's own program: its commands as sub-commands, made from their classes.

The words are those of `lazyipc call`; a command is built and checked by its class before it is
sent, as frames, so a server of another version is a SchemaMismatch. Help needs no server. Of the
sub-commands of `lazyipc` those that take a server are there beside, where no command has their
name.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

from lazyipc._core.catalog import Catalog
from lazyipc._core.description.published.document import description_of
from lazyipc._core.description.reading import read_description
from lazyipc._core.nearest import UnknownName
from lazyipc.cli._failure import DONE, Misuse
from lazyipc.cli._program import COMMANDS, program_name
from lazyipc.cli._words.atoms import BadWord, timeout_of
from lazyipc.cli._words.words import Option, read_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lazyipc._core.description.model import CommandInfo, Description
    from lazyipc.cli._shell.completion import Candidate

TIMEOUT = Option("timeout", "SECONDS", "How long to wait for a response; inf is for ever.")
JSON = Option("json", "", "Print JSON, also on a terminal.")
HELP = Option("help", "", "")

GENERIC = ("describe", "shell", "status", "stats", "watch", "schema", "completion")
"""Sub-commands of `lazyipc` that an application's program has, too."""


def own(
    command: type,
    path: str | os.PathLike[str],
    arguments: Sequence[str] | None,
    prog: str | None,
) -> int:
    """Run an application's program; its exit code."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    program = _Program(command, os.path.abspath(os.fsdecode(path)), program_name(prog))
    return program.run(words)


def description_without_server(command: type) -> Description:
    """What the classes tell of themselves, as a server of them would."""
    nobody = {
        "name": "the program",
        "version": None,
        "pid": 0,
        "uptime": 0.0,
        "start_ns": None,
        "clock": "",
        "library": "",
        "path": "",
        "wires": ["FRAMED"],
    }
    return read_description({**description_of(Catalog(command)), "server": nobody})


class _Program:
    """One run of the program."""

    def __init__(self, command: type, path: str, prog: str) -> None:
        self.root = command
        self.path = path
        self.prog = prog
        self.description = description_without_server(command)

    def run(self, words: list[str]) -> int:
        options: dict[str, str] = {}
        left = [*reversed(words)]
        while left and left[-1].startswith("-"):
            self._option(left, options)
        if "help" in options:
            return self._help(options)
        if not left:
            self._refuse("Missing argument 'COMMAND'.")
        name, rest = left.pop(), [*reversed(left)]
        try:
            command = self.description.command(name)
        except UnknownName as error:
            if name in self._generic():
                return self._run_generic(name, rest, options)
            every = [*error.known, *self._generic()]
            self._refuse(str(UnknownName("command", name, every, self.prog)))
        return self._call(command, name, rest, options)

    def _option(self, left: list[str], options: dict[str, str]) -> None:
        """An option in front of the command."""
        word = left.pop()
        name, has_value, value = word.removeprefix("--").partition("=")
        if word in ("-h", "--help"):
            options["help"] = ""
        elif word == "--json":
            options["json"] = ""
        elif name == "timeout" and word.startswith("--"):
            if not has_value and not left:
                self._refuse("Option '--timeout' requires an argument.")
            options["timeout"] = value if has_value else left.pop()
        else:
            self._refuse(f"No such option: {word}")

    def _refuse(self, message: str) -> NoReturn:
        usage = f"Usage: {self.prog} [OPTIONS] COMMAND [VALUES]..."
        raise Misuse(message, usage=usage, program=self.prog)

    def _generic(self) -> dict[str, str]:
        """The sub-commands that no command of the application hides."""
        texts = [(name, COMMANDS[name].text) for name in GENERIC]
        names = {command.option_name for command in self.description.commands}
        return {name: text for name, text in texts if name not in names}

    def _help(self, options: dict[str, str]) -> int:
        from lazyipc.cli._shown.help import set_help
        from lazyipc.cli._shown.output import Output

        out = Output(json="json" in options)
        more = [*self._generic().items()]
        told = set_help(self.description, self.prog, (TIMEOUT, JSON), more, out.width)
        out.text(told, multiline=True)
        return DONE

    def _run_generic(self, name: str, rest: list[str], options: dict[str, str]) -> int:
        if name == "completion":
            from lazyipc.cli._completion import completion

            return completion(rest, self.prog, self._candidates)
        from lazyipc.cli._app import State, bound, run

        state = State("json" in options, self.prog)
        return run(bound(name, self.path), rest, f"{self.prog} {name}", state)

    def _call(
        self, command: CommandInfo, name: str, rest: list[str], before: dict[str, str]
    ) -> int:
        from lazyipc.cli._shown.output import Output

        program = f"{self.prog} {name}"
        known = {option.name: option for option in (TIMEOUT, HELP)}
        with ExitStack() as stack:
            try:
                words = read_words(command, rest, known, may_be_stdin=True)
                if words.is_stdin:
                    raise BadWord(
                        "JSON lines are read from stdin by `lazyipc call` only; a value that is a "
                        "hyphen stands behind --"
                    )
                options = {**before, **words.options}
                out = Output(json="json" in options)
                if "help" in options:
                    from lazyipc.cli._shown.help import command_help

                    told = command_help(command, self.description, program, (TIMEOUT,), out.width)
                    out.text(told, multiline=True)
                    return DONE
                timeout = timeout_of(options["timeout"]) if "timeout" in options else None
                from lazyipc.cli._typed import built, sender

                instance = built(self._model(command), words.fields)
            except (BadWord, UnknownName) as error:
                from lazyipc.cli._shown.help import usage_of

                usage = usage_of(command, program)
                raise Misuse(str(error), usage=usage, program=program) from error
            value = sender(instance, self.path, "framed", timeout, stack)()
        from lazyipc.cli._shown.answer import show

        show(value, command, self.description, out)
        return DONE

    def _candidates(self, words: Sequence[str], typed: str) -> Iterable[Candidate]:
        """What may stand behind the words."""
        from lazyipc.cli._completion import options_of
        from lazyipc.cli._shell.completion import Candidate, candidates_for

        if not words:
            more = [Candidate(name, text) for name, text in self._generic().items()]
            own = [*candidates_for(self.description, words, typed), *more]
            return own if not typed.startswith("-") else options_of((TIMEOUT, JSON, HELP))
        own = candidates_for(self.description, words, typed)
        return [*own, *(options_of((TIMEOUT, HELP)) if typed.startswith("-") else ())]

    def _model(self, command: CommandInfo) -> type:
        """The class of a command."""
        entries = Catalog(self.root).by_fingerprint
        return entries[bytes.fromhex(command.fingerprint)].model
