"""Where the microseconds of a `client_send` go: connect, one call, close; function by function."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from benchmarks import peers, raw
from benchmarks.functions import STEPS_PER_ROUND, by_function
from benchmarks.messages import Add, Order
from benchmarks.rounds import Round, apart
from benchmarks.stages import reply_bytes
from lazyipc import IpcServer, client_send


def one_shot(seconds: float) -> Iterator[str]:
    """The profile, as lines to print."""
    del seconds  # so many rounds tell enough
    with peers.one_core():
        yield "\nThe client's server knows the answer by heart; the waiting counts as its caller's."
        yield from by_function("The client", _client)
        yield from by_function("The server, from connect to close", _server)


@contextlib.contextmanager
def _client() -> Iterator[Round]:
    with peers.raw_server(_answer_by_heart) as path:
        yield apart(lambda: None, lambda: client_send(Add(a=1, b=2), path), STEPS_PER_ROUND)


def _answer_by_heart(listener: socket.socket) -> None:
    """Give each client the answer to its first call, whatever it was."""
    reply = reply_bytes()
    while True:
        connected, _ = listener.accept()
        with connected:
            connected.recv(raw.RECEIVE_BYTES)
            connected.send(reply)


@contextlib.contextmanager
def _server() -> Iterator[Round]:
    """Polls that find a new client with a request, after one that hung up."""
    context: list[int] = []
    request = peers.request_bytes(Add(a=1, b=2))
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(peers.folder())
        server = stack.enter_context(IpcServer(f"{made}/ours.sock", Order))
        asking: list[socket.socket] = []

        def come() -> None:
            while asking:
                asking.pop().close()
            asking.append(raw.connect(server.path))
            asking[0].send(request)

        def serve() -> None:
            while not server.handle_new_messages(context):
                pass

        yield apart(come, serve, STEPS_PER_ROUND)
        asking.pop().close()
