"""`lazyipc schema`: a server's description as a file, and what a change of it breaks."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from lazyipc._core.description.compared.comparison import Difference, compare
from lazyipc._core.description.model import Description
from lazyipc._core.description.reading import read_description
from lazyipc._io.whole_file import replace_text
from lazyipc._plain_client import PlainClient
from lazyipc._target import path_of
from lazyipc.cli._app import json_option
from lazyipc.cli._failure import MISMATCHED
from lazyipc.cli._shown.safe import safe_json
from lazyipc.cli._shown.span import many
from lazyipc.cli._views.file import file_bytes
from lazyipc.cli._views.timeout import timeout_option
from lazyipc.errors import DecodeError

if TYPE_CHECKING:
    from lazyipc.cli._app import State
    from lazyipc.cli._shown.output import Output

COUNTED = frozenset({"framed", "json"})
"""The wires whose clients count for the exit code: a server must be told to take BARE."""

_OF_NO_RUN: dict[str, Any] = {
    "name": "", "version": None, "pid": 0, "uptime": 0, "start_ns": None, "clock": "",
    "library": "", "path": "", "wires": [],
}  # fmt: skip


@click.command()
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", help="Write there, all at once, and not to stdout.")
@click.option(
    "--diff", metavar="FILE", help="Compare: FILE is the old one, the server the new one."
)
@timeout_option
@json_option
@click.pass_obj
def schema(
    state: State, name: str, output: str | None, diff: str | None, timeout: float | None
) -> int:
    """Write a server's description, or compare it with an older one.

    It is written for version control: indented, and without what differs from one run to the next
    or from one release to the next with the same commands (of "server" only "wires" is left).
    `lazyipc describe --json` has the rest.

    With --diff it tells what breaks clients that know FILE when they meet the server as it is now,
    and why; the exit code is 5 if clients of FRAMED or JSON break. FILE may be -: for --diff that
    is stdin. JSON: an object of is_breaking
    (as the exit code has it) and differences, a list of objects of path, text, breaks (of framed,
    json, bare) and why.
    """
    if output is not None and diff is not None:
        raise click.UsageError("--output and --diff are for two calls: compare first, then write")
    old = None if diff is None else read_file(diff)
    with PlainClient(path_of(name), timeout=timeout) as client:
        description = client.describe()
    if old is not None:
        return _show(state.out, compare(old, description))
    text = text_of(description)
    if output is None or output == "-":
        state.out.text(text.rstrip("\n"), multiline=True)
    else:
        replace_file(output, text)
    return 0


# The file -----------------------------------------------------------------------------------------


def text_of(description: Description) -> str:
    """A description as it stands in version control."""
    kept = {**description.without_server(), "server": {"wires": [*description.server.wires]}}
    return safe_json(json.dumps(kept, ensure_ascii=False, indent=2)) + "\n"


def read_file(path: str) -> Description:
    """Read a description from a file, or from stdin for -: ours, or what a server answered.

    Raises:
        ValueError: it cannot be read, or is none; says where.
    """
    data = file_bytes(path)
    try:
        document = json.loads(data)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{path}, {where}: no JSON: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: no description: it nests too deep") from error
    except ValueError as error:
        raise ValueError(f"{path}: no JSON: {error}") from error
    if isinstance(document, dict) and "Ok" in document:  # as `nc` shows it
        document = document["Ok"]
    if isinstance(document, dict):
        server = document.get("server", {})
        if isinstance(server, dict):
            document = {**document, "server": {**_OF_NO_RUN, **server}}
    try:
        return read_description(document)
    except DecodeError as error:
        told = error.reason.removeprefix("the server's description: ")
        raise ValueError(f"{path}, {error.path or 'the whole'}: {told}") from error


def replace_file(path: str, text: str) -> None:
    """Put a file in the place of another, so that nobody ever reads half of it.

    What stands there and is no file, such as a pipe or a device, is written to.

    Raises:
        ValueError: it cannot be written; a file that stood there still does.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "w", encoding="utf-8", newline="") as opened:
                opened.write(text)
        else:
            replace_text(path, text)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}") from error


# The comparison -----------------------------------------------------------------------------------


def _show(out: Output, found: list[Difference]) -> int:
    is_breaking = any(difference.breaks & COUNTED for difference in found)
    if out.is_terminal:
        _tell(out, found)
    else:
        told = [
            {"path": one.path, "text": one.text, "breaks": sorted(one.breaks), "why": one.why}
            for one in found
        ]
        out.print_json({"is_breaking": is_breaking, "differences": told})
    return MISMATCHED if is_breaking else 0


def _tell(out: Output, found: list[Difference]) -> None:
    breaking = [one for one in found if one.breaks]
    others = [one for one in found if not one.breaks]
    if not found:
        out.text("The same: nothing differs for any client.")
    if breaking:
        wires = sorted({wire.upper() for one in breaking for wire in one.breaks})
        verb = "breaks" if len(breaking) == 1 else "break"
        head = f"{many(len(breaking), 'difference')} {verb} old clients"
        out.text((head, "bold red"), f" (of {', '.join(wires)}):")
        for one in breaking:
            _tell_one(out, one)
    if others:
        if breaking:
            out.text()
        verb = "breaks" if len(others) == 1 else "break"
        out.text((f"{many(len(others), 'difference')} {verb} nobody:", "bold green"))
        for one in others:
            _tell_one(out, one)


def _tell_one(out: Output, one: Difference) -> None:
    wires = " ".join(sorted(wire.upper() for wire in one.breaks))
    out.text("  ", (one.path, "bold"), f": {one.text}", (f"  [{wires}]" if wires else "", "red"))
    for reason in one.why.splitlines():
        out.text((f"      {reason}", "dim"))
