"""The benchmarks run: what they print is for people, that they still measure is for us."""

from __future__ import annotations

import subprocess
import sys


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks", "--seconds", "0.01", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def test_rows_against_servers() -> None:
    told = _run("--only", "round-trip", "spinning", "one-shot", "sixteen", "payload")
    for row in ("round trip, one core", "one-shot client_send", "16 connections", "16 MiB both"):
        assert row in told
    assert "spinning" in told


def test_a_cold_script() -> None:
    assert "cold script, CPU" in _run("--only", "cold")


def test_hostile_clients() -> None:
    told = _run("--only", "hostile")
    assert "120 hostile clients of 6 kinds" in told
    assert "the machine's own pauses" in told


def test_the_profile_of_a_round_trip() -> None:
    told = _run("--profile", "round-trip")
    assert "client decode" in told
    assert "_server.IpcServer.handle_new_messages" in told
