"""Running the command and the test program: in processes of their own, as people do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from lazyipc._core.description.model import Description
from tests.cli.host import Order
from tests.harness import ROOT

LAZYIPC = (sys.executable, "-m", "lazyipc")
HOST = (sys.executable, "-m", "tests.cli.host")
SECONDS = 30.0
"""How long a process may take."""


def environment(home: Path | str | None = None, **more: str) -> dict[str, str]:
    """What a process gets: nobody's colours, a home of its own, columns that do not vary.

    Its output is buffered, as it is for people who did not ask for another thing.
    """
    not_kept = ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "PYTHONUNBUFFERED")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in not_kept and not name.startswith("XDG_")
    }
    kept |= {"COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    if home is not None:
        kept |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    return kept | more


@contextmanager
def host(path: str | os.PathLike[str], *options: str) -> Iterator[subprocess.Popen[str]]:
    """The test program, serving at a path; ended at the end."""
    with subprocess.Popen(
        [*HOST, os.fspath(path), *options], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def lazyipc(
    *words: str | os.PathLike[str],
    given: bytes | str | None = None,
    env: dict[str, str] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run `lazyipc` to its end.

    Args:
        given: what it reads from stdin.
    """
    data = given.encode() if isinstance(given, str) else given
    done = subprocess.run(
        [*LAZYIPC, *map(os.fspath, words)],
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        cwd=ROOT,
        env=environment() if env is None else env,
        timeout=SECONDS,
        check=False,
        **options,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def connected_to(path: str) -> int:
    """How many connections there are to a socket."""
    with open("/proc/net/unix") as table:
        return sum(line.rstrip("\n").endswith(f" {path}") for line in table) - 1


def is_asleep(pid: int) -> bool:
    """Whether a process waits for something."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@cache
def description() -> Description:
    """What the test program tells of itself, without running it."""
    from lazyipc.cli._own import description_without_server

    return description_without_server(Order)
