"""What a server tells of itself: its description and its counters, as JSON texts.

Knows the numbers and the command set; not who asks, nor how what it tells travels.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Callable
from functools import cached_property
from time import monotonic_ns
from typing import Any

from lazyipc._core.catalog import Catalog
from lazyipc._core.events import DESCRIBE
from lazyipc._core.framing import Wire
from lazyipc._io.runtime_dir import name_of
from lazyipc._io.status_page import Status
from lazyipc._log import ClientLog
from lazyipc._stats import Stats
from lazyipc._version import __version__


class Introspection:
    """What one server tells of itself.

    Args:
        catalog: its command set.
        path: where its socket is.
        wires: what clients may speak.
        version: the program's own; None where it has none.
        status: what its status page tells, or would tell if it had one.
        stats: its counters.
        now_ns: the time, on the clock of the page.
    """

    def __init__(
        self,
        catalog: Catalog,
        path: str,
        wires: Wire,
        version: str | None,
        status: Callable[[], Status],
        stats: Callable[[], Stats],
        now_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._catalog = catalog
        self._path = path
        self._wires = wires
        self._version = version
        self._status = status
        self._stats = stats
        self._now_ns = now_ns

    def prepare(self, log: ClientLog) -> None:
        """Make what takes milliseconds now, while the host starts, and not within its loop.

        Where it cannot be made, who asks for it is told; a server does its work without.
        """
        try:
            _ = self._unchanging
        except Exception as error:  # noqa: BLE001 logged
            log(logging.ERROR, "its description cannot be made", error=error)

    def tell(self, what: str) -> str:
        """What is told to who asks for it, as a JSON object in one line.

        Args:
            what: one of `BUILT_INS`.
        """
        return self.description if what == DESCRIBE else self.stats

    @property
    def description(self) -> str:
        """The command set, and what differs between two runs of one program."""
        before, behind = self._unchanging
        server = {**self._named, **self._run, **self._placed}
        return f"{before}{_json(server)}{behind}"

    @property
    def stats(self) -> str:
        """The counters."""
        interval = self._status().interval_seconds
        return _json({**dataclasses.asdict(self._stats()), **self._run, "interval": interval})

    @cached_property
    def _unchanging(self) -> tuple[str, str]:
        """What stands before and behind the server's part of its description."""
        first, *rest = self._catalog.document.items()
        return f'{_json(dict([first]))[:-1]},"server":', f",{_json(dict(rest))[1:]}"

    @property
    def _run(self) -> dict[str, Any]:
        status = self._status()
        return {
            "pid": os.getpid(),
            "uptime": (self._now_ns() - status.start_ns) / 1e9,
            "start_ns": status.start_ns if status.is_locked else None,
            "clock": status.clock.hex(),
        }

    @property
    def _named(self) -> dict[str, Any]:
        return {"name": name_of(self._path), "version": self._version}

    @property
    def _placed(self) -> dict[str, Any]:
        wires = [wire.name for wire in self._wires]
        return {"library": __version__, "path": self._path, "wires": wires}


def _json(value: dict[str, Any]) -> str:
    """JSON text in one line, which UTF-8 can hold.

    A path, or a docstring, may hold half a surrogate pair; `backslashreplace` makes of it what
    JSON's own escapes would.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace").decode()
