"""Values told apart, and written as source text.

Two values are the same when they are told the same: of one type through and through, NaN by its
bits, sets without order, dicts with it.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydantic import BaseModel


def told(value: Any, *, sent: bool = False) -> Any:
    """A value as nested tuples that are equal where the values are.

    Args:
        sent: it is told as it will come back: a datetime in UTC, an array in the machine's order.
    """
    kind = type(value)
    if kind is float:
        return "float", struct.pack("<d", value)
    if isinstance(value, np.ndarray):
        if sent:
            value = value.astype(value.dtype.newbyteorder("="))
        if value.dtype == np.float32:  # construct reads them one by one, so its NaN are all quiet
            value = value.copy()
            value.view(np.uint32)[np.isnan(value)] |= 0x40_0000
        return "ndarray", value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, datetime):
        return "datetime", (value.astimezone(UTC) if sent else value).isoformat()
    if isinstance(value, set | frozenset):
        return kind, sorted((told(item, sent=sent) for item in value), key=repr)
    if isinstance(value, dict):
        return kind, [(told(k, sent=sent), told(v, sent=sent)) for k, v in value.items()]
    if isinstance(value, enum.Enum):
        return kind, value.name
    if isinstance(value, list | tuple):
        return kind, [told(item, sent=sent) for item in value]
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return kind, [told(getattr(value, name), sent=sent) for name in field_names(value)]
    return kind, value


def field_names(value: Any) -> list[str]:
    """The fields of a model or of a dataclass."""
    if isinstance(value, BaseModel):
        return list(type(value).model_fields)
    return [field.name for field in dataclasses.fields(value)]


def written(value: Any) -> str:
    """A value as source text."""
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return f'struct.unpack("<d", bytes.fromhex("{struct.pack("<d", value).hex()}"))[0]'
    if isinstance(value, np.ndarray):
        return f'np.frombuffer(bytes.fromhex("{value.tobytes().hex()}"), "{value.dtype.str}")'
    if isinstance(value, enum.Enum):
        return f"{kind.__name__}.{value.name}"
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return f"{kind.__name__}(**{{{', '.join(_keywords(value))}}})"
    items = [written(item) for item in value] if isinstance(value, list | tuple) else []
    if kind is list:
        return f"[{', '.join(items)}]"
    if kind is tuple:
        return f"({''.join(item + ', ' for item in items)})"
    if isinstance(value, tuple):
        return f"{kind.__name__}({', '.join(items)})"
    if kind is dict:
        return f"{{{', '.join(f'{written(k)}: {written(v)}' for k, v in value.items())}}}"
    if kind in (set, frozenset):
        return f"{kind.__name__}([{', '.join(map(written, value))}])"
    return repr(value)


def _keywords(value: Any) -> Iterator[str]:
    keys = keys_of(type(value))
    for name in field_names(value):
        yield f"{keys.get(name, name)!r}: {written(getattr(value, name))}"


def keys_of(cls: Any) -> dict[str, str]:
    """By which names a class's own constructor takes its fields, where they are not their own."""
    if issubclass(cls, BaseModel):
        if not cls.__pydantic_complete__:
            cls.model_rebuild()
        if cls.model_config.get("validate_by_alias") is False:
            return {}
    known = getattr(cls, "__pydantic_fields__", {})
    keys = {name: info.validation_alias for name, info in known.items()}
    return {name: key for name, key in keys.items() if key}
