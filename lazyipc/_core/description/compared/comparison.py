"""Two descriptions of a server compared: what differs, which old clients it breaks, and why.

An old client knows the old description and meets a server of the new one. On the framed wire it
names each command by a fingerprint, on the bare one by an index and a layout, on JSON by names
alone. So each wire has rules of its own: those of the first two are `_core.lock`'s, those of JSON
`reshaping`'s and `demanding`'s. Knows descriptions only; no sockets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lazyipc._core.description.compared.demanding import Place, Places, is_stricter
from lazyipc._core.description.compared.locking import described_lock
from lazyipc._core.description.compared.reshaping import Reshaping
from lazyipc._core.lock.breaks import GONE, breaks_between
from lazyipc._core.record import Value

if TYPE_CHECKING:
    from lazyipc._core.description.model import CommandInfo, Description

__all__ = ["Difference", "compare"]

WIRES = ("framed", "json", "bare")


class Difference(Value):
    """One thing that differs.

    Args:
        path: what: `SetRate`, `SetRate.lr`, `SetRate's reply Progress.step`.
        text: how it was and how it is.
        breaks: the wires whose old clients no longer get what they want: of framed, json, bare.
        why: what becomes of whom, a line each.
    """

    path: str
    text: str
    breaks: frozenset[str]
    why: str

    def __str__(self) -> str:
        return "\n".join([f"{self.path}: {self.text}", *(f"    {w}" for w in self._reasons)])

    @property
    def _reasons(self) -> list[str]:
        return self.why.splitlines()


def compare(old: Description, new: Description) -> list[Difference]:
    """What differs, and whom it breaks of those who know the old description.

    Only wires that the old server took have clients to break; where its description does not say
    which those are, it is taken that they were framed and JSON.

    Returns:
        What breaks somebody first, then what breaks nobody.
    """
    found = _Comparison(old, new).found()
    return sorted(found, key=lambda difference: not difference.breaks)


class _Comparison:
    """The differences as they are found, those of one path together."""

    def __init__(self, old: Description, new: Description) -> None:
        self.old, self.new = old, new
        self._places = Places(old.definitions), Places(new.definitions)
        self.was_taken = _wires(old)
        self.is_taken = _wires(new)
        self.wires = self.was_taken & self.is_taken
        self._told: dict[str, tuple[list[str], set[str], list[str]]] = {}

    def found(self) -> list[Difference]:
        self._compare_server()
        self._compare_wires_of_commands()
        now = {command.name: command for command in self.new.commands}
        known = {command.name for command in self.old.commands}
        for command in self.old.commands:
            if command.name in now:
                self._compare_command(command, now[command.name])
            elif "json" in self.wires:
                why = f"JSON clients that send {command.name} get an error: there is none."
                self._add(command.name, "gone", {"json"}, [why])
        self._compare_families()
        for command in self.new.commands:
            if command.name not in known:
                self._add(command.name, "new", (), ["No old client sends it."])
        return [
            Difference(path, "; ".join(texts), frozenset(breaks), "\n".join(why))
            for path, (texts, breaks, why) in self._told.items()
        ]

    def _add(self, path: str, text: str, breaks: Iterable[str], why: Iterable[str]) -> None:
        """Tell of a difference; where its path was told of, that says how it was and is."""
        texts, broken, reasons = self._told.setdefault(path, ([], set(), []))
        if text and not texts:
            texts.append(text)
        broken.update(breaks)
        reasons.extend(reason for reason in why if reason not in reasons)

    # The whole -----------------------------------------------------------------------------------

    def _compare_server(self) -> None:
        for wire in WIRES:
            if wire in self.was_taken - self.is_taken:
                why = f"{wire.upper()} clients are turned away."
                self._add(f"the {wire.upper()} wire", "taken before, not now", {wire}, [why])
            elif wire in self.is_taken - self.was_taken:
                text = "not taken before, taken now"
                self._add(f"the {wire.upper()} wire", text, (), ["It has no old clients."])
        if "json" in self.wires and self.old.is_tagged != self.new.is_tagged:
            forms = {
                True: "a line names its command",
                False: "a line is the command's fields alone",
            }
            text = f"{forms[self.old.is_tagged]} before, {forms[self.new.is_tagged]} now"
            why = "JSON clients get an error for every command."
            self._add("the form of a line", text, {"json"}, [why])
        if self.old.doc != self.new.doc:
            self._add(self.old.name, "its doc differs", (), ["It is text for people."])

    # Framed and bare -----------------------------------------------------------------------------

    def _compare_wires_of_commands(self) -> None:
        """What the locks of the two tell: of fingerprints, indices and layouts."""
        was, now = described_lock(self.old), described_lock(self.new)
        if not (was.commands and now.commands):
            return
        framed: dict[str, tuple[str, ...]] = {}
        if "framed" in self.wires:
            for found in breaks_between(was, now, bare=False):
                told = tuple(_of_framed(effect) for effect in found.effects)
                framed |= dict.fromkeys(found.changes, told)
        both = breaks_between(was, now, bare="bare" in self.wires)
        bare: dict[str, list[str]] = {}
        for found in both:
            known = {effect for change in found.changes for effect in framed.get(change, ())}
            effects = [effect for effect in found.effects if _of_framed(effect) not in known]
            for change in found.changes:
                bare[change] = effects if "bare" in self.wires else []
        for change in {**framed, **bare}:
            path, _, text = change.partition(": ")
            text = "gone" if text == GONE else text  # a server imports what it serves
            breaks = {"framed"} if change in framed else set()
            breaks |= {"bare"} if bare.get(change) else set()
            self._add(path, text, breaks, [*framed.get(change, ()), *bare.get(change, ())])

    # One command ---------------------------------------------------------------------------------

    def _compare_command(self, was: CommandInfo, now: CommandInfo) -> None:
        if was.doc != now.doc:
            self._add(now.name, "its doc differs", (), ["It is text for people."])
        if was.timeout != now.timeout:
            before, after = (
                "none" if t is None else f"{t:g} s" for t in (was.timeout, now.timeout)
            )
            text = f"{before} before, {after} now"
            why = "Old clients keep the timeout that they know."
            self._add(f"{now.name}'s timeout", text, (), [why])
        had_form, has_form = (None not in (c.request, c.response) for c in (was, now))
        if had_form and not has_form and "json" in self.wires:
            why = f"JSON clients that send {now.name} get an error."
            self._add(now.name, f"it has no JSON form now: {now.json}", {"json"}, [why])
        if had_form and has_form:
            self._compare_request(was, now)
            self._compare_reply(was, now)

    def _compare_request(self, was: CommandInfo, now: CommandInfo) -> None:
        name = now.name
        before, after = map(_request_places, self._places, (was, now))
        if "json" in self.wires:
            reshaping = Reshaping(after, is_reply=False)
            fields = ({field.name: field.wire for field in c.fields} for c in (was, now))
            reshaping.compare_fields(name, *fields)
            self._add_reshaped(reshaping)
        for path in before:
            if path in after:
                self._compare_key(path, before[path], after[path], is_reply=False)
                self._compare_place(path, before[path], after[path])

    def _add_reshaped(self, reshaping: Reshaping) -> None:
        for path, (text, is_broken, why) in reshaping.found.items():
            self._add(path, text, {"json"} if is_broken else (), [why])

    def _compare_key(self, path: str, was: Place, now: Place, *, is_reply: bool) -> None:
        """Compare what a field is called in JSON."""
        if "json" not in self.wires or was.key == now.key:
            return
        why = f"JSON clients that give {was.key} get an error: there is no such field."
        if is_reply:
            why = f"JSON clients that look for {was.key} find nothing."
        self._add(path, f"called {was.key} in JSON before, {now.key} now", {"json"}, [why])

    def _compare_place(self, path: str, was: Place, now: Place) -> None:
        """Compare what is asked of a request's field, or a part of one, beside its type."""
        clients = [wire for wire in WIRES if wire in self.wires]
        if was.words != now.words:
            text = _changed_words(was, now)
            if is_stricter(now.said, was.said):
                why = "Values that were taken are refused now: DecodeError, and nothing runs."
                self._add(path, text, clients, [why])
            else:
                self._add(path, text, (), ["All values that were taken still are."])
        if "json" in self.wires:
            self._compare_default(path, was, now)
        if was.doc != now.doc:
            self._add(path, "its doc differs", (), ["It is text for people."])

    def _compare_default(self, path: str, was: Place, now: Place) -> None:
        """Compare what becomes of a field that is left out, as JSON clients may."""
        if was.is_required != now.is_required:
            if now.is_required:
                text = "could be left out before, is required now"
                why = "JSON clients that leave it out get an error."
                self._add(path, text, {"json"}, [why])
            else:
                text = "required before, may be left out now"
                self._add(path, text, (), ["Old clients go on giving it."])
        elif was.default != now.default:
            text = f"its default was {was.default}, and is {now.default}"
            why = "JSON clients that leave it out now mean the new default."
            self._add(path, text, (), [why])

    def _compare_reply(self, was: CommandInfo, now: CommandInfo) -> None:
        reply = f"{now.name}'s reply"
        known, are = _variants(self.old, was), _variants(self.new, now)
        if None not in (was.family, now.family) and was.returns == now.returns:
            return  # their variants are compared by themselves
        before, after = self._reply_places(was, now, reply)
        reshaping = Reshaping(after, is_reply=True)
        match was.returns, now.returns:
            case ["response", name, left], ["response", other, right] if name == other:
                reshaping.compare_fields(f"{reply} {name}", dict(left), dict(right))
            case _ if known and are:
                reshaping.compare_variants(reply, known, are)
            case _:
                reshaping.compare(reply, was.returns, now.returns)
        if "json" in self.wires:
            self._add_reshaped(reshaping)
        self._compare_reply_places(before, after)

    def _reply_places(self, was: CommandInfo, now: CommandInfo, reply: str) -> _BeforeAndAfter:
        sides = zip((self.old, self.new), self._places, (was, now), strict=True)
        before, after = (_reply_places(*side, reply) for side in sides)
        return before, after

    def _compare_reply_places(self, before: dict[str, Place], after: dict[str, Place]) -> None:
        for path in before:
            if path in after:
                self._compare_key(path, before[path], after[path], is_reply=True)
                self._compare_reply_place(path, before[path], after[path])

    def _compare_reply_place(self, path: str, was: Place, now: Place) -> None:
        """Compare what a reply's part is held to: classes do that, which JSON clients have not."""
        clients = [wire for wire in ("framed", "bare") if wire in self.wires]
        if was.words == now.words or not clients:
            return
        text = _changed_words(was, now)
        if is_stricter(was.said, now.said):
            who = " and ".join(map(str.upper, clients))
            why = f"{who} clients whose classes have the old constraint refuse a reply beyond it."
            self._add(path, text, clients, [why])
        else:
            self._add(path, text, (), ["Old clients take every such reply."])

    # Families ------------------------------------------------------------------------------------

    def _compare_families(self) -> None:
        """Compare the variants of each family that is declared by its root, once."""
        now = {command.name: command for command in self.new.commands}
        compared = set()
        for was in self.old.commands:
            command = now.get(was.name)
            pair = was.family, command.family if command else None
            if (
                command is None
                or None in pair
                or pair in compared
                or was.returns != command.returns
            ):
                continue
            compared.add(pair)
            self._compare_family(was, command)

    def _compare_family(self, was: CommandInfo, now: CommandInfo) -> None:
        name = str(now.returns[1])
        before, after = _variants(self.old, was) or {}, _variants(self.new, now) or {}
        reshaping = Reshaping({}, is_reply=True)
        for variant, fields in after.items():
            if variant not in before:
                why = f"Old clients do not know it, and may be answered with {variant}."
                self._add(f"{name}.{variant}", "new", (), [why])
            elif "json" in self.wires:
                reshaping.compare_fields(f"{name}.{variant}", before[variant], fields)
        self._add_reshaped(reshaping)
        if None not in (was.response, now.response):
            self._compare_reply_places(*self._reply_places(was, now, ""))


# What is where ------------------------------------------------------------------------------------


def _of_framed(effect: str) -> str:
    """An effect told by a lock, which says "old clients" of those who are not of the bare wire."""
    return effect.replace("Old clients", "FRAMED clients", 1)


def _wires(description: Description) -> frozenset[str]:
    return frozenset(wire.lower() for wire in description.server.wires) or frozenset(WIRES[:2])


def _changed_words(was: Place, now: Place) -> str:
    before, after = (", ".join(place.words) or "no constraint" for place in (was, now))
    return f"{before} before, {after} now"


_BeforeAndAfter = tuple[dict[str, Place], dict[str, Place]]


def _request_places(places: Places, command: CommandInfo) -> dict[str, Place]:
    """What stands where in a request."""
    found: dict[str, Place] = {}
    for each in command.fields:
        path, is_required = f"{command.name}.{each.name}", each.is_required
        found |= places.of(each.schema, each.wire, path, key=each.key, is_required=is_required)
    return found


def _reply_places(
    description: Description, places: Places, command: CommandInfo, reply: str
) -> dict[str, Place]:
    """The same for a reply, by the paths that its differences are told by."""
    wire, here, there = command.returns, reply, reply
    variants = _variants(description, command)
    if variants is not None:
        wire = ["choice", [[0, name, [*fields.items()]] for name, fields in variants.items()]]
        is_one = command.family is None
        here, there = (f"{reply}.", f"{reply} ") if is_one else (reply, str(command.returns[1]))
    found = places.of(command.response, wire, reply)
    return {
        path if path == reply else there + path.removeprefix(here): place
        for path, place in found.items()
    }


def _variants(description: Description, command: CommandInfo) -> dict[str, dict[str, Any]] | None:
    """The variants that a reply may be, with their fields; None where it is of no family."""
    match command.returns:
        case ["response", str(name), fields]:
            return {name: dict(fields)}
        case ["family", _] if command.family is not None:
            family = description.families[command.family]
            return {variant.name: dict(variant.fields) for variant in family.variants}
    return None
