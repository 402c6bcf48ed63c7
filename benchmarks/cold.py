"""A script that starts, makes one typed call and ends, beside one that only defines the models; and
`lazyipc call`, which needs no models, beside the import that models begin with."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import peers
from benchmarks.rounds import Pair, Row, cost_row, interleave

HERE = Path(__file__).parent
AT_MOST = 1.1
COMMAND_AT_MOST = 0.6
SHOWN_IMPORTS = 25

COMMAND = ("-m", "lazyipc", "call")
IMPORT = ("-c", "from pydantic import BaseModel")
PRINTS_TO_NOBODY = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]


def rows(seconds: float) -> Iterator[Row]:
    """By the processor's time and by the wall's."""
    with peers.lazyipc_server() as path, _bytecode() as environment:
        ours = _Script(environment, str(HERE / "cold_ours.py"), path)
        bare = _Script(environment, str(HERE / "cold_pydantic.py"))
        yield from _pair("cold script", ours, bare, seconds, AT_MOST)
        command = _Script(environment, *COMMAND, path, "add", "1", "2")
        imported = _Script(environment, *IMPORT)
        yield from _pair("cold `lazyipc call`", command, imported, seconds, COMMAND_AT_MOST)


def _pair(name: str, ours: _Script, bare: _Script, seconds: float, at_most: float) -> Iterator[Row]:
    wall = interleave(ours.run, bare.run, seconds)
    cpu = Pair(tuple(ours.cpu[1:]), tuple(bare.cpu[1:]))  # the first runs filled the caches
    yield cost_row(f"{name}, CPU", cpu, at_most=at_most)
    yield cost_row(f"{name}, wall", wall, at_most=at_most)


def profile(seconds: float) -> Iterator[str]:
    """Which imports the one script makes and the other does not, and what they take."""
    del seconds  # one run of each tells enough
    with peers.lazyipc_server() as path, _bytecode() as environment:
        ours = _imports(environment, str(HERE / "cold_ours.py"), path)
        bare = _imports(environment, str(HERE / "cold_pydantic.py"))
        command = _imports(environment, *COMMAND, path, "add", "1", "2")
    more = {name: us for name, us in ours.items() if name not in bare}
    yield f"\nImports of cold_ours.py alone: {len(more)} modules, {sum(more.values()) / 1e3:.1f} ms"
    yield "(by -X importtime, which makes each import dearer; shared ones are left out)\n"
    for name in sorted(more, key=lambda name: -more[name])[:SHOWN_IMPORTS]:
        yield f"  {more[name] / 1e3:7.2f} ms  {name}"
    shared = [sum(each[name] for name in ours.keys() & bare.keys()) / 1e3 for each in (ours, bare)]
    yield f"\nShared imports: {shared[0]:.1f} ms in cold_ours.py, {shared[1]:.1f} ms in the other"
    yield f"\nImports of `lazyipc call`: {len(command)}, {sum(command.values()) / 1e3:.1f} ms\n"
    for name in sorted(command, key=lambda name: -command[name])[:SHOWN_IMPORTS]:
        yield f"  {command[name] / 1e3:7.2f} ms  {name}"


@contextlib.contextmanager
def _bytecode() -> Iterator[dict[str, str]]:
    """An environment in which modules are compiled once, as those of an installed package are.

    Where nothing may be written, or nothing was, each script would compile what it imports. The
    command keeps descriptions there, too.
    """
    with peers.folder() as made:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": made, "XDG_CACHE_HOME": made}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        yield environment


def _imports(environment: dict[str, str], *arguments: str) -> dict[str, int]:
    """Each module a script imports, and its own microseconds."""
    command = [sys.executable, "-X", "importtime", *arguments]
    for _ in range(2):  # the first run fills the caches
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = (line.removeprefix("import time:").split("|") for line in done.stderr.splitlines()[1:])
    return {module.strip(): int(own) for own, _, module in lines}


class _Script:
    """A Python script, run again and again as a process of its own, which prints to nobody."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._environment = environment
        self._command = [sys.executable, *arguments]
        self.cpu: list[float] = []
        """User and system time of each run, in seconds."""

    def run(self) -> float:
        """Seconds from start to end."""
        began = time.perf_counter()
        pid = os.posix_spawn(
            sys.executable, self._command, self._environment, file_actions=PRINTS_TO_NOBODY
        )
        _, status, usage = os.wait4(pid, 0)
        took = time.perf_counter() - began
        if status:
            raise RuntimeError(f"{self._command} ended with {os.waitstatus_to_exitcode(status)}")
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        return took
