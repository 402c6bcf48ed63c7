"""The codec of a type, compiled once and found again.

A type is looked up by its identity first, then by what it says. Knows what pydantic must check of a
value before and after; the codec itself does not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.errors import PydanticUserError
from pydantic_core import SchemaError as PydanticSchemaError
from pydantic_core import SchemaValidator

from lazyipc._core import layout
from lazyipc._core import shape as shapes
from lazyipc._core.annotation import shape_of, structure_of
from lazyipc._core.codec import Check, Codec
from lazyipc._core.encoding import ENCODINGS, FIXED, Encoding
from lazyipc._core.family import Generation
from lazyipc._core.fitting import accepts_all_decoded, fit
from lazyipc._core.scalars import Number
from lazyipc.errors import SchemaError


def codec_of(annotation: Any, encoding: Encoding = FIXED) -> Codec[Any]:
    """The codec of a type, compiled once.

    Raises:
        SchemaError: the type, or one inside it, has no wire form.
    """
    known = _SEEN.get(id(annotation))
    if known is not None and known.generation == Generation.number:
        codec = known.codecs[encoding.number]
        if codec is not None:
            return codec
    try:
        return _look_further(annotation, encoding)
    except PydanticSchemaError as error:
        raise SchemaError(f"{annotation}: {error}") from error
    except RecursionError as error:
        raise SchemaError(
            f"{type(annotation).__name__}: nests too deeply to be compiled"
        ) from error


class _Known:
    """The codecs of one type, by the number of their encoding."""

    __slots__ = ("annotation", "codecs", "generation")

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self.generation = Generation.number
        self.codecs: list[Codec[Any] | None] = [None] * len(ENCODINGS)

    def __reduce__(self) -> tuple[Any, ...]:
        """A class that is pickled by value, as notebooks' are, goes without what was compiled."""
        return type(None), ()


_SEEN: dict[int, _Known] = {}
"""By the identity of a type, which is kept, so that no other has it. To find one by what it says
takes as long as to use it."""

MOST_SEEN = 1024
"""How many are kept: types written where they are used, such as `list[U8]`, are new each time."""


def _look_further(annotation: Any, encoding: Encoding) -> Codec[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        known = annotation.__dict__.get("__lazyipc_codecs__")
        if known is None or known.generation != Generation.number:
            known = _Known(annotation)
            annotation.__lazyipc_codecs__ = known  # type: ignore[attr-defined]
        codec = known.codecs[encoding.number] or _model_codec(annotation, encoding)
    else:
        known = _SEEN.get(id(annotation))
        if known is None or known.generation != Generation.number:
            known = _Known(annotation)
        codec = _adapter_codec(annotation, encoding)
    known.codecs[encoding.number] = codec
    if len(_SEEN) >= MOST_SEEN:
        _SEEN.clear()
    _SEEN[id(annotation)] = known
    return cast("Codec[Any]", codec)


def structure_codec(model: type[BaseModel], encoding: Encoding = FIXED) -> Codec[Any]:
    """The codec of a model's own fields; of a variant, that is without its index."""
    shape = structure_of(model)
    return Codec(shape, accept=layout.validator_of(shape), model=model, encoding=encoding)


def _model_codec(model: type[BaseModel], encoding: Encoding) -> Codec[Any]:
    shape = shape_of(model)
    if isinstance(shape, shapes.Choice):
        return Codec(shape, encoding=encoding)
    return structure_codec(model, encoding)


def _adapter_codec(annotation: Any, encoding: Encoding) -> Codec[Any]:
    try:
        return _cached_adapter(annotation, _ordered(annotation), encoding, Generation.number)
    except TypeError as error:
        if isinstance(error, SchemaError):
            raise
        return _compile_adapter(annotation, encoding)  # not hashable: an Annotated with a dict, say


def _ordered(annotation: Any) -> Any:
    """A type with its arguments in order: `A | B` equals `B | A`, yet not on the wire."""
    arguments = get_args(annotation)
    return (get_origin(annotation), *map(_ordered, arguments)) if arguments else annotation


@lru_cache(maxsize=512)
def _cached_adapter(
    annotation: Any, _order: Any, encoding: Encoding, _generation: int
) -> Codec[Any]:
    return _compile_adapter(annotation, encoding)


def _compile_adapter(annotation: Any, encoding: Encoding) -> Codec[Any]:
    shape = shape_of(annotation)
    if isinstance(shape, shapes.Structure) and shape.kind == "dataclass":
        return Codec(shape, encoding=encoding)  # it is checked both ways wherever it stands
    schema = _known_schema(annotation)
    check: Check = SchemaValidator(schema, {"strict": True}).validate_python
    settled = accepts_all_decoded(schema)
    offer: Check = check
    if settled and isinstance(shape, shapes.Vector) and isinstance(shape.item, Number):
        offer = _bulk_check(shape.kind, shape.item, check)
    return Codec(shape, accept=None if settled else check, offer=offer, encoding=encoding)


def _known_schema(annotation: Any) -> Any:
    """The schema of a type, made once for all encodings: of an alias of a recursive model pydantic
    makes no second one."""
    try:
        return _cached_schema(annotation, _ordered(annotation), Generation.number)
    except TypeError as error:
        if isinstance(error, SchemaError):
            raise
        return _adapter_schema(annotation)


@lru_cache(maxsize=512)
def _cached_schema(annotation: Any, _order: Any, _generation: int) -> Any:
    return _adapter_schema(annotation)


def _adapter_schema(annotation: Any) -> Any:
    from pydantic import TypeAdapter  # here, because models alone do without it

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=ConfigDict(strict=True))
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":  # a model under another name has its own
            raise SchemaError(f"{annotation}: {error}") from error
        adapter = TypeAdapter(annotation)
        adapter.rebuild(raise_errors=True)
    return fit(adapter.core_schema, lambda reference: {})


def _bulk_check(kind: Any, number: Number, check: Check) -> Check:
    """A check of many numbers that leaves to the packing what the packing refuses: their range.

    Pydantic takes 54 ns for an integer, this 13 ns; for an F64 pydantic is as fast.
    """
    if number.name == "f64":
        return check
    wanted = float if number.is_float else int

    def offer(value: Any) -> Any:
        if type(value) is kind and list(map(type, value)).count(wanted) == len(value):
            return value
        return check(value)

    return offer
