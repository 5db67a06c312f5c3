"""What `--measure-on` takes, and that a password is refused without being repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.device import url
from converter.device.url import DeviceUrl
from firmware_profiles.errors import InputError
from firmware_profiles.ssh import Host


@pytest.mark.parametrize(
    ("text", "device", "destination"),
    [
        ("ssh://pi.local", DeviceUrl(Host("pi.local")), ["pi.local"]),
        ("ssh://pi@pi.local:2222/", DeviceUrl(Host("pi.local", "pi", 2222)), ["-p", "2222", "pi@pi.local"]),
        ("ssh://pi@[fe80::1%eth0]", DeviceUrl(Host("fe80::1%eth0", "pi")), ["pi@fe80::1%eth0"]),
        ("ssh://pi?agent=/opt/a/edge-agent", DeviceUrl(Host("pi"), agent="/opt/a/edge-agent"), ["pi"]),
    ],
)
def test_a_device(text: str, device: DeviceUrl, destination: list[str]) -> None:
    assert url.parse(text, "--measure-on") == device
    assert device.at.destination == destination


@pytest.mark.parametrize(
    "text",
    [
        "pi.local", "http://pi.local", "ssh://", "ssh://-oProxyCommand=true", "ssh://-l@host", "ssh://pi:22x",
        "ssh://pi/path", "ssh://pi?agnet=/x", "ssh://pi?agent=", "ssh://pi?agent=-x", "ssh://a b", "ssh://pi#x",
    ],
)  # fmt: skip
def test_anything_else_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match="--measure-on: expected ssh://user@host"):
        url.parse(text, "--measure-on")


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        url.parse("ssh://pi:raspberry@pi.local", "--measure-on")
    assert "raspberry" not in str(caught.value)
    assert "ssh-copy-id" in str(caught.value)


@given(st.text())
def test_no_text_becomes_an_option_of_ssh(text: str) -> None:
    try:
        device = url.parse(f"ssh://{text}", "--measure-on")
    except InputError:
        return
    assert not device.at.destination[-1].startswith("-")
    assert not device.agent.startswith("-")
