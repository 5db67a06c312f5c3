"""`edge-agent doctor`: everything that a support engineer would ask about, in one page."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from edge_agent import config
from edge_agent.deployment import read_slot
from edge_agent.doctor import broker, machine, rights, service, software
from edge_agent.doctor.check import Check, Patient, failed
from edge_agent.layout import existing
from edge_agent.status import Status
from firmware_profiles.errors import BundleError, InputError

_FAILED = 1


def main(arguments: argparse.Namespace) -> int:
    """Print every check; exit code 1 if one fails."""
    checks = _checks(arguments.root)
    if arguments.json:
        print(msgspec.json.encode(checks).decode())
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            print(f"{check.level:4}  {check.name:{width}}  {check.found}")
            if check.step:
                print(f"{'':4}  {'':{width}}  → {check.step}")
    return _FAILED if any(check.level == "fail" for check in checks) else 0


def _checks(folder: Path) -> list[Check]:
    root = existing(folder)
    found: list[Check] = []
    try:
        settings = config.load(root.config)
    except InputError as error:
        found += failed("configuration", error)
    try:
        deployment = read_slot(root.active)
        deployment.verify()
    except BundleError as error:
        found += failed("deployment", error)
    if found:
        return found  # everything else would look at these
    manifest = deployment.manifest
    patient = Patient(root, settings, deployment, _status(folder))
    found.append(Check("deployment", "ok", f"{manifest.name} {manifest.version}, every hash as it was installed"))
    for subject in (machine, software, rights, broker, service):
        found += subject.checks(patient)
    return found


def _status(folder: Path) -> Status | None:
    """What the running agent says; None where none runs."""
    root = existing(folder)
    lock = root.lock()
    if lock is not None:
        lock.close()
        return None
    return msgspec.json.decode(root.status.read_bytes(), type=Status) if root.status.exists() else None
