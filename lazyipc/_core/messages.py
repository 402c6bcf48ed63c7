"""A set of messages as two peers know it: what may be sent, and what each message is answered with.

Where the messages have `process`, replies are as it declares; where they have not, a message is
answered with any message of the set. Knows codecs and descriptions; no frames, no connection.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from lazyipc._core import schema
from lazyipc._core import shape as shapes
from lazyipc._core.catalog import Entry, Reply, entry_of, timeout_of
from lazyipc._core.command import has_process
from lazyipc._core.compiled import structure_codec
from lazyipc._core.family import Generation, family_of, takes_the_place_of
from lazyipc.errors import SchemaError, SchemaMismatch

DESCRIPTION_VERSION = 1
"""The form of the description that a hello carries."""

DESCRIPTION_BYTES = 1 << 19
"""How long it may be: a hundred bytes a field are enough for five thousand fields."""


class MessageSet:
    """All messages that two peers may send each other, as one of them knows them.

    Args:
        message: the root of a family (TaggedUnion, Response or Command), or one model.

    Raises:
        SchemaError: it is neither, a message cannot travel, or only some have `process`; says
            which and why.

    >>> from lazyipc import TaggedUnion
    >>> class Word(TaggedUnion): "What is said."
    >>> class Ping(Word):
    ...     x: int
    >>> class Pong(Word): "Heard."
    >>> words = MessageSet(Word)
    >>> words.has_process, words.entry(Ping).description
    (False, ['message', 'Ping', [['x', 'i64']]])
    """

    def __init__(self, message: type) -> None:
        models = message_models(message)
        self.message = message
        self.has_process = has_process(models[0])
        """Whether messages answer for themselves, by `process`."""
        for model in models:
            if has_process(model) is not self.has_process:
                with_, without = (models[0], model) if self.has_process else (model, models[0])
                raise SchemaError(
                    f"{with_.__qualname__} has process(self, context), {without.__qualname__} has "
                    "not; give it to all messages of a set, or answer all of them in the handler"
                )
        if self.has_process:
            entries = [entry_of(model) for model in models]
        else:
            entries = _plain_entries(models, self.name)
        self.by_fingerprint = {entry.fingerprint: entry for entry in entries}
        self._by_model: dict[type, Entry] = {entry.model: entry for entry in entries}
        if len(self.description) > DESCRIPTION_BYTES:
            raise SchemaError(
                f"{self.name} takes {len(self.description)} bytes to describe, and a peer takes "
                f"{DESCRIPTION_BYTES}; split it into sets with a connection each"
            )

    @property
    def name(self) -> str:
        """The name of the set, for people."""
        return self.message.__qualname__

    def entry(self, model: type) -> Entry:
        """All there is to know of one message.

        Raises:
            SchemaError: the class is no message of this set.
        """
        found = self._by_model.get(model)
        return self._looked_up(model) if found is None else found

    def _looked_up(self, model: type) -> Entry:
        """The same of a class that was not met yet: one that a re-run notebook cell has made."""
        for old, entry in list(self._by_model.items()):
            if isinstance(model, type) and takes_the_place_of(model, old):
                self._by_model[model] = entry
                return entry
        given = getattr(model, "__qualname__", repr(model))
        if isinstance(model, type) and issubclass(model, type):
            raise SchemaError(f"a class was given, no message of {self.name}; send an instance")
        raise SchemaError(f"{given} is no message of {self.name}; there are {self._names()}")

    def _names(self) -> str:
        return ", ".join(entry.name for entry in self.by_fingerprint.values())

    @cached_property
    def description(self) -> str:
        """The set as JSON text, for the other side's hello and for people.

        Source: docs/protocol.md, "RPC".
        """
        families: list[Any] = []
        messages = [_described(entry, families) for entry in self.by_fingerprint.values()]
        told: dict[str, Any] = {"version": DESCRIPTION_VERSION, "messages": messages}
        if families:
            told["families"] = families
        return json.dumps(told, separators=(",", ":"))

    @cached_property
    def fingerprint(self) -> bytes:
        """Eight bytes that are the same for every set of the same messages, in whatever order."""
        told = [
            [*entry.description, sorted(entry.reply.variants, key=schema.canonical)]
            for entry in self.by_fingerprint.values()
        ]
        return schema.fingerprint(["messages", sorted(told, key=schema.canonical)])

    def mismatch(self, fingerprint: bytes, *, is_told: bool) -> SchemaMismatch:
        """The answer to a fingerprint that is not ours.

        Args:
            is_told: the other side has our description, and needs no second one.
        """
        return SchemaMismatch(
            f"no message of {self.name} has the fingerprint {fingerprint.hex()}",
            ours="" if is_told else self.description,
        )


def message_models(message: type) -> list[type[BaseModel]]:
    """The models a set of messages consists of: the sealed family's variants, or the one model.

    Raises:
        SchemaError: `message` is no model, a variant where its root is wanted, or a root whose
            variants are not defined.
    """
    if not (isinstance(message, type) and issubclass(message, BaseModel)):
        raise SchemaError(f"{message!r} is not a model; derive your messages from TaggedUnion")
    family = family_of(message)
    if family is None:
        return [message]
    if family.root is not message:
        raise SchemaError(f"{message.__qualname__} is one variant; give its root, {family.name}")
    if family.variants:
        return [variant.model for variant in family.seal()]
    if not message.model_fields and not has_process(message):
        raise SchemaError(f"{message.__qualname__} has no variants; import what defines them")
    return [message]


def _plain_entries(models: list[type[BaseModel]], set_name: str) -> list[Entry]:
    """The entries of messages without `process`; they share a reply, which is any of them."""
    codecs = {model: structure_codec(model) for model in models}
    described = {model: _description(codec.shape) for model, codec in codecs.items()}
    prints = {model: schema.fingerprint(told) for model, told in described.items()}
    reply = Reply.any_of(set_name, {model: (prints[model], codecs[model]) for model in models})
    return [
        Entry(
            model=model,
            name=described[model][1],
            description=described[model],
            fingerprint=prints[model],
            codec=codecs[model],
            reply=reply,
            timeout=timeout_of(model),
            generation=Generation.number,
        )
        for model in models
    ]


def _description(shape: shapes.Shape) -> list[Any]:
    assert isinstance(shape, shapes.Structure)
    return ["message", shape.name, schema.fields_of(shape)]


def _described(entry: Entry, families: list[Any]) -> dict[str, Any]:
    """One message; `families` gets the variants of the family its replies are of, once."""
    told = {"name": entry.name, "fields": entry.description[2]}
    if entry.description[0] == "command":
        told["returns"] = returns = entry.description[3]
        if returns[0] == "family":
            variants = entry.reply.variants
            if variants not in families:
                families.append(variants)
            told["family"] = families.index(variants)
    return told
