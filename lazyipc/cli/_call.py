"""`lazyipc call`: one command of a running server, or many, from the words of a shell.

It runs without click, pydantic and construct, for who types a command waits for the imports too.
Knows words, a client and stdout.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lazyipc._core.nearest import UnknownName
from lazyipc.cli._asked import BEFORE, BEHIND, FIRST, OPTIONS, USAGE, Asked, Settings
from lazyipc.cli._failure import DONE, FAILED, FATES, Misuse, complain, message_of
from lazyipc.cli._shown.answer import show
from lazyipc.cli._words.atoms import BadWord, quoted
from lazyipc.cli._words.words import line_of, read_words
from lazyipc.errors import MessageTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from lazyipc._core.description.model import CommandInfo, Description
    from lazyipc._plain_client import PlainClient
    from lazyipc.cli._shown.output import Output

TEXT = """\
Run a command of a running server and print its response.

NAME is a server's name, as `lazyipc ls` lists them, or the path of its socket. The VALUES are
the command's fields, in order or as options: 1 2, or --a 1 --b 2.

`call NAME --help` lists the server's commands, `call NAME COMMAND --help` a command's fields.

A single - in place of the values reads JSON lines from stdin, each an object of the
fields; in place of COMMAND, each a whole command: {"Add":{"a":1,"b":2}}. All are sent at once,
and one line is printed for each, with "Ok" or "Err".
"""


def call(words: Sequence[str], prog: str, json: bool = False) -> int:
    """Run `call`; its exit code.

    Args:
        words: those behind `call`.
        prog: how the program and `call` are called.
        json: whether JSON is printed on a terminal, too.
    """
    from lazyipc.cli._shown.output import Output

    asked = Asked(words, prog)
    out = Output(json=json or "json" in asked.options)
    if not asked.names:
        if "help" not in asked.options:
            asked.refuse("Missing argument 'NAME'.")
        from lazyipc.cli._shown.help import program_help

        usage = f"Usage: {prog} [OPTIONS] {USAGE}"
        out.text(program_help(usage, TEXT, (*OPTIONS, *FIRST), out.width), multiline=True)
        return DONE
    from lazyipc._description_cache import cached_description
    from lazyipc._plain_client import PlainClient
    from lazyipc._target import path_of

    if len(asked.names) < 2 and "help" not in asked.options:
        asked.refuse("Missing argument 'COMMAND'.")
    settings = Settings(asked.options, asked.refuse)
    name = asked.names[0]
    if "instance" in asked.options:
        instance = asked.options["instance"]
        if not instance or "/" in name or "@" in name:
            asked.refuse(f"--instance goes with the name of a program, not with {quoted(name)}")
        name = f"{name}@{instance}"
    path = path_of(name)
    with ExitStack() as stack:
        client = stack.enter_context(PlainClient(path, timeout=settings.timeout))
        # One behind COMMAND is for the whole call, and so for the first question, too.
        seconds = asked.guessed_timeout()
        description = cached_description(path, lambda: client.describe(seconds))
        if len(asked.names) < 2:
            from lazyipc.cli._shown.help import set_help

            program = f"{prog} {asked.names[0]}"
            told = set_help(description, program, (*OPTIONS, *FIRST), (), out.width)
            out.text(told, multiline=True)
            return DONE
        return _Call(asked, client, description, path, out, stack).run()


class _Call:
    """A call of a server whose description is known."""

    def __init__(
        self,
        asked: Asked,
        client: PlainClient,
        description: Description,
        path: str,
        out: Output,
        stack: ExitStack,
    ) -> None:
        self.asked = asked
        self.client = client
        self.description = description
        self.path = path
        self.out = out
        self.stack = stack

    def run(self) -> int:
        name = self.asked.names[1]
        if name == "-":
            if self.asked.rest:
                self.asked.refuse("Nothing stands behind -: each line is a whole command.")
            return self._lines(None, Settings(self.asked.options, self.asked.refuse))
        try:
            command = self.description.command(name)
        except UnknownName as error:
            if name == "help":
                error.nearest = ("--help",)
            self.asked.refuse(str(error))
        program = f"{self.asked.prog} {self.asked.names[0]} {name}"

        def refuse(message: str) -> NoReturn:
            from lazyipc.cli._shown.help import usage_of

            raise Misuse(message, usage=usage_of(command, program), program=program)

        try:
            words = read_words(command, self.asked.rest, BEHIND, may_be_stdin=True)
            if "help" in words.options or "help" in self.asked.options:
                from lazyipc.cli._shown.help import command_help

                told = command_help(command, self.description, program, OPTIONS, self.out.width)
                self.out.text(told, multiline=True)
                return DONE
            settings = Settings({**self.asked.options, **words.options}, refuse)
            if words.is_stdin:
                return self._lines(command, settings)
            send = self._sender(command, words.fields, settings)
        except BadWord as error:
            refuse(str(error))
        except UnknownName as error:
            if error.name in BEFORE:
                refuse(f"--{error.name} stands before the command.")
            refuse(str(error))
        if settings.repeat is None:
            self._show(command, self._response(send))
            return DONE
        return self._repeat(command, send, settings.repeat)

    def _sender(
        self, command: CommandInfo, fields: dict[str, Any], settings: Settings
    ) -> Callable[[], Any]:
        """What calls the command once and gives its response."""
        timeout = command.timeout if settings.timeout is None else settings.timeout
        wires = self.description.server.wires
        wire = settings.wire or ("json" if "JSON" in wires else "framed")
        if wire.upper() not in wires:
            raise BadWord(f"this server takes {' and '.join(wires)}, not {wire.upper()}", "--wire")
        if wire == "json":
            line = line_of(command, self.description, fields)
            return lambda: self._by_line(line, timeout)
        from lazyipc._core.description.rebuilt.classes import classes_of
        from lazyipc.cli._typed import built, sender

        model = classes_of(self.description).commands[command.name]
        return sender(built(model, fields), self.path, wire, timeout, self.stack)

    def _by_line(self, line: Any, timeout: float | None) -> Any:
        try:
            return self.client.call(line, timeout)
        except MessageTooLarge as error:
            if "FRAMED" not in self.description.server.wires:
                raise
            # In JSON a byte takes four characters, about.
            raise ValueError(f"{message_of(error)}; try --wire framed") from error

    def _response(self, send: Callable[[], Any]) -> Any:
        """What a call gives; where Ctrl-C ends it, whether the command ran is told."""
        self.client.last_started = "unknown"  # if an interrupt comes where nobody looks
        try:
            return send()
        except KeyboardInterrupt:
            behind_echo = "\n" if sys.stderr.isatty() else ""  # a terminal shows ^C
            complain(f"{behind_echo}lazyipc: {FATES[self.client.last_started]}")
            raise

    def _show(self, command: CommandInfo, value: Any) -> None:
        show(value, command, self.description, self.out)

    def _repeat(self, command: CommandInfo, send: Callable[[], Any], count: int) -> int:
        """Call again and again; then, even if that was cut short, how long the calls took."""
        from array import array
        from time import perf_counter

        seconds = array("d")
        try:
            for _ in range(count):
                before = perf_counter()
                value = self._response(send)
                seconds.append(perf_counter() - before)
                self._show(command, value)
        finally:
            if seconds:
                complain(latencies(seconds))
        return DONE

    def _lines(self, command: CommandInfo | None, settings: Settings) -> int:
        """Commands from stdin."""
        from lazyipc._calls import DEFAULT_TIMEOUT
        from lazyipc.cli._lines import Lines, answer_lines
        from lazyipc.cli._shown.answer import binary_stdout
        from lazyipc.cli._words.json import object_of, parsed

        if settings.repeat is not None or settings.wire not in ("", "json"):
            self.asked.refuse("JSON lines go with neither --repeat nor a wire other than json.")
        stdin = sys.stdin
        if stdin is None:
            self.asked.refuse("There is no stdin to read lines from.")
        if "JSON" not in self.description.server.wires:
            self.asked.refuse("This server takes no JSON, and so no lines.")
        timeout = settings.timeout
        if timeout is None:  # one for all: the longest of theirs
            commands = [command] if command is not None else self.description.commands
            own = [each.timeout for each in commands]
            timeout = max((DEFAULT_TIMEOUT if each is None else each for each in own), default=None)

        def command_of(text: str) -> Any:
            if command is None:
                return parsed(text)
            return line_of(command, self.description, object_of(text))

        lines = Lines(stdin.fileno())
        failed = answer_lines(
            lines,
            command_of,
            lambda commands: self.client.call_many(commands, timeout, source_fd=lines.fd),
            binary_stdout(),
        )
        return FAILED if failed else DONE


def latencies(seconds: Sequence[float]) -> str:
    """How long calls took, in a line.

    >>> latencies([0.002, 0.001, 0.01])
    '3 calls: min 1 ms, median 2 ms, p99 10 ms'
    """
    from lazyipc.cli._shown.span import span

    ordered = sorted(seconds)
    last = len(ordered) - 1
    places = {"min": 0, "median": last // 2, "p99": min(last, len(ordered) * 99 // 100)}
    told = ", ".join(f"{name} {span(ordered[place])}" for name, place in places.items())
    return f"{len(ordered)} call{'s' * (last > 0)}: {told}"
