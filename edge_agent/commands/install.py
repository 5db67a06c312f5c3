"""`edge-agent install`: a kit or a bundle becomes the active deployment of a device root.

What is active stays whole until one rename makes the new one active; run twice it changes nothing. What a kit
brings must be signed by whom this device trusts, and do well; a bundle is taken at the word of whoever types this.
"""

from __future__ import annotations

import argparse
import platform
import re
from pathlib import Path

import msgspec

from edge_agent import config
from edge_agent.commands.updating import open_root, raise_if_failed, refuse_on_probation
from edge_agent.config import Config
from edge_agent.deployment import read_slot
from edge_agent.fitting import check_fits
from edge_agent.layout import Root
from edge_agent.link_config import DEFAULT_BROKER_URL
from edge_agent.ota.journal import Plan
from edge_agent.ota.slots import Slots
from edge_agent.ota.updater import Updater
from firmware_profiles import atomic, broker_url, topics
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import BundleError, InputError, Problem
from firmware_profiles.installation import Installed
from firmware_profiles.manifest import Manifest
from firmware_profiles.words import NAME_PATTERN

_SECRET_MODE = 0o600


def main(arguments: argparse.Namespace) -> int:
    """Verify, stage in the idle slot, activate, configure at the first time; print an `Installed`."""
    root = Root(arguments.root.resolve())
    content, settings = _configuration(root, arguments.device_id, arguments.broker)
    if arguments.what.is_dir():
        from edge_agent.commands.kits import install_kit  # late: trust takes time to load

        update = msgspec.structs.replace(settings.update, profile=arguments.profile or settings.update.profile)
        wanted = msgspec.structs.replace(settings, update=update)
        changed = install_kit(root, wanted, arguments.what, arguments.trust_root, code=not arguments.deployment_only)
    else:
        if arguments.trust_root:
            step = "leave it out, or give a kit"
            raise InputError(Problem("--trust-root", "a kit that it is to be judged by", "a bundle", step))
        changed = _install_bundle(root, settings, arguments.what)
    if content is not None:
        with open_root(arguments.root), atomic.writer(root.config, _SECRET_MODE) as stream:
            stream.write(content)
    manifest = read_slot(root.active).manifest
    slots = Slots(root.slots)
    done = Installed(
        manifest.name, manifest.version, slots.active(), settings.device, changed, slots.active() != slots.proven()
    )
    print(msgspec.json.encode(done).decode() if arguments.json else _for_people(done, root))
    return 0


def _configuration(root: Root, device: str | None, broker: str | None) -> tuple[bytes | None, Config]:
    """The first configuration, None where there is one already, which is then left alone; and what holds."""
    if broker is not None:
        broker_url.parse(broker, "--broker")
    if device is not None and (not re.match(NAME_PATTERN, device) or device == topics.POOL):
        step = f"use lower-case letters, digits, dots and dashes, and not the word {topics.POOL!r}"
        raise InputError(Problem("--device-id", "a name of at most 64 characters", repr(device), step))
    if not root.config.exists():
        name = device or _host_name()
        return config.template(name, broker or DEFAULT_BROKER_URL), Config(name)
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
    return None, present


def _host_name() -> str:
    name = re.sub(r"[^a-z0-9_.-]", "-", platform.node().lower()).lstrip("_.-")[:64]
    return "device" if name in ("", topics.POOL) else name


def _install_bundle(root: Root, settings: Config, path: Path) -> bool:
    with Bundle(path) as bundle:
        manifest, sha256 = bundle.manifest, bundle.sha256
    check_fits(manifest, path)
    if _is_active(root, manifest):
        return False
    with open_root(root.folder, "install"):
        updater = Updater(root, settings, None, watch=False)
        updater.resume()
        refuse_on_probation(root, settings.update, updater)
        slots = Slots(root.slots)
        bundle_path = str(path.resolve())
        plan = Plan(
            "deployment", manifest.name, manifest.version, slots.idle(), slots.active(), sha256, bundle=bundle_path
        )
        updater.run("brought", plan)
    raise_if_failed(updater)
    return True


def _is_active(root: Root, wanted: Manifest) -> bool:
    """Whether the active slot holds the same deployment: its manifest names every hash."""
    try:
        return read_slot(root.active).manifest == wanted
    except BundleError:
        return False


def _for_people(done: Installed, root: Root) -> str:
    what = "is now active" if done.changed else "was active already"
    then = "; on probation until edge-agent update or edge-agent mark-good" if done.on_probation else ""
    return f"{done.deployment} {done.version} {what} in {root.folder} (slot {done.slot}, device {done.device}){then}"
