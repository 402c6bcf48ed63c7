"""The client's side of the Rust crate's wire: one command, one response, no frame, no errors.

Knows bytes. Source: docs/protocol.md, "BARE"; ipc-server 0.3.2.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import BarePair, Entry, bare_pair, root_of
from lazyipc._core.codec import Extent
from lazyipc._core.events import Responded
from lazyipc._core.framing import ReceiveBuffer
from lazyipc.errors import LocalProtocolError


class BareClient:
    """The client's side of a bare connection.

    Args:
        buffer: what was received.
        open_calls: the call that waits for an answer; it is taken when it got its.
        message_bytes: the longest response.
    """

    __slots__ = ("_buffer", "_extent", "_message_bytes", "_open", "_pair", "wanted_bytes")

    def __init__(
        self, buffer: ReceiveBuffer, open_calls: dict[int, Entry], message_bytes: int
    ) -> None:
        self._buffer = buffer
        self._open = open_calls
        self._message_bytes = message_bytes
        self._pair: BarePair | None = None
        self._extent: Extent | None = None
        self.wanted_bytes = 0
        """Never known: a response is there when it is."""

    def request(self, call: int, command: Any, entry: Entry, left_ns: int | None) -> bytes:
        """The bytes of the one request; raises as `ClientConnection.request`."""
        if self._pair is not None:
            raise LocalProtocolError("a bare connection carries one request")
        pair = bare_pair(root_of(command.__class__))
        data: bytes = pair.command.encode(command)
        self._pair = pair
        return data

    def next_event(self, *, at_end: bool) -> Responded | None:
        """The answer, or None for "need more".

        Args:
            at_end: no more will come: only now is an answer of no bytes known to be whole.

        Raises:
            RemoteProtocolError: no answer begins like this, or ends so early.
        """
        if self._pair is None or not self._open:
            return None
        data, codec = self._buffer.data, self._pair.response
        if self._extent is None:
            self._extent = codec.extent(data, limit_bytes=self._message_bytes)
        end = self._extent.find(data)
        if end is None or (end == 0 and not at_end):
            if at_end and data:
                codec.decode(data)  # says where the message ends too early
            return None
        call = self._open.popitem()[0]
        return Responded(call, codec.decode(data, 0, end))
