"""`godwit ca` and `edge-agent identity`, with a real broker that is set up as `deploy/` says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from edge_agent.cli import main as edge_agent
from edge_agent.link_config import Broker as BrokerConfig
from firmware_profiles.broker_access import Files
from firmware_profiles.errors import InputError
from tests.edge_agent.links import asking
from tests.edge_agent.support import wait_until, write_bundle
from tests.fleet.authorities import OwnBroker, godwit, refusal
from tools.certificates import Identity


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An authority without a passphrase."""
    godwit("init", tmp_path / "ca", "--no-passphrase")
    return tmp_path / "ca"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A device, door-7."""
    bundle = write_bundle(tmp_path / "tiny.godwit")
    edge_agent(["install", str(bundle), "--root", str(tmp_path / "device"), "--device-id", "door-7"])
    return tmp_path / "device"


def requested(root: Path, capsys: pytest.CaptureFixture[str]) -> bytes:
    capsys.readouterr()
    edge_agent(["identity", "request", "--root", str(root)])
    return capsys.readouterr().out.encode()


def enrol(root: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> Identity:
    """The device's certificate and key, once it has accepted what was signed."""
    signed = godwit("sign", "-", "--ca", folder, "--device-id", "door-7", stdin=requested(root, capsys))
    certificate = root / "signed.pem"
    certificate.write_text(signed)
    edge_agent(["identity", "accept", str(certificate), "--ca", str(folder / "ca.pem"), "--root", str(root)])
    current = root / "update" / "identity" / "current"
    return Identity(current / "device.pem", current / "device.key")


@pytest.fixture
def broker(tmp_path: Path, folder: Path) -> Iterator[OwnBroker]:
    (tmp_path / "broker").mkdir()
    with OwnBroker(tmp_path / "broker", folder) as started:
        yield started


def test_a_device_is_admitted_and_once_revoked_no_more(
    root: Path, folder: Path, broker: OwnBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    device = enrol(root, folder, capsys)
    with asking(broker.port, broker, device) as client:
        client.say("godwit/door-7/event", b"!")
    godwit("revoke", "door-7", "--ca", folder)
    shutil.copy(folder / "crl.pem", broker.list)
    os.kill(broker.pid, signal.SIGHUP)
    wait_until(lambda: "certificate revoked" in refusal(broker, device), "the refusal")
    renewed = enrol(root, folder, capsys)
    with asking(broker.port, broker, renewed) as client:
        client.say("godwit/door-7/event", b"!")


def test_the_files_are_what_the_agents_configuration_takes(
    root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enrol(root, folder, capsys)
    current = "update/identity/current"
    wanted = BrokerConfig("mqtts://localhost", f"{current}/ca.pem", f"{current}/device.pem", f"{current}/device.key")
    assert wanted.address(root).tls == Files(root / current / "ca.pem", *enrol(root, folder, capsys))[:3]


def test_the_key_never_leaves_the_device_and_a_renewal_has_a_new_one(
    root: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = enrol(root, folder, capsys).key.read_bytes()
    second = enrol(root, folder, capsys).key
    assert second.read_bytes() != first
    assert not second.stat().st_mode & stat.S_IRWXO
    assert sorted(path.name for path in (root / "update" / "identity").iterdir())[1:] == ["current"]
    assert not any(first in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_request_is_the_same_until_it_is_answered(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [x509.load_pem_x509_csr(requested(root, capsys)).public_key() for _ in range(2)]
    assert keys[0] == keys[1]


def test_status_tells_what_is_left(root: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    enrol(root, folder, capsys)
    godwit("issue", "operator", "--days", "3", "--ca", folder)
    godwit("revoke", "door-7", "--ca", folder)
    told = json.loads(godwit("status", "--ca", folder, "--json"))
    assert [(each["name"], each["kind"], bool(each["revoked_at"])) for each in told] == [
        ("door-7", "device", True),
        ("operator", "client", False),
    ]
    assert re.search("operator  client  [23] days left  renew it", godwit("status", "--ca", folder))


def test_a_locked_key_wants_its_passphrase(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for path in (right, wrong):
        path.write_text(f"{path.name}\n")
        path.chmod(0o600)
    godwit("init", tmp_path / "ca", "--passphrase-file", right)
    with pytest.raises(InputError, match="none that opens it"):
        godwit("issue", "operator", "--ca", tmp_path / "ca", "--passphrase-file", wrong)
    godwit("issue", "operator", "--ca", tmp_path / "ca", "--passphrase-file", right)
    assert b"ENCRYPTED" in (tmp_path / "ca" / "ca.key").read_bytes()


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        (b"no request", "found something else"),
        (b"x" * 20_000, "found something else"),
        ("/CN=Door 7", "found 'Door 7'"),
        ("/CN=door-8", "expected one of door-7, found one of door-8"),
    ],
)
def test_what_is_no_request_of_that_device_is_not_signed(
    folder: Path, tmp_path: Path, request_of: bytes | str, message: str
) -> None:
    if isinstance(request_of, str):
        command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        made = subprocess.run(
            [*command, "-subj", request_of, "-keyout", tmp_path / "k"], check=True, capture_output=True
        )
        request_of = made.stdout
    with pytest.raises(InputError, match=message):
        godwit("sign", "-", "--ca", folder, "--device-id", "door-7", stdin=request_of)
    assert json.loads(godwit("status", "--ca", folder, "--json")) == []


def test_all_that_is_wrong_with_a_certificate_is_told_at_once(
    root: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = enrol(root, folder, capsys).certificate.read_bytes()
    requested(root, capsys)
    godwit("init", tmp_path / "other", "--no-passphrase")
    godwit("issue", "door-8", "--ca", folder)
    foreign = folder / "certificates" / "door-8.pem"
    with pytest.raises(InputError) as told:
        edge_agent(
            ["identity", "accept", str(foreign), "--ca", str(tmp_path / "other" / "ca.pem"), "--root", str(root)]
        )
    assert [problem.found for problem in told.value.problems] == [
        "one for another key",
        "one for door-8",
        "another issuer",
    ]
    assert (root / "update/identity/current/device.pem").read_bytes() == before


def test_an_authority_is_not_made_twice(folder: Path) -> None:
    key = (folder / "ca.key").read_bytes()
    with pytest.raises(InputError, match="expected a folder without an authority"):
        godwit("init", folder, "--no-passphrase")
    assert (folder / "ca.key").read_bytes() == key
