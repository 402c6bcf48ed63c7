"""The example as a program: `server`, or `client` with a command.

python -m examples.simple server
python -m examples.simple client add 1 2
python -m examples.simple client --help
lazyipc call example add 1 2
"""

from __future__ import annotations

import argparse
import sys

from examples.simple.commands import ClientCommand
from lazyipc import IpcError, IpcServer, Wire, cli, runtime_path

NAME = "example"
"""What the server is found by: `lazyipc ls` lists it."""


def serve(path: str) -> None:
    """The host's own loop, with one call a turn for whoever has something to say."""
    stack: list[int] = []
    with IpcServer(path, ClientCommand, wires=Wire.ALL) as server:
        print(f"listening on {server.path}", flush=True)
        while True:
            server.handle_new_messages(stack)
            server.wait(1.0)  # here the application does its own work


def main(arguments: list[str]) -> int:
    """Run one mode; what goes wrong is told in a line."""
    parser = argparse.ArgumentParser(prog="python -m examples.simple")
    parser.add_argument("--socket", help=f"where the socket is (else that of the name {NAME})")
    parser.add_argument("mode", choices=["server", "client"], help="listen, or send a command")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="of the client; try --help there")
    options = parser.parse_args(arguments)
    path = options.socket or str(runtime_path(NAME))
    if options.mode == "client":  # sub-commands, help and checks come from the classes
        prog = f"{parser.prog} client"
        return cli.main(ClientCommand, path, arguments=options.words, prog=prog)
    try:
        serve(path)
    except KeyboardInterrupt:
        return 0
    except IpcError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
