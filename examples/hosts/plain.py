"""A plain loop: `wait` in the place of `time.sleep`, and a rhythm that no client changes."""

from __future__ import annotations

import sys
import time

from examples.hosts.commands import Order, World
from lazyipc import IpcServer

TURN_SECONDS = 0.1


def run(path: str) -> None:
    """Take a turn every 100 ms; answer at once in between."""
    world, due = World(), time.monotonic()
    with IpcServer(path, Order) as server:
        while world.is_running:
            world.turns += 1  # the program's own work
            server.handle_new_messages(world)
            due += TURN_SECONDS
            while (left := due - time.monotonic()) > 0 and world.is_running:
                if server.wait(left):  # instead of time.sleep(left)
                    server.handle_new_messages(world)


if __name__ == "__main__":
    run(sys.argv[1])
