"""Real classes made from a server's description, as if its command set had been imported.

They are held against the description they came from: a command whose fingerprint comes out another
way is refused, so what is sent is what the server understands. The description is untrusted; it
gives names and types, and nothing of it is run. Knows no wire and no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from pydantic import BaseModel

from lazyipc._core import schema
from lazyipc._core.catalog import Catalog, Entry, Reply, entry_of
from lazyipc._core.command import Command, Response
from lazyipc._core.description.model import CommandInfo, Description
from lazyipc._core.description.rebuilt import making
from lazyipc._core.description.rebuilt.hints import Hints
from lazyipc._core.description.rebuilt.levels import Types, alias_of
from lazyipc._core.description.rebuilt.rebuilding import Walk, let_stand_in_messages
from lazyipc._core.description.soundness import printable, refuse
from lazyipc._core.family import family_of
from lazyipc._core.record import Value
from lazyipc.errors import DecodeError, LocalProtocolError


class Classes(Value, hidden=("catalog", "types")):
    """The classes of a command set.

    `command` is the set's root, or the one command of a set of one; `commands` are its classes by
    the names the server gives them, `types` all classes that stand in them and in responses, by
    names of their own. `catalog` is what a connection takes.
    """

    description: Description
    command: type[BaseModel]
    commands: dict[str, type[BaseModel]]
    types: dict[str, type]
    catalog: Catalog


def classes_of(description: Description) -> Classes:
    """Make the classes of a described command set.

    Raises:
        DecodeError: there are none that would be described so; names the command or its field.
    """
    return _Made(description).classes()


class _Made:
    """The classes of one description, while they are made."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self._types = Types(description.definitions)
        self._responses: dict[tuple[str, bytes], Any] = {}
        """Variants of response families, by name and fields."""

    def classes(self) -> Classes:
        described = self._description
        families = [
            _guarded(family.name, lambda number=number: self._family(number))  # type: ignore[misc]
            for number, family in enumerate(described.families)
        ]
        root: Any = None
        if described.is_tagged:
            root = _guarded(
                described.name, lambda: making.root(Command, described.name, described.doc)
            )
        elif len(described.commands) != 1:
            refuse("set.tagged", "a set of one has one command")
        commands = {
            info.name: _guarded(info.name, lambda info=info: self._command(info, root, families))  # type: ignore[misc]
            for info in described.commands
        }
        for info in described.commands:
            _guarded(info.name, lambda info=info: self._check(info, commands[info.name]))  # type: ignore[misc]
        top = root if described.is_tagged else commands[described.commands[0].name]
        catalog = _guarded(described.name, lambda: Catalog(top))
        return Classes(described, top, commands, self._types.named, catalog)

    # Responses ---------------------------------------------------------------------------------

    def _family(self, number: int) -> Any:
        """A family of responses, which some command declares by its root."""
        family, commands = self._description.families[number], self._description.commands
        whole = [info.response for info in commands if info.family == number]
        root = making.root(Response, family.name, self._first(whole).doc)
        self._types.name(root)
        told, walks = [], []
        for variant in family.variants:
            alone = [i.response for i in commands if i.returns[:2] == ["response", variant.name]]
            hints, walk = self._first([*whole, *alone]).case(variant.name), Walk(self._types)
            made, key = walk.variant(root, variant.name, variant.fields, hints, variant.index)
            self._know(made, variant.name, variant.fields)
            told.append((variant.index, variant.name, key))
            walks.append(walk)
        let_stand_in_messages(self._types, root, self._first(whole), told, walks)
        return root

    def _first(self, schemas: list[dict[str, Any] | None]) -> Hints:
        """What the first of several schemas says; nothing where there is none."""
        return self._types.hints(next(filter(None, schemas), None))

    def _know(self, made: Any, name: str, fields: Iterable[Any]) -> Any:
        """Have a class be that of a response of this name and these fields, unless one is."""
        key = name, schema.canonical([list(field) for field in fields])
        return self._responses.setdefault(key, made)

    def _returned(self, info: CommandInfo, families: list[Any]) -> Any:
        """The type that a command returns."""
        hints = self._types.hints(info.response)
        match info.returns:
            case ["family", _]:
                assert info.family is not None  # as whoever read the description saw to
                return families[info.family]
            case ["response", name, fields]:
                known = self._responses.get((name, schema.canonical(fields)))
                if known is None:
                    root = making.root(Response, f"{name}Response", "")
                    made, _ = Walk(self._types).variant(root, name, fields, hints.case(name), None)
                    known = self._know(made, name, fields)
                return known
        built = Walk(self._types).built(info.returns, hints, f"{info.name} (response)")
        if family_of(built.annotation) is None:
            return built.annotation
        # By its root itself, a family would be told by its name.
        return alias_of("Returned", built.annotation)

    # Commands ----------------------------------------------------------------------------------

    def _command(self, info: CommandInfo, root: Any, families: list[Any]) -> Any:
        process = _process(info.name, self._returned(info, families))
        return Walk(self._types).command(root, info, process)

    def _check(self, info: CommandInfo, model: type[BaseModel]) -> None:
        """See that a class is described as the command that it was made from."""
        entry: Entry = entry_of(model)
        _, name, fields, returns = entry.description
        if name != info.name or returns != info.returns:
            refuse(info.name, f"the class made from it is {name}, or returns otherwise")
        for field, described in zip(info.fields, fields, strict=True):
            if described != [field.name, field.wire]:
                where = f"{info.name}.{field.name}"
                refuse(where, "the type made from it is described otherwise; nobody declares it so")
        if entry.fingerprint.hex() != info.fingerprint:
            refuse(
                info.name,
                f"its fingerprint is {entry.fingerprint.hex()}, and {info.fingerprint} is told",
            )
        if info.family is not None:
            self._check_variants(info, entry.reply)

    def _check_variants(self, info: CommandInfo, reply: Reply) -> None:
        assert info.family is not None
        family = self._description.families[info.family]
        told = [[variant.name, [list(f) for f in variant.fields]] for variant in family.variants]
        if family.name != info.returns[1] or reply.variants != told:
            refuse(info.name, f"the classes made from {family.name} are described otherwise")


def _process(name: str, returned: Any) -> Callable[..., Any]:
    """What makes a class a command, and says what it returns."""

    def process(self: Any, context: Any) -> NoReturn:
        raise LocalProtocolError(f"{printable(name)} is run by its server, not here")

    process.__annotations__ = {"return": returned}
    return process


def _guarded(name: str, make: Callable[[], Any]) -> Any:
    """Make something, whatever a server's text brings about in pydantic, `enum` or `typing`.

    Raises:
        DecodeError: it cannot be made.
    """
    try:
        return make()
    except DecodeError:
        raise
    except Exception as error:
        told = printable(f"the server's description: no class can be made of it: {error}")
        raise DecodeError(told, offset=0, path=printable(name)) from error
