"""Types with parts that are no classes: sequences, sets, dicts, options, and what wraps a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fuzz.node import Draw, Kind, Node, NoValueError, Writer, has_loop
from tests.fuzz.pack import Packer

TRIES = 60
"""How often a value is drawn anew that its constraints refuse."""


class Sequence(Kind):
    """list[X], tuple[X, ...], and both with a fixed length, which is `options`."""

    def __init__(self, made: type, text: str) -> None:
        self.made = made
        self.text = text

    def write(self, node: Node, writer: Writer) -> str:
        text = self.text.format(node.parts[0].write(writer))
        return text if node.options is None else f"Annotated[{text}, Array({node.options})]"

    def draw(self, node: Node, draw: Draw) -> Any:
        count = draw.count(node) if node.options is None else node.options
        return self.made([node.parts[0].draw(draw) for _ in range(count)])

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        if node.options is None:
            packer.count(len(value))
        for item in value:
            node.parts[0].pack(item, packer)

    def order(self, node: Node, value: Any) -> list[Any]:
        return [node.parts[0].order(item) for item in value]

    def is_plain(self, node: Node) -> bool:
        return self.made is tuple and _is_plain(node.parts[0])


class SetOf(Kind):
    """set[X], frozenset[X]: a BTreeSet."""

    def __init__(self, made: type) -> None:
        self.made = made

    def write(self, node: Node, writer: Writer) -> str:
        return f"{self.made.__name__}[{node.parts[0].write(writer)}]"

    def draw(self, node: Node, draw: Draw) -> Any:
        draw.in_set += 1
        value = self.made(node.parts[0].draw(draw) for _ in range(draw.count(node)))
        draw.in_set -= 1
        return value

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        packer.count(len(value))
        for item in sorted(value, key=node.parts[0].order):
            node.parts[0].pack(item, packer)

    def order(self, node: Node, value: Any) -> list[Any]:
        return sorted(map(node.parts[0].order, value))

    def is_plain(self, node: Node) -> bool:
        return self.made is frozenset and _is_plain(node.parts[0])


class Mapping(Kind):
    """dict[K, V]."""

    def write(self, node: Node, writer: Writer) -> str:
        key, item = (part.write(writer) for part in node.parts)
        return f"dict[{key}, {item}]"

    def draw(self, node: Node, draw: Draw) -> Any:
        value = {}
        for _ in range(draw.count(node)):
            draw.in_set += 1
            key = node.parts[0].draw(draw)
            draw.in_set -= 1
            value[key] = node.parts[1].draw(draw)
        return value

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        packer.count(len(value))
        for key, item in value.items():
            node.parts[0].pack(key, packer)
            node.parts[1].pack(item, packer)


class Option(Kind):
    """X | None."""

    def write(self, node: Node, writer: Writer) -> str:
        return f"{node.parts[0].write(writer)} | None"

    def draw(self, node: Node, draw: Draw) -> Any:
        if has_loop(node):
            if draw.must_end:
                return None
            if draw.goes_deep:
                return node.parts[0].draw(draw)
        return None if draw.chance(0.4) else node.parts[0].draw(draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        packer.byte(int(value is not None))
        if value is not None:
            node.parts[0].pack(value, packer)

    def order(self, node: Node, value: Any) -> Any:
        return () if value is None else (node.parts[0].order(value),)

    def is_plain(self, node: Node) -> bool:
        return _is_plain(node.parts[0])

    def may_be_none(self, node: Node) -> bool:
        return True


class Product(Kind):
    """tuple[A, B]."""

    fewest = 0

    def write(self, node: Node, writer: Writer) -> str:
        return f"tuple[{', '.join(part.write(writer) for part in node.parts) or '()'}]"

    def draw(self, node: Node, draw: Draw) -> Any:
        return tuple(part.draw(draw) for part in node.parts)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        for part, item in zip(node.parts, value, strict=True):
            part.pack(item, packer)

    def order(self, node: Node, value: Any) -> Any:
        return [part.order(item) for part, item in zip(node.parts, value, strict=True)]

    def is_plain(self, node: Node) -> bool:
        return all(map(_is_plain, node.parts))


# What changes nothing on the wire ----------------------------------------------------------------


class Wrapper(Kind):
    """A type under another name; `text` is its declaration, if it has one, and how it is used."""

    def __init__(self, declaration: str, usage: str) -> None:
        self.declaration = declaration
        self.usage = usage

    def write(self, node: Node, writer: Writer) -> str:
        inner = node.parts[0].write(writer)
        usage = self.usage.format(name=node.name, inner=inner)
        if not self.declaration:
            return usage
        return writer.declare(
            node.name, usage, self.declaration.format(name=node.name, inner=inner)
        )

    def draw(self, node: Node, draw: Draw) -> Any:
        return node.parts[0].draw(draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        node.parts[0].pack(value, packer)

    def order(self, node: Node, value: Any) -> Any:
        return node.parts[0].order(value)

    def is_plain(self, node: Node) -> bool:
        return _is_plain(node.parts[0])

    def may_be_none(self, node: Node) -> bool:
        return node.parts[0].kind.may_be_none(node.parts[0])


class Constrained(Wrapper):
    """A type with a demand; `options` is its text and a function that tells whether it is met."""

    def __init__(self) -> None:
        super().__init__("", "")

    def write(self, node: Node, writer: Writer) -> str:
        return f"Annotated[{node.parts[0].write(writer)}, Field({node.options[0]})]"

    def draw(self, node: Node, draw: Draw) -> Any:
        accepts: Callable[[Any], bool] = node.options[1]
        for _ in range(TRIES):
            value = node.parts[0].draw(draw)
            if accepts(value):
                return value
        raise NoValueError(node.options[0])


def _is_plain(node: Node) -> bool:
    return node.kind.is_plain(node)


LIST = Sequence(list, "list[{}]")
TUPLE = Sequence(tuple, "tuple[{}, ...]")
SET = SetOf(set)
FROZENSET = SetOf(frozenset)
MAPPING = Mapping()
OPTION = Option()
PRODUCT = Product()
CONSTRAINED = Constrained()
NEW_TYPE = Wrapper('{name} = NewType("{name}", {inner})', "{name}")
ALIAS = Wrapper('{name} = TypeAliasType("{name}", {inner})', "{name}")
GENERIC_ALIAS = Wrapper(
    '{name} = TypeAliasType("{name}", Annotated[T, "generic"], type_params=(T,))', "{name}[{inner}]"
)
NOTE = Wrapper("", 'Annotated[{inner}, "a note"]')
