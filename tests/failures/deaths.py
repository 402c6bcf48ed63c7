"""Mode 7: SIGKILL at every stage of a server's life; the next start must just work."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from lazyipc import IpcServer
from tests.failures.commands import Order, Stop
from tests.failures.finding import Finding
from tests.harness import LIBRARY, RawClient, forked, poll

MOST_STAGES = 100_000


class Killer:
    """Kills this process before the n-th line of the library that it runs; remembers the stages.

    Each step that changes a file or a socket stands on a line of its own, so between the lines lie
    all the states that a dead process can leave behind.
    """

    def __init__(self, at: int) -> None:
        self._left = at
        self.passed = 0

    def __enter__(self) -> Killer:
        sys.settrace(self._on_call)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.settrace(None)

    def _on_call(self, frame: FrameType, event: str, arg: object) -> Any:
        return self._on_line if frame.f_code.co_filename.startswith(LIBRARY) else None

    def _on_line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            if self.passed == self._left:
                os.kill(os.getpid(), signal.SIGKILL)
            self.passed += 1
        return self._on_line


def live_and_close(path: str) -> None:
    """A server's whole life: start, one client, close."""
    with IpcServer(path, Order) as server:
        serve_one(server)


def serve_one(server: IpcServer[list[Order]]) -> None:
    """Have a new client served: whoever connects to the path reaches this server."""
    with RawClient(server.path) as client:
        call = client.ask(Stop())
        poll(server, [], lambda: client.has_result(call))


def killed_starts(folder: Path, *, step: int, umasks: tuple[int, ...] = (0o022,)) -> Finding:
    """Kill a process at each stage, once on a fresh path and once on what the first one left.

    Args:
        step: every how many lines; 1 is each.
        umasks: what the killed processes run under.
    """
    kills, stages = 0, 0
    for umask in umasks:
        before = os.umask(umask)
        try:
            more, stages = _kill_all(folder / f"{umask:03o}", step)
        finally:
            os.umask(before)
        kills += more
    return Finding(
        f"{kills:,} kills, at every {step} of {stages} lines of a server's life, under umasks "
        f"{' '.join(f'{umask:03o}' for umask in umasks)}",
        "each start after one works, is served and closes",
    )


def _kill_all(folder: Path, step: int) -> tuple[int, int]:
    folder.mkdir(mode=0o700)
    os.chmod(folder, 0o700)
    live_and_close(str(folder / "warm"))  # what is compiled once is no stage
    kills = 0
    for at in range(0, MOST_STAGES, step):
        path = str(folder / f"{at}")
        first = _killed_at(at, lambda path=path: live_and_close(path))  # type: ignore[misc]
        second = _killed_at(at, lambda path=path: live_and_close(path))  # type: ignore[misc]
        try:
            live_and_close(path)
        except Exception as error:
            error.add_note(f"after SIGKILL before line {at} of a start on {os.listdir(folder)}")
            raise
        assert not os.path.lexists(path)
        kills += first + second
        if not (first or second):
            assert at > 100, "the life is over before it began"
            return kills, at
    raise AssertionError("a server's life has no end")


def _killed_at(at: int, live: Callable[[], None]) -> bool:
    """Live in a child that is killed at a stage; False if it never comes so far."""

    def run(line: object) -> None:
        with Killer(at):
            live()

    with forked(run) as child:
        status = child.finish()
    assert status in (0, -signal.SIGKILL), "the start failed where it should be killed"
    return status != 0
