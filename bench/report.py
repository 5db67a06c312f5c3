"""The page that `make bench` writes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.flight import Flight
from edge_agent.monitor import machine


def report(
    items: int,
    bares: Sequence[dict[str, Any]],
    agents: Sequence[Flight],
    glues: Sequence[Flight],
    pss: dict[str, float],
) -> list[str]:
    """Two tables, with what they mean in words."""
    return [
        "## What the agent costs",
        "",
        f"Digits example, int8, one thread; {items} inputs replayed as fast as they go, to a subscriber through a",
        f"mosquitto on loopback; medians of {len(agents)} runs in turn. Written by `make bench` on",
        f"{here()}.",
        "",
        *_speed(items, bares, agents, glues),
        "",
        *_memory(pss),
        "",
    ]


def here() -> str:
    """This machine, with what decides how fast int8 is on it."""
    found = machine.describe()
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    known = ("avx512_vnni", "avx_vnni", "asimddp", "avx2")
    isa = next((name for name in known if name in flags), "no int8 products")
    return f"{found.cpu} ({isa}), {found.cores} cores, {found.system}, Python {found.python}"


def _speed(items: int, bares: Sequence[dict[str, Any]], agents: Sequence[Flight], glues: Sequence[Flight]) -> list[str]:
    limit = {key: statistics.median(run[key] for run in bares) for key in bares[0]}
    ours, peer = _medians(agents), _medians(glues)
    our_us, peer_us = (flight.elapsed_s / items * 1e6 for flight in (ours, peer))
    cpu_us = [seconds / items * 1e6 for seconds in (limit["cpu_s"], ours.cpu_s, peer.cpu_s)]
    cold_ms = [limit["start_ms"], ours.cold_start_ms, peer.cold_start_ms]
    return [
        "| | the model alone | Godwit's agent | glue: interpreter + paho |",
        "|---|---|---|---|",
        _row("time a prediction, µs", f"{limit['invoke_us']:.0f}", f"{our_us:.0f}", f"{peer_us:.0f}"),
        _row("CPU a prediction, start-up included, µs", *(f"{us:.0f}" for us in cpu_us)),
        _row("exec to the first prediction, ms", *(f"{ms:.0f}" for ms in cold_ms)),
        _row("loses nothing when killed, or without a broker", "–", "yes", "no"),
        "",
        f"- The agent adds {our_us - limit['invoke_us']:.0f} µs to a prediction, most of it JSON, the spool and MQTT.",
        f"  It takes {our_us / peer_us:.2f} × the time of the glue, which keeps nothing and trusts any model.",
        f"- Its first prediction comes after {cold_ms[1] / cold_ms[0]:.2f} × the time of the model alone; hashes and",
        "  golden vectors are checked in it.",
    ]


def _memory(pss: dict[str, float]) -> list[str]:
    over = pss["supervisor_alone"] - pss["supervisor_imports"]
    bare, alone = f"{pss['supervisor_imports']:.1f}", f"{pss['supervisor_alone']:.1f}"
    return [
        "| memory (PSS), MB | bare imports | process | over |",
        "|---|---|---|---|",
        _row("supervisor, no other Python running", bare, alone, f"{over:+.1f}"),
        _row("supervisor beside its worker", "", f"{pss['supervisor_beside_worker']:.1f}", ""),
        _row("worker: numpy, LiteRT, the model", f"{pss['worker_imports']:.1f}", f"{pss['worker']:.1f}", ""),
    ]


def _medians(flights: Sequence[Flight]) -> Flight:
    return Flight(*(statistics.median(column) for column in zip(*flights, strict=True)))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
