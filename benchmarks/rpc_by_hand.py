"""The baselines of rpc: what one writes by hand with asyncio's protocols and struct.

A request is its length, the number of its call, a command number and two integers; a reply its
length, the same number, a result number and one integer. One protocol on each side, a future for
each call. No types, no timeout, no limit, nobody's name, and nothing is told when the other side
dies: a floor, not a library.

As a module it is a program of its own, and imports nothing of ours: `serve PATH` serves, and
`call PATH` connects, reads from each line how many calls to make, and prints the seconds one took.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from collections.abc import Callable
from typing import cast

REQUEST = struct.Struct("<IQIQQ")
REPLY = struct.Struct("<IQIQ")
LENGTH = struct.Struct("<I")
REQUEST_LENGTH = REQUEST.size - LENGTH.size
REPLY_LENGTH = REPLY.size - LENGTH.size
"""What the first number of each says: how many bytes follow."""

ADD = 0
SUM = 0


class Connected(asyncio.Protocol):
    """A connection whose messages have one size each; a piece may end within one."""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        self.transport = cast(asyncio.Transport, transport)


class Server(Connected):
    """Answers what came in one piece by one write."""

    def data_received(self, data: bytes) -> None:
        """Requests came, or parts of them."""
        data = self._rest + data
        replies = []
        at = 0
        while len(data) - at >= REQUEST.size:
            length, call, _, a, b = REQUEST.unpack_from(data, at)
            if length != REQUEST_LENGTH:
                raise RuntimeError("not a request")
            replies.append(REPLY.pack(REPLY_LENGTH, call, SUM, a + b))
            at += REQUEST.size
        self._rest = data[at:]
        self.transport.write(b"".join(replies))


class Client(Connected):
    """Sends requests, and gives each reply to its call."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, asyncio.Future[int]] = {}
        self._last_call = 0

    def add(self, a: int, b: int) -> asyncio.Future[int]:
        """Send one; await the sum."""
        self._last_call += 1
        future = self._calls[self._last_call] = self._loop.create_future()
        self.transport.write(REQUEST.pack(REQUEST_LENGTH, self._last_call, ADD, a, b))
        return future

    def add_many(self, a: int, b: int, count: int) -> list[asyncio.Future[int]]:
        """Send many by one write; await each sum."""
        create_future, calls, requests = self._loop.create_future, self._calls, []
        futures = []
        for call in range(self._last_call + 1, self._last_call + 1 + count):
            calls[call] = future = create_future()
            futures.append(future)
            requests.append(REQUEST.pack(REQUEST_LENGTH, call, ADD, a, b))
        self._last_call += count
        self.transport.write(b"".join(requests))
        return futures

    def data_received(self, data: bytes) -> None:
        """Replies came, or parts of them."""
        data = self._rest + data
        at = 0
        while len(data) - at >= REPLY.size:
            length, call, _, total = REPLY.unpack_from(data, at)
            if length != REPLY_LENGTH:
                raise RuntimeError("not a reply")
            self._calls.pop(call).set_result(total)
            at += REPLY.size
        self._rest = data[at:]


# A large payload behind its length -------------------------------------------------------------

PAYLOAD_LENGTH = struct.Struct("<Q")


class Payloads(Connected):
    """Gathers what comes until a payload is whole, and does something with it then."""

    def __init__(self, take: Callable[[Payloads, bytes], None]) -> None:
        super().__init__()
        self._gathered = bytearray()
        self._take = take

    def send(self, payload: bytes) -> None:
        """Its length, then the payload."""
        self.transport.write(PAYLOAD_LENGTH.pack(len(payload)))
        self.transport.write(payload)

    def data_received(self, data: bytes) -> None:
        """A part of one came."""
        self._gathered += data
        if len(self._gathered) < PAYLOAD_LENGTH.size:
            return
        (length,) = PAYLOAD_LENGTH.unpack_from(self._gathered)
        if len(self._gathered) == PAYLOAD_LENGTH.size + length:
            payload = bytes(memoryview(self._gathered)[PAYLOAD_LENGTH.size :])
            self._gathered = bytearray()
            self._take(self, payload)


class Echo(Payloads):
    """Gives payloads back."""

    def __init__(self) -> None:
        super().__init__(Payloads.send)


class EchoClient(Payloads):
    """Sends a payload and awaits it back."""

    def __init__(self) -> None:
        super().__init__(lambda _, payload: self._future.set_result(payload))
        self._loop = asyncio.get_running_loop()

    def echo(self, payload: bytes) -> asyncio.Future[bytes]:
        """Send one; await it back."""
        self._future: asyncio.Future[bytes] = self._loop.create_future()
        self.send(payload)
        return self._future


# A program of its own --------------------------------------------------------------------------


async def _serve(path: str) -> None:
    serving = await asyncio.get_running_loop().create_unix_server(Server, path)
    print("ready", flush=True)
    await serving.serve_forever()


async def _call(path: str) -> None:
    _, client = await asyncio.get_running_loop().create_unix_connection(Client, path)
    for line in sys.stdin:  # between two rounds it waits for nothing else
        count = int(line)
        total = 0
        began = time.perf_counter()
        for _ in range(count):
            total += await client.add(1, 2)
        spent = time.perf_counter() - began
        if total != 3 * count:
            raise RuntimeError("a wrong sum came back")
        print(spent / count, flush=True)


if __name__ == "__main__":
    asyncio.run({"serve": _serve, "call": _call}[sys.argv[1]](sys.argv[2]))
