"""A Tk program: a file handler watches the descriptor, a timer what has a time."""

from __future__ import annotations

import math
import sys
import tkinter

from examples.hosts.commands import Order, World
from lazyipc import IpcServer


def run(root: tkinter.Tk, path: str) -> None:
    """Serve in Tk's own loop; commands run in the same thread, between two events."""
    world = World()

    def work() -> None:
        world.turns += 1
        root.title(f"{world.turns} at speed {world.speed}")
        root.after(50, work)

    work()
    timer: str | None = None

    def poll(*_: object) -> None:
        nonlocal timer
        server.handle_new_messages(world)
        if timer:
            root.after_cancel(timer)
        delay = server.poll_delay  # after so long it wants a poll though nobody speaks
        timer = None if delay is None else root.after(math.ceil(delay * 1000), poll)
        if not world.is_running:
            root.quit()

    with IpcServer(path, Order) as server:
        root.createfilehandler(server.fileno(), tkinter.READABLE, poll)
        root.mainloop()
        root.deletefilehandler(server.fileno())  # before the server is closed


if __name__ == "__main__":
    run(tkinter.Tk(), sys.argv[1])
