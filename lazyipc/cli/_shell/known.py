"""What the shell knows of its server, and whether the process that told it still runs.

The status page says at any time which process that is, without a byte from the server. Knows
descriptions and pages; not lines, not terminals.
"""

from __future__ import annotations

from collections.abc import Callable

from lazyipc._core.description.model import Description
from lazyipc._core.nearest import UnknownName
from lazyipc._core.record import Value
from lazyipc._io.status_page import Status
from lazyipc.cli._shown.naming import definitions_in
from lazyipc.cli._shown.safe import shown
from lazyipc.errors import IpcError

MOST_DIFFERENCES = 20
"""How many differences are told; `describe` shows what there is now."""


class Change(Value):
    """Another process answers now: what it and the one before it told of themselves."""

    old: Description
    new: Description

    @property
    def is_of_commands(self) -> bool:
        """Whether its commands are others, or described otherwise."""
        return self.old.fingerprint != self.new.fingerprint

    @property
    def text(self) -> str:
        """What is told of it: a line, and one for each difference."""
        old, new = self.old.server, self.new.server
        pids = f" (pid {old.pid} → {new.pid})" if old.pid != new.pid else ""
        told = f"{shown(new.name)} was restarted{pids}"
        if not self.is_of_commands:
            return f"{told}; its commands are the same"
        lines = [f"  {shown(line)}" for line in differences(self.old, self.new)]
        if not lines:
            return f"{told}; its commands are described in other words"
        if len(lines) > MOST_DIFFERENCES:
            lines[MOST_DIFFERENCES:] = [f"  and {len(lines) - MOST_DIFFERENCES} more"]
        return "\n".join([f"{told} and its commands have changed:", *lines])

    def concerns(self, name: str) -> bool:
        """Whether what somebody typed for a command may now mean something else."""
        return _meaning(self.old, name) != _meaning(self.new, name)


def _meaning(description: Description, name: str) -> object:
    """What the words of a command's line depend on."""
    try:
        command = description.command(name)
    except UnknownName:
        return None
    definitions = description.definitions
    needed = {key: definitions[key] for key in definitions_in(command.request, definitions)}
    return command.name, command.fingerprint, needed


def differences(old: Description, new: Description) -> list[str]:
    """How two descriptions differ, a line for each difference."""
    from lazyipc._core.description.compared.comparison import compare  # only after a restart

    return [shown(f"{each.path}: {each.text}") for each in compare(old, new)]


class Known:
    """A server's description, as far as it is known.

    Args:
        fetch: asks the server for it, within seconds; None is the usual time.
        read_status: reads the server's status page.
    """

    def __init__(
        self,
        fetch: Callable[[float | None], Description],
        read_status: Callable[[], Status | None],
    ) -> None:
        self._fetch = fetch
        self._read_status = read_status
        self._tried: tuple[int, int] | None = None
        self.description: Description | None = None

    @property
    def is_current(self) -> bool:
        """Whether the process that runs is the one that is described, as far as can be seen.

        Where nothing runs, what is known is as good as anything.
        """
        return self._is_of(self._read_status())

    def _is_of(self, status: Status | None) -> bool:
        if self.description is None:
            return False
        if status is None or not status.is_locked:
            return True
        return _process(self.description) == (status.pid, status.start_ns, status.clock.hex())

    def refresh(self, seconds: float | None = None) -> Change | None:
        """Have the description of the process that runs; what has changed, if it is another one.

        Args:
            seconds: how long it may take; None is the usual time.

        Raises:
            IpcError: the server cannot be asked.
        """
        return None if self.is_current else self._ask(seconds)

    def try_refresh(self, seconds: float) -> Change | None:
        """The same for somebody who types: a server that is busy is asked once, and no longer.

        Args:
            seconds: how long it may take.
        """
        status = self._read_status()
        process = None if status is None else (status.pid, status.start_ns)
        if self._is_of(status) or process == self._tried:
            return None
        self._tried = process
        try:
            return self._ask(seconds)
        except IpcError:
            return None  # told when a line is run

    def _ask(self, seconds: float | None) -> Change | None:
        old, new = self.description, self._fetch(seconds)
        self.description = new
        return None if old is None or _process(old) == _process(new) else Change(old, new)


def _process(description: Description) -> tuple[int, int | None, str]:
    """What tells two runs of a program apart."""
    server = description.server
    return server.pid, server.start_ns, server.clock
