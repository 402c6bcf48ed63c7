"""What a class declares: the fields of models, dataclasses and NamedTuples, alike.

What a class declares that cannot be rebuilt from what travels is refused here. Knows no shapes.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo

from lazyipc._core.family import TaggedUnion
from lazyipc.errors import SchemaError


class Member(NamedTuple):
    """One field as its class declares it."""

    name: str
    annotation: Any
    metadata: tuple[Any, ...]
    alias: Any


def members_of(
    annotation: Any, path: str
) -> tuple[Literal["model", "dataclass", "namedtuple"], Iterator[Member]]:
    """What kind of class it is, and its fields in order.

    Args:
        annotation: the class, or a parametrised form of it.
        path: where it stands, for messages.

    Raises:
        SchemaError: it has a field, or a setting, that cannot travel.
    """
    origin = typing.get_origin(annotation) or annotation
    if issubclass(origin, BaseModel):
        return "model", _model_fields(origin, path)
    if is_namedtuple(origin):
        return "namedtuple", _namedtuple_fields(annotation, path)
    return "dataclass", _dataclass_fields(annotation, path)


def _model_fields(model: type[BaseModel], path: str) -> Iterator[Member]:
    if model is BaseModel or model.__dict__.get("__lazyipc_base__") or model is TaggedUnion:
        raise SchemaError(f"{path}: {model.__qualname__} is a base; name a model derived from it")
    if model.__pydantic_root_model__:
        raise SchemaError(f"{path}: {model.__qualname__} is a RootModel; name the type inside it")
    _check_config(model.model_config, f"{path}: {model.__qualname__}")
    aliased = model.model_config.get("validate_by_alias") is not False
    for name, info in complete(model).model_fields.items():
        alias = info.validation_alias if aliased else None
        yield Member(name, _annotation_of(model, name, info), tuple(info.metadata), alias)


def _annotation_of(model: type[BaseModel], name: str, info: FieldInfo) -> Any:
    """A field's type. Where a parametrised model contains itself, pydantic leaves a placeholder in
    it, and only the generic model says by name what is meant."""
    origin = model.__pydantic_generic_metadata__["origin"]
    if origin is None or not _holds_placeholder(info.annotation):
        return info.annotation
    return substitute(complete(origin).model_fields[name].annotation, arguments_of(model))


def _holds_placeholder(annotation: Any) -> bool:
    if type(annotation).__name__ == "PydanticRecursiveRef":
        return True
    return any(map(_holds_placeholder, typing.get_args(annotation)))


def _check_config(config: Mapping[str, Any], where: str) -> None:
    if config.get("extra") == "allow":
        raise SchemaError(f"{where} has extra='allow', and fields nobody declared cannot travel")
    if config.get("use_enum_values"):
        raise SchemaError(f"{where} has use_enum_values=True, but it is members that travel")


def _dataclass_fields(annotation: Any, path: str) -> Iterator[Member]:
    # Here, because a program without dataclasses need not wait for it.
    from pydantic.dataclasses import is_pydantic_dataclass, rebuild_dataclass

    origin = typing.get_origin(annotation) or annotation
    if is_pydantic_dataclass(origin):
        try:
            rebuild_dataclass(origin)
        except (PydanticUndefinedAnnotation, PydanticUserError, NameError) as error:
            raise SchemaError(f"{path}: {origin.__qualname__}: {error}") from error
    config = getattr(origin, "__pydantic_config__", {})  # a plain dataclass may have one too
    _check_config(config, f"{path}: {origin.__qualname__}")
    aliased = config.get("validate_by_alias") is not False
    _refuse_generic_bases(origin, path)
    hints = _hints(annotation, path)
    inits = [name for name, hint in hints.items() if isinstance(hint, dataclasses.InitVar)]
    parts = dataclasses.fields(origin)
    for name in [*inits, *(part.name for part in parts if not part.init)]:
        raise SchemaError(
            f"{path}.{name}: is not both given to {origin.__qualname__} and kept by it, so it "
            "could not be rebuilt from what travels"
        )
    known = getattr(origin, "__pydantic_fields__", {})
    for part in parts:
        hint = hints[part.name]
        notes = [known.get(part.name), part.default, *typing.get_args(hint)[1:]]
        aliases = [note.validation_alias for note in notes if isinstance(note, FieldInfo)]
        alias = next(filter(None, aliases), None) if aliased else None
        yield Member(part.name, hint, (), alias)


def _refuse_generic_bases(origin: type, path: str) -> None:
    """A dataclass of a parametrised one: pydantic does not follow what the parameters stand for."""
    bases = [base for each in origin.__mro__ for base in getattr(each, "__orig_bases__", ())]
    for base in bases:
        if dataclasses.is_dataclass(typing.get_origin(base)):
            raise SchemaError(
                f"{path}: {origin.__qualname__} derives from {base}, a generic dataclass with its "
                "types given; write its fields out"
            )


def _namedtuple_fields(annotation: Any, path: str) -> Iterator[Member]:
    origin: Any = typing.get_origin(annotation) or annotation
    hints = _hints(annotation, path)
    for name in origin._fields:
        if name not in hints:
            raise SchemaError(f"{path}.{name}: has no type; use typing.NamedTuple")
        yield Member(name, hints[name], (), None)


def is_namedtuple(origin: type) -> bool:
    """Whether a class is a NamedTuple."""
    return issubclass(origin, tuple) and hasattr(origin, "_fields")


def alias_value(alias: Any, path: str) -> Any:
    """What a type alias stands for; what is written in it as text is looked up in its module.

    Raises:
        SchemaError: a name in it is not known there.
    """

    class Holder:
        """Has the alias's value as an annotation, for `typing` to resolve."""

    names = vars(sys.modules.get(alias.__module__, typing))
    try:
        Holder.__annotations__ = {"value": alias.__value__}
        return typing.get_type_hints(Holder, globalns=names, include_extras=True)["value"]
    except NameError as error:
        raise SchemaError(f"{path}: {alias}: {error}") from error


def _hints(annotation: Any, path: str) -> dict[str, Any]:
    origin = typing.get_origin(annotation) or annotation
    own = {name.__name__: name for name in _parameters(origin)} | {origin.__name__: origin}
    try:
        hints = typing.get_type_hints(origin, localns=own, include_extras=True)
    except NameError as error:
        raise SchemaError(f"{path}: {origin.__qualname__}: {error}") from error
    arguments = arguments_of(annotation)
    return {
        name: hint if typing.get_origin(hint) is ClassVar else substitute(hint, arguments)
        for name, hint in hints.items()
    }


def arguments_of(annotation: Any) -> dict[Any, Any]:
    """What the type parameters of a generic stand for, where it is given types for them."""
    model = getattr(annotation, "__pydantic_generic_metadata__", None)
    if model is not None:
        return dict(zip(_parameters(model["origin"]), model["args"], strict=False))
    origin = typing.get_origin(annotation) or annotation
    return dict(zip(_parameters(origin), typing.get_args(annotation), strict=False))


def _parameters(generic: Any) -> tuple[Any, ...]:
    model = getattr(generic, "__pydantic_generic_metadata__", None)
    if model is not None:
        return tuple(model["parameters"])
    return getattr(generic, "__parameters__", ()) or getattr(generic, "__type_params__", ())


def substitute(hint: Any, arguments: Mapping[Any, Any]) -> Any:
    """A type with what its type parameters stand for."""
    if not arguments or hint is Ellipsis:
        return hint
    if isinstance(hint, typing.TypeVar):
        return arguments.get(hint, hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hasattr(hint, "__pydantic_generic_metadata__"):
        names = _parameters(hint)
        return hint[tuple(arguments.get(name, name) for name in names)] if names else hint
    if origin is None:
        return hint
    if origin is typing.Annotated:
        return Annotated[(substitute(args[0], arguments), *hint.__metadata__)]
    inner = tuple(substitute(arg, arguments) for arg in args)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[inner]  # noqa: UP007 as many as there are
    try:
        return origin[inner] if inner else hint
    except TypeError:  # no type of a value, such as an Unpack; whoever lays it out refuses it
        return hint


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
