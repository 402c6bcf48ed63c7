"""A type as a tree of nodes, from which come its source text, its values and their bytes.

Each kind of node says all of that at one place. Knows nothing of lazyipc.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from typing import Any

from tests.fuzz.pack import Packer


class NoValueError(Exception):
    """A node found no value that its own constraints let through."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One type, or one field of a class."""

    kind: Kind
    parts: tuple[Node, ...] = ()
    name: str = ""
    options: Any = None

    def write(self, writer: Writer) -> str:
        return self.kind.write(self, writer)

    def draw(self, draw: Draw) -> Any:
        return self.kind.draw(self, draw)

    def pack(self, value: Any, packer: Packer) -> None:
        self.kind.pack(self, value, packer)

    def order(self, value: Any) -> Any:
        return self.kind.order(self, value)

    def every(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for part in self.parts:
            yield from part.every()

    def has(self, *kinds: Kind) -> bool:
        return any(node.kind in kinds for node in self.every())


class Kind:
    """One kind of type: how it is written, what its values are, what they are as bytes."""

    fewest: int | None = None
    """How few parts it may have; None where it must keep those it has."""
    is_class = False
    """Whether its own validation sees all that is inside it."""

    def write(self, node: Node, writer: Writer) -> str:
        """The type as an expression; what it needs is declared through the writer."""
        raise NotImplementedError

    def draw(self, node: Node, draw: Draw) -> Any:
        """One of its values."""
        raise NotImplementedError

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        """The bytes of a value, as Rust writes them."""
        raise NotImplementedError

    def order(self, node: Node, value: Any) -> Any:
        """What Rust's `Ord` compares; for kinds that may stand in a set."""
        return value

    def is_plain(self, node: Node) -> bool:
        """Whether its values may stand in a set."""
        return False

    def may_be_none(self, node: Node) -> bool:
        return False


@dataclass(slots=True)
class Writer:
    """Declarations under way; a class is written once, however often it is used."""

    declarations: list[str] = field(default_factory=list)
    usages: dict[str, str] = field(default_factory=dict)
    """How each declared name is written where it is used."""

    def declare(self, name: str, usage: str, text: str) -> str:
        self.usages[name] = usage
        self.declarations.append(text)
        return usage


@dataclass(slots=True)
class Draw:
    """Values under way: the chance they come from, and how much of them there may be."""

    random: Random
    classes: dict[str, Any]
    """The classes that were declared."""
    nodes: dict[str, Node]
    fuel: int = 40
    """How many elements may still come."""
    deepest: int = 3
    """How many times a recursive type may stand inside itself."""
    level: int = 0
    in_set: int = 0
    """Whether NaN, which equals nothing, must not come."""

    @property
    def must_end(self) -> bool:
        """Whether no recursive type is to stand inside itself once more."""
        return self.level >= self.deepest or self.fuel <= 0

    @property
    def goes_deep(self) -> bool:
        """Whether this value is to be a long chain."""
        return self.deepest > 8

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def count(self, node: Node) -> int:
        """How many elements a sequence of this node has."""
        if has_loop(node):
            if self.must_end:
                return 0
            if self.goes_deep:
                return 1
        count = self.random.choice((0, 0, 1, 1, 2, 3, 5))
        if self.chance(0.02):
            count = self.random.randrange(300)
        count = max(min(count, self.fuel), 0)
        self.fuel -= count
        return count

    def integer(self, low: int, high: int) -> int:
        """A whole number; the odd ones often."""
        if self.chance(0.3):
            return self.random.choice((low, high))
        if self.chance(0.5):
            value = self.random.choice(ODD) + self.random.randrange(-2, 3)
        else:
            bits = self.random.randrange(1, high.bit_length() + 1)
            value = self.random.getrandbits(bits)
        value = -value if low < 0 and self.chance(0.5) else value
        return min(max(value, low), high)


ODD = (0, 1, 125, 127, 128, 250, 255, 256, 1000, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 1 << 31, 1 << 32,
       (1 << 61) - 1, 1 << 63, 1 << 64, 1 << 127, 10**9 - 1)  # fmt: skip
"""Where widths, markers and signs change."""


class Loop(Kind):
    """The enclosing class of a name once more."""

    def write(self, node: Node, writer: Writer) -> str:
        return node.name + (node.options or "")

    def draw(self, node: Node, draw: Draw) -> Any:
        draw.level += 1
        draw.fuel -= 1
        value = draw.nodes[node.name].draw(draw)
        draw.level -= 1
        return value

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        packer.nodes[node.name].pack(value, packer)


LOOP = Loop()


@lru_cache(maxsize=4096)
def has_loop(node: Node) -> bool:
    """Whether a recursive type is inside."""
    return node.has(LOOP)


@lru_cache(maxsize=4096)
def open_loops(node: Node) -> frozenset[str]:
    """The names of classes that are referred to and do not stand around it."""
    if node.kind is LOOP:
        return frozenset({node.name})
    found: frozenset[str] = frozenset().union(*(open_loops(part) for part in node.parts))
    return found - {node.name}


def smaller(node: Node) -> Iterator[Node]:
    """Trees with a little less in them; those that are no types are among them."""
    yield from node.parts
    if node.kind.fewest is not None and len(node.parts) > node.kind.fewest:
        for position in range(len(node.parts)):
            rest = node.parts[:position] + node.parts[position + 1 :]
            yield replace(node, parts=rest)
    for position, part in enumerate(node.parts):
        for less in smaller(part):
            parts = (*node.parts[:position], less, *node.parts[position + 1 :])
            yield replace(node, parts=parts)
