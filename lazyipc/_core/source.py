"""Writing the straight-line Python that encodes or decodes one type.

Neighbouring fixed-width fields are gathered into one `struct.Struct`, across the borders of nested
models. What is written depends on the program's own classes only, never on bytes from a peer.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from typing import Any

from lazyipc._core.encoding import (
    EMPTY_WEIGHT,
    FIXED,
    SINGLE_BYTE_MAX,
    Encoding,
    varint_reader,
    varint_writer,
)
from lazyipc._core.parts import NO_PARTS, Parts
from lazyipc._core.scalars import Number

DEEPEST_BLOCK = 12
"""Python compiles no more than twenty blocks inside one another."""


class Refused(Exception):
    """Raised by decoding code when a check fails; why is found out by walking the bytes again."""


class PartRefused(Exception):
    """Raised by decoding code where a part of a message is refused by itself.

    Args:
        shape: the part's: of a class that validates itself, of a set or a dict.
        start: where it begins, in the bytes it was decoded from.
        error: why: pydantic's ValidationError, or a ValueError.
    """

    def __init__(self, shape: Any, start: int, error: ValueError) -> None:
        super().__init__(start)
        self.shape = shape
        self.start = start
        self.error = error


class TooDeep(Exception):
    """Raised by encoding code where a recursive type stands inside itself too often."""


class _Source:
    """Lines of one function, the constants they use, and fresh names."""

    def __init__(self, signature: str, encoding: Encoding) -> None:
        self.encoding = encoding
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
    """`encode(v, d, m) -> bytes | Parts`: parts are gathered as expressions and joined once.

    `d` is how many more times a recursive type may stand inside itself. From `m` bytes on a part
    stays by itself, and so do those around it.
    """

    def __init__(self, encoding: Encoding = FIXED) -> None:
        super().__init__(f"encode(v, d, m={NO_PARTS})", encoding)
        self._group: list[tuple[str, str]] = []
        self._parts: list[str] = []
        self._spilled = False
        self._bulks: list[str] = []

    def fixed(self, format: str, expression: str) -> None:
        """Write what has a format in `struct`."""
        self._group.append((format, expression))

    def number(self, number: Number, expression: str) -> None:
        """Write a number as the encoding has it."""
        if self.encoding.is_varint(number):
            self.blob(f"{self.constant(varint_writer(number, self.encoding))}({expression})")
        elif number.format:
            self.fixed(number.format, expression)
        else:
            size, order = number.width_bytes, self.encoding.byte_order
            sign = ", signed=True" if number.is_signed else ""
            self.fixed(f"{size}s", f"({expression}).to_bytes({size}, {order!r}{sign})")

    def literal(self, number: Number, value: int) -> None:
        """Write a number that is known already."""
        if self.encoding.is_varint(number):
            self.blob(repr(varint_writer(number, self.encoding)(value)))
        else:
            self.number(number, str(value))

    def blob(self, expression: str) -> None:
        """Write bytes as they are."""
        self._close_group()
        self._parts.append(expression)

    def bulk(self, expression: str) -> None:
        """Write bytes that may be many: they travel from where they lie."""
        if self._indent == 1:  # else it may not run, or run again
            if not expression.isidentifier():
                expression = self.local(expression)
            self._bulks.append(expression)
        self.blob(expression)

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
            pack = self.constant(struct.Struct(self.encoding.prefix + formats).pack)
            self._parts.append(f"{pack}({', '.join(value for _, value in self._group)})")
            self._group.clear()

    def finish(self) -> Callable[..., Any]:
        if self._spilled:
            self.spill()
            self._return_parts("p")
            self.line("return b''.join(p)")
        else:
            self._close_group()
            parts = self._parts
            self._return_parts(f"({', '.join(parts)},)")
            joined = f"b''.join(({', '.join(parts)}))" if len(parts) > 2 else " + ".join(parts)
            self.line(f"return {joined or 'bytes()'}")
        return self.compile("encode")

    def _return_parts(self, parts: str) -> None:
        if self._bulks:
            is_large = " or ".join(f"len({bulk}) >= m" for bulk in self._bulks)
            self.line(f"if {is_large}: return {self.constant(Parts)}({parts})")


class DecodeSource(_Source):
    """`decode(data, o, end, k, d) -> (value, o, k)`.

    `o` is the offset, `k` the elements left, `d` the levels of recursive types left.
    """

    def __init__(self, encoding: Encoding = FIXED) -> None:
        super().__init__("decode(data, o, end, k, d)", encoding)
        self._group: list[tuple[str, str]] = []
        self.refused = self.constant(Refused)

    def fixed(self, format: str) -> str:
        """Read what has a format in `struct`; its name holds it after the next `flush`."""
        name = self.name()
        self._group.append((format, name))
        return name

    def here(self) -> str:
        """The name of a local that keeps the offset of what is read next."""
        self.flush()
        name = self.name()
        self.line(f"{name} = o")
        return name

    def number(self, number: Number) -> str:
        """Read a number as the encoding has it; an expression, good after the next `flush`."""
        if self.encoding.is_varint(number):
            return self._varint(number)
        if number.format:
            return self.fixed(number.format)
        sign = ", signed=True" if number.is_signed else ""
        from_bytes = self.constant(int.from_bytes)
        data = self.fixed(f"{number.width_bytes}s")
        return f"{from_bytes}({data}, {self.encoding.byte_order!r}{sign})"

    def _varint(self, number: Number) -> str:
        self.flush()
        name, read = self.name(), self.constant(varint_reader(number, self.encoding))
        self.line(f"{name} = data[o]; o += 1")
        self.line(f"if {name} > {SINGLE_BYTE_MAX}: {name}, o = {read}(data, o, {name})")
        if number.is_signed:
            self.line(f"{name} = ({name} >> 1) ^ -({name} & 1)")
        return name

    def flush(self) -> None:
        """Unpack the fixed-width numbers gathered so far and pass them."""
        if self._group:
            layout = struct.Struct(
                self.encoding.prefix + "".join(format for format, _ in self._group)
            )
            unpack = self.constant(layout.unpack_from)
            self.line(f"{''.join(n + ', ' for _, n in self._group)}= {unpack}(data, o)")
            self.line(f"o += {layout.size}")
            self._group.clear()

    def check(self, wrong: str) -> None:
        """Refuse where the condition `wrong` holds."""
        self.line(f"if {wrong}: raise {self.refused}")

    def charge(self, count: str, smallest: int) -> None:
        """Charge for elements before any memory is taken for them."""
        self.line(f"k -= {count}" if smallest else f"k -= {count} * {EMPTY_WEIGHT}")
        self.check(f"k < 0 or {count} * {smallest} > end - o")

    def finish(self, expression: str) -> Callable[..., tuple[Any, int, int]]:
        self.flush()
        self.line(f"return {expression}, o, k")
        return self.compile("decode")
