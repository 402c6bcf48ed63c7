"""From a type, as it is declared, to its shape; the only walk over types.

What has no wire form is refused here, naming the place, before a byte is written. Knows no bytes.
"""

from __future__ import annotations

import dataclasses
import enum
import keyword
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Union

from pydantic import BaseModel

from lazyipc._core import marks
from lazyipc._core.family import Family, Generation, family_of
from lazyipc._core.members import (
    Member,
    alias_value,
    arguments_of,
    is_namedtuple,
    members_of,
    substitute,
)
from lazyipc._core.record import Value
from lazyipc._core.scalars import Number
from lazyipc._core.shape import (
    Array,
    Blob,
    Bool,
    Case,
    Char,
    Choice,
    Enumeration,
    Field,
    NumberArray,
    Option,
    Product,
    Reference,
    Set,
    Shape,
    Structure,
    Target,
    Text,
    Unit,
    Vector,
    children,
    is_endless,
)
from lazyipc._core.shape import Mapping as Map
from lazyipc.errors import SchemaError

_SIMPLE: dict[object, Shape] = {
    int: Number("i64"),
    float: Number("f64"),
    bool: Bool(),
    str: Text(),
    bytes: Blob(),
    None: Unit(),
    type(None): Unit(),
}


MOST_PARTS = 10_000
"""How many parts a type may have, written out: a class that stands in many others counts each time.
A family counts once."""


class _Walk:
    """What one walk over a type has come by."""

    def __init__(self) -> None:
        self.families: dict[type, Target] = {}
        self.parts = 0

    def count(self, path: str) -> None:
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise SchemaError(
                f"{path}: more than {MOST_PARTS} parts, each class counted wherever it stands; put "
                "what stands in many places into a TaggedUnion, which counts once"
            )


class _Place(Value):
    """Where in a declaration we are: its path for messages, and the types we are inside of."""

    path: str
    walk: _Walk
    above: Mapping[Any, Target]
    owner: Any = None

    def at(self, step: str) -> _Place:
        return _Place(self.path + step, self.walk, self.above, self.owner)

    def inside(self, key: Any, target: Target) -> _Place:
        return _Place(self.path, self.walk, {**self.above, key: target}, self.owner)

    def owned(self, owner: Any) -> _Place:
        return _Place(self.path, self.walk, self.above, owner)


def shape_of(annotation: Any) -> Shape:
    """The shape of a type.

    Raises:
        SchemaError: the type, or one inside it, has no wire form; names the field.

    >>> shape_of(list[bool])
    Vector(item=Bool(), kind=<class 'list'>)
    """
    shape = _walked(annotation, lambda place: _shape(annotation, (), place))
    return shape.target.shape if isinstance(shape, Reference) else shape


def structure_of(model: type[BaseModel]) -> Structure:
    """The shape of one model's own fields, a family's variant without its index."""
    shape = _walked(model, lambda place: _class(model, place))
    assert isinstance(shape, Structure)
    return shape


def _walked(annotation: Any, walk: Callable[[_Place], Shape]) -> Shape:
    name, walked = _name(annotation), _Walk()
    try:
        shape = walk(_Place(name, walked, {}))
    except RecursionError as error:
        raise SchemaError(f"{name}: nests too deeply to be looked through") from error
    for root, target in walked.families.items():
        family = family_of(root)
        if family is not None:
            family.laid_out = Generation.number, target
    return shape


def _shape(annotation: Any, metadata: tuple[Any, ...], place: _Place) -> Shape:
    place.walk.count(place.path)
    if annotation is typing.Self:
        annotation = place.owner
    ours = [mark for mark in metadata if isinstance(mark, _MARKS)]
    if ours:
        return _marked(annotation, ours, place)
    if isinstance(annotation, typing.TypeVar | typing.ForwardRef | str):
        raise SchemaError(f"{place.path}: {annotation!r} is not resolved to a type")
    try:
        if annotation in _SIMPLE:
            return _SIMPLE[annotation]
    except TypeError:
        pass  # an Annotated that holds what cannot be hashed is none of these
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _shape(args[0], args[1:], place)
    if origin in (Union, types.UnionType):
        return _union(args, place)
    if origin is list and args:
        return Vector(_shape(args[0], (), place.at("[]")), list)
    if origin is tuple:
        return _tuple(args, place)
    if origin in (set, frozenset) and args:
        return Set(_plain(args[0], "a set's element", place.at("[]")), origin)
    if origin is dict and args:
        key = _plain(args[0], "a dict's key", place.at(" (key)"))
        return Map(key, _shape(args[1], (), place.at("[]")))
    return _named(annotation, origin or annotation, place)


def _named(annotation: Any, origin: Any, place: _Place) -> Shape:
    """The shape of what has a name of its own: an alias, an Enum, a class with fields."""
    if hasattr(origin, "__supertype__"):
        return _shape(origin.__supertype__, (), place)
    if type(origin).__name__ == "TypeAliasType":  # a `type X = …` statement, or its backport
        value = substitute(alias_value(origin, place.path), arguments_of(annotation))
        return _recursive(annotation, place, lambda inner: _shape(value, (), inner))
    if isinstance(origin, type):
        if issubclass(origin, enum.Enum) and not issubclass(origin, enum.Flag):
            return _enumeration(origin, place)
        if issubclass(origin, BaseModel):
            return _model(origin, place)
        if dataclasses.is_dataclass(origin) or is_namedtuple(origin):
            return _class(annotation, place)
        # Here, because most programs need none of these types.
        from lazyipc._core.conversion import CONVERTED

        if origin in CONVERTED and not typing.get_args(annotation):
            return CONVERTED[origin]
    raise SchemaError(f"{place.path}: {_name(annotation)} has no wire form{_hint(annotation)}")


def _enumeration(kind: type[enum.Enum], place: _Place) -> Enumeration:
    members = tuple(kind)
    if not members:
        raise SchemaError(f"{place.path}: {kind.__qualname__} has no members, so there is no value")
    for member in members:
        try:
            hash(member)
        except TypeError as error:
            raise SchemaError(f"{place.path}: {member!r} cannot be hashed") from error
    return Enumeration(kind, members)


def _recursive(key: Any, place: _Place, build: Callable[[_Place], Shape]) -> Shape:
    """Build the shape of what may contain itself; where it does, refer to it."""
    known = place.above.get(key)
    if known is not None:
        return Reference(_name(key), known, True)
    target = Target()
    target.shape = shape = build(place.inside(key, target))
    if is_endless(shape):
        raise SchemaError(_ENDLESS.format(path=place.path, name=_name(key)))
    if isinstance(shape, Option) and _holds_optional(shape, target):
        raise SchemaError(_TWICE_OPTIONAL.format(path=place.path))
    return shape


_ENDLESS = (
    "{path}: each {name} contains another {name} without end; make one of them optional, or a list"
)
_TWICE_OPTIONAL = (
    "{path}: an optional inside an optional, whose two kinds of None are one in Python; put the "
    "inner one in a model of its own"
)


def _holds_optional(shape: Shape, target: Target) -> bool:
    """Whether the shape of a target, which is optional, is made optional again inside itself."""
    if isinstance(shape, Option) and isinstance(shape.item, Reference):
        return shape.item.target is target
    return any(_holds_optional(child, target) for child in children(shape))


# Marked sequences ------------------------------------------------------------------------------


_MARKS = (Number, marks.OneCharacter, marks.Array, marks.Vec)


def _marked(annotation: Any, ours: list[Any], place: _Place) -> Shape:
    mark = ours[0]
    if len(ours) > 1:
        raise SchemaError(f"{place.path}: {mark} and {ours[1]} cannot both be")
    if isinstance(mark, marks.Vec) or (isinstance(mark, marks.Array) and mark.number is not None):
        return _number_array(annotation, mark, place)
    if marks.is_ndarray(annotation):
        raise SchemaError(f"{place.path}: say what is in the array, such as Array(3, F64)")
    match mark, _shape(annotation, (), place):
        case Number(), Number() as inner if inner.is_float == mark.is_float:
            return mark
        case marks.OneCharacter(), Text():
            return Char()
        case marks.Array(), Vector(item, kind):
            return Array(item, mark.length, kind)
        case marks.Array(), Blob():
            return Array(Number("u8"), mark.length, bytes)
    wanted: dict[type, str] = {Number: "a number of that kind", marks.OneCharacter: "a str"}
    place_for = wanted.get(type(mark), "a list, a tuple[X, ...] or bytes")
    raise SchemaError(f"{place.path}: {mark} stands at {place_for}, not at {_name(annotation)}")


def _number_array(annotation: Any, mark: marks.Array | marks.Vec, place: _Place) -> Shape:
    assert mark.number is not None
    if not marks.is_ndarray(annotation):
        raise SchemaError(
            f"{place.path}: {mark} says what a numpy.ndarray holds; {_name(annotation)} is none"
        )
    _check_dtype(annotation, mark.number, place)
    return NumberArray(mark.number, mark.length if isinstance(mark, marks.Array) else None)


def _check_dtype(annotation: Any, number: Number, place: _Place) -> None:
    """Hold the numbers of `NDArray[np.float64]` against those of its mark."""
    import numpy

    for part in typing.get_args(annotation)[1:]:
        for scalar in typing.get_args(part):
            if isinstance(scalar, type) and numpy.dtype(scalar) != marks.dtype_text(number):
                raise SchemaError(
                    f"{place.path}: an array of {scalar.__name__} holds no {number.name}"
                )


# Tuples, keys, unions --------------------------------------------------------------------------


def _tuple(args: tuple[Any, ...], place: _Place) -> Shape:
    if len(args) == 2 and args[1] is Ellipsis:
        return Vector(_shape(args[0], (), place.at("[]")), tuple)
    return Product(tuple(_shape(a, (), place.at(f"[{i}]")) for i, a in enumerate(args)))


def _plain(annotation: Any, what: str, place: _Place) -> Shape:
    shape = _shape(annotation, (), place)
    if not _is_plain(shape):
        raise SchemaError(
            f"{place.path}: {what} must be a number, a string, bytes, an Enum, a tuple of these or "
            f"another value that can be hashed, not {_name(annotation)}"
        )
    return shape


def _is_plain(shape: Shape) -> bool:
    """Whether decoding gives a hashable value before any model is built."""
    match shape:
        case Product(items):
            return all(map(_is_plain, items))
        case Structure(fields=fields, kind="namedtuple"):
            return all(_is_plain(field.shape) for field in fields)
        case Vector(item, kind) | Set(item, kind) | Array(item, _, kind):
            return kind in (tuple, bytes, frozenset) and _is_plain(item)
        case Option(item):
            return _is_plain(item)
        case Choice():
            return _is_address(shape)
        case Map() | Structure() | NumberArray() | Reference():
            return False
    return True


def _is_address(shape: Shape) -> bool:
    from lazyipc._core.conversion import IP_ADDRESS  # here, as above

    return shape is IP_ADDRESS


def _union(args: tuple[Any, ...], place: _Place) -> Shape:
    items = [arg for arg in args if arg is not type(None)]
    if len(items) == len(args):
        return _union_of(items, place)
    item = _shape(items[0], (), place) if len(items) == 1 else _union_of(items, place)
    if _may_be_none(item):
        raise SchemaError(_TWICE_OPTIONAL.format(path=place.path))
    return Option(item)


def _may_be_none(shape: Shape) -> bool:
    return isinstance(shape, Option | Unit)


def _union_of(items: list[Any], place: _Place) -> Choice:
    cases = []
    for index, item in enumerate(items):
        if not (isinstance(item, type) and _tells_itself(item)):
            from lazyipc._core.conversion import ADDRESSES, IP_ADDRESS  # here, as above

            if frozenset(map(_hashable, items)) == ADDRESSES:
                return IP_ADDRESS
            raise SchemaError(
                f"{place.path}: {_name(item)} stands in a union, and only models and dataclasses "
                "can be told apart on the wire; put it in a model of its own"
            )
        family = family_of(item)
        if family is not None and family.root is item and family.variants:
            raise SchemaError(
                f"{place.path}: {item.__qualname__} is itself a family; name its variants"
            )
        cases.append(Case(index, _case_name(item), item, _class(item, place)))
    return Choice(" | ".join(case.name for case in cases), tuple(cases))


def _hashable(item: Any) -> Any:
    return item if isinstance(item, type) else None


def _tells_itself(item: type) -> bool:
    return issubclass(item, BaseModel) or dataclasses.is_dataclass(item)


def _case_name(item: Any) -> str:
    family = family_of(item)
    variant = family.variant_of(item) if family is not None else None
    return variant.name if variant is not None else _short_name(item)


def _short_name(item: Any) -> str:
    """A class's own name; of a parametrised one, with what it is given: `Page[u16]`."""
    if typing.get_origin(item) is typing.Annotated:
        numbers = [mark.name for mark in item.__metadata__ if isinstance(mark, Number)]
        return numbers[0] if numbers else _short_name(item.__origin__)
    generic = getattr(item, "__pydantic_generic_metadata__", {})
    origin = generic.get("origin") or typing.get_origin(item)
    args = generic.get("args") or typing.get_args(item)
    if origin is None or not args:
        return getattr(item, "__name__", str(item))
    return f"{_short_name(origin)}[{', '.join(map(_short_name, args))}]"


# Classes ---------------------------------------------------------------------------------------


def _model(model: type[BaseModel], place: _Place) -> Shape:
    family = family_of(model)
    if family is None or family.root is not model or not family.variants:
        return _class(model, place)
    if model in place.above:
        return Reference(family.name, place.above[model], True)
    generation, target = family.laid_out
    if generation != Generation.number or target is None:
        target = place.walk.families.get(model) or _lay_out(family, place)
    return Reference(family.name, target, False)


def _is_root(key: Any) -> bool:
    family = family_of(key)
    return family is not None and family.root is key and bool(family.variants)


def _lay_out(family: Family, place: _Place) -> Target:
    """Lay out a family, once for all it stands in: it knows no classes around it but families."""
    target = Target()
    families = {key: known for key, known in place.above.items() if _is_root(key)}
    inner = _Place(family.name, place.walk, {**families, family.root: target})
    cases = tuple(
        Case(v.index, v.name, v.model, _class(v.model, inner.at(f".{v.name}")))
        for v in family.seal()
    )
    target.shape = shape = Choice(family.name, cases)
    if is_endless(shape):
        raise SchemaError(_ENDLESS.format(path=place.path, name=family.name))
    place.walk.families[family.root] = target
    return target


def _class(annotation: Any, place: _Place) -> Structure | Reference:
    """The shape of a class's own fields, or a reference to it where we are inside of it."""

    def build(inner: _Place) -> Shape:
        kind, members = members_of(annotation, place.path)
        inner = inner.owned(annotation)
        fields = tuple(
            Field(
                member.name,
                _key_of(member, inner.at(f".{member.name}")),
                _shape(member.annotation, member.metadata, inner.at(f".{member.name}")),
            )
            for member in members
        )
        _refuse_one_key(fields, place)
        return Structure(annotation, _case_name(annotation), fields, kind)

    shape = _recursive(annotation, place, build)
    assert isinstance(shape, Structure | Reference)
    return shape


def _refuse_one_key(fields: tuple[Field, ...], place: _Place) -> None:
    by_key: dict[str, str] = {}
    for field in fields:
        first = by_key.setdefault(field.key, field.name)
        if first != field.name:
            raise SchemaError(
                f"{place.path}: fields {first} and {field.name} are both read as {field.key!r}"
            )


def _key_of(member: Member, place: _Place) -> str:
    """What pydantic reads a field by; the name itself becomes part of generated code."""
    name, alias = member.name, member.alias
    if not name.isidentifier() or keyword.iskeyword(name):
        raise SchemaError(f"{place.path}: {name!r} is no name of an attribute in Python")
    if alias is not None and not isinstance(alias, str):
        raise SchemaError(f"{place.path}: {alias!r} names more than one alias; give it one")
    return alias or name


def _hint(annotation: Any) -> str:
    if annotation in (list, tuple, dict, set, frozenset):
        example = "str, int" if annotation is dict else "int"
        return f"; say what is in it, such as {annotation.__name__}[{example}]"
    if marks.is_ndarray(annotation):
        return "; say what is in it, such as Annotated[np.ndarray, Vec(F64)]"
    return ""


def _name(annotation: Any) -> str:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    try:
        return str(annotation)
    except RecursionError:
        return f"a {type(annotation).__name__}"
