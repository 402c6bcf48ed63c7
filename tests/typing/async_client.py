"""What an awaited call returns is what `process` declares; mypy and pyright agree."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

from lazyipc import AsyncIpcClient, Command, IpcError, Response, Wire


class Answer(Response):
    """Answers."""


class Sum(Answer):
    """A sum."""

    c: int


class Order(Command[list[int]]):
    """Commands; the context is a list."""


class Add(Order):
    """Add two numbers."""

    a: int
    b: int

    def process(self, context: list[int]) -> Sum:
        """Add."""
        return Sum(c=self.a + self.b)


class Count(Order):
    """How many there are."""

    def process(self, context: list[int]) -> int:
        """Count."""
        return len(context)


async def commands() -> AsyncIterator[Add]:
    """As they come."""
    yield Add(a=1, b=2)


async def main() -> None:
    """Each verb."""
    async with AsyncIpcClient("x.sock", timeout=1, wire=Wire.JSON, server_uids=[0]) as client:
        assert_type(client, AsyncIpcClient)
        assert_type(await client.send(Add(a=1, b=2)), Sum)
        assert_type(await client.send(Count()), int)
        assert_type(await client.send_many([Add(a=1, b=2)]), list[Sum])
        assert_type(await client.send_many([Count()], return_exceptions=True), list[int | IpcError])
        async for total in client.send_each([Add(a=1, b=2)]):
            assert_type(total, Sum)
        async for total in client.send_each(commands()):
            assert_type(total, Sum)
        async for told in client.send_each(commands(), return_exceptions=True):
            assert_type(told, Sum | IpcError)
        assert_type(client.is_connected, bool)
    client.close()
    await client.wait_closed()
    await client.send("text")  # type: ignore[arg-type]
    AsyncIpcClient("x.sock", spin=1.0)  # type: ignore[call-arg]
