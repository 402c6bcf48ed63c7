"""A payload of 16 MiB there and back, beside bytes received where they will lie."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks import peers, raw
from benchmarks.messages import Echo
from benchmarks.rounds import MIB, Row, interleave, throughput_row, timed
from lazyipc import IpcClient

COUNT_BYTES = 8
"""What a message of one field of bytes has before these."""

PAYLOAD_BYTES = 16 * MIB - COUNT_BYTES
"""A message of 16 MiB, which is the limit unless told otherwise."""


def rows(seconds: float) -> Iterator[Row]:
    """On one core and on all."""
    with peers.one_core():
        yield _row("16 MiB both ways, one core", seconds)
    yield _row("16 MiB both ways, all cores", seconds)


def _row(name: str, seconds: float) -> Row:
    sent = random.Random(1).randbytes(PAYLOAD_BYTES)
    with (
        peers.lazyipc_server() as our_path,
        peers.raw_server(raw.serve_echo) as raw_path,
        IpcClient(our_path) as client,
        raw.connect(raw_path) as connected,
    ):

        def ours() -> bytes:
            return client.send(Echo(payload=sent))

        def bare() -> bytearray:
            raw.send_payload(connected, sent)
            return raw.receive_payload(connected)

        if not ours() == bare() == sent:
            raise RuntimeError("a payload came back changed")
        pair = interleave(lambda: timed(ours, 1), lambda: timed(bare, 1), seconds)
    return throughput_row(name, pair, 2 * PAYLOAD_BYTES, at_least=0.75)
