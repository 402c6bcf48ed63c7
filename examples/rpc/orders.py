"""What a worker and the program that steers it tell each other: commands, which both sides run.

Each is run by the side that gets it, with that side's context.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from lazyipc import U64, Command, CommandFailed, Response
from lazyipc.rpc import current_peer


@dataclass
class Work:
    """The worker's context."""

    chunk: int = 1000
    """How many numbers it looks at between two looks around."""


@dataclass
class Watch:
    """The parent's context."""

    reports: asyncio.Queue[Progress] = field(default_factory=asyncio.Queue)


class Reply(Response):
    """What commands are answered with."""


class Primes(Reply):
    """How many there are."""

    count: U64


class Talk(Command[Any]):
    """What one side tells the other."""


class CountPrimes(Talk, timeout=60):
    """Count the primes below a number, and tell how far that is. To the worker."""

    below: U64

    async def process(self, context: Work) -> Primes:
        """Look at a chunk of numbers at a time; in between, other messages are handled."""
        if self.below > 10_000_000:
            raise CommandFailed(f"{self.below} is too far for this example")
        parent = current_peer()
        count = start = 0
        try:
            while start < self.below:
                stop = min(start + context.chunk, self.below)
                count += sum(map(is_prime, range(start, stop)))
                start = stop
                await parent.notify(Progress(done=start, total=self.below))
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            print(f"worker | told to stop before {self.below}", flush=True)
            raise
        return Primes(count=count)


class SetChunk(Talk):
    """Look around less often, or more. To the worker."""

    size: U64

    def process(self, context: Work) -> None:
        """Takes effect with the next chunk, of a count under way, too."""
        print(f"worker | chunks of {self.size} from now on", flush=True)
        context.chunk = max(self.size, 1)


class Progress(Talk):
    """How far a count is. To the parent."""

    done: U64
    total: U64

    def process(self, context: Watch) -> None:
        """Show it, and keep it for who waits for it."""
        print(f"parent | {self.done} of {self.total}", flush=True)
        context.reports.put_nowait(self)


def is_prime(number: int) -> bool:
    """Whether a number has no divisor but one and itself."""
    if number % 2 == 0 or number < 3:
        return number == 2
    return all(number % divisor for divisor in range(3, int(number**0.5) + 1, 2))
