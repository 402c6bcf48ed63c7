"""What comes back of a call, as bytes for stdout: JSON for programs, text for people.

Knows values and errors; no servers, no click.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lazyipc.cli._failure import message_of
from lazyipc.cli._shown.safe import safe_json
from lazyipc.cli._words.atoms import BadWord
from lazyipc.cli._words.json import BadJson
from lazyipc.errors import (
    CommandFailed,
    DecodeError,
    Disconnected,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaMismatch,
    UnexpectedReply,
)

if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from lazyipc._core.description.model import CommandInfo, Description
    from lazyipc.cli._shown.output import Output

_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (CommandFailed, 2),
    (NotPermitted, 3),
    (UnexpectedReply, 4),
    (RemoteError, 1),
    (DecodeError, 5),
    (BadWord, 5),
    (MessageTooLarge, 6),
    (SchemaMismatch, 7),
    (ReplyTimeout, 8),
    (RemoteProtocolError, 9),
)
"""The wire's code of each error (docs/protocol.md, "Error"), the narrower class first."""


def encoded(value: Any) -> bytes:
    """A value as one line of JSON, of which a terminal obeys nothing.

    >>> encoded({"Ok": "\\x9b"})
    b'{"Ok":"\\\\u009b"}\\n'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return safe_json(text).encode() + b"\n"


def problem(error: BaseException, line: int) -> dict[str, Any]:
    """An error as the object that JSON lines have for it.

    Args:
        line: the line of stdin that it is about.
    """
    kind = "DecodeError" if isinstance(error, BadWord) else type(error).__name__
    place: dict[str, Any] = {"line": line}
    if isinstance(error, RemoteError):
        kind, message = error.kind, error.message
    elif isinstance(error, BadJson):
        place["column"] = error.column
        message = f"line {line}, column {error.column}: {error.told}"
    else:
        message = f"line {line}: {message_of(error)}"
    told = {"kind": kind, "message": message, **place}
    code = next((code for cls, code in _CODES if isinstance(error, cls)), None)
    if code is not None:
        told = {"code": code, **told}
    path = getattr(error, "field" if isinstance(error, BadWord) else "path", "")
    if path and code == 5:
        told["path"] = path
    if isinstance(error, ReplyTimeout | Disconnected):
        told["started"] = error.started
    return told


def show(value: Any, command: CommandInfo, description: Description, out: Output) -> None:
    """Print a response: for people where they look, else as JSON."""
    if not out.is_terminal:
        out.print_json(value)
    elif type(value) is not str and isinstance(value, str):  # the text of what JSON cannot tell
        out.text(value)
    else:
        from lazyipc.cli._shown.form import form

        told = form(value, command.response, description.definitions, width=out.width)
        out.text(told, multiline=True)


def binary_stdout() -> BinaryIO:
    """Stdout for bytes; whoever writes there flushes."""
    sys.stdout.flush()
    return sys.stdout.buffer
