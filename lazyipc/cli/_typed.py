"""Calls by classes: a command built and checked by its class, its response as a JSON value.

This loads pydantic. Knows classes, JSON values and `IpcClient`; no words, no stdout.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from lazyipc._client import IpcClient
from lazyipc._core.catalog import entry_of
from lazyipc._core.codec import DEFAULT_ELEMENTS, MAX_DEPTH
from lazyipc._core.connection.json_message import form_of, reply_form
from lazyipc._core.framing import Wire
from lazyipc._core.json_form import Misfit, Room
from lazyipc._core.json_form.rule import path_of
from lazyipc.cli._words.atoms import BadWord
from lazyipc.errors import EncodeError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

WIRES = {"json": Wire.JSON, "framed": Wire.FRAMED, "bare": Wire.BARE}


class Unwritten(str):
    """The text of a response that JSON has no form for."""

    __slots__ = ()


def built(model: type, fields: dict[str, Any]) -> Any:
    """The command of a class that has these fields.

    Raises:
        BadWord: a field is not what the class takes.
        SchemaError: the class has no JSON form.
    """
    try:
        return form_of(entry_of(model).codec).read(fields, Room(DEFAULT_ELEMENTS, MAX_DEPTH))
    except Misfit as misfit:
        raise BadWord(misfit.reason, path_of(misfit.steps)) from misfit


def sender(
    command: Any, path: str, wire: str, timeout: float | None, stack: ExitStack
) -> Callable[[], Any]:
    """What sends a command, again and again over one connection, and gives its response.

    Args:
        command: an instance of its class.
        wire: one of WIRES.
        stack: closes the connection.
    """
    reply = entry_of(type(command)).reply
    client = stack.enter_context(IpcClient(path, timeout=timeout, wire=WIRES[wire]))

    def send() -> Any:
        response = client.send(command)
        try:
            return json.loads(reply_form(reply).write(response))
        except (SchemaError, EncodeError):
            return Unwritten(repr(response))

    return send
