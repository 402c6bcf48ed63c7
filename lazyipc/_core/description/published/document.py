"""A command set described in one JSON object: how it reads in JSON, and how it lies on the wire.

The part of a server's description that is the same whenever its program runs; the driver adds the
rest. Knows command sets; no server.

Source: docs/protocol.md, "The description".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import BaseModel

from lazyipc._core import shape as shapes
from lazyipc._core.annotation import shape_of, structure_of
from lazyipc._core.codec import Codec
from lazyipc._core.command import common_response, response_type
from lazyipc._core.description.published.declared import doc_of
from lazyipc._core.description.published.definitions import Definitions, Schema
from lazyipc._core.description.published.json_schema import Schemas, key_of
from lazyipc._core.description.published.size import size_of
from lazyipc._core.family import Family, family_of
from lazyipc._core.schema import fields_of
from lazyipc.errors import SchemaError

VERSION = 1
"""The version of the document; a later one may mean something else by the same keys."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Reply(Protocol):
    """What is told of a command's replies; `catalog.Reply` has it."""

    @property
    def is_of_family(self) -> bool: ...
    @property
    def only(self) -> Codec[Any] | None: ...


class Entry(Protocol):
    """What is told of a command; `catalog.Entry` has it."""

    @property
    def model(self) -> type[BaseModel]: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> list[Any]: ...
    @property
    def fingerprint(self) -> bytes: ...
    @property
    def codec(self) -> Codec[Any]: ...
    @property
    def reply(self) -> Reply: ...
    @property
    def timeout(self) -> float | None: ...


class CommandSet(Protocol):
    """What is told of a set; `catalog.Catalog` has it, which asks for the description itself."""

    @property
    def command(self) -> type: ...
    @property
    def is_untagged(self) -> bool: ...
    @property
    def by_fingerprint(self) -> Mapping[bytes, Entry]: ...


def description_of(catalog: CommandSet) -> dict[str, Any]:
    """What there is to say of a command set, but for who serves it.

    >>> from examples.simple.commands import ClientCommand
    >>> from lazyipc._core.catalog import Catalog
    >>> told = description_of(Catalog(ClientCommand))
    >>> told["commands"][1]["fields"][0]
    {'name': 'a', 'key': 'a', 'wire': 'u64', 'bytes': 8}
    """
    return _Description(catalog).document()


class _Description:
    """One description in the making."""

    def __init__(self, catalog: CommandSet) -> None:
        self.catalog = catalog
        self.entries = list(catalog.by_fingerprint.values())
        self.returns = [response_type(entry.model) for entry in self.entries]
        """What the commands declare to return."""
        self.families: dict[Family, int] = {}
        """The families that replies are of, and the position at which each is told."""
        self.told_families: list[dict[str, Any]] = []
        self.definitions = Definitions()
        self.schemas = Schemas(self.definitions)
        for entry in self.entries:
            self.definitions.reserve(key_of(entry.model), "command", entry.name)

    def document(self) -> dict[str, Any]:
        root = self.catalog.command
        commands, lines = [], []
        for entry, returned in zip(self.entries, self.returns, strict=True):
            told = self.command(entry, returned)
            commands.append(told)
            if "json" not in told:
                lines.append(self.line(entry))
        doc = doc_of(root)
        schema: Schema = {"$schema": DIALECT, "title": root.__name__}
        if doc:
            schema["description"] = doc
        if lines:
            schema["oneOf"] = lines
        else:  # no command has a JSON form, so no line is one
            schema["not"] = {}
        is_tagged = not self.catalog.is_untagged
        return {
            "lazyipc": VERSION,
            "set": {"name": root.__name__, "doc": doc, "tagged": is_tagged, "bare": self.bare()},
            "commands": commands,
            "families": self.told_families,
            "schema": {**schema, "$defs": self.definitions.known},
        }

    def command(self, entry: Entry, returned: Any) -> dict[str, Any]:
        shape = entry.codec.shape
        assert isinstance(shape, shapes.Structure)
        _, name, fields, returns = entry.description
        told = {
            "name": name,
            "doc": doc_of(entry.model),
            "index": _index_of(entry.model),
            "timeout": entry.timeout,
            "fingerprint": entry.fingerprint.hex(),
            "fields": [
                {"name": own, "key": field.key, "wire": wire, "bytes": size_of(field.shape)}
                for (own, wire), field in zip(fields, shape.fields, strict=True)
            ],
            "returns": returns,
            "family": None if returns[0] != "family" else self.family(family_of(returned)),
        }
        parts: dict[str, Callable[[], Schema]] = {
            "request": lambda: self.schemas.structure(shape),
            "response": lambda: self.response(entry, returned),
        }
        for part, make in parts.items():
            count = len(self.definitions.known)
            try:
                told[part] = make()
            except SchemaError as error:
                self.definitions.forget(count)
                told[part] = None
                told.setdefault("json", f"its {part}: {error}")
        return told

    def family(self, family: Family | None) -> int:
        """The position of a family of responses, which is told when it is new."""
        assert family is not None
        known = self.families.get(family)
        if known is None:
            known = self.families[family] = len(self.families)
            variants = [
                {
                    "name": variant.name,
                    "index": variant.index,
                    "fields": fields_of(structure_of(variant.model)),
                }
                for variant in family.seal()
            ]
            self.told_families.append({"name": family.name, "variants": variants})
        return known

    def bare(self) -> dict[str, Any] | None:
        """What the bare wire answers with, as it does of each command; None if it cannot."""
        try:
            common = common_response(self.returns)
        except SchemaError:
            return None
        family = family_of(common)
        if family is not None and family.variants:
            return {"returns": ["family", family.name], "family": self.family(family)}
        return {"returns": self.entries[0].description[3], "family": None}

    # JSON --------------------------------------------------------------------------------------

    def response(self, entry: Entry, returned: Any) -> Schema:
        """The schema of what stands behind "Ok"."""
        return self.definitions.add("reply", entry.name, self.reply(entry.reply, returned))

    def reply(self, reply: Reply, returned: Any) -> Schema:
        if not reply.is_of_family:
            assert reply.only is not None
            return self.schemas.schema(reply.only.shape, returned)
        if reply.only is None:
            return self.schemas.schema(shape_of(returned))
        return self.variant(reply.only.shape)

    def variant(self, shape: shapes.Shape) -> Schema:
        """A variant behind its name."""
        assert isinstance(shape, shapes.Structure)
        forms = self.schemas.tagged(shape.name, shape)
        return forms[0] if len(forms) == 1 else {"oneOf": forms}

    def line(self, entry: Entry) -> Schema:
        """What a line may say to give a command."""
        shape = entry.codec.shape
        assert isinstance(shape, shapes.Structure)
        is_alone = self.catalog.is_untagged
        made = self.schemas.structure(shape) if is_alone else self.variant(shape)
        return self.definitions.add("line", entry.name, made)


def _index_of(model: type) -> int | None:
    family = family_of(model)
    variant = None if family is None else family.variant_of(model)
    return None if variant is None else variant.index
