"""The agent's own code, and bundles for several profiles, in a signed repository."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from edge_agent.layout import Root
from edge_agent.ota import reference, refreshing
from edge_agent.ota.folder import FolderCarrier
from firmware_profiles import agent_code, bundle
from firmware_profiles.agent_code import AgentCode
from firmware_profiles.manifest import FileEntry
from firmware_profiles.targets import Kind, Offer
from tests.fleet.repositories import Command, pack

CODE = b"print('hello')\n"


def code(folder: Path, python: str = "cp311") -> Path:
    entry = FileEntry(hashlib.sha256(CODE).hexdigest(), len(CODE))
    of = AgentCode(version="0.2.0", python=python, arch="aarch64", files={"edge_agent/__init__.py": entry})
    path = folder / agent_code.file_name(of)
    agent_code.write(path, of, lambda name: [CODE])
    return path


def chosen(godwit: Command, folder: Path, profile: str, kind: Kind, python: str = "") -> Offer | None:
    root = Root(folder)
    refreshing.pin(root, godwit.public()["metadata/1.root.json"])
    targets = refreshing.refresh(root, FolderCarrier(godwit.folder / "public"), reference.load(root))
    return refreshing.choose(targets, profile, "default", kind, python)


def test_an_agents_code_is_for_the_profiles_and_the_python_that_are_named(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    godwit.repo("add", pack(tmp_path))
    words = (code(tmp_path), code(tmp_path, "cp312"), "--device", "raspberry-pi-5", "--device", "raspberry-pi-4")
    assert len(godwit.repo("add", *words)["targets"]) == 4
    got = chosen(godwit, tmp_path / "device", "raspberry-pi-4", "agent", "cp312")
    assert got is not None
    assert (got.kind, got.deployment, got.version) == ("agent", "agent", "0.2.0")
    assert (godwit.folder / "public" / got.path).read_bytes() == code(tmp_path, "cp312").read_bytes()
    assert chosen(godwit, tmp_path / "device", "raspberry-pi-4", "agent", "cp313") is None
    assert chosen(godwit, tmp_path / "device", "raspberry-pi-3", "agent", "cp311") is None
    assert chosen(godwit, tmp_path / "device", "raspberry-pi-5", "deployment") is not None
    assert godwit.repo("add", *words)["written"] == []


def test_an_agents_code_that_is_damaged_or_for_nobody(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    before = godwit.public()
    path = code(tmp_path)
    code_, _, err = godwit.tried("add", path, tmp_path / "none.godwit-agent")
    assert code_ == 2
    assert err.count("expected --device for an agent's code") == 2
    path.write_bytes(path.read_bytes() + b"more")
    code_, _, err = godwit.tried("add", path, tmp_path / "none.godwit-agent", "--device", "raspberry-pi-5")
    assert code_ == 2
    assert "expected the end of a canonical ZIP" in err
    assert "expected an agent's code, found no such file or directory" in err
    assert godwit.public() == before


def test_a_bundle_for_several_profiles_comes_to_all_of_them(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    both = tmp_path / "both.godwit"
    with bundle.Bundle(pack(tmp_path)) as opened:
        of = msgspec.structs.replace(opened.manifest, profiles=["raspberry-pi-5", "raspberry-pi-4"])
        bundle.write(both, of, {"models/pets.tflite": opened.read("models/pets.tflite")})
    godwit.repo("add", both)
    offers = [chosen(godwit, tmp_path / "device", name, "deployment") for name in ("raspberry-pi-5", "raspberry-pi-4")]
    assert offers[0] is not None
    assert offers[1] is not None
    assert offers[0].sha256 == offers[1].sha256
