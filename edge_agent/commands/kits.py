"""The part of `edge-agent install` that knows kits."""

from __future__ import annotations

from pathlib import Path

from edge_agent.commands.updating import open_root, raise_if_failed, refuse_on_probation
from edge_agent.config import Config
from edge_agent.layout import Root
from edge_agent.ota import history, looking, refreshing
from edge_agent.ota.folder import FolderCarrier
from edge_agent.ota.journal import Plan
from edge_agent.ota.updater import Updater
from firmware_profiles.errors import GodwitError, InputError, Problem

_MAX_ROOT_BYTES = 1 << 20


def install_kit(root: Root, settings: Config, kit: Path, trust_root: Path | None, *, code: bool) -> bool:
    """Install what the kit has for this device; whether that changed what is active.

    Args:
        code: the agent's own code, too, which then comes first.

    Raises:
        InputError: it has nothing for this device.
        TrustError: it is not signed by whom this device trusts.
        RefusedError: what it has does badly here.
        UnavailableError: it could not be read, or the disk refused.
    """
    with open_root(root.folder, "install"):
        carrier = FolderCarrier(kit)
        updater = Updater(root, settings, carrier, watch=False)
        updater.resume()
        try:
            if trust_root:
                refreshing.pin(root, read_root(trust_root))
            plan = _plan(root, settings, carrier, kit, code=code)
        except GodwitError as error:
            if root.active.is_symlink():  # else there is no agent that would tell it
                history.add(root, history.about_nothing("update_unavailable", str(error)))
            raise
        if plan is None:
            return False
        refuse_on_probation(root, settings.update, updater)
        updater.run("found", plan)
    raise_if_failed(updater)
    return True


def _plan(root: Root, settings: Config, carrier: FolderCarrier, kit: Path, *, code: bool) -> Plan | None:
    """What is to be done; None where this device has everything already."""
    found = looking.look(root, settings, carrier, code=code, try_again=True)
    if found.told == "nothing":
        group, step = settings.update.group, "ask for a kit for this device"
        raise InputError(Problem(str(kit), f"something for this device (group {group})", "nothing", step))
    return found.plan


def read_root(path: Path) -> bytes:
    """The file of `--trust-root`, bounded.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_ROOT_BYTES)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Problem(str(path), "signed root metadata", found, "check the path")) from None
