"""What comes between two peers besides messages: the handshake, ends of calls, the end of all.

Source: docs/protocol.md, "RPC". Knows which frames may come when, and how long they may be; not
where they begin, and nothing of what messages hold.
"""

from __future__ import annotations

from lazyipc._core.connection.ending import error_frame, failed_connection
from lazyipc._core.connection.handshake import Handshake
from lazyipc._core.connection.hello import HELLO_BYTES
from lazyipc._core.connection.incoming import Incoming
from lazyipc._core.connection.outgoing import Outgoing
from lazyipc._core.events import Cancelled, Failed, Finished, Opened, PeerLeft, Rejected
from lazyipc._core.framing import REQUEST_EXTRA_BYTES, Kind, frame
from lazyipc._core.messages import MessageSet
from lazyipc._core.schema import FINGERPRINT_BYTES
from lazyipc.errors import DecodeError, IpcError, MessageTooLarge, RemoteProtocolError

ERROR_BYTES = HELLO_BYTES + (1 << 18)
"""How long an error may be: four texts of 10,000 characters, and a description."""

ANSWERED_ODD_FRAMES = 100
"""How many frames of kinds that are not known are answered: who sends them without end is to get no
answers without end."""


class Passed:
    """In place of an event, of a frame that has none."""


PASSED = Passed()

Event = Opened | Rejected | Failed | Finished | Cancelled | PeerLeft


class Control:
    """The course of one connection, as one side sees it.

    Args:
        messages: what this side knows.
        handshake: that of the connection.
        outgoing, incoming: the calls of this side and of the other.
        request_bytes: the longest payload of a request.
        reply_bytes: the longest payload of anything else that is no error.
    """

    __slots__ = (
        "_has_left",
        "_incoming",
        "_is_mute",
        "_messages",
        "_odd_count",
        "_outgoing",
        "_output",
        "_reply_bytes",
        "_request_bytes",
        "handshake",
        "has_ended",
        "is_open",
    )

    def __init__(
        self,
        messages: MessageSet,
        handshake: Handshake,
        outgoing: Outgoing,
        incoming: Incoming,
        *,
        request_bytes: int,
        reply_bytes: int,
    ) -> None:
        self._messages = messages
        self._outgoing = outgoing
        self._incoming = incoming
        self._request_bytes = request_bytes
        self._reply_bytes = reply_bytes
        self._output = b""
        self._odd_count = 0
        self._is_mute = self._has_left = False
        self.handshake = handshake
        self.is_open = False
        """The handshake is over and the connection has not ended."""
        self.has_ended = False
        """Nothing more is taken, and nothing more is said."""

    def start(self) -> None:
        """Say hello, where it is ours to be first."""
        self.handshake.start()
        self._take_handshake_output()

    def take_output(self) -> bytes:
        """What is to be written; most often nothing."""
        if not self._output:
            return b""
        output, self._output = self._output, b""
        return output

    # Frames --------------------------------------------------------------------------------------

    def check(self, kind: int, size: int, call: int) -> None:
        """See that a frame may be of this kind and size now, before more of it is kept.

        Raises:
            RemoteProtocolError: it may not.
        """
        limit = self._request_bytes if kind == Kind.REQUEST else self._reply_bytes
        if kind == Kind.ERROR:
            limit = ERROR_BYTES
        elif not self.is_open:
            limit = HELLO_BYTES
            if kind not in (Kind.HELLO, Kind.ACCEPT, Kind.GOODBYE):
                raise self._too_early(kind, call)
        elif kind in (Kind.HELLO, Kind.ACCEPT):
            raise RemoteProtocolError(f"the handshake is over; a frame of kind {kind} came")
        if size > limit:
            what = f"payload of a frame of kind {kind} in bytes"
            raise MessageTooLarge(what, size_bytes=size, limit_bytes=limit)

    def _too_early(self, kind: int, call: int) -> RemoteProtocolError:
        error = self.handshake.out_of_place(kind)
        is_first = self.handshake.theirs is None
        if kind == Kind.REQUEST and is_first and call:  # a FRAMED client's, which reads its answer
            self._output += error_frame(call, error)
            self._is_mute = True
        return error

    def take(self, kind: int, call: int, payload: bytes) -> Event | Passed:
        """Take a frame that is no message, or too short for one.

        Raises:
            RemoteProtocolError: the connection cannot go on.
            RemoteError: likewise; NotPermitted where the key was wrong.
        """
        if kind == Kind.FINISHED:
            self._outgoing.end(call)
            return Finished(call)
        if kind == Kind.ERROR:
            if call:
                return self._outgoing.end_failed(call, payload)
            self._is_mute = True
            raise failed_connection(self._messages, self.handshake, payload)
        if kind == Kind.CANCEL:
            return Cancelled(call) if self._incoming.cancel(call) else PASSED
        if kind == Kind.GOODBYE:
            self._end("the other side said goodbye")
            return PeerLeft()
        if not self.is_open:
            return self._shake_hands(kind, payload)
        if kind == Kind.RESPONSE:
            raise DecodeError(f"a response of {len(payload)} bytes has no fingerprint", offset=0)
        if kind in (Kind.REQUEST, Kind.NOTIFY):
            self._incoming.begin(call, 0, b"")
            least = REQUEST_EXTRA_BYTES if kind == Kind.REQUEST else FINGERPRINT_BYTES
            reason = f"its payload has at least {least} bytes, not {len(payload)}"
            return Rejected(call, DecodeError(reason, offset=0))
        return self._pass_unknown(kind, call)

    def _shake_hands(self, kind: int, payload: bytes) -> Opened | Passed:
        handshake = self.handshake
        try:
            handshake.take(kind, payload)
        finally:
            self._take_handshake_output()
        if not handshake.is_over:
            return PASSED
        assert handshake.theirs is not None
        if not self._has_left:
            self._outgoing.open(handshake.theirs, handshake.schema, handshake.refused)
        self.is_open = True
        return Opened(handshake.schema)

    def _take_handshake_output(self) -> None:
        self._output += self.handshake.output
        self.handshake.output = b""

    def _pass_unknown(self, kind: int, call: int) -> Passed:
        error = RemoteProtocolError(f"a peer takes no frame of kind {kind}")
        if call == 0:
            raise error
        if self._odd_count < ANSWERED_ODD_FRAMES:
            self._odd_count += 1
            self._output += error_frame(call, error)
        return PASSED

    # The end -------------------------------------------------------------------------------------

    def be_mute(self) -> None:
        """Say nothing of what ends the connection: nobody knows what the other side reads."""
        self._is_mute = True

    def give_up(self, error: IpcError) -> None:
        """End the connection, and tell the other side why."""
        if not self._is_mute:
            self._output += error_frame(0, error)
        self._end(str(error))

    def goodbye(self) -> bytes:
        """The bytes that this side ends with; none where it has ended before."""
        if self.has_ended or self._has_left:
            return b""
        self._has_left = True
        self._outgoing.close("goodbye was said, and nothing is sent after it")
        self._incoming.close()
        return frame(Kind.GOODBYE, 0, b"")

    def _end(self, reason: str) -> None:
        self.has_ended = True
        self.is_open = False
        self._outgoing.close(f"the connection has ended: {reason}")
        self._incoming.close()
