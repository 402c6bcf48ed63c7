"""A server's description as it is used: its commands and their fields, without classes of them.

Knows JSON data that was checked, no more; it imports nothing that a cold start would feel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lazyipc._core.description.requirements import requirements_of
from lazyipc._core.description.soundness import follow
from lazyipc._core.nearest import UnknownName, folded
from lazyipc._core.record import Value

T = TypeVar("T")

FINGERPRINT_BYTES = 8


class ServerInfo(Value):
    """The process that answered: what differs between two runs of one program."""

    name: str
    version: str | None
    pid: int
    uptime: float
    start_ns: int | None
    clock: str
    library: str
    path: str
    wires: tuple[str, ...]


class FieldInfo(Value):
    """One field of a command.

    `name` is what the wire's description calls it, `key` what JSON does; `wire` its type in that
    description; `schema` that in JSON Schema, empty where the command has no JSON form.
    """

    name: str
    key: str
    wire: Any
    size_bytes: int | None
    schema: dict[str, Any]
    is_required: bool

    @property
    def has_default(self) -> bool:
        """Whether the default is known here; one that the server makes anew each time is not."""
        return "default" in self.schema

    @property
    def default(self) -> Any:
        """The default in its JSON form, or None."""
        return self.schema.get("default")

    @property
    def doc(self) -> str:
        doc: str = self.schema.get("description", "")
        return doc

    @property
    def type_text(self) -> str:
        """The type as people write it: `u64`, `vec[option[bool]]`."""
        from lazyipc._core.schema import text_of

        return text_of(self.wire)

    @property
    def constraints(self) -> tuple[str, ...]:
        """What its values are held to beside their type, in words: `> 0`."""
        return requirements_of(self.schema, self.wire)

    @property
    def option_name(self) -> str:
        """Its name as an option of a command line, without the hyphens before it."""
        return self.name.replace("_", "-")

    @property
    def signature(self) -> str:
        """Name, type and default: `lr: f64 = 0.1`."""
        told = f"{self.name}: {self.type_text}"
        if self.is_required:
            return told
        return f"{told} = {_json(self.default) if self.has_default else '…'}"


class CommandInfo(Value):
    """One command.

    `returns` is what it declares to return, `family` which of the description's families that is,
    if it is one; `request` and `response` are JSON Schemas of the object of its fields and of its
    response, None where it has no JSON form, and then `json` says why.
    """

    name: str
    doc: str
    index: int | None
    timeout: float | None
    fingerprint: str
    fields: tuple[FieldInfo, ...]
    returns: Any
    family: int | None
    request: dict[str, Any] | None
    response: dict[str, Any] | None
    json: str

    @property
    def method_name(self) -> str:
        """Its name as a method: `set_rate` of SetRate, `http_get` of HTTPGet."""
        return snake_case(self.name)

    @property
    def option_name(self) -> str:
        """Its name as a sub-command: `set-rate`."""
        return self.method_name.replace("_", "-")

    @property
    def returns_text(self) -> str:
        """What it returns, as people write it."""
        from lazyipc._core.schema import text_of

        return text_of(self.returns)

    @property
    def signature(self) -> str:
        """The whole of it in a line: `set_rate(lr: f64) -> Progress`."""
        fields = ", ".join(field.signature for field in self.fields)
        return f"{self.method_name}({fields}) -> {self.returns_text}"

    def field(self, name: str) -> FieldInfo:
        """The field of a name, or of one written otherwise: `learning-rate` for learning_rate.

        Raises:
            UnknownName: it has none.
        """
        found = _found(name, self.fields, lambda field: (field.name, field.key))
        if found is None:
            known = [field.option_name for field in self.fields]
            raise UnknownName("field", name, known, self.option_name)
        return found


class VariantInfo(Value):
    """One variant of a family of responses: its fields as pairs of name and type."""

    name: str
    index: int
    fields: tuple[tuple[str, Any], ...]


class FamilyInfo(Value):
    """A family of responses that a command declares by its root."""

    name: str
    variants: tuple[VariantInfo, ...]


class Description(Value, hidden=("document", "definitions")):
    """What a server tells of itself and of its commands.

    `document` is the whole of it as JSON data, `definitions` the schema's `$defs`; `is_tagged` is
    False for a set of one command, whose line is its fields alone.
    """

    document: dict[str, Any]
    server: ServerInfo
    name: str
    doc: str
    is_tagged: bool
    commands: tuple[CommandInfo, ...]
    families: tuple[FamilyInfo, ...]
    definitions: dict[str, Any]

    def command(self, name: str) -> CommandInfo:
        """The command of a name, or of one written otherwise: SetRate, set_rate, set-rate.

        Raises:
            UnknownName: there is none.
        """
        found = _found(name, self.commands, lambda command: (command.name, command.method_name))
        if found is None:
            known = [command.option_name for command in self.commands]
            raise UnknownName("command", name, known, self.server.name)
        return found

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema, or the one it refers to, with what stands beside the reference.

        Raises:
            DecodeError: it refers to nothing; never of a schema of this description.
        """
        return follow(schema, self.definitions, "")

    def without_server(self) -> dict[str, Any]:
        """What is the same for each run of one program."""
        return {key: value for key, value in self.document.items() if key != "server"}

    @property
    def fingerprint(self) -> str:
        """Equal for two descriptions that differ in nothing but the server's own part."""
        from hashlib import blake2b

        told = _json(self.without_server(), sort_keys=True).encode("ascii")
        return blake2b(told, digest_size=FINGERPRINT_BYTES).hexdigest()


def _json(value: Any, *, sort_keys: bool = False) -> str:
    import json

    return json.dumps(value, sort_keys=sort_keys)


def snake_case(name: str) -> str:
    """A class's name as a function's.

    >>> snake_case("SetRate"), snake_case("SetLR"), snake_case("HTTPGet"), snake_case("Set_Rate")
    ('set_rate', 'set_lr', 'http_get', 'set_rate')
    """
    import re

    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return words.lower()


def _found(wanted: str, among: tuple[T, ...], names_of: Callable[[T], tuple[str, str]]) -> T | None:
    """What has a name exactly, else the only one that has it written otherwise."""
    for exactly in (0, 1):
        for each in among:
            if names_of(each)[exactly] == wanted:
                return each
    sought = folded(wanted)
    alike = [each for each in among if sought in map(folded, names_of(each))]
    return alike[0] if len(alike) == 1 else None
