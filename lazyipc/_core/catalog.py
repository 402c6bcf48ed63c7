"""What a command set looks like to a connection: each command's fingerprint, codec and reply.

One entry is compiled when it is first needed, so a script that sends one command pays for one.
Knows codecs and descriptions; no frames, no connection.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pydantic import BaseModel

from lazyipc._core import schema
from lazyipc._core import shape as shapes
from lazyipc._core.codec import DEFAULT_ELEMENTS, MAX_DEPTH, Codec
from lazyipc._core.command import (
    check_not_async,
    command_models,
    common_response,
    response_type,
)
from lazyipc._core.compiled import codec_of, structure_codec
from lazyipc._core.family import Family, Generation, family_of, takes_the_place_of
from lazyipc._core.framing import Wire
from lazyipc._core.record import Value
from lazyipc.errors import DecodeError, EncodeError, SchemaError, SchemaMismatch

DESCRIPTION_VERSION = 1
"""The form of the description a server sends with a mismatch."""


class Reply:
    """How one command's replies travel: which types they may have, and each one's fingerprint.

    A declared root lets a reply be any variant of its family, so a new variant breaks nobody.
    """

    __slots__ = ("by_fingerprint", "by_model", "description", "fingerprint", "only")

    def __init__(self, annotation: Any) -> None:
        family = family_of(annotation)
        self.only: Codec[Any] | None = None
        """Of the one type that replies have, where there is but one; with its fingerprint."""
        self.fingerprint = b""
        self.by_model: dict[type, tuple[bytes, Codec[Any]]] = {}
        """Of each of several types, its fingerprint and its codec."""
        self.by_fingerprint: dict[bytes, Codec[Any]] = {}
        if family is not None and family.root is annotation and family.variants:
            self.description: schema.Description = ["family", family.name]
            for variant in family.seal():
                codec = structure_codec(variant.model)
                print_ = schema.fingerprint(_response_description(codec.shape))
                self.by_model[variant.model] = print_, codec
                self.by_fingerprint[print_] = codec
            return
        self.only = codec = codec_of(annotation)
        if family is not None:
            family.seal()
            self.description = full = _response_description(codec.shape)
        else:
            self.description = schema.describe(codec.shape)
            full = ["type", self.description]
        self.fingerprint = schema.fingerprint(full)

    @classmethod
    def any_of(cls, name: str, messages: dict[type, tuple[bytes, Codec[Any]]]) -> Reply:
        """Replies that are messages themselves, of a set of that name, by their classes."""
        reply = cls.__new__(cls)
        reply.only, reply.fingerprint, reply.description = None, b"", ["family", name]
        if len(messages) == 1:
            ((reply.fingerprint, reply.only),) = messages.values()
        reply.by_model = messages
        reply.by_fingerprint = dict(messages.values())
        return reply

    @property
    def codecs(self) -> list[Codec[Any]]:
        """Of each type that replies may have."""
        return [self.only] if self.only is not None else list(self.by_fingerprint.values())

    @property
    def is_of_family(self) -> bool:
        """Whether replies are variants of a Response family, known by their names."""
        return self.description[0] in ("response", "family")

    @property
    def variants(self) -> list[list[Any]]:
        """Name and fields of each variant, where replies are of a family by its root."""
        codecs = self.by_fingerprint.values()
        return [list(_response_description(codec.shape)[1:]) for codec in codecs]

    def encode(self, value: Any) -> tuple[bytes, bytes]:
        """The reply's fingerprint and bytes.

        Raises:
            EncodeError: the value is not of the declared type.
        """
        fingerprint, codec = self.codec_for(value.__class__)
        return fingerprint, codec.encode(value)

    def codec_for(self, model: type) -> tuple[bytes, Codec[Any]]:
        """The fingerprint and the codec of a reply of this class.

        Raises:
            EncodeError: the class is none of those declared.
        """
        if self.only is not None:
            return self.fingerprint, self.only
        found = self.by_model.get(model)
        if found is None:
            found = next(
                (self.by_model[old] for old in self.by_model if takes_the_place_of(model, old)),
                None,
            )
        if found is None:
            names = ", ".join(known.__qualname__ for known in self.by_model)
            raise EncodeError(f"{model.__qualname__} given, one of {names} declared")
        return found

    def decode(
        self,
        fingerprint: bytes,
        data: bytes | bytearray | memoryview,
        start: int,
        end: int,
        elements: int = DEFAULT_ELEMENTS,
        depth: int = MAX_DEPTH,
    ) -> Any:
        """The reply's value.

        Raises:
            SchemaMismatch: the reply is of a type, or variant, that is not known here.
            DecodeError: the bytes are no such value.
        """
        if fingerprint == self.fingerprint and self.only is not None:
            return self.only.decode(data, start, end, elements, depth)
        codec = self.by_fingerprint.get(fingerprint)
        if codec is None:
            raise SchemaMismatch(
                f"the reply has fingerprint {fingerprint.hex()}, which is no "
                f"{schema.text_of(self.description)} as it is described here; the command did run"
            )
        return codec.decode(data, start, end, elements, depth)


def _response_description(shape: shapes.Shape) -> schema.Description:
    assert isinstance(shape, shapes.Structure)
    return ["response", shape.name, schema.fields_of(shape)]


class Entry(Value):
    """One command: all a connection needs to send, receive and answer it."""

    model: type[BaseModel]
    name: str
    description: list[Any]
    fingerprint: bytes
    codec: Codec[Any]
    reply: Reply
    timeout: float | None
    generation: int

    def __reduce__(self) -> tuple[Any, ...]:
        """A class that is pickled by value, as notebooks' are, goes without what was compiled."""
        return type(None), ()


def entry_of(model: type) -> Entry:
    """The entry of a command's class; seals its family.

    Raises:
        SchemaError: the class is no command, or cannot travel.
    """
    made: Entry | None = getattr(model, "__lazyipc_entry__", None)
    if made is None or made.model is not model or made.generation != Generation.number:
        made = _make_entry(model)
        model.__lazyipc_entry__ = made  # type: ignore[attr-defined]
    return made


def _make_entry(model: type) -> Entry:
    if issubclass(model, type):
        raise SchemaError("a class was given; send an instance of it")
    if not issubclass(model, BaseModel):
        raise SchemaError(f"{model.__qualname__} is not a model; derive commands from Command")
    family = family_of(model)
    if family is not None:
        family.seal()
    reply = Reply(response_type(model, may_be_async=True))
    codec = structure_codec(model)
    assert isinstance(codec.shape, shapes.Structure)
    name, fields = codec.shape.name, schema.fields_of(codec.shape)
    description: list[Any] = ["command", name, fields, reply.description]
    fingerprint = schema.fingerprint(description)
    timeout = timeout_of(model)
    return Entry(model, name, description, fingerprint, codec, reply, timeout, Generation.number)


def timeout_of(model: type) -> float | None:
    """Seconds that a class, or its root, says its reply is waited for; None for neither."""
    family = family_of(model)
    if family is None:
        return None
    variant = family.variant_of(model)
    return family.timeout if variant is None or variant.timeout is None else variant.timeout


class BarePair(Value):
    """The two codecs of the bare wire."""

    command: Codec[Any]
    response: Codec[Any]


def bare_pair(command: type) -> BarePair:
    """The codecs a whole command set has on the bare wire.

    Args:
        command: the set's root, or the one model of a set of one.

    Raises:
        SchemaError: the set has no one response type.
    """
    models = command_models(command)
    response = common_response([response_type(model) for model in models])
    return BarePair(codec_of(command), codec_of(response))


def root_of(model: type) -> type:
    """The root of a command's set."""
    family: Family | None = family_of(model)
    return model if family is None else family.root


class Catalog:
    """A whole command set, as its server knows it.

    Args:
        command: the set's root, or the one model of a set of one.

    Raises:
        SchemaError: a command cannot travel; says which and why.
    """

    def __init__(self, command: type) -> None:
        models = command_models(command)
        for model in models:
            check_not_async(model)
        self.command = command
        self.is_untagged = models == [command]
        self.by_fingerprint = {entry.fingerprint: entry for entry in map(entry_of, models)}

    @cached_property
    def bare(self) -> BarePair:
        """The codecs of the bare wire."""
        return bare_pair(self.command)

    def check_bare(self, wires: Wire) -> None:
        """See that the set can be spoken bare beside the other wires of a server.

        Raises:
            SchemaError: it cannot.
        """
        if self.is_untagged and wires is not Wire.BARE:
            raise SchemaError(
                f"{self.command.__name__} is a set of one: bare, it has no variant index and may "
                "begin with any bytes, so it goes with no other wire; use wires=Wire.BARE alone"
            )
        _ = self.bare

    @cached_property
    def description(self) -> str:
        """The set as JSON text, for whoever has another idea of it."""
        import json  # here, because a client needs it only where it is refused

        commands = [
            {"name": entry.name, "fields": entry.description[2], "returns": entry.description[3]}
            for entry in self.by_fingerprint.values()
        ]
        return json.dumps({"version": DESCRIPTION_VERSION, "commands": commands})

    @cached_property
    def document(self) -> dict[str, Any]:
        """What there is to say of the set: docs/protocol.md, "The description"."""
        # Here, so that nobody pays for it who never asks.
        from lazyipc._core.description.published.document import description_of

        return description_of(self)

    def mismatch(self, fingerprint: bytes) -> SchemaMismatch:
        """The answer to a fingerprint that is not ours."""
        return SchemaMismatch(
            f"no command of {self.command.__name__} has the fingerprint {fingerprint.hex()}",
            ours=self.description,
        )


def mismatch_seen_by_client(entry: Entry, theirs: str) -> SchemaMismatch:
    """The same, told from the client's side: what differs, field by field."""
    import json  # here, because most clients are never refused

    ours = json.dumps(entry.description)
    try:
        told = schema.difference(entry.description, json.loads(theirs))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DecodeError(f"the server's description: {error!r}", offset=0) from error
    return SchemaMismatch(f"{entry.name} was not run: {told}", ours=ours, theirs=theirs)
