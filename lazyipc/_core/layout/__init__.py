"""How each kind of shape is laid out in bytes: a table of rules, and what is made from it."""

from lazyipc._core.layout.models import fields_check, validator_of
from lazyipc._core.layout.rule import (
    Part,
    construct_of,
    decoder,
    encoder,
    opened,
    parts_of,
    readable,
    walk,
)

__all__ = [
    "Part",
    "construct_of",
    "decoder",
    "encoder",
    "fields_check",
    "opened",
    "parts_of",
    "readable",
    "validator_of",
    "walk",
]
