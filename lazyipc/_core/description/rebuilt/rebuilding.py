"""From a type's wire description to a Python type that is described alike.

Names, docs, demands and defaults come from the JSON Schema beside it. A class that stands in many
places is made once. What nobody could have declared is refused. Knows no commands.

Source: docs/protocol.md, "Fingerprints"; `lazyipc._core.schema`, which this turns round.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Optional, Union

from pydantic import Field

from lazyipc._core.description.model import CommandInfo
from lazyipc._core.description.rebuilt import making
from lazyipc._core.description.rebuilt.hints import Hints
from lazyipc._core.description.rebuilt.levels import Built, Level, Types
from lazyipc._core.description.rebuilt.making import Part
from lazyipc._core.description.rebuilt.wire_types import ADDRESS, ATOMS, leads_out
from lazyipc._core.description.soundness import refuse
from lazyipc._core.family import TaggedUnion
from lazyipc._core.marks import Array


class Walk:
    """One walk over one description: that of a command, of a response or of a variant.

    Args:
        types: where what is made is kept.
    """

    def __init__(self, types: Types) -> None:
        self._types = types
        self._above: list[Level] = []
        self.choices: list[Level] = []
        """Each choice so far."""
        self._met: dict[Hashable, int] = {}
        """How often a choice of that key stood here in full."""

    def built(self, wire: Any, hints: Hints, path: str, *, plain: bool = False) -> Built:
        """Make the type of a description.

        Args:
            plain: its values must be such as can be hashed.

        Raises:
            DecodeError, SchemaError: there is no such type; says where.
        """
        if isinstance(wire, str):
            if wire not in ATOMS:
                refuse(path, f"no type is called {wire!r}")
            return self._marked(Built(ATOMS[wire], wire), wire, hints, path)
        match wire:
            case ["up", int(levels)]:
                if not 0 < levels <= len(self._above):
                    refuse(path, f"nothing stands {levels} levels out")
                return Built(self._above[-levels].reference(), ("up", levels), levels)
            case ["see", int(number)]:
                return self._seen(number, path)
            case ["struct", list(fields)]:
                return self._struct(fields, hints, path, plain)
            case ["enum", list(members)]:
                return self._enum(members, hints, path)
            case ["choice", list(cases)]:
                return self._choice(cases, hints, path)
        return self._around(wire, hints, path, plain)

    def _seen(self, number: int, path: str) -> Built:
        if number >= len(self.choices):
            refuse(path, f"no choice before it has the number {number}")
        level = self.choices[number]
        outer = level.unmade
        reach = len(self._above) - self._above.index(outer) if outer is not None else 0
        if level.made is not None:
            return level.made._replace(reach=reach)
        return Built(level.reference(), ("see", reach), reach)

    def _marked(self, made: Built, wire: Any, hints: Hints, path: str) -> Built:
        """The type with what is asked of its values."""
        demands = hints.demands(wire, path)
        if not demands:
            return made
        key = (made.key, *sorted((name, str(value)) for name, value in demands.items()))
        return Built(Annotated[made.annotation, Field(**demands)], key, made.reach)

    def _around(self, wire: Any, hints: Hints, path: str, plain: bool) -> Built:
        """A type that has no name of its own and others in it."""
        inner: list[Built]
        level = self._enter()
        match wire:
            case ["option", item]:
                inner = [self.built(item, hints.some, path, plain=plain)]
                annotation: Any = Optional[inner[0].annotation]  # noqa: UP045 of forward ones, too
            case ["vec", item]:
                inner = [self.built(item, hints.item, f"{path}[]", plain=plain)]
                of = inner[0].annotation
                annotation = tuple[of, ...] if plain else list[of]  # type: ignore[valid-type]
            case ["set", item]:
                inner = [self.built(item, hints.item, f"{path}[]", plain=True)]
                of = inner[0].annotation
                annotation = frozenset[of] if plain else set[of]  # type: ignore[valid-type]
            case ["array", item, int(length)]:
                inner = [self.built(item, hints.item, f"{path}[]", plain=plain)]
                of = inner[0].annotation
                kind = bytes if item == "u8" else tuple[of, ...] if plain else list[of]  # type: ignore[valid-type]
                annotation = Annotated[kind, Array(length)]
            case ["tuple", list(items)]:
                inner = [
                    self.built(item, hints.part(n), f"{path}[{n}]", plain=plain)
                    for n, item in enumerate(items)
                ]
                annotation = tuple[tuple(each.annotation for each in inner)]  # type: ignore[misc]
            case ["map", key, item]:
                inner = [
                    self.built(key, hints.key, f"{path} (key)", plain=True),
                    self.built(item, hints.entry, f"{path}[]"),
                ]
                annotation = dict[inner[0].annotation, inner[1].annotation]  # type: ignore[misc]
            case _:
                refuse(path, "no type is described so")
        reach = self._leave(inner)
        rest = tuple(part for part in wire[1:] if type(part) is int)
        key = wire[0], plain, rest, *(each.key for each in inner)
        made = level.finish(annotation, self._types.numbered(key), self._above, reach)
        return self._marked(made, wire, hints, path)

    # What has a name -----------------------------------------------------------------------------

    def command(self, root: Any, info: CommandInfo, process: Any) -> Any:
        """The class of a command.

        Args:
            root: that of its set; None for a set of one.
        """
        hints, level = self._types.hints(info.request), self._enter(is_class=True)
        fields = [[field.name, field.wire] for field in info.fields]
        parts, _ = self.parts(fields, hints, info.name)
        more, names = {"process": process}, self._types.names
        if root is None:
            making.check_exact_name(info.name, info.name)
            made = making.lone_model(info.name, parts, info.doc, names, more)
        else:
            made = making.variant(
                root,
                info.name,
                parts,
                info.doc,
                names,
                more=more,
                index=info.index,
                timeout=info.timeout,
            )
        level.finish(made, None, [], 0)
        return made

    def variant(
        self, root: Any, name: str, fields: Any, hints: Hints, index: int | None
    ) -> tuple[Any, Hashable]:
        """The class of a response that is a variant of a family, and the key of its fields."""
        level = self._enter(is_class=True)
        parts, inner = self.parts(fields, hints, name)
        self._leave(inner)
        made = making.variant(root, name, parts, hints.doc, self._types.names, index=index)
        level.finish(made, None, [], 0)
        key = _key_of_class(hints, parts, inner)
        self._types.is_made(key, self.choices, self._types.name(made))
        return made, self._types.numbered(key)

    def parts(
        self, fields: Any, hints: Hints, path: str, *, plain: bool = False
    ) -> tuple[list[Part], list[Built]]:
        """The fields of a class; whoever calls it has entered its level."""
        parts, inner = [], []
        told = hints.fields(len(fields), path)
        for (name, wire), (key, of) in zip(fields, told, strict=True):
            where = f"{path}.{name}"
            making.check_field_name(name, path)
            built = self.built(wire, of, where, plain=plain)
            default = of.default(built.annotation, wire, where, is_made=not built.reach)
            parts.append(Part(name, key or name, built.annotation, of.note, default))
            inner.append(built)
        return parts, inner

    def _struct(
        self, fields: list[Any], hints: Hints, path: str, plain: bool, exactly: str = ""
    ) -> Built:
        level, start = self._enter(is_class=True), len(self.choices)
        parts, inner = self.parts(fields, hints, path, plain=plain)
        reach = self._leave(inner)
        name = exactly or making.class_name(hints.title, "Struct")
        key = _key_of_class(hints, parts, inner, *([name] if exactly else []), plain=plain)

        def make() -> Any:
            if plain:
                return making.namedtuple(name, parts, hints.doc)
            return making.model(name, parts, hints.doc, self._types.names)

        made = self._once(key, reach, start, make)
        return level.finish(made, self._types.numbered(key), self._above, reach)

    def _once(self, key: Hashable, reach: int, start: int, make: Callable[[], Any]) -> Any:
        """Make a class, unless one that stands by itself was made of this key before.

        Args:
            start: how many choices there were before it.
        """
        if reach:
            return self._types.name(make())
        made, self.choices[start:] = self._types.once(key, self.choices[start:], make)
        return made

    def _enum(self, members: list[str], hints: Hints, path: str) -> Built:
        name = making.class_name(hints.title, "Choice")
        key = "enum", hints.label, *members
        made, _ = self._types.once(
            key, [], lambda: making.enumeration(name, members, hints.doc, path)
        )
        return Built(made, self._types.numbered(key))

    def _choice(self, cases: list[Any], hints: Hints, path: str) -> Built:
        is_family = not leads_out(cases)
        level = self._enter(is_class=is_family)
        self.choices.append(level)
        if cases == ADDRESS:
            self._above.pop()
            return level.finish(IPv4Address | IPv6Address, "address", [], 0)
        return (self._family if is_family else self._union)(cases, hints, path, level)

    def _family(self, cases: list[Any], hints: Hints, path: str, level: Level) -> Built:
        start = len(self.choices) - 1
        variants, inner, told = [], [], []
        for index, name, fields in cases:
            case, variant, first = hints.case(name), self._enter(is_class=True), len(self.choices)
            parts, held = self.parts(fields, case, f"{path}.{name}")
            reach = self._leave(held)
            key = _key_of_class(case, parts, held)
            inner.append(Built(None, key, reach))
            choices = None if reach else self.choices[first:]
            variants.append((variant, index, name, parts, case.doc, key, choices))
            told.append((index, name, self._types.numbered(key)))
        reach = self._leave(inner)
        key = "choice", hints.label, *told
        again = self._met[key] = self._met.get(key, -1) + 1

        def make() -> Any:
            root = making.root(TaggedUnion, hints.title, hints.doc)
            for variant, index, name, parts, doc, key, choices in variants:
                made = making.variant(root, name, parts, doc, self._types.names, index=index)
                variant.finish(made, None, [], 0)
                self._types.name(made)
                if choices is not None:
                    self._types.is_made(key, choices, made)
            return root

        key = self._types.numbered(key), again
        made = self._once(key, reach, start, make)
        return level.finish(made, key, self._above, reach)

    def _union(self, cases: list[Any], hints: Hints, path: str, level: Level) -> Built:
        """A union of classes, one of which it stands in."""
        inner = []
        for position, (index, name, held) in enumerate(cases):
            if index != position:
                refuse(path, f"a union has no index {index} at place {position}")
            if held[:1] == ["up"]:
                inner.append(self.built(held, hints.of({}), path))
            elif isinstance(held, list):
                making.check_exact_name(name, path)
                inner.append(self._struct(held, hints.case(name), f"{path}.{name}", False, name))
            else:
                refuse(path, f"{held} stands in a union, and only classes can")
        reach = self._leave(inner)
        key = self._types.numbered(("union", *(each.key for each in inner)))
        annotations = tuple(each.annotation for each in inner)
        union: Any = Union[annotations]  # noqa: UP007 as many as there are
        return level.finish(union, key, self._above, reach)

    # Where we are --------------------------------------------------------------------------------

    def _enter(self, *, is_class: bool = False) -> Level:
        level = Level(self._types.names, is_class=is_class)
        self._above.append(level)
        return level

    def _leave(self, inner: list[Built]) -> int:
        """How far out the level that ends refers to something."""
        self._above.pop()
        return max((each.reach - 1 for each in inner if each.reach), default=0)


def let_stand_in_messages(
    types: Types, root: Any, hints: Hints, told: list[tuple[int, str, Hashable]], walks: list[Walk]
) -> None:
    """Have a family of responses be the type of a field, where it is described as one.

    Args:
        told: index, name and key of each variant.
        walks: that over each variant. In a message one walk goes over all, and meets again what it
            met in an earlier one.
    """
    level = Level(types.names, is_class=True)
    key = types.numbered(("choice", hints.label, *told)), 0
    level.finish(root, key, [], 0)
    choices = [level]
    for walk in walks:
        known = [choice.reference() for choice in choices]
        choices += [
            choice
            for choice in walk.choices
            if not any(choice.reference() is other for other in known)
        ]
    types.is_made(key, choices, root)


def _key_of_class(
    hints: Hints, parts: list[Part], inner: list[Built], *more: Hashable, plain: bool = False
) -> Hashable:
    told = ((part.name, each.key) for part, each in zip(parts, inner, strict=True))
    return "struct", plain, hints.label, *more, *told
