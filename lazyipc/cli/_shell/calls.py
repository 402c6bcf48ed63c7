"""How the shell calls a command: as a line of JSON over its one connection, if that is taken.

Of a server that takes frames alone, classes are made from its description, and each call has a
connection of its own. Knows clients and JSON values; no words, no terminal.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from lazyipc._core.description.model import CommandInfo, Description
from lazyipc._plain_client import PlainClient
from lazyipc.cli._words.words import line_of
from lazyipc.errors import Started

if TYPE_CHECKING:
    from lazyipc._core.description.rebuilt.classes import Classes


class Caller:
    """Calls one server's commands.

    Args:
        client: the connection to it.
    """

    def __init__(self, client: PlainClient) -> None:
        self._client = client
        self._classes: Classes | None = None

    @property
    def last_started(self) -> Started:
        """Of a call that an interrupt ended: whether its command may have begun to run."""
        return self._client.last_started

    def call(
        self,
        description: Description,
        command: CommandInfo,
        fields: dict[str, Any],
        timeout: float | None,
    ) -> Any:
        """Call a command; its response as JSON has it.

        Args:
            fields: the JSON object of its fields.
            timeout: seconds; None is as the command says, else the usual.

        Raises:
            BadWord: a field is not what the command takes.
            IpcError: the call failed.
        """
        self._client.last_started = "unknown"  # if an interrupt comes where nobody looks
        seconds = command.timeout if timeout is None else timeout
        if "JSON" in description.server.wires:
            return self._client.call(line_of(command, description, fields), seconds)
        # Here, because this loads pydantic, and most servers take JSON.
        from lazyipc._core.description.rebuilt.classes import classes_of
        from lazyipc.cli._typed import built, sender

        if self._classes is None or self._classes.description is not description:
            self._classes = classes_of(description)
        model = self._classes.commands[command.name]
        with ExitStack() as stack:
            send = sender(built(model, fields), self._client.path, "framed", seconds, stack)
            return send()
