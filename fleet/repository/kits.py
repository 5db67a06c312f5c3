"""`godwit repo kit`: a folder with metadata and targets for devices that no network reaches.

A kit carries every root version, so that a device that was away for years follows the chain. Its timestamp and
snapshot are the repository's own, signed once more with a long life, since nobody signs a stick every week. The
timestamp says so (`kit`), and devices take such a one from a folder only: whoever finds a stick cannot use it
to hold a fleet at its state over the network.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
from securesystemslib.signer import Signer
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Timestamp

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem, did_you_mean
from firmware_profiles.targets import KIT_FILE, RESET_FILE, Custom, Kit, Note, target_path
from fleet.repository import state
from fleet.repository.adding import ours
from fleet.repository.settings import KIT_DAYS
from fleet.repository.signers import Keyring
from fleet.repository.state import State

AGENTS = "agents"
"""In a kit: the wheels of agents, for devices that have none, in folders such as `cp311-aarch64`."""


class Planned(msgspec.Struct, frozen=True):
    """What a kit will hold.

    Attributes:
        targets: names of the targets.
        files: paths below the repository and the kit alike.
        days: how long it will be valid from now on.
    """

    targets: list[str]
    profiles: list[str]
    groups: list[str]
    files: list[str]
    size_bytes: int
    days: int


class _Signers(NamedTuple):
    snapshot: list[Signer]
    timestamp: list[Signer]


def plan(current: State, profiles: Sequence[str], group: str | None, days: int | None, *, code: bool = True) -> Planned:
    """What a kit for these profiles would hold; for every one if none is named.

    Args:
        code: with the agent's own code for updaters.

    Raises:
        InputError: there is nothing for one of them, or root or targets expire before the kit is to.
    """
    chosen = [(target, custom) for target, custom in ours(current.targets) if group in (None, custom.group)]
    problems = [_unknown(profile, chosen) for profile in profiles if not any(c.profile == profile for _, c in chosen)]
    if not chosen and not profiles:
        problems.append(Problem("the repository", "a target for a kit", "none", "add a bundle first"))
    left = min(current.root.expires, current.targets.expires) - state.utc_now()
    if days is not None and left < timedelta(days=days):
        step = "godwit repo sign --role targets --role root --expires …"
        problems.append(Problem("--expires", f"at most {left.days} days, as root and targets live", f"{days}", step))
    if left < timedelta(days=1):
        step = "sign them again: godwit repo sign --role targets --role root"
        problems.append(Problem("the repository", "root and targets that live a day or more", "less", step))
    if problems:
        raise InputError(*problems)
    chosen = [
        (target, custom)
        for target, custom in chosen
        if (not profiles or custom.profile in profiles) and (code or custom.kind != "agent")
    ]
    files = sorted({path for target, custom in chosen for path in _files(target, custom)})
    size_bytes = sum((current.places.public / path).stat().st_size for path in files)
    return Planned(
        sorted(target.path for target, _ in chosen),
        sorted({custom.profile for _, custom in chosen}),
        sorted({custom.group for _, custom in chosen}),
        files,
        size_bytes,
        min(left.days, KIT_DAYS) if days is None else days,
    )


def _unknown(profile: str, chosen: Sequence[tuple[TargetFile, Custom]]) -> Problem:
    known = {custom.profile for _, custom in chosen}
    return Problem("--device", "a profile that the repository has something for", profile, did_you_mean(profile, known))


def _files(target: TargetFile, custom: Custom) -> list[str]:
    """The target alone: what is cheaper to send need not be cheaper to carry."""
    return [target_path(target.path, target.hashes["sha256"])]


def write(current: State, keys: Keyring, planned: Planned, out: Path, agents: Mapping[str, Path] | None = None) -> Kit:
    """Write the kit to `out`, whole or not at all; one that was there is replaced.

    Args:
        agents: name → folder of wheels whose lists are signed; they go below `AGENTS`.

    Raises:
        InputError: keys are missing, or `out` is something else than a kit.
    """
    if out.exists() and not (out / KIT_FILE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(Problem(str(out), "a new folder, or a kit to replace", "something else", "name a new folder"))
    signers = _Signers(keys.signers(current.root, "snapshot"), keys.signers(current.root, "timestamp"))
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        for name, wheels in (agents or {}).items():
            shutil.copytree(wheels, folder / AGENTS / name)
        kit = _fill(current, signers, planned, folder)
        with contextlib.suppress(PermissionError):  # a FAT stick has no modes
            folder.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        os.replace(folder, out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    atomic.sync_folder(out.parent)
    return kit


def _fill(current: State, signers: _Signers, planned: Planned, folder: Path) -> Kit:
    metadata = folder / "metadata"
    metadata.mkdir()
    public = current.places.public
    roots = [f"{version}.root.json" for version in sorted(current.settings.roots)]
    for name in (*roots, f"{current.targets.version}.targets.json", RESET_FILE):
        if (path := current.places.metadata / name).exists():  # the reset is there for those whose root was lost
            shutil.copyfile(path, metadata / name)
    snapshot = Snapshot(current.snapshot.version, meta={"targets.json": MetaFile(current.targets.version)})
    state.stamp(snapshot, planned.days)
    timestamp = Timestamp(current.timestamp.version, snapshot_meta=MetaFile(snapshot.version))
    state.stamp(timestamp, planned.days, Note(kit=True))
    (metadata / f"{snapshot.version}.snapshot.json").write_bytes(state.sign(snapshot, signers.snapshot))
    (metadata / "timestamp.json").write_bytes(state.sign(timestamp, signers.timestamp))
    for target in planned.files:
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(public / target, folder / target)
    kit = Kit(1, _text(state.utc_now()), _text(timestamp.expires), planned.profiles, planned.groups)
    (folder / KIT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(kit), indent=2) + b"\n")
    os.sync()  # a stick is pulled out as soon as the command has ended
    return kit


def _text(time: object) -> str:
    return str(msgspec.to_builtins(time))
