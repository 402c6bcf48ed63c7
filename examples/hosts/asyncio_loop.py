"""An asyncio program: its loop watches the server's descriptor, and tasks run beside it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from typing import TypeVar

from examples.hosts.commands import Order, World
from lazyipc import IpcServer

Context = TypeVar("Context")


@contextlib.contextmanager
def served(server: IpcServer[Context], context: Context) -> Iterator[None]:
    """Let the running loop serve, until the block ends."""
    loop = asyncio.get_running_loop()
    fd = server.fileno()  # kept, for a command may close the server
    timer: asyncio.TimerHandle | None = None

    def poll() -> None:
        nonlocal timer
        server.handle_new_messages(context)
        if timer:
            timer.cancel()
        delay = server.poll_delay  # after so long it wants a poll though nobody speaks
        timer = None if delay is None else loop.call_later(delay, poll)

    loop.add_reader(fd, poll)
    try:
        yield
    finally:  # before the server is closed
        loop.remove_reader(fd)
        if timer:
            timer.cancel()


async def work(world: World) -> None:
    """The program's own work, a task like any other."""
    while world.is_running:
        world.turns += 1
        await asyncio.sleep(0.05)


async def main(path: str) -> None:
    """Run the program's tasks, and serve while they wait for something."""
    world = World()
    with IpcServer(path, Order) as server, served(server, world):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(work(world))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
