"""Readiness, told alike by epoll itself and by every selector."""

from __future__ import annotations

import contextlib
import errno
import io
import select
import selectors
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lazyipc._io.poller import (
    FD_SETSIZE,
    HANGUP,
    READ,
    WRITE,
    EpollPoller,
    SelectorPoller,
    poller_for,
)
from lazyipc.errors import LocalProtocolError
from tests.harness import SELECTORS, far_descriptors, until

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

Poller = EpollPoller | SelectorPoller
Pair = tuple[socket.socket, socket.socket]

FOREIGN = {name: make for name, make in SELECTORS.items() if name != "epoll itself"}


@pytest.fixture(params=SELECTORS.values(), ids=SELECTORS.keys())
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    made = poller_for(request.param())
    yield made
    made.close()


@pytest.fixture(params=FOREIGN.values(), ids=FOREIGN.keys())
def selector(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A caller's selector."""
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of one connection; we watch the first."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_nothing_watched_is_nothing_ready(poller: Poller) -> None:
    assert poller.poll(0) == []


def test_bytes_make_readable_until_they_are_read(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    assert poller.poll(0) == []
    theirs.send(b"x")
    assert poller.poll(0) == [(ours.fileno(), READ)]
    assert poller.poll(0) == [(ours.fileno(), READ)], "it must be told as long as it is so"
    ours.recv(1)
    assert poller.poll(0) == []


def test_room_makes_writable(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), WRITE)
    assert poller.poll(0) == [(ours.fileno(), WRITE)]
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    assert poller.poll(0) == []
    until(lambda: bool(poller.poll(0)), lambda: theirs.recv(65536))


def test_a_changed_watch_tells_only_what_it_is_for(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    poller.register(ours.fileno(), READ)
    poller.modify(ours.fileno(), WRITE)
    assert poller.poll(0) == [(ours.fileno(), WRITE)]
    poller.modify(ours.fileno(), READ | WRITE)
    assert poller.poll(0) == [(ours.fileno(), READ | WRITE)]


def test_a_watch_for_nothing_can_be_changed_back(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    poller.register(ours.fileno(), READ)
    poller.modify(ours.fileno(), 0)
    assert poller.poll(0) == []
    poller.modify(ours.fileno(), READ)
    assert poller.poll(0) == [(ours.fileno(), READ)]


def test_a_watch_can_end_while_it_is_for_nothing(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    poller.modify(ours.fileno(), 0)
    poller.unregister(ours.fileno())
    theirs.send(b"x")
    assert poller.poll(0) == []


@pytest.mark.parametrize("mask", [READ, WRITE], ids=["reading", "writing"])
def test_a_hang_up_is_told_whatever_is_watched_for(poller: Poller, pair: Pair, mask: int) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), mask)
    theirs.close()
    ((fd, told),) = poller.poll(0)
    assert fd == ours.fileno()
    assert told & HANGUP
    assert told & mask


def test_a_hang_up_is_told_where_nothing_is_watched_for(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    poller.modify(ours.fileno(), 0)
    assert poller.poll(0) == []
    theirs.close()
    for timeout in (0, 60, None):
        ((fd, told),) = poller.poll(timeout)
        assert fd == ours.fileno()
        assert told & HANGUP
        assert not told & (READ | WRITE)
    poller.unregister(ours.fileno())
    assert poller.poll(0) == []


def test_a_peer_that_shuts_down_both_ways_unread_has_hung_up(poller: Poller, pair: Pair) -> None:
    """What it did not read stays in its buffer, so that there is no room to tell of either."""
    ours, theirs = pair
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    poller.register(ours.fileno(), WRITE)
    assert poller.poll(0) == []
    theirs.shutdown(socket.SHUT_RDWR)
    ((fd, told),) = poller.poll(0)
    assert fd == ours.fileno()
    assert told & HANGUP


def test_a_watch_that_ended_is_not_told_whatever_happens(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    for mask in (READ, WRITE, 0):
        poller.register(ours.fileno(), mask)
        poller.unregister(ours.fileno())
    theirs.send(b"x")
    theirs.close()
    assert poller.poll(0) == []


def test_a_half_closed_peer_has_not_hung_up(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    theirs.shutdown(socket.SHUT_WR)
    assert poller.poll(0) == [(ours.fileno(), READ)]


def test_a_timeout_is_slept_through_when_nothing_comes(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    began = time.monotonic()
    assert poller.poll(0.02) == []
    assert time.monotonic() - began >= 0.019


def test_no_timeout_ends_when_something_comes(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    theirs.send(b"x")
    assert poller.poll(None) == [(ours.fileno(), READ)]


def test_its_descriptor_is_readable_while_something_is_ready(pair: Pair) -> None:
    ours, theirs = pair
    for make in (SELECTORS["epoll itself"], selectors.EpollSelector):
        poller = poller_for(make())
        poller.register(ours.fileno(), READ)
        assert select.select([poller], [], [], 0)[0] == []
        theirs.send(b"x")
        assert select.select([poller], [], [], 0)[0] == [poller]
        ours.recv(1)
        poller.close()


@pytest.mark.parametrize("name", [name for name in FOREIGN if "Select" in name or "Poll" in name])
def test_a_selector_without_a_descriptor_says_so(name: str) -> None:
    poller = poller_for(FOREIGN[name]())
    if "Epoll" in name or "Default" in name:
        assert poller.fileno() > 2
    else:
        with pytest.raises(io.UnsupportedOperation, match="Selector has no descriptor; use `wait`"):
            poller.fileno()
    poller.close()


def test_the_default_here_is_epoll_itself() -> None:
    poller = poller_for(None)
    assert isinstance(poller, EpollPoller)
    poller.close()


def test_without_epoll_the_default_is_a_selector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")
    poller = poller_for(None)
    assert isinstance(poller, SelectorPoller)
    poller.close()


def test_a_callers_selector_is_used() -> None:
    poller = poller_for(selectors.PollSelector())
    assert isinstance(poller, SelectorPoller)
    poller.close()


# What callers do to their selectors ---------------------------------------------------------------


def test_what_else_the_caller_watches_is_left_alone_and_not_told(selector: Any, pair: Pair) -> None:
    ours, theirs = pair
    poller = SelectorPoller(selector)
    with contextlib.ExitStack() as stack:
        others, hers = map(stack.enter_context, socket.socketpair())
        selector.register(others, selectors.EVENT_READ, "the caller's own")
        poller.register(ours.fileno(), READ)
        hers.send(b"x")
        assert poller.poll(0) == []
        theirs.send(b"x")
        assert poller.poll(0) == [(ours.fileno(), READ)]
        poller.unregister(ours.fileno())
        assert selector.get_key(others).data == "the caller's own"
        assert [key.fd for key, _ in selector.select(0)] == [others.fileno()]


def test_two_may_share_a_selector(selector: Any, pair: Pair) -> None:
    pollers = SelectorPoller(selector), SelectorPoller(selector)
    for poller, end in zip(pollers, pair, strict=True):
        poller.register(end.fileno(), READ)
    for end in pair:
        end.send(b"x")
    assert [poller.poll(0) for poller in pollers] == [[(end.fileno(), READ)] for end in pair]


def test_a_closed_selector_is_refused(selector: Any) -> None:
    selector.close()
    with pytest.raises(LocalProtocolError, match=r"server's \w+ is closed; it is the server's own"):
        SelectorPoller(selector)


@pytest.mark.parametrize("mask", [READ, WRITE, 0], ids=["reading", "writing", "nothing"])
def test_a_selector_that_the_caller_closed_is_told_of_and_can_be_left(
    selector: Any, pair: Pair, mask: int
) -> None:
    poller = SelectorPoller(selector)
    poller.register(pair[0].fileno(), mask)
    selector.close()
    for timeout in (0, 60):
        with pytest.raises(LocalProtocolError, match="is closed"):
            poller.poll(timeout)
    poller.unregister(pair[0].fileno())
    poller.close()


def test_what_the_caller_registered_itself_cannot_be_watched(selector: Any, pair: Pair) -> None:
    """A number the caller forgot to unregister may come again as a client's."""
    poller = SelectorPoller(selector)
    selector.register(pair[0].fileno(), selectors.EVENT_READ)
    with pytest.raises(OSError, match=r"cannot watch descriptor \d+: .*already registered"):
        poller.register(pair[0].fileno(), READ)
    pair[1].send(b"x")
    assert poller.poll(0) == []


@pytest.fixture
def far() -> Iterator[Pair]:
    """Two ends of one connection, the first with a number that select(2) cannot watch."""
    with far_descriptors(FD_SETSIZE):
        ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_descriptor_too_far_for_select_is_refused_at_once(
    poller: Poller, pair: Pair, far: Pair
) -> None:
    is_select = "SelectSelector" in type(getattr(poller, "_selector", None)).__name__
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    if is_select:
        with pytest.raises(
            OSError, match=r"SelectSelector cannot watch descriptor 1\d\d\d: "
        ) as told:
            poller.register(far[0].fileno(), READ)
        assert told.value.errno == errno.EINVAL
    else:
        poller.register(far[0].fileno(), READ)
        far[1].send(b"x")
        assert poller.poll(0) == [(far[0].fileno(), READ)]
        poller.unregister(far[0].fileno())
    assert poller.poll(0) == []
    theirs.send(b"x")
    assert poller.poll(0) == [(ours.fileno(), READ)], "those before it are watched as ever"


class Odd(selectors.PollSelector):
    """Does to `select` what a test says."""

    def __init__(self, do: Any) -> None:
        super().__init__()
        self._do = do

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: list[tuple[selectors.SelectorKey, int]] = self._do(super().select(0))
        return found


def raising(error: Exception) -> Any:
    def do(found: object) -> object:
        raise error

    return do


def test_an_interrupted_selection_found_nothing(pair: Pair) -> None:
    poller = SelectorPoller(Odd(raising(InterruptedError())))
    poller.register(pair[0].fileno(), READ)
    pair[1].send(b"x")
    assert poller.poll(60) == []
    poller.close()


def test_another_failure_of_a_selector_is_its_callers_to_see() -> None:
    poller = SelectorPoller(Odd(raising(ZeroDivisionError())))
    with pytest.raises(ZeroDivisionError):
        poller.poll(0)
    poller.close()


def test_what_a_selector_remembers_too_long_is_not_told(pair: Pair) -> None:
    """One that reports late may speak of what is not watched any more."""
    kept: list[Any] = []
    poller = SelectorPoller(Odd(lambda found: kept.extend(found) or list(kept)))
    poller.register(pair[0].fileno(), READ)
    pair[1].send(b"x")
    assert poller.poll(0) == [(pair[0].fileno(), READ)]
    poller.unregister(pair[0].fileno())
    assert poller.poll(0) == []
    poller.close()
