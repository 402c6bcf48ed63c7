"""What the sides of a connection have in common: messages, who handles them, limits, a log.

Knows how a conversation is made. Where its socket comes from is the business of others.
"""

from __future__ import annotations

import asyncio
from typing import Any

from lazyipc._core.connection.hello import SchemaCheck
from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.messages import MessageSet
from lazyipc._io.clock import clock_identity
from lazyipc._log import ClientLog
from lazyipc.rpc._conversation import Conversation
from lazyipc.rpc._crew import Answer, Crew
from lazyipc.rpc._limits import RpcLimits

SCHEMA_CHECKS = ("enforce", "warn", "off")


class Side:
    """One side of the connections it makes.

    Args:
        message: the root of the messages' family, or one model.
        handler: handles them; None where they have `process`.
        context: what `process` is called with; NO_CONTEXT where it is not.
        schema_check: what a mismatch of schemas does.
        limits: what other sides may take; None: as usual.

    Raises:
        SchemaError: the messages cannot travel, or there are two who would handle them.
        ValueError, TypeError: a setting that is none.
    """

    def __init__(
        self,
        message: type,
        handler: Answer | None,
        context: Any,
        schema_check: SchemaCheck,
        limits: RpcLimits | None,
    ) -> None:
        if schema_check not in SCHEMA_CHECKS:
            told = ", ".join(map(repr, SCHEMA_CHECKS))
            raise ValueError(f"schema_check must be one of {told}, is {schema_check!r}")
        if handler is not None and not callable(handler):
            raise TypeError(f"handler must be callable, is {type(handler).__name__}")
        if not isinstance(limits, RpcLimits | None):
            raise TypeError(f"limits must be an RpcLimits, is {type(limits).__name__}")
        self.messages = MessageSet(message)
        self.limits = limits or RpcLimits()
        self._crew = Crew(self.messages, handler, context, self.limits.running)
        self._schema_check: SchemaCheck = schema_check

    def conversation(
        self, name: str, key: str, *, opens: bool, log: ClientLog | None = None
    ) -> Conversation:
        """A conversation that has yet to begin.

        Args:
            name: what stands for it in errors and in the log.
            key: what the side says that opens it.
            opens: whether that is this side.
            log: where the other side's doings are logged; None: in one of its own.
        """
        limits = self.limits
        connection = PeerConnection(
            self.messages,
            opens=opens,
            key=key,
            schema_check=self._schema_check,
            message_bytes=limits.message_bytes,
            elements=limits.elements,
            depth=limits.depth,
            calls=limits.calls_per_peer,
            in_bytes=limits.in_bytes,
            clock=clock_identity(),
        )
        return Conversation(
            asyncio.get_running_loop(),
            connection,
            self._crew,
            log,
            name,
            out_bytes=limits.out_bytes,
            handshake_seconds=limits.handshake_seconds,
        )
