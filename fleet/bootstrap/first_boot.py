"""What an image's first-boot unit runs: install what the image brought, say how it went, and not again.

Arguments: the folder with `order.json`, and where the boot partition is mounted, if there is one. The outcome goes to
`outcome.json` there and here, so that any computer shows it from the card. Where power is cut, the next boot goes on.
What was brought is removed once it is installed; after a failure it stays, to be tried again by hand.
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

UNIT = "godwit-first-boot.service"
ENABLED = Path("/etc/systemd/system/multi-user.target.wants") / UNIT
OUTCOME = "outcome.json"
ON_BOOT = f"godwit/{OUTCOME}"
ZIPAPP = "godwit-bootstrap.pyz"
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
    if outcome["state"] == "installed":
        clear(folder)
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
    """Whole or not at all."""
    making = place.with_name(f"{place.name}.new")
    with making.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(outcome, indent=2) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(making, place)


def clear(folder: Path) -> None:
    """All but the outcome."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != OUTCOME:
            path.unlink()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None))
