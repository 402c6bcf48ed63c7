"""Mode 3: bytes that are no message, or nearly one; only their sender may notice."""

from __future__ import annotations

import struct
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random

from lazyipc import IpcServer, Limits, Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Asked, Rejected
from lazyipc._core.framing import HEADER, MAGIC
from lazyipc.errors import IpcError, RemoteProtocolError
from tests.failures.commands import ORDERS, Heard, Order, Stop, json_request
from tests.failures.finding import Finding
from tests.failures.measure import in_parallel, reading_log
from tests.fuzz.mutations import garbage
from tests.harness import RawClient, bare_request, header, poll, request

MESSAGE_BYTES = 1 << 16
CATALOG = Catalog(Order)
EIGHTS = [
    struct.pack("<Q", number % 2**64)
    for number in (0, 1, 2, 7, 255, 256, 65_535, 10**6, 2**31, 2**32 - 1, 2**63 - 1, 2**63, -1)
]
SIZE = struct.Struct("<I")
ANSWERED_EVERY = 8
"""Of so many streams one is answered, too: errors are few, and writing them takes half the time."""
SIZE_OFFSET = 4
"""Where a frame's header tells the payload's size."""


def whole_messages() -> list[bytes]:
    """One of each kind on each wire, and frames of kinds that a server does not take."""
    framed = [request(order, call) for call, order in enumerate(ORDERS, 1)]
    bare = [bare_request(order, Order) for order in ORDERS]
    odd = [header(5, kind, call=3) + b"hello" for kind in range(2, 15)]
    lines = [json_request(order, call) for call, order in enumerate(ORDERS, 1)]
    odd += [b'"Stop"\n', b'{"Stop":{}}\n', b"[[[[[[[[1e999\n", b'{"a":1,"a":"\\ud800\n']
    return framed + bare + lines + odd


def hostile_bytes(folder: Path, *, inputs: int, sockets: int, processes: int, seed: int) -> Finding:
    """Forged messages, and all truncations, into a server's side of a connection and into a server.

    Args:
        inputs: how many streams are forged, each for a connection of its own.
        sockets: how many more go through sockets into a server with a good client.
        processes: over how many processes the inputs are spread; 1 is this one.
    """
    cuts = truncations()
    if processes == 1:
        told = [forge(inputs=inputs, seed=seed)]
    else:
        share = [{"inputs": inputs // processes, "seed": seed + n} for n in range(processes)]
        told = in_parallel([(forge, arguments) for arguments in share], seconds=900)
    counts = sum((Counter(one) for one in told), Counter[str]())
    through_sockets(folder, sockets, Random(seed))
    words = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    return Finding(
        f"{inputs:,} forged streams, {cuts:,} truncations, {sockets:,} more through sockets", words
    )


# The state machine --------------------------------------------------------------------------------


def connection() -> ServerConnection:
    return ServerConnection(CATALOG, Wire.ALL, message_bytes=MESSAGE_BYTES, elements=10_000)


def forge(*, inputs: int, seed: int) -> dict[str, int]:
    """Feed so many forged streams; how often each outcome was met."""
    random, told, seeds = Random(seed), Counter[str](), whole_messages()
    for number in range(inputs):
        data = garbage(random) if number % 32 == 0 else forged(seeds, random)
        try:
            cut = random.randrange(len(data) + 1) if number % 4 == 0 else 0
            pieces = (data[:cut], data[cut:]) if cut else (data,)
            feed(pieces, told, answers=number % ANSWERED_EVERY == 0)
        except BaseException as error:
            error.add_note(f"seed {seed}, input {number}: {data.hex()}")
            raise
    return dict(told)


def feed(pieces: tuple[bytes, ...], told: Counter[str], *, answers: bool = True) -> None:
    """One stream; what is not told as the client's own mistake comes out of here.

    Args:
        answers: also write what the client is told.
    """
    server = connection()
    try:
        for piece in pieces:
            server.receive_data(piece, 1)
            while (event := server.next_event()) is not None:
                if isinstance(event, Rejected):
                    assert isinstance(event.error, IpcError)
                    if answers:
                        assert server.fail(event.call, event.error)
                    told[type(event.error).__name__] += 1
                elif isinstance(event, Asked):
                    if answers:
                        assert server.tell(event.call, "{}")
                    told["answered"] += 1
                else:
                    assert isinstance(event.command, Order)
                    if answers:
                        assert server.respond(event.call, Heard(words=""))
                    told["answered"] += 1
    except RemoteProtocolError as error:
        server.fail(0, error)
        told["closed"] += 1
    else:
        told["open"] += 1


def forged(seeds: list[bytes], random: Random) -> bytes:
    """A message changed at a few places; half of the frames are then told their true length."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 2, 4))):
        if not data:
            break
        at = int(random.random() * len(data))
        match random.getrandbits(3):
            case 0 | 1:
                data[at] ^= 1 << random.getrandbits(3)
            case 2:
                data[at] = random.getrandbits(8)
            case 3 | 4:
                data[at : at + 8] = random.choice(EIGHTS)
            case 5:
                del data[at:]
            case 6:
                data[at:at] = random.randbytes(4)
            case _:
                data[at:] = random.choice(seeds)[at:]
    if len(data) >= HEADER.size and data.startswith(MAGIC) and random.getrandbits(1):
        SIZE.pack_into(data, SIZE_OFFSET, len(data) - HEADER.size)
    return bytes(data)


def truncations() -> int:
    """Each message cut at each place: waited for as a stream, refused as a frame of that size."""
    count = 0
    for data in whole_messages()[: 3 * len(ORDERS)]:
        for cut in range(len(data)):
            count += 1
            told = Counter[str]()
            feed((data[:cut],), told)
            assert told == {"open": 1}, f"the first {cut} bytes of {data.hex()}: {told}"
            if data.endswith(b"}}}\n") and cut > 1:
                told.clear()
                feed((data[:cut].rstrip(b"\n") + b"\n",), told)
                is_whole = cut == len(data) - 1
                assert told == {"answered" if is_whole else "DecodeError": 1, "open": 1}
            if data.startswith(MAGIC) and cut >= HEADER.size:
                shorter = bytearray(data[:cut])
                SIZE.pack_into(shorter, SIZE_OFFSET, cut - HEADER.size)
                told.clear()
                feed((bytes(shorter),), told)
                assert told == {"DecodeError": 1, "open": 1}, f"{shorter.hex()}: {told}"
    return count


# A server -----------------------------------------------------------------------------------------

AT_ONCE = 50


def through_sockets(folder: Path, inputs: int, random: Random) -> None:
    """The same through sockets; a good client is served in the next poll, each time."""
    ran: list[Order] = []
    seeds = whole_messages()
    limits = Limits(message_bytes=MESSAGE_BYTES, elements=10_000, accepts_per_poll=2 * AT_ONCE)
    with reading_log(), ExitStack() as stack:
        server = stack.enter_context(IpcServer(folder / "s", Order, limits=limits, wires=Wire.ALL))
        good = stack.enter_context(RawClient(server.path))
        for _ in range(0, inputs, AT_ONCE):
            with ExitStack() as bad:
                for _ in range(AT_ONCE):
                    one = bad.enter_context(RawClient(server.path))
                    one.send(forged(seeds, random))
                call = good.ask(Stop())
                server.handle_new_messages(ran, max_seconds=60)
                server.handle_new_messages(ran, max_seconds=60)
                assert good.has_result(call), "a good client is not served beside hostile ones"
                assert good.results.pop(call) == Heard(words="Stop()")
            poll(server, ran, lambda: len(server.clients) == 1)
            ran.clear()
