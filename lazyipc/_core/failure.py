"""Errors as they travel: an exception to the payload of an error frame, and back.

Source: docs/protocol.md, "Errors". Knows no frames and no connection.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

from lazyipc.errors import (
    CommandFailed,
    DecodeError,
    IpcError,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaMismatch,
    UnexpectedReply,
)

REMOTE_ERROR = 1
COMMAND_FAILED = 2
NOT_PERMITTED = 3
UNEXPECTED_REPLY = 4
DECODE_ERROR = 5
MESSAGE_TOO_LARGE = 6
SCHEMA_MISMATCH = 7
EXPIRED = 8
PROTOCOL_ERROR = 9

TEXT_LIMIT = 10_000
"""Characters of one text in an error frame: a traceback's message may be any length."""

_REMOTE: dict[int, type[RemoteError]] = {
    REMOTE_ERROR: RemoteError,
    COMMAND_FAILED: CommandFailed,
    NOT_PERMITTED: NotPermitted,
    UNEXPECTED_REPLY: UnexpectedReply,
}


class Failure(NamedTuple):
    """The payload of an error frame. Wire: u32 code, then three strings; `detail` is JSON."""

    code: int
    kind: str
    message: str
    detail: str

    def encode(self) -> bytes:
        data: bytes = _codec().encode(tuple(self))
        return data


@cache
def _codec() -> Any:
    # Here, because errors of JSON lines need no codec, and who reads those may do without pydantic.
    from lazyipc._core.compiled import codec_of
    from lazyipc._core.scalars import U32

    return codec_of(tuple[U32, str, str, str])


def failure_of(error: BaseException) -> Failure:
    """What a peer is told of an exception."""
    kind = type(error).__name__
    match error:
        case RemoteError():
            codes = {cls: code for code, cls in _REMOTE.items()}
            code = next(codes[cls] for cls in type(error).__mro__ if cls in codes)
            return _failure(code, error.kind, error.message)
        case DecodeError():
            path, reason = _text(error.path), _text(error.reason)
            detail = {"offset": error.offset, "path": path, "reason": reason}
            return _failure(DECODE_ERROR, kind, str(error), detail)
        case MessageTooLarge():
            detail = {
                "what": _text(error.what),
                "size_bytes": error.size_bytes,
                "limit_bytes": error.limit_bytes,
            }
            return _failure(MESSAGE_TOO_LARGE, kind, str(error), detail)
        case SchemaMismatch():
            failure = _failure(SCHEMA_MISMATCH, kind, error.difference)
            return failure._replace(detail=error.ours or "{}")
        case ReplyTimeout():
            return _failure(EXPIRED, kind, str(error))
        case RemoteProtocolError():
            return _failure(PROTOCOL_ERROR, kind, str(error))
    return _failure(REMOTE_ERROR, kind, str(error))


def remote_error_of(error: BaseException) -> RemoteError:
    """What a peer is told of an exception that its message caused: expected, or not."""
    kind = type(error).__name__
    if isinstance(error, CommandFailed):
        # A subclass may have made itself otherwise than CommandFailed does.
        message, own_kind = getattr(error, "message", None), getattr(error, "kind", None)
        text = message if isinstance(message, str) else _text_of(error)
        return CommandFailed(text, kind=own_kind if isinstance(own_kind, str) else kind)
    return RemoteError(_text_of(error), kind=kind)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as unprintable:  # noqa: BLE001 told to the peer
        return f"its text cannot be told: {type(unprintable).__name__}"


def expired(late_seconds: float) -> ReplyTimeout:
    """What a peer is told of a message whose deadline came before its turn."""
    return ReplyTimeout(
        f"its deadline had passed {late_seconds:.3f} s before its turn; it was not run",
        started="no",
    )


def _failure(code: int, kind: str, message: str, detail: dict[str, Any] | None = None) -> Failure:
    return Failure(code, _text(kind), _text(message), json.dumps(detail or {}, ensure_ascii=False))


def _text(text: str) -> str:
    """Bounded, and valid UTF-8 whatever an exception's message holds."""
    return text[:TEXT_LIMIT].encode(errors="backslashreplace").decode()


def read_failure(data: Any, start: int, end: int) -> Failure:
    """Decode the payload of an error frame.

    Raises:
        DecodeError: the bytes are no such payload.
    """
    return Failure(*_codec().decode(data, start, end))


def error_of(failure: Failure) -> IpcError:
    """The exception a failure stands for; a mismatch is told by the catalog, which knows ours.

    Raises:
        DecodeError: the failure's detail is not what its code promises.
    """
    if failure.code in _REMOTE:
        cls = _REMOTE[failure.code]
        own_name = failure.kind == cls.__name__
        return cls(failure.message, kind="" if own_name else failure.kind)
    if failure.code == EXPIRED:
        return ReplyTimeout(failure.message, started="no")
    try:
        detail = json.loads(failure.detail)
        if failure.code == DECODE_ERROR:
            return DecodeError(
                str(detail["reason"]), offset=int(detail["offset"]), path=str(detail["path"])
            )
        if failure.code == MESSAGE_TOO_LARGE:
            return MessageTooLarge(
                str(detail["what"]),
                size_bytes=int(detail["size_bytes"]),
                limit_bytes=int(detail["limit_bytes"]),
            )
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise DecodeError(f"detail of an error frame: {error!r}", offset=0) from error
    return RemoteProtocolError(failure.message)


def error_of_object(value: Any) -> IpcError:
    """The exception that an error's object stands for, as JSON lines have it.

    Raises:
        DecodeError: it is no such object.
    """
    try:
        detail = dict(value)
        code, kind, message = detail.pop("code"), detail.pop("kind"), detail.pop("message")
        if code == DECODE_ERROR and "line" in detail:
            line, column = int(detail["line"]), int(detail["column"])
            reason, path = str(detail["reason"]), str(detail["path"])
            return DecodeError(reason, offset=column - 1, path=path, line=line, column=column)
        return error_of(Failure(int(code), str(kind), str(message), json.dumps(detail)))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise DecodeError(f"no object of an error: {error!r}", offset=0) from error
