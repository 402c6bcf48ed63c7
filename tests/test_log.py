"""What clients can cause to be logged: so many records of a kind, then a count."""

from __future__ import annotations

import logging

import pytest

from lazyipc._log import KINDS, RECORDS, WINDOW_NS, ClientLog
from lazyipc._stats import Counts


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def log(counts: Counts, clock: Clock, caplog: pytest.LogCaptureFixture) -> ClientLog:
    caplog.set_level(logging.INFO, "lazyipc")
    return ClientLog("/run/app.sock", counts, clock)


def test_a_record_names_the_socket(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    log(logging.WARNING, "closed %s: %s", "pid 7", "too slow")
    assert caplog.messages == ["/run/app.sock: closed pid 7: too slow"]
    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.records[0].name == "lazyipc"


def test_so_many_of_a_kind_are_logged_and_the_rest_counted(
    log: ClientLog, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(RECORDS + 5):
        log(logging.WARNING, "bad request %d", number)
    assert [record.getMessage()[-1] for record in caplog.records] == list("0123456789")
    assert counts.unlogged == 5


def test_the_next_window_tells_how_many_were_held_back(
    log: ClientLog, counts: Counts, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(RECORDS + 3):
        log(logging.WARNING, "bad request of %s", "pid 7")
    clock.now += WINDOW_NS - 1
    log(logging.WARNING, "bad request of %s", "pid 8")
    assert len(caplog.records) == RECORDS
    clock.now += 1
    log(logging.WARNING, "bad request of %s", "pid 9")
    log(logging.WARNING, "bad request of %s", "pid 9")
    assert caplog.messages[RECORDS:] == [
        "/run/app.sock: bad request of pid 9 (and 4 more like it were not logged)",
        "/run/app.sock: bad request of pid 9",
    ]
    assert counts.unlogged == 4


def test_one_kind_does_not_hide_another(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(RECORDS * 2):
        log(logging.ERROR, "%s.process failed", "Add", kind="Add")
    log(logging.ERROR, "%s.process failed", "Push", kind="Push")
    log(logging.WARNING, "refused")
    assert caplog.messages[RECORDS:] == [
        "/run/app.sock: Push.process failed",
        "/run/app.sock: refused",
    ]


def test_kinds_are_bounded(log: ClientLog, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(10 * KINDS):
        log(logging.ERROR, "%s failed", number, kind=str(number))
    assert len(caplog.records) == KINDS + RECORDS


def test_what_nobody_listens_to_is_not_counted(
    counts: Counts, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lazyipc")
    log = ClientLog("/run/app.sock", counts, clock)
    for _ in range(RECORDS * 2):
        log(logging.INFO, "rejected")
    assert (caplog.messages, counts.unlogged) == ([], 0)


def test_closing_tells_what_was_not_told_yet_and_once(
    log: ClientLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(RECORDS + 2):
        log(logging.WARNING, "refused")
    log.close()
    log.close()
    assert caplog.messages[RECORDS:] == ["/run/app.sock: 2 records about clients were not logged"]


def test_a_traceback_is_logged_with_its_error(
    log: ClientLog, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        raise RuntimeError("boom")
    except RuntimeError as error:
        log(logging.ERROR, "process failed", error=error)
    assert "RuntimeError: boom" in caplog.text


def test_a_held_back_value_is_not_even_put_into_words(log: ClientLog) -> None:
    class Loud:
        def __str__(self) -> str:
            raise AssertionError("asked")

    for _ in range(RECORDS):
        log(logging.WARNING, "%s", "quiet")
    for _ in range(20):
        log(logging.WARNING, "%s", Loud())
