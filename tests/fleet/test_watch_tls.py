"""`godwit watch` with a broker under TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.links import asking
from tests.fleet.test_watch import TOPIC, WAIT_S, Watch, prediction, watching
from tools.certificates import Authority, Identity
from tools.tls_broker import TlsBroker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[TlsBroker]:
    with TlsBroker(tmp_path) as started:
        yield started


def options(ca: Path, identity: Identity) -> list[str]:
    return ["--ca", str(ca), "--cert", str(identity.certificate), "--key", str(identity.key)]


def test_predictions_come_under_tls(broker: TlsBroker) -> None:
    issue = broker.authority.issue
    shown = options(broker.authority.certificate, issue("operator"))
    with watching(broker.url, "--count", "1", *shown) as watch:
        watch.wait_for("connection", state="subscribed")
        with asking(broker.port, broker, issue("door-7")) as device:
            device.say(TOPIC, prediction(1))
        assert watch.wait_for("prediction")["device"] == "door-7"


def test_a_broker_of_another_authority_is_refused_for_good(broker: TlsBroker, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger").certificate
    watch = Watch(broker.url, "--timeout", str(WAIT_S), *options(stranger, broker.authority.issue("operator")))
    _, stderr = watch.process.communicate(timeout=WAIT_S)
    assert watch.process.returncode == 4
    assert "expected a broker that we trust, found a certificate that is refused" in stderr
    assert len(stderr.splitlines()) == 1


def test_a_secret_that_every_user_can_read_is_refused(broker: TlsBroker) -> None:
    identity = broker.authority.issue("operator")
    identity.key.chmod(0o644)
    watch = Watch(broker.url, *options(broker.authority.certificate, identity))
    _, stderr = watch.process.communicate(timeout=WAIT_S)
    assert watch.process.returncode == 2
    assert "expected a secret that others cannot read, found mode 0644; type: chmod o= FILE" in stderr
