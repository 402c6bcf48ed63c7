"""`lazyipc describe`: what a server understands, as a table; and a page on one command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from lazyipc._core.description.requirements import requirements_of
from lazyipc._core.nearest import UnknownName
from lazyipc._plain_client import PlainClient
from lazyipc._target import path_of
from lazyipc.cli._app import json_option
from lazyipc.cli._shown import sample
from lazyipc.cli._shown.form import brief, resolved
from lazyipc.cli._shown.help import LONGEST_LINE, first_line, paragraphs, wrapped
from lazyipc.cli._shown.naming import classes_in, definitions_in, returned_name, type_name
from lazyipc.cli._shown.safe import clipped
from lazyipc.cli._shown.span import many, span
from lazyipc.cli._views.timeout import timeout_option

if TYPE_CHECKING:
    from lazyipc._core.description.model import CommandInfo, Description, FieldInfo
    from lazyipc.cli._app import State
    from lazyipc.cli._shown.output import Output
    from lazyipc.cli._shown.table import Part


@click.command()
@click.argument("name")
@click.argument("command", required=False)
@timeout_option
@json_option
@click.pass_obj
def describe(state: State, name: str, command: str | None, timeout: float | None) -> None:
    """Show what a server understands; or all about one COMMAND.

    JSON: the server's description, as docs/protocol.md has it; of a COMMAND its part of that, and
    beside it "$defs": the definitions that its schemas refer to.
    """
    with PlainClient(path_of(name), timeout=timeout) as client:
        description = client.describe()
    try:
        found = None if command is None else description.command(command)
    except UnknownName as unknown:
        raise click.UsageError(str(unknown)) from unknown
    if not state.out.is_terminal:
        state.out.print_json(description.document if found is None else part_of(description, found))
    elif found is None:
        show_set(state.out, description)
    else:
        show_command(state.out, description, found, name, state.program)


def part_of(description: Description, command: CommandInfo) -> dict[str, Any]:
    """What a description says of one command, and the definitions that it needs."""
    position = description.commands.index(command)
    told: dict[str, Any] = description.document["commands"][position]
    whole = [command.request, command.response]
    needed = definitions_in(whole, description.definitions)
    return {**told, "$defs": {key: description.definitions[key] for key in needed}}


# The set ------------------------------------------------------------------------------------------


def show_set(out: Output, description: Description) -> None:
    """All commands, a row each."""
    server = description.server
    version = [] if server.version is None else [f"version {server.version}"]
    wires = " and ".join(filter(None, (", ".join(server.wires[:-1]), *server.wires[-1:])))
    about = [*version, f"pid {server.pid}", f"up {span(server.uptime)}", f"takes {wires}"]
    out.text((server.name, "bold"), f"  {', '.join(about)}")
    _show_doc(out, description.doc)
    out.text()
    headings = ("COMMAND", "FIELDS", "RETURNS", "WHAT IT DOES")
    out.table(headings, [_row(description, command) for command in description.commands])
    if not description.commands:
        out.text("It has no commands.")


def _row(description: Description, command: CommandInfo) -> list[Part]:
    fields = ", ".join(_field_text(field, description) for field in command.fields)
    return [
        (command.option_name, "bold cyan"),
        fields,
        returned_name(command, description.definitions),
        first_line(command.doc),
    ]


def _field_text(field: FieldInfo, description: Description) -> str:
    told = f"{field.name}: {_type(field, description)}"
    return told if field.is_required else f"{told} = {_default(field, description)}"


def _type(field: FieldInfo, description: Description) -> str:
    if not field.schema:
        return field.type_text
    return type_name(field.schema, description.definitions, field.wire)


def _default(field: FieldInfo, description: Description) -> str:
    if not field.has_default:
        return "…"
    return brief(field.default, field.schema, description.definitions)


def _default_cell(field: FieldInfo, description: Description) -> Part:
    if field.is_required:
        return ("required", "yellow")
    # The server makes it anew each time, so what it is cannot be told.
    return _default(field, description) if field.has_default else "optional"


def _show_doc(out: Output, doc: str, indent: str = "") -> None:
    for number, paragraph in enumerate(paragraphs(doc)):
        if number:
            out.text()
        out.text(wrapped(paragraph, indent, out.width), multiline=True)


# One command --------------------------------------------------------------------------------------


def show_command(
    out: Output, description: Description, command: CommandInfo, name: str, program: str = ""
) -> None:
    """A page on one command.

    Args:
        name: what its server was called.
        program: the application's own program that calls it; empty for `lazyipc`.
    """
    returned = returned_name(command, description.definitions)
    out.text((command.option_name, "bold cyan"), f"  ({command.name} in JSON) returns {returned}")
    _show_doc(out, command.doc, "  ")
    facts = [f"fingerprint {command.fingerprint}"]
    if command.index is not None:
        facts.append(f"index {command.index}")
    if command.timeout is not None:
        facts.append(f"clients wait for {command.timeout:g} s")
    out.text((f"  {', '.join(facts)}", "dim"))
    if command.fields:
        out.text()
        _show_fields(out, description, command.fields)
    _show_reply(out, description, command)
    _show_classes(out, description, command)
    out.text()
    out.text(("Example", "bold"))
    out.text(f"  {sample.call_line(command, description, name, program)}")
    if command.request is None:
        out.text(f"  It has no JSON form: {command.json}")
    elif "JSON" in description.server.wires:
        line = shlex.quote(sample.json_line(command, description))
        out.text(f"  echo {line} | nc -N -U {shlex.quote(description.server.path)}")


def _show_fields(out: Output, description: Description, fields: tuple[FieldInfo, ...]) -> None:
    headings = ("FIELD", "TYPE", "BYTES", "DEFAULT", "MUST BE", "WHAT IT IS")
    rows: list[list[Part]] = [
        [
            (field.name, "bold"),
            _type(field, description),
            "varies" if field.size_bytes is None else f"{field.size_bytes:,}",
            _default_cell(field, description),
            ", ".join(field.constraints),
            clipped(" ".join(field.doc.split()), LONGEST_LINE),
        ]
        for field in fields
    ]
    _show_table(out, headings, rows)


def _show_table(out: Output, headings: tuple[str, ...], rows: list[list[Part]]) -> None:
    """A table without the columns that say nothing."""
    kept = [n for n in range(len(headings)) if n < 2 or any(row[n] for row in rows)]
    out.table([headings[n] for n in kept], [[row[n] for n in kept] for row in rows])


def _show_reply(out: Output, description: Description, command: CommandInfo) -> None:
    match command.returns:
        case ["response", str(name), fields]:
            variants = [(name, fields)]
        case ["family", _] if command.family is not None:
            family = description.families[command.family]
            variants = [(variant.name, variant.fields) for variant in family.variants]
        case _:
            return
    out.text()
    out.text(("Returns", "bold"), " one of these" if len(variants) > 1 else "")
    schemas = _variant_schemas(description, command)
    for name, fields in variants:
        properties = schemas.get(name, {})
        inner = [
            f"{field}: {type_name(properties.get(field, {}), description.definitions, wire)}"
            for field, wire in fields
        ]
        out.text("  ", (name, "green"), f"({', '.join(inner)})")


def _variant_schemas(description: Description, command: CommandInfo) -> dict[str, dict[str, Any]]:
    """The properties of each variant that a command may return, by its name."""
    whole = resolved(command.response, description.definitions)
    found: dict[str, dict[str, Any]] = {}
    for branch in whole.get("oneOf", [whole]):
        for name, held in branch.get("properties", {}).items():
            found[name] = resolved(held, description.definitions).get("properties", {})
    return found


def _show_classes(out: Output, description: Description, command: CommandInfo) -> None:
    """The classes that stand in its fields and reply, but for the command and its responses."""
    definitions = description.definitions
    schemas: list[Any] = [field.schema for field in command.fields]
    given = [*classes_in(schemas, definitions)]
    if command.returns[0] in ("response", "family"):
        schemas += _variant_schemas(description, command).values()
    else:
        schemas.append(command.response)
    for found in classes_in(schemas, definitions):
        out.text()
        doc = first_line(found.get("description", ""))
        out.text((found["title"], "bold"), f"  {doc}" if doc else "")
        if "enum" in found:
            out.text(f"  one of {', '.join(map(str, found['enum']))}")
        elif "oneOf" in found:
            names = _variant_names(found["oneOf"])
            out.text(f"  {many(len(names), 'variant')}: {', '.join(names)}")
        else:
            _show_properties(out, found, definitions, is_given=found in given)


def _variant_names(branches: list[Any]) -> list[str]:
    names: dict[str, None] = {}
    for branch in branches:
        names |= dict.fromkeys([branch["const"]] if "const" in branch else branch["properties"])
    return [*names]


def _show_properties(
    out: Output, found: dict[str, Any], definitions: dict[str, Any], *, is_given: bool
) -> None:
    """The fields of a class; of one that stands in a reply only, no field may be left out."""
    rows: list[list[Part]] = []
    for name, schema in found.get("properties", {}).items():
        whole = resolved(schema, definitions)
        is_required = name in found.get("required", ())
        default = (
            brief(schema["default"], schema, definitions) if "default" in schema else "optional"
        )
        rows.append(
            [
                (name, "bold"),
                type_name(schema, definitions),
                "" if not is_given else ("required", "yellow") if is_required else default,
                ", ".join(requirements_of(whole, whole.get("wire"))),
                clipped(" ".join(schema.get("description", "").split()), LONGEST_LINE),
            ]
        )
    if rows:
        _show_table(out, ("FIELD", "TYPE", "DEFAULT", "MUST BE", "WHAT IT IS"), rows)
