"""Flashing over a pty relay, to a real `edge-agent receive`: noise, pulled plugs, killed receivers, wrong speeds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_profiles.errors import UnavailableError
from firmware_profiles.serial_link.bitmap import Bitmap
from firmware_profiles.serial_link.contents import Cargo
from firmware_profiles.serial_link.messages import CHUNK_BYTES
from tests.fleet.serial_lines import Background, Seen, bring, ended, kit, meet, receiver, same, until
from tools.pty_relay import Relay

BAUD = 3_000_000
PTY_BAUD = 38_400
"""Of a terminal that nobody has set."""


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with Relay(tmp_path) as running:
        yield running


def agent(port: Path, root: Path, baud: int = BAUD) -> subprocess.Popen[bytes]:
    line = [
        sys.executable,
        "-m",
        "edge_agent",
        "receive",
        "--serial",
        str(port),
        "--baud",
        str(baud),
        "--root",
        str(root),
    ]
    return subprocess.Popen(line, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("errors", [0.0, 1e-3])
def test_the_agent_receives_and_installs(tmp_path: Path, relay: Relay, errors: float) -> None:
    relay.errors.share = errors
    cargo = kit(tmp_path / "kit", 40_000, 0, 700)
    root = tmp_path / "root"
    with ended(agent(relay.device.path, root)):
        for _ in range(2):  # what is flashed again is there already
            said = bring(relay.host.path, BAUD, cargo, Seen())
            assert said.exit_code != 0
            assert said.stderr.startswith("error: "), "of edge-agent install: no kit"
            assert same(cargo, root / "update" / "received")
    assert not (root / "slots" / "active").exists()
    assert relay.carried_bytes < 3 * 40_000


def flashed(relay: Relay, cargo: Cargo, seen: Seen, baud: int = BAUD) -> Background:
    return Background(lambda: bring(relay.host.path, baud, cargo, seen))


def until_done(seen: Seen, wanted_bytes: int) -> None:
    until(lambda: seen.done_bytes > wanted_bytes)


@pytest.mark.parametrize("end", ["host", "device"])
def test_a_plug_that_is_pulled_and_put_in_again(tmp_path: Path, relay: Relay, end: str) -> None:
    cargo = kit(tmp_path / "kit", 400_000)
    root = tmp_path / "root"
    seen = Seen()
    with ended(agent(relay.device.path, root)):
        flash = flashed(relay, cargo, seen)
        until_done(seen, 100_000)
        with relay.pulled(relay.host if end == "host" else relay.device):
            until(lambda: end == "device" or "waiting for the line, which was lost" in seen.words)
        assert flash.result().stderr.startswith("error: ")
    assert same(cargo, root / "update" / "received")
    assert relay.carried_bytes < 1.8 * 400_000


def test_a_receiver_that_is_killed_again_and_again(tmp_path: Path) -> None:
    size = 300_000
    cargo = kit(tmp_path / "kit", size, 5000)
    folder = tmp_path / "received"
    seen = Seen()
    with Relay(tmp_path, 60_000, errors=1e-5) as relay:
        process = receiver(relay.device.path, folder)
        flash = flashed(relay, cargo, seen, PTY_BAUD)
        for wanted_bytes in (30_000, 120_000, 180_000, 260_000):
            until_done(seen, wanted_bytes)
            process.kill()
            process.wait()
            process = receiver(relay.device.path, folder)
            says_only_what_is_there(folder, cargo.paths[0].read_bytes())
        with ended(process):
            assert flash.result().exit_code == 0
    assert same(cargo, folder)
    assert relay.carried_bytes < 2.2 * size  # a second's worth is lost each time; from the start it would be 3


def says_only_what_is_there(folder: Path, content: bytes) -> None:
    bits = (folder / "bitmap").read_bytes()[32:]
    bitmap = Bitmap(8 * len(bits), bits)
    written = (folder / "files" / "kit" / "targets" / "0.bin").read_bytes()
    for chunk in range(-(-len(content) // CHUNK_BYTES)):
        at = slice(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
        assert chunk not in bitmap or written[at] == content[at]


def test_a_next_kit_takes_over_what_is_the_same(tmp_path: Path, relay: Relay) -> None:
    first, folder = kit(tmp_path / "kit", 200_000, 10_000), tmp_path / "received"
    with ended(receiver(relay.device.path, folder)):
        assert bring(relay.host.path, PTY_BAUD, first, Seen()).exit_code == 0
    carried = relay.carried_bytes
    (tmp_path / "kit" / "targets" / "0.bin").rename(tmp_path / "kit" / "renamed.bin")
    (tmp_path / "kit" / "targets" / "1.bin").write_bytes(b"new")
    second = kit(tmp_path / "kit")
    with ended(receiver(relay.device.path, folder)):
        assert bring(relay.host.path, PTY_BAUD, second, Seen()).exit_code == 0
    assert same(second, folder)
    assert {path.name for path in folder.iterdir()} == {"bitmap", "contents.json", "files", "lock"}
    assert relay.carried_bytes - carried < 20_000


@pytest.mark.parametrize(("host", "device"), [(115_200, 9_600), (230_400, 921_600)])
def test_a_wrong_speed_is_named(tmp_path: Path, relay: Relay, host: int, device: int) -> None:
    with ended(agent(relay.device.path, tmp_path / "root", device)):
        until(lambda: relay.device.baud() == device)
        with pytest.raises(
            UnavailableError, match=f"at {host} baud, found a receiver at {device}; type .baud={device}"
        ):
            meet(relay.host.path, host)


def test_nobody_answers(relay: Relay) -> None:
    with pytest.raises(UnavailableError, match="expected an answer, found none; look at the cable"):
        meet(relay.host.path, BAUD)


def test_two_flashes_at_once(tmp_path: Path, relay: Relay) -> None:
    cargo, seen = kit(tmp_path / "kit", 300_000), Seen()
    with ended(receiver(relay.device.path, tmp_path / "received")):
        flash = flashed(relay, cargo, seen, PTY_BAUD)
        until_done(seen, 50_000)
        with pytest.raises(UnavailableError, match="another flash or terminal program uses it"):
            bring(relay.host.path, BAUD, cargo, Seen())
        assert flash.result().exit_code == 0


def test_two_lines_to_one_root(tmp_path: Path) -> None:
    cargo, seen = kit(tmp_path / "kit", 300_000), Seen()
    root = tmp_path / "root"
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    with (
        Relay(tmp_path / "1") as first,
        Relay(tmp_path / "2") as second,
        ended(agent(first.device.path, root)),
        ended(agent(second.device.path, root)),
    ):
        flash = flashed(first, cargo, seen)
        until_done(seen, 50_000)
        assert "expected no other transfer" in bring(second.host.path, BAUD, cargo, Seen()).stderr
        assert "no other transfer" not in flash.result().stderr


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no such file or directory; plug it in"):
        meet(tmp_path / "none", BAUD)
