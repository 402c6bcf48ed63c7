"""Inventing types: trees of nodes at random, of every kind, within and around each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz import containers as c
from tests.fuzz import leaves
from tests.fuzz.classes import (
    ALONE,
    CLASSES,
    DATACLASS,
    FAMILY,
    FIELD,
    MODEL,
    NAMEDTUPLE,
    PYDANTIC_DATACLASS,
    UNION,
    VARIANT,
    ClassOptions,
    FieldOptions,
    class_name,
)
from tests.fuzz.node import LOOP, Kind, Node, open_loops

Above = Mapping[str, tuple[str, bool]]
"""The classes we are inside of: how each is written there, and whether it may stand here, since
something between, such as an Option, can end it."""

FIELD_NAMES = (
    "a", "b", "c", "data", "value", "o", "end", "k", "d", "v", "p", "v1", "c0", "encode", "größe",
    "kind", "len", "repr", "None_", "self_", "range", "key", "decode", "str_",
)  # fmt: skip
"""Among them what the generated code itself calls its names."""
ALIAS_FORMS = ("alias", "alias", "validation_alias")
MORE_FOR_FIELD = ("repr=False", "exclude=True", "frozen=True", 'description="x"')
ALIASES = ("type", "class", "with space", "ключ", 'qu"ote', "back\\slash", "{brace}", "first")
MODEL_SETTINGS = (
    "", "", "frozen=True", "strict=True", 'extra="forbid"', "populate_by_name=True",
    'frozen=True, strict=True, extra="forbid"', 'revalidate_instances="always"',
    "validate_default=True", "defer_build=True", "from_attributes=True", "validate_assignment=True",
    "alias_generator=str.upper", "validate_by_alias=False, validate_by_name=True",
)  # fmt: skip
MODEL_EXTRAS = (
    "LIMIT: ClassVar[int] = 3",
    "_cache: int = PrivateAttr(default=0)",
    "def __init__(self, **data):\n        super().__init__(**data)",
    "def model_post_init(self, context):\n        pass",
    '@model_validator(mode="wrap")\n    @classmethod\n    def around(cls, value, handler):\n'
    "        return handler(value)",
    '@model_validator(mode="before")\n    @classmethod\n    def before(cls, value):\n'
    "        return value",
)
DATACLASS_EXTRAS = ("LIMIT: ClassVar[int] = 3",)
EXTRAS = ('"""A class."""', "@property\n    def twice(self):\n        return 2")
"""More lines of a class's body, which change nothing on the wire."""
DATACLASS_SETTINGS = (
    "", "", "frozen=True", "slots=True", "frozen=True, slots=True", "kw_only=True", "order=True",
    "unsafe_hash=True",
)  # fmt: skip
PYDANTIC_SETTINGS = (*DATACLASS_SETTINGS, "config=ConfigDict(strict=True)")
LENGTHS = (0, 1, 2, 3, 17)
Demand = tuple[str, Callable[[Any], bool]]
_NUMBERS: list[Demand] = [
    ("ge=0", lambda v: v >= 0),
    ("le=100", lambda v: v <= 100),
    ("multiple_of=2", lambda v: v % 2 == 0),
]
_FLOATS: list[Demand] = [
    ("ge=0", lambda v: v >= 0),
    ("allow_inf_nan=False", lambda v: abs(v) < float("inf")),
]
_LENGTHS: list[Demand] = [
    ("min_length=1", lambda v: len(v) > 0),
    ("max_length=2", lambda v: len(v) < 3),
]
_SIZED = (leaves.TEXT, leaves.BLOB, c.LIST, c.TUPLE, c.SET, c.FROZENSET, c.MAPPING)
CONSTRAINTS: dict[Kind, list[Demand]] = {
    **dict.fromkeys(leaves.INTEGERS, _NUMBERS),
    **dict.fromkeys(leaves.F64_LEAVES, _FLOATS),
    **dict.fromkeys(_SIZED, _LENGTHS),
}
"""Demands of pydantic that a kind may carry."""

PLAIN_TRIES = 20


@dataclass(slots=True)
class Inventor:
    """Invents one type; each class in it has a name of its own."""

    random: Random
    names: int = 0
    left: int = 22
    """How many more nodes there may be."""
    shared: list[Node] = field(default_factory=list)
    """Classes that may stand at more than one place."""

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def type(self, depth: int, above: Above) -> Node:
        """Any type; what is above it may be referred to."""
        self.left -= 1
        loops = [name for name, (_, guarded) in above.items() if guarded]
        if loops and self.chance(0.35):
            name = self.random.choice(loops)
            return Node(LOOP, name=name, options=above[name][0])
        if self.shared and self.chance(0.1):
            return self.random.choice(self.shared)
        if depth <= 0 or self.left <= 0 or self.chance(0.15):
            return self.leaf()
        makers = (
            self.sequence, self.sequence, self.set, self.mapping, self.option, self.product,
            self.wrapper, self.constrained, self.model, self.model, self.a_class, self.family,
            self.alone, self.union,
        )  # fmt: skip
        return self.random.choice(makers)(depth - 1, above)

    def leaf(self) -> Node:
        match self.random.randrange(12):
            case 0:
                return Node(leaves.BYTE_ARRAY, options=self.random.choice((0, 1, 3, 16, 32, 300)))
            case 1:
                number = self.random.choice(list(leaves.DTYPES))
                length = self.random.choice((None, None, 0, 1, 3, 17))
                return Node(leaves.NUMPY, options=(number, length))
            case 2:
                base = self.random.choice(("Enum", "IntEnum", "StrEnum"))
                count = self.random.choice((1, 2, 5, 300))
                return Node(leaves.ENUM, name=self.name("E"), options=(base, count))
        return Node(self.random.choice(leaves.LEAVES))

    def plain(self, depth: int) -> Node:
        """What may stand in a set, or as a key."""
        for _ in range(PLAIN_TRIES):
            kind = self.random.choice(
                (None, None, c.TUPLE, c.FROZENSET, c.PRODUCT, c.OPTION, NAMEDTUPLE)
            )
            node = self.leaf()
            if kind is c.PRODUCT and depth > 0:
                parts = [self.plain(depth - 1) for _ in range(self.random.randrange(4))]
                node = Node(c.PRODUCT, tuple(parts))
            elif kind is NAMEDTUPLE and depth > 0:
                parts = [self.plain(depth - 1) for _ in range(self.random.randrange(1, 4))]
                node = self.of_fields(NAMEDTUPLE, self.name("P"), parts, ClassOptions())
            elif kind is not None and depth > 0:
                part = self.plain(depth - 1)
                if kind is c.OPTION and part.kind.may_be_none(part):
                    continue
                node = Node(kind, (part,))
            if node.kind.is_plain(node):
                return node
        return Node(leaves.TEXT)

    # Containers ----------------------------------------------------------------------------------

    def sequence(self, depth: int, above: Above) -> Node:
        kind = self.random.choice((c.LIST, c.LIST, c.TUPLE))
        if self.chance(0.25):
            length = 900 if self.chance(0.03) else self.random.choice(LENGTHS)
            item = self.leaf() if length > 3 else self.type(depth, above)
            return Node(kind, (item,), options=length)
        return Node(kind, (self.type(depth, _guarded(above)),))

    def set(self, depth: int, above: Above) -> Node:
        return Node(self.random.choice((c.SET, c.FROZENSET)), (self.plain(depth),))

    def mapping(self, depth: int, above: Above) -> Node:
        return Node(c.MAPPING, (self.plain(depth), self.type(depth, _guarded(above))))

    def option(self, depth: int, above: Above) -> Node:
        part = self.type(depth, _guarded(above))
        return part if part.kind.may_be_none(part) else Node(c.OPTION, (part,))

    def product(self, depth: int, above: Above) -> Node:
        count = self.random.choice((0, 1, 2, 2, 3, 4))
        return Node(c.PRODUCT, tuple(self.type(depth, above) for _ in range(count)))

    def wrapper(self, depth: int, above: Above) -> Node:
        kind = self.random.choice((c.NEW_TYPE, c.ALIAS, c.GENERIC_ALIAS, c.NOTE))
        part = self.type(depth, above if kind is c.NOTE else {})
        return Node(kind, (part,), name=self.name("A"))

    def constrained(self, depth: int, above: Above) -> Node:
        kind = self.random.choice(list(CONSTRAINTS))
        parts: tuple[Node, ...] = ()
        if kind in (c.LIST, c.TUPLE):
            parts = (self.type(depth, {}),)
        elif kind in (c.SET, c.FROZENSET):
            parts = (self.plain(depth),)
        elif kind is c.MAPPING:
            parts = (self.plain(depth), self.type(depth, {}))
        options = self.random.choice(CONSTRAINTS[kind])
        return Node(c.CONSTRAINED, (Node(kind, parts),), options=options)

    # Classes -------------------------------------------------------------------------------------

    def model(self, depth: int, above: Above) -> Node:
        return self.of_class(MODEL, depth, above)

    def a_class(self, depth: int, above: Above) -> Node:
        return self.of_class(self.random.choice(CLASSES), depth, above)

    def of_class(self, kind: Any, depth: int, above: Above) -> Node:
        name = self.name({"model": "M", "namedtuple": "P"}.get(kind.style, "D"))
        generic = self.random.choice(("itself", "base")) if self.chance(0.2) else ""
        if kind is not MODEL and generic == "base":
            generic = ""  # pydantic itself takes such a field of a dataclass for Any
        # A generic class is written with its parameter, which nothing outside its body knows.
        outer = {known: entry for known, entry in above.items() if "[" not in entry[0]}
        inner: Above = {**outer, name: ("[T]" if generic == "itself" else "", False)}
        parts = [self.type(depth, inner) for _ in range(self.random.choice((0, 1, 1, 2, 3, 5)))]
        if generic:
            parts = [self.type(depth, {}), *parts]
        settings = {
            MODEL: MODEL_SETTINGS, DATACLASS: DATACLASS_SETTINGS,
            PYDANTIC_DATACLASS: PYDANTIC_SETTINGS,
        }.get(kind, ("",))  # fmt: skip
        options = ClassOptions(
            settings=self.random.choice(settings),
            generic=generic,
            inherited=self.random.randrange(3) if kind is not NAMEDTUPLE else 0,
            extras=self.extras(kind),
        )
        node = self.of_fields(kind, name, parts, options)
        if not open_loops(node):
            self.shared.append(node)
        return node

    def extras(self, kind: Kind) -> tuple[str, ...]:
        more = () if kind is NAMEDTUPLE else MODEL_EXTRAS if kind is MODEL else DATACLASS_EXTRAS
        return (self.random.choice((*EXTRAS, *more)),) if self.chance(0.25) else ()

    def of_fields(self, kind: Kind, name: str, parts: list[Node], options: ClassOptions) -> Node:
        fields = list(self.fields(parts, kind))
        if kind is not MODEL:  # a default is followed by defaults only
            first = fields[:1] if options.generic else []
            is_rendered = kind is PYDANTIC_DATACLASS  # there an alias, too, stands behind a `=`
            rest = sorted(
                fields[len(first) :],
                key=lambda field: (
                    field.options != FieldOptions() if is_rendered else bool(field.options.default)
                ),
            )
            first = [Node(FIELD, field.parts, field.name, FieldOptions()) for field in first]
            fields = [*first, *rest]
        settings = options.settings
        if "revalidate" in settings and any(field.options.alias for field in fields):
            settings = ""  # pydantic then looks for aliases among the fields' names, and finds none
        veto = ""
        if kind is not NAMEDTUPLE and self.chance(0.1):
            veto = next(filter(None, map(_condition, fields)), "")
        return Node(
            kind, tuple(fields), name,
            ClassOptions(settings, options.generic, options.inherited, options.extras,
                         veto),
        )  # fmt: skip

    def fields(self, parts: list[Node], kind: Kind) -> list[Node]:
        names = self.random.sample(FIELD_NAMES, len(parts))
        aliases = self.random.sample(ALIASES, len(parts))
        aliased = kind in (MODEL, PYDANTIC_DATACLASS, VARIANT) and self.chance(0.2)
        return [
            Node(
                FIELD, (part,), name,
                FieldOptions(
                    f"{self.random.choice(ALIAS_FORMS)}={alias!r}"
                    if aliased and self.chance(0.5)
                    else "",
                    _default(part) if self.chance(0.2) else "",
                    self.random.choice(MORE_FOR_FIELD) if self.chance(0.05) else "",
                ),
            )
            for part, name, alias in zip(parts, names, aliases, strict=True)
        ]  # fmt: skip

    def family(self, depth: int, above: Above) -> Node:
        name = self.name("F")
        count = self.random.choice((1, 2, 3, 4))
        pins = self.random.sample((0, 1, 249, 250, 251, 256, 700, 2303), count)
        is_pinned = self.chance(0.3)
        variants = []
        for position in range(count):
            outer = {known: entry for known, entry in above.items() if "[" not in entry[0]}
            inner = {**_guarded(outer), name: ("", True)} if position else {}
            number = self.random.choice((0, 0, 1, 2, 3))
            parts = [self.type(depth, inner) for _ in range(number)]
            pin = pins[position] if is_pinned else None
            fields = tuple(self.fields(parts, VARIANT))
            variants.append(Node(VARIANT, fields, f"{name}V{position}", pin))
        node = Node(FAMILY, tuple(variants), name)
        if not open_loops(node):
            self.shared.append(node)
        return node

    def alone(self, depth: int, above: Above) -> Node:
        family = self.family(depth, {})
        return Node(ALONE, (family,), options=self.random.randrange(len(family.parts)))

    def union(self, depth: int, above: Above) -> Node:
        parts: list[Node] = []
        for _ in range(self.random.choice((2, 2, 3))):
            maker = self.random.choice((self.model, self.model, self.a_class, self.alone))
            part = maker(depth, _guarded(above) if parts else {})
            is_told = part.kind is MODEL or getattr(part.options, "generic", "") != "itself"
            if part.kind is not NAMEDTUPLE and is_told:
                parts.append(part)
        parts = list({class_name(part): part for part in parts}.values())
        return Node(UNION, tuple(parts)) if len(parts) > 1 else self.leaf()


def invent(random: Random) -> Node:
    """A type nobody thought of."""
    return Inventor(random).type(random.choice((0, 1, 1, 2, 2, 3, 4, 5)), {})


def _guarded(above: Above) -> Above:
    return {name: (usage, True) for name, (usage, _) in above.items()}


def _default(node: Node) -> str:
    if node.kind in leaves.INTEGERS:
        return "0"
    if node.options is not None:
        return ""
    return {c.OPTION: "None", c.LIST: "[]", leaves.TEXT: "''"}.get(node.kind, "")


def _condition(field: Node) -> str:
    """When a class is to refuse itself for this field."""
    kind = field.parts[0].kind
    if kind in leaves.INTEGERS:
        return f"self.{field.name} == 1"
    return {
        leaves.TEXT: f"len(self.{field.name}) == 2",
        leaves.BOOL: f"self.{field.name}",
        c.LIST: f"len(self.{field.name}) == 1",
    }.get(kind, "")


def is_sound(node: Node) -> bool:
    """Whether a tree, such as a shrunk one, may still be a type."""
    named: dict[str, Node] = {}
    if open_loops(node) or node.kind in (FIELD, VARIANT):
        return False
    for found in node.every():
        if found.kind is LOOP or not found.name:
            continue
        if found.kind is not FIELD and named.setdefault(found.name, found) is not found:
            return False
        if any(_needs(part, found.name) for part in found.parts):
            return False
    return all(map(_is_sound_by_itself, node.every()))


def _needs(node: Node, name: str) -> bool:
    """Whether each value of a type holds one of the class of that name."""
    if node.kind is LOOP:
        return node.name == name
    if node.kind in (c.OPTION, c.MAPPING):
        return False
    if node.kind in (c.LIST, c.TUPLE) and not node.options:
        return False
    if node.kind in (FAMILY, UNION):
        return all(_needs(part, name) for part in node.parts)
    return any(_needs(part, name) for part in node.parts)


def _is_sound_by_itself(node: Node) -> bool:
    parts, kind = node.parts, node.kind
    is_field_holder = kind in CLASSES or kind is VARIANT
    if any((part.kind is FIELD) != is_field_holder for part in parts):
        return False
    if any((part.kind is VARIANT) != (kind is FAMILY) for part in parts):
        return False
    veto = getattr(node.options, "veto", "")
    if veto and not any(f"self.{part.name}" in veto for part in parts):
        return False
    if kind is c.OPTION:
        return not parts[0].kind.may_be_none(parts[0])
    if kind in (c.SET, c.FROZENSET, c.MAPPING):
        return parts[0].kind.is_plain(parts[0])
    if kind is ALONE:
        return parts[0].kind is FAMILY and node.options < len(parts[0].parts)
    if kind is UNION:
        return all(part.kind in (MODEL, DATACLASS, PYDANTIC_DATACLASS, ALONE) for part in parts)
    return kind is not c.CONSTRAINED or parts[0].kind in CONSTRAINTS
