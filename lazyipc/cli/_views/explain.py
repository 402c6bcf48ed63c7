"""`lazyipc explain`: bytes shown field by field."""

from __future__ import annotations

from string import hexdigits
from typing import TYPE_CHECKING, Any

import click

from lazyipc._core.compiled import codec_of
from lazyipc._core.nearest import UnknownName
from lazyipc.cli._app import json_option
from lazyipc.cli._failure import MISUSED
from lazyipc.cli._views.dissection import (
    Part,
    begins_a_frame,
    frame_parts,
    known_of,
    value_part,
)
from lazyipc.cli._views.file import file_bytes
from lazyipc.cli._views.timeout import timeout_option
from lazyipc.cli._words.types import BadType, type_of
from lazyipc.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazyipc._core.catalog import Catalog
    from lazyipc._core.codec import Codec
    from lazyipc.cli._app import State
    from lazyipc.cli._shown.output import Output

MOST_HEX_BYTES = 8
"""How many bytes of a part are shown."""


@click.command()
@click.argument("file")
@click.argument("type", required=False)
@click.option("--of", "name", metavar="NAME", help="TYPE is a command or response of this server.")
@click.option("--hex", "is_hex", is_flag=True, help="FILE holds the bytes in hex, as text.")
@timeout_option
@json_option
@click.pass_obj
def explain(
    state: State, file: str, type: str | None, name: str | None, is_hex: bool, timeout: float | None
) -> int:
    """Show the bytes in FILE field by field, and where they are refused.

    FILE may be - for stdin. TYPE is module:Name of your own, or a type such as list[U32],
    option[u8], tuple[bool, str], map[str, f64], array[u8, 4]. With --of it is a command or a
    response of a running server. Bytes that begin with ff 4c and a kind of frame are told frame by
    frame: TYPE is then a command set (module:Name), and with --of it is not needed.

    JSON: an object of size_bytes and parts, a list of objects of title, offset, size_bytes, rows
    (objects of offset, size_bytes, hex, path, type, value) and refused (null, or an object of
    message, offset and path). Exits with 2 where anything is refused.
    """
    data = read_bytes(file, is_hex)
    catalog, codec = _of_server(name, type, timeout) if name else _of_words(type)
    parts: Iterable[Part]
    if begins_a_frame(data):
        parts = frame_parts(data, known_of(catalog) if catalog else {})
    elif codec is not None:
        parts = [value_part(data, codec, type or "")]
    else:
        raise click.UsageError("these bytes are no frames, so they need a TYPE")
    out, told, is_refused = state.out, [], False
    for part in parts:
        is_refused = is_refused or part.error is not None
        if out.is_terminal:
            show(out, part, data)
        else:
            told.append(as_json(part, data))
    if not out.is_terminal:
        out.print_json({"size_bytes": len(data), "parts": told})
    return MISUSED if is_refused else 0


def read_bytes(file: str, is_hex: bool) -> bytes:
    """The bytes that a file holds.

    Raises:
        ValueError: it cannot be read, is too long, or holds no hex.
    """
    data = file_bytes(file)
    if not is_hex:
        return data
    text = data.decode("ascii", "replace")
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise ValueError(f"{file}: no hex: {_why_no_hex(text)}") from error


def _why_no_hex(text: str) -> str:
    for place, character in enumerate(text, 1):
        if character not in hexdigits and not character.isspace():
            return f"{character!r} at character {place:,}"
    return "two digits make a byte, and one stands alone"


# What the bytes are -------------------------------------------------------------------------------


def _of_words(words: str | None) -> tuple[Catalog | None, Codec[Any] | None]:
    """A command set, if the words name one or a command of it, and the codec of their type."""
    if words is None:
        return None, None
    try:
        found = type_of(words)
    except BadType as error:
        raise click.UsageError(str(error)) from error
    try:
        return _catalog_of(found), codec_of(found)
    except SchemaError as error:
        raise BadType(f"{words} has no bytes: {error}") from error


def _catalog_of(found: Any) -> Catalog | None:
    from lazyipc._core.catalog import Catalog
    from lazyipc._core.command import command_models
    from lazyipc._core.family import family_of

    if not (isinstance(found, type) and hasattr(found, "model_fields")):
        return None
    family = family_of(found)
    root = found if family is None else family.root
    is_commands = all(hasattr(model, "process") for model in command_models(root))
    return Catalog(root) if is_commands else None


def _of_server(
    name: str, words: str | None, timeout: float | None
) -> tuple[Catalog, Codec[Any] | None]:
    """The command set of a running server, and the codec of one of its types."""
    from lazyipc._core.description.rebuilt.classes import classes_of
    from lazyipc._plain_client import PlainClient
    from lazyipc._target import path_of

    with PlainClient(path_of(name), timeout=timeout) as client:
        description = client.describe()
    classes = classes_of(description)
    if words is None:
        return classes.catalog, None
    if words in classes.types:
        return classes.catalog, codec_of(classes.types[words])
    try:
        command = description.command(words).name
    except UnknownName as unknown:
        known = [*classes.commands, *classes.types]
        told = UnknownName("type", words, known, description.server.name)
        raise click.UsageError(str(told)) from unknown
    return classes.catalog, codec_of(classes.commands[command])


# Shown --------------------------------------------------------------------------------------------


def show(out: Output, part: Part, data: bytes) -> None:
    """One part as a table."""
    if part.title:
        out.text((part.title, "bold"), (f"  {part.size_bytes:,} bytes", "dim"))
    rows = [
        [f"{row.offset:,}", _hex(data, row.offset, row.size_bytes), row.path, row.type, row.value]
        for row in part.rows
    ]
    out.table(("OFFSET", "BYTES", "PATH", "TYPE", "VALUE"), rows)
    if part.error is not None:
        out.text(("refused: ", "bold red"), str(part.error))
    out.text()


def _hex(data: bytes, offset: int, size_bytes: int) -> str:
    taken = data[offset : offset + size_bytes]
    return taken[:MOST_HEX_BYTES].hex(" ") + (" …" if len(taken) > MOST_HEX_BYTES else "")


def as_json(part: Part, data: bytes) -> dict[str, Any]:
    """One part for programs."""
    rows = [
        {
            "offset": row.offset,
            "size_bytes": row.size_bytes,
            "hex": data[row.offset : row.offset + row.size_bytes].hex(),
            "path": row.path,
            "type": row.type,
            "value": row.value,
        }
        for row in part.rows
    ]
    error: Any = part.error
    refused = error and {
        "message": str(error),
        "offset": getattr(error, "offset", None),
        "path": getattr(error, "path", ""),
    }
    return {
        "title": part.title,
        "offset": part.offset,
        "size_bytes": part.size_bytes,
        "rows": rows,
        "refused": refused,
    }
