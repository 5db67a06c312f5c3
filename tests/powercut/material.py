"""What the cuts work with: a device that runs version 1, its agent's code too, and kits with versions 2 and 3."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from edge_agent.layout import Root
from edge_agent.ota import agent_slots
from firmware_profiles.bundle import Bundle
from firmware_profiles.manifest import MANIFEST_NAME
from firmware_profiles.profile import userland_arch
from firmware_profiles.targets import Custom
from tests.edge_agent.ota.signed import Repository
from tests.edge_agent.support import NULL, agent, model, write_bundle
from tests.edge_agent.wheels import TAG, code_file, code_of, first_code
from tests.powercut.paths import What

VERSIONS = ("1", "2", "3")
_MODULES = ("cli", "commands.run", "supervisor", "worker")
"""What the self-test of the agent's code imports."""


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

    @property
    def trusted(self) -> Path:
        """The root metadata that devices trust."""
        return self.folder / "repository" / "metadata" / "1.root.json"

    def kit(self, version: str, what: What = "deployment") -> Path:
        """A kit whose newest is `version`."""
        return self.folder / f"{'code' if what == 'agent' else 'kit'}-{version}"

    def bundle(self, version: str) -> Path:
        """A bundle as a person would bring it."""
        return self.folder / f"{version}.godwit"


@contextmanager
def room() -> Iterator[Path]:
    """An empty folder for the time of the block, in memory where there is such: no cut is about this disk's speed."""
    memory = Path("/dev/shm")  # noqa: S108  # the folder in it has a name of its own
    with tempfile.TemporaryDirectory(prefix="godwit-powercut-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def make(folder: Path, real: bool = False) -> Material:
    """Make it; `real`: the model runs on LiteRT, and not on nothing, and the agent's code is an agent."""
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
    for version in VERSIONS[1:]:
        said = Custom("agent", "agent", "default", "linux-x86_64", version, TAG, userland_arch())  # type: ignore[arg-type]
        repository.offer(_code(folder, version, real), said)
        shutil.copytree(repository.folder, material.kit(version, "agent"))
    _install(material, real)
    return material


def _bundle(path: Path, version: str, real: bool) -> None:
    """Of each version another content, in every file."""
    if real:
        write_bundle(path, version=version)
        return
    of = model(file="models/null.json", format="null", runtimes=list(NULL))
    content = f'{{"outputs": [[1, 3]]{" " * int(version)}}}'.encode()
    write_bundle(path, of, content, version=version)


def _code(folder: Path, version: str, real: bool) -> Path:
    """The agent's code as it lies here; or one that says of each of its modules which version it is of."""
    if real:
        return code_file(folder / "code", version)
    files = {f"edge_agent/{name}__init__.py": "" for name in ("", "commands/", "ota/")}
    files["edge_agent/ota/testing.py"] = "print('{}')\n"
    files |= {f"edge_agent/{name.replace('.', '/')}.py": f"of = {version!r}\n" for name in _MODULES}
    imports = "".join(f"import edge_agent.{name}\n" for name in _MODULES)
    said = ", ".join(f"edge_agent.{name}.of" for name in _MODULES)
    files["edge_agent/__main__.py"] = f"{imports}print({version!r}, {said})\n"
    return code_of(folder, version, files)


def _install(material: Material, real: bool) -> None:
    root = ("--root", material.device)
    agent("install", material.bundle("0"), *root, "--device-id", "d1", check=True)
    agent("install", material.kit("1"), "--trust-root", material.trusted, *root, check=True)
    agent("mark-good", *root, check=True)
    configure(material.device)
    device = Root(material.device)
    first_code(device, _code(material.folder, "1", real))
    agent_slots.stage(_code(material.folder, "0", real), device)


def configure(device: Path) -> None:
    """Let a device ask a repository, and nobody ask it."""
    with (device / "etc" / "agent.toml").open("a", encoding="utf-8") as stream:
        stream.write('\n[http]\nlisten = ""\n\n[update]\nurl = "http://127.0.0.1:9"\n')
