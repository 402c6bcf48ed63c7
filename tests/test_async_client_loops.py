"""AsyncIpcClient and the loops it meets: one after the other, several at once, closed, forked.

And the blocking client where a loop runs: inside a coroutine, in a notebook.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from lazyipc import AsyncIpcClient, IpcClient, IpcServer, LocalProtocolError, Wire, client_send
from tests.conftest import Serve, open_descriptors
from tests.harness import (
    DEADLINE_SECONDS,
    ROOT,
    Echo,
    Host,
    Job,
    hosted,
    poll,
    program,
    python,
    told_by_child,
)
from tests.rpc.loops import LOOPS, NewLoop, Watch, run, until, uvloop


@pytest.fixture(params=LOOPS)
def new_loop(request: pytest.FixtureRequest) -> NewLoop:
    """What makes a loop: asyncio's, then uvloop's."""
    if request.param == "uvloop":
        uvloop()  # what libuv opens for the whole process is not a test's
    return LOOPS[request.param]


@contextlib.contextmanager
def echoing(path: str) -> Iterator[IpcServer[Host]]:
    """A server in a thread."""
    with IpcServer(path, Job) as server, hosted(server, Host()):
        yield server


# One loop after the other -------------------------------------------------------------------------


def test_a_client_goes_from_one_run_to_the_next(path: str, new_loop: NewLoop) -> None:
    """It need not be closed in between: each run closes its connection, without a warning."""
    client = AsyncIpcClient(path)

    async def main() -> None:
        assert not client.is_connected
        assert await client.send(Echo(text="a")) == "a"
        assert client.is_connected

    with Watch() as watch:
        for loop in (new_loop, new_loop, asyncio.new_event_loop):
            with echoing(path):
                watch.run(main, new_loop=loop)
        client.close()


def test_a_run_that_ends_while_calls_are_open(path: str, new_loop: NewLoop) -> None:
    client = AsyncIpcClient(path)
    with IpcServer(path, Job) as server:

        async def main() -> None:
            asyncio.create_task(client.send(Echo(text="a")))  # noqa: RUF006
            await until(lambda: server.wait(0))

        before = open_descriptors()
        with Watch() as watch:
            watch.run(main, new_loop=new_loop, leaves_tasks=True)
        assert open_descriptors() == before
        host = Host()
        server.handle_new_messages(host)
        assert host.ran == []


def test_a_loop_that_is_closed_by_hand(path: str, new_loop: NewLoop) -> None:
    """Nothing tells the client; the next use, or `close`, lets go of what the loop left open."""
    before = open_descriptors()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the loop's own, about its transport
        for end in ("use", "close"):
            with echoing(path):
                client = AsyncIpcClient(path)
                loop = new_loop()
                assert loop.run_until_complete(client.send(Echo(text="a"))) == "a"
                loop.close()
                if end == "use":
                    with asyncio.Runner(loop_factory=new_loop) as runner:
                        assert runner.run(client.send(Echo(text="b"))) == "b"
                client.close()
                assert not client.is_connected
            del loop
            gc.collect()
    assert open_descriptors() == before


# Several at once ----------------------------------------------------------------------------------


def test_another_open_loop_is_refused(path: str, new_loop: NewLoop) -> None:
    told: list[BaseException] = []

    def elsewhere(client: AsyncIpcClient) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            try:
                runner.run(client.send(Echo(text="b")))
            except LocalProtocolError as error:
                told.append(error)

    async def main() -> None:
        with echoing(path):
            async with AsyncIpcClient(path) as client:
                assert await client.send(Echo(text="a")) == "a"
                await asyncio.get_running_loop().run_in_executor(None, elsewhere, client)
                assert await client.send(Echo(text="c")) == "c"

    run(main, new_loop=new_loop)
    assert "make one in each loop" in str(told[0])


def test_a_loop_each_in_several_threads(path: str, new_loop: NewLoop) -> None:
    told: dict[int, list[str]] = {}

    def work(watch: Watch, number: int) -> None:
        async def main() -> None:
            async with AsyncIpcClient(path) as client:
                calls = [client.send(Echo(text=f"{number}.{turn}")) for turn in range(50)]
                told[number] = await asyncio.gather(*calls)

        watch.run(main, new_loop=new_loop)

    with Watch() as watch, echoing(path):
        threads = [threading.Thread(target=work, args=(watch, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_SECONDS)
    assert told == {number: [f"{number}.{turn}" for turn in range(50)] for number in range(4)}


# Forks and forgotten clients ----------------------------------------------------------------------

FORKING = """
import asyncio, os, sys
from lazyipc import AsyncIpcClient
from tests.harness import Echo
from tests.rpc.loops import LOOPS

client = AsyncIpcClient(sys.argv[1])
new_loop = LOOPS[sys.argv[2]]

async def ask(word):
    texts = [f"{word} {number}" for number in range(3)]
    assert await asyncio.gather(*[client.send(Echo(text=text)) for text in texts]) == texts
    print(word, flush=True)

async def main():
    await ask("before")
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            assert not client.is_connected
            asyncio.Runner(loop_factory=new_loop).run(ask("child"))
            client.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    await ask("parent")
    client.close()

with asyncio.Runner(loop_factory=new_loop) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_forked_childs_client_makes_its_own_connection(
    serve: Serve, path: str, loop: str
) -> None:
    server, host = serve(), Host()
    with program(*python(FORKING, path, loop)) as asking:
        poll(server, host, lambda: asking.poll() is not None)
        out, err = asking.communicate()
    assert out.split() == ["before", "child", "parent"], err
    assert asking.returncode == 0, err
    assert "Traceback" not in err
    assert "Warning" not in err
    assert server.stats.accepted == 2


def test_a_child_that_closes_its_copy_does_not_end_the_parents(path: str) -> None:
    client = AsyncIpcClient(path)

    def child() -> str:
        client.close()
        return str(client.is_connected)

    async def main() -> None:
        with echoing(path):
            await client.send(Echo(text="before"))
        assert told_by_child(child) == "False"

    with contextlib.closing(client):
        run(main)


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.JSON], ids=lambda wire: wire.name)
def test_a_client_that_is_forgotten_is_closed_and_said_so(
    path: str, wire: Wire, new_loop: NewLoop
) -> None:
    async def main() -> list[str]:
        with echoing(path) as server, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            client = AsyncIpcClient(path, wire=wire)
            await client.send(Echo(text="a"))
            del client
            gc.collect()
            await until(lambda: not server.clients)
        return [str(each.message) for each in told]

    assert run(main, new_loop=new_loop) == [f"unclosed <AsyncIpcClient of {path}>"]


# The blocking client, where a loop runs -----------------------------------------------------------


def test_the_blocking_client_works_inside_a_running_loop(path: str, new_loop: NewLoop) -> None:
    async def main() -> None:
        with echoing(path):
            assert client_send(Echo(text="a"), path) == "a"
            with IpcClient(path) as client:
                assert client.send(Echo(text="b")) == "b"
                assert client.send_many([Echo(text="c"), Echo(text="d")]) == ["c", "d"]
            async with AsyncIpcClient(path) as beside:
                assert await beside.send(Echo(text="e")) == "e"
                assert client_send(Echo(text="f"), path) == "f"

    run(main, new_loop=new_loop)


CELLS = {
    "from lazyipc import AsyncIpcClient, IpcClient, client_send": "",
    "from tests.harness import Echo": "",
    "client_send(Echo(text='a'), {path!r})": "'a'",
    "IpcClient({path!r}).send_many([Echo(text='b'), Echo(text='c')])": "['b', 'c']",
    "client = AsyncIpcClient({path!r})\nawait client.send(Echo(text='d'))": "'d'",
    "await client.send_many([Echo(text='e'), Echo(text='f')])": "['e', 'f']",
    "[text async for text in client.send_each([Echo(text='g')])]": "['g']",
    "client.close(); client.is_connected": "False",
}
"""A notebook's cells, which its kernel runs in one loop, and what each shows."""


def test_both_clients_work_in_a_notebook(
    path: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = [nbformat.v4.new_code_cell(source.format(path=path)) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=30, resources={"metadata": {"path": str(folder)}})
    manager = client.create_kernel_manager()
    manager.transport, manager.ip = "ipc", str(folder / "kernel")  # no TCP, no word about it
    with echoing(path), client.setup_kernel():
        for index, cell in enumerate(cells):
            client.execute_cell(cell, index)
    assert [shown(cell) for cell in cells] == list(CELLS.values())
    gc.collect()  # so that what a library forgot to close is told here, not in another test


def shown(cell: Any) -> str:
    """What a cell shows as its value."""
    return "".join(output["data"]["text/plain"] for output in cell.outputs if "data" in output)
