"""The example as a program: `server`, or `client` with a command.

python -m examples.simple server
python -m examples.simple client add 1 2
"""

from __future__ import annotations

import argparse
import sys

from examples.simple.commands import Add, ClientCommand, ClientResponse, Print, Push
from lazyipc import IpcError, IpcServer, Wire, client_send

SOCKET = "lazyipc-example.sock"


def serve(path: str) -> None:
    """The host's own loop, with one call a turn for whoever has something to say."""
    stack: list[int] = []
    with IpcServer(path, ClientCommand, wires=Wire.ALL) as server:
        print(f"listening on {server.path}", flush=True)
        while True:
            server.handle_new_messages(stack)
            server.wait(1.0)  # here the application does its own work


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="simple", description=__doc__)
    parser.add_argument("--socket", default=SOCKET, help="where the socket is (%(default)s)")
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("server", help="listen until Ctrl-C")
    commands = modes.add_parser("client", help="send one command").add_subparsers(
        dest="command", required=True
    )
    commands.add_parser("print", help="print a line at the server").add_argument("payload")
    add = commands.add_parser("add", help="add two numbers")
    add.add_argument("a", type=int)
    add.add_argument("b", type=int)
    commands.add_parser("push", help="push a number").add_argument("x", type=int)
    return parser.parse_args(arguments)


def command_of(options: argparse.Namespace) -> Print | Add | Push:
    """The command the words stand for.

    Raises:
        ValueError: a number does not fit its field; pydantic says which.
    """
    if options.command == "print":
        return Print(payload=options.payload)
    if options.command == "add":
        return Add(a=options.a, b=options.b)
    return Push(x=options.x)


def send(command: Print | Add | Push, path: str) -> ClientResponse:
    """Send a command and say what went out and what came back."""
    print(f"sent command: {command!r}", flush=True)
    response = client_send(command, path)
    print(f"received response: {response!r}", flush=True)
    return response


def main(arguments: list[str]) -> int:
    """Run one mode; what goes wrong is told in a line."""
    options = parse(arguments)
    try:
        if options.mode == "server":
            serve(options.socket)
        else:
            send(command_of(options), options.socket)
    except KeyboardInterrupt:
        return 0
    except (IpcError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
