"""Rules for models: their fields; for families and unions of models: u32 index, then the fields.

Source: bincode 1.3 `src/ser/mod.rs` and `src/de/mod.rs` with the options of its plain functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, Fault, Walk
from lazyipc._core.layout.rule import RULES, Rule, construct_of, decode, encode, smallest_size, walk
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape
from lazyipc._core.source import DecodeSource, EncodeSource

# Models: their fields --------------------------------------------------------------------------


def _structure_construct(shape: shapes.Structure) -> Any:
    import construct

    class ModelAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return shape.model.model_validate({f.key: obj[f.name] for f in shape.fields})

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return {field.name: getattr(obj, field.name) for field in shape.fields}

    return ModelAdapter(construct.Struct(*(f.name / construct_of(f.shape) for f in shape.fields)))


def _structure_encode(shape: shapes.Structure, value: str, source: EncodeSource) -> None:
    for field in shape.fields:
        encode(field.shape, f"{value}.{field.name}", source)


def _structure_decode(shape: shapes.Structure, source: DecodeSource) -> str:
    items = [f"{field.key!r}: {decode(field.shape, source)}" for field in shape.fields]
    return f"{{{', '.join(items)}}}"


def _structure_walk(shape: shapes.Structure, cursor: Cursor) -> Walk:
    for field in shape.fields:
        try:
            yield from walk(field.shape, cursor)
        except Fault as fault:
            raise fault.within(field.name) from fault.__cause__


def _structure_parts(shape: shapes.Structure, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for field in shape.fields:
        yield f".{field.name}", field.shape, getattr(value, field.name)


# Families and unions of models: u32 index, then the fields -------------------------------------


def _choice_construct(shape: shapes.Choice) -> Any:
    import construct

    indices = {case.shape.model: case.index for case in shape.cases}

    class ChoiceAdapter(construct.Adapter):
        def _decode(self, obj: Any, context: Any, path: str) -> Any:
            return obj.value

        def _encode(self, obj: Any, context: Any, path: str) -> Any:
            return {"index": indices[type(obj)], "value": obj}

    cases = {case.index: construct_of(case.shape) for case in shape.cases}
    value = construct.Switch(construct.this.index, cases, default=construct.Error)
    index = construct_of(Number("u32"))
    return ChoiceAdapter(construct.Struct("index" / index, "value" / value))


def _choice_encode(shape: shapes.Choice, value: str, source: EncodeSource) -> None:
    table = source.constant({case.shape.model: _case_encoder(case) for case in shape.cases})
    chosen = source.local(value)
    source.blob(f"{table}[{chosen}.__class__]({chosen})")


def _case_encoder(case: shapes.Case) -> Callable[[Any], bytes]:
    source = EncodeSource()
    source.fixed("I", str(case.index))
    encode(case.shape, "v", source)
    return source.finish()


def _choice_decode(shape: shapes.Choice, source: DecodeSource) -> str:
    table = source.constant({case.index: _case_decoder(case) for case in shape.cases})
    index, value = source.fixed("I"), source.name()
    source.flush()
    source.line(f"{value}, o, k = {table}[{index}](data, o, end, k)")
    return value


def _case_decoder(case: shapes.Case) -> Callable[..., tuple[Any, int, int]]:
    """Code for one variant; it validates by itself, for a field of a family takes instances."""
    source = DecodeSource()
    expression = decode(case.shape, source)
    validator = shapes.complete(case.shape.model).__pydantic_validator__
    return source.finish(f"{source.constant(validator.validate_python)}({expression})")


def _choice_walk(shape: shapes.Choice, cursor: Cursor) -> Walk:
    index = yield from cursor.u32()
    for case in shape.cases:
        if case.index == index:
            try:
                yield from walk(case.shape, cursor)
            except Fault as fault:
                raise fault.within(case.name) from fault.__cause__
            return
    known = ", ".join(f"{case.index} {case.name}" for case in shape.cases)
    raise cursor.fault(f"{shape.name} has no variant {index} (it has {known})", cursor.offset - 4)


def _choice_parts(shape: shapes.Choice, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    for case in shape.cases:
        if case.shape.model is type(value):
            yield "", case.shape, value


RULES[shapes.Structure] = Rule(
    construct=_structure_construct,
    encode=_structure_encode,
    decode=_structure_decode,
    walk=_structure_walk,
    smallest=lambda shape: sum(smallest_size(field.shape) for field in shape.fields),
    parts=_structure_parts,
)
RULES[shapes.Choice] = Rule(
    construct=_choice_construct,
    encode=_choice_encode,
    decode=_choice_decode,
    walk=_choice_walk,
    smallest=lambda shape: 4,
    parts=_choice_parts,
)
