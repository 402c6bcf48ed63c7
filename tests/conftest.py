"""Fixtures shared by the tests: a short folder, a server in it, and a count of descriptors."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc import IpcServer, Limits
from tests.harness import Job, RawClient


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


PATIENT = Limits(seconds_per_poll=60)
"""On a busy machine a poll that a test counts commands in may take longer than it should."""

Serve = Callable[..., IpcServer[Any]]
Connect = Callable[[], RawClient]


@pytest.fixture
def selector() -> Callable[[], Any]:
    """What makes a server's selector; test_server.py has another."""
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
