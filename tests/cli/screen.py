"""pyte's screen with what it lacks: faint text, a second screen, and a count of what is unseen.

Knows the commands that a terminal obeys; no programs, no ptys.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import islice
from typing import Any

import pyte

FAINT, BLINK, NORMAL_INTENSITY, NO_BLINK = 2, 5, 22, 25
COLORS_WITH_ARGUMENTS, OF_256 = (38, 48), 5
"""Numbers of styles, as ECMA-48 has them."""

ALTERNATE_SCREEN = (47, 1047, 1049)
"""The private modes of programs that take the whole screen and give it back at their end."""


class Screen(pyte.Screen):
    """pyte's screen, with a second one to change to, and an ear for the bell."""

    def __init__(self, columns: int, rows: int, reply: Callable[[str], None]) -> None:
        super().__init__(columns, rows)
        self.bell_count = 0
        self.clear_count = 0
        self._reply = reply
        self._kept: tuple[Any, Any] | None = None

    def bell(self, *args: Any) -> None:
        """Count instead of ringing."""
        self.bell_count += 1

    def erase_in_display(self, how: int = 0, *args: Any, **named: Any) -> None:
        """Erase, and count what erased everything."""
        self.clear_count += how in (2, 3)
        super().erase_in_display(how, *args, **named)

    def write_process_input(self, data: str) -> None:
        """Answer a program's question, such as where its cursor stands."""
        self._reply(data)

    def select_graphic_rendition(self, *codes: int, **named: Any) -> None:
        """Change the style of what follows; what is faint, which pyte does not know, blinks."""
        known: list[int] = []
        left = iter(codes)
        for code in left:
            known.append({FAINT: BLINK}.get(code, code))
            if code == NORMAL_INTENSITY:
                known.append(NO_BLINK)
            elif code in COLORS_WITH_ARGUMENTS:
                kind = next(left, 0)
                known += kind, *islice(left, 1 if kind == OF_256 else 3)
        super().select_graphic_rendition(*known)

    def set_mode(self, *modes: int, **named: Any) -> None:
        """Keep the screen that a program hides while it takes the whole of it."""
        if named.get("private") and set(modes) & set(ALTERNATE_SCREEN) and self._kept is None:
            self._kept = copy.deepcopy(self.buffer), copy.copy(self.cursor)
            super().erase_in_display(2)
        super().set_mode(*modes, **named)

    def reset_mode(self, *modes: int, **named: Any) -> None:
        """Show again what a program hid."""
        if named.get("private") and set(modes) & set(ALTERNATE_SCREEN) and self._kept is not None:
            self.buffer, self.cursor = self._kept
            self._kept = None
        super().reset_mode(*modes, **named)
