"""The limits: each positive, each by keyword."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from lazyipc import Limits
from lazyipc._core.limits import ENVELOPE_BYTES


def test_the_defaults_are_those_of_the_design() -> None:
    limits = Limits()
    assert limits.message_bytes == 16 * 1024 * 1024
    assert limits.elements == 1_000_000
    assert (limits.clients, limits.accepts_per_poll, limits.messages_per_poll) == (1024, 64, 1024)
    assert (limits.half_message_seconds, limits.seconds_per_poll) == (30.0, 0.010)


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_that_is_not_positive_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"Limits\.{name} must be positive"):
        Limits(**{name: value})


def test_limits_are_given_by_keyword_and_frozen() -> None:
    with pytest.raises(TypeError):
        Limits(1)  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Limits().clients = 1  # type: ignore[misc]


def test_a_clients_buffers_hold_two_messages_unless_set() -> None:
    assert (Limits().in_bytes, Limits().out_bytes) == (32 << 20, 32 << 20)
    assert Limits(message_bytes=10_000).in_bytes == 20_000
    assert Limits(message_bytes=10).out_bytes == 10 + ENVELOPE_BYTES
    assert Limits(message_bytes=10_000, in_bytes=11_024).in_bytes == 11_024


@pytest.mark.parametrize("name", ["in_bytes", "out_bytes"])
def test_a_buffer_without_room_for_a_message_is_refused_by_name(name: str) -> None:
    settings: dict[str, Any] = {"message_bytes": 1000, name: 1000 + ENVELOPE_BYTES - 1}
    with pytest.raises(ValueError, match=rf"Limits\.{name} must have room for one message: .*2024"):
        Limits(**settings)


COUNTS = [field.name for field in fields(Limits) if "seconds" not in field.name]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [1.5, float("inf"), True])
def test_a_limit_of_how_many_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"Limits\.{name} must be a whole number"):
        Limits(**{name: value})


def test_a_limit_of_time_may_be_endless() -> None:
    assert Limits(half_message_seconds=float("inf")).half_message_seconds == float("inf")
