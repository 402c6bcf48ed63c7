"""What the hosts with a World are told: plain, asyncio, pygame, Qt and Tk share it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lazyipc import F64, U64, Command, CommandFailed, Response


@dataclass
class World:
    """A program's state: what its own work changes, and what commands look at and change."""

    turns: int = 0
    speed: float = 1.0
    is_running: bool = True


class Answer(Response):
    """What a host answers."""


class Seen(Answer):
    """How the world stands."""

    turns: U64
    speed: F64


class Stopping(Answer):
    """The host ends by itself, and in order."""

    turns: U64


class Order(Command[World]):
    """What a host can be told."""


class Look(Order):
    """See how the world stands."""

    def process(self, context: World) -> Seen:
        """Read, change nothing."""
        return Seen(turns=context.turns, speed=context.speed)


class SetSpeed(Order):
    """Change the speed while the world runs."""

    speed: F64

    def process(self, context: World) -> Seen:
        """Refuse what makes no sense; else it holds from the next turn on."""
        if not 0 <= self.speed <= 100:
            raise CommandFailed(f"a speed of {self.speed} makes no sense; it goes from 0 to 100")
        context.speed = self.speed
        return Seen(turns=context.turns, speed=context.speed)


class Ponder(Order):
    """Take long: the host's loop stands still meanwhile, whatever the loop is."""

    seconds: F64

    def process(self, context: World) -> Seen:
        """Hold everybody up."""
        time.sleep(min(self.seconds, 1.0))
        return Seen(turns=context.turns, speed=context.speed)


class Stop(Order):
    """End in order."""

    def process(self, context: World) -> Stopping:
        """Only say so: the host ends itself where that is safe, after this was answered."""
        context.is_running = False
        return Stopping(turns=context.turns)
