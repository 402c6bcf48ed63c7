"""What `process` declares, and which one response type a whole command set answers with."""

from __future__ import annotations

import functools
import typing
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Optional, Union

import pytest
from pydantic import BaseModel

from lazyipc import U8, U16, Command, Response, TaggedUnion
from lazyipc._core.catalog import Catalog, bare_pair, entry_of
from lazyipc._core.command import command_models, common_response, response_family, response_type
from lazyipc.errors import SchemaError
from tests.core.conftest import WriteModule

if TYPE_CHECKING:
    from somewhere_else import Game  # type: ignore[import-not-found]


class Answer(Response):
    pass


class Yes(Answer):
    pass


class No(Answer):
    reason: str


class OtherAnswer(Response):
    pass


class Maybe(OtherAnswer):
    pass


class Kicked(BaseModel):
    name: str


class NoSuchPlayer(BaseModel):
    name: str


# What process returns ----------------------------------------------------------------------------


RETURNS = [
    None, int, str, bool, float, bytes, U8, list[U8], dict[str, U16], tuple[U8, str],
    Yes, Answer, Kicked, Kicked | NoSuchPlayer, Yes | None,
]  # fmt: skip


@pytest.mark.parametrize("returned", RETURNS, ids=str)
def test_the_response_type_is_the_return_annotation(returned: Any) -> None:
    class Ask(Command):
        def process(self, context: object) -> Any: ...

        process.__annotations__["return"] = returned

    expected = type(None) if returned is None else returned
    assert response_type(Ask) == expected


def test_string_annotations_are_resolved() -> None:
    class Ask(Command):
        def process(self, context: list[int]) -> list[U8] | None: ...

    assert response_type(Ask) == list[U8] | None


def test_quoted_annotations_are_resolved(write_module: WriteModule) -> None:
    module = write_module(
        "quoted",
        """
        from typing import Union
        from lazyipc import Command, Response
        class Root(Command):
            pass
        class Ask(Root):
            def process(self, context: "Unknown") -> "Union[Later, None]": ...
        class Later(Response):
            pass
        """,
    )
    assert response_type(module.Ask) == Union[module.Later, None]  # noqa: UP007


def test_a_context_that_only_a_type_checker_sees_is_not_resolved() -> None:
    class Ask(Command):
        def process(self, context: Game) -> Yes: ...

    assert response_type(Ask) is Yes
    assert Catalog(Ask).by_fingerprint


def test_local_classes_are_found() -> None:
    class Local(BaseModel):
        x: U8

    class Root(Command):
        pass

    class Ask(Root):
        def process(self, context: object) -> list[Local]: ...

    assert response_type(Ask) == list[Local]


def test_a_command_may_answer_with_its_siblings() -> None:
    class Root(Command):
        pass

    class Ask(Root):
        def process(self, context: object) -> Other: ...

    class Other(Root):
        def process(self, context: object) -> None: ...

    assert response_type(Ask) is Other


def test_process_stands_once_on_the_root() -> None:
    class Root(Command):
        def process(self, context: list[int]) -> Answer:
            match self:
                case Less(by=by):
                    return No(reason=f"less {by}")
                case _:
                    return Yes()

    class More(Root):
        pass

    class Less(Root):
        by: U8

    assert {response_type(model) for model in command_models(Root)} == {Answer}
    assert len(Catalog(Root).by_fingerprint) == 2
    assert Less(by=2).process([]) == No(reason="less 2")
    assert More().process([]) == Yes()


def test_a_variant_may_have_a_process_of_its_own() -> None:
    class Root(Command):
        def process(self, context: object) -> int: ...

    class Usual(Root):
        pass

    class Unusual(Root):
        def process(self, context: object) -> str: ...  # type: ignore[override]

    assert [response_type(model) for model in command_models(Root)] == [int, str]
    assert response_type(Usual) is int


def test_process_is_shared_by_a_plain_model() -> None:
    class Shared(BaseModel):
        def process(self, context: object) -> U8: ...

    class Root(Command):
        pass

    class Ask(Root, Shared):
        pass

    assert response_type(Ask) == U8


def test_return_types_over_several_modules(write_module: WriteModule) -> None:
    write_module(
        "answers",
        """
        from __future__ import annotations
        from lazyipc import Response, U8
        class Told(Response):
            x: U8
        """,
    )
    base = write_module(
        "base_set",
        """
        from __future__ import annotations
        from lazyipc import Command
        class Root(Command):
            pass
        """,
    )
    more = write_module(
        "more_of_the_set",
        """
        from __future__ import annotations
        import answers
        from base_set import Root
        class Ask(Root):
            def process(self, context) -> answers.Told: ...
        """,
    )
    assert response_type(more.Ask).__qualname__ == "Told"
    assert [entry.name for entry in Catalog(base.Root).by_fingerprint.values()] == ["Ask"]


def test_a_decorated_process_is_resolved_where_it_was_written(write_module: WriteModule) -> None:
    module = write_module(
        "decorators",
        """
        import functools
        def timed(function):
            @functools.wraps(function)
            def wrapper(self, context):
                return function(self, context)
            return wrapper
        """,
    )

    class Ask(Command):
        @module.timed  # type: ignore[untyped-decorator]
        def process(self, context: object) -> No: ...

    assert response_type(Ask) is No


# What process cannot be --------------------------------------------------------------------------


def refusal(model: type) -> str:
    """Why a class is no command."""
    with pytest.raises(SchemaError) as caught:
        response_type(model)
    assert model.__qualname__ in str(caught.value)
    return str(caught.value)


def test_no_process() -> None:
    class Ask(Command):
        pass

    assert "has no method process(self, context)" in refusal(Ask)


def test_process_is_no_method() -> None:
    class OfClass(Command):
        @classmethod
        def process(cls, context: object) -> None: ...  # type: ignore[override]

    class Partial(Command):
        process = functools.partial(print)  # type: ignore[assignment]

    class Property(Command):
        @property
        def process(self) -> None: ...  # type: ignore[override]

    for model in (OfClass, Partial, Property):
        assert "has no method process(self, context)" in refusal(model)


def test_process_has_no_self() -> None:
    class Static(Command):
        @staticmethod
        def process(context: object, more: object) -> None: ...  # type: ignore[override]

    assert "process(self, context)" in refusal(Static)


def test_process_is_async() -> None:
    class Ask(Command):
        async def process(self, context: object) -> None: ...

    class Stream(Command):
        async def process(self, context: object) -> AsyncIterator[int]:
            yield 1

    assert "is async" in refusal(Ask)
    assert "is async" in refusal(Stream)


def test_process_yields() -> None:
    class Ask(Command):
        def process(self, context: object) -> Iterator[int]:
            yield 1

    assert "yields" in refusal(Ask)


def test_process_takes_something_else_than_a_context() -> None:
    class Nothing(Command):
        def process(self) -> None: ...  # type: ignore[override]

    class TooMuch(Command):
        def process(self, context: object, more: object) -> None: ...  # type: ignore[override]

    class OnlyKeyword(Command):
        def process(self, *, context: object) -> None: ...  # type: ignore[override]

    for model in (Nothing, TooMuch, OnlyKeyword):
        assert "must take (self, context)" in refusal(model)


def test_process_needs_a_keyword() -> None:
    class Ask(Command):
        def process(self, context: object, *, more: object) -> None: ...  # type: ignore[override]

    assert "must take (self, context)" in refusal(Ask)


def test_process_may_take_its_context_by_position_only() -> None:
    class Ask(Command):
        def process(self, state: object, /) -> int: ...

    assert response_type(Ask) is int


def test_process_does_not_say_what_it_returns() -> None:
    class Ask(Command):
        def process(self, context: object):  # type: ignore[no-untyped-def]
            pass

    assert "must say what it returns" in refusal(Ask)


@pytest.mark.parametrize(
    "written",
    [
        "Missing",
        "list[Missing]",
        "typing.Missing",
        "Missing.inner",
        "list[",
        "5 + 'a'",
        "Yes | 'N'",
    ],
)
def test_a_return_type_that_cannot_be_resolved(written: str) -> None:
    class Ask(Command):
        def process(self, context: object) -> None: ...

        process.__annotations__["return"] = written

    told = refusal(Ask)
    assert "process returns" in told
    assert repr(written) in told


def test_a_return_type_with_no_wire_form_names_the_command() -> None:
    class Ask(Command):
        def process(self, context: object) -> typing.Any: ...

    class AskMore(Command):
        def process(self, context: object) -> list[complex]: ...

    with pytest.raises(SchemaError, match="Any has no wire form"):
        entry_of(Ask)
    with pytest.raises(SchemaError, match="complex has no wire form"):
        Catalog(AskMore)


# Command sets ------------------------------------------------------------------------------------


def test_the_models_of_a_set_are_its_variants_in_order() -> None:
    class Root(Command):
        def process(self, context: object) -> None: ...

    class Second(Root, index=1):
        pass

    class First(Root, index=0):
        pass

    assert command_models(Root) == [Second, First]


def test_a_plain_model_is_a_set_of_one() -> None:
    class Ask(BaseModel):
        x: U8

        def process(self, context: object) -> U16: ...

    catalog = Catalog(Ask)
    assert command_models(Ask) == [Ask]
    assert catalog.is_untagged
    assert [entry.name for entry in catalog.by_fingerprint.values()] == ["Ask"]
    assert bare_pair(Ask).command.encode(Ask(x=7)) == b"\7"


def test_a_root_without_variants_is_a_set_of_one() -> None:
    class Ask(Command):
        x: U8

        def process(self, context: object) -> U16: ...

    assert command_models(Ask) == [Ask]
    assert Catalog(Ask).is_untagged


def test_a_variant_is_no_set() -> None:
    class Root(Command):
        def process(self, context: object) -> None: ...

    class Ask(Root):
        pass

    with pytest.raises(SchemaError, match="Ask is one variant; give its root, Root"):
        command_models(Ask)


@pytest.mark.parametrize("command", [5, "Root", int, object, list[int]])
def test_what_is_no_model_is_no_set(command: Any) -> None:
    with pytest.raises(SchemaError, match="is not a model"):
        command_models(command)


@pytest.mark.parametrize("base", [Command, TaggedUnion, BaseModel])
def test_a_base_is_no_set(base: type) -> None:
    with pytest.raises(SchemaError):
        Catalog(base)


def test_a_set_with_one_bad_command_is_refused_and_names_it() -> None:
    class Root(Command):
        pass

    class Good(Root):
        def process(self, context: object) -> None: ...

    class Bad(Root):
        pass

    with pytest.raises(SchemaError, match=r"Bad has no method process"):
        Catalog(Root)


@pytest.mark.parametrize("context", [int, list[int], "Game", None, Any])
def test_a_context_in_brackets_changes_nothing_at_run_time(context: Any) -> None:
    assert Command[context] is Command  # type: ignore[misc]


def test_a_command_that_is_no_generic_takes_no_brackets() -> None:
    class Root(Command):
        pass

    with pytest.raises(TypeError):
        Root[int]  # type: ignore[misc]


# Timeouts and names ------------------------------------------------------------------------------


def test_a_command_has_its_timeout_or_that_of_its_root() -> None:
    class Root(Command, timeout=20):
        def process(self, context: object) -> None: ...

    class Slow(Root, timeout=600.0):
        pass

    class Usual(Root):
        pass

    assert entry_of(Slow).timeout == 600.0
    assert entry_of(Usual).timeout == 20


def test_a_command_without_a_timeout_has_none() -> None:
    class Root(Command):
        def process(self, context: object) -> None: ...

    class Usual(Root):
        pass

    class Plain(BaseModel):
        def process(self, context: object) -> None: ...

    assert entry_of(Usual).timeout is None
    assert entry_of(Plain).timeout is None


def test_a_set_of_one_may_have_a_timeout() -> None:
    class Only(Command, timeout=3.5):
        def process(self, context: object) -> None: ...

    assert entry_of(Only).timeout == 3.5


def test_a_wire_name_stands_for_the_class() -> None:
    class Root(Command):
        def process(self, context: object) -> None: ...

    class Remove(Root, name="del"):
        pass

    assert entry_of(Remove).name == "del"
    assert entry_of(Remove).description[:2] == ["command", "del"]


# One response type for all -----------------------------------------------------------------------


def test_variants_of_one_family_have_it_in_common() -> None:
    for returned in ([Yes, No], [Answer, No], [Yes | No, Yes], [Yes, Yes], [Answer], [No | Yes]):
        assert common_response(returned) is Answer


@pytest.mark.parametrize("returned", [U8, list[int], Kicked, Kicked | NoSuchPlayer, Yes | None])
def test_the_same_type_everywhere_is_common(returned: Any) -> None:
    assert common_response([returned, returned]) == returned


@pytest.mark.parametrize(
    "returned",
    [
        [int, str],
        [Yes, None],
        [Yes, Maybe],
        [Answer, OtherAnswer],
        [Yes, Kicked],
        [Yes | None, Yes],
        [Yes | Maybe, Yes],
        [int, bool],
        [U8, U16],
        [U8, int],
    ],
)
def test_different_types_have_none_in_common(returned: list[Any]) -> None:
    with pytest.raises(SchemaError, match="one response type for the whole command set"):
        common_response(returned)


def test_unions_in_another_order_have_none_in_common() -> None:
    """Equal for Python, yet another index for each on the wire."""
    with pytest.raises(SchemaError, match="one response type"):
        common_response([Kicked | NoSuchPlayer, NoSuchPlayer | Kicked])


def test_a_refusal_lists_what_the_commands_return() -> None:
    with pytest.raises(SchemaError, match=r"return Maybe, Yes, int; derive"):
        common_response([Yes, int, Maybe, Yes])


@pytest.mark.parametrize(
    ("annotation", "family"),
    [
        (Yes, Answer),
        (Answer, Answer),
        (Yes | No, Answer),
        (Optional[Yes], None),  # noqa: UP045 the older spelling is another class
        (Union[Yes, No], Answer),  # noqa: UP007
        (Yes | Maybe, None),
        (Yes | Kicked, None),
        (Kicked, None),
        (list[Yes], None),
        (int, None),
        (None, None),
    ],
)
def test_the_family_of_a_return_annotation(annotation: Any, family: Any) -> None:
    found = response_family(annotation)
    assert (found.root if found else None) is family
