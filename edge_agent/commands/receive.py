"""`edge-agent receive`: what comes over a serial line is installed by `edge-agent install`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_agent import receiving
from edge_agent.layout import Root
from firmware_profiles.serial_link.contents import KIT, TRUST_ROOT, Contents
from firmware_profiles.serial_receiver import serving
from firmware_profiles.serial_receiver.staging import Staging


def main(arguments: argparse.Namespace) -> int:
    """Serve until told to stop, or with --once one transfer; then the exit code is its installation's."""
    root = Root(arguments.root.resolve())

    def install(files: Path, contents: Contents) -> list[str]:
        return [
            sys.executable,
            "-m",
            "edge_agent",
            "install",
            *flags(files, contents),
            "--root",
            str(root.folder),
            "--json",
        ]

    store, told = Staging(root.received, install), serving.facts(root.folder)
    if arguments.serial:
        return receiving.serve_port(store, told, arguments.serial, arguments.baud, arguments.once)
    return serving.serve_console(store, told)


def flags(files: Path, contents: Contents) -> list[str]:
    """What `install` is told of a transfer whose files lie in `files`."""
    pairs = (("--device-id", contents.device_id), ("--broker", contents.broker))
    told = [f"{flag}={value}" for flag, value in pairs if value is not None]
    if any(file.path == TRUST_ROOT for file in contents.files):
        told.append(f"--trust-root={files / TRUST_ROOT}")
    return [str(files / KIT), *told]
