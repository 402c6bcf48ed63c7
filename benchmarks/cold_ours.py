"""A script as an admin would write it: its messages, one typed call, the end. Run by `cold`."""

import sys

from lazyipc import U64, Command, Response, client_send


class Answer(Response):
    """What the measured server answers."""


class Sum(Answer):
    """The sum of two numbers."""

    c: U64


class Order(Command[list[int]]):
    """Commands of the measured server."""


class Add(Order):
    """Add two numbers."""

    a: U64
    b: U64

    def process(self, context: list[int]) -> Sum:
        """Return the sum."""
        return Sum(c=self.a + self.b)


if client_send(Add(a=1, b=2), sys.argv[1]).c != 3:
    sys.exit("a wrong sum came back")
