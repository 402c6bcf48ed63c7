"""Bytes that nobody should send: they cost their sender its own connection and nobody else a thing.

After each of them the server serves who is there and who comes, and nothing has been handled.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lazyipc._core.framing import HEADER, MAGIC, VERSION, Kind, frame
from lazyipc.rpc import RpcClient, RpcLimits, RpcServer
from tests.rpc.loops import Run, raised_in_time, run, settle, until
from tests.rpc.messages import SECONDS, Note, Number, Stage, Text, echo
from tests.rpc.raw import (
    ACCEPT,
    FINISHED,
    Raw,
    accept,
    goodbye,
    hello,
    notify,
    raw_client,
    request,
    response,
    told,
)


def header(kind: int, size: int, call: int = 0, *, version: int = VERSION) -> bytes:
    return HEADER.pack(MAGIC, version, kind, size, call)


@contextlib.asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[RpcServer[Note], Stage]]:
    """A server with a client that is served before and after whatever happens."""
    stage = Stage(is_open=True)
    limits.setdefault("handshake_seconds", 0.1)
    async with (
        RpcServer(Note, stage.handle, limits=RpcLimits(**limits)) as server,
        RpcClient.connect(server.key, Note, echo) as client,
    ):
        yield server, stage
        with raised_in_time(SECONDS):
            assert await client.send(Number(n=1)) == Number(n=1)
            async with RpcClient.connect(server.key, Note, echo) as another:
                assert await another.send(Number(n=2)) == Number(n=2)
        await until(lambda: len(server.peers) == 1)
        assert stage.began == [Number(n=1), Number(n=2)]


# Instead of a hello -------------------------------------------------------------------------------

HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(501)

STARTS = {
    "nothing": b"",
    "a byte": b"\xff",
    "zeros": bytes(100),
    "noise": random.Random(5).randbytes(5000),
    "HTTP": HTTP,
    "TLS": TLS,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "JSON": b'{"Add":{"a":1,"b":2}}\n',
    "bare bincode": bytes(24),
    "half a header": header(Kind.HELLO, 5)[:9],
    "half a hello": header(Kind.HELLO, 500) + b'{"version": 1',
    "another version": header(Kind.HELLO, 2, version=2) + b"{}",
    "a huge length": header(Kind.HELLO, 2**32 - 1) + bytes(100),
    "a hello of a megabyte": header(Kind.HELLO, 1 << 20) + bytes(1 << 20),
    "no JSON": frame(Kind.HELLO, 0, b"hello"),
    "no UTF-8": frame(Kind.HELLO, 0, b'"\xff"'),
    "no object": frame(Kind.HELLO, 0, b"[1]"),
    "an empty object": frame(Kind.HELLO, 0, b"{}"),
    "JSON that nests": frame(Kind.HELLO, 0, b"[" * 100_000),
    "a hello under a call": frame(Kind.HELLO, 1, b"{}"),
    "an accept": accept(),
    "a goodbye": goodbye(),
    "a request": request(Number(n=9), 1),
    "an unknown kind": header(200, 0),
    "a call of 0": request(Number(n=9), 0),
    "a hello without a key": hello(),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_instead_of_a_hello(on_loop: Run, start: bytes) -> None:
    async def main() -> None:
        async with serving() as (server, _), raw_client(server.path) as raw:
            with contextlib.suppress(ConnectionError):
                raw.write(start)
                await raw.writer.drain()
            with contextlib.suppress(AssertionError):  # an end within a frame is one too
                await raw.rest()
            assert len(server.peers) == 1

    on_loop(main)


@pytest.mark.parametrize("word", ["HTTP", "TLS", "another version", "a request", "JSON"])
def test_who_speaks_something_else_is_told_in_the_log(
    word: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving() as (server, _), raw_client(server.path) as raw:
            raw.write(STARTS[word])
            with contextlib.suppress(AssertionError):
                await raw.rest()

    run(main)
    assert caplog.records


def test_log_records_are_few_whatever_comes(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving() as (server, _):
            for _ in range(100):
                async with raw_client(server.path) as raw:
                    raw.write(HTTP)
                    await raw.rest()

    run(main)
    assert 0 < len(caplog.records) < 30


HELLOS: list[dict[str, Any]] = [
    {"version": 2},
    {"version": "1"},
    {"calls": 0},
    {"calls": -1},
    {"calls": "many"},
    {"calls": 2**70},
    {"message_bytes": -5},
    {"message_bytes": None},
    {"in_bytes": [1]},
    {"in_bytes": 1.5},
    {"schema": 5},
    {"schema": {}},
    {"schema": []},
    {"schema": "nonsense"},
    {"schema": {"messages": [[[[[]]]]]}},
    {"key": 5},
    {"key": None},
    {"key": {"a": 1}},
]


@pytest.mark.parametrize("changes", HELLOS, ids=repr)
def test_a_hello_that_is_none(changes: dict[str, Any]) -> None:
    async def main() -> None:
        async with serving() as (server, _), raw_client(server.path) as raw:
            raw.write(hello(server.key, **changes), accept())
            frames = await raw.rest()
            assert len(server.peers) == 1
            if frames:
                assert frames[-1][:2] == (Kind.ERROR, 0), list(map(told, frames))

    run(main)


# After the handshake ------------------------------------------------------------------------------

NUMBER = request(Number(n=9), 1)
BROKEN = {
    "noise": random.Random(7).randbytes(5000),
    "another magic": b"\xfe" + NUMBER[1:],
    "another version": header(Kind.PING, 0, 5, version=3),
    "a huge length": header(Kind.REQUEST, 2**32 - 1, 5) + bytes(1000),
    "a message over the limit": header(Kind.REQUEST, 10_000, 5) + bytes(10_000),
    "a second hello": hello(),
    "a second accept": accept(),
    "a call of 0": header(Kind.REQUEST, 0, 0),
    "an answer to nobody": response(Number(n=9), 77),
    "an error to nobody": frame(Kind.ERROR, 77, b""),
    "an end of nobody's": frame(FINISHED, 77, b""),
    "an end with something in it": frame(FINISHED, 77, b"x"),
    "a goodbye with something in it": frame(Kind.GOODBYE, 0, b"bye"),
    "a cancel of what never began": frame(Kind.CANCEL, 77, b""),
    "an error that is none": frame(Kind.ERROR, 0, b"\xff" * 30),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_rules_after_the_handshake(on_loop: Run, data: bytes) -> None:
    async def main() -> None:
        async with serving(message_bytes=5000) as (server, _), raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            raw.write(data)
            with raised_in_time(SECONDS), contextlib.suppress(AssertionError):
                await raw.rest()
            await until(lambda: len(server.peers) == 1)

    on_loop(main)


def test_a_number_is_not_used_twice() -> None:
    async def main() -> None:
        stage = Stage()
        async with RpcServer(Note, stage.handle) as server, raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            raw.write(request(Number(n=1), 5), request(Number(n=2), 5))
            *_, last = await raw.rest()
            assert last[:2] == (Kind.ERROR, 0)
            await until(lambda: len(stage.began) == len(stage.ended))
            assert len(stage.began) <= 1

    run(main)


REJECTED = {
    "no such fingerprint": frame(Kind.REQUEST, 1, bytes(40)),
    "too short": frame(Kind.REQUEST, 1, NUMBER[16:30]),
    "half of the fields": frame(Kind.REQUEST, 1, NUMBER[16:-4]),
    "bytes left over": frame(Kind.REQUEST, 1, NUMBER[16:] + b"x"),
    "an unknown kind": frame(99, 1, b"anything"),
    "a ping": frame(Kind.PING, 1, b""),
    "a subscription": frame(Kind.SUBSCRIBE, 1, b""),
    "a text that is no UTF-8": request(Text(text="abcd"), 1)[:-4] + b"\xff\xfe\xfd\xfc",
}


@pytest.mark.parametrize("data", REJECTED.values(), ids=REJECTED.keys())
def test_a_frame_that_is_answered_by_an_error_and_skipped(on_loop: Run, data: bytes) -> None:
    async def main() -> None:
        async with serving() as (server, stage), raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            raw.write(data)
            await raw.expect(Kind.ERROR, 1)
            raw.write(request(Number(n=3), 2))
            await raw.expect(Kind.RESPONSE, 2)
            stage.began.remove(Number(n=3))
            raw.write(goodbye())
            await raw.close()

    on_loop(main)


def test_a_notification_that_cannot_be_read_is_ended_too(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(calls_per_peer=2) as (server, _), raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            for call in range(1, 10):
                raw.write(notify(Number(n=1), call)[:-1].replace(b"\x10\0\0\0", b"\x0f\0\0\0", 1))
                one = await raw.frame()
                assert one is not None
                assert one[:2] in ((Kind.ERROR, call), (FINISHED, call))

    with caplog.at_level(logging.INFO, "lazyipc"):
        run(main)
    assert caplog.records


def test_a_cancel_of_what_has_ended_is_nothing() -> None:
    async def main() -> None:
        async with serving() as (server, stage), raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            raw.write(request(Number(n=5), 2))
            await raw.expect(Kind.RESPONSE, 2)
            raw.write(frame(Kind.CANCEL, 2, b""), request(Number(n=6), 4))
            await raw.expect(Kind.RESPONSE, 4)
            for n in (5, 6):
                stage.began.remove(Number(n=n))

    run(main)


def test_what_comes_behind_a_goodbye_is_not_handled() -> None:
    async def main() -> None:
        async with serving() as (server, _), raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            raw.write(goodbye(), request(Number(n=5), 1))
            await raw.rest()
            await settle()

    run(main)


def test_a_half_closed_client_is_one_that_left() -> None:
    async def main() -> None:
        async with serving() as (server, _), raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            await until(lambda: len(server.peers) == 2)
            raw.writer.write_eof()
            await raw.rest()
            await until(lambda: len(server.peers) == 1)

    run(main)


# Mutations ----------------------------------------------------------------------------------------


def mutated(chance: random.Random, data: bytes) -> bytes:
    """A few bytes changed, taken out, put in or doubled."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                del changed[at : at + chance.randint(1, 20)]
            case 3:
                changed[at:at] = chance.randbytes(chance.randint(1, 20))
            case _:
                changed[at:at] = changed[at : at + chance.randint(1, 60)]
        if not changed:
            break
    return bytes(changed)


SEEDS = 150


def test_mutated_dialogues(on_loop: Run) -> None:
    """Whatever comes of them, it is over soon, and everybody else is served."""

    async def one(raw: Raw, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, AssertionError):
            raw.write(data)
            raw.writer.write_eof()
            await raw.rest()

    async def main() -> None:
        stage = Stage(is_open=True)
        limits = RpcLimits(handshake_seconds=1.0, message_bytes=100_000)
        async with RpcServer(Note, stage.handle, limits=limits) as server:
            start = hello(server.key, calls=4) + accept()
            messages = (
                request(Number(n=1), 1)
                + notify(Text(text="abc"), 2)
                + frame(Kind.CANCEL, 1, b"")
                + request(Text(text="xyz"), 3)
                + goodbye()
            )
            for seed in range(SEEDS):
                chance = random.Random(seed)
                async with raw_client(server.path) as raw:
                    if chance.random() < 0.5:
                        await one(raw, mutated(chance, start + messages))
                    else:
                        await raw.shake_hands_as_client(server.key, calls=4)
                        await one(raw, mutated(chance, messages))
            await until(lambda: not server.peers)
            await until(lambda: len(stage.began) == len(stage.ended))
            async with RpcClient.connect(server.key, Note, echo) as client:
                assert await client.send(Number(n=1)) == Number(n=1)

    on_loop(main, timeout=30)


def test_the_handshake_of_the_raw_peer_is_right() -> None:
    """Else all of the above would be refused for another reason."""

    async def main() -> None:
        async with serving() as (server, stage), raw_client(server.path) as raw:
            raw.write(hello(server.key))
            await raw.expect(Kind.HELLO)
            await raw.expect(ACCEPT)
            raw.write(accept(), request(Number(n=8), 1), notify(Number(n=9), 2))
            ends = {await raw.frame() for _ in range(2)}
            assert {one[:2] for one in ends if one} == {(Kind.RESPONSE, 1), (FINISHED, 2)}
            for n in (8, 9):
                stage.began.remove(Number(n=n))
            raw.write(goodbye())
            assert await asyncio.wait_for(raw.rest(), SECONDS) in ([], [(Kind.GOODBYE, 0, b"")])

    run(main)
