"""Mode 4: a few bytes that ask for much memory, by a length, a count or a depth."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lazyipc import IpcServer, Limits, Wire
from lazyipc._core.catalog import entry_of
from tests.failures.commands import Empties, Gather, Nest, Order, Say, Stop
from tests.failures.finding import Finding
from tests.failures.measure import (
    MIB,
    forget_peak,
    in_fresh,
    peak_resident_bytes,
    reading_log,
    resident_bytes,
    traced,
)
from tests.harness import RawClient, header, request_frame, until

SLACK_BYTES = 3 * MIB // 2
"""What a poll may take besides: a read's buffer, which has 1 MiB, an error's text, a log line."""
RESIDENT_SLACK_BYTES = 12 * MIB
"""The same as the kernel sees it: allocators keep what they once had, and round up."""
ELEMENT_BYTES = 400
"""What an element within the limit may cost: a small model with its own dict of fields."""
COPIES = 4
"""How often a message may be in memory: received, joined, its fields, and these in a model."""
LINE_COPIES = 16
"""The same of a line of JSON: its shortest numbers, `1e5,`, are parsed to eight times as much, and
a list that grows is in memory twice."""
PATIENCE_SECONDS = 60.0
"""How long a busy machine may take with one bomb."""
EMPTY_COUNTS = (1001, 10**6, 2**32, 2**40, 2**63, 2**64 - 1)
COUNTS = (10**6 + 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1)


def u64(number: int) -> bytes:
    return struct.pack("<Q", number)


@dataclass(frozen=True, slots=True)
class Bomb:
    """Bytes for one connection.

    Args:
        elements: how many elements it may make the server build: those within the limit.
        clients: how many clients send it.
        copies: how often its bytes may be in memory.
    """

    name: str
    data: bytes
    elements: int = 0
    clients: int = 1
    copies: int = COPIES


def bodies(limits: Limits) -> Iterator[tuple[str, type[Order], bytes, int]]:
    """Commands whose fields explode: name, command, fields, elements that are within the limits."""
    room, most = limits.message_bytes - 200, limits.elements
    for count in COUNTS:
        yield f"a count of {count}", Gather, u64(count), 0
        yield f"a length of {count}", Say, u64(count) + b"x" * 10, 0
    yield "more elements than the limit, all there", Gather, u64(room) + bytes(room), 0
    texts = u64(0) * 2 + u64(most) + u64(0) * most
    yield "as many texts as the limit", Gather, texts[:room] + bytes(40), most
    for count in EMPTY_COUNTS:
        yield f"{count} elements without bytes", Empties, u64(count) + u64(0) * 2, 0
        yield f"{count} models without bytes", Empties, u64(0) + u64(count) + u64(0), 0
    rows = min(most, room // 8 - 4)
    nested = u64(0) * 2 + u64(rows) + u64(1000) * rows
    yield "1,000 elements without bytes, many times", Empties, nested, 1000
    depth = room // 9
    yield "a tree that is a stick", Nest, (b"\1" + u64(1)) * depth, 200
    stick = struct.pack("<IQ", 1, 1)
    yield "groups in groups", Nest, b"\1" + u64(0) + stick * (room // len(stick)), 200
    wide = b"\1" + u64(most) + (b"\1" + u64(0)) * most
    yield "a tree with as many leaves as the limit", Nest, wide[:room] + stick, most
    text = u64(room - 60) + b"x" * (room - 60) + b"y" + u64(0)
    yield "a text as long as the limit, and then no more", Say, text, 0


def bombs(limits: Limits) -> Iterator[Bomb]:
    """All of them, on each wire."""
    for name, command, body, elements in bodies(limits):
        entry = entry_of(command)
        yield Bomb(f"{name}, framed", request_frame(entry.fingerprint, body), elements)
        index = next(v.index for v in Order.__lazyipc_family__.variants if v.model is command)
        yield Bomb(f"{name}, bare", struct.pack("<I", index) + body, elements)
    room = limits.message_bytes
    yield Bomb("a header that announces 2^32 - 1 bytes", header(2**32 - 1))
    yield Bomb("headers that announce what is just allowed", header(room), clients=20)
    yield Bomb("frames without a payload", header(0) * (room // 16))
    unknown = request_frame(b"unknown!", b"")
    yield Bomb("commands that nobody has", unknown * (room // len(unknown)))
    yield Bomb("lines that open for ever", b"[" * room)
    yield Bomb("objects that open for ever", b'{"a":' * (room // 5))
    yield Bomb("a number of digits for ever", b'{"Climb":{"size":' + b"9" * room + b"}}\n")
    yield Bomb("a line that never ends", b'{"Say":{"text":"' + b"x" * room)
    for item in (b"1,", b"[],", b"{},", b'"",', b"null,", b'{"a":1},', b"1e5,", b"[[]],"):
        many = item * ((room - 100) // len(item)) + item[:-1]
        yield Bomb(f"a line of {item.decode()}", b'{"Empties":{"units":[' + many + b"]}}\n",
                   copies=LINE_COPIES)  # fmt: skip
    pairs = b",".join(b'"%d":1' % n for n in range(room // 12))
    yield Bomb("an object of many keys", b'{"Gather":{"table":{' + pairs + b"}}}\n",
               copies=LINE_COPIES)  # fmt: skip
    yield Bomb("an object of one key", b'{"Gather":{"table":{' + b'"a":1,' * (room // 8) + b"}}}\n")


Peak = Callable[[Callable[[], object]], int]


def bombs_of_all_kinds(
    folder: Path, *, message_bytes: int, elements: int, resident_too: bool
) -> Finding:
    """Each bomb into a server, and the most memory that it took meanwhile.

    Args:
        message_bytes, elements: the server's limits.
        resident_too: again under the default limits in a fresh process, as the kernel sees it.
    """
    limits = Limits(message_bytes=message_bytes, elements=elements, seconds_per_poll=60)
    with traced() as peak_of:
        count, worst, most = explode(folder, limits, peak_of, SLACK_BYTES)
    scale = f"{count} bombs under limits of {message_bytes:,} bytes and {elements:,} elements"
    measured = f"the closest to its bound: {worst}, {most / MIB:.1f} MiB"
    if resident_too:
        told = in_fresh(resident, 300, folder=str(folder))
        scale += f"; {told['count']} under the default limits in a fresh process"
        measured += f"; resident: {told['worst']}, {told['most'] / MIB:.1f} MiB"
    return Finding(scale, measured)


def resident(*, folder: str) -> dict[str, object]:
    """The same in this process, in resident memory, under the default limits."""

    def peak_of(step: Callable[[], object]) -> int:
        forget_peak()
        before = resident_bytes()
        step()
        return peak_resident_bytes() - before

    limits = Limits(seconds_per_poll=60)
    count, worst, most = explode(Path(folder), limits, peak_of, RESIDENT_SLACK_BYTES)
    return {"count": count, "worst": worst, "most": most}


def explode(folder: Path, limits: Limits, peak_of: Peak, slack_bytes: int) -> tuple[int, str, int]:
    """Each bomb in turn: how many, the one closest to its bound, and its peak."""
    closest, worst, most, count = 0.0, "none", 0, 0
    ran: list[Order] = []
    with reading_log(), ExitStack() as stack:
        server = stack.enter_context(IpcServer(folder / "s", Order, limits=limits, wires=Wire.ALL))
        for bomb in bombs(limits):
            with thrown(server, ran, bomb) as step:
                peak = peak_of(step)
            bound = bomb.copies * len(bomb.data) + bomb.elements * ELEMENT_BYTES + slack_bytes
            assert peak < bound, f"{bomb.name}: {peak:,} bytes of memory; {bound:,} are allowed"
            if peak / bound > closest:
                closest, worst, most = peak / bound, bomb.name, peak
            count += 1
            ran.clear()
            assert is_well(server, ran), bomb.name
    return count, worst, most


@contextmanager
def thrown(
    server: IpcServer[list[Order]], ran: list[Order], bomb: Bomb
) -> Iterator[Callable[[], None]]:
    """Gives a step that sends a bomb, and polls until the server is through with it."""
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(server.path)) for _ in range(bomb.clients)]

        def step() -> None:
            left = [memoryview(bomb.data)] * len(clients)
            moved_bytes = 1

            def push() -> None:
                nonlocal moved_bytes
                moved_bytes = 0
                for number, one in enumerate(clients):
                    sent = one.try_send(left[number])
                    left[number] = left[number][sent:]
                    moved_bytes += sent
                server.handle_new_messages(ran)

            # All is said, or what is left is not taken any more; and nothing is left to do.
            until(lambda: not moved_bytes and not server.wait(0), push, PATIENCE_SECONDS)

        yield step
    until(lambda: not server.clients, lambda: server.handle_new_messages(ran))


def is_well(server: IpcServer[list[Order]], ran: list[Order]) -> bool:
    with RawClient(server.path) as good:
        call = good.ask(Stop())
        server.handle_new_messages(ran)
        server.handle_new_messages(ran)
        return good.has_result(call)
