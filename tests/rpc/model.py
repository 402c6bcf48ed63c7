"""Conversations at random, and a book in which each message has one page.

`python -m tests.rpc.model [--seconds N] [--seed N] [--loop virtual|asyncio|uvloop]`

A scenario is made from its seed: one server, some clients behind proxies that delay, re-chunk and
cut; both sides send, with timeouts, cancels and notifications, to handlers that reply, fail, hang,
send back or have nothing to say; and each connection is closed by one side, cut at some byte, or
ends with the server. Each message has a number and a payload of its own, and the book is held
against the rules: every send ends with its own reply or with an error that the scenario accounts
for, no handler runs twice for a message or at the wrong peer, and nothing is left when all is over.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import enum
import itertools
import logging
import math
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from lazyipc import (
    U8,
    U32,
    U64,
    CommandFailed,
    Disconnected,
    IpcError,
    RemoteError,
    ReplyTimeout,
    TaggedUnion,
)
from lazyipc.rpc import RpcClient, RpcLimits, RpcPeer, RpcServer
from tests.rpc.loops import LOOPS, run
from tests.rpc.proxy import Line, Proxy, random_course
from tests.rpc.virtual import VirtualClock

SCENARIO_SECONDS = 60.0
"""No scenario waits so long; one that takes it hangs."""

ROUNDING_SECONDS = 1e-6

SLACK_SECONDS = 0.2
"""How late a timeout may be told where the clock is virtual."""

WAY_SECONDS = 2.0
"""How long a reply may be on its way there, through a proxy and behind all others."""


class Act(enum.Enum):
    """What a handler does with a message."""

    REPLY = "reply"
    SILENT = "silent"
    FAIL = "fail"
    BREAK = "break"
    BACK = "back"
    HANG = "hang"
    STUBBORN = "stubborn"


class Talk(TaggedUnion):
    """What is said in a scenario."""


class Iam(Talk):
    """The first thing a client says: which one it is."""

    client: U32


class Job(Talk):
    number: U64
    act: Act
    delay_ms: U32
    depth: U8
    payload: bytes


class Done(Talk):
    number: U64
    digest: bytes


class BrokenHandlerError(Exception):
    """What a handler raises that breaks."""


def digest_of(job: Job) -> bytes:
    return blake2b(job.payload, digest_size=16, key=str(job.number).encode()).digest()


# The book -----------------------------------------------------------------------------------------


@dataclass
class Page:
    """One message: what was meant to happen, and what did."""

    job: Job
    line: Link
    side: str
    """Of the sender: client or server."""
    kind: str
    timeout: float = math.inf
    was_cancelled: bool = False
    runs: int = 0
    end: str = ""
    """How its handler ended."""
    is_over: bool = False
    outcome: Any = None
    began: float = 0.0
    took: float = 0.0
    replied: float = math.inf
    """When its handler returned a reply."""

    @property
    def must_be_handled(self) -> bool:
        """It was notified, and the other side was there until this one had left."""
        is_kept = self.line.closed_by <= {self.side} and not self.line.was_cut
        return self.kind == "notify" and self.is_over and self.outcome is None and is_kept

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.job.number} ({self.job.act.value}, {self.job.delay_ms} ms, "
            f"{len(self.job.payload)} bytes) by {self.side} on {self.line.number}, timeout "
            f"{self.timeout}: {self.outcome!r} after {self.took:.4f} s; {self.runs} runs, handler "
            f"{self.end or 'not ended'}"
        )


@dataclass
class Link:
    """One connection of a scenario."""

    number: int
    client: Any = None
    peer: Any = None
    is_disturbed: bool = False
    """Something was begun that ends it."""
    was_cut: bool = False
    closed_by: set[str] = field(default_factory=set)
    peer_is_done: asyncio.Event = field(default_factory=asyncio.Event)


class Broken(AssertionError):
    """A rule was broken; says which, and the page."""


class Book:
    """All messages of a scenario."""

    def __init__(self, *, is_punctual: bool) -> None:
        self.pages: dict[int, Page] = {}
        self.broken: list[str] = []
        self.counts: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._is_punctual = is_punctual

    def new_number(self) -> int:
        return next(self._numbers)

    def complain(self, what: str, page: Page | None) -> None:
        self.broken.append(f"{what}: {page}")

    def judge(self, page: Page) -> None:
        """Whether a send may end so."""
        page.is_over = True
        outcome, job, line = page.outcome, page.job, page.line
        self.counts[f"{page.kind} {type(outcome).__name__}"] += 1
        match outcome:
            case Done():
                if job.act not in (Act.REPLY, Act.BACK):
                    self.complain("a reply where the handler gives none", page)
                if outcome != Done(number=job.number, digest=digest_of(job)):
                    self.complain("the reply of another message", page)
                if (page.runs, page.end) != (1, "returned"):
                    self.complain("a reply nobody gave", page)
            case None if page.kind == "notify":
                pass
            case CommandFailed(message=message):
                if job.act not in (Act.FAIL, Act.BACK) or message != str(job.number):
                    self.complain("the failure of another message", page)
            case RemoteError(kind="BrokenHandlerError", message=message):
                if job.act is not Act.BREAK or message != str(job.number):
                    self.complain("the failure of another message", page)
            case ReplyTimeout(started=started):
                if page.took < page.timeout - ROUNDING_SECONDS:
                    self.complain("a timeout before its time", page)
                if self._is_punctual and page.took > page.timeout + SLACK_SECONDS:
                    self.complain("a timeout after its time", page)
                if self._is_punctual and page.replied + WAY_SECONDS < page.began + page.timeout:
                    self.complain("a reply was lost", page)
                self._check_started(started, page)
            case Disconnected(started=started):
                if not line.is_disturbed:
                    self.complain("disconnected, and nobody did", page)
                self._check_started(started, page)
            case asyncio.CancelledError():
                if not page.was_cancelled:
                    self.complain("cancelled, and by nobody", page)
            case IpcError():
                if not line.is_disturbed:
                    self.complain("an error for no reason", page)
            case _:
                self.complain("an end without a name", page)

    def _check_started(self, started: str, page: Page) -> None:
        if started == "no" and page.runs:
            self.complain("said not to have been started", page)
        if started == "yes" and not page.runs:
            self.complain("said to have been started", page)

    def check_end(self) -> None:
        """When all connections are over."""
        for page in self.pages.values():
            if page.runs > 1:
                self.complain("handled twice", page)
            if page.runs and not page.end:
                self.complain("its handler has not ended", page)
            if isinstance(page.outcome, ReplyTimeout | Disconnected):
                self._check_started(page.outcome.started, page)
            if page.must_be_handled and not page.runs:
                self.complain("a notification was lost", page)

    def unhandled(self) -> list[Page]:
        """What has yet to be handled, or is."""
        return [page for page in self.pages.values()
                if not page.end and (page.runs or page.must_be_handled)]  # fmt: skip


# The sides ----------------------------------------------------------------------------------------

TIMEOUTS = (0.001, 0.01, 0.05, 0.5, 5.0, None, math.inf)
SIZES = (0, 1, 100, 5000, 60_000)


class Scenario:
    """One seed played.

    Args:
        seed: decides everything but what the clock and the kernel do.
        is_punctual: the clock is virtual, so timeouts are exact.
    """

    def __init__(self, seed: int, *, is_punctual: bool) -> None:
        self.seed = seed
        self._is_punctual = is_punctual
        self.book = Book(is_punctual=is_punctual)
        chance = self.chance("limits")
        self.limits = RpcLimits(
            running=chance.choice([1, 2, 5, 256]),
            calls_per_peer=chance.choice([1, 2, 5, 1024]),
            message_bytes=100_000,
            in_bytes=chance.choice([100_000, 200_000, 1_000_000]),
            out_bytes=chance.choice([1, 1000, 100_000]),
        )
        self.clients = chance.choice([1, 1, 2, 4])
        self.operations = chance.choice([3, 10, 30])
        self.closes_server = chance.random() < 0.2
        self.lines: list[Link] = []
        self._sides: dict[int, tuple[Link, str]] = {}
        """By the identity of a peer, which line it is the end of, and which."""
        self._plays: list[asyncio.Task[None]] = []
        self._stubborn = asyncio.Event()
        self._is_over = False

    def chance(self, *names: object) -> random.Random:
        """Chances of their own for each part, so that none depends on another's timing."""
        return random.Random("/".join(map(str, (self.seed, *names))))

    async def play(self) -> None:
        """The whole scenario."""
        async with RpcServer(Talk, self._at_server, limits=self.limits) as server:
            clients = [asyncio.create_task(self._live(server, n)) for n in range(self.clients)]
            if self.closes_server:
                await asyncio.sleep(self.chance("server").uniform(0, 0.1))
                for line in self.lines:
                    line.is_disturbed = True
                    line.closed_by.add("server")
                self._is_over = True
                server.close()
            await asyncio.gather(*clients)
            self._stubborn.set()
            while self._plays:
                await self._plays.pop()
            # Notifications go on when their sender has left, but not when their taker closes.
            await self._wait_while(self.book.unhandled)
        self.book.check_end()
        if self.book.broken:
            raise Broken(f"seed {self.seed}, {self.limits}:\n" + "\n".join(self.book.broken))

    async def _live(self, server: RpcServer[Talk], number: int) -> None:
        """One client, from its connect to its end."""
        chance = self.chance("client", number)
        await asyncio.sleep(chance.uniform(0, 0.02))
        if self._is_over:
            return
        line = Link(number)
        self.lines.append(line)
        to_server = random_course(chance)
        to_client = random_course(chance)
        ending = chance.choice(["client", "server", "cut at a byte", "cut", "quiet", "quiet"])
        if ending == "cut at a byte":
            cut = chance.choice([to_server, to_client])
            cut.cut_after = chance.choice([chance.randrange(700), chance.randrange(600, 20_000)])
            line.is_disturbed = line.was_cut = True
        planned = Line(to_server, to_client)
        async with Proxy(server.key, planned, name=f"p{number}") as proxy:
            try:
                line.client = client = await RpcClient.connect(
                    proxy.key, Talk, self._at_client, limits=self.limits, timeout=30.0
                )
            except IpcError as error:
                if not line.is_disturbed:
                    raise Broken(f"seed {self.seed}: client {number} was refused") from error
                self.book.counts[f"connect {type(error).__name__}"] += 1
                return
            self._sides[id(client)] = (line, "client")
            try:
                await self._greet(line)
                await self._converse(line, client, "client")
                await self._end(line, planned, ending, chance)
            finally:
                line.is_disturbed = True
                if client.status.kind == "connected":
                    line.closed_by.add("client")
                    client.close()
            ends = [end for end in (client, line.peer) if end is not None]
            statuses = [(await end.wait_closed()).kind for end in ends]
        self.book.counts["ended " + " ".join(sorted(statuses))] += 1
        if not line.was_cut and set(statuses) != {"closed"}:
            self.book.broken.append(f"line {number} ended {statuses}, by {ending}")

    async def _greet(self, line: Link) -> None:
        """Tell the server's side which client this is; its part begins with that."""
        try:
            await line.client.send(Iam(client=line.number), math.inf)
        except IpcError as error:
            if not line.is_disturbed:
                raise Broken(f"seed {self.seed}: {line.number} was not greeted") from error

    async def _end(self, line: Link, planned: Line, ending: str, chance: random.Random) -> None:
        if ending == "quiet":
            await self._settle(line)
        elif ending == "cut":
            await asyncio.sleep(chance.uniform(0, 0.05))
            line.is_disturbed = line.was_cut = True
            planned.is_cut.set()
        elif ending == "server" and line.peer is not None:
            line.is_disturbed = True
            line.closed_by.add("server")
            line.peer.close()
            if chance.random() < 0.5:  # else both close, without knowing of each other
                await line.client.wait_closed()

    async def _settle(self, line: Link) -> None:
        """Until each message of a line has ended, which those nobody waits for must as well."""
        if line.peer is not None:
            await line.peer_is_done.wait()
        await self._wait_while(lambda: [] if line.is_disturbed else self._unfinished(line))

    async def _wait_while(self, pages: Callable[[], list[Page]]) -> None:
        """Until there are none of these, which are told of if that takes long."""
        deadline = time.monotonic() + 20
        while left := pages():
            if time.monotonic() > deadline:
                for page in left:
                    self.book.complain("its handler goes on for nobody, or never began", page)
                return
            await asyncio.sleep(0.01)

    def _unfinished(self, line: Link) -> list[Page]:
        return [page for page in self.book.pages.values()
                if page.line is line and page.runs and not page.end
                and page.job.act is not Act.STUBBORN]  # fmt: skip

    # What each side does.

    async def _converse(self, line: Link, end: RpcPeer[Talk], side: str) -> None:
        chance = self.chance(side, line.number)
        steps = []
        for _ in range(chance.randint(0, self.operations)):
            steps.append(asyncio.create_task(self._step(line, end, side, chance)))
            if chance.random() < 0.3:
                await asyncio.sleep(chance.choice([0, 0.001, 0.01]))
        await asyncio.gather(*steps)

    async def _step(self, line: Link, end: RpcPeer[Talk], side: str, chance: random.Random) -> None:
        acts = [Act.REPLY] * 6 + list(Act)
        job = self._job(chance, chance.choice(acts), chance.randint(0, 4))
        way = chance.random()
        if way < 0.2:
            await self._notify(line, end, side, job)
        elif way < 0.3:
            await self._drop(line, end, side, job, chance)
        elif way < 0.5:
            await self._send(line, end, side, job, chance, cancel_after=chance.uniform(0, 0.03))
        else:
            await self._send(line, end, side, job, chance)

    def _job(self, chance: random.Random, act: Act, depth: int) -> Job:
        return Job(
            number=self.book.new_number(),
            act=act,
            delay_ms=chance.choice([0, 0, 0, 1, 5, 30]),
            depth=depth,
            payload=chance.randbytes(chance.choice(SIZES)),
        )

    def _page(self, line: Link, side: str, job: Job, kind: str) -> Page:
        page = self.book.pages[job.number] = Page(job, line, side, kind)
        return page

    def _timeout(self, job: Job, chance: random.Random) -> float | None:
        """Any; but what is not answered must have an end."""
        timeout = chance.choice(TIMEOUTS)
        is_endless = job.act in (Act.SILENT, Act.HANG, Act.STUBBORN, Act.BACK)
        if is_endless and not self._is_punctual:
            return min(timeout or math.inf, 0.1)
        return 0.2 if timeout == math.inf and is_endless else timeout

    async def _send(
        self,
        line: Link,
        end: RpcPeer[Talk],
        side: str,
        job: Job,
        chance: random.Random,
        cancel_after: float | None = None,
    ) -> Page:
        page = self._page(line, side, job, "send")
        timeout = self._timeout(job, chance)
        page.timeout = 5.0 if timeout is None else timeout
        page.began = time.monotonic()
        try:
            if cancel_after is None:
                page.outcome = await end.send(job, timeout)
            else:
                task = asyncio.create_task(end.send(job, timeout))
                await asyncio.wait([task], timeout=cancel_after)
                page.was_cancelled = task.cancel()
                page.outcome = await task
        except asyncio.CancelledError as error:
            if not page.was_cancelled:
                page.outcome, page.was_cancelled = error, True
                raise  # this step itself was cancelled
            page.outcome = error
        except Exception as error:
            page.outcome = error
        page.took = time.monotonic() - page.began
        self.book.judge(page)
        return page

    async def _drop(
        self, line: Link, end: RpcPeer[Talk], side: str, job: Job, chance: random.Random
    ) -> None:
        """Send and do not wait; what had no room then is not sent at all, and says so."""
        page = self._page(line, side, job, "drop")
        timeout = self._timeout(job, chance)
        page.timeout = 5.0 if timeout is None else timeout
        try:
            reply = end.send(job, timeout)
        except IpcError as error:
            page.outcome = error
            self.book.judge(page)
            return
        if not reply.call:
            page.kind, page.was_cancelled = "send", True
            task = asyncio.ensure_future(reply)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _notify(self, line: Link, end: RpcPeer[Talk], side: str, job: Job) -> None:
        page = self._page(line, side, job, "notify")
        if job.act in (Act.HANG, Act.BACK):
            job = page.job = job.model_copy(update={"act": Act.REPLY})
        try:
            await end.notify(job)
        except asyncio.CancelledError:
            page.was_cancelled = True
            raise
        except Exception as error:
            page.outcome = error
        self.book.judge(page)

    # What each side's handler does.

    async def _at_server(self, message: Talk, peer: RpcPeer[Talk]) -> Talk | None:
        if isinstance(message, Iam):
            line = next(line for line in self.lines if line.number == message.client)
            line.peer = peer
            self._sides[id(peer)] = (line, "server")
            self._plays.append(asyncio.create_task(self._answer_back(line, peer)))
            return message
        return await self._handle(message, peer)

    async def _answer_back(self, line: Link, peer: RpcPeer[Talk]) -> None:
        try:
            await self._converse(line, peer, "server")
        finally:
            line.peer_is_done.set()

    async def _at_client(self, message: Talk, peer: RpcPeer[Talk]) -> Talk | None:
        return await self._handle(message, peer)

    async def _handle(self, job: Any, peer: RpcPeer[Talk]) -> Talk | None:
        page = self.book.pages[job.number]
        page.runs += 1
        line, side = self._sides.get(id(peer), (None, ""))
        if job != page.job:
            self.book.complain(f"another message came: {job!r:.200}", page)
        if line is not None and (line is not page.line or side == page.side):
            self.book.complain(f"it came to {side} of {line.number}", page)
        try:
            reply = await self._act(job, page, peer)
        except asyncio.CancelledError:
            page.end = "cancelled"
            raise
        except BaseException:
            page.end = "raised"
            raise
        page.end = "returned"
        if reply is not None:
            page.replied = time.monotonic()
        return reply

    async def _act(self, job: Job, page: Page, peer: RpcPeer[Talk]) -> Talk | None:
        if job.delay_ms:
            await asyncio.sleep(job.delay_ms / 1000)
        match job.act:
            case Act.SILENT:
                return None
            case Act.FAIL:
                raise CommandFailed(str(job.number))
            case Act.BREAK:
                raise BrokenHandlerError(str(job.number))
            case Act.HANG:
                await asyncio.Event().wait()
            case Act.STUBBORN:
                with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                    await asyncio.wait_for(self._stubborn.wait(), 0.1)
                return None
            case Act.BACK if job.depth:
                chance = self.chance("back", job.number)
                inner = self._job(chance, chance.choice([Act.BACK, Act.REPLY]), job.depth - 1)
                side = "server" if page.side == "client" else "client"
                page = await self._send(page.line, peer, side, inner, chance)
                if not isinstance(page.outcome, Done):
                    raise CommandFailed(str(job.number))
        return Done(number=job.number, digest=digest_of(job))


# Running ------------------------------------------------------------------------------------------


def play(seed: int, loop: str = "virtual") -> Counter[str]:
    """One scenario on one loop; what happened in it, counted.

    Raises:
        AssertionError: a rule was broken, or something was left behind.
    """
    scenarios: list[Scenario] = []

    async def main() -> None:
        scenarios.append(Scenario(seed, is_punctual=loop == "virtual"))
        await scenarios[0].play()

    try:
        if loop == "virtual":
            with VirtualClock() as clock:
                run(main, timeout=SCENARIO_SECONDS, new_loop=clock.new_loop)
        else:
            run(main, timeout=SCENARIO_SECONDS, new_loop=LOOPS[loop])
    except BaseException as error:
        error.add_note(f"python -m tests.rpc.model --seed {seed} --count 1 --loop {loop}")
        raise
    return scenarios[0].book.counts


def main(words: Sequence[str] | None = None) -> int:
    """Play scenarios one after the other until the time is over."""
    parser = argparse.ArgumentParser(prog="tests.rpc.model", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=None, help="this many, whatever the time")
    parser.add_argument("--seed", type=int, default=None, help="of the first; then one more each")
    parser.add_argument("--loop", choices=["virtual", *LOOPS], default="virtual")
    arguments = parser.parse_args(words)
    logger = logging.getLogger("lazyipc")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # handlers break here on purpose
    try:
        _play_on(arguments)
    finally:
        logger.setLevel(level)
    return 0


def _play_on(arguments: argparse.Namespace) -> None:
    seed = secrets.randbelow(1_000_000_000) if arguments.seed is None else arguments.seed
    _say(f"seed {seed}, loop {arguments.loop}")
    counts: Counter[str] = Counter()
    played = 0
    ends = time.monotonic() + arguments.seconds
    while played < arguments.count if arguments.count else time.monotonic() < ends:
        counts += play(seed + played, arguments.loop)
        played += 1
    _say(f"{played} scenarios")
    for what, count in counts.most_common():
        _say(f"{count:>8,} {what}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 what it is run for


if __name__ == "__main__":
    sys.exit(main())
