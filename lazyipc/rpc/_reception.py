"""Who comes to a server: its listener, the peers it has, and those nobody was told of yet.

Knows the listener and its peers. What is said to each is the conversation's business.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import warnings
from time import monotonic
from typing import Generic, TypeVar

from pydantic import BaseModel

from lazyipc import _place
from lazyipc._aio.news import News
from lazyipc._io import private_dir, sockets
from lazyipc._io.fds import Closers, abandon_in_child
from lazyipc._log import ClientLog
from lazyipc._peer import Peer
from lazyipc._stats import Counts
from lazyipc.errors import IpcError
from lazyipc.rpc._conversation import Conversation
from lazyipc.rpc._key import ConnectionKey
from lazyipc.rpc._peer import RpcPeer
from lazyipc.rpc._side import Side

M = TypeVar("M", bound=BaseModel)

ACCEPTS_PER_TURN = 64
"""How many one turn of the loop accepts: a flood of connects must not keep it from its work."""

LEFT_COUNT = 16
"""How many peers are kept that have left before anybody was told of them."""

REST_SECONDS = 1.0
"""How long accepting rests after the system refused a descriptor."""


class Reception(Generic[M]):
    """A listening socket in a running event loop, and the peers that came.

    Args:
        side: what the server speaks, and with what limits.
        path: the socket's; None makes a private directory.

    Raises:
        SocketInUse, SocketRefused, TransportError: as for an IpcServer.
    """

    def __init__(self, side: Side, path: str | None) -> None:
        self._side = side
        self._loop = asyncio.get_running_loop()
        self._place: _place.Place | private_dir.PrivateDir
        if path is None:
            self._place = private_dir.make()
            try:
                self._listener = sockets.listen(self._place.ownership)
            except BaseException:
                self._place.release()
                raise
            self.key = ConnectionKey.make(self._place.ownership.path)
        else:
            self._place, self._listener = _place.claimed(path)
            self.key = ConnectionKey.make(self._place.path)
        self._closers = Closers(self, self._place.release, self._listener.close)
        abandon_in_child(self, type(self)._abandon)
        self._counts = Counts()
        self._log = ClientLog(self.key.path, self._counts)
        self._allowed_uids = frozenset((os.geteuid(), 0))
        self._conversations: dict[Conversation, RpcPeer[M]] = {}
        """All that have not ended, those included that have not agreed yet."""
        self._greetings: set[asyncio.Task[None]] = set()
        self._newcomers: dict[RpcPeer[M], None] = {}
        self._news = News(self._loop)
        self._rest: asyncio.TimerHandle | None = None
        self._is_listening = False
        self.is_closed = False
        self.peers: dict[RpcPeer[M], None] = {}
        """Those connected, in the order they came."""
        self._listen()

    def _listen(self) -> None:
        self._rest = None
        if not (self._is_listening or self.is_closed):
            self._is_listening = True
            self._loop.add_reader(self._listener, self._accept)

    def _stop_listening(self) -> None:
        if self._is_listening:
            self._is_listening = False
            self._loop.remove_reader(self._listener)
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if len(self._conversations) >= self._side.limits.peers:
                self._stop_listening()  # until one has ended
                return
            try:
                accepted = sockets.accept(self._listener)
            except BlockingIOError:
                return
            except OSError as error:
                self._log(logging.WARNING, "cannot accept a client: %s", error)
                self._stop_listening()
                self._rest = self._loop.call_later(REST_SECONDS, self._listen)
                return
            family, kind = self._listener.family, self._listener.type
            self._admit(socket.socket(family, kind, 0, fileno=accepted.detach()))

    def _admit(self, connected: socket.socket) -> None:
        """See who it is before a byte of it is read, and begin to talk."""
        try:
            peer = Peer(*sockets.credentials_of(connected))
        except OSError as error:  # nobody known is nobody allowed
            self._log(logging.WARNING, "cannot tell who connected: %s", error)
            connected.close()
            return
        if peer.uid not in self._allowed_uids:
            self._log(logging.WARNING, "refused a client of uid %d (pid %d)", peer.uid, peer.pid)
            connected.close()
            return
        connected.setblocking(False)
        conversation = self._side.conversation(
            self.key.path, self.key.token, opens=False, log=self._log
        )
        self._conversations[conversation] = RpcPeer(conversation, peer)
        conversation.on_change = self._look_round
        greeting = self._loop.create_task(self._greet(conversation, connected))
        self._greetings.add(greeting)
        greeting.add_done_callback(self._greetings.discard)

    async def _greet(self, conversation: Conversation, connected: socket.socket) -> None:
        seconds = self._side.limits.handshake_seconds
        peer = self._conversations[conversation]
        try:
            await conversation.begin(connected, monotonic() + seconds, seconds, opens=False)
        except IpcError as error:
            if not self.is_closed:
                self._log(logging.WARNING, "%s did not come in: %s", peer.credentials, error)
            return
        finally:
            self._look_round()
        if not peer.status.has_ended:
            self.peers[peer] = None
        self._newcomers[peer] = None
        left = [each for each in self._newcomers if each.status.has_ended]
        for each in left[:-LEFT_COUNT]:
            del self._newcomers[each]
        self._news.tell()

    def _look_round(self) -> None:
        """Let go of those that have ended."""
        for peer in [peer for peer in self.peers if peer.status.has_ended]:
            del self.peers[peer]
        for conversation in [each for each in self._conversations if each.is_over]:
            del self._conversations[conversation]
        if self._rest is None and len(self._conversations) < self._side.limits.peers:
            self._listen()

    async def next_peer(self) -> RpcPeer[M] | None:
        """The next peer that nobody was told of; None once the server is closed."""
        while not self._newcomers:
            if self.is_closed:
                return None
            await self._news.wait()
        peer = next(iter(self._newcomers))
        del self._newcomers[peer]
        return peer

    def close(self) -> None:
        """Stop listening, and say goodbye to each peer. Calling it twice is fine."""
        if self.is_closed:
            return
        self.is_closed = True
        if not self._loop.is_closed():
            self._stop_listening()
            self._news.tell()
        self._closers.close()
        self._log.close()
        for conversation in list(self._conversations):
            conversation.close()

    async def wait_closed(self) -> None:
        """Wait until the server is closed, and all connections have ended, and their handlers."""
        while not self.is_closed:
            await self._news.wait()
        if self._greetings:
            await asyncio.wait(self._greetings)
        for conversation in list(self._conversations):
            await conversation.wait_over()

    def let_go(self) -> None:
        """Nobody holds the server any more. This may be in any thread, for the collector is."""
        if self.is_closed:
            return
        try:
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:  # the loop is closed
            self.close()
        warnings.warn(
            f"{self.key.path}: a server was forgotten, so it is closed; use `async with`",
            ResourceWarning,
            stacklevel=2,
        )

    def _abandon(self) -> None:
        """In a forked child: the server is the parent's."""
        self.is_closed = True
        self._listener.close()
        self._place.abandon()
