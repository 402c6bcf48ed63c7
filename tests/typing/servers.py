"""The context a server hands to its commands is the one they declare."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, assert_type

from pydantic import BaseModel

from lazyipc import U64, Command, IpcServer, Limits, Peer, Response, Stats, TaggedUnion, Wire


class Sum(Response):
    """A sum."""

    c: U64


class ClientCommand(Command[list[int]]):
    """Commands whose context is a stack."""


class Add(ClientCommand):
    """Add two numbers."""

    a: U64
    b: U64

    def process(self, context: list[int]) -> Sum:
        """Add."""
        context.append(self.a)
        return Sum(c=self.a + self.b)


class BadContext(ClientCommand):
    """Its context is not the family's."""

    def process(self, context: str) -> None:  # type: ignore[override]
        """Take another context."""


class Wider(ClientCommand):
    """It asks for less than the family gives."""

    def process(self, context: object) -> None:
        """Take anything."""


class Anything(Command):
    """Commands of any context."""


class Stop(Anything):
    """Stop."""

    def process(self, context: dict[str, str]) -> None:
        """Stop."""


class Turn(Command[list[int]]):
    """One `process` for all, with `match self`."""

    def process(self, context: list[int]) -> int:
        """Turn."""
        match self:
            case Left(by=by):
                assert_type(by, int)
                return -by
            case Right():
                return sum(context)
            case _:
                raise NotImplementedError


class Left(Turn):
    """Left."""

    by: U64


class Right(Turn):
    """Right."""


class Lone(BaseModel):
    """A plain model, which is a set of one."""

    x: int

    def process(self, context: str) -> str:
        """Say."""
        return context * self.x


class Only(Command[bytes]):
    """A root without variants, which is a set of one."""

    def process(self, context: bytes) -> None:
        """Look."""


class NoProcess(TaggedUnion):
    """No command."""


PATH = "/run/app.sock"

# the context

server = IpcServer(PATH, ClientCommand)
assert_type(server, IpcServer[list[int]])
assert_type(server.handle_new_messages([1]), int)
server.handle_new_messages("oops")  # type: ignore[arg-type]
server.handle_new_messages(None)  # type: ignore[arg-type]
server.handle_new_messages(["a"])  # type: ignore[list-item]
server.handle_new_messages()  # type: ignore[call-arg]
IpcServer(PATH, ClientCommand).handle_new_messages("oops")  # type: ignore[arg-type]

any_server = IpcServer(PATH, Anything)
assert_type(any_server, IpcServer[Any])
any_server.handle_new_messages("fine")
any_server.handle_new_messages(None)

root_server = IpcServer(PATH, Turn)
assert_type(root_server, IpcServer[list[int]])
root_server.handle_new_messages("oops")  # type: ignore[arg-type]

lone_server = IpcServer(PATH, Lone)
assert_type(lone_server, IpcServer[str])
lone_server.handle_new_messages("fine")
lone_server.handle_new_messages(5)  # type: ignore[arg-type]

assert_type(IpcServer(PATH, Only), IpcServer[bytes])

# the arguments

IpcServer(Path(PATH), ClientCommand)
IpcServer(5, ClientCommand)  # type: ignore[arg-type]
IpcServer(PATH, NoProcess)  # type: ignore[arg-type]
IpcServer(PATH, Sum)  # type: ignore[arg-type]
IpcServer(PATH, Add(a=1, b=2))  # type: ignore[arg-type]
IpcServer(PATH, ClientCommand, Limits())  # type: ignore[call-arg]
IpcServer(PATH, ClientCommand, limits=Limits(clients=1), wires=Wire.ALL)
IpcServer(PATH, ClientCommand, limits=5)  # type: ignore[arg-type]
server.handle_new_messages([], max_messages="5")  # type: ignore[arg-type]


def own_user(peer: Peer, command: object) -> bool:
    """Whether a client is of our own user."""
    return peer.uid == os.getuid()


def wrong_question(peer: str) -> bool:
    """No answer to what a server asks."""
    return not peer


IpcServer(PATH, ClientCommand, authorize=own_user)
IpcServer(PATH, ClientCommand, authorize=wrong_question)  # type: ignore[arg-type]

# what it tells

with IpcServer(PATH, ClientCommand) as opened:
    assert_type(opened, IpcServer[list[int]])
    assert_type(opened.wait(1.5), bool)
    assert_type(opened.fileno(), int)
    assert_type(opened.path, str)
    assert_type(opened.stats, Stats)
    assert_type(opened.stats.commands, int)
    assert_type(opened.description, str)
    assert_type(opened.clients, tuple[Peer, ...])
    assert_type(opened.clients[0].wire, Wire | None)
