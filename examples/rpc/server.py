"""The program that starts the other one, and serves it until it leaves.

python -m examples.rpc.server
"""

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
    SandwichComponent,
)
from lazyipc import IpcError
from lazyipc.rpc import RpcPeer, RpcProcess

CLIENT = (sys.executable, "-m", "examples.rpc.client")


def say(line: str) -> None:
    """Show what this side sees."""
    print(f"server | {line}", flush=True)


async def handler(message: Message, peer: RpcPeer[Message]) -> Message | None:
    """Answer the client."""
    say(f"message from client: {message!r}")
    match message:
        case HowAreYou():
            return Good()
        case GoodToHear():
            return None  # it came by notify: nobody waits for an answer
        case MakeMeASandwich():
            bread, butter, jelly = SandwichComponent
            return ASandwich(parts=[bread, butter, jelly, bread])
        case _:
            say("... huh? I didn't ask for that.")
            return None


async def main() -> int:
    """Start the client and see it through; its exit status."""
    async with RpcProcess.spawn(CLIENT, Message, handler) as client:
        say("client connected")
        status = await client.wait_closed()
        say(f"client disconnected: {status}")
    return client.returncode or 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except IpcError as error:
        sys.exit(str(error))
