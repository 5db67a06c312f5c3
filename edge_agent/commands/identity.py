"""`edge-agent identity`: a certificate for this device, whose key never leaves it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from edge_agent import config, renewing
from edge_agent.layout import Root, existing
from firmware_profiles.errors import InputError, Problem, UnavailableError
from firmware_profiles.identity import Identity


def main(arguments: argparse.Namespace) -> int:
    """Do what is asked."""
    root = existing(arguments.root)
    device = config.load(root.config).device
    if arguments.action == "show":
        told = _shown(root)
    else:
        try:
            from edge_agent import identity
        except ModuleNotFoundError as error:
            step = "pip install 'godwit[agent-identity]'"
            where = "edge-agent identity"
            raise UnavailableError(Problem(where, f"the Python package {error.name}", "none", step)) from None
        with _written(root):
            if arguments.action == "request":
                sys.stdout.write(identity.request(root.identity, device).decode())
                return 0
            ca = _read(arguments.ca) if arguments.ca else None
            told = identity.accept(root.identity, device, _read(arguments.certificate), ca)
    print(msgspec.json.encode(told).decode() if arguments.json else _for_people(told))
    return 0


def _shown(root: Root) -> Identity:
    found = renewing.present(root)
    if found is None:
        step = "make one: edge-agent identity request, godwit ca sign, edge-agent identity accept"
        raise InputError(Problem(str(root.identity), "a certificate of this device", "none", step))
    return found


@contextmanager
def _written(root: Root) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "run it as a user who may write there"
        raise UnavailableError(Problem(str(root.identity), "a folder to write to", found, step)) from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(renewing.MAX_BYTES)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Problem(str(path), "a readable file", found, "check the path")) from None


def _for_people(told: Identity) -> str:
    days = (told.not_after - datetime.now(timezone.utc)).days
    return f"{told.device}: certificate {told.serial} until {told.not_after:%Y-%m-%d} ({days} days left)"
