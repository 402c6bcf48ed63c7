"""The examples of hosts as people run them: each in a process of its own, told what to do by us."""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from examples.hosts import asyncio_loop, prefork, training
from examples.hosts.commands import Look, Ponder, Seen, SetSpeed, Stop, Stopping
from lazyipc import Command, CommandFailed, IpcClient, IpcServer, client_send
from tests.harness import ROOT, connect, give_up, header, until

HOSTS = ROOT / "examples" / "hosts"
START_SECONDS = 30.0
"""How long a host may take to import its libraries, on a busy machine, when nothing is cached."""
WORLDS = ("plain", "asyncio_loop", "pygame_frames", "qt_window", "tk_window")
"""The hosts that share examples/hosts/commands.py."""
WOKEN = ("plain", "asyncio_loop", "qt_window", "tk_window")
"""Those of them that the descriptor wakes; pygame has a frame for each poll."""
IMPATIENT = """
import functools, runpy, sys, lazyipc
limits = lazyipc.Limits(half_message_seconds=0.1)
lazyipc.IpcServer = functools.partial(lazyipc.IpcServer, limits=limits)
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""
"""Runs a host as `python -m` does, but with limits that a test can wait for."""


class Closing:
    """What a command closes."""

    server: IpcServer[Any]


# Running one --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """An X server for Tk, on the first display that is free."""
    if importlib.util.find_spec("tkinter") is None:
        give_up("this Python has no tkinter (Debian: python3-tk)")
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        give_up("Xvfb is not installed (Debian: xvfb)")
    reading, writing = os.pipe()
    command = [xvfb, "-displayfd", str(writing), "-nolisten", "tcp", "-screen", "0", "320x240x24"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as process:
        os.close(writing)
        with open(reading) as line:
            number = line.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
        process.terminate()


@pytest.fixture
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """No screen, no loudspeaker, no greeting; warnings are shown, and so fail the test."""
    settings = {
        "LC_ALL": "C.UTF-8",  # else Qt says that it takes it
        "PYGAME_HIDE_SUPPORT_PROMPT": "1",
        "PYTHONWARNINGS": "default",
        "QT_QPA_PLATFORM": "offscreen",
        "SDL_AUDIODRIVER": "dummy",
        "SDL_VIDEODRIVER": "dummy",
    }
    parameters = getattr(request.node, "callspec", None)
    if parameters is not None and "tk_window" in parameters.params.values():
        settings["DISPLAY"] = request.getfixturevalue("display")
    return {**os.environ, **settings}


class Host:
    """An example in a process of its own, at a path."""

    def __init__(self, process: subprocess.Popen[str], path: str) -> None:
        self.process = process
        self.path = path

    def is_there(self) -> bool:
        """Whether it listens by now."""
        assert self.process.poll() is None, self.process.communicate()
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.path) == 0

    def ends_in_order(self, log: str = "") -> None:
        """By itself, without its socket, and without a word but what a test expects it to log."""
        out, err = self.process.communicate(timeout=START_SECONDS)
        assert (self.process.returncode, out) == (0, ""), err
        assert re.fullmatch(log, err), err
        assert not os.path.lexists(self.path)


@contextmanager
def running(
    name: str, path: str, environment: dict[str, str], program: Sequence[str] = ("-m",)
) -> Iterator[Host]:
    """Run `python -m examples.hosts.NAME PATH`, or another program that does."""
    command = [sys.executable, *program, f"examples.hosts.{name}", path]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment
    ) as process:
        try:
            host = Host(process, path)
            until(host.is_there, seconds=START_SECONDS, what=f"{name} does not listen")
            yield host
        finally:
            process.kill()


# Each that has a world of turns -------------------------------------------------------------------


@pytest.mark.parametrize("name", WORLDS)
def test_a_host_answers_and_ends_in_order(
    name: str, path: str, environment: dict[str, str]
) -> None:
    with running(name, path, environment) as host:
        first = client_send(Look(), path)
        assert isinstance(first, Seen)
        assert (first.turns, first.speed) >= (0, 1.0)
        faster = client_send(SetSpeed(speed=2.5), path)
        assert isinstance(faster, Seen)
        assert faster.speed == 2.5
        with pytest.raises(CommandFailed, match=r"a speed of -1\.0 makes no sense"):
            client_send(SetSpeed(speed=-1.0), path)
        assert client_send(Look(), path).speed == 2.5
        last = client_send(Stop(), path)
        assert isinstance(last, Stopping)
        assert last.turns >= first.turns
        host.ends_in_order()


@pytest.mark.parametrize("name", WORLDS)
def test_the_work_goes_on_beside_clients(name: str, path: str, environment: dict[str, str]) -> None:
    """Beside one that says nothing, one that stops in a message, and one that asks."""
    with running(name, path, environment) as host, connect(path), connect(path) as half:
        half.sendall(header(100)[:5])
        with IpcClient(path) as client:
            before = client.send(Look()).turns
            until(lambda: client.send(Look()).turns >= before + 5)
            client.send(Stop())
        host.ends_in_order()


@pytest.mark.parametrize("name", WOKEN)
def test_the_descriptor_wakes_the_loop(name: str, path: str, environment: dict[str, str]) -> None:
    """A host that looked once or twice a turn could answer no more questions than that."""
    questions = 100
    with running(name, path, environment) as host, IpcClient(path) as client:
        answers = [client.send(Look()).turns for _ in range(questions)]
        assert answers[-1] - answers[0] < questions // 3
        client.send(Stop())
        host.ends_in_order()


@pytest.mark.parametrize("name", WORLDS)
def test_what_has_a_time_happens_though_nobody_speaks(
    name: str, path: str, environment: dict[str, str]
) -> None:
    """A client that stops in a message is dropped after a while: by a timer, where it takes one."""
    program = ("-c", IMPATIENT)
    with running(name, path, environment, program) as host, connect(path) as half:
        half.sendall(header(100)[:5])
        assert half.recv(1) == b"", "it should have been dropped"
        client_send(Stop(), path)
        host.ends_in_order(log=r"\S+: closed the client of pid \d+.*\n")


def test_asyncio_takes_the_watch_away_with_the_server(path: str) -> None:
    """A loop that goes on may serve again, over a descriptor of the same number."""

    async def serve_twice() -> list[int]:
        turns = []
        for _ in range(2):
            host = asyncio.create_task(asyncio_loop.main(path))
            await asyncio.sleep(0)
            turns.append((await asyncio.to_thread(client_send, Stop(), path)).turns)
            await host
        return turns

    assert min(asyncio.run(serve_twice())) >= 1


class Closable(Command[Closing]):
    """Commands of a host that closes its server by one of them."""


class Close(Closable):
    """Close the server; the program goes on."""

    def process(self, context: Closing) -> bool:
        """A server that is closed has no descriptor to be asked for."""
        context.server.close()
        return True


def test_asyncio_goes_on_when_a_command_closed_the_server(path: str) -> None:
    async def go_on() -> bool:
        closing = Closing()
        closing.server = IpcServer(path, Closable)
        with closing.server, asyncio_loop.served(closing.server, closing):
            return await asyncio.to_thread(client_send, Close(), path)

    assert asyncio.run(go_on())


def test_pygame_begins_no_command_that_would_cost_another_frame(
    path: str, environment: dict[str, str]
) -> None:
    """Each takes longer than the frame can spare, so each has a frame of its own."""
    with running("pygame_frames", path, environment) as host, IpcClient(path) as client:
        answers = client.send_many([Ponder(seconds=0.003)] * 20)
        frames = [answer.turns for answer in answers]
        assert frames == sorted(set(frames))
        client.send(Stop())
        host.ends_in_order()


def test_pygame_goes_on_drawing_while_it_is_flooded(path: str, environment: dict[str, str]) -> None:
    stop = threading.Event()
    answered: list[int] = []

    def flood() -> None:
        with IpcClient(path, timeout=START_SECONDS) as client:
            while not stop.is_set():
                answered.extend(a.turns for a in client.send_many([Look()] * 2000))

    with running("pygame_frames", path, environment) as host, IpcClient(path) as client:
        flooding = threading.Thread(target=flood, daemon=True)
        flooding.start()
        try:
            before = client.send(Look()).turns
            until(lambda: client.send(Look()).turns >= before + 30)
        finally:
            stop.set()
            flooding.join(START_SECONDS)
        assert not flooding.is_alive()
        assert len(answered) >= 2000
        assert len(set(answered)) > 3, "the flood was answered without a frame between"
        client.send(Stop())
        host.ends_in_order()


# The training run ---------------------------------------------------------------------------------


def test_a_training_run_is_steered(path: str, folder: Path, environment: dict[str, str]) -> None:
    file = folder / "run.npz"
    with running("training", path, environment) as host:
        first = client_send(training.Look(), path)
        assert isinstance(first, training.Progress)
        assert first.rate == 0.01
        until(lambda: client_send(training.Look(), path).loss < 0.1, what="it does not learn")
        with pytest.raises(CommandFailed, match=r"a learning rate of 7\.0 makes no sense"):
            client_send(training.SetRate(rate=7.0), path)
        assert client_send(training.SetRate(rate=1e-9), path).rate == 1e-9
        one, two = (saved(path, file) for _ in range(2))
        assert first.step < one[0] < two[0]
        np.testing.assert_allclose(one[1], two[1], atol=1e-3)  # at such a rate nothing is learnt
        assert np.any(one[1])
        last = client_send(training.Stop(), path)
        assert last.step >= two[0]
        assert last.rate == 1e-9
        host.ends_in_order()
    assert sorted(os.listdir(folder)) == ["run.npz", "s.lock"]


def saved(path: str, file: Path) -> tuple[int, Any]:
    """Have a checkpoint written; its step and weights, from the file that is there now."""
    answer = client_send(training.Checkpoint(path=str(file)), path)
    assert answer.path == str(file)
    with np.load(file) as content:
        assert content["step"] == answer.step
        return answer.step, content["weights"]


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_run_goes_on(
    path: str, folder: Path, environment: dict[str, str]
) -> None:
    with running("training", path, environment) as host:
        with pytest.raises(CommandFailed, match=r"no checkpoint: .*No such file or directory"):
            client_send(training.Checkpoint(path=str(folder / "nowhere" / "run.npz")), path)
        client_send(training.Stop(), path)
        host.ends_in_order()


# The fork server ----------------------------------------------------------------------------------


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only not yet waited for by whom it was left to."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rsplit(")", 1)[1].split()[0] in "ZX"


def catches_sigterm(pid: int) -> bool:
    """Whether a signal is one that it has a handler for."""
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def descriptors(pid: int) -> set[str]:
    """What a process holds of sockets, and of what a server waits by."""
    folder = Path(f"/proc/{pid}/fd")
    names = (os.readlink(file) for file in folder.iterdir())
    return {name for name in names if name.startswith(("socket:", "anon_inode:"))}


def at_work(children: prefork.Children) -> list[int]:
    """The children that have begun to work, which takes a moment from their fork."""
    working = [c.pid for c in children.children if c.state is prefork.State.WORKING]
    return [pid for pid in working if not has_ended(pid) and catches_sigterm(pid)]


def test_a_fork_servers_children_leave_its_socket_alone(
    path: str, environment: dict[str, str]
) -> None:
    with running("prefork", path, environment) as host, IpcClient(path) as client:
        look = functools.partial(client.send, prefork.Look())
        until(lambda: len(at_work(look())) == 2)
        inode = os.stat(path).st_ino
        assert client.send(prefork.Scale(count=4)) == 2
        until(lambda: len(at_work(look())) == 4)
        children = at_work(look())
        assert descriptors(host.process.pid)
        for pid in children:
            assert not descriptors(pid), "a child kept what is its parent's"

        # Any end of a child is told, and another one takes its place.
        killed, ended, *left = children
        os.kill(killed, signal.SIGKILL)
        os.kill(ended, signal.SIGTERM)
        until(lambda: len(look().ended) == 2)
        assert {child.pid: child.status for child in look().ended} == {killed: -9, ended: 0}
        until(lambda: len(at_work(look())) == 4)
        assert set(at_work(look())) > set(left)
        assert os.stat(path).st_ino == inode
        assert client_send(prefork.Look(), path).wanted == 4, "a new client is served as well"

        assert client.send(prefork.Scale(count=1)) == 4
        until(lambda: len(look().children) == 1)
        assert [child.status for child in look().ended][2:] == [0, 0, 0]
        with pytest.raises(CommandFailed, match="1 to 32 children, not 33"):
            client.send(prefork.Scale(count=33))

        children = at_work(look())
        assert client.send(prefork.Stop()) == len(children) == 1
        host.ends_in_order()
        assert all(map(has_ended, children))


def test_a_fork_servers_children_do_not_outlive_it(path: str, environment: dict[str, str]) -> None:
    with running("prefork", path, environment) as host:
        until(lambda: len(at_work(client_send(prefork.Look(), path))) == 2)
        children = at_work(client_send(prefork.Look(), path))
        host.process.kill()
        host.process.wait(START_SECONDS)
        until(lambda: all(map(has_ended, children)))
    with running("prefork", path, environment) as host:  # and the socket it left is taken over
        client_send(prefork.Stop(), path)
        host.ends_in_order()


# The notebook -------------------------------------------------------------------------------------


class Notebook:
    """examples/hosts/notebook.ipynb in a kernel of its own, cell by cell."""

    def __init__(self, folder: Path) -> None:
        self.cells = nbformat.read(HOSTS / "notebook.ipynb", as_version=4).cells
        self.path = str(folder / "study.sock")
        notebook = nbformat.v4.new_notebook(cells=list(self.cells))
        where = {"metadata": {"path": str(folder)}}
        self.client = NotebookClient(notebook, timeout=int(START_SECONDS), resources=where)
        manager = self.client.create_kernel_manager()
        manager.transport, manager.ip = "ipc", str(folder / "kernel")  # no TCP, no word about it

    def run(self, source: str) -> str:
        """Run a cell of the notebook, by its id, or one of ours; what it shows as its value."""
        found = [cell for cell in self.cells if cell.get("id") == source]
        cell = found[0] if found else nbformat.v4.new_code_cell(source)
        self.client.nb.cells.append(cell)
        self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        return "".join(output.data["text/plain"] for output in cell.outputs)

    def commands(self) -> Any:
        """The notebook's commands, as a program outside would declare them."""
        (cell,) = (cell for cell in self.cells if cell.get("id") == "commands")
        namespace: dict[str, Any] = {"__name__": "outside"}
        exec(compile(cell.source, "outside", "exec", dont_inherit=True), namespace)
        return SimpleNamespace(**namespace)


@pytest.fixture
def notebook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A kernel that knows nothing of what somebody has set up for his own."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = Notebook(folder)
    with made.client.setup_kernel():
        yield made
    gc.collect()  # so that what a library forgot to close is told here, not in another test


def test_a_kernel_serves_between_its_cells(notebook: Notebook) -> None:
    """Its own loop does, while no cell runs."""
    outside = notebook.commands()
    notebook.run("commands")
    notebook.run("serve")
    assert client_send(outside.Look(), notebook.path) == 0.0
    assert notebook.run("work") == "1000"
    assert client_send(outside.Look(), notebook.path) == pytest.approx(3.0, abs=0.2)
    assert client_send(outside.SetSamples(samples=7), notebook.path) == 1000
    assert notebook.run("work") == "7", "a cell sees what a command changed"
    notebook.run("end")
    assert not os.path.lexists(notebook.path)
    notebook.run("serve")  # as a person does who runs it again
    assert client_send(outside.SetSamples(samples=8), notebook.path) == 1000
    notebook.run("end")


def test_a_cell_sends_commands_like_any_program(
    notebook: Notebook, path: str, environment: dict[str, str]
) -> None:
    """A running event loop is no hindrance; only one's own kernel cannot answer meanwhile."""
    with running("plain", path, environment) as host:
        notebook.run("from examples.hosts.commands import SetSpeed, Stop")
        notebook.run("from lazyipc import HostBusy, client_send")
        assert notebook.run(f"client_send(SetSpeed(speed=3.0), {path!r}).speed") == "3.0"
        assert notebook.run(f"client_send(Stop(), {path!r}).turns > 0") == "True"
        host.ends_in_order()
    notebook.run("commands")
    notebook.run("serve")
    notebook.run(
        "try:\n"
        "    client_send(SetSamples(samples=9), server.path, timeout=0.2)\n"
        "except HostBusy as error:\n"
        "    started = error.started"
    )
    assert notebook.run("started") == "'no'"
    assert client_send(notebook.commands().Look(), notebook.path) == 0.0
    assert notebook.run("study.samples") == "1000", "what came too late is not run"
    asking = "await asyncio.to_thread(client_send, SetSamples(samples=9), server.path)"
    assert notebook.run(asking) == "1000", "a cell that awaits lets the loop serve"
    notebook.run("end")


# The page -----------------------------------------------------------------------------------------


def shown() -> list[tuple[str, str]]:
    """Each block of Python on the page, with the file it says it is from."""
    text = (ROOT / "docs" / "hosts.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    named = re.findall(r"\(\[`([\w.]+)`\]\([^)]+\)\):\n\n```python\n(.*?)```", text, re.DOTALL)
    assert [block for _, block in named] == blocks, "a block does not say which file it is from"
    return named


def lines_of(name: str) -> str:
    """The lines of an example, of a notebook those of its cells."""
    if not name.endswith(".ipynb"):
        return (HOSTS / name).read_text()
    cells = nbformat.read(HOSTS / name, as_version=4).cells
    return "\n\n\n".join(cell.source for cell in cells if cell.cell_type == "code") + "\n"


def test_the_page_shows_each_host() -> None:
    """A file beside commands.py is a host, and has its block."""
    files = {file.name for file in HOSTS.iterdir() if file.suffix in (".py", ".ipynb")}
    hosts = files - {"__init__.py", "commands.py"}
    assert {name for name, _ in shown()} == hosts
    assert hosts == {*(f"{name}.py" for name in (*WORLDS, "training", "prefork")), "notebook.ipynb"}


@pytest.mark.parametrize(("name", "block"), shown(), ids=[name for name, _ in shown()])
def test_what_the_page_shows_is_what_runs(name: str, block: str) -> None:
    """In under fifteen lines, and each as it stands in the file, but for its indentation."""
    assert len([line for line in block.splitlines() if line.strip()]) < 15
    text = lines_of(name)
    indents = {re.match(" *", line)[0] for line in text.splitlines()}  # type: ignore[index]
    shapes = {textwrap.indent(block, indent) for indent in indents}
    assert any(f"\n{shape}" in f"\n{text}" for shape in shapes), f"{name} has no such lines"
