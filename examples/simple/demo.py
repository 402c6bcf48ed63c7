"""`make demo`: start the example's server, send it each command, show both sides, stop it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO

FOR_PEOPLE = {**os.environ, "FORCE_COLOR": "1", "NO_COLOR": "1"}
"""The client's output goes through this program; told so, it writes as on a terminal, not JSON."""

COMMANDS = (["print", "hello from the client"], ["add", "5", "3"], ["push", "69"])


def echo(name: str, stream: IO[str]) -> None:
    """Show a process's output line by line, behind its name."""
    for line in stream:
        print(f"{name:>6} | {line}", end="", flush=True)


def run(path: str) -> int:
    """Play the whole dialogue on a real socket."""
    program = [sys.executable, "-m", "examples.simple", "--socket", path]
    server = subprocess.Popen([*program, "server"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    print(f"{'server':>6} | {server.stdout.readline()}", end="", flush=True)
    shown = threading.Thread(target=echo, args=("server", server.stdout))
    shown.start()
    status = 0
    try:
        for words in COMMANDS:
            print(f"$ python -m examples.simple client {shlex.join(words)}", flush=True)
            client = subprocess.run(
                [*program, "client", *words], capture_output=True, text=True, env=FOR_PEOPLE
            )
            echo("client", iter((client.stdout + client.stderr).splitlines(keepends=True)))  # type: ignore[arg-type]
            status = status or client.returncode
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=10)
        shown.join(timeout=10)
    return status


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(run(f"{folder}/example.sock"))
