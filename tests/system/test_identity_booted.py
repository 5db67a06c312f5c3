"""A certificate under a real systemd: flashed over ssh, shown to a broker, renewed by the units, taken back."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.edge_agent.support import null_bundle, wait_until
from tests.fleet.authorities import enrol, godwit
from tests.system import userland
from tests.system.booted import Machine, OwnBrokerInside
from tests.system.serviced import ROOT, UNIT, device_root, picture, runs, status
from tools import processes

pytestmark = pytest.mark.system

DEVICE = "door-7"
IDENTITY = f"{ROOT}/update/identity"
SOURCE = f'\n[[source]]\nname = "pictures"\nkind = "folder"\npath = "{ROOT}/pictures"\n'
PATIENCE_S = 120.0


def ssh(machine: Machine, folder: Path) -> Path:
    """A folder for PATH, whose `ssh` is root's way to the sshd of the machine, which is not booted yet."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    (machine.tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(folder / "key.pub", machine.tree / "root/.ssh/authorized_keys")
    known = (machine.tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    (folder / "known_hosts").write_text(f"127.0.0.1 {known}")
    options = f"IdentityFile {folder}/key\nUserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile none\n"
    (folder / "config").write_text(options)
    (folder / "path").mkdir()
    return folder / "path"


class Flashed(NamedTuple):
    """A machine with the agent as a service; its broker, and the authority of both."""

    machine: Machine
    broker: OwnBrokerInside
    authority: Path

    @contextmanager
    def going_on(self, log: Path, *words: str | Path) -> Iterator[None]:
        """`godwit` with these words and as the operator, on the machine's network, for the time of the block."""
        operator = self.authority / "certificates" / "operator"
        shown = ["--broker", self.broker.url, "--cert", f"{operator}.pem", "--key", f"{operator}.key"]
        line = [*self.machine.beside(), sys.executable, "-m", "godwit", *words, *shown]
        with log.open("wb") as stream:
            process = processes.start([*line, "--json"], stream, stream)
        try:
            wait_until(lambda: "subscribed" in log.read_text(), "the subscription", PATIENCE_S)
            yield
        finally:
            processes.stop(process)

    def watched(self, log: Path) -> AbstractContextManager[None]:
        """What the devices say, in `log`."""
        return self.going_on(log, "watch", "--ca", self.authority / "ca.pem")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flashed]:
    """A bare Debian that was flashed over ssh, and got a certificate then."""
    userland.want(systemd_nspawn="systemd-container", nsenter="util-linux", ssh_keygen="openssh-client")
    base = userland.make("trixie", "amd64", "dbus", "openssh-server", "systemd-sysv")
    folder = tmp_path_factory.mktemp("identity")
    authority, place = folder / "ca", folder / "broker"
    place.mkdir()
    subprocess.run(["cp", "-a", "--reflink=auto", base, folder / "tree"], check=True)
    machine = Machine(folder / "tree", folder / "console.log")
    path = ssh(machine, folder)
    godwit("init", authority, "--no-passphrase")
    godwit("issue", "operator", "--ca", authority)
    machine.boot()
    program = path / "ssh"
    line = [*machine.beside(), "/usr/bin/ssh", "-F", str(folder / "config")]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(line)} "$@"\n')
    program.chmod(0o755)
    with OwnBrokerInside(place, authority, machine) as broker:
        flashed = Flashed(machine, broker, authority)
        bundle = null_bundle(folder / "tiny.godwit", profiles=["linux-x86_64"])
        words = [bundle, "ssh://root@127.0.0.1", "--device-id", DEVICE, "--broker", broker.url, "--ca", authority]
        environment = os.environ | {"XDG_DATA_HOME": str(folder / "data"), "PATH": f"{path}:{os.environ['PATH']}"}
        flash = [sys.executable, "-m", "godwit", "flash", *map(str, words)]
        done = subprocess.run(flash, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        runs(machine)
        yield flashed
    machine.halt()
    shutil.rmtree(machine.tree)


def owner(device: Flashed, path: str) -> str:
    return device.machine.run("stat", "--format=%U:%G %a", path, check=True).stdout.strip()


def test_the_service_shows_its_certificate_and_predicts(device: Flashed, tmp_path: Path) -> None:
    machine, log = device.machine, tmp_path / "log"
    wait_until(lambda: bool(status(machine).get("connected")), "the broker", PATIENCE_S)
    (device_root(machine).folder / "pictures").mkdir()
    with device_root(machine).config.open("a") as stream:
        stream.write(SOURCE)
    with device.watched(log):
        picture(machine, "first")
        wait_until(lambda: '"kind":"prediction","device":"door-7"' in log.read_text(), "a prediction", PATIENCE_S)
    assert machine.run("stat", "--format=%U", f"/proc/{machine.shows(UNIT, 'MainPID')}").stdout == "godwit\n"


def test_its_key_is_the_updater_s_and_the_authority_s_is_not_there(device: Flashed) -> None:
    machine, key = device.machine, f"{IDENTITY}/current/device.key"
    assert owner(device, key.replace("current", machine.run("readlink", f"{IDENTITY}/current").stdout.strip())) == (
        "godwit-update:godwit 640"
    )
    for user, may in (("godwit-update", 0), ("godwit", 0), ("nobody", 1)):
        assert machine.run("runuser", "-u", user, "--", "cat", key).returncode == may
    assert machine.run("runuser", "-u", "godwit", "--", "touch", f"{IDENTITY}/mine").returncode == 1
    secret = (device.authority / "ca.key").read_text().splitlines()[1]
    found = machine.run("grep", "-rlF", "--exclude-dir=proc", "--exclude-dir=sys", secret, "/etc", "/root", "/var")
    assert (found.returncode, found.stdout) == (1, "")


def test_the_units_renew_it_over_the_broker(device: Flashed, tmp_path: Path) -> None:
    machine, root = device.machine, device_root(device.machine)
    enrol(root.folder, device.authority, days_ago=270, name=DEVICE)
    before, log = (root.identity / "current").readlink(), tmp_path / "log"
    with device.watched(log), device.going_on(tmp_path / "answers", "ca", "renew", "--ca", device.authority):
        machine.run("systemctl", "start", "edge-agent-update.service", check=True)  # as its timer does
        wait_until(lambda: (root.identity / "current").readlink() != before, "the next certificate", PATIENCE_S)
        wait_until(lambda: "certificate_renewed" in log.read_text(), "the agent to notice", PATIENCE_S)
        picture(machine, "renewed")
        wait_until(lambda: '"kind":"prediction","device":"door-7"' in log.read_text(), "a prediction", PATIENCE_S)
    assert (
        owner(device, f"{IDENTITY}/{(root.identity / 'current').readlink()}/device.key") == "godwit-update:godwit 640"
    )
    assert not (root.identity / "next").exists()


def test_once_it_is_stolen_the_broker_refuses_it_and_nobody_else(device: Flashed, tmp_path: Path) -> None:
    machine, broker = device.machine, device.broker
    godwit("revoke", DEVICE, "--ca", device.authority)
    shutil.copy(device.authority / "crl.pem", broker.list)
    os.kill(broker.pid, signal.SIGHUP)
    machine.run("systemctl", "restart", UNIT, check=True)
    runs(machine)
    with device.watched(tmp_path / "log"):
        wait_until(lambda: "no answer to CONNECT" in machine.journal(UNIT), "the refusal", PATIENCE_S)
    assert status(machine)["connected"] is False
    told = machine.run(userland.PROGRAM, "doctor", "--root", ROOT).stdout
    assert "127.0.0.1:8883 refuses this device: certificate revoked" in told
