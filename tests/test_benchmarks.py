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
    told = _run("--only", "cold")
    assert "cold script, CPU" in told
    assert "cold `lazyipc call`, CPU" in told


def test_hostile_clients() -> None:
    told = _run("--only", "hostile")
    assert "120 hostile clients of 6 kinds" in told
    assert "the machine's own pauses" in told


def test_calls_between_asyncio_programs() -> None:
    told = _run("--only", "rpc", "rpc-concurrent", "async-client")
    for row in ("rpc, handler, asyncio, 1 core", "1,000 sends, process", "AsyncIpcClient, asyncio"):
        assert row in told


def test_payloads_and_idle_peers() -> None:
    told = _run("--only", "rpc-payload", "rpc-idle")
    assert "rpc, 16 MiB, asyncio, 1 core" in told
    assert "200 idle peers, asyncio" in told
    assert "aim: no more than that, met" in told


def test_rivals_of_rpc() -> None:
    told = _run("--only", "rpc-rivals")
    for row in ("rpc, grpc.aio", "rpc, zerorpc", "rpc, Pyro5, executor"):
        assert row in told


def test_the_profile_of_a_round_trip() -> None:
    told = _run("--profile", "round-trip")
    assert "client decode" in told
    assert "_server.IpcServer.handle_new_messages" in told
