"""Generate docs/wire.md from the message types in firmware_profiles/wire.py."""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from datetime import datetime, timezone

import msgspec

from firmware_profiles import wire
from firmware_profiles.errors import guarded
from tools import generated

_NOON = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=timezone.utc)
_HEADER = wire.Header(seq=42, spool="5f1c09ab", boot="e83d1f77", uptime_ms=93_421, time=_NOON, clock_trusted=True)
_COMMON = msgspec.structs.asdict(_HEADER)
_XNNPACK = wire.RuntimeInUse("litert", "xnnpack", "2.3.0", delegated_nodes=9, nodes=9)
_INPUT = wire.Input("replay", 41)
_EXAMPLES: dict[str, wire.Message] = {
    "prediction": wire.Prediction(
        **_COMMON,
        model="digits",
        version="1.0.0",
        input=_INPUT,
        latency_ms=0.31,
        result=wire.Classification([wire.ClassScore(7, "seven", 0.98), wire.ClassScore(1, "one", 0.01)]),
    ),
    "telemetry": wire.Telemetry(
        **_COMMON,
        predictions=360,
        latency_p50_ms=0.29,
        latency_p95_ms=0.41,
        worker_rss_bytes=48_234_496,
        supervisor_rss_bytes=19_922_944,
        spool_messages=12,
        spool_bytes=3_480,
        dropped={"prediction": 0},
        temperature_c=51.5,
    ),
    "event": wire.Event(
        **_COMMON,
        name="input_rejected",
        severity="warning",
        text="img-0041.png: expected an image, found text; replace the file",
        input=wire.Input("inbox", "img-0041.png"),
    ),
    "status": wire.Status("online", _NOON),
    "info": wire.Info(
        device="door-7",
        agent="0.1.0",
        profile="raspberry-pi-5",
        deployment="digits",
        version="1.0.0",
        models={"digits": _XNNPACK},
    ),
}
_PARTS = (
    wire.Header,
    wire.Input,
    wire.Classification,
    wire.ClassScore,
    wire.Regression,
    wire.RuntimeInUse,
    wire.SkippedRuntime,
)


def text() -> str:
    """The whole document."""
    assert _EXAMPLES.keys() == wire.MESSAGES.keys(), "every message has an example"
    pieces = ["# The wire", "Generated from `firmware_profiles/wire.py` by `make docs`: do not edit."]
    pieces += [inspect.getdoc(wire) or "", "Fields of `Header` begin every message of a class.", "## Messages"]
    for kind, example in _EXAMPLES.items():
        pieces += [f"### {kind}", *_struct(wire.MESSAGES[kind])]
        pieces.append(f"```json\n{msgspec.json.format(wire.encode(example), indent=2).decode()}\n```")
    pieces.append("## Parts of messages")
    for part in _PARTS:
        pieces += [f"### {part.__name__}", *_struct(part)]
    pieces += ["## Names of events", "| name | means |\n|---|---|"]
    pieces[-1] += "".join(f"\n| `{name}` | {meaning} |" for name, meaning in wire.EVENTS.items())
    return "\n\n".join(pieces) + "\n"


def _struct(kind: type[msgspec.Struct]) -> list[str]:
    """A struct's sentences and the table of its own fields."""
    prose, _, attributes = (inspect.getdoc(kind) or "").partition("\nAttributes:\n")
    told = _told(attributes)
    inherited = {field.name for base in kind.__mro__[1:] if base in _PARTS for field in msgspec.structs.fields(base)}
    rows = [
        f"| `{field.encode_name}` | `{_type(field.type)}` | {told.get(field.name, '')} |"
        for field in msgspec.structs.fields(kind)
        if field.name not in inherited
    ]
    if tag := kind.__struct_config__.tag:
        rows.insert(0, f'| `{kind.__struct_config__.tag_field}` | `"{tag}"` | tells which result it is |')
    return [prose.strip(), "\n".join(["| field | type | means |", "|---|---|---|", *rows])]


def _told(attributes: str) -> dict[str, str]:
    """Field → its words, of the `Attributes:` of a docstring; several fields may share one entry."""
    told = {}
    for entry in re.split(r"\n(?=    \w)", "\n" + inspect.cleandoc(attributes).replace("\n", "\n    ")):
        names, _, words = entry.strip().partition(": ")
        told.update(dict.fromkeys(names.split(", "), " ".join(words.split()).replace("None", "null")))
    return told


def _type(kind: typing.Any) -> str:
    """A type as a reader of JSON would say it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f'"{word}"' for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_type, arguments))
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"object: {_type(arguments[0])} to {_type(arguments[1])}"
    plain = {str: "text", int: "integer", float: "number", bool: "true or false", datetime: "time", type(None): "null"}
    return plain.get(kind) or str(kind.__name__)


def main() -> int:
    """Write or check the document."""
    return generated.deliver("wire.md", text())


if __name__ == "__main__":
    sys.exit(guarded(main))
