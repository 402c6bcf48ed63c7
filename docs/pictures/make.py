"""`python -m docs.pictures.make`: draws docs/pictures/*.svg from what the real program shows.

Each picture is the screen of a shell in which the installed `lazyipc` was called, with the program
of `docs/pictures/train.py` running beside it. All but `watch` come out the same each time: the
program goes on with commands and not with time, and the few texts that are of the machine or the
moment (process, age, folder) are replaced. `watch` shows what was measured while
it was drawn.

python -m docs.pictures.make describe call
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from docs.pictures.drawing import Row, drawing, replaced
from docs.pictures.train import Show
from lazyipc import IpcClient
from tests.cli.terminal import ENTER, ROOT, Terminal, environment

FOLDER = Path(__file__).parent
PROMPT = r"\n\[\e[1;32m\]$\[\e[0m\] "
COLUMNS = 98
ROWS = {"shell": 12}
"""How high the terminal is, where the program fills it; what is empty below is cut off."""
MOST_ROWS = 50
RUNTIME_DIR = "/run/user/1000"
"""Where the sockets of a desktop's user are; what is drawn with has a path as long."""
OWN_DIR = re.compile(r"/tmp/[\w-]{9}(?=/)")
STABLE = (
    (OWN_DIR, RUNTIME_DIR),
    (re.compile(r"\bpid (\d+)"), "4711"),
    (re.compile(r"\bup ([\d.]+ ?(?:ns|us|µs|ms|s)\b)"), "2 h"),
    (re.compile(r"^\w+\(.*\)  ([\d.]+ [nuµm]?s)\s*$"), "1 ms"),
)
"""What differs from run to run, and what is shown in its place."""

TURNS, BURST = 110, 20
"""How often the watched server is given something to do, and how much, on average."""

Scene = Callable[[Terminal, Path], None]


@contextlib.contextmanager
def host() -> Iterator[Path]:
    """The program, and the folder that its socket and everybody's files are in."""
    folder = Path(tempfile.mkdtemp(prefix="l", dir="/tmp"))
    assert len(str(folder)) == len(RUNTIME_DIR)
    program = [sys.executable, "-m", "docs.pictures.train"]
    process = subprocess.Popen(
        program, cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield folder
    finally:
        process.terminate()
        process.communicate(timeout=10)
        shutil.rmtree(folder)


def run(terminal: Terminal, line: str) -> None:
    """Type a line at the shell's prompt, and wait until the prompt is there again."""
    terminal.wait_for(r"^\$$")
    terminal.type(line)
    terminal.wait_for(re.escape(line))
    terminal.type(ENTER)
    terminal.wait_until(lambda text: not text.endswith(line) and text.endswith("\n$"), what="$")


def describe(terminal: Terminal, folder: Path) -> None:
    """What a server understands, and all about one of its commands."""
    run(terminal, "lazyipc describe train")
    run(terminal, "lazyipc describe train evaluate")


def call(terminal: Terminal, folder: Path) -> None:
    """Commands that go well, that do not, and their answers in a pipe."""
    run(terminal, "lazyipc call train set-rate 3e-4")
    run(terminal, "lazyipc call train evaluate --split test --batches 32")
    run(terminal, "lazyipc call train set-rate --lr 7")
    run(terminal, "lazyipc call train evalaute")
    run(terminal, "lazyipc call train show | cat")


def shell(terminal: Terminal, folder: Path) -> None:
    """A prompt with what can be typed next."""
    terminal.wait_for(r"^\$$")
    terminal.type(f"lazyipc shell train{ENTER}")
    terminal.wait_for("^train>")
    terminal.type(f"set-rate 3e-4{ENTER}")
    terminal.wait_for(r"^Progress(.*\n)+train>$")
    terminal.type("evaluate --split ")  # the menu opens by itself; Tab would choose from it
    terminal.wait_for(r"^ +TRAINING *\n +VALIDATION *\n +TEST")


def watch(terminal: Terminal, folder: Path) -> None:
    """What goes on in a server while clients come and go."""
    terminal.wait_for(r"^\$$")
    terminal.type(f"lazyipc watch train --interval 0.2{ENTER}")
    terminal.wait_for("median")
    with IpcClient(folder / "lazyipc" / "train.sock") as client:
        for turn in range(TURNS):
            client.send_many([Show()] * int(BURST * (1 + math.sin(turn / 3)) ** 3))
            terminal.read(0.1)


SCENES: dict[str, Scene] = {"describe": describe, "call": call, "shell": shell, "watch": watch}


def played(name: str) -> list[Row]:
    """The screen at the end of a scene, without what differs from run to run."""
    with host() as folder:
        variables = environment(folder, PS1=PROMPT, HISTFILE=os.devnull)
        command = ["bash", "--norc", "--noprofile"]
        with Terminal(
            command, COLUMNS, ROWS.get(name, MOST_ROWS), env=variables, cwd=folder
        ) as terminal:
            SCENES[name](terminal, folder)
            height = len(terminal.screen().splitlines())
            rows = terminal.styled()[:height]
    for pattern, replacement in STABLE:
        rows = [replaced(row, pattern, replacement) for row in rows]
    return trimmed(rows)


def trimmed(rows: list[Row]) -> list[Row]:
    """The rows without empty ones around them, and without the prompt that waits for more."""

    def text(row: Row) -> str:
        return "".join(cell.data for cell in row).strip()

    rows = list(rows)
    while text(rows[-1]) in ("", "$"):
        rows.pop()
    while not text(rows[0]):
        del rows[0]
    return rows


def main(names: list[str]) -> None:
    """Draw the pictures of these names, or all."""
    for name in names or SCENES:
        title = f"lazyipc {name}"
        (FOLDER / f"{name}.svg").write_text(drawing(played(name), name, title))
        print(f"{name}.svg is drawn")


if __name__ == "__main__":
    main(sys.argv[1:])
