"""Sealed families of models: one root, its variants; what Rust calls an enum.

Keeps which variants a family has, in which order, under which names, and from when on no more may
come. Knows nothing of fields' types, bytes or commands.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from lazyipc._core.fitting import fit
from lazyipc._core.record import Record
from lazyipc.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

VARIANT_LIMIT = 2304
"""Indices stay below 9 × 256, so the second byte of a bare message is below 9 and never looks like
the start of another wire."""

_QUIET_MODULES = ("lazyipc.", "pydantic.", "abc.", "functools.", "contextlib.")
"""Frames of these modules are not where the user wrote a class."""


class Generation:
    """Counts how often a class took another's place: what was compiled before is compiled anew."""

    number = 0


class Variant(Record):
    """One variant as it was declared."""

    model: type[TaggedUnion]
    name: str
    pinned_index: int | None
    timeout: float | None
    place: str
    index: int = -1

    @property
    def signature(self) -> tuple[object, ...]:
        """What decides the shape: equal signatures mean a re-run cell changed nothing."""
        fields = self.model.model_fields.items()
        process = getattr(self.model, "process", None)
        return (
            self.name,
            self.pinned_index,
            tuple((name, _text(info.annotation), _text(info.metadata)) for name, info in fields),
            _text(getattr(process, "__annotations__", {}).get("return")),
        )


class Family:
    """A root and its variants in order of definition."""

    __slots__ = ("_positions", "laid_out", "place", "root", "sealed_at", "timeout", "variants")

    def __init__(self, root: type[TaggedUnion], place: str, timeout: float | None = None) -> None:
        self.root = root
        self.place = place
        self.timeout = timeout
        self.variants: list[Variant] = []
        self._positions: dict[tuple[str, str], int] = {}
        """Of variants, by their modules and names."""
        self.sealed_at: str | None = None
        self.laid_out: tuple[int, Any] = (-1, None)
        """Its shape, made once for all it stands in, and the Generation it is of."""

    @property
    def name(self) -> str:
        return self.root.__name__

    def add(self, variant: Variant) -> None:
        """Append a variant; the same class defined again (a re-run notebook cell) takes its place.

        Raises:
            SchemaError: the family is sealed and this would change it.
        """
        model = variant.model
        position = self._positions.setdefault(_definition(model), len(self.variants))
        if position < len(self.variants):
            old = self.variants[position]
            if self.sealed_at is not None and old.signature != variant.signature:
                raise SchemaError(
                    f"{model.__qualname__} ({variant.place}) changes its shape, but "
                    f"family {self.name} is in use since {self.sealed_at}; run the cell that "
                    f"defines {self.name} ({self.place}) again, then those after it"
                )
            variant.index = old.index
            self.variants[position] = variant
            Generation.number += 1
            return
        if self.sealed_at is not None:
            raise SchemaError(
                f"{variant.model.__qualname__} ({variant.place}) comes too late: family "
                f"{self.name} was sealed by its first use at {self.sealed_at}; "
                "define or import every variant before that"
            )
        self.variants.append(variant)
        # Abstract, so that Python itself refuses to build the root, at no cost to its variants.
        self.root.__abstractmethods__ = frozenset({"(it is a family: build one of its variants)"})

    def seal(self) -> list[Variant]:
        """Fix the indices; from here on the family does not change.

        Raises:
            SchemaError: two variants share an index or a name, or an index is out of range.
        """
        if self.sealed_at is not None:
            return self.variants
        by_index: dict[int, Variant] = {}
        by_name: dict[str, Variant] = {}
        for position, variant in enumerate(self.variants):
            index = position if variant.pinned_index is None else variant.pinned_index
            if not 0 <= index < VARIANT_LIMIT:
                raise SchemaError(
                    f"{variant.model.__qualname__} ({variant.place}): index {index} is not "
                    f"between 0 and {VARIANT_LIMIT - 1}"
                )
            _refuse_twice(f"index {index}", by_index.setdefault(index, variant), variant)
            _refuse_twice(
                f"name {variant.name!r}", by_name.setdefault(variant.name, variant), variant
            )
            variant.index = index
        self.sealed_at = place_of(user_frame())
        return self.variants

    def variant_of(self, model: type) -> Variant | None:
        """The variant a class stands for, or None."""
        return next((variant for variant in self.variants if variant.model is model), None)


def _text(thing: object) -> str:
    """A repr without addresses, which differ each time a cell is run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def _refuse_twice(what: str, first: Variant, second: Variant) -> None:
    if first is not second:
        raise SchemaError(
            f"{what} twice in one family: {first.model.__qualname__} ({first.place}) and "
            f"{second.model.__qualname__} ({second.place})"
        )


class TaggedUnion(BaseModel):
    """Base of a family of models that travel as one enum: subclass it once, then that class.

    Models are frozen, strict and refuse unknown fields; a plain `int` is an I64.
    Wire: a u32 variant index, then the variant's fields (bincode 1).

    Args (class keywords):
        index: pins a variant's index on the wire; else it is the order of definition.
        name: the variant's name on the wire, where Python cannot spell it.

    Raises:
        SchemaError: the class cannot be part of its family; says why and where.

    >>> class Shape(TaggedUnion): "What can be drawn."
    >>> class Circle(Shape):
    ...     radius: float
    >>> print(Circle(radius=1.5))
    Circle(radius=1.5)
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", defer_build=True, validate_default=True
    )

    # For type checkers only: pydantic evaluates what is annotated here for each class derived from
    # this one, and that takes as long as all else it does for a class of a field or two.
    if TYPE_CHECKING:
        __lazyipc_base__: ClassVar[bool]
        __lazyipc_family__: ClassVar[Family]
        __lazyipc_locals__: ClassVar[Mapping[str, Any]]

    __lazyipc_base__ = True
    __lazyipc_locals__ = {}

    def __str__(self) -> str:
        """With the name of the variant, which says most; pydantic's own leaves it out."""
        return repr(self)

    def __init_subclass__(
        cls,
        *,
        index: int | None = None,
        name: str | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if index is not None and type(index) is not int:
            raise SchemaError(f"{cls.__qualname__}: index must be an int, not {index!r}")
        if timeout is not None and not (isinstance(timeout, int | float) and timeout >= 0):
            raise SchemaError(f"{cls.__qualname__}: timeout must be seconds, not {timeout!r}")
        for annotated in inspect.get_annotations(cls):
            if hasattr(BaseModel, annotated) or annotated == "process":
                raise SchemaError(
                    f"{cls.__qualname__}.{annotated} hides an attribute of that name that every "
                    f"model has; call the field something else, such as `{annotated}_`"
                )

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        index: int | None = None,
        name: str | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        if cls.__dict__.get("__lazyipc_base__"):
            return
        frame = user_frame()
        place = place_of(frame)
        cls.__lazyipc_locals__ = _local_names(frame, cls.__dict__.get("process"))
        if any(base.__dict__.get("__lazyipc_base__") for base in cls.__bases__):
            cls.__lazyipc_family__ = Family(cls, place, timeout)
            return
        family = cls.__lazyipc_family__
        if family.root not in cls.__bases__:
            raise SchemaError(
                f"{cls.__qualname__} ({place}) derives from a variant of {family.name}; a family "
                f"has one level: derive from {family.name}, and share fields by a plain model"
            )
        variant = Variant(cls, name or cls.__name__, index, timeout, place)
        family.add(variant)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        schema = handler(source)
        resolved: Any = handler.resolve_ref_schema(schema)
        resolved.update(fit(resolved, handler.resolve_ref_schema))
        return schema


def takes_the_place_of(new: type, old: type) -> bool:
    """Whether a class is another one's definition run again (a re-run notebook cell)."""
    family = family_of(old)
    return family is not None and family_of(new) is family and _definition(new) == _definition(old)


def _definition(model: type) -> tuple[str, str]:
    """What two classes have in common that are one definition run twice."""
    return model.__module__, model.__qualname__


def family_of(model: object) -> Family | None:
    """The family a class belongs to, as root or variant, or None."""
    return getattr(model, "__lazyipc_family__", None)


def user_frame() -> FrameType | None:
    """The innermost frame that is neither ours nor pydantic's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_quiet(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return frame


def _is_quiet(module: str) -> bool:
    return (module + ".").startswith(_QUIET_MODULES)


def place_of(frame: FrameType | None) -> str:
    """`file:line` of a frame, for messages."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "somewhere"


def _local_names(frame: FrameType | None, process: Any) -> dict[str, Any]:
    """What string annotations of a class local to a function may name: its classes so far, and
    whatever the return annotation of `process` does."""
    if frame is None or frame.f_locals is frame.f_globals:
        return {}
    names = {name: value for name, value in frame.f_locals.items() if isinstance(value, type)}
    returns = getattr(process, "__annotations__", {}).get("return")
    if isinstance(returns, str):
        with contextlib.suppress(SyntaxError):  # told when the family is sealed
            tree = ast.parse(returns, mode="eval")
            used = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
            names.update((name, frame.f_locals[name]) for name in used if name in frame.f_locals)
    return names
