"""The command within this process: quicker than one of its own, for what needs no terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from lazyipc.cli import main
from tests.cli.home import Home


class Done(NamedTuple):
    """What a run of the command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, which is one line of JSON."""
        (line,) = self.out.splitlines()
        return json.loads(line)


class Inside:
    """Runs the command as the user whose home it is."""

    def __init__(
        self, home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.home = home
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("HOME", str(home.path))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.path))
        monkeypatch.setenv("TERM", "xterm-256color")
        for name in ("NO_COLOR", "FORCE_COLOR", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            monkeypatch.delenv(name, raising=False)

    def run(self, *words: str) -> Done:
        """Run it with its output piped."""
        self._capsys.readouterr()
        code = main(arguments=words, prog="lazyipc")
        return Done(code, *self._capsys.readouterr())

    def shown(self, *words: str, code: int = 0, columns: int = 100) -> str:
        """What a terminal without colours would be given, its lines without blanks at their end."""
        with self._monkeypatch.context() as patch:
            for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": columns}.items():
                patch.setenv(name, str(value))
            done = self.run(*words)
        assert done.code == code, done
        assert all(c.isprintable() or c == "\n" for c in done.out), ascii(done.out)
        return "\n".join(line.rstrip() for line in done.out.splitlines())


def a_home(*names: str, options: tuple[str, ...] = ()) -> Iterator[Home]:
    """A home in which servers of these names run."""
    with Home() as home:
        for name in names:
            home.host(name, *options)
        yield home
