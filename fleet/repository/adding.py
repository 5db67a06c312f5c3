"""`godwit repo add`: bundles become signed targets, one for each kind of device and group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from tuf.api.metadata import TargetFile, Targets

from firmware_profiles import agent_code
from firmware_profiles.bundle import Bundle, file_name
from firmware_profiles.errors import BundleError, GodwitError, InputError, Problem
from firmware_profiles.targets import Custom, Kind, read_custom, target_name
from fleet.repository import placing, state, transports
from fleet.repository.settings import Role
from fleet.repository.signers import Keyring
from fleet.repository.state import State

_AGENT = "agent"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One target that is to be.

    Attributes:
        bundle: the file that was given.
        replaces: name of the target that the same devices have had until now.
        changed: whether the repository does not say just this already.
        python, arch: of an agent's code; as in `Custom`.
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
    python: str = ""
    arch: str = ""
    replaces: str | None = None
    changed: bool = True


def plan(current: State, bundles: Sequence[Path], group: str, profiles: Sequence[str] = ()) -> list[Planned]:
    """Verify every bundle, and tell what adding them would change.

    Args:
        profiles: of the devices that an agent's code is for; a deployment's bundle says itself whom it is for.

    Raises:
        InputError: everything that is wrong with any of them.
    """
    planned: list[Planned] = []
    problems: list[Problem] = []
    for path in bundles:
        try:
            of_agent = path.name.endswith(agent_code.SUFFIX)
            made = _of_agent(path, group, profiles) if of_agent else _of_deployment(path, group)
            planned += [_compared(current, each) for each in made]
        except GodwitError as error:
            problems += error.problems
    for index, each in enumerate(planned):
        for other in planned[:index]:
            if device(each) == device(other) and each.sha256 != other.sha256:
                found = f"{other.bundle} for the same"
                expected = f"one bundle for {each.profile} in the group {group}"
                step = "add one of them, or use --to with another group"
                problems.append(Problem(each.bundle, expected, found, step))
    if problems:
        raise InputError(*problems)
    return planned


def _of_deployment(path: Path, group: str) -> Iterator[Planned]:
    with Bundle(path) as bundle:
        of = bundle.manifest
        for profile in of.profiles:
            folder = group if profile == of.profiles[0] else f"{group}/{profile}"
            yield Planned(
                bundle=str(path),
                target=target_name(folder, file_name(of)),
                kind="deployment",
                deployment=of.name,
                version=of.version,
                profile=profile,
                group=group,
                size_bytes=path.stat().st_size,
                sha256=bundle.sha256,
            )


def _of_agent(path: Path, group: str, profiles: Sequence[str]) -> Iterator[Planned]:
    if not profiles:
        step = "name the devices' profiles: --device raspberry-pi-5"
        raise InputError(Problem(str(path), "--device for an agent's code", "none", step))
    try:
        with path.open("rb") as stream:
            of = agent_code.unpack(stream, str(path), _read_to_its_end)
    except OSError as error:
        found = (error.strerror or "").lower()
        raise BundleError(Problem(str(path), "an agent's code", found, "check the path")) from None
    for profile in profiles:
        yield Planned(
            bundle=str(path),
            target=target_name(f"{group}/{profile}", agent_code.file_name(of)),
            kind="agent",
            deployment=_AGENT,
            version=of.version,
            profile=profile,
            group=group,
            size_bytes=path.stat().st_size,
            sha256=transports.sha256_of(path),
            python=of.python,
            arch=of.arch,
        )


def _read_to_its_end(_name: str, chunks: Iterator[bytes]) -> None:
    for _ in chunks:
        pass


def _compared(current: State, each: Planned) -> Planned:
    before = next((target for target, custom in ours(current.targets) if device(custom) == device(each)), None)
    same = before is not None and before.path == each.target and before.hashes.get("sha256") == each.sha256
    replaces = None if before is None or same else before.path
    return msgspec.structs.replace(each, replaces=replaces, changed=not same)


def ours(targets: Targets) -> Iterator[tuple[TargetFile, Custom]]:
    """The targets that are for devices, and what they say of themselves."""
    for target in targets.targets.values():
        if custom := read_custom(target.custom):
            yield target, custom


def device(of: Planned | Custom) -> tuple[str, ...]:
    """Devices for which the same is true are to have one target."""
    return (of.kind, of.profile, of.group, of.python)


def _say_nothing(_said: str) -> None:
    """For those who do not watch."""


def add(
    current: State, keys: Keyring, planned: Sequence[Planned], tell: Callable[[str], None] = _say_nothing
) -> list[str]:
    """Publish what was planned; a failure before the end changes nothing that a device sees.

    Args:
        tell: what is done, where it takes long.

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
    targets = current.targets.targets
    for each in changed:
        same_device = [(target, custom) for target, custom in ours(current.targets) if device(custom) == device(each)]
        shared = {name: getattr(each, name) for name in Custom.__struct_fields__ if hasattr(each, name)}
        made = placing.place(current.places, Path(each.bundle), each.target, each.sha256, same_device, tell)
        custom = msgspec.convert(shared | {"transports": msgspec.to_builtins(made)}, Custom)
        if each.replaces:
            del targets[each.replaces]
        targets[each.target] = TargetFile(each.size_bytes, {"sha256": each.sha256}, each.target)
        targets[each.target].unrecognized_fields["custom"] = msgspec.to_builtins(custom)
    return state.publish(current, keys, ["targets"])
