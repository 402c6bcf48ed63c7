"""IpcServer and the process around it: forks, exits, interrupts, users, a lack of descriptors."""

from __future__ import annotations

import functools
import gc
import os
import re
import resource
import selectors
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from examples.simple.commands import ClientCommand, Push, Pushed
from lazyipc import (
    IpcError,
    IpcServer,
    Limits,
    LocalProtocolError,
    RemoteError,
    SocketInUse,
    SocketRefused,
    Wire,
    client_send,
)
from tests.conftest import PATIENT, Connect, Serve, open_descriptors
from tests.harness import (
    NOBODY,
    Big,
    Do,
    Echo,
    Host,
    Interrupter,
    Job,
    Line,
    RawClient,
    answer,
    bare_request,
    become_nobody,
    forked,
    is_well,
    need_root,
    poll,
    program,
    python,
    request,
    run_script,
    told_by_child,
    traced,
    until,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


# Owners -------------------------------------------------------------------------------------------


def test_a_second_server_at_the_path_is_refused(serve: Serve) -> None:
    server, host = serve(), Host()
    for _ in range(3):
        with pytest.raises(SocketInUse) as caught:
            serve()
        assert caught.value.pid == os.getpid()
    assert is_well(server, host)


@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_foreign_path_is_refused_and_left(serve: Serve, path: str, what: str) -> None:
    if what == "file":
        Path(path).write_text("precious")
    else:
        os.mkdir(path)
    inode = os.lstat(path).st_ino
    with pytest.raises(SocketRefused):
        serve()
    assert os.lstat(path).st_ino == inode
    if what == "file":
        assert Path(path).read_text() == "precious"


def test_a_killed_hosts_path_serves_again(serve: Serve, path: str) -> None:
    def host(line: Line) -> None:
        server = IpcServer(path, Job)
        line.say(server.path)
        line.hear()

    with forked(host) as child:
        assert child.hear() == path
        with pytest.raises(SocketInUse) as caught:
            serve()
        assert caught.value.pid == child.pid
        child.kill(signal.SIGKILL)
        child.finish()
    assert os.path.lexists(path)
    assert is_well(serve(), Host())


def test_a_family_that_cannot_travel_leaves_nothing_behind(serve: Serve, folder: Path) -> None:
    class Wrong:
        pass

    with pytest.raises(TypeError):
        serve(Wrong)
    assert os.listdir(folder) == []


# Garbage collection and exits ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_forgotten_server_lets_go_when_collected(path: str, client: Connect) -> None:
    before = open_descriptors()
    server = IpcServer(path, Job)
    asking = client()
    answer(server, Host(), asking, Echo(text="hello"))
    asking.close()
    gone = weakref.ref(server)
    del server
    gc.collect()
    assert gone() is None
    assert not os.path.lexists(path)
    assert open_descriptors() == before
    IpcServer(path, Job).close()


EXITING = """
import os, sys
from tests.harness import Host, Job
from lazyipc import IpcServer
server = IpcServer(sys.argv[1], Job)
assert os.path.exists(sys.argv[1])
{}
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [("", 0), ("sys.exit(3)", 3), ("raise ValueError", 1), ("raise KeyboardInterrupt", -2)],
    ids=["end", "exit", "error", "^C"],
)
def test_an_exit_removes_the_socket(path: str, end: str, status: int) -> None:
    done = run_script(EXITING.format(end), path, check=False)
    assert done.returncode in (status, status % 256, 130), done.stderr
    assert bool(done.stderr) == (status not in (0, 3)), done.stderr
    assert "ignored" not in done.stderr, "something failed at the very end"
    assert not os.path.lexists(path)
    assert os.path.lexists(path + ".lock")


def test_a_hard_exit_leaves_a_socket_that_is_replaced(serve: Serve, path: str) -> None:
    assert run_script(EXITING.format("os._exit(7)"), path, check=False).returncode == 7
    assert os.path.lexists(path)
    assert is_well(serve(), Host())


def test_what_another_put_at_the_path_is_left_by_close(serve: Serve, path: str) -> None:
    server = serve()
    os.unlink(path)
    Path(path).write_text("precious")
    server.close()
    assert Path(path).read_text() == "precious"


def test_another_folder_later_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with IpcServer("s", Job) as server:
        monkeypatch.chdir("/")
        assert server.path == str(folder / "s")
        assert is_well(server, Host())
    assert not os.path.lexists(folder / "s")


def test_a_path_object_is_a_path(folder: Path) -> None:
    with IpcServer(folder / "s", Job) as server:
        assert server.path == str(folder / "s")


ENDING = """
import signal, sys
from lazyipc import Command, IpcServer
class Job(Command[list[str]]):
    pass
class Echo(Job):
    text: str
    def process(self, context: list[str]) -> str:
        return self.text
class Big(Job):
    size: int
    def process(self, context: list[str]) -> str:
        return "x" * self.size
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(3))
def host(server):
    print("ready", flush=True)
    while True:
        server.wait(0.005)
        server.handle_new_messages([], max_messages=60)
server = IpcServer(sys.argv[1], Job)
if sys.argv[2] == "in a block":
    with server:
        host(server)
host(server)
"""

EXIT_SECONDS = 1.0
"""Ten times what it may be: a busy machine takes its time to give a process its turn. `make soak`
holds it to the promise."""


def busy_clients(path: str, stack: ExitStack) -> list[RawClient]:
    """A hundred: with commands left over, within a message, owed replies, and idle."""
    made = [stack.enter_context(RawClient(path)) for _ in range(100)]
    for queued, half, deaf, idle in zip(*(made[n::4] for n in range(4)), strict=True):
        queued.ask(*(Echo(text="queued") for _ in range(500)))
        half.send(request(Echo(text="never whole"))[:30])
        deaf.ask(*(Big(size=500_000) for _ in range(5)))
        idle.ask(Echo(text="hello"))
    until(lambda: all(one.has_result(1) for one in made[3::4]))
    return made


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["exit", "^C"])
@pytest.mark.parametrize("how", ["in a block", "at the end"])
def test_an_exit_is_quick_and_whole_with_a_hundred_busy_clients(
    path: str, how: str, number: signal.Signals
) -> None:
    with program(*python(ENDING, path, how)) as host, ExitStack() as stack:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        made = busy_clients(path, stack)
        began = time.monotonic()
        host.send_signal(number)
        os.waitid(os.P_PID, host.pid, os.WEXITED | os.WNOWAIT)  # `wait` looks ever more seldom
        took = time.monotonic() - began
        status = host.wait()
        assert host.stderr is not None
        assert "ignored" not in host.stderr.read(), "something failed at the very end"
        assert status in ((3,) if number == signal.SIGTERM else (-2, 130))
        assert not os.path.lexists(path)
        assert all(one.has_ended() for one in made)
    assert took < EXIT_SECONDS, f"it took {took:.3f} s"


# Forks --------------------------------------------------------------------------------------------


@pytest.mark.every_selector
def test_a_forked_child_lets_go_and_the_parent_goes_on(serve: Serve, path: str) -> None:
    server, host = serve(), Host()

    def child(line: Line) -> None:
        for use in (lambda: server.handle_new_messages(host), lambda: server.wait(0)):
            with pytest.raises(LocalProtocolError, match="stays with the parent"):
                use()
        server.close()
        line.say("let go")
        line.hear()

    with RawClient(path) as asking:
        answer(server, host, asking, Echo(text="before"))
        with forked(child) as process:
            assert process.hear() == "let go"
            assert answer(server, host, asking, Echo(text="during")) == "during"
            process.say("end")
            assert process.finish() == 0
        assert answer(server, host, asking, Echo(text="after")) == "after"
    assert os.path.lexists(path)
    assert is_well(server, host)


@pytest.mark.every_selector
def test_a_forked_child_keeps_no_descriptor_of_the_server(serve: Serve, path: str) -> None:
    before = set(open_descriptors())
    server, host = serve(), Host()
    asking = RawClient(path)
    answer(server, host, asking, Echo(text="hello"))
    asking.close()
    with RawClient(path) as other:
        answer(server, host, other, Echo(text="hello"))
        ours = {other.socket.fileno()}

        def left() -> str:
            now = open_descriptors()
            # What the test's own line to its child takes is no matter here.
            own = {fd for fd, what in now.items() if what.startswith(("socket", "pipe", "/proc"))}
            return str(sorted(set(now) - before - ours - own))

        assert told_by_child(left) == "[]"


@pytest.mark.every_selector
def test_a_forked_child_that_ends_hangs_up_nobody(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    with RawClient(path) as asking:
        answer(server, host, asking, Echo(text="before"))
        assert told_by_child(lambda: "ended") == "ended"
        assert answer(server, host, asking, Echo(text="after")) == "after"
        server.close()
        assert asking.has_ended()


@pytest.mark.every_selector
def test_a_server_that_ends_while_a_child_lives_is_seen_to_end(serve: Serve, path: str) -> None:
    """A child that held a copy of a client's socket would keep that client waiting."""
    server, host = serve(), Host()
    with RawClient(path) as asking:
        answer(server, host, asking, Echo(text="before"))
        with forked(lambda line: (line.say("alive"), line.hear())) as child:
            child.hear()
            server.close()
            assert asking.has_ended()
            serve().close()


def test_a_child_may_serve_at_another_path(serve: Serve, path: str) -> None:
    server = serve()

    def child() -> str:
        with IpcServer(path + "2", Job) as own:
            return str(is_well(own, Host()))

    assert told_by_child(child) == "True"
    assert is_well(server, Host())


def test_a_child_is_told_that_the_parent_owns_the_path(serve: Serve, path: str) -> None:
    server, parent = serve(), os.getpid()

    def child() -> str:
        try:
            IpcServer(path, Job)
        except SocketInUse as error:
            return str(error.pid)
        return "owned"

    assert told_by_child(child) == str(parent)
    assert is_well(server, Host())


@pytest.mark.every_selector
def test_a_fork_inside_process_answers_once(serve: Serve, client: Connect) -> None:
    server, asking = serve(), client()
    parent = os.getpid()
    children: list[int] = []

    def fork() -> int:
        pid = os.fork()
        children.append(pid)
        return 7

    host = Host(fork=fork)
    call = asking.ask(Do(name="fork"), Echo(text="next"))
    try:
        server.handle_new_messages(host)
        if os.getpid() != parent:
            with pytest.raises(LocalProtocolError):
                server.handle_new_messages(host)
            server.close()
    except BaseException:
        if os.getpid() != parent:
            os._exit(1)
        raise
    if os.getpid() != parent:
        os._exit(0 if host.ran == ["fork"] else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    poll(server, host, lambda: asking.has_result(call))
    assert asking.results == {1: 7, 2: "next"}
    assert is_well(server, host)


@pytest.mark.every_selector
def test_a_started_program_inherits_nothing(serve: Serve, path: str) -> None:
    server, host = serve(), Host()
    inheritable = {fd for fd in open_descriptors() if fd > 2 and os.get_inheritable(fd)}
    with RawClient(path) as asking:
        answer(server, host, asking, Echo(text="hello"))
        now = {fd for fd in open_descriptors() if fd > 2 and os.get_inheritable(fd)}
        assert now == inheritable
        done = subprocess.run(
            python("import os; print(*os.listdir('/proc/self/fd'))"),
            close_fds=False,
            capture_output=True,
            text=True,
            check=True,
        )
        # Its own: three streams, and the one that lists.
        assert len(done.stdout.split()) <= 4 + len(inheritable)


# Interrupts ---------------------------------------------------------------------------------------


STUCK_SECONDS = 0.5
"""What is not done after so many polls never will be."""


class Scene:
    """A server with two kept clients that have asked, a new one, a bare one, and one that left."""

    def __init__(self, path: str, selector: Any = None) -> None:
        self.host = Host()
        self.server: IpcServer[Any] = IpcServer(path, Job, limits=PATIENT, selector=selector)
        self.kept = [RawClient(path), RawClient(path)]
        for one in self.kept:
            one.ask(Echo(text="hello"))
        leaving = RawClient(path)
        leaving.ask(Echo(text="hello"))
        self.server.handle_new_messages(self.host)
        leaving.ask(Echo(text="for nobody"))
        leaving.close()
        self.host.ran.clear()
        self.new = RawClient(path)
        self.everybody = [*self.kept, self.new]
        self.asked: dict[RawClient, dict[int, str]] = {}
        for number, one in enumerate(self.everybody):
            one.pump()
            one.results.clear()
            texts = [f"{number}.{m}" for m in range(3)]
            last = one.ask(*(Echo(text=text) for text in texts))
            self.asked[one] = dict(zip(range(last - 2, last + 1), texts, strict=True))

    def is_settled(self) -> bool:
        """Whether everybody has all answers, or was hung up on."""
        return all(
            one.has_ended() or one.results.keys() == self.asked[one].keys()
            for one in self.everybody
        )

    def check(self) -> None:
        """Nothing crossed, ran twice, ran for nobody, or hangs; the server is as good as new."""
        self.poll(self.is_settled, "a client gets neither its answers nor an end")
        for one in self.everybody:
            for call, result in one.results.items():
                told = result.kind if isinstance(result, RemoteError) else result
                assert told in (self.asked[one][call], "KeyboardInterrupt"), "crossed answers"
        assert len(self.host.ran) == len(set(self.host.ran)), "a command ran twice"
        assert "for nobody" not in self.host.ran
        left = [one for one in self.everybody if not one.is_closed]
        for one in left:
            text = f"again {id(one)}"
            assert answer(self.server, self.host, one, Echo(text=text), STUCK_SECONDS) == text
        assert is_well(self.server, self.host), "a new client is not served"
        self.poll(lambda: not self.server.wait(0), "there is for ever something to do")
        assert os.path.lexists(self.server.path)
        assert len(self.server.clients) == len(left)
        for one in left:
            one.close()
        self.poll(lambda: not self.server.clients, "who left is not let go")

    def poll(self, condition: Callable[[], bool], what: str) -> None:
        poll(self.server, self.host, condition, STUCK_SECONDS, what)

    def end(self) -> None:
        self.server.close()
        for one in self.everybody:
            one.close()


def scenes(
    path: str, step: int = 1, selector: Callable[[], Any] = lambda: None
) -> Iterator[tuple[Scene, Interrupter]]:
    """The same scene, interrupted at each place in turn, until one is not reached."""
    for at in range(0, 100_000, step):
        scene, interrupter = Scene(f"{path}{at}", selector()), Interrupter(at)
        try:
            yield scene, interrupter
        finally:
            scene.end()
        if not interrupter.has_struck:
            assert at > 20, "the scene is over before it began"
            return


def interrupted(interrupter: Interrupter, step: Callable[[], object]) -> None:
    """Take a step under an interrupter."""
    try:
        with interrupter:
            step()
    except KeyboardInterrupt:
        assert interrupter.has_struck


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize(
    ("selector", "step"),
    [(lambda: None, 1), (selectors.SelectSelector, 3)],
    ids=["epoll itself", "SelectSelector"],
)
def test_an_interrupt_anywhere_in_a_poll_leaves_the_server_whole(
    path: str, selector: Callable[[], Any], step: int
) -> None:
    broken: dict[str, str] = {}
    for scene, interrupter in scenes(path, step, selector):
        interrupted(interrupter, lambda s=scene: s.server.handle_new_messages(s.host))  # type: ignore[misc]
        try:
            scene.check()
        except (Exception, KeyboardInterrupt) as error:
            broken.setdefault(interrupter.place, f"{type(error).__name__}: {error}"[:200])
        assert not broken.pop("", ""), "it is broken without any interrupt"
    assert not broken, "\n".join(f"{place}: {what}" for place, what in broken.items())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_interrupt_anywhere_within_a_budget_leaves_the_server_whole(path: str) -> None:
    """The same where commands are left over, so that the wake-up is armed and disarmed."""
    broken: dict[str, str] = {}
    for scene, interrupter in scenes(path, step=2):

        def step(scene: Scene = scene) -> None:
            scene.server.handle_new_messages(scene.host, max_messages=2)
            while scene.server.wait(0):
                scene.server.handle_new_messages(scene.host, max_messages=4)

        interrupted(interrupter, step)
        try:
            scene.check()
        except (Exception, KeyboardInterrupt) as error:
            broken.setdefault(interrupter.place, f"{type(error).__name__}: {error}"[:200])
        assert not broken.pop("", ""), "it is broken without any interrupt"
    assert not broken, "\n".join(f"{place}: {what}" for place, what in broken.items())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_interrupt_anywhere_in_close_can_be_closed_again(path: str) -> None:
    broken: dict[str, str] = {}
    for scene, interrupter in scenes(path):
        interrupted(interrupter, scene.server.close)
        scene.server.close()
        still = os.path.lexists(scene.server.path)
        if still or not all(one.has_ended() for one in scene.kept):
            broken[interrupter.place] = "the second close did not finish what the first began"
    assert not broken, "\n".join(f"{place}: {what}" for place, what in broken.items())


HOST = """
import contextlib, signal, sys
from tests.harness import Host, Job
from lazyipc import IpcServer
quiet = contextlib.suppress
host, interrupts, left, is_over = Host(), 0, 0, False

def end(number, frame):
    global is_over
    is_over = True

def interrupt(number, frame):
    global interrupts, left
    if left:
        left -= 1
        interrupts += 1
        signal.setitimer(signal.ITIMER_REAL, 0.00004, 0.0003)  # while the first is dealt with
        raise KeyboardInterrupt

with IpcServer(sys.argv[1], Job) as server:
    signal.signal(signal.SIGUSR1, end)
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    print("ready", flush=True)
    while not is_over:
        server.wait(0.05)
        with quiet(KeyboardInterrupt):
            with quiet(KeyboardInterrupt):
                with quiet(KeyboardInterrupt):
                    left = 3
                    server.handle_new_messages(host)
                    left = 0
                left = 0
            left = 0
        left = 0
    signal.setitimer(signal.ITIMER_REAL, 0)
print(interrupts, len(host.ran), len(set(host.ran)), flush=True)
"""

FIRES = 300


def ask_under_fire(path: str, number: int) -> RawClient:
    """A client that asked, and then got everything or was hung up on."""
    with RawClient(path) as asking:
        texts = [f"{number}.{turn}" for turn in range(20)]
        asking.try_send(asking.prepare(*(Echo(text=text) for text in texts)))
        stuck = "a client gets neither its answers nor an end"
        until(lambda: asking.has_ended() or asking.has_result(len(texts)), what=stuck)
    told = {result for result in asking.results.values() if isinstance(result, str)}
    assert told <= set(texts), "crossed answers"
    return asking


def test_a_host_under_fire_serves_on(path: str) -> None:
    """Real signals, at whatever moments of a poll they fall, while clients call."""
    with program(*python(HOST, path)) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        asked = [ask_under_fire(path, number) for number in range(FIRES)]
        host.send_signal(signal.SIGUSR1)
        interrupts, ran, different = map(int, host.stdout.readline().split())
        assert host.wait(10) == 0
    assert interrupts > 0
    assert sum(one.is_closed for one in asked) <= interrupts
    assert sum(not one.is_closed for one in asked) > 0
    assert ran == different, "a command ran twice"
    assert not os.path.lexists(path)


# No descriptors left ------------------------------------------------------------------------------

# What the kernel sees -----------------------------------------------------------------------------

IDLE = """
import os, selectors, sys
from tests.harness import SELECTORS, Echo, Host, Job, RawClient, answer
from lazyipc import IpcServer
polls = int(sys.argv[2])
for name in ("epoll itself", "SelectSelector", "PollSelector", "EpollSelector"):
    server, host = IpcServer(f"{sys.argv[1]}.{name}", Job, selector=SELECTORS[name]()), Host()
    clients = [RawClient(server.path) for _ in range(10)]
    for one in clients[:5]:
        answer(server, host, one, Echo(text="hello"))
    for _ in range(300):
        server.handle_new_messages(host)
    os.getppid()
    for _ in range(polls):
        server.handle_new_messages(host)
    os.getppid()
"""

IDLE_POLLS = 640
WAITS = [{"epoll_wait", "epoll_pwait"}, {"select", "pselect6"}, {"poll", "ppoll"}]


def test_an_idle_poll_is_one_system_call_and_now_and_then_a_stamp(path: str, folder: Path) -> None:
    """Beside idle clients, over epoll itself and over selectors; the stamp is the status page's."""
    calls = traced(folder / "trace", "all", IDLE, path, str(IDLE_POLLS))
    names = [call.split("(")[0] for call in calls]
    marks = [at for at, name in enumerate(names) if name == "getppid"]
    assert len(marks) == 8
    for waits, begin, end in zip([*WAITS, WAITS[0]], marks[::2], marks[1::2], strict=True):
        within = names[begin + 1 : end]
        stamps = within.count("pwrite64")
        assert stamps <= IDLE_POLLS // 16
        assert sum(name in waits for name in within) == IDLE_POLLS
        assert len(within) == IDLE_POLLS + stamps, set(within)


BORN = """
import os, sys
os.umask(0)
from lazyipc import Command, IpcServer
class Ask(Command[None]):
    def process(self, context: None) -> None: ...
for _ in range(2):
    with IpcServer(sys.argv[1], Ask) as server:
        server.handle_new_messages(None)
"""


def test_what_a_server_makes_has_mode_0600_from_its_first_instant(path: str, folder: Path) -> None:
    """The kernel's own account of all that makes a file or changes a mode, under umask 0."""
    making = "/^(openat|creat|mknod|mkdir|symlink|link|rename|bind|umask)|chmod"
    done = [call for call in traced(folder / "trace", making, BORN, path) if ") = -1 " not in call]
    for call in done:
        if str(folder) in call:
            assert call.startswith(("openat(", "bind(")), "nothing else makes anything"
            assert "O_CREAT" not in call or ", 0600) = " in call
    changes = [call for call in done if call.startswith(("bind(", "umask(")) or "chmod" in call]
    umask, *changes = changes
    assert umask.startswith("umask(")
    assert len(changes) == 4
    for narrowed, bound in zip(changes[::2], changes[1::2], strict=True):
        opening = re.fullmatch(r"fchmod\((\d+), 0600\) = 0", narrowed)
        assert opening is not None
        assert bound.startswith(f"bind({opening[1]}, ")
        assert bound.endswith(" = 0")


# Other users --------------------------------------------------------------------------------------


@pytest.fixture
def shared(folder: Path) -> Path:
    """The folder, open to all users of the machine."""
    need_root()
    folder.chmod(0o777)
    return folder


def sent_by_nobody(path: str, uid: int = NOBODY, **settings: Any) -> str:
    """What another user's client is told; for a child."""
    become_nobody(uid)
    try:
        return str(client_send(Push(x=1), path, timeout=5, **settings))
    except IpcError as error:
        return f"{type(error).__name__}: {error}"


def serving_child(path: str, work: Callable[[], str], server: IpcServer[Any]) -> str:
    """What a child tells that needs the server polled meanwhile."""
    with forked(lambda line: line.say(work())) as child:
        ended: list[int] = []

        def has_ended() -> bool:
            if not ended and os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                ended.append(child.finish())
            return bool(ended)

        poll(server, [], has_ended)
        assert ended == [0]
        return child.hear()


def test_the_kernel_refuses_another_user(shared: Path, serve: Serve, path: str) -> None:
    server = serve(ClientCommand)
    told = serving_child(path, lambda: sent_by_nobody(path, server_uids=[0]), server)
    assert told.startswith("SocketRefused: ")
    assert "permission denied" in told
    assert server.stats.accepted == server.stats.refused == 0


def connected_by_nobody(path: str) -> str:
    """What the kernel tells another user that connects; for a child."""
    become_nobody()
    with socket.socket(socket.AF_UNIX) as knocking:
        try:
            knocking.connect(path)
        except PermissionError as error:
            return f"refused: {error.strerror}"
    return "connected"


def test_the_kernel_needs_no_help_of_ours_to_refuse(shared: Path, serve: Serve, path: str) -> None:
    """No client of ours is in the way; and it is the mode that refuses, nothing about the path."""
    server = serve(ClientCommand)
    told = serving_child(path, lambda: connected_by_nobody(path), server)
    assert told == "refused: Permission denied"
    os.chmod(path, 0o666)
    assert serving_child(path, lambda: connected_by_nobody(path), server) == "connected"
    poll(server, [], lambda: server.stats.refused == 1)  # it may still be in the kernel's queue


def test_the_server_refuses_another_user(
    shared: Path, serve: Serve, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(ClientCommand)
    os.chmod(path, 0o666)
    told = serving_child(path, lambda: sent_by_nobody(path, server_uids=[0]), server)
    assert told.startswith("Disconnected: ")
    assert server.stats.refused == 1
    assert server.stats.accepted == server.stats.commands == 0
    assert server.stats.received_bytes == server.stats.sent_bytes == 0
    assert server.clients == ()
    (record,) = caplog.records
    assert f"refused a client of uid {NOBODY}" in record.getMessage()


def test_the_client_refuses_another_users_server(shared: Path, serve: Serve, path: str) -> None:
    server = serve(ClientCommand)
    os.chmod(path, 0o666)
    told = serving_child(path, lambda: sent_by_nobody(path, server_uids=[NOBODY]), server)
    assert told.startswith("SocketRefused: ")
    assert f"runs as uid 0, not as {NOBODY}" in told
    assert "server_uids=" in told
    assert server.stats.received_bytes == 0


def serve_as_nobody(path: str) -> Callable[[Line], None]:
    """A child's work: be another user's server until told to end."""

    def work(line: Line) -> None:
        become_nobody()
        stack: list[int] = []
        with IpcServer(path, ClientCommand) as server:
            line.say("ready")
            stop = threading.Event()
            threading.Thread(target=lambda: (line.hear(), stop.set()), daemon=True).start()
            while not stop.is_set():
                server.wait(0.02)
                server.handle_new_messages(stack)

    return work


def test_root_is_served_by_anybody_and_asks_only_whom_it_names(shared: Path, path: str) -> None:
    with forked(serve_as_nobody(path)) as child:
        assert child.hear() == "ready"
        with pytest.raises(SocketRefused, match=f"runs as uid {NOBODY}, not as 0"):
            client_send(Push(x=1), path)
        assert client_send(Push(x=1), path, server_uids=[NOBODY]) == Pushed(x=1)
        child.say("end")
        assert child.finish() == 0


def test_ones_own_user_is_served_without_being_root(shared: Path, path: str) -> None:
    with forked(serve_as_nobody(path)) as child:
        child.hear()
        assert told_by_child(lambda: sent_by_nobody(path)) == "Pushed(x=1)"
        child.say("end")
        assert child.finish() == 0


def test_a_server_that_is_not_root_refuses_a_third_user(shared: Path, path: str) -> None:
    with forked(serve_as_nobody(path)) as child:
        child.hear()
        os.chmod(path, 0o666)
        third = functools.partial(sent_by_nobody, path, NOBODY - 1, server_uids=[NOBODY])
        assert told_by_child(third).startswith("Disconnected: ")
        assert told_by_child(lambda: sent_by_nobody(path)) == "Pushed(x=1)"
        child.say("end")
        assert child.finish() == 0


# Threads of a test, not of ours -------------------------------------------------------------------


@pytest.mark.every_selector
def test_a_server_starts_no_thread_and_changes_no_signal(serve: Serve) -> None:
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    server = serve()
    assert is_well(server, Host())
    assert threading.active_count() == 1
    assert [signal.getsignal(number) for number in signal.valid_signals()] == handlers


@pytest.mark.every_selector
def test_a_server_may_be_polled_from_another_thread(serve: Serve, path: str) -> None:
    server, told = serve(), []
    thread = threading.Thread(target=lambda: told.append(is_well(server, Host())))
    thread.start()
    thread.join(10)
    assert told == [True]


def test_the_umask_is_left_alone(serve: Serve) -> None:
    before = os.umask(0o027)
    try:
        serve()
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


@pytest.mark.every_selector
def test_a_default_timeout_of_the_hosts_sockets_changes_nothing(serve: Serve, path: str) -> None:
    """A poll waits for nobody, whatever the host's other sockets do."""
    socket.setdefaulttimeout(5)
    try:
        server, host = serve(), Host()
        began = time.monotonic()
        with RawClient(path) as mute, RawClient(path) as deaf:
            server.handle_new_messages(host)
            deaf.ask(*(Big(size=1_000_000) for _ in range(3)))
            for _ in range(10):
                server.handle_new_messages(host)
            assert answer(server, host, mute, Echo(text="hello")) == "hello"
            poll(server, host, lambda: deaf.has_result(3))
        assert time.monotonic() - began < 4
    finally:
        socket.setdefaulttimeout(None)


def test_many_servers_in_one_process(folder: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(IpcServer(folder / f"s{n}", Job)) for n in range(20)]
        assert all(is_well(server, Host()) for server in servers)
    assert sorted(os.listdir(folder)) == sorted(f"s{n}.lock" for n in range(20))


@pytest.mark.every_selector
def test_more_connections_than_the_kernel_queues_wait(serve: Serve, path: str) -> None:
    """A host that polls seldom finds its clients in the kernel's queue."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    # Both ends are here, and select watches descriptors below 1,024, of which others have some.
    count = min(450, limit // 4)
    server, host = serve(limits=Limits(clients=count + 1)), Host()
    with ExitStack() as stack:
        waiting = [stack.enter_context(RawClient(path)) for _ in range(count)]
        for number, one in enumerate(waiting):
            one.ask(Echo(text=str(number)))
        poll(server, host, lambda: all(one.has_result(1) for one in waiting))
        assert [one.results[1] for one in waiting] == [str(n) for n in range(count)]


@pytest.mark.every_selector
def test_bare_and_framed_beside_each_other(serve: Serve, client: Connect) -> None:
    server = serve(ClientCommand, wires=Wire.ALL)
    stack: list[int] = []
    both = [client() for _ in range(40)]
    for number, one in enumerate(both):
        command = Push(x=number)
        one.send(bare_request(command, ClientCommand) if number % 2 else request(command))
    server.handle_new_messages(stack)
    assert sorted(stack) == list(range(40))
    assert sum(one.has_ended() for one in both) == 20
