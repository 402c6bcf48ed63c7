"""`Codec[T]`: values of one type to bytes and back, with errors that say where.

Puts the parts together: the straight-line code of `layout`, one validation by pydantic, and on
failure a walk that finds the reason. Foreign exceptions end here. Knows no frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from pydantic import BaseModel, ValidationError

from lazyipc._core import layout
from lazyipc._core import shape as shapes
from lazyipc._core.cursor import Cursor, Fault, finish
from lazyipc._core.encoding import COUNT, FIXED, Encoding
from lazyipc._core.family import takes_the_place_of
from lazyipc._core.intake import Spliced
from lazyipc._core.parts import NO_PARTS, Parts
from lazyipc._core.shape import Shape
from lazyipc._core.source import PartRefused, TooDeep
from lazyipc.errors import DecodeError, EncodeError, IpcError

T = TypeVar("T")

DEFAULT_MESSAGE_BYTES = 16 * 1024 * 1024
"""How long a message may be: generous for commands, small beside a host's memory."""

DEFAULT_LINE_BYTES = 1024 * 1024
"""How long a line of JSON may be: text that says as much as a message takes many times as long to
read, in one piece, and nobody types it."""

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

PARTS_BEFORE_BYTES = 100
"""How many parts of a message are looked at to find the bytes it ends with, before they have come:
what is longer is received in one piece, which costs one copy more."""

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
        self._encode: Callable[..., bytes | Parts] = layout.encoder(shape, encoding)
        self._decode = layout.decoder(shape, encoding)

    @overload
    def encode(self, value: T, depth: int = MAX_DEPTH) -> bytes: ...
    @overload
    def encode(self, value: T, depth: int, part_bytes: int) -> bytes | Parts: ...
    def encode(self, value: T, depth: int = MAX_DEPTH, part_bytes: int = NO_PARTS) -> bytes | Parts:
        """The bytes of a value.

        Args:
            part_bytes: how long a field of bytes is, at least, to travel from where it lies.

        Raises:
            EncodeError: the value does not fit the type, or nests more than `depth` levels deep;
                names the field.
        """
        try:
            if value.__class__ is self._model:
                return self._encode(value, depth, part_bytes)
            if self._model is None:
                if self._offer is not None:
                    self._offer(value)  # the given value travels, not what validators make of it
                return self._encode(value, depth, part_bytes)
            if takes_the_place_of(value.__class__, self._model):
                return self._encode(value, depth, part_bytes)
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
            if not isinstance(data, Spliced):
                raise self._decode_error(data, start, end, elements, depth, error) from error
        if isinstance(data, Spliced):  # not of this form after all, or no value
            return self.decode(data.joined(), start, end, elements, depth)
        raise self._decode_error(data, start, end, elements, depth, None)

    def tail_start(self, data: bytes | bytearray, start: int, end: int) -> int:
        """Where the bytes, or the text, begin that a message ends with; 0 if that is not known.

        Args:
            data: the message's beginning, as far as it has come.
            start, end: where it begins and will end.
        """
        if self.encoding is not FIXED or not _ends_with_bytes(self.shape):
            return 0
        cursor = Cursor(
            data,
            start,
            end,
            limit_bytes=end - start,
            elements=DEFAULT_ELEMENTS,
            depth=MAX_DEPTH,
            visits=PARTS_BEFORE_BYTES,
        )
        try:
            next(layout.walk(self.shape, cursor))
        except (Fault, StopIteration, RecursionError):
            return 0
        at = cursor.offset  # of a part that has not come
        told = int.from_bytes(data[at - COUNT.width_bytes : at], FIXED.byte_order)
        return at if told == end - at else 0

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

    def validated(self, decoded: Any) -> T:
        """A value of what was decoded by other means: a dict for a model, a list for a list.

        Raises:
            ValidationError: it is none.
        """
        checked: T = self._accept(decoded) if self._accept else decoded
        return checked

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
        from lazyipc._core.locate import bad_part, first_complaint, path_of  # here: most never fail

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
        from lazyipc._core.locate import first_complaint, place_of, shown  # here: most never fail

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


def _ends_with_bytes(shape: Shape) -> bool:
    match shape:
        case shapes.Structure(fields=(*_, last)):
            return _ends_with_bytes(last.shape)
        case shapes.Product(items=(*_, item)) | shapes.Option(item):
            return _ends_with_bytes(item)
    return isinstance(shape, shapes.Blob | shapes.Text)


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
