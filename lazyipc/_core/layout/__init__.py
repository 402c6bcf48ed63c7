"""How each kind of shape is laid out in bytes: a table of rules, and what is made from it."""

from lazyipc._core.layout import atoms as atoms
from lazyipc._core.layout import containers as containers
from lazyipc._core.layout import models as models
from lazyipc._core.layout.rule import (
    construct_of,
    decoder,
    encoder,
    parts_of,
    walk,
)

__all__ = ["construct_of", "decoder", "encoder", "parts_of", "walk"]
