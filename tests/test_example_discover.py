"""The notebook that finds a training run: what it shows is what is recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from examples.discover.record import NOTEBOOK, executed, training
from examples.discover.train import Order, Progress, Rewind, Run, Schedule, SetRate, Stop, Train
from lazyipc import CommandFailed
from lazyipc.testing import joined


def shown(cell: Any) -> list[Any]:
    """What a cell shows, as text."""
    found = []
    for output in cell.get("outputs", []):
        assert output["output_type"] != "error", output
        found.append(output.get("text") or output["data"]["text/plain"])
    return found


def test_the_notebook_shows_what_is_recorded(folder: Path) -> None:
    recorded: Any = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    with training(str(folder)):
        now = executed(str(folder))
    sources = [cell["source"] for cell in recorded.cells]
    assert [cell["source"] for cell in now.cells] == sources
    for source, was, found in zip(sources, recorded.cells, now.cells, strict=True):
        assert shown(was) == shown(found), source
    assert sum(map(bool, map(shown, recorded.cells))) > 10


def test_the_notebook_tells_nothing_of_the_machine_it_was_recorded_on() -> None:
    text = json.dumps(json.loads(NOTEBOOK.read_text("utf-8")))
    assert not re.search(r"/tmp|/home|/work|/usr|/run|0x[0-9a-f]{6}|\d{4}-\d\d-\d\d", text)


def test_what_each_command_does() -> None:
    run = Run()
    with joined(Order, run) as link:
        assert link.send(Train(steps=1)) == Progress(step=1, loss=2.25)
        assert link.send(SetRate(rate=0.2, schedule=Schedule.HALVING)).rate == 0.2
        assert link.send(Train()).step == 2
        assert run.rate == 0.1
        assert link.send(Rewind(step=0)) == Progress(step=0, loss=9.0)
        with pytest.raises(CommandFailed, match="step 2 was not kept"):
            link.send(Rewind(step=2))
        link.send(Stop())
    assert not run.is_running
