"""The hello of a peer: its key, its limits, its schema; and what is told of two schemas.

Source: docs/protocol.md, "RPC". Knows no frames and no order of steps.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from lazyipc._core.messages import DESCRIPTION_BYTES
from lazyipc._core.record import Value
from lazyipc.errors import RemoteProtocolError, SchemaMismatch

VERSION = 1
"""Of what two peers speak."""

HELLO_BYTES = 2 * DESCRIPTION_BYTES + 8192
"""How long a hello may be: a description is text within JSON, which may double it. It is read
before its key was seen, so it is no longer than it must be."""

NUMBER_LIMIT = 2**63
"""What a limit in a hello is below."""

SchemaCheck = Literal["enforce", "warn", "off"]
"""What a mismatch does: it ends the connection, it is told, or nobody looks."""

UNFIT = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What meets who reads JSON that is not what it should be."""


class SchemaStatus(Value):
    """How the schemas of two peers compare.

    Args:
        kind: `matched`: both know the same messages, each alike. `compatible`: they have messages
            in common, and none that they describe differently. `mismatch`: they have not.
            `disabled`: one side does not check. `failed`: the other's description cannot be read.
        difference: what differs, for people, a line for each thing; empty where nothing does.
        ours: our description as JSON text.
        theirs: the other side's.
        reason: why it failed.

    >>> SchemaStatus("matched").is_success
    True
    """

    kind: Literal["matched", "compatible", "mismatch", "disabled", "failed"]
    difference: str = ""
    ours: str = ""
    theirs: str = ""
    reason: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the schemas were compared and fit."""
        return self.kind in ("matched", "compatible")

    def assert_success(self) -> None:
        """See that the schemas were compared and fit.

        Raises:
            SchemaMismatch: they do not, or were not compared.
        """
        if self.is_success:
            return
        told = self.difference
        if self.kind == "disabled":
            told = "the schemas were not compared: one side has schema_check='off'"
        elif self.kind == "failed":
            told = f"the schemas could not be compared: {self.reason}"
        raise SchemaMismatch(told, ours=self.ours, theirs=self.theirs)


class Hello(Value):
    """What a side says of itself before anything else.

    Args:
        key: the client's; the server says none.
        message_bytes: the longest message it takes: request, notification or reply.
        calls: how many unfinished messages the other side may have with it.
        in_bytes: how many bytes these may have together.
        schema: its description; None where it does not check.
    """

    key: str
    message_bytes: int
    calls: int
    in_bytes: int
    schema: str | None

    def encode(self) -> bytes:
        """The payload of its frame."""
        told: dict[str, Any] = {"version": VERSION}
        if self.key:
            told["key"] = self.key
        told["message_bytes"] = self.message_bytes
        told["calls"] = self.calls
        told["in_bytes"] = self.in_bytes
        told["schema"] = self.schema
        return json.dumps(told, separators=(",", ":")).encode()


def read_hello(payload: bytes) -> Hello:
    """The hello that a frame carries.

    Raises:
        RemoteProtocolError: it is none, or of another version.
    """
    try:
        told = json.loads(payload.decode())
        version = told["version"]
        if version != VERSION or type(version) is not int:
            shown = json.dumps(version)[:100]
            raise RemoteProtocolError(f"the other side speaks RPC {shown}, this one {VERSION}")
        return Hello(
            key=_text(told, "key") or "",
            message_bytes=_number(told, "message_bytes"),
            calls=_number(told, "calls"),
            in_bytes=_number(told, "in_bytes"),
            schema=_text(told, "schema"),
        )
    except UNFIT as error:
        raise RemoteProtocolError(f"no hello of a peer: {str(error)[:200]}") from error


def _number(told: dict[str, Any], name: str) -> int:
    number = told[name]
    if type(number) is not int or not 0 < number < NUMBER_LIMIT:
        raise ValueError(f"{name} must be an integer from 1 to 2**63 - 1")
    return number


def _text(told: dict[str, Any], name: str) -> str | None:
    text = told.get(name)
    if not (text is None or isinstance(text, str)):
        raise ValueError(f"{name} must be text")
    return text
