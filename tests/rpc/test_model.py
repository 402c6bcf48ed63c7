"""Random conversations against the rules: no reply crossed, lost or doubled, nothing left over."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.rpc.model import main, play


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_conversations_in_virtual_time(first: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(first, first + 10):
        counts += play(seed)
    assert counts["send Done"] > 20


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_conversations_in_real_time(loop: str) -> None:
    counts: Counter[str] = Counter()
    for seed in range(1000, 1006):
        counts += play(seed, loop)
    assert counts["send Done"] > 5


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "5", "--count", "2"]) == 0
    assert "2 scenarios" in capsys.readouterr().out
