"""What a call returns is what `process` declares; mypy and pyright agree."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

from pydantic import BaseModel

from lazyipc import U8, U64, Command, IpcClient, Response, Wire, bincode, client_send


class Answer(Response):
    """Answers."""


class Sum(Answer):
    """A sum."""

    c: U64


class Kicked(Answer):
    """Done."""


class NoSuchPlayer(Answer):
    """Not done."""

    name: str


class Order(Command[list[int]]):
    """Commands; the context is a list."""


class Add(Order):
    """Add two numbers."""

    a: U64
    b: U64

    def process(self, context: list[int]) -> Sum:
        """Add."""
        return Sum(c=self.a + self.b)


class Kick(Order):
    """Answered with one of two."""

    name: str

    def process(self, context: list[int]) -> Kicked | NoSuchPlayer:
        """Kick."""
        return NoSuchPlayer(name=self.name)


class Stop(Order):
    """Answered with nothing."""

    def process(self, context: list[int]) -> None:
        """Stop."""


class Dump(Order):
    """Answered with a list."""

    def process(self, context: list[int]) -> list[int]:
        """Dump."""
        return context


class AnyOf(Order):
    """Answered with any of a family; its context has another name."""

    def process(self, stack: list[int], /) -> Answer:
        """Answer."""
        return Kicked()


class Ping(BaseModel):
    """A plain model, which is a set of one."""

    def process(self, context: object) -> bool:
        """Answer."""
        return True


PATH = "/run/app.sock"

# client_send

assert_type(client_send(Add(a=1, b=2), PATH), Sum)
assert_type(client_send(Add(a=1, b=2), PATH, timeout=5, wire=Wire.BARE, server_uids=[0]), Sum)
assert_type(client_send(Kick(name="bob"), PATH), Kicked | NoSuchPlayer)
assert_type(client_send(Dump(), PATH), list[int])
assert_type(client_send(AnyOf(), PATH), Answer)
assert_type(client_send(Ping(), PATH), bool)
assert_type(client_send(Stop(), PATH), None)

client_send(5, PATH)  # type: ignore[arg-type]
client_send(Add, PATH)  # type: ignore[arg-type]
client_send(Sum(c=1), PATH)  # type: ignore[arg-type]
client_send(Stop(), 5)  # type: ignore[arg-type]
client_send(Stop(), PATH, timeout="5")  # type: ignore[arg-type]
client_send(Stop(), PATH, wire="BARE")  # type: ignore[arg-type]
client_send(Stop(), PATH, 5)  # type: ignore[call-arg]
_ = client_send(Add(a=1, b=2), PATH).d  # type: ignore[attr-defined]

# IpcClient

with IpcClient(PATH) as client:
    assert_type(client, IpcClient)
    assert_type(client.send(Add(a=1, b=2)), Sum)
    assert_type(client.send(Kick(name="bob")), Kicked | NoSuchPlayer)
    assert_type(client.send_many([Add(a=1, b=2), Add(a=3, b=4)]), list[Sum])
    assert_type(client.send_many([Dump()]), list[list[int]])
    assert_type(client.send_many(Kick(name=name) for name in "ab"), list[Kicked | NoSuchPlayer])
    wrong: list[Sum] = client.send_many([Dump()])  # type: ignore[list-item]
    client.send_many([5])  # type: ignore[arg-type]
    for outcome in client.send_many([Add(a=1, b=2)], return_exceptions=True):
        if isinstance(outcome, Sum):
            assert_type(outcome.c, int)
        else:
            raise outcome

# bincode

assert_type(bincode.decode(b"", Sum), Sum)
assert_type(bincode.decode(b"", list[int]), list[int])
assert_type(bincode.encode(Sum(c=1)), bytes)
small: int = bincode.decode(b"\1", U8)
