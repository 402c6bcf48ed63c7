"""The words behind a command: options and values in, the JSON object of its fields out.

The grammar is the same for `lazyipc call`, the shell and an application's own program:

- `--lr 0.1`, `--lr=0.1`; or the values alone, in the order of the fields that no option gives. A
  sequence that is the last of these takes all values that are left.
- `--quiet` and `--no-quiet` of a bool; `--no-note` of an Option is null.
- an option of a sequence that comes again appends; `--point.x 1` gives a part.
- `--json '{…}'` gives all fields at once; behind `--` there are only values; `-5` is a number.

Knows descriptions and words; no servers. What a word means for its type is told in `_atoms` and
`_given`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazyipc._core.nearest import UnknownName, nearest
from lazyipc._core.record import Value
from lazyipc.cli._words.atoms import BadWord, quoted
from lazyipc.cli._words.given import SEQUENCES, TEXTS, Given, kind_of, unwrapped, value_given

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from lazyipc._core.description.model import CommandInfo, Description, FieldInfo
    from lazyipc.cli._words.given import ReadFile

LARGEST_FILE_BYTES = 64 * 1024 * 1024
"""What `@file` reads at most: four times the largest message of a server that changed no limit."""


class Option(Value):
    """An option that is no field's: those of the program itself.

    Args:
        name: as it is typed behind the hyphens.
        metavar: what its value is called in help texts; empty where it takes none.
        help: what it does.
    """

    name: str
    metavar: str
    help: str


class Words(Value):
    """What words mean.

    Args:
        fields: the JSON object of the command's fields.
        options: the program's own options that stood between them.
        is_stdin: whether a single hyphen stands in place of the fields.
    """

    fields: dict[str, Any]
    options: dict[str, str]
    is_stdin: bool = False


def file_bytes(path: str) -> bytes:
    """What a file holds.

    Raises:
        ValueError: it is too large for any message.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(LARGEST_FILE_BYTES + 1)
    if len(data) > LARGEST_FILE_BYTES:
        raise ValueError(f"it has more than {LARGEST_FILE_BYTES} bytes")
    return data


def value_of(
    command: CommandInfo,
    description: Description,
    words: Sequence[str],
    read_file: ReadFile = file_bytes,
) -> dict[str, Any]:
    """The JSON object of a command's fields that words stand for.

    Raises:
        BadWord: a word is no value of its field, or one is missing or too many.
        UnknownName: no field has the name of an option.
    """
    return read_words(command, words, {}, read_file).fields


def line_of(command: CommandInfo, description: Description, fields: dict[str, Any]) -> Any:
    """The JSON value that stands for a command on a line.

    Raises:
        BadWord: the command has no JSON form.
    """
    _check_json(command)
    return {command.name: fields} if description.is_tagged else fields


def read_words(
    command: CommandInfo,
    words: Sequence[str],
    options: Mapping[str, Option],
    read_file: ReadFile = file_bytes,
    *,
    may_be_stdin: bool = False,
) -> Words:
    """The same, where options of the program's own may stand between; a field's name wins.

    Args:
        options: the program's own, by name.
        may_be_stdin: whether a single hyphen, and nothing else, means something of its own.
    """
    reader = _Reader(command, options)
    reader.read(words)
    if "help" in reader.options:
        return Words({}, reader.options)
    _check_json(command)
    if may_be_stdin and reader.has_hyphen and reader.values == ["-"] and not reader.given:
        return Words({}, reader.options, True)
    if reader.json is not None:
        return Words(reader.json, reader.options)
    reader.place_values()
    fields = {
        field.key: reader.value(given, field, read_file)
        for field in command.fields
        if (given := reader.given.get(field.name)) is not None
    }
    missing = [f.option_name for f in command.fields if f.is_required and f.key not in fields]
    if missing:
        raise BadWord(f"{command.option_name} needs {', '.join(missing)} as well")
    return Words(fields, reader.options)


def _check_json(command: CommandInfo) -> None:
    """Refuse a command that no words can give."""
    if command.request is None:
        raise BadWord(
            f"{command.option_name} has no JSON form, and so none in words: {command.json}"
        )


class _Reader:
    """Sorts words by the fields they are for."""

    def __init__(self, command: CommandInfo, options: Mapping[str, Option]) -> None:
        self.command = command
        self.known = options
        self.given: dict[str, Given] = {}
        self.values: list[str] = []
        self.options: dict[str, str] = {}
        self.json: dict[str, Any] | None = None
        self.has_hyphen = False
        """Whether a single hyphen stood where options may."""
        self._meant: dict[str, str] = {}
        """Of words behind an option that does not take them: how they are given to it."""

    def read(self, words: Sequence[str]) -> None:
        rest = [*reversed(words)]
        while rest:
            word = rest.pop()
            if word == "--":
                self.values += reversed(rest)
                break
            if word.startswith("--"):
                self._option(word[2:], rest)
            elif word == "-h" and "help" in self.known:  # which no field can take
                self.options["help"] = ""
            elif word.startswith("-") and word != "-" and not is_number(word):
                raise BadWord(
                    f"options begin with two hyphens, {quoted(word)} does not; "
                    "a value that begins with one stands behind --"
                )
            else:
                self.has_hyphen = self.has_hyphen or word == "-"
                self.values.append(word)
        if self.json is not None and (self.given or self.values):
            raise BadWord("--json gives all fields, and others are given beside it")

    def _option(self, text: str, rest: list[str]) -> None:
        name, has_value, value = text.partition("=")
        found = self._field(name)
        if found is None:
            self._no_field(name, value if has_value else None, rest)
            return
        field, parts, is_negated = found
        given = self._given(field)
        for part in parts:
            given = given.part(part)
        wire = unwrapped(field.wire) if not parts else None
        if is_negated:
            if has_value:
                raise BadWord(f"--{name} takes no value")
            self._negate(given, field)
        elif wire == "bool" and not has_value:
            given.words.append("true")
            hint = f"if it is for --{name}, join them with ="
            self._meant.update(dict.fromkeys(rest[-1:], hint))
        else:
            given.words.append(value if has_value else self._next(name, rest))
            if wire is not None and kind_of(wire) in SEQUENCES:
                hint = f"if it is for --{name}, write --{name} before each item"
                self._meant.update(dict.fromkeys(rest[-1:], hint))

    def value(self, given: Given, field: FieldInfo, read_file: ReadFile) -> Any:
        """The JSON value of a field.

        Raises:
            BadWord: it has none.
        """
        try:
            return value_given(given, field.wire, read_file)
        except BadWord as error:
            for word in given.words:
                if word in self._meant:
                    raise BadWord(f"{error.reason}; {self._meant[word]}", error.field) from None
            raise

    def _negate(self, given: Given, field: FieldInfo) -> None:
        if unwrapped(field.wire) == "bool":
            given.words.append("false")
        else:
            given.is_null = True

    def _given(self, field: FieldInfo) -> Given:
        return self.given.setdefault(field.name, Given(field.option_name))

    def _field(self, name: str) -> tuple[FieldInfo, list[str], bool] | None:
        """The field an option's name is of, its parts, and whether it says no."""
        field = self._known_field(name)
        if field is not None:
            return field, [], False
        head, *parts = name.split(".")
        field = self._known_field(head) if parts and all(parts) else None
        if field is not None:
            return field, parts, False
        if name.startswith("no-"):
            field = self._known_field(name[3:])
            if field is not None and (
                kind_of(field.wire) == "option" or unwrapped(field.wire) == "bool"
            ):
                return field, [], True
        return None

    def _known_field(self, name: str) -> FieldInfo | None:
        try:
            return self.command.field(name)
        except UnknownName:
            return None

    def _no_field(self, name: str, value: str | None, rest: list[str]) -> None:
        """An option that is the program's own."""
        option = self.known.get(name)
        if name == "json":
            from lazyipc.cli._words.json import object_of

            if self.json is not None:
                raise BadWord("--json is given twice")
            if value is None and (not rest or rest[-1].startswith("--")):
                raise BadWord(
                    "--json gives the fields here, as a JSON object behind it; where it asks for "
                    "JSON output, it stands before the command"
                )
            self.json = object_of(self._next(name, rest) if value is None else value)
        elif option is None:
            self._refuse_unknown(name)
        elif not option.metavar:
            if value is not None:
                raise BadWord(f"--{name} takes no value")
            self.options[name] = ""
        else:
            self.options[name] = self._next(name, rest) if value is None else value

    def _refuse_unknown(self, name: str) -> NoReturn:
        """Say that there is no such option, and which it may have meant."""
        try:
            self.command.field(name.split(".")[0])
        except UnknownName as error:
            if not error.nearest:
                error.nearest = tuple(f"--{near}" for near in nearest(name, self.known))
            raise
        raise BadWord(f"no option --{name}")

    def _next(self, name: str, rest: list[str]) -> str:
        if not rest:
            raise BadWord(f"--{name} needs a value")
        if rest[-1].startswith("--"):
            raise BadWord(f"--{name} needs a value; if {quoted(rest[-1])} is one, join them with =")
        return rest.pop()

    def place_values(self) -> None:
        """Give the values without a name to the fields that no option gives, in order."""
        fields = [field for field in self.command.fields if field.name not in self.given]
        left = [*reversed(self.values)]
        for position, field in enumerate(fields):
            if not left:
                break
            given = self._given(field)
            is_last = position == len(fields) - 1
            if is_last and kind_of(unwrapped(field.wire)) in SEQUENCES:
                given.words += reversed(left)
                left.clear()
            else:
                given.words.append(left.pop())
        if left:
            takes = ", ".join(field.option_name for field in fields)
            which = f"{self.command.option_name} takes {takes or 'no values'}"
            is_text = bool(fields) and kind_of(unwrapped(fields[-1].wire)) in TEXTS
            hint = "; a text with spaces in it stands in quotes" if is_text else ""
            raise BadWord(f"{quoted(left[-1])} is one value too many: {which}{hint}")


def is_number(word: str) -> bool:
    """Whether a word that begins with a hyphen is a number, and so no option.

    >>> is_number("-5"), is_number("-.5e3"), is_number("-x")
    (True, True, False)
    """
    if word[1:2] in ("i", "n", "I", "N"):
        return word[1:].lower() in ("inf", "nan", "infinity")
    return word[1:2].isdigit() or (word[1:2] == "." and word[2:3].isdigit())
