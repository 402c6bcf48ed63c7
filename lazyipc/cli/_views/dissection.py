"""Bytes taken apart for people: a value of one type, or frames one behind the other.

Knows codecs and frames; no files, no terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lazyipc._core.catalog import Catalog
from lazyipc._core.codec import (
    DEFAULT_DEPTH,
    DEFAULT_ELEMENTS,
    DEFAULT_MESSAGE_BYTES,
    Codec,
)
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import ENCODINGS
from lazyipc._core.explanation import Row, rows_of
from lazyipc._core.failure import read_failure
from lazyipc._core.framing import HEADER, MAGIC, VERSION, Kind
from lazyipc._core.record import Value
from lazyipc.errors import DecodeError, IpcError, MessageTooLarge

FINGERPRINT_BYTES = 8
REQUEST_HEAD_BYTES = 32
"""The fingerprint of a request and its three times."""
MOST_PLAIN_BYTES = 40
"""How much is shown of what is of no known type."""
NO_DEADLINE = 2**64 - 1

KINDS = {kind.value: kind.name.lower() for kind in Kind}
"""The kinds of frames by their numbers."""

Known = Mapping[bytes, tuple[str, Codec[Any]]]
"""Names and codecs of commands and responses, by their fingerprints."""


class Part(Value):
    """A stretch of bytes that was meant as one thing.

    Args:
        title: what it is.
        offset: where it begins among all bytes.
        size_bytes: how many there are.
        rows: its parts, with offsets from the beginning of all bytes.
        error: why it is refused; None where it is whole.
    """

    title: str
    offset: int
    size_bytes: int
    rows: tuple[Row, ...]
    error: IpcError | None = None


def value_part(held: bytes, codec: Codec[Any], title: str = "", start: int = 0) -> Part:
    """The parts of one value, as far as its bytes are in order.

    Args:
        held: its bytes.
        start: where they begin among all bytes.
    """
    error: IpcError | None = None
    try:
        if len(held) > DEFAULT_MESSAGE_BYTES:
            what = "message size in bytes"
            raise MessageTooLarge(what, size_bytes=len(held), limit_bytes=DEFAULT_MESSAGE_BYTES)
        codec.decode(held, 0, None, DEFAULT_ELEMENTS, DEFAULT_DEPTH)
    except DecodeError as caught:
        error = DecodeError(caught.reason, offset=caught.offset + start, path=caught.path)
    except MessageTooLarge as caught:
        error = caught
    cursor = Cursor(
        held,
        0,
        len(held),
        limit_bytes=DEFAULT_MESSAGE_BYTES,
        elements=DEFAULT_ELEMENTS,
        depth=DEFAULT_DEPTH,
        encoding=ENCODINGS[0],
    )
    rows = tuple(_moved(row, start) for row in rows_of(codec.shape, cursor))
    return Part(title, start, len(held), rows, error)


def _moved(row: Row, by: int) -> Row:
    return Row(row.offset + by, row.size_bytes, row.path, row.type, row.value)


# Frames ------------------------------------------------------------------------------------------


def begins_a_frame(data: bytes) -> bool:
    """Whether bytes are those of a framed connection.

    >>> begins_a_frame(bytes.fromhex("ff4c0101")), begins_a_frame(bytes.fromhex("ff4c0200"))
    (True, False)
    """
    return data[:3] == MAGIC + bytes([VERSION]) and len(data) > 3 and data[3] in KINDS


def known_of(catalog: Catalog) -> dict[bytes, tuple[str, Codec[Any]]]:
    """What a command set's frames hold."""
    found: dict[bytes, tuple[str, Codec[Any]]] = {}
    for entry in catalog.by_fingerprint.values():
        found[entry.fingerprint] = entry.name, entry.codec
        reply = entry.reply
        if reply.only is not None:
            name = f"{entry.name}'s reply"
            match reply.description:
                case ["response", str(name), _]:
                    pass
            found.setdefault(reply.fingerprint, (name, reply.only))
        for model, (fingerprint, codec) in reply.by_model.items():
            found.setdefault(fingerprint, (model.__name__, codec))
    return found


def frame_parts(data: bytes, known: Known) -> Iterator[Part]:
    """The frames that bytes consist of; where one is none, or is cut off, they end."""
    start = 0
    while start < len(data):
        rest = len(data) - start
        if data[start : start + 2] != MAGIC[:rest]:
            reason = f"a frame begins with ff 4c, not {data[start : start + 2].hex(' ')}"
            yield Part("no frame", start, rest, (), DecodeError(reason, offset=start))
            return
        if rest < HEADER.size:
            reason = f"a header has {HEADER.size} bytes, and here are {rest}"
            yield Part("no whole frame", start, rest, (), DecodeError(reason, offset=start))
            return
        magic, version, number, size, call = HEADER.unpack_from(data, start)
        kind = KINDS.get(number, "unknown")
        head = (
            Row(start, 2, "magic", "", magic.hex(" ")),
            Row(start + 2, 1, "version", "u8", str(version)),
            Row(start + 3, 1, "kind", "u8", f"{number}, {kind}"),
            Row(start + 4, 4, "size", "u32", f"{size} bytes"),
            Row(start + 8, 8, "call", "u64", str(call)),
        )
        begin = start + HEADER.size
        end = begin + size
        title = f"{kind}, call {call}"
        if version != VERSION:
            error = DecodeError(f"frame version {version} is not known", offset=start + 2)
            yield Part(title, start, rest, head, error)
            return
        if end > len(data):
            reason = f"the payload has {size} bytes, and here are {len(data) - begin}"
            yield Part(title, start, rest, head, DecodeError(reason, offset=len(data)))
            return
        name, rows, payload_error = _payload(data[begin:end], begin, number, known)
        title = f"{kind} {name}, call {call}" if name else title
        yield Part(title, start, end - start, (*head, *rows), payload_error)
        start = end


def _payload(
    payload: bytes, begin: int, kind: int, known: Known
) -> tuple[str, tuple[Row, ...], IpcError | None]:
    """What a payload is of, its parts, and why it is refused.

    Args:
        begin: where it begins among all bytes.
    """
    if kind == Kind.REQUEST and len(payload) >= REQUEST_HEAD_BYTES:
        return _request(payload, begin, known)
    if kind == Kind.RESPONSE and len(payload) >= FINGERPRINT_BYTES:
        return _fingerprinted(payload, begin, FINGERPRINT_BYTES, known, ())
    if kind == Kind.ERROR:
        return _error(payload, begin)
    if not payload:
        return "", (), None
    return "", (_plain(payload, begin),), None


def _request(
    payload: bytes, begin: int, known: Known
) -> tuple[str, tuple[Row, ...], IpcError | None]:
    clock, deadline, left = (payload[at : at + 8] for at in (8, 16, 24))
    times = (
        Row(begin + 8, 8, "clock", "", clock.hex() if any(clock) else "unknown"),
        Row(begin + 16, 8, "deadline", "u64", _time(deadline)),
        Row(begin + 24, 8, "left", "u64", _time(left)),
    )
    return _fingerprinted(payload, begin, REQUEST_HEAD_BYTES, known, times)


def _time(data: bytes) -> str:
    number = int.from_bytes(data, "little")
    return "none" if number == NO_DEADLINE else f"{number / 1e9:.6f} s"


def _fingerprinted(
    payload: bytes, begin: int, head_bytes: int, known: Known, between: tuple[Row, ...]
) -> tuple[str, tuple[Row, ...], IpcError | None]:
    fingerprint, fields = payload[:FINGERPRINT_BYTES], payload[head_bytes:]
    name, codec = known.get(fingerprint, ("", None))
    told = f"{fingerprint.hex()}, {name or 'none that is known'}"
    head = (Row(begin, FINGERPRINT_BYTES, "fingerprint", "", told), *between)
    if codec is None:
        rest = (_plain(fields, begin + head_bytes),) if fields else ()
        return "", (*head, *rest), None
    part = value_part(fields, codec, start=begin + head_bytes)
    return name, (*head, *part.rows), part.error


def _error(payload: bytes, begin: int) -> tuple[str, tuple[Row, ...], IpcError | None]:
    try:
        code, kind, message, detail = read_failure(payload, 0, len(payload))
    except DecodeError as error:
        moved = DecodeError(error.reason, offset=error.offset + begin, path=error.path)
        return "", (_plain(payload, begin),), moved
    at, rows = begin, []
    for path, value in (("code", code), ("kind", kind), ("message", message), ("detail", detail)):
        size = 4 if isinstance(value, int) else 8 + len(value.encode())
        rows.append(Row(at, size, path, "u32" if size == 4 else "String", f"{value}"))
        at += size
    return kind, tuple(rows), None


def _plain(data: bytes, start: int) -> Row:
    text = repr(data[:MOST_PLAIN_BYTES])[1:] + " …" * (len(data) > MOST_PLAIN_BYTES)
    return Row(start, len(data), "payload", "", text)
