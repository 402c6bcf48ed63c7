"""The messages that are measured: one command of two integers, one response of one."""

from __future__ import annotations

from lazyipc import U64, Command, Response


class Answer(Response):
    """What the measured server answers."""


class Sum(Answer):
    """The sum of two numbers."""

    c: U64


class Order(Command[list[int]]):
    """Commands of the measured server; the context is a list nobody looks at."""


class Add(Order):
    """Add two numbers."""

    a: U64
    b: U64

    def process(self, context: list[int]) -> Sum:
        """Return the sum."""
        return Sum(c=self.a + self.b)
