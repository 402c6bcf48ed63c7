"""Values as people at a prompt write them, made into what strict classes take.

An enum's member by its name, a struct as a dict, any sequence for a list, a number of seconds for
a duration, an array of NumPy's. What is not understood is left for the class to refuse; where its
words would not help, the refusal is made here. Knows shapes and values; no description.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from lazyipc._core import shape as shapes
from lazyipc._core.conversion import IP_ADDRESS
from lazyipc._core.description.soundness import printable
from lazyipc._core.duration import NANOSECONDS_PER_SECOND, Duration, SystemTime
from lazyipc._core.shape import Shape

Place = tuple[int | str, ...]
"""Where a value stands: names of fields and positions, outermost first."""

_BYTES = (bytes, bytearray, memoryview)


class _Fault(Exception):
    """A value that nothing can be made of; caught where its place is known."""

    def __init__(self, reason: str, value: Any, place: Place) -> None:
        super().__init__(reason)
        self.details = InitErrorDetails(
            type=PydanticCustomError("value_error", "{reason}", {"reason": printable(reason)}),
            loc=place,
            input=value,
        )


def lenient_call(shape: shapes.Structure, values: Mapping[str, Any]) -> Any:
    """An instance of a class, from values of its fields by their names.

    Raises:
        ValidationError: a value is none of its field; names the field.
    """
    made: dict[str, Any] = {}
    faults: list[InitErrorDetails] = []
    for field in shape.fields:
        if field.name in values:
            try:
                made[field.key] = _lenient(field.shape, values[field.name], (field.name,))
            except _Fault as fault:
                faults.append(fault.details)
            except ValidationError as error:
                faults += _again(error, ())
    if faults:
        raise ValidationError.from_exception_data(printable(shape.name), faults)
    return shape.type(**made)


def _again(error: ValidationError, place: Place) -> list[InitErrorDetails]:
    """What an error tells, of values that stand at a place."""
    return [
        InitErrorDetails(
            type=PydanticCustomError("value_error", "{reason}", {"reason": each["msg"]}),
            loc=(*place, *each["loc"]),
            input=each["input"],
        )
        for each in error.errors(include_url=False, include_context=False)
    ]


def _lenient(shape: Shape, value: Any, place: Place) -> Any:
    if isinstance(shape, shapes.Reference):
        return _lenient(shape.target.shape, value, place)
    if not isinstance(value, _BYTES) and callable(getattr(value, "tolist", None)):
        value = value.tolist()  # of NumPy, and of what is like it: an array, or one number
    match shape:
        case shapes.Option(item):
            return None if value is None else _lenient(item, value, place)
        case shapes.Enumeration(kind):
            return _member(kind, value, place)
        case shapes.Structure():
            return _instance(shape, value, place)
        case shapes.Choice() if shape is not IP_ADDRESS:
            return _variant(shape, value, place)
        case shapes.Vector(item, kind) | shapes.Set(item, kind) | shapes.Array(item, _, kind):
            return _items(item, kind, value, place)
        case shapes.Blob():
            return _octets(value, place)
        case shapes.Product(items) if isinstance(value, list | tuple):
            if len(value) != len(items):
                raise _Fault(f"{len(items)} items are wanted, {len(value)} given", value, place)
            parts = zip(items, value, strict=True)
            return tuple(_lenient(item, each, (*place, n)) for n, (item, each) in enumerate(parts))
        case shapes.Mapping(key, item) if isinstance(value, Mapping):
            return {
                _lenient(key, k, (*place, str(k))): _lenient(item, v, (*place, str(k)))
                for k, v in value.items()
            }
        case shapes.Converted() | shapes.Choice():
            return _converted(shape, value, place)
    return value


def _member(kind: type[enum.Enum], value: Any, place: Place) -> Any:
    """A member by itself, by its name, or by that of a member of a like enum."""
    if isinstance(value, kind):
        return value
    name = value.name if isinstance(value, enum.Enum) else value
    members = kind.__members__
    if isinstance(name, str):
        found = [each for each in members if each == name]
        found = found or [each for each in members if each.casefold() == name.casefold()]
        if len(found) == 1:
            return members[found[0]]
    raise _Fault(f"Input should be one of {', '.join(members)}", value, place)


def _instance(shape: shapes.Structure, value: Any, place: Place) -> Any:
    """An instance as it is; one made of a dict, or of a like class's fields."""
    if isinstance(value, shape.type):
        return value
    fields = {field.name: field for field in shape.fields}
    if isinstance(value, BaseModel) and set(type(value).model_fields) == set(fields):
        value = {name: getattr(value, name) for name in fields}
    if not isinstance(value, Mapping):
        wanted = f"{shape.type.__name__}, or a dict of {', '.join(fields) or 'nothing'}"
        raise _Fault(f"Input should be a {wanted}", value, place)
    keys = {field.key: field for field in shape.fields} | fields
    made: dict[str, Any] = {}
    for key, item in value.items():
        field = keys.get(key) if isinstance(key, str) else None
        if field is None:
            told = f"{shape.type.__name__} has {', '.join(fields) or 'no fields'}"
            raise _Fault(f"There is no such field; {told}", item, (*place, str(key)))
        made[_called(shape, field)] = _lenient(field.shape, item, (*place, field.name))
    try:
        return shape.type(**made)
    except ValidationError as error:
        raise ValidationError.from_exception_data(error.title, _again(error, place)) from error
    except TypeError as error:  # a NamedTuple or a dataclass that lacks a field
        raise _Fault(f"{shape.type.__name__}: {error}", value, place) from error


def _called(shape: shapes.Structure, field: shapes.Field) -> str:
    """What a field is called where its class is."""
    return field.key if shape.kind == "model" else field.name


def _variant(shape: shapes.Choice, value: Any, place: Place) -> Any:
    """A variant by itself, or as JSON has it: its name, with its fields where it has any."""
    for case in shape.cases:
        if isinstance(value, case.type):
            return value
    named, fields = value, value
    if isinstance(value, Mapping) and len(value) == 1:
        ((named, fields),) = value.items()
    elif isinstance(value, str):
        fields = {}
    elif isinstance(value, BaseModel):
        named = type(value).__name__
    for case in shape.cases:
        if named == case.name or (fields is value and named == case.type.__name__):
            inner = case.shape
            while isinstance(inner, shapes.Reference):
                inner = inner.target.shape
            assert isinstance(inner, shapes.Structure)  # an address was told apart before
            return _instance(inner, {} if fields is None else fields, (*place, case.name))
    told = ", ".join(f"{{{case.name!r}: {{…}}}}" for case in shape.cases)
    raise _Fault(f"Input should be one of {told}", value, place)


def _items(item: Shape, kind: type, value: Any, place: Place) -> Any:
    if kind is bytes:
        return _octets(value, place)
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        return value
    try:
        return kind(_lenient(item, each, (*place, n)) for n, each in enumerate(value))
    except TypeError as error:  # of a set: what is in it cannot be hashed
        raise _Fault(str(error), value, place) from error


def _octets(value: Any, place: Place) -> Any:
    if isinstance(value, _BYTES):
        return bytes(value)
    if isinstance(value, list | tuple):
        try:
            return bytes(value)
        except (TypeError, ValueError) as error:
            raise _Fault(f"Input should be bytes: {error}", value, place) from error
    return value


def _converted(shape: shapes.Converted | shapes.Choice, value: Any, place: Place) -> Any:
    """What stands for a path, a duration, an address and their like."""
    try:
        match shape.name, value:
            case "path", str() | PurePath():
                return Path(value)
            case "uuid", str():
                return UUID(value)
            case "duration", dt.timedelta():
                return Duration.from_timedelta(value)
            case "duration", int() | float() if not isinstance(value, bool):
                return Duration.from_nanoseconds(_nanoseconds(value))
            case "systemtime", dt.datetime():
                return SystemTime.from_datetime(value)
            case "systemtime", str():
                return SystemTime.from_datetime(dt.datetime.fromisoformat(value))
            case "ipv4addr" | "ipv6addr" | "IpAddr", str():
                return ip_address(value)
    except (ValueError, OverflowError) as error:
        raise _Fault(str(error), value, place) from error
    return value


def _nanoseconds(seconds: float) -> int:
    whole = int(seconds)
    return whole * NANOSECONDS_PER_SECOND + round((seconds - whole) * NANOSECONDS_PER_SECOND)
