"""`lazyipc explain`: bytes field by field, frame by frame; and types written as words."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import sys
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.simple.commands import Add, ClientCommand, Sum
from lazyipc import F64, U8, U16, Array, Char, CommandFailed, Duration, bincode
from lazyipc._core.catalog import Catalog
from lazyipc._core.failure import failure_of
from lazyipc._core.framing import Kind, frame
from lazyipc.cli._views.dissection import begins_a_frame, frame_parts, known_of
from lazyipc.cli._words.types import LONGEST, BadType, type_of
from tests.cli.inside import Inside

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

SIMPLE = "examples.simple.commands"
ADD, SUM = bytes.fromhex("e64585ebf8f292c3"), bytes.fromhex("37e2444e81de5f54")
REQUEST = frame(Kind.REQUEST, 7, ADD + bytes(8) + b"\xff" * 16 + bincode.encode(Add(a=1, b=2)))
RESPONSE = frame(Kind.RESPONSE, 7, SUM + bincode.encode(Sum(c=3)))
ERROR = frame(Kind.ERROR, 8, failure_of(CommandFailed("no \x1b[31msuch")).encode())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bytes"


# Types as words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "type_"),
    [
        ("U8", U8),
        ("u16", U16),
        ("f64", F64),
        ("None", None),
        ("unit", None),
        ("char", Char),
        ("Duration", Duration),
        ("uuid", UUID),
        ("ipv4addr", IPv4Address),
        ("datetime", datetime),
        ("timedelta", timedelta),
        (" list[U8] ", list[U8]),
        ("vec[vec[bool]]", list[list[bool]]),
        ("set[str]", set[str]),
        ("frozenset[u8]", frozenset[U8]),
        ("option[bytes]", bytes | None),
        ("U8 | None", U8 | None),
        ("dict[str, U8]", dict[str, U8]),
        ("map[str, u8]", dict[str, U8]),
        ("tuple[U8, str]", tuple[U8, str]),
        ("tuple[U8, ...]", tuple[U8, ...]),
        ("tuple[()]", tuple[()]),
        ("array[u8, 4]", Annotated[list[U8], Array(4)]),
        ("Annotated[list[U8], Array(4)]", Annotated[list[U8], Array(4)]),
        (f"{SIMPLE}:Add", Add),
        (f"{SIMPLE}:ClientCommand", ClientCommand),
    ],
)
def test_a_type_is_written_as_in_a_program_or_as_it_is_described(words: str, type_: Any) -> None:
    assert type_of(words) == type_


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "is no type"),
        ("strr", "no type 'strr'; did you mean str"),
        ("lst[u8]", "no type 'lst'; did you mean list"),
        ("list", "write list[…]"),
        ("list[u8, u8]", "list[u8, u8] is no type: write list[X]"),
        ("dict[u8]", "write dict[K, V]"),
        ("array[u8, -1]", "write array[X, 4]"),
        ("array[u8, x]", "write array[X, 4]"),
        ("list[", "'list[' is no type"),
        ("__import__('os').system('true')", "is no type"),
        ("U8.__class__", "is no type"),
        ("(lambda: U8)()", "is no type"),
        ("[U8 for x in y]", "is no type"),
        ("7", "'7' is no type"),
        ("nowhere.at_all:Name", "module 'nowhere.at_all' cannot be imported"),
        (":Name", "':Name' is no type"),
        ("..x:Name", "'..x:Name' is no type"),
        (f"{SIMPLE}:Ad", f"{SIMPLE} has no Ad; did you mean Add?"),
        (f"{SIMPLE}:Add.nothing", "has no Add.nothing"),
        ("list[" * 500 + "u8" + "]" * 500, ""),
        ("u8" * LONGEST, "at most"),
        ("\0", "is no type"),
        ("None | None", "'None | None' is no type"),
        ("os:", "'os:' is no type"),
    ],
)
def test_words_that_are_no_type(words: str, told: str) -> None:
    with pytest.raises(BadType) as caught:
        type_of(words)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise RuntimeError('boom')", "cannot be imported: RuntimeError: boom"),
        ("import sys; sys.exit(7)", "cannot be imported: SystemExit: 7"),
        ("x = = 1", "cannot be imported: SyntaxError: "),
    ],
)
def test_a_module_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    (tmp_path / "explained_module.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(BadType, match="explained_module") as caught:
        type_of("explained_module:Name")
    assert told in str(caught.value)


@given(st.text(st.characters(exclude_characters=":"), max_size=60))
def test_no_words_do_anything_else(words: str) -> None:
    with contextlib.suppress(BadType):
        type_of(words)


# A value -----------------------------------------------------------------------------------------


def test_a_value_for_programs(inside: Inside, file: Path) -> None:
    file.write_bytes(bincode.encode([1, 2], list[U16]) + b"")
    done = inside.run("explain", str(file), "list[U16]")
    assert (done.code, done.err) == (0, "")
    (part,) = done.json["parts"]
    assert done.json["size_bytes"] == part["size_bytes"] == 12
    assert part["rows"] == [
        {
            "offset": 0, "size_bytes": 12, "hex": "020000000000000001000200", "path": "",
            "type": "Vec<u16>", "value": "[1, 2]",
        }
    ]  # fmt: skip
    assert part["refused"] is None


def test_a_value_for_people(inside: Inside, file: Path) -> None:
    file.write_bytes(bincode.encode(Add(a=1, b=2)))
    lines = inside.shown("explain", str(file), f"{SIMPLE}:Add").splitlines()
    assert [line.split() for line in lines if line] == [
        ["examples.simple.commands:Add", "16", "bytes"],
        ["OFFSET", "BYTES", "PATH", "TYPE", "VALUE"],
        [lines[2]],
        ["0", "01", *["00"] * 7, "a", "u64", "1"],
        ["8", "02", *["00"] * 7, "b", "u64", "2"],
    ]


def test_bytes_that_are_refused(inside: Inside, file: Path) -> None:
    file.write_bytes(b"\x07\x02")
    done = inside.run("explain", str(file), "tuple[u8, bool]")
    assert done.code == 2
    (part,) = done.json["parts"]
    assert [row["value"] for row in part["rows"]] == ["7"]
    assert (part["refused"]["offset"], part["refused"]["path"]) == (1, "[1]")
    told = inside.shown("explain", str(file), "tuple[u8, bool]", code=2)
    assert "refused: byte 1, [1]: a bool is 0 or 1, not 2" in told


def test_text_in_the_bytes_does_nothing(inside: Inside, file: Path) -> None:
    file.write_bytes(bincode.encode("\x1b[2J\u202e"))
    assert r"\x1b" in inside.shown("explain", str(file), "str")


def test_hex_and_stdin(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(b"01 00\n02"))
    monkeypatch.setattr(sys, "stdin", given)
    done = inside.run("explain", "--hex", "-", "tuple[u16, u8]")
    assert [row["value"] for row in done.json["parts"][0]["rows"]] == ["1", "2"]


def test_there_may_be_no_stdin(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    done = inside.run("explain", "-", "u8")
    assert (done.code, done.err) == (2, "lazyipc: there is no stdin to read\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("/nowhere/file", "u8"), "No such file"),
        (("FILE",), "they need a TYPE"),
        (("--hex", "FILE", "u8"), "FILE: no hex: 'x' at character 1\n"),
        (("FILE", "SetRate"), "no type 'SetRate'; there are "),
        (("FILE", "SetRate"), "or with --of NAME a type of a running server\n"),
        (("FILE", "Strr"), "no type 'Strr'; did you mean str?"),
        (("FILE", "map[f64, u8] | None"), ""),
        (("FILE", "set[vec[u8]]"), "has no bytes"),
        (("FILE", f"{SIMPLE}:__doc__"), "has no bytes"),
        (("FILE", "u8", "--of", "nobody"), "no server is running"),
    ],
)
def test_what_makes_no_sense(inside: Inside, file: Path, words: tuple[str, ...], told: str) -> None:
    file.write_bytes(b"xyz")
    done = inside.run("explain", *(str(file) if word == "FILE" else word for word in words))
    assert done.code in (2, 3)
    assert told in done.err.replace(str(file), "FILE")


def test_hex_that_lacks_a_digit(inside: Inside, file: Path) -> None:
    for text in ("00 1", "0 1 0", "é0"):
        file.write_text(text)
        done = inside.run("explain", "--hex", str(file), "u8")
        assert done.code == 2
        told = "at character 1" if "é" in text else "two digits make a byte, and one stands alone"
        assert told in done.err


# Of a running server -----------------------------------------------------------------------------


def test_a_command_or_response_of_a_server(inside: Inside, file: Path) -> None:
    file.write_bytes(struct.pack("<QQ", 1, 2))
    for name in ("add", "Add"):
        done = inside.run("explain", str(file), name, "--of", "train")
        assert [row["path"] for row in done.json["parts"][0]["rows"]] == ["a", "b"]
    file.write_bytes(struct.pack("<Qd", 1, 0.5))
    done = inside.run("explain", str(file), "Progress", "--of", "train")
    assert [row["path"] for row in done.json["parts"][0]["rows"]] == ["step", "lr"]
    done = inside.run("explain", str(file), "Progres", "--of", "train")
    assert (done.code, "did you mean Progress" in done.err) == (2, True)


def test_frames_of_a_server_need_no_type(inside: Inside, file: Path) -> None:
    told = inside.run("describe", "train", "add").json
    fingerprint = bytes.fromhex(told["fingerprint"])
    payload = fingerprint + bytes(24) + struct.pack("<QQ", 1, 2)
    file.write_bytes(frame(Kind.REQUEST, 3, payload))
    (part,) = inside.run("explain", str(file), "--of", "train").json["parts"]
    assert part["title"] == "request Add, call 3"
    assert [row["path"] for row in part["rows"]][-2:] == ["a", "b"]


# Frames ------------------------------------------------------------------------------------------


def test_frames_are_told_one_by_one(inside: Inside, file: Path) -> None:
    file.write_bytes(REQUEST + RESPONSE + ERROR)
    done = inside.run("explain", str(file), f"{SIMPLE}:ClientCommand")
    parts = done.json["parts"]
    assert [part["title"] for part in parts] == [
        "request Add, call 7", "response Sum, call 7", "error CommandFailed, call 8",
    ]  # fmt: skip
    assert [part["offset"] for part in parts] == [0, len(REQUEST), len(REQUEST + RESPONSE)]
    values = {row["path"]: row["value"] for row in parts[0]["rows"]}
    assert values == {
        "magic": "ff 4c", "version": "1", "kind": "1, request", "size": "48 bytes", "call": "7",
        "fingerprint": "e64585ebf8f292c3, Add", "clock": "unknown", "deadline": "none",
        "left": "none", "a": "1", "b": "2",
    }  # fmt: skip
    assert parts[1]["rows"][-1] == {
        "offset": len(REQUEST) + 24, "size_bytes": 8, "hex": "0300000000000000", "path": "c",
        "type": "u64", "value": "3",
    }  # fmt: skip
    assert parts[2]["rows"][-2]["value"] == "no \x1b[31msuch"
    assert r"no \x1b[31msuch" in inside.shown("explain", str(file), f"{SIMPLE}:ClientCommand")


def test_every_byte_of_a_frame_is_told_of() -> None:
    data = REQUEST + RESPONSE + ERROR + frame(Kind.DESCRIBE, 1, b"stats") + frame(99, 2, b"x")
    for known in (known_of(Catalog(ClientCommand)), {}):
        at = 0
        for part in frame_parts(data, known):
            for row in part.rows:
                assert row.offset == at
                at += row.size_bytes
        assert at == len(data)


def test_frames_hold_their_own_bytes_alone() -> None:
    """Who explains a long capture waits for as long as it is, not for its square."""

    class Counted(bytes):
        taken = 0

        def __getitem__(self, place: Any) -> Any:
            found = super().__getitem__(place)
            Counted.taken += len(found) if isinstance(found, bytes) else 1
            return found

    data = Counted((REQUEST + ERROR) * 500)
    assert sum(1 for _ in frame_parts(data, {})) == 1000
    assert Counted.taken < 3 * len(data)


def test_frames_of_a_family_that_is_not_known(inside: Inside, file: Path) -> None:
    file.write_bytes(REQUEST)
    (part,) = inside.run("explain", str(file), "u8").json["parts"]
    assert part["title"] == "request, call 7"
    assert part["rows"][-1]["path"] == "payload"


def parts_of(data: bytes) -> list[Any]:
    return [*frame_parts(data, known_of(Catalog(ClientCommand)))]


def test_where_frames_end_is_told() -> None:
    whole, cut = parts_of(REQUEST + RESPONSE[:-1])
    assert (whole.error, "31 bytes" in str(cut.error)) == (None, False)
    assert "the payload has 16 bytes, and here are 15" in str(cut.error)
    assert cut.error.offset == len(REQUEST + RESPONSE) - 1
    _, cut = parts_of(REQUEST + RESPONSE[:9])
    assert "a header has 16 bytes, and here are 9" in str(cut.error)
    _, other = parts_of(REQUEST + b"{}")
    assert "a frame begins with ff 4c, not 7b 7d" in str(other.error)
    _, other = parts_of(REQUEST + b"\xff\x4c\x02" + bytes(13))
    assert "frame version 2 is not known" in str(other.error)


def test_a_payload_that_is_refused_is_told_where_it_stands() -> None:
    short = frame(Kind.RESPONSE, 1, SUM + b"\x03")
    _, part = parts_of(REQUEST + short)
    assert part.error.offset == len(REQUEST) + 24
    (part,) = parts_of(frame(Kind.ERROR, 1, b"\x01"))
    assert part.error is not None


@pytest.mark.parametrize(
    ("data", "is_frame"),
    [
        (REQUEST, True),
        (b"\xff\x4c\x01\x0f", True),
        (b"\xff\x4c\x01", False),
        (b"\xff\x4c\x01\x00", False),
        (b"\xff\x4c\x02\x01", False),
        (b"", False),
    ],
)
def test_what_begins_a_frame(data: bytes, is_frame: bool) -> None:
    assert begins_a_frame(data) is is_frame


@given(st.binary(max_size=80), st.sampled_from([b"", REQUEST, RESPONSE[:24], REQUEST[:48]]))
def test_any_bytes_are_told_of(data: bytes, before: bytes) -> None:
    whole = before + data
    parts = parts_of(whole)
    assert sum(part.size_bytes for part in parts) == len(whole)
    json.dumps([str(part.error) for part in parts])
