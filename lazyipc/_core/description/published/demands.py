"""What is asked of a value beyond its type, as JSON Schema says it.

Source: JSON Schema 2020-12, "Validation", section 6. Knows no classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape

_LENGTHS: dict[type, tuple[str, str]] = {
    shapes.Text: ("minLength", "maxLength"),
    shapes.Char: ("minLength", "maxLength"),
    shapes.Mapping: ("minProperties", "maxProperties"),
    **dict.fromkeys(
        (shapes.Blob, shapes.Vector, shapes.Set, shapes.Array, shapes.NumberArray),
        ("minItems", "maxItems"),
    ),
}
"""What the least and the most length of each kind of shape is called."""


def constrain(schema: dict[str, Any], shape: Shape, demands: Mapping[str, Any]) -> None:
    """Add what is demanded to the schema of a shape, as far as JSON Schema can say it."""
    while isinstance(shape, shapes.Reference):
        shape = shape.target.shape
    if isinstance(shape, Number):
        _bound(schema, demands)
    elif type(shape) in _LENGTHS:
        least, most = _LENGTHS[type(shape)]
        _raise_to(schema, least, demands.get("min_length"))
        _lower_to(schema, most, demands.get("max_length"))
    if isinstance(shape, shapes.Text | shapes.Char) and "pattern" in demands:
        pattern = _portable(demands["pattern"])
        if pattern is not None:
            schema["pattern"] = pattern


def _bound(schema: dict[str, Any], demands: Mapping[str, Any]) -> None:
    _raise_to(schema, "minimum", demands.get("ge"))
    _lower_to(schema, "maximum", demands.get("le"))
    _raise_to(schema, "exclusiveMinimum", demands.get("gt"))
    _lower_to(schema, "exclusiveMaximum", demands.get("lt"))
    multiple: Any = demands.get("multiple_of")
    if _is_number(multiple) and multiple > 0:
        schema["multipleOf"] = multiple


def _raise_to(schema: dict[str, Any], keyword: str, value: Any) -> None:
    if _is_number(value):
        schema[keyword] = max(schema.get(keyword, value), value)


def _lower_to(schema: dict[str, Any], keyword: str, value: Any) -> None:
    if _is_number(value):
        schema[keyword] = min(schema.get(keyword, value), value)


def _is_number(value: Any) -> bool:
    """Whether it can stand in JSON; pydantic takes a Decimal, a date or infinity, too."""
    return type(value) is int or (type(value) is float and isfinite(value))


def _portable(pattern: Any) -> str | None:
    """A pattern's text, where Rust's dialect, which pydantic's is, means the same elsewhere."""
    if isinstance(pattern, re.Pattern):
        plain = pattern.flags == re.UNICODE and isinstance(pattern.pattern, str)
        return pattern.pattern if plain else None
    try:
        re.compile(pattern)
    except (re.error, TypeError, OverflowError, RecursionError):
        return None
    return str(pattern)
