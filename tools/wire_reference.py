"""Generate docs/wire.md from the message types in firmware_profiles/wire.py."""

from __future__ import annotations

import inspect
import sys
from datetime import datetime, timezone

import msgspec

from firmware_profiles import results, wire
from firmware_profiles.errors import guarded
from tools import generated
from tools.struct_tables import table

_NOON = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=timezone.utc)
_HEADER = wire.Header(seq=42, spool="5f1c09ab", boot="e83d1f77", uptime_ms=93_421, time=_NOON, clock_trusted=True)
_COMMON = msgspec.structs.asdict(_HEADER)
_XNNPACK = wire.RuntimeInUse("litert", "xnnpack", "2.3.0", delegated_nodes=9, nodes=9)
_INPUT = results.Input("replay", 41)
EXAMPLES: dict[str, wire.Message] = {
    "prediction": wire.Prediction(
        **_COMMON,
        model="digits",
        version="1.0.0",
        input=_INPUT,
        latency_ms=0.31,
        result=results.Classification([results.ClassScore(7, "seven", 0.98), results.ClassScore(1, "one", 0.01)]),
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
        cpu_mhz=2400.0,
        cpu_max_mhz=2400.0,
        cpu_percent=31.5,
        memory_available_bytes=712_441_856,
        memory_total_bytes=1_012_924_416,
        disk_free_bytes=21_474_836_480,
    ),
    "event": wire.Event(
        **_COMMON,
        name="input_rejected",
        severity="warning",
        text="img-0041.png: expected an image, found text; replace the file",
        input=results.Input("inbox", "img-0041.png"),
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
    "reply": wire.Reply(
        device="door-7",
        model="digits",
        version="1.0.0",
        latency_ms=0.31,
        result=results.Classification([results.ClassScore(7, "seven", 0.98), results.ClassScore(1, "one", 0.01)]),
    ),
    "cmd": wire.Command("update"),
    "identity": wire.CertificateRequest(
        "-----BEGIN CERTIFICATE REQUEST-----\n…", "-----BEGIN CERTIFICATE-----\n…", "MEUCIQ…"
    ),
    "certificate": wire.Certificate("-----BEGIN CERTIFICATE-----\n…"),
}
_PARTS = (
    wire.Header,
    results.Input,
    results.Classification,
    results.ClassScore,
    results.Regression,
    results.Detections,
    results.Detection,
    results.Box,
    results.Segmentation,
    results.ClassShare,
    results.Anomaly,
    results.Embedding,
    results.Raw,
    results.RawTensor,
    wire.RuntimeInUse,
    wire.SkippedRuntime,
)


def text() -> str:
    """The whole document."""
    assert EXAMPLES.keys() == wire.MESSAGES.keys(), "every message has an example"
    pieces = ["# The wire", "Generated from `firmware_profiles/wire.py` by `make docs`: do not edit."]
    pieces += [inspect.getdoc(wire) or "", "Fields of `Header` begin every message of a class.", "## Messages"]
    for kind, example in EXAMPLES.items():
        pieces += [f"### {kind}", *table(wire.MESSAGES[kind], _PARTS)]
        pieces.append(f"```json\n{msgspec.json.format(wire.encode(example), indent=2).decode()}\n```")
    pieces.append("## Parts of messages")
    for part in _PARTS:
        pieces += [f"### {part.__name__}", *table(part, _PARTS)]
    pieces += ["## Names of events", "| name | means |\n|---|---|"]
    pieces[-1] += "".join(f"\n| `{name}` | {meaning} |" for name, meaning in wire.EVENTS.items())
    return "\n\n".join(pieces) + "\n"


def main() -> int:
    """Write or check the document."""
    return generated.deliver("wire.md", text())


if __name__ == "__main__":
    sys.exit(guarded(main))
