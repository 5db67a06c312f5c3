"""A console on a pty: a real `sh` without a login, one behind a prompt, and a line that spoils what is typed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_profiles import profile
from firmware_profiles.errors import UnavailableError
from fleet.flash import bringing, meeting
from fleet.flash.console import Console, Login
from fleet.flash.console_road import ConsoleRoad
from fleet.flash.port import Port
from fleet.flash.serial_target import SerialTarget
from tests.fleet.serial_lines import cook, ended, kit, on_port, same
from tools.pty_relay import Relay

PTY_BAUD = 38_400
SH = ["sh", "-i"]
NOBODY = Login("", lambda: "")
CONTENT = random.Random(1).randbytes(7000)  # noqa: S311
GETTY = """
while :; do
  printf 'door login: '; read user
  printf 'Password: '; stty -echo; read password; stty echo; echo
  if [ "$user $password" = "pi raspberry" ]; then exec env WHO=$user sh -i; fi
  printf 'Login incorrect\n'
done
"""


@contextmanager
def at(shell: list[str], folder: Path, errors: float = 0.0) -> Iterator[tuple[Port, Relay]]:
    """A port at whose other end this shell is."""
    with Relay(folder, errors=errors) as relay:
        cook(relay.device.path)
        with ended(on_port(shell, relay.device.path)), Port(str(relay.host.path), PTY_BAUD) as port:
            yield port, relay


def nothing(*_: object) -> None:
    """Progress that nobody sees."""


@pytest.mark.parametrize("shell", [SH, ["bash", "-i"]])
def test_commands_run_and_files_arrive(tmp_path: Path, shell: list[str]) -> None:
    with at(shell, tmp_path) as (port, _):
        console = Console(port.line, "here")
        assert not console.enter(NOBODY)
        answer = console.run("echo hello; (exit 3)")
        assert answer is not None
        assert answer.exit_code == 3
        assert "hello" in answer.output.splitlines()
        console.push(CONTENT, str(tmp_path / "there file"), nothing)
        assert (tmp_path / "there file").read_bytes() == CONTENT
        assert console.fetch(str(tmp_path / "there file")) == CONTENT


def test_what_a_command_before_says_late_belongs_to_none(tmp_path: Path) -> None:
    """Each says twice that it ended, and the first is enough to go on."""
    slow = tmp_path / "slow"
    slow.write_text('echo() { sleep 0.3; command echo "$@"; }\n', encoding="utf-8")
    with at(["env", f"ENV={slow}", *SH], tmp_path) as (port, _):
        console = Console(port.line, "here")
        console.enter(NOBODY)
        answers = [console.run(f"printf 'a {word}\\n'") for word in ("door", "gate")]
        assert [answer.output for answer in answers if answer] == ["a door", "a gate"]


def test_files_arrive_over_a_noisy_line(tmp_path: Path) -> None:
    content = 2 * CONTENT
    with at(SH, tmp_path) as (port, relay):
        console = Console(port.line, "here")
        console.enter(NOBODY)
        relay.errors.share = 2e-4
        console.push(content, str(tmp_path / "there"), nothing)
    assert (tmp_path / "there").read_bytes() == content


def test_what_is_there_already_is_not_pushed_again(tmp_path: Path) -> None:
    with at(SH, tmp_path) as (port, relay):
        console = Console(port.line, "here")
        console.enter(NOBODY)
        console.push(CONTENT, str(tmp_path / "there"), nothing)
        before = relay.carried_bytes
        console.push(CONTENT, str(tmp_path / "there"), nothing)
        assert relay.carried_bytes - before < 500


def test_a_login(tmp_path: Path) -> None:
    with at(["sh", "-c", GETTY], tmp_path) as (port, _):
        console = Console(port.line, "here")
        with pytest.raises(UnavailableError, match=r"found a login prompt; add \?user=NAME"):
            console.enter(NOBODY)
        with pytest.raises(UnavailableError, match="expected pi to be let in, found a refusal"):
            console.enter(Login("pi", lambda: "wrong"))
        assert console.enter(Login("pi", lambda: "raspberry"))
        answer = console.run("echo $WHO")
        assert answer is not None
        assert answer.output == "pi"


def test_no_shell(tmp_path: Path) -> None:
    with at(["cat"], tmp_path) as (port, _), pytest.raises(UnavailableError, match="expected a shell"):
        Console(port.line, "here").enter(NOBODY)


def test_a_console_is_recognised(tmp_path: Path) -> None:
    with at(SH, tmp_path) as (port, _):
        host = bringing.host_of(kit(tmp_path / "kit", 10))
        assert meeting.meet(port, host, "here", PTY_BAUD) == "console"


def test_a_console_that_was_left_mute_is_recognised(tmp_path: Path) -> None:
    with at(SH, tmp_path) as (port, _):
        Console(port.line, "here").enter(NOBODY)
        host = bringing.host_of(kit(tmp_path / "kit", 10))
        assert meeting.meet(port, host, "here", PTY_BAUD) == "console"


def test_a_bare_device_gets_files_and_runs_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    cargo = kit(tmp_path / "kit", 100_000, 3)
    with at(SH, tmp_path) as (port, relay):
        road = ConsoleRoad(port, SerialTarget(str(relay.host.path), root=str(tmp_path / "root")), NOBODY)
        road.open("me")
        assert road.probe().arch == profile.userland_arch()
        there = Path(road.put(tmp_path / "kit", nothing))
        assert same(cargo, there.parent.parent)
        before = relay.carried_bytes
        assert road.put(tmp_path / "kit", nothing) == str(there)
        assert relay.carried_bytes - before < 5000
        ran = road.run(["sh", "-c", "echo 'what ever'; echo no >&2; exit 7"], as_root=False)
        assert ran == (7, b"what ever\n", "no\n")
        assert road.run(["printf", "%s", "x" * 9000], as_root=False).stdout == b"x" * 9000
        road.close()
        assert not there.parent.parent.parent.exists()
