"""Classes with fields: models, dataclasses, NamedTuples, families and their variants, unions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from pydantic import ValidationError

from tests.fuzz import containers as c
from tests.fuzz.containers import TRIES
from tests.fuzz.node import Draw, Kind, Node, NoValueError, Writer, has_loop, open_loops
from tests.fuzz.pack import Packer
from tests.fuzz.told import keys_of


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """How a field is declared beyond its name and type."""

    alias: str = ""
    """Its alias as an argument of Field, such as `alias='x'`."""
    default: str = ""
    """The default's source; empty where there is none."""
    more: str = ""
    """Another argument of Field, which changes nothing on the wire."""


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """How a class is declared beyond its fields."""

    settings: str = ""
    """Arguments of its ConfigDict or of its decorator."""
    generic: Literal["", "itself", "base"] = ""
    """Whether a parameter is in its first field's type; or in that of its base."""
    inherited: int = 0
    """How many of its fields a base of it declares."""
    extras: tuple[str, ...] = ()
    """More lines of its body, which change nothing on the wire."""
    veto: str = ""
    """A condition on `self`: values that meet it are refused by the class itself."""


class FieldOf(Kind):
    """One field of a class; it has one part."""

    def write(self, node: Node, writer: Writer) -> str:
        return node.parts[0].write(writer)

    def draw(self, node: Node, draw: Draw) -> Any:
        return node.parts[0].draw(draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        node.parts[0].pack(getattr(value, node.name), packer)

    def order(self, node: Node, value: Any) -> Any:
        return node.parts[0].order(getattr(value, node.name))


FIELD = FieldOf()


_PARAMETER_FORMS = {c.LIST: "list[T]", c.TUPLE: "tuple[T, ...]", c.OPTION: "T | None"}


def _parametrised(node: Node) -> tuple[str, Node]:
    """The annotation of a generic class's first field, and what its parameter stands for."""
    part = node.parts[0].parts[0]
    form = _PARAMETER_FORMS.get(part.kind) if part.options is None else None
    return (form, part.parts[0]) if form else ("T", part)


def declared_fields(node: Node, writer: Writer, style: str) -> list[str]:
    """The lines that declare the fields of a class, each with its default or alias."""
    lines = []
    for position, field in enumerate(node.parts):
        if position == 0 and getattr(node.options, "generic", ""):
            text, _ = _parametrised(node)
        else:
            text = field.write(writer)
        quoted = repr(text) if open_loops(field) else text
        lines.append(f"    {field.name}: {quoted}{_default(field.options, style)}")
    return lines


def _default(options: FieldOptions, style: str) -> str:
    if style == "field":
        default = f"default_factory=lambda: {options.default}" if options.default else ""
        arguments = ", ".join(filter(None, (default, options.alias, options.more)))
        return f" = Field({arguments})" if arguments else ""
    if not options.default:
        return ""
    if style == "dataclass":
        return f" = dataclasses.field(default_factory=lambda: {options.default})"
    return f" = {options.default}"


def _and_generic(bases: str) -> str:
    return f"{bases}, Generic[T]" if bases else "Generic[T]"


class Class(Kind):
    """A class of a style: model, dataclass (plain or pydantic's) or namedtuple."""

    fewest = 0
    is_class = True

    def __init__(self, style: str, base: str, field_style: str) -> None:
        self.style = style
        self.base = base
        self.field_style = field_style

    def write(self, node: Node, writer: Writer) -> str:
        if node.name in writer.usages:
            return writer.usages[node.name]
        options: ClassOptions = node.options
        generic = options.generic if node.parts else ""
        usage, argument = node.name, ""
        if generic:
            argument = _parametrised(node)[1].write(writer)
            usage = f"{node.name}Of" if generic == "itself" else node.name
        fields = declared_fields(node, writer, self.field_style)
        body = [*(f"    {line}" for line in options.extras), *self._veto(options)]
        bases = self.base
        text, inherited = "", 0
        if generic == "base":
            inherited = 1
            text = self._class(f"{node.name}Base", _and_generic(bases), options, fields[:1])
            bases = f"{node.name}Base[{argument}]"
        elif generic == "itself":
            bases = _and_generic(bases)
        elif 0 < options.inherited <= len(fields):
            inherited = options.inherited
            text = self._class(f"{node.name}Base", bases, options, fields[:inherited])
            bases = f"{node.name}Base"
        text += "\n\n\n" if text else ""
        text += self._class(node.name, bases, options, [*fields[inherited:], *body])
        if generic == "itself":  # by one name: not every parametrisation of one class is one class
            text += f"\n\n\n{usage} = {node.name}[{argument}]"
        return writer.declare(node.name, usage, text)

    def _class(self, name: str, bases: str, options: ClassOptions, lines: list[str]) -> str:
        head = f"class {name}({bases}):" if bases else f"class {name}:"
        if self.style == "model" and options.settings:
            lines = [f"    model_config = ConfigDict({options.settings})", *lines]
        if self.style == "dataclass":
            head = f"@dataclasses.dataclass({options.settings})\n{head}"
        if self.style == "pydantic":
            head = f"@pydantic.dataclasses.dataclass({options.settings})\n{head}"
        return "\n".join([head, *(lines or ["    pass"])])

    def _veto(self, options: ClassOptions) -> Iterator[str]:
        if not options.veto:
            return
        if self.style == "model":
            yield '    @model_validator(mode="after")'
            yield "    def check(self):"
        else:
            yield "    def __post_init__(self):"
        yield f"        if {options.veto}:"
        yield '            raise ValueError("this is not to be")'
        if self.style == "model":
            yield "        return self"

    def draw(self, node: Node, draw: Draw) -> Any:
        return drawn(draw.classes[node.name], node.parts, draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        for field in node.parts:
            field.pack(value, packer)

    def order(self, node: Node, value: Any) -> Any:
        return [field.order(value) for field in node.parts]

    def is_plain(self, node: Node) -> bool:
        parts = [field.parts[0] for field in node.parts]
        return self.style == "namedtuple" and all(part.kind.is_plain(part) for part in parts)


def drawn(cls: Any, fields: tuple[Node, ...], draw: Draw) -> Any:
    """A value of a class; drawn anew while the class refuses its own fields."""
    cls = get_origin(cls) or cls
    keys = keys_of(cls)
    for _ in range(TRIES):
        values = {keys.get(field.name, field.name): field.draw(draw) for field in fields}
        try:
            return cls(**values)
        except ValidationError as error:
            if "this is not to be" not in str(error):
                raise
        except ValueError as error:
            if str(error) != "this is not to be":
                raise
    raise NoValueError(cls.__name__)


MODEL = Class("model", "BaseModel", "field")
DATACLASS = Class("dataclass", "", "dataclass")
PYDANTIC_DATACLASS = Class("pydantic", "", "field")
NAMEDTUPLE = Class("namedtuple", "NamedTuple", "")
CLASSES = (MODEL, DATACLASS, PYDANTIC_DATACLASS, NAMEDTUPLE)


# Families ----------------------------------------------------------------------------------------


class VariantOf(Kind):
    """One variant of a family; its parts are its fields, `options` its pinned index or None."""

    fewest = 0
    is_class = True

    def draw(self, node: Node, draw: Draw) -> Any:
        return drawn(draw.classes[node.name], node.parts, draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        for field in node.parts:
            field.pack(value, packer)


VARIANT = VariantOf()


class FamilyOf(Kind):
    """A TaggedUnion; its parts are its variants."""

    fewest = 1
    is_class = True

    def write(self, node: Node, writer: Writer) -> str:
        if node.name in writer.usages:
            return writer.usages[node.name]
        texts = [f"class {node.name}(TaggedUnion):\n    pass"]
        for variant in node.parts:
            pin = "" if variant.options is None else f", index={variant.options}"
            lines = declared_fields(variant, writer, "field") or ["    pass"]
            head = f"class {variant.name}({node.name}{pin}):"
            texts.append("\n".join([head, *lines]))
            writer.usages[variant.name] = variant.name
        return writer.declare(node.name, node.name, "\n\n\n".join(texts))

    def draw(self, node: Node, draw: Draw) -> Any:
        return _chosen(list(node.parts), draw).draw(draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        names = [variant.name for variant in node.parts]
        position = names.index(type(value).__name__)
        variant = node.parts[position]
        packer.index(position if variant.options is None else variant.options)
        variant.pack(value, packer)


class Alone(Kind):
    """A variant where its own class is the type, so without its index; `options` is which."""

    is_class = True

    def write(self, node: Node, writer: Writer) -> str:
        node.parts[0].write(writer)
        return node.parts[0].parts[node.options].name

    def draw(self, node: Node, draw: Draw) -> Any:
        return node.parts[0].parts[node.options].draw(draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        node.parts[0].parts[node.options].pack(value, packer)


class Union(Kind):
    """A | B of classes; an index, then the fields."""

    fewest = 2

    def write(self, node: Node, writer: Writer) -> str:
        return " | ".join(part.write(writer) for part in node.parts)

    def draw(self, node: Node, draw: Draw) -> Any:
        return _chosen(list(node.parts), draw).draw(draw)

    def pack(self, node: Node, value: Any, packer: Packer) -> None:
        names = [class_name(part) for part in node.parts]
        name = type(value).__name__.partition("[")[0]
        packer.index(names.index(name))
        node.parts[names.index(name)].pack(value, packer)


def _chosen(parts: list[Node], draw: Draw) -> Node:
    """One of several types: one that ends where it must, one that goes on where it should."""
    if draw.must_end:
        parts = [part for part in parts if not open_loops(part)] or parts[:1]
    elif draw.goes_deep:
        parts = [part for part in parts if has_loop(part)] or parts
    return draw.random.choice(parts)


def class_name(node: Node) -> str:
    """The name of the class that a union's part stands for."""
    if node.kind is ALONE:
        return node.parts[0].parts[node.options].name
    return node.name


FAMILY = FamilyOf()
ALONE = Alone()
UNION = Union()
