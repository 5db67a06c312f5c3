"""Whatever bytes come, a parser of the update says yes, or no in our own words."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile, Targets

from edge_agent.ota.refreshing import choose
from edge_agent.ota.trust import Trust
from firmware_profiles.errors import TrustError
from firmware_profiles.targets import Custom, Offer, Transport, read_custom, read_note, target_path
from tests.edge_agent.ota.signing import CUSTOM, NAME, NOW, Device, Repository

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
WORDS = st.sampled_from(["version", "expires", "signatures", "keyid", "sig", "meta", "length", "hashes", "_type", "x"])
SHARED = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED
@given(raw=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_bytes_that_nobody_signed(repository: Repository, raw: bytes) -> None:
    trust = Trust(repository.first_root)
    for take in (
        Trust,
        trust.update_root,
        lambda data: trust.jump(data, "reset.json"),
        lambda data: trust.update_timestamp(data, NOW, network=True),
    ):
        with pytest.raises(TrustError):
            take(raw)


@SHARED
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_one_changed_byte_of_a_signed_file_changes_nothing_or_is_refused(
    repository: Repository, place: int, value: int
) -> None:
    raw = bytearray((repository.folder / "metadata" / "timestamp.json").read_bytes())
    raw[place % len(raw)] = value
    trust = Trust(repository.first_root)
    try:
        trust.update_timestamp(bytes(raw), NOW, network=True)
    except TrustError:
        return
    assert trust.timestamp == repository.timestamp


@SHARED
@given(changes=st.dictionaries(WORDS, JSON, max_size=4))
def test_other_values_in_a_signed_file_change_nothing_or_are_refused(
    repository: Repository, changes: dict[str, Any]
) -> None:
    document = json.loads((repository.folder / "metadata" / "timestamp.json").read_bytes())
    document["signed"] |= changes
    trust = Trust(repository.first_root)
    try:
        trust.update_timestamp(json.dumps(document).encode(), NOW, network=True)
    except TrustError:
        return
    assert trust.timestamp == repository.timestamp


@given(changes=st.dictionaries(st.sampled_from(Custom.__struct_fields__), JSON, max_size=3))
def test_a_custom_is_read_or_refused(changes: dict[str, Any]) -> None:
    target = TargetFile.from_data(NAME, b"content", ["sha256"])
    target.unrecognized_fields["custom"] = CUSTOM | changes
    try:
        offer = choose(Targets(targets={NAME: target}), "raspberry-pi-5", "default")
    except TrustError:
        return
    assert offer is None or isinstance(offer, Offer)


@pytest.mark.parametrize(
    "path",
    [
        "targets/../x",
        "targets/.x",
        "/etc/passwd",
        "targets//x",
        "targets/a/../../x",
        "x",
        "targets/a b",
        "targets/x\n",
        "targets/x\0",
        "targets/" + "a/" * 9 + "x",
        "http://h/x",
    ],
)
def test_a_path_that_leaves_the_targets_is_refused(path: str) -> None:
    raw = {"kind": "xz", "path": path, "size_bytes": 1, "sha256": "0" * 64}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, Transport)
    with pytest.raises(ValueError, match="transports"):
        read_custom(CUSTOM | {"transports": [raw]})


@pytest.mark.parametrize("name", ["../x", "a/../../../x", "/x", "a//x", ".x", "a/b/c/d/e/x", "x\n"])
def test_a_targets_name_that_leads_elsewhere_is_refused(name: str) -> None:
    target = TargetFile.from_data(name, b"content", ["sha256"])
    target.unrecognized_fields["custom"] = CUSTOM
    with pytest.raises(TrustError, match=r"targets\.json"):
        choose(Targets(targets={name: target}), "raspberry-pi-5", "default")


def test_what_is_for_others_is_not_offered(device: Device) -> None:
    targets = Targets()
    for name, custom in {
        "default/a": {},
        "canary/a": {"group": "canary"},
        "default/b": {"profile": "raspberry-pi-4"},
        "default/agent": {"kind": "agent", "deployment": "agent", "python": "cp311", "arch": "aarch64"},
        "default/other": None,
    }.items():
        target = TargetFile.from_data(name, name.encode(), ["sha256"])
        target.unrecognized_fields["custom"] = CUSTOM | custom if custom is not None else {"colour": "red"}
        targets.targets[name] = target
    chosen = choose(targets, "raspberry-pi-5", "default")
    assert chosen is not None
    assert (chosen.name, chosen.path) == ("default/a", target_path("default/a", chosen.sha256))
    assert choose(targets, "raspberry-pi-5", "beta") is None
    agent = choose(targets, "raspberry-pi-5", "default", "agent", "cp311")
    assert agent is not None
    assert agent.name == "default/agent"
    assert choose(targets, "raspberry-pi-5", "default", "agent", "cp312") is None
    targets.targets["default/c"] = targets.targets["default/a"]
    with pytest.raises(TrustError, match="expected one deployment for raspberry-pi-5 in the group default, found"):
        choose(targets, "raspberry-pi-5", "default")


@given(note=JSON | st.fixed_dictionaries({"signed_at": JSON, "kit": JSON, "reset": JSON}))
def test_a_note_that_cannot_be_read_is_none(note: Any) -> None:
    read = read_note({"x-godwit": note})
    assert read.signed_at is None or read.signed_at.tzinfo is not None


def test_a_note_without_a_zone_is_none() -> None:
    assert read_note({"x-godwit": {"signed_at": "2026-06-01T00:00:00"}}).signed_at is None
    read = read_note({"x-godwit": {"signed_at": "2026-06-01T00:00:00Z", "later": 1}})
    assert read.signed_at == datetime(2026, 6, 1, tzinfo=timezone.utc)
