"""What a run of the `lazyipc` command begins with: a call goes its own way, past click.

Knows the words of the command line; no servers.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lazyipc.cli._program import program_name
from lazyipc.errors import ServerNotRunning

if TYPE_CHECKING:
    from collections.abc import Sequence


def start(arguments: Sequence[str] | None, prog: str | None) -> int:
    """Run the sub-command that the words name; its exit code.

    Raises:
        ServerNotRunning: tells which servers there are, if the one that is missing has a name.
    """
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    try:
        return _run(words, program_name(prog))
    except ServerNotRunning as error:
        from lazyipc._io.runtime_dir import name_of, runtime_folders

        folder, _, _ = error.path.rpartition("/")
        if error.path in words or folder not in runtime_folders():
            raise  # it was given by its path
        from lazyipc._meant import servers_instead

        instead = servers_instead(name_of(error.path))
        raise ServerNotRunning(f"{error.message}; {instead}", path=error.path) from error


def _run(words: list[str], prog: str) -> int:
    json = False
    rest = words
    while rest[:1] == ["--json"]:
        json, rest = True, rest[1:]
    if rest[:1] == ["call"]:
        from lazyipc.cli._call import call

        return call(rest[1:], prog=f"{prog} call", json=json)
    if rest[:1] == ["help"]:  # as other programs have it
        return _run([*rest[1:2], "--help"], prog)
    if rest[:2] == ["completion", "--words"]:
        from lazyipc.cli._completion import answer

        return answer(rest[2:])
    from lazyipc.cli._app import State, app, run

    return run(app, words, prog, State())
