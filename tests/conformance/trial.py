"""One client under test, and a repository with delegations for it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, TargetFile, Targets

from tests.conformance import client
from tests.edge_agent.ota.hostile import Server
from tests.edge_agent.ota.signing import Repository

LATER = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
PROGRAM = Path(client.__file__).parent / "client"


class Trial:
    """A client with its folders, and the server that it asks.

    Attributes:
        metadata: what it trusts.
        targets: what it downloaded.
    """

    def __init__(self, folder: Path, server: Server) -> None:
        self.server = server
        self.metadata, self.targets = folder / "client", folder / "downloads"
        self.targets.mkdir()
        self._root = folder / "initial_root.json"

    def init(self, root: bytes) -> int:
        """Its exit code."""
        self._root.write_bytes(root)
        return client.main(self.line("init", str(self._root)))

    def refresh(self) -> int:
        """Its exit code."""
        return client.main(self.line("refresh"))

    def download(self, name: str) -> int:
        """Its exit code."""
        more = ["--target-name", name, "--target-base-url", f"{self.server.url}/targets/"]
        return client.main([*more, "--target-dir", str(self.targets), *self.line("download")])

    def line(self, *command: str) -> list[str]:
        """Its command line."""
        return ["--metadata-dir", str(self.metadata), "--metadata-url", f"{self.server.url}/metadata/", *command]

    def run(self, *command: str) -> int:
        """As a process of its own."""
        return subprocess.run([PROGRAM, *self.line(*command)], check=False, timeout=60).returncode

    def trusted(self) -> dict[str, int]:
        """Role → version of every file in its folder."""
        found = {path.stem: Metadata.from_file(str(path)).signed.version for path in self.metadata.glob("*.json")}
        return dict(sorted(found.items()))

    def asked(self) -> list[str]:
        """Metadata that it asked for since the last time, in order."""
        names = [path.removeprefix("metadata/").removesuffix(".json") for path in self.server.paths()]
        self.server.asked.clear()
        return names

    def downloaded(self) -> list[bytes]:
        """What lies in its folder."""
        return sorted(path.read_bytes() for path in self.targets.rglob("*") if path.is_file())


class Tree(Repository):
    """A repository whose targets role delegates.

    Attributes:
        roles: name → what a delegated role says.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, LATER)
        self.roles: dict[str, Targets] = {}

    def delegate(self, parent: str, name: str, paths: Sequence[str] = ("*",), *, is_last: bool = False) -> Targets:
        """Let `parent` delegate `paths` to `name`, and publish it."""
        above = self.targets if parent == "targets" else self.roles[parent]
        if above.delegations is None:
            above.delegations = Delegations({}, {})
        assert above.delegations.roles is not None
        above.delegations.roles[name] = DelegatedRole(name, [], 1, is_last, list(paths))
        signers = self.signers.setdefault(name, [CryptoSigner.generate_ed25519()])
        above.add_key(signers[0].public_key, name)
        return self.roles.setdefault(name, Targets(expires=LATER))

    def publish_all(self) -> None:
        """Sign every role as it stands, then what names them."""
        for name, signed in self.roles.items():
            metadata = Metadata(signed)
            metadata.sign(self.signers[name][0])
            raw = metadata.to_bytes()
            (self.folder / "metadata" / f"{signed.version}.{encoded(name)}.json").write_bytes(raw)
            self.snapshot.meta[f"{name}.json"] = MetaFile(signed.version)
        self.publish()

    def put(self, role: str, name: str, content: bytes) -> None:
        """A target of a role; sign it yourself."""
        holder = self.targets if role == "targets" else self.roles[role]
        target = TargetFile.from_data(name, content, ["sha256"])
        holder.targets[name] = target
        for path in target.get_prefixed_paths():
            (self.folder / "targets" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "targets" / path).write_bytes(content)


def encoded(role: str) -> str:
    """As it is asked for."""
    return quote(role, safe="")
