"""`edge-agent receive`: what comes over a serial line is installed by `edge-agent install`, and a certificate taken."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_agent import receiving
from edge_agent.layout import Root
from firmware_profiles.serial_link.contents import CA, CERTIFICATE, KIT, TRUST_ROOT, Contents
from firmware_profiles.serial_receiver import serving


def main(arguments: argparse.Namespace) -> int:
    """Serve until told to stop, or with --once one transfer; then the exit code is its installation's."""
    root = Root(arguments.root.resolve())

    def install(files: Path, contents: Contents) -> list[str]:
        words = of_identity(root, files, contents) or ["install", *flags(files, contents), "--json"]
        return [sys.executable, "-m", "edge_agent", *words, "--root", str(root.folder)]

    def facts() -> bytes:
        return receiving.facts(root)

    store = receiving.Receiving(root, install)
    if arguments.serial:
        return receiving.serve_port(store, facts, arguments.serial, arguments.baud, arguments.once)
    return serving.serve_console(store, facts)


def of_identity(root: Root, files: Path, contents: Contents) -> list[str]:
    """What a transfer of certificates asks for; nothing where it brings a kit.

    Whoever has the cable chooses the authority of the first certificate only.
    """
    brought = {file.path for file in contents.files}
    if CERTIFICATE in brought:
        known = (root.identity / "current").exists()
        ca = [] if known else ["--ca", str(files / CA)]
        return ["identity", "accept", str(files / CERTIFICATE), *ca, "--json"]
    return ["identity", "request"] if CA in brought else []


def flags(files: Path, contents: Contents) -> list[str]:
    """What `install` is told of a transfer whose files lie in `files`."""
    told = [f"--{name.replace('_', '-')}={value}" for name, value in contents.told().items()]
    if any(file.path == TRUST_ROOT for file in contents.files):
        told.append(f"--trust-root={files / TRUST_ROOT}")
    return [str(files / KIT), *told]
