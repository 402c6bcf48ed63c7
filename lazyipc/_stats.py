"""What a server counts. Knows numbers only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the server began; `clients` is now."""

    clients: int = 0
    accepted: int = 0
    refused: int = 0
    """Connections of users that may not speak to this server."""
    dropped: int = 0
    """Connections closed because the client broke a rule or a limit."""
    commands: int = 0
    """Commands run, whatever came of them."""
    failed: int = 0
    """Commands whose `process` raised something unexpected, or returned something undeclared."""
    rejected: int = 0
    """Requests answered with an error and not run."""
    received_bytes: int = 0
    sent_bytes: int = 0


class Counts:
    """The same counts while they change."""

    __slots__ = tuple(name for name in Stats.__slots__ if name != "clients")

    def __init__(self) -> None:
        self.accepted = self.refused = self.dropped = 0
        self.commands = self.failed = self.rejected = 0
        self.received_bytes = self.sent_bytes = 0
