"""`edge-agent identity`: a certificate for this device, whose key never leaves it."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from edge_agent import config
from edge_agent.layout import existing
from firmware_profiles.errors import InputError, Problem, UnavailableError

_MAX_BYTES = 65_536


def main(arguments: argparse.Namespace) -> int:
    """Do what is asked."""
    try:
        from edge_agent import identity
    except ModuleNotFoundError as error:
        step = "pip install 'godwit[agent-identity]'"
        where = "edge-agent identity"
        raise UnavailableError(Problem(where, f"the Python package {error.name}", "none", step)) from None
    root = existing(arguments.root)
    device = config.load(root.config).device
    try:
        if arguments.action == "request":
            sys.stdout.write(identity.request(root.identity, device).decode())
            return 0
        if arguments.action == "accept":
            told = identity.accept(root.identity, device, _read(arguments.certificate), _read(arguments.ca))
        else:
            told = identity.current(root.identity)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "run it as a user who may write there"
        raise UnavailableError(Problem(str(root.identity), "a folder to write to", found, step)) from None
    print(msgspec.json.encode(told).decode() if arguments.json else _for_people(told))
    return 0


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_BYTES)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Problem(str(path), "a readable file", found, "check the path")) from None


def _for_people(told: object) -> str:
    from edge_agent.identity import Identity

    assert isinstance(told, Identity)
    days = (told.not_after - datetime.now(timezone.utc)).days
    return f"{told.device}: certificate {told.serial} until {told.not_after:%Y-%m-%d} ({days} days left)"
