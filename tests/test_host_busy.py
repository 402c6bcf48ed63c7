"""A client that was not answered says why: nobody polled, it runs too long, or nobody knows."""

from __future__ import annotations

import binascii
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import lazyipc._io.status_page
from examples.simple.commands import ClientCommand, Push
from lazyipc import HostBusy, IpcClient, IpcServer, ReplyTimeout, Wire, client_send
from lazyipc._io.status_page import BUSY_GAP_NS, CHECKSUM, LOCK_SUFFIX, RECORD, read_status
from lazyipc._session import Session
from tests.conftest import Serve
from tests.harness import Do, Echo, Host, RawClient, bare_request, hosted, until

SECONDS = 0.1


def stamped_again(server: IpcServer[Host], path: str) -> None:
    """Poll until the page tells of a poll from now on."""
    now = time.monotonic_ns()

    def is_stamped() -> bool:
        status = read_status(path)
        return status is not None and status.last_poll_ns > now

    until(is_stamped, lambda: server.handle_new_messages(Host()))


def test_a_host_that_does_not_poll_is_busy(serve: Serve, path: str) -> None:
    server = serve()
    for _ in range(3):
        stamped_again(server, path)
    with pytest.raises(HostBusy) as caught:
        client_send(Echo(text="a"), path, timeout=SECONDS)
    error = caught.value
    assert isinstance(error, ReplyTimeout)
    assert error.started == "no"
    assert SECONDS <= error.last_poll_seconds < SECONDS + 5
    assert error.interval is not None
    for word in (path, "alive (pid", "has not polled for", "was not run", "timeout="):
        assert word in str(error)


def test_what_a_busy_host_was_sent_is_not_run_later(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    with pytest.raises(HostBusy):
        client_send(Echo(text="late"), path, timeout=SECONDS)
    for _ in range(5):
        server.handle_new_messages(host)
    assert host.ran == []


def test_a_client_that_met_a_busy_host_goes_on(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    with IpcClient(path) as client:
        with hosted(server, host):
            assert client.send(Echo(text="one")) == "one"
        client._timeout = SECONDS
        with pytest.raises(HostBusy):
            client.send(Echo(text="two"))
        client._timeout = None
        with hosted(server, host):
            assert client.send(Echo(text="three")) == "three"
    assert host.ran == ["one", "three"]


def test_a_batch_that_nobody_read_is_told_apart_too(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    with IpcClient(path, timeout=SECONDS) as client:
        told = client.send_many([Echo(text="a"), Echo(text="b")], return_exceptions=True)
    assert [type(error) for error in told] == [HostBusy, HostBusy]
    server.handle_new_messages(host)
    assert host.ran == []


def test_a_batch_of_which_the_first_runs_is_not_told_that_nothing_does(
    serve: Serve, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last bytes are unread, and the page is older than the batch, within the gap."""
    monkeypatch.setattr(lazyipc._io.status_page, "BUSY_GAP_NS", 60_000_000_000)
    entered, leave = threading.Event(), threading.Event()

    def work() -> int:
        entered.set()
        leave.wait(10)
        return 1

    server, host = serve(), Host(work=work)
    server.handle_new_messages(host)  # stamps, and not again
    until(lambda: _age_ns(path) > 2_000_000)
    with hosted(server, host), IpcClient(path, timeout=SECONDS) as client:
        try:
            batch = [Do(name="work"), *[Echo(text="x" * 60_000)] * 30]
            told = client.send_many(batch, return_exceptions=True)
            assert entered.is_set()
        finally:
            leave.set()
    assert {type(error) for error in told} == {ReplyTimeout}
    assert {error.started for error in told if isinstance(error, ReplyTimeout)} == {"unknown"}


def test_the_crates_wire_knows_nothing_for_certain_without_a_page(serve: Serve, path: str) -> None:
    """The crate's own server would run what a closed client left behind."""
    serve(ClientCommand, wires=Wire.ALL)
    Path(path + LOCK_SUFFIX).unlink()
    with pytest.raises(ReplyTimeout) as caught:
        client_send(Push(x=1), path, timeout=SECONDS, wire=Wire.BARE)
    assert not isinstance(caught.value, HostBusy)
    assert caught.value.started == "unknown"


@pytest.mark.parametrize("wire", [Wire.BARE, Wire.JSON], ids=lambda wire: wire.name)
def test_who_hangs_up_after_readiness_was_asked_for_is_not_served(
    serve: Serve, path: str, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    """A host may be stopped between the two; no deadline would tell it later on these wires."""
    server, stack = serve(ClientCommand, wires=Wire.ALL), [0]
    data = b'{"Push":{"x":1}}\n' if wire is Wire.JSON else bare_request(Push(x=1), ClientCommand)
    with RawClient(path) as client:
        client.send(data)
        receive = Session.receive

        def slow(session: Session, now_ns: int) -> bool:
            client.close()
            return receive(session, now_ns)

        monkeypatch.setattr(Session, "receive", slow)
        assert server.handle_new_messages(stack) == 0
    server.handle_new_messages(stack)
    assert stack == [0]
    assert server.clients == ()


def test_a_command_that_runs_too_long_is_no_busy_host(serve: Serve, path: str) -> None:
    entered, leave = threading.Event(), threading.Event()

    def work() -> int:
        entered.set()
        leave.wait(10)
        return 1

    with hosted(serve(), Host(work=work)):
        try:
            with pytest.raises(ReplyTimeout) as caught:
                client_send(Do(name="work"), path, timeout=SECONDS)
            assert entered.is_set()
        finally:
            leave.set()
    assert not isinstance(caught.value, HostBusy)
    assert caught.value.started == "unknown"


def test_an_old_page_alone_proves_nothing(serve: Serve, path: str) -> None:
    """A full disk takes no stamps, and yet the command runs."""
    entered, leave = threading.Event(), threading.Event()

    def work() -> int:
        entered.set()
        leave.wait(10)
        return 1

    server = serve()
    server._place.page._lock = None
    until(lambda: _age_ns(path) > BUSY_GAP_NS)
    with hosted(server, Host(work=work)):
        try:
            with pytest.raises(ReplyTimeout) as caught:
                client_send(Do(name="work"), path, timeout=SECONDS)
            assert entered.is_set()
            status = read_status(path)
            assert status is not None
            assert status.is_locked
            assert status.polls == 0
        finally:
            leave.set()
    assert not isinstance(caught.value, HostBusy)
    assert caught.value.started == "unknown"


def test_who_waits_behind_a_long_command_meets_a_busy_host(serve: Serve, path: str) -> None:
    entered, leave = threading.Event(), threading.Event()

    def work() -> int:
        entered.set()
        leave.wait(10)
        return 1

    host = Host(work=work)
    with hosted(serve(), host):
        first = threading.Thread(target=lambda: client_send(Do(name="work"), path))
        first.start()
        try:
            assert entered.wait(10)
            until(lambda: _age_ns(path) > BUSY_GAP_NS)
            with pytest.raises(HostBusy) as caught:
                client_send(Echo(text="behind"), path, timeout=SECONDS)
        finally:
            leave.set()
            first.join(10)
    assert caught.value.started == "no"
    assert host.ran == ["work"]


def _age_ns(path: str) -> int:
    status = read_status(path)
    assert status is not None
    return time.monotonic_ns() - status.last_poll_ns


def _remove(page: Path) -> None:
    page.unlink()


def _spoil(page: Path) -> None:
    page.write_bytes(b"x" * 4096)


def _truncate(page: Path) -> None:
    page.write_bytes(b"")


def _leave_behind(page: Path) -> None:
    """As its owner does who is killed: nobody holds the lock."""
    data = page.read_bytes()
    page.unlink()
    page.write_bytes(data)


def _rewrite(page: Path, position: int, value: object) -> None:
    """Tell something else, in place, where the owner's lock is."""
    told = list(RECORD.unpack(page.read_bytes()[: RECORD.size]))
    told[position] = value
    record = RECORD.pack(*told)
    with page.open("r+b") as file:
        file.write(record + CHECKSUM.pack(binascii.crc32(record)))


def _of_another_process(page: Path) -> None:
    """As where a socket from outside is served beside another server's page."""
    _rewrite(page, 1, os.getppid())


def _on_another_clock(page: Path) -> None:
    _rewrite(page, 2, b"elsewise")


@pytest.mark.parametrize("rewrite", [_of_another_process, _on_another_clock])
def test_what_a_rewritten_page_tells_can_be_read(
    serve: Serve, path: str, rewrite: Callable[[Path], None]
) -> None:
    """So that it is what it says, not damage, that the next test is about."""
    serve()
    before = read_status(path)
    rewrite(Path(path + LOCK_SUFFIX))
    after = read_status(path)
    assert before is not None
    assert after is not None
    assert after.is_locked
    assert after != before


@pytest.mark.parametrize(
    "damage",
    [_remove, _spoil, _truncate, _leave_behind, _of_another_process, _on_another_clock],
)
def test_without_a_page_of_this_server_a_timeout_is_still_exact(
    serve: Serve, path: str, damage: Callable[[Path], None]
) -> None:
    """The kernel alone tells that the request was not read."""
    serve()
    damage(Path(path + LOCK_SUFFIX))
    with pytest.raises(ReplyTimeout) as caught:
        client_send(Echo(text="a"), path, timeout=SECONDS)
    assert not isinstance(caught.value, HostBusy)
    assert caught.value.started == "no"


def test_a_poll_between_is_no_busy_host(serve: Serve, path: str) -> None:
    """It polls, and reads; what it does not do is answer."""
    server = serve()
    with IpcClient(path, timeout=1.0) as client:
        stop = threading.Event()

        def deaf() -> None:  # polls, but begins no command
            while not stop.is_set():
                server.wait(0.01)
                server.handle_new_messages(Host(), max_messages=0)

        thread = threading.Thread(target=deaf)
        thread.start()
        try:
            with pytest.raises(ReplyTimeout) as caught:
                client.send(Echo(text="a"))
        finally:
            stop.set()
            thread.join(10)
    assert not isinstance(caught.value, HostBusy)
    assert caught.value.started == "unknown"


def test_the_page_follows_the_polls(serve: Serve, path: str) -> None:
    server = serve()
    first = read_status(path)
    assert first is not None
    assert first.is_locked
    stamped_again(server, path)
    second = read_status(path)
    assert second is not None
    assert second.polls > first.polls
    assert second.polls <= server.stats.polls
    server.close()
    assert read_status(path) is None


def test_polls_are_counted_idle_or_not(serve: Serve) -> None:
    server = serve()
    for _ in range(1000):
        server.handle_new_messages(Host())
    server.wait(0)
    assert server.stats.polls == 1000
    server.handle_new_messages(Host())
    assert server.stats.polls == 1001
