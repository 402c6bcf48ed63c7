"""What the two programs say to each other; shared by both, and the only declaration."""

from __future__ import annotations

import enum

from lazyipc import TaggedUnion


class Message(TaggedUnion):
    """Either side may send any of them, and answer with any of them."""


class HowAreYou(Message):
    """A question."""


class Good(Message):
    """Its answer."""


class GoodToHear(Message):
    """Said to that, and not answered."""


class MakeMeASandwich(Message):
    """A wish."""


class SandwichComponent(enum.Enum):
    """What a sandwich is made of."""

    BREAD = "bread"
    PEANUT_BUTTER = "peanut butter"
    JELLY = "jelly"


class ASandwich(Message):
    """The wish come true."""

    parts: list[SandwichComponent]
