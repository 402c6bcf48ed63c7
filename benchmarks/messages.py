"""The messages that are measured: of two integers, of nested models, and of many small ones."""

from __future__ import annotations

import enum
import random

from pydantic import BaseModel

from lazyipc import F64, U32, U64, Command, Response

# What the measured server is asked, and answers ------------------------------------------------


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


class Echo(Order):
    """Give some bytes back."""

    payload: bytes

    def process(self, context: list[int]) -> bytes:
        """Return them."""
        return self.payload


# Larger ones, for the codec alone --------------------------------------------------------------

TRADES = 1000
"""How many a market's message has."""


class Message(BaseModel, frozen=True, strict=True, extra="forbid"):
    """What a message's model is like."""


class Role(enum.Enum):
    """What somebody may do."""

    GUEST = "guest"
    PLAYER = "player"
    ADMIN = "admin"


class Place(Message):
    """Where somebody stands."""

    x: F64
    y: F64
    z: F64


class Player(Message):
    """Nested models, strings, an option, a short list and an enum: 125 bytes."""

    id: U64
    name: str
    role: Role
    place: Place
    guild: str | None
    scores: list[U32]
    is_online: bool


class Side(enum.Enum):
    """Of a trade."""

    BUY = "buy"
    SELL = "sell"


class Trade(Message):
    """One of many."""

    id: U64
    symbol: str
    side: Side
    price: F64
    size: U32
    note: str | None


class Market(Message):
    """A thousand structs with mixed fields."""

    trades: list[Trade]


def player() -> Player:
    """The nested message."""
    return Player(
        id=2**53 + 1,
        name="Élodie of the Hills",
        role=Role.ADMIN,
        place=Place(x=12.5, y=-3.25, z=1e6),
        guild="Night Watch",
        scores=[10, 250, 70_000, 4, 4_000_000_000, 0, 12, 13],
        is_online=True,
    )


def market() -> Market:
    """The message of many structs: each time the same."""
    dice = random.Random(1)
    return Market(
        trades=[
            Trade(
                id=dice.getrandbits(48),
                symbol=dice.choice(("ABC", "LONGER.X", "EURUSD")),
                side=dice.choice((Side.BUY, Side.SELL)),
                price=dice.uniform(1, 1000),
                size=dice.randrange(10_000),
                note=dice.choice((None, "by hand")),
            )
            for _ in range(TRADES)
        ]
    )
