"""Calls in tests have the types of real ones; mypy and pyright agree."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import subprocess
from typing import Any, assert_type

from lazyipc import U64, Command, Peer, Response, Stats, Wire
from lazyipc.testing import Call, Host, HostMaker, Joined, JoinedClient, hosted, joined


class Answer(Response):
    """Answers."""


class Sum(Answer):
    """A sum."""

    c: U64


class Order(Command[list[int]]):
    """Commands; the context is a list."""


class Add(Order):
    """Add two numbers."""

    a: U64
    b: U64

    def process(self, context: list[int]) -> Sum:
        """Add."""
        return Sum(c=self.a + self.b)


class Stop(Order):
    """Answered with nothing."""

    def process(self, context: list[int]) -> None:
        """Stop."""


def authorize(peer: Peer, command: Any) -> bool:
    """Permit."""
    return peer.uid == 0


# In memory

with joined(Order, [1], authorize=authorize, wires=Wire.ALL, poll_every=2, pieces=1) as link:
    assert_type(link, Joined[list[int]])
    assert_type(link.send(Add(a=1, b=2)), Sum)
    assert_type(link.send(Add(a=1, b=2), timeout=3, wire=Wire.BARE), Sum)
    assert_type(link.send(Stop()), None)
    assert_type(link.submit(Add(a=1, b=2)), Call[Sum])
    assert_type(link.submit(Add(a=1, b=2)).result(), Sum)
    assert_type(link.submit(Add(a=1, b=2)).done(), bool)
    assert_type(link.poll(max_messages=1), int)
    assert_type(link.context, list[int])
    assert_type(link.stats, Stats)
    assert_type(link.description, str)
    assert_type(link.time(), float)
    link.context = [2]
    link.context = "oops"  # type: ignore[assignment]
    link.send(5)  # type: ignore[arg-type]
    link.send(Add)  # type: ignore[arg-type]
    _ = link.send(Add(a=1, b=2)).d  # type: ignore[attr-defined]

    with link.client(uid=0, timeout=2) as client:
        assert_type(client, JoinedClient)
        assert_type(client.send(Add(a=1, b=2)), Sum)
        assert_type(client.submit(Add(a=1, b=2)), Call[Sum])
        assert_type(client.send_many([Add(a=1, b=2)]), list[Sum])
        client.send("stop")  # type: ignore[arg-type]

joined(Order, "oops")  # type: ignore[misc]
joined(Order)  # type: ignore[call-arg]

# Over a socket


def test(ipc_server: HostMaker, process: subprocess.Popen[str]) -> None:
    """As in a user's test."""
    host = ipc_server(Order, [1])
    assert_type(host, Host[list[int]])
    assert_type(host.send(Add(a=1, b=2)), Sum)
    assert_type(host.path, str)
    assert_type(host.serve_until(process), subprocess.CompletedProcess[str])
    assert_type(host.server.handle_new_messages([2]), int)
    ipc_server(Order, "oops")  # type: ignore[misc]


with hosted(Order, [1]) as host, host.running():
    assert_type(host, Host[list[int]])
    assert_type(host.submit(Add(a=1, b=2)), Call[Sum])

hosted(Order, "oops")  # type: ignore[misc]
