"""Encoding and decoding a message, beside what else one would do it with. Information, no aims."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from benchmarks.rounds import Row, interleave, repeated, speed_row
from benchmarks.twins import Sample, samples
from lazyipc.bincode import STANDARD, construct_for, decode, encode

RoundTrip = Callable[[], Any]
"""Encodes a value, decodes the bytes, and gives back what came out."""

LEGEND = """
Encode and decode of one value, lazyipc.bincode beside others: under "raw" is theirs, and the ratio
is ours over theirs, as speeds. Ours gives frozen pydantic models with every value checked.
  varint           ours, as STANDARD instead of LEGACY
  msgspec          MessagePack by position, to frozen Structs; types and bounds checked
  pydantic json    model_dump_json, model_validate_json: the same models, checked
  pickle           protocol 5, the same models, nothing checked; it runs what the bytes say
  json             plain dicts, nothing checked
  construct        construct_for(T), interpreted: the same bytes and models, checked
  compiled         construct's compile() of the same layout written without adapters: the same
                   bytes, plain dicts, nothing checked (adapters, with which construct_for(T)
                   begins, are not compiled)
"""


def rows(seconds: float) -> Iterator[Row | str]:
    """Each message beside each rival."""
    yield LEGEND
    for sample in samples():
        share = seconds / len(RIVALS)
        for name, make in RIVALS.items():
            ours, theirs = repeated(_ours(sample)), repeated(make(sample))
            pair = interleave(ours, theirs, share)
            yield speed_row(f"{sample.name}, {name}", pair)


def _ours(sample: Sample) -> RoundTrip:
    value, type = sample.value, sample.value.__class__
    return _sound(lambda: decode(encode(value), type), value)


def _varint(sample: Sample) -> RoundTrip:
    value, type = sample.value, sample.value.__class__
    return _sound(lambda: decode(encode(value, type, STANDARD), type, STANDARD), value)


def _msgspec(sample: Sample) -> RoundTrip:
    value = sample.twin_value
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(sample.twin).decode
    return _sound(lambda: decode(encode(value)), value)


def _pydantic_json(sample: Sample) -> RoundTrip:
    value, type = sample.value, sample.value.__class__
    return _sound(lambda: type.model_validate_json(value.model_dump_json()), value)


def _pickle(sample: Sample) -> RoundTrip:
    value = sample.value
    return _sound(lambda: pickle.loads(pickle.dumps(value, 5)), value)


def _json(sample: Sample) -> RoundTrip:
    value = sample.plain
    return _sound(lambda: json.loads(json.dumps(value)), value)


def _construct(sample: Sample) -> RoundTrip:
    value, layout = sample.value, construct_for(sample.value.__class__)
    return _sound(lambda: layout.parse(layout.build(value)), value)


def _compiled(sample: Sample) -> RoundTrip:
    value, layout = sample.plain, sample.layout.compile()
    if layout.build(value) != encode(sample.value):
        raise RuntimeError("the layout is not that of bincode")
    return _sound(lambda: layout.parse(layout.build(value)), value)


def _sound(round_trip: RoundTrip, value: Any) -> RoundTrip:
    """The same, tried once, so that no wrong value counts as fast."""
    if round_trip() != value:
        raise RuntimeError("a message came back changed")
    return round_trip


RIVALS: dict[str, Callable[[Sample], RoundTrip]] = {
    "varint": _varint,
    "msgspec": _msgspec,
    "pydantic json": _pydantic_json,
    "pickle": _pickle,
    "json": _json,
    "construct": _construct,
    "compiled": _compiled,
}
