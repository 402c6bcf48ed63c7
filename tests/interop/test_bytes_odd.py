"""Where Rust's bincode and ours part: odd bytes, odd values, and what Rust does not do itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lazyipc import Char, DecodeError, EncodeError, MessageTooLarge, SystemTime, bincode
from lazyipc.bincode import LEGACY, STANDARD, Config
from tests.interop.rust_program import OURS, RustProgram
from tests.interop.rust_table import FIRST
from tests.interop.rust_types import Node

pytestmark = pytest.mark.timeout(330)  # the first test builds the program


@dataclass(frozen=True)
class Odd:
    """Bytes that no encoder writes: what Rust takes them for, and whether we take them.

    Args:
        rust: the value's text; None where Rust refuses.
        ours: True where we take them for the same, else False.
    """

    what: str
    name: str
    config: str
    digits: str
    rust: str | None
    ours: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.name} in {self.config}"


REFUSED_BY_BOTH = [
    Odd(what, name, config, digits, None, ours=False)
    for what, name, config, digits in [
        ("varint wider than its type", "u16", "standard", "fc05000000"),
        ("varint wider than its type", "u32", "standard", "fd0500000000000000"),
        ("varint wider than its type", "u64", "standard", "fe05000000000000000000000000000000"),
        ("varint wider than its type", "i16", "derive", "fc01000000"),
        ("varint out of range", "u16", "varint1", "fc00000100"),
        ("varint of 128 bits", "u64", "varint1", "fe05000000000000000000000000000000"),
        ("reserved marker", "u16", "standard", "ff"),
        ("reserved marker", "u128", "standard", "ff"),
        ("reserved marker", "u64", "varint1", "ff"),
        ("bool 2", "bool", "legacy", "02"),
        ("bool 2", "bool", "standard", "02"),
        ("bool as a varint", "bool", "standard", "fb0100"),
        ("Option tag 2", "Option<u8>", "legacy", "0207"),
        ("Option tag 2", "Option<u8>", "standard", "0207"),
        ("Option tag as a varint", "Option<u8>", "standard", "fb010007"),
        ("invalid UTF-8", "String", "legacy", "0100000000000000ff"),
        ("surrogate", "String", "standard", "03eda080"),
        ("surrogate", "char", "legacy", "eda080"),
        ("surrogate", "char", "standard", "eda080"),
        ("past U+10FFFF", "char", "legacy", "f4908080"),
        ("overlong UTF-8", "char", "legacy", "c181"),
        ("overlong UTF-8", "char", "standard", "e08080"),
        ("half a char", "char", "legacy", "f09f"),
        ("invalid UTF-8", "PathBuf", "legacy", "0100000000000000ff"),
        ("no such variant", "Color", "legacy", "03000000"),
        ("no such variant", "Figure", "standard", "04"),
        ("no such variant", "IpAddr", "legacy", "0200000001020304"),
        ("a discriminant for an index", "Rank", "standard", "0a"),
        ("15 bytes", "Uuid", "legacy", "0f00000000000000" + "00" * 15),
        ("17 bytes", "Uuid", "standard", "11" + "00" * 17),
        ("NonZero of 0", "NonZeroU8", "legacy", "00"),
        ("more seconds than there are", "Duration", "legacy", "ffffffffffffffff00ca9a3b"),
        ("absurd length", "Vec<u8>", "legacy", "ffffffffffffffff"),
        ("absurd length", "String", "legacy", "ffffffffffffffff"),
        ("absurd length", "BTreeMap<String, u32>", "legacy", "ffffffffffffffff"),
        ("absurd length", "Vec<u64>", "standard", "fdffffffffffffffff"),
        ("bytes left over", "u8", "varint1", "0500"),
    ]
]
TAKEN_BY_RUST = [
    Odd(what, name, config, digits, text, ours=False)
    for what, name, config, digits, text in [
        ("overlong varint", "u16", "standard", "fb0500", "u16:5"),
        ("overlong varint", "u16", "varint1", "fb0500", "u16:5"),
        ("overlong varint", "u16", "derive", "fb0500", "u16:5"),
        ("overlong varint", "u32", "standard", "fcfb000000", "u32:251"),
        ("overlong varint", "i64", "big_endian", "fb0001", "i64:-1"),
        ("overlong varint", "u128", "standard", "fe05" + "00" * 15, "u128:5"),
        ("overlong length", "String", "standard", "fb010061", "str:61"),
        ("overlong length", "Vec<u8>", "standard", "fc0100000007", "[u8:7]"),
        ("overlong index", "Color", "standard", "fb0100", "Color::Green"),
        ("varint wider than its type", "u16", "varint1", "fc05000000", "u16:5"),
        ("varint wider than its type", "u32", "varint1", "fd0500000000000000", "u32:5"),
        ("nanoseconds of a second", "Duration", "legacy", "0000000000000000" "00ca9a3b",
         "Duration{secs=u64:1,nanos=u32:0}"),
        ("nanoseconds of 4 seconds", "Duration", "standard", "00fcffffffff",
         "Duration{secs=u64:4,nanos=u32:294967295}"),
        ("nanoseconds of a second", "SystemTime", "derive", "00fc00ca9a3b",
         "SystemTime{secs_since_epoch=u64:1,nanos_since_epoch=u32:0}"),
        ("many without bytes", "Vec<()>", "standard", "fb0104", f"[{','.join(['()'] * 1025)}]"),
        ("bytes left over", "u8", "legacy", "0500", "u8:5"),
        ("bytes left over", "u8", "standard", "0500", "u8:5"),
        ("bytes left over", "()", "standard", "00", "()"),
    ]
]  # fmt: skip
TAKEN_BY_BOTH = [
    Odd(what, name, config, digits, text, ours=True)
    for what, name, config, digits, text in [
        ("the smallest of a marker", "u32", "standard", "fbfb00", "u32:251"),
        ("an element twice", "BTreeSet<u8>", "legacy", "0200000000000000" "0707", "[u8:7]"),
        ("an element twice", "HashSet<u64>", "standard", "020707", "HashSet([u64:7])"),
        ("nothing, three times", "BTreeSet<()>", "standard", "03", "[()]"),
        ("not sorted", "BTreeSet<u8>", "standard", "020907", "[u8:7,u8:9]"),
        ("a key twice", "BTreeMap<char, u8>", "standard", "0261016102", "{char:61=u8:2}"),
        ("a key twice", "HashMap<u8, Vec<u8>>", "standard", "020100" "01010a", "{u8:1=[u8:10]}"),
        ("an end before its start", "Range<u32>", "standard", "0501",
         "Range{start=u32:5,end=u32:1}"),
        ("a NaN that is no other's", "f64", "legacy", "010000000000f0ff", "f64:fff0000000000001"),
    ]
]  # fmt: skip
TAKEN_BY_US = [
    Odd("past 2⁶³ seconds", "SystemTime", "standard", "fd000000000000008000", None, ours=True),
    Odd("NonZero of 0", "NonZeroI64", "legacy", "0000000000000000", None, ours=True),
]
ODD = [*REFUSED_BY_BOTH, *TAKEN_BY_RUST, *TAKEN_BY_BOTH, *TAKEN_BY_US]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_bytes_that_no_encoder_writes(rust: RustProgram, odd: Odd) -> None:
    data, annotation, config = bytes.fromhex(odd.digits), FIRST[odd.name], OURS[odd.config]
    assert rust.take(odd.name, odd.config, data).text == odd.rust
    if not odd.ours:
        with pytest.raises((DecodeError, MessageTooLarge)):
            bincode.decode(data, annotation, config)
        return
    value = bincode.decode(data, annotation, config)
    if odd.rust is not None:
        assert rust.declared.text_of(value, rust.declared.type(odd.name)) == odd.rust


LEFT_OVER = [odd for odd in TAKEN_BY_RUST if odd.what == "bytes left over"]


@pytest.mark.parametrize("odd", LEFT_OVER, ids=str)
def test_bytes_left_over_are_taken_where_wanted(odd: Odd) -> None:
    ours = OURS[odd.config]
    config = Config(int_encoding=ours.int_encoding, allow_trailing=True)
    value = bincode.decode(bytes.fromhex(odd.digits), FIRST[odd.name], config)
    assert value == (5 if odd.name == "u8" else None)


def test_rust_has_no_limit_of_depth(rust: RustProgram) -> None:
    text = "Node{value=u32:0,next=None}"
    for level in range(1, 201):
        data = bytes.fromhex("0000000001") * level + bytes(5)
        text = f"Node{{value=u32:0,next=Some({text})}}"
        assert rust.take("Node", "legacy", data).text == text
        if level <= 40:
            value = bincode.decode(data, Node)
            assert rust.declared.text_of(value, rust.declared.type("Node")) == text
    with pytest.raises(MessageTooLarge):
        bincode.decode(data, Node)
    assert bincode.decode(data[-505:], Node, Config(depth=101)).next is not None


def test_a_signalling_nan_of_32_bits_comes_back_quiet(rust: RustProgram) -> None:
    signalling, quiet = bytes.fromhex("0100807f"), bytes.fromhex("0100c07f")
    assert rust.take("f32", "legacy", signalling).text == "f32:7f800001"
    again = bincode.encode(bincode.decode(signalling, FIRST["f32"]), FIRST["f32"])
    assert again == quiet  # Python's floats have 64 bits, and a conversion makes a NaN quiet


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("", "."),
        ("a//", "a"),
        ("./", "."),
        ("./a", "a"),
        ("a/.", "a"),
        ("//a", "//a"),
        ("/..", "/.."),
    ],
)
def test_a_path_is_the_shortest_text_of_it(rust: RustProgram, theirs: str, ours: str) -> None:
    data = bincode.encode(theirs, str)
    assert rust.take("PathBuf", "legacy", data).text == f"str:{theirs.encode().hex()}"
    path = bincode.decode(data, Path)
    assert bincode.encode(path, Path) == bincode.encode(ours, str)


def test_what_rust_does_not_write_or_cannot_read(rust: RustProgram) -> None:
    rows = [line.split("\t") for line in rust.lines("refusals")]
    assert {what: (first, second) for what, first, second in rows} == {
        "time before 1970": ("not written", "not written"),
        "path not UTF-8": ("not written", "not written"),
        "serde(flatten)": ("not written", "not written"),
        "serde(tag)": ("not read 04000000000000005061727407", "not read 045061727407"),
        "serde(untagged)": ("not read 07", "not read 07"),
        "serde(skip_serializing_if)": ("not read ", "not read "),
    }


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (datetime, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (Path, Path(os.fsdecode(b"\xff"))),
        (str, "\ud800"),
        (Char, "\udfff"),
    ],
)
def test_what_rust_does_not_write_we_do_not(annotation: Any, value: Any) -> None:
    for config in (LEGACY, STANDARD):
        with pytest.raises(EncodeError):
            bincode.encode(value, annotation, config)


@pytest.mark.parametrize(
    ("name", "annotation", "value"),
    [
        ("SystemTime", SystemTime, SystemTime(2**63)),  # its seconds are an i64 on Unix
        ("NonZeroI64", FIRST["NonZeroI64"], 0),  # no bound of pydantic leaves out one number
    ],
)
def test_what_python_can_write_and_rust_refuses(
    rust: RustProgram, name: str, annotation: Any, value: Any
) -> None:
    for config in OURS:
        data = bincode.encode(value, annotation, OURS[config])
        assert rust.take(name, config, data).text is None
