"""The manual page names what the program has, and nothing else."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from docs.pictures.train import Order
from lazyipc.cli import _failure
from lazyipc.cli._app import COMMANDS, app, load
from lazyipc.cli._asked import FIRST, OPTIONS
from lazyipc.cli._own import description_without_server
from lazyipc.cli._words.words import value_of
from tests.harness import ROOT, give_up

PAGE = ROOT / "docs" / "lazyipc.1"
EVERYWHERE = {"--json", "--help", "-h", "--version"}
"""Options that the page tells of once."""
EXIT_CODES = ("DONE", "FAILED", "MISUSED", "NOT_RUNNING", "BUSY", "MISMATCHED")
EXIT_CODES += ("INTERRUPTED", "READER_GONE")


def parts(text: str, heading: str) -> dict[str, str]:
    """What stands below each heading of a kind."""
    found = re.split(rf"^\.{heading} (.*)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def plain(text: str) -> str:
    """The text without fonts and escapes."""
    return re.sub(r"\\f[A-Z]", "", text).replace("\\-", "-")


SECTIONS = parts(PAGE.read_text(), "SH")
SUB_COMMANDS = {
    plain(heading).split()[1]: plain(text)
    for heading, text in parts(SECTIONS["SUB-COMMANDS"], "SS").items()
}


def options_of(command: click.Command) -> set[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    hidden = {word for each in options if each.hidden for word in each.opts}
    return {word for each in options for word in each.opts + each.secondary_opts} - hidden


def told_of(text: str) -> set[str]:
    """The options that have a paragraph of their own."""
    tags = re.findall(r"^\.TP\n\.[BIR]+ (.*)$", plain(text), re.MULTILINE)
    return {word for tag in tags for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", tag)}


def test_it_has_the_sub_commands_in_the_program_s_order() -> None:
    assert list(SUB_COMMANDS) == list(COMMANDS)


def test_it_tells_of_the_program_s_own_options() -> None:
    assert told_of(SECTIONS["OPTIONS"]) == options_of(app) | {"--help", "-h"}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "call"])
def test_it_tells_of_each_option_of(name: str) -> None:
    assert told_of(SUB_COMMANDS[name]) == options_of(load(name)) - EVERYWHERE


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "call"])
def test_it_names_the_arguments_of(name: str) -> None:
    arguments = [each for each in load(name).params if isinstance(each, click.Argument)]
    headings = {plain(h).split()[1]: plain(h) for h in parts(SECTIONS["SUB-COMMANDS"], "SS")}
    words = re.findall(r"[A-Z]{2,}", headings[name])
    context = click.Context(load(name))
    metavars = [argument.make_metavar(context).strip("[].") for argument in arguments]
    assert words == ["SHELL" if "|" in metavar else metavar for metavar in metavars]


def test_it_tells_of_each_option_of_call() -> None:
    own = {f"--{option.name}" for option in (*OPTIONS, *FIRST)}
    assert told_of(SUB_COMMANDS["call"]) == own - EVERYWHERE


def test_its_examples_fit_the_program_of_the_guide() -> None:
    told = description_without_server(Order)
    text = plain(PAGE.read_text()).replace("\\(aq", "'").replace("\\(dq", '"')
    lines = re.findall(r"^lazyipc call train (.*?)(?: \|.*)?$", text, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        name, *words = shlex.split(line)
        value_of(told.command(name), told, words)
    for name in re.findall(r"^lazyipc ([a-z]+)", text, re.MULTILINE):
        assert name in COMMANDS


def test_it_lists_the_exit_codes() -> None:
    codes = {str(getattr(_failure, name)) for name in EXIT_CODES}
    assert set(re.findall(r"^\.TP\n(\d+)$", SECTIONS["EXIT STATUS"], re.MULTILINE)) == codes


def test_it_lists_the_environment() -> None:
    """What is read of it anywhere in the program is told, and nothing else."""
    told = set(re.findall(r"^\.TP\n\.B ([A-Z_]+)$", SECTIONS["ENVIRONMENT"], re.MULTILINE))
    package = ROOT / "lazyipc"
    sources = [*(package / "cli").rglob("*.py"), *(package / name for name in OTHER_READERS)]
    read = re.compile(r"environ(?:\.get\(|\[)\s*\"([A-Z_]+)\"|\"(XDG_[A-Z_]+)\"")
    found = {name for path in sources for match in read.findall(path.read_text()) for name in match}
    found -= {"", "HOME", "TMPDIR"}  # what is told of by the folders they lead to
    assert told == found


OTHER_READERS = ("_target.py", "_running.py", "_io/private_file.py", "_io/runtime_dir.py")
"""Modules besides the command's own that read the environment for it."""


def test_it_has_no_mistakes() -> None:
    groff = shutil.which("groff")
    if groff is None:
        give_up("groff is not installed")
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", "-rLL=100n", str(PAGE)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "lazyipc - talk to running programs" in re.sub(r".\x08|\x1b\[[\d;]*m", "", done.stdout)


def test_it_is_installed_where_man_looks() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shared = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {PAGE.relative_to(ROOT).as_posix(): f"share/man/man1/{PAGE.name}"}
    assert Path(PAGE).is_file()
