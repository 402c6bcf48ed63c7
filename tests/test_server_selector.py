"""A caller's selector: what it cannot do, and what its caller does to it."""

from __future__ import annotations

import contextlib
import io
import os
import select
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc import IpcServer, LocalProtocolError, ReplyTimeout, TransportError
from lazyipc._io.clock import clock_identity
from lazyipc._io.poller import FD_SETSIZE
from tests.conftest import Connect, Serve
from tests.harness import (
    SELECTORS,
    Echo,
    Host,
    Job,
    RawClient,
    answer,
    far_descriptors,
    is_well,
    poll,
    request,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

FOREIGN = {name: make for name, make in SELECTORS.items() if name != "epoll itself"}
over_foreign = pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN.keys())


class Told(selectors.EpollSelector):
    """A selector that a test tells what to do around its `select`."""

    def __init__(self, around: Callable[[Callable[[], Any]], Any]) -> None:
        super().__init__()
        self._around = around

    def select(self, timeout: float | None = None) -> Any:
        ask = super().select
        return self._around(lambda: ask(timeout))


@pytest.fixture
def told(path: str) -> Iterator[Callable[..., IpcServer[Any]]]:
    """Makes a server over a selector that does something around each `select`."""
    made: list[IpcServer[Any]] = []

    def make(around: Callable[[Callable[[], Any]], Any]) -> IpcServer[Any]:
        made.append(IpcServer(path, Job, selector=Told(around)))
        return made[-1]

    yield make
    for server in made:
        server.close()


# What it cannot do --------------------------------------------------------------------------------


NEAR_SIGHTED = {name: make for name, make in FOREIGN.items() if name.endswith("SelectSelector")}
FAR_SIGHTED = {name: make for name, make in SELECTORS.items() if name not in NEAR_SIGHTED}


@pytest.mark.parametrize("selector", NEAR_SIGHTED.values(), ids=NEAR_SIGHTED.keys())
def test_a_client_too_far_for_select_is_refused_and_nobody_else_notices(
    serve: Serve, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server, host, inside = serve(), Host(), client()
    assert answer(server, host, inside, Echo(text="inside")) == "inside"
    with far_descriptors(FD_SETSIZE):
        far = client()
        far.ask(Echo(text="from afar"))
        for _ in range(3):
            server.handle_new_messages(host)
        assert far.has_ended()
        assert answer(server, host, inside, Echo(text="still inside")) == "still inside"
    assert (server.stats.refused, server.stats.clients) == (1, 1)
    (record,) = caplog.records
    assert "SelectSelector cannot watch descriptor 1" in record.getMessage()
    assert host.ran == ["inside", "still inside"]
    assert not server.wait(0)
    assert is_well(server, host), "who comes when there are near ones again is served"


@pytest.mark.parametrize("selector", FAR_SIGHTED.values(), ids=FAR_SIGHTED.keys())
def test_a_client_may_be_far_for_the_others(serve: Serve, client: Connect) -> None:
    server, host = serve(), Host()
    with far_descriptors(FD_SETSIZE):
        far = [client(), client()]
        for one in far:
            assert answer(server, host, one, Echo(text="from afar")) == "from afar"
        for one in far:
            one.close()
        poll(server, host, lambda: not server.clients)


@pytest.mark.parametrize("make", NEAR_SIGHTED.values(), ids=NEAR_SIGHTED.keys())
def test_a_server_too_far_for_select_is_not_made(
    path: str, folder: Path, make: Callable[[], Any]
) -> None:
    with far_descriptors(FD_SETSIZE):
        refusal = (
            r"cannot listen \(SelectSelector cannot watch descriptor 1\d\d\d: .*another selector"
        )
        with pytest.raises(TransportError, match=refusal):
            IpcServer(path, Job, selector=make())
    assert os.listdir(folder) == ["s.lock"]
    with IpcServer(path, Job, selector=make()) as server:
        assert is_well(server, Host())


@pytest.mark.parametrize("make", [selectors.SelectSelector, selectors.PollSelector])
def test_a_selector_without_a_descriptor_gives_the_server_none(
    path: str, client: Connect, make: Callable[[], Any]
) -> None:
    with IpcServer(path, Job, selector=make()) as server:
        with pytest.raises(io.UnsupportedOperation, match="has no descriptor; use `wait`"):
            server.fileno()
        with pytest.raises(io.UnsupportedOperation):
            select.select([server], [], [], 0)
        client()
        assert server.wait(60)


# What its caller does -----------------------------------------------------------------------------


@over_foreign
def test_a_closed_selector_makes_no_server(
    path: str, folder: Path, make: Callable[[], Any]
) -> None:
    selector = make()
    selector.close()
    with pytest.raises(LocalProtocolError, match="Selector is closed"):
        IpcServer(path, Job, selector=selector)
    assert os.listdir(folder) == ["s.lock"]


@over_foreign
def test_a_selector_closed_under_the_server_is_told_to_the_host(
    path: str, make: Callable[[], Any]
) -> None:
    selector, host = make(), Host()
    server = IpcServer(path, Job, selector=selector)
    with RawClient(path) as asking, RawClient(path) as waiting:
        answer(server, host, asking, Echo(text="hello"))
        asking.ask(Echo(text="never"))
        selector.close()
        for _ in range(2):
            with pytest.raises(LocalProtocolError, match="Selector is closed"):
                server.handle_new_messages(host)
            with pytest.raises(LocalProtocolError, match="Selector is closed"):
                server.wait(60)
        server.close()
        assert asking.has_ended()
        assert waiting.has_ended()
    assert host.ran == ["hello"]
    assert not os.path.lexists(path)
    server.close()


@over_foreign
def test_the_server_closes_its_selector(path: str, make: Callable[[], Any]) -> None:
    selector = make()
    IpcServer(path, Job, selector=selector).close()
    assert selector.get_map() is None


@over_foreign
def test_what_else_the_caller_watches_is_no_work_for_the_server(
    path: str, make: Callable[[], Any]
) -> None:
    selector, host = make(), Host()
    ours, theirs = socket.socketpair()
    with ours, theirs, IpcServer(path, Job, selector=selector) as server:
        selector.register(ours, selectors.EVENT_READ)
        theirs.send(b"x")
        assert server.wait(60) is False, "it ends the wait, for the caller may watch for it"
        assert server.handle_new_messages(host) == 0
        assert is_well(server, host)
        poll(server, host, lambda: not server.clients)
        assert ours.recv(10) == b"x"


@over_foreign
def test_two_servers_over_one_selector(path: str, make: Callable[[], Any]) -> None:
    selector, host = make(), Host()
    with (
        IpcServer(path, Job, selector=selector) as server,
        IpcServer(path + "2", Job, selector=selector) as other,
    ):
        assert is_well(server, host)
        assert is_well(other, host)
        server.close()
        with pytest.raises(LocalProtocolError, match="Selector is closed"):
            other.handle_new_messages(host)


# What it may do -----------------------------------------------------------------------------------


def test_an_idle_poll_asks_it_once(told: Callable[..., IpcServer[Any]], client: Connect) -> None:
    asked: list[int] = []

    def count(ask: Callable[[], Any]) -> Any:
        asked.append(1)
        return ask()

    server, host, asking = told(count), Host(), client()
    answer(server, host, asking, Echo(text="hello"))
    asked.clear()
    for _ in range(100):
        server.handle_new_messages(host)
    assert len(asked) == 100


def test_readiness_for_nothing_is_harmless(
    told: Callable[..., IpcServer[Any]], client: Connect
) -> None:
    """One that says of everything that it can be read and written, true or not."""
    server: IpcServer[Any]

    def lie(ask: Callable[[], Any]) -> Any:
        ask()
        keys = server._poller._selector.get_map().values()  # type: ignore[union-attr]
        return [(key, selectors.EVENT_READ | selectors.EVENT_WRITE) for key in keys]

    truth, host = [True], Host()
    server = told(lambda ask: ask() if truth else lie(ask))
    truth.clear()
    asking = [client() for _ in range(5)]
    for one in asking:
        assert answer(server, host, one, Echo(text="hello")) == "hello"
    for _ in range(10):
        assert server.handle_new_messages(host) == 0
    assert len(server.clients) == 5
    assert host.ran == ["hello"] * 5


def test_nothing_is_lost_when_it_finds_nothing_at_times(
    told: Callable[..., IpcServer[Any]], client: Connect
) -> None:
    """Interrupted as often as not, by the exception or by an empty answer."""
    turns: list[int] = []

    def fail(ask: Callable[[], Any]) -> Any:
        turns.append(1)
        if len(turns) % 3 == 1:
            raise InterruptedError
        return ask() if len(turns) % 3 == 2 else []

    server, host, asking = told(fail), Host(), client()
    for number in range(20):
        assert answer(server, host, asking, Echo(text=str(number))) == str(number)
    assert len(host.ran) == 20


def test_what_expires_while_it_sleeps_too_long_is_not_run(
    told: Callable[..., IpcServer[Any]], client: Connect
) -> None:
    late: list[int] = []

    def oversleep(ask: Callable[[], Any]) -> Any:
        found = ask()
        if late:
            select.poll().poll(5)
        return found

    server, host, asking = told(oversleep), Host(), client()
    answer(server, host, asking, Echo(text="in time"))
    late.append(1)
    asking.prepare(Echo(text="too late"))
    deadline = time.monotonic_ns() + 1_000_000
    command = Echo(text="too late")
    asking.send(request(command, 2, clock=clock_identity(), deadline_ns=deadline))
    assert server.handle_new_messages(host) == 0
    assert asking.has_result(2)
    assert isinstance(asking.results[2], ReplyTimeout)
    assert host.ran == ["in time"]


# Signals ------------------------------------------------------------------------------------------


@pytest.fixture
def alarms() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Sends this process a signal soon and again, and calls what the test gives."""
    before = signal.getsignal(signal.SIGALRM)

    def begin(do: Callable[[], object]) -> None:
        signal.signal(signal.SIGALRM, lambda number, frame: do())
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)

    yield begin
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.every_selector
def test_a_signal_does_not_end_a_wait(
    serve: Serve, client: Connect, alarms: Callable[[Callable[[], object]], None]
) -> None:
    """Python's own rule: after a handler that does not raise, a system call is taken up again."""
    server, host, asking = serve(), Host(), client()
    answer(server, host, asking, Echo(text="hello"))
    rung: list[int] = []

    def ring() -> None:
        rung.append(1)
        if len(rung) == 3:
            asking.ask(Echo(text="at the third"))

    alarms(ring)
    assert server.wait(60) is True
    assert len(rung) == 3
    assert server.handle_new_messages(host) == 1


@pytest.mark.every_selector
def test_a_handler_that_raises_ends_a_wait_and_nothing_else(
    serve: Serve, client: Connect, alarms: Callable[[Callable[[], object]], None]
) -> None:
    server, host, asking = serve(), Host(), client()
    answer(server, host, asking, Echo(text="hello"))

    def stop() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise KeyboardInterrupt

    alarms(stop)
    with pytest.raises(KeyboardInterrupt):
        server.wait(60)
    assert answer(server, host, asking, Echo(text="next")) == "next"


@pytest.mark.every_selector
def test_a_handler_that_closes_the_server_ends_a_wait(
    serve: Serve, client: Connect, alarms: Callable[[Callable[[], object]], None], path: str
) -> None:
    """As a host does that ends at SIGTERM."""
    server, host, asking = serve(), Host(), client()
    answer(server, host, asking, Echo(text="hello"))

    def end() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        server.close()

    alarms(end)
    with contextlib.suppress(LocalProtocolError):
        assert server.wait(60) is False
    for use in (lambda: server.wait(60), lambda: server.handle_new_messages(host)):
        with pytest.raises(LocalProtocolError, match="is closed"):
            use()
    assert asking.has_ended()
    assert not os.path.lexists(path)


@pytest.mark.every_selector
def test_a_handler_that_closes_the_server_as_a_poll_begins(
    serve: Serve, client: Connect, path: str
) -> None:
    """A signal may fall between the question who is ready and the turn of those that are."""
    server, host, asking = serve(), Host(), client()
    asking.ask(Echo(text="never"))
    ask = server._poller.poll

    def ask_and_close(timeout: float | None) -> Any:
        ready = ask(timeout)
        server.close()
        return ready

    server._poll = ask_and_close
    with contextlib.suppress(LocalProtocolError):
        assert server.handle_new_messages(host) == 0
    for use in (lambda: server.wait(60), lambda: server.handle_new_messages(host)):
        with pytest.raises(LocalProtocolError, match="the server is closed"):
            use()
    assert asking.has_ended()
    assert host.ran == []
    assert not os.path.lexists(path)
