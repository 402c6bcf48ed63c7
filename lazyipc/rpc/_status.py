"""What a connection tells of itself. Knows words only."""

from __future__ import annotations

from typing import Literal

from lazyipc._core.record import Value
from lazyipc.errors import IpcError


class ConnectionStatus(Value):
    """Where a connection, or a server, stands.

    Args:
        kind: "waiting" until the other side is there and both have agreed, "connected", "closed"
            after an end that one side announced, "failed" after any other.
        reason: why it failed.

    >>> match ConnectionStatus("failed", IpcError("reset")):
    ...     case ConnectionStatus(kind="failed", reason=reason):
    ...         print(reason)
    reset
    """

    kind: Literal["waiting", "connected", "closed", "failed"]
    reason: IpcError | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the connection is over, for good or ill."""
        return self.kind in ("closed", "failed")

    def __str__(self) -> str:
        return self.kind if self.reason is None else f"{self.kind}: {self.reason}"


WAITING = ConnectionStatus("waiting")
CONNECTED = ConnectionStatus("connected")
CLOSED = ConnectionStatus("closed")
