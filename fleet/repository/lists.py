"""The lists of agents' files, `agent.json`, become signed targets: they vouch for the wheels that flash brings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from tuf.api.metadata import TargetFile, Targets

from firmware_profiles import atomic
from firmware_profiles.agent_code import AgentCode
from firmware_profiles.targets import AgentList, read_list, target_path
from fleet.repository import state
from fleet.repository.signers import Keyring
from fleet.repository.state import State

_FOLDER = "agents"


class Listed(NamedTuple):
    """An agent that goes to devices as wheels.

    Attributes:
        path: of its `agent.json`, which was made here.
        profiles: of those devices.
    """

    path: Path
    profiles: list[str]


class _Target(NamedTuple):
    name: str
    raw: bytes
    custom: AgentList


def add(current: State, keys: Keyring, lists: Sequence[Listed]) -> list[str]:
    """Sign the lists, each in place of the one before for the same profile and Python.

    Returns:
        Names of the metadata files that were written; none where all of it was signed already.

    Raises:
        InputError: keys are missing.
    """
    targets = current.targets.targets
    changed = [each for listed in lists for each in _targets(listed) if not _is_there(current.targets, each)]
    if not changed:
        return []
    keys.signers(current.root, "targets")  # ask for passphrases before the work
    for each in changed:
        for name in _replaced(current.targets, each.custom):
            del targets[name]
        sha256 = hashlib.sha256(each.raw).hexdigest()
        path = current.places.public / target_path(each.name, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, each.raw)
        targets[each.name] = TargetFile(len(each.raw), {"sha256": sha256}, each.name)
        targets[each.name].unrecognized_fields["custom"] = msgspec.to_builtins(each.custom)
    return state.publish(current, keys, ["targets"])


def _targets(listed: Listed) -> Iterator[_Target]:
    raw = listed.path.read_bytes()
    of = msgspec.json.decode(raw, type=AgentCode)
    for profile in listed.profiles:
        name = f"{_FOLDER}/{profile}/agent-{of.version}-{of.python}-{of.arch}.json"
        yield _Target(name, raw, AgentList("agent", profile, of.version, of.python, of.arch))


def _is_there(signed: Targets, wanted: _Target) -> bool:
    found = signed.targets.get(wanted.name)
    return found is not None and found.hashes.get("sha256") == hashlib.sha256(wanted.raw).hexdigest()


def _replaced(signed: Targets, by: AgentList) -> list[str]:
    """Names of the lists for the same devices."""
    found = ((name, read_list(target.custom)) for name, target in signed.targets.items())
    return [name for name, of in found if of and (of.profile, of.python) == (by.profile, by.python)]
