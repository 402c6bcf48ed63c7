"""What hostile bytes cost: time, memory and visits, held against how many bytes ask for them."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from lazyipc import U128, bincode
from tests.fuzz.finding import Watch, roomy
from tests.fuzz.made import CONFIGS, Made
from tests.fuzz.pack import Packer

SIZES = (64, 1024, 16 * 1024, 64 * 1024)
MEMORY_SHARE = 0.1
"""How often memory is measured, which makes decoding slow."""

SECONDS, SECONDS_PER_BYTE = 0.5, 50e-6
"""What decoding may take: far more than it does, so that a busy machine is no bug."""
PEAK_BYTES, PEAK_PER_BYTE = 8 << 20, 2000
"""What it may hold: a thousand elements without bytes, and an object or two for each byte."""
VISITS, VISITS_PER_BYTE = 2000, 8


@dataclass(slots=True)
class Worst:
    """The most that was met of one thing, in its own unit for each byte."""

    unit: str
    most: float = 0.0
    where: str = "nowhere"

    def meet(self, amount: float, size: int, where: str) -> None:
        if size >= SIZES[1] and amount / size > self.most:
            self.most, self.where = amount / size, f"{amount:.3g} for {size} bytes: {where}"

    def __str__(self) -> str:
        return f"{self.most:.3g} {self.unit} a byte ({self.where})"


@dataclass(slots=True)
class Costs:
    """The worst of each kind over a search."""

    seconds: Worst = field(default_factory=lambda: Worst("seconds"))
    peak: Worst = field(default_factory=lambda: Worst("bytes of memory"))
    visits: Worst = field(default_factory=lambda: Worst("visits"))

    def check(self, made: Made, random: Random, count: int) -> int:
        """Hostile bytes of a type cost no more than their size warrants; how many were tried."""
        with roomy():
            value = made.draw(random)
        for _ in range(count):
            config = random.choice(CONFIGS)
            with roomy():
                packer = made.pack(value, config)
            how, data = random.choice(list(hostile(packer, random)))
            self._check(made, random, config, data, f"{how}, {made.expression:.80}")
        return count

    def _check(
        self, made: Made, random: Random, config: bincode.Config, data: bytes, where: str
    ) -> None:
        size = len(data)
        watch = Watch(
            (lambda: f"data = {short(data)}", f"config = {config!r}", "decode(data, Type, config)")
        )

        def decode() -> Any:
            return watch.call("decode", lambda: bincode.decode(data, made.annotation, config))

        def hold(what: str, amount: float, allowed: float) -> None:
            detail = f"{amount:.3g} for {size} bytes, {allowed:.3g} are allowed"
            watch.expect(amount <= allowed, f"decoding takes {what} in proportion", detail)

        if random.random() < MEMORY_SHARE:
            peak = peak_of(decode)
            self.peak.meet(peak, size, where)
            hold("memory", peak, PEAK_BYTES + PEAK_PER_BYTE * size)
            return
        seconds, allowed = seconds_of(decode), SECONDS + SECONDS_PER_BYTE * size
        if seconds > allowed:
            seconds = min(seconds, seconds_of(decode))
        self.seconds.meet(seconds, size, where)
        hold("time", seconds, allowed)
        extent = made.codec(config).extent(data, limit_bytes=size)
        watch.call("extent", lambda: extent.find(data))
        self.visits.meet(extent.cursor.visits, size, where)
        hold("visits", extent.cursor.visits, VISITS + VISITS_PER_BYTE * size)


def seconds_of(call: Callable[[], Any]) -> float:
    """Processor time of this thread, without what the collector takes for types tried before."""
    gc.disable()
    begin = time.thread_time()
    call()
    taken = time.thread_time() - begin
    gc.enable()
    return taken


def peak_of(call: Callable[[], Any]) -> int:
    """The most memory held meanwhile, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def hostile(packer: Packer, random: Random) -> Iterator[tuple[str, bytes]]:
    """Bytes meant to cost much, and what they are."""
    size = random.choice(SIZES)
    yield "random bytes", random.randbytes(size)
    byte = random.choice((0, 1, 2, 250, 255))
    yield f"all {byte}", bytes((byte,)) * size
    message = bytes(packer.data) or b"\0"
    yield "a message repeated", message * (size // len(message) + 1)
    for many in (1, 1024):
        unit = _number(packer, many)
        count = size // len(unit)
        yield f"counts of {many}", _number(packer, count - 1) + unit * (count - 1)
        yield f"nested counts of {many}", unit * count
    if packer.heads:
        head = random.choice(packer.heads)
        count_bytes = _number(packer, size // random.choice((1, 2, 4, 8, 9, 16)))
        rest = message[head + len(_number(packer, 0)) :] or b"\0"
        filling = random.choice((rest, b"\0", b"\1"))
        filled = filling * (size // len(filling) + 1)
        yield "a large count", (message[:head] + count_bytes + filled)[: size + head]


def _number(packer: Packer, value: int) -> bytes:
    written = Packer(packer.varint, packer.big, {})
    written.integer(value, 8)
    return bytes(written.data)


_LONGEST_PERIOD = 600


def short(data: bytes) -> str:
    """Bytes as source text, short where they repeat behind a beginning."""
    size, first = len(data), data[:16]
    for period in range(1, min(_LONGEST_PERIOD, size // 4)):
        unit, count = data[16 : 16 + period], size // period + 1
        if (first + unit * count)[:size] == data:
            begin = f'bytes.fromhex("{first.hex()}")'
            return f'({begin} + bytes.fromhex("{unit.hex()}") * {count})[:{size}]'
    return f'bytes.fromhex("{data.hex()}")'


# Integers that Python hashes alike ---------------------------------------------------------------

_MODULUS = (1 << 61) - 1
"""Python hashes an integer to its remainder by this."""


def colliding(size: int) -> bytes:
    """A set of 128-bit integers with one hash, of about this size."""
    count = size // 16
    items = (position * _MODULUS for position in range(count))
    return count.to_bytes(8, "little") + b"".join(item.to_bytes(16, "little") for item in items)


def collision_report() -> str:
    """How the time to decode integers with one hash grows with their number."""
    kind: Any = set[U128]
    taken = []
    for size in SIZES[2:]:
        data, watch = colliding(size), Watch(("",))
        seconds = seconds_of(
            lambda d=data, w=watch: w.call("decode", lambda: bincode.decode(d, kind))
        )
        taken.append(f"{seconds:.3f} s for {size} bytes")
    return f"a set of U128 with one hash: {', '.join(taken)}"
