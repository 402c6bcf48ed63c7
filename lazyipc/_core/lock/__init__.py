"""The schema lock: a family pinned as text, and what a change of it breaks.

`taken` makes it from the classes, `text` writes and reads it, `changes` sets two descriptions side
by side, `breaks` says whom a change hurts. Knows no files; and but for `taken`, which is therefore
asked for by name, no classes.
"""

from lazyipc._core.lock.breaks import Break, breaks_between
from lazyipc._core.lock.pinned import Lock, Pinned
from lazyipc._core.lock.text import exact, parse, text_of

__all__ = ["Break", "Lock", "Pinned", "breaks_between", "exact", "parse", "text_of"]
