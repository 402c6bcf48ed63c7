"""The program `json` as an object: what it declares, what serde_json writes, what it reads.

Its values are made once, from a seed: the same in each run.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.rust_text import Declared

SEED = 1
COUNT = 5_000
SECONDS = 30.0
"""Far more than any of its lists takes."""


@dataclass(frozen=True)
class Written:
    """A value that Rust made: its text, and its JSON."""

    text: str
    json: str


@dataclass(frozen=True)
class Read:
    """What Rust takes JSON for: None where it refuses it."""

    text: str | None
    reason: str = ""


class JsonProgram:
    """A program that stays, and answers a line with a line.

    Args:
        path: where it was built.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        rows = [line.split("\t") for line in self.lines("types")]
        self.names = [text for kind, text in rows if kind == "type"]
        self.declared = Declared([text for kind, text in rows if kind == "declaration"])
        self.made: dict[str, list[Written]] = defaultdict(list)
        for line in self.lines("values", str(SEED), str(COUNT)):
            name, text, json = line.split("\t")
            self.made[name].append(Written(text, json))
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [path, "decode"], stdin=pipe, stdout=pipe, text=True, encoding="utf-8"
        )

    def lines(self, *words: str) -> list[str]:
        """What it prints when it is asked for one list."""
        done = subprocess.run(
            [self._path, *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=True,
        )
        return done.stdout.split("\n")[:-1]

    def take(self, name: str, json: str) -> Read:
        """Have JSON read as a type."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{name}\t{json}\n")
        stdin.flush()
        verdict, rest = stdout.readline().rstrip("\n").split("\t")
        if verdict == "ok":
            return Read(text=rest)
        assert verdict == "error", "the program ended"
        return Read(text=None, reason=rest)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
