"""JSON read and written as connections do it, for tests of the forms."""

from __future__ import annotations

from typing import Any

import pytest

from lazyipc._core.compiled import codec_of
from lazyipc._core.json_form import JsonForm, Line, Misfit, Room
from lazyipc.errors import DecodeError

ELEMENTS = 1_000_000
DEPTH = 64


def form_of(annotation: Any) -> JsonForm[Any]:
    return JsonForm(codec_of(annotation))


def written(annotation: Any, value: Any) -> str:
    return form_of(annotation).write(value)


def read(
    annotation: Any, text: str | bytes, *, elements: int = ELEMENTS, depth: int = DEPTH
) -> Any:
    """The value a line stands for."""
    data = text.encode() if isinstance(text, str) else text
    line, room, form = Line(data), Room(elements, depth), form_of(annotation)
    parsed = line.parse(elements)
    try:
        value = form.read(parsed, room)
    except Misfit as misfit:
        raise line.error(misfit) from misfit
    line.refuse_twice(room.keys)
    return value


def refusal(annotation: Any, text: str | bytes) -> tuple[str, int | None, str]:
    """Path, column and reason of the refusal of a line."""
    with pytest.raises(DecodeError) as caught:
        read(annotation, text)
    error = caught.value
    data = text.encode() if isinstance(text, str) else text
    assert error.line == 1
    assert error.column is not None
    assert str(error) == f"line 1, column {error.column}, {error.path or 'message'}: {error.reason}"
    before = data[: error.offset].decode(errors="replace")
    assert len(before) == error.column - 1
    return error.path, error.column, error.reason
