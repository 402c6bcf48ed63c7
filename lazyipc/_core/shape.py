"""From a type to its shape: a frozen tree of what travels, in the order it travels.

The only walk over model fields. Codec, construct, fingerprint and description are all made from the
tree, so they cannot see different things. Knows nothing of bytes.
"""

from __future__ import annotations

import enum
import keyword
import types
import typing
from dataclasses import dataclass
from typing import Any, Union

from pydantic import BaseModel
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo

from lazyipc._core.family import TaggedUnion, family_of
from lazyipc._core.scalars import Number
from lazyipc.errors import SchemaError


@dataclass(frozen=True, slots=True)
class Bool:
    """One byte, 0 or 1."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string: UTF-8 behind its length in bytes."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Raw bytes behind their count (Rust: Vec<u8>)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """None: no bytes at all (Rust: ())."""


@dataclass(frozen=True, slots=True)
class Option:
    """A value or None."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Vector:
    """Any number of one shape (Rust: Vec); `kind` is list or tuple."""

    item: Shape
    kind: type


@dataclass(frozen=True, slots=True)
class Product:
    """A tuple of fixed length."""

    items: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Pairs in the order of the dict (Rust: HashMap, BTreeMap)."""

    key: Shape
    value: Shape


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One of an Enum's members, by position (Rust: an enum of unit variants)."""

    type: type[enum.Enum]
    members: tuple[enum.Enum, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its name, the key pydantic reads it by, and its shape."""

    name: str
    key: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Structure:
    """A model's fields, one after the other, nothing between."""

    model: type[BaseModel]
    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One variant of a Choice."""

    index: int
    name: str
    shape: Structure


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several models, behind its u32 index (Rust: an enum)."""

    name: str
    cases: tuple[Case, ...]


Shape = (
    Number
    | Bool
    | Text
    | Blob
    | Unit
    | Option
    | Vector
    | Product
    | Mapping
    | Enumeration
    | Structure
    | Choice
)

_SCALARS: dict[object, Shape] = {
    int: Number("i64"),
    float: Number("f64"),
    bool: Bool(),
    str: Text(),
    bytes: Blob(),
    None: Unit(),
    type(None): Unit(),
}


def shape_of(annotation: Any) -> Shape:
    """The shape of a type.

    Raises:
        SchemaError: the type, or one inside it, has no wire form; names the field.

    >>> shape_of(list[bool])
    Vector(item=Bool(), kind=<class 'list'>)
    """
    return _shape(annotation, (), _name(annotation), ())


def structure_of(model: type[BaseModel]) -> Structure:
    """The shape of one model's own fields, a family's variant without its index."""
    return _structure(model, model.__qualname__, ())


def _shape(annotation: Any, metadata: tuple[Any, ...], path: str, above: tuple[type, ...]) -> Shape:
    for mark in metadata:
        if isinstance(mark, Number):
            return mark
    if isinstance(annotation, typing.TypeVar | typing.ForwardRef | str):
        raise SchemaError(f"{path}: {annotation!r} is not resolved to a type")
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    alias = getattr(annotation, "__supertype__", None) or _alias_value(annotation)
    if alias is not None:
        return _shape(alias, (), path, above)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _shape(args[0], args[1:], path, above)
    if origin in (Union, types.UnionType):
        return _union(args, path, above)
    if origin is list and args:
        return Vector(_shape(args[0], (), f"{path}[]", above), list)
    if origin is tuple:
        return _tuple(args, path, above)
    if origin is dict and args:
        return Mapping(_key(args[0], path, above), _shape(args[1], (), f"{path}[]", above))
    if isinstance(annotation, type):
        if issubclass(annotation, enum.Enum) and not issubclass(annotation, enum.Flag):
            return Enumeration(annotation, tuple(annotation))
        if issubclass(annotation, BaseModel):
            return _model(annotation, path, above)
    raise SchemaError(f"{path}: {_name(annotation)} has no wire form{_hint(annotation)}")


def _key(annotation: Any, path: str, above: tuple[type, ...]) -> Shape:
    key = _shape(annotation, (), f"{path} (key)", above)
    if not _is_plain(key):
        raise SchemaError(
            f"{path}: a dict's key must be a number, a string, bytes, an Enum or a tuple of these, "
            f"not {_name(annotation)}"
        )
    return key


def _is_plain(shape: Shape) -> bool:
    """Whether decoding gives a hashable value before any model is built."""
    match shape:
        case Product(items):
            return all(map(_is_plain, items))
        case Vector(item, kind):
            return kind is tuple and _is_plain(item)
        case Option(item):
            return _is_plain(item)
        case Mapping() | Structure() | Choice():
            return False
    return True


def _alias_value(annotation: Any) -> Any:
    """What a `type X = …` statement (Python 3.12) stands for."""
    return annotation.__value__ if type(annotation).__name__ == "TypeAliasType" else None


def _tuple(args: tuple[Any, ...], path: str, above: tuple[type, ...]) -> Shape:
    if len(args) == 2 and args[1] is Ellipsis:
        return Vector(_shape(args[0], (), f"{path}[]", above), tuple)
    return Product(tuple(_shape(a, (), f"{path}[{i}]", above) for i, a in enumerate(args)))


def _union(args: tuple[Any, ...], path: str, above: tuple[type, ...]) -> Shape:
    items = [arg for arg in args if arg is not type(None)]
    if len(items) < len(args):
        item = (
            _shape(items[0], (), path, above) if len(items) == 1 else _union_of(items, path, above)
        )
        if isinstance(item, Option):
            raise SchemaError(
                f"{path}: an optional inside an optional, whose two kinds of None are one in "
                "Python; put the inner one in a model of its own"
            )
        return Option(item)
    return _union_of(items, path, above)


def _union_of(items: list[Any], path: str, above: tuple[type, ...]) -> Choice:
    cases = []
    for index, item in enumerate(items):
        if not (isinstance(item, type) and issubclass(item, BaseModel)):
            raise SchemaError(
                f"{path}: {_name(item)} stands in a union, and only models can be told apart on "
                "the wire; put it in a model of its own"
            )
        family = family_of(item)
        if family is not None and family.root is item and family.variants:
            raise SchemaError(f"{path}: {item.__qualname__} is itself a family; name its variants")
        cases.append(Case(index, _case_name(item), _structure(item, path, above)))
    return Choice(path, tuple(cases))


def _case_name(model: type[BaseModel]) -> str:
    family = family_of(model)
    variant = family.variant_of(model) if family is not None else None
    return variant.name if variant is not None else model.__name__


def _model(model: type[BaseModel], path: str, above: tuple[type, ...]) -> Shape:
    family = family_of(model)
    if family is not None and family.root is model and family.variants:
        if model in above:
            raise SchemaError(f"{path}: {model.__qualname__} contains itself")
        cases = tuple(
            Case(v.index, v.name, _structure(v.model, f"{family.name}.{v.name}", (*above, model)))
            for v in family.seal()
        )
        return Choice(family.name, cases)
    return _structure(model, path, above)


def _structure(model: type[BaseModel], path: str, above: tuple[type, ...]) -> Structure:
    if model in above:
        raise SchemaError(f"{path}: {model.__qualname__} contains itself")
    if model is BaseModel or model.__dict__.get("__lazyipc_base__") or model is TaggedUnion:
        raise SchemaError(f"{path}: {model.__qualname__} is a base; name a model derived from it")
    if model.__pydantic_root_model__:
        raise SchemaError(f"{path}: {model.__qualname__} is a RootModel; name the type inside it")
    fields = tuple(
        Field(
            name,
            _key_of(name, info, f"{path}.{name}"),
            _shape(info.annotation, tuple(info.metadata), f"{path}.{name}", (*above, model)),
        )
        for name, info in complete(model).model_fields.items()
    )
    return Structure(model, _case_name(model), fields)


def _key_of(name: str, info: FieldInfo, path: str) -> str:
    """What pydantic reads a field by; the name itself becomes part of generated code."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise SchemaError(f"{path}: {name!r} is no name of an attribute in Python")
    alias = info.validation_alias
    if alias is not None and not isinstance(alias, str):
        raise SchemaError(f"{path}: {alias!r} names more than one alias; give it one")
    return alias or name


def complete(model: type[BaseModel]) -> type[BaseModel]:
    """Build a model whose building was deferred, so that its fields and validator are final."""
    if model.__pydantic_complete__:
        return model
    names = dict(getattr(model, "__lazyipc_locals__", {}))
    try:
        model.model_rebuild(_types_namespace=names or None)
    except (PydanticUndefinedAnnotation, PydanticUserError, NameError) as error:
        raise SchemaError(f"{model.__qualname__}: {error}") from error
    return model


def _hint(annotation: Any) -> str:
    if annotation in (list, tuple, dict):
        return f"; say what is in it, such as {annotation.__name__}[int]"
    return ""


def _name(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
