"""The guide to the command shows what the command does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lazyipc.cli._app import COMMANDS
from tests.cli.home import Home
from tests.cli.terminal import ROOT, Terminal, environment

GUIDE = ROOT / "docs" / "command.md"
COLUMNS = 90
"""How wide the tables in the guide are."""
WIDE_COLUMNS = 400
"""For lines that the guide does not fold."""

VARYING = (
    (re.compile(r"/run/user/1000|/tmp/lazyipc-\w+"), "DIR"),
    (re.compile(r"\d[\d.]* (?:[num]s|s|min|h)\b"), "TIME"),
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"\balive +\d+"), "alive N"),
    (re.compile(r"\d+ polls"), "N polls"),
    (re.compile("─+"), "─"),
    (re.compile(r" +"), " "),
)
"""What differs from run to run; a table's columns are as wide as what stands in them."""


def dialogues() -> list[tuple[str, str]]:
    """Each line typed in the guide, and what it shows."""
    blocks = re.findall(r"^```\n(\$ .*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def same(text: str) -> list[str]:
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    return [line.strip() for line in text.strip().splitlines()]


@pytest.fixture
def home() -> Iterator[Home]:
    """With the program of the guide, and the guide's own one beside it."""
    with Home() as made:
        (control,) = re.findall(
            r"\(`control\.py`\):\n\n```python\n(.*?)```", GUIDE.read_text(), re.S
        )
        (made.path / "control.py").write_text(control)
        shutil.copy(ROOT / "docs" / "pictures" / "train.py", made.path)
        program = [sys.executable, "train.py"]
        host = subprocess.Popen(
            program,
            cwd=made.path,
            env=environment(made.path),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert host.stdout is not None
            assert host.stdout.readline() == "ready\n"
            yield made
        finally:
            host.terminate()
            host.communicate(timeout=10)


def test_what_is_typed_shows_what_is_shown(home: Home) -> None:
    typed = dialogues()
    assert len(typed) >= 20
    variables = environment(home.path)
    for line, wanted in typed:
        columns = WIDE_COLUMNS if max(map(len, wanted.split("\n"))) > COLUMNS else COLUMNS
        with Terminal(["bash", "-c", line], columns, 60, env=variables, cwd=home.path) as terminal:
            terminal.wait_for_end()
            assert same(terminal.screen()) == same(wanted), f"$ {line}\n{terminal.screen()}"


def test_it_lists_all_sub_commands() -> None:
    table = re.findall(r"^\| `lazyipc .*\|$", GUIDE.read_text(), re.MULTILINE)
    assert set(re.findall(r"`lazyipc ([a-z]+)", " ".join(table))) == set(COMMANDS)


def test_it_lists_what_the_manual_page_lists() -> None:
    guide, page = GUIDE.read_text(), (GUIDE.parent / "lazyipc.1").read_text()
    for pattern_page, pattern_guide in (
        (r"^\.TP\n(\d+)$", r"^\| (\d+) \|"),
        (r"^\.TP\n\.B ([A-Z_]+)$", r"^\| `([A-Z_]+)` \|"),
    ):
        told = re.findall(pattern_page, page, re.MULTILINE)
        assert re.findall(pattern_guide, guide, re.MULTILINE) == told
