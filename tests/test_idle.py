"""What an idle poll costs, in system calls: a count, not a time."""

from __future__ import annotations

from benchmarks.idle import system_calls
from tests.harness import give_up


def test_an_idle_poll_is_one_system_call() -> None:
    counted = system_calls()
    if counted is None:
        give_up("strace is not installed, or may not trace here")
    assert round(counted.asking, 2) == 1
    # The status page is stamped at every 64th idle poll at most; the rest is what two runs of one
    # program differ by.
    assert counted.other < 1 / 64 + 0.005
