"""What this device is; one JSON object on stdout (`road.Facts`). Argument: the device root that is meant."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

STAGING = Path("/var/tmp")  # noqa: S108  # nothing is written here
UNIT = Path("/etc/systemd/system/edge-agent.service")
MAX_BYTES = 8 << 20


def main(root: Path) -> None:
    """Print the facts."""
    code = text(root / "agent" / "active" / "agent.json")
    manifest = text(root / "slots" / "active" / "manifest.json")
    folders = [root / name for name in ("slots", "update")]
    facts = {
        "arch": arch(),
        "kernel": platform.machine(),
        "glibc": platform.libc_ver()[1],
        "python": ".".join(platform.python_version_tuple()[:2]),
        "init": "systemd" if Path("/run/systemd/system").is_dir() else "none",
        "board": text(Path("/proc/device-tree/model")).rstrip("\0"),
        "free_bytes": min(shutil.disk_usage(existing(each)).free for each in (root, STAGING)),
        "clock_s": int(time.time()),
        "rights": rights(),
        "writable": os.access(existing(root), os.W_OK),
        "readable": not root.exists() or all(os.access(each, os.R_OK | os.X_OK) for each in folders),
        "agent_sha256": hashlib.sha256(code.encode()).hexdigest() if code else "",
        "manifest_sha256": hashlib.sha256(manifest.encode()).hexdigest() if manifest else "",
        "installed": installed(manifest),
        "on_probation": on_probation(text(root / "update" / "journal.json")),
        "device": device(root / "etc" / "agent.toml"),
        "service": service(),
    }
    json.dump(facts, sys.stdout)


def arch() -> str:
    """Of the userland: a 32-bit system on a 64-bit kernel says aarch64, and its Python has small pointers."""
    machine = platform.machine()
    if struct.calcsize("P") == 8:
        return machine
    return {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine)


def text(path: Path) -> str:
    """The start of that file; empty if it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(MAX_BYTES)
    except OSError:
        return ""


def existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next(each for each in (path, *path.parents) if each.is_dir())


def rights() -> str:
    """How root's rights can be had: "root", "sudo" without a password, "password", or "none"."""
    if os.geteuid() == 0:
        return "root"
    sudo = shutil.which("sudo")
    if not sudo:
        return "none"
    environment = {**os.environ, "LC_ALL": "C"}
    asked = subprocess.run([sudo, "-n", "true"], capture_output=True, text=True, env=environment, check=False)
    if asked.returncode == 0:
        return "sudo"
    return "password" if "password" in asked.stderr else "none"


def installed(manifest: str) -> list[str]:
    """[name, version] of the active deployment; empty if there is none."""
    try:
        found = json.loads(manifest)
        return [str(found["name"]), str(found["version"])]
    except (ValueError, KeyError, TypeError):
        return []


def on_probation(journal: str) -> str:
    """What has yet to prove itself, by its name and version; empty if nothing has."""
    try:
        found = json.loads(journal)
        plan = found["plan"] or {}
        return f"{plan['deployment']} {plan['version']}" if found["state"] == "proving" else ""
    except (ValueError, KeyError, TypeError):
        return ""


def device(config: Path) -> str:
    """What the device is called in its own configuration."""
    for line in text(config).splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "device":
            return value.partition("#")[0].strip().strip("\"'")
    return ""


def service() -> str:
    """What systemd says of the agent's service: "active", "inactive", …; empty without it."""
    systemctl = shutil.which("systemctl")
    if not UNIT.exists() or not systemctl:
        return ""
    line = [systemctl, "is-active", UNIT.name]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
