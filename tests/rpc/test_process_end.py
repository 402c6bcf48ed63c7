"""RpcProcess: how a child is brought to its end, whatever interrupts that; no zombie is left."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc import ReplyTimeout
from lazyipc.rpc import _conversation as conversation_module
from lazyipc.rpc._conversation import Conversation
from lazyipc.rpc._process import RpcProcess
from lazyipc.rpc._watch import Watch
from tests.conftest import open_descriptors
from tests.harness import Line, forked, python
from tests.rpc.children import is_gone_in_time, no_child_left, raw, spawning
from tests.rpc.loops import LOOPS, Run, raised_in_time, run, settle, until
from tests.rpc.messages import Note, Number, Stage

SERVES = raw("agree(); end()")
STAYS = raw("agree()", "signal.pause()")
"""Does not heed that the connection ends."""
IGNORES = raw("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "agree()", "while 1: signal.pause()")
"""Nor that it is terminated."""
STAYS_FOR_ITS_PARENT = raw("agree(); end(); time.sleep(0.1)")
"""Heeds it, but not at once."""
LEAVES = raw("if os.fork(): os._exit(0)", "agree(); end()")
"""Leaves the connection to another process."""
SILENT = raw("signal.pause()")
"""Never connects."""


@pytest.fixture(autouse=True)
def sees_children_off() -> Iterator[None]:
    with no_child_left():
        yield


# In order -----------------------------------------------------------------------------------------


def test_a_child_that_heeds_the_goodbye_is_not_signalled(on_loop: Run) -> None:
    async def main() -> None:
        async with spawning(SERVES, grace=60) as child:
            pass
        assert child.returncode == 0
        assert child.status.kind == "closed"

    with raised_in_time(30):
        on_loop(main)


def test_it_has_its_time_to_end(on_loop: Run) -> None:
    async def main() -> None:
        async with spawning(raw("agree()", "end()", "time.sleep(0.2)", "sys.exit(4)")) as child:
            pass
        assert child.returncode == 4

    on_loop(main)


def test_one_that_does_not_heed_it_is_terminated_then_killed(on_loop: Run) -> None:
    async def main() -> None:
        async with spawning(STAYS, grace=0.05) as child:
            pass
        assert child.returncode == -signal.SIGTERM
        async with spawning(IGNORES, grace=0.05) as child:
            pass
        assert child.returncode == -signal.SIGKILL

    on_loop(main)


def test_no_grace_is_none() -> None:
    async def main() -> None:
        async with spawning(IGNORES, grace=0) as child:
            pass
        assert child.returncode == -signal.SIGKILL

    run(main)


def test_a_block_left_by_an_error_ends_the_child_and_keeps_the_error(on_loop: Run) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with spawning(STAYS, grace=0.02) as child:
                raise ZeroDivisionError
        assert child.returncode == -signal.SIGTERM

    on_loop(main)


def test_what_waits_for_a_reply_is_told_and_handlers_are_ended() -> None:
    async def main() -> None:
        stage = Stage()
        async with spawning(SERVES, stage.handle) as child:
            waiting = asyncio.ensure_future(child.send(Number(n=1)))
            await settle()
        with pytest.raises(Exception, match="closed"):
            await waiting

    run(main)


def test_a_child_that_ended_before_is_only_collected(on_loop: Run) -> None:
    async def main() -> None:
        with raised_in_time(30):
            async with spawning(raw("agree()", "os._exit(5)"), grace=60) as child:
                assert await child.wait_exited() == 5
                assert (await child.wait_closed()).kind == "failed"

    on_loop(main)


def test_who_has_the_childs_stderr_does_not_keep_the_block_open(on_loop: Run) -> None:
    argv = raw(
        "other = os.fork()",
        "if not other: parent.close(); time.sleep(60)",
        "print(other, file=sys.stderr, flush=True)",
        "agree(); end(); os._exit(0)",
    )

    async def main() -> int:
        async with spawning(SERVES):
            pass  # uvloop keeps a descriptor of its own from here on
        before = open_descriptors()
        with raised_in_time(30):
            async with spawning(argv, grace=60) as child:
                pass
        assert child.returncode == 0
        assert open_descriptors() == before
        return int(child.stderr_tail)

    left = on_loop(main)
    os.kill(left, signal.SIGKILL)
    assert is_gone_in_time(left)


def test_a_child_that_has_become_anothers_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(fd: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(conversation_module, "LINGER_SECONDS", 0.02)

    async def main() -> None:
        gate, theirs = socket.socketpair()
        with gate:
            code = ["agree()", "os.read(0, 1)"]
            kept = os.dup(0)
            os.dup2(theirs.fileno(), 0)
            theirs.close()
            try:
                spawn = spawning(raw(*code), grace=0.02)
                child = await spawn
            finally:
                os.dup2(kept, 0)
                os.close(kept)
            with monkeypatch.context() as patched:
                patched.setattr(signal, "pidfd_send_signal", refuse)
                async with child:
                    pass
            assert child.returncode is None
        assert await child.wait_exited() == 0

    run(main)
    assert "cannot be sent SIGTERM: it has become another user's" in caplog.text
    assert "SIGKILL" in caplog.text


# Interrupted --------------------------------------------------------------------------------------


@pytest.mark.parametrize("graces", [[60.0], [0.0, 60.0]], ids=["first", "when terminated"])
def test_whoever_is_cancelled_while_it_waits_kills_the_child(
    on_loop: Run, graces: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    real = Watch.is_gone_within

    async def wait(self: Watch, seconds: float) -> bool:
        waited.append(graces[len(waited)])
        return await real(self, waited[-1])

    monkeypatch.setattr(Watch, "is_gone_within", wait)

    async def main() -> None:
        children: list[RpcProcess[Note]] = []

        async def use() -> None:
            async with spawning(IGNORES) as child:
                children.append(child)

        task = asyncio.ensure_future(use())
        await until(lambda: waited == graces)
        await settle()
        task.cancel()
        with raised_in_time(30), pytest.raises(asyncio.CancelledError):
            await task
        assert children[0].returncode == -signal.SIGKILL
        assert task.cancelled()

    on_loop(main)


def test_whoever_is_cancelled_again_and_again_sees_it_gone_all_the_same(on_loop: Run) -> None:
    async def main() -> None:
        children: list[RpcProcess[Note]] = []

        async def use() -> None:
            async with spawning(IGNORES, grace=60) as child:
                children.append(child)

        task = asyncio.ensure_future(use())
        await until(lambda: bool(children))
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        assert children[0].returncode == -signal.SIGKILL

    on_loop(main)


@pytest.mark.parametrize("way", ["fd", "env"])
@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20])
def test_a_start_that_is_cancelled_half_way_leaves_nothing(
    way: str, turns: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))

    async def main() -> None:
        task = asyncio.ensure_future(spawning(SILENT, key_via=way, timeout=60, grace=60))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with raised_in_time(30), pytest.raises(asyncio.CancelledError):
            await task
        places = folder / "lazyipc"
        assert not places.exists() or not list(places.iterdir())

    run(main)


def test_a_start_that_is_cancelled_in_its_handshake_leaves_nothing(on_loop: Run) -> None:
    argv = raw("parent.sendall(bytes.fromhex(sys.argv[1])[:9])", "time.sleep(60)")

    async def main() -> None:
        for delay in (0.0, 0.01, 0.03, 0.05):
            task = asyncio.ensure_future(spawning(argv, timeout=60, grace=60))
            await asyncio.sleep(delay)
            task.cancel()
            with raised_in_time(30), pytest.raises(asyncio.CancelledError):
                await task

    on_loop(main)


@pytest.mark.parametrize("argv", [IGNORES, LEAVES], ids=["child", "grandchild"])
def test_a_start_that_is_cancelled_when_it_is_over_leaves_nothing(
    on_loop: Run, argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child has agreed, and nobody is there any more to be given it."""
    real = Conversation.begin
    tasks: list[asyncio.Task[Any]] = []

    async def begin(self: Conversation, *words: Any, **more: Any) -> None:
        await real(self, *words, **more)
        tasks[0].cancel()

    monkeypatch.setattr(Conversation, "begin", begin)

    async def main() -> None:
        tasks.append(asyncio.ensure_future(spawning(argv, grace=60)))
        with raised_in_time(30), pytest.raises(asyncio.CancelledError):
            await tasks[0]
        tasks.clear()

    on_loop(main)


def test_a_start_in_a_time_limit_of_the_callers(on_loop: Run) -> None:
    async def main() -> None:
        with raised_in_time(30), pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await spawning(SILENT, timeout=60, grace=60)
        assert not isinstance(caught.value, ReplyTimeout)

    on_loop(main)


INTERRUPTED = """
import asyncio, os, signal, sys
from tests.rpc.children import spawning
from tests.rpc.test_process_end import IGNORES, SILENT
import tests.rpc.loops
new_loop = {{"asyncio": asyncio.new_event_loop, "uvloop": tests.rpc.loops.new_uvloop}}[{loop!r}]
async def main():
    loop = asyncio.get_running_loop()
    if {when!r} == "starting":
        loop.call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
        await spawning(SILENT, timeout=60, grace=60)
    async with spawning(IGNORES, grace=0.05 if {when!r} == "inside" else 60) as child:
        if {when!r} == "inside":
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        loop.call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
        if {when!r} == "twice":
            loop.call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
try:
    with asyncio.Runner(loop_factory=new_loop, debug=True) as runner:
        runner.run(main())
except KeyboardInterrupt:
    print("interrupted")
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("nobody left")
"""


@pytest.mark.parametrize(
    ("loop", "when"),
    [
        ("asyncio", "starting"),
        ("asyncio", "inside"),
        ("asyncio", "leaving"),
        ("asyncio", "twice"),
        ("uvloop", "starting"),
        ("uvloop", "twice"),
    ],
)
def test_an_interrupt_of_the_user_leaves_no_child(loop: str, when: str) -> None:
    words = python(INTERRUPTED.format(loop=loop, when=when))
    done = subprocess.run(
        [words[0], "-W", "error", *words[1:]],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "interrupted\nnobody left\n", done.stderr
    assert not done.stderr, done.stderr


# Forgotten ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_that_is_closed_over_a_child_hangs_up(loop: str) -> None:
    before = open_descriptors() if loop == "asyncio" else None
    made = LOOPS[loop]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        child = made.run_until_complete(spawning(STAYS_FOR_ITS_PARENT))
        pid = child.pid
        made.close()
        del child, made
        gc.collect()
    assert any(f"subprocess {pid} is still running" in str(w.message) for w in caught)
    assert {w.category for w in caught} == {ResourceWarning}
    assert before is None or open_descriptors() == before
    assert is_gone_in_time(pid)  # it has seen that the connection ended
    os.waitpid(pid, 0)
    subprocess._cleanup()  # type: ignore[attr-defined]


def test_a_process_that_is_forgotten_says_goodbye_and_is_collected(on_loop: Run) -> None:
    async def main() -> None:
        child = await spawning(SERVES)
        pid = child.pid
        with pytest.warns(ResourceWarning, match="was forgotten"):
            del child  # the last reference
        await until(lambda: not os.path.exists(f"/proc/{pid}"))

    on_loop(main)


def test_a_start_whose_coroutine_is_thrown_away_kills_the_child() -> None:
    """As when a loop is closed by hand over a task; nothing can be awaited then."""
    loop = asyncio.new_event_loop()
    steps: list[Any] = []

    async def begin() -> None:
        coroutine = RpcProcess.spawn(SILENT, Note, timeout=60, grace=60)
        steps.append(coroutine)
        coroutine.send(None)

    loop.run_until_complete(begin())
    (coroutine,) = steps
    loop.run_until_complete(asyncio.sleep(0.01))
    coroutine.close()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


def test_a_killed_parent_is_seen_by_its_child() -> None:
    def parent(line: Line) -> None:
        async def main() -> None:
            async with spawning(SERVES) as child:
                line.say(str(child.pid))
                await asyncio.sleep(60)

        asyncio.run(main())

    with forked(parent) as process:
        pid = int(process.hear())
        fd = os.pidfd_open(pid)
        os.close(fd)
        process.kill(signal.SIGKILL)
        assert is_gone_in_time(pid)


def test_a_child_of_a_forked_host_stays_the_parents(on_loop: Run) -> None:
    async def main() -> None:
        async with spawning(SERVES) as child:
            before = sorted(os.listdir("/proc/self/fd"))
            pid = os.fork()
            if pid == 0:
                os._exit(int(sorted(os.listdir("/proc/self/fd")) == before))
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert child.status.kind == "connected"
        assert child.returncode == 0

    on_loop(main)
