"""Frames, the receive buffer, and the two bytes that tell which wire is spoken."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc import Wire
from lazyipc._core.family import VARIANT_LIMIT
from lazyipc._core.framing import (
    HEADER,
    REQUEST,
    RESPONSE,
    Kind,
    ReceiveBuffer,
    frame,
    read_header,
    tell_wire,
)
from lazyipc.errors import MessageTooLarge, RemoteProtocolError
from tests.core.matrix import THOROUGH

STARTS = [bytes((first, second)) for first in range(256) for second in range(256)]
FRAMED_START = b"\xff\x4c"


def told(start: bytes, wires: Wire, *, untagged: bool) -> Wire | None:
    """The wire those bytes begin, or None where they are refused."""
    try:
        return tell_wire(start, wires, untagged=untagged)
    except RemoteProtocolError:
        return None


def wires_told(wires: Wire, *, untagged: bool) -> dict[bytes, Wire]:
    found = {start: told(start, wires, untagged=untagged) for start in STARTS}
    return {start: wire for start, wire in found.items() if wire is not None}


BARE_STARTS = {start: Wire.BARE for start in STARTS if start[1] < 9}


JSON_STARTS = {start: Wire.JSON for start in STARTS if start[1] >= 9 and start != FRAMED_START}


def test_all_starts_where_all_wires_are_spoken() -> None:
    expected = BARE_STARTS | JSON_STARTS | {FRAMED_START: Wire.FRAMED}
    assert wires_told(Wire.ALL, untagged=False) == expected


def test_all_starts_where_frames_and_bare_messages_are_spoken() -> None:
    expected = BARE_STARTS | {FRAMED_START: Wire.FRAMED}
    assert wires_told(Wire.BARE | Wire.FRAMED, untagged=False) == expected


@pytest.mark.parametrize("untagged", [False, True])
def test_all_starts_where_frames_and_json_are_spoken(untagged: bool) -> None:
    # One start of theirs is told why: the hello of TLS.
    expected = JSON_STARTS | {FRAMED_START: Wire.FRAMED, b"\x16\x03": Wire.JSON}
    assert wires_told(Wire.FRAMED | Wire.JSON, untagged=untagged) == expected


def test_all_starts_where_json_alone_is_spoken() -> None:
    expected = JSON_STARTS | {b"\x16\x03": Wire.JSON}
    assert wires_told(Wire.JSON, untagged=False) == expected


def test_no_line_of_json_begins_as_a_bare_message_does() -> None:
    for second in b' \t\r\n"{[]}0123456789.eE+-trufalsn:,':
        assert told(bytes([0x7B, second]), Wire.ALL, untagged=False) is Wire.JSON


def test_all_starts_where_frames_alone_are_spoken() -> None:
    assert wires_told(Wire.FRAMED, untagged=False) == {FRAMED_START: Wire.FRAMED}
    assert wires_told(Wire.FRAMED, untagged=True) == {FRAMED_START: Wire.FRAMED}


@pytest.mark.parametrize("untagged", [False, True])
def test_all_starts_where_bare_alone_is_spoken(untagged: bool) -> None:
    assert wires_told(Wire.BARE, untagged=untagged) == dict.fromkeys(STARTS, Wire.BARE)


def test_a_set_of_one_is_never_taken_for_bare_beside_frames() -> None:
    assert wires_told(Wire.FRAMED, untagged=True) == {FRAMED_START: Wire.FRAMED}
    assert Wire.BARE not in wires_told(Wire.ALL, untagged=True).values()


def test_every_index_of_a_family_begins_a_bare_message() -> None:
    for index in range(VARIANT_LIMIT):
        assert told(index.to_bytes(4, "little"), Wire.ALL, untagged=False) is Wire.BARE
    over = VARIANT_LIMIT.to_bytes(4, "little")
    assert told(over, Wire.BARE | Wire.FRAMED, untagged=False) is None


@pytest.mark.parametrize("start", [b"", b"\xff", b"\0", b"{"])
def test_fewer_than_two_bytes_tell_nothing(start: bytes) -> None:
    assert tell_wire(start, Wire.ALL, untagged=False) is None
    assert tell_wire(start, Wire.FRAMED, untagged=False) is None
    assert tell_wire(start, Wire.BARE, untagged=False) is Wire.BARE


def test_what_follows_two_bytes_is_not_looked_at() -> None:
    assert tell_wire(b"\xff\x4c\xff\xff", Wire.ALL, untagged=False) is Wire.FRAMED
    assert tell_wire(b"\0\0\xff\x4c", Wire.ALL, untagged=False) is Wire.BARE


def test_a_wire_the_server_does_not_take_is_named() -> None:
    with pytest.raises(RemoteProtocolError, match="speaks BARE, this server FRAMED"):
        tell_wire(bytes(2), Wire.FRAMED, untagged=False)


def test_bytes_of_no_wire_are_told() -> None:
    with pytest.raises(RemoteProtocolError, match="47 45"):
        tell_wire(b"GET / HTTP/1.1", Wire.BARE | Wire.FRAMED, untagged=False)
    with pytest.raises(RemoteProtocolError, match="00 01"):
        tell_wire(b"\0\1", Wire.FRAMED | Wire.JSON, untagged=True)
    with pytest.raises(RemoteProtocolError, match=r"speaks BARE, this server FRAMED\|JSON"):
        tell_wire(b"\0\1", Wire.FRAMED | Wire.JSON, untagged=False)


# Frames ------------------------------------------------------------------------------------------


def test_a_frame_is_laid_out_as_specified() -> None:
    assert frame(Kind.ERROR, 0x0102, b"abc") == bytes.fromhex(
        "ff 4c 01 03 03 00 00 00 02 01 00 00 00 00 00 00 61 62 63"
    )
    assert (HEADER.size, RESPONSE.size, REQUEST.size) == (16, 24, 48)


def test_the_kinds_are_numbered_as_specified() -> None:
    names = "request response error progress cancel subscribe event gap describe hello notify "
    names += "ping goodbye accept finished"
    kinds = {name.lower(): kind for name, kind in vars(Kind).items() if name.isupper()}
    assert kinds == {name: number for number, name in enumerate(names.split(), 1)}


@THOROUGH
@given(
    kind=st.integers(0, 255),
    call=st.integers(0, 2**64 - 1),
    size=st.integers(0, 100),
    before=st.binary(max_size=5),
)
def test_a_header_comes_back(kind: int, call: int, size: int, before: bytes) -> None:
    header = before + struct.pack("<2sBBIQ", b"\xffL", 1, kind, size, call)
    assert read_header(header, len(before), 100) == (kind, size, call)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_header_with_another_start_is_refused(position: int) -> None:
    header = bytearray(frame(Kind.REQUEST, 1, b""))
    header[position] ^= 1
    with pytest.raises(RemoteProtocolError):
        read_header(bytes(header), 0, 100)


def test_a_payload_over_the_limit_is_refused() -> None:
    header = frame(Kind.REQUEST, 1, bytes(101))[: HEADER.size]
    assert read_header(header, 0, 101) == (1, 101, 1)
    with pytest.raises(MessageTooLarge) as caught:
        read_header(header, 0, 100)
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (101, 100)


# The receive buffer ------------------------------------------------------------------------------


def unread(buffer: ReceiveBuffer) -> bytes:
    return bytes(buffer.data[buffer.start :])


@THOROUGH
@given(steps=st.lists(st.tuples(st.binary(max_size=20), st.floats(0, 1)), max_size=12))
def test_the_buffer_holds_what_was_received_and_not_used(
    steps: list[tuple[bytes, float]],
) -> None:
    buffer = ReceiveBuffer()
    expected = b""
    for piece, share in steps:
        buffer.append(piece)
        expected += piece
        assert (unread(buffer), len(buffer)) == (expected, len(expected))
        used = round(share * len(buffer))
        buffer.start += used
        expected = expected[used:]
        assert (unread(buffer), len(buffer)) == (expected, len(expected))


def test_a_piece_with_whole_messages_is_used_where_it_lies() -> None:
    buffer = ReceiveBuffer()
    for piece in (b"first", b"second"):
        buffer.append(piece)
        assert buffer.data is piece
        buffer.start = len(piece)


def test_pieces_of_a_message_are_joined_in_one_place() -> None:
    buffer = ReceiveBuffer()
    buffer.append(b"used, kept")
    buffer.start = 6
    buffer.append(b" and more")
    joined = buffer.data
    buffer.append(b" and more")
    assert buffer.data is joined
    assert unread(buffer) == b"kept and more and more"


def test_what_was_used_is_let_go() -> None:
    buffer = ReceiveBuffer()
    buffer.append(bytes(1000))
    for _ in range(100):
        buffer.start += 500
        buffer.append(bytes(500))
        assert len(buffer.data) <= 1500
