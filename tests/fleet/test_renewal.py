"""A device's certificate is renewed over a real broker under mutual TLS; one that was stolen is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_agent import identity
from edge_agent.layout import Root
from firmware_profiles import wire
from firmware_profiles.errors import InputError
from firmware_profiles.wire import CertificateRequest
from fleet.authority import certificates, requests
from fleet.authority.authority import Authority
from tests.edge_agent.links import Asker, asking
from tests.edge_agent.support import Device, agent, images, null_bundle, wait_until
from tests.fleet.authorities import OwnBroker, enrol, godwit, refusal
from tools.certificates import Identity


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An authority without a passphrase, and an operator of it."""
    godwit("init", tmp_path / "ca", "--no-passphrase")
    godwit("issue", "operator", "--ca", tmp_path / "ca")
    return tmp_path / "ca"


@pytest.fixture
def broker(tmp_path: Path, folder: Path) -> Iterator[OwnBroker]:
    (tmp_path / "broker").mkdir()
    with OwnBroker(tmp_path / "broker", folder) as started:
        yield started


@pytest.fixture
def operator(folder: Path) -> Identity:
    return Identity(folder / "certificates" / "operator.pem", folder / "certificates" / "operator.key")


@pytest.fixture
def device(tmp_path: Path, folder: Path, broker: OwnBroker) -> Device:
    """Door-7, whose certificate is in its last third, and who predicts without an end."""
    made = Device(tmp_path, null_bundle(tmp_path / "tiny.godwit"), broker.url, name="door-7")
    np.savez(tmp_path / "data.npz", x=images(2000))
    made.replay(tmp_path / "data.npz", rate=20)
    enrol(made.root, folder, days_ago=270)
    return made


def renew(folder: Path, broker: OwnBroker, operator: Identity) -> list[dict[str, str]]:
    """What `godwit ca renew --once` tells."""
    flags = ["--broker", broker.url, "--cert", operator.certificate, "--key", operator.key]
    told = godwit("renew", "--ca", folder, *flags, "--once", "--json")
    return [found for found in map(json.loads, told.splitlines()) if "device" in found]


def said(client: Asker, kind: str) -> list[bytes]:
    return [each.payload for each in client.heard if each.topic.split("/")[2] == kind]


def numbers(client: Asker) -> set[int]:
    return {msgspec.json.decode(each)["seq"] for each in said(client, "prediction")}


def test_a_certificate_is_renewed_before_it_ends_and_no_message_is_lost(
    device: Device, folder: Path, broker: OwnBroker, operator: Identity
) -> None:
    root, before = Root(device.root), (Root(device.root).identity / "current").readlink()
    with asking(broker.port, broker, operator) as client, device.running():
        client.subscribe("godwit/door-7/#")
        wait_until(lambda: bool(numbers(client)), "predictions")
        assert agent("update", "--root", device.root).returncode == 2  # there is no repository: no matter
        wait_until(lambda: any(said(client, "identity")), "the request")

        assert [bool(each["certificate"]) for each in renew(folder, broker, operator)] == [True]
        wait_until(root.certificate_come.exists, "the certificate")
        assert root.request.exists()  # by which systemd starts the updater
        agent("update", "--root", device.root)
        assert (root.identity / "current").readlink() != before
        wait_until(lambda: b"certificate_renewed" in b"".join(said(client, "event")), "the agent to notice")
        wait_until(lambda: len([each for each in said(client, "status") if b"online" in each]) == 2, "a new connection")
        wait_until(lambda: said(client, "identity")[-1] == b"", "the request to be taken back")
        last = max(numbers(client))
        wait_until(lambda: max(numbers(client)) > last + 20, "more predictions")
        assert sorted(numbers(client)) == list(range(1, max(numbers(client)) + 1))
    assert not renew(folder, broker, operator)
    assert not (root.identity / "next").exists()


def test_a_stolen_device_is_neither_renewed_nor_admitted(
    device: Device, folder: Path, broker: OwnBroker, operator: Identity
) -> None:
    current = Root(device.root).identity / "current"
    stolen = Identity(current / "device.pem", current / "device.key")
    with device.running():
        wait_until(lambda: bool(device.status().get("connected")), "the device")
        agent("update", "--root", device.root)
        godwit("revoke", "door-7", "--ca", folder)  # its connection is open still
        with asking(broker.port, broker, operator) as client:
            client.subscribe("godwit/door-7/identity")
            wait_until(lambda: any(said(client, "identity")), "the request")
        (refused,) = renew(folder, broker, operator)
        assert "found one that ended, was taken back, or another's" in refused["refused"]
        shutil.copy(folder / "crl.pem", broker.list)
        os.kill(broker.pid, signal.SIGHUP)
    wait_until(lambda: "certificate revoked" in refusal(broker, stolen), "the refusal")


def asked(folder: Path, tmp_path: Path, name: str = "door-7", days_ago: int = 270) -> CertificateRequest:
    """As a device of that name asks, whose certificate is so old."""
    root = tmp_path / name
    (root / "update").mkdir(parents=True)
    enrol(root, folder, days_ago, name)
    return identity.asked(Root(root).identity, name)


def test_nobody_gets_anothers_certificate(folder: Path, tmp_path: Path) -> None:
    authority = Authority(folder)
    good, other = asked(folder, tmp_path), asked(folder, tmp_path, "door-8")
    young = asked(folder, tmp_path, "door-9", days_ago=10)
    first = msgspec.structs.replace(good, certificate="", proof="")
    stolen_proof = msgspec.structs.replace(other, csr=good.csr)
    of_nobody = msgspec.structs.replace(good, certificate="-----BEGIN CERTIFICATE-----")
    for request, name, found in (
        (good, "door-8", "found one of door-7"),
        (first, "door-7", "found none"),
        (stolen_proof, "door-7", "found another one"),
        (msgspec.structs.replace(good, proof="!"), "door-7", "found another one"),
        (of_nobody, "door-7", "found another one"),
        (young, "door-9", "expected a certificate in the last third of its time"),
    ):
        with pytest.raises(InputError, match=found):
            requests.judge(authority, request, name, first_too=True)
    assert requests.judge(authority, good, "door-7", first_too=False).name == "door-7"
    assert wire.decode("identity", wire.encode(good)) == good


def test_whose_certificate_ended_is_signed_from_a_stick_and_who_was_revoked_is_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, ended, revoked = Authority(folder), asked(folder, tmp_path, days_ago=390), asked(folder, tmp_path, "d")
    later = certificates.now() + timedelta(days=30)
    monkeypatch.setattr(certificates, "now", lambda: later)
    assert requests.judge(authority, ended, "door-7", first_too=True).name == "door-7"
    with pytest.raises(InputError, match="found one that ended"):
        requests.judge(authority, ended, "door-7", first_too=False)
    godwit("revoke", "d", "--ca", folder)
    for request in (revoked, msgspec.structs.replace(revoked, certificate="", proof="")):
        with pytest.raises(InputError, match=r"expected (a certificate|the proof)"):
            requests.judge(authority, request, "d", first_too=True)


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, CertificateRequest]:
    """An authority, and a request that it would sign."""
    folder = tmp_path_factory.mktemp("genuine")
    godwit("init", folder / "ca", "--no-passphrase")
    return Authority(folder / "ca"), asked(folder / "ca", folder)


@given(field=st.sampled_from(["csr", "certificate", "proof"]), at=st.integers(0, 2000), put=st.text(max_size=5))
def test_whatever_is_changed_in_a_request_it_is_refused_in_words(
    genuine: tuple[Authority, CertificateRequest], field: str, at: int, put: str
) -> None:
    authority, request = genuine
    text = getattr(request, field)
    changed = text[:at] + put + text[at + len(put) + 1 :]
    assume(changed.split() != text.split())
    hostile = msgspec.structs.replace(request, **{field: changed})
    try:
        found = requests.judge(authority, hostile, "door-7", first_too=False)
    except InputError:
        return
    # Base64 has bits that say nothing: then it is the same request.
    assert found.name == "door-7"
    assert field != "csr" or found.key == requests.read(request.csr.encode(), "door-7").key
