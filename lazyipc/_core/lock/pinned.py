"""The schema lock: what programs already out there depend on in a family.

It holds everything that fingerprints are made from, expanded to the last field, and the variant
indices, which no fingerprint sees. Knows descriptions only: it is filled from classes (`taken`),
from a file (`text`), or from what a server tells of itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lazyipc._core.schema import Description


@dataclass(frozen=True, slots=True)
class Pinned:
    """A command, or one variant of a family, as it travels.

    Args:
        index: its place on the bare wire; None for a set of one, which has none.
        fields: pairs of name and description, in order.
        returns: what a command returns; None for a variant.
    """

    name: str
    index: int | None
    fields: list[Any]
    returns: Description | None = None

    @property
    def structure(self) -> Description:
        """The fields as one description."""
        return ["struct", self.fields]


@dataclass(frozen=True, slots=True)
class Lock:
    """What peers of one command set, or one family of data, depend on.

    Descriptions are those of `_core.schema`, but that `["family", name]` has a number behind it,
    because two families that commands return may share a name.

    Args:
        commands: in the order of their indices; none for a family of data.
        families: by name and number, the variants of each family that is returned by its root.
        bare: what every command returns on the bare wire; None where that wire cannot be spoken.
    """

    commands: tuple[Pinned, ...] = ()
    families: dict[tuple[str, int], tuple[Pinned, ...]] = field(default_factory=dict)
    bare: Description | None = None
