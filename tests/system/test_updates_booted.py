"""Signed updates of the service over boots of a real systemd: what is on probation then, what does badly, what loops.

The repository is served on the machine's loopback, and only the units' own timers look into it.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from edge_agent.ota import history, journal
from edge_agent.ota.states import MOST_STARTS
from tests.edge_agent.ota.signed import Repository
from tests.edge_agent.support import MODELS, wait_until, write_bundle
from tests.system import userland
from tests.system.booted import Machine
from tests.system.serviced import PROFILE, ROOT, UNIT, agent, device_root, hangs, picture, prepared, runs, status

pytestmark = pytest.mark.system

REPOSITORY = "/srv/repository"
HURRY = "edge-agent-update.timer.d/hurried.conf"
CONFIGURATION = f"""
[update]
url = "http://127.0.0.1:8080"
interval_s = 1
prove_minutes = 0.02
prove_predictions = 5

[worker]
deadline_s = 1

[[source]]
name = "pictures"
kind = "folder"
path = "{ROOT}/pictures"
"""
HURRIED = "[Timer]\nOnBootSec=\nOnBootSec=2s\nOnUnitInactiveSec=2s\nRandomizedDelaySec=0\n"
SERVED = f"""
[Service]
ExecStart=/usr/bin/python3 -m http.server 8080 --bind 127.0.0.1 --directory {REPOSITORY}
[Install]
WantedBy=multi-user.target
"""
# What an unsound driver does: the device goes down as soon as the model runs on it.
IT_RUNS = f'grep -q "4[.]0.*running" {ROOT}/run/health.json'
UNSOUND = f"""
[Service]
ExecStartPre=-/usr/bin/rm {ROOT}/run/health.json
ExecStart=/bin/sh -c 'until {IT_RUNS}; do sleep 0.1; done; exec systemctl reboot --force --force'
[Install]
WantedBy=multi-user.target
"""


class Updated(NamedTuple):
    """A machine whose service looks for updates in a repository."""

    machine: Machine
    repository: Repository

    def offer(self, version: str, **changes: Any) -> None:
        """Let that version be what the repository has."""
        path = self.machine.tree / "root" / f"{version}.godwit"
        self.repository.add(write_bundle(path, profiles=[PROFILE], version=version, **changes))

    def waits_for_probation(self, version: str) -> None:
        """Until the agent runs that version and the updater waits for a verdict on it."""

        def does() -> bool:
            at = journal.peek(device_root(self.machine))
            return at.state == "proving" and at.plan is not None and at.plan.version == version

        wait_until(does, f"{version} on probation", 90)
        runs(self.machine, version)

    def history(self) -> list[tuple[str, str]]:
        """What became of the updates, oldest first."""
        told = json.loads(agent(self.machine, "history", "--root", ROOT, "--json"))
        return [(entry["event"], entry["version"]) for entry in told["entries"] if "version" in entry]

    def waits_for(self, event: str, version: str) -> None:
        """Until the history ends so."""
        wait_until(lambda: self.history()[-1:] == [(event, version)], f"{event} {version}", 90)

    def unit(self, name: str, text: str) -> None:
        """Have a unit, or a drop-in of one."""
        path = self.machine.tree / "etc/systemd/system" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Updated]:
    """A booted machine whose service runs version 1.0 and looks for updates every few seconds."""
    machine = prepared(tmp_path_factory.mktemp("machine"))
    device = Updated(machine, Repository(machine.tree / REPOSITORY[1:]))
    device.offer("1.0")
    device.unit("repository.service", SERVED)
    device.unit(HURRY, HURRIED)
    machine.boot()
    machine.run("systemctl", "enable", "--now", "repository.service", check=True)
    trust = ("--trust-root", f"{REPOSITORY}/metadata/{device.repository.root.name}")
    agent(machine, "install", REPOSITORY, "--root", ROOT, "--profile", PROFILE, *trust)
    (device_root(machine).folder / "pictures").mkdir()
    with device_root(machine).config.open("a") as stream:
        stream.write(CONFIGURATION)
    agent(machine, "service", "--root", ROOT)
    runs(machine, "1.0")
    yield device
    machine.halt()
    shutil.rmtree(machine.tree)


def test_a_version_proves_itself_although_the_device_is_booted_meanwhile(device: Updated) -> None:
    device.offer("2.0")
    device.waits_for_probation("2.0")
    device.machine.halt()
    device.machine.boot()
    device.waits_for_probation("2.0")
    device.machine.waits("edge-agent-update.service", "ActiveState", lambda state: state == "activating")
    assert device.history()[-1:] == [("update_committed", "1.0")]
    for number in range(5):
        picture(device.machine, f"proof-{number}")
    device.waits_for("update_committed", "2.0")
    slots = device_root(device.machine).slots
    assert (slots / "proven").resolve().name == (slots / "active").resolve().name


def test_a_version_that_does_badly_after_a_power_cut_is_rolled_back_and_not_tried_again(device: Updated) -> None:
    device.offer("3.0", content=(MODELS / "tiny-loop.tflite").read_bytes())
    device.waits_for_probation("3.0")
    device.machine.cut()
    device.machine.boot()
    device.waits_for_probation("3.0")
    device.machine.waits("edge-agent-update.service", "ActiveState", lambda state: state == "activating")
    assert hangs(device.machine) == "503"
    device.waits_for("update_rejected", "3.0")
    runs(device.machine, "2.0")
    assert "refused: " not in device.machine.journal(UNIT)
    asking = ("runuser", "-u", "godwit-update", "--", userland.PROGRAM, "update", "--now", "--root", ROOT, "--json")
    # The timer's updater may be at work at the moment.
    wait_until(lambda: '"result":"rejected_before"' in device.machine.run(*asking).stdout, "the answer", 90)
    assert device.history()[-1] == ("update_rejected", "3.0")


def is_left(machine: Machine, version: str) -> bool:
    """Whether that version is not tried again."""
    return any(each.version == version for each in history.rejected(device_root(machine)))


def test_a_version_that_takes_the_device_down_again_and_again_is_left_at_a_boot(device: Updated) -> None:
    (device.machine.tree / "etc/systemd/system" / HURRY).unlink()  # it goes down long before a timer looks
    device.unit("unsound.service", UNSOUND)
    device.machine.run("systemctl", "daemon-reload", check=True)
    device.machine.run("systemctl", "enable", "--now", "unsound.service", check=True)
    before = status(device.machine)["version"]
    device.offer("4.0")
    device.machine.run("systemctl", "start", "--no-block", "edge-agent-update.service", check=True)
    downs = 0
    while not is_left(device.machine, "4.0"):
        if device.machine.is_down():
            downs += 1
            assert downs <= MOST_STARTS + 1
            device.machine.start()
        time.sleep(0.1)
    assert downs == MOST_STARTS + 1
    device.machine.boot()
    runs(device.machine, before)
    assert device.history()[-1] == ("update_rejected", "4.0")
