"""The limits of a server, each with its reason; none is unbounded by default."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from lazyipc._core.codec import (
    DEFAULT_DEPTH,
    DEFAULT_ELEMENTS,
    DEFAULT_LINE_BYTES,
    DEFAULT_MESSAGE_BYTES,
    MAX_DEPTH,
)

ENVELOPE_BYTES = 1024
"""What the wires put around a message, at most: a frame's header, or a line's id and brackets."""

LONGEST_SECONDS = 1e9
"""math.inf in numbers: thirty years."""

TWICE_MESSAGE_BYTES: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may take of the host; see each field.

    Raises:
        ValueError: a limit is not positive, or no whole number where it is one of bytes or of how
            many; `depth` is over 128; or a client's buffers have no room
            for one message.

    >>> Limits(message_bytes=4096).clients
    1024
    """

    message_bytes: int = DEFAULT_MESSAGE_BYTES
    """The longest message either way, in bytes."""
    line_bytes: int = DEFAULT_LINE_BYTES
    """The longest line of JSON that a client may send, in bytes: text takes many times as long to
    read as a message that says the same, and a line is read in one piece."""
    elements: int = DEFAULT_ELEMENTS
    """How many elements the sequences of one message may have together: an element of one byte
    costs a hundred in memory."""
    depth: int = DEFAULT_DEPTH
    """How many times a recursive type may stand inside itself in a command, up to 128."""
    clients: int = 1024
    """How many connections are kept; the next ones wait in the kernel's queue."""
    accepts_per_poll: int = 64
    """How many connections one poll accepts: a flood of connects must not become a long poll."""
    in_bytes: int = TWICE_MESSAGE_BYTES
    """How many bytes are kept of what one client sent and was not served yet; the rest waits in
    the kernel. Twice `message_bytes` unless set, and 1,024 more than it at least."""
    out_bytes: int = TWICE_MESSAGE_BYTES
    """How many bytes of replies are kept for one client that does not take them; it is not served
    on meanwhile. Twice `message_bytes` unless set, and 1,024 more than it at least."""
    half_message_seconds: float = 30.0
    """How long a client may take to finish a message it began, or to take a reply."""
    messages_per_poll: int = 1024
    """How many commands one poll runs unless the call says otherwise."""
    seconds_per_poll: float = 0.010
    """After how many seconds a poll begins no further command unless the call says otherwise:
    10 ms leave a 60 Hz host most of its frame."""

    def __post_init__(self) -> None:
        one_message = self.message_bytes + ENVELOPE_BYTES
        for name in ("in_bytes", "out_bytes"):
            if getattr(self, name) is TWICE_MESSAGE_BYTES:
                object.__setattr__(self, name, max(2 * self.message_bytes, one_message))
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"Limits.{field.name} must be positive")
            if "seconds" not in field.name and type(getattr(self, field.name)) is not int:
                raise ValueError(f"Limits.{field.name} must be a whole number")
        if self.depth > MAX_DEPTH:
            raise ValueError(f"Limits.depth must be at most {MAX_DEPTH}")
        for name in ("in_bytes", "out_bytes"):
            if getattr(self, name) < one_message:
                raise ValueError(
                    f"Limits.{name} must have room for one message: message_bytes and "
                    f"{ENVELOPE_BYTES} more, {one_message} in all"
                )


def in_ns(seconds: float) -> int:
    """A limit of time in whole nanoseconds; what is no time at all, NaN too, is none.

    >>> in_ns(0.25), in_ns(-1.0)
    (250000000, 0)
    """
    return int(min(seconds, LONGEST_SECONDS) * 1e9) if seconds > 0 else 0
