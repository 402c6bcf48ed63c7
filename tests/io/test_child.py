"""A child process by its pidfd: started, watched, heard, signalled, collected."""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc import TransportError
from lazyipc._io import child as child_module
from lazyipc._io.child import (
    TAIL_BYTES,
    TAIL_LINES,
    UNKNOWN_STATUS,
    Child,
    start,
    status_in_words,
)
from tests.conftest import open_descriptors
from tests.harness import DEADLINE_SECONDS, own_children, run_script

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

ENV = dict(os.environ)


@pytest.fixture(autouse=True)
def no_child_left() -> Iterator[None]:
    """No test leaves a zombie, or a child that runs."""
    before = own_children()
    yield
    gc.collect()
    assert own_children() <= before


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> bytearray:
    """What is passed on to our stderr, instead of it."""
    passed = bytearray()
    monkeypatch.setattr(child_module, "_pass_on", passed.extend)
    return passed


def run_python(code: str, **options: Any) -> Child:
    return start([sys.executable, "-c", code], **{"env": ENV, **options})


def end(child: Child) -> int:
    """Read what it says until it has ended; its exit status."""
    poll = select.poll()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not child.collect():
        assert time.monotonic() < deadline
        for fd in (child.pidfd, child.stderr_fd):
            if fd >= 0:
                poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(1000):
            poll.unregister(fd)
            if fd == child.stderr_fd and not child.read_stderr():
                child.close_stderr()
    child.close()
    assert child.returncode is not None
    return child.returncode


# Its end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_its_exit_status_is_told(status: int) -> None:
    child = run_python(f"raise SystemExit({status})")
    assert end(child) == status
    assert status_in_words(status) == f"exited with status {status}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_the_signal_that_killed_it_is_told(number: signal.Signals) -> None:
    child = run_python(f"import os; os.kill(os.getpid(), {int(number)})")
    assert end(child) == -number
    assert status_in_words(-number) == f"was killed by {number.name}"


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert status_in_words(-(signal.SIGRTMIN + 3)) == f"was killed by signal {signal.SIGRTMIN + 3}"


def test_its_descriptor_is_readable_when_it_has_ended_and_not_before() -> None:
    child = run_python("import sys; sys.stdin.read(1)", pass_fds=())
    poll = select.poll()
    poll.register(child.pidfd, select.POLLIN)
    assert not poll.poll(0)
    assert not child.collect()
    assert child.returncode is None
    assert child.try_signal(signal.SIGTERM)
    assert poll.poll(DEADLINE_SECONDS * 1000)
    assert child.collect()
    assert child.collect()
    assert child.pidfd == -1
    assert child.returncode == -signal.SIGTERM
    assert child.try_signal(signal.SIGTERM)  # to nobody
    child.close()


def test_it_can_be_waited_for_without_a_loop() -> None:
    child = run_python("import signal; signal.pause()")
    assert not child.wait(0)
    assert not child.wait(0.001)
    child.try_signal(signal.SIGKILL)
    assert child.wait(DEADLINE_SECONDS)
    assert child.wait(0)
    child.close()
    assert child.returncode == -signal.SIGKILL


def test_a_status_that_somebody_else_took_is_not_made_up() -> None:
    child = run_python("raise SystemExit(3)")
    os.waitpid(child.pid, 0)
    assert end(child) == UNKNOWN_STATUS


def test_a_host_that_ignores_its_childrens_end_sees_it_all_the_same() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        child = run_python("import sys; sys.stdin.close(); sys.exit(3)")
        assert end(child) == UNKNOWN_STATUS
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_no_other_childs_status_is_taken() -> None:
    other = subprocess.Popen([sys.executable, "-c", "raise SystemExit(5)"])
    child = run_python("raise SystemExit(3)")
    assert end(child) == 3
    assert other.wait(DEADLINE_SECONDS) == 5


def test_a_child_that_may_not_be_signalled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, number: int) -> None:
        raise PermissionError

    child = run_python("import signal; signal.pause()")
    with monkeypatch.context() as patched:
        patched.setattr(signal, "pidfd_send_signal", refuse)
        assert not child.try_signal(signal.SIGTERM)
    assert child.try_signal(signal.SIGKILL)
    end(child)


# What it says -------------------------------------------------------------------------------------


def test_its_words_are_passed_on_and_the_last_are_kept(quiet: bytearray) -> None:
    child = run_python("import sys; print('a\\nb', file=sys.stderr)")
    assert end(child) == 0
    assert child.stderr_tail == "a\nb"
    assert quiet == b"a\nb\n"
    assert not child.read_stderr()
    assert child.stderr_fd == -1


def test_megabytes_are_passed_on_and_a_bounded_end_is_kept(quiet: bytearray) -> None:
    child = run_python(
        "import sys\n"
        "for n in range(200_000): sys.stderr.write(f'line {n}\\n')\n"
        "sys.stderr.write('x' * 100)\n"
    )
    assert end(child) == 0
    assert len(quiet) == sum(len(f"line {n}\n") for n in range(200_000)) + 100
    lines = child.stderr_tail.split("\n")
    assert len(lines) == TAIL_LINES
    assert lines[-2:] == ["line 199999", "x" * 100]


def test_one_endless_line_is_kept_in_part(quiet: bytearray) -> None:
    child = run_python("import sys; sys.stderr.write('x' * 1_000_000 + 'end')")
    assert end(child) == 0
    assert len(child.stderr_tail) == TAIL_BYTES
    assert child.stderr_tail.endswith("xend")


def test_what_is_no_text_is_kept_as_well_as_it_can_be(quiet: bytearray) -> None:
    child = run_python("import os; os.write(2, b'\\xff\\xc3\\xbc\\0')")
    assert end(child) == 0
    assert child.stderr_tail == "�ü\0"
    assert quiet == b"\xff\xc3\xbc\0"


def test_one_look_takes_a_bounded_piece(quiet: bytearray) -> None:
    child = run_python("import os\nwhile True: os.write(2, bytes(65536))")
    poll = select.poll()
    poll.register(child.stderr_fd, select.POLLIN)
    for _ in range(5):
        before = len(quiet)
        assert poll.poll(DEADLINE_SECONDS * 1000)
        assert child.read_stderr()
        assert len(quiet) - before <= child_module.READ_BYTES
    child.try_signal(signal.SIGKILL)
    end(child)


def test_nothing_to_read_is_no_end(quiet: bytearray) -> None:
    child = run_python("import signal; signal.pause()")
    assert child.read_stderr()
    assert child.stderr_fd >= 0
    child.try_signal(signal.SIGKILL)
    end(child)


def test_who_outlives_it_may_keep_its_stderr_open(quiet: bytearray) -> None:
    ours, theirs = socket.socketpair()
    code = (
        "import os, sys\n"
        f"fd = {theirs.fileno()}\n"
        "sys.stderr.write('child\\n')\n"
        "if os.fork() == 0:\n"
        "    os.read(fd, 1)\n"
        "    os.write(2, b'grandchild\\n')\n"
    )
    with ours, theirs:
        child = run_python(code, pass_fds=[theirs.fileno()])
        theirs.close()
        assert child.wait(DEADLINE_SECONDS)
        assert child.stderr_tail == "child"
        fd = child.stderr_fd
        assert fd >= 0
        ours.sendall(b"x")
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while child.read_stderr():
            assert poll.poll(DEADLINE_SECONDS * 1000)
        assert child.stderr_tail == "child\ngrandchild"
    child.close()


def test_who_outlives_it_and_never_stops_does_not_keep_us(quiet: bytearray) -> None:
    code = "import os\nif os.fork() == 0:\n    while True: os.write(2, bytes(4096))"
    child = run_python(code)
    assert child.wait(DEADLINE_SECONDS)
    child.close()  # which kills it: nobody reads what it writes


PASSING = """
import os, select, sys
from lazyipc._io.child import start
{before}
words = [sys.executable, "-c", "import os\\nfor _ in range(100): os.write(2, b'x' * 10_000)"]
child = start(words, env=dict(os.environ))
poll = select.poll()
poll.register(child.stderr_fd, select.POLLIN)
while child.read_stderr():
    poll.poll(10_000)
assert child.wait(10)
assert len(child.stderr_tail) == 8192, len(child.stderr_tail)
{after}
"""


def test_it_is_passed_on_to_our_own_stderr() -> None:
    done = run_script(PASSING.format(before="", after="print('well')"))
    assert done.stdout == "well\n"
    assert set(done.stderr) == {"x"}


STDERRS = {
    "a pipe that nobody reads": "r, w = os.pipe(); os.dup2(w, 2); os.close(w)",
    "a pipe that nobody can read": "r, w = os.pipe(); os.dup2(w, 2); os.close(w); os.close(r)",
    "nothing": "os.close(2)",
    "a full disk": "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)",
    "a file": "import tempfile; f = tempfile.TemporaryFile(); os.dup2(f.fileno(), 2); f.close()",
}


@pytest.mark.parametrize("kind", STDERRS)
def test_our_own_stderr_never_stops_us(kind: str) -> None:
    done = run_script(PASSING.format(before=STDERRS[kind], after="print('well')"))
    assert done.stdout == "well\n"


def test_a_host_without_a_stderr_writes_into_nobodys_file(folder: Path) -> None:
    program = folder / "program.py"
    program.write_text(
        PASSING.format(
            before=f"assert os.open({str(folder / 'data')!r}, os.O_RDWR | os.O_CREAT) == 2",
            after="assert not os.fstat(2).st_size; print('well')",
        )
    )
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "{sys.executable}" "{program}" 2>&-'],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**ENV, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "well\n"


# What it has --------------------------------------------------------------------------------------


def test_it_has_what_is_passed_and_no_other_descriptor(quiet: bytearray) -> None:
    one, other = socket.socketpair()
    os.set_inheritable(other.fileno(), True)  # as a careless library leaves it
    with one, other:
        look = "import os, sys; sys.stderr.write(' '.join(sorted(os.listdir('/proc/self/fd'))))"
        child = run_python(look, pass_fds=[one.fileno()])
        assert end(child) == 0
        assert not os.get_inheritable(one.fileno())
        own = {str(one.fileno()), "0", "1", "2"}
        listing = set(child.stderr_tail.split()) - own
        assert own <= set(child.stderr_tail.split())
        assert len(listing) == 1  # that of the listing itself
        assert str(other.fileno()) not in listing


def test_it_has_the_environment_and_the_directory_it_was_given(
    quiet: bytearray, folder: Path
) -> None:
    look = "import os, sys; sys.stderr.write(os.getcwd() + ' ' + os.environ['X'])"
    child = run_python(look, env={"X": "y"}, cwd=folder)
    assert end(child) == 0
    assert child.stderr_tail == f"{folder} y"


# What cannot be started ---------------------------------------------------------------------------


def script(folder: Path, text: str, mode: int) -> str:
    made = folder / "script"
    made.write_text(text)
    made.chmod(mode)
    return str(made)


NO_PROGRAMS: dict[str, tuple[Callable[[Path], str], int, str]] = {
    "missing": (lambda f: str(f / "no"), errno.ENOENT, "/no: cannot be started .No such file"),
    "missing in PATH": (lambda f: "no-such-program", errno.ENOENT, "is not there nor in PATH"),
    "its first line": (lambda f: script(f, "#!/no/such\n", 0o755), errno.ENOENT, "its first line"),
    "not executable": (lambda f: script(f, "x", 0o644), errno.EACCES, "Permission denied"),
    "no program": (lambda f: script(f, "x", 0o755), errno.ENOEXEC, "script begins with #!"),
    "a directory": (str, errno.EACCES, "Permission denied"),
    "under a file": (lambda f: script(f, "", 0o755) + "/x", errno.ENOTDIR, "Not a directory"),
}


@pytest.mark.parametrize("kind", NO_PROGRAMS)
def test_what_is_no_program_is_told_by_its_name(kind: str, folder: Path) -> None:
    make, number, told = NO_PROGRAMS[kind]
    name = make(folder)
    with pytest.raises(TransportError, match=told) as caught:
        start([name], env=ENV)
    assert caught.value.errno == number
    assert caught.value.path == name
    assert str(caught.value).startswith(f"{name}: cannot be started (")


def test_a_directory_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(TransportError, match=r"cannot be started in .*/no .No such.*see cwd="):
        run_python("", cwd=folder / "no")
    with pytest.raises(TransportError, match=r"cannot be started in .*/no .No such.*see cwd="):
        run_python("", cwd=f"{folder}/no")


def test_too_many_arguments_are_told() -> None:
    with pytest.raises(TransportError, match="Argument list too long") as caught:
        start(["/bin/true", "x" * 4_000_000], env=ENV)
    assert caught.value.errno == errno.E2BIG


@pytest.mark.parametrize("argv", ["ls -l", b"ls", Path("/bin/ls")])
def test_one_text_is_no_list_of_arguments(argv: Any) -> None:
    with pytest.raises(TypeError, match="argv must be a list"):
        start(argv, env=ENV)


def test_no_arguments_are_no_program() -> None:
    with pytest.raises(ValueError, match="argv is empty"):
        start([], env=ENV)


def test_arguments_may_be_paths_and_bytes(quiet: bytearray) -> None:
    code = "import sys; sys.stderr.write(repr(sys.argv))"
    child = start([Path(sys.executable), "-c", code, b"\xff", Path("p")], env=ENV)
    assert end(child) == 0
    assert child.stderr_tail == r"['-c', '\udcff', 'p']"
    assert child.name == sys.executable
    assert str(child) == f"{sys.executable} (pid {child.pid})"


NO_PIDFDS: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "an old kernel": lambda patch: patch.setattr(os, "pidfd_open", refusing(errno.ENOSYS)),
    "a filter": lambda patch: patch.setattr(os, "pidfd_open", refusing(errno.EPERM)),
    "an old libc": lambda patch: patch.delattr(os, "pidfd_open"),
}


def refusing(number: int, first: int = 0) -> Callable[[int], int]:
    """A `pidfd_open` that fails from this call on."""
    real, calls = os.pidfd_open, iter(range(100))

    def refuse(pid: int) -> int:
        if next(calls) < first:
            return real(pid)
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("kind", NO_PIDFDS)
def test_a_system_without_pidfds_is_told_before_there_is_a_child(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    NO_PIDFDS[kind](monkeypatch)
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **options: pytest.fail("started"))
    with pytest.raises(TransportError, match=r"pidfd_open fails .*it needs Linux 5\.4"):
        run_python("")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.ESRCH, errno.EPERM])
def test_a_child_that_cannot_be_watched_is_killed(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pidfd_open", refusing(number, first=1))
    with pytest.raises(TransportError) as caught:
        run_python("import signal; signal.pause()")
    assert caught.value.errno == number


def test_an_interrupt_while_it_starts_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.pidfd_open, iter(range(100))

    def interrupted(pid: int) -> int:
        if next(calls):
            raise KeyboardInterrupt
        return real(pid)

    monkeypatch.setattr(os, "pidfd_open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_python("import signal; signal.pause()")


def test_no_descriptor_left_for_a_pipe_leaves_nothing() -> None:
    """Whichever of the descriptors is the one too many."""
    code = """
import errno, os, resource, sys
from lazyipc import TransportError
from lazyipc._io.child import start
start([sys.executable, "-c", ""], env=dict(os.environ)).wait(10)
def count(): return len(os.listdir("/proc/self/fd"))
before, failed = count(), 0
for room in range(12):
    resource.setrlimit(resource.RLIMIT_NOFILE, (before - 1 + room, 4096))
    try:
        child = start([sys.executable, "-c", ""], env=dict(os.environ))
    except TransportError as error:
        assert error.errno == errno.EMFILE, error
        failed += 1
    else:
        assert child.wait(10)
        child.close()
        assert child.returncode == 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    assert count() == before, (room, count(), before)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("well", failed)
"""
    done = run_script(code)
    assert done.stdout.startswith("well ")
    assert int(done.stdout.split()[1]) >= 3


# Let go -------------------------------------------------------------------------------------------


def test_a_child_that_is_forgotten_while_it_runs_is_warned_of() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = run_python(f"import os; os.read({theirs.fileno()}, 1)", pass_fds=[theirs.fileno()])
        pid, before = child.pid, open_descriptors()
        with pytest.warns(ResourceWarning, match=f"subprocess {pid} is still running") as warned:
            del child  # the last reference
        assert len(warned) == 1
        assert len(open_descriptors()) == len(before) - 2
        ours.close()
        theirs.close()
    os.waitpid(pid, 0)
    subprocess._cleanup()  # type: ignore[attr-defined]


def test_a_forked_process_lets_go_of_it() -> None:
    child = run_python("import signal; signal.pause()")
    fds = (child.pidfd, child.stderr_fd)
    pid = os.fork()
    if pid == 0:
        os._exit(sum(os.path.exists(f"/proc/self/fd/{fd}") for fd in fds))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (child.pidfd, child.stderr_fd) == fds
    child.try_signal(signal.SIGKILL)
    end(child)


def test_closing_twice_is_fine() -> None:
    child = run_python("")
    assert child.wait(DEADLINE_SECONDS)
    child.close()
    child.close()
    assert not child.read_stderr()
    assert child.returncode == 0
