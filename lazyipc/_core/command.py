"""Commands and responses: what a family needs to be a server's command set.

Finds `process`, resolves what it returns, and says which one response type a whole set answers
with, where there is one. Knows nothing of bytes, sockets or contexts.
"""

from __future__ import annotations

import inspect
import types
import typing
from typing import TYPE_CHECKING, Any, Generic, Protocol, Union

from pydantic import BaseModel
from typing_extensions import TypeVar

from lazyipc._core.family import Family, TaggedUnion, family_of
from lazyipc.errors import SchemaError

ContextT = TypeVar("ContextT", default=Any)
ContextT_contra = TypeVar("ContextT_contra", contravariant=True)
ResponseT_co = TypeVar("ResponseT_co", covariant=True)


class Processes(Protocol[ResponseT_co]):
    """Whatever has `process`; a call's static type is what that returns."""

    def process(self, context: Any, /) -> ResponseT_co: ...


class ProcessesIn(Protocol[ContextT_contra]):
    """Whatever has a `process` that takes this context."""

    def process(self, context: ContextT_contra, /) -> Any: ...


if TYPE_CHECKING:

    class _InContext(Generic[ContextT]):
        """Gives a family its context type, and holds each variant's `process` to it."""

        def process(self, context: ContextT, /) -> Any: ...

else:

    class _InContext:
        """Statically generic; at run time the context's type is never looked at."""

        def __class_getitem__(cls, context: object) -> type:
            return cls


class Command(TaggedUnion, _InContext[ContextT]):
    """Base of a command set: subclass it once, then that class for each command.

    `Command[Context]` says what `handle_new_messages` is called with; bare `Command` takes
    anything. Each variant (or the root, with `match self`) has `process(self, context)`, whose
    return annotation is the command's response type.

    Args (class keywords):
        index, name: as for TaggedUnion.
        timeout: seconds a client waits for this command unless it says otherwise.

    >>> class Order(Command[list[int]]): "Commands of a demo."
    >>> class Push(Order, timeout=2.0):
    ...     x: int
    ...     def process(self, context: list[int]) -> int:
    ...         context.append(self.x)
    ...         return len(context)
    >>> Push(x=5).process([])
    1
    """

    __lazyipc_base__ = True

    if not TYPE_CHECKING:

        @classmethod
        def __class_getitem__(cls, context: object) -> type:
            return cls if cls is Command else super().__class_getitem__(context)


class Response(TaggedUnion):
    """Base of a set of responses: subclass it once, then that class for each response.

    >>> class Answer(Response): "What a demo answers."
    >>> class Sum(Answer):
    ...     c: int
    >>> Sum(c=3)
    Sum(c=3)
    """

    __lazyipc_base__ = True


def command_models(command: type) -> list[type[BaseModel]]:
    """The models a command set consists of: the sealed family's variants, or the one model.

    Raises:
        SchemaError: `command` is no model, or a variant where its root is wanted.
    """
    if not (isinstance(command, type) and issubclass(command, BaseModel)):
        raise SchemaError(f"{command!r} is not a model; derive your commands from Command")
    family = family_of(command)
    if family is None or (family.root is command and not family.variants):
        return [command]
    if family.root is not command:
        raise SchemaError(f"{command.__qualname__} is one variant; give its root, {family.name}")
    return [variant.model for variant in family.seal()]


def has_process(model: type) -> bool:
    """Whether a class has, or inherits, something by the name of `process`."""
    return inspect.getattr_static(model, "process", None) is not None


def check_not_async(model: type) -> None:
    """See that `process` of a command answers when it is called.

    Raises:
        SchemaError: it is async.
    """
    process: Any = getattr(model, "process", None)
    if inspect.iscoroutinefunction(process) or inspect.isasyncgenfunction(process):
        raise SchemaError(
            f"{model.__qualname__}.process is async; a lazy server calls it and needs its answer"
        )


def response_type(model: type, *, may_be_async: bool = False) -> Any:
    """What `process` of a command declares to return; nothing else of its signature is resolved.

    Args:
        may_be_async: `process` may be a coroutine function, as an asyncio peer takes it.

    Raises:
        SchemaError: no `process`, not one plain function of (self, context), no return
            annotation, or one that names something unknown.
    """
    name = model.__qualname__
    process: Any = getattr(model, "process", None)
    if not inspect.isfunction(inspect.getattr_static(model, "process", None)):
        raise SchemaError(f"{name} has no method process(self, context)")
    if not may_be_async:
        check_not_async(model)
    if inspect.isgeneratorfunction(process) or inspect.isasyncgenfunction(process):
        raise SchemaError(f"{name}.process yields; it must return its response")
    try:
        inspect.signature(process).bind("self", "context")
    except TypeError as error:
        raise SchemaError(f"{name}.process must take (self, context): {error}") from error
    written = inspect.unwrap(process)
    if "return" not in written.__annotations__:
        raise SchemaError(f"{name}.process must say what it returns: `-> None`, `-> Sum`, …")
    holder = types.SimpleNamespace(__annotations__={"return": written.__annotations__["return"]})
    try:
        hints = typing.get_type_hints(
            holder, written.__globals__, _names_near(model), include_extras=True
        )
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise SchemaError(
            f"{name}.process returns {written.__annotations__['return']!r}, but {error}; define or "
            f"import it, at run time, before {name}"
        ) from error
    return hints["return"]


def _names_near(model: type) -> dict[str, Any]:
    names = dict(getattr(model, "__lazyipc_locals__", {}))
    family = family_of(model)
    if family is not None:
        names.update((variant.model.__name__, variant.model) for variant in family.variants)
    return names


def response_family(annotation: Any) -> Family | None:
    """The family all alternatives of a return annotation belong to, or None."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        families = {id(f): f for f in map(response_family, typing.get_args(annotation))}
        return next(iter(families.values())) if len(families) == 1 else None
    return family_of(annotation)


def common_response(annotations: list[Any]) -> Any:
    """The one response type of a whole command set, for the bare wire.

    Raises:
        SchemaError: the set has no such type.
    """
    first = annotations[0]
    # `A | B` equals `B | A`, yet not on the wire; their texts tell them apart.
    is_same = all(a == first and repr(a) == repr(first) for a in annotations)
    if is_same and response_family(first) is None:
        return first
    families = {id(family): family for family in map(response_family, annotations)}
    family = next(iter(families.values()))
    if len(families) > 1 or family is None:
        raise SchemaError(
            "the bare wire needs one response type for the whole command set, but these commands "
            f"return {', '.join(sorted({_name(a) for a in annotations}))}; derive the responses "
            "from one Response root, or leave Wire.BARE out of `wires`"
        )
    return family.root


def _name(annotation: Any) -> str:
    return getattr(annotation, "__qualname__", None) or str(annotation)
