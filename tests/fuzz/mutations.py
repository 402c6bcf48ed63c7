"""What must hold for any bytes: a value or an error of the tree, and all readers agree which."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from lazyipc import bincode
from lazyipc._core import layout
from lazyipc._core.cursor import Cursor, Fault, finish
from lazyipc.errors import IpcError, MessageTooLarge
from tests.fuzz import containers as c
from tests.fuzz.finding import Watch, is_error, roomy, same_outcome, shown
from tests.fuzz.forging import forged, garbage
from tests.fuzz.leaves import F32_LEAF, PATHS
from tests.fuzz.made import CONFIGS, Made, encoding_of, extent_of, has_empties, is_constrained
from tests.fuzz.told import told

GARBAGE_SHARE = 0.15
STACK = "than the stack of this program"
"""A reason that depends on who calls."""

LENIENT = {
    c.SET: "a BTreeSet's elements are taken in any order, and twice",
    c.FROZENSET: "the same",
    c.MAPPING: "a key may come twice; the last one counts",
    F32_LEAF: "a signalling NaN becomes a quiet one as a Python float",
    **dict.fromkeys(PATHS, "a path such as a//b is one that Python writes a/b"),
}
"""The types of which other bytes than those `encode` writes are taken, and why."""


def messages(made: Made, random: Random, count: int) -> list[tuple[bincode.Config, bytes]]:
    """Changed messages and garbage, each with the encoding it is meant for."""
    found = []
    with roomy():
        values = [made.draw(random) for _ in range(3)]
        for _ in range(count):
            config = random.choice(CONFIGS)
            packer, other = (made.pack(random.choice(values), config) for _ in range(2))
            is_garbage = random.random() < GARBAGE_SHARE
            data = garbage(random) if is_garbage else forged(packer, bytes(other.data), random)
            found.append((config, data))
    return found


def check_mutations(made: Made, random: Random, count: int) -> int:
    """Whatever the bytes, all readers give one outcome; how many were tried."""
    for config, data in messages(made, random, count):
        _Reading(made, random, config, data).check()
    return count


def decoding(config: bincode.Config, data: bytes) -> Watch:
    """Watches the decoding of bytes."""
    return Watch((f'data = bytes.fromhex("{data.hex()}")', f"config = {config!r}",
                  "print(decode(data, Type, config))"))  # fmt: skip


class _Reading:
    """Some bytes, read in every way."""

    def __init__(self, made: Made, random: Random, config: bincode.Config, data: bytes) -> None:
        self.made = made
        self.kind = made.annotation
        self.random = random
        self.config = config
        self.data = data
        self.watch = decoding(config, data)
        self.found: Any = self.watch.call("decode", lambda: bincode.decode(data, self.kind, config))
        self.is_refused = is_error(self.found)

    def check(self) -> None:
        self._check_within()
        self._check_extent()
        self._check_construct()
        self._check_left_over()
        if not self.is_refused:
            self._check_value()
            return
        self.watch.error(self.found, len(self.data))
        is_told = "refused: " not in getattr(self.found, "reason", "")
        is_told = is_told or is_constrained(self.made.node)
        self.watch.expect(is_told, "a refusal has its reason", shown(self.found))

    def _check_value(self) -> None:
        """What was taken can be written, and comes back."""
        watch = self.watch.also("print(encode(decode(data, Type, config), Type, config).hex())")
        again = watch.call("encode", lambda: bincode.encode(self.found, self.kind, self.config))
        watch.expect(not is_error(again), "what was decoded can be encoded", shown(again))
        if not self.made.node.has(*LENIENT):
            watch.expect(again == self.data, "only what encode writes is taken", shown(again))
        back = watch.call("decode", lambda: bincode.decode(again, self.kind, self.config))
        if self.made.node.has(c.SET, c.FROZENSET) and "nan" in repr(self.found):
            return  # NaN has no place in an order
        watch.expect(same_outcome(back, self.found), "what was decoded comes back",
                     f"{shown(self.found)}, then {shown(back)}")  # fmt: skip
        third = watch.call("encode", lambda: bincode.encode(back, self.kind, self.config))
        watch.expect(third == again, "a value is written in one way", shown(third))

    def _check_within(self) -> None:
        """The outcome depends neither on how the bytes are held nor on what is around them."""
        config, random = self.config, self.random
        before, behind = (random.randbytes(random.randrange(5)) for _ in range(2))
        held = random.choice((bytes, bytearray, memoryview))(before + self.data + behind)
        start, end = len(before), len(before) + len(self.data)
        watch = self.watch.also(
            f"# from byte {start} to {end} of {type(held).__name__} {bytes(held).hex()!r}"
        )
        codec = self.made.codec(config)
        other = watch.call(
            "decode within",
            lambda: codec.decode(held, start, end, config.elements, config.depth),
        )
        is_deep = STACK in f"{self.found}{other}" and self.is_refused and is_error(other)
        watch.expect(is_deep or same_outcome(self.found, other), "what is around changes nothing",
                     f"alone: {shown(self.found)}; within: {shown(other)}")  # fmt: skip

    def _check_extent(self) -> None:
        """The walk takes what the code takes; and gives one answer however the bytes come."""
        watch, size = self.watch.also("# and its extent"), len(self.data)
        end, error = watch.call("walk", lambda: _walked(self.made, self.config, self.data))
        takes = error is None and end == size
        stops = f"the walk ends at {end} with {error!r}"
        watch.expect(takes or self.is_refused, "the walk takes what decode takes", stops)
        is_picky = is_constrained(self.made.node)
        watch.expect(not takes or not self.is_refused or is_picky,
                     "decode takes what the walk takes", shown(self.found))  # fmt: skip
        whole = extent_of(self.made, self.config, self.data)
        at_once = watch.call("extent", lambda: whole.find(self.data))
        watch.expect((at_once == size) == takes, "the extent ends where the walk ends",
                     f"extent: {shown(at_once)}; {stops}")  # fmt: skip
        pieces = extent_of(self.made, self.config, b"")
        received = bytearray()

        def look() -> int | None:
            return pieces.find(received)

        later = watch.call("extent", look)
        step = 1 if size < 60 else 1 + self.random.randrange(size // 8)
        while later is None and len(received) < size:
            received += self.data[len(received) : len(received) + step]
            later = watch.call("extent", look)
        same = same_outcome(at_once, later) and whole.cursor.visits == pieces.cursor.visits
        watch.expect(same, "the extent is the same in pieces",
                     f"at once: {shown(at_once)}; in pieces: {shown(later)}")  # fmt: skip

    def _check_construct(self) -> None:
        """The construct takes what decode takes, where it does not count for ever."""
        if isinstance(self.found, MessageTooLarge) or STACK in str(self.found):
            return
        shape = self.made.codec(self.config).shape
        if self.is_refused and has_empties(shape, encoding_of(self.config)):
            return
        watch = self.watch.also("print(construct_for(Type, config).parse(data))")
        try:
            with roomy():
                parsed = self.made.construct(self.config).parse(self.data).value
        except MemoryError:
            raise
        except Exception as error:
            watch.expect(self.is_refused, "construct takes what decode takes",
                         f"{type(error).__name__}: {error}")  # fmt: skip
            return
        if self.is_refused:
            is_picky = is_constrained(self.made.node, outside=True)
            watch.expect(is_picky, "decode takes what construct takes", shown(self.found))
            return
        with roomy():
            wanted = told(self.found)
        watch.same(parsed, wanted, "construct parses what decode gives")

    def _check_left_over(self) -> None:
        """Where bytes may be left over, the message is what it is without them."""
        trailing = replace(self.config, allow_trailing=True)
        watch = decoding(trailing, self.data)
        first = watch.call("decode", lambda: bincode.decode(self.data, self.kind, trailing))
        if is_error(first):
            watch.error(first, len(self.data))
            watch.expect(self.is_refused, "bytes that may be left over harm none", shown(first))
            return
        config = self.config
        watch = watch.also("print(decode_from_slice(data, Type, config))")
        sliced = watch.call(
            "decode_from_slice", lambda: bincode.decode_from_slice(self.data, self.kind, config)
        )
        watch.expect(not is_error(sliced), "a slice is taken as well", shown(sliced))
        size = sliced[1]
        strict = watch.call("decode", lambda: bincode.decode(self.data[:size], self.kind, config))
        is_same = size <= len(self.data) and same_outcome(strict, first)
        watch.expect(is_same, "what is left over changes nothing",
                     f"{shown(first)} of {size} bytes; alone: {shown(strict)}")  # fmt: skip
        watch.expect(self.is_refused or same_outcome(self.found, first),
                     "all may be taken where bytes may be left over", shown(first))  # fmt: skip


def _walked(made: Made, config: bincode.Config, data: bytes) -> tuple[int, IpcError | None]:
    """How far the walk goes in bytes that are all there, and what stops it."""
    codec = made.codec(config)
    cursor = Cursor(
        data, 0, len(data), limit_bytes=len(data), elements=config.elements, depth=config.depth,
        encoding=encoding_of(config),
    )  # fmt: skip
    try:
        finish(layout.walk(codec.shape, cursor))
    except Fault as fault:
        return cursor.offset, fault.as_error()
    return cursor.offset, None
