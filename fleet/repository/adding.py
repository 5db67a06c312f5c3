"""`godwit repo add`: bundles become signed targets, one for each kind of device and group."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
from tuf.api.metadata import TargetFile, Targets

from firmware_profiles import atomic
from firmware_profiles.bundle import SUFFIX, Bundle, file_name
from firmware_profiles.errors import GodwitError, InputError, Problem
from firmware_profiles.targets import Custom, Kind, Transport, read_custom, target_name, target_path
from fleet.repository import state, transports
from fleet.repository.settings import Role
from fleet.repository.signers import Keyring
from fleet.repository.state import State


class Planned(msgspec.Struct, frozen=True):
    """One target that is to be.

    Attributes:
        bundle: the file that was given.
        replaces: name of the target that the same devices have had until now.
        changed: whether the repository does not say just this already.
    """

    bundle: str
    target: str
    kind: Kind
    deployment: str
    version: str
    profile: str
    group: str
    size_bytes: int
    sha256: str
    replaces: str | None
    changed: bool
    python: str = ""
    arch: str = ""


def plan(current: State, bundles: Sequence[Path], group: str) -> list[Planned]:
    """Verify every bundle, and tell what adding them would change.

    Raises:
        InputError: everything that is wrong with any of them.
    """
    planned: list[Planned] = []
    problems: list[Problem] = []
    for path in bundles:
        try:
            planned += _targets_of(current, path, group)
        except GodwitError as error:
            problems += error.problems
    for index, each in enumerate(planned):
        for other in planned[:index]:
            if _device(each) == _device(other) and each.sha256 != other.sha256:
                found = f"{other.bundle} for the same"
                expected = f"one bundle for {each.profile} in the group {group}"
                problems.append(
                    Problem(each.bundle, expected, found, "add one of them, or use --to with another group")
                )
    if problems:
        raise InputError(*problems)
    return planned


def _targets_of(current: State, path: Path, group: str) -> Iterator[Planned]:
    with Bundle(path) as bundle:
        of = bundle.manifest
        size_bytes = path.stat().st_size
        name = target_name(group, file_name(of))
        yield _planned(
            current,
            Planned(
                str(path),
                name,
                "deployment",
                of.name,
                of.version,
                of.profiles[0],
                group,
                size_bytes,
                bundle.sha256,
                None,
                True,
            ),
        )


def _planned(current: State, each: Planned) -> Planned:
    before = next((target for target, custom in ours(current.targets) if _device(custom) == _device(each)), None)
    same = before is not None and before.path == each.target and before.hashes.get("sha256") == each.sha256
    replaces = None if before is None or same else before.path
    return msgspec.structs.replace(each, replaces=replaces, changed=not same)


def ours(targets: Targets) -> Iterator[tuple[TargetFile, Custom]]:
    """The targets that are for devices, and what they say of themselves."""
    for target in targets.targets.values():
        if custom := read_custom(target.custom):
            yield target, custom


def _device(of: Planned | Custom) -> tuple[str, ...]:
    """Devices for which the same is true are to have one target."""
    return (of.kind, of.profile, of.group, of.python, of.arch)


def add(current: State, keys: Keyring, planned: Sequence[Planned]) -> list[str]:
    """Publish what was planned; a failure before the end changes nothing that a device sees.

    Returns:
        Names of the metadata files that were written.

    Raises:
        InputError: keys are missing.
    """
    changed = [each for each in planned if each.changed]
    if not changed:
        return []
    roles: tuple[Role, ...] = ("targets", "snapshot", "timestamp")
    for role in roles:
        keys.signers(current.root, role)  # ask for passphrases before the work
    for each in changed:
        _add(current, each)
    return state.publish(current, keys, ["targets"])


def _add(current: State, each: Planned) -> None:
    public = current.places.public
    predecessors = list(_predecessors(current, each))
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=current.places.folder) as folder:
        made = list(transports.make(Path(each.bundle), each.target, predecessors, Path(folder)))
        for transport, file in made:
            _place(file, public / transport.path)
        copy = Path(folder) / "bundle"
        shutil.copyfile(each.bundle, copy)
        if transports.sha256_of(copy) != each.sha256:
            raise InputError(Problem(each.bundle, "the bundle that was verified", "another one", "try again"))
        _place(copy, public / target_path(each.target, each.sha256))
    if each.replaces:
        del current.targets.targets[each.replaces]
    target = TargetFile(each.size_bytes, {"sha256": each.sha256}, each.target)
    target.unrecognized_fields["custom"] = _custom(each, [transport for transport, _ in made])
    current.targets.targets[each.target] = target


def _custom(each: Planned, ways: list[Transport]) -> dict[str, Any]:
    shared = {name: getattr(each, name) for name in Custom.__struct_fields__ if hasattr(each, name)}
    custom = msgspec.convert(shared | {"transports": msgspec.to_builtins(ways)}, Custom)
    return cast("dict[str, Any]", msgspec.to_builtins(custom))


def _predecessors(current: State, each: Planned) -> Iterator[tuple[str, Path]]:
    """(SHA-256, file) of what these devices may have now, newest first: the last one's, and what that one patched."""
    for target, custom in ours(current.targets):
        if _device(custom) != _device(each):
            continue
        bundles = [target.hashes["sha256"], *_patched(custom)]
        for sha256 in bundles:
            path = next(current.places.targets.rglob(f"{sha256}.*{SUFFIX}*"), None)
            if path is not None and sha256 != each.sha256:
                yield sha256, path


def _patched(custom: Custom) -> list[str]:
    return [way.from_sha256 for way in custom.transports if way.from_sha256]


def _place(file: Path, path: Path) -> None:
    """Give `file` its name in the repository, flushed to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    file.chmod(0o644)
    os.replace(file, path)
    atomic.sync_folder(path.parent)
