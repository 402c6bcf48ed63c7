"""The limits of a peer, each with its reason; none is unbounded by default."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from lazyipc._aio.stream import OUT_BYTES
from lazyipc._core.codec import (
    DEFAULT_DEPTH,
    DEFAULT_ELEMENTS,
    DEFAULT_MESSAGE_BYTES,
    MAX_DEPTH,
)

TWICE_MESSAGE_BYTES: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcLimits:
    """What the other side may take of this one; see each field.

    Raises:
        ValueError: a limit is not positive, or no whole number where it is one of bytes or of how
            many; `depth` is over 128; or `in_bytes` has no room for one message.

    >>> RpcLimits(running=8).calls_per_peer
    1024
    """

    message_bytes: int = DEFAULT_MESSAGE_BYTES
    """The longest message either way, in bytes."""
    elements: int = DEFAULT_ELEMENTS
    """How many elements the sequences of one message may have together."""
    depth: int = DEFAULT_DEPTH
    """How many times a recursive type may stand inside itself in a message, up to 128."""
    peers: int = 1024
    """How many connections a server keeps; the next ones wait in the kernel's queue."""
    calls_per_peer: int = 1024
    """How many messages of one peer may be unfinished here; it is told, and waits with the rest."""
    in_bytes: int = TWICE_MESSAGE_BYTES
    """After how many bytes in those messages together it waits. Twice `message_bytes` unless set.
    """
    running: int = 256
    """How many handlers run at once, those of all peers of a server together."""
    out_bytes: int = OUT_BYTES
    """After how many unsent bytes to one peer what is sent to it has to wait."""
    handshake_seconds: float = 10.0
    """How long whoever connects may take to say who it is and what it speaks."""

    def __post_init__(self) -> None:
        if self.in_bytes is TWICE_MESSAGE_BYTES:
            object.__setattr__(self, "in_bytes", 2 * self.message_bytes)
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or not value > 0:
                raise ValueError(f"RpcLimits.{field.name} must be a positive number")
            if "seconds" not in field.name and type(value) is not int:
                raise ValueError(f"RpcLimits.{field.name} must be a whole number")
        if self.depth > MAX_DEPTH:
            raise ValueError(f"RpcLimits.depth must be at most {MAX_DEPTH}")
        if self.in_bytes < self.message_bytes:
            raise ValueError("RpcLimits.in_bytes must have room for one message: message_bytes")
