"""What must hold for what is said of a type: its declaration in Rust, its description."""

from __future__ import annotations

from random import Random

from lazyipc import bincode
from lazyipc._core.schema import canonical, describe, fingerprint, text_of
from tests.fuzz.finding import Watch, shown
from tests.fuzz.made import CONFIGS, Made, making


def check_texts(made: Made, random: Random, count: int) -> int:
    """A type is told of in text, and alike however it was declared; in how many encodings."""
    kind = made.annotation
    for config in CONFIGS:
        watch = Watch((f"config = {config!r}", "print(construct_for(Type, config))"))
        layout = watch.call("construct_for", lambda c=config: bincode.construct_for(kind, c))
        text = watch.call("a construct as text", lambda a=layout: str(a))
        watch.expect(isinstance(text, str) and bool(text), "a construct is told of", shown(text))
    watch = Watch(
        (
            "from lazyipc._core.annotation import shape_of",
            "from lazyipc._core.schema import describe",
            "print(describe(shape_of(Type)))",
        )
    )
    description = watch.call("describe", lambda: describe(made.codec(CONFIGS[0]).shape))
    text = watch.call("a description as text", lambda: text_of(description))
    watch.expect(isinstance(text, str), "a description is told of", shown(text))
    with making(made.node, future=True) as again:
        other = watch.call("describe", lambda: describe(again.codec(CONFIGS[0]).shape))
    alike = canonical(other) == canonical(description)
    alike = alike and fingerprint(other) == fingerprint(description)
    watch.expect(alike, "a type declared twice has one fingerprint",
                 f"{canonical(description)!r}, then {canonical(other)!r}")  # fmt: skip
    return len(CONFIGS)
