"""How the schemas of two peers compare: message by message, by name.

Source: docs/protocol.md, "RPC". What the other side says of its own is believed to be no more than
text: whatever it holds, to compare it costs as much as it is long.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lazyipc._core import schema
from lazyipc._core.connection.hello import UNFIT, SchemaStatus
from lazyipc._core.messages import MessageSet
from lazyipc._core.record import Value
from lazyipc.errors import DecodeError, SchemaMismatch

DIFFERENCE_LIMIT = 10_000
"""Characters of a difference: the other side has written half of it."""

KNOWN_LIMIT = 500
"""Characters of what the other side has, told for each message that it has not."""


class Comparison(Value):
    """How two schemas compare, and which of our messages the other side does not take.

    Args:
        status: what is told of it.
        refused: by name, why not.
    """

    status: SchemaStatus
    refused: dict[str, str]


def compare(ours: MessageSet, theirs: str) -> SchemaStatus:
    """How our messages compare with the description in another side's hello.

    Raises:
        DecodeError: that is no description.
    """
    return compared(ours, theirs).status


def compared(ours: MessageSet, theirs: str) -> Comparison:
    """The same, with what follows for each of our messages.

    Raises:
        DecodeError: `theirs` is no description.
    """
    if theirs == ours.description:
        return Comparison(SchemaStatus("matched", ours=theirs, theirs=theirs), {})
    here = _messages(ours.description)
    try:
        return _compared(ours.description, here, theirs, _messages(theirs))
    except UNFIT as error:
        reason = f"the other side's description: {error!r}"[:DIFFERENCE_LIMIT]
        raise DecodeError(reason, offset=0) from error


def mismatch_of(ours: MessageSet, name: str, theirs: str) -> SchemaMismatch:
    """Why the other side did not take a message that was sent to it.

    Raises:
        DecodeError: `theirs` is no description.
    """
    refused = compared(ours, theirs).refused
    told = refused.get(name, f"{name} is described alike on both sides, yet was not taken")
    return SchemaMismatch(f"{name} was not run: {told}", ours=ours.description, theirs=theirs)


_Variants = dict[str, Any]
"""Of a family that is returned: fields by name."""


class _Message(Value):
    """One message of a description; `variants` where its replies are of a family by its root."""

    fields: list[Any]
    returns: schema.Description | None
    variants: _Variants | None


def _messages(description: str) -> dict[str, _Message]:
    told = json.loads(description)
    families = [_by_name(family) for family in told.get("families", [])]
    found = {}
    for message in told["messages"]:
        at = message.get("family")
        variants = None if at is None else families[at]
        returns = message.get("returns")
        found[_name(message["name"])] = _Message(list(message["fields"]), returns, variants)
    return found


def _by_name(family: list[Any]) -> _Variants:
    return {_name(name): fields for name, fields in family}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a name is text, not {name!r}")
    return name


class _Replies:
    """Compares the families that messages return; each two once, however many return them."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], str] = {}
        self.differing: list[str] = []
        """What of them both sides have, and not alike."""
        self.added: list[str] = []
        """What one side alone has."""

    def refusal(self, ours: _Message, theirs: _Message) -> str:
        """Why replies to a message cannot be read; empty where they can."""
        here, there = ours.variants, theirs.variants
        if here is None or there is None:
            return ""
        pair = id(here), id(there)
        if pair not in self._seen:
            lines: list[str] = []
            for variant in here:
                if variant in there:
                    lines += schema.field_lines(variant, here[variant], there[variant])
            self.differing += lines
            self.added += _alone(f"{schema.text_of(ours.returns or '')}.", here, there)
            self._seen[pair] = _cut(lines)
        return self._seen[pair]


def _compared(
    ours: str, here: dict[str, _Message], theirs: str, there: dict[str, _Message]
) -> Comparison:
    refused, differences, replies = {}, [], _Replies()
    known = _listed(there)[:KNOWN_LIMIT]
    for name, message in here.items():
        if name not in there:
            refused[name] = f"the other side has no message {name}; it has {known}"
            continue
        lines = _differing(name, message, there[name])
        differences += lines
        reason = _cut(lines) or replies.refusal(message, there[name])
        if reason:
            refused[name] = reason
    differences += replies.differing
    if not here.keys() & there.keys():
        differences.append(f"no message in common: {_listed(here)} here, {_listed(there)} there")
    if differences:
        return _told("mismatch", differences, ours, theirs, refused)
    extra = [*_alone("", here, there), *replies.added]
    return _told("compatible" if extra else "matched", extra, ours, theirs, refused)


def _told(
    kind: Any, lines: list[str], ours: str, theirs: str, refused: dict[str, str]
) -> Comparison:
    return Comparison(SchemaStatus(kind, _cut(lines), ours=ours, theirs=theirs), refused)


def _differing(name: str, ours: _Message, theirs: _Message) -> list[str]:
    """What of a message keeps it from being sent, but for a family that it returns."""
    lines = schema.field_lines(name, ours.fields, theirs.fields)
    if not lines and ours.fields != theirs.fields:
        lines.append(f"{name}: its fields are described differently")
    if ours.returns == theirs.returns:
        return lines
    if ours.returns is not None and theirs.returns is not None:
        return [*lines, schema.returns_line(name, ours.returns, theirs.returns)]
    where = "there" if ours.returns is None else "here"
    return [*lines, f"{name} has process {where} alone; replies to it differ"]


def _alone(prefix: str, here: dict[str, Any], there: dict[str, Any]) -> list[str]:
    """What one side alone has."""
    lines = [f"{prefix}{name}: here, not there" for name in here if name not in there]
    return lines + [f"{prefix}{name}: there, not here" for name in there if name not in here]


def _listed(names: Iterable[str]) -> str:
    return _shortened(", ".join(names) or "none")


def _cut(lines: list[str]) -> str:
    return _shortened("\n".join(lines))


def _shortened(text: str) -> str:
    return text if len(text) <= DIFFERENCE_LIMIT else text[: DIFFERENCE_LIMIT - 1] + "…"
