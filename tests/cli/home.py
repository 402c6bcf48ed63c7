"""A user's own folder with servers in it, and the installed `lazyipc` called from there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from tests.cli.terminal import LAZYIPC, ROOT, Terminal, environment

SECONDS = 20.0
"""How long a run of the program may take; only a failing test waits so long."""


class Home:
    """A home, and the runtime directory in it; a context manager that ends what was started."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lazyipc-", dir="/tmp")
        self.path = Path(self._folder.name)
        self.sockets = self.path / "lazyipc"
        self.sockets.mkdir(mode=0o700)
        self._hosts: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for host in self._hosts:
            self.end(host, signal.SIGKILL)
        self._folder.cleanup()

    def socket(self, name: str) -> Path:
        """Where the server of a name listens."""
        return self.sockets / f"{name}.sock"

    def host(self, name: str, *options: str) -> subprocess.Popen[str]:
        """Start the program with the rich command set, and wait until its socket is there."""
        program = [sys.executable, "-m", "tests.cli.host", str(self.socket(name)), *options]
        host = subprocess.Popen(
            program, cwd=ROOT, env=environment(self.path), stdout=subprocess.PIPE, text=True
        )
        self._hosts.append(host)
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        return host

    def end(self, host: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
        """Signal a host, and wait until it is gone."""
        host.send_signal(number)
        host.communicate(timeout=SECONDS)

    def run(
        self, *words: str, given: str = "", cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `lazyipc` without a terminal.

        Args:
            words: those of its command line.
            given: what it reads from stdin.
            cwd: where; in the home unless given.
            variables: what its environment has besides.
        """
        return subprocess.run(
            [LAZYIPC, *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=cwd or self.path,
            env=environment(self.path, **variables),
        )

    def json_lines(self, *words: str, code: int = 0, given: str = "") -> list[Any]:
        """The JSON values, one a line, that a run without a terminal prints."""
        done = self.run(*words, given=given)
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def json(self, *words: str, code: int = 0) -> Any:
        """The one JSON value that it prints, over as many lines as it likes."""
        done = self.run(*words)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def terminal(
        self, *words: str, columns: int = 100, rows: int = 45, **variables: str
    ) -> Terminal:
        """Run `lazyipc` on a terminal."""
        env = environment(self.path, **variables)
        return Terminal([LAZYIPC, *words], columns, rows, env=env, cwd=self.path)

    def shown(
        self, *words: str, code: int = 0, columns: int = 100, rows: int = 60, **variables: str
    ) -> str:
        """What `lazyipc` shows on a terminal until its end, which is with this exit code."""
        with self.terminal(*words, columns=columns, rows=rows, **variables) as terminal:
            ended = terminal.wait_for_end()
            assert ended == code, terminal.report(f"exit code {ended}, not {code}")
            return terminal.screen()

    @contextlib.contextmanager
    def blocked(self, name: str) -> Iterator[None]:
        """Keep a host busy meanwhile, within a command."""
        fifo = self.path / "fifo"
        os.mkfifo(fifo)
        blocking = subprocess.Popen(
            [LAZYIPC, "call", name, "block", str(fifo)],
            env=environment(self.path),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            with open(fifo, "wb"):  # waits until the host has opened its end
                yield
        finally:
            output, _ = blocking.communicate(timeout=SECONDS)
            fifo.unlink()
        assert output == "0\n"
