"""The agent itself: is it a service of this system, does it run, and on what."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from edge_agent.doctor.check import Check, Patient

_UNIT = "edge-agent.service"
_TIMEOUT_S = 10.0


def checks(patient: Patient) -> Iterator[Check]:
    """See the module."""
    yield _unit()
    yield _running(patient)
    yield from _delegates(patient)


def property_of(unit: str, name: str) -> str:
    """What systemd says of a unit; empty where there is no systemd or no such property."""
    if not Path("/run/systemd/system").is_dir() or not (systemctl := shutil.which("systemctl")):
        return ""
    line = [systemctl, "show", "--value", f"--property={name}", unit]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()


def _unit() -> Check:
    state = property_of(_UNIT, "ActiveState")
    if not state:
        return Check("service", "ok", "no systemd here: what started the agent must start it again")
    if property_of(_UNIT, "LoadState") == "not-found":
        return Check("service", "warn", f"no {_UNIT}: it does not start at boot", "sudo edge-agent service --root ROOT")
    enabled, restarts = property_of(_UNIT, "UnitFileState"), property_of(_UNIT, "NRestarts")
    found = f"{_UNIT} is {state} and {enabled}, started again {restarts} times"
    if state == "active" and enabled == "enabled":
        return Check("service", "ok", found)
    return Check("service", "fail", found, "read journalctl -u edge-agent; then sudo systemctl enable --now edge-agent")


def _running(patient: Patient) -> Check:
    status = patient.status
    if status is None:
        return Check("agent", "warn", "none runs on this root", "start it: edge-agent run --root, or the service")
    found = f"{status.state}, {status.predictions} predictions, {status.spool_messages} messages wait"
    if status.state == "refused":
        return Check("agent", "fail", f"refused: {status.problem}", "bring a bundle that was made for this device")
    if dropped := {kind: count for kind, count in status.dropped.items() if count}:
        step = "the broker was away for longer than [spool] max_mb holds"
        return Check("agent", "warn", f"{found}; dropped for want of room: {dropped}", step)
    return Check("agent", "ok" if status.state == "running" else "warn", found)


def _delegates(patient: Patient) -> Iterator[Check]:
    for name, used in (patient.status.models if patient.status else {}).items():
        nodes = "" if used.nodes is None else f", which took {used.delegated_nodes} of {used.nodes} nodes"
        found = f"{used.runtime}/{used.delegate}{nodes}"
        if not used.skipped:
            yield Check(f"delegate {name}", "ok", found)
            continue
        reasons = "; ".join(f"{each.runtime}/{each.delegate}: {each.reason}" for each in used.skipped)
        yield Check(f"delegate {name}", "warn", f"{found}; passed over: {reasons}", "mend what the reasons name")
