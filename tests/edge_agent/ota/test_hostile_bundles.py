"""A signer who was broken into: archives that would write where they should not, signed as they must be."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_profiles.targets import Custom
from tests.edge_agent.ota.fleet_of_one import Updated

FAR = "../../../../far.txt"


def leads_out(archive: zipfile.ZipFile) -> None:
    archive.writestr(FAR, b"x")


def links_out(archive: zipfile.ZipFile) -> None:
    link = zipfile.ZipInfo("models")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(link, "../../..")
    archive.writestr("models/far.txt", b"x")


def comes_twice(archive: zipfile.ZipFile) -> None:
    for content in (b"{}", b"x"):
        archive.writestr("labels.txt", content)


def collides(archive: zipfile.ZipFile) -> None:
    for name in ("labels.txt", "LABELS.TXT"):
        archive.writestr(name, b"x")


def bursts(archive: zipfile.ZipFile) -> None:
    archive.writestr("labels.txt", b"\0" * (64 << 20), zipfile.ZIP_DEFLATED)


def everything(folder: Path) -> dict[str, bytes]:
    """What lies there, but for the updater's own notes and what it trusts."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    kept = (path for path in files if not {"update", "trust", "repository"} & set(path.relative_to(folder).parts))
    return {str(path): path.read_bytes() for path in kept}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_outside_the_idle_slot_is_written(tmp_path: Path) -> None:
    place = tmp_path / "place" / "of" / "its" / "own"
    place.mkdir(parents=True)
    device = Updated(place)
    tricks: tuple[Callable[[zipfile.ZipFile], None], ...] = (leads_out, links_out, comes_twice, collides, bursts)
    for number, trick in enumerate(tricks, 2):
        file = tmp_path / f"{number}.godwit"
        shutil.copy(place / "1.godwit", file)
        with zipfile.ZipFile(file, "a") as archive:
            trick(archive)
        device.repository.offer(file, Custom("deployment", "tiny", "default", "linux-x86_64", str(number)))
        before = everything(tmp_path)
        done = device.install()
        assert done.returncode == 5, (trick.__name__, done.stderr)
        assert everything(tmp_path) == before, trick.__name__
    assert [each["event"] for each in device.history()["entries"]] == ["update_committed", *["update_rejected"] * 5]
