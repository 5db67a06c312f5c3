"""`edge-agent stick`: what somebody brought to this device on a stick is installed, and the stick says how it went.

On the stick: `godwit/` is a kit, the same for every device; `godwit-outcome/DEVICE.json` is the outcome, one a device,
for whoever takes the stick home, with the device's request for a certificate; `godwit-identity/DEVICE/` has what
was signed for it since, `device.pem`, and who did, `ca.pem`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import msgspec

from edge_agent import clock, config, renewing
from edge_agent.config import Config
from edge_agent.layout import Root, existing
from edge_agent.ota import journal
from firmware_profiles import VERSION, atomic
from firmware_profiles.errors import GodwitError, Problem, UnavailableError, from_process
from firmware_profiles.identity import Identity
from firmware_profiles.installation import Installed
from firmware_profiles.wire import CertificateRequest

_KIT, _OUTCOMES, _IDENTITIES = "godwit", "godwit-outcome", "godwit-identity"


class Outcome(msgspec.Struct, frozen=True):
    """How an installation from a stick went.

    Attributes:
        exit_code: of `edge-agent install`.
        installed: None where it failed.
        identity: the certificate in use; None without one.
        request: for `godwit flash --ca`, where a certificate is to be signed.
        problems: what went wrong, one line each.
    """

    device: str
    time: datetime
    clock_trusted: bool
    agent: str
    exit_code: int
    installed: Installed | None
    identity: Identity | None
    request: CertificateRequest | None
    problems: list[str]


def main(arguments: argparse.Namespace) -> int:
    """Install, write the outcome onto the stick, and print it; the exit code is that of the installation."""
    root = existing(arguments.root)
    settings = config.load(root.config)
    device = settings.device
    install = ["install", str(arguments.stick / _KIT), "--json"]
    ended = _agent(root, *install)
    outcome = _with_identity(_outcome(device, ended), root, settings, arguments.stick / _IDENTITIES)
    if ended.returncode == 0 and (code := _code_on_probation(root)):
        # The agent's own code comes first, which a deployment may need; that one is installed once it is proven.
        waits = f"the agent's code {code} is on probation: leave the stick in, or plug it in again later"
        _write(arguments.stick, msgspec.structs.replace(outcome, problems=[*outcome.problems, waits]))
        _agent(root, "update")
        ended = _agent(root, *install)
        outcome = _with_identity(_outcome(device, ended), root, settings, arguments.stick / _IDENTITIES)
    _write(arguments.stick, outcome)
    print(msgspec.json.encode(outcome).decode() if arguments.json else _for_people(outcome))
    return ended.returncode


def _agent(root: Root, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "edge_agent", *words, "--root", str(root.folder)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def _code_on_probation(root: Root) -> str:
    """The version of the agent's own code that has yet to prove itself; empty if none has."""
    with contextlib.suppress(ValueError, OSError):
        found = journal.peek(root)
        if found.state == "proving" and found.plan and found.plan.kind == "agent":
            return found.plan.version
    return ""


def _write(stick: Path, outcome: Outcome) -> None:
    try:
        folder = stick / _OUTCOMES
        folder.mkdir(exist_ok=True)
        content = msgspec.json.format(msgspec.json.encode(outcome)) + b"\n"
        atomic.write_bytes(folder / f"{outcome.device}.json", content)
        os.sync()  # FAT writes how long a file is some time after it was renamed, and a stick is pulled out before that
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise UnavailableError(Problem(str(stick), "a stick to write to", found, "unlock it")) from None


def _outcome(device: str, ended: subprocess.CompletedProcess[str]) -> Outcome:
    installed, problems = None, []
    if ended.returncode == 0:
        installed = msgspec.json.decode(ended.stdout, type=Installed)
    else:
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        unforeseen = GodwitError(Problem("edge-agent install", "an installation", last, "report this"))
        problems = str(from_process(ended.returncode, ended.stderr) or unforeseen).splitlines()
    now = clock.moment()
    return Outcome(device, now.time, now.clock_trusted, VERSION, ended.returncode, installed, None, None, problems)


def _with_identity(outcome: Outcome, root: Root, settings: Config, brought: Path) -> Outcome:
    """Take the certificate that the stick brings; where one is to be signed, tell the request for it."""
    request, problems = None, list(outcome.problems)
    try:
        if renewing.is_wanted(root, settings.broker):
            from edge_agent import identity  # late: cryptography takes time and memory

            taken = _take(root, settings.device, brought)
            request = None if taken else identity.asked(root.identity, settings.device)
        present = renewing.present(root)
    except (GodwitError, OSError, ModuleNotFoundError) as error:
        present = None
        problems += [f"certificate: {line}" for line in str(error).splitlines()]
    return msgspec.structs.replace(outcome, identity=present, request=request, problems=problems)


def _take(root: Root, device: str, brought: Path) -> bool:
    """Whether there was a certificate for the key that waits. A stick chooses the authority of the first one only."""
    from edge_agent import identity

    certificate, ca = brought / device / identity.CERTIFICATE, brought / device / identity.CA
    if not certificate.is_file() or not identity.is_awaited(root.identity, _read(certificate)):
        return False
    known = (root.identity / "current").exists()
    identity.accept(root.identity, device, _read(certificate), None if known else _read(ca))
    return True


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(renewing.MAX_BYTES)


def _for_people(outcome: Outcome) -> str:
    lines = list(outcome.problems)
    if outcome.installed:
        what = "is now active" if outcome.installed.changed else "was active already"
        lines.append(f"{outcome.installed.deployment} {outcome.installed.version} {what} on {outcome.device}")
    if outcome.request:
        lines.append("it asks for a certificate: write the stick again, by godwit flash --ca, and plug it in again")
    return "\n".join(lines)
