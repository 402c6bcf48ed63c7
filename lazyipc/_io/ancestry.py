"""Which process descends from which, as far as the system tells.

Knows numbers of processes and /proc. Numbers are used again once a process is gone, so the answer
is good for processes that are known to live while it is asked for.
"""

from __future__ import annotations

GENERATIONS = 64
"""How far up a line is followed; nobody starts processes that deep."""
NO_PARENT = (0, 1)
"""The first process of a system, or of a container, and whoever is outside of it."""


def started_at(pid: int) -> int | None:
    """When a process began, in the system's ticks since its start; None where that is not told."""
    found = _parent_and_start(pid)
    return None if found is None else found[1]


def is_descendant(pid: int, ancestor: int, ancestor_start: int | None) -> bool | None:
    """Whether a process is another one, or descends from it; None where that cannot be known.

    It cannot where a process between them is gone: its children then count as the first process's,
    or as those of whoever takes in orphans.

    Args:
        ancestor_start: `started_at` of the ancestor, which may itself be gone.
    """
    line = pid
    for _ in range(GENERATIONS):
        if line == ancestor:
            return True
        found = None if line in NO_PARENT else _parent_and_start(line)
        if found is None:
            return None
        parent, start = found
        # Nobody is older than whom it descends from. Of its own line that cannot be said: the
        # one who takes in orphans may be older.
        if line == pid and ancestor_start is not None and start < ancestor_start:
            return False
        line = parent
    return None


def _parent_and_start(pid: int) -> tuple[int, int] | None:
    """The number of a process's parent, and when the process began.

    Source: proc(5), /proc/PID/stat: fields 4 and 22. The second one, its name in parentheses, may
    have spaces and parentheses in it.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return int(fields[1]), int(fields[19])
    except (OSError, IndexError, ValueError):
        return None
