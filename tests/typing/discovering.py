"""What is discovered has methods nobody declared; the list of servers has its type."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from lazyipc import Running, discover

for each in discover():
    assert_type(each, Running)
    assert_type(each.pid, int | None)

run = discover("train", timeout=2.5, server_uids=[0])
assert_type(run.set_rate(lr=0.1), Any)
assert_type(run.types.Progress, Any)
assert_type(run.close(), None)
with discover(Path("/run/train.sock")) as found:
    assert_type(found.anything(1, 2), Any)

discover(7)  # type: ignore[call-overload]
discover(timeout=2.5)  # type: ignore[call-overload]
discover("train", 2.5)  # type: ignore[call-overload]
run.close(1)  # type: ignore[call-arg]
