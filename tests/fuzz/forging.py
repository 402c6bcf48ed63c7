"""Bytes that nobody encoded: mutations of a message, and garbage."""

from __future__ import annotations

from random import Random

from tests.fuzz.pack import Packer

_INTERESTING = (
    0, 1, 2, 3, 7, 127, 128, 249, 250, 251, 255, 256, 1024, 1025, 65535, 65536, 1 << 20,
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
_ODD_BYTES = (0, 1, 2, 3, 0x7F, 0x80, 0xC0, 0xED, 0xF4, 0xF5, 0xF8, 250, 251, 252, 253, 254, 255)
LONGEST_BYTES = 4096


def forged(packer: Packer, other: bytes, random: Random) -> bytes:
    """A message changed at some places; `other` is a second one to splice in."""
    data = bytearray(packer.data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        heads = [head for head in packer.heads if head < len(data)]
        at = random.randrange(len(data) + 1)
        if heads and random.random() < 0.5:
            at = random.choice(heads)
        _change(data, at, other, packer, random)
    return bytes(data[:LONGEST_BYTES])


def _change(data: bytearray, at: int, other: bytes, packer: Packer, random: Random) -> None:
    length = random.choice((1, 1, 2, 4, 8, 9, 16, 40))
    match random.randrange(10):
        case 0 if at < len(data):
            data[at] ^= 1 << random.randrange(8)
        case 1 if at < len(data):
            data[at] = random.choice(_ODD_BYTES)
        case 2:
            del data[at : at + length]
        case 3:
            data[at:at] = random.choice((random.randbytes(length), bytes(length)))
        case 4:
            data[at:at] = data[at : at + length] * random.choice((1, 2, 3))
        case 5:
            begin = random.randrange(len(other) + 1)
            data[at : at + random.choice((0, length))] = other[begin : begin + length]
        case 6:
            del data[at:]
        case 7 if at < len(data):
            # One more or one less: where neighbours of a count, an index or a tag begin.
            data[at] = (data[at] + random.choice((-1, 1))) % 256
        case _:
            number = interesting(packer, random)
            data[at : at + random.choice((0, len(number)))] = number


def interesting(packer: Packer, random: Random) -> bytes:
    """An integer as this encoding writes it, at times as it must not be written."""
    value = random.choice(_INTERESTING)
    order = "big" if packer.big else "little"
    if packer.varint and random.random() < 0.8:
        written = Packer(varint=True, big=packer.big, nodes={})
        if random.random() < 0.7:
            written.integer(value, 8)
            return bytes(written.data)
        marker, size = random.choice(((251, 2), (252, 4), (253, 8), (254, 16), (255, 0)))
        return bytes((marker,)) + (value % (1 << (8 * size))).to_bytes(size, order)
    size = random.choice((1, 2, 4, 8, 16))
    return (value % (1 << (8 * size))).to_bytes(size, order)


def garbage(random: Random) -> bytes:
    """Bytes that never were a message, of few different ones at times."""
    size = random.choice((0, 1, 2, 4, 8, 9, 16, 33, 100))
    match random.randrange(4):
        case 0:
            return bytes(random.choice(_ODD_BYTES) for _ in range(size))
        case 1:
            return bytes(random.choice((0, 0, 0, 1)) for _ in range(size))
        case 2:
            return bytes((random.choice(_ODD_BYTES),)) * size
    return random.randbytes(size)
