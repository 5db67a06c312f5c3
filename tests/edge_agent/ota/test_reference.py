"""The time that a device judges by: what moves it, what does not, and how it is set right again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from tuf.api.metadata import Root

from edge_agent.ota import refreshing
from edge_agent.ota.folder import FolderCarrier
from edge_agent.ota.reference import STEP
from firmware_profiles.errors import TrustError
from firmware_profiles.targets import Note, write_note
from tests.edge_agent.ota.signing import DAY, NOW, Device, Repository

YEAR_2099 = datetime(2099, 1, 1, tzinfo=timezone.utc)
YEAR_1970 = datetime(1970, 1, 1, tzinfo=timezone.utc)


class _Network(FolderCarrier):
    """A folder that others may have tampered with."""

    is_network = True


def refresh(device: Device, repository: Repository, carrier: type[FolderCarrier] = FolderCarrier) -> None:
    refreshing.refresh(device.root, carrier(repository.folder), device.reference)


def sign(repository: Repository, at: datetime, *, kit: bool = False, lives: timedelta = 14 * DAY) -> None:
    """Sign a new timestamp as Godwit does."""
    repository.timestamp.unrecognized_fields.update(write_note(Note(signed_at=at, kit=kit)))
    repository.timestamp.expires = at + lives
    repository.publish("timestamp")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One whose root, targets and snapshot live long."""
    return Repository(tmp_path / "repository", NOW + 3650 * DAY)


def test_without_a_clock_the_time_comes_from_what_was_signed(device: Device, repository: Repository) -> None:
    device.time, device.trusted = YEAR_1970, False
    sign(repository, NOW)
    refresh(device, repository)
    assert device.reference.now() == NOW
    device.uptime_ms += 3_600_000
    assert device.reference.now() == NOW + timedelta(hours=1)
    device.boot, device.uptime_ms = "00000002", 60_000
    assert device.reference.now() == NOW + timedelta(minutes=1)


def test_a_device_without_a_clock_finds_out_that_it_is_frozen(device: Device, repository: Repository) -> None:
    device.trusted = False
    sign(repository, NOW)
    for _ in range(14):
        refresh(device, repository)
        device.uptime_ms += 24 * 3_600_000
    with pytest.raises(TrustError, match="valid at 2026-06-15 00:00 UTC, found version 2, which expired"):
        refresh(device, repository)
    device.boot, device.uptime_ms = "00000002", 60_000
    with pytest.raises(TrustError, match="which expired"):
        refresh(device, repository)


def test_one_false_2099_expires_nothing_for_ever(device: Device, repository: Repository) -> None:
    sign(repository, NOW)
    refresh(device, repository)
    device.time = YEAR_2099
    with pytest.raises(TrustError, match="valid at 2099-01-01 00:00 UTC"):
        refresh(device, repository)
    device.time = NOW + DAY
    sign(repository, NOW + DAY)
    refresh(device, repository)
    assert device.reference.now() == NOW + DAY


def test_a_false_time_within_a_long_life_moves_it_by_one_step(device: Device, repository: Repository) -> None:
    sign(repository, NOW)
    refresh(device, repository)
    sign(repository, NOW, kit=True, lives=36_500 * DAY)
    device.time = NOW + 3000 * DAY
    refresh(device, repository)
    device.time = NOW
    assert device.reference.now() == NOW + STEP
    for _ in range(3):
        device.time = NOW + 3000 * DAY
        refresh(device, repository)  # the same timestamp moves it once
    device.time = NOW
    assert device.reference.now() == NOW + STEP


def test_a_signers_false_clock_moves_it_by_one_step(device: Device, repository: Repository) -> None:
    device.trusted = False
    sign(repository, NOW)
    refresh(device, repository)
    sign(repository, YEAR_2099)
    refresh(device, repository)
    assert device.reference.now() == NOW + STEP
    sign(repository, NOW + DAY, lives=STEP + DAY)
    refresh(device, repository)


def test_no_timestamp_moves_it_to_its_own_end(device: Device, repository: Repository) -> None:
    device.trusted = False
    sign(repository, NOW)
    refresh(device, repository)
    sign(repository, NOW + 20 * DAY, lives=-10 * DAY)
    refresh(device, repository)
    assert device.reference.now() < NOW + 10 * DAY
    refresh(device, repository)


def test_a_false_past_moves_nothing_back(device: Device, repository: Repository) -> None:
    sign(repository, NOW)
    refresh(device, repository)
    device.time = YEAR_1970
    assert device.reference.now() == NOW
    refresh(device, repository)
    assert device.reference.now() == NOW


def test_a_root_with_a_reset_sets_the_time_back(device: Device, repository: Repository) -> None:
    device.trusted = False
    sign(repository, NOW)
    refresh(device, repository)
    sign(repository, YEAR_2099)
    refresh(device, repository)
    sign(repository, NOW + DAY)
    with pytest.raises(TrustError, match="which expired"):
        refresh(device, repository)

    def reset(root: Root) -> None:
        root.unrecognized_fields.update(write_note(Note(reset=NOW + DAY)))

    repository.next_root(reset)
    refresh(device, repository)
    assert device.reference.now() == NOW + DAY
    repository.next_root(lambda root: root.unrecognized_fields.clear())
    sign(repository, NOW + 2 * DAY)
    refresh(device, repository)
    assert device.reference.now() == NOW + 2 * DAY


def test_a_root_that_says_when_it_was_signed_is_where_time_begins(tmp_path: Path, repository: Repository) -> None:
    repository.root.unrecognized_fields.update(write_note(Note(signed_at=NOW - 100 * DAY)))
    device = Device(tmp_path / "device")
    device.trusted = False
    refreshing.pin(device.root, repository.sign("root"))
    sign(repository, NOW)
    refresh(device, repository)
    assert device.reference.now() == NOW - 100 * DAY + STEP


def test_a_damaged_clock_file_is_set_aside(device: Device, repository: Repository) -> None:
    device.trusted = False
    sign(repository, NOW)
    refresh(device, repository)
    file = device.root.folder / "trust" / "clock.json"
    for damage in (b"", b"\0" * 100, b'{"time": "2026-06-01T00:00:00"}', b'{"time": 7}', b"[" * 5000):
        file.write_bytes(damage)
        assert device.reference.now() == YEAR_1970
        assert file.with_suffix(".damaged").read_bytes() == damage
    refresh(device, repository)
    assert device.reference.now() == NOW


def test_a_kits_long_timestamp_is_for_folders_only(device: Device, repository: Repository) -> None:
    sign(repository, NOW, kit=True, lives=365 * DAY)
    with pytest.raises(TrustError, match="expected a repository's timestamp, found a kit's, which is for folders"):
        refresh(device, repository, _Network)
    refresh(device, repository)
    with pytest.raises(TrustError, match="found a kit's, which is for folders"):
        refresh(device, repository, _Network)  # held at the kit's state


def test_after_a_kit_the_network_must_show_a_timestamp_of_its_own(device: Device, repository: Repository) -> None:
    sign(repository, NOW, kit=True, lives=365 * DAY)
    refresh(device, repository)
    repository.timestamp.unrecognized_fields.clear()
    repository.timestamp.expires = NOW + 14 * DAY
    repository.sign("timestamp")  # the same version, as it lies on the server
    refresh(device, repository, _Network)
    device.time = NOW + 15 * DAY
    with pytest.raises(TrustError, match="which expired"):
        refresh(device, repository, _Network)


def test_a_kit_of_a_state_that_expired_meanwhile_is_taken(device: Device, repository: Repository) -> None:
    sign(repository, NOW)
    refresh(device, repository, _Network)
    device.time = NOW + 60 * DAY
    with pytest.raises(TrustError, match="which expired"):
        refresh(device, repository, _Network)
    repository.timestamp.unrecognized_fields.update(write_note(Note(signed_at=device.time, kit=True)))
    repository.timestamp.expires = device.time + 365 * DAY
    repository.sign("timestamp")
    refresh(device, repository)
