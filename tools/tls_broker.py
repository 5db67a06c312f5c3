"""A mosquitto that is set up as `deploy/` says: TLS, client certificates, an access list."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.broker import Broker
from tools.certificates import Authority

_DEPLOY = Path(__file__).parent.parent / "deploy"


class TlsBroker(Broker):
    """As `Broker`, with the files of `deploy/`, on its own port and in its own folder.

    Attributes:
        authority: who signed its certificate, and must have signed every client's.
        url: `mqtts://127.0.0.1:PORT`.
    """

    def __init__(self, folder: Path, *, expired: bool = False) -> None:
        """As `Broker`; with `expired`, its certificate was valid some years ago."""
        super().__init__(folder)
        self.authority = Authority(folder / "certs")
        self.authority.issue("broker", "127.0.0.1", expired=expired)
        shutil.copyfile(_DEPLOY / "mosquitto.acl", folder / "godwit.acl")

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.port}"

    def _configuration(self, folder: Path) -> str:
        text = (_DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
        for deployed, here in (
            ("/etc/mosquitto", str(folder)),
            ("/var/lib/mosquitto", str(folder)),
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
        ):
            assert deployed in text, "the test would not run what is deployed"
            text = text.replace(deployed, here)
        if not (folder / "certs" / "crl.pem").exists():  # this authority takes nothing back
            text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("crlfile "))
        return text + self._of_this_run()
