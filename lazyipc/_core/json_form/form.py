"""`JsonForm[T]`: values of one type to JSON and back, held to the same rules as their bytes.

Puts the parts together: the table of forms, one validation by pydantic, and the codec, which has
the last word on what is a value. Knows no lines and no connection.
"""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from lazyipc._core.codec import NO_STACK, Codec
from lazyipc._core.json_form.rule import Misfit, Room, path_of, reader, writer
from lazyipc._core.json_form.validation import misfit_of
from lazyipc._core.locate import shown
from lazyipc._core.shape import Shape
from lazyipc.errors import EncodeError, SchemaError

T = TypeVar("T")


class JsonForm(Generic[T]):
    """Reads and writes values of one type as JSON.

    Args:
        codec: that of the type.

    Raises:
        SchemaError: the type, or one inside it, has no JSON form.

    >>> from lazyipc._core.compiled import codec_of
    >>> form = JsonForm(codec_of(dict[int, bytes | None]))
    >>> form.write({7: b"ab"})
    '{"7":[97,98]}'
    >>> form.read({"8": None}, Room(elements=1000, depth=64))
    {8: None}
    """

    __slots__ = ("_codec", "_read", "_write", "shape")

    def __init__(self, codec: Codec[T]) -> None:
        self.shape: Shape = codec.shape
        self._codec = codec
        try:
            self._read = reader(codec.shape)
            self._write = writer(codec.shape)
        except RecursionError as error:
            raise SchemaError(NO_STACK) from error

    def read(self, value: Any, room: Room) -> T:
        """The value that parsed JSON stands for.

        Raises:
            Misfit: it stands for none; says where and why.
        """
        try:
            return self._codec.validated(self._read(value, room))
        except ValidationError as error:
            raise misfit_of(error, self.shape, value) from error
        except RecursionError as error:
            raise Misfit(NO_STACK) from error
        except Misfit:
            raise
        except Exception as error:
            # A validator of the user's own may raise anything.
            raise Misfit(f"refused: {shown(error)}") from error

    def write(self, value: T) -> str:
        """The JSON text of a value, in one line.

        Raises:
            EncodeError: the value does not fit the type, or JSON has no form for it; names the
                field.
        """
        self._codec.encode(value)  # what has no bytes has no JSON either
        try:
            return json.dumps(self._write(value), ensure_ascii=False, separators=(",", ":"))
        except Misfit as misfit:
            raise EncodeError(misfit.reason, path=path_of(misfit.steps)) from misfit
        except RecursionError as error:
            raise EncodeError(NO_STACK) from error
