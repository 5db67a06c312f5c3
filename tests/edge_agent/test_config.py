"""The device's configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent import config
from edge_agent.link_config import DEFAULT_BROKER_URL
from firmware_profiles import broker_url
from firmware_profiles.errors import InputError
from tools.certificates import Authority


def load(tmp_path: Path, text: str) -> config.Config:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return config.load(path)


def test_only_the_device_is_needed(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'device = "d1"')
    assert loaded.broker.url == DEFAULT_BROKER_URL
    assert loaded.source == []


def test_the_template_is_a_configuration(tmp_path: Path) -> None:
    loaded = load(tmp_path, config.template("d1", "mqtt://u:p%40@h:1").decode())
    assert loaded.device == "d1"
    assert broker_url.parse(loaded.broker.url, "x") == ("h", 1, "u", "p@", None)


@pytest.mark.parametrize(("url", "named"), [("mqtts://h", True), ("mqtts://u:p@h", False), ("mqtt://h", False)])
def test_the_template_names_the_certificate_that_the_device_will_have(tmp_path: Path, url: str, named: bool) -> None:
    broker = load(tmp_path, config.template("d1", url).decode()).broker
    assert bool(broker.certificate and broker.ca and broker.key) == named
    assert broker.awaits_identity(tmp_path) == named
    assert (broker.address(tmp_path).tls or (None,))[0] == (tmp_path / broker.ca if named else None)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(
            tmp_path,
            'device = "Door 7"\nbrokr = 1\n[[source]]\nname = "a"\nkind = "replay"\npath = "x"\nrate = -1\n'
            '[[source]]\nname = "b"\nkind = "camra"\npath = "y"\n',
        )
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    for word in ("device", "did you mean 'broker'", "rate", "kind"):
        assert word in text


def test_two_sources_need_two_names(tmp_path: Path) -> None:
    source = '[[source]]\nname = "a"\nkind = "replay"\npath = "x"\n'
    with pytest.raises(InputError, match="each name once"):
        load(tmp_path, f'device = "d1"\n{source}{source}')


@pytest.mark.parametrize("url", ["http://h", "mqtt://", "h:1883", "mqtt://u:secret@h:99999", "mqtt://u:secret@h/path"])
def test_a_wrong_broker_url_is_told_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, f'device = "d1"\n[broker]\nurl = "{url}"')
    assert "secret" not in str(caught.value)


def test_a_broker_under_tls_by_files_of_the_device_root(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certs")
    authority.issue("d1")
    broker = 'url = "mqtts://h"\nca = "certs/ca.pem"\ncertificate = "certs/d1.pem"\nkey = "certs/d1.key"'
    address = load(tmp_path, f'device = "d1"\n[broker]\n{broker}').broker.address(tmp_path)
    assert address[:2] == ("h", 8883)
    assert address.tls == (authority.certificate, tmp_path / "certs" / "d1.pem", tmp_path / "certs" / "d1.key")


def test_a_device_is_not_called_as_pools_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'pool', a word of the topics"):
        load(tmp_path, 'device = "pool"')
