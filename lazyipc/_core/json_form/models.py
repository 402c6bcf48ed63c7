"""JSON of classes: an object of their fields; of families and unions: tagged from outside.

Source: serde_json 1.0, externally tagged enums; `lazyipc._core.rust` for which Rust declaration it
is: a variant without fields is a unit variant, any other one a struct variant.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lazyipc._core import shape as shapes
from lazyipc._core.conversion import IP_ADDRESS
from lazyipc._core.family import takes_the_place_of
from lazyipc._core.json_form.atoms import no_such
from lazyipc._core.json_form.rule import (
    FORMS,
    Form,
    Key,
    Misfit,
    Read,
    Room,
    Write,
    found,
    reader,
    writer,
)
from lazyipc._core.json_form.standard import address_read
from lazyipc._core.json_form.validation import misfit_of
from lazyipc._core.layout import validator_of
from lazyipc._core.members import complete
from lazyipc._core.shape import Shape
from lazyipc.errors import SchemaError

_MISSING = dataclasses.MISSING

# Classes: an object of their fields --------------------------------------------------------------


def fields_read(shape: shapes.Structure) -> Callable[[Any, Room], dict[str, Any]]:
    """Reads an object of a class's fields, without those left out that have a default."""
    reads = {field.key: reader(field.shape) for field in shape.fields}
    optional = {field.key for field in shape.fields if isinstance(field.shape, shapes.Option)}
    defaults = {field.key for field in shape.fields if _has_default(shape, field.name)}

    def read(value: Any, room: Room) -> dict[str, Any]:
        if type(value) is not dict:
            raise Misfit(f"{shape.name} is an object of its fields, not {found(value)}")
        room.keys += len(value)
        made: dict[str, Any] = {}
        key = ""
        try:
            for key, item in value.items():
                read_field = reads.get(key)
                if read_field is None:
                    break
                made[key] = read_field(item, room)
        except Misfit as misfit:
            raise misfit.within(key) from None
        if len(made) < len(value):
            raise Misfit(no_such(f"a field of {shape.name}", key, reads), Key(key))
        if len(made) < len(reads):
            for key in reads:
                if key in made or key in defaults:
                    continue
                if key not in optional:
                    raise Misfit(f"{shape.name} lacks its field {key}")
                made[key] = None
        return made

    return read


def _has_default(shape: shapes.Structure, name: str) -> bool:
    """Whether a field may be left out, because its class says what it is then."""
    origin: Any = typing.get_origin(shape.type) or shape.type
    if shape.kind == "namedtuple":
        return name in origin._field_defaults
    if shape.kind == "model":
        return not complete(origin).model_fields[name].is_required()
    part = next(part for part in dataclasses.fields(origin) if part.name == name)
    default = getattr(origin, "__pydantic_fields__", {}).get(name, part.default)
    if isinstance(default, FieldInfo):
        return not default.is_required()
    return default is not _MISSING or part.default_factory is not _MISSING


def _structure_read(shape: shapes.Structure) -> Read:
    read_fields = fields_read(shape)
    if shape.kind == "model":
        return read_fields
    if shape.kind == "dataclass":
        return _instance_read(shape, read_fields)
    origin: Any = typing.get_origin(shape.type) or shape.type
    defaults, keys = origin._field_defaults, [field.key for field in shape.fields]

    def read(value: Any, room: Room) -> tuple[Any, ...]:
        made = read_fields(value, room)
        return tuple(made[key] if key in made else defaults[key] for key in keys)

    return read


def _instance_read(shape: shapes.Structure, read_plain: Read) -> Read:
    """Reads a class and validates it by itself, for what it stands in takes instances."""
    validate = validator_of(shape)

    def read(value: Any, room: Room) -> Any:
        plain = read_plain(value, room)
        try:
            return validate(plain)
        except ValidationError as error:
            raise misfit_of(error, shape, value) from error

    return read


def _structure_write(shape: shapes.Structure) -> Write:
    parts = [(field.key, field.name, writer(field.shape)) for field in shape.fields]

    def write(value: Any) -> dict[str, Any]:
        made: dict[str, Any] = {}
        key = ""
        try:
            for key, name, write_field in parts:
                made[key] = write_field(getattr(value, name))
        except Misfit as misfit:
            raise misfit.within(key) from None
        return made

    return write


# Families and unions: the variant's name, then its fields ----------------------------------------


def _choice_read(shape: shapes.Choice) -> Read:
    if shape is IP_ADDRESS:
        return address_read(shape)
    reads = {case.name: case_read(case.shape) for case in shape.cases}
    _refuse_one_name(shape, len(reads))

    def read(value: Any, room: Room) -> Any:
        name, content = tag_of(value, room, shape.name)
        read_case = reads.get(name)
        if read_case is None:
            where = () if isinstance(value, str) else (Key(name),)
            raise Misfit(no_such(f"a variant of {shape.name}", name, reads), *where)
        try:
            return read_case(content, room)
        except Misfit as misfit:
            raise misfit.within(*(() if isinstance(value, str) else (name,))) from None

    return read


def _refuse_one_name(shape: shapes.Choice, names: int) -> None:
    if names < len(shape.cases):
        raise SchemaError(
            f"two variants of {shape.name} have one name, which is all that tells them apart in "
            "JSON; rename one, or use the framed wire"
        )


def tag_of(value: Any, room: Room, name: str) -> tuple[str, Any]:
    """The name of a variant and what it holds; of one without fields, perhaps, the name alone."""
    if type(value) is str:
        return value, None
    if type(value) is not dict or len(value) != 1:
        form = '{"name": {its fields}}, or "name" where it has none'
        raise Misfit(f"{name} is {form}, not {_parts(value)}")
    room.keys += 1
    ((tag, content),) = value.items()
    return tag, content


def _parts(value: Any) -> str:
    return f"an object of {len(value)} keys" if type(value) is dict else found(value)


def case_read(shape: Shape) -> Read:
    """Reads what a variant holds, and makes an instance of it."""
    if isinstance(shape, shapes.Reference):
        target = shape.target.shape
        assert isinstance(target, shapes.Structure)
        read_plain = reader(shape)
        return read_plain if target.kind == "dataclass" else _instance_read(target, read_plain)
    assert isinstance(shape, shapes.Structure)
    read_fields = _instance_read(shape, fields_read(shape))
    if shape.fields:
        return read_fields

    def read_empty(value: Any, room: Room) -> Any:
        return read_fields({} if value is None else value, room)

    return read_empty


def _choice_write(shape: shapes.Choice) -> Write:
    if shape is IP_ADDRESS:
        return str
    writes = {case.type: case_write(case.name, case.shape) for case in shape.cases}

    def write(value: Any) -> Any:
        write_case = writes.get(value.__class__)
        if write_case is None:
            write_case = next(
                writes[old] for old in writes if takes_the_place_of(value.__class__, old)
            )
        return write_case(value)

    return write


def case_write(name: str, shape: Shape) -> Write:
    """Writes a variant by its name."""
    if isinstance(shape, shapes.Structure) and not shape.fields:
        return lambda value: name
    write_fields = writer(shape)

    def write(value: Any) -> dict[str, Any]:
        try:
            return {name: write_fields(value)}
        except Misfit as misfit:
            raise misfit.within(name) from None

    return write


# Reference: a shape that stands elsewhere --------------------------------------------------------


def _shared(shape: shapes.Reference, make: Callable[[Any], Any]) -> list[Any]:
    """The function of a target, which is shared by all that refers to it; a list, for it is known
    only when what it calls is."""
    known: list[Any] | None = shape.target.code.get(make)
    if known is None:
        # Until it is there, who calls it, another thread perhaps, makes one for itself.
        known = shape.target.code[make] = [lambda *args: make(shape.target.shape)(*args)]
        try:
            known[0] = make(shape.target.shape)
        except BaseException:
            del shape.target.code[make]
            raise
    return known


def _reference_read(shape: shapes.Reference) -> Read:
    function = _shared(shape, reader)
    if not shape.is_inside:
        return lambda value, room: function[0](value, room)

    def read(value: Any, room: Room) -> Any:
        room.enter()
        made = function[0](value, room)
        room.depth += 1
        return made

    return read


def _reference_write(shape: shapes.Reference) -> Write:
    function = _shared(shape, writer)
    return lambda value: function[0](value)


FORMS[shapes.Structure] = Form(_structure_read, _structure_write)
FORMS[shapes.Choice] = Form(_choice_read, _choice_write)
FORMS[shapes.Reference] = Form(_reference_read, _reference_write)
