"""The fifteen failure modes of control sockets, by name, at a scale that takes seconds.

The scenarios are those of `make soak`, which runs them at full scale.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest

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
from tests.soak import __main__ as soak
from tests.soak.modes import MODES, Mode

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture(scope="module", autouse=True)
def tracker() -> None:
    """What multiprocessing starts once and keeps, started before descriptors are counted."""
    resource_tracker.ensure_running()


SLACK_SECONDS = 1.0
"""A busy machine may take a second between any two steps; a poll that waits takes longer."""


def test_01_a_client_that_is_silent_or_stops_within_a_message_delays_nobody(folder: Path) -> None:
    hostile_clients.silent_or_half_sending_clients(
        folder, clients=100, polls=100, slack_seconds=SLACK_SECONDS
    )


def test_02_a_client_that_never_reads_costs_no_time_and_bounded_memory(folder: Path) -> None:
    hostile_clients.stopped_readers(
        folder, reply_bytes=4_000_000, readers=2, asks=3, seed=2, slack_seconds=SLACK_SECONDS
    )


def test_03_hostile_bytes_are_their_senders_problem_alone(folder: Path) -> None:
    hostile_bytes.hostile_bytes(folder, inputs=10_000, sockets=500, processes=1, seed=3)


def test_04_no_length_count_or_depth_takes_memory_over_the_limits(folder: Path) -> None:
    bombs.bombs_of_all_kinds(folder, message_bytes=200_000, elements=1000, resident_too=False)


def test_05_a_second_start_never_takes_a_live_servers_path(folder: Path) -> None:
    starts.racing_starts(folder, starts=32, at_once=8, busy_seconds=0.2, seed=5)


def test_06_what_is_not_ours_at_a_path_is_left_alone(folder: Path) -> None:
    starts.foreign_paths(folder)


@pytest.mark.parametrize("umask", [0o022, 0o777], ids=oct)
def test_07_after_a_kill_at_any_stage_the_next_start_works(folder: Path, umask: int) -> None:
    deaths.killed_starts(folder, step=29, umasks=(umask,))


def test_08_a_socket_is_never_open_to_others(folder: Path) -> None:
    privacy.private_from_birth(folder, starts=50, with_strace=True)


def test_09_children_of_any_kind_disturb_neither_the_parent_nor_its_clients(folder: Path) -> None:
    forks.children_under_load(folder, children=10, callers=2, seed=9)


def test_10_connections_and_servers_leave_nothing_behind(folder: Path) -> None:
    leaks.endless_connections(folder, connects=4000, cycles=200)


def test_11_no_client_waits_for_ever(folder: Path) -> None:
    deadlines.waits_that_end(folder, timeouts=[0.06], tries=5)


def test_12_no_reply_reaches_another_call(folder: Path) -> None:
    crossed.crossed_replies(folder, steps=20_000, seconds=1.0, callers=2, seed=12, processes=1)


def test_13_an_edited_command_is_refused_or_says_the_same(folder: Path) -> None:
    schema_edits.every_edit(folder, places=2)


def test_14_where_reads_begin_and_end_changes_nothing(folder: Path) -> None:
    splits.every_split(folder, step=6, pairs_of_cuts=False)


def test_15_ends_do_not_hang_and_nothing_runs_for_nobody(folder: Path) -> None:
    endings.ends_and_leftovers(
        folder, exits=3, exit_seconds=5.0, clients=100, readers=5, late=2000, seed=15
    )


# The soak -----------------------------------------------------------------------------------------


def test_the_soak_runs_all_fifteen() -> None:
    assert [mode.number for mode in MODES] == list(range(1, 16))
    for mode in MODES:
        needed = inspect.signature(mode.scenario)
        more = {"seed": 0} if "seed" in needed.parameters else {}
        needed.bind(Path(), **mode.scale, **more)


def fails(folder: Path, **scale: Any) -> Finding:
    raise AssertionError("the socket was stolen")


def skips(folder: Path, **scale: Any) -> Finding:
    pytest.skip("no second user here")


def finds(folder: Path, *, seed: int) -> Finding:
    return Finding(f"seed {seed}", "nothing left")


@pytest.mark.parametrize(
    ("scenario", "word", "told"),
    [
        (fails, "FAILED", "the socket was stolen"),
        (skips, "skipped", "no second user here"),
        (finds, "ok", "nothing left"),
    ],
)
def test_a_modes_verdict(scenario: Any, word: str, told: str) -> None:
    verdict = soak.run_one(Mode(1, "any", scenario), seed=7)
    assert verdict["word"] == word
    assert told in verdict["scale"] + verdict["measured"]


def test_the_soak_fails_if_one_mode_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pretend(modes: Sequence[Mode], seed: int, minutes: float) -> list[soak.Verdict]:
        words = {6: "FAILED", 8: "skipped"}
        return [soak.Verdict(m, words.get(m.number, "ok"), 1.0, "all", "none") for m in modes]

    monkeypatch.setattr(soak, "soak", pretend)
    assert soak.main(["--only", "5", "7", "8"]) == 0
    assert "2 ok, 1 skipped, 0 failed" in capsys.readouterr().out
    assert soak.main(["--only", "5", "6"]) == 1
    assert "1 failed" in capsys.readouterr().out


def test_a_mode_in_its_own_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.main(["--only", "6", "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert "each refused by name" in out
    assert "1 ok, 0 skipped, 0 failed" in out


def test_a_mode_that_does_not_end_is_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.main(["--only", "10", "--minutes", "0.005"]) == 1
    assert "it did not end in time" in capsys.readouterr().out
