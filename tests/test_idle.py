"""What an idle poll costs, in system calls: a count, not a time."""

from __future__ import annotations

from benchmarks.idle import system_calls
from tests.harness import give_up


def test_an_idle_poll_is_one_system_call() -> None:
    counted = system_calls()
    if counted is None:
        give_up("strace is not installed, or may not trace here")
    assert counted.startswith("1.00 system calls for each idle poll")
