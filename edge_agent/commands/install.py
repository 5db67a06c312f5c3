"""`edge-agent install`: a bundle becomes the active deployment of a device root.

What is active stays whole until one rename makes the new one active; run twice it changes nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil

import msgspec

from edge_agent import config
from edge_agent.deployment import read_slot
from edge_agent.fitting import check_fits
from edge_agent.layout import Root
from edge_agent.link_config import DEFAULT_BROKER_URL
from firmware_profiles import atomic, broker_url, wire
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import BundleError, InputError, Problem, UnavailableError
from firmware_profiles.installation import Installed
from firmware_profiles.manifest import Manifest
from firmware_profiles.words import NAME_PATTERN

_SECRET_MODE = 0o600


def main(arguments: argparse.Namespace) -> int:
    """Verify, unpack into the idle slot, configure at the first time, activate."""
    with Bundle(arguments.bundle) as bundle:
        check_fits(bundle.manifest, arguments.bundle)
        root = Root(arguments.root.resolve())
        configuration = _configuration(root, arguments.device_id, arguments.broker)
        try:
            changed = _install(root, bundle)
            if configuration is not None:
                with atomic.writer(root.config, _SECRET_MODE) as stream:
                    stream.write(configuration)
        except OSError as error:
            found = (error.strerror or str(error)).lower()
            step = "check its rights and its free space"
            raise UnavailableError(Problem(str(arguments.root), "a folder to write to", found, step)) from None
        done = Installed(
            bundle.manifest.name,
            bundle.manifest.version,
            root.active_slot(),
            config.load(root.config).device,
            changed,
        )
    print(msgspec.json.encode(done).decode() if arguments.json else _for_people(done, root))
    return 0


def _configuration(root: Root, device: str | None, broker: str | None) -> bytes | None:
    """The first configuration; None where there is one already, which is then left alone."""
    if broker is not None:
        broker_url.parse(broker, "--broker")
    if device is not None and (not re.match(NAME_PATTERN, device) or device == wire.POOL):
        step = f"use lower-case letters, digits, dots and dashes, and not the word {wire.POOL!r}"
        raise InputError(Problem("--device-id", "a name of at most 64 characters", repr(device), step))
    if not root.config.exists():
        return config.template(device or _host_name(), broker or DEFAULT_BROKER_URL)
    present = config.load(root.config)
    step = f"edit {root.config}: an installation never changes it"
    problems = [
        Problem(flag, "what the device is configured with", "another value", step)
        for flag, given, kept in (
            ("--device-id", device, present.device),
            ("--broker", broker, present.broker.url),
        )
        if given not in (None, kept)
    ]
    if problems:
        raise InputError(*problems)
    return None


def _host_name() -> str:
    name = re.sub(r"[^a-z0-9_.-]", "-", platform.node().lower()).lstrip("_.-")[:64]
    return "device" if name in ("", wire.POOL) else name


def _install(root: Root, bundle: Bundle) -> bool:
    if _is_active(root, bundle.manifest):
        return False
    root.make()
    slot = root.idle_slot()
    staged = root.slots / f".{slot.name}.tmp"
    for leftover in (staged, slot):
        shutil.rmtree(leftover, ignore_errors=True)
    staged.mkdir()
    bundle.extract(staged)
    os.replace(staged, slot)
    atomic.sync_folder(root.slots)
    atomic.replace_link(root.active, slot.name)
    return True


def _is_active(root: Root, wanted: Manifest) -> bool:
    """Whether the active slot holds the same deployment: its manifest names every hash."""
    try:
        return read_slot(root.active).manifest == wanted
    except BundleError:
        return False


def _for_people(done: Installed, root: Root) -> str:
    what = "is now active" if done.changed else "was active already"
    return f"{done.deployment} {done.version} {what} in {root.folder} (slot {done.slot}, device {done.device})"
