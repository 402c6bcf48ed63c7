"""Types inside themselves: how deep values may be, from however deep within the host."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from lazyipc import (
    U8,
    bincode,
)
from lazyipc._core.codec import DEFAULT_DEPTH, MAX_DEPTH, Codec
from lazyipc._core.compiled import codec_of
from lazyipc._core.encoding import Encoding
from lazyipc.bincode import Config
from lazyipc.errors import DecodeError, EncodeError, MessageTooLarge
from tests.core.declared_types import Chain, Expression, Knot, Linked, Nested, Tree
from tests.core.refusals import (
    FIXED,
    STANDARD,
    each_encoding,
    number,
    refusal,
    told,
)

# Nesting -----------------------------------------------------------------------------------------


class Link(BaseModel):
    level: Annotated[U8, Field(lt=200)]
    next: Link | None


class Node(BaseModel):
    items: list[Node]


class Left(BaseModel):
    right: Right | None


class Right(BaseModel):
    left: list[Left]


Levels = Callable[[int, Encoding], bytes]

NESTING: dict[str, tuple[Any, Levels]] = {
    "model by Option": (Link, lambda n, encoding: b"\1\1" * n + b"\1\0"),
    "model by list": (
        Node, lambda n, encoding: number(1, encoding) * n + number(0, encoding)),
    "family": (
        Expression,
        lambda n, encoding: number(1, encoding, 32) * n + number(0, encoding, 32)
        + number(5, encoding, 16, signed=True)),
    "family by list": (
        Expression,
        lambda n, encoding: (number(2, encoding, 32) + number(1, encoding)) * n
        + number(0, encoding, 32) + number(5, encoding, 16, signed=True) + b"\0" * n),
    "dataclass": (Chain, lambda n, encoding: b"\1\1" * n + b"\1\0"),
    "NamedTuple": (
        Knot, lambda n, encoding: (b"\1" + number(1, encoding)) * n + b"\1" + number(0, encoding)),
    "alias": (
        Nested, lambda n, encoding: number(1, encoding) * n + number(0, encoding)),
    "alias of a tuple": (
        Linked,
        lambda n, encoding: (number(-3, encoding, 16, signed=True) + b"\1") * n
        + number(7, encoding, 16, signed=True) + b"\0"),
    "mutual": (Left, lambda n, encoding: (b"\1" + number(1, encoding)) * n + b"\0"),
    "tree": (Tree, lambda n, encoding: b"\1\1" * n + b"\1\0\0" + b"\0" * n),
}  # fmt: skip


@each_encoding
@pytest.mark.parametrize("name", NESTING)
def test_nesting_up_to_the_limit_is_taken_and_one_level_more_is_not(
    name: str, encoding: Encoding
) -> None:
    annotation, levels = NESTING[name]
    codec = codec_of(annotation, encoding)
    for depth in (0, 1, 5, DEFAULT_DEPTH, MAX_DEPTH):
        received = levels(depth, encoding)
        value = codec.decode(received, depth=depth)
        assert codec.encode(value, depth) == received
        assert found_end(codec, received, depth) == len(received)

        deeper = levels(depth + 1, encoding)
        error = refusal(annotation, deeper, encoding, depth=depth)
        assert isinstance(error, MessageTooLarge)
        assert (error.size_bytes, error.limit_bytes) == (depth + 1, depth)
        assert error.what.endswith("levels of nesting")
        with pytest.raises(MessageTooLarge, match="levels of nesting"):
            found_end(codec, deeper, depth)
        if depth < MAX_DEPTH:
            with pytest.raises(EncodeError, match=f"stands inside itself more than {depth} times"):
                codec.encode(codec.decode(deeper, depth=depth + 1), depth)


def found_end(codec: Codec[Any], received: bytes, depth: int) -> int | None:
    return codec.extent(received, limit_bytes=len(received), depth=depth).find(received)


@pytest.mark.parametrize("name", NESTING)
def test_nesting_without_end_is_refused_in_time_that_grows_with_the_limit_alone(name: str) -> None:
    annotation, levels = NESTING[name]
    received = levels(20_000, STANDARD)
    assert isinstance(refusal(annotation, received, STANDARD), MessageTooLarge)
    extent = codec_of(annotation, STANDARD).extent(received, limit_bytes=len(received))
    with pytest.raises(MessageTooLarge):
        extent.find(received)
    assert extent.cursor.visits < 5 * (MAX_DEPTH + 2)


def refused_by(call: Callable[[], Any]) -> str | None:
    """What an error of ours says that a call raises; None where it raises none."""
    try:
        call()
    except (DecodeError, EncodeError, MessageTooLarge) as error:
        return str(error)
    return None


def from_deep_within(frames: int, call: Callable[[], Any]) -> Any:
    """The result of a call from so many frames further in."""
    return call() if frames == 0 else from_deep_within(frames - 1, call)


@pytest.mark.parametrize("frames", [0, 600, 800, 900, 950])
@pytest.mark.parametrize("name", NESTING)
def test_from_deep_within_a_host_nesting_is_decoded_or_refused(name: str, frames: int) -> None:
    """Never a RecursionError: the peer chooses the nesting, the host how deep its stack is."""
    annotation, levels = NESTING[name]
    codec = codec_of(annotation)
    for depth in (1, DEFAULT_DEPTH, MAX_DEPTH):
        configs = [Config(depth=depth, allow_trailing=trailing) for trailing in (False, True)]
        for more in (0, 1):
            received = levels(depth + more, FIXED)
            for call in (
                partial(bincode.decode, received, annotation, configs[0]),
                partial(bincode.decode, received, annotation, configs[1]),
                partial(found_end, codec, received, depth),
            ):
                refused = refused_by(lambda call=call: from_deep_within(frames, call))
                if refused is None:
                    assert not more
                else:
                    assert more or frames  # only the stack, or the limit, refuses it
                    assert "nests more deeply" in refused or "levels of nesting" in refused
    assert bincode.decode(levels(1, FIXED), annotation) is not None  # nothing is broken by it


@pytest.mark.parametrize("name", ["model by Option", "dataclass", "family", "alias of a tuple"])
def test_from_deep_within_a_host_nested_values_are_encoded_or_refused(name: str) -> None:
    annotation, levels = NESTING[name]
    value = codec_of(annotation).decode(levels(MAX_DEPTH, FIXED))
    for frames in (0, 600, 800, 900, 950):
        refused = refused_by(
            lambda frames=frames: from_deep_within(
                frames, lambda: codec_of(annotation).encode(value)
            )
        )
        if refused is not None:
            assert frames
            assert "nests more deeply than the stack of this program has room for" in refused
    assert codec_of(annotation).encode(value) == levels(MAX_DEPTH, FIXED)


def test_a_value_that_contains_itself_is_refused() -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(EncodeError):
        codec_of(Nested).encode(knot)
    node = Node(items=[])
    node.items.append(node)
    with pytest.raises(EncodeError, match="stands inside itself more than 128 times"):
        codec_of(Node).encode(node)
    chain = Chain(1)
    chain.next = chain
    with pytest.raises(EncodeError):
        codec_of(Chain).encode(chain)


@pytest.mark.parametrize("depth", [1, 10, 64])
def test_what_is_refused_in_depth_says_where(depth: int) -> None:
    received = b"\1\1" * depth + b"\xfa\0"
    error = refusal(Link, received)
    path = ".".join(["next"] * depth + ["level"])
    assert told(error) == (2 * depth, path, "Input should be less than 200 (got 250)")


class Odd(BaseModel):
    """Has the same fields as Even."""

    x: U8
    next: Odd | Even | None


class Even(BaseModel):
    x: U8
    next: Odd | Even | None


@pytest.mark.parametrize("config", [bincode.LEGACY, bincode.STANDARD], ids=["LEGACY", "STANDARD"])
def test_members_of_a_union_with_the_same_fields_stay_apart_at_each_depth(config: Config) -> None:
    """Inside itself a class is a reference, of which pydantic would take the first that fits."""
    end: Odd | Even | None = None
    for x, kind in enumerate([Even, Even, Odd, Even, Odd, Odd]):
        end = kind(x=x, next=end)
        again = bincode.decode(bincode.encode(end, kind, config), kind, config)
        assert again == end
        assert repr(again) == repr(end)
