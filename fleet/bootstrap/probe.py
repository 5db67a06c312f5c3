"""What this device is; one JSON object on stdout. Arguments: the device root that is meant."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import time

STAGING = "/var/tmp"  # noqa: S108  # the folder in it is this user's own, and checked


def main(root: str) -> None:
    """Print the facts."""
    try:
        active = os.readlink(f"{root}/agent/active")
    except OSError:
        active = ""
    facts = {
        "arch": arch(),
        "kernel": platform.machine(),
        "glibc": platform.libc_ver()[1],
        "python": ".".join(platform.python_version_tuple()[:2]),
        "init": "systemd" if os.path.isdir("/run/systemd/system") else "none",
        "board": text("/proc/device-tree/model").rstrip("\0"),
        "free_bytes": min(shutil.disk_usage(existing(each)).free for each in (root, STAGING)),
        "clock_s": int(time.time()),
        "rights": rights(),
        "writable": os.access(existing(root), os.W_OK),
        "readable": not os.path.isdir(root) or os.access(f"{root}/slots", os.R_OK | os.X_OK) or not started(root),
        "agent_sha256": text(f"{root}/agent/{active}/agent.sha256").strip() if active else "",
        "manifest": text(f"{root}/slots/active/manifest.json"),
        "device": device(f"{root}/etc/agent.toml"),
        "service": service(),
    }
    facts["manifest_sha256"] = hashlib.sha256(facts["manifest"].encode()).hexdigest() if facts["manifest"] else ""
    facts["installed"] = installed(facts.pop("manifest"))
    json.dump(facts, sys.stdout)


def arch() -> str:
    """Of the userland: a 32-bit system on a 64-bit kernel says aarch64, and its Python has small pointers."""
    machine = platform.machine()
    if struct.calcsize("P") == 8:
        return machine
    return {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine)


def text(path: str) -> str:
    """At most a mebibyte of that file; empty if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20)
    except OSError:
        return ""


def existing(path: str) -> str:
    """The nearest folder above that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def started(root: str) -> bool:
    """Whether something was installed there before."""
    return os.path.lexists(f"{root}/slots")


def rights() -> str:
    """How root's rights can be had: "root", "sudo" without a password, "password", or "none"."""
    if os.geteuid() == 0:
        return "root"
    if not shutil.which("sudo"):
        return "none"
    line = ["sudo", "-n", "true"]
    asked = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
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


def device(config: str) -> str:
    """What the device is called in its own configuration."""
    for line in text(config).splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "device":
            return value.partition("#")[0].strip().strip("\"'")
    return ""


def service() -> str:
    """What systemd says of the agent's service: "active", "inactive", …; empty without it."""
    if not glob.glob("/etc/systemd/system/edge-agent.service") or not shutil.which("systemctl"):
        return ""
    line = ["systemctl", "is-active", "edge-agent.service"]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
