"""Children that the tests of RpcProcess start: some speak through the library, some by hand.

Those that speak by hand import nothing of ours and begin within milliseconds.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import sys
from collections.abc import Iterator
from typing import Any

from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.messages import MessageSet
from lazyipc.rpc import RpcClient, RpcPeer
from lazyipc.rpc._process import RpcProcess
from tests.harness import DEADLINE_SECONDS, ROOT, own_children
from tests.rpc.messages import Note, Number, Text, echo

PYTHON = (sys.executable, "-S", "-E", "-c")
"""An interpreter that begins quickly."""

TOKEN = "x" * 32
"""In the place of a token in what a child says by hand."""

CONNECTED = f"""
import os, signal, socket, sys, time
signal.alarm(60)
if "LAZYIPC_RPC_FD" in os.environ:
    parent, token = socket.socket(fileno=int(os.environ["LAZYIPC_RPC_FD"])), b""
else:
    _, token, path = os.environ.get("LAZYIPC_RPC_KEY", sys.argv[-1]).encode().split(b":")
    parent = socket.socket(socket.AF_UNIX)
def agree(token=token):
    if token:
        parent.connect(path)
    parent.sendall(bytes.fromhex(sys.argv[2 if token else 1]).replace(b"{TOKEN}", token))
    parent.recv(1 << 20)
    parent.sendall(bytes.fromhex(sys.argv[3]))
def end():
    while parent.recv(1 << 20): pass
"""
"""The beginning of a child that speaks by hand; one that a test leaves behind ends in a minute."""

PEER = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.rpc.children import *
"""
"""The beginning of a child that speaks through the library."""


def raw(*lines: str) -> list[str]:
    """A child that does this with its socket, `parent`; `agree()` and `end()` are there for it."""
    return [*PYTHON, "\n".join([CONNECTED, *lines]), *_handshake()]


@functools.cache
def _handshake() -> tuple[str, str, str]:
    """What a client says first, without a token and with one, and what it says next."""
    notes = MessageSet(Note)
    without, client = (PeerConnection(notes, opens=True, key=key) for key in ("", TOKEN))
    server = PeerConnection(notes, opens=False, key=TOKEN)
    without.start()
    client.start()
    first = client.take_output()
    server.receive_data(first, 0)
    assert server.next_event() is None
    client.receive_data(server.take_output(), 0)
    client.next_event()
    return without.take_output().hex(), first.hex(), client.take_output().hex()


def peer(*lines: str, before: str = "") -> list[str]:
    """A child that does this in a coroutine, with names of `tests.rpc.children`."""
    body = "\n".join(f"    {line}" for line in lines)
    code = f"{PEER}\nasync def main():\n{body}\n{before}\nasyncio.run(main())"
    return [sys.executable, "-c", code]


SERVE = (
    "async with RpcClient.from_parent(Note, answer) as parent:",
    "    await parent.wait_closed()",
)
"""What a well-behaved child does."""


async def answer(message: Note, to: RpcPeer[Note]) -> Note:
    """What a child answers: `Text` is evaluated, so that tests can look into the child."""
    if isinstance(message, Text):
        value = eval(message.text, {"os": os, "sys": sys, "peer": to, "Number": Number})
        if hasattr(value, "__await__"):
            value = await value
        return Text(text=repr(value))
    return message


def spawning(argv: Any, handler: Any = echo, **settings: Any) -> Any:
    """A child that speaks Note."""
    return RpcProcess.spawn(argv, Note, handler, **settings)


@contextlib.contextmanager
def no_child_left() -> Iterator[None]:
    """See that each child that was started is gone, and no zombie."""
    before = own_children()
    yield
    left = own_children() - before
    assert not left, f"a child is left, or a zombie: {left}"


def is_gone_in_time(pid: int) -> bool:
    """Wait for the end of a process that is no child of ours."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], DEADLINE_SECONDS)[0])
    finally:
        os.close(fd)


__all__ = ["Note", "RpcClient", "Text", "answer", "echo"]
