"""A connection that is kept between calls, and made again where it ended while none was under way.

Shared by the blocking clients. Knows when to connect again, not what is said.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from lazyipc._calls import BARE_QUICK_ATTEMPTS, BARE_REST_SECONDS, is_made_again
from lazyipc._core.framing import BARE, Wire
from lazyipc._link import Link
from lazyipc.errors import Disconnected, LocalProtocolError

R = TypeVar("R")
P = TypeVar("P")


class KeptLink:
    """At most one link at a time.

    Args:
        make: makes a link; it connects when it is first used.
        wire: what is spoken on it; BARE takes one call a connection.
    """

    __slots__ = ("_is_closed", "_lent", "_make", "_wire", "link")

    def __init__(self, make: Callable[[], Link], wire: Wire) -> None:
        self._make = make
        self._wire = wire
        self.link: Link | None = None
        self._lent: list[Link] = []
        self._is_closed = False

    @property
    def is_connected(self) -> bool:
        """Whether a connection is kept; that a server closed it is noticed by the next call."""
        kept = [] if self.link is None else [self.link]
        return any(link.is_connected for link in (*kept, *self._lent))

    def close(self) -> None:
        """Close all connections, and make no other."""
        self._is_closed = True
        self.let_go()

    def let_go(self) -> None:
        """Close all connections, what is lent too."""
        self.disconnect()
        for link in self._lent:
            link.close()
        self._lent = []

    def disconnect(self) -> None:
        """Close the connection that is kept, if there is one; the next call makes another."""
        link, self.link = self.link, None
        if link is not None:
            link.close()

    def disconnect_ended(self) -> None:
        """The same of one that the server has closed."""
        if self.link is not None and self.link.has_ended():
            self.disconnect()

    def lend(self) -> Link:
        """A link for many steps of a course that others may interrupt, who meanwhile get another.

        Raises:
            LocalProtocolError: it was closed for good.
        """
        self.disconnect_ended()
        link, _ = self.current()
        self._lent.append(link)
        self.link = None
        return link

    def give_back(self, link: Link) -> None:
        """What was lent; it is kept on if it is whole and there is no other."""
        if link in self._lent:
            if self.link is None and not link.is_broken:
                self.link = link
            self._lent.remove(link)
        if self.link is not link:
            link.close()

    def over(
        self,
        step: Callable[[Link, P, float, float], R],
        sent: P,
        seconds: float,
        deadline: float,
    ) -> R:
        """Take a step over the kept connection, or over a new one where that had ended."""
        attempt = 0
        while True:
            attempt += 1
            link, is_kept = self.link, True
            if link is None or link.is_broken or self._wire is BARE:
                link, is_kept = self.current()
            try:
                return step(link, sent, seconds, deadline)
            except Disconnected as error:
                # Never read by the server, so sending it again cannot run it twice.
                again = is_made_again(self._wire, link.request_bytes, is_kept=is_kept)
                if error.started != "no" or not again or monotonic() >= deadline:
                    raise
                if attempt > BARE_QUICK_ATTEMPTS:
                    select.poll().poll(BARE_REST_SECONDS * 1000)
            finally:
                if link.is_broken or self._wire is BARE:
                    self.disconnect()

    def current(self) -> tuple[Link, bool]:
        """The link to use now, and whether it was used before.

        Raises:
            LocalProtocolError: it was closed for good.
        """
        if self._is_closed:
            raise LocalProtocolError("the client is closed")
        kept = self.link
        if kept is not None and (kept.is_broken or self._wire is BARE):
            self.disconnect()  # an interrupt had come before it was
            kept = None
        self.link = kept or self._make()
        return self.link, kept is not None
