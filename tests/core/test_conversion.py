"""Types of the standard library: their literal bytes, what comes back, and what has no place."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc import U32, U64, Duration, SystemTime, bincode
from lazyipc._core.conversion import ADDRESSES, CONVERTED, IP_ADDRESS, path_order
from lazyipc._core.shape import Converted
from lazyipc.bincode import LEGACY, STANDARD, Config
from lazyipc.errors import DecodeError, EncodeError
from tests.core.declared_types import deltas, durations, ipv6, moments, paths, times, uuids
from tests.core.matrix import THOROUGH

BIG = Config(byte_order="big")
SIXTEEN = UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")
ADDRESS = IPv4Address | IPv6Address

# Literal bytes -----------------------------------------------------------------------------------

LITERAL: list[tuple[Any, Any, str, str, str]] = [
    (Path, Path("/a/é"), "05 00000000000000 2f612fc3a9", "05 2f612fc3a9",
     "00000000000000 05 2f612fc3a9"),
    (UUID, SIXTEEN, "10 00000000000000 000102030405060708090a0b0c0d0e0f",
     "10 000102030405060708090a0b0c0d0e0f",
     "00000000000000 10 000102030405060708090a0b0c0d0e0f"),
    (Duration, Duration(1, 5), "01 00000000000000 05000000", "01 05",
     "00000000000000 01 00000005"),
    (Duration, Duration(2**64 - 1, 999_999_999), "ffffffffffffffff ffc99a3b",
     "fd ffffffffffffffff fc ffc99a3b", "ffffffffffffffff 3b9ac9ff"),
    (timedelta, timedelta(seconds=300, microseconds=5), "2c01 000000000000 88130000",
     "fb 2c01 fb 8813", "000000000000 012c 00001388"),
    (SystemTime, SystemTime(1, 5), "01 00000000000000 05000000", "01 05",
     "00000000000000 01 00000005"),
    (datetime, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "01 00000000000000 00000000", "01 00",
     "00000000000000 01 00000000"),
    (IPv4Address, IPv4Address("127.0.0.1"), "7f000001", "7f000001", "7f000001"),
    (IPv6Address, IPv6Address("1::2"), "0001" + "00" * 12 + "0002", "0001" + "00" * 12 + "0002",
     "0001" + "00" * 12 + "0002"),
    (ADDRESS, IPv4Address("1.2.3.4"), "00000000 01020304", "00 01020304", "00000000 01020304"),
    (ADDRESS, IPv6Address("::1"), "01000000" + "00" * 15 + "01", "01" + "00" * 15 + "01",
     "00000001" + "00" * 15 + "01"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "legacy", "standard", "big"), LITERAL)
def test_a_value_has_its_bytes(
    annotation: Any, value: Any, legacy: str, standard: str, big: str
) -> None:
    for config, text in ((LEGACY, legacy), (STANDARD, standard), (BIG, big)):
        data = bytes.fromhex(text)
        assert bincode.encode(value, annotation, config) == data
        assert bincode.decode(data, annotation, config) == value


def test_each_type_is_in_the_table_of_literal_bytes() -> None:
    told = {annotation for annotation, *_ in LITERAL}
    assert told - {ADDRESS} >= set(CONVERTED) - {PurePath, PurePosixPath, type(Path())}


# There and back ----------------------------------------------------------------------------------


@THOROUGH
@given(
    value=st.one_of(
        *(
            values.map(lambda value, kind=kind: (kind, value))
            for kind, values in (
                (Path, paths),
                (UUID, uuids),
                (Duration, durations),
                (timedelta, deltas),
                (SystemTime, times),
                (datetime, moments),
                (IPv6Address, ipv6),
            )
        )
    )
)
def test_what_travels_makes_the_value_again(value: tuple[Any, Any]) -> None:
    kind, value = value
    shape = CONVERTED[kind]
    assert isinstance(shape, Converted)
    back = shape.from_wire(shape.to_wire(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "zone", [ZoneInfo("Asia/Kolkata"), timezone(timedelta(hours=-5)), ZoneInfo("UTC"), UTC]
)
def test_a_datetime_of_any_zone_is_the_same_moment_in_utc(zone: Any) -> None:
    when = datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=zone)
    back = bincode.decode(bincode.encode(when, datetime), datetime)
    assert back == when
    assert back.tzinfo is UTC


@pytest.mark.parametrize("kind", [Path, PurePath, PurePosixPath, type(Path())])
def test_each_kind_of_path_comes_back_as_declared(kind: Any) -> None:
    value = kind("a") / "b"
    back = bincode.decode(bincode.encode(value, kind), kind)
    assert back == value
    assert type(back) is type(kind("a"))


def test_the_union_of_addresses_is_one_in_either_order() -> None:
    assert frozenset(case.type for case in IP_ADDRESS.cases) == ADDRESSES
    for union in (IPv4Address | IPv6Address, IPv6Address | IPv4Address):
        for text in ("1.2.3.4", "::1", "::ffff:1.2.3.4"):
            value = ipaddress.ip_address(text)
            assert bincode.decode(bincode.encode(value, union), union) == value


# What has no place -------------------------------------------------------------------------------

NO_PLACE: dict[str, tuple[Any, Any, str]] = {
    "a naive datetime": (datetime, datetime(2024, 1, 1), "timezone info"),
    "a time before the epoch": (datetime, datetime(1969, 1, 1, tzinfo=UTC), "greater than or eq"),
    "a negative timedelta": (timedelta, timedelta(microseconds=-1), "greater than or equal"),
    "a path that is no UTF-8": (Path, Path("a\udcff"), "surrogates not allowed"),
    "a str for a path": (Path, "a", "instance of Path"),
    "a path of Windows": (PurePosixPath, PureWindowsPath("a"), "instance of"),
    "an address with a scope": (
        IPv6Address, IPv6Address("fe80::1%eth0"), "fe80::1%eth0: a scope has no place on the wire",
    ),
    "a scope in a union": (ADDRESS, IPv6Address("fe80::1%eth0"), "a scope has no place"),
    "a str for an address": (IPv4Address, "1.2.3.4", "instance of IPv4Address"),
    "the other address": (IPv4Address, IPv6Address("::1"), "instance of IPv4Address"),
    "a str for a UUID": (UUID, str(SIXTEEN), "instance of UUID"),
    "bytes for a UUID": (UUID, SIXTEEN.bytes, "instance of UUID"),
    "a number for a duration": (Duration, 5, "instance of Duration"),
    "a timedelta for a duration": (Duration, timedelta(1), "instance of Duration"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_PLACE)
def test_a_value_with_no_place_on_the_wire_is_refused(name: str) -> None:
    annotation, value, told = NO_PLACE[name]
    with pytest.raises(EncodeError) as caught:
        bincode.encode(value, annotation)
    assert (caught.value.path, told in caught.value.reason) == ("", True), caught.value.reason
    with pytest.raises(EncodeError) as caught:
        bincode.encode([value], list[annotation])
    assert caught.value.path.startswith("[0]")


NO_VALUE: dict[str, tuple[Any, Any, Any, str]] = {
    "a whole second of nanoseconds": (
        Duration, (1, 10**9), (1, 10**9 - 1), "nanoseconds must be 0 to 999999999, not 1000000000",
    ),
    "more than a second of nanoseconds": (
        SystemTime, (1, 2**32 - 1), (1, 0), "nanoseconds must be 0 to 999999999, not 4294967295",
    ),
    "a whole second in a timedelta": (
        timedelta, (1, 10**9), (1, 10**9 - 1000),
        "nanoseconds must be below 1000000000, not 1000000000",
    ),
    "a whole second in a datetime": (
        datetime, (1, 10**9), (1, 10**9 - 1000),
        "nanoseconds must be below 1000000000, not 1000000000",
    ),
    "part of a microsecond in a timedelta": (
        timedelta, (1, 1), (1, 1000), "1 nanoseconds are no whole number of microseconds",
    ),
    "part of a microsecond in a datetime": (
        datetime, (1, 999_999_999), (1, 999_999_000), "no whole number of microseconds",
    ),
    "more than a timedelta holds": (
        timedelta, (86_400_000_000_000, 0), (86_399_999_999_999, 0), "longer than a timedelta",
    ),
    "the longest duration in a timedelta": (
        timedelta, (2**64 - 1, 0), (0, 0), "18446744073709551615 seconds are longer than",
    ),
    "the year 10000": (
        datetime, (253_402_300_800, 0), (253_402_300_799, 0), "past the year 9999",
    ),
    "the last SystemTime in a datetime": (datetime, (2**64 - 1, 0), (0, 0), "past the year 9999"),
}  # fmt: skip


@pytest.mark.parametrize("config", [LEGACY, STANDARD, BIG], ids=["legacy", "standard", "big"])
@pytest.mark.parametrize("name", NO_VALUE)
def test_bytes_that_stand_for_no_value_say_where_and_why(name: str, config: Config) -> None:
    annotation, wrong, right, told = NO_VALUE[name]
    from_parts = Duration if annotation in (Duration, timedelta) else SystemTime
    good = bincode.encode(from_parts(*right), from_parts, config)
    assert bincode.encode(bincode.decode(good, annotation, config), annotation, config) == good
    seconds, nanoseconds = wrong
    parts = tuple[U64, U32]
    bad = bincode.encode((seconds, nanoseconds), parts, config)
    with pytest.raises(DecodeError, match=told) as caught:
        bincode.decode(bad, annotation, config)
    assert (caught.value.offset, caught.value.path) == (0, "")
    listed = bincode.encode([right, wrong], list[parts], config)
    with pytest.raises(DecodeError, match=told) as caught:
        bincode.decode(listed, list[annotation], config)
    assert (caught.value.offset, caught.value.path) == (len(listed) - len(bad), "[1]")


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_a_uuid_of_another_length_says_where_and_why(length: int) -> None:
    for config in (LEGACY, STANDARD, BIG):
        received = bincode.encode([b"a" * 16, b"a" * length], list[bytes], config)
        size = len(bincode.encode(b"a" * length, bytes, config))
        with pytest.raises(DecodeError, match=f"a UUID is 16 bytes, not {length}") as caught:
            bincode.decode(received, list[UUID], config)
        assert (caught.value.offset, caught.value.path) == (len(received) - size, "[1]")


def test_a_path_that_is_no_utf8_says_where_and_why() -> None:
    received = (3).to_bytes(8, "little") + b"a/\xff"
    with pytest.raises(DecodeError, match="not UTF-8: invalid start byte") as caught:
        bincode.decode(received, Path)
    assert (caught.value.offset, caught.value.path) == (10, "")


def test_an_address_of_no_kind_says_where_and_why() -> None:
    with pytest.raises(DecodeError, match=r"IpAddr has no variant 2 \(it has 0 V4, 1 V6\)"):
        bincode.decode(b"\2\0\0\0" + bytes(16), ADDRESS)


# The order of Rust -------------------------------------------------------------------------------


def test_paths_stand_in_the_order_of_their_components() -> None:
    """Rust compares components: the root first, then `.`, `..` and names by their bytes."""
    ordered = ["/", "/a", "/a/b", "/a b", ".", "..", "../a", "!", "A", "a", "a/b", "a-b", "é", "🦀"]
    made = [PurePosixPath(text) for text in ordered]
    assert sorted(set(made), key=path_order) == made
    encoded = bincode.encode(set(map(Path, ordered)), set[Path])
    assert bincode.decode(encoded, list[Path]) == [Path(text) for text in ordered]


def test_v4_stands_before_v6_in_a_set() -> None:
    texts = ["0.0.0.1", "255.0.0.0", "::", "::1", "ff::"]
    addresses = [ipaddress.ip_address(text) for text in texts]
    encoded = bincode.encode(set(addresses), set[ADDRESS])
    assert bincode.decode(encoded, list[ADDRESS]) == addresses
