"""What a run of the `lazyipc` command begins with: a call goes its own way, past click.

Knows the words of the command line; no servers.
"""

from __future__ import annotations

import sys

from lazyipc.cli._program import program_name

TYPE_CHECKING = False  # `typing` costs half as much to import as all that a call needs
if TYPE_CHECKING:
    from collections.abc import Sequence


def start(arguments: Sequence[str] | None, prog: str | None) -> int:
    """Run the sub-command that the words name; its exit code."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    prog = program_name(prog)
    json = False
    rest = words
    while rest[:1] == ["--json"]:
        json, rest = True, rest[1:]
    if rest[:1] == ["call"]:
        from lazyipc.cli._call import call

        return call(rest[1:], prog=f"{prog} call", json=json)
    if rest[:2] == ["completion", "--words"]:
        from lazyipc.cli._completion import answer

        return answer(rest[2:])
    from lazyipc.cli._app import State, app, run

    return run(app, words, prog, State())
