"""One timer for many deadlines, by a clock that the test sets."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lazyipc._aio import alarm
from lazyipc._aio.alarm import Alarm
from tests.aio.fakes import ClockLoop


class Bell:
    """An alarm, the moments at which it rang, and what it is told to ring by next."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, early_seconds: float = 0.0) -> None:
        self.loop = ClockLoop(early_seconds)
        monkeypatch.setattr(alarm, "monotonic", self.loop.monotonic)
        self.rang: list[float] = []
        self.following: list[float | None] = []
        self.fails = False
        loop: Any = self.loop
        self.alarm = Alarm(loop, self._ring)
        self.began = self.loop.now

    def _ring(self) -> float | None:
        self.rang.append(self.loop.now - self.began)
        if self.fails:
            raise OSError("no descriptor is left")
        return self.following.pop(0) if self.following else None

    def by(self, seconds: float) -> None:
        self.alarm.by(self.began + seconds)

    def pass_until(self, seconds: float) -> None:
        self.loop.pass_until(self.began + seconds)


def test_it_rings_by_the_earliest_of_many_and_has_one_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bell = Bell(monkeypatch)
    for seconds in (5, 3, 8, 1, 4):
        bell.by(seconds)
        assert len(bell.loop.armed) == 1
    bell.pass_until(0.999)
    assert bell.rang == []
    bell.pass_until(10)
    assert bell.rang == [1]


def test_a_later_deadline_costs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell(monkeypatch)
    for seconds in range(1, 1000):
        bell.by(seconds)
    assert bell.loop.armings == 1
    assert bell.alarm.at == bell.began + 1


def test_it_goes_on_with_what_ringing_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell(monkeypatch)
    bell.following = [bell.began + 2.5, bell.began + 7]
    bell.by(1)
    bell.pass_until(20)
    assert bell.rang == [1, 2.5, 7]


def test_idle_it_has_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell(monkeypatch)
    assert not bell.loop.armed
    bell.by(math.inf)
    assert not bell.loop.armed
    bell.by(1)
    bell.pass_until(2)
    assert not bell.loop.armed
    assert bell.alarm.at == math.inf


def test_a_loop_that_rounds_does_not_make_it_ring_early(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell(monkeypatch, early_seconds=0.001)
    bell.by(1)
    bell.pass_until(0.9995)
    assert bell.loop.armings > 1
    assert bell.rang == []
    bell.pass_until(2)
    assert bell.rang == [1]


def test_while_a_rounding_loop_waits_on_an_earlier_deadline_still_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bell = Bell(monkeypatch, early_seconds=0.5)
    bell.by(1)
    bell.pass_until(0.625)
    bell.by(0.75)
    bell.pass_until(5)
    assert bell.rang == [0.75]


def test_a_deadline_that_is_over_rings_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell(monkeypatch)
    bell.by(-3)
    assert bell.rang == []
    bell.pass_until(0)
    assert bell.rang == [0]


def test_stopped_it_rings_no_more_unless_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bell = Bell(monkeypatch)
    bell.by(1)
    bell.alarm.stop()
    bell.alarm.stop()
    assert not bell.loop.armed
    bell.pass_until(5)
    assert bell.rang == []
    bell.by(9)
    bell.pass_until(10)
    assert bell.rang == [9]


def test_it_may_be_stopped_and_asked_while_it_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell(monkeypatch)
    rang: list[float] = []

    def ring() -> None:
        rang.append(bell.loop.now - bell.began)
        if len(rang) == 1:
            bell.by(6)
        else:
            again.stop()

    loop: Any = bell.loop
    again = bell.alarm = Alarm(loop, ring)
    bell.by(2)
    bell.pass_until(20)
    assert rang == [2, 6]
    assert not bell.loop.armed


def test_one_that_failed_rings_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was due was not done, and somebody waits for it."""
    bell = Bell(monkeypatch)
    bell.fails = True
    bell.by(1)
    with pytest.raises(OSError, match="no descriptor"):
        bell.pass_until(1.5)
    bell.fails = False
    bell.pass_until(10)
    assert bell.rang == [1, 1 + alarm.RETRY_SECONDS]
