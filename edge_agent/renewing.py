"""The device's certificate is renewed before it ends: what the updater's user does about it.

It leaves a request where the agent finds it, who says it to the broker and leaves here what comes back. A stick and
a serial line carry both as well. No cryptography is loaded where there is nothing to be done.
"""

from __future__ import annotations

import os
import shutil
import stat
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from edge_agent.config import Config
from edge_agent.layout import Root
from edge_agent.link_config import Broker
from firmware_profiles.errors import GodwitError, InputError, Problem
from firmware_profiles.identity import Identity

KEY, IDENTITY, REQUEST = "device.key", "identity.json", "request.json"
MAX_BYTES = 65_536


def present(root: Root) -> Identity | None:
    """The certificate in use; None before the first.

    Raises:
        InputError: what is there cannot be read.
    """
    path = root.identity / "current" / IDENTITY
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        step = "make a new one: edge-agent identity request, godwit ca sign, edge-agent identity accept"
        raise InputError(Problem(str(path), "what is known of the certificate", str(error), step)) from None


def is_wanted(root: Root, broker: Broker) -> bool:
    """Whether a certificate is to be signed for this device: it has none, it is time for the next, or a key waits.

    Raises:
        InputError: see `present`.
    """
    if (root.identity / "next").exists():
        return True
    found = present(root)
    return broker.names_identity and (found is None or found.is_due(datetime.now(timezone.utc)))


def renew(root: Root, config: Config) -> None:
    """Take the certificate that came by the broker, and ask for the next one where it is time.

    Raises:
        GodwitError: what came is not for this device.
        OSError: the disk refused.
    """
    if not config.broker.names_identity or (before := present(root)) is None:
        return
    _clear_what_was_answered(root.identity)
    try:
        if (came := _come(root.certificate_come)) and (root.identity / "next").exists():
            from edge_agent import identity  # late: cryptography takes time and memory

            identity.accept(root.identity, config.device, came, None)
    except GodwitError:
        root.certificate_come.unlink(missing_ok=True)
        raise
    root.certificate_come.unlink(missing_ok=True)
    if (present(root) or before).is_due(datetime.now(timezone.utc)) and not root.certificate_request.exists():
        from edge_agent import identity

        identity.ask(root.identity, config.device)


def _clear_what_was_answered(folder: Path) -> None:
    """Power was cut while a certificate was taken: its key waits no more."""
    keys = [folder / which / KEY for which in ("next", "current")]
    if all(path.exists() for path in keys) and keys[0].read_bytes() == keys[1].read_bytes():
        shutil.rmtree(folder / "next")


def _come(path: Path) -> bytes:
    """What the agent left; it is read as what a stranger wrote. Nothing where there is nothing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(handle, MAX_BYTES) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    finally:
        os.close(handle)
