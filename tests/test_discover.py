"""`discover`: a server as an object, for whoever knows nothing but its name."""

from __future__ import annotations

import contextlib
import enum
import inspect
import pydoc
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jedi
import numpy as np
import pytest
from pydantic import BaseModel, Field, ValidationError

from lazyipc import (
    F32,
    U8,
    U32,
    Command,
    CommandFailed,
    HostBusy,
    IpcError,
    IpcServer,
    LocalProtocolError,
    Response,
    Running,
    SchemaMismatch,
    ServerNotRunning,
    SocketRefused,
    Wire,
    discover,
    runtime_path,
)
from lazyipc._discover import RunningServers
from tests.harness import hosted, told_by_child

pytestmark = pytest.mark.usefixtures("no_descriptor_leak", "apart")


@pytest.fixture
def apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server and no cache of every day."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))


class Mode(enum.Enum):
    FAST = 1
    EXACT = 2


Strange = enum.Enum("Strange", ["a\x1b[2J", "plain"])  # type: ignore[misc]


class Point(BaseModel):
    """A place."""

    x: F32 = Field(description="metres east")
    y: F32


class Answer(Response):
    """What comes back."""


class Rate(Answer):
    """The rate now."""

    lr: float


class Kept(Answer):
    pass


class Order(Command[list[Any]]):
    """What the run can be told."""


class SetLR(Order, timeout=2.5):
    """Change the learning rate.

    At once.
    """

    lr: float = Field(gt=0, le=1, description="the new rate")
    warmup: U32 = Field(default=0, description="steps until it is reached")

    def process(self, context: list[Any]) -> Answer:
        if self.lr == 1:
            raise CommandFailed("too fast\x1b[31m")
        context.append(self.lr)
        return Rate(lr=self.lr) if self.lr > 0.01 else Kept()


class SetMode(Order):
    mode: Mode
    at: Point | None = None

    def process(self, context: list[Any]) -> Mode:
        context.append(self.at)
        return self.mode


class Close(Order):
    """A command whose name is taken."""

    timeout: U8

    def process(self, context: list[Any]) -> list[U8]:
        return [self.timeout] * 2


class Class(Order, name="class"):
    def process(self, context: list[Any]) -> None:
        context.append("class")


def changed_orders() -> Any:
    """The set of a later version: one command changed, one new, one gone."""

    class Order(Command[list[Any]]):
        """What the run can be told."""

    class SetLR(Order):
        """Change the learning rate."""

        lr: float
        group: U8

        def process(self, context: list[Any]) -> None: ...

    class SetMode(Order):
        mode: Mode
        at: Point | None = None

        def process(self, context: list[Any]) -> Mode:
            return self.mode

    class Save(Order):
        def process(self, context: list[Any]) -> None: ...

    return Order


@contextlib.contextmanager
def run_of(path: str, command: Any = Order, **options: Any) -> Iterator[list[Any]]:
    """A server at a path, in a loop of its own; what its commands left."""
    context: list[Any] = []
    with IpcServer(path, command, **options) as server, hosted(server, context):
        yield context


@pytest.fixture
def run(path: str) -> Iterator[Any]:
    with run_of(path), discover(path) as found:
        yield found


# What is seen ------------------------------------------------------------------------------------


def test_methods_are_what_a_prompt_completes(run: Any) -> None:
    assert dir(run) == ["class_", "close", "close_", "set_lr", "set_mode", "types"]
    completed = jedi.Interpreter("run.set_", [{"run": run}]).complete()
    assert [each.name for each in completed] == ["set_lr", "set_mode"]
    arguments = jedi.Interpreter("run.set_lr(", [{"run": run}]).complete()
    assert {each.name for each in arguments} >= {"lr=", "warmup=", "timeout="}
    (signature,) = jedi.Interpreter("run.set_mode(", [{"run": run}]).get_signatures()
    assert signature.to_string() == (
        "set_mode(mode: Mode, at: Point | None=None, *, timeout: float | None=None)"
    )


def test_help_tells_what_the_server_told(run: Any) -> None:
    told = pydoc.plain(pydoc.render_doc(run.set_lr))
    assert "set_lr(lr: float, warmup: U32 = 0, *, timeout: float | None = None)" in told
    for line in (
        "Change the learning rate.",
        "At once.",
        "lr: the new rate (float, > 0, ≤ 1)",
        "warmup: steps until it is reached (U32)",
        "timeout: seconds to wait for the answer; 2.5 unless you say otherwise",
        "Rate(lr: float): The rate now.",
        "Kept()",
    ):
        assert line in told, told
    all_of_it = pydoc.plain(pydoc.render_doc(run))
    assert "  set_lr(lr: float, warmup: U32 = 0) -> Rate | Kept\n        Change the" in all_of_it
    doc = inspect.getdoc(run.set_mode) or ""
    assert "mode (Mode, one of FAST, EXACT)" in doc
    assert "Point(x: F32, y: F32): A place." in doc


def test_its_repr_lists_the_commands(path: str) -> None:
    with run_of(path, version="1.4"), discover(path) as run:
        assert repr(run) == "\n".join([
            "s 1.4: What the run can be told.",
            "  set_lr(lr: float, warmup: U32 = 0) -> Rate | Kept",
            "  set_mode(mode: Mode, at: Point | None = None) -> Mode",
            "  close_(timeout: U8) -> list[U8]",
            "  class_() -> None",
        ])  # fmt: skip


def test_nothing_of_a_servers_text_reaches_the_terminal(path: str) -> None:
    class Loud(Command[list[Any]]):
        """Red\x1b[31m."""

    class Shout(Loud, name="sh\x1bout"):
        """Blink\x1b[5m."""

        text: str = Field(default="\x07", description="be\x07ep")
        form: str = Field(default="\x1b", pattern="^\x1b$")
        tone: Strange

        def process(self, context: list[Any]) -> str:
            raise CommandFailed("\x1b[2Jgone")

    with run_of(path, Loud), discover(path) as run:
        with pytest.raises(CommandFailed) as caught:
            run.sh_out("x", tone="plain")
        with pytest.raises(ValidationError) as wrong:
            run.sh_out("x", form="y", tone="c")
        seen = [repr(run), *dir(run), run.sh_out.__doc__, str(inspect.signature(run.sh_out))]
        seen += [
            pydoc.plain(pydoc.render_doc(run)),
            str(caught.value),
            str(wrong.value),
            pydoc.plain(pydoc.render_doc(run.sh_out)),
            repr(run.types),
        ]
        assert [x for text in seen for x in text.splitlines() if not x.isprintable()] == []


# Calls -------------------------------------------------------------------------------------------


def test_calls_return_real_responses(run: Any) -> None:
    answer = run.set_lr(0.5)
    assert answer == run.set_lr(lr=0.5, warmup=3, timeout=5)
    assert repr(answer) == "Rate(lr=0.5)"
    assert isinstance(answer, run.types.Rate)
    assert run.set_lr(0.001) == run.types.Kept()
    assert run.close_(7) == [7, 7]
    assert run.class_() is None


@pytest.mark.parametrize("wires", [Wire.FRAMED, Wire.JSON, Wire.FRAMED | Wire.JSON], ids=str)
def test_each_wire_that_has_names_will_do(path: str, wires: Wire) -> None:
    with run_of(path, wires=wires) as context, discover(path) as run:
        assert run.set_mode("EXACT", at={"x": 1, "y": 2}) is run.types.Mode.EXACT
        assert context == [Point(x=1, y=2)]
        with pytest.raises(CommandFailed, match="too fast"):
            run.set_lr(1)
        assert repr(run.set_lr(0.25)) == "Rate(lr=0.25)"


def test_a_bare_server_is_told_by_name(path: str) -> None:
    class Sums(Command[list[Any]]):
        pass

    class Add(Sums):
        a: U8

        def process(self, context: list[Any]) -> U8:
            return self.a

    with run_of(path, Sums, wires=Wire.BARE), pytest.raises(SocketRefused, match=r"BARE|bare"):
        discover(path)


def test_values_are_taken_as_people_write_them(run: Any) -> None:
    mode = run.types.Mode.FAST
    for given in ("FAST", "fast", mode, Mode.FAST):
        assert run.set_mode(given) is mode
    for at in ({"x": 1, "y": 2.5}, run.types.Point(x=1, y=2), Point(x=1, y=2)):
        run.set_mode("FAST", at)
    assert run.close_(np.uint8(3)) == [3, 3]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda run: run.set_lr("fast"), "lr\n  Input should be a valid number"),
        (lambda run: run.set_lr(7), "lr\n  Input should be less than or equal to 1"),
        (lambda run: run.set_lr(0.5, warmup=-1), "warmup\n  Input should be greater than"),
        (lambda run: run.set_mode("SLOW"), "mode\n  Input should be one of FAST, EXACT"),
        (lambda run: run.set_mode("FAST", {"x": 1}), "at.y\n  Field required"),
        (lambda run: run.set_mode("FAST", {"x": 1, "y": "up"}), "at.y\n  Input should be a valid"),
        (lambda run: run.set_mode("FAST", {"z": 1}), "at.z\n  There is no such field; Point has"),
    ],
)
def test_what_does_not_fit_names_its_field_and_is_not_sent(run: Any, call: Any, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        call(run)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            lambda run: run.set_lr(0.5, wamup=1),
            'no argument "wamup" in set_lr; did you mean warmup?',
        ),
        (lambda run: run.set_lr(), "missing a required argument: 'lr'; it is set_lr(lr: float"),
        (lambda run: run.set_lr(1, 2, 3), "too many positional arguments; it is set_lr("),
        (lambda run: run.close_(), "missing a required argument: 'timeout'"),
    ],
)
def test_wrong_arguments_are_type_errors(run: Any, call: Any, told: str) -> None:
    with pytest.raises(TypeError, match=re.escape(told)):
        call(run)


def test_an_unknown_command_suggests_the_nearest(run: Any) -> None:
    with pytest.raises(AttributeError, match=r'no command "set_rl" in s; did you mean set_lr'):
        run.set_rl(1)
    assert not hasattr(run, "_repr_html_")


def test_a_time_of_a_calls_own(path: str) -> None:
    with IpcServer(path, Order) as server:
        with hosted(server, []):
            run = discover(path)
        with run, pytest.raises(HostBusy):  # nobody polls any more
            run.class_(timeout=0.05)
        with discover(path, timeout=0.05) as other, pytest.raises(HostBusy):
            other.class_()
    with pytest.raises(ValueError, match="timeout must be"):
        run.class_(timeout=-1)


def test_a_host_that_does_not_say_what_it_understands(path: str) -> None:
    with IpcServer(path, Order), pytest.raises(HostBusy):
        discover(path, timeout=0.05)


def test_a_closed_one_says_so(run: Any) -> None:
    run.close()
    run.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        run.class_()


def test_a_forked_child_makes_its_own_connection(run: Any) -> None:
    run.set_lr(0.5)
    assert told_by_child(lambda: str(run._kept.is_connected)) == "False"
    assert told_by_child(lambda: repr(run.set_lr(0.25))) == "Rate(lr=0.25)"
    assert repr(run.set_lr(0.5)) == "Rate(lr=0.5)"


# Another server under the same name --------------------------------------------------------------


def test_it_goes_on_when_the_host_is_started_anew(path: str) -> None:
    with run_of(path):
        run = discover(path)
        point = run.types.Point(x=1, y=2)
        run.class_()
    with run, run_of(path) as context, warnings.catch_warnings():
        warnings.simplefilter("error")
        run.class_()
        run.set_mode("FAST", point)
    assert context == ["class", Point(x=1, y=2)]


def test_a_changed_command_is_not_run_and_then_has_its_new_form(path: str) -> None:
    with run_of(path):
        run = discover(path)
        kept = run.set_lr
        kept(0.5)
    with run, run_of(path, changed_orders()):
        with (
            pytest.warns(UserWarning, match=r"(?s)started anew.*SetLR.group") as warned,
            pytest.raises(SchemaMismatch, match=r"(?s)SetLR was not run: .*group"),
        ):
            run.set_lr(0.5)
        assert warned[0].filename == __file__
        assert dir(run) == ["close", "save", "set_lr", "set_mode", "types"]
        assert run.set_lr(0.5, group=1) is None
        assert kept(0.5, 1) is None


def test_a_change_elsewhere_is_told_and_the_call_answered(path: str) -> None:
    with run_of(path):
        run = discover(path)
        mode, gone = run.types.Mode.EXACT, run.class_
        run.class_()
    with run, run_of(path, changed_orders()):
        with pytest.warns(UserWarning, match="Save") as warned:
            assert run.set_mode(mode).name == "EXACT"
        assert warned[0].filename == __file__
        assert run.save() is None
        assert "class_" not in vars(run)
        for call in (gone, lambda: run.class_()):
            with pytest.raises(AttributeError, match='no command "class_"'):
                call()


def test_a_new_command_is_found_by_asking_for_it(path: str) -> None:
    with run_of(path):
        run = discover(path)
    with run, run_of(path, changed_orders()), pytest.warns(UserWarning, match="Save") as warned:
        assert run.save() is None
    assert warned[0].filename == __file__


def test_a_new_command_on_another_wire_is_found_likewise(path: str) -> None:
    """And the old connection is closed, not forgotten."""
    with run_of(path):
        run = discover(path)
        run.class_()
    with (
        run,
        run_of(path, changed_orders(), wires=Wire.JSON),
        pytest.warns(UserWarning, match="Save"),
    ):
        assert run.save() is None


def test_a_server_of_another_wire_is_spoken_to_in_that(path: str) -> None:
    with run_of(path):
        run = discover(path)
        run.class_()
    with run, run_of(path, changed_orders(), wires=Wire.JSON):
        with pytest.warns(UserWarning, match="Save"), pytest.raises(IpcError):
            run.set_mode("FAST")
        assert run.set_mode("FAST").name == "FAST"


@pytest.mark.parametrize("wires", [(Wire.JSON, Wire.FRAMED), (Wire.FRAMED, Wire.JSON)])
def test_the_same_commands_on_another_wire(path: str, wires: tuple[Wire, Wire]) -> None:
    with run_of(path, wires=wires[0]):
        run = discover(path)
        run.class_()
    with run, run_of(path, wires=wires[1]) as context, warnings.catch_warnings():
        warnings.simplefilter("error")
        if wires[0] is Wire.FRAMED:
            with pytest.raises(IpcError):
                run.class_()
        for _ in range(2):
            run.class_()
    assert context == ["class", "class"]


def test_who_looks_what_there_is_does_not_fail_where_nobody_answers(path: str) -> None:
    with run_of(path):
        run = discover(path, timeout=0.05)
    with run:
        assert not hasattr(run, "shape")
        with pytest.raises(AttributeError, match=r"what there is now is not known: .*no server"):
            run.set_lt(1)
        with IpcServer(path, changed_orders()):  # its host is busy
            assert getattr(run, "shape", None) is None
        with pytest.raises(ServerNotRunning):
            run.class_()


def test_a_json_server_that_changed_is_told_too(path: str) -> None:
    with run_of(path, wires=Wire.JSON):
        run = discover(path)
    with run, run_of(path, changed_orders(), wires=Wire.JSON):
        with (
            pytest.warns(UserWarning, match="group") as warned,
            pytest.raises(SchemaMismatch, match=r"(?s)SetLR was not run: .*group"),
        ):
            run.set_lr(0.5)
        assert warned[0].filename == __file__
        assert run.set_lr(0.5, 1) is None


def test_a_json_server_takes_no_line_that_was_meant_for_another(path: str) -> None:
    """The new program would take what the old form says for something else."""

    def orders(**more: Any) -> Any:
        class Order(Command[list[Any]]):
            pass

        def process(self: Any, context: list[Any]) -> None:
            context.append(self)

        body = {"process": process, "__module__": __name__}
        body |= dict.fromkeys(more, True)
        type("Put", (Order,), {"__annotations__": {"seconds": U8, **more}, **body})
        type("Same", (Order,), {**body, "__annotations__": {"x": U8, "wipe": bool}, "wipe": True})
        return Order

    with run_of(path, orders(), wires=Wire.JSON):
        run = discover(path)
        run.put(1)
        put, same = run.put, run.same
    with run, run_of(path, orders(wipe=bool), wires=Wire.JSON) as context:
        with pytest.warns(UserWarning, match="wipe"), pytest.raises(SchemaMismatch, match="wipe"):
            put(7)
        assert not context
        same(3)
        put(7, False)
        assert len(context) == 2


# Which there are ---------------------------------------------------------------------------------


def test_by_name_or_path_and_what_runs_is_listed() -> None:
    assert repr(discover()) == "no server of yours is running"
    with run_of(runtime_path("train")), run_of(runtime_path("game")):
        found = discover()
        assert [each.name for each in found] == ["game", "train"]
        assert all(isinstance(each, Running) and each.state == "alive" for each in found)
        head, game, _ = repr(found).splitlines()
        assert head.split("  ")[0] == "name"
        assert re.match(r"game +alive +\d+ +4 ", game)
        with discover("train") as run:
            assert run.close_(1) == [1, 1]
        with pytest.raises(ServerNotRunning, match=r"did you mean train\? running: game, train"):
            discover("trian")
        with pytest.raises(ServerNotRunning, match="no server is running there"):
            discover("/nowhere/trian.sock")


def test_the_table_is_shown_in_a_notebook_as_text_alone() -> None:
    odd = Running("<b>\x1b", "/p", 7, "busy", 75.0, None, None, 3, 9000.0)
    table = RunningServers([odd])
    assert "<td>&lt;b&gt;\\x1b</td>" in table._repr_html_()
    assert "1 min ago" in repr(table)
    assert "2 h" in repr(table)
    assert "\x1b" not in repr(table)
