"""A fork-server daemon: the parent owns the socket and keeps as many children as it is told.

Children are forked while the socket is open and clients are connected. Their copies of it close by
themselves at the fork: a child cannot answer the parent's clients, nor remove its socket.
"""

from __future__ import annotations

import enum
import os
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, field

from pydantic import BaseModel

from lazyipc import I32, U32, Command, CommandFailed, IpcServer, Response


class State(enum.Enum):
    """What a child does that has not ended."""

    WORKING = "working"
    ENDING = "ending"


class Child(BaseModel):
    """A child that has not ended."""

    pid: U32
    state: State


class Ended(BaseModel):
    """A child that has."""

    pid: U32
    status: I32
    """Its exit status, or minus the number of the signal it died of."""


def work(parent: int) -> None:
    """What a child does: its job, until it is told to end or its parent is gone."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    while os.getppid() == parent:
        time.sleep(0.05)


@dataclass
class Crew:
    """The parent's state: how many children are wanted, those there are, those there were."""

    wanted: int = 2
    children: dict[int, State] = field(default_factory=dict)
    ended: deque[Ended] = field(default_factory=lambda: deque(maxlen=100))

    def keep(self) -> None:
        """Fork who is missing, end who is too many."""
        parent = os.getpid()
        working = [pid for pid, state in self.children.items() if state is State.WORKING]
        for pid in working[self.wanted :]:
            os.kill(pid, signal.SIGTERM)
            self.children[pid] = State.ENDING
        for _ in range(self.wanted - len(working)):
            if pid := os.fork():
                self.children[pid] = State.WORKING
            else:
                work(parent)
                sys.exit()  # out of the server's `with`, which closes nothing in a child

    def reap(self) -> None:
        """Take note of those that ended."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            del self.children[pid]
            self.ended.append(Ended(pid=pid, status=os.waitstatus_to_exitcode(status)))


class Answer(Response):
    """What the daemon answers."""


class Children(Answer):
    """The children there are, and the last hundred that ended."""

    wanted: U32
    children: list[Child]
    ended: list[Ended]


class Order(Command[Crew]):
    """What the daemon can be told."""


class Look(Order):
    """See how the children are."""

    def process(self, context: Crew) -> Children:
        """Read, change nothing."""
        children = [Child(pid=pid, state=state) for pid, state in context.children.items()]
        return Children(wanted=context.wanted, children=children, ended=list(context.ended))


class Scale(Order):
    """Have so many children from now on."""

    count: U32

    def process(self, context: Crew) -> int:
        """Set the number; the loop forks, because `process` must return in one process only."""
        if not context.wanted:
            raise CommandFailed("the daemon is stopping")
        if not 1 <= self.count <= 32:
            raise CommandFailed(f"the daemon has 1 to 32 children, not {self.count}")
        before, context.wanted = context.wanted, self.count
        return before


class Stop(Order):
    """End the children, then the daemon."""

    def process(self, context: Crew) -> int:
        """Only say so; the answer is how many children there still are."""
        context.wanted = 0
        return len(context.children)


def run(path: str) -> None:
    """Keep the children and answer for them, until told to stop."""
    crew = Crew()
    with IpcServer(path, Order) as server:
        while crew.wanted or crew.children:
            crew.keep()
            server.wait(0.1)
            server.handle_new_messages(crew)
            crew.reap()


if __name__ == "__main__":
    run(sys.argv[1])
