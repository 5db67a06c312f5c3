"""docs/howto/updates-repository.md, run as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.layout import Root
from edge_agent.ota import reference, refreshing
from edge_agent.ota.folder import FolderCarrier
from godwit.cli import run
from tests.fleet.repositories import PASSPHRASE, pack

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "updates-repository.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
KITS = {"www": "default", "stick/kit": "default", "stick/canary": "canary", "updates/public": "canary"}


def carry_out(block: str) -> None:
    """In this process what is only our own commands, since each start of Python takes a second; else by bash."""
    lines = block.splitlines()
    if all(line.startswith("godwit ") for line in lines):
        assert [run(shlex.split(line)[1:]) for line in lines] == [0] * len(lines)
        return
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-euc", block], env={**os.environ, "PATH": path}, check=True, timeout=120)


def test_every_command_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("passphrase").write_text(PASSPHRASE)
    for name, version in (("one", "1.0"), ("two", "1.1")):
        shutil.move(pack(tmp_path, version), f"{name}.godwit")
    assert len(BLOCKS) == 10
    for block in BLOCKS:
        carry_out(block)
    root = Root(tmp_path / "device")
    refreshing.pin(root, Path("updates/public/metadata/1.root.json").read_bytes())
    for folder, group in KITS.items():
        targets = refreshing.refresh(root, FolderCarrier(Path(folder)), reference.load(root))
        assert refreshing.choose(targets, "raspberry-pi-5", group) is not None
