"""What a good Python programmer writes without this library: epoll, struct and pydantic by hand.

Typed at both ends and with a deadline for each call, as ours; no schema check, no fairness, no
limits.
"""

from __future__ import annotations

import select
import socket
import struct

from pydantic import BaseModel, ConfigDict, Field

HEADER = struct.Struct("<II")
ADD = struct.Struct("<IIQQ")
SUM = struct.Struct("<IIQ")
TIMEOUT_MILLISECONDS = 5000
U64_MAX = 2**64 - 1


class Add(BaseModel):
    """The command."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    a: int = Field(ge=0, le=U64_MAX)
    b: int = Field(ge=0, le=U64_MAX)


class Sum(BaseModel):
    """Its response."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    c: int = Field(ge=0, le=U64_MAX)


def serve(listener: socket.socket) -> None:
    """Answer every client's requests as they come, for ever."""
    listener.setblocking(False)
    readiness = select.epoll()
    readiness.register(listener, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    while True:
        for fd, _ in readiness.poll():
            if fd == listener.fileno():
                connected, _ = listener.accept()
                clients[connected.fileno()] = connected
                readiness.register(connected, select.EPOLLIN)
                continue
            data = clients[fd].recv(65536)
            if not data:
                readiness.unregister(fd)
                clients.pop(fd).close()
            elif len(data) == ADD.size:
                _, call, a, b = ADD.unpack(data)
                add = Add.__pydantic_validator__.validate_python({"a": a, "b": b})
                clients[fd].sendall(SUM.pack(SUM.size, call, Sum(c=add.a + add.b).c))


class Client:
    """A kept connection.

    Args:
        path: the server's socket.
    """

    def __init__(self, path: str) -> None:
        self._connected = socket.socket(socket.AF_UNIX)
        self._connected.connect(path)
        self._readable = select.poll()
        self._readable.register(self._connected, select.POLLIN)
        self._calls = 0

    def send(self, add: Add) -> Sum:
        """One call."""
        self._calls += 1
        self._connected.sendall(ADD.pack(ADD.size, self._calls, add.a, add.b))
        if not self._readable.poll(TIMEOUT_MILLISECONDS):
            raise TimeoutError
        _, call, c = SUM.unpack(self._connected.recv(65536))
        if call != self._calls:
            raise RuntimeError("another call's answer")
        answer: Sum = Sum.__pydantic_validator__.validate_python({"c": c})
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._connected.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
