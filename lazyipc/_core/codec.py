"""`Codec[T]`: values of one type to bytes and back, with errors that say where.

Puts the parts together: the straight-line code of `layout`, one validation by pydantic, and on
failure a walk that finds the reason. Foreign exceptions end here. Knows no frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from lazyipc._core import layout
from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, Fault, finish
from lazyipc._core.family import Generation, takes_the_place_of
from lazyipc._core.locate import (
    bad_part,
    descend,
    first_complaint,
    holds_variants,
    path_of,
    refused_variant,
    shown,
)
from lazyipc._core.shape import Shape
from lazyipc.errors import DecodeError, EncodeError, IpcError, SchemaError

T = TypeVar("T")

DEFAULT_MESSAGE_BYTES = 16 * 1024 * 1024
"""How long a message may be: generous for commands, small beside a host's memory."""

DEFAULT_ELEMENTS = 1_000_000
"""How many elements a message's sequences may have together: an element of no bytes costs memory
too, and a small one costs a hundred times its bytes."""

EXPLAINED_PARTS = 50_000
"""How many parts of a refused message are looked at to say what is wrong: a tenth of a second,
which is more than a host should spend on it already."""


class Codec(Generic[T]):
    """Encodes and decodes values of one type.

    Args:
        shape: what travels.
        check: gives back a valid value from a plain one, or raises pydantic's ValidationError.
        model: the class a value must be of, where the type is a model.

    >>> codec_of(list[bool]).encode([True, False]).hex(" ")
    '02 00 00 00 00 00 00 00 01 00'
    """

    __slots__ = ("_check", "_decode", "_encode", "_model", "shape")

    def __init__(
        self, shape: Shape, check: Callable[[Any], Any] | None, model: type[BaseModel] | None
    ) -> None:
        self.shape = shape
        self._check = check
        self._model = model
        self._encode = layout.encoder(shape)
        self._decode = layout.decoder(shape)

    def encode(self, value: T) -> bytes:
        """The bytes of a value.

        Raises:
            EncodeError: the value does not fit the type; names the field.
        """
        try:
            if value.__class__ is self._model:
                return self._encode(value)
            if self._model is None:
                return self._encode(self._check(value) if self._check else value)
            if takes_the_place_of(value.__class__, self._model):
                return self._encode(value)
        except Exception as error:
            raise self._encode_error(value, error) from error
        wanted, given = self._model.__qualname__, type(value).__qualname__
        raise EncodeError(f"{wanted} is wanted, {given} given")

    def decode(
        self,
        data: bytes | bytearray | memoryview,
        start: int = 0,
        end: int | None = None,
        elements: int = DEFAULT_ELEMENTS,
    ) -> T:
        """The value that takes exactly the bytes from `start` to `end`.

        Raises:
            DecodeError: the bytes are no such value; offset, path and reason say where and why.
            MessageTooLarge: more elements than `elements`.
        """
        if end is None:
            end = len(data)
        try:
            value, offset, _ = self._decode(data, start, end, elements)
            if offset == end:
                checked: T = self._check(value) if self._check else value
                return checked
        except Exception as error:
            raise self._decode_error(data, start, end, elements, error) from error
        raise self._decode_error(data, start, end, elements, None)

    def extent(
        self, data: bytes | bytearray, *, limit_bytes: int, elements: int = DEFAULT_ELEMENTS
    ) -> Extent:
        """Find where a message that begins with `data` ends, while more of it comes."""
        cursor = Cursor(data, 0, None, limit_bytes=limit_bytes, elements=elements)
        return Extent(self.shape, cursor)

    def _encode_error(self, value: Any, error: Exception) -> EncodeError:
        if isinstance(error, ValidationError):
            loc, reason = first_complaint(error)
            path = path_of(loc)
        else:
            path, reason = bad_part(self.shape, value, error)
        return EncodeError(reason, path=path.lstrip("."))

    def _decode_error(
        self, data: Any, start: int, end: int, elements: int, error: Exception | None
    ) -> IpcError:
        def cursor() -> Cursor:
            limit = end - start
            return Cursor(
                data, start, end, limit_bytes=limit, elements=elements, parts=EXPLAINED_PARTS
            )

        walked = cursor()
        try:
            finish(layout.walk(self.shape, walked))
        except Fault as fault:
            return fault.as_error()
        if walked.offset != end:
            left = end - walked.offset
            return DecodeError(f"{left} bytes are left over", offset=walked.offset - start)
        if holds_variants(self.shape):
            try:
                inner = refused_variant(self.shape, cursor(), decode_variant)
            except Fault as fault:
                return fault.as_error()
            if inner is not None:
                return inner
        if not isinstance(error, ValidationError):
            return DecodeError(f"refused: {shown(error)}", offset=0)
        loc, reason = first_complaint(error)
        walked = cursor()
        with contextlib.suppress(Fault):  # then as far as it came
            descend(self.shape, walked, loc)
        return DecodeError(reason, offset=walked.offset - start, path=path_of(loc))


class Extent:
    """The search for the end of one message; each element is visited once, however it is cut.

    Args:
        shape: what travels.
        cursor: where it begins.
    """

    __slots__ = ("_walk", "cursor")

    def __init__(self, shape: Shape, cursor: Cursor) -> None:
        self.cursor = cursor
        self._walk = layout.walk(shape, cursor)

    def find(self, data: bytes | bytearray) -> int | None:
        """Look on in all that has come so far; the end of the message, or None for "need more".

        Raises:
            DecodeError, MessageTooLarge: no message begins like this.
        """
        self.cursor.data = data
        try:
            for _ in self._walk:
                return None
        except Fault as fault:
            raise fault.as_error() from fault
        return self.cursor.offset


def codec_of(annotation: Any) -> Codec[Any]:
    """The codec of a type, compiled once.

    Raises:
        SchemaError: the type, or one inside it, has no wire form.
    """
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return _adapter_codec(annotation)
    generation, made = annotation.__dict__.get("__lazyipc_codec__", (-1, None))
    if made is None or generation != Generation.number:
        made = _model_codec(annotation)
        annotation.__lazyipc_codec__ = Generation.number, made  # type: ignore[attr-defined]
    return cast("Codec[Any]", made)


def structure_codec(model: type[BaseModel]) -> Codec[Any]:
    """The codec of a model's own fields; of a variant, that is without its index."""
    shape = shapes.structure_of(model)
    return Codec(shape, shapes.complete(model).__pydantic_validator__.validate_python, model)


def _model_codec(model: type[BaseModel]) -> Codec[Any]:
    shape = shapes.shape_of(model)
    if isinstance(shape, shapes.Choice):
        return Codec(shape, None, None)
    return structure_codec(model)


def _adapter_codec(annotation: Any) -> Codec[Any]:
    try:
        # `A | B` equals `B | A`, yet not on the wire; their texts tell them apart.
        return _cached_adapter(annotation, repr(annotation), Generation.number)
    except TypeError as error:
        if isinstance(error, SchemaError):
            raise
        return _compile_adapter(annotation)  # not hashable: an Annotated with a dict, say


@lru_cache(maxsize=512)
def _cached_adapter(annotation: Any, _text: str, _generation: int) -> Codec[Any]:
    return _compile_adapter(annotation)


def _compile_adapter(annotation: Any) -> Codec[Any]:
    shape = shapes.shape_of(annotation)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=ConfigDict(strict=True))
    except PydanticUserError as error:
        raise SchemaError(f"{annotation}: {error}") from error
    return Codec(shape, adapter.validate_python, None)


def decode_variant(model: type[BaseModel], data: Any, start: int, end: int) -> object:
    """A variant's fields alone, to see whether it is they that are refused."""
    return codec_of(model).decode(data, start, end)
