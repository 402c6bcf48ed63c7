"""What a name that no server has may have meant: one that does run.

Knows names of servers. Nothing of it is imported before a name was not found.
"""

from __future__ import annotations

from lazyipc._core.nearest import listed, nearest
from lazyipc._running import running


def servers_instead(name: str) -> str:
    """What does run, in place of a name that does not: `did you mean game? running: game, train`.

    Raises:
        SocketRefused: as `running`.
    """
    names = [each.name for each in running() if each.state in ("alive", "busy")]
    near = [each for each in nearest(name, names) if each != name]
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return meant + listed(names).replace("there are", "running:", 1)
