"""Keys chosen to share a hash, which would make a set take hours to build.

The hash of an integer is public, and that of a tuple follows from its items', so a few thousand
chosen ones would stop the host: each costs a comparison with all that came before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape
from lazyipc._core.source import PartRefused

MOST_COLLISIONS = 64
"""How many different elements of a set, or keys of a dict, may share one hash."""


def may_collide(shape: Shape) -> bool:
    """Whether many values of a shape share a hash: an integer's is the integer modulo 2⁶¹ - 1."""
    match shape:
        case Number():
            return shape.width_bytes > 8
        case shapes.Option(item):
            return may_collide(item)
        case shapes.Bool() | shapes.Char() | shapes.Text() | shapes.Blob() | shapes.Enumeration():
            return False
    return True


def hash_check(shape: Shape) -> Callable[[list[Any], int], None]:
    """A function that refuses the keys of a set or dict, which begins at an offset, if too many
    share a hash. It takes time in proportion to their number."""

    def check(keys: list[Any], start: int) -> None:
        if len(keys) <= MOST_COLLISIONS:
            return
        counts = Counter(map(hash, keys))
        often = {hashed for hashed, count in counts.items() if count > MOST_COLLISIONS}
        different: defaultdict[int, set[Any]] = defaultdict(set)
        for key in keys if often else ():
            hashed = hash(key)
            if hashed in often:
                different[hashed].add(key)
                if len(different[hashed]) > MOST_COLLISIONS:
                    reason = f"more than {MOST_COLLISIONS} elements share one hash"
                    raise PartRefused(shape, start, ValueError(reason))

    return check
