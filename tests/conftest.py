"""Fixtures shared by the tests: a short folder, a server in it, and a count of descriptors."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc import IpcServer, Limits
from tests.harness import SELECTORS, Job, RawClient


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_selector: run over each kind of readiness in turn")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A marked test, or module, gets its `selector` from the table of all."""
    is_marked = metafunc.definition.get_closest_marker("every_selector") is not None
    if is_marked and "selector" in metafunc.fixturenames:
        metafunc.parametrize("selector", SELECTORS.values(), ids=SELECTORS.keys())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of one's own whose path leaves a socket's name enough of its 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="lazyipc-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def path(folder: Path) -> str:
    """Where the test's server listens."""
    return str(folder / "s")


def open_descriptors() -> dict[int, str]:
    """Each open descriptor of this process, and what it is open on."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the one that listed
    return found


@pytest.fixture
def no_descriptor_leak() -> Iterator[None]:
    """Fail a test that leaves a descriptor open."""
    before = open_descriptors()
    yield
    if open_descriptors() != before:
        gc.collect()  # an error that a test kept may hold a frame, and that a socket
    after = open_descriptors()
    assert after == before, f"descriptors left open: {after.items() - before.items()}"


def patient(**limits: Any) -> Limits:
    """Limits whose polls are not cut short.

    On a busy machine a poll that a test counts commands in may take longer than it should.
    """
    return Limits(seconds_per_poll=60, **limits)


PATIENT = patient()

Serve = Callable[..., IpcServer[Any]]
Connect = Callable[[], RawClient]


@pytest.fixture
def selector() -> Callable[[], Any]:
    """What makes a server's selector: epoll itself, or each in turn for `every_selector`."""
    return lambda: None


@pytest.fixture
def serve(path: str, selector: Callable[[], Any]) -> Iterator[Serve]:
    """Makes servers at the test's path, and closes them at its end."""
    made: list[IpcServer[Any]] = []

    def make(command: type[Any] = Job, **settings: Any) -> IpcServer[Any]:
        settings["limits"] = settings.get("limits") or PATIENT
        server: IpcServer[Any] = IpcServer(path, command, selector=selector(), **settings)
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_ns = time.monotonic_ns()

    def read(self) -> int:
        return self.now_ns

    def advance_ns(self, by_ns: int) -> int:
        """Let so much time pass; the new time."""
        self.now_ns += by_ns
        return self.now_ns


StopClock = Callable[[IpcServer[Any]], Clock]


@pytest.fixture
def stop_clock(monkeypatch: pytest.MonkeyPatch) -> StopClock:
    """Stops a server's clock, from which its deadlines, budgets and limits of time are told."""

    def stop(server: IpcServer[Any]) -> Clock:
        clock = Clock()
        monkeypatch.setattr("lazyipc._server.monotonic_ns", clock.read)
        for part in (server._rota, server._log):
            monkeypatch.setattr(part, "_clock", clock.read)
        return clock

    return stop


@pytest.fixture
def client(path: str) -> Iterator[Connect]:
    """Makes raw clients connected to the test's path, and closes them at its end."""
    made: list[RawClient] = []

    def make() -> RawClient:
        made.append(RawClient(path))
        return made[-1]

    yield make
    for one in made:
        one.close()
