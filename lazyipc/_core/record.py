"""Records: classes of named fields, as `dataclasses` makes them, but at a twentieth of the price.

A frozen slotted dataclass takes half a millisecond to make, for `dataclasses` writes its methods as
text and compiles that. A script that sends one command imports thirty such classes and makes few
instances of any, so here the methods are written once and look the fields up. Knows no fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NoReturn, dataclass_transform


class _Fields(type):
    """Makes slots of what a class's body annotates.

    Args (class keywords):
        hidden: the fields that neither compare nor show.
    """

    _names: tuple[str, ...]
    _defaults: dict[str, Any]
    _shown: tuple[str, ...]
    _key: attrgetter[Any]
    """What of an instance is compared and hashed: its class and its fields."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], hidden: Iterable[str] = ()
    ) -> _Fields:
        names = tuple(body.get("__annotations__", ()))
        defaults = {name: body.pop(name) for name in names if name in body}
        body = {**body, "__slots__": names, "__match_args__": names}
        made = super().__new__(mcs, name, bases, body)
        made._names = names
        made._defaults = defaults
        made._shown = tuple(name for name in names if name not in hidden)
        made._key = attrgetter("__class__", *made._shown)
        return made


class _Shown(metaclass=_Fields):
    """What all records do: be made from their fields, compare by them, show them."""

    def __init__(self, *values: Any, **named: Any) -> None:
        cls = type(self)
        names = cls._names
        given = {**cls._defaults, **dict(zip(names, values, strict=False)), **named}
        if len(values) > len(names) or given.keys() != set(names):
            raise TypeError(f"{cls.__name__} takes {', '.join(names) or 'nothing'}")
        for name in names:
            object.__setattr__(self, name, given[name])

    def __eq__(self, other: object) -> bool:
        key = type(self)._key
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self)._shown)
        return f"{type(self).__qualname__}({shown})"


@dataclass_transform()
class Record(_Shown):
    """Base of a class whose fields are those its body annotates.

    >>> class Seen(Record):
    ...     count: int
    ...     place: str = "here"
    >>> Seen(3)
    Seen(count=3, place='here')
    """


@dataclass_transform(frozen_default=True)
class Value(_Shown):
    """The same, never changed once made, and so with a hash.

    >>> class Point(Value):
    ...     x: int
    ...     y: int
    >>> Point(1, 2) in {Point(1, 2)}
    True
    """

    def __hash__(self) -> int:
        return hash(type(self)._key(self))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise _frozen(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise _frozen(f"cannot delete field {name!r}")

    def __getstate__(self) -> list[Any]:
        return [getattr(self, name) for name in type(self)._names]

    def __setstate__(self, state: list[Any]) -> None:
        # `copy` and `pickle` would set attributes, which a frozen class refuses.
        for name, value in zip(type(self)._names, state, strict=True):
            object.__setattr__(self, name, value)


def _frozen(told: str) -> AttributeError:
    # Here, because it takes `inspect` with it, and nobody should change what is frozen.
    from dataclasses import FrozenInstanceError

    return FrozenInstanceError(told)
