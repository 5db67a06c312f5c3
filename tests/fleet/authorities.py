"""An authority of one's own, and a broker that it made a certificate for."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner

from fleet.authority_cli import ca
from tools.tls_broker import TlsBroker


def godwit(*arguments: object, stdin: bytes | None = None) -> str:
    """What `godwit ca` with these arguments prints."""
    result = CliRunner().invoke(ca, list(map(str, arguments)), input=stdin, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


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
