"""Listening beyond this machine, as in a container: the agent makes its own token and its log shows the page's link."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.web import access
from tests.edge_agent.support import TIMEOUT_S, Device, agent, null_bundle, wait_until
from tests.edge_agent.web.browser import Browser
from tests.edge_agent.web.test_auth import TOKEN
from tests.edge_agent.web.test_page import browser  # noqa: F401  # a fixture

NOBODY = "mqtt://127.0.0.1:9"
LINK = re.compile(r"the page: http://localhost:(\d+)/\?token=([\w-]{16,})\n")


@contextmanager
def listening(device: Device, log: Path, listen: str = "0.0.0.0:0", **environment: str) -> Iterator[int]:
    """The agent, for the time of the block; its port."""
    command = [sys.executable, "-m", "edge_agent", "run", "--root", str(device.root), "--listen", listen]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stderr=stream, env={"PATH": "/usr/bin:/bin", **environment})
    try:
        wait_until(lambda: bool(device.status().get("listens")), "an address")
        yield int(device.status()["listens"].rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
        (device.root / "run" / "status.json").unlink(missing_ok=True)


def asked(port: int, token: str) -> int:
    """The status of a request with that token."""
    wanted = urllib.request.Request(f"http://127.0.0.1:{port}/api/status")
    if token:
        wanted.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(wanted, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """A device that nobody runs yet."""
    return Device(tmp_path, null_bundle(tmp_path / "null.godwit"), NOBODY)


def test_a_token_is_made_once_and_kept_where_only_the_agent_reads(device: Device, tmp_path: Path) -> None:
    links = []
    for log in (tmp_path / "first.log", tmp_path / "second.log"):
        with listening(device, log) as port:
            told = LINK.search(log.read_text())
            assert told
            links.append(told[2])
            assert (told[1], asked(port, ""), asked(port, told[2])) == (str(port), 401, 200)
    assert links[0] == links[1] == device_token(device)
    assert (device.root / "var" / "http-token").stat().st_mode & 0o777 == 0o600


def device_token(device: Device) -> str:
    """The token that it keeps."""
    return (device.root / "var" / "http-token").read_text().strip()


def test_a_token_that_was_chosen_is_not_logged(device: Device, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with listening(device, log, **{access.VARIABLE: TOKEN}) as port:
        assert (asked(port, ""), asked(port, TOKEN)) == (401, 200)
    assert TOKEN not in log.read_text()
    assert not (device.root / "var" / "http-token").exists()


def test_a_chosen_token_that_is_too_short_is_told_and_nothing_listens(device: Device, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "edge_agent", "run", "--root", str(device.root), "--listen", "0.0.0.0:0"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stderr=stream, env={access.VARIABLE: "short"})
    try:
        wait_until(lambda: device.status().get("state") == "running", "an agent without HTTP")
        assert device.status()["listens"] == ""
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
    events = [event.text for event in device.spooled("event") if event.name == "http_unavailable"]
    assert [text.partition(";")[0] for text in events] == [
        f"{access.VARIABLE}: expected 16 or more printable characters, found 5 bytes, or spaces among them"
    ]


def test_what_is_no_address_is_refused_before_anything_runs(device: Device) -> None:
    refused = agent("run", "--root", device.root, "--listen", "everywhere")
    assert (refused.returncode, "--listen: expected an address and a port" in refused.stderr) == (2, True)


def test_the_page_takes_the_token_from_its_link(device: Device, tmp_path: Path, browser: Browser) -> None:  # noqa: F811
    with listening(device, tmp_path / "log") as port:
        browser.open(f"http://localhost:{port}/?token={device_token(device)}")
        wait_until(lambda: browser.text("#state") == "running", "the stream, without a question")
        assert browser.run("return location.search") == ""
        browser.run("location.reload()")
        wait_until(lambda: browser.text("#state") == "running", "it is kept")
