"""Rules for classes: their fields; for families and unions: u32 index, then the variant's fields.

Source: bincode 1.3 `src/ser/mod.rs` and `src/de/mod.rs`.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import SchemaValidator

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import INDEX, Encoding
from lazyipc._core.family import takes_the_place_of
from lazyipc._core.fitting import fit
from lazyipc._core.layout.numbers import number_construct
from lazyipc._core.layout.rule import (
    RULES,
    Opening,
    Part,
    Rule,
    any_bytes_together,
    call_decoder,
    construct_of,
    decode,
    encode,
    smallest_size,
)
from lazyipc._core.members import complete
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource, PartRefused
from lazyipc.errors import SchemaError

# Classes: their fields -------------------------------------------------------------------------


def validator_of(shape: shapes.Structure) -> Callable[[Any], Any]:
    """Makes an instance of a structure's class from its plain fields, or raises ValidationError."""
    if shape.kind == "model":
        validate: Callable[[Any], Any] = complete(shape.type).__pydantic_validator__.validate_python
        return validate
    # Not strict: a strict dataclass takes nothing but instances. What is decoded is exact anyway.
    validator = SchemaValidator(_fitted(shape.type))
    return lambda fields: validator.validate_python(fields, strict=False)


@lru_cache(maxsize=128)
def _fitted(annotation: Any) -> Any:
    """The schema of a dataclass or NamedTuple, narrowed to what travels."""
    from pydantic import TypeAdapter  # here, because models alone do without it

    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    return fit(adapter.core_schema, lambda reference: {})


def _structure_construct(shape: shapes.Structure, encoding: Encoding) -> Any:
    import construct

    validate = validator_of(shape)

    class ModelAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            if shape.kind == "namedtuple":
                return validate(tuple(obj[f.name] for f in shape.fields))
            return validate({f.key: obj[f.name] for f in shape.fields})

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return {field.name: getattr(obj, field.name) for field in shape.fields}

    fields = (field.name / construct_of(field.shape, encoding) for field in shape.fields)
    return ModelAdapter(construct.Struct(*fields))


def _structure_encode(shape: shapes.Structure, value: str, source: EncodeSource) -> None:
    if shape.kind == "dataclass":
        value = source.local(value)
        source.line(f"{source.constant(fields_check(shape))}({value})")
    for field in shape.fields:
        encode(field.shape, f"{value}.{field.name}", source)


def fields_check(shape: shapes.Structure) -> Callable[[Any], object]:
    """Checks a dataclass, which may have checked nothing when it was built.

    Only its own fields: making it anew would run its `__post_init__` twice, and what stands in it
    is checked when that is encoded.
    """
    wanted = typing.get_origin(shape.type) or shape.type
    schema, config = _fields_schema(_fitted(shape.type))
    settings: Any = {**config, "strict": True}
    validate = SchemaValidator(schema, settings).validate_python
    keys = [(field.key, field.name) for field in shape.fields]

    def check(value: Any) -> object:
        if value.__class__ is not wanted:
            given = type(value).__qualname__
            raise ValueError(f"{wanted.__qualname__} is wanted, {given} given")
        return validate({key: getattr(value, name) for key, name in keys})

    return check


def _fields_schema(schema: dict[str, Any]) -> tuple[Any, Any]:
    """The schema of a dataclass's fields, and their settings, out of what makes an instance."""
    definitions = schema.get("definitions", [])
    by_name = {definition["ref"]: definition for definition in definitions}
    inner: Any = schema
    config: dict[str, Any] = {}
    while inner["type"] != "dataclass-args":
        config = inner.get("config") or config
        if not {"schema", "schema_ref"} & inner.keys():
            raise SchemaError(
                "a dataclass that pydantic builds by a schema of its own has no fields that can be "
                "checked; use a model"
            )
        inner = by_name[inner["schema_ref"]] if "schema_ref" in inner else inner["schema"]
    return {"type": "definitions", "schema": inner, "definitions": definitions}, config


def _structure_decode(shape: shapes.Structure, source: DecodeSource) -> str:
    if shape.kind == "namedtuple":
        return f"({''.join(decode(field.shape, source) + ', ' for field in shape.fields)})"
    if shape.kind == "model":
        return _plain_fields(shape, source)
    return _instance(shape, shape, source)


def _instance(shape: shapes.Structure, written: Shape, source: DecodeSource) -> str:
    """Write the code that decodes a class and validates it by itself, for what it stands in takes
    instances; should it be refused, its place is known.

    Args:
        shape: the class.
        written: itself, or a reference to it, where it stands inside itself.
    """
    start, made = source.here(), source.name()
    plain = _plain_fields(shape, source) if written is shape else decode(written, source)
    source.flush()
    source.check("o > end")  # what stands behind the message is nobody's to judge
    with source.block("try:"):
        source.line(f"{made} = {source.constant(validator_of(shape))}({plain})")
    with source.block(f"except {source.constant(ValidationError)} as error:"):
        refused = source.constant(PartRefused)
        source.line(f"raise {refused}({source.constant(shape)}, {start}, error)")
    return made


def _plain_fields(shape: shapes.Structure, source: DecodeSource) -> str:
    """Write the code that decodes a structure's fields; an expression for a dict of them."""
    items = [f"{field.key!r}: {decode(field.shape, source)}" for field in shape.fields]
    return f"{{{', '.join(items)}}}"


def _structure_open(shape: shapes.Structure, cursor: Cursor) -> Opening:
    yield from ()
    if cursor.stop is not None:
        cursor.stop_at(shape)
    parts: tuple[Part, ...] | None = cursor.parts.get(id(shape))
    if parts is None:
        by_position = shape.kind == "namedtuple"
        parts = cursor.parts[id(shape)] = tuple(
            Part(field.name, position if by_position else field.key, field.shape)
            for position, field in enumerate(shape.fields)
        )
    return parts


def _structure_smallest(shape: shapes.Structure, encoding: Encoding) -> int:
    return sum(smallest_size(field.shape, encoding) for field in shape.fields)


def _structure_any_bytes(shape: shapes.Structure, encoding: Encoding) -> int | None:
    return any_bytes_together((field.shape for field in shape.fields), encoding)


def _structure_parts(shape: shapes.Structure, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for field in shape.fields:
        yield f".{field.name}", field.shape, getattr(value, field.name)


# Families and unions: u32 index, then the variant ----------------------------------------------


def _choice_construct(shape: shapes.Choice, encoding: Encoding) -> Any:
    import construct

    indices = {case.type: case.index for case in shape.cases}

    class ChoiceAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return obj.value

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return {"index": indices[type(obj)], "value": obj}

    cases = {case.index: construct_of(case.shape, encoding) for case in shape.cases}
    value = construct.Switch(construct.this.index, cases, default=construct.Error)
    index = number_construct(INDEX, encoding)
    return ChoiceAdapter(construct.Struct("index" / index, "value" / value))


def _choice_encode(shape: shapes.Choice, value: str, source: EncodeSource) -> None:
    encoders = {case.type: _case_encoder(case, source.encoding) for case in shape.cases}
    table = source.constant(_ByClass(encoders))
    chosen = source.local(value)
    source.blob(f"{table}[{chosen}.__class__]({chosen}, d)")


class _ByClass(dict[type, Any]):
    """What is known of a class; of one whose notebook cell was run again, of the other one."""

    def __missing__(self, wanted: type) -> Any:
        for known in self:
            if takes_the_place_of(wanted, known):
                return self[known]
        raise KeyError(wanted)


def _case_encoder(case: shapes.Case, encoding: Encoding) -> Callable[[Any, int], bytes]:
    source = EncodeSource(encoding)
    source.literal(INDEX, case.index)
    encode(case.shape, "v", source)
    return source.finish()


def _choice_decode(shape: shapes.Choice, source: DecodeSource) -> str:
    table = source.constant(
        {case.index: _case_decoder(case, source.encoding) for case in shape.cases}
    )
    index = source.number(INDEX)
    source.flush()
    return call_decoder(f"{table}[{index}]", "d", source)


def _case_decoder(case: shapes.Case, encoding: Encoding) -> Callable[..., tuple[Any, int, int]]:
    source = DecodeSource(encoding)
    shape = case.shape
    target = shape.target.shape if isinstance(shape, shapes.Reference) else shape
    # Of several members with the same fields pydantic would take the first.
    if isinstance(target, shapes.Structure) and (target is shape or target.kind == "model"):
        return source.finish(_instance(target, shape, source))
    return source.finish(decode(shape, source))


def _choice_open(shape: shapes.Choice, cursor: Cursor) -> Opening:
    at = cursor.offset
    index = yield from cursor.number(INDEX)
    parts: dict[int, Part] | None = cursor.parts.get(id(shape))
    if parts is None:
        parts = {case.index: Part(case.name, None, case.shape) for case in shape.cases}
        cursor.parts[id(shape)] = parts
    if index in parts:
        return (parts[index],)
    known = ", ".join(f"{case.index} {case.name}" for case in shape.cases)
    raise cursor.fault(f"{shape.name} has no variant {index} (it has {known})", at)


def _choice_parts(shape: shapes.Choice, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for case in shape.cases:
        if case.type is type(value):
            yield "", case.shape, value


RULES[shapes.Structure] = Rule(
    construct=_structure_construct,
    encode=_structure_encode,
    decode=_structure_decode,
    open=_structure_open,
    smallest=_structure_smallest,
    any_bytes=_structure_any_bytes,
    parts=_structure_parts,
)
RULES[shapes.Choice] = Rule(
    construct=_choice_construct,
    encode=_choice_encode,
    decode=_choice_decode,
    open=_choice_open,
    smallest=lambda shape, encoding: encoding.smallest(INDEX),
    parts=_choice_parts,
)
