"""The identity of a clock: the same where the clock is, unknown where nobody can tell."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator
from typing import Any

import pytest

from lazyipc._io.clock import UNKNOWN, clock_identity
from tests.harness import run_script, told_by_child

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The identity is asked for anew within the test, and after it."""
    clock_identity.cache_clear()
    yield
    clock_identity.cache_clear()


def test_it_has_eight_bytes_and_stays() -> None:
    assert len(clock_identity()) == 8
    assert clock_identity() == clock_identity() != UNKNOWN


def test_another_process_has_the_same() -> None:
    code = "from lazyipc._io.clock import clock_identity; print(clock_identity().hex())"
    assert run_script(code).stdout.strip() == clock_identity().hex()


def test_a_forked_child_has_the_same() -> None:
    assert told_by_child(lambda: clock_identity().hex()) == clock_identity().hex()


@pytest.mark.usefixtures("forgotten")
def test_without_a_boot_id_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> Any:
        raise PermissionError(13, "denied")

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "open", refuse)
        assert clock_identity() == UNKNOWN


@pytest.mark.usefixtures("forgotten")
def test_another_time_namespace_is_another_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = clock_identity()
    clock_identity.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", lambda path: os.lstat("/proc/self/cmdline"))
        assert clock_identity() != ours
