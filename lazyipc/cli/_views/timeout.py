"""`--timeout` of the sub-commands that ask a server something about itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from lazyipc.cli._words.atoms import BadWord, timeout_of


def seconds_of(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """The seconds that an option of click's is given; None where it is not.

    Raises:
        UsageError: it is no length of time.
    """
    try:
        return None if text is None else timeout_of(text, option.opts[0])
    except BadWord as error:
        raise click.UsageError(str(error), context) from error


timeout_option: Callable[[Any], Any] = click.option(
    "--timeout",
    metavar="SECONDS",
    callback=seconds_of,
    help="How long to wait for the host's answer; 5 if not given, inf is for ever.",
)
"""Gives a sub-command `--timeout`, in seconds."""
