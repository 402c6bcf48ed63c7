"""The handshake of two peers: hello, the other's hello, accept.

Source: docs/protocol.md, "RPC". Knows the order of steps and what each side must find right; not
where frames begin and end, and nothing of calls.
"""

from __future__ import annotations

import hmac

from lazyipc._core.connection.comparison import compared
from lazyipc._core.connection.hello import (
    Hello,
    SchemaCheck,
    SchemaStatus,
    read_hello,
)
from lazyipc._core.framing import Kind, frame
from lazyipc._core.messages import MessageSet
from lazyipc.errors import DecodeError, NotPermitted, RemoteProtocolError

OTHER_SERVER = (
    "what answers is no RPC peer; talk to an IpcServer with IpcClient or AsyncIpcClient, and to an "
    "RpcServer with RpcClient"
)
OTHER_CLIENT = (
    "this is an RPC peer, which wants a hello first; talk to an RpcServer with RpcClient, and to "
    "an IpcServer with IpcClient or AsyncIpcClient"
)


class Handshake:
    """One side of a handshake.

    Args:
        messages: what this side knows.
        ours: what this side says of itself; the key in it is not said by who does not open.
        opens: whether this side is the client, which says hello first.
        schema_check: what a mismatch does.
    """

    __slots__ = (
        "_check",
        "_has_accepted",
        "_messages",
        "_opens",
        "_ours",
        "is_over",
        "output",
        "refused",
        "schema",
        "theirs",
    )

    def __init__(
        self, messages: MessageSet, ours: Hello, *, opens: bool, schema_check: SchemaCheck
    ) -> None:
        self._messages = messages
        self._ours = ours
        self._opens = opens
        self._check = schema_check
        self._has_accepted = False
        self.is_over = False
        """Both sides have accepted."""
        self.output = b""
        """What is to be written."""
        self.theirs: Hello | None = None
        """What the other side said of itself."""
        self.schema: SchemaStatus | None = None
        """How the schemas compare, once they were."""
        self.refused: dict[str, str] = {}
        """Which of our messages the other side does not take, and why."""

    def start(self) -> None:
        """Say hello, where it is ours to be first."""
        if self._opens:
            self._say_hello(self._ours.key)

    def take(self, kind: int, payload: bytes) -> None:
        """Take a frame.

        Raises:
            RemoteProtocolError: it has no place here.
            NotPermitted: the client's key is not ours.
            SchemaMismatch: the schemas do not fit, and have to.
        """
        if kind == Kind.HELLO and self.theirs is None:
            self._take_hello(read_hello(payload))
        elif kind == Kind.ACCEPT and self.theirs is not None:
            self.is_over = True
        else:
            raise self.out_of_place(kind)

    def out_of_place(self, kind: int) -> RemoteProtocolError:
        """What is wrong with a frame of that kind now."""
        if self.theirs is None and kind in (Kind.REQUEST, Kind.DESCRIBE):
            return RemoteProtocolError(OTHER_CLIENT)
        wanted = "a hello" if self.theirs is None else "an accept"
        return RemoteProtocolError(f"{wanted} is wanted, not a frame of kind {kind}")

    def _take_hello(self, theirs: Hello) -> None:
        if not self._opens:
            given, wanted = (
                key.encode(errors="surrogatepass") for key in (theirs.key, self._ours.key)
            )
            if not hmac.compare_digest(given, wanted):
                raise NotPermitted(
                    "the client's key is not this server's; give it the key that the server it "
                    "connects to has now"
                )
        self.theirs = theirs
        if not self._opens:
            self._say_hello("")
        self._compare(theirs.schema)
        self.output += frame(Kind.ACCEPT, 0, b"")

    def _say_hello(self, key: str) -> None:
        ours = self._ours
        schema = None if self._check == "off" else self._messages.description
        hello = Hello(key, ours.message_bytes, ours.calls, ours.in_bytes, schema)
        self.output += frame(Kind.HELLO, 0, hello.encode())

    def _compare(self, theirs: str | None) -> None:
        if self._check == "off" or theirs is None:
            self.schema = SchemaStatus("disabled")
            return
        try:
            comparison = compared(self._messages, theirs)
        except DecodeError as error:
            ours = self._messages.description
            self.schema = SchemaStatus("failed", ours=ours, theirs=theirs, reason=error.reason)
            if self._check == "enforce":
                raise
            return
        self.schema, self.refused = comparison.status, comparison.refused
        if self._check == "enforce":
            self.schema.assert_success()
