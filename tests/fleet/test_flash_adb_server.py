"""`godwit flash adb://…` through the real adb server, behind which a phone speaks adbd's own protocol."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_profiles.errors import UnavailableError
from tests.edge_agent.support import wait_until
from tests.fleet import adbd
from tests.fleet.android import Phone
from tests.fleet.conftest import Flash
from tests.fleet.test_flash_adb import active, pack
from tools import processes, unpacked
from tools.broker import free_port

Adb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Adb]:
    """The real adb, with a server of its own."""
    try:
        command = unpacked.command("adb")
    except UnavailableError as error:
        pytest.skip(str(error))
    port = str(free_port())
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", port)
    # No emulator of this machine is looked for, and its keys are its own.
    command = ["/usr/bin/env", f"HOME={tmp_path}", "ADB_LOCAL_TRANSPORT_MAX_PORT=5554", *command]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        line = [*command, "-P", port, *words]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)

    with (tmp_path / "adb.log").open("wb") as log:
        server = processes.start([*command, "-P", port, "server", "nodaemon"], log, log)
    try:
        wait_until(lambda: "List of devices" in run("devices").stdout, "the adb server")
        yield run
    finally:
        processes.stop(server)


def test_a_phone_behind_the_real_server(tmp_path: Path, adb: Adb, flash: Flash) -> None:
    phone = Phone(tmp_path)
    with adbd.listening(phone) as serial:
        adb("connect", serial)
        wait_until(lambda: f"{serial}\tdevice" in adb("devices").stdout, "the phone")
        done = flash(pack(tmp_path), f"adb://{serial}")
        assert done.returncode == 0, done.stderr
        assert "it is a Pixel 8 with Android 14 (arm64-v8a)" in done.stderr
        assert (active(phone) / "models/tiny.tflite").read_bytes()[4:8] == b"TFL3"
        assert flash(pack(tmp_path), f"adb://{serial}", "--json").stdout.count('"changed":false') == 1

        phone.cable_bytes = 5000
        pulled = flash(pack(tmp_path, "1.1"), f"adb://{serial}")
        assert pulled.returncode == 4
        assert "found one that broke" in pulled.stderr
        assert active(phone).name.startswith("1.0-")


def test_a_phone_that_has_not_allowed_this_computer(tmp_path: Path, adb: Adb, flash: Flash) -> None:
    phone = Phone(tmp_path)
    phone.state = "unauthorized"
    with adbd.listening(phone) as serial:
        adb("connect", serial)
        wait_until(lambda: f"{serial}\tunauthorized" in adb("devices").stdout, "the phone")
        refused = flash(pack(tmp_path), f"adb://{serial}")
        assert refused.returncode == 4
        assert "found one that is unauthorized; unlock it, and allow this computer" in refused.stderr


def test_a_phone_that_is_not_there(tmp_path: Path, adb: Adb, flash: Flash) -> None:
    refused = flash(pack(tmp_path), "adb://R58M42ABCD")
    assert refused.returncode == 4
    assert "expected a phone of that serial number, found none" in refused.stderr
