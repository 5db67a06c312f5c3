"""The part of `edge-agent install` that knows kits."""

from __future__ import annotations

from pathlib import Path

from edge_agent.commands.updating import open_root, raise_if_failed, refuse_on_probation
from edge_agent.config import Config
from edge_agent.layout import Root
from edge_agent.ota import looking, refreshing
from edge_agent.ota.folder import FolderCarrier
from edge_agent.ota.updater import Updater
from firmware_profiles.errors import InputError, Problem

_MAX_ROOT_BYTES = 1 << 20


def install_kit(root: Root, settings: Config, kit: Path, trust_root: Path | None) -> bool:
    """Install what the kit has for this device; whether that changed what is active.

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
        if trust_root:
            refreshing.pin(root, _read(trust_root))
        found = looking.look(root, settings, carrier, try_again=True)
        if found.told == "nothing":
            group, step = settings.update.group, "ask for a kit for this device"
            raise InputError(Problem(str(kit), f"something for this device (group {group})", "nothing", step))
        if found.plan is None:
            return False
        refuse_on_probation(root, settings.update, updater)
        updater.run("found", found.plan)
    raise_if_failed(updater)
    return True


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_ROOT_BYTES)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Problem(str(path), "signed root metadata", found, "check the path")) from None
