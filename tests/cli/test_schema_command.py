"""`lazyipc schema`: what stands in version control, and what a change of it breaks."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc.cli._views.schema import read_file, replace_file, text_of
from tests.cli.home import Home
from tests.cli.inside import Inside

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home() as home:
        home.host("train")
        home.host("next", "--schema", "new")
        yield home


@pytest.fixture
def old(inside: Inside, tmp_path: Path) -> str:
    """The older server's description as a file."""
    path = str(tmp_path / "old.json")
    assert inside.run("schema", "train", "-o", path) == (0, "", "")
    return path


# The file ----------------------------------------------------------------------------------------


def test_it_is_the_same_for_every_run_of_one_program(inside: Inside, tmp_path: Path) -> None:
    first, second = (inside.run("schema", "train").out for _ in range(2))
    with Home() as other:
        other.host("elsewhere", "--wires", "both")
        third = other.run("schema", "elsewhere").stdout
    assert first == second == third


def test_what_it_holds(inside: Inside) -> None:
    done = inside.run("schema", "train")
    assert done.code == 0
    told = json.loads(done.out)
    whole = inside.run("describe", "train").json
    assert told == {**whole, "server": {"wires": whole["server"]["wires"]}}
    lines = done.out.splitlines()
    assert lines[:2] == ["{", '  "lazyipc": 1,']
    for each, kept in zip(whole["commands"], told["commands"], strict=True):
        assert [*kept] == [*each], "fields in the order that they were declared in"
    assert done.out.endswith("}\n")


def test_stdout_has_it_as_the_file_has(inside: Inside, old: str) -> None:
    told = Path(old).read_text()
    assert inside.run("schema", "train").out == told
    assert inside.run("schema", "train", "-o", "-").out == told
    assert inside.shown("schema", "train") == told.rstrip("\n")


def test_what_is_written_is_read_again(old: str) -> None:
    description = read_file(old)
    assert text_of(description) == Path(old).read_text()
    assert description.server.wires == ("FRAMED", "JSON")


def test_a_file_is_replaced_as_a_whole(inside: Inside, tmp_path: Path) -> None:
    target, link = tmp_path / "kept.json", tmp_path / "link.json"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    assert inside.run("schema", "train", "--output", str(link)).code == 0
    assert link.is_symlink()
    assert target.read_text().startswith("{")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["kept.json", "link.json"]


def test_what_cannot_be_written_is_left(inside: Inside, tmp_path: Path) -> None:
    done = inside.run("schema", "train", "-o", str(tmp_path / "no" / "such.json"))
    assert done.code == 2
    assert "cannot be written: No such file or directory" in done.err
    kept = tmp_path / "kept"
    kept.mkdir()
    with pytest.raises(ValueError, match="cannot be written"):
        replace_file(str(kept), "text")
    assert os.listdir(tmp_path) == ["kept"]


def test_what_is_no_file_is_written_to(inside: Inside, old: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    for path in (pipe, tmp_path / "link"):
        with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)) as reader:
            replace_file(str(path), "text")
            assert reader.read() == "text"
        assert stat.S_ISFIFO(path.stat().st_mode)
    replace_file("/dev/null", "text")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    done = inside.run("schema", "train", "-o", "/dev/full")
    assert (done.code, done.err) == (
        2,
        "lazyipc: /dev/full cannot be written: No space left on device\n",
    )
    done = inside.home.run("schema", "train", "-o", "/dev/stdout")
    assert (done.returncode, done.stdout) == (0, Path(old).read_text())


def test_the_older_one_may_come_from_stdin(inside: Inside, old: str) -> None:
    done = inside.home.run("schema", "train", "--diff", "-", given=Path(old).read_text())
    assert json.loads(done.stdout) == {"is_breaking": False, "differences": []}


# The comparison ----------------------------------------------------------------------------------


def test_the_same(inside: Inside, old: str) -> None:
    done = inside.run("schema", "train", "--diff", old)
    assert (done.code, done.json) == (0, {"is_breaking": False, "differences": []})
    assert "nothing differs" in inside.shown("schema", "train", "--diff", old)


def test_what_breaks_and_what_does_not(inside: Inside, old: str) -> None:
    done = inside.run("schema", "next", "--diff", old)
    assert done.code == 5
    assert done.json["is_breaking"]
    told = {one["path"]: one for one in done.json["differences"]}
    assert {path: one["breaks"] for path, one in told.items()} == {
        "SetRate.warmup": ["framed"],
        "Tag": ["framed", "json"],
        "Save": [],
    }
    assert "JSON clients may leave it out; it is 0 then." in told["SetRate.warmup"]["why"]


def test_it_is_explained_to_people(inside: Inside, old: str) -> None:
    told = inside.shown("schema", "next", "--diff", old, code=5)
    assert told.splitlines()[:4] == [
        "2 differences break old clients (of FRAMED, JSON):",
        "  SetRate.warmup: absent before, u32 now  [FRAMED]",
        "      FRAMED clients that send SetRate get SchemaMismatch, and nothing runs.",
        "      JSON clients may leave it out; it is 0 then.",
    ]
    assert "1 difference breaks nobody:\n  Save: new" in told


def test_a_whole_description_can_be_the_old_one(inside: Inside, tmp_path: Path) -> None:
    whole = inside.run("describe", "train").json
    for number, document in enumerate((whole, {"Ok": whole})):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(document))
        assert inside.run("schema", "train", "--diff", str(path)).code == 0
        assert inside.run("schema", "next", "--diff", str(path)).code == 5


def test_what_breaks_bare_clients_alone_is_told_and_is_no_failure(
    inside: Inside, tmp_path: Path
) -> None:
    document = inside.run("describe", "train").json
    document["server"]["wires"] = ["BARE", "FRAMED", "JSON"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document))
    done = inside.run("schema", "train", "--diff", str(path))
    assert (done.code, done.json["is_breaking"]) == (0, False)
    assert done.json["differences"][0]["breaks"] == ["bare"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1, column 1: no JSON"),
        ('{\n "a": }', "line 2, column 7: no JSON"),
        ("[]", "the whole: an object is wanted"),
        ("{}", 'the whole: "lazyipc" is missing'),
        ('{"lazyipc": 1, "server": 7}', "server: an object is wanted"),
        ('{"lazyipc": 2}', "version 2"),
        ("[" * 100_000, "it nests too deep"),
        ("\xff\xfe", "no JSON"),
        ("9" * 5000, "no JSON"),
    ],
)
def test_a_file_that_is_no_description(
    inside: Inside, tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(text.encode("latin-1"))
    done = inside.run("schema", "train", "--diff", str(path))
    assert (done.code, done.out) == (2, "")
    assert str(path) in done.err
    assert told in done.err


def test_a_file_that_is_not_there(inside: Inside) -> None:
    done = inside.run("schema", "train", "--diff", "/nowhere/old.json")
    assert (done.code, "No such file" in done.err) == (2, True)


def test_comparing_and_writing_are_two_calls(inside: Inside, old: str) -> None:
    assert inside.run("schema", "train", "--diff", old, "-o", old).code == 2


def test_hostile_texts_in_the_old_one(inside: Inside, old: str, tmp_path: Path) -> None:
    def spoilt(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoilt(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [*map(spoilt, value)]
        return (
            "\x1b[2J\u202e" + value if value in ("Tag", "names", "Give the run names.") else value
        )

    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(spoilt(json.loads(Path(old).read_text()))))
    done = inside.run("schema", "train", "--diff", str(path))
    if done.code == 5:
        assert r"\x1b[2J\u202e" in inside.shown("schema", "train", "--diff", str(path), code=5)
    else:
        assert done.code == 2
