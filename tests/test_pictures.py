"""The pictures of the command are of what it shows now, and need nothing from anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs.pictures.drawing import drawing
from docs.pictures.make import FOLDER, SCENES, played
from tests.harness import ROOT

SVG = "{http://www.w3.org/2000/svg}"
STABLE = ("describe", "call", "shell")
"""The pictures that come out the same each time."""


def lines(svg: str) -> dict[str, str]:
    """The text in a picture by the height that it stands at; how it is split up does not matter."""
    found: dict[str, str] = {}
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        height = text.get("y", "")
        found[height] = found.get(height, "") + "".join(text.itertext()).replace("\xa0", " ")
    return {height: re.sub(r"\s+", "", text) for height, text in found.items()}


@pytest.mark.parametrize("name", STABLE)
def test_a_picture_shows_what_the_program_shows(name: str) -> None:
    drawn = drawing(played(name), name, f"lazyipc {name}")
    assert lines((FOLDER / f"{name}.svg").read_text()) == lines(drawn), "run make pictures"


def test_there_is_a_picture_of_each_scene_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_needs_nothing_from_anywhere(name: str) -> None:
    svg = (FOLDER / f"{name}.svg").read_text()
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@font-face|@import|<script|<image|<foreignObject", svg)
    assert str(Path.home()) not in svg
    assert "/tmp/" not in svg


@pytest.mark.parametrize("name", SCENES)
def test_nothing_in_a_picture_is_cut_off(name: str) -> None:
    root = ElementTree.fromstring((FOLDER / f"{name}.svg").read_text())
    _, _, width, height = map(float, root.get("viewBox", "").split())
    frames = {each.get("id") for each in root.iter(f"{SVG}clipPath")}
    for text in root.iter(f"{SVG}text"):
        if "clip-path" in text.attrib:
            assert float(text.get("x", "")) + float(text.get("textLength", "")) <= width
            assert float(text.get("y", "")) <= height
            assert text.get("clip-path", "")[5:-1] in frames


def test_the_readme_shows_the_pictures() -> None:
    text = (ROOT / "README.md").read_text()
    assert set(re.findall(r"docs/pictures/(\w+)\.svg", text)) == set(SCENES)
