"""Readiness, told alike by epoll itself and by every selector."""

from __future__ import annotations

import contextlib
import io
import select
import selectors
import socket
import time
from collections.abc import Iterator

import pytest

from lazyipc._io.poller import (
    HANGUP,
    READ,
    WRITE,
    EpollPoller,
    SelectorPoller,
    poller_for,
)
from tests.harness import until

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

Poller = EpollPoller | SelectorPoller
Pair = tuple[socket.socket, socket.socket]

MAKERS = {
    "epoll itself": EpollPoller,
    "select": lambda: SelectorPoller(selectors.SelectSelector()),
    "poll": lambda: SelectorPoller(selectors.PollSelector()),
    "epoll": lambda: SelectorPoller(selectors.EpollSelector()),
}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS.keys())
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
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
    for make in (EpollPoller, MAKERS["epoll"]):
        poller = make()
        poller.register(ours.fileno(), READ)
        assert select.select([poller], [], [], 0)[0] == []
        theirs.send(b"x")
        assert select.select([poller], [], [], 0)[0] == [poller]
        ours.recv(1)
        poller.close()


@pytest.mark.parametrize("name", ["select", "poll"])
def test_a_selector_without_a_descriptor_says_so(name: str) -> None:
    poller = MAKERS[name]()
    with pytest.raises(io.UnsupportedOperation, match="Selector has no descriptor"):
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
