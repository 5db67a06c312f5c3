"""`edge-agent verify`: whether a kit, and the agent that comes with it, are signed by whom this device trusts.

By it the code that is here judges other code before any of that runs (`fleet/bootstrap`). It is done on a copy of the
device's trust, so that nothing changes here, whatever the kit holds.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import msgspec
from tuf.api.metadata import Targets

from edge_agent.commands.kits import read_root
from edge_agent.layout import Root
from edge_agent.ota import kinds, reference, refreshing
from edge_agent.ota.folder import FolderCarrier
from firmware_profiles.errors import Problem, TrustError, UnavailableError
from firmware_profiles.profile import userland_arch
from firmware_profiles.targets import read_list


class Verified(msgspec.Struct, frozen=True):
    """What `--json` prints.

    Attributes:
        targets: version of the signed targets.
        agent: version of the agent whose list is signed; empty where none was asked for.
    """

    targets: int
    agent: str


def main(arguments: argparse.Namespace) -> int:
    """Print a `Verified`."""
    root = Root(arguments.root.resolve())
    given = read_root(arguments.trust_root) if arguments.trust_root else None
    try:
        with tempfile.TemporaryDirectory(prefix="godwit-verify-") as scratch:
            beside = Root(Path(scratch))
            if root.trust.is_dir():
                shutil.copytree(root.trust, beside.trust)
            if given is not None:
                refreshing.pin(beside, given)
            signed = refreshing.refresh(beside, FolderCarrier(arguments.kit), reference.load(beside))
    except OSError as error:
        found = (error.strerror or "some that this user cannot read").lower()  # shutil.Error has a list of them
        step = "run it as root, or as the updater's user"
        raise UnavailableError(Problem(str(root.trust), "files to read", found, step)) from None
    agent = _version_of(signed, arguments.agent) if arguments.agent else ""
    done = Verified(signed.version, agent)
    print(msgspec.json.encode(done).decode() if arguments.json else _for_people(done, arguments.kit))
    return 0


def _version_of(signed: Targets, sha256: str) -> str:
    """The version of the agent for this Python and userland whose list has that hash.

    Raises:
        TrustError: none is signed.
    """
    here = (kinds.python_tag(), userland_arch())
    for target in signed.targets.values():
        try:
            listed = read_list(target.custom)
        except ValueError:  # one of a later form, and not for this device
            continue
        if listed and target.hashes.get("sha256") == sha256 and (listed.python, listed.arch) == here:
            return listed.version
    step = "flash again, or ask for another kit"
    expected = f"an agent for {' on '.join(here)} that is signed in the kit"
    raise TrustError(Problem("agent.json", expected, f"one with sha256 {sha256[:12]}…", step))


def _for_people(done: Verified, kit: Path) -> str:
    also = f", and so is the agent {done.agent} beside it" if done.agent else ""
    return f"{kit} is signed by whom this device trusts (targets version {done.targets}){also}"
