"""A Qt program (PySide6): a notifier watches the descriptor, a timer what has a time."""

from __future__ import annotations

import math
import sys

from PySide6.QtCore import QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication, QLabel

from examples.hosts.commands import Order, World
from lazyipc import IpcServer


def run(path: str) -> None:
    """Show the turns in a window; commands run in the same thread, between two events."""
    app, world, label = QApplication(sys.argv[:1]), World(), QLabel("0")
    label.show()

    def work() -> None:
        world.turns += 1
        label.setText(f"{world.turns} at speed {world.speed}")

    ticks = QTimer(interval=50)
    ticks.timeout.connect(work)
    ticks.start()

    def poll() -> None:
        server.handle_new_messages(world)
        if (delay := server.poll_delay) is not None:  # it wants a poll though nobody speaks
            timer.start(math.ceil(delay * 1000))
        if not world.is_running:
            app.quit()

    with IpcServer(path, Order) as server:
        timer = QTimer(singleShot=True)
        timer.timeout.connect(poll)
        notifier = QSocketNotifier(server.fileno(), QSocketNotifier.Type.Read)
        notifier.activated.connect(poll)
        app.exec()
        notifier.setEnabled(False)  # before the server is closed


if __name__ == "__main__":
    run(sys.argv[1])
