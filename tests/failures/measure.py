"""Memory, descriptors, time: figures of this process and of a fresh one."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.harness import ROOT

MIB = 1 << 20


# Memory -------------------------------------------------------------------------------------------


def resident_bytes() -> int:
    """How much of this process is in memory now."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_resident_bytes() -> int:
    """The most that it ever was, or since `forget_peak`."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Have the kernel measure the peak anew from here. Source: proc(5), clear_refs."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


@contextlib.contextmanager
def traced() -> Iterator[Callable[[Callable[[], object]], int]]:
    """Gives a function that runs a step and tells the peak of what Python allocated in it."""

    def peak_of(step: Callable[[], object]) -> int:
        gc.collect()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        step()
        return tracemalloc.get_traced_memory()[1] - before

    # What was there before is not looked through by each collection: late in a long run that is
    # most of the time.
    gc.collect()
    gc.freeze()
    tracemalloc.start()
    try:
        yield peak_of
    finally:
        tracemalloc.stop()
        gc.unfreeze()


# Time ---------------------------------------------------------------------------------------------


class Stopwatch:
    """Times steps, by the wall and by this thread's use of the processor.

    Only the latter tells a busy server from a busy machine.
    """

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.cpus: list[float] = []

    def time(self, step: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.thread_time()
        result = step()
        self.cpus.append(time.thread_time() - cpu)
        self.walls.append(time.perf_counter() - wall)
        return result

    def __str__(self) -> str:
        return (
            f"polls: worst {max(self.walls) * 1e3:.1f} ms (its processor time "
            f"{max(self.cpus) * 1e3:.1f} ms), p99.9 {quantile(self.walls, 0.999) * 1e3:.1f} ms"
        )


def quantile(values: Sequence[float], part: float) -> float:
    """The value that this part of all is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


# Other processes ----------------------------------------------------------------------------------


class Fresh:
    """A function of ours running in an interpreter of its own; arguments and result are JSON.

    Used where memory is measured, or two cores are wanted. Killed, if it still runs, by `end`.
    """

    def __init__(self, function: Callable[..., Any], **arguments: Any) -> None:
        words = (function.__module__, function.__name__, json.dumps(arguments))
        self._process = subprocess.Popen(
            (sys.executable, "-m", __name__, *words),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self, seconds: float) -> Any:
        """What it returned; its failure is ours."""
        out, err = self._process.communicate(timeout=seconds)
        assert self._process.returncode == 0, err[-4000:]
        return json.loads(out.splitlines()[-1])

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def in_fresh(function: Callable[..., Any], seconds: float, **arguments: Any) -> Any:
    """A function's result, computed in a fresh interpreter."""
    (result,) = in_parallel([(function, arguments)], seconds)
    return result


def in_parallel(
    work: Sequence[tuple[Callable[..., Any], dict[str, Any]]], seconds: float
) -> list[Any]:
    """Results of functions, each in an interpreter of its own, all at once."""
    deadline = time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        all_of_them = []
        for function, arguments in work:
            all_of_them.append(fresh := Fresh(function, **arguments))
            stack.callback(fresh.end)
        return [fresh.result(max(deadline - time.monotonic(), 0)) for fresh in all_of_them]


# The log ------------------------------------------------------------------------------------------


class _Reader(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        text = record.getMessage()
        assert text.isprintable(), f"a client wrote into the log: {text!r}"


@contextlib.contextmanager
def reading_log() -> Iterator[_Reader]:
    """Read the library's log instead of printing it; each line must be one line of plain text."""
    logger, reader = logging.getLogger("lazyipc"), _Reader()
    propagates = logger.propagate
    logger.addHandler(reader)
    logger.propagate = False
    try:
        yield reader
    finally:
        logger.propagate = propagates
        logger.removeHandler(reader)


def main(words: Sequence[str]) -> None:
    """Run one function of a module and print its result."""
    module, name, arguments = words
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(**json.loads(arguments))))  # noqa: T201 read by Fresh


if __name__ == "__main__":
    main(sys.argv[1:])
