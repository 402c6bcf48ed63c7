"""Errors as they travel: each class of the tree goes out and comes back as what is promised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lazyipc import errors
from lazyipc._core.failure import TEXT_LIMIT, Failure, error_of, failure_of, read_failure
from lazyipc.errors import (
    ChildExited,
    CommandFailed,
    DecodeError,
    Disconnected,
    EncodeError,
    HostBusy,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    NotPermitted,
    ProtocolError,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
    ServerNotRunning,
    SocketInUse,
    SocketRefused,
    TransportError,
    UnexpectedReply,
)


def travelled(error: BaseException) -> IpcError:
    """An exception as the other side gets it."""
    payload = failure_of(error).encode()
    return error_of(read_failure(payload, 0, len(payload)))


def told(error: BaseException) -> tuple[type, str, dict[str, Any]]:
    """What an exception is made of, but for texts that its class makes itself."""
    return type(error), str(error), vars(error)


SAME: list[IpcError] = [
    RemoteError("it broke"),
    RemoteError("it broke", kind="KeyError"),
    CommandFailed("no such player"),
    CommandFailed(""),
    NotPermitted("Stop is not permitted"),
    UnexpectedReply("int given, str declared"),
    DecodeError("a bool is 0 or 1, not 2", offset=7, path="items[3].a"),
    DecodeError("left over", offset=0),
    MessageTooLarge("frame payload in bytes", size_bytes=2**63, limit_bytes=16),
    ReplyTimeout("its deadline had passed", started="no"),
    RemoteProtocolError("no frame of kind 99"),
]


@pytest.mark.parametrize("error", SAME, ids=repr)
def test_what_a_client_can_act_on_arrives_as_it_left(error: IpcError) -> None:
    assert told(travelled(error)) == told(error)


OTHER: list[tuple[BaseException, type[IpcError], str]] = [
    (IpcError("x"), RemoteError, "IpcError: x"),
    (SchemaError("x"), RemoteError, "SchemaError: x"),
    (EncodeError("x", path="a"), RemoteError, "EncodeError: a: x"),
    (ProtocolError("x"), RemoteError, "ProtocolError: x"),
    (LocalProtocolError("x"), RemoteError, "LocalProtocolError: x"),
    (TransportError("x", path="p"), RemoteError, "TransportError: x"),
    (ServerNotRunning("x"), RemoteError, "ServerNotRunning: x"),
    (SocketInUse("x", pid=5), RemoteError, "SocketInUse: x"),
    (SocketRefused("x"), RemoteError, "SocketRefused: x"),
    (Disconnected("x", started="yes"), RemoteError, "Disconnected: x"),
    (ChildExited("x", returncode=1), RemoteError, "ChildExited: x"),
    (HostBusy("x", last_poll_seconds=1.0), ReplyTimeout, "x"),
    (SchemaMismatch("x", ours="{}"), RemoteProtocolError, "x"),
    (ValueError("x"), RemoteError, "ValueError: x"),
    (KeyboardInterrupt(), RemoteError, "KeyboardInterrupt: "),
]


@pytest.mark.parametrize(("error", "arrives", "text"), OTHER, ids=repr)
def test_what_is_the_servers_own_business_arrives_by_its_name(
    error: BaseException, arrives: type[IpcError], text: str
) -> None:
    arrived = travelled(error)
    assert (type(arrived), str(arrived)) == (arrives, text)


def test_every_error_of_the_tree_is_in_a_table() -> None:
    tree = {getattr(errors, name) for name in errors.__all__}
    classes = {found for found in tree if isinstance(found, type)}
    assert classes <= {type(error) for error in SAME} | {type(error) for error, _, _ in OTHER}


def test_a_subclass_of_the_users_arrives_as_its_base_and_by_its_name() -> None:
    class NoSuchPlayer(CommandFailed):
        pass

    arrived = travelled(NoSuchPlayer("bob"))
    assert isinstance(arrived, CommandFailed)
    assert (type(arrived), arrived.kind, arrived.message) == (CommandFailed, "NoSuchPlayer", "bob")


def test_a_mismatch_carries_the_servers_description() -> None:
    failure = failure_of(SchemaMismatch("no such command", ours='{"version": 1}'))
    assert (failure.code, failure.detail) == (7, '{"version": 1}')


def test_a_timeout_of_the_server_says_that_nothing_ran() -> None:
    arrived = travelled(ReplyTimeout("late", started="unknown"))
    assert isinstance(arrived, ReplyTimeout)
    assert arrived.started == "no"


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "é🦀", "x" * TEXT_LIMIT, "🦀" * TEXT_LIMIT])
def test_any_text_travels(text: str) -> None:
    arrived = travelled(CommandFailed(text))
    assert isinstance(arrived, CommandFailed)
    assert arrived.message == text.encode(errors="backslashreplace").decode()


@pytest.mark.parametrize(
    "error",
    [
        CommandFailed("x" * (TEXT_LIMIT * 3)),
        RemoteError("x" * (TEXT_LIMIT * 3), kind="y" * (TEXT_LIMIT * 3)),
        DecodeError("x" * (TEXT_LIMIT * 3), offset=1, path="y" * (TEXT_LIMIT * 3)),
        MessageTooLarge("x" * (TEXT_LIMIT * 3), size_bytes=2, limit_bytes=1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_text_makes_a_frame_of_any_length(error: IpcError) -> None:
    assert len(failure_of(error).encode()) < 5 * TEXT_LIMIT


def test_the_payload_is_laid_out_as_specified() -> None:
    def text(value: str) -> bytes:
        return len(value).to_bytes(8, "little") + value.encode()

    assert failure_of(CommandFailed("no")).encode() == (
        b"\2\0\0\0" + text("CommandFailed") + text("no") + text("{}")
    )


@pytest.mark.parametrize(
    ("code", "arrives"),
    [
        (1, RemoteError),
        (2, CommandFailed),
        (3, NotPermitted),
        (4, UnexpectedReply),
        (7, RemoteProtocolError),
        (8, ReplyTimeout),
        (9, RemoteProtocolError),
        (10, RemoteProtocolError),
        (2**32 - 1, RemoteProtocolError),
    ],
)
def test_each_code_has_its_class_and_an_unknown_one_is_no_surprise(
    code: int, arrives: type[IpcError]
) -> None:
    arrived = error_of(Failure(code, arrives.__name__, "told", "{}"))
    assert (type(arrived), str(arrived)) == (arrives, "told")


HOSTILE_DETAILS = [
    "",
    "{",
    "null",
    "[]",
    "5",
    '"text"',
    "{}",
    '{"offset": 1}',
    '{"offset": "x", "path": "", "reason": ""}',
    '{"offset": null, "path": "", "reason": ""}',
    '{"offset": [], "path": "", "reason": ""}',
    '{"offset": NaN, "path": "", "reason": ""}',
    '{"offset": Infinity, "path": "", "reason": ""}',
    '{"what": "", "size_bytes": -Infinity, "limit_bytes": 1}',
    '{"what": "", "size_bytes": 1e999, "limit_bytes": 1}',
    '{"what": "", "size_bytes": 1}',
    '{"offset": %s, "path": "", "reason": ""}' % ("9" * 5000),
    '{"offset": "%s", "path": "", "reason": ""}' % ("9" * 5000),
    "[" * 100_000,
    '{"offset":' * 100_000,
]


@pytest.mark.parametrize("code", [5, 6])
@pytest.mark.parametrize("detail", HOSTILE_DETAILS, ids=lambda detail: detail[:40])
def test_a_detail_that_breaks_its_promise_is_a_decode_error(code: int, detail: str) -> None:
    with pytest.raises(DecodeError, match="detail of an error frame"):
        error_of(Failure(code, "", "", detail))


@pytest.mark.parametrize("payload", [b"", bytes(27), bytes(29), b"\1\0\0\0" + b"\xff" * 24])
def test_a_payload_that_is_none_is_a_decode_error(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        read_failure(payload, 0, len(payload))


def test_the_detail_of_a_decode_error_is_json() -> None:
    failure = failure_of(DecodeError("odd \ud800", offset=3, path="a"))
    assert json.loads(failure.detail) == {"offset": 3, "path": "a", "reason": "odd \\ud800"}
    assert failure.detail.isascii()
