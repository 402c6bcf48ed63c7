"""What is no value of a type, given to encode: refused, or written so that decode takes it."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any

import numpy as np
from pydantic import BaseModel

from lazyipc import bincode
from lazyipc.errors import EncodeError
from tests.fuzz.finding import Watch, is_error, roomy, shown
from tests.fuzz.made import CONFIGS, Made
from tests.fuzz.told import written


class _Text(str):
    __slots__ = ()


class _Number(int):
    pass


ODDITIES: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 64, 1 << 200, 1.0, 2.5, float("nan"), "a", "", "\ud800", "ab", b"",
    b"abc", bytearray(b"ab"), memoryview(b"ab"), [], [None], (), ((),), {}, {"a": 1}, set(),
    object(), int, np.uint8(3), np.float64(2.5), np.array([1, 2]), np.zeros((2, 2)),
    np.array(["a"]), _Text("a"), _Number(3), 3 + 4j, range(3), iter(()), ..., bincode.LEGACY,
)  # fmt: skip
"""What may be given by mistake."""
ODD_SHARE = 0.25
"""How often a part is replaced as a whole, instead of something in it."""


def check_strangers(made: Made, random: Random, count: int) -> int:
    """What is no value is refused, or encodes to what decodes; how many were tried."""
    for _ in range(count):
        with roomy():
            value, is_forged = _spoiled(made.draw(random), random)
        _check(made, random.choice(CONFIGS), value, is_forged)
    return count


DERIVED_SHARE = 0.1
"""How often a dataclass is replaced by one that derives from its class."""


def _check(made: Made, config: bincode.Config, value: Any, is_forged: bool) -> None:
    encode = "print(encode(value, Type, config).hex())"
    watch = Watch((lambda: f"value = {written(value)}", f"config = {config!r}", encode))
    found = watch.call("encode", lambda: bincode.encode(value, made.annotation, config))
    if is_error(found):
        watch.expect(isinstance(found, EncodeError), "encode raises EncodeError", shown(found))
        watch.error(found, None)
    elif not is_forged:
        watch = watch.also(f'print(decode(bytes.fromhex("{found.hex()}"), Type, config))')
        decoded = watch.call("decode", lambda: bincode.decode(found, made.annotation, config))
        watch.expect(not is_error(decoded), "what encode takes decode takes", shown(decoded))


def _spoiled(value: Any, random: Random) -> tuple[Any, bool]:
    """A value with something odd in its place, or in the place of a part of it.

    Returns:
        The value, and whether something in it was forged that was checked when it was built: the
        codec trusts that.
    """
    odd = random.choice(ODDITIES)
    if random.random() < DERIVED_SHARE and dataclasses.is_dataclass(value):
        return _derived(value), True
    if random.random() < ODD_SHARE:
        return odd, False
    if isinstance(value, BaseModel) and type(value).model_fields:
        name = random.choice(list(type(value).model_fields))
        part, _ = _spoiled(getattr(value, name), random)
        return value.model_copy(update={name: part}), True
    if dataclasses.is_dataclass(value) and dataclasses.fields(value):
        name = random.choice([field.name for field in dataclasses.fields(value)])
        part, is_forged = _spoiled(getattr(value, name), random)
        copy = object.__new__(type(value))
        for field in dataclasses.fields(value):
            object.__setattr__(copy, field.name, getattr(value, field.name))
        object.__setattr__(copy, name, part)
        return copy, is_forged or hasattr(type(value), "__pydantic_validator__")
    if isinstance(value, list | tuple) and value:
        position = random.randrange(len(value))
        part, is_forged = _spoiled(value[position], random)
        items = [*value[:position], part, *value[position + 1 :]]
        is_named = hasattr(value, "_fields")
        return (type(value)(*items) if is_named else type(value)(items)), is_forged
    if isinstance(value, dict) and value:
        key = random.choice(list(value))
        part, is_forged = _spoiled(value[key], random)
        return {**value, key: part}, is_forged
    return odd, False


def _derived(value: Any) -> Any:
    """The same fields in an object of a class that derives from the value's."""
    copy = object.__new__(type("Derived", (type(value),), {}))
    for field in dataclasses.fields(value):
        object.__setattr__(copy, field.name, getattr(value, field.name))
    return copy
