"""What a scenario tells when nothing was wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """How far a scenario went, and what it measured on the way.

    Args:
        scale: what was done, with numbers.
        measured: the figures that the proof asks for, with units.
    """

    scale: str
    measured: str
