"""The program `bytes` as an object: what it declares, what it writes, what it reads.

Its values are made once, from a seed: the same in each run.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lazyipc.bincode import LEGACY, STANDARD, Config
from tests.interop.rust_text import Declared

SEED = 1
COUNT = 12_000
SECONDS = 30.0
"""Far more than any of its lists takes."""

OURS = {
    "legacy": LEGACY,
    "legacy2": LEGACY,
    "fixed_big": Config(byte_order="big"),
    "standard": STANDARD,
    "varint1": STANDARD,
    "derive": STANDARD,
    "big_endian": Config(int_encoding="varint", byte_order="big"),
}
"""Our configuration for each of Rust's, which `table.rs` describes."""


@dataclass(frozen=True)
class Made:
    """A value that Rust made: its text, and its bytes in each configuration that can write it."""

    text: str
    data: dict[str, bytes]


@dataclass(frozen=True)
class Taken:
    """What Rust takes bytes for: None where it refuses them."""

    text: str | None
    count: int = 0
    reason: str = ""


class RustProgram:
    """A program that stays, and answers a line with a line.

    Args:
        path: where it was built.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        rows = [line.split("\t") for line in self.lines("types")]
        self.names = [text for kind, text in rows if kind == "type"]
        self.declared = Declared([text for kind, text in rows if kind == "declaration"])
        self.made: dict[str, list[Made]] = defaultdict(list)
        header, *lines = self.lines("values", str(SEED), str(COUNT))
        configs = header.split("\t")[2:]
        for line in lines:
            name, text, *columns = line.split("\t")
            data = {
                config: bytes.fromhex(digits)
                for config, digits in zip(configs, columns, strict=True)
                if digits != "undefined"
            }
            self.made[name].append(Made(text, data))
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([path, "decode"], stdin=pipe, stdout=pipe, text=True)

    def lines(self, *words: str) -> list[str]:
        """What it prints when it is asked for one list."""
        done = subprocess.run(
            [self._path, *words], capture_output=True, text=True, timeout=SECONDS, check=True
        )
        return done.stdout.split("\n")[:-1]

    def take(self, name: str, config: str, data: bytes) -> Taken:
        """Have bytes decoded as a type, in a configuration."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{name}\t{config}\t{data.hex()}\n")
        stdin.flush()
        verdict, *rest = stdout.readline().rstrip("\n").split("\t")
        if verdict == "ok":
            return Taken(text=rest[1], count=int(rest[0]))
        assert verdict == "error", "the program ended"
        return Taken(text=None, reason=rest[0])

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
