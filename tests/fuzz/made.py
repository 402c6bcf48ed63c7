"""A type that was invented, made: its source run, its codecs and constructs, its values."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import ModuleType
from typing import Any

from lazyipc import bincode
from lazyipc._core import shape as shapes
from lazyipc._core.codec import Codec, Extent
from lazyipc._core.compiled import codec_of
from lazyipc._core.encoding import Encoding
from lazyipc._core.layout.rule import smallest_size
from lazyipc._core.shape import children
from tests.fuzz import containers as c
from tests.fuzz.node import LOOP, Draw, Node, Writer
from tests.fuzz.pack import Packer

IMPORTS = """\
import dataclasses
import datetime
import enum
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, NewType, TypeVar
from uuid import UUID

import numpy as np
import pydantic.dataclasses
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator
from typing_extensions import TypeAliasType

from lazyipc import *
from lazyipc.bincode import *

T = TypeVar("T")
"""

CONFIGS = tuple(
    bincode.Config(int_encoding=integers, byte_order=order)
    for integers in ("fixed", "varint")
    for order in ("little", "big")
)

_numbers = itertools.count()


def encoding_of(config: bincode.Config) -> Encoding:
    return Encoding(config.int_encoding == "varint", config.byte_order)


LIMIT_BYTES = 1 << 24


@dataclass(slots=True)
class Made:
    """A type with all that is made from it."""

    node: Node
    expression: str
    annotation: Any
    classes: dict[str, Any]
    nodes: dict[str, Node]
    _constructs: dict[Encoding, Any] = field(default_factory=dict)

    def codec(self, config: bincode.Config) -> Codec[Any]:
        return codec_of(self.annotation, encoding_of(config))

    def construct(self, config: bincode.Config) -> Any:
        """The construct of it, which also refuses bytes left over."""
        import construct

        encoding = encoding_of(config)
        if encoding not in self._constructs:
            made = bincode.construct_for(self.annotation, config)
            self._constructs[encoding] = construct.Struct("value" / made, construct.Terminated)
        return self._constructs[encoding]

    def draw(self, random: Random, deepest: int | None = None) -> Any:
        """One of its values, now and then a large or a deep one."""
        draw = Draw(random, self.classes, self.nodes)
        if deepest is None and random.random() < 0.08:
            deepest = random.choice((10, 40, 62))
        if deepest is not None:
            draw.deepest, draw.fuel = deepest, deepest + 8
        elif random.random() < 0.1:
            draw.fuel = 600
        return self.node.draw(draw)

    def pack(self, value: Any, config: bincode.Config) -> Packer:
        packer = Packer(config.int_encoding == "varint", config.byte_order == "big", self.nodes)
        self.node.pack(value, packer)
        return packer


def source_text(node: Node, future: bool = False) -> str:
    """Source text that declares a type as `Type`, to copy and paste."""
    writer = Writer()
    expression = node.write(writer)
    head = "from __future__ import annotations\n\n" if future else ""
    return "\n\n\n".join([head + IMPORTS, *writer.declarations, f"Type = {_typed(expression)}"])


def _typed(expression: str) -> str:
    return "type(None)" if expression == "None" else expression


@contextmanager
def making(node: Node, future: bool = False) -> Iterator[Made]:
    """Run the source of a type in a module of its own, which is forgotten afterwards.

    Args:
        future: its annotations are texts, as `from __future__ import annotations` has it.
    """
    writer = Writer()
    expression = node.write(writer)
    nodes = {part.name: part for part in node.every() if part.name and part.kind is not LOOP}
    source = "\n\n\n".join(writer.declarations)
    module = ModuleType(f"invented_{next(_numbers)}")
    sys.modules[module.__name__] = module
    try:
        head = "from __future__ import annotations\n" if future else ""
        exec(compile(f"{head}{IMPORTS}\n{source}", module.__name__, "exec"), module.__dict__)
        annotation = eval(expression, module.__dict__)
        if annotation is None:  # as an argument it says that the value tells its type
            annotation = type(None)
        classes = {name: eval(usage, module.__dict__) for name, usage in writer.usages.items()}
        yield Made(node, expression, annotation, classes, nodes)
    finally:
        del sys.modules[module.__name__]


def extent_of(made: Made, config: bincode.Config, data: bytes) -> Extent:
    """The search for the end of a message, under a configuration's limits."""
    return made.codec(config).extent(
        data, limit_bytes=LIMIT_BYTES, elements=config.elements, depth=config.depth
    )


def is_constrained(node: Node, *, outside: bool = False) -> bool:
    """Whether more is asked of its values than its bytes decide.

    Args:
        outside: only demands that no class sees are meant.
    """
    if node.kind is c.CONSTRAINED or (not outside and getattr(node.options, "veto", "")):
        return True
    if outside and node.kind.is_class:
        return False
    return any(is_constrained(part, outside=outside) for part in node.parts)


def has_empties(
    shape: shapes.Shape, encoding: Encoding, above: tuple[shapes.Shape, ...] = ()
) -> bool:
    """Whether a count in it may stand before elements without bytes; construct would count on."""
    if isinstance(shape, shapes.Reference):
        shape = shape.target.shape
    if any(shape is known for known in above):
        return False
    match shape:
        case shapes.Vector(item) | shapes.Set(item):
            is_empty = not smallest_size(item, encoding)
        case shapes.Mapping(key, value):
            is_empty = not smallest_size(key, encoding) + smallest_size(value, encoding)
        case _:
            is_empty = False
    above = (*above, shape)
    return is_empty or any(has_empties(child, encoding, above) for child in children(shape))
