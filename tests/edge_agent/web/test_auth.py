"""Who may ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent import config
from edge_agent.web.auth import read_token
from firmware_profiles.errors import InputError
from tests.edge_agent.web.served import Served

TOKEN = "a-token-of-a-good-length"  # noqa: S105  # of a test
BEARER = f"Bearer {TOKEN}"


@pytest.fixture(scope="module")
def guarded(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that wants a token."""
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text(f"{TOKEN}\n")
    server = Served(bundle, "--token-file", str(path))
    yield server
    server.stop()


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000"]
)
def test_without_a_token_this_machine_is_asked_by_its_names(served: Served, host: str) -> None:
    assert served.ask("GET", "/v2", Host=host).status == 200
    assert served.ask("GET", "/v2", Host=host, Origin=f"http://{host}").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost@evil"]
)
def test_a_rebound_name_is_refused(served: Served, host: str) -> None:
    assert served.ask("GET", "/api/status", Host=host).status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9999", "file://", "http://localhost.evil.example"]
)
def test_a_page_of_another_origin_drives_nothing(served: Served, origin: str) -> None:
    assert served.ask("POST", "/api/predict/tiny", b"1,2", Origin=origin).status == 403
    assert served.ask("OPTIONS", "/api/predict/tiny", Origin=origin).status == 403


@pytest.mark.parametrize("path", ["/v2", "/metrics", "/api/status", "/api/live", "/v2/models/tiny", "/nix"])
def test_with_a_token_nothing_is_told_without_it(guarded: Served, path: str) -> None:
    refused = guarded.ask("GET", path)
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    for wrong in ("Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer ", f"{BEARER}x"):
        assert guarded.ask("GET", path, Authorization=wrong).status == 401


def test_with_a_token_the_host_may_have_any_name(guarded: Served) -> None:
    assert guarded.ask("GET", "/v2", Host="door-7.local:8000", Authorization=BEARER).status == 200
    assert guarded.ask("GET", "/v2", Authorization=f"bearer {TOKEN}").status == 200
    assert guarded.ask("GET", "/v2", Authorization=BEARER, Origin="http://evil.example").status == 403


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/v2/health/live", "/v2/health/ready"])
def test_the_page_and_the_probes_need_no_token(guarded: Served, path: str) -> None:
    assert guarded.ask("GET", path).status == 200


@pytest.mark.parametrize("content", ["", "short", "a token with spaces in it", "é" * 20])
def test_a_poor_token_is_refused_without_telling_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_token(path)
    assert not content or content not in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        read_token(tmp_path / "none")


def _load(tmp_path: Path, http: str) -> config.Http:
    path = tmp_path / "agent.toml"
    path.write_text(f'device = "d1"\n[http]\n{http}\n')
    return config.load(path).http


@pytest.mark.parametrize("listen", ["127.0.0.1:8000", "localhost:0", "[::1]:8000", ""])
def test_loopback_needs_no_token(tmp_path: Path, listen: str) -> None:
    assert _load(tmp_path, f'listen = "{listen}"').listen == listen


@pytest.mark.parametrize("listen", ["0.0.0.0:8000", "192.168.1.2:80", "[::]:8000"])
def test_any_other_address_does(tmp_path: Path, listen: str) -> None:
    with pytest.raises(InputError, match="token"):
        _load(tmp_path, f'listen = "{listen}"')
    assert _load(tmp_path, f'listen = "{listen}"\ntoken_file = "/etc/godwit/token"').listen == listen


@pytest.mark.parametrize("listen", ["8000", "127.0.0.1", "127.0.0.1:99999", "999.0.0.1:1", "[::g]:1", "door:8000", " "])
def test_what_is_no_address_is_told(tmp_path: Path, listen: str) -> None:
    with pytest.raises(InputError, match="an address and a port"):
        _load(tmp_path, f'listen = "{listen}"')
