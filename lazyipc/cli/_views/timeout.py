"""`--timeout` of the sub-commands that ask a server something about itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from lazyipc.cli._words.atoms import timeout_of


def _read(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    return None if text is None else timeout_of(text)


timeout_option: Callable[[Any], Any] = click.option(
    "--timeout",
    metavar="SECONDS",
    callback=_read,
    help="How long to wait for the host's answer; 5 if not given, inf is for ever.",
)
"""Gives a sub-command `--timeout`, in seconds."""
