"""JSON of types inside themselves: how deep, and from however deep within the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lazyipc import Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.codec import DEFAULT_DEPTH, MAX_DEPTH, NO_STACK
from lazyipc._core.compiled import codec_of
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Rejected, Requested
from lazyipc.errors import DecodeError, EncodeError, MessageTooLarge, SchemaError
from tests.core.command_sets import command_set
from tests.core.json_reading import form_of, read
from tests.core.refusals import FIXED
from tests.core.test_nesting import NESTING, from_deep_within

each_nesting = pytest.mark.parametrize("name", NESTING)


def value_of(name: str, levels: int) -> Any:
    annotation, bytes_of = NESTING[name]
    return codec_of(annotation).decode(bytes_of(levels, FIXED))


@each_nesting
def test_as_deep_as_bytes_may_be_by_default(name: str) -> None:
    annotation, _ = NESTING[name]
    codec = codec_of(annotation)
    for levels in (0, 1, DEFAULT_DEPTH):
        value = value_of(name, levels)
        text = form_of(annotation).write(value)
        assert codec.encode(read(annotation, text, depth=levels)) == codec.encode(value)
    deeper = form_of(annotation).write(value_of(name, DEFAULT_DEPTH + 1))
    with pytest.raises((MessageTooLarge, DecodeError), match=r"nesting: 65|nest more than 201"):
        read(annotation, deeper, depth=DEFAULT_DEPTH)


@each_nesting
def test_within_its_envelope_too(name: str) -> None:
    commands: Any = command_set({"Put": ({"value": NESTING[name][0]}, None)})
    (entry,) = Catalog(commands).by_fingerprint.values()
    command = entry.model(value=value_of(name, DEFAULT_DEPTH))
    connection = ServerConnection(Catalog(commands), Wire.FRAMED | Wire.JSON)
    connection.receive_data(ClientConnection(Wire.JSON).request(1, command, None, None))
    event = connection.next_event()
    if isinstance(event, Rejected):  # three levels of text for each of its own, and what is around
        assert name == "family by list"
        assert "nest more than 201 levels deep" in str(event.error)
    else:
        assert isinstance(event, Requested)
        assert repr(event.command) == repr(command)


@pytest.mark.parametrize("frames", [0, 600, 800, 900, 930])
@each_nesting
def test_from_deep_within_a_host_it_is_read_or_refused(name: str, frames: int) -> None:
    """Never a RecursionError: the peer chooses the nesting, the host how deep its stack is."""
    annotation, _ = NESTING[name]
    value = value_of(name, DEFAULT_DEPTH)
    text = form_of(annotation).write(value)

    def attempt(call: Callable[[], Any]) -> None:
        try:
            from_deep_within(frames, call)
        except (DecodeError, EncodeError, SchemaError) as error:
            assert NO_STACK in str(error)  # noqa: PT017
            assert frames

    attempt(lambda: read(annotation, text))
    attempt(lambda: form_of(annotation).write(value))
    assert repr(read(annotation, text)) == repr(value)  # nothing is broken by it


@pytest.mark.parametrize("frames", range(700, 940, 16))
def test_from_deep_within_a_host_a_request_is_an_event(frames: int) -> None:
    annotation, _ = NESTING["family"]
    commands: Any = command_set({"Put": ({"value": annotation}, annotation)})
    (entry,) = Catalog(commands).by_fingerprint.values()
    command = entry.model(value=value_of("family", DEFAULT_DEPTH))
    line = ClientConnection(Wire.JSON).request(1, command, None, None)
    connection = ServerConnection(Catalog(commands), Wire.FRAMED | Wire.JSON)
    connection.receive_data(line)
    event = from_deep_within(frames, connection.next_event)
    if isinstance(event, Rejected):
        assert NO_STACK in str(event.error)
    else:
        assert repr(event.command) == repr(command)
        assert frames < 900


def test_the_deepest_a_limit_may_allow() -> None:
    annotation, _ = NESTING["model by Option"]
    value = value_of("model by Option", MAX_DEPTH)
    assert read(annotation, form_of(annotation).write(value), depth=MAX_DEPTH) == value
