"""Families: order, pins, names, sealing, re-run cells, and how strict their models are."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, ValidationError, create_model
from typing_extensions import TypeAliasType

from lazyipc import U8, Command, Response, TaggedUnion
from lazyipc._core.catalog import Catalog, entry_of
from lazyipc._core.compiled import codec_of
from lazyipc._core.family import VARIANT_LIMIT, family_of
from lazyipc.errors import SchemaError
from tests.core.conftest import WriteModule

PLACE = re.compile(r"[^\s(]+\.py:\d+")


def family(name: str = "Root", base: type = TaggedUnion) -> Any:
    """A root nobody has used yet."""
    return type(name, (base,), {"__module__": __name__})


def variant(
    root: Any, called: str, fields: dict[str, Any] | None = None, /, **keywords: Any
) -> Any:
    """A variant of a root, defined here and now; a command where the root is one."""
    body = {"__module__": __name__, "__annotations__": fields or {}}
    if issubclass(root, Command):
        body["process"] = returns_none
    return type(called, (root,), body, **keywords)


def returns_none(self: Any, context: Any) -> None: ...


def indices(root: Any) -> dict[str, int]:
    """Each variant's name and index, once sealed."""
    return {found.name: found.index for found in family_of(root).seal()}  # type: ignore[union-attr]


def places_in(error: SchemaError) -> list[str]:
    return PLACE.findall(str(error))


# Order and pins ----------------------------------------------------------------------------------


def test_indices_are_the_order_of_definition() -> None:
    root = family()
    for name in ("C", "A", "B"):
        variant(root, name)
    assert indices(root) == {"C": 0, "A": 1, "B": 2}


def test_a_pinned_index_leaves_the_others_where_they_stand() -> None:
    root = family()
    variant(root, "A")
    variant(root, "B", index=2)
    variant(root, "C", index=1)
    variant(root, "D")
    assert indices(root) == {"A": 0, "B": 2, "C": 1, "D": 3}


@pytest.mark.parametrize("index", [0, 1, VARIANT_LIMIT - 1])
def test_an_index_in_range_is_taken(index: int) -> None:
    root = family()
    variant(root, "A", index=index)
    assert indices(root) == {"A": index}


@pytest.mark.parametrize("index", [-1, VARIANT_LIMIT, 2**32])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    root = family()
    variant(root, "A", index=index)
    with pytest.raises(SchemaError, match=rf"A .*index {index} .* 0 and 2303") as caught:
        indices(root)
    assert places_in(caught.value)[0].startswith(__file__)


@pytest.mark.parametrize("pins", [(5, 5), (1, None), (None, 0)])
def test_an_index_twice_names_both_places(
    write_module: WriteModule, pins: tuple[int | None, int | None]
) -> None:
    first, second = ("" if pin is None else f", index={pin}" for pin in pins)
    module = write_module(
        "twice",
        f"""
        from lazyipc import TaggedUnion
        class Root(TaggedUnion):
            pass
        class Left(Root{first}):
            pass
        class Right(Root{second}):
            pass
        """,
    )
    with pytest.raises(SchemaError, match=r"index \d twice .*Left .*Right") as caught:
        indices(module.Root)
    assert places_in(caught.value) == [f"{module.__file__}:5", f"{module.__file__}:7"]


def test_a_name_twice_names_both_places() -> None:
    root = family()
    variant(root, "Left", name="same")
    variant(root, "Right", name="same")
    with pytest.raises(SchemaError, match=r"name 'same' twice .*Left .*Right") as caught:
        indices(root)
    assert len(places_in(caught.value)) == 2


def test_a_clash_is_told_each_time() -> None:
    root = family()
    variant(root, "Left", index=1)
    variant(root, "Right", index=1)
    for _ in range(2):
        with pytest.raises(SchemaError, match="index 1 twice"):
            codec_of(root)


def test_a_wire_name_may_be_no_name_of_python() -> None:
    root = family()
    variant(root, "Class", name="class")
    variant(root, "Plain")
    assert indices(root) == {"class": 0, "Plain": 1}


def test_the_same_name_in_two_families_is_no_clash() -> None:
    left, right = family("Left"), family("Right")
    variant(left, "Same", index=7)
    variant(right, "Same", index=7)
    assert indices(left) == indices(right) == {"Same": 7}


# Sealing -----------------------------------------------------------------------------------------


def test_a_late_variant_is_refused_and_names_both_places(write_module: WriteModule) -> None:
    module = write_module(
        "late",
        """
        from lazyipc import Command, bincode
        class Root(Command):
            pass
        class Early(Root):
            def process(self, context) -> None: ...
        def use():
            bincode.encode(Early(), Root)
        def define():
            class Late(Root):
                def process(self, context) -> None: ...
        """,
    )
    module.use()
    with pytest.raises(SchemaError, match=r"Late .* comes too late.*Root") as caught:
        module.define()
    assert places_in(caught.value) == [f"{module.__file__}:10", f"{module.__file__}:8"]


def test_each_use_seals() -> None:
    def by_codec(root: Any, member: Any) -> None:
        codec_of(root)

    def by_codec_of_a_list(root: Any, member: Any) -> None:
        codec_of(list[root])

    def by_server(root: Any, member: Any) -> None:
        Catalog(root)

    def by_client(root: Any, member: Any) -> None:
        entry_of(member)

    for use in (by_codec, by_codec_of_a_list, by_server, by_client):
        root = family(base=Command)
        use(root, variant(root, "Early"))
        with pytest.raises(SchemaError, match="comes too late"):
            variant(root, "Late")


def test_answering_with_a_family_seals_it() -> None:
    answers = family("Answers", Response)
    answer = variant(answers, "Answer")

    class Ask(Command):
        def process(self, context: object) -> answers: ...  # type: ignore[valid-type]

    Catalog(Ask)
    with pytest.raises(SchemaError, match=r"Late .* comes too late"):
        variant(answers, "Late")
    assert answer()


def test_being_the_type_of_a_field_does_not_seal() -> None:
    root = family()
    early = variant(root, "Early", {"x": int})

    class Holder(TaggedUnion):
        one: root  # type: ignore[valid-type]
        many: list[root]  # type: ignore[valid-type]

    class Plain(BaseModel):
        one: root | None  # type: ignore[valid-type]

    assert Holder(one=early(x=1), many=[early(x=2)])
    assert Plain(one=early(x=1))
    variant(root, "Late")
    assert indices(root) == {"Early": 0, "Late": 1}


def test_making_reading_and_comparing_values_does_not_seal() -> None:
    root = family()
    early = variant(root, "Early", {"x": int})
    value = early(x=1)
    assert value.model_dump() == {"x": 1}
    assert early.model_validate_json('{"x": 1}') == value
    assert early.model_json_schema()["required"] == ["x"]
    variant(root, "Late")
    assert len(indices(root)) == 2


def test_a_refused_family_is_not_sealed() -> None:
    root = family()
    variant(root, "A", index=VARIANT_LIMIT)
    with pytest.raises(SchemaError):
        indices(root)
    variant(root, "B")
    with pytest.raises(SchemaError, match="2304"):
        indices(root)


# Re-run notebook cells ---------------------------------------------------------------------------


def test_a_cell_run_again_before_sealing_replaces_its_class() -> None:
    root = family()
    variant(root, "A", {"x": int})
    variant(root, "B")
    again = variant(root, "A", {"y": str})
    assert indices(root) == {"A": 0, "B": 1}
    assert family_of(root).variants[0].model is again  # type: ignore[union-attr]


def test_a_cell_run_again_after_sealing_keeps_its_index() -> None:
    root = family()
    variant(root, "A", index=9)
    variant(root, "B", {"x": int})
    assert indices(root) == {"A": 9, "B": 1}
    again = variant(root, "B", {"x": int})
    assert indices(root) == {"A": 9, "B": 1}
    assert family_of(root).variant_of(again).index == 1  # type: ignore[union-attr]


def test_the_codec_of_the_root_takes_the_class_of_the_cell_run_again() -> None:
    root = family()
    variant(root, "A", {"x": U8})
    old = codec_of(root)
    again = variant(root, "A", {"x": U8})
    assert codec_of(root).encode(again(x=7)) == bytes(4) + b"\7"
    assert type(codec_of(root).decode(bytes(4) + b"\7")) is again
    assert old.decode(bytes(4) + b"\7")


@pytest.mark.parametrize("around", ["list", "model", "option"])
def test_a_codec_around_the_root_takes_the_class_of_the_cell_run_again(around: str) -> None:
    root = family()
    variant(root, "A", {"x": U8})
    holder = create_model("Holder", item=(root, ...))
    annotation, make = {
        "list": (list[root], lambda item: [item]),
        "option": (root | None, lambda item: item),
        "model": (holder, lambda item: holder(item=item)),
    }[around]
    before = codec_of(annotation).encode(make(family_of(root).variants[0].model(x=7)))  # type: ignore[union-attr]
    again = variant(root, "A", {"x": U8})
    assert codec_of(annotation).encode(make(again(x=7))) == before
    assert codec_of(annotation).decode(before) == make(again(x=7))


def test_a_command_answers_with_the_class_of_the_cell_run_again() -> None:
    answers = family("Answers", Response)
    first = variant(answers, "Sum", {"c": U8})
    root = family(base=Command)

    class Ask(root):  # type: ignore[misc, valid-type]
        def process(self, context: object) -> answers: ...  # type: ignore[valid-type]

    before = entry_of(Ask).reply.encode(first(c=7))
    again = variant(answers, "Sum", {"c": U8})
    assert entry_of(Ask).reply.encode(again(c=7)) == before


def test_the_server_takes_the_class_of_the_cell_run_again() -> None:
    root = family(base=Command)
    before = entry_of(variant(root, "A", {"x": U8}))
    again = variant(root, "A", {"x": U8})
    after = entry_of(again)
    assert after.fingerprint == before.fingerprint
    assert type(Catalog(root).by_fingerprint[after.fingerprint].codec.decode(b"\7")) is again


@pytest.mark.parametrize(
    ("fields", "keywords"),
    [
        ({"x": str}, {}),
        ({"y": int}, {}),
        ({"x": int, "y": int}, {}),
        ({}, {}),
        ({"x": U8}, {}),
        ({"x": int}, {"index": 1}),
        ({"x": int}, {"name": "Other"}),
    ],
)
def test_a_changed_shape_after_sealing_says_which_cell_to_run(
    fields: dict[str, Any], keywords: dict[str, Any]
) -> None:
    root = family()
    variant(root, "A", {"x": int})
    indices(root)
    with pytest.raises(
        SchemaError, match=r"A .* changes its shape.* Root .*run the cell"
    ) as caught:
        variant(root, "A", fields, **keywords)
    assert len(places_in(caught.value)) == 3
    assert indices(root) == {"A": 0}


def test_a_changed_order_of_fields_after_sealing_is_a_changed_shape() -> None:
    root = family()
    variant(root, "A", {"x": int, "y": int})
    indices(root)
    with pytest.raises(SchemaError, match="changes its shape"):
        variant(root, "A", {"y": int, "x": int})


def test_a_changed_return_type_after_sealing_is_a_changed_shape() -> None:
    def define(returned: Any) -> None:
        class Ask(root):  # type: ignore[misc, valid-type]
            def process(self, context: object) -> Any: ...

            process.__annotations__["return"] = returned

    root = family(base=Command)
    define(int)
    indices(root)
    define(int)
    with pytest.raises(SchemaError, match="changes its shape"):
        define(str)


def test_a_changed_body_after_sealing_is_no_changed_shape() -> None:
    def define(answer: int) -> Any:
        class Ask(root):  # type: ignore[misc, valid-type]
            """Its text may change too."""

            x: int = answer

            def process(self, context: object) -> int:
                return answer

        return Ask

    root = family(base=Command)
    define(1)
    indices(root)
    again = define(2)
    assert again(x=5).process(None) == 2


def test_a_cell_with_a_validator_run_again_unchanged_is_no_changed_shape() -> None:
    def cell() -> None:
        class Ask(root):  # type: ignore[misc, valid-type]
            x: Annotated[int, AfterValidator(lambda value: value)]

    root = family()
    cell()
    indices(root)
    cell()
    assert len(indices(root)) == 1


def test_the_root_run_again_is_another_family(write_module: WriteModule) -> None:
    root = family()
    variant(root, "A")
    indices(root)
    again = family()
    variant(again, "B")
    assert indices(again) == {"B": 0}
    assert indices(root) == {"A": 0}


# One level, one root -----------------------------------------------------------------------------


def test_a_root_with_variants_makes_no_value() -> None:
    root = family()
    variant(root, "A")
    with pytest.raises(TypeError, match="build one of its variants"):
        root()
    with pytest.raises(TypeError, match="build one of its variants"):
        root.model_validate({})


def test_a_root_without_variants_is_a_model() -> None:
    class Only(TaggedUnion):
        x: U8

    assert codec_of(Only).encode(Only(x=3)) == b"\3"


def test_a_variant_of_a_variant_is_refused() -> None:
    root = family()
    member = variant(root, "A")
    with pytest.raises(SchemaError, match=r"B .* derives from a variant of Root") as caught:
        variant(member, "B")
    assert places_in(caught.value)[0].startswith(__file__)
    assert indices(root) == {"A": 0}


def test_fields_are_shared_by_a_plain_model() -> None:
    class Shared(BaseModel):
        x: U8

    root = family()

    class Both(root, Shared):  # type: ignore[misc, valid-type]
        y: U8

    assert codec_of(root).encode(Both(x=1, y=2)) == bytes(4) + b"\1\2"


def test_fields_of_the_root_are_those_of_each_variant_first() -> None:
    class Root(TaggedUnion):
        x: U8

    class Both(Root):
        y: U8

    assert codec_of(Root).encode(Both(x=1, y=2)) == bytes(4) + b"\1\2"


@pytest.mark.parametrize("base", [TaggedUnion, Command, Response])
def test_each_base_starts_families_of_its_own(base: type) -> None:
    left, right = family("Left", base), family("Right", base)
    variant(left, "A")
    variant(right, "B")
    assert indices(left) == {"A": 0}
    assert indices(right) == {"B": 0}
    assert family_of(base) is None


# Names of fields ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "copy",
        "json",
        "dict",
        "schema",
        "construct",
        "validate",
        "process",
        "register",
        "parse_obj",
        "from_orm",
        "model_dump",
        "model_fields",
        "model_config",
        "model_copy",
    ],
)
@pytest.mark.parametrize("base", [TaggedUnion, Command, None])
def test_a_field_that_hides_what_every_model_has_is_refused(name: str, base: Any) -> None:
    parent = base or family()
    with pytest.raises(SchemaError, match=rf"Bad\.{name} hides .* such as `{name}_`"):
        type("Bad", (parent,), {"__annotations__": {name: int}})


@pytest.mark.parametrize(
    "name", ["index", "name", "timeout", "type", "self", "cls", "data", "end", "copy_", "fields_"]
)
def test_other_names_are_free(name: str) -> None:
    root = family()
    member = variant(root, "Good", {name: U8})
    value = member.model_validate({name: 5})
    assert codec_of(root).decode(codec_of(root).encode(value)) == value


def test_a_refused_variant_leaves_no_trace() -> None:
    root = family()
    with pytest.raises(SchemaError):
        variant(root, "Bad", {"copy": int})
    variant(root, "Good")
    assert indices(root) == {"Good": 0}


# Families over several modules, local classes, late names -----------------------------------------


def test_a_family_over_several_modules(write_module: WriteModule) -> None:
    base = write_module(
        "base_commands",
        """
        from __future__ import annotations
        from lazyipc import TaggedUnion, U8
        class Root(TaggedUnion):
            pass
        class First(Root):
            x: U8
        """,
    )
    more = write_module(
        "more_commands",
        """
        from __future__ import annotations
        from lazyipc import U16
        from base_commands import Root
        class First(Root, name="first of more"):
            y: U16
        """,
    )
    assert indices(base.Root) == {"First": 0, "first of more": 1}
    assert codec_of(base.Root).decode(b"\1\0\0\0\5\0") == more.First(y=5)


def test_string_annotations_of_local_classes_are_found() -> None:
    small = Annotated[int, Field(le=5)]

    class Inner(BaseModel):
        x: small  # type: ignore[valid-type]

    class Root(TaggedUnion):
        pass

    class Member(Root):
        one: Inner
        many: list[Inner]
        least: small  # type: ignore[valid-type]

    value = Member(one=Inner(x=1), many=[], least=2)
    assert codec_of(Root).decode(codec_of(Root).encode(value)) == value
    with pytest.raises(ValidationError, match="least"):
        Member(one=Inner(x=1), many=[], least=6)


class Outer(TaggedUnion):
    pass


class Before(Outer):
    later: Later


class Later(BaseModel):
    x: U8


def test_string_annotations_may_name_what_comes_later() -> None:
    value = Before(later=Later(x=5))
    assert codec_of(Outer).encode(value) == bytes(4) + b"\5"


def test_an_annotation_that_is_never_defined_is_named() -> None:
    class Root(TaggedUnion):
        pass

    class Member(Root):
        x: Missing  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(SchemaError, match=r"Member.*Missing"):
        codec_of(Root)


# Strictness --------------------------------------------------------------------------------------


class Strict(TaggedUnion):
    small: U8 = 1
    plain: int = 1
    many: list[int] = Field(default_factory=list)
    row: tuple[int, ...] = ()
    pair: tuple[int, str] = (1, "")
    table: dict[str, int] = Field(default_factory=dict)
    keys: dict[int, str] = Field(default_factory=dict)
    maybe: int | None = None
    deep: dict[str, list[int | None]] = Field(default_factory=dict)
    positive: Annotated[int, Field(gt=0)] = 1
    text: str = ""
    flag: bool = False
    real: float = 0.0
    blob: bytes = b""


BAD_VALUES: list[tuple[str, Any, str]] = [
    ("small", "5", "small"),
    ("small", 256, "small"),
    ("small", -1, "small"),
    ("small", True, "small"),
    ("small", 1.0, "small"),
    ("small", None, "small"),
    ("plain", "5", "plain"),
    ("plain", 2**63, "plain"),
    ("plain", -(2**63) - 1, "plain"),
    ("many", [1, 2**63], "many.1"),
    ("many", (1,), "many"),
    ("row", (2**63,), "row.0"),
    ("row", [1], "row"),
    ("pair", (2**63, ""), "pair.0"),
    ("pair", (1,), "pair.1"),
    ("table", {"a": 2**63}, "table.a"),
    ("table", {1: 1}, "table.1.[key]"),
    ("keys", {2**63: ""}, f"keys.{2**63}.[key]"),
    ("maybe", 2**63, "maybe"),
    ("deep", {"a": [None, -(2**64)]}, "deep.a.1"),
    ("positive", 0, "positive"),
    ("positive", 2**63, "positive"),
    ("text", 5, "text"),
    ("text", b"x", "text"),
    ("flag", 1, "flag"),
    ("flag", "yes", "flag"),
    ("real", "1", "real"),
    ("blob", "x", "blob"),
    ("unknown", 1, "unknown"),
]


@pytest.mark.parametrize(("field", "value", "path"), BAD_VALUES)
def test_a_bad_value_is_refused_when_the_model_is_built(field: str, value: Any, path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Strict(**{field: value})
    assert [".".join(map(str, told["loc"])) for told in caught.value.errors()] == [path]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("small", 255),
        ("plain", 2**63 - 1),
        ("plain", -(2**63)),
        ("many", [2**63 - 1]),
        ("deep", {"a": [None, -(2**63)]}),
        ("positive", 2**63 - 1),
        ("real", 1),
    ],
)
def test_a_value_at_the_edge_is_taken_and_travels(field: str, value: Any) -> None:
    built = Strict(**{field: value})
    assert codec_of(Strict).decode(codec_of(Strict).encode(built)) == built


def test_a_missing_field_is_named() -> None:
    member = variant(family(), "Member", {"x": int, "y": int})
    with pytest.raises(ValidationError) as caught:
        member(x=1)
    assert [told["loc"] for told in caught.value.errors()] == [("y",)]


@pytest.mark.parametrize("name", ["default", "metadata", "serialization", "expected", "cls"])
def test_an_int_is_an_i64_whatever_its_field_is_called(name: str) -> None:
    member = variant(family(), "Member", {name: list[int]})
    with pytest.raises(ValidationError, match=name):
        member(**{name: [2**63]})


def test_bounds_wider_than_the_wire_are_narrowed_to_it() -> None:
    wide = variant(family(), "Wide", {"x": Annotated[int, Field(ge=0, le=2**70)]})
    with pytest.raises(ValidationError, match="x"):
        wide(x=2**63)
    small = variant(family(), "Small", {"x": Annotated[U8, Field(le=1000)]})
    with pytest.raises(ValidationError, match="x"):
        small(x=256)


def test_an_int_behind_an_alias_is_an_i64() -> None:
    number = TypeAliasType("number", int)
    member = variant(family(), "Member", {"x": number, "many": list[number]})
    assert codec_of(member).encode(member(x=1, many=[])) == b"\1" + bytes(15)
    with pytest.raises(ValidationError, match="x"):
        member(x=2**63, many=[])
    with pytest.raises(ValidationError, match="many"):
        member(x=1, many=[2**63])


def test_a_default_out_of_range_is_refused_when_the_model_is_built() -> None:
    class Member(family()):  # type: ignore[misc]
        x: U8 = 300

    with pytest.raises(ValidationError, match="x"):
        Member()


def test_values_are_frozen_hashable_and_copied_whole() -> None:
    value = Strict(small=7)
    with pytest.raises(ValidationError, match="frozen"):
        value.small = 8  # type: ignore[misc]
    assert copy.deepcopy(value) == value == value.model_copy()
    assert pickle.loads(pickle.dumps(value)) == value
    member = variant(family(), "Member", {"x": int})
    assert {member(x=1), member(x=1)} == {member(x=1)}
