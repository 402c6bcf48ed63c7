"""The search: inventing types, trying them, and making what is found small."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from pydantic import TypeAdapter

from tests.fuzz.cost import Costs
from tests.fuzz.explaining import check_explain
from tests.fuzz.finding import Finding, place_of
from tests.fuzz.invention import invent, is_sound
from tests.fuzz.made import CONFIGS, Made, making, source_text
from tests.fuzz.mutations import check_mutations
from tests.fuzz.node import Node, NoValueError, smaller
from tests.fuzz.strangers import check_strangers
from tests.fuzz.texts import check_texts
from tests.fuzz.values import check_values

Check = Callable[[Made, Random, int], int]
"""Tries a type so many times, and says how many values or messages that were."""

BUGS_MAX = 8
"""After how many different findings it stops: the first ones are to be mended first."""
SHRINKING_TRIES = 300
"""How many smaller types are looked at for one finding."""
SHRINKING_SECONDS = 20.0
REPEATS = 12
"""How often a smaller type gets the chance to fail in the same way."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to search."""

    check: Check
    count: int
    """How many values or messages each type gets."""
    share: float = 1.0
    """Of how many types it is tried."""


@dataclass(frozen=True, slots=True)
class Bug:
    """A finding with what is needed to see it again."""

    strategy: str
    check: str
    detail: str
    source: str
    seed: str

    def __str__(self) -> str:
        head = f"{self.strategy}: {self.check} (seed {self.seed})\n{self.detail}"
        return f"{head}\n{'-' * 80}\n{self.source}\n{'-' * 80}"


@dataclass(slots=True)
class Report:
    """What a search did and found."""

    types: int = 0
    unknown: int = 0
    """Types that pydantic itself refuses."""
    valueless: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each finding was met."""
    bugs: list[Bug] = field(default_factory=list)
    costs: Costs = field(default_factory=Costs)


def strategies(costs: Costs) -> dict[str, Strategy]:
    """Every way to search, by its name."""
    return {
        "values": Strategy(check_values, 5),
        "strangers": Strategy(check_strangers, 12),
        "mutations": Strategy(check_mutations, 60),
        "explain": Strategy(check_explain, 12),
        "texts": Strategy(check_texts, 1, share=0.3),
        "cost": Strategy(costs.check, 4, share=0.3),
    }


def search(
    seed: int,
    *,
    seconds: float | None = None,
    types: int | None = None,
    only: tuple[str, ...] = (),
    most_bugs: int = BUGS_MAX,
    tell: Callable[[Bug], None] = lambda bug: None,
) -> Report:
    """Invent and try types until the time is over, or so many are tried.

    Args:
        seed: decides every type and all that is done with it.
        only: the strategies that are used; none for all.
        most_bugs: after how many different ones it ends.
        tell: is told of each bug when it is met for the first time.
    """
    report = Report()
    chosen = {
        name: strategy
        for name, strategy in strategies(report.costs).items()
        if not only or name in only
    }
    deadline = None if seconds is None else time.monotonic() + seconds
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while types is None or report.types < types:
            if deadline is not None and time.monotonic() >= deadline:
                break
            report.types += 1
            for bug in _try_one(f"{seed}/{report.types}", chosen, report):
                report.bugs.append(bug)
                tell(bug)
            if len(report.bugs) >= most_bugs:
                break
    return report


def _try_one(seed: str, chosen: Mapping[str, Strategy], report: Report) -> Iterator[Bug]:
    """Try one type in all the ways chosen."""
    random = Random(seed)
    node, future = invent(random), random.random() < 0.5
    for name, strategy in chosen.items():
        if random.random() >= strategy.share:
            continue
        try:
            report.tried[name] += attempt(node, future, strategy, Random(f"{seed}/{name}"))
        except _UnknownError:
            report.unknown += 1
            return
        except NoValueError:
            report.valueless += 1
        except Finding as finding:
            key = ("" if finding.check.startswith("a type") else name, finding.check)
            report.met[key] += 1
            if report.met[key] == 1:
                yield _small_bug(node, future, name, strategy, finding, seed)


class _UnknownError(Exception):
    """Pydantic does not know such a type either."""


def attempt(node: Node, future: bool, strategy: Strategy, random: Random) -> int:
    """Make a type and try it.

    Raises:
        Finding: something is wrong.
    """
    try:
        with making(node, future) as made:
            for config in CONFIGS:
                made.codec(config)
            return strategy.check(made, random, strategy.count)
    except (Finding, NoValueError, KeyboardInterrupt):
        raise
    except Exception as error:
        if not _is_known(node, future):
            raise _UnknownError from error
        found = f"{type(error).__name__} {place_of(error)}"
        raise Finding(f"a type is made and tried, but {found}", f"{error}") from error


def _is_known(node: Node, future: bool) -> bool:
    """Whether pydantic makes something of a type, made anew."""
    with making(node, future) as made:
        try:
            TypeAdapter(made.annotation)
        except Exception:
            return False
    return True


# Making it small ---------------------------------------------------------------------------------


def _small_bug(
    node: Node, future: bool, name: str, strategy: Strategy, finding: Finding, seed: str
) -> Bug:
    """The smallest type, and the shortest message, found to show the same."""
    deadline = time.monotonic() + SHRINKING_SECONDS
    left = SHRINKING_TRIES
    progress = True
    while progress:
        progress = False
        for less in (*sorted(node.every(), key=_size), *smaller(node)):
            if left <= 0 or time.monotonic() > deadline:
                break
            if not is_sound(less) or _size(less) >= _size(node):
                continue
            left -= 1
            again = _again(less, future, strategy, finding.check, seed)
            if again is not None:
                node, finding, progress = less, again, True
                break
    again = _again(node, False, strategy, finding.check, seed)
    if again is not None and future:
        future, finding = False, again
    source = "\n".join([source_text(node, future), *finding.lines])
    return Bug(name, finding.check, finding.detail, source, seed)


def _size(node: Node) -> int:
    return sum(1 for _ in node.every())


def _again(node: Node, future: bool, strategy: Strategy, check: str, seed: str) -> Finding | None:
    """The shortest of the findings of one check that a type shows."""
    found: list[Finding] = []
    for repeat in range(REPEATS):
        try:
            attempt(node, future, strategy, Random(f"{seed}/{repeat}"))
        except Finding as finding:
            if finding.check == check:
                found.append(finding)
        except (NoValueError, _UnknownError):
            continue
        if repeat == 0 and not found and check.startswith("a type"):
            return None  # it depends on the type alone
    return min(found, key=lambda finding: len("".join(finding.lines)), default=None)
