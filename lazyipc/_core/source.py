"""Writing the straight-line Python that encodes or decodes one type.

Neighbouring fixed-width fields are gathered into one `struct.Struct`, across the borders of nested
models. What is written depends on the program's own classes only, never on bytes from a peer.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from typing import Any

DEEPEST_BLOCK = 12
"""Python compiles no more than twenty blocks inside one another."""


class Refused(Exception):
    """Raised by decoding code when a check fails; why is found out by walking the bytes again."""


class _Source:
    """Lines of one function, the constants they use, and fresh names."""

    def __init__(self, signature: str) -> None:
        self.constants: dict[str, Any] = {}
        self._lines = [f"def {signature}:"]
        self._indent = 1
        self._names = 0

    @property
    def is_deep(self) -> bool:
        """Python nests twenty blocks; what stands deeper becomes a function of its own."""
        return self._indent > DEEPEST_BLOCK

    def line(self, text: str) -> None:
        self._lines.append("    " * self._indent + text)

    def constant(self, value: Any) -> str:
        """A name for an object the code refers to."""
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def name(self) -> str:
        """A fresh local name."""
        self._names += 1
        return f"v{self._names}"

    @contextlib.contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.line(head)
        self._indent += 1
        yield
        self._indent -= 1

    def compile(self, name: str) -> Callable[..., Any]:
        text = "\n".join(self._lines)
        namespace = dict(self.constants)
        exec(compile(text, f"<lazyipc {name}>", "exec"), namespace)  # noqa: S102 our own source
        function: Callable[..., Any] = namespace[name]
        return function


class EncodeSource(_Source):
    """`encode(v) -> bytes`: parts are gathered as expressions and joined once."""

    def __init__(self) -> None:
        super().__init__("encode(v)")
        self._group: list[tuple[str, str]] = []
        self._parts: list[str] = []
        self._spilled = False

    def fixed(self, format: str, expression: str) -> None:
        """Write a fixed-width number."""
        self._group.append((format, expression))

    def blob(self, expression: str) -> None:
        """Write bytes as they are."""
        self._close_group()
        self._parts.append(expression)

    def local(self, expression: str) -> str:
        """Evaluate now, use often."""
        name = self.name()
        self.line(f"{name} = {expression}")
        return name

    def spill(self) -> None:
        """Bring what is gathered into the list of parts: before and inside loops and branches."""
        self._close_group()
        if not self._spilled:
            # Above everything else, so that it is there on each path through the function.
            self._lines.insert(1, "    p = []")
            self._spilled = True
        if self._parts:
            self.line(f"p += ({', '.join(self._parts)},)")
            self._parts.clear()

    def _close_group(self) -> None:
        if self._group:
            formats = "".join(format for format, _ in self._group)
            pack = self.constant(struct.Struct("<" + formats).pack)
            self._parts.append(f"{pack}({', '.join(value for _, value in self._group)})")
            self._group.clear()

    def finish(self) -> Callable[[Any], bytes]:
        if self._spilled:
            self.spill()
            self.line("return b''.join(p)")
        else:
            self._close_group()
            parts = self._parts
            joined = f"b''.join(({', '.join(parts)}))" if len(parts) > 2 else " + ".join(parts)
            self.line(f"return {joined or 'bytes()'}")
        return self.compile("encode")


class DecodeSource(_Source):
    """`decode(data, o, end, k) -> (value, o, k)`: `o` is the offset, `k` the elements left."""

    def __init__(self) -> None:
        super().__init__("decode(data, o, end, k)")
        self._group: list[tuple[str, str]] = []
        self.refused = self.constant(Refused)

    def fixed(self, format: str) -> str:
        """Read a fixed-width number; its name holds it after the next `flush`."""
        name = self.name()
        self._group.append((format, name))
        return name

    def flush(self) -> None:
        """Unpack the fixed-width numbers gathered so far and pass them."""
        if self._group:
            layout = struct.Struct("<" + "".join(format for format, _ in self._group))
            unpack = self.constant(layout.unpack_from)
            self.line(f"{''.join(n + ', ' for _, n in self._group)}= {unpack}(data, o)")
            self.line(f"o += {layout.size}")
            self._group.clear()

    def check(self, wrong: str) -> None:
        """Refuse where the condition `wrong` holds."""
        self.line(f"if {wrong}: raise {self.refused}")

    def finish(self, expression: str) -> Callable[..., tuple[Any, int, int]]:
        self.flush()
        self.line(f"return {expression}, o, k")
        return self.compile("decode")
