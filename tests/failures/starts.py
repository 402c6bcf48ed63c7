"""Modes 5 and 6: starts that race for a path, a host too busy to answer, what is not ours there."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from lazyipc import IpcServer, SocketInUse, SocketRefused, client_send
from lazyipc._io.ownership import LOCK_SUFFIX
from tests.failures.commands import Heard, Order, Stop
from tests.failures.finding import Finding
from tests.harness import NOBODY, Child, Line, RawClient, forked, poll, until
from tests.io.test_ownership import LOCK_MAKERS, MAKERS, Seen, seen

# Mode 5 -------------------------------------------------------------------------------------------


def racing_starts(
    folder: Path, *, starts: int, at_once: int, busy_seconds: float, seed: int
) -> Finding:
    """Servers start at one path at the same moment; others keep trying while the host is busy.

    Args:
        starts: how many starts race, in rounds, and then again without an order.
        at_once: how many processes.
        busy_seconds: how long a host does not poll while others try.
    """
    random = Random(seed)
    rounds = math.ceil(starts / at_once)
    killed = sum(_race(str(folder / "race"), at_once, random) for _ in range(rounds))
    owned, refused = _scramble(folder, starts, at_once)
    tries = _busy(str(folder / "busy"), busy_seconds)
    return Finding(
        f"{rounds * at_once:,} starts in {rounds} races, {owned + refused:,} without an order; "
        f"a host busy for {busy_seconds:g} s",
        f"one owner in each race ({killed} were killed); of those without an order {owned:,} "
        f"owned, never two at once; {tries:,} tries at the busy host refused with its pid",
    )


def _race(path: str, at_once: int, random: Random) -> bool:
    """All start at once: one owns and serves, and ends well or is killed."""
    start, go = os.pipe()

    def run(line: Line) -> None:
        os.close(go)
        os.read(start, 1)
        try:
            server = IpcServer(path, Order)
        except SocketInUse as error:
            line.say(f"refused {error.pid}")
            return
        line.say(f"owner {os.getpid()}")
        ran: list[Order] = []
        poll(server, ran, lambda: len(ran) == 1)
        line.hear()
        server.close()

    with ExitStack() as stack:
        children = [stack.enter_context(forked(run)) for _ in range(at_once)]
        os.close(go)
        told = {child: child.hear().split() for child in children}
        owners = [child for child, words in told.items() if words[0] == "owner"]
        assert len(owners) == 1, f"{len(owners)} of {at_once} own the path"
        (owner,) = owners
        named = {words[1] for words in told.values()}
        assert named <= {str(owner.pid), "None"}, "a refused start names another than the owner"
        assert client_send(Stop(), path) == Heard(words="Stop()")
        is_killed = random.random() < 0.5
        if is_killed:
            owner.kill()
        else:
            owner.say("end")
        statuses = {child: child.finish() for child in children}
    os.close(start)
    assert all(status == 0 for child, status in statuses.items() if child is not owner)
    assert statuses[owner] == (-9 if is_killed else 0)
    assert os.path.lexists(path) == is_killed
    return is_killed


def _scramble(folder: Path, starts: int, at_once: int) -> tuple[int, int]:
    """Each starts, serves itself and ends, again and again; a file proves that no two own."""
    path, witness = str(folder / "scramble"), str(folder / "witness")

    def run(line: Line) -> None:
        owned = refused = 0
        for _ in range(starts // at_once):
            try:
                server = IpcServer(path, Order)
            except SocketInUse:
                refused += 1
                continue
            os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
            with RawClient(path) as client:
                client.ask(Stop())
                poll(server, [], client.has_frames)
            os.unlink(witness)
            server.close()
            owned += 1
        line.say(f"{owned} {refused}")

    with ExitStack() as stack:
        children = [stack.enter_context(forked(run)) for _ in range(at_once)]
        assert [child.finish() for child in children] == [0] * at_once, "two owned it at once"
        counts = [tuple(map(int, child.hear().split())) for child in children]
    assert not os.path.lexists(path)
    owned, refused = map(sum, zip(*counts, strict=True))
    assert owned > 0
    return owned, refused


QUEUE = 1500
"""More connections than the kernel queues for a listener."""


def _busy(path: str, seconds: float) -> int:
    """A host that does not poll keeps path, socket and those who wait, be its queue full or not."""

    busy, over = os.pipe()

    def run(line: Line) -> None:
        os.close(over)
        with IpcServer(path, Order) as server:
            line.say("owned")
            os.read(busy, 1)  # with other things
            ran: list[Order] = []
            poll(server, ran, lambda: len(ran) == 1)
            line.hear()

    with forked(run) as host, ExitStack() as stack:
        stack.callback(os.close, busy)
        stack.callback(os.close, over)
        assert host.hear() == "owned"
        before = seen(path)
        early = stack.enter_context(RawClient(path))
        early.ask(Stop())
        tries = _try_for(seconds / 2, path, host)
        waiting = stack.enter_context(_full_queue(path))
        tries += _try_for(seconds / 2, path, host)
        assert seen(path) == before, "the socket of a busy host was touched"
        waiting()
        os.write(over, b"!")
        until(lambda: early.has_result(1), what="who waited for the busy host is not served")
        host.say("end")
        assert host.finish() == 0
    return tries


def _try_for(seconds: float, path: str, host: Child) -> int:
    tries = 0
    rest = select.poll()
    for _ in range(max(1, int(seconds * 200))):
        try:
            IpcServer(path, Order).close()
        except SocketInUse as error:
            named = error.pid
        else:
            raise AssertionError("a busy host's path was taken")
        assert named == host.pid, "the busy owner is not named"
        tries += 1
        rest.poll(5)
    return tries


@contextmanager
def _full_queue(path: str) -> Iterator[Callable[[], None]]:
    """Connections until the kernel takes no more; the function given ends them."""
    with ExitStack() as stack:
        for _ in range(QUEUE):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(path)
        yield stack.pop_all().close


# Mode 6 -------------------------------------------------------------------------------------------

Make = Callable[[str], None]


def make_empty_file(path: str) -> None:
    Path(path).touch()


def make_empty_directory(path: str) -> None:
    os.mkdir(path)


def make_link_to_a_directory(path: str) -> None:
    os.mkdir(path + ".target")
    os.symlink(path + ".target", path)


def make_link_to_itself(path: str) -> None:
    os.symlink(path, path)


def make_device(path: str) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


def make_another_users_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
    os.chown(path, NOBODY, NOBODY)


FOREIGN: list[Make] = [
    *(make for make, _ in MAKERS),
    make_empty_file,
    make_empty_directory,
    make_link_to_a_directory,
    make_link_to_itself,
]
FOREIGN_BY_ROOT: list[Make] = [make_device, make_another_users_socket]
LOCKS: list[Make] = [
    *(make for make, _ in LOCK_MAKERS),
    make_link_to_a_directory,
    make_link_to_itself,
]
LIVE = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)


def foreign_paths(folder: Path) -> Finding:
    """What is not ours stands at the path or its lock, or comes there later; nothing touches it."""
    foreign = FOREIGN + (FOREIGN_BY_ROOT if os.geteuid() == 0 else [])
    for make in foreign:
        path = str(folder / f"at-{make.__name__}")
        make(path)
        _refuses(path, path)
    for make in LOCKS:
        path = str(folder / f"lock-{make.__name__}")
        make(path + LOCK_SUFFIX)
        _refuses(path, path + LOCK_SUFFIX)
        assert not os.path.lexists(path)
    for make in foreign:
        path = str(folder / f"later-{make.__name__}")
        with IpcServer(path, Order) as server:
            os.unlink(path)
            make(path)
            before = _all_seen(path)
            server.handle_new_messages([])
        assert _all_seen(path) == before, f"close touched what {make.__name__} put there"
    for kind in LIVE:
        path = str(folder / f"live-{kind}")
        with socket.socket(socket.AF_UNIX, kind) as other:
            other.bind(path)
            if kind != socket.SOCK_DGRAM:
                other.listen()
            _refuses(path, path)
    return Finding(
        f"{len(foreign)} kinds at the path and put there later, {len(LOCKS)} at the lock, "
        f"{len(LIVE)} live sockets without a lock",
        "each refused by name, and left as it was",
    )


def _refuses(path: str, foreign: str) -> None:
    before = _all_seen(foreign)
    for _ in range(2):
        try:
            IpcServer(path, Order).close()
        except (SocketRefused, SocketInUse) as error:
            refusal = error
        else:
            raise AssertionError(f"a server took {path} from what stood there")
        assert refusal.path == path
        assert path in str(refusal)
    assert _all_seen(foreign) == before, f"{foreign} was changed"


def _all_seen(path: str) -> list[Seen]:
    """What stands there, and what it points at."""
    target = path + ".target"
    return [seen(one) for one in (path, target) if os.path.lexists(one)]
