"""Where a message ends that comes in pieces without a frame: its time grows as its bytes do."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.messages import Message
from benchmarks.rounds import Round, Row, cost_row, interleave, timed
from lazyipc import U32, U64
from lazyipc._core.compiled import codec_of
from lazyipc.bincode import encode

MIB = 1 << 20
LONG_BYTES = 16 * MIB
SHORT_BYTES = 2 * MIB
PIECE_BYTES = 4096


class Pair(Message):
    """A struct of fixed width: 16 bytes."""

    x: U64
    y: U64


class Named(Message):
    """A struct with a string in it: 32 bytes with a name of twenty letters."""

    name: str
    a: U32


def rows(seconds: float) -> Iterator[Row]:
    """A piece of 4 KiB of a list of 16 MiB, and of one of 2 MiB."""
    for name, item in (
        ("fixed width", Pair(x=1, y=2)),
        ("strings", Named(name="twenty letters of it", a=3)),
    ):
        pair = interleave(_received(item, LONG_BYTES), _received(item, SHORT_BYTES), seconds / 2)
        yield cost_row(f"extent, 16/2 MiB, {name}", pair, at_most=1.3)


def _received(item: Message, size_bytes: int) -> Round:
    """Rounds that receive a list of so many bytes, looking for its end after each piece."""
    codec = codec_of(list[type(item)])  # type: ignore[misc]
    # Repeated as bytes: a million models would take half a gigabyte.
    one = encode(item)
    count = size_bytes // len(one)
    data = count.to_bytes(8, "little") + count * one
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]

    def receive() -> None:
        received = bytearray()
        extent = codec.extent(received, limit_bytes=len(data), elements=count)
        for piece in pieces:
            received += piece
            end = extent.find(received)
        if end != len(data):
            raise RuntimeError("the end was not found")

    return lambda: timed(receive, len(pieces))
