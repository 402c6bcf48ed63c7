"""The worker that examples.rpc.steer starts: it runs what it is told, and reports."""

from __future__ import annotations

import asyncio
import sys

from examples.rpc.orders import Talk, Work
from lazyipc import IpcError
from lazyipc.rpc import RpcClient


async def main() -> None:
    """Serve the parent until it leaves; should it be killed, the connection ends as well."""
    async with RpcClient.from_parent(Talk, context=Work()) as parent:
        await parent.wait_closed()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except IpcError as error:
        sys.exit(str(error))
