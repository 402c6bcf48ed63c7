"""JSON of what travels: serde's externally tagged form of each shape, and lines of it."""

from lazyipc._core.json_form import arrays as arrays
from lazyipc._core.json_form import atoms as atoms
from lazyipc._core.json_form import containers as containers
from lazyipc._core.json_form import maps as maps
from lazyipc._core.json_form import models as models
from lazyipc._core.json_form import standard as standard
from lazyipc._core.json_form.atoms import no_such
from lazyipc._core.json_form.form import JsonForm
from lazyipc._core.json_form.models import tag_of
from lazyipc._core.json_form.rule import Key, Misfit, Room, found
from lazyipc._core.json_form.text import Line

__all__ = ["JsonForm", "Key", "Line", "Misfit", "Room", "found", "no_such", "tag_of"]
