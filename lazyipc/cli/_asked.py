"""What the words before a command ask of `lazyipc call`: a server, and how to call it.

Knows words; no servers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazyipc.cli._failure import Misuse
from lazyipc.cli._words.atoms import BadWord, quoted, timeout_of
from lazyipc.cli._words.words import Option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

OPTIONS = (
    Option("timeout", "SECONDS", "How long to wait for a response; inf is for ever."),
    Option("repeat", "N", "Call it N times, one after the other, and tell how long that took."),
    Option("wire", "WIRE", "json, framed or bare; framed and bare load more, and so start later."),
)
FIRST = (
    Option("instance", "INSTANCE", "Which run of the program: the same as NAME@INSTANCE."),
    Option("json", "", "Print JSON, also on a terminal."),
)
"""What stands before COMMAND only; behind it `--json` gives fields."""
SHORTEST_GUESS = 0.5
"""Seconds; a `--timeout` behind COMMAND may be a field, and mean another thing."""
BEFORE = {option.name: option for option in (*OPTIONS, *FIRST)}
BEHIND = {option.name: option for option in (*OPTIONS, Option("help", "", ""))}

WIRES = ("json", "framed", "bare")
USAGE = "NAME COMMAND [VALUES]..."


class Asked:
    """What the words before COMMAND, and COMMAND itself, ask for."""

    def __init__(self, words: Sequence[str], prog: str) -> None:
        self.prog = prog
        self.options: dict[str, str] = {}
        self.names: list[str] = []
        """NAME, and COMMAND where it is given."""
        self.rest: list[str] = []
        """The words behind COMMAND."""
        left = [*reversed(words)]
        is_over = False
        while left and len(self.names) < 2:
            word = left.pop()
            if is_over or not word.startswith("-") or word == "-":
                self.names.append(word)
            elif word == "--":
                is_over = True
            elif word in ("-h", "--help"):
                self.options["help"] = ""
            elif word.startswith("--"):
                self._option(word[2:], left)
            else:
                self.refuse(f"No such option: {word}")
        self.rest = [*reversed(left)]

    def _option(self, text: str, left: list[str]) -> None:
        name, has_value, value = text.partition("=")
        if name not in BEFORE:
            from lazyipc._core.nearest import nearest

            near = nearest(name, BEFORE)
            hint = f" Did you mean --{near[0]}?" if near else ""
            self.refuse(f"No such option: --{name}{hint}")
        option = BEFORE[name]
        if not option.metavar:
            if has_value:
                self.refuse(f"Option '--{name}' does not take a value.")
        elif not has_value:
            if not left:
                self.refuse(f"Option '--{name}' requires an argument.")
            value = left.pop()
        self.options[name] = value

    def guessed_timeout(self) -> float | None:
        """The `--timeout` behind COMMAND, if there is one; before the fields are known it is taken
        for the program's own.
        """
        rest = self.rest[: self.rest.index("--")] if "--" in self.rest else self.rest
        found = None
        for word, behind in zip(rest, [*rest, ""][1:], strict=True):
            name, has_value, value = word.partition("=")
            if name == "--timeout":
                try:
                    found = max(timeout_of(value if has_value else behind), SHORTEST_GUESS)
                except BadWord:  # told when the fields are known
                    found = None
        return found

    def refuse(self, message: str) -> NoReturn:
        """Say that the words make no call.

        Raises:
            Misuse: always.
        """
        program = " ".join([self.prog, *self.names[:1]])
        usage = f"Usage: {program} [OPTIONS] {USAGE if not self.names else USAGE[5:]}"
        raise Misuse(message, usage=usage, program=program)


class Settings:
    """The values of the options, wherever they stood."""

    def __init__(self, options: dict[str, str], refuse: Callable[[str], NoReturn]) -> None:
        self.timeout: float | None = None
        self.repeat: int | None = None
        self.wire = options.get("wire", "").lower()
        if "timeout" in options:
            try:
                self.timeout = timeout_of(options["timeout"])
            except BadWord as error:
                refuse(str(error))
        if "repeat" in options:
            word = options["repeat"]
            is_count = word.isascii() and word.isdigit() and len(word) < 10 and int(word) > 0
            if not is_count:
                refuse(f"--repeat is a whole number from 1, not {quoted(word)}")
            self.repeat = int(word)
        if "wire" in options and self.wire not in WIRES:
            refuse(f"--wire is one of {', '.join(WIRES)}, not {quoted(options['wire'])}")
