"""The program that starts a worker, hears of its progress, and steers it.

python -m examples.rpc.steer
"""

from __future__ import annotations

import asyncio
import sys

from examples.rpc.orders import CountPrimes, SetChunk, Talk, Watch
from lazyipc import CommandFailed, IpcError
from lazyipc.rpc import RpcProcess

WORKER = (sys.executable, "-m", "examples.rpc.worker")


def say(line: str) -> None:
    """Show what this side sees."""
    print(f"parent | {line}", flush=True)


async def main() -> int:
    """Have primes counted, steer that while it goes on, give another count up; the exit status."""
    watch = Watch()
    async with RpcProcess.spawn(WORKER, Talk, context=watch) as worker:
        count = worker.send(CountPrimes(below=100_000))  # goes at once; awaited below
        await watch.reports.get()
        await worker.notify(SetChunk(size=20_000))
        primes = await count  # a Primes, for type checkers too
        say(f"{primes.count} primes below 100000")

        task = asyncio.create_task(worker.send(CountPrimes(below=9_000_000)))
        while (await watch.reports.get()).total != 9_000_000:
            pass
        task.cancel()  # and with it what counts over there
        await asyncio.wait([task])
        say("gave up on a count")

        try:
            await worker.send(CountPrimes(below=10**12))
        except CommandFailed as error:
            say(f"refused: {error}")
    say(f"worker left: {worker.status}, exit status {worker.returncode}")
    return worker.returncode or 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except IpcError as error:
        sys.exit(str(error))
