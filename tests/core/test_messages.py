"""Sets of messages: what may be one, and how it is described."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from lazyipc import U8, U16, Command, Response, TaggedUnion
from lazyipc._core import messages, schema
from lazyipc._core.catalog import Catalog, entry_of
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.messages import MessageSet
from lazyipc.errors import EncodeError, SchemaError
from tests.core.peer_pair import TASK_SET, WORD_SET, Add, Answer, Hush, Pair, Stop, Text, Word


def variants(root: Any, **fields: dict[str, Any]) -> Any:
    """A root with variants of these names and fields, in this order."""
    for name, annotated in fields.items():
        type(name, (root,), {"__module__": __name__, "__annotations__": annotated})
    return root


def words(**fields: dict[str, Any]) -> Any:
    class Root(TaggedUnion):
        pass

    return variants(Root, **fields)


# What may be one ---------------------------------------------------------------------------------


def test_a_family_without_process_is_answered_with_any_of_it() -> None:
    assert not WORD_SET.has_process
    assert [entry.name for entry in WORD_SET.by_fingerprint.values()] == [
        "Hush", "Pair", "Text", "Many",
    ]  # fmt: skip
    entry = WORD_SET.entry(Pair)
    for word in (Hush(), Pair(a=1, b=2), Text(text="é")):
        fingerprint, data = entry.reply.encode(word)
        assert fingerprint == WORD_SET.entry(type(word)).fingerprint
        assert entry.reply.decode(fingerprint, data, 0, len(data)) == word


def test_a_reply_outside_the_set_is_refused_by_name() -> None:
    with pytest.raises(EncodeError, match=r"Add given, one of Hush, Pair, Text, Many declared"):
        WORD_SET.entry(Pair).reply.encode(Add(a=1, b=2))


def test_a_message_is_described_alike_as_request_and_as_reply() -> None:
    entry = WORD_SET.entry(Pair)
    assert entry.description == ["message", "Pair", [["a", "u64"], ["b", "u64"]]]
    assert entry.fingerprint == schema.fingerprint(entry.description)


def test_a_response_family_may_be_one() -> None:
    answers = MessageSet(Answer)
    assert [entry.name for entry in answers.by_fingerprint.values()] == ["Done", "Total"]


def test_one_plain_model_may_be_one() -> None:
    class Only(BaseModel):
        x: U8

    only = MessageSet(Only)
    assert only.entry(Only).description == ["message", "Only", [["x", "u8"]]]
    assert only.entry(Only).reply.encode(Only(x=3)) == (only.entry(Only).fingerprint, b"\3")


def test_one_model_of_a_family_may_be_one() -> None:
    class Only(TaggedUnion):
        x: U8

    assert MessageSet(Only).entry(Only).name == "Only"


def test_commands_answer_as_their_process_declares_also_where_it_is_async() -> None:
    assert TASK_SET.has_process
    assert TASK_SET.entry(Stop).fingerprint == entry_of(Stop).fingerprint
    assert TASK_SET.entry(Stop).description == ["command", "Stop", [], "unit"]
    assert TASK_SET.entry(Add).description[3] == ["response", "Total", [["c", "u64"]]]


def test_a_lazy_server_refuses_an_async_process_where_a_peer_takes_it() -> None:
    class Root(Command):
        pass

    class Slow(Root):
        async def process(self, context: object) -> int:
            return 1

    assert MessageSet(Root).entry(Slow).description[3] == "i64"
    with pytest.raises(SchemaError, match="process is async; a lazy server calls it and needs"):
        Catalog(Root)
    assert ClientConnection().request(1, Slow(), None, None)


def test_an_async_process_that_yields_is_refused() -> None:
    class Stream(Command):
        async def process(self, context: object) -> AsyncIterator[int]:
            yield 1

    with pytest.raises(SchemaError, match=r"Stream\.process yields"):
        MessageSet(Stream)


def test_timeouts_of_messages_are_kept() -> None:
    class Root(TaggedUnion, timeout=2.0):
        pass

    class Usual(Root):
        pass

    class Slow(Root, timeout=60):
        pass

    known = MessageSet(Root)
    assert (known.entry(Usual).timeout, known.entry(Slow).timeout) == (2.0, 60)
    assert WORD_SET.entry(Pair).timeout is None


@pytest.mark.parametrize("order", [("Ask", "Tell"), ("Tell", "Ask")])
def test_some_have_process_and_some_not(order: tuple[str, str]) -> None:
    class Root(Command):
        pass

    def process(self: Any, context: object) -> None: ...

    for name in order:
        body = {"process": process} if name == "Ask" else {}
        type(name, (Root,), {"__module__": __name__, **body})
    with pytest.raises(SchemaError, match=r"Ask has process\(self, context\), Tell has not"):
        MessageSet(Root)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (int, "int.*is not a model; derive your messages from TaggedUnion"),
        ("Word", "is not a model"),
        (Pair, "Pair is one variant; give its root, Word"),
        (TaggedUnion, "TaggedUnion is a base"),
        (Command, "Command is a base"),
        (Response, "Response is a base"),
        (BaseModel, "BaseModel is a base"),
    ],
)
def test_what_is_no_set_of_messages(message: Any, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        MessageSet(message)


def test_a_root_whose_variants_were_not_imported() -> None:
    with pytest.raises(SchemaError, match="has no variants; import what defines them"):
        MessageSet(words())


def test_a_message_that_cannot_travel_names_its_field() -> None:
    with pytest.raises(SchemaError, match=r"Odd\.z: complex has no wire form"):
        MessageSet(words(Odd={"z": complex}))


# What is in it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [Add, int, Word])
def test_what_is_no_message_is_named_beside_those_there_are(given: type) -> None:
    with pytest.raises(SchemaError, match=f"{given.__name__} is no message of Word; there are Hu"):
        WORD_SET.entry(given)


def test_a_class_in_place_of_a_message() -> None:
    with pytest.raises(SchemaError, match="a class was given, no message of Word; send an inst"):
        WORD_SET.entry(type(Pair))


def test_a_class_defined_again_is_the_same_message() -> None:
    def define(root: Any) -> Any:
        class Again(root):  # type: ignore[misc]
            x: U8

        return Again

    class Root(TaggedUnion):
        pass

    first = define(Root)
    known = MessageSet(Root)
    second = define(Root)
    assert second is not first
    assert known.entry(second) is known.entry(first)
    fingerprint, data = known.entry(first).reply.encode(second(x=7))
    assert known.entry(first).reply.decode(fingerprint, data, 0, 1) == first(x=7)


# How it is described -----------------------------------------------------------------------------


def test_the_description_of_plain_messages() -> None:
    known = MessageSet(words(A={"x": U8}, B={}))
    assert json.loads(known.description) == {
        "version": 1,
        "messages": [{"name": "A", "fields": [["x", "u8"]]}, {"name": "B", "fields": []}],
    }


def test_the_description_of_commands_tells_the_variants_of_a_family_once() -> None:
    class Root(Command):
        pass

    class One(Root):
        def process(self, context: object) -> Answer: ...

    class Two(Root):
        def process(self, context: object) -> Answer: ...

    class Three(Root):
        def process(self, context: object) -> U8: ...

    assert json.loads(MessageSet(Root).description) == {
        "version": 1,
        "messages": [
            {"name": "One", "fields": [], "returns": ["family", "Answer"], "family": 0},
            {"name": "Two", "fields": [], "returns": ["family", "Answer"], "family": 0},
            {"name": "Three", "fields": [], "returns": "u8"},
        ],
        "families": [[["Done", []], ["Total", [["c", "u64"]]]]],
    }


def test_the_fingerprint_of_a_set_knows_no_order() -> None:
    fields = {"A": {"x": U8}, "B": {"x": U16}}
    turned = dict(reversed(fields.items()))
    assert MessageSet(words(**fields)).fingerprint == MessageSet(words(**turned)).fingerprint
    other = MessageSet(words(A={"x": U8}, B={"x": U8}))
    assert MessageSet(words(**fields)).fingerprint != other.fingerprint


def test_a_set_that_takes_too_long_to_describe_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = words(A={"x": U8})
    size = len(MessageSet(known).description)
    monkeypatch.setattr(messages, "DESCRIPTION_BYTES", size)
    MessageSet(known)
    monkeypatch.setattr(messages, "DESCRIPTION_BYTES", size - 1)
    with pytest.raises(SchemaError, match=f"takes {size} bytes to describe, and a peer takes"):
        MessageSet(known)


def test_the_description_is_ascii_whatever_names_hold() -> None:
    class Root(TaggedUnion):
        pass

    class Big(Root, name="größe"):
        pass

    assert MessageSet(Root).description.isascii()
