"""What hostile bytes may cost: memory and time in proportion to their number, whatever they say."""

from __future__ import annotations

import dataclasses
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import BaseModel, Field, create_model

from lazyipc import (
    F64,
    I128,
    U8,
    U32,
    U64,
    U128,
    Array,
    TaggedUnion,
    Vec,
    bincode,
)
from lazyipc._core.annotation import shape_of
from lazyipc._core.compiled import codec_of
from lazyipc._core.encoding import MOST_EMPTY, Encoding
from lazyipc.errors import DecodeError, MessageTooLarge
from tests.core.declared_types import Chain, Expression, Nested
from tests.core.refusals import (
    FIXED,
    LIMIT_BYTES,
    each_encoding,
    number,
    refusal,
    told,
)

# Memory and time ---------------------------------------------------------------------------------


class Link(BaseModel):
    level: Annotated[U8, Field(lt=200)]
    next: Link | None


def peak_bytes(call: Callable[[], Any]) -> int:
    """How much memory a call takes at its height."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BOMBS: dict[str, tuple[Any, bytes]] = {
    "a long str": (str, number(2**62, FIXED)),
    "long bytes": (bytes, number(2**62, FIXED)),
    "many numbers": (list[U64], number(2**61, FIXED)),
    "many strings": (list[str], number(999_999, FIXED) + bytes(100)),
    "many models": (list[Link], number(999_999, FIXED) + bytes(100)),
    "many pairs": (dict[U8, str], number(999_999, FIXED) + bytes(100)),
    "many NumPy numbers": (Annotated[np.ndarray, Vec(F64)], number(2**60, FIXED)),
    "many nothings": (list[None], number(2**60, FIXED)),
    "many lists of many nothings": (
        list[list[None]], number(999, FIXED) + number(MOST_EMPTY, FIXED) * 999),
    "a large array": (Annotated[list[U64], Array(10**6)], bytes(100)),
    "large bytes": (Annotated[bytes, Array(10**9)], bytes(100)),
    "a large NumPy array": (Annotated[np.ndarray, Array(10**9, F64)], bytes(100)),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_taken_in_proportion_to_the_bytes_that_came(name: str) -> None:
    annotation, received = BOMBS[name]
    codec = codec_of(annotation)

    def attempt() -> None:
        with pytest.raises((DecodeError, MessageTooLarge)):
            codec.decode(received, elements=100_000)

    attempt()
    assert peak_bytes(attempt) < 200_000 + 1000 * len(received)


Level = Annotated[U8, Field(gt=5)]


@dataclasses.dataclass
class LevelsOfDataclass:
    levels: list[Level]


class LevelsOfModel(BaseModel):
    levels: list[Level]


class LevelsOfFamily(TaggedUnion):
    pass


class Only(LevelsOfFamily):
    levels: list[Level]


def test_of_many_faults_in_a_dict_the_first_is_told() -> None:
    count = 20_000
    pairs = b"".join(number(key, FIXED, 32) + b"\1" for key in range(count))
    codec = codec_of(dict[U32, Level])

    def attempt() -> None:
        with pytest.raises(DecodeError, match="greater than 5"):
            codec.decode(number(count, FIXED) + pairs)

    attempt()
    assert steps_of(attempt) < 30 * count
    assert peak_bytes(attempt) < 50 * len(pairs)


@pytest.mark.parametrize("annotation", [list[Level], LevelsOfDataclass, LevelsOfFamily])
def test_of_many_faults_the_first_is_told_and_the_others_cost_nothing(annotation: Any) -> None:
    before = bytes(4) if annotation is LevelsOfFamily else b""
    received = before + number(50_000, FIXED) + bytes(50_000)
    codec = codec_of(annotation)

    def attempt() -> None:
        with pytest.raises(DecodeError, match="greater than 5") as caught:
            codec.decode(received)
        assert caught.value.offset == len(before) + 8
        assert caught.value.path.endswith("[0]")

    attempt()
    assert peak_bytes(attempt) < 50 * len(received)


def test_of_many_faults_of_a_plain_model_so_many_are_told() -> None:
    """Its validator is its own, so it goes on to the end; only their number is told then."""
    received = number(2000, FIXED) + bytes(2000)
    reason = "2000 parts of it are refused, too many to tell of one"
    assert told(refusal(LevelsOfModel, received)) == (0, "", reason)
    received = number(1000, FIXED) + bytes(1000)
    expected = (8, "levels[0]", "Input should be greater than 5 (got 0)")
    assert told(refusal(LevelsOfModel, received)) == expected


VISITED: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "list of str": (list[str], lambda n: ["ab"] * n),
    "list of bool": (list[bool], lambda n: [True] * n),
    "list of lists": (list[list[U8]], lambda n: [[1, 2]] * n),
    "list of products": (list[tuple[U8, str, bool]], lambda n: [(1, "a", True)] * n),
    "dict": (dict[U32, str], lambda n: dict.fromkeys(range(10**6, 10**6 + n), "a")),
    "set": (set[str], lambda n: {str(key) for key in range(10**6, 10**6 + n)}),
    "models": (list[Link], lambda n: [Link(level=1, next=Link(level=2, next=None))] * n),
    "dataclasses": (list[Chain], lambda n: [Chain(1, Chain(2))] * n),
    "family": (list[Expression], lambda n: [bincode.decode(bytes(6), Expression)] * n),
    "recursive alias": (Nested, lambda n: [[], [[]]] * n),
    "paths": (list[Path], lambda n: [Path("a")] * n),
    "text": (str, lambda n: "a" * n),
    "NumPy": (Annotated[np.ndarray, Vec(U32)], lambda n: np.full(n, 300, np.uint32)),
}


@each_encoding
@pytest.mark.parametrize("name", VISITED)
def test_twice_as_many_elements_are_looked_at_twice_as_often(name: str, encoding: Encoding) -> None:
    annotation, values = VISITED[name]
    codec = codec_of(annotation, encoding)

    def visits(count: int) -> int:
        encoded = codec.encode(values(count))
        extent = codec.extent(encoded, limit_bytes=len(encoded))
        assert extent.find(encoded) == len(encoded)
        return extent.cursor.visits

    assert 0 <= visits(400) <= 2 * visits(200) <= 4 * visits(100)


def steps_of(call: Callable[[], Any]) -> int:
    """How many lines of Python a call runs."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def test_passing_a_sequence_costs_the_same_whatever_its_elements_are_made_of() -> None:
    """Empty inner lists of small and of large classes."""
    received = number(500, FIXED) + bytes(8) * 500
    small = create_model("Small", a=(int, 0))
    large = create_model("Large", **{f"f{n}": (int, 0) for n in range(60)})

    def steps(item: Any) -> int:
        codec = codec_of(list[list[item]])
        return steps_of(lambda: codec.extent(received, limit_bytes=LIMIT_BYTES).find(received))

    assert steps(large) < 2 * steps(small)


def test_finding_a_variant_costs_the_same_however_many_there_are() -> None:
    def steps(count: int) -> int:
        root = type("Root", (TaggedUnion,), {"__module__": __name__})
        for position in range(count):
            type(f"V{position}", (root,), {"__module__": __name__})
        codec = codec_of(list[root])
        received = number(200, FIXED) + number(count - 1, FIXED, 32) * 200
        return steps_of(lambda: codec.extent(received, limit_bytes=LIMIT_BYTES).find(received))

    assert steps(60) < 2 * steps(2)


def family_of_families(count: int) -> Any:
    """Families each of whose variants holds each of the families."""
    roots = [type(f"Root{n}", (TaggedUnion,), {"__module__": __name__}) for n in range(count)]
    for root in roots:
        for position in range(3):
            fields = {f"f{n}": other | None for n, other in enumerate(roots)}
            body = {"__module__": __name__, "__annotations__": fields}
            type(f"{root.__name__}_{position}", (root,), body)
    return roots[0]


def test_compiling_families_that_refer_to_each_other_costs_what_is_declared() -> None:
    def steps(count: int) -> int:
        root = family_of_families(count)
        shape_of(root)  # builds its models, which is pydantic's affair
        return steps_of(lambda: codec_of(list[root]))

    assert steps(6) < 8 * steps(3)  # four times as many fields


def nested_leaves(depth: int, leaves: int) -> bytes:
    """A list of constants, the last of them bad, so many levels inside."""
    number_of = number(leaves + 1, FIXED)
    constant = number(0, FIXED, 32) + b"\7"
    message = number(1, FIXED, 32) + number_of + constant * leaves + number(0, FIXED, 32) + b"\1"
    for _ in range(depth):
        message = number(1, FIXED, 32) + number(1, FIXED) + message
    return message


class Amount(TaggedUnion):
    pass


class Leaf(Amount):
    level: Level


class Many(Amount):
    items: list[Amount]


@dataclasses.dataclass
class Bough:
    level: Level
    boughs: list[Bough]


def test_explaining_a_refusal_costs_what_the_message_is_long_not_how_deep_it_is() -> None:
    def attempt(received: bytes, annotation: Any) -> Callable[[], None]:
        def call() -> None:
            with pytest.raises(DecodeError, match="greater than 5 \\(got 1\\)"):
                codec_of(annotation).decode(received)

        return call

    def boughs(depth: int, width: int) -> bytes:
        leaf = number(0, FIXED)
        message = b"\7" + number(width + 1, FIXED) + (b"\7" + leaf) * width + b"\1" + leaf
        return (b"\7" + number(1, FIXED)) * depth + message

    for annotation, make in ((Amount, nested_leaves), (Bough, boughs)):
        flat, deep = make(1, 400), make(40, 400)
        assert steps_of(attempt(deep, annotation)) < 4 * steps_of(attempt(flat, annotation))


def test_encoding_costs_what_the_value_is_large_not_how_deep_it_is() -> None:
    def bough(depth: int) -> Bough:
        made = Bough(7, [Bough(8, []) for _ in range(300)])
        for _ in range(depth):
            made = Bough(7, [made])
        return made

    codec = codec_of(Bough)
    flat, deep = bough(1), bough(40)
    assert steps_of(lambda: codec.encode(deep)) < 3 * steps_of(lambda: codec.encode(flat))


# Keys that share a hash --------------------------------------------------------------------------

MODULUS = 2**61 - 1


@pytest.mark.parametrize("annotation", [set[U128], frozenset[I128], set[tuple[U128]]])
def test_many_elements_of_one_hash_are_refused(annotation: Any) -> None:
    """Each would be compared with all before it: ten thousand take a minute."""
    codec = codec_of(tuple[U8, annotation])
    for count, is_taken in ((64, True), (65, False), (10_000, False)):
        items = [key * MODULUS for key in range(count)]
        raw = b"\7" + number(count, FIXED) + b"".join(n.to_bytes(16, "little") for n in items)
        if is_taken:
            assert len(codec.decode(raw)[1]) == count
        else:
            with pytest.raises(DecodeError, match="more than 64 elements share one hash") as caught:
                codec.decode(raw)
            assert (caught.value.offset, caught.value.path) == (1, "[1]")


def test_many_keys_of_one_hash_are_refused() -> None:
    raw = number(65, FIXED) + b"".join(
        (key * MODULUS).to_bytes(16, "little") + b"\1" for key in range(65)
    )
    with pytest.raises(DecodeError, match="more than 64 elements share one hash"):
        codec_of(dict[U128, bool]).decode(raw)


@pytest.mark.parametrize("annotation", [set[U128], set[tuple[U8]], set[None], set[Path]])
def test_the_same_element_many_times_is_one_element(annotation: Any) -> None:
    """So Rust takes them; their number alone is no harm."""
    codec = codec_of(annotation)
    size = {set[U128]: 16, set[tuple[U8]]: 1, set[None]: 0, set[Path]: 8}[annotation]
    one = codec.decode(number(1, FIXED) + bytes(size))
    assert len(one) == 1
    assert codec.decode(number(500, FIXED) + bytes(size) * 500) == one
