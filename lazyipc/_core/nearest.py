"""What a misspelt name may have meant.

Knows names only. `difflib` is imported when somebody misspelt one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_NEAREST = 3
"""How many names are suggested; more would be a list to search."""
LONGEST_COMPARED = 100
"""Characters of a name that are compared: the time taken grows with their square."""
SHORTEST_BEGINNING = 2
"""Characters of a name that may stand for the longer ones which begin with it."""
MOST_COMPARED = 2_500
"""How many known names are compared; a family has at most 2,304 variants."""
MOST_LISTED = 20
"""How many known names an error's text lists."""


def folded(name: str) -> str:
    """A name without what people write differently: case, hyphens and underscores.

    >>> folded("Set-Rate") == folded("set_rate") == folded("setrate")
    True
    """
    return name.replace("_", "").replace("-", "").casefold()


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The known names that look most like one, the likeliest first; else those that begin so.

    >>> nearest("ad", ["add", "print", "push"]), nearest("list", ["list-players", "spawn"])
    (('add',), ('list-players',))
    """
    from difflib import get_close_matches
    from itertools import islice

    by_folded: dict[str, list[str]] = {}
    for each in islice(known, MOST_COMPARED):
        by_folded.setdefault(folded(each)[:LONGEST_COMPARED], []).append(each)
    close = get_close_matches(folded(name)[:LONGEST_COMPARED], by_folded, MOST_NEAREST)
    wanted = folded(name)
    if not close and len(wanted) >= SHORTEST_BEGINNING:
        close = [each for each in by_folded if each.startswith(wanted)]
    found = [each for match in close for each in by_folded[match]]
    return tuple(found[:MOST_NEAREST])


class UnknownName(ValueError):
    """A name that nothing has.

    Args:
        what: what was named: `command`, `field`.
        name: the name.
        known: the names that there are.
        where: where it was looked for, such as a server's name.

    >>> print(UnknownName("command", "ad", ["add", "push"], "train"))
    no command "ad" in train; did you mean add? there are add, push
    """

    def __init__(self, what: str, name: str, known: Sequence[str], where: str) -> None:
        self.what = what
        self.name = name
        self.known = tuple(known)
        self.where = where
        self.nearest = nearest(name, self.known)
        super().__init__(what, name, self.known, where)  # as pickle makes it again

    def __str__(self) -> str:
        meant = f"; did you mean {' or '.join(self.nearest)}?" if self.nearest else ";"
        return f'no {self.what} "{self.name}" in {self.where}{meant} {listed(self.known)}'


def listed(names: Sequence[str]) -> str:
    """What there is, for an error's text.

    >>> listed(["add", "push"]), listed([])
    ('there are add, push', 'there are none')
    """
    more = len(names) - MOST_LISTED
    rest = f" and {more} more" if more > 0 else ""
    return f"there are {', '.join(names[:MOST_LISTED]) or 'none'}{rest}"
