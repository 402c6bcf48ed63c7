"""A typed, user-only control socket for any running program: no thread, no event loop.

>>> import tempfile
>>> from lazyipc import Command, IpcServer, U64
>>> class Order(Command[list[int]]): "Commands of a demo; the context is a list."
>>> class Push(Order):
...     x: U64
...     def process(self, context: list[int]) -> int:
...         context.append(self.x)
...         return len(context)
>>> with tempfile.TemporaryDirectory() as folder:
...     with IpcServer(f"{folder}/app.sock", Order) as server:
...         server.handle_new_messages([])
0

Each name is imported when it is first used, so `import lazyipc` alone loads neither pydantic nor
anything of ours.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lazyipc._version import __version__ as __version__

if TYPE_CHECKING:
    from lazyipc import bincode as bincode
    from lazyipc._async_client import AsyncIpcClient
    from lazyipc._check import check_schema
    from lazyipc._client import IpcClient, client_send
    from lazyipc._core.command import Command, Response
    from lazyipc._core.duration import Duration, SystemTime
    from lazyipc._core.family import TaggedUnion
    from lazyipc._core.framing import Wire
    from lazyipc._core.limits import Limits
    from lazyipc._core.marks import Array, Char, Vec
    from lazyipc._core.scalars import F32, F64, I8, I16, I32, I64, I128, U8, U16, U32, U64, U128
    from lazyipc._discover import discover
    from lazyipc._io.runtime_dir import runtime_path
    from lazyipc._peer import Peer
    from lazyipc._running import Running
    from lazyipc._server import IpcServer
    from lazyipc._stats import Stats
    from lazyipc.errors import (
        ChildExited,
        CommandFailed,
        DecodeError,
        Disconnected,
        EncodeError,
        HostBusy,
        IpcError,
        LocalProtocolError,
        MessageTooLarge,
        NotPermitted,
        ProtocolError,
        RemoteError,
        RemoteProtocolError,
        ReplyTimeout,
        SchemaError,
        SchemaMismatch,
        ServerNotRunning,
        SocketInUse,
        SocketRefused,
        TransportError,
        UnexpectedReply,
    )

__all__ = [
    # the server and its clients
    "IpcServer",
    "IpcClient",
    "AsyncIpcClient",
    "client_send",
    "discover",
    "runtime_path",
    # messages
    "Command",
    "Response",
    "TaggedUnion",
    "check_schema",
    # settings and what a server tells of itself
    "Limits",
    "Peer",
    "Running",
    "Stats",
    "Wire",
    # widths of numbers
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "I128",
    "U8",
    "U16",
    "U32",
    "U64",
    "U128",
    # what else travels that Python has no type for
    "Array",
    "Char",
    "Duration",
    "SystemTime",
    "Vec",
    # errors
    "ChildExited",
    "CommandFailed",
    "DecodeError",
    "Disconnected",
    "EncodeError",
    "HostBusy",
    "IpcError",
    "LocalProtocolError",
    "MessageTooLarge",
    "NotPermitted",
    "ProtocolError",
    "RemoteError",
    "RemoteProtocolError",
    "ReplyTimeout",
    "SchemaError",
    "SchemaMismatch",
    "ServerNotRunning",
    "SocketInUse",
    "SocketRefused",
    "TransportError",
    "UnexpectedReply",
    # the codec by itself
    "bincode",
]

_HOMES = {
    "IpcServer": "_server",
    "Stats": "_stats",
    "Peer": "_peer",
    "IpcClient": "_client",
    "AsyncIpcClient": "_async_client",
    "client_send": "_client",
    "discover": "_discover",
    "Running": "_running",
    "runtime_path": "_io.runtime_dir",
    "check_schema": "_check",
    "Command": "_core.command",
    "Response": "_core.command",
    "TaggedUnion": "_core.family",
    "Limits": "_core.limits",
    "Wire": "_core.framing",
    **dict.fromkeys(["Array", "Char", "Vec"], "_core.marks"),
    **dict.fromkeys(["Duration", "SystemTime"], "_core.duration"),
    **dict.fromkeys(["F32", "F64"], "_core.scalars"),
    **dict.fromkeys(
        [f"{sign}{bits}" for sign in "IU" for bits in (8, 16, 32, 64, 128)], "_core.scalars"
    ),
}
"""Where each name lives; those not listed are errors."""


if not TYPE_CHECKING:  # so that a misspelt name is an error for type checkers

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'lazyipc' has no attribute {name!r}")
        if name == "bincode":
            return importlib.import_module("lazyipc.bincode")
        home = importlib.import_module("lazyipc." + _HOMES.get(name, "errors"))
        value: object = getattr(home, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
