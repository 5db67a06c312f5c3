"""What the cuts work with: a device that runs version 1, and kits with the versions 2 and 3."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.bundle import Bundle
from firmware_profiles.manifest import MANIFEST_NAME
from tests.edge_agent.ota.signed import Repository
from tests.edge_agent.support import NULL, agent, model, write_bundle

VERSIONS = ("1", "2", "3")


class Material(NamedTuple):
    """Everything lies in `folder`.

    Attributes:
        manifests: hash of the manifest → version.
    """

    folder: Path
    manifests: dict[str, str]

    @property
    def device(self) -> Path:
        """A device root: version 0 was there before, version 1 runs and is proven."""
        return self.folder / "device"

    def kit(self, version: str) -> Path:
        """A kit whose newest is `version`."""
        return self.folder / f"kit-{version}"

    def bundle(self, version: str) -> Path:
        """A bundle as a person would bring it."""
        return self.folder / f"{version}.godwit"


def make(folder: Path, real: bool = False) -> Material:
    """Make it; `real`: the model runs on LiteRT, and not on nothing."""
    folder.mkdir(parents=True)
    material = Material(folder, {})
    for version in ("0", *VERSIONS):
        _bundle(material.bundle(version), version, real)
        with Bundle(material.bundle(version)) as bundle:
            manifest = bundle.read(MANIFEST_NAME)
        material.manifests[hashlib.sha256(manifest).hexdigest()] = version
    repository = Repository(folder / "repository")
    against = None
    for version in VERSIONS:
        repository.add(material.bundle(version), against)
        shutil.copytree(repository.folder, material.kit(version))
        against = material.bundle(version)
    _install(material, repository.root)
    return material


def _bundle(path: Path, version: str, real: bool) -> None:
    """Of each version another content, in every file."""
    if real:
        write_bundle(path, version=version)
        return
    of = model(file="models/null.json", format="null", runtimes=list(NULL))
    content = f'{{"outputs": [[1, 3]]{" " * int(version)}}}'.encode()
    write_bundle(path, of, content, version=version)


def _install(material: Material, trusted: Path) -> None:
    root = ("--root", material.device)
    agent("install", material.bundle("0"), *root, "--device-id", "d1", check=True)
    agent("install", material.kit("1"), "--trust-root", trusted, *root, check=True)
    agent("mark-good", *root, check=True)
    with (material.device / "etc" / "agent.toml").open("a", encoding="utf-8") as stream:
        stream.write('\n[http]\nlisten = ""\n\n[update]\nurl = "http://127.0.0.1:9"\n')
