"""Schemas are exchanged before any message: matched, compatible, mismatch; enforced or told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from lazyipc import U32, U64, IpcError, RemoteError, SchemaMismatch, TaggedUnion
from lazyipc._core.framing import Kind
from lazyipc.rpc import RpcClient, RpcServer
from tests.rpc.loops import Run, raised_in_time, run, until
from tests.rpc.messages import SECONDS, Note, Number, Stage, echo
from tests.rpc.raw import ACCEPT, accept, hello, notify, raw_client, request


def family(**variants: dict[str, Any]) -> type[Any]:
    """A family `Talk` of these variants, as one program knows it."""
    root: Any = type("Talk", (TaggedUnion,), {"__module__": __name__})
    root.made = {
        name: type(name, (root,), {"__module__": __name__, "__annotations__": fields})
        for name, fields in variants.items()
    }
    return root  # type: ignore[no-any-return]


def make(root: Any, name: str, **values: Any) -> Any:
    return root.made[name](**values)


ADD = {"Add": {"a": U64, "b": U64}}
SAY = {"Say": {"text": str}}
WIDER = {"Add": {"a": U64, "b": U32}}
LONGER = {"Add": {"a": U64, "b": U64, "c": str}}


async def opened(server: RpcServer[Any], root: Any, handler: Any = echo, **settings: Any) -> Any:
    return await RpcClient.connect(server.key, root, handler, **settings)


# Alike --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        ({**ADD, **SAY}, {**ADD, **SAY}, "matched"),
        ({**ADD, **SAY}, {**SAY, **ADD}, "matched"),
        (ADD, {**ADD, **SAY}, "compatible"),
        ({**ADD, **SAY}, ADD, "compatible"),
        ({**ADD, **SAY}, {**ADD, "Go": {}}, "compatible"),
    ],
)
def test_alike_enough_to_talk(on_loop: Run, ours: Any, theirs: Any, kind: str) -> None:
    async def main() -> None:
        at_server, at_client = family(**ours), family(**theirs)
        async with (
            RpcServer(at_server, echo) as server,
            await opened(server, at_client) as client,
        ):
            peer = await server.wait_for_client(SECONDS)
            for end in (peer, client):
                status = await end.schema_validated()
                assert status.kind == kind
                assert status.is_success
                assert status.assert_success() is None
                if kind == "compatible":
                    assert status.difference
            ask = make(at_client, "Add", a=1, b=2)
            assert await client.send(ask) == ask
            ask = make(at_server, "Add", a=3, b=4)
            assert await peer.send(ask) == ask

    on_loop(main)


def test_a_message_that_the_other_side_does_not_know_is_not_sent() -> None:
    async def main() -> None:
        small, large = family(**ADD), family(**ADD, **SAY)
        ran = Stage(is_open=True)
        async with (
            RpcServer(small, ran.handle) as server,
            await opened(server, large) as client,
        ):
            with pytest.raises(SchemaMismatch, match="Say"):
                client.send(make(large, "Say", text="hello"))
            with pytest.raises(SchemaMismatch, match="Say"):
                await client.notify(make(large, "Say", text="hello"))
            await client.send(make(large, "Add", a=1, b=2))
            assert len(ran.began) == 1

    run(main)


def test_a_reply_that_the_other_side_does_not_know() -> None:
    async def main() -> None:
        small, large = family(**ADD), family(**ADD, **SAY)

        async def says(message: Any, peer: Any) -> Any:
            return make(large, "Say", text="what?")

        async with RpcServer(large, says) as server, await opened(server, small) as client:
            with raised_in_time(SECONDS), pytest.raises((SchemaMismatch, RemoteError)) as raised:
                await client.send(make(small, "Add", a=1, b=2))
            assert "Say" in str(raised.value)
            assert client.status.kind == "connected"

    run(main)


# Unlike -------------------------------------------------------------------------------------------

UNLIKE = [(ADD, WIDER, "b"), (ADD, LONGER, "c"), (ADD, SAY, "Say"), ({**ADD, **SAY}, WIDER, "b")]


@pytest.mark.parametrize(("ours", "theirs", "word"), UNLIKE)
def test_enforced_a_mismatch_refuses_on_both_sides(
    on_loop: Run, caplog: pytest.LogCaptureFixture, ours: Any, theirs: Any, word: str
) -> None:
    async def main() -> None:
        at_server, at_client = family(**ours), family(**theirs)
        ran = Stage(is_open=True)
        async with RpcServer(at_server, ran.handle) as server:
            with raised_in_time(SECONDS), pytest.raises(SchemaMismatch, match=word) as raised:
                await opened(server, at_client, ran.handle)
            assert word in raised.value.difference
            assert "Add" in raised.value.ours + raised.value.theirs
            assert server.peers == ()
            assert not ran.began
            with pytest.raises(TimeoutError):
                await server.wait_for_client(0.01)
            # Who speaks as it does is served all the same.
            async with await opened(server, at_server) as client:
                assert client.status.kind == "connected"

    with caplog.at_level(logging.WARNING, "lazyipc"):
        on_loop(main)
    assert word in caplog.text


async def _opened_until_refused(server: RpcServer[Any], schema_check: str) -> None:
    client = await opened(server, family(**WIDER), schema_check=schema_check)
    # The client was content; the server is not, and the status says so.
    raise (await client.wait_closed()).reason or AssertionError("no reason")


@pytest.mark.parametrize("strict", ["server", "client"])
def test_it_is_enough_that_one_side_enforces(strict: str) -> None:
    async def main() -> None:
        checks = {"server": "warn", "client": "warn", strict: "enforce"}
        server_check: Any = checks["server"]
        async with RpcServer(family(**ADD), echo, schema_check=server_check) as server:
            with raised_in_time(SECONDS), pytest.raises(SchemaMismatch) as raised:
                await _opened_until_refused(server, checks["client"])
            assert "b" in raised.value.difference
            assert server.peers == ()

    run(main)


@pytest.mark.parametrize(("ours", "theirs", "word"), UNLIKE)
def test_warned_of_both_sides_are_told(
    on_loop: Run, caplog: pytest.LogCaptureFixture, ours: Any, theirs: Any, word: str
) -> None:
    async def main() -> None:
        at_server, at_client = family(**ours), family(**theirs)
        async with (
            RpcServer(at_server, echo, schema_check="warn") as server,
            await opened(server, at_client, schema_check="warn") as client,
        ):
            peer = await server.wait_for_client(SECONDS)
            for end in (peer, client):
                status = await end.schema_validated()
                assert (status.kind, status.is_success) == ("mismatch", False)
                assert word in status.difference
                assert "Add" in status.ours + status.theirs
                with pytest.raises(SchemaMismatch, match=word) as raised:
                    status.assert_success()
                assert raised.value.difference == status.difference
                assert end.status.kind == "connected"
            # What differs is refused, not misread.
            values = {"a": 1, "b": 2, "c": "x", "text": "x"}
            for name, model in at_client.made.items():
                ask = model(**{key: values[key] for key in model.model_fields})
                if name in ours and ours[name] == theirs[name]:
                    assert await client.send(ask) == ask
                else:
                    with raised_in_time(SECONDS), pytest.raises(SchemaMismatch):
                        await client.send(ask)

    with caplog.at_level(logging.WARNING, "lazyipc"):
        on_loop(main)
    assert caplog.text.count(word) >= 2


# Off ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_server", ["enforce", "warn", "off"])
@pytest.mark.parametrize("at_client", ["enforce", "warn", "off"])
def test_switched_off_on_either_side_it_is_disabled(at_server: Any, at_client: Any) -> None:
    async def main() -> None:
        root = family(**ADD)
        async with (
            RpcServer(root, echo, schema_check=at_server) as server,
            await opened(server, family(**ADD), schema_check=at_client) as client,
        ):
            peer = await server.wait_for_client(SECONDS)
            kinds = {(await end.schema_validated()).kind for end in (peer, client)}
            assert kinds == {"disabled" if "off" in (at_server, at_client) else "matched"}
            assert await peer.send(make(root, "Add", a=1, b=2)) == make(root, "Add", a=1, b=2)

    run(main)


def test_switched_off_a_message_that_differs_is_still_refused() -> None:
    async def main() -> None:
        at_client = family(**WIDER)
        ran = Stage(is_open=True)
        async with (
            RpcServer(family(**ADD), ran.handle, schema_check="off") as server,
            await opened(server, at_client, schema_check="off") as client,
        ):
            with raised_in_time(SECONDS), pytest.raises(SchemaMismatch, match="Add"):
                await client.send(make(at_client, "Add", a=1, b=2))
            await client.notify(make(at_client, "Add", a=1, b=2))
            assert client.status.kind == "connected"
            assert not ran.began

    run(main)


def test_a_check_of_another_name() -> None:
    async def main() -> None:
        async with RpcServer(Note, echo) as server:
            with pytest.raises((ValueError, TypeError), match="enforce"):
                await opened(server, Note, schema_check=True)

    run(main)


# Before it ended ----------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [request, notify])
def test_no_message_is_taken_before_the_check_has_ended(early: Any) -> None:
    async def main() -> None:
        ran = Stage(is_open=True)
        async with RpcServer(Note, ran.handle) as server:
            for start in (b"", hello(server.key)):
                async with raw_client(server.path) as raw:
                    raw.write(start, early(Number(n=1), 1), accept())
                    frames = await raw.rest()
                    assert {one[0] for one in frames} <= {Kind.HELLO, ACCEPT, Kind.ERROR}, frames
            assert server.peers == ()
            assert not ran.began

    run(main)


def test_no_message_is_sent_before_the_check_has_ended() -> None:
    async def main() -> None:
        greeted: list[Any] = []

        async def greet(server: RpcServer[Note]) -> None:
            async for peer in server:
                greeted.append(await peer.send(Number(n=1)))

        async with RpcServer(Note, echo) as server:
            greeting = asyncio.create_task(greet(server))
            async with raw_client(server.path) as raw:
                raw.write(hello(server.key))
                await raw.expect(Kind.HELLO)
                await raw.expect(ACCEPT)
                assert server.peers == ()
                with pytest.raises(TimeoutError):
                    await server.wait_for_client(0.01)
                raw.write(accept())
                await raw.expect(Kind.REQUEST, 1)
            await until(lambda: greeting.done() or server.peers == ())
            server.close()
            with pytest.raises(IpcError):
                await greeting

    run(main)


def test_who_asks_while_it_goes_on_waits_for_it() -> None:
    """`schema_validated` of a client is known once `connect` is over; a server's peer likewise."""

    async def main() -> None:
        async with RpcServer(Note, echo) as server:
            clients = [await opened(server, Note) for _ in range(3)]
            peers = [await server.wait_for_client(SECONDS) for _ in clients]
            statuses = await asyncio.gather(*(end.schema_validated() for end in clients + peers))
            assert {status.kind for status in statuses} == {"matched"}
            for client in clients:
                client.close()
                assert (await client.schema_validated()).kind == "matched"
                await client.wait_closed()

    run(main)
