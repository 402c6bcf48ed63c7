"""Fixtures of the rpc tests."""

from __future__ import annotations

import functools

import pytest

from tests.rpc.loops import LOOPS, Run, run


@pytest.fixture(params=LOOPS)
def on_loop(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine over asyncio's loop, then over uvloop's."""
    return functools.partial(run, new_loop=LOOPS[request.param])
