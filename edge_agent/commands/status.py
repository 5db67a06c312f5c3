"""`edge-agent status`: what the agent of a device root does."""

from __future__ import annotations

import argparse

import msgspec

from edge_agent.layout import existing
from edge_agent.status import Status
from firmware_profiles.errors import Problem, UnavailableError


def main(arguments: argparse.Namespace) -> int:
    """Print the running agent's `Status`; exit code 4 if none runs."""
    root = existing(arguments.root)
    lock = root.lock()
    if lock is not None or not root.status.exists():
        step = f"start it: edge-agent run --root {arguments.root}"
        raise UnavailableError(Problem(str(arguments.root), "a running agent", "none", step))
    raw = root.status.read_bytes()
    print(raw.decode() if arguments.json else _for_people(msgspec.json.decode(raw, type=Status)))
    return 0


def _for_people(status: Status) -> str:
    link = "connected" if status.connected else "not connected; spooling"
    lines = [
        f"{status.state}: {status.deployment} {status.version} for {status.profile}, device {status.device}",
        f"broker       {status.broker}, {link}",
        f"predictions  {status.predictions} since the start",
        f"spool        {status.spool_messages} messages wait, {status.spool_bytes / 1e3:.0f} kB",
    ]
    if status.rejected:
        lines.append(f"rejected     {status.rejected} inputs; the events say why")
    if status.problem:
        lines.append(f"problem      {status.problem}")
    if status.latency_p50_ms is not None and status.latency_p95_ms is not None:
        lines.append(f"latency      p50 {status.latency_p50_ms:.2f} ms, p95 {status.latency_p95_ms:.2f} ms")
    for name, used in status.models.items():
        nodes = "" if used.nodes is None else f", delegate took {used.delegated_nodes} of {used.nodes} nodes"
        lines.append(f"model        {name} on {used.runtime}/{used.delegate} {used.version}{nodes}")
        lines += [f"skipped      {skip.runtime}/{skip.delegate}: {skip.reason}" for skip in used.skipped]
    if status.listens:
        lines.append(f"http         http://{status.listens}/")
    if status.rate_factor < 1:
        lines.append(f"heat         sources go at {100 * status.rate_factor:.0f} % of their rate")
    lines += [f"source       {name}: {state}" for name, state in status.sources.items()]
    lines += [f"dropped      {count} of class {kind}" for kind, count in status.dropped.items() if count]
    return "\n".join(lines)
