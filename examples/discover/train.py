"""A training run that does as it is told: `python -m examples.discover.train`.

It fits one weight by gradient descent, some steps for each `Train`, and waits in between. Nothing
here is for the notebook beside it, which finds the commands by the name of the server alone.
"""

from __future__ import annotations

import argparse
import enum

from pydantic import Field

from lazyipc import U32, Command, CommandFailed, IpcServer, Response, runtime_path


class Schedule(enum.Enum):
    """How the learning rate goes on."""

    CONSTANT = "constant"
    HALVING = "halving"


class Run:
    """The program's state."""

    def __init__(self) -> None:
        self.step, self.weight, self.rate = 0, 0.0, 0.25
        self.schedule = Schedule.CONSTANT
        self.is_running = True

    @property
    def loss(self) -> float:
        """How far the weight is from the best one."""
        return (self.weight - 3) ** 2

    def go(self, steps: int) -> None:
        """Some steps down the slope of the loss."""
        for _ in range(steps):
            self.weight -= self.rate * 2 * (self.weight - 3)
            self.step += 1
        if self.schedule is Schedule.HALVING:
            self.rate /= 2


class Answer(Response):
    """What the run answers."""


class Progress(Answer):
    """How far it is."""

    step: U32 = Field(description="steps made so far")
    loss: float = Field(description="the squared distance from the optimum")


class Settings(Answer):
    """What it goes on with."""

    rate: float
    schedule: Schedule


class Stopping(Answer):
    """It will end after this."""


class Order(Command[Run]):
    """What the training run can be told."""


class Train(Order):
    """Make some steps, then wait again."""

    steps: U32 = Field(default=1, ge=1, le=10_000, description="how many")

    def process(self, context: Run) -> Progress:
        """Make the steps."""
        context.go(self.steps)
        return Progress(step=context.step, loss=round(context.loss, 6))


class SetRate(Order):
    """Change the learning rate, and how it goes on.

    Takes effect with the next step.
    """

    rate: float = Field(gt=0, lt=1, description="the new learning rate")
    schedule: Schedule = Field(default=Schedule.CONSTANT, description="what becomes of it")

    def process(self, context: Run) -> Settings:
        """Take both."""
        context.rate, context.schedule = self.rate, self.schedule
        return Settings(rate=context.rate, schedule=context.schedule)


class Rewind(Order):
    """Begin again at an earlier step; only the first is kept."""

    step: U32

    def process(self, context: Run) -> Progress:
        """Begin again."""
        if self.step:
            raise CommandFailed(f"step {self.step} was not kept; 0 was")
        context.step, context.weight = 0, 0.0
        return Progress(step=0, loss=context.loss)


class Stop(Order):
    """End the run."""

    def process(self, context: Run) -> Stopping:
        """See that the loop ends."""
        context.is_running = False
        return Stopping()


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", help="where to listen; a place that the name train leads to")
    path = parser.parse_args().socket or runtime_path("train")
    run = Run()
    with IpcServer(path, Order, version="1.0") as server:
        print("ready", flush=True)
        while run.is_running:
            server.wait()
            server.handle_new_messages(run)


if __name__ == "__main__":
    main()
