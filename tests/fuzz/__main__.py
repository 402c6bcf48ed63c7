"""`python -m tests.fuzz [--seconds N] [--seed N] [--only NAME…]`: search, tell, fail if found."""

from __future__ import annotations

import argparse
import resource
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.fuzz.cost import Costs, collision_report
from tests.fuzz.engine import Bug, search, strategies

MEMORY_BYTES = 8 << 30
"""Of addresses, of which NumPy alone reserves some."""


def main(words: Sequence[str] | None = None) -> int:
    """Search; the number of different bugs met, at most 1, is the exit status."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    names = list(strategies(Costs()))
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, default=[])
    arguments = parser.parse_args(words)
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    _say(f"seed {seed}")
    with memory_limit():
        report = search(seed, seconds=arguments.seconds, only=tuple(arguments.only), tell=_tell)
    _say(f"\n{report.types} types, of which pydantic knows {report.types - report.unknown}")
    for name, count in report.tried.items():
        _say(f"{name:>10}: {count:,} tried")
    if report.tried["cost"]:
        _say(f"the worst: {report.costs.seconds}\n{report.costs.peak}\n{report.costs.visits}")
        _say(collision_report())
    for (name, check), count in report.met.most_common():
        _say(f"FOUND {count} times: {name}: {check}")
    return min(len(report.bugs), 1)


@contextmanager
def memory_limit() -> Iterator[None]:
    """Let a runaway end in a MemoryError, not in the machine's memory."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _tell(bug: Bug) -> None:
    _say(f"\nFOUND {bug}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 what it is run for


if __name__ == "__main__":
    sys.exit(main())
