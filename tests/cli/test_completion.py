"""What a shell offers: the answers to its script, and the script in a real bash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.simple.commands import ClientCommand
from lazyipc.cli import main
from lazyipc.cli._completion import ASKED_SECONDS, SCRIPTS, answer, script_of
from lazyipc.cli._failure import Misuse
from lazyipc.cli._program import COMMANDS
from tests.cli.running import environment, host, lazyipc
from tests.harness import give_up

Offered = Callable[..., list[str]]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lazyipc-") as folder:
        (Path(folder) / "lazyipc").mkdir(mode=0o700)
        yield Path(folder)


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[str]:
    path = str(home / "lazyipc" / "train.sock")
    with host(path):
        yield path


@pytest.fixture
def offered(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Offered:
    """What is offered behind words, to fish unless another shell is named."""
    for name in ("HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def ask(*words: str, shell: str = "bash") -> list[str]:
        assert answer([shell, *words]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return ask


def test_sub_commands(offered: Offered) -> None:
    assert offered("") == [*COMMANDS]
    assert offered("s") == ["shell", "status", "stats", "schema"]
    assert offered("--json", "ca") == ["call"]
    assert offered("--") == ["--json", "--version", "--help"]
    assert offered("nothing", "") == []
    assert offered("completion", "") == [*SCRIPTS]
    assert offered("completion", "bash", "") == []


def test_a_host_that_stands_still_is_not_waited_for(home: Path) -> None:
    path = home / "still.sock"
    with host(path) as process:
        os.kill(process.pid, signal.SIGSTOP)
        try:
            done = lazyipc("completion", "--words", "bash", "call", path, "", env=environment(home))
        finally:
            os.kill(process.pid, signal.SIGCONT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ASKED_SECONDS == 0.5  # as the manual page says


@pytest.mark.parametrize(
    "name", ["call", "describe", "shell", "status", "stats", "watch", "schema"]
)
def test_the_servers_that_run(offered: Offered, served: str, name: str) -> None:
    assert offered(name, "") == ["train"]
    assert offered(name, "x") == []
    assert offered(name, "./") == []  # the shell completes files


def test_commands_fields_and_values_of_the_running_server(offered: Offered, served: str) -> None:
    for name in ("train", served):
        assert offered("call", name, "set") == ["set-rate", "set-level"]
        assert offered("describe", name, "set") == ["set-rate", "set-level"]
    level = ("call", "train", "set-level")
    assert offered(*level, "--l") == ["--level"]
    assert offered(*level, "--level", "") == ["LOW", "MEDIUM", "HIGH"]
    assert offered(*level, "--level", "me") == ["MEDIUM"]
    assert offered(*level, "--level=m", shell="fish") == ["--level=MEDIUM"]
    assert offered(*level, "--level", "=", "m") == ["MEDIUM"]  # as bash breaks words
    assert offered(*level, "'LO") == ["LOW"]
    assert "--wire" in offered(*level, "--")
    assert offered(*level, "--wire", "f") == ["framed"]
    assert offered(*level, "--timeout", "3", "--level", "L") == ["LOW"]
    assert offered(*level, "--timeout=3", "low", "t") == ["true"]
    assert offered("call", "--wire", "b") == ["bare"]
    assert offered("explain", "file", "--of", "") == offered("status", "")
    assert offered("call", "--timeout", "") == []
    assert offered("call", "--t") == ["--timeout"]
    assert offered("call", "train", "move", "--point.") == ["--point.x", "--point.y"]
    assert offered("call", "train", "nothing", "") == []


def test_options_of_the_other_sub_commands(offered: Offered) -> None:
    assert {"--json", "--help"} <= {*offered("describe", "--")}


def test_each_shell_has_its_form(offered: Offered, served: str) -> None:
    words = ("call", "train", "set-r")
    assert offered(*words, shell="bash") == ["set-rate"]
    assert offered(*words, shell="fish") == ["set-rate\tChange the learning rate."]
    assert offered(*words, shell="zsh") == ["set-rate:Change the learning rate."]
    assert offered("call", "train", "scare", shell="zsh")[0] == (r"scare:Say \x1b[31mboo\x1b[0m.")


def test_a_server_that_is_gone_or_strange_offers_nothing(
    offered: Offered, tmp_path: Path, path: str
) -> None:
    assert offered("call", str(tmp_path / "nothing"), "") == []
    assert offered("call", "a/b\0", "") == []
    assert offered("call", "-x", "") == []


def test_names_that_a_shell_would_act_upon_are_not_offered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lazyipc.cli._shell.completion import Candidate

    names = ["fine", "$(reboot)", "a b", "x\x1b[2J", "a;b", "`c`", "é"]
    assert answer(["bash", ""], lambda words, typed: map(Candidate, names)) == 0
    assert capsys.readouterr().out.splitlines() == ["fine", "é"]


def test_an_application_s_own_program(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def ask(*words: str) -> list[str]:
        arguments = ["completion", "--words", "bash", *words]
        assert main(ClientCommand, tmp_path / "s", arguments=arguments, prog="demo") == 0
        return capsys.readouterr().out.splitlines()

    assert ask("p") == ["print", "push"]
    assert ask("sta") == ["status", "stats"]
    assert ask("add", "--") == ["--a", "--b", "--timeout", "--help"]
    assert ask("--") == ["--timeout", "--json", "--help"]
    arguments = ["completion", "bash"]
    assert main(ClientCommand, tmp_path / "s", arguments=arguments, prog="demo") == 0
    assert capsys.readouterr().out == script_of("bash", "demo")
    assert main(ClientCommand, tmp_path / "s", arguments=["completion"], prog="demo") == 2
    assert "One of bash, zsh, fish is wanted." in capsys.readouterr().err
    assert main(ClientCommand, tmp_path / "s", arguments=arguments, prog="python -m demo") == 2
    assert "completes a program by its name" in capsys.readouterr().err


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_of_each_shell(shell: str) -> None:
    script = script_of(shell, "my-app.py")
    assert "FUNCTION" not in script
    assert "PROGRAM" not in script
    assert f"completion --words {shell} " in script
    with pytest.raises(Misuse):
        script_of(shell, "a;b")
    program = shutil.which(shell)
    if program is not None:  # bash is there; of the others the syntax is looked at where they are
        done = subprocess.run([program, "-n"], input=script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_command_prints_it() -> None:
    done = lazyipc("completion", "bash")
    assert (done.returncode, done.stdout) == (0, script_of("bash", "lazyipc"))
    assert lazyipc("completion", "tcsh").returncode == 2
    assert "bash-completion/completions/lazyipc\n" in lazyipc("completion", "--help").stdout


def test_bash_completes(home: Path, served: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        give_up("bash is not installed")
    program = tmp_path / "lazyipc"
    program.write_text(
        '#!/bin/sh\nexec "$PYTHON" -c \'import sys\n'
        'from lazyipc.cli import script; sys.exit(script())\' "$@"\n'
    )
    program.chmod(0o755)
    (tmp_path / "script").write_text(script_of("bash", "lazyipc"))
    asks = """
    source "$1/script"
    ask() {
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _lazyipc_complete 2>/dev/null
        echo "${COMPREPLY[*]}"
    }
    ask lazyipc st
    ask "$1/lazyipc" call tr
    ask lazyipc call train set-level --level = lo
    ask lazyipc call train nothing ""
    complete -p lazyipc
    """
    env = environment(home, PYTHON=sys.executable, PATH=f"{tmp_path}:{os.environ['PATH']}")
    done = subprocess.run(
        [bash, "--norc", "-c", asks, "bash", str(tmp_path)],
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "status stats",
        "train",
        "LOW",
        "",
        "complete -o default -o nosort -F _lazyipc_complete lazyipc",
    ], done.stderr
