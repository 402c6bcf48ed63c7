"""The codec by itself, beside the validation it cannot do without and the construct it replaces."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.messages import Add
from benchmarks.rounds import Row, cost_row, interleave, repeated, speed_row
from lazyipc._core.compiled import codec_of
from lazyipc.bincode import construct_for


def rows(seconds: float) -> Iterator[Row]:
    """Encode and decode of two integers."""
    codec = codec_of(Add)
    command = Add(a=1, b=2)
    validate = Add.__pydantic_validator__.validate_python
    layout = construct_for(Add)

    def ours() -> object:
        return codec.decode(codec.encode(command))

    def interpreted() -> object:
        return layout.parse(layout.build(command))

    if not ours() == interpreted() == command:
        raise RuntimeError("a message came back changed")
    pair = interleave(repeated(ours), repeated(lambda: validate({"a": 1, "b": 2})), seconds / 2)
    yield cost_row("codec, against one validation", pair, at_most=2)
    pair = interleave(repeated(ours), repeated(interpreted), seconds / 2)
    yield speed_row("codec, against construct", pair, at_least=8)
