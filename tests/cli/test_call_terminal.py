"""`lazyipc call` and completion where people sit: a real terminal, a real shell."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lazyipc._plain_client import PlainClient
from lazyipc.cli._completion import script_of
from tests.cli import terminal
from tests.cli.running import LAZYIPC, SECONDS, connected_to, host, is_asleep
from tests.cli.terminal import CTRL_C, ENTER, TAB, Terminal
from tests.harness import give_up, until

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lazyipc-") as folder:
        (Path(folder) / "lazyipc").mkdir(mode=0o700)
        yield Path(folder)


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[str]:
    path = str(home / "lazyipc" / "train.sock")
    with host(path):
        yield path


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    return terminal.environment(home)


def call(env: dict[str, str], *words: str) -> Terminal:
    return Terminal([*LAZYIPC, "call", "train", *words], env=env)


def test_people_see_text_and_nothing_is_obeyed(served: str, env: dict[str, str]) -> None:
    with call(env, "draw", "--shape.circle.radius", "2") as shown:
        assert shown.wait_for_end() == 0
        assert shown.screen() == "Circle(radius=2.0)"
    with call(env, "scare") as shown:
        assert shown.wait_for_end() == 0
        assert shown.screen().startswith(
            r"\x1b[31mred\x1b]0;title\x07\x9b2J\u202eback\r\x08 [bold]"
        )
        assert not shown.strings
        assert not shown.colors
    with call(env, "fail", "--why", "\x1b[2Jno") as shown:
        assert shown.wait_for_end() == 1
        assert shown.screen() == r"lazyipc: \x1b[2Jno"


def test_lines_are_typed_and_answered(served: str, env: dict[str, str]) -> None:
    with call(env, "add", "-") as typed:
        typed.type(f'{{"a":1}}{ENTER}')
        typed.wait_for(r'^\{"Ok":\{"Sum":\{"c":2\}\}\}$')
        typed.type(f"{{{ENTER}")
        typed.wait_for('"line":2')
        typed.type(CTRL_C)
        assert typed.wait_for_end() == 130


def test_ctrl_c_ends_the_wait(served: str, env: dict[str, str], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with PlainClient(served, timeout=SECONDS) as client, call(env, "block", str(fifo)) as blocking:
        before = client.call("Added")
        with fifo.open("wb"), call(env, "add", "1") as waiting:
            until(lambda: connected_to(served) == 3)  # this test, the busy call, and it
            until(lambda: is_asleep(waiting.pid))
            waiting.type(CTRL_C)
            assert waiting.wait_for_end() == 130
            told = "^C\nlazyipc: given up; it was not run and will not be"
            assert waiting.screen() == told
        assert blocking.wait_for_end() == 0
        assert client.call("Added") == before


def test_bash_completes_what_is_typed(served: str, env: dict[str, str], tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        give_up("bash is not installed")
    program = tmp_path / "lazyipc"
    start = "import sys; from lazyipc.cli import script; sys.exit(script())"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{start}' \"$@\"\n")
    program.chmod(0o755)
    (tmp_path / "script").write_text(script_of("bash", "lazyipc"))
    env["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    env |= {"PS1": "$ ", "PYTHONPATH": str(terminal.ROOT)}
    with Terminal([bash, "--norc", "--noprofile", "-i"], env=env) as shell:
        shell.type(f"PS1='> '; source {tmp_path}/script; clear{ENTER}")
        shell.wait_for("^>$")
        shell.type(f"lazyipc ca{TAB}")
        shell.wait_for("^> lazyipc call$")
        shell.type(f"tr{TAB}")
        shell.wait_for("^> lazyipc call train$")
        shell.type(f"set-l{TAB}--level=m{TAB}--is{TAB}")
        shell.wait_for("^> lazyipc call train set-level --level=MEDIUM --is-quiet$")
        shell.type(f"{ENTER}")
        shell.wait_for(r"^.?MEDIUM, \w+, \w+.?$")
