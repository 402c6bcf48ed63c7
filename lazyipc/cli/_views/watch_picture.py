"""One look at a server as a picture for a terminal. Knows rich, and no servers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from lazyipc.cli._shown.span import ago, span
from lazyipc.cli._shown.table import Part, styled, table_of
from lazyipc.cli._views.gauge import BARS, PLAIN_BARS, Gauge, sparkline, spread
from lazyipc.cli._views.stats import MEANINGS, label, value_text
from lazyipc.cli._views.status import STYLES

if TYPE_CHECKING:
    from lazyipc.cli._shown.output import Output

MOST_BARS = 60
TEXT_COLUMNS = 64
"""What stands beside a sparkline."""
FEWEST_BARS = 8

ALWAYS = frozenset({"clients", "commands", "failed", "polls", "received_bytes", "sent_bytes"})
"""Counters that are shown though they are 0."""


class Picture:
    """Makes pictures of looks.

    Args:
        gauge: what remembers the looks before.
    """

    def __init__(self, out: Output, gauge: Gauge) -> None:
        self._out = out
        self._gauge = gauge
        self._stats: dict[str, Any] = {}
        """The last that are known: shown, dimmed, while the host is busy."""

    def of(self, look: dict[str, Any]) -> RenderableType:
        """The picture of one look."""
        if look["stats"] is not None:
            self._stats = look["stats"]
        lines = [self._head(look), self._state(look), Text("")]
        return Group(*lines, *self._sparklines(look), Text(""), self._table(look))

    def _head(self, look: dict[str, Any]) -> Text:
        page, stats = look["page"], look["stats"] or {}
        pid, uptime = stats.get("pid", page["pid"]), stats.get("uptime", page["uptime"])
        known = [f"pid {pid}"] if pid is not None else []
        if isinstance(uptime, int | float):
            known.append(f"up {span(uptime)}")
        return _line(
            (look["name"], "bold"),
            "  ",
            (look["state"], STYLES[look["state"]]),
            f"  {', '.join(known)}",
            ("  started again" if look["has_restarted"] else "", "yellow"),
        )

    def _state(self, look: dict[str, Any]) -> Text:
        page = look["page"]
        last_poll, every = page["last_poll_seconds"], page["interval_seconds"]
        often = f"; it polls about every {span(every)}" if every is not None else ""
        match look["state"]:
            case "alive":
                return _line(f"last poll {ago(last_poll)}{often}")
            case "busy":
                return _line((f"busy, last poll {ago(last_poll)}", "yellow"), often)
        return _line(("gone; it is watched on when it is started again", "red"))

    def _sparklines(self, look: dict[str, Any]) -> Iterable[Text]:
        gauge = self._gauge
        yield self._sparkline("polls every", gauge.poll_seconds, span(look["poll_seconds"]), span)
        yield self._sparkline("answers in", gauge.latencies, span(look["latency_seconds"]), span)
        share = look["turn_share"]
        yield self._sparkline("on clients", gauge.turn_shares, _percent(share), _percent)

    def _sparkline(self, name: str, values: Iterable[float], now: str, told: Any) -> Text:
        columns = max(min(self._out.console.width - TEXT_COLUMNS, MOST_BARS), FEWEST_BARS)
        is_unicode = self._out.console.encoding.startswith("utf")
        known = [*values]
        bars = sparkline(known, columns, BARS if is_unicode else PLAIN_BARS)
        found = spread(known)
        least_to_most = ""
        if found:
            least, middle, most = map(told, found)
            least_to_most = f"  min {least}, median {middle}, max {most}"
        return _line(
            f"{name:<11} ", (f"{now:>7}", "bold"), "  ", (f"{bars:<{columns}}", "cyan"),
            (least_to_most, "dim"),
        )  # fmt: skip

    def _table(self, look: dict[str, Any]) -> RenderableType:
        rates, stats = look["rates"] or {}, self._stats
        style = "" if look["stats"] is not None else "dim"
        rows: list[list[Part]] = [
            [
                (label(name), style),
                (value_text(name, stats[name]), style),
                (_rate(name, rates.get(name)), style),
            ]
            for name in MEANINGS
            if name in stats and name != "interval" and (stats[name] or name in ALWAYS)
        ]
        return table_of(("COUNTER", "TOTAL", "A SECOND"), rows)


def _line(*parts: Part) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        line.append_text(styled(part))
    return line


def _percent(share: float | None) -> str:
    """A share in at most seven characters.

    >>> _percent(0.000765), _percent(0.05), _percent(0.1234), _percent(1)
    ('0.08 %', '5.00 %', '12.3 %', '100 %')
    """
    if share is None:
        return "-"
    return f"{share * 100:.2f} %" if share < 0.1 else f"{share * 100:.3g} %"


def _rate(name: str, rate: float | None) -> str:
    if rate is None or name == "clients":
        return ""
    if name == "turn_seconds":
        return _percent(rate)
    return f"{rate:,.1f}" if rate < 100 else f"{rate:,.0f}"
