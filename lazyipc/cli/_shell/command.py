"""`lazyipc shell`: a running server's commands at a prompt, or line by line from a pipe.

Knows where lines come from, and tells of what went wrong; what a line means is the session's
business, how it is typed that of the prompt.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper

import click

from lazyipc._io.runtime_dir import name_of
from lazyipc._plain_client import PlainClient
from lazyipc._target import path_of
from lazyipc.cli._app import State, json_option
from lazyipc.cli._ending import ending_in_order
from lazyipc.cli._failure import DONE, complain, exit_code, message_of
from lazyipc.cli._shell.help import hidden_text
from lazyipc.cli._shell.line import lines_of
from lazyipc.cli._shell.server import Server
from lazyipc.cli._shell.session import Changed, GivenUp
from lazyipc.cli._shell.waiting import without_echo
from lazyipc.cli._shown.output import Output
from lazyipc.cli._shown.safe import shown
from lazyipc.cli._views.timeout import seconds_of
from lazyipc.errors import IpcError, ReplyTimeout

TIMEOUT_HELP = "help timeout"
"""What tells here how long a call may take, and how to say so."""
LOOK_SECONDS = 0.3
"""How long a server that was restarted is asked for its commands while somebody types."""


@click.command()
@click.argument("name")
@click.option(
    "--timeout", metavar="SECONDS", callback=seconds_of,
    help="How long each call may take; inf is for ever.",
)  # fmt: skip
@json_option
@click.pass_obj
def shell(state: State, name: str, timeout: float | None) -> int:
    """Type commands to a running server at a prompt.

    Tab completes commands, fields and values; the line below tells what the command takes. `help`
    lists what can be typed, Ctrl-C ends a call, Ctrl-D leaves. The shell goes on when the host is
    restarted.

    A command whose name the shell has taken, such as help or exit, is called with a backslash
    before it. A line that begins with a space is not kept in the history.

    Lines from a pipe are run one after the other, and each response is a line of JSON. Exits with
    the code of the last line that failed.
    """
    is_typed = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    with PlainClient(path_of(name)) as client:
        server = Server(client, name, state.out if is_typed else Output(json=True))
        return _Typed(server, timeout).run() if is_typed else _piped(server, timeout)


# Lines from a pipe -------------------------------------------------------------------------------


def _piped(server: Server, seconds: float | None) -> int:
    """Run the lines of stdin as they come; the code of the last that failed."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # what is no text is told of as such
    session = server.session(_tell, seconds, None)
    session.refresh()
    code = DONE
    for number, line in enumerate(sys.stdin or (), 1):
        try:
            code = session.run(line) or code
        except GivenUp as error:
            _tell(f"line {number}: {error}")
            raise
        except (IpcError, ValueError) as error:
            _tell(f"line {number}: {shown(message_of(error, TIMEOUT_HELP))}")
            code = exit_code(error)
        if session.is_over:
            break
    return code


def _tell(text: str) -> None:
    complain(f"lazyipc: {text}")


# Lines that are typed ----------------------------------------------------------------------------


class _Typed:
    """A session on a terminal."""

    def __init__(self, server: Server, seconds: float | None) -> None:
        from lazyipc.cli._shell.history import HistoryFile, history_path
        from lazyipc.cli._shell.prompt import Prompt

        self._screen = Output(stream=sys.stdout)
        """Where the user is told things, JSON or not."""
        # A dumb terminal cannot take back what it shows; one without a name is taken for dumb, and
        # so it should be by what draws the prompt.
        is_dumb = os.environ.setdefault("TERM", "dumb") == "dumb"
        fd = None if is_dumb else self._screen.stream.fileno()
        self._session = server.session(self._notice, seconds, fd)
        self._known = self._session.known
        self._name = name_of(server.path)
        self._history = HistoryFile(history_path())
        self._prompt = Prompt(
            self._name,
            lambda: self._known.description,
            self._look,
            self._notice,
            self._history,
        )

    def run(self) -> int:
        """Read lines and run them until the user leaves."""
        try:
            with ending_in_order(), without_echo(sys.stdin.fileno()), suppress(EOFError):
                self._greet()
                self._tell_trouble()
                line = ""
                while not self._session.is_over:
                    try:
                        line = self._turn(line)
                    except KeyboardInterrupt:
                        line = ""  # it is cleared
        finally:
            self._history.close()
        return DONE

    def _greet(self) -> None:
        try:
            self._session.refresh()
        except ReplyTimeout as error:
            self._fail(error)  # it lives, and may answer the next line
        else:
            description = self._known.description
            assert description is not None
            server = description.server
            version = f" {server.version}" if server.version else ""
            self._screen.text(
                (self._name, "bold"), version,
                f" (pid {server.pid}): Tab completes, help tells more, Ctrl-D leaves",
            )  # fmt: skip
            hidden = hidden_text(description)
            if hidden:
                self._screen.text(hidden)

    def _turn(self, line: str) -> str:
        """Read what is typed and run it; what is to stand at the next prompt.

        Raises:
            EOFError: Ctrl-D.
            KeyboardInterrupt: Ctrl-C, but for during a call.
        """
        news = self._look()
        if news:
            self._notice(news)
        typed = self._prompt.read(line)
        self._tell_trouble()
        lines = [each for each in lines_of(typed) if each.strip()]
        for count, line in enumerate(lines, 1):
            try:
                self._session.run(line)
            except KeyboardInterrupt as error:
                self._screen.text((str(error) or "given up", "yellow"))
                again = ""
            except (IpcError, ValueError) as error:
                self._fail(error)
                again = line if isinstance(error, Changed) else ""
            else:
                if self._session.is_over:
                    return ""
                continue
            self._tell_left(len(lines) - count)
            return again
        return ""

    def _tell_left(self, count: int) -> None:
        """Say how many lines of what was pasted stood behind one that went wrong."""
        if count:
            were = "line behind it was" if count == 1 else "lines behind it were"
            self._notice(f"{count:,} {were} not run")

    def _look(self) -> str:
        """See whether another process answers by now; what to tell of it."""
        change = self._known.try_refresh(LOOK_SECONDS)
        return change.text if change else ""

    def _notice(self, text: str) -> None:
        self._screen.text((text, "yellow"), multiline=True)

    def _fail(self, error: BaseException) -> None:
        self._screen.text(("error: ", "bold red"), shown(message_of(error, TIMEOUT_HELP)))

    def _tell_trouble(self) -> None:
        """Say once why no history is kept."""
        trouble, self._history.trouble = self._history.trouble, ""
        if trouble:
            self._notice(shown(trouble))
