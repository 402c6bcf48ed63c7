"""Where in a JSON value stands what pydantic refused. Runs only when it did."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from lazyipc._core import shape as shapes
from lazyipc._core.json_form.rule import Entry, Misfit, Step
from lazyipc._core.locate import Location, first_complaint
from lazyipc._core.shape import Shape


def misfit_of(error: ValidationError, shape: Shape, value: Any) -> Misfit:
    """The first complaint of pydantic's, and the steps to its place in the JSON it is about."""
    loc, reason = first_complaint(error)
    return Misfit(reason, *_steps(shape, value, loc))


def _steps(shape: Shape, value: Any, loc: Location) -> tuple[Step, ...]:
    """Pydantic's place in the words of JSON, as far as one leads to the other."""
    match shape:
        case shapes.Reference():
            return _steps(shape.target.shape, value, loc)
        case shapes.Option(item=item):
            return _steps(item, value, loc)
    if not loc:
        return ()
    found = _step(shape, value, loc[0])
    if found is None:
        return ()
    step, part = found
    held = step.text if isinstance(step, Entry) else step
    try:
        return (step, *_steps(part, value[held], loc[1:]))
    except LookupError:  # a field that was left out: its default is refused
        return ()


def _step(shape: Shape, value: Any, key: int | str) -> tuple[str | int | Entry, Shape] | None:
    match shape:
        case shapes.Structure(fields=fields, kind="namedtuple") if isinstance(key, int):
            return (fields[key].key, fields[key].shape) if key < len(fields) else None
        case shapes.Structure(fields=fields):
            known = (field for field in fields if field.key == key)
            return next(((field.key, field.shape) for field in known), None)
        case shapes.Product(items=items) if isinstance(key, int) and key < len(items):
            return key, items[key]
        case shapes.Vector(item=item) | shapes.Array(item=item) if isinstance(key, int):
            return key, item
        case shapes.Mapping(value=item) if str(key) in value:
            return Entry(str(key)), item
    return None
