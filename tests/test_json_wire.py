"""The JSON wire on a real socket: people's tools, our own client, and lines that are none."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from examples.simple.commands import Add, ClientCommand, Print, Pushed, Sum
from lazyipc import (
    Command,
    CommandFailed,
    DecodeError,
    Disconnected,
    IpcClient,
    IpcServer,
    Limits,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    ReplyTimeout,
    UnexpectedReply,
    Wire,
    client_send,
)
from tests.conftest import Connect, Serve
from tests.harness import (
    DEADLINE_SECONDS,
    Big,
    Do,
    Echo,
    Host,
    RawClient,
    give_up,
    hosted,
    poll,
    program,
)

ADD = '{"Add":{"a":1,"b":2}}'
SUM = '{"Ok":{"Sum":{"c":3}}}'

Demo = Callable[..., IpcServer[list[int]]]


@pytest.fixture
def demo(serve: Serve) -> Demo:
    return lambda **settings: serve(ClientCommand, **settings)


def lines_of(client: RawClient) -> list[Any]:
    """What the server wrote by now, line by line."""
    client.pump()
    return [json.loads(line) for line in bytes(client.received).split(b"\n")[:-1]]


def answers(
    server: IpcServer[Any], client: RawClient, count: int, context: Any = None
) -> list[Any]:
    """Poll until so many lines came."""
    poll(server, [] if context is None else context, lambda: len(lines_of(client)) >= count)
    return lines_of(client)


# Tools that people have --------------------------------------------------------------------------


def netcat() -> tuple[str, ...]:
    """Debian's netcat: -N half-closes when its input ends."""
    told = ""
    if shutil.which("nc"):
        told = subprocess.run(["nc", "-h"], capture_output=True, text=True, check=False).stderr
    if "OpenBSD" not in told:
        give_up("netcat-openbsd is not installed")
    return "nc", "-N", "-U"


def socat() -> tuple[str, ...]:
    if shutil.which("socat") is None:
        give_up("socat is not installed")
    return "socat", f"-t{DEADLINE_SECONDS:g}", "-"


def piped(server: IpcServer[list[int]], words: tuple[str, ...], text: str) -> str:
    """What a tool prints that is given a text and its end."""
    with program(*words) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text)
        process.stdin.close()
        poll(server, [], lambda: process.poll() is not None)
        return process.stdout.read()


def tool(name: str, path: str) -> tuple[str, ...]:
    return (*netcat(), path) if name == "nc" else (*socat(), f"UNIX-CONNECT:{path}")


@pytest.mark.parametrize("name", ["nc", "socat"])
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (f"{ADD}\n", f"{SUM}\n"),
        (ADD, f"{SUM}\n"),
        ("", ""),
        ("\n\r\n", ""),
        ('{"Push":{"x":69}}', '{"Ok":{"Pushed":{"x":69}}}\n'),
        (f'{ADD}\r\n\n{{"id":"b","call":{ADD}}}\n{{"id":7,"call":{ADD},"timeout":5}}',
         f'{SUM}\n{{"id":"b","Ok":{{"Sum":{{"c":3}}}}}}\n{{"id":7,"Ok":{{"Sum":{{"c":3}}}}}}\n'),
        ("5", '{"Err":'),
        ("nonsense", '{"Err":'),
        ('{"Push":{"x"', '{"Err":'),
    ],
)  # fmt: skip
def test_a_tool_asks_and_is_answered(
    demo: Demo, path: str, name: str, text: str, printed: str
) -> None:
    found = piped(demo(), tool(name, path), text)
    assert found.startswith(printed)
    if "Err" not in printed:
        assert found == printed


def test_a_bad_line_says_where_and_the_next_one_is_run(demo: Demo, path: str) -> None:
    text = f'{ADD}\n{{"Add":{{"a":1,\n{{"Add":{{"a":1, "b":"2"}}}}\n{ADD}\n'
    first, second, third, last = piped(demo(), (*netcat(), path), text).splitlines()
    assert (first, last) == (SUM, SUM)
    error = json.loads(second)["Err"]
    assert (error["kind"], error["line"], error["column"]) == ("DecodeError", 2, 14)
    error = json.loads(third)["Err"]
    assert (error["line"], error["column"], error["path"]) == (3, 20, "Add.b")


def test_a_person_at_a_terminal(demo: Demo, path: str) -> None:
    """Line by line over one connection that stays."""
    server = demo()
    with program(*netcat(), path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3):
            process.stdin.write(f"{ADD}\n")
            process.stdin.flush()
            poll(server, [], lambda: server.stats.commands > 0, DEADLINE_SECONDS)
            with hosted(server, []):
                assert process.stdout.readline() == f"{SUM}\n"
        process.stdin.close()
        poll(server, [], lambda: process.poll() is not None)


# Bytes in any pieces -----------------------------------------------------------------------------


def test_a_byte_in_each_poll(demo: Demo, client: Connect) -> None:
    server, typist = demo(), client()
    text = f'\n{ADD}\n{{"id":1,"call":{ADD}}}\n'.encode()
    for place in range(len(text)):
        typist.send(text[place : place + 1])
        server.handle_new_messages([])
    assert answers(server, typist, 2) == [
        {"Ok": {"Sum": {"c": 3}}}, {"id": 1, "Ok": {"Sum": {"c": 3}}},
    ]  # fmt: skip


@pytest.mark.parametrize("apart", [False, True])
def test_a_last_line_without_its_end_is_run(demo: Demo, client: Connect, apart: bool) -> None:
    server, typist = demo(), client()
    typist.send(f"{ADD}\n{ADD}".encode())
    if apart:
        server.handle_new_messages([])
        assert len(lines_of(typist)) == 1
    typist.socket.shutdown(socket.SHUT_WR)
    poll(server, [], typist.has_ended)
    assert lines_of(typist) == [json.loads(SUM)] * 2
    assert server.stats.commands == 2


@pytest.mark.parametrize("rest", [b" ", b"\n", b" \t\r", b"\n\n "])
def test_white_space_at_the_end_is_nothing(demo: Demo, client: Connect, rest: bytes) -> None:
    server, typist = demo(), client()
    typist.send(ADD.encode() + b"\n" + rest)
    typist.socket.shutdown(socket.SHUT_WR)
    poll(server, [], typist.has_ended)
    assert lines_of(typist) == [json.loads(SUM)]


def test_what_was_begun_is_not_run_for_somebody_who_is_gone(demo: Demo, client: Connect) -> None:
    server, typist, stack = demo(), client(), [0]
    typist.send(b'{"Push":{"x":1}}')
    server.handle_new_messages(stack)
    typist.close()
    poll(server, stack, lambda: not server.stats.clients)
    assert stack == [0]


def test_many_lines_at_once_are_answered_in_order(demo: Demo, client: Connect) -> None:
    server, typist = demo(), client()
    asked = [f'{{"id":{number},"call":{{"Push":{{"x":{number}}}}}}}' for number in range(500)]
    typist.send("\n".join([*asked, ""]).encode())
    stack: list[int] = []
    found = answers(server, typist, 500, stack)
    assert [answer["id"] for answer in found] == list(range(500)) == stack


def test_others_are_served_between_one_s_lines(demo: Demo, client: Connect) -> None:
    server, typist, other = demo(), client(), client()
    typist.send(f"{ADD}\n".encode() * 200)
    server.handle_new_messages([], max_messages=10)
    call = other.ask(Add(a=2, b=2))
    server.handle_new_messages([], max_messages=10)
    server.handle_new_messages([], max_messages=10)
    assert other.has_result(call)
    assert len(lines_of(typist)) < 100
    answers(server, typist, 200)


def test_empty_lines_cost_next_to_nothing(demo: Demo, client: Connect) -> None:
    server, typist = demo(), client()
    for _ in range(8):
        typist.send(b"\n" * 20_000)
        assert server.handle_new_messages([]) == 0
    typist.send(f"{ADD}x\n{ADD}\n".encode())
    error, answer = answers(server, typist, 2)
    assert error["Err"]["line"] == 160_001
    assert answer == json.loads(SUM)


# What ends a connection --------------------------------------------------------------------------


STRANGERS = {
    "http": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "this is no HTTP server"),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "this looks like TLS"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_are_told_and_closed(demo: Demo, client: Connect, stranger: str) -> None:
    server, bad = demo(), client()
    data, told = STRANGERS[stranger]
    bad.send(data)
    poll(server, [], bad.has_ended)
    (answer,) = lines_of(bad)
    assert told in answer["Err"]["message"]
    assert server.stats.commands == 0


def test_a_line_over_the_limit_is_told_and_closed(demo: Demo, client: Connect) -> None:
    server, bad = demo(limits=Limits(message_bytes=2000)), client()
    bad.send(f"{ADD}\n".encode() + b'{"Print":{"payload":"' + b"x" * 5000)
    poll(server, [], bad.has_ended)
    answer, error = lines_of(bad)
    assert answer == json.loads(SUM)
    assert error["Err"]["kind"] == "MessageTooLarge"
    assert error["Err"]["limit_bytes"] == 3000


def test_the_longest_line_fits(demo: Demo, client: Connect, capsys: Any) -> None:
    limits = Limits(message_bytes=2000, in_bytes=3024)
    server, typist = demo(limits=limits), client()
    line = b'{"Print":{"payload":"' + b"x" * 1976 + b'"}}'
    typist.send(line.ljust(3000) + b"\n")
    assert answers(server, typist, 1) == [{"Ok": "PrintAck"}]
    typist.send(line.ljust(3000))
    typist.socket.shutdown(socket.SHUT_WR)
    assert answers(server, typist, 2) == [{"Ok": "PrintAck"}] * 2
    assert capsys.readouterr().out.count("x" * 1976) == 2


def test_a_server_that_takes_no_json_closes(demo: Demo, client: Connect) -> None:
    server, bad = demo(wires=Wire.FRAMED), client()
    bad.send(f"{ADD}\n".encode())
    poll(server, [], bad.has_ended)
    assert lines_of(bad) == []


def test_it_is_among_all_wires(demo: Demo, client: Connect) -> None:
    server, typist = demo(wires=Wire.ALL), client()
    typist.send(f"{ADD}\n".encode())
    assert answers(server, typist, 1) == [json.loads(SUM)]


# Deadlines and permission ------------------------------------------------------------------------


def test_what_has_expired_is_not_run(demo: Demo, client: Connect) -> None:
    server, typist, stack = demo(), client(), []
    typist.send(b'{"id":1,"call":{"Push":{"x":1}},"timeout":0}\n')
    (answer,) = answers(server, typist, 1, stack)
    assert (answer["id"], answer["Err"]["kind"], answer["Err"]["code"]) == (1, "ReplyTimeout", 8)
    assert stack == []


def test_what_is_not_permitted_is_told(demo: Demo, client: Connect) -> None:
    server, typist = demo(authorize=lambda peer, command: False), client()
    typist.send(f"{ADD}\n".encode())
    (answer,) = answers(server, typist, 1)
    assert (answer["Err"]["kind"], answer["Err"]["code"]) == ("NotPermitted", 3)


# Our own client ----------------------------------------------------------------------------------


@pytest.fixture
def json_client(path: str) -> Iterator[IpcClient]:
    with IpcClient(path, timeout=DEADLINE_SECONDS, wire=Wire.JSON) as client:
        yield client


def test_our_client_asks(demo: Demo, path: str, json_client: IpcClient) -> None:
    server = demo()
    with hosted(server, []):
        assert json_client.send(Add(a=1, b=2)) == Sum(c=3)
        assert json_client.send(Add(a=2**64 - 2, b=1)) == Sum(c=2**64 - 1)
        assert client_send(Add(a=1, b=2), path, wire=Wire.JSON) == Sum(c=3)
    assert server.stats.accepted == 2


def test_our_client_asks_much_at_once(demo: Demo, json_client: IpcClient) -> None:
    with hosted(demo(), []):
        sums = json_client.send_many([Add(a=n, b=1) for n in range(2000)])
    assert sums == [Sum(c=n + 1) for n in range(2000)]


def fail() -> None:
    raise CommandFailed("no such player")


def break_() -> None:
    raise ZeroDivisionError("out of numbers")


ACTIONS: dict[str, Callable[[], Any]] = {"fail": fail, "break": break_}


def test_errors_arrive_as_what_they_were(serve: Serve, json_client: IpcClient) -> None:
    with hosted(serve(), Host(**ACTIONS)):
        with pytest.raises(CommandFailed, match="no such player"):
            json_client.send(Do(name="fail"))
        with pytest.raises(RemoteError, match="ZeroDivisionError: out of numbers"):
            json_client.send(Do(name="break"))
        results = json_client.send_many(
            [Echo(text="é\n"), Do(name="fail"), Echo(text="")], return_exceptions=True
        )
        assert json_client.is_connected
    assert results[::2] == ["é\n", ""]
    assert isinstance(results[1], CommandFailed)


class Odd(Command[Any]):
    """Commands whose answers are odd."""


class Nan(Odd):
    def process(self, context: Any) -> float:
        return math.nan


class ByBytes(Odd):
    def process(self, context: Any) -> dict[bytes, int]:
        context.append(self)
        return {}


def test_what_json_has_no_form_for_is_told(
    serve: Serve, client: Connect, json_client: IpcClient
) -> None:
    server, typist = serve(Odd), client()
    ran: list[Any] = []
    with hosted(server, ran), pytest.raises(UnexpectedReply, match="finite numbers only"):
        json_client.send(Nan())
    typist.send(b'"ByBytes"\n')
    (answer,) = answers(server, typist, 1, ran)
    assert "cannot be spoken in JSON" in answer["Err"]["message"]
    assert ran == []
    with hosted(server, ran):
        assert client_send(ByBytes(), server.path) == {}


def test_large_answers_and_commands_travel(serve: Serve, json_client: IpcClient) -> None:
    with hosted(serve(limits=Limits(line_bytes=1 << 22)), Host()):
        assert json_client.send(Big(size=3_000_000)) == "x" * 3_000_000
        assert json_client.send(Echo(text="é" * 1_000_000)) == "é" * 1_000_000


def test_a_command_longer_than_a_line_may_be_is_refused(
    serve: Serve, json_client: IpcClient
) -> None:
    server = serve()
    with hosted(server, Host()):
        assert json_client.send(Echo(text="a" * 1_000_000)) == "a" * 1_000_000
        with pytest.raises(MessageTooLarge, match=r"Limits\.line_bytes.* of 1048576"):
            json_client.send(Echo(text="a" * 1_100_000))
        assert json_client.send(Echo(text="short")) == "short"
    assert server.stats.too_large == 1


def test_a_refusal_and_an_expiry_arrive(demo: Demo, path: str, json_client: IpcClient) -> None:
    server = demo(authorize=lambda peer, command: isinstance(command, Add))
    with hosted(server, []):
        with pytest.raises(NotPermitted):
            json_client.send(Print(payload=""))
        assert json_client.send(Add(a=1, b=2)) == Sum(c=3)
    json_client.close()
    with pytest.raises(ReplyTimeout):
        client_send(Add(a=1, b=2), path, timeout=0.01, wire=Wire.JSON)
    poll(server, [], lambda: not server.stats.clients)
    assert server.stats.commands == 1


def test_a_server_of_frames_alone_is_no_server_of_json(demo: Demo, path: str) -> None:
    with hosted(demo(wires=Wire.FRAMED), []), pytest.raises(Disconnected):
        client_send(Add(a=1, b=2), path, wire=Wire.JSON, timeout=DEADLINE_SECONDS)


class Order(Command[Any]):
    """Another idea of the demo's commands."""


class Push(Order):
    x: str

    def process(self, context: Any) -> Pushed:
        return Pushed(x=1)


def test_another_idea_of_a_command_is_told_where(demo: Demo, json_client: IpcClient) -> None:
    with hosted(demo(), []), pytest.raises(DecodeError, match="u64 is wanted") as caught:
        json_client.send(Push(x="1"))
    assert (caught.value.path, caught.value.line) == ("call.Push.x", 1)
