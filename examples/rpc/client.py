"""The program that examples.rpc.server starts."""

from __future__ import annotations

import asyncio
import sys

from examples.rpc.messages import (
    ASandwich,
    Good,
    GoodToHear,
    HowAreYou,
    MakeMeASandwich,
    Message,
)
from lazyipc import IpcError
from lazyipc.rpc import RpcClient


def say(line: str) -> None:
    """Show what this side sees."""
    print(f"client | {line}", flush=True)


async def main() -> None:
    """Ask the server how it is, and for a sandwich."""
    # Without a handler: this side only asks.
    async with RpcClient.from_parent(Message) as server:
        reply = await server.send(HowAreYou())
        say(f"message from server: {reply!r}")
        match reply:
            case Good():
                await server.notify(GoodToHear())
            case _:
                say("hm, not sure what to do with that answer")
        match await server.send(MakeMeASandwich()):
            case ASandwich(parts=parts):
                say(f"I got a sandwich! It contains {', '.join(part.value for part in parts)}")
            case other:
                say(f"no sandwich, but {other!r}")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except IpcError as error:
        sys.exit(str(error))
