"""A command as a method: its signature, its doc, and which argument is which field.

What people see in `help()`, in a notebook and in tab completion. Knows one command and its class;
no connection.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from lazyipc._core import shape as shapes
from lazyipc._core.catalog import Entry, entry_of
from lazyipc._core.conversion import IP_ADDRESS
from lazyipc._core.description.model import CommandInfo, FieldInfo
from lazyipc._core.description.rebuilt.leniency import lenient_call
from lazyipc._core.description.rebuilt.making import free
from lazyipc._core.description.soundness import printable
from lazyipc._core.nearest import UnknownName
from lazyipc._core.scalars import Number
from lazyipc._core.shape import Shape

TIMEOUT = "timeout"
"""The argument that is no field, unless a field is called so."""

_NAMES = {
    "i64": "int",
    "f64": "float",
    "path": "Path",
    "uuid": "UUID",
    "duration": "Duration",
    "systemtime": "SystemTime",
    "ipv4addr": "IPv4Address",
    "ipv6addr": "IPv6Address",
}
_ATOMS: dict[type, str] = {
    shapes.Bool: "bool",
    shapes.Char: "Char",
    shapes.Text: "str",
    shapes.Blob: "bytes",
    shapes.Unit: "None",
}


def type_text(shape: Shape) -> str:
    """A type as Python programs write it.

    >>> type_text(shapes.Vector(shapes.Option(Number("u8")), list))
    'list[U8 | None]'
    """
    match shape:
        case Number(name):
            return _NAMES.get(name, name.upper())
        case shapes.Converted(name):
            return _NAMES[name]
        case shapes.Option(item):
            return f"{type_text(item)} | None"
        case shapes.Array(_, _, kind) if kind is bytes:
            return "bytes"
        case shapes.Vector(item, kind) | shapes.Set(item, kind) | shapes.Array(item, _, kind):
            more = ", ..." if kind is tuple else ""
            return f"{kind.__name__}[{type_text(item)}{more}]"
        case shapes.Product(items):
            return f"tuple[{', '.join(map(type_text, items)) or '()'}]"
        case shapes.Mapping(key, value):
            return f"dict[{type_text(key)}, {type_text(value)}]"
        case shapes.Structure(kind) | shapes.Enumeration(kind):
            return kind.__name__
        case shapes.Choice(name):
            return "IPv4Address | IPv6Address" if shape is IP_ADDRESS else name
        case shapes.Reference(_, target):
            is_named = isinstance(target.shape, shapes.Structure | shapes.Choice)
            return type_text(target.shape) if is_named else "…"
    return _ATOMS[type(shape)]


class TypeText(str):
    """The text of an annotation, shown as it is and without quotes."""

    __slots__ = ()

    __repr__ = str.__str__


class Method:
    """One command as a method.

    Args:
        name: what the method is called.
        info: the command, as it is described.
        model: its class.
    """

    def __init__(self, name: str, info: CommandInfo, model: type) -> None:
        self.name = name
        self.info = info
        self.entry: Entry = entry_of(model)
        shape = self.entry.codec.shape
        assert isinstance(shape, shapes.Structure)
        self.shape = shape
        self.fields = {field.name: field for field in info.fields}
        self._defaults = {
            name: field.default
            for name, field in model.model_fields.items()  # type: ignore[attr-defined]
            if not field.is_required()
        }
        self.signature = inspect.Signature(
            list(self._parameters()), return_annotation=TypeText(self._returned)
        )

    @property
    def takes_timeout(self) -> bool:
        """Whether it has an argument for the time it may take."""
        return TIMEOUT not in self.fields

    @property
    def usage(self) -> str:
        """How it is called, in a line."""
        shown = [p for p in self.signature.parameters.values() if p.name in self.fields]
        return f"{self.name}{self.signature.replace(parameters=shown)}"

    def _parameters(self) -> list[inspect.Parameter]:
        parameters = []
        kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
        is_optional = False
        for field in self.shape.fields:
            has_default = field.name in self._defaults
            if is_optional and not has_default:
                kind = inspect.Parameter.KEYWORD_ONLY  # as Python has it behind a default
            is_optional = has_default
            default = self._defaults[field.name] if has_default else inspect.Parameter.empty
            annotation = TypeText(type_text(field.shape))
            parameters.append(
                inspect.Parameter(field.name, kind, default=default, annotation=annotation)
            )
        if self.takes_timeout:
            parameters.append(
                inspect.Parameter(
                    TIMEOUT,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=None,
                    annotation=TypeText("float | None"),
                )
            )
        return parameters

    @property
    def _returned(self) -> str:
        reply = self.entry.reply
        if reply.only is not None:
            return type_text(reply.only.shape)
        return " | ".join(model.__name__ for model in reply.by_model)

    # Its arguments -----------------------------------------------------------------------------

    def command(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, float | None]:
        """The command that arguments make, and the time it may take.

        Raises:
            TypeError: an argument that it has not, or one that is missing.
            ValidationError: a value is none of its field; names the field.
        """
        known = self.signature.parameters
        for name in kwargs:
            if name not in known:
                raise TypeError(str(UnknownName("argument", name, list(known), self.name)))
        try:
            given = self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{error}; it is {self.usage}") from None
        timeout = given.pop(TIMEOUT, None) if self.takes_timeout else None
        return lenient_call(self.shape, given), timeout

    # Its doc -----------------------------------------------------------------------------------

    @property
    def doc(self) -> str:
        """What `help` shows below the signature."""
        parts = [printable(self.info.doc)] if self.info.doc else []
        told = [f"    {self._told(field)}" for field in self.shape.fields]
        if self.takes_timeout:
            own = self.info.timeout
            default = "" if own is None else f"; {own:g} unless you say otherwise"
            told.append(f"    {TIMEOUT}: seconds to wait for the answer{default}")
        if told:
            parts.append("\n".join(["Args:", *told]))
        classes = _classes_in([field.shape for field in self.shape.fields])
        if classes:
            parts.append("\n".join(["Classes, each of which may be given as a dict:", *classes]))
        parts.append("\n".join(["Returns:", *self._told_reply()]))
        parts.append(_RAISES)
        return "\n\n".join(parts)

    def _told(self, field: shapes.Field) -> str:
        info: FieldInfo = self.fields[field.name]
        told = [type_text(field.shape), *map(printable, info.constraints), *_members(field.shape)]
        note = printable(info.doc).replace("\n", " ")
        return f"{field.name}{': ' if note else ''}{note} ({', '.join(told)})"

    def _told_reply(self) -> list[str]:
        reply = self.entry.reply
        if reply.only is not None and not isinstance(reply.only.shape, shapes.Structure):
            only = reply.only.shape
            told = f"    {type_text(only)}{''.join(_members(only, ': '))}"
            return [told, *_classes_in([only])]
        lines = []
        for codec in reply.codecs:
            shape = codec.shape
            assert isinstance(shape, shapes.Structure)
            lines.append(f"    {_class_line(shape)}")
        return lines


_RAISES = """\
Raises:
    pydantic.ValidationError: a value does not fit its field; nothing was sent.
    lazyipc.CommandFailed: the program refused; its text says why.
    lazyipc.IpcError: there was no answer; the text says what became of the command."""


def _class_line(shape: shapes.Structure) -> str:
    """A class's name, fields and doc."""
    fields = ", ".join(f"{field.name}: {type_text(field.shape)}" for field in shape.fields)
    doc = (shape.type.__doc__ or "").partition("\n")[0]
    return f"{shape.type.__name__}({fields}){': ' if doc else ''}{doc}"


def _classes_in(parts: Iterable[Shape]) -> list[str]:
    """The classes that types hold, each told once."""
    lines: dict[str, None] = {}
    known: set[int] = set()

    def visit(shape: Shape) -> None:
        while isinstance(shape, shapes.Reference):
            shape = shape.target.shape
        if id(shape) in known or isinstance(shape, shapes.Converted) or shape is IP_ADDRESS:
            return
        known.add(id(shape))  # whatever it is: a list may be one of itself
        if isinstance(shape, shapes.Structure):
            lines[f"    {_class_line(shape)}"] = None
        elif isinstance(shape, shapes.Choice):
            names = " or ".join(case.type.__name__ for case in shape.cases)
            lines[f"    {type_text(shape)}: {names}; as a dict {{name: {{its fields}}}}"] = None
        for inner in shapes.children(shape):
            visit(inner)

    for part in parts:
        visit(part)
    return list(lines)


def _members(shape: Shape, before: str = "") -> list[str]:
    """The members of an enum, which are what may be given for it."""
    while isinstance(shape, shapes.Option):
        shape = shape.item
    if not isinstance(shape, shapes.Enumeration):
        return []
    return [f"{before}one of {', '.join(printable(member.name) for member in shape.members)}"]


def method_names(
    commands: Sequence[CommandInfo], reserved: Collection[str]
) -> dict[str, CommandInfo]:
    """The commands by names for methods, each its own and none that is reserved.

    >>> method_names([], {"close"})
    {}
    """
    found: dict[str, CommandInfo] = {}
    counts: dict[str, int] = {}
    for info in commands:
        name = "".join(c if c.isalnum() else "_" for c in info.method_name).strip("_") or "command"
        if name[0].isdigit():
            name = f"command_{name}"
        if keyword.iskeyword(name) or name in reserved:
            name = f"{name}_"
        found[free(name, found, counts)] = info
    return found
