"""A certificate authority for tests and trials: trustme makes the certificates, here they become files."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import trustme

_SECRET_MODE = 0o600
_BEGIN, _END = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2021, 2022))


class Identity(NamedTuple):
    """A certificate with its chain, and its private key; both PEM files."""

    certificate: Path
    key: Path


class Authority:
    """One that signs.

    Attributes:
        certificate: the PEM file by which others know it.
    """

    def __init__(self, folder: Path) -> None:
        """Keep everything in `folder`, which is made if need be."""
        folder.mkdir(exist_ok=True)
        self.certificate = folder / "ca.pem"
        self._folder = folder
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(self.certificate)

    def issue(self, name: str, host: str = "", *, expired: bool = False) -> Identity:
        """A certificate whose common name is `name`, of a server at `host` if one is given."""
        made = self._authority.issue_cert(
            host or name,
            common_name=name,
            not_before=_BEGIN if expired else None,
            not_after=_END if expired else None,
        )
        identity = Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        identity.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        identity.key.touch(_SECRET_MODE)
        made.private_key_pem.write_to_path(identity.key)
        return identity
