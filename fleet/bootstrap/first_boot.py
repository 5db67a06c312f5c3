"""What an image's first-boot unit runs: install what the image brought, say how it went, and not again.

Arguments: the folder with `order.json`, and where the boot partition is mounted, if there is one. The outcome goes to
`outcome.json` there and here, so that any computer shows it from the card. Where power is cut, the next boot goes on.
What was brought is removed once it is installed; after a failure it stays, to be tried again by hand.

Where the order wants a certificate, the device's request goes beside the outcome on the boot partition, and what is
laid there for it, `device.pem` and `ca.pem`, is taken at a later boot; until then this runs at every one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fleet.bootstrap import agent_code

UNIT = "godwit-first-boot.service"
ENABLED = Path("/etc/systemd/system/multi-user.target.wants") / UNIT
OUTCOME = "outcome.json"
ORDER = "order.json"
ON_BOOT = f"godwit/{OUTCOME}"
REQUEST = "godwit/request.csr"
ZIPAPP = "godwit-bootstrap.pyz"
IDENTITY = "update/identity/current"
_MAX_LINE = 500


def main(folder: Path, boot: Path | None) -> int:
    """The exit code of the installation."""
    outcome = said(folder)
    if outcome.get("state") != "installed":
        outcome = install(folder)
        say(folder / OUTCOME, outcome)
        if boot and boot.is_mount():
            with contextlib.suppress(OSError):  # a full or broken one: it is said here, too
                (boot / ON_BOOT).parent.mkdir(exist_ok=True)
                say(boot / ON_BOOT, outcome)
    awaits = outcome["state"] == "installed" and awaits_certificate(folder, boot)
    if outcome["state"] == "installed":
        clear(folder, {OUTCOME, ORDER, ZIPAPP} if awaits else {OUTCOME})
    if not awaits:
        ENABLED.unlink(missing_ok=True)
    os.sync()
    print(json.dumps(outcome), flush=True)
    return int(outcome["state"] != "installed")


def said(folder: Path) -> dict[str, Any]:
    """The outcome of a run that was cut off after it; else nothing."""
    try:
        found: dict[str, Any] = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def install(folder: Path) -> dict[str, Any]:
    """Run the bootstrap; what `edge-agent install --json` told, or the error's line."""
    line = [sys.executable, str(folder / ZIPAPP), str(folder)]
    ran = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False)
    if ran.returncode == 0:
        told: dict[str, Any] = json.loads(ran.stdout)
        return {"state": "installed", **told}
    last = (ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"])[-1]
    return {"state": "failed", "error": last[:_MAX_LINE]}


def say(place: Path, outcome: dict[str, Any]) -> None:
    """As JSON."""
    write(place, json.dumps(outcome, indent=2) + "\n")


def write(place: Path, text: str) -> None:
    """Whole or not at all."""
    making = place.with_name(f"{place.name}.new")
    with making.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(making, place)


def awaits_certificate(folder: Path, boot: Path | None) -> bool:
    """Ask for a certificate where one is wanted, or take the one that was laid there; whether it is still awaited."""
    try:
        order: dict[str, Any] = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # cleared by a run that was cut off
        return False
    if not order.get("certificate"):
        return False
    root = Path(order["root"])
    place = boot / "godwit" if boot and boot.is_mount() else folder
    brought = place / "device.pem"
    if brought.exists():
        told = agent(root, "accept", str(brought), "--ca", str(place / "ca.pem"))
        print(told.stdout + told.stderr, end="")
    if (root / IDENTITY).exists():
        return False
    asked = agent(root, "request")
    if asked.returncode == 0:
        with contextlib.suppress(OSError):  # a full or broken partition: it is tried again at the next boot
            place.mkdir(exist_ok=True)
            write(place / Path(REQUEST).name, asked.stdout)
    return True


def agent(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`edge-agent identity` with these words."""
    line = [sys.executable, "-m", "edge_agent", "identity", *words, "--root", str(root)]
    environment = agent_code.environment(root / "agent" / "active")
    return subprocess.run(line, env=environment, capture_output=True, text=True, errors="replace", check=False)


def clear(folder: Path, kept: set[str]) -> None:
    """All but these."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in kept:
            path.unlink()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None))
