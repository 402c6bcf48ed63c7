"""The `lazyipc` command, and the same for an application's own commands.

`main()` is the command itself; `main(ClientCommand, path)` gives a program sub-commands made from
its classes. Importing this loads nothing: a call from a shell waits for as little as can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

__all__ = ["main"]


def main(
    command: type | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    arguments: Sequence[str] | None = None,
    prog: str | None = None,
) -> int:
    """Run the `lazyipc` command, or an application's own one.

    Args:
        command: the root of the application's commands; None is the `lazyipc` command, which
            learns from a running server what it understands.
        path: where the application's server is.
        arguments: the words behind the program's name; None is `sys.argv[1:]`.
        prog: how the program is called in its texts; None is the name it was started by.

    Returns:
        What to exit with: 0 done, 1 the command failed, 2 usage or an invalid value, 3 no server
        is running, 4 busy or timed out, 5 the schemas do not match, 130 interrupted.

    >>> from lazyipc import Command
    >>> class Order(Command): "What my program can be told."
    >>> class Ping(Order):
    ...     "See whether it answers."
    ...     def process(self, context: object) -> bool: return True
    >>> main(Order, "/nowhere/app.sock", arguments=["ping", "--help"], prog="app")
    Usage: app ping [OPTIONS]
    ...
    0
    """
    try:
        from lazyipc.cli._failure import told

        if command is None:
            if path is not None:
                raise TypeError("main takes a path together with the commands that are sent there")
            from lazyipc.cli._start import start

            return told(lambda: start(arguments, prog))
        if path is None:
            raise TypeError("main takes the path of the server that the commands are sent to")
        from lazyipc.cli._own import own
        from lazyipc.cli._program import program_name

        return told(lambda: own(command, path, arguments, prog), program_name(prog))
    except KeyboardInterrupt:  # while importing
        return 130


def script() -> int:
    """Run the `lazyipc` command, as the installed script does."""
    return main()
