"""A NumPy training loop: change the learning rate, save a checkpoint now, stop; each answered."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lazyipc import F64, U64, Command, CommandFailed, IpcServer, Response


@dataclass
class Run:
    """The training run: what its loop changes, and what commands look at and change."""

    weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros(8))
    step: int = 0
    loss: float = float("inf")
    rate: float = 0.01
    is_running: bool = True


class Answer(Response):
    """What the run answers."""


class Progress(Answer):
    """How far it is."""

    step: U64
    loss: F64
    rate: F64


class Saved(Answer):
    """A checkpoint is on the disk, whole."""

    step: U64
    path: str


class Order(Command[Run]):
    """What the run can be told."""


class Look(Order):
    """See how far it is."""

    def process(self, context: Run) -> Progress:
        """Read, change nothing."""
        return Progress(step=context.step, loss=context.loss, rate=context.rate)


class SetRate(Order):
    """Change the learning rate from the next step on."""

    rate: F64

    def process(self, context: Run) -> Progress:
        """Refuse what makes no sense."""
        if not 0 < self.rate < 1:
            raise CommandFailed(f"a learning rate of {self.rate} makes no sense")
        context.rate = self.rate
        return Progress(step=context.step, loss=context.loss, rate=context.rate)


class Checkpoint(Order, timeout=600):
    """Save now; the answer comes when the file is there."""

    path: str

    def process(self, context: Run) -> Saved:
        """Between two steps the weights are whole; the rename makes the file so."""
        try:
            with open(f"{self.path}.part", "wb") as file:
                np.savez(file, weights=context.weights, step=context.step)
            os.replace(f"{self.path}.part", self.path)
        except OSError as error:
            raise CommandFailed(f"no checkpoint: {error}") from error
        return Saved(step=context.step, path=os.path.abspath(self.path))


class Stop(Order):
    """Stop after this step."""

    def process(self, context: Run) -> Progress:
        """Only say so; the loop ends itself."""
        context.is_running = False
        return Progress(step=context.step, loss=context.loss, rate=context.rate)


def train(path: str) -> None:
    """Fit a plane to noisy points by gradient descent, until told to stop."""
    rng, run = np.random.default_rng(0), Run()
    truth = rng.normal(size=run.weights.size)
    with IpcServer(path, Order) as server:
        while run.is_running:
            points = rng.normal(size=(64, truth.size))
            misses = points @ (run.weights - truth) + rng.normal(scale=0.1, size=64)
            run.loss = float(misses @ misses) / 64
            run.weights -= run.rate * (points.T @ misses) / 64
            run.step += 1
            server.handle_new_messages(run)  # once a step; an idle call costs next to nothing


if __name__ == "__main__":
    train(sys.argv[1])
