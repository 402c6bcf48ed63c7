"""A server's description as a lock: the same that `lock_of` takes from the classes.

Knows descriptions and locks; no classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lazyipc._core.lock.pinned import Lock, Pinned

if TYPE_CHECKING:
    from lazyipc._core.description.model import Description


def described_lock(description: Description) -> Lock:
    """The lock of the command set that a description is of."""
    return _Locking(description).lock()


class _Locking:
    """A description as a lock."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.names: list[tuple[str, int]] = []
        counts: dict[str, int] = {}
        for family in description.families:
            number = counts[family.name] = counts.get(family.name, 0) + 1
            self.names.append((family.name, number))

    def _returned(self, returns: Any, family: int | None) -> Any:
        return returns if family is None else ["family", *self.names[family]]

    def lock(self) -> Lock:
        bare = self.description.document["set"].get("bare")
        if bare is not None:
            bare = self._returned(bare["returns"], bare["family"])
        commands = [
            Pinned(
                command.name,
                command.index,
                [[field.name, field.wire] for field in command.fields],
                self._returned(command.returns, command.family),
            )
            for command in sorted(self.description.commands, key=lambda each: each.index or 0)
        ]
        families = {
            key: tuple(
                Pinned(variant.name, variant.index, [list(field) for field in variant.fields])
                for variant in sorted(family.variants, key=lambda each: each.index)
            )
            for key, family in zip(self.names, self.description.families, strict=True)
        }
        return Lock(tuple(commands), families, bare)
