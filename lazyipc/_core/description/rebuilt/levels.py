"""What is being made of a description, and what was made: levels, and classes made once.

A type may be referred to before it is made, from inside of itself; a class that stands in many
places is made for the first of them. Knows no descriptions, only what stands in which.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, ForwardRef, NamedTuple

from typing_extensions import TypeAliasType

from lazyipc._core.description.rebuilt import making
from lazyipc._core.description.rebuilt.hints import Hints
from lazyipc.errors import SchemaError


def alias_of(name: str, annotation: Any) -> Any:
    """Another name for a type, made at run time, which type checkers do not know of."""
    make: Any = TypeAliasType
    return make(name, annotation)


class Built(NamedTuple):
    """A type that was made.

    Args:
        annotation: the type.
        key: equal for what can be the same type.
        reach: how many levels out it refers to something; 0 where it stands by itself.
    """

    annotation: Any
    key: Hashable
    reach: int = 0


class Level:
    """A type that is being made, for whoever refers to it from inside."""

    def __init__(self, names: dict[str, Any], *, is_class: bool) -> None:
        self._names = names
        self._is_class = is_class
        self._stand_in: Any = None
        self.made: Built | None = None
        self.outer: Level | None = None
        """Where it is made, but refers to what is not: the outermost of that."""

    def reference(self) -> Any:
        """The type, or what stands for it until it is made."""
        if self.made is not None:
            return self.made.annotation
        if self._stand_in is None:
            name = f"lazyipc_type_{len(self._names)}"
            self._names[name] = None
            if self._is_class:
                self._stand_in = ForwardRef(name)
            else:
                self._stand_in = alias_of(name, Any)
        return self._stand_in

    def finish(self, annotation: Any, key: Hashable, above: list[Level], reach: int) -> Built:
        """The type is made; what it is where it stands.

        Args:
            above: the levels around it.
            reach: how far out of these it refers to something.
        """
        if isinstance(self._stand_in, ForwardRef):
            self._names[self._stand_in.__forward_arg__] = annotation
        elif self._stand_in is not None:
            try:
                object.__setattr__(self._stand_in, "__value__", annotation)
            except (AttributeError, TypeError) as error:
                raise SchemaError(
                    "a type alias that contains itself needs typing_extensions >= 4.13 here"
                ) from error
            annotation = self._stand_in
        self.made = Built(annotation, key, reach)
        self.outer = above[-reach] if reach else None
        return self.made

    @property
    def unmade(self) -> Level | None:
        """The outermost level in the making that it refers to, itself or by what it refers to."""
        level: Level | None = self
        while level is not None and level.made is not None:
            level = level.outer
        return level


class Types:
    """The types made for one server.

    Args:
        definitions: the `$defs` of its schema.
    """

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions
        self.names: dict[str, Any] = {}
        """What forward references mean."""
        self.named: dict[str, type] = {}
        """The classes, by names for people."""
        self._counts: dict[str, int] = {}
        self._made: dict[Hashable, tuple[Any, list[Level]]] = {}
        """Classes by key, so that each is made once; with the choices inside."""
        self._numbers: dict[Hashable, int] = {}

    def hints(self, schema: Mapping[str, Any] | None) -> Hints:
        """What a schema says; None says nothing."""
        return Hints(dict(schema or {}), self.definitions)

    def numbered(self, key: Hashable) -> Hashable:
        """A short key in place of a long one, which may hold others many times over."""
        return self._numbers.setdefault(key, len(self._numbers))

    def once(
        self, key: Hashable, choices: list[Level], make: Callable[[], Any]
    ) -> tuple[Any, list[Level]]:
        """What stands by itself is made once for each key.

        Args:
            choices: those inside it. Where it was made before, those inside it then count.
        """
        if key not in self._made:
            self._made[key] = self.name(make()), choices
        return self._made[key]

    def is_made(self, key: Hashable, choices: list[Level], made: Any) -> None:
        """A class that stands by itself was made otherwise."""
        self._made.setdefault(key, (made, choices))

    def name(self, made: Any) -> Any:
        """Let a class be found by its name, or by one like it."""
        self.named[making.free(made.__name__, self.named.keys(), self._counts)] = made
        return made
