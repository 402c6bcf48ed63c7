"""The rpc examples as people run them: one program, which starts the other."""

from __future__ import annotations

import asyncio
import itertools
import re
import subprocess
import sys
import textwrap
from typing import Any, cast

import pytest

from examples.rpc import server
from examples.rpc.messages import ASandwich, Good, GoodToHear, HowAreYou, MakeMeASandwich, Message
from examples.rpc.orders import CountPrimes, SetChunk, Talk, Watch, Work, is_prime
from lazyipc import CommandFailed
from lazyipc.rpc import RpcClient, RpcServer
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
    assert len(parent) + len(worker) == len(done.stdout.splitlines()), done.stdout
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
    """Over a connection within this process; a chunk is set while the numbers are looked at."""
    work, watch = Work(chunk=10), Watch()

    async def main() -> list[int]:
        async with (
            RpcServer(Talk, context=watch) as listening,
            RpcClient.connect(listening.key, Talk, context=work),
        ):
            worker = await listening.wait_for_client()
            count = worker.send(CountPrimes(below=2000))
            reports = [await watch.reports.get()]
            await worker.notify(SetChunk(size=90))
            assert (await count).count == 303
            while reports[-1].done < 2000:
                reports.append(await watch.reports.get())
            with pytest.raises(CommandFailed):
                await worker.send(CountPrimes(below=10**8))
        return [report.done for report in reports]

    reports = asyncio.run(main())
    assert reports[0] == 10
    assert reports[-1] == 2000
    assert 90 in [after - before for before, after in itertools.pairwise(reports)]
    assert work.chunk == 90
    assert capsys.readouterr().out.splitlines()[0] == "parent | 10 of 2000"
    assert [n for n in range(30) if is_prime(n)] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]


def test_what_the_page_shows_of_them_is_what_runs() -> None:
    text = (ROOT / "docs" / "rpc.md").read_text("utf-8")
    shown = re.findall(r"\(\[`(\w+\.py)`\]\(\S+\)\):\n\n```python\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in shown] == ["server.py", "client.py"]
    assert text.count("```python") == len(shown)
    for name, block in shown:
        source = (ROOT / "examples" / "rpc" / name).read_text("utf-8")
        assert textwrap.indent(block, " " * 4) in source, name


@pytest.mark.parametrize("name", ["client", "worker"])
def test_without_a_parent_is_told_in_a_line(name: str) -> None:
    done = run(name)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("no process waits for this one: it was not started by RpcProcess.spawn")
