"""A server's description, read.

The document is untrusted text of a server and is checked as a whole when it is read. Knows JSON
data only, and imports nothing that a cold start would feel.
"""

from __future__ import annotations

from typing import Any

from lazyipc._core.description.model import (
    CommandInfo,
    Description,
    FamilyInfo,
    FieldInfo,
    ServerInfo,
    VariantInfo,
)
from lazyipc._core.description.soundness import (
    array,
    check_depth,
    check_schema,
    count,
    fingerprint,
    flag,
    follow,
    integer,
    member,
    name,
    number,
    optional,
    refuse,
    returned,
    table,
    text,
    variants,
    wire_fields,
    wire_type,
)

VERSION = 1
"""The version of the document; a later one may mean something else by the same keys."""


def read_description(document: Any) -> Description:
    """Read a description, as parsed from JSON.

    Raises:
        DecodeError: it is none; `path` is where.
    """
    check_depth(document)
    whole = table(document, "")
    version = member(whole, "lazyipc", integer, "")
    if version != VERSION:
        refuse("lazyipc", f"it is of version {version}, and this side reads {VERSION}")
    server = _server(member(whole, "server", table, ""))
    schema = member(whole, "schema", table, "")
    definitions = member(schema, "$defs", table, "schema")
    check_schema(schema, definitions, "schema")
    families = tuple(
        _family(each, f"families[{index}]")
        for index, each in enumerate(member(whole, "families", array, ""))
    )
    commands = tuple(
        _command(each, definitions, len(families), f"commands[{index}]")
        for index, each in enumerate(member(whole, "commands", variants, ""))
    )
    _refuse_twice([command.name for command in commands], "commands")
    of = member(whole, "set", table, "")
    bare = optional(table)(of.get("bare"), "set.bare")
    if bare is not None:
        _returns(bare, len(families), "set.bare")
    return Description(
        document=whole,
        server=server,
        name=member(of, "name", name, "set"),
        doc=member(of, "doc", text, "set"),
        is_tagged=member(of, "tagged", flag, "set"),
        commands=commands,
        families=families,
        definitions=definitions,
    )


def _server(of: dict[str, Any]) -> ServerInfo:
    wires = member(of, "wires", array, "server")
    return ServerInfo(
        name=member(of, "name", text, "server"),
        version=member(of, "version", optional(text), "server"),
        pid=member(of, "pid", count, "server"),
        uptime=member(of, "uptime", number, "server"),
        start_ns=member(of, "start_ns", optional(count), "server"),
        clock=member(of, "clock", text, "server"),
        library=member(of, "library", text, "server"),
        path=member(of, "path", text, "server"),
        wires=tuple(text(wire, f"server.wires[{index}]") for index, wire in enumerate(wires)),
    )


def _family(value: Any, path: str) -> FamilyInfo:
    of = table(value, path)
    found = []
    for index, each in enumerate(member(of, "variants", variants, path)):
        where = f"{path}.variants[{index}]"
        variant = table(each, where)
        found.append(
            VariantInfo(
                name=member(variant, "name", name, where),
                index=member(variant, "index", count, where),
                fields=member(variant, "fields", wire_fields, where),
            )
        )
    _refuse_twice([variant.name for variant in found], f"{path}.variants")
    return FamilyInfo(name=member(of, "name", name, path), variants=tuple(found))


def _command(value: Any, definitions: dict[str, Any], family_count: int, path: str) -> CommandInfo:
    of = table(value, path)
    request = member(of, "request", optional(table), path)
    response = member(of, "response", optional(table), path)
    for key, schema in (("request", request), ("response", response)):
        if schema is not None:
            check_schema(schema, definitions, f"{path}.{key}")
    returns, family = _returns(of, family_count, path)
    schemas: dict[str, Any] = {}
    required: frozenset[str] = frozenset()
    if request is not None:
        resolved = follow(request, definitions, f"{path}.request")
        schemas, required = resolved.get("properties", {}), frozenset(resolved.get("required", ()))
    fields = tuple(
        _field(each, schemas if request is not None else None, required, f"{path}.fields[{index}]")
        for index, each in enumerate(member(of, "fields", array, path))
    )
    _refuse_twice([field.name for field in fields], f"{path}.fields")
    _refuse_twice([field.key for field in fields], f"{path}.fields")
    return CommandInfo(
        name=member(of, "name", name, path),
        doc=member(of, "doc", text, path),
        index=member(of, "index", optional(count), path),
        timeout=member(of, "timeout", optional(number), path),
        fingerprint=member(of, "fingerprint", fingerprint, path),
        fields=fields,
        returns=returns,
        family=family,
        request=request,
        response=response,
        json=text(of.get("json", ""), f"{path}.json"),
    )


def _returns(of: dict[str, Any], family_count: int, path: str) -> tuple[Any, int | None]:
    """What is returned, and which of the families that is."""
    returns = member(of, "returns", returned, path)
    family = member(of, "family", optional(count), path)
    is_of_family = isinstance(returns, list) and returns[0] == "family"
    if (family is not None) != is_of_family or (family is not None and family >= family_count):
        refuse(f"{path}.family", "it is no family of those described")
    return returns, family


def _field(
    value: Any, schemas: dict[str, Any] | None, required: frozenset[str], path: str
) -> FieldInfo:
    of = table(value, path)
    key = member(of, "key", name, path)
    schema: Any = {}
    if schemas is not None:
        schema = schemas.get(key)
        if not isinstance(schema, dict):
            refuse(f"{path}.key", "the command's schema has no such property")
    return FieldInfo(
        name=member(of, "name", name, path),
        key=key,
        wire=member(of, "wire", wire_type, path),
        size_bytes=member(of, "bytes", optional(count), path),
        schema=schema,
        is_required=schemas is None or key in required,
    )


def _refuse_twice(names: list[str], path: str) -> None:
    seen: set[str] = set()
    for each in names:
        if each in seen:
            refuse(path, f"two are called {each!r}")
        seen.add(each)
