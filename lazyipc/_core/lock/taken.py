"""The lock of a family, taken from its classes as they are declared.

Knows families; not the lock's text, and not what breaks whom.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.catalog import Reply, entry_of
from lazyipc._core.command import Command, command_models, common_response, response_type
from lazyipc._core.family import family_of
from lazyipc._core.lock.pinned import Lock, Pinned
from lazyipc._core.schema import Description
from lazyipc.errors import SchemaError


def lock_of(family: type) -> Lock:
    """The lock of a family as it is declared; seals it.

    Args:
        family: the root of a command set, or its one model; or the root of any other family.

    Raises:
        SchemaError: it cannot travel; says which type and why.
    """
    models, known = command_models(family), _Families()
    if _is_data(family, models):
        if models == [family]:
            raise SchemaError(f"{family.__qualname__} has no variants; import what defines them")
        known.returned(family)
        return Lock(families=known.variants)
    returned = {model: response_type(model, may_be_async=True) for model in models}
    commands = [
        Pinned(e.name, _index_of(e.model), e.description[2], known.returned(returned[e.model]))
        for e in map(entry_of, models)
    ]
    commands.sort(key=lambda command: command.index or 0)
    try:
        bare = known.returned(common_response(list(returned.values())))
    except SchemaError:  # not one type: what a server says when it is asked to take this wire
        bare = None
    return Lock(tuple(commands), known.variants, bare)


def _is_data(family: type, models: list[Any]) -> bool:
    return (
        family_of(family) is not None
        and not issubclass(family, Command)
        and not any(hasattr(model, "process") for model in models)
    )


def _index_of(model: type) -> int | None:
    family = family_of(model)
    variant = family.variant_of(model) if family is not None else None
    return None if variant is None else variant.index


class _Families:
    """The families met so far, numbered where they share a name."""

    def __init__(self) -> None:
        self.variants: dict[tuple[str, int], tuple[Pinned, ...]] = {}
        self._roots: dict[type, tuple[str, int]] = {}

    def returned(self, annotation: Any) -> Description:
        """The description of what is returned; keeps the variants of a family's root."""
        description = Reply(annotation).description
        family = family_of(annotation)
        if family is None or description[0] != "family":
            return description
        if family.root not in self._roots:
            variants = [
                Pinned(variant.name, variant.index, Reply(variant.model).description[2])  # type: ignore[arg-type]
                for variant in sorted(family.seal(), key=lambda variant: variant.index)
            ]
            number = 1 + sum(name == family.name for name, _ in self.variants)
            self._roots[family.root] = family.name, number
            self.variants[family.name, number] = tuple(variants)
        return ["family", *self._roots[family.root]]
