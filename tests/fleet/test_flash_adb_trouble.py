"""What goes wrong between `godwit flash` and a phone: one line, exit code 4, and apps load what they loaded before."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

import pytest

from fleet.flash.adb import Adb
from tests.edge_agent.support import NULL, model, write_bundle
from tests.fleet.android import Phone
from tests.fleet.conftest import Ended, Flash
from tests.fleet.test_flash_adb import active, godwit, pack, phones

__all__ = ["godwit", "phones"]  # fixtures


def refused(done: Ended, *told: str) -> None:
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 4, done.stderr
    assert len(errors) == 1, done.stderr
    assert all(each in errors[0] for each in told), errors[0]
    assert "Traceback" not in done.stderr


def test_a_cable_pulled_while_files_are_sent(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    assert godwit(pack(tmp_path), "adb://R58M42ABCD").returncode == 0
    before, phones[0].sent[:] = active(phones[0]), []
    phones[0].cable_bytes = 5000
    refused(godwit(pack(tmp_path, "1.1"), "adb://R58M42ABCD"), "found one that broke", "flash again")
    assert active(phones[0]) == before
    arrived, phones[0].sent[:] = phones[0].sent[:-1], []
    assert arrived

    phones[0].cable_bytes = 1 << 40
    assert godwit(pack(tmp_path, "1.1"), "adb://R58M42ABCD").returncode == 0
    assert active(phones[0]).name.startswith("1.1-")
    assert not set(arrived) & set(phones[0].sent), "what arrived was sent twice"


def test_a_phone_that_fills_up(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    phones[0].room_bytes = 3000
    refused(godwit(pack(tmp_path), "adb://R58M42ABCD"), "No space left on device", "free some space there")
    assert not phones[0].place("/data/local/tmp/godwit/tiny/active").exists()


def test_a_phone_that_keeps_other_bytes(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    phones[0].worn = True
    refused(godwit(pack(tmp_path), "adb://R58M42ABCD"), "expected the bytes that were sent, found other ones in app/")
    assert not phones[0].place("/data/local/tmp/godwit/tiny/active").exists()


@pytest.mark.parametrize(
    ("state", "step"),
    [
        ("unauthorized", "allow this computer on its screen"),
        ("offline", "unplug it and plug it in again"),
        ("no permissions (user in plugdev group; are your udev rules wrong?)", "udev rules"),
        ("recovery", "start Android on it"),
    ],
)
def test_a_phone_that_does_not_let_us_in(
    tmp_path: Path, phones: list[Phone], godwit: Flash, state: str, step: str
) -> None:
    phones[0].state = state
    refused(godwit(pack(tmp_path), "adb://R58M42ABCD"), f"found one that is {state}", step)


def test_two_phones(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    phones.append(Phone(tmp_path, "emulator-5554"))
    refused(godwit(pack(tmp_path), "adb://"), "found R58M42ABCD, emulator-5554; name it: adb://R58M42ABCD")
    refused(godwit(pack(tmp_path), "adb://other"), "expected a phone of that serial number, found R58M42ABCD, emul")
    assert godwit(pack(tmp_path), "adb://emulator-5554").returncode == 0
    assert not phones[0].sent
    both = godwit(pack(tmp_path), "adb://R58M42ABCD", "adb://emulator-5554")
    assert both.returncode == 0, both.stderr
    assert active(phones[0]).name == active(phones[1]).name


def test_a_phone_that_somebody_else_flashes(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    owner = f"{pwd.getpwuid(os.geteuid()).pw_name}, process {os.getpid()}"
    with contextlib.closing(Adb("R58M42ABCD", "")) as first:
        first.open()
        second = godwit(pack(tmp_path), "adb://R58M42ABCD")
    refused(second, f"expected a phone that nobody else flashes, found {owner}, who does")


def test_no_phone_and_no_server(
    tmp_path: Path, phones: list[Phone], godwit: Flash, monkeypatch: pytest.MonkeyPatch
) -> None:
    phones.clear()
    refused(godwit(pack(tmp_path), "adb://"), "found none; plug it in with USB debugging on")
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(godwit(pack(tmp_path), "adb://"), "an adb server on this machine", "install adb")


def test_bundles_that_no_phone_takes(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    refused(godwit(pack(tmp_path, arch="x86_64"), "adb://R58M42ABCD"), "a phone with x86_64, found aarch64 (arm64-v8a)")
    of = model(file="models/null.json", format="null", runtimes=list(NULL))
    null = write_bundle(tmp_path / "null.godwit", of, b'{"outputs": [[1, 3]]}', arch="aarch64")
    refused(godwit(null, "adb://R58M42ABCD"), "expected TFLite models, which apps can load, found null")
    phones[0].properties["ro.product.cpu.abi"] = "armeabi-v7a"
    refused(godwit(pack(tmp_path), "adb://R58M42ABCD"), "a phone with aarch64, found armv7l (armeabi-v7a)")
    assert not phones[0].sent


@pytest.mark.parametrize("target", ["adb://a/b", "adb://a?root=/x", "adb://a b", "adb://a?package=x;rm"])
def test_targets_that_are_none(tmp_path: Path, godwit: Flash, target: str) -> None:
    done = godwit(pack(tmp_path), target)
    assert done.returncode == 2
    assert "adb://SERIAL" in done.stderr
