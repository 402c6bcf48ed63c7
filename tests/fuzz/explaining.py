"""What must hold for `bincode.explain`: it tells of any bytes what decode makes of them."""

from __future__ import annotations

from random import Random
from typing import Any

from lazyipc import bincode
from lazyipc._core.explanation import MOST_ROWS
from lazyipc.errors import DecodeError
from tests.fuzz.finding import Watch, is_error, roomy, same_error, shown
from tests.fuzz.made import CONFIGS, Made, is_constrained
from tests.fuzz.mutations import STACK, messages

VALID_SHARE = 0.25
TOO_LONG = "it is too long to say where"


def check_explain(made: Made, random: Random, count: int) -> int:
    """Bytes right and wrong are explained; how many were tried."""
    tried = messages(made, random, count)
    with roomy():
        value = made.draw(random)
        for _ in range(int(count * VALID_SHARE)):
            config = random.choice(CONFIGS)
            tried.append((config, bytes(made.pack(value, config).data)))
    for config, data in tried:
        _check(made, config, data)
    return len(tried)


def _check(made: Made, config: bincode.Config, data: bytes) -> None:
    watch = Watch((f'data = bytes.fromhex("{data.hex()}")', f"config = {config!r}",
                   "print(explain(data, Type, config))"))  # fmt: skip
    kind = made.annotation
    found = watch.call("decode", lambda: bincode.decode(data, kind, config))
    explained: Any = watch.call("explain", lambda: bincode.explain(data, kind, config))
    watch.expect(not is_error(explained), "explain raises nothing", shown(explained))
    text = watch.call("the table of explain", lambda: str(explained))
    watch.expect(isinstance(text, str), "an explanation is printed", repr(text))
    same = same_error(found, explained.error) if is_error(found) else explained.error is None
    same = same or STACK in f"{found}{explained.error}"
    watch.expect(same, "explain has the error of decode",
                 f"decode: {shown(found)}; explain: {shown(explained.error)}")  # fmt: skip
    end = 0
    for row in explained.rows:
        watch.expect(row.offset == end, "a row begins where the one before ends", repr(row))
        is_text = all(isinstance(cell, str) for cell in (row.path, row.type, row.value))
        watch.expect(is_text, "rows are text", repr(row))
        end += row.size_bytes
    watch.expect(end <= len(data), "rows stay inside the bytes", f"they end at {end}")
    if len(explained.rows) >= MOST_ROWS:
        return
    if explained.error is None:
        watch.expect(end == len(data), "rows cover the bytes", f"they end at {end}")
    elif isinstance(found, DecodeError) and not is_constrained(made.node):
        is_vague = TOO_LONG in found.reason or STACK in found.reason
        watch.expect(is_vague or found.offset >= end, "rows end where decode stumbles",
                     f"they end at {end}; {found}")  # fmt: skip
