"""`Codec[T]`: values of one type to bytes and back, with errors that say where.

Puts the parts together: the straight-line code of `layout`, one validation by pydantic, and on
failure a walk that finds the reason. Foreign exceptions end here. Knows no frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from lazyipc._core import layout
from lazyipc._core.cursor import Cursor, Fault, finish
from lazyipc._core.encoding import FIXED, Encoding
from lazyipc._core.family import takes_the_place_of
from lazyipc._core.locate import (
    bad_part,
    first_complaint,
    path_of,
    place_of,
    shown,
)
from lazyipc._core.shape import Shape
from lazyipc._core.source import PartRefused, TooDeep
from lazyipc.errors import DecodeError, EncodeError, IpcError

T = TypeVar("T")

DEFAULT_MESSAGE_BYTES = 16 * 1024 * 1024
"""How long a message may be: generous for commands, small beside a host's memory."""

DEFAULT_ELEMENTS = 1_000_000
"""How many elements a message's sequences may have together: one of a single byte costs a hundred
in memory."""

DEFAULT_DEPTH = 64
"""How many times a recursive type may stand inside itself."""

MAX_DEPTH = 128
"""What a depth may be set to: pydantic follows 255 references, and Python has a thousand frames of
which the host needs some."""

EXPLAINED_PARTS = 50_000
"""How many parts of a refused message are looked at to say what is wrong: a tenth of a second,
which is more than a host should spend on it already."""


NO_STACK = "it nests more deeply than the stack of this program has room for"

Check = Callable[[Any], Any]
"""Gives back a valid value from what is to be one, or raises pydantic's ValidationError."""


class Codec(Generic[T]):
    """Encodes and decodes values of one type.

    Args:
        shape: what travels.
        accept: checks a decoded value; None where nothing is left to check.
        offer: checks a value before it is encoded; None where it was checked when it was built.
        model: the class a value must be of, where the type is a model.
        encoding: how integers are written.

    >>> from lazyipc._core.compiled import codec_of
    >>> codec_of(list[bool]).encode([True, False]).hex(" ")
    '02 00 00 00 00 00 00 00 01 00'
    """

    __slots__ = ("_accept", "_decode", "_encode", "_model", "_offer", "encoding", "shape")

    def __init__(
        self,
        shape: Shape,
        *,
        accept: Check | None = None,
        offer: Check | None = None,
        model: type[BaseModel] | None = None,
        encoding: Encoding = FIXED,
    ) -> None:
        self.shape = shape
        self.encoding = encoding
        self._accept = accept
        self._offer = offer
        self._model = model
        self._encode = layout.encoder(shape, encoding)
        self._decode = layout.decoder(shape, encoding)

    def encode(self, value: T, depth: int = MAX_DEPTH) -> bytes:
        """The bytes of a value.

        Raises:
            EncodeError: the value does not fit the type, or nests more than `depth` levels deep;
                names the field.
        """
        try:
            if value.__class__ is self._model:
                return self._encode(value, depth)
            if self._model is None:
                if self._offer is not None:
                    self._offer(value)  # the given value travels, not what validators make of it
                return self._encode(value, depth)
            if takes_the_place_of(value.__class__, self._model):
                return self._encode(value, depth)
        except Exception as error:
            raise self._encode_error(value, error, depth) from error
        wanted, given = self._model.__qualname__, type(value).__qualname__
        raise EncodeError(f"{wanted} is wanted, {given} given")

    def decode(
        self,
        data: bytes | bytearray | memoryview,
        start: int = 0,
        end: int | None = None,
        elements: int = DEFAULT_ELEMENTS,
        depth: int = MAX_DEPTH,
    ) -> T:
        """The value that takes exactly the bytes from `start` to `end`.

        Raises:
            DecodeError: the bytes are no such value; offset, path and reason say where and why.
            MessageTooLarge: more elements than `elements`, or levels of nesting than `depth`.
        """
        if end is None:
            end = len(data)
        try:
            value, offset, _ = self._decode(data, start, end, elements, depth)
            if offset == end:
                checked: T = self._accept(value) if self._accept else value
                return checked
        except Exception as error:
            raise self._decode_error(data, start, end, elements, depth, error) from error
        raise self._decode_error(data, start, end, elements, depth, None)

    def decode_first(
        self, data: bytes | bytearray | memoryview, elements: int, depth: int
    ) -> tuple[T, int]:
        """The value that `data` begins with, and where it ends.

        Raises:
            DecodeError, MessageTooLarge: as `decode`.
        """
        end, error = len(data), None
        try:
            value, offset, _ = self._decode(data, 0, end, elements, depth)
            if offset <= end:
                return (self._accept(value) if self._accept else value), offset
        except Exception as caught:  # noqa: BLE001 told by the DecodeError
            error = caught
        cursor = self._cursor(data, 0, end, elements, depth)
        with contextlib.suppress(Fault, RecursionError):
            finish(layout.walk(self.shape, cursor))
            end = cursor.offset  # the bytes are in order; it is their value that is refused
        raise self._decode_error(data, 0, end, elements, depth, error) from error

    def extent(
        self,
        data: bytes | bytearray,
        *,
        limit_bytes: int,
        elements: int = DEFAULT_ELEMENTS,
        depth: int = MAX_DEPTH,
    ) -> Extent:
        """Find where a message that begins with `data` ends, while more of it comes."""
        cursor = Cursor(
            data,
            0,
            None,
            limit_bytes=limit_bytes,
            elements=elements,
            depth=depth,
            encoding=self.encoding,
        )
        return Extent(self.shape, cursor)

    def _encode_error(self, value: Any, error: Exception, depth: int) -> EncodeError:
        if isinstance(error, TooDeep):
            return EncodeError(f"a recursive type stands inside itself more than {depth} times")
        if isinstance(error, RecursionError):
            return EncodeError(NO_STACK)
        if isinstance(error, ValidationError) and self._offer is not None:
            try:
                self._offer(value)
            except ValidationError as refused:
                loc, reason = first_complaint(refused)
                return EncodeError(reason, path=path_of(loc))
        path, reason = bad_part(self.shape, value, error, self.encoding, depth)
        return EncodeError(reason, path=path.lstrip("."))

    def _cursor(self, data: Any, start: int, end: int, elements: int, depth: int) -> Cursor:
        return Cursor(
            data,
            start,
            end,
            limit_bytes=end - start,
            elements=elements,
            depth=depth,
            encoding=self.encoding,
            visits=EXPLAINED_PARTS,
        )

    def _decode_error(
        self,
        data: Any,
        start: int,
        end: int,
        elements: int,
        depth: int,
        error: Exception | None,
    ) -> IpcError:
        try:
            return self._explained(lambda: self._cursor(data, start, end, elements, depth), error)
        except Fault as fault:
            return fault.as_error()
        except RecursionError:
            return DecodeError(NO_STACK, offset=0)

    def _explained(self, cursor: Callable[[], Cursor], error: Exception | None) -> IpcError:
        refused = error if isinstance(error, PartRefused) else None
        complaint = error if refused is None else refused.error
        if isinstance(complaint, ValidationError):
            loc, reason = first_complaint(complaint)
        elif refused is not None:
            loc, reason = (), str(complaint)
        else:  # then it is the bytes
            walked = cursor()
            finish(layout.walk(self.shape, walked))
            if walked.offset == walked.end:
                return DecodeError(f"refused: {shown(error)}", offset=0)
            left = (walked.end or 0) - walked.offset
            return DecodeError(f"{left} bytes are left over", offset=walked.offset - walked.start)
        offset, path = place_of(self.shape, cursor(), refused, loc)
        return DecodeError(reason, offset=offset, path=path)


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
        except RecursionError as error:
            raise DecodeError(NO_STACK, offset=self.cursor.offset) from error
        return self.cursor.offset
