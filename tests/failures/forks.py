"""Mode 9: children of every kind, made while clients call; the parent must not notice."""

from __future__ import annotations

import gc
import multiprocessing
import os
import select
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing import resource_tracker
from pathlib import Path
from random import Random

from lazyipc import IpcClient, IpcServer, LocalProtocolError
from tests.conftest import open_descriptors
from tests.failures.commands import Heard, Order, Say, Stop
from tests.failures.finding import Finding
from tests.harness import Child, Line, RawClient, forked, poll, until

AT_ONCE = 6
"""Children alive at the same time, besides those that call."""
PATIENCE_SECONDS = 60.0
"""How long a busy machine may take to start a program; a deadlock takes longer."""
LIST_DESCRIPTORS = "import os; print(*os.listdir('/proc/self/fd'))"


def children_under_load(folder: Path, *, children: int, callers: int, seed: int) -> Finding:
    """Fork, spawn and exec between polls and inside a command, while other processes call.

    Args:
        children: how many children are made, of the kinds in turn.
        callers: how many processes call all the while, each checking its answers.
    """
    path = str(folder / "s")
    resource_tracker.ensure_running()  # once made by multiprocessing, its pipe stays
    before = open_descriptors()
    with ExitStack() as stack:
        load = _Load(path, stack, callers)
        inode = os.lstat(path).st_ino
        inherited = _inheritable()
        random = Random(seed)
        makers: list[Callable[[_Load, Random], _Made]] = [
            _plain_fork, _busy_fork, _fork_of_a_thread, _executed, _multiprocessing_fork, _spawned,
        ]  # fmt: skip
        alive: list[_Made] = []
        for number in range(children):
            # Starting Python anew costs fifty forks, so there are fewer of those.
            usual = makers if number % 40 == 0 else makers[:3]
            make = makers[number] if number < len(makers) else random.choice(usual)
            load.turn()
            alive.append(make(load, random))
            if len(alive) >= AT_ONCE:
                alive.pop(0).finish(load)
        for made in alive:
            made.finish(load)
        inside = _fork_inside_a_command(folder, max(1, children // 20))
        assert _inheritable() == inherited, "a started program would inherit a descriptor"
        assert os.lstat(path).st_ino == inode, "the parent's socket was replaced"
        calls = load.end()
    assert not os.path.lexists(path)
    gc.collect()
    assert open_descriptors() == before, "the parent kept descriptors"
    return Finding(
        f"{children:,} children of {len(makers)} kinds under the load of {callers} callers, "
        f"{inside} more forked inside a command",
        f"{calls:,} calls meanwhile, each answered once by the parent; no child kept a descriptor "
        "of the server, removed its socket or hung",
    )


class _Load:
    """A server and processes that call it until told to stop."""

    def __init__(self, path: str, stack: ExitStack, callers: int) -> None:
        free = open_descriptors().items()
        self.server = stack.enter_context(IpcServer(path, Order))
        made = open_descriptors().items() - free
        self.ran: list[Order] = []
        stop, self._stop = os.pipe()
        stack.callback(os.close, self._stop)
        stack.callback(os.close, stop)
        self._callers = [stack.enter_context(forked(lambda line: _call(path, line, stop)))
                         for _ in range(callers)]  # fmt: skip
        self._kept = stack.enter_context(RawClient(path))
        waiting = open_descriptors().items()
        self.turn()
        self.poll(lambda: len(self.server.clients) == callers + 1)
        self.descriptors = made | (open_descriptors().items() - waiting)
        """What the server has open: no child may keep one of them."""
        assert len(self.descriptors) >= 4 + callers + 1

    def turn(self) -> None:
        """One client of this process is served; a child made after it holds what it could."""
        call = self._kept.ask(Stop())
        self.poll(lambda: self._kept.has_result(call))
        assert self._kept.results.pop(call) == Heard(words="Stop()")

    def poll(self, condition: Callable[[], bool]) -> None:
        poll(self.server, self.ran, condition, PATIENCE_SECONDS, "the parent does not serve on")

    def end(self) -> int:
        """Stop the callers; how many calls were answered."""
        ran = len(self.ran)
        os.write(self._stop, b"!" * len(self._callers))
        for caller in self._callers:
            self.poll(_has_ended(caller))
            assert caller.finish() == 0, "a caller's call failed"
        assert all(int(caller.hear()) > 0 for caller in self._callers)
        return ran


def _call(path: str, line: Line, stop: int) -> None:
    """Call with a text of one's own until told to stop; each answer must be one's own."""
    told = select.poll()
    told.register(stop, select.POLLIN)
    calls = 0
    with IpcClient(path, timeout=10) as client:
        while not told.poll(0):
            command = Say(text=f"{os.getpid()}.{calls}", letter="x", blob=b"", path=Path("x"))
            assert client.send(command) == Heard(words=repr(command))
            calls += 1
    os.read(stop, 1)
    line.say(str(calls))


def _has_ended(child: Child) -> Callable[[], bool]:
    return lambda: bool(os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))


# Kinds of children --------------------------------------------------------------------------------


class _Made:
    """A child under way."""

    def __init__(self, has_ended: Callable[[], bool], check: Callable[[], None]) -> None:
        self._has_ended = has_ended
        self._check = check

    def finish(self, load: _Load) -> None:
        """Serve until it ends, and see how it did."""
        load.poll(self._has_ended)
        self._check()


def _forked(load: _Load, work: Callable[[Line], None]) -> _Made:
    stack = ExitStack()
    child = stack.enter_context(forked(work))

    def check() -> None:
        status, told = child.finish(), child.hear()
        stack.close()
        assert (status, told) == (0, "well"), f"a forked child: {status} {told}"

    return _Made(_has_ended(child), check)


def _use_as_a_child(load: _Load, line: Line) -> None:
    """All that a child could do to its parent's server."""
    kept = load.descriptors & open_descriptors().items()
    assert not kept, f"a child kept descriptors of its parent's server: {kept}"
    for use in (lambda: load.server.handle_new_messages([]), lambda: load.server.wait(0)):
        try:
            use()
        except LocalProtocolError:
            continue
        raise AssertionError("a child polled its parent's server")
    load.server.close()
    gc.collect()
    line.say("well")


def _plain_fork(load: _Load, random: Random) -> _Made:
    return _forked(load, lambda line: _use_as_a_child(load, line))


def _busy_fork(load: _Load, random: Random) -> _Made:
    """A child that uses the library itself: a server and a client of its own."""
    path = f"{load.server.path}.{random.getrandbits(60):x}"

    def work(line: Line) -> None:
        with IpcServer(path, Order) as own, RawClient(path) as client:
            call = client.ask(Stop())
            poll(own, [], lambda: client.has_result(call))
        os.unlink(path + ".lock")
        _use_as_a_child(load, line)

    return _forked(load, work)


def _fork_of_a_thread(load: _Load, random: Random) -> _Made:
    """Forked by another thread while this one polls; the child has that thread only."""
    made: list[_Made] = []

    def fork() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn of just this
            made.append(_forked(load, lambda line: _use_as_a_child(load, line)))

    thread = threading.Thread(target=fork)
    thread.start()
    load.poll(lambda: bool(made))
    thread.join()
    return made[0]


def _executed(load: _Load, random: Random) -> _Made:
    """Another program, started with all descriptors that may be inherited."""
    process = subprocess.Popen(
        (sys.executable, "-S", "-E", "-c", LIST_DESCRIPTORS),
        close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    most = 4 + len([fd for fd in _inheritable() if fd > 2])

    def check() -> None:
        told = process.communicate()[0].split()
        assert process.returncode == 0
        assert len(told) <= most, f"a started program has descriptors {told}"

    return _Made(lambda: process.poll() is not None, check)


def _multiprocessing_fork(load: _Load, random: Random) -> _Made:
    return _by_multiprocessing("fork", load)


def _spawned(load: _Load, random: Random) -> _Made:
    return _by_multiprocessing("spawn", load)


def _by_multiprocessing(method: str, load: _Load) -> _Made:
    """A child as most programs make one; it ends by way of its exit handlers."""
    process = multiprocessing.get_context(method).Process(target=gc.collect)
    process.start()

    def check() -> None:
        process.join()
        assert process.exitcode == 0, f"a child of multiprocessing ended with {process.exitcode}"
        process.close()

    return _Made(lambda: process.exitcode is not None, check)


def _inheritable() -> set[int]:
    return {fd for fd in open_descriptors() if os.get_inheritable(fd)}


# Inside a command ---------------------------------------------------------------------------------


class _Forking(list[Order]):
    """A context that forks within each command that is run."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[int] = []

    def append(self, order: Order) -> None:
        super().append(order)
        self.children.append(os.fork())


def _fork_inside_a_command(folder: Path, times: int) -> int:
    """Both sides of the fork return into the poll; only the parent answers."""
    parent = os.getpid()
    context = _Forking()
    with IpcServer(folder / "inside", Order) as server, RawClient(server.path) as client:
        for number in range(times):
            call = client.ask(Stop())
            try:
                until(lambda: len(context) > number, lambda: server.handle_new_messages(context))  # noqa: B023
            finally:
                if os.getpid() != parent:  # whatever was raised there, no child goes on from here
                    os._exit(0)
            until(
                lambda: client.has_result(call),  # noqa: B023
                lambda: server.handle_new_messages(context),
            )
            assert client.results == {call: Heard(words="Stop()")}, "answered by two"
            client.results.clear()
            assert os.waitstatus_to_exitcode(os.waitpid(context.children[-1], 0)[1]) == 0
        client.socket.shutdown(socket.SHUT_WR)
        until(client.has_ended, lambda: server.handle_new_messages(context))
        assert not client.results
        assert len(client.frames) == times, "a child wrote into a client's connection"
    return times
