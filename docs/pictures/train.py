"""The program in the pictures: a training run that says the same whenever it is asked.

Its steps go on with commands, not with time, so that a picture drawn again is the same.

python -m docs.pictures.train
"""

from __future__ import annotations

import enum
import math
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lazyipc import F64, U32, U64, Command, CommandFailed, IpcServer, Response, runtime_path

FIRST_STEP = 12_800
STEPS_PER_COMMAND = 40
CHECKPOINT_BYTES = 48_318_382
WORK_SECONDS = 0.02
"""How long a step of the training takes, about."""


class Run:
    """The state of the training."""

    def __init__(self) -> None:
        self.step, self.lr, self.running = FIRST_STEP, 1e-3, True

    @property
    def loss(self) -> float:
        """It gets less and less."""
        return round(2.1 * math.exp(-self.step / 20_000), 4)


class Split(enum.Enum):
    """Which part of the data."""

    TRAINING = 0
    VALIDATION = 1
    TEST = 2


class Answer(Response):
    """What the training run answers."""


class Progress(Answer):
    """How far it is."""

    step: U64
    loss: F64
    lr: F64


class Score(Answer):
    """How good it is."""

    accuracy: F64
    samples: U64


class Saved(Answer):
    """What was written."""

    path: Path
    bytes: U64


class Stopping(Answer):
    """It ends after this step."""


class Order(Command[Run]):
    """What the training run can be told."""


class SetRate(Order):
    """Change the learning rate."""

    lr: Annotated[F64, Field(gt=0, lt=1, description="The new rate.")]
    warmup: Annotated[U32, Field(description="Steps until it is reached.")] = 0

    def process(self, context: Run) -> Progress:
        """Take it from the next step on."""
        context.lr = self.lr
        return _advanced(context)


class Show(Order):
    """Tell how far it is."""

    def process(self, context: Run) -> Progress:
        """Tell it."""
        return _advanced(context)


class Evaluate(Order, timeout=60):
    """Measure the model as it is."""

    split: Annotated[Split, Field(description="On which data.")] = Split.VALIDATION
    batches: Annotated[U32, Field(ge=1, le=64, description="On how much of it.")] = 16

    def process(self, context: Run) -> Score:
        """Measure it."""
        return Score(accuracy=0.9137, samples=self.batches * 256)


class Save(Order, timeout=600):
    """Write a checkpoint now."""

    path: Annotated[Path, Field(description="Where to.")]
    tags: Annotated[
        list[str], Field(default_factory=list, max_length=8, description="Names to find it by.")
    ]

    def process(self, context: Run) -> Saved:
        """Say that it was written."""
        if self.path.suffix != ".pt":
            raise CommandFailed(f"{self.path} is no checkpoint: it does not end in .pt")
        return Saved(path=self.path, bytes=CHECKPOINT_BYTES)


class Stop(Order):
    """End after this step."""

    def process(self, context: Run) -> Stopping:
        """End."""
        context.running = False
        return Stopping()


def _advanced(run: Run) -> Progress:
    run.step += STEPS_PER_COMMAND
    return Progress(step=run.step, loss=run.loss, lr=run.lr)


def main() -> None:
    """Train until told to stop."""
    run = Run()
    with IpcServer(runtime_path("train"), Order, version="1.4.0") as server:
        print("ready", flush=True)
        turn = 0
        try:
            while run.running:
                turn += 1
                server.handle_new_messages(run)
                server.wait(WORK_SECONDS * (1.5 + math.sin(turn / 9)))
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
