"""The ways to a server: TLS, proxies, redirections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.ota import refreshing
from edge_agent.ota.http import HttpCarrier, Patience
from edge_agent.ota.requesting import ask, tls_context
from firmware_profiles.errors import InputError, UnavailableError
from tests.edge_agent.ota.hostile import Handler, Server, serving
from tests.edge_agent.ota.signing import Device, Repository
from tools.certificates import Authority

HASTY = Patience(answer_s=5.0)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def secure(repository: Repository, authority: Authority) -> Iterator[Server]:
    with serving(repository.folder, authority.issue("server", "127.0.0.1")) as server:
        yield server


@pytest.fixture
def plain(repository: Repository) -> Iterator[Server]:
    with serving(repository.folder) as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def refresh(device: Device, carrier: HttpCarrier) -> int:
    return refreshing.refresh(device.root, carrier, device.reference).version


def test_tls_with_a_pinned_authority(device: Device, secure: Server, authority: Authority) -> None:
    assert refresh(device, HttpCarrier(secure.url, authority.certificate, patience=HASTY)) == 1


def test_a_server_that_another_authority_signed(device: Device, secure: Server, tmp_path: Path) -> None:
    for ca in (None, Authority(tmp_path / "other").certificate):
        with pytest.raises(UnavailableError, match=r"expected an answer, found .*certificate verify failed"):
            refresh(device, HttpCarrier(secure.url, ca, patience=HASTY))


def test_an_expired_certificate_passes_only_where_dates_are_not_judged(
    device: Device, repository: Repository, authority: Authority
) -> None:
    with serving(repository.folder, authority.issue("old", "127.0.0.1", expired=True)) as server:
        with pytest.raises(UnavailableError, match="certificate has expired"):
            refresh(device, HttpCarrier(server.url, authority.certificate, patience=HASTY))
        unsure = HttpCarrier(server.url, authority.certificate, judge_dates=False, patience=HASTY)
        assert refresh(device, unsure) == 1


def test_a_ca_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(InputError, match="expected a PEM file with a certificate"):
            HttpCarrier("https://updates.example", path)


def test_a_tls_server_that_says_nothing_is_left_in_time(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        with pytest.raises(UnavailableError, match="expected an answer, found nothing in time"):
            ask(url, tls_context(authority.certificate, judge_dates=True), 60.0, 0.3, 0)


def test_a_proxy_is_asked_for_http(device: Device, plain: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = plain.url.removesuffix("/r").replace("//", "//user:p%40ss@")
    monkeypatch.setenv("http_proxy", proxy)
    assert refresh(device, HttpCarrier("http://updates.invalid/r", patience=HASTY)) == 1
    assert {headers["Host"] for _, headers in plain.asked} == {"updates.invalid"}
    assert plain.asked[0][1]["Proxy-Authorization"] == "Basic dXNlcjpwQHNz"
    monkeypatch.setenv("no_proxy", "updates.invalid")
    with pytest.raises(UnavailableError, match="expected an answer, found"):
        refresh(device, HttpCarrier("http://updates.invalid/r", patience=HASTY))


def test_a_proxy_is_asked_for_a_tunnel(device: Device, plain: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", plain.url.removesuffix("/r"))
    with pytest.raises(UnavailableError, match="expected an answer, found tunnel connection failed: 501"):
        refresh(device, HttpCarrier("https://updates.invalid/r", patience=HASTY))


def test_a_redirection_is_followed(device: Device, plain: Server) -> None:
    def moved(handler: Handler, content: bytes) -> None:
        handler.answer(307, b"", {"Location": "1.root.json"})

    plain.tricks["moved.json"] = moved
    got = HttpCarrier(plain.url, patience=HASTY).metadata("moved.json", 100_000)
    assert got == device.kept()["root.json"]


def test_redirections_in_a_circle(plain: Server) -> None:
    plain.tricks["circle.json"] = lambda handler, content: handler.answer(302, b"", {"Location": "circle.json"})
    with pytest.raises(UnavailableError, match="found more than 5 redirections"):
        HttpCarrier(plain.url, patience=HASTY).metadata("circle.json", 100)


@pytest.mark.parametrize("onward", ["http://127.0.0.1/", "file:///etc/passwd", "//[", "ftp://h/"])
def test_no_redirection_leaves_https(secure: Server, authority: Authority, onward: str) -> None:
    secure.tricks["away.json"] = lambda handler, content: handler.answer(302, b"", {"Location": onward})
    with pytest.raises(UnavailableError, match="found a redirection"):
        HttpCarrier(secure.url, authority.certificate, patience=HASTY).metadata("away.json", 100)


def test_a_password_in_a_url_opens_the_server_and_is_told_to_nobody_else(plain: Server, repository: Repository) -> None:
    with serving(repository.folder) as other:
        plain.tricks["away.json"] = lambda handler, _: handler.answer(302, b"", {"Location": f"{other.url}/metadata/x"})
        carrier = HttpCarrier(plain.url.replace("//", "//user:p%40ss@"), patience=HASTY)
        assert carrier.metadata("1.root.json", 100_000) is not None
        assert carrier.metadata("away.json", 100) is None
        assert [headers["Authorization"] for _, headers in plain.asked] == ["Basic dXNlcjpwQHNz"] * 2
        assert "Authorization" not in other.asked[0][1]
        with pytest.raises(UnavailableError) as refused:
            carrier.metadata("1.root.json", 10)
        assert "p%40ss" not in str(refused.value)
    for url in ("http://user:secret@127.0.0.1:1/r", "ftp://user:secret@h/"):
        with pytest.raises((UnavailableError, InputError)) as told:
            HttpCarrier(url, patience=HASTY).metadata("timestamp.json", 100)
        assert "secret" not in str(told.value)
