"""`PlainClient`: JSON values in and out over a blocking Unix socket, with no classes at all.

It asks any server for its description and its counters, and calls commands as a line of JSON has
them. Knows bytes and the clock; it imports neither pydantic nor construct, for the command line
starts with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Self

from lazyipc._calls import DEFAULT_TIMEOUT, checked_timeout, trusted_uids
from lazyipc._core.connection.plain import (
    BadAnswer,
    NotLazyipc,
    PlainConnection,
    QuestionConnection,
)
from lazyipc._core.description.model import Description
from lazyipc._core.description.reading import read_description
from lazyipc._core.events import BUILT_IN, DESCRIBE, STATS, Failed, Responded
from lazyipc._core.framing import BARE, FRAMED, JSON
from lazyipc._io.fds import abandon_in_child
from lazyipc._io.status_page import read_status
from lazyipc._kept import KeptLink
from lazyipc._link import Link
from lazyipc.errors import DecodeError, Disconnected, IpcError, RemoteProtocolError, Started


class PlainClient:
    """A connection that is kept between calls; not to be shared between threads.

    It connects when first used, and again by itself when the connection ended while no call was
    under way. An interrupt during a call (Ctrl-C) closes the connection, so that the server does
    not run what it has not begun.

    A server asked by a wire that it does not take closes the connection, and nothing has run; but
    one that takes BARE alone, and has a single command without a name, takes all it is sent for
    that. `describe` sends nothing to such a server of lazyipc; of a Rust one nobody can tell.

    Args:
        path: the server's socket.
        timeout: seconds for each call; None is 5; math.inf is for ever.
        server_uids: the users the server may run as; None is one's own and root.

    >>> with PlainClient("/nowhere/app.sock") as client:
    ...     client.call({"Add": {"a": 1, "b": 2}})
    Traceback (most recent call last):
    lazyipc.errors.ServerNotRunning: /nowhere/app.sock: no server is running there ...
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float | None = None,
        server_uids: Iterable[int] | None = None,
    ) -> None:
        self.path = os.fsdecode(path)
        self._timeout = checked_timeout(timeout)
        self._server_uids = trusted_uids(server_uids)
        self._lines = KeptLink(self._link_of_lines, JSON)
        self._frames = KeptLink(self._link_of_frames, FRAMED)
        self._spoken = PlainConnection()
        """What is spoken on the newest link of lines."""
        self._takes_json = True
        self.last_started: Started = "no"
        """Of a call that an interrupt ended: whether its command may have begun to run."""
        abandon_in_child(self, type(self)._abandon)

    def _link_of_lines(self) -> Link:
        self._spoken = PlainConnection()
        return Link(self.path, self._spoken, self._server_uids)

    def _link_of_frames(self) -> Link:
        return Link(self.path, QuestionConnection(), self._server_uids)

    @property
    def is_connected(self) -> bool:
        """Whether a connection is kept; that a server closed it is noticed by the next call."""
        return self._lines.is_connected or self._frames.is_connected

    def close(self) -> None:
        """Close the connection. Calling it twice is fine; a call after it is not."""
        self._lines.close()
        self._frames.close()

    def _abandon(self) -> None:
        """In a forked child: let go of the parent's connections; the next call makes another."""
        self._lines.let_go()
        self._frames.let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def call(self, command: Any, timeout: float | None = None) -> Any:
        """Send one command and return what stands behind "Ok" in its answer, as parsed JSON.

        Args:
            command: as a line has it: `{"Add": {"a": 1, "b": 2}}`, `"Stop"`.
            timeout: seconds for this call; None is the client's.

        Raises:
            ServerNotRunning: nobody listens at the path.
            SocketRefused: the server is another user's, and nothing was sent; or what answered is
                no lazyipc server.
            ReplyTimeout, HostBusy, Disconnected: as `client_send`.
            DecodeError: the command does not fit, and did not run; `path` is the field.
            RemoteError: the command failed over there; CommandFailed where that was expected.
            EncodeError: it is no JSON; nothing was sent.
            LocalProtocolError: after `close`.
        """
        seconds, deadline = self._time(timeout)
        try:
            return _value(self._lines.over(self._step, command, seconds, deadline))
        except NotLazyipc as error:
            raise self._told(error) from error
        except Disconnected as error:
            if self._spoken.has_answered:
                raise
            raise Disconnected(
                f"{error}; a server that takes no lines of JSON hangs up likewise",
                path=self.path,
                errno=error.errno,
                started=error.started,
            ) from error

    def call_many(
        self,
        commands: Iterable[Any],
        timeout: float | None = None,
        *,
        source_fd: int | None = None,
    ) -> Iterator[Any | IpcError]:
        """Send commands while their answers come, and yield these in order, each when it is there.

        A bounded number is under way at a time. A failed command's error is yielded in its place.
        Where the connection or a command's time ended, that is the error of all that were under
        way, and the next command goes over a new connection. Leaving the iteration closes the
        connection if any is under way.

        Args:
            commands: each as for `call`. `lazyipc._plain_stream.PAUSE` in place of one says that
                there is none now: then what is under way is waited for.
            timeout: seconds for each command; None is the client's.
            source_fd: a descriptor that is readable when there is more after a PAUSE.

        Raises:
            LocalProtocolError: after `close`.
        """
        # Here, because most programs make one call at a time.
        from lazyipc._plain_stream import streamed

        seconds, _ = self._time(timeout)
        return streamed(self._lines, commands, seconds, source_fd, self._told)

    def describe(self, timeout: float | None = None) -> Description:
        """What the server tells of itself and of its commands.

        It is asked by a line of JSON; a server that takes none by a frame, over a second
        connection. `timeout` covers both.

        Raises:
            SocketRefused: no lazyipc server, or one that cannot be asked: the text says which.
            RemoteProtocolError: what it tells is no description.
            ServerNotRunning, ReplyTimeout, HostBusy, Disconnected: as `call`.
        """
        told = self._ask(DESCRIBE, timeout)
        try:
            return read_description(told)
        except DecodeError as error:
            raise BadAnswer(error, self.path) from error

    def stats(self, timeout: float | None = None) -> dict[str, Any]:
        """The server's counters by their names; raises as `describe`."""
        told = self._ask(STATS, timeout)
        if not isinstance(told, dict):
            raise BadAnswer("its counters are no object", self.path)
        return told

    def _time(self, timeout: float | None) -> tuple[float, float]:
        """How many seconds a call may take, and until when that is."""
        own = self._timeout if timeout is None else checked_timeout(timeout)
        seconds = DEFAULT_TIMEOUT if own is None else own
        return seconds, monotonic() + seconds

    def _step(
        self, link: Link, command: Any, seconds: float, deadline: float
    ) -> Responded | Failed:
        """One call over a link; an interrupt gives it up."""
        try:
            return link.call(command, seconds, deadline)
        except BadAnswer as error:
            raise self._told(error) from error
        except IpcError:
            raise
        except BaseException:
            self.last_started = link.abandon()
            raise

    # What any server can be asked ----------------------------------------------------------------

    def _ask(self, what: str, timeout: float | None) -> Any:
        """A question to the server itself, on the wire that it takes."""
        seconds, deadline = self._time(timeout)
        for kept in (self._lines, self._frames):
            kept.disconnect_ended()
        if not self.is_connected:
            self._look()
        if self._takes_json:
            try:
                question = {BUILT_IN: what}
                return _value(self._lines.over(self._question, question, seconds, deadline))
            except Disconnected:
                if self._spoken.has_answered:
                    raise
            except NotLazyipc as error:
                if not error.is_framed:
                    raise self._told(error) from error
        return self._ask_by_frame(what, seconds, deadline)

    def _question(
        self, link: Link, question: Any, seconds: float, deadline: float
    ) -> Responded | Failed:
        """As `_step`; no new connection is asked anything before its server's page was looked at.

        The server that was asked first may have ended meanwhile, and another taken its place.
        """
        if not link.is_connected:
            self._look()
        return self._step(link, question, seconds, deadline)

    def _look(self) -> None:
        """What the server's page says of its wires, before a byte is sent.

        Raises:
            SocketRefused: it takes BARE alone, and is asked nothing: if it has one command, without
                a name, it would take any question for that.
        """
        page = read_status(self.path, self._server_uids)
        if page is None or not page.is_locked or page.wires is None:
            return
        if page.wires == BARE.value:
            from lazyipc._stranger import speaks_bare_alone

            raise speaks_bare_alone(self.path, page.pid)
        self._takes_json = bool(page.wires & JSON.value)

    def _ask_by_frame(self, what: str, seconds: float, deadline: float) -> Any:
        """The same, of a server that hung up on a line of JSON, or answered it in frames."""
        takes_json, self._takes_json = self._takes_json, True  # another may have taken its place
        try:
            answer = self._frames.over(self._question, what, seconds, deadline)
        except (Disconnected, RemoteProtocolError) as error:
            if takes_json:  # it never answered a question
                raise self._told(error) from error
            raise
        self._takes_json = False
        return _value(answer)

    def _told(self, error: IpcError) -> IpcError:
        """What is told where the answer was none of a lazyipc server that can be asked."""
        # Here, because most servers answer.
        from lazyipc._stranger import told_of

        return told_of(error, self.path)


def _value(answer: Responded | Failed) -> Any:
    if isinstance(answer, Failed):
        raise answer.error
    return answer.value
