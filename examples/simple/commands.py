"""The messages of the example, shared by its server and its client; their only declaration."""

from __future__ import annotations

from lazyipc import U64, Command, Response


class ClientResponse(Response):
    """What the demo answers."""


class PrintAck(ClientResponse):
    """Printed."""


class Sum(ClientResponse):
    """The sum of two numbers."""

    c: U64


class Pushed(ClientResponse):
    """The number now on the stack."""

    x: U64


class ClientCommand(Command[list[int]]):
    """Commands of the demo; the context is the stack."""


class Print(ClientCommand):
    """Print a line at the server."""

    payload: str

    def process(self, context: list[int]) -> PrintAck:
        """Print the payload."""
        print(f"Print command received: {self.payload}", flush=True)
        return PrintAck()


class Add(ClientCommand):
    """Add two numbers."""

    a: U64
    b: U64

    def process(self, context: list[int]) -> Sum:
        """Print and return the sum."""
        total = self.a + self.b
        print(f"Add command received: {self.a} + {self.b} = {total}", flush=True)
        return Sum(c=total)


class Push(ClientCommand):
    """Push a number onto the server's stack."""

    x: U64

    def process(self, context: list[int]) -> Pushed:
        """Append to the stack, which is the context."""
        print(f"Push command received: {self.x}", flush=True)
        context.append(self.x)
        return Pushed(x=self.x)
