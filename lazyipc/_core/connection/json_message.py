"""What JSON lines say: commands and replies by name, errors as objects; the same on both sides.

Source: docs/protocol.md, "JSON". Knows no stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

from lazyipc._core import shape as shapes
from lazyipc._core.catalog import Entry, Reply
from lazyipc._core.codec import Codec
from lazyipc._core.failure import error_of_object, failure_of
from lazyipc._core.family import family_of, takes_the_place_of
from lazyipc._core.json_form import JsonForm, Key, Misfit, Room, found, no_such, tag_of
from lazyipc.errors import DecodeError, EncodeError, IpcError

T = TypeVar("T")

MOST_FORMS = 1024
"""How many forms are kept; they are quickly made."""


@lru_cache(maxsize=MOST_FORMS)
def form_of(codec: Codec[Any]) -> JsonForm[Any]:
    """The JSON form of a codec's type, made once.

    Raises:
        SchemaError: it has none.
    """
    return JsonForm(codec)


def pick(value: Any, known: Mapping[str, T], what: str, room: Room) -> tuple[str, T, Any]:
    """The name that a value stands behind, what is known by it, and what it holds.

    Raises:
        Misfit: nothing is known by that name.
    """
    name, content = tag_of(value, room, what)
    if name not in known:
        raise Misfit(no_such(what, name, known), *at_name(value, name))
    return name, known[name], content


def at_name(value: Any, name: str) -> tuple[Key, ...]:
    """The step to a name, unless it stands alone."""
    return () if isinstance(value, str) else (Key(name),)


def read_named(value: Any, name: str, codec: Codec[Any], content: Any, room: Room) -> Any:
    """What a name holds; of a model without fields, nothing.

    Raises:
        Misfit: it is not of the codec's type.
        SchemaError: the type has no JSON form.
    """
    assert isinstance(codec.shape, shapes.Structure)
    form, fields = form_of(codec), codec.shape.fields
    if content is None and fields:
        written = ", ".join(f'"{field.key}": …' for field in fields)
        raise Misfit(f'{name} has fields: {{"{name}": {{{written}}}}}', *at_name(value, name))
    try:
        return form.read({} if content is None else content, room)
    except Misfit as misfit:
        raise misfit.within(*(key.text for key in at_name(value, name))) from None


def write_named(name: str, codec: Codec[Any], value: Any) -> str:
    """A value behind its name, or the name alone, where there are no fields."""
    assert isinstance(codec.shape, shapes.Structure)
    text = form_of(codec).write(value)
    quoted = json.dumps(name, ensure_ascii=False)
    return f"{{{quoted}:{text}}}" if codec.shape.fields else quoted


def is_tagged(entry: Entry) -> bool:
    """Whether a command stands behind its name: a set of one is known without."""
    family = family_of(entry.model)
    return family is not None and family.variant_of(entry.model) is not None


class ReplyForm:
    """How one command's replies are read and written.

    Raises:
        SchemaError: a type among them has no JSON form.
    """

    __slots__ = ("_by_model", "_by_name", "_only")

    def __init__(self, reply: Reply) -> None:
        codecs = reply.codecs
        for codec in codecs:
            form_of(codec)
        self._only = codecs[0]
        self._by_model: dict[Any, tuple[str, Codec[Any]]] = {}
        if reply.is_of_family:
            structures = [codec.shape for codec in codecs]
            names = [shape.name for shape in structures if isinstance(shape, shapes.Structure)]
            types = [shape.type for shape in structures if isinstance(shape, shapes.Structure)]
            self._by_model = dict(zip(types, zip(names, codecs, strict=True), strict=True))
        self._by_name = dict(self._by_model.values())

    def read(self, value: Any, room: Room) -> Any:
        """The reply that parsed JSON stands for.

        Raises:
            Misfit: it stands for none.
        """
        if not self._by_name:
            return form_of(self._only).read(value, room)
        name, codec, content = pick(value, self._by_name, "a response", room)
        return read_named(value, name, codec, content, room)

    def write(self, value: Any) -> str:
        """The JSON text of a reply.

        Raises:
            EncodeError: it is not of the declared type, or JSON has no form for it.
        """
        if not self._by_name:
            return form_of(self._only).write(value)
        known = self._by_model.get(value.__class__) or self._replaced(value.__class__)
        return write_named(*known, value)

    def _replaced(self, model: type) -> tuple[str, Codec[Any]]:
        for old, known in self._by_model.items():
            if takes_the_place_of(model, old):
                return known
        names = ", ".join(known.__qualname__ for known in self._by_model)
        raise EncodeError(f"{model.__qualname__} given, one of {names} declared")


@lru_cache(maxsize=MOST_FORMS)
def reply_form(reply: Reply) -> ReplyForm:
    """The JSON form of a command's replies, made once.

    Raises:
        SchemaError: one of them has none.
    """
    return ReplyForm(reply)


def error_text(error: BaseException) -> str:
    """An error as a JSON object."""
    failure = failure_of(error)
    told: dict[str, Any] = {
        "code": failure.code,
        "kind": failure.kind,
        "message": failure.message,
    }
    detail = json.loads(failure.detail or "{}")
    if isinstance(error, DecodeError) and error.line is not None:
        del detail["offset"]
        told |= {"line": error.line, "column": error.column}
    return json.dumps(told | detail, ensure_ascii=False, separators=(",", ":"))


def read_error(value: Any) -> IpcError:
    """The exception that an error's object stands for.

    Raises:
        Misfit: it is no such object.
    """
    try:
        return error_of_object(value)
    except DecodeError as error:
        raise Misfit(f"an error's object is wanted, not {found(value)}") from error
