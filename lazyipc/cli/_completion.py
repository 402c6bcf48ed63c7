"""What a shell offers where the cursor is: its script, and the answers to that.

The script runs the program itself with the words typed so far. The answers hold nothing that a
shell or a terminal would act upon. Nothing here raises for a server that is gone, slow or strange:
then there is nothing to offer.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from lazyipc._core.nearest import folded
from lazyipc.cli._failure import DONE, Misuse
from lazyipc.cli._program import COMMANDS
from lazyipc.cli._shell.completion import Candidate, candidates_for
from lazyipc.cli._shown.safe import shown
from lazyipc.errors import IpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lazyipc._core.description.model import Description
    from lazyipc.cli._words.words import Option

    Candidates = Callable[[Sequence[str], str], Iterable[Candidate]]

ASKED_SECONDS = 0.5
"""How long a server is waited for; a shell waits with it, and so does who pressed Tab."""
WORDS = "--words"
"""Behind `completion`: the script asks, with its shell's name and the words up to the cursor."""

_PLAIN = re.compile(r"[\w@%+=:,./~-]+")
"""What no shell takes for anything but a word."""
_BROKEN_AT = (":", "=")
"""Where bash breaks words, though nobody meant to end one."""

_BASH = """\
FUNCTION() {
    local IFS=$'\\n'
    COMPREPLY=($("${COMP_WORDS[0]/#\\~/$HOME}" completion --words bash \\
        "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=.] ]]; then
        compopt -o nospace
    fi
}
complete -o default -o nosort -F FUNCTION PROGRAM
"""
_ZSH = """\
#compdef PROGRAM
FUNCTION() {
    local -a found
    found=(${(f)"$("${(Q)words[1]}" completion --words zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#found} )); then
        _describe -V value found
    else
        _files
    fi
}
if [[ $funcstack[1] == FUNCTION ]]; then
    FUNCTION "$@"
else
    compdef FUNCTION PROGRAM
fi
"""
_FISH = """\
function FUNCTION
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] completion --words fish $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c PROGRAM -f -a '(FUNCTION)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script_of(shell: str, program: str) -> str:
    """The script that makes a shell complete a program's words.

    Raises:
        Misuse: the program has no name that a shell knows.
    """
    if not re.fullmatch(r"[\w.+-]+", program):
        raise Misuse(
            f"A shell completes a program by its name, and {program!r} is none; "
            "install it as a script.",
            usage=f"Usage: {program} completion [{'|'.join(SCRIPTS)}]",
            program=program,
        )
    function = f"_{re.sub('[^A-Za-z0-9]', '_', program)}_complete"
    if shell == "zsh":
        function = f"_{program}"
    return SCRIPTS[shell].replace("FUNCTION", function).replace("PROGRAM", program)


def completion(words: Sequence[str], program: str, candidates: Candidates) -> int:
    """Run `completion` of an application's own program; its exit code."""
    if words[:1] == [WORDS]:
        return answer(words[1:], candidates)
    from lazyipc.cli._shown.output import Output

    usage = f"Usage: {program} completion [{'|'.join(SCRIPTS)}]"
    if words and words[0] in ("-h", "--help"):
        Output().text(f"{usage}\n\n  {COMMANDS['completion'].text}", multiline=True)
    elif len(words) == 1 and words[0] in SCRIPTS:
        sys.stdout.write(script_of(words[0], program))
    else:
        raise Misuse(
            f"One of {', '.join(SCRIPTS)} is wanted.", usage=usage, program=f"{program} completion"
        )
    return DONE


def answer(asked: Sequence[str], candidates: Candidates | None = None) -> int:
    """Print what may stand under the cursor, one a line.

    Args:
        asked: the shell's name, the words before the one under the cursor, and that one.
        candidates: what may stand behind words; None asks the servers that run.
    """
    shell, *words = asked
    if shell == "bash":
        words = _joined(words)
    *before, typed = map(_unquoted, words or [""])
    try:
        found = [*(candidates or _of_lazyipc)(before, typed)]
    except (IpcError, ValueError, OSError):
        return DONE
    cut = _cut(typed) if shell == "bash" else 0
    sought = folded(typed)
    for candidate in found:
        if folded(candidate.text).startswith(sought) and _PLAIN.fullmatch(candidate.text):
            sys.stdout.write(_row(shell, candidate.text[cut:], shown(candidate.meta)) + "\n")
    return DONE


def options_of(options: Iterable[Option]) -> list[Candidate]:
    """A program's own options as candidates."""
    return [Candidate(f"--{option.name}", option.help) for option in options]


def _row(shell: str, text: str, meta: str) -> str:
    if shell == "zsh":
        escaped = text.replace("\\", "\\\\").replace(":", "\\:")
        return f"{escaped}:{meta}" if meta else escaped
    return f"{text}\t{meta}" if shell == "fish" and meta else text


def _joined(words: Sequence[str]) -> list[str]:
    """Words as they were typed: bash breaks them at some characters and gives these as words."""
    joined: list[str] = []
    is_open = False
    for word in words:
        if word in _BROKEN_AT and joined:
            joined[-1] += word
            is_open = True
        elif is_open:
            joined[-1] += word
            is_open = False
        else:
            joined.append(word)
    return joined


def _cut(typed: str) -> int:
    """How much of a word bash keeps by itself, because it broke the word there."""
    return max(typed.rfind(mark) for mark in _BROKEN_AT) + 1


def _unquoted(word: str) -> str:
    """A word without the quotes and backslashes that a shell gives along."""
    import shlex

    try:
        parts = shlex.split(word)
    except ValueError:  # a quote is still open
        return word.lstrip("'\"")
    return parts[0] if len(parts) == 1 else word


# The words of `lazyipc` ---------------------------------------------------------------------------


def _of_lazyipc(words: Sequence[str], typed: str) -> Iterable[Candidate]:
    if not words:
        if typed.startswith("-"):
            return [Candidate(option) for option in ("--json", "--version", "--help")]
        return [Candidate(name, command.text) for name, command in COMMANDS.items()]
    if words[0] == "--json":
        return _of_lazyipc(words[1:], typed)
    if words[0] == "call":
        return _of_call(words[1:], typed)
    return _of_command(words[0], words[1:], typed)


def _of_call(words: Sequence[str], typed: str) -> Iterable[Candidate]:
    from lazyipc.cli._asked import BEFORE, OPTIONS, WIRES, Asked

    if words and words[-1].startswith("--") and _takes_value(words[-1][2:], BEFORE):
        return [Candidate(wire) for wire in WIRES] if words[-1] == "--wire" else []
    asked = Asked(words, "call")
    if len(asked.names) < 2 and typed.startswith("-"):
        return options_of(BEFORE.values())
    if not asked.names:
        return _servers(typed)
    description = _description(asked.names[0])
    found = candidates_for(description, [*asked.names[1:], *_without_own(asked.rest)], typed)
    if len(asked.names) == 2 and typed.startswith("-"):
        return [*found, *options_of(OPTIONS)]
    return found


def _takes_value(name: str, options: dict[str, Option]) -> bool:
    return name in options and bool(options[name].metavar)


def _without_own(words: Sequence[str]) -> list[str]:
    """The words behind COMMAND without the options of `call` itself."""
    from lazyipc.cli._asked import BEHIND

    left, kept = [*reversed(words)], []
    while left:
        word = left.pop()
        name, has_value, _ = word[2:].partition("=")
        if not word.startswith("--") or not _takes_value(name, BEHIND):
            kept.append(word)
        elif not has_value and left:
            left.pop()
    return kept


def _of_command(name: str, words: Sequence[str], typed: str) -> Iterable[Candidate]:
    """What may stand behind a sub-command, as click knows it."""
    if name not in COMMANDS:
        return []
    if typed.startswith("-"):
        from lazyipc.cli._app import load

        params = [param for param in load(name).params if param.param_type_name == "option"]
        pairs = [(opt, getattr(param, "help", "") or "") for param in params for opt in param.opts]
        return [Candidate(opt, text) for opt, text in [*pairs, ("--help", "")] if opt[:2] == "--"]
    if name == "explain" and words[-1:] == ["--of"]:
        return _servers(typed)
    values = [word for word in words if not word.startswith("-")]
    if name == "completion":
        return [Candidate(shell) for shell in SCRIPTS] if not values else []
    if name in ("ls", "explain"):
        return []
    if not values:
        return _servers(typed)
    if name == "describe" and len(values) == 1:
        return candidates_for(_description(values[0]), [], typed)
    return []


def _servers(typed: str) -> Iterable[Candidate]:
    """The servers that run; none where a path is typed, which the shell completes itself."""
    if "/" in typed or typed.startswith((".", "~")):
        return []
    from lazyipc._running import running

    return [Candidate(each.name, f"{each.state}, pid {each.pid}") for each in running()]


def _description(name: str) -> Description:
    from lazyipc._description_cache import cached_description
    from lazyipc._plain_client import PlainClient
    from lazyipc._target import path_of

    path = path_of(os.path.expanduser(name))
    with PlainClient(path, timeout=ASKED_SECONDS) as client:
        return cached_description(path, client.describe)
