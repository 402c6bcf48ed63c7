"""The same messages as plain pydantic models, and nothing else: the floor of `cold_ours`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

U64 = Annotated[int, Field(ge=0, le=2**64 - 1)]


class Message(BaseModel):
    """What the messages have in common."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Answer(Message):
    """What the measured server answers."""


class Sum(Answer):
    """The sum of two numbers."""

    c: U64


class Order(Message):
    """Commands of the measured server."""


class Add(Order):
    """Add two numbers."""

    a: U64
    b: U64

    def process(self, context: list[int]) -> Sum:
        """Return the sum."""
        return Sum(c=self.a + self.b)
