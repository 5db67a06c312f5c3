"""Signed repositories as a person makes them, by the command, and bundles to put in."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Targets

from edge_agent.layout import Root
from edge_agent.ota import reference, refreshing
from edge_agent.ota.carrier import Carrier
from edge_agent.ota.folder import FolderCarrier
from firmware_profiles import bundle, manifest
from firmware_profiles.targets import Offer
from godwit.cli import run

PASSPHRASE = "correct horse"  # noqa: S105


class Command:
    """`godwit` in this process.

    Attributes:
        folder: the repository that `repo` works on.
        secret: a file with the passphrase of its keys.
    """

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "updates"
        self.secret = folder / "passphrase"
        self.secret.write_text(f"{PASSPHRASE}\n")
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        """(exit code, stdout, stderr) of `godwit WORDS`."""
        self._capsys.readouterr()
        code = run([str(word) for word in words])
        told = self._capsys.readouterr()
        return code, told.out, told.err

    def repo(self, command: str, *words: str | Path) -> Any:
        """What `godwit repo COMMAND … --json` prints; it must end well."""
        code, out, err = self.tried(command, *words)
        assert code == 0, err
        return json.loads(out)

    def tried(self, command: str, *words: str | Path) -> tuple[int, str, str]:
        """As `repo`, whatever the end."""
        secret = () if command in ("status", "serve") else ("--passphrase-file", self.secret)
        return self("repo", command, *words, "--repo", self.folder, *secret, "--json")

    def init(self, *words: str | Path) -> Any:
        """Make the repository."""
        code, out, err = self("repo", "init", self.folder, "--passphrase-file", self.secret, *words, "--json")
        assert code == 0, err
        return json.loads(out)

    def public(self) -> dict[str, bytes]:
        """Everything that is published."""
        root = self.folder / "public"
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def pack(
    folder: Path, version: str = "1.0", name: str = "pets", profile: str = "raspberry-pi-5", size: int = 2000
) -> Path:
    """A bundle whose model differs in one byte from that of every other version."""
    content = bytearray(random.Random(1).randbytes(size))  # noqa: S311
    content[sum(map(ord, version)) % size] ^= 1
    model = manifest.Model(
        name=name,
        task="classification",
        file="models/pets.tflite",
        format="tflite",
        precision="int8",
        recipe="tflite-int8",
        inputs=[manifest.Tensor("x", [1, 8, 8, 3], "float32")],
        outputs=[manifest.Tensor("y", [1, 2], "float32")],
        pre=manifest.InputSpec("image", 8, 8),
        post=manifest.OutputSpec("softmax", 1),
        runtimes=[manifest.RuntimeClaim("litert", "xnnpack", "2.1.0", 0.01)],
    )
    of = manifest.Manifest(
        name=name,
        version=version,
        godwit="0.1.0",
        profiles=[profile],
        arch="aarch64",
        models=[model],
        limits=manifest.Limits(100, 256),
    )
    path = folder / bundle.file_name(of)
    bundle.write(path, of, {"models/pets.tflite": bytes(content)})
    return path


def offer(godwit: Command, device: Path, group: str = "default", at: Path | None = None) -> Offer | None:
    """What a device that starts from the first root gets from the published folder, or from a kit."""
    targets = refresh_from(godwit, device, FolderCarrier(at or godwit.folder / "public"))
    return refreshing.choose(targets, "raspberry-pi-5", group)


def refresh_from(godwit: Command, device: Path, carrier: Carrier) -> Targets:
    """What a device that starts from the first root verifies."""
    root = Root(device)
    refreshing.pin(root, (godwit.folder / "public" / "metadata" / "1.root.json").read_bytes())
    return refreshing.refresh(root, carrier, reference.load(root))
