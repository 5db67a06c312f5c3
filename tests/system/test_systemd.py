"""The service under a real systemd: READY, predictions, watchdog, deadlines, limits of restarts, devices, a stick."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge_agent.ota.signed import Repository
from tests.edge_agent.support import MODELS, wait_until, write_bundle
from tests.system import userland
from tests.system.booted import BrokerInside, Machine
from tests.system.serviced import PROFILE, ROOT, UNIT, agent, device_root, hangs, picture, prepared, runs, status

pytestmark = pytest.mark.system

HOWTO = userland.ROOT / "docs" / "howto" / "service.md"
UPDATER = "edge-agent-update.service"
STARTS = f"Starting {UPDATER}"
HURRIED = "[Unit]\nStartLimitBurst=4\n[Service]\nWatchdogSec=4\nRestartSec=200ms\nRestartSteps=0\n"
CONFIGURATION = f"""
[worker]
deadline_s = 1

[[source]]
name = "pictures"
kind = "folder"
path = "{ROOT}/pictures"
"""
PROBE = """
import ctypes, os
print("clock", ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) >= 0)
for name in ("ttyS0", "ttyS1", "tty1"):
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        print(name, "opened")
    except OSError as error:
        print(name, error.strerror)
for path in ("/etc/passwd", "/var/lib/godwit/slots/x", "/var/lib/godwit/etc/agent.toml", "/var/lib/godwit/var/x"):
    try:
        open(path, "ab").close()
        print(path, "written")
    except OSError as error:
        print(path, error.strerror)
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A booted Debian 13 with the program edge-agent and a bundle."""
    machine = prepared(tmp_path_factory.mktemp("machine"))
    write_bundle(machine.tree / "root" / "tiny.godwit", profiles=[PROFILE])
    machine.boot()
    machine.run("mknod", "-m", "660", "/dev/ttyS0", "c", "4", "64", check=True)
    machine.run("mknod", "-m", "660", "/dev/ttyS1", "c", "4", "65", check=True)
    machine.run("mknod", "-m", "660", "/dev/tty1", "c", "4", "1", check=True)
    machine.run("chgrp", "dialout", "/dev/ttyS0", "/dev/ttyS1", "/dev/tty1", check=True)
    yield machine
    machine.halt()
    shutil.rmtree(machine.tree)


def from_the_howto(machine: Machine, heading: str) -> str:
    """What the commands under a heading of docs/howto/service.md print, run as they stand."""
    section = HOWTO.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert blocks
    return machine.run("sh", "-ec", "cd /root; " + "".join(blocks), check=True).stdout


@pytest.fixture(scope="module")
def broker(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerInside]:
    """A mosquitto that the machine reaches."""
    with BrokerInside(tmp_path_factory.mktemp("broker"), machine) as started:
        yield started


@pytest.fixture(scope="module")
def service(machine: Machine, broker: BrokerInside) -> Machine:
    """The machine with the service installed."""
    drop_in = machine.tree / "etc/systemd/system" / f"{UNIT}.d" / "hurried.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(HURRIED)
    told = from_the_howto(machine, "Install")
    assert "edge-agent is a service for raspberry-pi-5; granted: serial" in told
    (machine.tree / ROOT[1:] / "pictures").mkdir()
    with (machine.tree / ROOT[1:] / "etc" / "agent.toml").open("a") as stream:
        stream.write(CONFIGURATION)
    wait_until(lambda: "pictures" in status(machine).get("sources", {}), "the configuration to take effect", 90)
    return machine


def test_it_becomes_ready_and_predicts_to_the_broker(service: Machine, broker: BrokerInside) -> None:
    assert service.shows(UNIT, "ActiveState") == "active"  # a notify service is, once it said READY=1
    runs(service)
    watch = [sys.executable, "-m", "godwit", "watch", "--broker", broker.url, "--count", "1", "--timeout", "60"]
    with subprocess.Popen([*service.beside(), *watch, "--json"], stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        assert "subscribed" in watching.stdout.readline()
        picture(service, "first")
        told, _ = watching.communicate(timeout=90)
    assert any('"first.npy"' in line and "prediction" in line for line in told.splitlines()), told
    assert status(service)["models"]["tiny"]["delegate"] == "xnnpack"


def test_installed_again_nothing_changes(service: Machine) -> None:
    before = service.shows(UNIT, "MainPID")
    line = ("service", "--root", ROOT, "--grant", "serial", "--json")
    assert json.loads(agent(service, *line))["written"] == []
    assert service.shows(UNIT, "MainPID") == before


def test_what_the_howto_looks_at_is_there(service: Machine) -> None:
    told = from_the_howto(service, "See what it does")
    for shown in ("active (running)", "running: tiny 1.0", "Overall exposure level for edge-agent.service: 1."):
        assert shown in told


def test_the_doctor_finds_it_well(service: Machine) -> None:
    checks = {check["name"]: check for check in json.loads(agent(service, "doctor", "--root", ROOT, "--json"))}
    for name in ("service", "agent", "rights", "broker", "delegate tiny", "runtime litert"):
        assert checks[name]["level"] == "ok", checks[name]
    assert checks["rights"]["found"].startswith("godwit reads")


def test_it_may_open_what_was_granted_and_nothing_else(service: Machine) -> None:
    units = service.tree / "etc/systemd/system"
    text = (units / UNIT).read_text()
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    (service.tree / "opt/probe.py").write_text(PROBE)
    probing = f"ExecStart=/usr/bin/python3 /opt/probe.py\nStandardOutput=file:{ROOT}/var/probe"
    text = text.replace(start, probing).replace("Type=notify", "Type=oneshot").replace("Restart=always", "Restart=no")
    (units / "probe.service").write_text("\n".join(line for line in text.splitlines() if "OnFailure" not in line))
    (units / "probe.service.d").mkdir()
    shutil.copy(units / f"{UNIT}.d" / "godwit.conf", units / "probe.service.d")
    service.run("systemctl", "daemon-reload", check=True)
    service.run("systemctl", "start", "probe.service", check=True)
    found = dict(line.split(" ", 1) for line in (service.tree / ROOT[1:] / "var/probe").read_text().splitlines())
    assert found == {
        "clock": "True",
        "ttyS0": "opened",
        "ttyS1": "Operation not permitted",
        "tty1": "Operation not permitted",
        "/etc/passwd": "Permission denied",
        f"{ROOT}/slots/x": "Read-only file system",
        f"{ROOT}/etc/agent.toml": "Permission denied",
        f"{ROOT}/var/x": "written",
    }


def test_a_supervisor_that_hangs_is_ended_by_the_watchdog(service: Machine) -> None:
    runs(service)
    before = service.shows(UNIT, "MainPID")
    service.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", UNIT, check=True)
    service.waits(UNIT, "MainPID", lambda pid: pid not in ("0", before))
    runs(service)
    assert "Watchdog timeout" in service.journal(UNIT)


def test_a_worker_that_hangs_dies_by_its_deadline_and_the_supervisor_stays(service: Machine) -> None:
    runs(service)
    content = (MODELS / "tiny-loop.tflite").read_bytes()
    write_bundle(service.tree / "root/loop.godwit", content=content, name="loop", profiles=[PROFILE])
    agent(service, "install", "/root/loop.godwit", "--root", ROOT)
    service.run(userland.PROGRAM, "mark-good", "--root", ROOT)  # if it is on probation still
    service.run("systemctl", "restart", UNIT, check=True)
    runs(service)
    before, worker = service.shows(UNIT, "MainPID"), status(service)["worker_pid"]
    assert hangs(service) == "503"
    wait_until(lambda: status(service).get("worker_pid") not in (0, worker, None), "another worker")
    runs(service)
    assert service.shows(UNIT, "MainPID") == before
    assert "no answer within its deadline (1 s)" in service.journal(UNIT)


def test_a_bad_configuration_is_not_tried_again_at_once(service: Machine) -> None:
    path = service.tree / ROOT[1:] / "etc" / "agent.toml"
    good = path.read_text()
    path.write_text(good + "nonsense = 1\n")
    try:
        service.run("systemctl", "restart", UNIT)
        assert service.shows(UNIT, "ActiveState") == "failed"
        assert (service.shows(UNIT, "ExecMainStatus"), service.shows(UNIT, "NRestarts")) == ("2", "0")
        assert service.shows("edge-agent-again.timer", "ActiveState") == "active"
    finally:
        path.write_text(good)
    service.run("systemctl", "reset-failed", UNIT)
    service.run("systemctl", "start", UNIT, check=True)
    runs(service)


def test_starts_that_fail_again_and_again_are_limited(service: Machine) -> None:
    spool = service.tree / ROOT[1:] / "var" / "spool.db"
    service.run("systemctl", "stop", UNIT, check=True)
    service.run("systemctl", "stop", "edge-agent-again.timer", check=True)
    kept = spool.rename(spool.with_suffix(".kept"))
    spool.mkdir()
    try:
        service.run("systemctl", "start", UNIT)
        wait_until(lambda: "Start request repeated too quickly" in service.journal(UNIT), "the limit", 90)
        assert service.shows(UNIT, "ActiveState") == "failed"
        assert int(service.shows(UNIT, "NRestarts")) >= 2
        service.waits("edge-agent-again.timer", "ActiveState", lambda state: state == "active")
    finally:
        spool.rmdir()
        kept.rename(spool)
    service.run("systemctl", "reset-failed", UNIT)
    service.run("systemctl", "start", UNIT, check=True)
    runs(service)


def plugged_in(service: Machine, kit: Path | None = None) -> Any:
    """The outcome on a stick with that kit, once it was mounted."""
    stick = service.tree / "srv/stick"
    shutil.rmtree(stick, ignore_errors=True)
    (stick / "godwit").mkdir(parents=True)
    if kit:
        shutil.copytree(kit, stick / "godwit", dirs_exist_ok=True)
    service.run("chown", "-R", "godwit-update:godwit", "/srv/stick", check=True)
    mount = service.tree / "etc/systemd/system/media-godwit.mount.d/test.conf"
    mount.parent.mkdir(exist_ok=True)
    mount.write_text("[Mount]\nWhat=/srv/stick\nType=none\nOptions=\nOptions=bind\n")
    service.run("systemctl", "daemon-reload", check=True)
    service.run("systemctl", "start", "media-godwit.mount", check=True)
    outcome = stick / "godwit-outcome" / "door-7.json"
    wait_until(outcome.exists, "an outcome", 90)
    service.waits("edge-agent-stick.service", "ActiveState", lambda state: state in ("active", "failed"))
    from_the_howto(service, "A stick")
    service.waits("edge-agent-stick.service", "ActiveState", lambda state: state in ("inactive", "failed"))
    return json.loads(outcome.read_text())


def test_a_stick_without_a_kit_is_told_so(service: Machine) -> None:
    told = plugged_in(service)
    assert (told["device"], told["installed"], bool(told["problems"])) == ("door-7", None, True)
    assert told["exit_code"] == int(service.shows("edge-agent-stick.service", "ExecMainStatus"))


def test_a_stick_brings_a_version_to_which_the_running_agent_switches(service: Machine) -> None:
    repository = Repository(service.tree / "root" / "repository")
    first = write_bundle(service.tree / "root" / "one.godwit", profiles=[PROFILE], version="1.1")
    repository.add(first)
    pin = ("--trust-root", f"/root/repository/metadata/{repository.root.name}")
    agent(service, "install", "/root/repository", "--root", ROOT, *pin)
    service.run(userland.PROGRAM, "mark-good", "--root", ROOT)
    service.run("systemd-tmpfiles", "--create", check=True)  # what root installed is the updater's
    before = service.shows(UNIT, "MainPID")
    repository.add(write_bundle(service.tree / "root" / "two.godwit", profiles=[PROFILE], version="2.0"))
    told = plugged_in(service, repository.folder)
    assert (told["problems"], told["installed"]["version"]) == ([], "2.0")
    wait_until(lambda: status(service).get("version") == "2.0", "the agent to switch", 90)
    runs(service)
    assert service.shows(UNIT, "MainPID") == before
    service.waits(UPDATER, "ExecMainStartTimestampMonotonic", lambda at: at not in ("", "0"))


def test_a_request_that_comes_as_the_updater_ends_starts_it_again(service: Machine) -> None:
    agent(service, "mark-good", "--root", ROOT)  # it watches what the stick brought
    drop_in = service.tree / "etc/systemd/system" / f"{UPDATER}.d/late.conf"
    drop_in.parent.mkdir(exist_ok=True)
    drop_in.write_text(f"[Service]\nExecStartPost=-/usr/bin/mv {ROOT}/run/late {ROOT}/run/request\n")
    service.run("systemctl", "daemon-reload", check=True)
    service.waits(UPDATER, "ActiveState", lambda state: state == "inactive")
    before = service.journal(UPDATER).count(STARTS)
    service.run("runuser", "-u", "godwit", "--", "touch", f"{ROOT}/run/late", check=True)
    service.run("systemctl", "start", UPDATER, check=True)
    wait_until(lambda: service.journal(UPDATER).count(STARTS) == before + 2, "another start", 30)
    service.waits(UPDATER, "ActiveState", lambda state: state == "inactive")
    assert not device_root(service).asked.exists()
    drop_in.unlink()
    service.run("systemctl", "daemon-reload", check=True)


def test_a_request_is_taken_by_an_updater_that_fails_at_its_start(service: Machine) -> None:
    drop_in = service.tree / "etc/systemd/system" / f"{UPDATER}.d/broken.conf"
    drop_in.write_text("[Service]\nExecStart=\nExecStart=/usr/bin/false\n")
    service.run("systemctl", "daemon-reload", check=True)
    service.run("runuser", "-u", "godwit", "--", "touch", f"{ROOT}/run/request", check=True)
    wait_until(device_root(service).asked.exists, "the request to be taken", 30)
    assert not device_root(service).request.exists()
    drop_in.unlink()
    service.run("systemctl", "daemon-reload", check=True)


def test_after_another_boot_it_runs_by_itself(service: Machine) -> None:
    before = status(service)["deployment"]
    service.halt()
    service.boot()
    service.waits(UNIT, "ActiveState", lambda state: state == "active")
    runs(service)
    assert status(service)["deployment"] == before


def test_it_goes_as_it_came(service: Machine) -> None:
    from_the_howto(service, "Remove")
    assert service.shows(UNIT, "LoadState") == "not-found"
    assert service.run("systemctl", "list-unit-files", "edge-agent*", "media-godwit*", "--no-legend").stdout == ""
