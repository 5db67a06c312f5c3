"""`godwit flash image://…`: real file systems, written without mounting, and otherwise what they were."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_profiles.errors import UnavailableError
from fleet.agent_kit import gather, userland, wanted
from tests.edge_agent.support import NULL, model, wait_until, write_bundle
from tests.fleet import images
from tests.fleet.authorities import godwit
from tests.fleet.conftest import Flash
from tools import unpacked

FOLDER = "/var/lib/godwit-flash"
ENABLED = "/etc/systemd/system/multi-user.target.wants/godwit-first-boot.service"
UNIT = "/etc/systemd/system/godwit-first-boot.service"


@pytest.fixture(scope="session")
def kit() -> None:
    """The agent's wheels are in the cache; without a network the test is left out."""
    there = userland.Userland("3.11", "aarch64", "2.36")
    try:
        gather.gather(wanted.want([], there, {}), there, [], print)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def mtools(monkeypatch: pytest.MonkeyPatch) -> None:
    """On PATH, wherever they were unpacked."""
    folder = Path(images.command("mtools")[-1]).parent
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{folder}")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    tree = images.system(tmp_path / "tree")
    return images.disk(tmp_path / "card.img", tree, boot_files={"config.txt": b"arm_64bit=1\n"})


def pack(folder: Path, version: str = "1.0", arch: str = "aarch64") -> Path:
    of = model(name="pets", file="models/null.json", format="null", runtimes=list(NULL))
    path = folder / f"pets-{version}-here.godwit"
    content = b'{"outputs": [[1, 3]]}'
    return write_bundle(path, of, content, name="pets", arch=arch, profiles=["here"], version=version)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("label", ["dos", "gpt"])
def test_an_image_gets_what_it_installs_and_is_otherwise_unchanged(
    tmp_path: Path, kit: None, flash: Flash, label: str
) -> None:
    tree = images.system(tmp_path / "tree")
    image = images.disk(tmp_path / "card.img", tree, label=label, boot_files={"config.txt": b"arm_64bit=1\n"})
    before, outside = images.files(image), images.outside(image)
    words = (pack(tmp_path), f"image://{image}", "--device-id", "door-7", "--broker", "mqtt://h:1884")
    done = flash(*words)
    assert done.returncode == 0, done.stderr
    assert "pets 1.0 is installed when it boots for the first time" in done.stdout

    images.check(image)
    after = images.files(image)
    assert {path: after.get(path) for path in before} == before
    new = {path for path in after.keys() - before.keys() if not path.startswith(FOLDER)}
    assert new == {UNIT, ENABLED, ENABLED.rpartition("/")[0]}
    assert all(
        each.owner == "0:0" and each.mode in ("100600", "040700", "040755")
        for path, each in after.items()
        if path.startswith(FOLDER)
    )
    assert images.outside(image) == outside
    assert images.boot_file(image, "config.txt") == b"arm_64bit=1\n"
    assert json.loads(images.boot_file(image, "godwit/outcome.json"))["state"] == "pending"
    order = json.loads(images.ask(image, f"cat {FOLDER}/order.json"))
    assert order["install"][-2:] == ["--device-id=door-7", "--broker=mqtt://h:1884"]
    assert sorted(path.name for path in tmp_path.glob(".*")) == []

    whole = digest(image)
    again = flash(*words, "--json")
    assert json.loads(again.stdout)["changed"] is False, again.stderr
    assert digest(image) == whole


def test_another_version_takes_its_place(tmp_path: Path, kit: None, card: Path, flash: Flash) -> None:
    for version in ("1.0", "1.1"):
        assert flash(pack(tmp_path, version), f"image://{card}").returncode == 0
    images.check(card)
    brought = [path for path in images.files(card) if path.endswith(".godwit")]
    assert [path.rpartition(".pets-")[2] for path in brought] == ["1.1-here.godwit"]


def test_a_dry_run_writes_nothing(tmp_path: Path, card: Path, flash: Flash) -> None:
    whole = digest(card)
    done = flash(pack(tmp_path), f"image://{card}", "--dry-run")
    assert f"would write pets 1.0 and the agent to {FOLDER} of its root partition" in done.stdout, done.stderr
    assert "note: it holds Debian GNU/Linux 12 (bookworm)" in done.stdout
    godwit("init", tmp_path / "ca", "--no-passphrase")
    asking = flash(pack(tmp_path), f"image://{card}", "--dry-run", "--ca", tmp_path / "ca")
    assert "have it ask for a certificate when it boots for the first time, in godwit/request.csr" in asking.stdout
    facts = json.loads(flash(pack(tmp_path), f"image://{card}", "--dry-run", "--json").stdout)["facts"]
    assert (facts["arch"], facts["glibc"], facts["python"], facts["init"]) == ("aarch64", "2.36", "3.11", "systemd")
    assert digest(card) == whole


def test_a_flash_that_is_killed_leaves_the_image_as_it_was(tmp_path: Path, kit: None, card: Path, flash: Flash) -> None:
    whole, copy = digest(card), tmp_path / ".card.img.godwit-flash"
    line = [sys.executable, "-m", "godwit", "flash", str(pack(tmp_path)), f"image://{card}"]
    for end, left in ((signal.SIGINT, False), (signal.SIGKILL, True)):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(copy.exists, "the copy")
        process.send_signal(end)
        assert process.wait(60) != 0
        assert digest(card) == whole
        assert copy.exists() == left
    assert flash(pack(tmp_path), f"image://{card}").returncode == 0
    assert not copy.exists()
    images.check(card)


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path, kit: None, card: Path, flash: Flash) -> None:
    analyze = unpacked.present("systemd-analyze")
    if not analyze:
        pytest.skip("no systemd-analyze here")
    flash(pack(tmp_path), f"image://{card}")
    unit = tmp_path / "godwit-first-boot.service"
    unit.write_bytes(images.ask(card, f"cat {UNIT}"))
    ran = subprocess.run([*analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert "godwit-first-boot" not in ran.stderr, ran.stderr
