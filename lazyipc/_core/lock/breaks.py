"""What a change of a family breaks, and for whom; told from two locks.

A change counts only if somebody meets it: a client of the framed wire, which compares fingerprints,
or one of the bare wire, which knows nothing but indices and layout. Knows locks only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lazyipc._core.lock.changes import changes_between, index_change, is_read_right
from lazyipc._core.lock.pinned import Lock, Pinned
from lazyipc._core.lock.text import exact

GONE = "gone, or the module that defines it was not imported"
"""What is told where a lock has what the classes that were imported have not."""


@dataclass(frozen=True, slots=True)
class Break:
    """Changes that belong together, and what comes of them.

    Args:
        is_bare_only: only clients of the bare wire meet it.
    """

    changes: tuple[str, ...]
    effects: tuple[str, ...]
    is_bare_only: bool = False

    def __str__(self) -> str:
        return "\n".join([*self.changes, *(f"    {effect}" for effect in self.effects)])


def breaks_between(old: Lock, new: Lock, *, bare: bool) -> list[Break]:
    """What breaks peers that know the old lock, when a program changes to the new one.

    Args:
        bare: whether any client of a command set may speak the bare wire.
    """
    if bool(old.commands) != bool(new.commands):
        kinds = ("a command set" if lock.commands else "a family of data" for lock in (old, new))
        told = "{} before, {} now".format(*kinds)
        return [Break((told,), ("Each family needs a lock file of its own.",))]
    if not old.commands:
        (((name, _), was),), (now,) = old.families.items(), new.families.values()
        return list(_variant_breaks(name, was, now, _PROGRAMS, named=True, indexed=True))
    found: list[Break] = []
    if bare and old.bare is not None and new.bare is None:
        found.append(_end_of_bare(old, new))
    bare = bare and None not in (old.bare, new.bare)
    found += _command_breaks(old, new, bare)
    for key, variants in old.families.items():
        found += _reply_breaks(key, variants, old, new, bare)
    return found


def _end_of_bare(old: Lock, new: Lock) -> Break:
    returned = {command.name: command.returns for command in old.commands}
    others = [
        f"; {command.name} returns {exact(command.returns)}"
        for command in new.commands
        if returned.get(command.name) != command.returns
    ]
    change = f"the reply to every command: {exact(old.bare)} before, no one type now"
    effect = "A server that takes Wire.BARE does not start: that wire needs one type."
    return Break((change + "".join(others),), (effect,), is_bare_only=True)


def _command_breaks(old: Lock, new: Lock, bare: bool) -> Iterator[Break]:
    named = {command.name: command for command in new.commands}
    for was in old.commands:
        name, now = was.name, named.get(was.name)
        if now is None:
            changes = [_gone(was, old, new)]
        else:
            reply = f"{name}'s reply"
            changes = [
                *changes_between(name, was.structure, now.structure),
                *changes_between(reply, was.returns, now.returns),
            ]
        is_bare_only, effects = not changes, []
        if changes:
            effects.append(f"Old clients that send {name} get SchemaMismatch, and nothing runs.")
        if bare:
            if now is not None:
                changes += index_change(name, was.index, now.index)
            effects += _bare_request_effect(was, new)
            if now is not None and not _is_bare_reply_read_right(old.bare, new.bare):
                if was.returns == now.returns:
                    told = f"{exact(old.bare)} before, {exact(new.bare)} now"
                    changes.append(f"{name}'s reply on the bare wire: {told}")
                effects.append(f"BARE clients that send {name} misread the reply.")
        if effects:
            yield Break(tuple(changes), tuple(effects), is_bare_only)


def _bare_request_effect(was: Pinned, new: Lock) -> Iterator[str]:
    """What becomes of a command that a bare client sends, by what has its index now."""
    at, sent = {command.index: command for command in new.commands}, f"send {was.name}"
    here = at.get(was.index)
    if here is None:
        is_misread = was.index is None or None in at  # one side writes no index at all
        yield f"BARE clients that {sent} are {'misread' if is_misread else 'dropped'}."
    elif here.name != was.name:
        yield f"BARE clients that {sent} would run {here.name}."
    elif not is_read_right(was.structure, here.structure):
        yield f"BARE clients that {sent} are misread."


def _is_bare_reply_read_right(old: Any, new: Any) -> bool:
    """Families are compared by themselves, variant by variant."""
    return old[0] == new[0] == "family" or is_read_right(new, old)


def _gone(was: Pinned, old: Lock, new: Lock) -> str:
    """A removed command, and what else it may be than removed."""
    known = {command.name for command in old.commands}
    alike = [
        command.name
        for command in new.commands
        if command.name not in known
        and (command.fields, command.returns) == (was.fields, was.returns)
    ]
    if alike:
        return f"{was.name}: gone, or renamed to {' or '.join(alike)}, which is new and alike"
    return f"{was.name}: {GONE}"


@dataclass(frozen=True, slots=True)
class _Readers:
    """Who reads a family's variants, and what to tell of them."""

    by_index: str
    when_gone: str
    when_changed: str


_CLIENTS = _Readers(
    "BARE clients",
    "Old clients get SchemaMismatch for what replaces {}, though their command ran.",
    "Old clients that are sent {} get SchemaMismatch, though their command ran.",
)
_PROGRAMS = _Readers(
    "Old programs",
    "Old programs know nothing that replaces {}, and new ones cannot read it.",
    "Old programs and new ones do not read each other's {}.",
)


def _reply_breaks(
    key: tuple[str, int], variants: tuple[Pinned, ...], old: Lock, new: Lock, bare: bool
) -> Iterator[Break]:
    """What changes of a family of responses break.

    Framed, a reply is known by name and fields where a command returns the family's root; where it
    returns one variant, that is part of the command. Bare, a reply is known by its index.
    """
    told: Any = ["family", *key]
    if any(command.returns == told for command in old.commands) and key in new.families:
        yield from _variant_breaks(
            key[0],
            variants,
            new.families[key],
            _CLIENTS,
            named=True,
            indexed=bare and old.bare == told,
        )
    elif bare and old.bare == told and new.bare is not None and new.bare[0] == "family":
        # The root may have got another name: of that the bare wire sees nothing.
        now = new.families[str(new.bare[1]), int(new.bare[2])]
        yield from _variant_breaks(key[0], variants, now, _CLIENTS, named=False, indexed=True)


def _variant_breaks(
    family: str,
    variants: tuple[Pinned, ...],
    now_all: tuple[Pinned, ...],
    readers: _Readers,
    *,
    named: bool,
    indexed: bool,
) -> Iterator[Break]:
    """What changes of variants break, for readers who know them by name or by index."""
    at, by_name = {v.index: v for v in now_all}, {v.name: v for v in now_all}
    old_at = {variant.index: variant for variant in variants}
    for was in variants:
        name, now, path = was.name, by_name.get(was.name), f"{family}.{was.name}"
        if now is None:
            changes = [f"{path}: {GONE}"]
        else:
            changes = list(changes_between(path, was.structure, now.structure))
        effects = []
        if changes and named:
            effects.append((readers.when_changed if now else readers.when_gone).format(name))
        is_bare_only = not effects and readers is _CLIENTS
        if indexed and now is None and was.index in at:
            effects.append(f"{readers.by_index} take {at[was.index].name} for {name}.")
        if indexed and now is not None:
            changes += index_change(path, was.index, now.index)
            meant = old_at.get(now.index)
            if meant is None:
                effects.append(f"{readers.by_index} do not know index {now.index}.")
            elif meant is not was:
                effects.append(f"{readers.by_index} take {name} for {meant.name}.")
            elif readers is _CLIENTS and not is_read_right(now.structure, was.structure):
                effects.append(f"{readers.by_index} misread {name}.")
        if effects:
            yield Break(tuple(changes), tuple(effects), is_bare_only)
