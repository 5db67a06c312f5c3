"""The part of the agent's systemd unit that depends on the device: which nodes it may open, how much it may take.

Everything else is in the files of `deploy/systemd`, the same for every device.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, get_args

from firmware_profiles.profile import Profile

Grant = Literal["serial", "camera", "gpu"]
GRANTS: tuple[Grant, ...] = get_args(Grant)
UPDATERS = ("edge-agent-update.service", "edge-agent-stick.service", "edge-agent-receive@.service")
_GROUPS: dict[Grant, tuple[str, ...]] = {"serial": ("dialout",), "camera": ("video",), "gpu": ("render", "video")}
_SUPERVISOR_MB = 128
_SHELL_PERCENT = 20
# Installed beside this package; in a checkout they are where people find them.
_PACKAGED = Path(__file__).parent / "units"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "deploy" / "systemd"


def drop_in(profile: Profile, grants: Collection[Grant]) -> str:
    """The drop-in file of `edge-agent.service` on a device of that profile, with those kinds of device granted."""
    named = [grant for grant in GRANTS if grant in grants]
    limits = [
        f"MemoryMax={_memory_mb(profile)}M",
        f"CPUQuota={100 * profile.hardware.cores - _SHELL_PERCENT}%",
    ]
    return _text(profile, named, limits)


def updater_drop_in(profile: Profile, grants: Collection[Grant]) -> str:
    """The drop-in file of each of `UPDATERS`: its self-test must find what the agent's models run on."""
    return _text(profile, [grant for grant in grants if grant == "gpu"], [])


def _text(profile: Profile, named: list[Grant], limits: list[str]) -> str:
    lines = [
        f"# Made by edge-agent service for {profile.name}, granted: {', '.join(named) or 'no device'}.",
        "[Service]",
        *limits,
    ]
    if named:
        lines.append("PrivateDevices=no")
        lines += [f"DeviceAllow={node} rw" for node in dict.fromkeys(_nodes(profile, named))]
        groups = dict.fromkeys(group for grant in named for group in _GROUPS[grant])
        lines.append(f"SupplementaryGroups={' '.join(groups)}")
    if "gpu" in named:
        lines.append("# A GPU's driver compiles its kernels here.")
        lines.append("MemoryDenyWriteExecute=no")
    return "\n".join(lines) + "\n"


def _memory_mb(profile: Profile) -> int:
    """Two workers at the profile's limit, while a new deployment takes over, where the device has that much."""
    wanted = 2 * profile.limits.peak_rss_mb + _SUPERVISOR_MB
    return round(min(wanted, 0.75 * profile.hardware.ram_mb))


def _nodes(profile: Profile, grants: list[Grant]) -> list[str]:
    return [node for grant in grants for node in getattr(profile.devices, grant)]
