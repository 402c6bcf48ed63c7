"""The limits: each positive, each by keyword."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from lazyipc import Limits


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
