"""The limits of a server, each with its reason; none is unbounded by default."""

from __future__ import annotations

from dataclasses import dataclass, fields

from lazyipc._core.codec import DEFAULT_DEPTH, DEFAULT_ELEMENTS, DEFAULT_MESSAGE_BYTES, MAX_DEPTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may take of the host; see each field.

    Raises:
        ValueError: a limit is not positive, or `depth` is over 128.

    >>> Limits(message_bytes=4096).clients
    1024
    """

    message_bytes: int = DEFAULT_MESSAGE_BYTES
    """The longest message either way, in bytes."""
    elements: int = DEFAULT_ELEMENTS
    """How many elements the sequences of one message may have together: an element of one byte
    costs a hundred in memory."""
    depth: int = DEFAULT_DEPTH
    """How many times a recursive type may stand inside itself in a command, up to 128."""
    clients: int = 1024
    """How many connections are kept; the next ones wait in the kernel's queue."""
    accepts_per_poll: int = 64
    """How many connections one poll accepts: a flood of connects must not become a long poll."""
    half_message_seconds: float = 30.0
    """How long a client may take to finish a message it began, or to take a reply."""
    messages_per_poll: int = 1024
    """How many commands one poll runs unless the call says otherwise."""
    seconds_per_poll: float = 0.010
    """After how many seconds a poll begins no further command unless the call says otherwise:
    10 ms leave a 60 Hz host most of its frame."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"Limits.{field.name} must be positive")
        if self.depth > MAX_DEPTH:
            raise ValueError(f"Limits.depth must be at most {MAX_DEPTH}")
