"""What a server counts. Knows numbers only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the server began; `clients` is now.

    >>> from lazyipc import Command
    >>> from lazyipc.testing import joined
    >>> class Order(Command[None]): "Commands of a demo."
    >>> class Ping(Order):
    ...     def process(self, context: None) -> bool: return True
    >>> with joined(Order, None) as link:
    ...     print(link.send(Ping()), link.stats.commands, link.stats.rejected)
    True 1 0
    """

    clients: int = 0
    polls: int = 0
    """Calls of `handle_new_messages`."""
    accepted: int = 0
    refused: int = 0
    """Connections of users that may not speak to this server, or that it had no means to watch."""
    pauses: int = 0
    """Times that accepting paused: `Limits.clients` were there, or the system had no descriptor."""
    dropped: int = 0
    """Connections closed because the client broke a rule or a limit."""
    too_slow: int = 0
    """Those of them closed for `Limits.half_message_seconds`."""
    commands: int = 0
    """Commands run, whatever came of them."""
    failed: int = 0
    """Commands whose `process` raised something unexpected, or returned something undeclared."""
    rejected: int = 0
    """Requests answered with an error and not run."""
    expired: int = 0
    """Those of them whose deadline had passed before their turn."""
    too_large: int = 0
    """Requests, streams and responses over `Limits.message_bytes`, `elements` or `depth`."""
    deferred: int = 0
    """Polls that left something for the next one: messages, seconds or accepts were used up."""
    backlogs: int = 0
    """Times that a reply had to wait for a client that did not read."""
    unlogged: int = 0
    """Log records held back because clients caused too many of one kind."""
    received_bytes: int = 0
    sent_bytes: int = 0
    described: int = 0
    """Requests for the description or for these counts that were answered."""
    turns: int = 0
    """Polls that found something; the one under way is not counted yet."""
    turn_seconds: float = 0.0
    """How long those took together."""
    longest_turn_seconds: float = 0.0
    """How long the longest of them took."""


class Traffic(Protocol):
    """What one client moved so far."""

    received_bytes: int
    sent_bytes: int


COUNTED = tuple(
    name for name in Stats.__slots__ if name != "clients" and not name.endswith("_seconds")
)
"""What is told as it is counted."""


class Counts:
    """The same counts while they change."""

    __slots__ = (*COUNTED, "longest_turn_ns", "turn_ns")

    def __init__(self) -> None:
        self.polls = 0
        self.accepted = self.refused = self.pauses = self.dropped = self.too_slow = 0
        self.commands = self.failed = self.rejected = self.expired = self.too_large = 0
        self.deferred = self.backlogs = self.unlogged = 0
        self.received_bytes = self.sent_bytes = 0
        self.described = self.turns = self.turn_ns = self.longest_turn_ns = 0

    def told(self, sessions: Collection[Traffic], idle_polls: int) -> Stats:
        """What is told of them.

        Args:
            sessions: those of the clients who are connected.
            idle_polls: how many polls were not counted yet.
        """
        counted = {name: getattr(self, name) for name in COUNTED}
        counted["polls"] += idle_polls
        counted["received_bytes"] += sum(session.received_bytes for session in sessions)
        counted["sent_bytes"] += sum(session.sent_bytes for session in sessions)
        return Stats(
            clients=len(sessions),
            turn_seconds=self.turn_ns / 1e9,
            longest_turn_seconds=self.longest_turn_ns / 1e9,
            **counted,
        )
