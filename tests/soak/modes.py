"""Which scenario proves which failure mode absent, and at what scale."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.failures import (
    bombs,
    crossed,
    deadlines,
    deaths,
    endings,
    forks,
    hostile_bytes,
    hostile_clients,
    leaks,
    privacy,
    schema_edits,
    splits,
    starts,
)
from tests.failures.finding import Finding


@dataclass(frozen=True, slots=True)
class Mode:
    """One failure mode.

    Args:
        name: what fails.
        scenario: what proves it absent.
        scale: the scenario's arguments at full scale, but for the seed.
        is_alone: it measures time, or uses both cores, so nothing else runs beside it.
        most_seconds: after which it has failed.
    """

    number: int
    name: str
    scenario: Callable[..., Finding]
    scale: Mapping[str, Any] = field(default_factory=dict)
    is_alone: bool = False
    most_seconds: float = 300.0

    def run(self, folder: Path, seed: int) -> Finding:
        """The scenario at full scale."""
        more = {"seed": seed} if "seed" in inspect.signature(self.scenario).parameters else {}
        return self.scenario(folder, **self.scale, **more)


MODES = (
    Mode(1, "silent or half-sending clients", hostile_clients.silent_or_half_sending_clients,
         {"clients": 100, "polls": 200_000, "slack_seconds": 0.040}, is_alone=True),
    Mode(2, "clients that never read", hostile_clients.stopped_readers,
         {"reply_bytes": 50_000_000, "readers": 4, "asks": 4, "slack_seconds": 0.040},
         is_alone=True),
    Mode(3, "hostile bytes", hostile_bytes.hostile_bytes,
         {"inputs": 10_000_000, "sockets": 50_000, "processes": 2},
         is_alone=True, most_seconds=1100),
    Mode(4, "length, count and depth bombs", bombs.bombs_of_all_kinds,
         {"message_bytes": 4_000_000, "elements": 20_000, "resident_too": True}),
    Mode(5, "a second start steals the socket", starts.racing_starts,
         {"starts": 1000, "at_once": 12, "busy_seconds": 60.0}),
    Mode(6, "a foreign file is deleted", starts.foreign_paths),
    Mode(7, "a stale socket stops the restart", deaths.killed_starts,
         {"step": 1, "umasks": (0o022, 0, 0o077, 0o777)}),
    Mode(8, "open to others at birth", privacy.private_from_birth,
         {"starts": 10_000, "with_strace": True}),
    Mode(9, "fork, spawn, exec", forks.children_under_load,
         {"children": 500, "callers": 3}, most_seconds=500),
    Mode(10, "leaks", leaks.endless_connections,
         {"connects": 1_000_000, "cycles": 10_000}, most_seconds=600),
    Mode(11, "a client waits for ever", deadlines.waits_that_end,
         {"timeouts": [0.05, 0.5, 2.0], "tries": 5}, is_alone=True),
    Mode(12, "crossed replies", crossed.crossed_replies,
         {"steps": 2_000_000, "seconds": 60.0, "callers": 4, "processes": 2}, is_alone=True),
    Mode(13, "silent mis-decode after an edit", schema_edits.every_edit, {"places": 5}),
    Mode(14, "split and merged reads", splits.every_split,
         {"step": 1, "pairs_of_cuts": True}),
    Mode(15, "hanging ends, endless queues", endings.ends_and_leftovers,
         {"exits": 20, "exit_seconds": 0.1, "clients": 100, "readers": 50, "late": 200_000},
         is_alone=True),
)  # fmt: skip
