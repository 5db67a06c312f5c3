"""The link under TLS with a real mosquitto, set up as `deploy/` says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_profiles.broker_access import Files
from tests.edge_agent.links import running, until
from tools.certificates import Authority
from tools.tls_broker import TlsBroker


def broker_in(folder: Path, *, expired: bool = False) -> TlsBroker:
    folder.mkdir()
    return TlsBroker(folder, expired=expired)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    """Its certificate is valid today."""
    with broker_in(tmp_path_factory.mktemp("valid") / "broker") as broker:
        yield broker


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    """Its certificate was valid some years ago, which is how a valid one looks in another year."""
    with broker_in(tmp_path_factory.mktemp("expired") / "broker", expired=True) as broker:
        yield broker


def files(broker: TlsBroker, name: str = "door-7", ca: Path | None = None) -> Files:
    return Files(ca or broker.authority.certificate, *broker.authority.issue(name))


@pytest.mark.parametrize("trusted", [True, False])
def test_a_device_shows_its_certificate_and_is_admitted(valid: TlsBroker, trusted: bool) -> None:
    async def scenario() -> None:
        async with running(valid.url, "door-7", files=files(valid), clock_trusted=lambda: trusted) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(7, "godwit/door-7/event")
            assert device.unchecked == (not trusted)

    asyncio.run(scenario())


def test_while_the_clock_is_not_trusted_dates_are_not_judged_and_that_is_told(expired: TlsBroker) -> None:
    async def scenario() -> None:
        async with running(expired.url, "door-7", files=files(expired), clock_trusted=lambda: False) as device:
            await until(lambda: device.unchecked == 1, "connected and told")

    asyncio.run(scenario())


def test_with_a_trusted_clock_an_expired_certificate_is_refused(
    expired: TlsBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with running(expired.url, "door-7", files=files(expired), clock_trusted=lambda: True) as device:
            await until(lambda: "its certificate is refused: certificate has expired" in caplog.text, "the refusal")
            assert device.ups == 0

    asyncio.run(scenario())


def test_as_soon_as_the_clock_is_trusted_dates_are_judged(expired: TlsBroker, caplog: pytest.LogCaptureFixture) -> None:
    known = []

    async def scenario() -> None:
        async with running(expired.url, "door-7", files=files(expired), clock_trusted=lambda: bool(known)) as device:
            await until(lambda: device.ups == 1, "connected")
            known.append("what time it is")
            await until(lambda: "certificate has expired" in caplog.text, "the refusal")
            assert not device.link.connected

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())


@pytest.mark.parametrize("trusted", [True, False])
def test_a_broker_of_another_authority_is_always_refused(
    valid: TlsBroker, trusted: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Authority(tmp_path / "stranger").certificate

    async def scenario() -> None:
        async with running(
            valid.url, "door-7", files=files(valid, ca=stranger), clock_trusted=lambda: trusted
        ) as device:
            await until(lambda: "its certificate is refused" in caplog.text, "the refusal")
            assert device.ups == 0

    asyncio.run(scenario())


def test_without_a_pinned_ca_dates_are_judged_whatever_the_clock_says(
    expired: TlsBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(expired.authority.certificate))  # what this system trusts

    async def scenario() -> None:
        named = files(expired)._replace(ca=None)
        async with running(expired.url, "door-7", files=named, clock_trusted=lambda: False) as device:
            await until(lambda: "certificate has expired" in caplog.text, "the refusal")
            assert device.ups == 0

    asyncio.run(scenario())


def test_a_device_without_a_certificate_is_not_admitted(valid: TlsBroker, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with running(valid.url, "door-7", files=Files(ca=valid.authority.certificate)) as device:
            await until(lambda: "spooling, and trying again" in caplog.text, "the refusal")
            assert device.ups == 0

    asyncio.run(scenario())
