"""Runs the notebook beside a training run of its own: `python -m examples.discover.record`.

What the cells show is put into the notebook, so that it can be read without being run. The tests
run it, too, and hold what it shows against what is recorded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("notebook.ipynb")
KERNEL_SECONDS = 60
"""How long a cell may take; the first one waits for the kernel."""


@contextmanager
def training(folder: str) -> Iterator[None]:
    """A training run in a process of its own, whose socket is in a folder."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": folder}
    command = [sys.executable, "-m", "examples.discover.train"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def executed(folder: str) -> Any:
    """The notebook as it is when all its cells have run; only what is in a folder is seen."""
    read: Any = nbformat.read
    notebook = read(NOTEBOOK, as_version=4)
    own = ("XDG_CACHE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    apart = {name: f"{folder}/{name}" for name in own}
    client = NotebookClient(notebook, timeout=KERNEL_SECONDS, kernel_name="python3")
    manager = client.create_kernel_manager()
    manager.transport, manager.ip = "ipc", f"{folder}/kernel"  # no TCP, no word about it
    client.execute(env={**os.environ, "XDG_RUNTIME_DIR": folder, **apart})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran
    notebook.metadata.pop("language_info", None)  # which Python it was
    return notebook


def main() -> None:
    """Record it."""
    write: Any = nbformat.write
    with tempfile.TemporaryDirectory() as folder, training(folder):
        write(executed(folder), NOTEBOOK)


if __name__ == "__main__":
    main()
