"""Deployments that take each other's place in a device root, for the tests of the handover."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from firmware_profiles import atomic
from firmware_profiles.bundle import Bundle
from firmware_profiles.health import Health
from firmware_profiles.manifest import InputSpec, Tensor
from tests.edge_agent.support import NULL, Device, model, wait_until, write_bundle


def null_version(path: Path, version: str, memory_mb: int = 0, tensors: bool = False, **changes: Any) -> Path:
    """A bundle without a real model, of that version; it takes images, or any numbers of shape [6, 6]."""
    more: dict[str, Any] = {"inputs": [Tensor("x", [1, 6, 6], "float32")], "pre": InputSpec(kind="tensor")}
    of = model(
        file="models/null.json",
        format="null",
        runtimes=list(NULL),
        memory_mb=memory_mb,
        **(more if tensors else {}),
    )
    return write_bundle(path, of, b'{"outputs": [[1, 3]]}', version=version, **changes)


def put(device: Device, bundle: Path, slot: str = "b") -> Path:
    """Unpack a bundle into a slot, as the updater does; nothing is switched."""
    folder = device.root / "slots" / slot
    folder.mkdir(exist_ok=True)
    with Bundle(bundle) as opened:
        opened.extract(folder)
    return folder


def point(device: Device, slot: str) -> None:
    """Name the active slot."""
    atomic.replace_link(device.root / "slots" / "active", slot)


def told(device: Device) -> Health | None:
    """The health that the agent writes."""
    try:
        return msgspec.json.decode((device.root / "run" / "health.json").read_bytes(), type=Health)
    except FileNotFoundError:
        return None


def wait_for_health(device: Device, version: str, state: str) -> Health:
    """The first health that says so."""
    found: list[Health] = []

    def holds() -> bool:
        now = told(device)
        if now is not None and (now.version, now.state) == (version, state):
            found.append(now)
        return bool(found)

    wait_until(holds, f"version {version} {state}")
    return found[0]


def workers(supervisor: int) -> list[int]:
    """Process ids of the workers of a supervisor, the oldest first."""
    with open(f"/proc/{supervisor}/task/{supervisor}/children", encoding="ascii") as stream:  # noqa: PTH123  # of /proc
        return [int(pid) for pid in stream.read().split() if _is_worker(int(pid))]


def _is_worker(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"edge_agent.worker" in command and os.path.exists(f"/proc/{pid}/exe")  # noqa: PTH110  # a zombie has none
