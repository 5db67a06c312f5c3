"""From an offer to its bundle, by whichever way works."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_agent.layout import Root
from edge_agent.ota import fetching, reference, refreshing
from edge_agent.ota.folder import FolderCarrier
from edge_agent.ota.slots import Slots
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import UnavailableError
from firmware_profiles.targets import Offer
from tests.edge_agent.ota.fleet_of_one import version
from tests.edge_agent.ota.signed import Repository


class Network(FolderCarrier):
    """A folder that counts as a network; what was fetched from it."""

    is_network = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fetched: list[str] = []

    def fetch(self, path: str, size_bytes: int, into: Path) -> None:
        self.fetched.append(path.rpartition(".")[2])
        super().fetch(path, size_bytes, into)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Version 1 runs."""
    made = Root(tmp_path / "device")
    made.make()
    with Bundle(version(tmp_path, "1")) as bundle:
        Slots(made.slots).stage(bundle, "a")
    Slots(made.slots).activate("a")
    return made


def offered(root: Root, repository: Repository) -> Offer:
    """What the repository has for the device."""
    refreshing.pin(root, repository.root.read_bytes())
    targets = refreshing.refresh(root, FolderCarrier(repository.folder), reference.load(root))
    offer = refreshing.choose(targets, "linux-x86_64", "default")
    assert offer is not None
    return offer


def bring(root: Root, offer: Offer, carrier: FolderCarrier) -> fetching.Fetched:
    return fetching.fetch(root, offer, carrier, Slots(root.slots))


def test_a_patch_then_compressed_then_whole(root: Root, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    bundle = version(tmp_path, "2")
    repository.add(bundle, against=tmp_path / "1.godwit", xz=True)
    offer, carrier = offered(root, repository), Network(repository.folder)
    ways = []
    for damaged in (None, "patch", "xz"):
        for path in (repository.folder / "targets" / "default").glob(f"*.{damaged}"):
            path.write_bytes(bytes(path.stat().st_size))
        found = bring(root, offer, carrier)
        assert found.path.read_bytes() == bundle.read_bytes()
        assert len(found.passed_over) == len(ways)
        ways.append(found.way)
        assert bring(root, offer, carrier).way == "kept"
        found.path.unlink()
    assert ways == ["bsdiff4", "xz", "full"]
    assert carrier.fetched == ["patch", "patch", "xz", "patch", "xz", "godwit"]
    assert bring(root, offer, FolderCarrier(repository.folder)).passed_over == []  # a kit has nothing but the whole


def test_a_patch_against_another_bundle_is_not_tried(root: Root, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.add(version(tmp_path, "3"), against=version(tmp_path, "2"))
    carrier = Network(repository.folder)
    assert bring(root, offered(root, repository), carrier).way == "full"
    assert carrier.fetched == ["godwit"]


def test_what_a_power_cut_left_of_a_file_is_fetched_again_if_it_is_damaged(root: Root, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    bundle = version(tmp_path, "2")
    repository.add(bundle)
    offer = offered(root, repository)
    part = root.download / f"{offer.sha256}.part"
    part.write_bytes(bytes(1000))
    assert bring(root, offer, Network(repository.folder)).path.read_bytes() == bundle.read_bytes()
    assert not part.exists()


def test_the_bundle_of_a_slot_is_rebuilt_byte_for_byte(root: Root, tmp_path: Path) -> None:
    assert b"".join(Slots(root.slots).rebuilt("a")) == (tmp_path / "1.godwit").read_bytes()


def test_more_than_there_is_room_for(root: Root, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.add(version(tmp_path, "2"))
    offer = msgspec.structs.replace(offered(root, repository), size_bytes=1 << 50)
    with pytest.raises(UnavailableError, match="of free space"):
        bring(root, offer, Network(repository.folder))
    assert not list(root.download.iterdir())
