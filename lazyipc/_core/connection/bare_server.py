"""The server's side of the Rust crate's wire: one command, one response, no frame, no errors.

Knows bytes. Source: docs/protocol.md, "BARE"; ipc-server 0.3.2.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import Catalog, Entry, entry_of
from lazyipc._core.codec import Extent
from lazyipc._core.events import Requested
from lazyipc._core.framing import ReceiveBuffer
from lazyipc.errors import IpcError, LocalProtocolError, MessageTooLarge

CALL = 0
"""The one call of a connection."""


class BareServer:
    """The server's side of a bare connection.

    Args:
        catalog: the command set.
        buffer: what was received.
        message_bytes: the longest message, either way.
        elements: how many elements the sequences of one message may have together.
        depth: how many times a recursive type may stand inside itself in a command.
    """

    __slots__ = (
        "_buffer",
        "_catalog",
        "_depth",
        "_elements",
        "_entry",
        "_extent",
        "_message_bytes",
        "finished",
        "wanted_bytes",
    )

    def __init__(
        self,
        catalog: Catalog,
        buffer: ReceiveBuffer,
        *,
        message_bytes: int,
        elements: int,
        depth: int,
    ) -> None:
        self._catalog = catalog
        self._buffer = buffer
        self._message_bytes = message_bytes
        self._elements = elements
        self._depth = depth
        self._extent: Extent | None = None
        self._entry: Entry | None = None
        self.wanted_bytes = 0
        """How many bytes the command lacks, at least; 0 if none is under way."""
        self.finished = False
        """Nothing more will be read or answered."""

    def next_event(self, now_ns: int, *, at_end: bool) -> Requested | None:
        """The command, once it is all there.

        Raises:
            RemoteProtocolError: no command begins like this.
        """
        if self._entry is not None:
            return None
        codec, data = self._catalog.bare.command, self._buffer.data
        if self._extent is None:
            self._extent = codec.extent(
                data,
                limit_bytes=self._message_bytes,
                elements=self._elements,
                depth=self._depth,
            )
        end = self._extent.find(data)
        if end is None:
            self.wanted_bytes = int(len(data) > 0)
            return None
        self.wanted_bytes = 0
        self._buffer.start = len(data)
        command = codec.decode(data, 0, end, self._elements, self._depth)
        self._entry = entry_of(command.__class__)
        return Requested(CALL, command, None)

    def respond(self, call: int, value: Any) -> bytes:
        """The bytes of the response; raises as `ServerConnection.respond`."""
        if self._entry is None or call != CALL or self.finished:
            raise LocalProtocolError(f"call {call} is not open and cannot be answered")
        self._entry.reply.encode(value)  # as its own command declares it
        data: bytes = self._catalog.bare.response.encode(value)
        if len(data) > self._message_bytes:
            limit = self._message_bytes
            raise MessageTooLarge("response in bytes", size_bytes=len(data), limit_bytes=limit)
        self.finished = True
        return data

    def tell(self, call: int, text: str) -> bytes:
        """Nothing is asked on this wire that could be told."""
        raise LocalProtocolError(f"call {call} asks for nothing that could be told")

    def fail(self, call: int, error: IpcError) -> bytes:
        """Nothing: there are no words for an error, so the connection ends."""
        self.finished = True
        return b""
