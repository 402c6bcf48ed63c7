"""How long each of our functions takes by itself within a step, as a timed wrapper tells.

A profiler's hook costs more than most of these functions, and not the same for each. A wrapper's
cost is known: it is measured first, and taken off the function and its caller.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from time import perf_counter_ns
from types import FunctionType
from typing import Any

import lazyipc
from benchmarks.rounds import Round, quartiles

STEPS_PER_ROUND = 200
FUNCTION_ROUNDS = 50

CALIBRATION_CALLS = 1_000
CALIBRATIONS = 100
"""Short ones, of which the fastest counts: that one nobody interrupted."""


@dataclass(slots=True)
class Tally:
    """What wrapped functions spent.

    Args:
        within_ns: what a wrapper adds to its own function.
        around_ns: what it adds to whoever calls that.
    """

    within_ns: float = 0.0
    around_ns: float = 0.0
    own_ns: dict[str, float] = field(default_factory=dict)
    """By name, without what the wrapped functions took that were called within."""
    calls: dict[str, int] = field(default_factory=dict)
    _inner: list[float] = field(default_factory=lambda: [0.0])
    """For each function under way, what those it called took; the outermost first."""

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""
        own_ns, calls, inner = self.own_ns, self.calls, self._inner
        own_ns[name] = calls[name] = 0
        within, around = self.within_ns, self.around_ns

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            inner.append(0.0)
            began = perf_counter_ns()
            try:
                return function(*args, **kwargs)
            finally:
                took = perf_counter_ns() - began
                own_ns[name] += took - inner.pop() - within
                inner[-1] += took + around
                calls[name] += 1

        return timed

    def clear(self) -> None:
        """Begin anew."""
        self.own_ns.update(dict.fromkeys(self.own_ns, 0.0))
        self.calls.update(dict.fromkeys(self.calls, 0))

    def round(self, run: Callable[[], object]) -> dict[str, tuple[float, int]]:
        """What each function took while something ran, and how often it was called."""
        self.clear()
        run()
        return {name: (self.own_ns[name], self.calls[name]) for name in self.own_ns}


def by_function(name: str, rounds: Callable[[], AbstractContextManager[Round]]) -> Iterator[str]:
    """Microseconds that each function takes by itself in a step, and its calls, as lines to print.

    Args:
        name: what the steps are.
        rounds: gives rounds of `STEPS_PER_ROUND` steps, once all functions are wrapped.
    """
    tally = calibrated()
    with all_wrapped(tally), rounds() as run:
        run()
        told = [tally.round(run) for _ in range(FUNCTION_ROUNDS)]
    yield f"\n{name}, by function: own microseconds and calls; C code counts as its caller's"
    took = {
        name: quartiles([each[name][0] for each in told])[0] / STEPS_PER_ROUND / 1e3
        for name, (_, calls) in told[0].items()
        if calls >= STEPS_PER_ROUND / 2
    }
    for function in sorted(took, key=lambda name: -took[name]):
        yield f"  {took[function]:7.2f} {told[0][function][1] / STEPS_PER_ROUND:5.1f} x  {function}"


def calibrated() -> Tally:
    """A tally that knows what its wrappers cost here."""
    trial = Tally()

    def empty(argument: object) -> None:
        """Do nothing."""

    wrapped = trial.wrapped("empty", empty)
    bare, whole, own = [], [], []
    for _ in range(CALIBRATIONS):
        bare.append(_each_ns(empty))
        trial.clear()
        whole.append(_each_ns(wrapped))
        own.append(trial.own_ns["empty"] / CALIBRATION_CALLS)
    call, inside = min(bare), min(own)
    return Tally(inside - call, min(whole) - inside)


def _each_ns(function: Callable[[object], object]) -> float:
    began = perf_counter_ns()
    for _ in range(CALIBRATION_CALLS):
        function(None)
    return (perf_counter_ns() - began) / CALIBRATION_CALLS


@contextlib.contextmanager
def all_wrapped(tally: Tally) -> Iterator[None]:
    """Time every function and method of the library that is not generated."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(lazyipc.__path__, "lazyipc.")
        if not found.name.endswith("__main__")
    ]
    with contextlib.ExitStack() as stack:

        def replace(owner: Any, name: str, value: object) -> None:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)

        functions: dict[FunctionType, Callable[..., Any]] = {}
        for module in modules:
            for thing in list(vars(module).values()):
                if getattr(thing, "__module__", "") != module.__name__:
                    continue
                if isinstance(thing, FunctionType):
                    functions[thing] = tally.wrapped(_name(thing), thing)
                elif isinstance(thing, type):
                    for name, method in list(vars(thing).items()):
                        if isinstance(method, FunctionType):
                            replace(thing, name, tally.wrapped(_name(method), method))
        for module in modules:  # a function has its name in each module that imported it
            for name, thing in list(vars(module).items()):
                if isinstance(thing, FunctionType) and thing in functions:
                    replace(module, name, functions[thing])
        yield


def _name(function: FunctionType) -> str:
    return f"{function.__module__.removeprefix('lazyipc.')}.{function.__qualname__}"
