"""`python -m tests.soak [--only N…] [--minutes N] [--seed N]`: run, tell, fail if one failed."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.soak.modes import MODES, Mode

AT_ONCE = 2
"""How many modes run beside each other: those that are not alone, on two cores."""
LONG_SECONDS = 600
WIDTH = 100
RESULT = "the verdict: "
"""What the line of a mode's process begins with that its parent reads."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mode."""

    mode: Mode
    word: str
    seconds: float
    scale: str
    measured: str

    @property
    def is_failure(self) -> bool:
        return self.word == "FAILED"


class Running:
    """One mode in an interpreter of its own, so that none can hang, or leak into, another."""

    def __init__(self, mode: Mode, seed: int, folder: str) -> None:
        self.mode = mode
        self._began = time.monotonic()
        self._output = Path(folder, f"{mode.number}.txt").open("w+")  # noqa: SIM115 see verdict
        words = ("--run", str(mode.number), "--seed", str(seed))
        self._process = subprocess.Popen(
            (sys.executable, "-m", __spec__.name, *words),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def verdict(self, deadline: float) -> Verdict | None:
        """What became of it; None while it runs and may."""
        now = time.monotonic()
        # Not reaped yet: its number must stay its own until what it started was killed by it.
        looks = os.WEXITED | os.WNOHANG | os.WNOWAIT
        is_over = os.waitid(os.P_PID, self._process.pid, looks) is not None
        is_late = now > min(deadline, self._began + self.mode.most_seconds)
        if not is_over and not is_late:
            return None
        self.end()
        self._output.seek(0)
        lines = self._output.read().splitlines()
        self._output.close()
        seconds = now - self._began
        if not is_over:
            return Verdict(self.mode, "FAILED", seconds, "it did not end in time", _tail(lines))
        told = next((line for line in reversed(lines) if line.startswith(RESULT)), None)
        if told is None:
            return Verdict(self.mode, "FAILED", seconds, "it broke down", _tail(lines))
        found = Verdict(self.mode, seconds=seconds, **json.loads(told.removeprefix(RESULT)))
        if not found.is_failure:
            return found
        lines.remove(told)
        return replace(found, measured=f"{found.measured}\n{_tail(lines)}")

    def end(self) -> None:
        """Kill it with all that it started; nothing of it is left running."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _tail(lines: Sequence[str]) -> str:
    return "\n".join(lines[-30:])


def soak(modes: Sequence[Mode], seed: int, minutes: float) -> list[Verdict]:
    """Run modes, those that are alone first, the others two at a time; tell each as it ends.

    What may take most of the time comes last, so that it takes nobody else's.
    """
    deadline = time.monotonic() + minutes * 60
    verdicts: list[Verdict] = []
    waiting = sorted(modes, key=_turn)
    running: list[Running] = []
    with tempfile.TemporaryDirectory(prefix="lazyipc-soak-", dir="/tmp") as folder:
        try:
            while waiting or running:
                while waiting and (not running or _may_join(waiting[0], running)):
                    running.append(Running(waiting.pop(0), seed, folder))
                for one in list(running):
                    verdict = one.verdict(deadline)
                    if verdict is not None:
                        running.remove(one)
                        verdicts.append(verdict)
                        _tell(verdict)
                select.poll().poll(50)
        finally:
            for one in running:
                one.end()
    return sorted(verdicts, key=lambda verdict: verdict.mode.number)


def _turn(mode: Mode) -> tuple[bool, bool, float]:
    return mode.most_seconds > LONG_SECONDS, not mode.is_alone, -mode.most_seconds


def _may_join(mode: Mode, running: Sequence[Running]) -> bool:
    is_alone = mode.is_alone or any(one.mode.is_alone for one in running)
    return not is_alone and len(running) < AT_ONCE


def run_one(mode: Mode, seed: int) -> dict[str, str]:
    """One mode in this process, as its parent reads it."""
    with tempfile.TemporaryDirectory(prefix="lazyipc-soak-", dir="/tmp") as folder:
        try:
            finding = mode.run(Path(folder), seed)
        except pytest.skip.Exception as reason:
            return {"word": "skipped", "scale": str(reason), "measured": ""}
        except (Exception, pytest.fail.Exception):
            told = traceback.format_exc()[-4000:]
            return {"word": "FAILED", "scale": f"seed {seed}", "measured": told}
    return {"word": "ok", "scale": finding.scale, "measured": finding.measured}


def _tell(verdict: Verdict) -> None:
    mode = verdict.mode
    _say(f"{mode.number:2} {verdict.word:7} {verdict.seconds:6.1f} s  {mode.name}")
    if verdict.is_failure:
        _say(verdict.scale)
        _say(verdict.measured)


def _summarize(verdicts: Sequence[Verdict], seconds: float) -> None:
    _say(f"\n{'mode':<36} {'verdict':8} {'seconds':>7}")
    for verdict in verdicts:
        mode = verdict.mode
        _say(f"{mode.number:2} {mode.name:33} {verdict.word:8} {verdict.seconds:7.1f}")
        for label, text in (("scale", verdict.scale), ("measured", verdict.measured)):
            if not verdict.is_failure and text:
                _say(_wrapped(label, text))
    failures = sum(verdict.is_failure for verdict in verdicts)
    skipped = sum(verdict.word == "skipped" for verdict in verdicts)
    _say(
        f"\n{len(verdicts)} modes in {seconds / 60:.1f} minutes: "
        f"{len(verdicts) - failures - skipped} ok, {skipped} skipped, {failures} failed"
    )


def _wrapped(label: str, text: str) -> str:
    indent = " " * 13
    return textwrap.fill(text, WIDTH, initial_indent=f"   {label:9} ", subsequent_indent=indent)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 what it is run for


def main(words: Sequence[str] | None = None) -> int:
    """Soak; 1 if a mode failed."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    numbers = [mode.number for mode in MODES]
    parser.add_argument("--only", nargs="+", type=int, metavar="N", choices=numbers, default=[])
    parser.add_argument("--minutes", type=float, default=20.0, help="what is not done then failed")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--run", type=int, choices=numbers, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    if arguments.run is not None:
        (mode,) = (mode for mode in MODES if mode.number == arguments.run)
        _say(RESULT + json.dumps(run_one(mode, seed)))
        return 0
    _say(f"seed {seed}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    began = time.monotonic()
    wanted = [mode for mode in MODES if not arguments.only or mode.number in arguments.only]
    verdicts = soak(wanted, seed, arguments.minutes)
    _summarize(verdicts, time.monotonic() - began)
    return int(any(verdict.is_failure for verdict in verdicts))


if __name__ == "__main__":
    # Ended from outside, it ends what it started, as at Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    sys.exit(main())
