"""An authority of one's own, and a broker that it made a certificate for."""

from __future__ import annotations

import shutil
import socket
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent import identity
from edge_agent.layout import Root
from fleet.authority import certificates
from fleet.authority.authority import Authority
from fleet.authority_cli import ca
from fleet.passphrases import Passphrases
from tools.certificates import Identity
from tools.tls_broker import TlsBroker


def godwit(*arguments: object, stdin: bytes | None = None) -> str:
    """What `godwit ca` with these arguments prints."""
    result = CliRunner().invoke(ca, list(map(str, arguments)), input=stdin, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def enrol(root: Path, folder: Path, days_ago: int = 0, name: str = "door-7") -> Identity:
    """The device's certificate and key: asked for, signed so many days ago by an authority without a passphrase."""
    place, now, authority = Root(root).identity, certificates.now(), Authority(folder)
    request = identity.request(place, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "now", lambda: now - timedelta(days=days_ago))
        signed = authority.sign(authority.unlock(Passphrases([])), request, name, 398)
    identity.accept(place, name, signed.read_bytes(), authority.certificate.read_bytes())
    return Identity(place / "current" / "device.pem", place / "current" / "device.key")


class OwnBroker(TlsBroker):
    """Of the authority in `folder`, with its revocation list."""

    def __init__(self, place: Path, folder: Path) -> None:
        super().__init__(place)
        self.authority.certificate = folder / "ca.pem"
        godwit("issue", "broker", "--host", "127.0.0.1", "--host", "localhost", "--ca", folder)
        self.list = place / "certs" / "crl.pem"
        for source, name in (("ca.pem", "ca.pem"), ("crl.pem", "crl.pem")):
            shutil.copy(folder / source, place / "certs" / name)
        for name in ("broker.pem", "broker.key"):
            shutil.copy(folder / "certificates" / name, place / "certs" / name)


def refusal(broker: OwnBroker, shown: Identity) -> str:
    """Why the broker ends the handshake, or nothing; in TLS 1.3 a client hears it at the first reading."""
    context = ssl.create_default_context(cafile=broker.authority.certificate)
    context.load_cert_chain(shown.certificate, shown.key)
    with socket.create_connection(("127.0.0.1", broker.port), timeout=1) as plain:
        try:
            context.wrap_socket(plain, server_hostname="localhost").recv(1)
        except ssl.SSLError as error:
            return str(error)
        except TimeoutError:
            return ""
    return "closed"
