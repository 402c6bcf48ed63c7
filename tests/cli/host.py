"""A program with a rich command set, for the tests of the command line.

`python -m tests.cli.host PATH` prints "ready" when its socket is there. It has each kind of field,
constraints, defaults and docs; commands that fail, crash, keep the host busy and answer with what a
terminal would obey. `--schema new` is the same program one release later: a field more, a command
less, a command more.
"""

from __future__ import annotations

import argparse
import enum
import signal
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from lazyipc import (
    F64,
    I32,
    U8,
    U16,
    U32,
    U64,
    Array,
    Char,
    Command,
    CommandFailed,
    Duration,
    IpcServer,
    Response,
    SystemTime,
    TaggedUnion,
    Wire,
)

IS_NEW = __name__ == "__main__" and sys.argv[-2:] == ["--schema", "new"]
VERSION = "2.0.0" if IS_NEW else "1.4.0"
SCARE = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202eback\r\x08 [bold]no markup[/bold]"
"""What must never reach a terminal as it is."""


class Run:
    """The program's state."""

    def __init__(self) -> None:
        self.step, self.lr, self.is_running = 0, 3e-4, True
        self.added = 0


class Level(enum.Enum):
    """How much is told."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


class Point(BaseModel):
    """A place in the plane."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    x: F64
    y: Annotated[F64, Field(description="Upwards.")] = 0.0


class Shape(TaggedUnion):
    """What can be drawn."""


class Circle(Shape):
    """Round."""

    radius: Annotated[F64, Field(gt=0)]


class Polygon(Shape):
    corners: list[Point]


class Nothing(Shape):
    """No shape."""


class Answer(Response):
    """What the training run answers."""


class Progress(Answer):
    """Where it is."""

    step: U64
    lr: F64


class Stopping(Answer):
    """It will end after this step."""


class Sum(Response):
    """The sum of two numbers."""

    c: U64


class Order(Command[Run]):
    """What the training run can be told."""


if IS_NEW:

    class SetRate(Order):
        """Change the learning rate.

        It counts from the next step on.
        """

        lr: Annotated[F64, Field(gt=0, lt=1, description="The new rate.")]
        warmup: Annotated[U32, Field(description="Steps until it is reached.")] = 0

        def process(self, context: Run) -> Answer:
            context.lr = self.lr
            return Progress(step=context.step, lr=self.lr)

    class Save(Order, timeout=600):
        """Write a checkpoint."""

        path: Path

        def process(self, context: Run) -> None: ...

else:

    class SetRate(Order):  # type: ignore[no-redef]
        """Change the learning rate.

        It counts from the next step on.
        """

        lr: Annotated[F64, Field(gt=0, lt=1, description="The new rate.")]

        def process(self, context: Run) -> Answer:
            context.lr = self.lr
            return Progress(step=context.step, lr=self.lr)

    class Tag(Order):
        """Give the run names."""

        names: list[str]
        note: str | None = None

        def process(self, context: Run) -> list[str]:
            return self.names if self.note is None else [*self.names, self.note]


class Add(Order):
    """Add two numbers."""

    a: Annotated[U64, Field(description="The first one.")]
    b: U64 = 1

    def process(self, context: Run) -> Sum:
        context.added += 1
        return Sum(c=self.a + self.b)


class Added(Order):
    """How many additions have run."""

    def process(self, context: Run) -> U64:
        return context.added


class Echo(Order):
    """Give a text back."""

    text: str

    def process(self, context: Run) -> str:
        return self.text


class SetLevel(Order):
    """Say how much is told."""

    level: Level = Level.MEDIUM
    is_quiet: bool = False
    of: Annotated[Level | None, Field(description="Instead of which.")] = None

    def process(self, context: Run) -> tuple[Level, bool, Level | None]:
        return self.level, self.is_quiet, self.of


class Move(Order):
    """Move a point."""

    point: Point
    by: Point | None = None
    times: Annotated[I32, Field(ge=-3, le=3, multiple_of=1)] = 1

    def process(self, context: Run) -> Point:
        by = self.by or Point(x=0.0)
        x, y = self.point.x + by.x * self.times, self.point.y + by.y * self.times
        return Point(x=x, y=y)


class Draw(Order):
    """Draw a shape."""

    shape: Shape
    colour: Annotated[tuple[U8, U8, U8], Field(description="Red, green, blue.")] = (0, 0, 0)

    def process(self, context: Run) -> Shape:
        return self.shape


class Store(Order):
    """Keep some bytes."""

    data: Annotated[bytes, Field(max_length=1_000_000)]
    mark: Annotated[bytes, Array(2)] = b"ok"

    def process(self, context: Run) -> bytes:
        return self.data + self.mark


class Wait(Order):
    """Do nothing for a while, beginning some time."""

    duration: Duration
    since: SystemTime | None = None

    def process(self, context: Run) -> tuple[Duration, SystemTime | None]:
        return self.duration, self.since


class Configure(Order):
    """Set what has a name."""

    values: dict[str, U16]
    letter: Char = "é"
    id: UUID | None = None
    home: Path = Path("/")

    def process(self, context: Run) -> dict[str, U16]:
        return self.values


class Name(Order):
    """Take a name of a form."""

    name: Annotated[str, Field(min_length=2, max_length=8, pattern="^[a-z]+$")]
    items: Annotated[list[U8], Field(max_length=3, default_factory=list)]

    def process(self, context: Run) -> str:
        return self.name


class Fail(Order):
    """Fail, as expected."""

    why: str = "no such player"

    def process(self, context: Run) -> None:
        raise CommandFailed(self.why)


class Crash(Order):
    """Fail, as nobody expected."""

    def process(self, context: Run) -> None:
        raise RuntimeError("it broke")


class Block(Order, timeout=30):
    """Keep the host busy until whoever holds the other end of a FIFO closes it."""

    fifo: Path

    def process(self, context: Run) -> U64:
        return len(self.fifo.read_bytes())


class Scare(Order):
    """Say \x1b[31mboo\x1b[0m."""

    def process(self, context: Run) -> str:
        return SCARE


class ScareMore(Order):
    """Fail with the same."""

    def process(self, context: Run) -> None:
        raise CommandFailed(SCARE)


class Stop(Order):
    """Stop after this step."""

    def process(self, context: Run) -> Answer:
        context.is_running = False
        return Stopping()


WIRES = {"json": Wire.JSON, "framed": Wire.FRAMED, "both": Wire.FRAMED | Wire.JSON}


def main() -> None:
    """Serve until Stop, SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--wires", choices=WIRES, default="both")
    parser.add_argument("--schema", choices=("old", "new"), default="old")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    context = Run()
    wires = WIRES[options.wires]
    with IpcServer(options.path, Order, wires=wires, version=VERSION) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        try:
            while context.is_running:
                context.step += 1
                server.handle_new_messages(context)
                server.wait(60 if context.is_running else 0)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
