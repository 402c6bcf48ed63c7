"""What must hold for every value of a type: there and back, by all ways, within all limits."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from pydantic import BaseModel

from lazyipc import bincode
from lazyipc._core.codec import MAX_DEPTH
from lazyipc._core.layout.rule import smallest_size
from lazyipc.errors import DecodeError, EncodeError, MessageTooLarge
from tests.fuzz.classes import DATACLASS, PYDANTIC_DATACLASS
from tests.fuzz.finding import Watch, is_error, roomy, shown
from tests.fuzz.leaves import F32_LEAF, F64_LEAVES, NUMPY
from tests.fuzz.made import CONFIGS, Made, encoding_of, extent_of
from tests.fuzz.told import told, written

UNEQUAL = (F32_LEAF, *F64_LEAVES, NUMPY, DATACLASS, PYDANTIC_DATACLASS)
"""What Python's `==` may deny though it is the same: NaN, arrays, dataclasses with eq=False."""
DEEP_SHARE = 0.1
"""How often a value goes as deep as any may."""
ELEMENTS = 1_000_000_000
"""Encode counts no elements, and one without bytes costs a decoder a thousand others."""
CUTS = 6
"""At how many places a longer message is cut."""


def check_values(made: Made, random: Random, count: int) -> int:
    """Values go there and back in each encoding; how many were tried."""
    for number in range(count):
        is_deep = number == 0 and random.random() < DEEP_SHARE
        depth = MAX_DEPTH if is_deep else bincode.LEGACY.depth
        with roomy():
            value = made.draw(random, deepest=depth - 2 if is_deep else None)
        for config in CONFIGS:
            roomy_config = replace(config, depth=depth, elements=ELEMENTS)
            _Trip(made, random, roomy_config, value).check()
    return count * len(CONFIGS)


class _Trip:
    """One value's way there and back."""

    def __init__(self, made: Made, random: Random, config: bincode.Config, value: Any) -> None:
        self.made = made
        self.kind = made.annotation
        self.random = random
        self.config = config
        self.value = value
        with roomy():
            self.packed = bytes(made.pack(value, config).data)
            self.wanted = told(value, sent=True)
        encode = "print(encode(value, Type, config).hex())"
        self.encoding = Watch((lambda: f"value = {written(value)}", f"config = {config!r}", encode))
        self.data = b""

    def check(self) -> None:
        watch, wanted = self.encoding, self.packed.hex()
        data = watch.call("encode", lambda: bincode.encode(self.value, self.kind, self.config))
        if isinstance(self.value, BaseModel) and type(self.value) is self.kind:
            alone = watch.call("encode", lambda: bincode.encode(self.value, config=self.config))
            watch.expect(alone == data, "a model tells its type", shown(alone))
        watch.expect(data == self.packed, "encode writes what Rust writes",
                     f"{wanted} is expected, got {shown(data)}")  # fmt: skip
        self.data = data
        smallest = smallest_size(self.made.codec(self.config).shape, encoding_of(self.config))
        watch.expect(smallest <= len(data), "no value is smaller than the smallest size",
                     f"smallest_size is {smallest}, these are {len(data)} bytes")  # fmt: skip
        self._check_back()
        self._check_construct()
        self._check_within()
        self._check_left_over()
        self._check_cut()
        self._check_size_limit()
        self._check_limits()

    def decoding(self, config: bincode.Config, *more: str) -> Watch:
        """Watches the decoding of the message, with lines between it and the decoding."""
        data = f'data = bytes.fromhex("{self.data.hex()}")'
        return Watch((data, *more, f"config = {config!r}", "print(decode(data, Type, config))"))

    def _check_back(self) -> None:
        watch, found = self.decoding(self.config), None
        for held in (memoryview, bytearray, bytes):
            found = watch.call("decode", lambda h=held: self._decode(h(self.data), self.config))
            watch.same(found, self.wanted, f"decode gives back the value from {held.__name__}")
        if not self.made.node.has(*UNEQUAL):
            with roomy():
                equal = found == self.value
            watch.expect(equal, "decode gives an equal value", shown(found))
        again = watch.call("encode", lambda: bincode.encode(found, self.kind, self.config))
        watch.expect(again == self.data, "what was decoded encodes to the same", shown(again))

    def _decode(self, data: Any, config: bincode.Config) -> Any:
        return bincode.decode(data, self.kind, config)

    def _check_construct(self) -> None:
        layout = self.made.construct(self.config)
        watch = self.encoding.also("print(construct_for(Type, config).build(value).hex())")
        with roomy():  # construct takes many more frames for a level than the codec
            built = watch.call("construct", lambda: layout.build({"value": self.value}))
        watch.expect(built == self.data, "construct builds what encode writes", shown(built))
        watch = self.decoding(self.config, "print(construct_for(Type, config).parse(data))")
        with roomy():
            parsed = watch.call("construct", lambda: layout.parse(self.data).value)
        watch.same(parsed, self.wanted, "construct parses what decode gives")

    def _check_within(self) -> None:
        """The message among other bytes."""
        codec, config, random = self.made.codec(self.config), self.config, self.random
        before, behind = random.randbytes(random.randrange(9)), random.randbytes(8)
        around = before + self.data + behind
        start, end = len(before), len(before) + len(self.data)
        watch = self.decoding(config).also(f"# from byte {start} to {end} of {around.hex()!r}")
        for held in (bytes, bytearray, memoryview):
            found = watch.call(
                "decode within",
                lambda h=held: codec.decode(h(around), start, end, config.elements, config.depth),
            )
            watch.same(found, self.wanted, f"decode from within {held.__name__}")

    def _check_left_over(self) -> None:
        """The message with other bytes behind it."""
        behind, size = self.random.randbytes(1 + self.random.randrange(9)), len(self.data)
        more, longer = f'data += bytes.fromhex("{behind.hex()}")', self.data + behind
        watch = self.decoding(self.config, more)
        found = watch.call("decode", lambda: self._decode(longer, self.config))
        is_left = isinstance(found, DecodeError) and "left over" in found.reason
        watch.expect(is_left and found.offset == size, "what is left over is refused", shown(found))
        trailing = replace(self.config, allow_trailing=True, limit_bytes=size)
        watch = self.decoding(trailing, more)
        found = watch.call("decode", lambda: self._decode(longer, trailing))
        watch.same(found, self.wanted, "what is left over stays where it may")
        watch = watch.also("print(decode_from_slice(data, Type, config))")
        found = watch.call(
            "decode_from_slice", lambda: bincode.decode_from_slice(longer, self.kind, trailing)
        )
        watch.expect(not is_error(found), "a value is taken from a slice", shown(found))
        watch.same(found[0], self.wanted, "the value of a slice is the value")
        watch.expect(found[1] == size, "a slice tells how long its value is", shown(found))

    def _check_cut(self) -> None:
        """Where a message ends is found however it is cut; and no part of it is a message."""
        size, watch = len(self.data), self.decoding(self.config).also("# and its extent")
        whole = extent_of(self.made, self.config, self.data)
        found = watch.call("extent", lambda: whole.find(self.data))
        watch.expect(found == size, "the extent ends with the message", shown(found))
        cuts = range(size) if size <= CUTS else sorted(self.random.sample(range(size), CUTS))
        pieces = extent_of(self.made, self.config, b"")
        for cut in cuts:
            part = self.data[:cut]
            short = self.decoding(self.config, f"data = data[:{cut}]")
            found = short.call("extent", lambda p=part: pieces.find(p))
            short.expect(found is None, "the extent of a part needs more", shown(found))
            error = short.call("decode", lambda p=part: self._decode(p, self.config))
            short.expect(is_error(error), "a part of a message is refused", shown(error))
            short.error(error, cut)
        found = watch.call("extent", lambda: pieces.find(bytearray(self.data)))
        watch.expect(found == size, "the extent is found in pieces", shown(found))
        watch.expect(pieces.cursor.visits == whole.cursor.visits, "each part is visited once",
                     f"{pieces.cursor.visits} visits, {whole.cursor.visits} at once")  # fmt: skip

    def _check_size_limit(self) -> None:
        if not self.data:
            return
        tight = replace(self.config, limit_bytes=len(self.data) - 1)
        for watch, what, call in (
            (self.encoding, "encode", lambda: bincode.encode(self.value, self.kind, tight)),
            (self.decoding(tight), "decode", lambda: self._decode(self.data, tight)),
        ):
            found = watch.call(what, call)
            is_refused = isinstance(found, MessageTooLarge)
            watch.expect(is_refused, f"{what} holds to limit_bytes", shown(found))

    def _check_limits(self) -> None:
        """Encode, decode and extent draw the same line at the same limits."""
        depth = self.random.choice((0, 1, 2, 3, 10, 60, MAX_DEPTH))
        elements = self.random.choice((0, 1, 2, 3, 10, 50))
        low = replace(self.config, depth=depth, elements=elements)
        watch = self.decoding(low).also("# and its extent")
        decoded = watch.call("decode", lambda: self._decode(self.data, low))
        extent = extent_of(self.made, low, self.data)
        found = watch.call("extent", lambda: extent.find(self.data))
        for each in (decoded, found):
            fits = not is_error(each) or isinstance(each, MessageTooLarge)
            watch.expect(fits, "what is too much is MessageTooLarge", shown(each))
        watch.expect(is_error(decoded) == is_error(found), "decode and extent have one limit",
                     f"decode gives {shown(decoded)}; the extent {shown(found)}")  # fmt: skip
        deep = replace(self.config, depth=depth)
        watch = self.decoding(deep)
        decoded = watch.call("decode", lambda: self._decode(self.data, deep))
        encoded = watch.call("encode", lambda: bincode.encode(self.value, self.kind, deep))
        alike = isinstance(encoded, EncodeError) == isinstance(decoded, MessageTooLarge)
        watch.expect(alike, "encode and decode have one depth",
                     f"encode gives {shown(encoded)}; decode {shown(decoded)}")  # fmt: skip
