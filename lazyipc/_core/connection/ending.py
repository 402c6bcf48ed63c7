"""What two peers tell each other of failures: the words, and what they mean to who is told.

Source: docs/protocol.md, "RPC". Knows errors and schemas; no calls, no stream.
"""

from __future__ import annotations

from lazyipc._core.catalog import Entry
from lazyipc._core.connection.comparison import compare, mismatch_of
from lazyipc._core.connection.handshake import OTHER_SERVER, Handshake
from lazyipc._core.failure import (
    SCHEMA_MISMATCH,
    Failure,
    error_of,
    failure_of,
    read_failure,
)
from lazyipc._core.framing import Kind, frame
from lazyipc._core.messages import MessageSet
from lazyipc.errors import (
    DecodeError,
    IpcError,
    MessageTooLarge,
    RemoteError,
    RemoteProtocolError,
    SchemaMismatch,
)


def error_frame(call: int, error: BaseException) -> bytes:
    """The bytes that end a call, or under 0 the connection, with an error."""
    return frame(Kind.ERROR, call, failure_of(error).encode())


def too_large(what: str, size_bytes: int, limit_bytes: int) -> MessageTooLarge:
    """What is said of a message that the other side would not take."""
    what = f"{what} in bytes (what the other side takes)"
    return MessageTooLarge(what, size_bytes=size_bytes, limit_bytes=limit_bytes)


def failed_call(messages: MessageSet, entry: Entry | None, payload: bytes) -> IpcError:
    """Why a call of ours failed.

    Args:
        messages: what we know.
        entry: the message that was asked for; None for a notification.
        payload: of the error frame.

    Raises:
        RemoteProtocolError: it is none.
    """
    failure = read_failure(payload, 0, len(payload))
    if failure.code == SCHEMA_MISMATCH:
        return _mismatch(messages, failure, entry)
    return error_of(failure)


def failed_connection(messages: MessageSet, handshake: Handshake, payload: bytes) -> IpcError:
    """Why the other side ends the connection, from the payload of its error frame.

    Raises:
        RemoteProtocolError: it is none.
    """
    failure = read_failure(payload, 0, len(payload))
    schema = handshake.schema
    if failure.code == SCHEMA_MISMATCH:
        if schema is not None and schema.kind == "mismatch":
            return SchemaMismatch(schema.difference, ours=schema.ours, theirs=schema.theirs)
        return _mismatch(messages, failure, None)
    error = error_of(failure)
    if isinstance(error, RemoteError | MessageTooLarge):
        return error
    told = str(error)
    if handshake.theirs is None and "IpcServer" not in told:  # a lazy server says what it is
        told += f"; {OTHER_SERVER}"
    return RemoteProtocolError(f"the other side ended the connection: {told}")


def _mismatch(messages: MessageSet, failure: Failure, entry: Entry | None) -> SchemaMismatch:
    """Why the other side took no message, or not this one; in our words, where they are found."""
    ours, theirs = messages.description, failure.detail
    try:
        if entry is not None:
            return mismatch_of(messages, entry.name, theirs)
        told = compare(messages, theirs).difference or failure.message
    except DecodeError:
        told = failure.message
    return SchemaMismatch(told, ours=ours, theirs=theirs)
