"""Errors as values: each survives pickling, so a failed call can leave a worker process."""

from __future__ import annotations

import pickle

import pytest

from lazyipc import errors

ERRORS = [
    errors.SchemaError("no wire form"),
    errors.EncodeError("too large", path="a"),
    errors.LocalProtocolError("closed"),
    errors.DecodeError("not a bool", offset=3, path="items[1]"),
    errors.MessageTooLarge("frame", size_bytes=9, limit_bytes=8),
    errors.SchemaMismatch("a differs", ours="{}", theirs="[]"),
    errors.TransportError("no", path="/s", errno=13),
    errors.ServerNotRunning("nobody", path="/s", errno=2),
    errors.SocketInUse("taken", path="/s", errno=98, pid=7),
    errors.SocketRefused("a file", path="/s"),
    errors.Disconnected("gone", path="/s", errno=104, started="no"),
    errors.ChildExited("gone", path="/bin/x", returncode=-9, stderr_tail="last words"),
    errors.ReplyTimeout("late", started="unknown"),
    errors.HostBusy("busy", last_poll_seconds=12.5, interval=20.0),
    errors.HostBusy("busy", last_poll_seconds=0.5, interval=None, started="unknown"),
    errors.RemoteError("x", kind="KeyError"),
    errors.CommandFailed("no such player"),
    errors.NotPermitted("no"),
    errors.UnexpectedReply("other"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: errors.IpcError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)
    assert getattr(again, "errno", None) == getattr(error, "errno", None)


def test_a_busy_host_is_a_timeout_whose_command_did_not_run() -> None:
    error = errors.HostBusy("busy", last_poll_seconds=12.5, interval=20.0)
    assert isinstance(error, errors.ReplyTimeout)
    assert isinstance(error, TimeoutError)
    assert (error.started, error.last_poll_seconds, error.interval) == ("no", 12.5, 20.0)
    assert str(error) == "busy"
