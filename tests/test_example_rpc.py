"""The rpc examples as people run them: one program, which starts the other."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import Any, cast

import pytest

from examples.rpc import server
from examples.rpc.messages import ASandwich, Good, GoodToHear, HowAreYou, MakeMeASandwich, Message
from examples.rpc.orders import CountPrimes, Progress, SetChunk, Watch, Work, is_prime
from lazyipc import CommandFailed
from tests.harness import ROOT

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


def run(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"examples.rpc.{name}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=40,
        check=False,
    )


def said_by(name: str, output: str) -> list[str]:
    """What one of two processes said, in its order."""
    return [line.split(" | ", 1)[1] for line in output.splitlines() if line.startswith(f"{name} |")]


def test_the_server_starts_the_client_and_makes_it_a_sandwich() -> None:
    done = run("server")
    assert (done.returncode, done.stderr) == (0, "")
    told = said_by("server", done.stdout)
    told.remove("client connected")  # the first message may be handled before it
    assert told == [
        "message from client: HowAreYou()",
        "message from client: GoodToHear()",
        "message from client: MakeMeASandwich()",
        "client disconnected: closed",
    ]
    assert said_by("client", done.stdout) == [
        "message from server: Good()",
        "I got a sandwich! It contains bread, peanut butter, jelly, bread",
    ]
    assert len(done.stdout.splitlines()) == 7


def test_what_the_server_answers(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(message: Message) -> Message | None:
        return asyncio.run(server.handler(message, cast(Any, None)))

    assert answer(HowAreYou()) == Good()
    assert answer(GoodToHear()) is None
    sandwich = answer(MakeMeASandwich())
    assert isinstance(sandwich, ASandwich)
    assert [part.value for part in sandwich.parts] == ["bread", "peanut butter", "jelly", "bread"]
    assert answer(sandwich) is None
    assert "huh?" in capsys.readouterr().out


def test_a_worker_is_steered_and_tells_how_far_it_is() -> None:
    done = run("steer")
    assert (done.returncode, done.stderr) == (0, "")
    parent, worker = said_by("parent", done.stdout), said_by("worker", done.stdout)
    assert len(parent) + len(worker) == len(done.stdout.splitlines())
    assert worker == ["chunks of 20000 from now on", "told to stop before 9000000"]
    counted = parent.index("9592 primes below 100000")
    reports = [int(line.split()[0]) for line in parent[:counted]]
    assert reports[0] == 1000
    assert reports == sorted(set(reports))
    assert reports[-1] == 100_000
    rest = parent[counted + 1 :]
    assert rest[0] == "20000 of 9000000"
    assert [line for line in rest if not re.fullmatch(r"\d+ of 9000000", line)] == [
        "gave up on a count",
        "refused: 1000000000000 is too far for this example",
        "worker left: closed, exit status 0",
    ]


def test_what_the_orders_do(capsys: pytest.CaptureFixture[str]) -> None:
    work, watch = Work(), Watch()
    SetChunk(size=7).process(work)
    assert work.chunk == 7
    assert asyncio.run(CountPrimes(below=100).process(work)).count == 25
    with pytest.raises(CommandFailed):
        asyncio.run(CountPrimes(below=10**8).process(work))
    assert asyncio.run(counted_with_a_larger_chunk()) == [10, 100, 190, 200]
    progress = Progress(done=1, total=2)
    progress.process(watch)
    assert watch.reports.get_nowait() is progress
    assert capsys.readouterr().out == "worker | chunks of 7 from now on\nparent | 1 of 2\n"
    assert [n for n in range(30) if is_prime(n)] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]


async def counted_with_a_larger_chunk() -> list[int]:
    """What a count reports whose chunk is set when the first report has come."""
    work, reports = Work(chunk=10), []

    class Parent:
        async def notify(self, progress: Progress) -> None:
            reports.append(progress.done)
            work.chunk = 90

    work.parent = cast(Any, Parent())
    assert (await CountPrimes(below=200).process(work)).count == 46
    return reports


@pytest.mark.parametrize("name", ["client", "worker"])
def test_without_a_parent_is_told_in_a_line(name: str) -> None:
    done = run(name)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("no process waits for this one: it was not started by RpcProcess.spawn")
