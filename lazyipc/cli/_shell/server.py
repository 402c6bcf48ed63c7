"""The server behind a shell: its one connection, and how what it tells of itself is shown.

Knows a client and the views of `lazyipc`'s sub-commands; not where lines come from.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from lazyipc._description_cache import cached_description
from lazyipc._io.runtime_dir import name_of
from lazyipc._io.status_page import read_status
from lazyipc._plain_client import PlainClient
from lazyipc.cli._failure import DONE
from lazyipc.cli._shell.calls import Caller
from lazyipc.cli._shell.help import command_named
from lazyipc.cli._shell.known import Known
from lazyipc.cli._shell.session import Session
from lazyipc.cli._shell.waiting import waiting

if TYPE_CHECKING:
    from lazyipc._core.description.model import Description
    from lazyipc._io.status_page import Status
    from lazyipc.cli._shown.output import Output


class Server:
    """The server that lines are for, and how what it tells of itself is shown.

    Args:
        client: the connection to it.
        name: what its user calls it.
        out: where results are shown.
    """

    def __init__(self, client: PlainClient, name: str, out: Output) -> None:
        self.path = client.path
        self._client = client
        self._name = name
        self._out = out
        self._fd: int | None = None

    def session(
        self, notice: Callable[[str], None], seconds: float | None, fd: int | None
    ) -> Session:
        """A session with it, whichever way lines come.

        Args:
            notice: tells the user of what happened besides.
            seconds: the timeout to begin with.
            fd: the terminal that a long wait is told on; None where there is none.
        """
        self._fd = fd
        session = Session(
            Caller(self._client),
            Known(self._fetch, self._page),
            self._show,
            self._out,
            notice,
            self._wait,
        )
        session.timeout = seconds
        return session

    def _page(self) -> Status | None:
        return read_status(self.path)

    def _wait(self) -> AbstractContextManager[None]:
        return waiting(self._page, self._fd)

    def _fetch(self, seconds: float | None) -> Description:
        return cached_description(self.path, lambda: self._client.describe(seconds))

    def _show(self, name: str, word: str | None, seconds: float | None) -> int:
        """Show what the server tells of itself, as the sub-command of that name does."""
        out = self._out
        if name == "status":
            from lazyipc.cli._views.status import show_page

            return show_page(out, self.path)
        if name == "stats":
            from lazyipc.cli._views.stats import show_stats

            with self._wait():
                told = self._client.stats(seconds)
            show_stats(out, told, name_of(self.path))
            return DONE
        from lazyipc.cli._views.describe import part_of, show_command, show_set

        with self._wait():
            description = self._client.describe(seconds)
        command = None if word is None else command_named(description, word)
        if not out.is_terminal:
            told = description.document if command is None else part_of(description, command)
            out.print_json(told)
        elif command is None:
            show_set(out, description)
        else:
            show_command(out, description, command, self._name)
        return DONE
