"""Mode 12: replies that reach another call than their own, after a timeout, a cancel, a hang-up."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from lazyipc import Command, IpcClient, IpcError, IpcServer, RemoteError, ReplyTimeout, Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Failed, Requested, Responded
from lazyipc.errors import CommandFailed
from tests.failures.commands import Heard, Order, Say
from tests.failures.finding import Finding
from tests.failures.measure import in_parallel
from tests.harness import Line, forked, header, response, until


def crossed_replies(
    folder: Path, *, steps: int, seconds: float, callers: int, seed: int, processes: int
) -> Finding:
    """Random steps of both sides against a model; then processes that call, give up and come back.

    Args:
        steps: of the model, over all processes.
        seconds: how long the callers call, `callers` of them.
    """
    if processes == 1:
        told = [follow_model(steps=steps, seed=seed)]
    else:
        share = [{"steps": steps // processes, "seed": seed + n} for n in range(processes)]
        told = in_parallel([(follow_model, arguments) for arguments in share], seconds=300)
    counts = {name: sum(one[name] for one in told) for name in told[0]}
    called = _call_and_give_up(str(folder / "s"), seconds, callers, seed)
    return Finding(
        f"{steps:,} steps of a model, {callers} processes calling for {seconds:g} s",
        f"model: {_words(counts)}; calls: {_words(called)}; no reply reached another call",
    )


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


# The model ----------------------------------------------------------------------------------------

CATALOG = Catalog(Order)
PLACE = Path("x")


def follow_model(*, steps: int, seed: int) -> dict[str, int]:
    """So many random steps; how often what was seen."""
    random = Random(seed)
    model = Model(random)
    try:
        for _ in range(steps):
            model.step()
    except BaseException as error:
        error.add_note(f"seed {seed}, call {model.call}")
        raise
    assert all(model.seen.values()), f"never seen: {model.seen}"
    return model.seen


class Model:
    """Both sides of a connection, the bytes on their way, and what each open call waits for."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.call = 0
        self.seen = {"answered": 0, "failed": 0, "given up": 0, "late": 0, "hung up": 0, "stray": 0}
        self._begin()

    def _begin(self) -> None:
        self._client = ClientConnection()
        self._server = ServerConnection(CATALOG, Wire.ALL)
        self._up, self._down = bytearray(), bytearray()
        self._waiting: dict[int, str] = {}
        self._given_up: dict[int, str] = {}
        self._at_server: dict[int, str] = {}

    def step(self) -> None:
        """One step of anybody."""
        match self._random.randrange(64):
            case 0:
                if self._random.random() < 0.2:
                    self.seen["hung up"] += len(self._waiting) > 0
                    self._begin()
            case 1 | 2 | 3:
                self._stray()
            case turn if turn < 14:
                self._give_up()
            case turn if turn < 28:
                self._ask()
            case turn if turn < 40:
                self._answer()
            case turn if turn < 52:
                self._deliver_up()
            case _:
                self._deliver_down()

    def _ask(self) -> None:
        self.call += 1
        text = f"text of {self.call}"
        command = Say(text=text, letter="x", blob=b"", path=PLACE)
        self._up += self._client.request(self.call, command, None, None)
        self._waiting[self.call] = text

    def _give_up(self) -> None:
        if self._waiting:
            call = self._random.choice(list(self._waiting))
            self._client.forget(call)
            self._given_up[call] = self._waiting.pop(call)
            self.seen["given up"] += 1

    def _answer(self) -> None:
        """The server ends any of the calls it has, in any order."""
        if not self._at_server:
            return
        call = self._random.choice(list(self._at_server))
        text = self._at_server.pop(call)
        self.seen["late"] += call in self._given_up
        if self._random.random() < 0.2:
            self._down += self._server.fail(call, CommandFailed(text))
        else:
            self._down += self._server.respond(call, Heard(words=text))

    def _stray(self) -> None:
        """A reply to a call that nobody waits for, or waits for no more; or a frame of no kind."""
        call = self._random.choice([*self._given_up, self.call + 10**9])
        fake = Say(text="", letter="x", blob=b"", path=PLACE)
        self._down += self._random.choice(
            [response(fake, call, Heard(words="stray")), header(5, 99, call) + b"hello"]
        )
        self.seen["stray"] += 1

    def _take(self, data: bytearray) -> bytes:
        size = self._random.choice((1, 7, 30, 200, 10_000))
        piece = bytes(data[:size])
        del data[:size]
        return piece

    def _deliver_up(self) -> None:
        self._server.receive_data(self._take(self._up))
        while (event := self._server.next_event()) is not None:
            assert isinstance(event, Requested)
            self._at_server[event.call] = event.command.text
            told = self._waiting.get(event.call) or self._given_up[event.call]
            assert told == event.command.text, "a request arrived under another's call"

    def _deliver_down(self) -> None:
        self._client.receive_data(self._take(self._down))
        while (event := self._client.next_event()) is not None:
            text = self._waiting.pop(event.call, None)
            assert text is not None, f"call {event.call} ended twice, or after it was given up"
            if isinstance(event, Responded):
                assert event.value == Heard(words=text), "a reply reached another call"
                self.seen["answered"] += 1
            else:
                assert isinstance(event, Failed)
                assert isinstance(event.error, RemoteError)
                assert event.error.message == text, "an error reached another call"
                self.seen["failed"] += 1


# Processes ----------------------------------------------------------------------------------------

TIMEOUTS = (0.0005, 0.002, 0.004, 0.01, 5.0)
REPEATS = 3


class Task(Command[Random]):
    """What callers ask for."""


class Repeat(Task):
    """Give the text back, after a while."""

    text: str

    def process(self, context: Random) -> str:
        if context.random() < 0.3:
            _rest(context.random() * 4)
        return self.text


def _rest(milliseconds: float) -> None:
    select.poll().poll(milliseconds)


class Cancelled(BaseException):
    """Raised by a signal, at any moment of a call."""


def _call_and_give_up(path: str, seconds: float, callers: int, seed: int) -> dict[str, int]:
    """A host that is often late; callers that time out, are interrupted, hang up and come back."""

    def host(line: Line) -> None:
        random = Random(seed)
        stop = False

        def end(number: int, frame: FrameType | None) -> None:
            nonlocal stop
            stop = True

        signal.signal(signal.SIGTERM, end)
        with IpcServer(path, Task, wires=Wire.ALL) as server:
            line.say("ready")
            while not stop:
                server.wait(0.05)
                server.handle_new_messages(random)
                if random.random() < 0.2:
                    _rest(random.random() * 6)

    def caller(line: Line, number: int) -> None:
        # An interrupt may fall where Python can only tell of it, such as in a weakref's callback.
        sys.unraisablehook = lambda unraisable: None
        counts = Caller(path, Random(seed + number)).run(seconds)
        line.say(" ".join(map(str, counts.values())))

    with ExitStack() as stack:
        hosting = stack.enter_context(forked(host))
        assert hosting.hear() == "ready"
        calling = [stack.enter_context(forked(lambda line, n=n: caller(line, n)))  # type: ignore[misc]
                   for n in range(1, callers + 1)]  # fmt: skip
        for child in calling:
            until(lambda: _has_ended(child.pid), seconds=seconds + 20)  # noqa: B023 used at once
            status = child.finish()
            assert status == 0, f"a caller ended with {status}; what it got is on stderr"
        told = [list(map(int, child.hear().split())) for child in calling]
        hosting.kill(signal.SIGTERM)
        assert hosting.finish() == 0, "the host's loop failed"
    names = Caller.COUNTED
    return dict(zip(names, map(sum, zip(*told, strict=True)), strict=True))


def _has_ended(pid: int) -> bool:
    return bool(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))


class Caller:
    """Calls with clients of all patiences, each kept as long as it lasts; checks each answer."""

    COUNTED = ("answered", "timed out", "interrupted", "hung up")

    def __init__(self, path: str, random: Random) -> None:
        self._path = path
        self._random = random
        self._clients: dict[tuple[float, Wire], IpcClient] = {}
        self._is_armed = False
        self._number = 0
        self._counts = dict.fromkeys(self.COUNTED, 0)

    def run(self, seconds: float) -> dict[str, int]:
        signal.signal(signal.SIGALRM, self._interrupt)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._turn()
        for client in self._clients.values():
            client.close()
        assert self._counts["answered"]
        return self._counts

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._is_armed:
            self._is_armed = False
            raise Cancelled

    def _turn(self) -> None:
        random = self._random
        key = random.choice(TIMEOUTS), random.choice((Wire.FRAMED, Wire.FRAMED, Wire.BARE))
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = IpcClient(self._path, timeout=key[0], wire=key[1])
        self._number += 1
        texts = [f"{os.getpid()}.{self._number}.{n}" for n in range(random.choice((1, REPEATS)))]
        if random.random() < 0.1:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.005))
        try:
            self._is_armed = True
            results = self._ask(client, texts)
            self._is_armed = False
        except Cancelled:
            self._counts["interrupted"] += 1
        else:
            self._check(texts, results)
        if random.random() < 0.02:
            self._counts["hung up"] += 1
            del self._clients[key]
            client.close()

    def _ask(self, client: IpcClient, texts: list[str]) -> list[Any]:
        commands = [Repeat(text=text) for text in texts]
        if len(commands) == 1:
            try:
                return [client.send(commands[0])]
            except ReplyTimeout as error:
                return [error]
        try:
            return list(client.send_many(commands, return_exceptions=True))
        except ReplyTimeout as error:
            return [error] * len(texts)

    def _check(self, texts: list[str], results: list[Any]) -> None:
        assert len(results) == len(texts)
        for text, result in zip(texts, results, strict=True):
            if isinstance(result, IpcError):
                assert isinstance(result, ReplyTimeout), repr(result)
                self._counts["timed out"] += 1
            else:
                assert result == text, f"{result!r} came for {text!r}"
                self._counts["answered"] += 1
