"""How long the call of a typed command may take: as its client says, else its command.

Apart from `_calls`, because it needs what commands are made of, and clients of plain JSON do not.
"""

from __future__ import annotations

from typing import Any

from lazyipc._calls import DEFAULT_TIMEOUT
from lazyipc._core.catalog import entry_of


def seconds_for(command: Any, timeout: float | None) -> float:
    """How long a call may take: as its client says, else its command, else as any call.

    Raises:
        SchemaError: the command cannot travel.
    """
    if timeout is not None:
        return timeout
    own = entry_of(command.__class__).timeout
    return DEFAULT_TIMEOUT if own is None else own
