"""JSON Schema 2020-12 of shapes: which JSON a server reads and writes for each type.

Says of each kind of shape what `lazyipc._core.json_form` reads. What has a name stands once, in
`$defs`. Knows types; no commands.

Source: JSON Schema 2020-12, "Core" and "Validation"; docs/protocol.md, "The description".
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.codec import MAX_DEPTH
from lazyipc._core.command import Response
from lazyipc._core.conversion import IP_ADDRESS
from lazyipc._core.description.published.declared import (
    MISSING,
    Declared,
    Notes,
    declared_fields,
    doc_of,
    notes_of,
    text_of,
)
from lazyipc._core.description.published.definitions import Definitions, Schema
from lazyipc._core.description.published.demands import constrain
from lazyipc._core.description.published.standard import (
    ADDRESS,
    ATOMS,
    converted,
    key_schema,
    number,
)
from lazyipc._core.family import family_of
from lazyipc._core.json_form.rule import Room, reader, writer
from lazyipc._core.scalars import Number
from lazyipc._core.schema import describe
from lazyipc._core.shape import Shape, children

LONGEST_DEFAULT = 10_000
"""Characters of a default that is told; a longer one is found out by leaving the field out."""


class Schemas:
    """Makes the schemas of one document, of which what has a name stands once.

    Args:
        definitions: where that stands.

    >>> Schemas(Definitions()).schema(shapes.Option(Number("u8")), int | None)["anyOf"][1]
    {'type': 'null'}
    """

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions

    def schema(
        self,
        shape: Shape,
        annotation: Any = Any,
        metadata: tuple[Any, ...] = (),
        demands: Mapping[str, Any] | None = None,
        description: str = "",
    ) -> Schema:
        """The schema of a shape.

        Args:
            annotation: the type as it is declared, which says more than the shape.
            metadata: marks that stand beside the type.
            demands: what is asked of it from further out.
            description: what is said of the place where it stands.
        """
        notes = notes_of(annotation, metadata, demands)
        made = self._bare(shape, notes)
        if not isinstance(shape, shapes.Option):
            constrain(made, shape, notes.demands)
        description = description or notes.description
        if description:
            made = {"description": description, **made}
        if not _holds_class(shape):
            made["wire"] = describe(shape)
        return made

    def _bare(self, shape: Shape, notes: Notes) -> Schema:
        annotation = notes.annotation
        match shape:
            case shapes.Reference():
                return self._referred(shape, notes)
            case shapes.Structure():
                return self.structure(shape)
            case shapes.Choice():
                return dict(ADDRESS) if shape is IP_ADDRESS else self.choice(shape)
            case shapes.Enumeration(kind, members):
                return self.definitions.shared(
                    kind, "type", kind.__name__, lambda: _enumeration(kind, members)
                )
            case shapes.Option(item):
                if isinstance(item, shapes.Product) and not item.items:
                    reader(shape)  # says why it has no form
                rest = tuple(a for a in typing.get_args(annotation) if a is not type(None))
                inner: Any = typing.Union[rest] if rest else Any  # noqa: UP007 as many as there are
                return {"anyOf": [self.schema(item, inner, (), notes.demands), {"type": "null"}]}
            case shapes.Vector(item):
                return {"type": "array", "items": self.schema(item, _first(annotation))}
            case shapes.Set(item):
                items = self.schema(item, _first(annotation))
                return {"type": "array", "items": items, "uniqueItems": True}
            case shapes.Array(item, length):
                items = self.schema(item, _first(annotation))
                return {"type": "array", "items": items, "minItems": length, "maxItems": length}
            case shapes.NumberArray(item, length):
                made = {"type": "array", "items": self.schema(item)}
                return made if length is None else made | {"minItems": length, "maxItems": length}
            case shapes.Product(items):
                return self._product(items, typing.get_args(annotation))
            case shapes.Mapping(key, item):
                # Says of some keys why they have no form.
                reader(shapes.Mapping(key, shapes.Unit()))
                of_key, of_item = (*typing.get_args(annotation), Any, Any)[:2]
                names = self.schema(key, of_key)
                made = {"type": "object", "propertyNames": key_schema(key, names)}
                return made | {"additionalProperties": self.schema(item, of_item)}
            case shapes.Converted():
                return converted(shape)
            case Number():
                return number(shape)
        return dict(ATOMS[type(shape)])

    def _product(self, items: tuple[Shape, ...], annotations: tuple[Any, ...]) -> Schema:
        if not items:
            return {"type": "null"}
        parts = [self.schema(item, of) for item, of in zip(items, annotations, strict=True)]
        count = len(parts)
        made = {"type": "array", "prefixItems": parts, "items": False}
        return made | {"minItems": count, "maxItems": count}

    def _referred(self, shape: shapes.Reference, notes: Notes) -> Schema:
        target = shape.target.shape
        if isinstance(target, shapes.Structure | shapes.Choice):
            return self._bare(target, notes)
        # An alias that contains itself.
        key = key_of(notes.alias)
        return self.definitions.shared(
            key, "type", shape.name, lambda: self.schema(target, notes.annotation)
        )

    # Classes -----------------------------------------------------------------------------------

    def structure(self, shape: shapes.Structure) -> Schema:
        """A reference to the definition of a class, which is made if it is new."""
        prefix = "response" if _is_response(shape.type) else "type"
        return self.definitions.shared(
            key_of(shape.type), prefix, shape.name, lambda: self._structure(shape)
        )

    def _structure(self, shape: shapes.Structure) -> Schema:
        properties: dict[str, Schema] = {}
        required = []
        for field, declared in zip(shape.fields, declared_fields(shape), strict=True):
            made = self.schema(
                field.shape,
                declared.annotation,
                declared.metadata,
                description=declared.description,
            )
            is_optional = isinstance(field.shape, shapes.Option)
            if declared.default is not MISSING:
                made |= _default(field.shape, declared)
            elif is_optional and not declared.has_default:
                made["default"] = None
            properties[field.key] = made
            if not (declared.has_default or is_optional):
                required.append(field.key)
        return {
            **_head(shape.name, shape.type),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def choice(self, shape: shapes.Choice) -> Schema:
        """A reference to the definition of a family or union."""
        if len({case.name for case in shape.cases}) < len(shape.cases):
            reader(shape)  # says why it has no form
        key = "choice", *((case.index, case.name, case.type) for case in shape.cases)
        return self.definitions.shared(key, "type", shape.name, lambda: self._choice(shape))

    def _choice(self, shape: shapes.Choice) -> Schema:
        forms = [form for case in shape.cases for form in self.tagged(case.name, case.shape)]
        return {**_head(shape.name, _root_of(shape)), "oneOf": forms}

    def tagged(self, name: str, shape: Shape) -> list[Schema]:
        """The ways to write a variant: its name and its fields, or the name alone."""
        while isinstance(shape, shapes.Reference):
            shape = shape.target.shape
        assert isinstance(shape, shapes.Structure)
        held = self.structure(shape)
        if shape.fields:
            return [_behind(name, held)]
        return [{"const": name}, _behind(name, {"anyOf": [{"type": "null"}, held]})]


def key_of(annotation: Any) -> Any:
    """What tells classes apart: `Page[A | B]` equals `Page[B | A]`, yet not in what it holds."""
    return annotation if isinstance(annotation, type) else (annotation, repr(annotation))


def _is_response(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Response)


def _holds_class(shape: Shape) -> bool:
    """Whether something stands in it that has a definition of its own, where its parts are told."""
    match shape:
        case shapes.Structure() | shapes.Reference():
            return True
        case shapes.Choice():
            return shape is not IP_ADDRESS
    return any(map(_holds_class, children(shape)))


def _first(annotation: Any) -> Any:
    return (*typing.get_args(annotation), Any)[0]


def _head(name: str, thing: Any) -> Schema:
    doc = doc_of(thing) if thing is not None else ""
    head = {"title": text_of(name)}
    return head | {"description": doc} if doc else head


def _root_of(shape: shapes.Choice) -> type | None:
    """The root of the family that a choice is, if it is one; a union has no such class."""
    family = family_of(shape.cases[0].type)
    models = [case.type for case in shape.cases]
    if family is None or [variant.model for variant in family.variants] != models:
        return None
    return family.root


def _enumeration(kind: type, members: tuple[Any, ...]) -> Schema:
    names = [member.name for member in members]
    return {**_head(kind.__name__, kind), "type": "string", "enum": names}


def _behind(name: str, held: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {name: held},
        "required": [name],
        "additionalProperties": False,
    }


def _default(shape: Shape, declared: Declared) -> Schema:
    """The JSON form of a default, where it has one and is a value of its field."""
    try:
        text = json.dumps(writer(shape)(declared.default), ensure_ascii=False)
        told = json.loads(text.encode())
        reader(shape)(told, Room(LONGEST_DEFAULT, MAX_DEPTH))
    except Exception:  # noqa: BLE001 a default that nobody has checked may be anything at all
        return {}
    return {"default": told} if len(text) <= LONGEST_DEFAULT else {}
