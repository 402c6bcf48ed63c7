"""Homes of who uses the command: one with a server for a module, one for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.home import Home
from tests.cli.inside import Inside, a_home


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """With the server `train`, which no test stops or keeps busy."""
    yield from a_home("train")


@pytest.fixture
def own() -> Iterator[Home]:
    """A home of the test's own."""
    with Home() as made:
        yield made


@pytest.fixture
def inside(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    """Runs the command in this process."""
    return Inside(home, capsys, monkeypatch)
